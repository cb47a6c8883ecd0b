//! Slates per second of every engine, on data shaped like the peers' (see benches/RESULTS.md), answers checked.
//!
//! ```text
//! cargo bench --bench engines                      CPU engines
//! cargo bench --bench engines -- --adapter NAME    a GPU as well
//! cargo bench --bench engines -- --config '...'    one configuration, and not the baselines
//! ```

#![allow(clippy::unwrap_used, reason = "a bench may stop at the first thing that is not as it should be")]

use std::time::Instant;

use clap::Parser;
use spectrank::catalog::{Catalog, Embedding, EmbeddingData};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::gpu::{self, AdapterChoice, GpuEngine, GpuOptions};
use spectrank::parity;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};

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
    /// Runs; the median counts.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Ignored; cargo passes it.
    #[arg(long)]
    bench: bool,
}

/// Numbers in 0..1 from a counter (SplitMix64): the same data on every machine.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform().max(1e-300), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

/// As the peers' data: 40 clusters, rows 0.8 · centre + noise, uniform scores. Every slate has its own items up to 64
/// slates; more slates reuse those items with other scores, or the catalog would not fit a test machine.
fn data(arguments: &Arguments, n_slates: usize) -> (Catalog, Vec<Slate>) {
    let mut random = Random(1);
    let (dim, n) = (arguments.dim, arguments.candidates);
    let centres: Vec<f64> = (0..40 * dim).map(|_| random.normal()).collect();
    let n_items = n * n_slates.min(64);
    let mut rows: Vec<f32> = Vec::with_capacity(n_items * dim);
    for _ in 0..n_items {
        let cluster = (random.uniform() * 40.0) as usize;
        rows.extend((0..dim).map(|i| (0.8 * centres[cluster * dim + i] + random.normal()) as f32));
    }
    let mut catalog = Catalog::new();
    catalog.add_signal(Embedding::new("x", dim, EmbeddingData::F32(rows.into()))).unwrap();
    let slates = (0..n_slates)
        .map(|s| Slate {
            id: s.to_string(),
            candidates: (0..n).map(|i| ((s % 64) * n + i) as u32).collect(),
            scores: (0..n).map(|_| random.uniform()).collect(),
            ..Slate::default()
        })
        .collect();
    (catalog, slates)
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

/// Stops where an answer breaks the parity rule; checks some of the slates, since the reference is slow.
fn check(problem: &Problem, slates: &[PreparedSlate], ranked: &[RankedSlate], who: &str) {
    assert_eq!(slates.len(), ranked.len(), "{who}");
    for i in (0..slates.len()).step_by(slates.len().div_ceil(32)) {
        let replay = parity::replay(problem, &slates[i], &ranked[i]);
        assert!(replay.verdict().is_ok(), "{who}, slate {i}: {:?}", replay.verdict());
    }
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
        check(&problem, &prepared, &answer, who);
        report(who, per_s);
    }
    let engine = CpuEngine::<f64>::new(&problem);
    let (per_s, answer) = measure(arguments.repeat.min(3), n, || engine.rerank(&prepared));
    check(&problem, &prepared, &answer, "CPU f64");
    report("CPU f64 (reference)", per_s);

    if let Some(adapter) = &arguments.adapter {
        let (catalog, slates) = data(arguments, arguments.gpu_slates);
        let problem = Problem::new(&config, &catalog).unwrap();
        let prepared: Vec<_> = slates.iter().map(|s| PreparedSlate::new(&problem, s).unwrap()).collect();
        let mut engine = GpuEngine::new(gpu::open(adapter).unwrap(), &problem, GpuOptions::default()).unwrap();
        let (per_s, answer) = measure(arguments.repeat, prepared.len(), || engine.rerank(&prepared).unwrap());
        check(&problem, &prepared, &answer, "GPU");
        report(&engine.device().description.name.clone(), per_s);
    }
}
