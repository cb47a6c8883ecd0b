//! Rows of the whole program: real processes, from file to file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use arrow_array::{Array, UInt32Array};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::io::{CatalogColumns, read_catalog};
use spectrank::problem::Problem;
use spectrank::slate::RankedSlate;

use crate::common::parquet_files::{Failable, write_catalog, write_slates};
use crate::common::processor::{children_time, timed};
use crate::common::{check, median, prepare};
use crate::data::{Data, demo_folder, read_slates};
use crate::report::{Figure, Row};
use crate::rows::{Context, NO_GPU, Slates, Spec};

const CONFIG: &str = "slate_size = 100";
/// Slates in the file before they come again.
const DIFFERENT_SLATES: usize = 1024;
/// Rounds, each of which takes a while.
const MOST_ROUNDS: usize = 3;
/// Slates that a start is timed with.
const START_SLATES: usize = 40;

/// `rerank` from Parquet to Parquet, and the engine alone on the same slates.
pub fn whole(context: &Context, spec: &Spec) -> Result<Row, String> {
    measure_whole(context, spec).map_err(|error| error.to_string())
}

fn measure_whole(context: &Context, spec: &Spec) -> Failable<Row> {
    let n_slates = context.sizes.program_slates;
    let config = Config::from_toml(CONFIG)?;
    let data = Data::new(context, Slates::Synthetic, &config, n_slates.min(DIFFERENT_SLATES))?;
    let problem = Problem::new(&config, &data.catalog)?;
    let slates = prepare(&problem, &data.slates)?;
    let engine = CpuEngine::<f32>::new(&problem);
    let ranked = engine.rerank(&slates);
    check(&problem, &slates, &ranked, "CPU engine, f32")?;

    let run = Rerank::new(context, context.folder.path().join("items.parquet"));
    write_catalog(&run.catalog, &data.catalog)?;
    write_slates(&run.slates, &data.slates, n_slates)?;
    let mut row = Row::new(spec);
    row.notes.push(format!("{n_slates} slates, N = 500, d = 256, T = 100, of {} different ones", slates.len()));
    let (mut alone, mut whole) = (Vec::new(), Vec::new());
    let (mut alone_cpu, mut whole_cpu) = (Vec::new(), Vec::new());
    for _ in 0..context.sizes.rounds.min(MOST_ROUNDS) {
        let mut calls = 0;
        let (took, ()) = timed(|| {
            let started = Instant::now();
            while calls == 0 || started.elapsed().as_secs_f64() < 4.0 * context.sizes.shortest_run {
                std::hint::black_box(engine.rerank(&slates));
                calls += 1;
            }
        });
        let n_alone = (calls * slates.len()) as f64;
        alone.push(n_alone / took.seconds);
        alone_cpu.extend(took.cpu_seconds.map(|seconds| 1e3 * seconds / n_alone));
        let before = children_time();
        whole.push(n_slates as f64 / run.seconds(&["--slate-size", "100"])?);
        let took = children_time().zip(before).map(|(after, before)| after.saturating_sub(before));
        whole_cpu.extend(took.map(|took| 1e3 * took.as_secs_f64() / n_slates as f64));
    }
    compare_output(&run.output, &ranked, n_slates)?;
    row.value = Some(median(&whole) / median(&alone));
    row.ours = Some(figure("rerank, Parquet to Parquet", whole, &whole_cpu));
    row.peers.push(figure("CPU engine, f32, alone", alone, &alone_cpu));
    if let ([_, ..], [_, ..]) = (&alone_cpu[..], &whole_cpu[..]) {
        let share = 100.0 * median(&alone_cpu) / median(&whole_cpu);
        row.notes.push(format!("the engine takes {share:.0} % of the program's processor time"));
    }
    std::fs::remove_file(&run.slates)?;
    std::fs::remove_file(&run.output)?;
    Ok(row.judge(context, None))
}

/// `rerank` of a few slates of the demo, from the start of the process to its end.
pub fn start(context: &Context, spec: &Spec, on_gpu: bool) -> Result<Row, String> {
    measure_start(context, spec, on_gpu).map_err(|error| error.to_string())
}

fn measure_start(context: &Context, spec: &Spec, on_gpu: bool) -> Failable<Row> {
    let adapter = match &context.gpu {
        Err(_) if on_gpu => return Ok(Row::open(spec, NO_GPU)),
        Ok(gpu) if on_gpu => Some(gpu.description.index.to_string()),
        _ => None,
    };
    let run = Rerank::new(context, demo_folder().join("items.parquet"));
    let config = Config::default();
    let catalog = read_catalog(std::slice::from_ref(&run.catalog), &CatalogColumns::of(&config))?;
    let found = read_slates(&demo_folder().join("slates.parquet"), &catalog)?;
    write_slates(&run.slates, &found, START_SLATES)?;
    let flags = match &adapter {
        Some(adapter) => vec!["--backend", "gpu", "--adapter", adapter],
        None => vec!["--backend", "cpu"],
    };
    let mut row = Row::new(spec);
    let seconds = (0..context.sizes.starts).map(|_| run.seconds(&flags)).collect::<Failable<Vec<f64>>>()?;
    if adapter.is_none() {
        let problem = Problem::new(&config, &catalog)?;
        let ranked = CpuEngine::<f32>::new(&problem).rerank(&prepare(&problem, &found)?);
        compare_output(&run.output, &ranked, START_SLATES)?;
    }
    let (first, middle) = (seconds[0], median(&seconds));
    row.value = Some(middle);
    row.notes.push(format!("{} starts; the first took {first:.3} s", seconds.len()));
    row.ours = Some(figure("rerank", seconds.iter().map(|s| START_SLATES as f64 / s).collect(), &[]));
    let software = (on_gpu && context.is_software()).then_some("the adapter computes on the CPU");
    Ok(row.judge(context, software))
}

/// The program on files of a folder.
struct Rerank {
    catalog: PathBuf,
    slates: PathBuf,
    output: PathBuf,
    threads: usize,
}

impl Rerank {
    fn new(context: &Context, catalog: PathBuf) -> Self {
        let file = |name: &str| context.folder.path().join(name);
        let threads = context.machine.threads;
        Self { catalog, slates: file("slates.parquet"), output: file("ranked.parquet"), threads }
    }

    /// One process, by the clock.
    fn seconds(&self, flags: &[&str]) -> Failable<f64> {
        let mut program = Command::new(env!("CARGO_BIN_EXE_spectrank"));
        program.args(["rerank", "--quiet"]).args(flags);
        if !flags.contains(&"--backend") {
            program.args(["--backend", "cpu"]);
        }
        program.arg("--catalog").arg(&self.catalog).arg("--slates").arg(&self.slates);
        program.arg("--output").arg(&self.output).env("RAYON_NUM_THREADS", self.threads.to_string());
        let started = Instant::now();
        let ran = program.output()?;
        let seconds = started.elapsed().as_secs_f64();
        if ran.status.success() { Ok(seconds) } else { Err(String::from_utf8_lossy(&ran.stderr).into()) }
    }
}

/// Fails where the file does not hold the engine's answer for every slate.
fn compare_output(path: &Path, ranked: &[RankedSlate], n_slates: usize) -> Failable<()> {
    let mut expected = (0..n_slates).flat_map(|slate| &ranked[slate % ranked.len()].placements);
    for batch in ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.build()? {
        let batch = batch?;
        let found = batch.column_by_name("candidate").and_then(|column| column.as_any().downcast_ref::<UInt32Array>());
        for &candidate in found.ok_or("the output has no column `candidate`")?.values() {
            match expected.next() {
                Some(placement) if placement.candidate == candidate => {}
                _ => return Err("the program's output is not what its engine computes".into()),
            }
        }
    }
    if expected.next().is_some() { Err("the program's output ends early".into()) } else { Ok(()) }
}

fn figure(who: &str, each: Vec<f64>, cpu_ms: &[f64]) -> Figure {
    Figure {
        who: who.to_owned(),
        slates_per_s: median(&each),
        each_slates_per_s: each,
        cpu_ms_per_slate: (!cpu_ms.is_empty()).then(|| median(cpu_ms)),
        share_of_threads: None,
        is_judged: true,
        agreement: None,
    }
}
