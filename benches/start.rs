//! Where the time goes until the first slates are ranked, on the demo's data.
//!
//! ```text
//! cargo bench --bench start -- --adapter NAME
//! ```
//!
//! Every row is a start of its own, from nothing, in this process; the driver may keep what it compiled for the one before.

#![allow(clippy::unwrap_used, reason = "a bench may stop at the first thing that is not as it should be")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use spectrank::cpu::CpuEngine;
use spectrank::demo;
use spectrank::gpu::{self, AdapterChoice, GpuEngine, GpuOptions};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;

/// Measures the start of the GPU engine.
#[derive(Debug, Parser)]
struct Arguments {
    /// GPU to start on.
    #[arg(long, default_value = "auto")]
    adapter: AdapterChoice,
    /// Starts; each is a row.
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Ignored; cargo passes it.
    #[arg(long)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let before = Instant::now();
    demo::run(|problem, slates| {
        println!("{:.0} ms for the demo's catalog and slates", ms(before.elapsed()));
        println!("ms: device, kernel and catalog, known answers, all three as the program does it, then the slates");
        for _ in 0..arguments.repeat {
            start(&arguments, problem, slates);
        }
        Ok::<_, Infallible>(CpuEngine::<f32>::new(problem).rerank(slates))
    })
    .unwrap();
}

fn start(arguments: &Arguments, problem: &Problem, slates: &[PreparedSlate]) {
    let (device, opening) = timed(|| Arc::new(gpu::open(&arguments.adapter).unwrap()));
    let options = |known_answer| GpuOptions { known_answer, ..GpuOptions::default() };
    let (_, untested) = timed(|| GpuEngine::new(device.clone(), problem, options(false)).unwrap());
    let (_, known_answers) = timed(|| GpuEngine::new(device.clone(), problem, options(true)).unwrap());
    drop(device);
    let (mut engine, all) = timed(|| {
        let device = gpu::open(&arguments.adapter).unwrap();
        GpuEngine::new(device, problem, options(true)).unwrap()
    });
    let (ranked, ranking) = timed(|| engine.rerank(slates).unwrap());
    let times = [opening, untested, known_answers, all, ranking].map(|time| format!("{:8.1}", ms(time)));
    println!("{} ({} slates)", times.join(" "), ranked.len());
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = Instant::now();
    let made = work();
    (made, before.elapsed())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
