//! One face for all engines, and the choice between them.

use crate::cpu::CpuEngine;
use crate::gpu::{self, AdapterChoice, AdapterError, GpuEngine, GpuError, GpuOptions};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::RankedSlate;

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

/// An engine of any kind.
pub enum Engine<'a> {
    /// CPU in single precision.
    CpuF32(CpuEngine<'a, f32>),
    /// CPU in double precision, the reference.
    CpuF64(CpuEngine<'a, f64>),
    /// A GPU.
    Gpu(Box<GpuEngine<'a>>),
}

/// An engine, and what `auto` has to say about the choice.
pub struct ChosenEngine<'a> {
    /// The engine.
    pub engine: Engine<'a>,
    /// Why `auto` did not take a GPU, in one line.
    pub notice: Option<String>,
}

impl<'a> Engine<'a> {
    /// Chooses and builds an engine. Naming an adapter counts as asking for the GPU.
    ///
    /// # Errors
    /// The GPU was asked for and cannot be had, or cannot hold the problem. `auto` takes the CPU then.
    pub fn choose(
        problem: &'a Problem<'a>,
        backend: Backend,
        adapter: &AdapterChoice,
        precision: Precision,
    ) -> Result<ChosenEngine<'a>, EngineError> {
        let cpu = |notice| {
            let engine = match precision {
                Precision::F32 => Self::CpuF32(CpuEngine::new(problem)),
                Precision::F64 => Self::CpuF64(CpuEngine::new(problem)),
            };
            Ok(ChosenEngine { engine, notice })
        };
        let is_named = *adapter != AdapterChoice::Auto;
        match backend {
            Backend::Cpu if is_named => Err(EngineError::AdapterForCpu),
            Backend::Cpu => cpu(None),
            Backend::Auto if precision == Precision::F64 && !is_named => cpu(None),
            _ if precision == Precision::F64 => Err(EngineError::F64OnGpu),
            Backend::Auto if !is_named => match Self::gpu(problem, adapter) {
                Ok(engine) => Ok(ChosenEngine { engine, notice: None }),
                Err(error) => cpu(Some(format!("using the CPU engine: {error}"))),
            },
            _ => Ok(ChosenEngine { engine: Self::gpu(problem, adapter)?, notice: None }),
        }
    }

    fn gpu(problem: &'a Problem<'a>, adapter: &AdapterChoice) -> Result<Self, EngineError> {
        let device = gpu::open(adapter)?;
        Ok(Self::Gpu(Box::new(GpuEngine::new(device, problem, GpuOptions::default())?)))
    }

    /// What computes, in words.
    pub fn name(&self) -> String {
        match self {
            Self::CpuF32(_) => format!("CPU, f32, {} threads", rayon::current_num_threads()),
            Self::CpuF64(_) => format!("CPU, f64, {} threads", rayon::current_num_threads()),
            Self::Gpu(engine) => format!("GPU, {}", engine.device().description),
        }
    }

    /// Composes every slate, in order.
    ///
    /// # Errors
    /// The GPU fails, or returns results that cannot be right.
    pub fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, GpuError> {
        match self {
            Self::CpuF32(engine) => Ok(engine.rerank(slates)),
            Self::CpuF64(engine) => Ok(engine.rerank(slates)),
            Self::Gpu(engine) => engine.rerank(slates),
        }
    }
}
