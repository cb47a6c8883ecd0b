//! One point of a curve.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::gpu::{AdapterKind, GpuEngine, GpuOptions, OpenDevice};
use spectrank::problem::Problem;
use spectrank::run::Run;

use crate::common::parquet_files::Failable;
use crate::common::processor::timed_alone;
use crate::common::synthetic::{Shape, synthetic};
use crate::common::{check, prepare};

/// Slates of a point; each has items of its own.
const N_SLATES: usize = 2;
/// Each slate is ranked for so long at least, and so often at least.
const SECONDS_PER_SLATE: f64 = 0.1;
const FEWEST_RUNS: usize = 3;

/// A point.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// Slates per second, or milliseconds per slate on one thread.
    pub y: f64,
    /// Candidates scored per slate, where they were counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub n_scored: Option<u64>,
    /// Pairs of items compared per slate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub n_compared: Option<u64>,
    /// Items compared with sums of rows per slate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub n_summed: Option<u64>,
}

/// Milliseconds per slate on one thread, and what was done in them.
///
/// Processor time, and the least of many runs, so that other work on the machine counts as little as it can. Answers are
/// checked.
pub fn point(x: usize, config: &str, candidates: usize, dim: usize, prunes: bool) -> Failable<Point> {
    let config = Config::from_toml(config)?;
    let (catalog, slates) = synthetic(Shape { candidates, dim, slates: N_SLATES, own_items: N_SLATES })?;
    let problem = Problem::new(&config, &catalog)?;
    let slates = prepare(&problem, &slates)?;
    check(&problem, &slates, &CpuEngine::<f32>::new(&problem).with_pruning(prunes).rerank(&slates), "CPU engine")?;
    let (mut least_seconds, mut n_runs) = (0.0, 0);
    let mut run = Run::<f32>::new(&problem, prunes);
    for slate in &slates {
        let began = Instant::now();
        let mut least = f64::INFINITY;
        let mut runs = 0;
        while runs < FEWEST_RUNS || began.elapsed().as_secs_f64() < SECONDS_PER_SLATE {
            let (took, _) = timed_alone(|| std::hint::black_box(run.rerank(slate)));
            least = least.min(took.cpu_seconds.unwrap_or(took.seconds));
            runs += 1;
        }
        least_seconds += least;
    }
    let mut counted = Run::<f32>::new(&problem, prunes);
    for slate in &slates {
        counted.rerank(slate);
        n_runs += 1;
    }
    Ok(Point {
        x: x as f64,
        y: 1e3 * least_seconds / slates.len() as f64,
        n_scored: Some(counted.n_scored() / n_runs),
        n_compared: Some(counted.n_compared() / n_runs),
        n_summed: Some(counted.n_summed() / n_runs),
    })
}

/// Slates that a GPU gets for a point, and a driver that computes on the CPU.
const GPU_SLATES: [usize; 2] = [4096, 8];
const GPU_RUNS: usize = 5;

/// Milliseconds per slate on a GPU that has thousands: the least of some runs, by the clock.
pub fn gpu_point(x: usize, config: &str, candidates: usize, dim: usize, gpu: &Arc<OpenDevice>) -> Failable<Point> {
    let config = Config::from_toml(config)?;
    let slates = GPU_SLATES[usize::from(gpu.description.kind == AdapterKind::Cpu)];
    let (catalog, slates) = synthetic(Shape { candidates, dim, slates, own_items: N_SLATES })?;
    let problem = Problem::new(&config, &catalog)?;
    let slates = prepare(&problem, &slates)?;
    let mut engine = GpuEngine::new(Arc::clone(gpu), &problem, GpuOptions::default())?;
    check(&problem, &slates, &engine.rerank(&slates)?, "GPU engine")?;
    let mut least = f64::INFINITY;
    for _ in 0..GPU_RUNS {
        let started = Instant::now();
        std::hint::black_box(engine.rerank(&slates)?);
        least = least.min(started.elapsed().as_secs_f64());
    }
    Ok(Point { x: x as f64, y: 1e3 * least / slates.len() as f64, n_scored: None, n_compared: None, n_summed: None })
}
