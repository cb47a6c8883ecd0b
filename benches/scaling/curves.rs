//! The curves.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::gpu::{GpuEngine, GpuOptions, OpenDevice};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;

use crate::common::parquet_files::{Failable, write_catalog, write_slates};
use crate::common::prepare;
use crate::common::synthetic::{Shape, synthetic};
use crate::measure::{Point, gpu_point, point};

/// Several lines over one quantity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Curve {
    /// Name of its picture.
    pub name: String,
    /// What was varied, and what was not.
    pub title: String,
    /// The quantity.
    pub x: String,
    /// What was measured.
    pub y: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Line {
    /// What was measured.
    pub name: String,
    /// Its points, by x.
    pub points: Vec<Point>,
}

impl Curve {
    fn new(name: &str, title: &str, x: &str, y: &str, lines: Vec<Line>) -> Self {
        let [name, title, x, y] = [name, title, x, y].map(str::to_owned);
        Self { name, title, x, y, lines }
    }

    /// As a table.
    pub fn text(&self) -> String {
        let mut text = format!("{} ({})\n", self.title, self.y);
        for line in &self.lines {
            text += &format!("{:28}", line.name);
            line.points.iter().for_each(|point| text += &format!("  {}: {:.3}", point.x, point.y));
            text.push('\n');
        }
        text
    }
}

/// How curves are measured.
pub struct Settings {
    /// Points that would take longer are left out.
    pub seconds: f64,
    /// Where a GPU is measured too.
    pub gpu: Option<Arc<OpenDevice>>,
}

type Measure = fn(&Settings) -> Failable<Curve>;

/// All curves, by the names of their pictures.
pub const CURVES: [(&str, Measure); 6] = [
    ("candidates", candidates),
    ("dimension", dimension),
    ("positions", positions),
    ("spectra", spectra),
    ("cores", cores),
    ("slates", slates),
];

/// Strategies with their settings, and whether pruning is on.
const STRATEGIES: [(&str, &str, bool); 7] = [
    ("spectral", "", true),
    ("spectral, pruning off", "", false),
    ("spectral, window 10/50, K = 8", "[window]\nahead = 50\nscope = \"window\"\n[spectral]\nspectra = 8", true),
    ("mmr", "strategy = \"mmr\"\nmmr.lambda = 0.5", true),
    ("msd", "strategy = \"msd\"\nmsd.lambda = 0.5", true),
    ("dpp", "strategy = \"dpp\"\nrelevance.transform = \"zscore\"\ndpp.theta = 0.5", true),
    ("ssd, window 10", "strategy = \"ssd\"\nrelevance.transform = \"zscore\"\nssd.gamma = 1.0", true),
];
const PER_SLATE: &str = "ms per slate, one thread";

/// A line per strategy; `shape` says N, d and T at an x.
fn strategies(xs: &[usize], settings: &Settings, shape: impl Fn(usize) -> [usize; 3]) -> Failable<Vec<Line>> {
    let seconds = settings.seconds;
    let mut lines = Vec::new();
    if let Some(gpu) = &settings.gpu {
        let at = |&x: &usize| {
            let [n, dim, slate_size] = shape(x);
            gpu_point(x, &format!("slate_size = {slate_size}"), n, dim, gpu)
        };
        let points = xs.iter().map(at).collect::<Failable<_>>()?;
        lines.push(Line { name: format!("spectral, {}", short_name(gpu)), points });
    }
    for (name, settings, prunes) in STRATEGIES {
        let mut points: Vec<Point> = Vec::new();
        for &x in xs {
            let [n, dim, slate_size] = shape(x);
            // The next point takes a multiple of the last one, and each is run several times.
            if points.last().is_some_and(|last| last.y * 100.0 > seconds * 1e3) {
                break;
            }
            points.push(point(x, &format!("slate_size = {slate_size}\n{settings}"), n, dim, prunes)?);
        }
        lines.push(Line { name: name.to_owned(), points });
    }
    Ok(lines)
}

/// Name of an adapter without what stands in brackets.
fn short_name(gpu: &OpenDevice) -> String {
    gpu.description.name.split('(').next().unwrap_or_default().trim().to_owned()
}

fn candidates(settings: &Settings) -> Failable<Curve> {
    let lines = strategies(&[100, 200, 500, 1000, 2000, 5000, 10_000], settings, |n| [n, 256, 50])?;
    Ok(Curve::new("candidates", "Candidates per slate (d = 256, T = 50)", "candidates, N", PER_SLATE, lines))
}

fn dimension(settings: &Settings) -> Failable<Curve> {
    let lines = strategies(&[64, 128, 256, 512, 1024], settings, |dim| [500, dim, 100])?;
    Ok(Curve::new("dimension", "Dimension (N = 500, T = 100)", "dimension, d", PER_SLATE, lines))
}

fn positions(settings: &Settings) -> Failable<Curve> {
    let lines = strategies(&[10, 20, 50, 100, 200, 500], settings, |slate_size| [1000, 256, slate_size])?;
    Ok(Curve::new("positions", "Positions (N = 1,000, d = 256)", "positions, T", PER_SLATE, lines))
}

fn spectra(_settings: &Settings) -> Failable<Curve> {
    let mut lines = Vec::new();
    for (name, window) in [
        ("pool scope, 10 behind", "behind = 10"),
        ("pool scope, 32 behind", "behind = 32"),
        ("window scope, 10 / 50", "ahead = 50\nscope = \"window\""),
    ] {
        let at = |k: usize| {
            point(k, &format!("slate_size = 100\n[window]\n{window}\n[spectral]\nspectra = {k}"), 500, 256, true)
        };
        lines.push(Line {
            name: name.to_owned(),
            points: [1, 2, 4, 8, 16].map(at).into_iter().collect::<Failable<_>>()?,
        });
    }
    Ok(Curve::new("spectra", "Spectra (N = 500, d = 256, T = 100)", "spectra, K", PER_SLATE, lines))
}

/// Slates that every core gets.
const SLATES_PER_CORE: usize = 128;
const MOST_CORES: usize = 64;

fn cores(_settings: &Settings) -> Failable<Curve> {
    let all = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_CORES);
    let mut counts: Vec<usize> = (0..).map(|i| 1 << i).take_while(|&n| n < all).collect();
    counts.push(all);
    let mut lines = Vec::new();
    for (name, settings) in [("spectral", ""), ("msd", "strategy = \"msd\"")] {
        let config = Config::from_toml(&format!("slate_size = 100\n{settings}"))?;
        let shape = Shape { candidates: 500, dim: 256, slates: SLATES_PER_CORE * all, own_items: 128 };
        let (catalog, slates) = synthetic(shape)?;
        let problem = Problem::new(&config, &catalog)?;
        let slates = prepare(&problem, &slates)?;
        let engine = CpuEngine::<f32>::new(&problem);
        let mut points = Vec::new();
        for &n in &counts {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build()?;
            let part = &slates[..SLATES_PER_CORE * n];
            let mut best = 0.0_f64;
            for _ in 0..7 {
                let started = Instant::now();
                std::hint::black_box(pool.install(|| engine.rerank(part)));
                best = best.max(part.len() as f64 / started.elapsed().as_secs_f64());
            }
            points.push(Point { x: n as f64, y: best, n_scored: None, n_compared: None, n_summed: None });
        }
        lines.push(Line { name: name.to_owned(), points });
    }
    Ok(Curve::new("cores", "Cores (N = 500, d = 256, T = 100)", "threads", "slates per second", lines))
}

/// Slates that differ, before they come again; a batch of them.
const DIFFERENT_SLATES: usize = 4096;

/// Seconds that so many slates take.
type Seconds<'a> = &'a mut dyn FnMut(usize) -> Failable<f64>;

fn slates(settings: &Settings) -> Failable<Curve> {
    let seconds = settings.seconds;
    let config = Config::from_toml("slate_size = 100")?;
    let shape = Shape { candidates: 500, dim: 256, slates: DIFFERENT_SLATES, own_items: 64 };
    let (catalog, slates) = synthetic(shape)?;
    let problem = Problem::new(&config, &catalog)?;
    let prepared = prepare(&problem, &slates)?;
    let engine = CpuEngine::<f32>::new(&problem);
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name);
    write_catalog(&file("items.parquet"), &catalog)?;

    // In batches, as the program goes through them.
    let in_batches = |n: usize, rerank: &mut dyn FnMut(&[PreparedSlate]) -> Failable<()>| -> Failable<f64> {
        let started = Instant::now();
        let mut left = n;
        while left > 0 {
            let part = left.min(prepared.len());
            rerank(&prepared[..part])?;
            left -= part;
        }
        Ok(started.elapsed().as_secs_f64())
    };
    let mut on_gpu = match &settings.gpu {
        Some(gpu) => Some(GpuEngine::new(Arc::clone(gpu), &problem, GpuOptions::default())?),
        None => None,
    };
    let mut gpu_alone = |n: usize| -> Failable<f64> {
        let engine = on_gpu.as_mut().ok_or("no GPU")?;
        in_batches(n, &mut |slates| {
            std::hint::black_box(engine.rerank(slates)?);
            Ok(())
        })
    };
    let mut alone = |n: usize| -> Failable<f64> {
        in_batches(n, &mut |slates| {
            std::hint::black_box(engine.rerank(slates));
            Ok(())
        })
    };
    let mut program = |n: usize| -> Failable<f64> {
        write_slates(&file("slates.parquet"), &slates, n)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_spectrank"));
        command.args(["rerank", "--quiet", "--backend", "cpu", "--slate-size", "100", "--catalog"]);
        command.arg(file("items.parquet")).arg("--slates").arg(file("slates.parquet"));
        command.arg("--output").arg(file("ranked.parquet"));
        let started = Instant::now();
        let ran = command.output()?;
        let seconds = started.elapsed().as_secs_f64();
        if ran.status.success() { Ok(seconds) } else { Err(String::from_utf8_lossy(&ran.stderr).into()) }
    };
    let mut measured: Vec<(String, Seconds)> =
        vec![("engine".to_owned(), &mut alone), ("rerank, Parquet to Parquet".to_owned(), &mut program)];
    if let Some(gpu) = &settings.gpu {
        measured.push((short_name(gpu), &mut gpu_alone));
    }
    let mut lines = Vec::new();
    for (name, run) in measured {
        let mut points: Vec<Point> = Vec::new();
        for n in [1, 10, 100, 1000, 10_000, 100_000, 1_000_000] {
            if n > 1000 && points.last().is_some_and(|last| n as f64 / last.y > seconds) {
                break;
            }
            let repeats = if n <= 1000 { 5 } else { 1 };
            let least = (0..repeats).map(|_| run(n)).collect::<Failable<Vec<f64>>>()?;
            let least = least.into_iter().fold(f64::INFINITY, f64::min);
            points.push(Point { x: n as f64, y: n as f64 / least, n_scored: None, n_compared: None, n_summed: None });
        }
        lines.push(Line { name, points });
    }
    let title = "Slates in a run (N = 500, d = 256, T = 100, all cores)";
    Ok(Curve::new("slates", title, "slates", "slates per second", lines))
}
