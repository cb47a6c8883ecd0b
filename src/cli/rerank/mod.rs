//! `spectrank rerank`

mod inputs;
mod output;
mod stop;
mod summary;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use spectrank::engine::ChosenEngine;
use spectrank::folder::{Part, PartBatch};
use spectrank::io::{BatchLimit, OutputFormat, SlateFields};
use spectrank::memory::peak_bytes;
use spectrank::pipeline::{self, Refusal, Stages};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;

use super::memory::{Memory, MemoryFlags};
use super::numbers::whole;
use super::outputs::refuse_overlap;
use super::settings::{ConfigFlags, EngineFlags, names, prepare};
use super::terminal::Notices;
use super::{Failure, exit, interrupt, terminal};
use inputs::Watch;
use output::{Counted, Place, Ranked, Source, Writer};
use stop::{Left, Stop};
use summary::{Summary, report};

/// Flags of `rerank`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Rerank {
    /// Items: .parquet, .npy or .safetensors; several files with the same rows join by row.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    catalog: Vec<PathBuf>,
    /// Slates: .parquet, .arrow, .jsonl, or a pair of .npy files (candidates and scores); `-` is standard input, an Arrow
    /// stream or JSON lines.
    #[arg(long, required = true, num_args = 1..=2, value_name = "FILE")]
    slates: Vec<PathBuf>,
    /// Result: .parquet, .arrow (file), .arrows (stream), .jsonl or .csv; `-` is standard output. A name that ends with a
    /// slash is a folder of numbered parts, with which a run that was ended can go on: see --resume.
    #[arg(long, short, value_name = "FILE|DIR/")]
    output: PathBuf,
    /// What `--output -` writes [default: arrow where the slates are an Arrow stream on standard input, else jsonl], and
    /// what the parts of a folder are [default: parquet].
    #[arg(long, value_enum, value_name = "FORMAT")]
    output_format: Option<OutputFormat>,
    /// Slates of each part of an output folder [default: 16384]. What a run loses at most when it is ended is one part.
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1, 1_000_000_000), allow_negative_numbers = true)]
    part_slates: Option<u64>,
    /// Go on with the run in the output folder: parts that are done are verified and kept, and the result is, to the last
    /// bit, that of a run that was never ended. Begins where there is nothing yet. Inputs and settings must be the same.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    config: ConfigFlags,
    #[command(flatten)]
    engine: EngineFlags,
    #[command(flatten)]
    memory: MemoryFlags,
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
  spectrank rerank --catalog items.parquet --slates slates.parquet --output ranked/ --resume
  spectrank rerank --catalog items.parquet --slates slates.jsonl --config feed.toml --slate-size 20 --output -
  producer | spectrank rerank --catalog items.parquet --slates - --output - | consumer
  spectrank rerank --catalog vectors.npy --slates candidates.npy scores.npy --output ranked.csv";

/// Re-ranks every slate.
pub fn run(flags: &Rerank) -> Result<(), Failure> {
    let read = flags.catalog.iter().chain(&flags.slates).chain(flags.config.files());
    refuse_overlap(read, [("--output", flags.output.as_path())])?;
    // Before anything is read.
    let watch = Watch::of(flags);
    let place = Place::of(flags)?;
    let config = flags.config.load()?;
    let (memory, catalog) = flags.memory.read_catalog(&flags.catalog, &config)?;
    let problem = Problem::new(&config, &catalog).map_err(|error| Failure::input(names(&flags.catalog), error))?;
    let source = memory.open_slates(&flags.slates, &catalog, &SlateFields::of(&config))?;
    interrupt::finish_batches();
    let outlet = match place.open(flags, source.as_ref(), &catalog, &config) {
        // Whoever reads standard output went away before the first slate.
        Err(error) if error.is_broken_pipe() => return Ok(()),
        outlet => outlet?,
    };
    let mut engines = flags.engine.choose_each(&problem)?;
    let n_slates = source.n_slates();
    let limit = memory.batch_limit(&config, &engines, source.is_arrow_pipe());
    let connected = outlet.connect(flags, source, &catalog, &config, identity(&engines))?;
    let n_left = n_slates.map(|n_slates| n_slates.saturating_sub(connected.before.slates));
    let bar = terminal::progress_bar(n_left, flags.quiet || flags.json);
    let mut notices = Notices::new(flags.quiet);
    engines.iter_mut().for_each(|engine| notices.tell(&bar, engine.notice.take()));
    notices.tell(&bar, memory.notice());
    for file in &connected.before.lost {
        notices.tell(&bar, Some(format!("{file} was missing or damaged: it is made again")));
    }
    let writer = Writer { sink: connected.sink, watch: &watch, catalog: &catalog, bar: bar.clone() };
    let mut summary = Summary { missing: problem.missing.clone(), ..Summary::default() };
    let run = Run { flags, memory: &memory, limit, problem: &problem, left: connected.left };
    let result = run.stream(&mut engines, connected.source, writer, &mut notices, &mut summary);
    bar.finish_and_clear();
    match result {
        Ok(parts) => {
            summary.add_parts(parts, &connected.before);
            notices.finish();
            report(flags, &summary)
        }
        Err(stop) => stop.into_result(),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic halfway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What computes, as far as bytes depend on it: GPUs of one kind are as good as one.
fn identity(engines: &[ChosenEngine]) -> String {
    let mut identities: Vec<String> = engines.iter().map(|engine| engine.engine.identity()).collect();
    identities.sort();
    identities.dedup();
    identities.join(" and ")
}

/// Slates as read and as prepared.
type Batch = (PartBatch, Vec<PreparedSlate>);

/// What does not change during a run.
struct Run<'a> {
    flags: &'a Rerank,
    memory: &'a Memory,
    /// What may be in a batch.
    limit: BatchLimit,
    problem: &'a Problem<'a>,
    /// What is left of the output where the run ends early.
    left: Left,
}

impl Run<'_> {
    /// Reads, ranks and writes at once, and completes the output; all parts of a folder.
    fn stream(
        &self,
        engines: &mut [ChosenEngine],
        mut source: Source<'_>,
        writer: Writer<'_>,
        notices: &mut Notices,
        summary: &mut Summary,
    ) -> Result<Option<Vec<Part>>, Stop> {
        let started = Instant::now();
        let in_engines = Mutex::new(Duration::ZERO);
        let notices = Mutex::new(notices);
        let bar = writer.bar.clone();
        let Self { flags, memory, limit, problem, left } = self;
        let together = identity(engines);
        let worker = |engine: &mut ChosenEngine, alone: &str, (batch, prepared): Batch| {
            let before = Instant::now();
            let result = memory.rerank(engine, problem, &prepared);
            *locked(&in_engines) += before.elapsed();
            locked(&notices).tell(&bar, engine.notice.take());
            // Another one where the CPU has taken over.
            let now = engine.engine.identity();
            let engine = if now == alone { together.clone() } else { now };
            match result {
                Ok(ranked) => Ok(Ranked { batch, ranked, engine }),
                Err(error) if error.others_go_on => {
                    Err(Refusal::Retired((batch, prepared), Failure::from(error).into()))
                }
                Err(error) => Err(Refusal::Failed(Failure::from(error).into())),
            }
        };
        let worker = &worker;
        let one = |engine| {
            let engine: &mut ChosenEngine = engine;
            let alone = engine.engine.identity();
            move |batch| worker(engine, &alone, batch)
        };
        let Counted { writer, .. } = pipeline::run(Stages {
            read: || {
                let Some(batch) = source.next_batch(*limit).map_err(Failure::from)? else { return Ok(None) };
                memory.check_slates(&batch.slates, problem, *limit)?;
                let prepared = prepare(problem, &batch.slates, &flags.slates)?;
                Ok(Some((batch, prepared)))
            },
            compute: engines.iter_mut().map(one).collect(),
            write: Counted { summary, writer },
            stop: || interrupt::asked().map_or(Ok(()), |signal| Err(Stop::Interrupted(signal))),
            abandon: |stop: Stop| {
                // The writer has ended: this is what was written.
                let stop = stop.after(bar.position(), left);
                if flags.slates.iter().any(|path| path.as_os_str() == "-") {
                    // Whoever holds the other end of standard input may never write again.
                    bar.finish_and_clear();
                    exit::leave(stop.into_result());
                }
                stop
            },
        })?;
        memory.check_files(problem.catalog)?;
        writer.check_inputs().map_err(|stop| stop.after(bar.position(), left))?;
        let parts = writer.sink.finish().map_err(|stop| stop.after(bar.position(), left))?;
        summary.engine = engines.iter().map(ChosenEngine::name).collect::<Vec<_>>().join("; ");
        summary.mapped_bytes = memory.mapped_bytes;
        summary.peak_memory_bytes = peak_bytes();
        summary.time(started.elapsed(), *locked(&in_engines) / engines.len().max(1) as u32);
        Ok(parts)
    }
}
