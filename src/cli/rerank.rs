//! `spectrank rerank`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use spectrank::contract;
use spectrank::engine::ChosenEngine;
use spectrank::io::{self, CatalogColumns, OutputError, SlateFields, SlateSink, SlateSource};
use spectrank::problem::{Problem, ProblemError};

use super::settings::{ConfigFlags, EngineFlags, names, prepare};
use super::{Failure, terminal};

/// Slates read, computed and written at a time.
const BATCH_SLATES: usize = 1024;

/// Flags of `rerank`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Rerank {
    /// Items: .parquet, .npy or .safetensors; several files with the same rows join by row.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    catalog: Vec<PathBuf>,
    /// Slates: .parquet, .jsonl, or a pair of .npy files (candidates and scores).
    #[arg(long, required = true, num_args = 1..=2, value_name = "FILE")]
    slates: Vec<PathBuf>,
    /// Result: .parquet, .jsonl or .csv; `-` is standard output as JSON lines.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    config: ConfigFlags,
    #[command(flatten)]
    engine: EngineFlags,
    /// Print no progress bar, notices or summary.
    #[arg(long, short)]
    quiet: bool,
    /// Print the summary as JSON: on standard output, or on standard error where that takes the slates.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  spectrank rerank --catalog items.parquet --slates slates.parquet --output ranked.parquet
  spectrank rerank --catalog items.parquet --slates slates.jsonl --config feed.toml --slate-size 20 --output -
  spectrank rerank --catalog vectors.npy --slates candidates.npy scores.npy --output ranked.csv";

/// What happened, for the summary line.
#[derive(Debug, Default, Serialize)]
struct Summary {
    slates: u64,
    positions: u64,
    /// Slates with fewer candidates than positions.
    short_slates: u64,
    seconds: f64,
    /// Slates per second, reading and writing included.
    slates_per_s: f64,
    /// Slates per second of the engine alone.
    engine_slates_per_s: f64,
    engine: String,
}

/// Re-ranks every slate.
pub fn run(flags: &Rerank) -> Result<(), Failure> {
    let config = flags.config.load()?;
    let catalog = io::read_catalog(&flags.catalog, &CatalogColumns::of(&config))?;
    let problem = Problem::new(&config, &catalog).map_err(|error| match error {
        ProblemError::StrategyMissing { .. } => Failure::input(flags.config.source(), error),
        _ => Failure::input(names(&flags.catalog), error),
    })?;
    let mut source = io::open_slates(&flags.slates, &catalog, &SlateFields::of(&config))?;
    let mut sink = io::create_output(&flags.output, catalog.has_ids(), &contract::metadata(&config))?;
    let mut engine = flags.engine.choose(&problem)?;
    let bar = terminal::progress_bar(source.n_slates(), flags.quiet || flags.json);
    let mut notices = Notices { is_quiet: flags.quiet, untold: Vec::new() };
    notices.tell(&bar, engine.notice.take());
    let result = stream(flags, &problem, &mut engine, source.as_mut(), sink.as_mut(), &bar, &mut notices);
    bar.finish_and_clear();
    let result = result.and_then(|summary| sink.finish().map(|()| summary).map_err(Stop::from));
    match result {
        Ok(summary) => {
            for notice in notices.untold {
                terminal::tell(format_args!("{notice}"));
            }
            report(flags, &summary)
        }
        Err(Stop::ReaderLeft) => Ok(()),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// What the engine has to say. On a terminal at once; in a log only with the summary, so that bad input ends in one
/// line.
struct Notices {
    is_quiet: bool,
    untold: Vec<String>,
}

impl Notices {
    fn tell(&mut self, bar: &ProgressBar, notice: Option<String>) {
        let Some(notice) = notice.filter(|_| !self.is_quiet) else { return };
        let line = format!("spectrank: {notice}");
        if bar.is_hidden() { self.untold.push(line) } else { bar.println(line) }
    }
}

/// Why a run ends before its last slate.
enum Stop {
    /// Whoever read standard output has enough (`spectrank … | head`).
    ReaderLeft,
    Failed(Failure),
}

impl From<OutputError> for Stop {
    fn from(error: OutputError) -> Self {
        if error.is_broken_pipe() { Self::ReaderLeft } else { Self::Failed(error.into()) }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn stream(
    flags: &Rerank,
    problem: &Problem,
    engine: &mut ChosenEngine,
    source: &mut dyn SlateSource,
    sink: &mut dyn SlateSink,
    bar: &ProgressBar,
    notices: &mut Notices,
) -> Result<Summary, Stop> {
    let started = Instant::now();
    let mut in_engine = Duration::ZERO;
    let mut summary = Summary::default();
    while let Some(slates) = source.next_batch(BATCH_SLATES).map_err(Failure::from)? {
        // A slate's problem does not know its file; the user should.
        let prepared = prepare(problem, &slates, &flags.slates)?;
        let before = Instant::now();
        let ranked = engine.rerank(&prepared).map_err(Failure::from)?;
        in_engine += before.elapsed();
        notices.tell(bar, engine.notice.take());
        sink.write(&slates, &ranked, problem.catalog)?;
        summary.slates += slates.len() as u64;
        summary.positions += ranked.iter().map(|r| r.placements.len() as u64).sum::<u64>();
        summary.short_slates += ranked.iter().filter(|r| r.is_short).count() as u64;
        bar.inc(slates.len() as u64);
    }
    summary.engine = engine.name();
    summary.seconds = started.elapsed().as_secs_f64();
    summary.slates_per_s = summary.slates as f64 / summary.seconds.max(1e-9);
    summary.engine_slates_per_s = summary.slates as f64 / in_engine.as_secs_f64().max(1e-9);
    Ok(summary)
}

fn report(flags: &Rerank, summary: &Summary) -> Result<(), Failure> {
    if flags.json {
        let text = serde_json::json!(summary);
        if flags.output.as_os_str() != "-" {
            return terminal::print(format_args!("{text}\n"));
        }
        terminal::tell(format_args!("{text}"));
    } else if !flags.quiet {
        let short = match summary.short_slates {
            0 => String::new(),
            n => format!(", {n} short of candidates"),
        };
        terminal::tell(format_args!(
            "{} slates, {} positions{short} in {:.2} s: {:.0} slates/s ({:.0} in the engine: {})",
            summary.slates,
            summary.positions,
            summary.seconds,
            summary.slates_per_s,
            summary.engine_slates_per_s,
            summary.engine
        ));
    }
    Ok(())
}
