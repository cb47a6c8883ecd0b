//! Flags that several commands share.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use spectrank::config::{Config, MAX_SLATE_SIZE, MAX_SPECTRA, MAX_STRENGTH, MAX_WINDOW, Scope, Strategy};
use spectrank::engine::{Backend, ChosenEngine, Engine, EngineRequest, OnGpuError, Precision};
use spectrank::evaluate::{EvaluateError, MeasureRequest};
use spectrank::gpu::{self, AdapterChoice, Doubles, GpuOptions, OpenDevice};
use spectrank::io::SlateFields;
use spectrank::memory::MemoryLimit;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::Slate;
pub use spectrank::text::names;

use super::numbers::{setting, whole, whole_setting};
use super::{Exit, Failure};

/// Where to compute.
#[derive(Debug, Args)]
pub struct EngineFlags {
    /// Where to compute: `auto` takes a discrete or integrated GPU, else the CPU, and says which.
    #[arg(long, value_enum, default_value = "auto")]
    backend: Backend,
    /// GPU to use: its number in `spectrank devices`, part of its name, or its PCI id (0000:01:00.0). `rerank` takes several,
    /// each in an --adapter of its own, or `all`: they share the slates, and the result does not depend on how many they are.
    #[arg(long, value_name = "WHICH")]
    adapter: Vec<AdapterChoice>,
    /// Numbers to compute with; f64 is the reference and runs on the CPU only.
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
    /// What to do where the GPU fails for good halfway: end with an error, or do the rest on the CPU and say so
    /// [default: cpu where `auto` chose the GPU, else fail].
    #[arg(long, value_enum)]
    on_gpu_error: Option<OnGpuError>,
    /// Milliseconds of work given to the GPU at a time, at most about; less keeps a desktop smooth and drivers from
    /// giving up on slow GPUs. The result is the same.
    #[arg(long, value_name = "MS", default_value_t = 200, value_parser = whole::<u64>(1, 60_000), allow_negative_numbers = true)]
    max_dispatch_ms: u64,
    /// Most GPU memory for the catalog (4GiB, 512MB). A larger one stays in the host's memory, as does one that the GPU does not
    /// hold, and each batch brings the rows of its items. The result is the same.
    #[arg(long, value_name = "SIZE")]
    gpu_catalog_limit: Option<MemoryLimit>,
    /// Double precision on the GPU, which the last digits depend on: its own where that was seen to be quicker, or one for certain.
    #[arg(long, value_enum, default_value = "quicker")]
    gpu_doubles: Doubles,
}

impl EngineFlags {
    /// Builds the engine; the notice says why `auto` took none of the GPUs.
    pub fn choose<'a>(&self, problem: &'a Problem<'a>) -> Result<ChosenEngine<'a>, Failure> {
        Ok(Engine::choose(problem, &self.request()?)?)
    }

    /// Builds an engine for each adapter that is named.
    pub fn choose_each<'a>(&self, problem: &'a Problem<'a>) -> Result<Vec<ChosenEngine<'a>>, Failure> {
        Ok(Engine::choose_each(problem, &self.request_on(AdapterChoice::Auto), &self.adapter)?)
    }

    /// What is to happen where the GPU fails, as far as the user says.
    pub fn on_gpu_error(&self) -> Option<OnGpuError> {
        self.on_gpu_error
    }

    /// What engine is asked for, of a command that takes one.
    pub fn request(&self) -> Result<EngineRequest, Failure> {
        match self.adapter.as_slice() {
            [] => Ok(self.request_on(AdapterChoice::Auto)),
            [one] => Ok(self.request_on(one.clone())),
            [..] => Err(Failure::usage("--adapter: only rerank takes several GPUs: name one")),
        }
    }

    fn request_on(&self, adapter: AdapterChoice) -> EngineRequest {
        let max_dispatch = Some(Duration::from_millis(self.max_dispatch_ms));
        let max_catalog_bytes = self.gpu_catalog_limit.map_or(u64::MAX, |limit| limit.0);
        EngineRequest {
            backend: self.backend,
            adapter,
            precision: self.precision,
            on_gpu_error: self.on_gpu_error,
            gpu: GpuOptions {
                max_dispatch,
                max_catalog_bytes,
                doubles: self.gpu_doubles,
                kernel_cache: gpu::kernel_cache::user_folder(),
                ..GpuOptions::default()
            },
        }
    }
}

/// Engines for several problems, on one device that is opened for the first of them.
pub struct Engines<'f> {
    flags: &'f EngineFlags,
    device: Option<Arc<OpenDevice>>,
    /// There is no GPU: `auto` need not look again, nor say so again.
    has_none: bool,
}

impl<'f> Engines<'f> {
    /// Nothing is opened yet.
    pub fn new(flags: &'f EngineFlags) -> Self {
        Self { flags, device: None, has_none: false }
    }

    /// Builds an engine, as [`EngineFlags::choose`].
    pub fn choose<'a>(&mut self, problem: &'a Problem<'a>) -> Result<ChosenEngine<'a>, Failure> {
        let mut request = self.flags.request()?;
        if self.has_none {
            request.backend = Backend::Cpu;
        }
        let (device, has_none) = (&mut self.device, &mut self.has_none);
        let open = |adapter: &AdapterChoice| match device {
            Some(device) => Ok(device.clone()),
            None => {
                let opened = gpu::open(adapter).map(Arc::new);
                *has_none = opened.is_err();
                opened.inspect(|opened| *device = Some(opened.clone()))
            }
        };
        Ok(Engine::choose_with(problem, &request, open)?)
    }
}

/// The configuration, and the everyday settings that override it.
#[derive(Debug, Args)]
pub struct ConfigFlags {
    /// Configuration file (TOML). Without one, every setting has its default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Positions to fill per slate, 1 to 500 [default: 50].
    #[arg(long, value_name = "N", value_parser = whole_setting(1, MAX_SLATE_SIZE), allow_negative_numbers = true)]
    slate_size: Option<usize>,
    /// Rule that composes the slate [default: spectral].
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// How much variety counts against relevance in the spectral strategy; 0 is plain relevance order [default: 0.3].
    #[arg(long, value_name = "BETA", value_parser = setting(0.0, MAX_STRENGTH), allow_negative_numbers = true)]
    strength: Option<f64>,
    /// Placed items that count as "just seen" [default: 10].
    #[arg(long, value_name = "N", value_parser = whole_setting(1, MAX_WINDOW), allow_negative_numbers = true)]
    behind: Option<usize>,
    /// Upcoming candidates that join the window [default: 0].
    #[arg(long, value_name = "N", value_parser = whole_setting(0, MAX_WINDOW), allow_negative_numbers = true)]
    ahead: Option<usize>,
    /// Who competes for a position: every unplaced candidate, or only those ahead [default: pool].
    #[arg(long, value_enum)]
    scope: Option<Scope>,
    /// Themes (eigenpairs) kept per window, 1 to 16 [default: 4].
    #[arg(long, value_name = "K", value_parser = whole_setting(1, MAX_SPECTRA), allow_negative_numbers = true)]
    spectra: Option<usize>,
}

impl ConfigFlags {
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.config.iter()
    }

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

/// What slates are measured by.
#[derive(Debug, Args)]
pub struct MeasureFlags {
    /// Configuration (TOML) whose [relevance], [[signal]], [[spacing]] and [semantic_id] everyone is measured by [default: the
    /// first one, or the one that is tuned].
    #[arg(long, value_name = "FILE")]
    measure: Option<PathBuf>,
    /// Windows and cuts of the metrics that have one (ild@W, ndcg@K, …), in positions, 1 to 500.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "10",
          value_parser = whole::<u64>(1, 500), allow_negative_numbers = true)]
    at: Vec<u64>,
    /// Catalog column of categories; adds the metrics that need one.
    #[arg(long, value_name = "COLUMN")]
    category: Option<String>,
}

impl MeasureFlags {
    /// The files that are read.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.measure.iter()
    }

    /// The measure; `first` is what it comes from where no file is named.
    pub fn request(&self, first: &Config) -> Result<MeasureRequest, Failure> {
        let read = |path: &PathBuf| {
            let text = read_text(path, "--measure")?;
            Config::from_toml(&text).map_err(|e| Failure::input(path.display(), e))
        };
        let by = self.measure.as_ref().map_or_else(|| Ok(first.clone()), read)?;
        let at = self.at.iter().map(|&n| n as usize).collect();
        Ok(MeasureRequest { by, at, category: self.category.clone() })
    }
}

/// What a failed evaluation of these slates tells the user.
pub fn evaluation_failed(error: EvaluateError<Failure>, slates: &[PathBuf]) -> Failure {
    match error {
        EvaluateError::Caller(failure) => failure,
        EvaluateError::BadResult { .. } => Failure::new(Exit::Gpu, error),
        EvaluateError::Problem { .. } => Failure::new(Exit::Input, error),
        EvaluateError::Slate { .. } | EvaluateError::NoSlates(_) => Failure::input(names(slates), error),
    }
}

/// What several configurations need of the same slates.
pub fn slate_fields<'a>(configs: impl Iterator<Item = &'a Config> + Clone) -> Result<SlateFields, Failure> {
    let mut columns: Vec<&str> = configs.clone().filter_map(|config| config.filter.seen_bloom.as_deref()).collect();
    columns.sort_unstable();
    columns.dedup();
    match columns.as_slice() {
        [] | [_] => Ok(SlateFields::of_all(configs)),
        [first, second, ..] => {
            let cure = "a slate carries one Bloom filter at a time, so run them one after the other";
            let what = format!("filter.seen_bloom is \"{first}\" and \"{second}\" in different configurations: {cure}");
            Err(Failure::new(Exit::Input, what))
        }
    }
}

/// Reads and checks a configuration file.
pub fn read_config(path: &Path) -> Result<Config, Failure> {
    Config::from_toml(&read_text(path, "--config")?).map_err(|e| Failure::input(path.display(), e))
}

/// Longest configuration that is read.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

fn read_text(path: &Path, flag: &str) -> Result<String, Failure> {
    let mut text = String::new();
    // Pipes are welcome, and have no length to ask for.
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text));
    let n_bytes = read.map_err(|e| Failure::input(path.display(), format!("cannot be read ({e}): check {flag}")))?;
    if n_bytes as u64 > MAX_CONFIG_BYTES {
        let problem = format!("is longer than {} MiB: check {flag}", MAX_CONFIG_BYTES >> 20);
        return Err(Failure::input(path.display(), problem));
    }
    Ok(text)
}

fn set<T>(setting: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *setting = value;
    }
}

/// Slates bound to a problem. A slate's problem does not know its file; the user should.
pub fn prepare(problem: &Problem, slates: &[Slate], files: &[PathBuf]) -> Result<Vec<PreparedSlate>, Failure> {
    let prepare = |slate| PreparedSlate::new(problem, slate).map_err(|e| Failure::input(names(files), e));
    slates.iter().map(prepare).collect()
}
