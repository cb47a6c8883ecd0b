//! Slates per second of every engine, on data shaped like the peers' (see benches/RESULTS.md), answers checked.
//!
//! ```text
//! cargo bench --bench engines                      CPU engines
//! cargo bench --bench engines -- --adapter NAME    a GPU as well
//! cargo bench --bench engines -- --config '...'    one configuration, and not the baselines
//! ```

#![allow(clippy::unwrap_used, reason = "a bench may stop at the first thing that is not as it should be")]

mod common;

use std::time::Instant;

use clap::Parser;
use spectrank::catalog::Catalog;
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::gpu::{self, AdapterChoice, Doubles, GpuEngine, GpuOptions};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};

use common::check;
use common::synthetic::{Shape, synthetic};

/// Measures all engines on one shape.
#[derive(Debug, Parser)]
struct Arguments {
    /// Slates for the CPU engines.
    #[arg(long, default_value_t = 512)]
    slates: usize,
    /// Slates for the GPU.
    #[arg(long, default_value_t = 10_000)]
    gpu_slates: usize,
    /// Candidates per slate.
    #[arg(long, default_value_t = 500)]
    candidates: usize,
    /// Embedding dimension.
    #[arg(long, default_value_t = 256)]
    dim: usize,
    /// Positions per slate.
    #[arg(long, default_value_t = 100)]
    positions: usize,
    /// Configuration (TOML text) beside the slate size. Without one: the defaults, then the baselines.
    #[arg(long)]
    config: Option<String>,
    /// GPU to measure as well.
    #[arg(long)]
    adapter: Option<AdapterChoice>,
    /// Double precision on the GPU: `pairs` of f32, its own (`native`), or the `quicker` of both.
    #[arg(long, value_enum, default_value = "quicker")]
    doubles: Doubles,
    /// Runs; the median counts.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Ignored; cargo passes it.
    #[arg(long)]
    bench: bool,
}

/// Slates with items of their own, as results of older versions had them.
const OWN_ITEMS: usize = 64;

fn data(arguments: &Arguments, n_slates: usize) -> (Catalog, Vec<Slate>) {
    let (candidates, dim) = (arguments.candidates, arguments.dim);
    synthetic(Shape { candidates, dim, slates: n_slates, own_items: OWN_ITEMS }).unwrap()
}

/// Median of the runs, in slates per second, and the last answer.
fn measure(repeat: usize, n_slates: usize, mut run: impl FnMut() -> Vec<RankedSlate>) -> (f64, Vec<RankedSlate>) {
    let mut answer = run();
    let mut seconds: Vec<f64> = (0..repeat)
        .map(|_| {
            let start = Instant::now();
            answer = run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    (n_slates as f64 / seconds[seconds.len() / 2], answer)
}

/// Configurations measured where none is named: the default strategy and those it is compared with, as in their libraries.
const CONFIGURATIONS: [&str; 7] = [
    "",
    "strategy = \"mmr\"",
    "strategy = \"msd\"",
    "strategy = \"dpp\"\nrelevance = { transform = \"zscore\" }",
    "strategy = \"dpp\"\ndpp = { window = 10 }\nrelevance = { transform = \"zscore\" }",
    "strategy = \"ssd\"\nrelevance = { transform = \"zscore\" }",
    "strategy = \"ssd\"\nssd = { eviction = \"paper\" }\nrelevance = { transform = \"zscore\" }",
];

fn main() {
    let arguments = Arguments::parse();
    match &arguments.config {
        Some(config) => measure_all(&arguments, &config.replace("\\n", "\n")),
        None => CONFIGURATIONS.iter().for_each(|config| measure_all(&arguments, config)),
    }
}

/// Every engine on one configuration.
fn measure_all(arguments: &Arguments, config: &str) {
    let text = format!("slate_size = {}\n{config}", arguments.positions);
    println!("{}", if config.is_empty() { "defaults".to_owned() } else { config.replace('\n', ", ") });
    let config = Config::from_toml(&text).unwrap();
    let (catalog, slates) = data(arguments, arguments.slates);
    let problem = Problem::new(&config, &catalog).unwrap();
    let prepared: Vec<_> = slates.iter().map(|s| PreparedSlate::new(&problem, s).unwrap()).collect();
    let shape = format!("N = {}, d = {}, T = {}", arguments.candidates, arguments.dim, arguments.positions);
    println!("{shape}, {} threads", rayon::current_num_threads());
    let report = |who: &str, per_s: f64| println!("{who:40} {per_s:10.0} slates/s");

    let n = prepared.len();
    for prunes in [true, false] {
        let engine = CpuEngine::<f32>::new(&problem).with_pruning(prunes);
        let (per_s, answer) = measure(arguments.repeat, n, || engine.rerank(&prepared));
        let who = if prunes { "CPU f32" } else { "CPU f32, pruning off" };
        check(&problem, &prepared, &answer, who).unwrap();
        report(who, per_s);
    }
    let engine = CpuEngine::<f64>::new(&problem);
    let (per_s, answer) = measure(arguments.repeat.min(3), n, || engine.rerank(&prepared));
    check(&problem, &prepared, &answer, "CPU f64").unwrap();
    report("CPU f64 (reference)", per_s);

    if let Some(adapter) = &arguments.adapter {
        let (catalog, slates) = data(arguments, arguments.gpu_slates);
        let problem = Problem::new(&config, &catalog).unwrap();
        let prepared: Vec<_> = slates.iter().map(|s| PreparedSlate::new(&problem, s).unwrap()).collect();
        let device = gpu::open(adapter).unwrap();
        println!("double precision: {}", arguments.doubles.name_on(&device));
        let options = GpuOptions { doubles: arguments.doubles, ..GpuOptions::default() };
        let mut engine = GpuEngine::new(device, &problem, options).unwrap();
        let (per_s, answer) = measure(arguments.repeat, prepared.len(), || engine.rerank(&prepared).unwrap());
        check(&problem, &prepared, &answer, "GPU").unwrap();
        report(&engine.device().description.name.clone(), per_s);
    }
}
