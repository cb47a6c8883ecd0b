//! One face for all engines, and the choice between them.

mod several;

use std::sync::Arc;

use several::Team;

use crate::cpu::CpuEngine;
use crate::gpu::plan::Residence;
use crate::gpu::{self, AdapterChoice, AdapterError, GpuEngine, GpuError, GpuOptions, OpenDevice};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::RankedSlate;

/// Identity of the CPU engine in single precision.
const CPU_F32: &str = "CPU, f32";
/// How identities of GPU engines begin.
const GPU: &str = "GPU, ";

/// True where the second engine, by its [`Engine::identity`], is what takes over from the first one where that fails.
pub(crate) fn takes_over(before: &str, now: &str) -> bool {
    before.starts_with(GPU) && now == CPU_F32
}

/// Where slates are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Backend {
    /// A discrete or integrated GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// A GPU, or an error.
    Gpu,
    /// The CPU.
    Cpu,
}

/// Numbers to compute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Precision {
    /// Single precision: fast, and within 2e-5 of the reference.
    #[default]
    F32,
    /// Double precision: the reference. CPU only.
    F64,
}

/// What happens where the GPU fails for good while slates are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OnGpuError {
    /// The run ends with an error.
    Fail,
    /// The CPU engine does the rest, and says so.
    Cpu,
}

/// What engine is wanted.
#[derive(Debug, Clone, Default)]
pub struct EngineRequest {
    /// Where to compute.
    pub backend: Backend,
    /// Which adapter; naming one counts as asking for the GPU.
    pub adapter: AdapterChoice,
    /// Numbers to compute with.
    pub precision: Precision,
    /// What to do where the GPU fails later. `None`: go on on the CPU where `auto` chose the GPU, fail where the user did.
    pub on_gpu_error: Option<OnGpuError>,
    /// Settings of the GPU engine.
    pub gpu: GpuOptions,
}

/// Why no engine could be had.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No adapter.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The GPU engine failed.
    #[error(transparent)]
    Gpu(#[from] GpuError),
    /// f64 asked of the GPU.
    #[error("--precision f64 runs on the CPU only: add --backend cpu, or use --precision f32")]
    F64OnGpu,
    /// An adapter named for the CPU engine.
    #[error("--adapter names a GPU but --backend cpu was asked for: drop one of them")]
    AdapterForCpu,
}

/// The GPU failed for good after some slates.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{error}; slates done until then: {n_done}, `--on-gpu-error cpu` does the rest on the CPU")]
pub struct Interrupted {
    /// What happened.
    pub error: GpuError,
    /// Slates the engine has done since its start.
    pub n_done: u64,
    /// Of several engines others are still at work, and can do the rest; this one must not be asked again.
    pub others_go_on: bool,
}

/// An engine of any kind.
pub enum Engine<'a> {
    /// CPU in single precision.
    CpuF32(CpuEngine<'a, f32>),
    /// CPU in double precision, the reference.
    CpuF64(CpuEngine<'a, f64>),
    /// A GPU.
    Gpu(Box<GpuEngine<'a>>),
}

impl<'a> Engine<'a> {
    /// Chooses and builds an engine. Naming an adapter counts as asking for the GPU.
    ///
    /// # Errors
    /// The GPU was asked for and cannot be had, cannot hold the problem, or computes wrongly. `auto` takes the CPU then.
    pub fn choose(problem: &'a Problem<'a>, request: &EngineRequest) -> Result<ChosenEngine<'a>, EngineError> {
        Self::choose_with(problem, request, |adapter| gpu::open(adapter).map(Arc::new))
    }

    /// As [`Self::choose`], with a device from elsewhere where one is needed: opened before, and shared.
    ///
    /// # Errors
    /// As [`Self::choose`].
    pub fn choose_with(
        problem: &'a Problem<'a>,
        request: &EngineRequest,
        open: impl FnOnce(&AdapterChoice) -> Result<Arc<OpenDevice>, AdapterError>,
    ) -> Result<ChosenEngine<'a>, EngineError> {
        let is_auto = request.backend == Backend::Auto && request.adapter == AdapterChoice::Auto;
        let on_gpu_error = request.on_gpu_error.unwrap_or(if is_auto { OnGpuError::Cpu } else { OnGpuError::Fail });
        let chosen = |engine, notice| ChosenEngine {
            engine,
            notice,
            problem,
            on_gpu_error,
            n_done: 0,
            replaced: None,
            team: Team::default(),
        };
        let cpu = |notice| chosen(Self::cpu(problem, request.precision), notice);
        let gpu = || -> Result<Self, EngineError> {
            let device = open(&request.adapter)?;
            Ok(Self::Gpu(Box::new(GpuEngine::new(device, problem, request.gpu.clone())?)))
        };
        match (request.backend, request.precision) {
            (Backend::Cpu, _) if request.adapter != AdapterChoice::Auto => Err(EngineError::AdapterForCpu),
            (Backend::Cpu, _) => Ok(cpu(None)),
            (_, Precision::F64) if is_auto => Ok(cpu(None)),
            (_, Precision::F64) => Err(EngineError::F64OnGpu),
            _ => match gpu() {
                Ok(engine) => {
                    let notice = engine.notice();
                    Ok(chosen(engine, notice))
                }
                Err(error) if is_auto => Ok(cpu(Some(format!("using the CPU engine: {error}")))),
                Err(error) => Err(error),
            },
        }
    }

    fn cpu(problem: &'a Problem<'a>, precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::CpuF32(CpuEngine::new(problem)),
            Precision::F64 => Self::CpuF64(CpuEngine::new(problem)),
        }
    }

    /// What a user should know of how it works.
    fn notice(&self) -> Option<String> {
        match self {
            Self::Gpu(engine) if engine.residence() == Residence::Host => {
                let why = "the catalog stays in the host's memory, the GPU does not hold it or should not";
                Some(format!("{why}: each batch brings the rows of its items, which is slower"))
            }
            _ => None,
        }
    }

    /// What computes, in words.
    pub fn name(&self) -> String {
        match self {
            Self::CpuF32(_) => format!("CPU, f32, {} threads", rayon::current_num_threads()),
            Self::CpuF64(_) => format!("CPU, f64, {} threads", rayon::current_num_threads()),
            Self::Gpu(engine) => format!("GPU, {}", engine.device().description),
        }
    }

    /// What the last digits of results depend on, in words: runs of one identity give equal bits. The CPU engine's do not
    /// depend on the processor; a GPU's depend on its driver, and on which double precision it computes in.
    pub fn identity(&self) -> String {
        match self {
            Self::CpuF32(_) => CPU_F32.to_owned(),
            Self::CpuF64(_) => "CPU, f64".to_owned(),
            Self::Gpu(engine) => {
                let adapter = &engine.device().description;
                let parts = [&adapter.name, &adapter.backend.to_string(), &adapter.driver, &adapter.driver_info];
                let known = parts.into_iter().filter(|part| !part.is_empty()).map(String::as_str);
                let known = known.chain(engine.has_native_doubles().then_some("its own doubles"));
                format!("{GPU}{}", known.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Slates that it has to be given at a time so that it never waits for the next; 1 where any number will do.
    pub fn slates_at_once(&self) -> usize {
        match self {
            Self::CpuF32(_) | Self::CpuF64(_) => 1,
            Self::Gpu(engine) => engine.slates_at_once(),
        }
    }

    /// Composes every slate, in order.
    ///
    /// # Errors
    /// The GPU fails, or returns results that cannot be right.
    pub fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, GpuError> {
        let mut ranked = Vec::with_capacity(slates.len());
        self.rerank_into(slates, &mut ranked)?;
        Ok(ranked)
    }

    /// Composes every slate, in order, and appends it to `ranked`.
    ///
    /// # Errors
    /// As [`Self::rerank`]. What was appended until then is right and complete.
    pub fn rerank_into(&mut self, slates: &[PreparedSlate], ranked: &mut Vec<RankedSlate>) -> Result<(), GpuError> {
        match self {
            Self::CpuF32(engine) => ranked.extend(engine.rerank(slates)),
            Self::CpuF64(engine) => ranked.extend(engine.rerank(slates)),
            Self::Gpu(engine) => return engine.rerank_into(slates, ranked),
        }
        Ok(())
    }
}

/// An engine, what there is to say about its choice, and what happens where it fails.
pub struct ChosenEngine<'a> {
    /// The engine.
    pub engine: Engine<'a>,
    /// Something the user should know, in one line: why `auto` did not take a GPU, or that the CPU took over.
    pub notice: Option<String>,
    problem: &'a Problem<'a>,
    on_gpu_error: OnGpuError,
    n_done: u64,
    /// The engine that the CPU took over from, in words.
    replaced: Option<String>,
    team: Team,
}

impl ChosenEngine<'_> {
    /// What computes, in words.
    pub fn name(&self) -> String {
        let now = self.engine.name();
        self.replaced.as_ref().map_or(now.clone(), |before| format!("{before}, then {now}"))
    }

    /// Composes every slate, in order, and appends it to `ranked`. Where the GPU fails for good, the CPU engine does the
    /// rest if that is what was asked for, now and from now on; [`notice`](Self::notice) says so. Of several engines that share
    /// a run only the last one does that.
    ///
    /// # Errors
    /// The GPU failed for good. What was appended until then is right and complete.
    pub fn rerank_into(&mut self, slates: &[PreparedSlate], ranked: &mut Vec<RankedSlate>) -> Result<(), Interrupted> {
        let n_before = ranked.len();
        let result = self.engine.rerank_into(slates, ranked);
        let n_ranked = ranked.len() - n_before;
        self.n_done += n_ranked as u64;
        let n_done = self.n_done;
        match (result, self.on_gpu_error) {
            (Ok(()), _) => Ok(()),
            (Err(error), _) if self.team.leave() => {
                let goes_on = "its slates go to the other GPUs";
                self.notice = Some(format!("{} is out after {n_done} slates, {goes_on}: {error}", self.engine.name()));
                Err(Interrupted { error, n_done, others_go_on: true })
            }
            (Err(error), OnGpuError::Fail) => Err(Interrupted { error, n_done, others_go_on: false }),
            (Err(error), OnGpuError::Cpu) => {
                self.notice = Some(format!("the CPU engine goes on after {n_done} slates: {error}"));
                self.replaced = Some(self.engine.name());
                let engine = CpuEngine::<f32>::new(self.problem);
                ranked.extend(engine.rerank(&slates[n_ranked..]));
                self.n_done += (slates.len() - n_ranked) as u64;
                self.engine = Engine::CpuF32(engine);
                Ok(())
            }
        }
    }

    /// As [`Self::rerank_into`], into a new list.
    ///
    /// # Errors
    /// As [`Self::rerank_into`]. Nothing is returned then.
    pub fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, Interrupted> {
        let mut ranked = Vec::with_capacity(slates.len());
        self.rerank_into(slates, &mut ranked)?;
        Ok(ranked)
    }
}
