//! Flags that several commands share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, value_parser};
use spectrank::config::{Config, Scope, Strategy};
use spectrank::engine::{Backend, ChosenEngine, Engine, EngineRequest, OnGpuError, Precision};
use spectrank::gpu::{AdapterChoice, GpuOptions};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::Slate;

use super::Failure;

/// Where to compute.
#[derive(Debug, Args)]
pub struct EngineFlags {
    /// Where to compute: `auto` takes a discrete or integrated GPU, else the CPU, and says which.
    #[arg(long, value_enum, default_value = "auto")]
    backend: Backend,
    /// GPU to use: its number in `spectrank devices`, part of its name, or its PCI id (0000:01:00.0).
    #[arg(long, value_name = "WHICH")]
    adapter: Option<AdapterChoice>,
    /// Numbers to compute with; f64 is the reference and runs on the CPU only.
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
    /// What to do where the GPU fails for good halfway: end with an error, or do the rest on the CPU and say so
    /// [default: cpu where `auto` chose the GPU, else fail].
    #[arg(long, value_enum)]
    on_gpu_error: Option<OnGpuError>,
    /// Milliseconds of work given to the GPU at a time, at most about; less keeps a desktop smooth and drivers from
    /// giving up on slow GPUs. The result is the same.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = value_parser!(u64).range(1..=60_000))]
    max_dispatch_ms: u64,
}

impl EngineFlags {
    /// Builds the engine; the notice says why `auto` took none of the GPUs.
    pub fn choose<'a>(&self, problem: &'a Problem<'a>) -> Result<ChosenEngine<'a>, Failure> {
        let max_dispatch = Some(Duration::from_millis(self.max_dispatch_ms));
        let request = EngineRequest {
            backend: self.backend,
            adapter: self.adapter.clone().unwrap_or_default(),
            precision: self.precision,
            on_gpu_error: self.on_gpu_error,
            gpu: GpuOptions { max_dispatch, ..GpuOptions::default() },
        };
        Ok(Engine::choose(problem, &request)?)
    }
}

/// The configuration, and the everyday settings that override it.
#[derive(Debug, Args)]
pub struct ConfigFlags {
    /// Configuration file (TOML). Without one, every setting has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Positions to fill per slate, 1 to 500 [default: 50].
    #[arg(long, value_name = "N")]
    slate_size: Option<usize>,
    /// Rule that composes the slate [default: spectral].
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// How much variety counts against relevance in the spectral strategy; 0 is plain relevance order [default: 0.3].
    #[arg(long, value_name = "BETA")]
    strength: Option<f64>,
    /// Placed items that count as "just seen" [default: 10].
    #[arg(long, value_name = "N")]
    behind: Option<usize>,
    /// Upcoming candidates that join the window [default: 0].
    #[arg(long, value_name = "N")]
    ahead: Option<usize>,
    /// Who competes for a position: every unplaced candidate, or only those ahead [default: pool].
    #[arg(long, value_enum)]
    scope: Option<Scope>,
    /// Themes (eigenpairs) kept per window, 1 to 16 [default: 4].
    #[arg(long, value_name = "K")]
    spectra: Option<usize>,
}

impl ConfigFlags {
    /// Reads the file, applies the flags, checks the result.
    pub fn load(&self) -> Result<Config, Failure> {
        let mut config = self.config.as_deref().map_or_else(|| Ok(Config::default()), read_config)?;
        set(&mut config.slate_size, self.slate_size);
        set(&mut config.strategy, self.strategy);
        set(&mut config.spectral.strength, self.strength);
        set(&mut config.window.behind, self.behind);
        set(&mut config.window.ahead, self.ahead);
        set(&mut config.window.scope, self.scope);
        set(&mut config.spectral.spectra, self.spectra);
        config.validate().map_err(|e| Failure::input("the flags", e))?;
        Ok(config)
    }
}

/// Reads and checks a configuration file.
pub fn read_config(path: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::input(path.display(), format!("cannot be read ({e}): check --config")))?;
    Config::from_toml(&text).map_err(|e| Failure::input(path.display(), e))
}

fn set<T>(setting: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *setting = value;
    }
}

/// Files as a message names them.
pub fn names(files: &[PathBuf]) -> String {
    files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Slates bound to a problem. A slate's problem does not know its file; the user should.
pub fn prepare(problem: &Problem, slates: &[Slate], files: &[PathBuf]) -> Result<Vec<PreparedSlate>, Failure> {
    let prepare = |slate| PreparedSlate::new(problem, slate).map_err(|e| Failure::input(names(files), e));
    slates.iter().map(prepare).collect()
}
