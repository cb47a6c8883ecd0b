//! The table of speed targets: what spectrank does per second, what the peers found here do, and whether the ratio is what it
//! is meant to be. Ours and the peer's runs take turns, medians count, and every answer is checked against the f64 reference.
//!
//! ```text
//! cargo bench --bench table                                  every row, with the peers that `python3` has
//! cargo bench --bench table -- --python venv/bin/python --json table.json
//! cargo bench --bench table -- --only pool --only mmr        some rows; --list names them
//! cargo bench --bench table -- --adapter 1                   the GPU's rows on another one than the best (benches/gpu.sh)
//! cargo bench --bench table -- --quick                       the same on a few slates: checks, no figures to quote
//! ```
//!
//! Peers are optional: `pip install torch==2.15.0 pyversity==0.2.0 numpy`. A row that cannot be measured says why.

#[path = "../common/mod.rs"]
mod common;
mod cpu_rows;
mod data;
mod duel;
mod gpu_rows;
mod peer;
mod program_rows;
mod report;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use spectrank::gpu::AdapterChoice;

use crate::report::{Report, Row};
use crate::rows::{Context, Kind, ROWS, Spec};

/// Measures spectrank beside its peers and prints the table of targets.
#[derive(Debug, Clone, Parser)]
pub struct Arguments {
    /// Write everything that was measured here, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Python in which torch and pyversity are looked for.
    #[arg(long, default_value = "python3", value_name = "PROGRAM")]
    python: PathBuf,
    /// Measure this row alone; several are possible.
    #[arg(long, value_name = "ROW", value_parser = known_row)]
    only: Vec<String>,
    /// Name the rows and end.
    #[arg(long)]
    list: bool,
    /// A few slates and one round: are the answers right and do the peers run? Its ratios are not judged.
    #[arg(long)]
    quick: bool,
    /// Threads, for us and for the peers [default: all].
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// GPU for its rows, as in `spectrank rerank`: `auto`, a number, a part of its name. A driver that computes on the CPU
    /// is measured where it is named, and not judged.
    #[arg(long, value_name = "ADAPTER", default_value = "auto")]
    adapter: AdapterChoice,
    /// Folder with items.parquet and slates.parquet of the full WordNet set [default: the demo's 12 slates].
    #[arg(long, value_name = "DIR")]
    wordnet: Option<PathBuf>,
    /// Rounds in which ours and the peer take turns [default: 7, with --quick 1].
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Slates of the row for the whole program [default: 100000, with --quick 500].
    #[arg(long, value_name = "N")]
    program_slates: Option<usize>,
    /// Ignored; cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

fn known_row(name: &str) -> Result<String, String> {
    if ROWS.iter().any(|row| row.name == name) { Ok(name.to_owned()) } else { Err("see --list".to_owned()) }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        ROWS.iter().for_each(|row| println!("{:16} {}", row.name, row.what));
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(report) if report.is_right() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("table: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Report, String> {
    let context = Context::new(arguments)?;
    let mut report = Report::new(&context);
    print!("{}", report.head());
    let is_wanted = |spec: &&Spec| arguments.only.is_empty() || arguments.only.iter().any(|name| name == spec.name);
    for spec in ROWS.iter().filter(is_wanted) {
        eprintln!("table: {} …", spec.name);
        let row = match spec.kind {
            Kind::Cpu(case) => cpu_rows::measure(&context, spec, case),
            Kind::Gpu(case) => gpu_rows::beside_torch(&context, spec, case),
            Kind::GpuBesideCpu(case) => gpu_rows::beside_cpu(&context, spec, case),
            Kind::Program => program_rows::whole(&context, spec),
            Kind::Start { on_gpu } => program_rows::start(&context, spec, on_gpu),
        };
        // What fails is a row that says so; the others are measured all the same.
        report.rows.push(row.unwrap_or_else(|error| Row::failed(spec, error)));
    }
    print!("{}", report.table());
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(report)
}
