//! `spectrank rerank`

mod output;
mod stop;
mod summary;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use spectrank::contract;
use spectrank::engine::ChosenEngine;
use spectrank::io::{self, CatalogColumns, SlateFields, SlateSource, StdoutFormat};
use spectrank::pipeline::{self, Refusal, Stages};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::Slate;

use super::settings::{ConfigFlags, EngineFlags, names, prepare};
use super::terminal::Notices;
use super::{Exit, Failure, exit, interrupt, terminal};
use output::{Counted, Writer};
use stop::Stop;
use summary::{Summary, report};

/// Slates read, computed and written at a time; five such batches can be in memory.
const BATCH_SLATES: usize = 1024;

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
    /// Result: .parquet, .arrow (file), .arrows (stream), .jsonl or .csv; `-` is standard output.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// What `--output -` writes [default: arrow where the slates are an Arrow stream on standard input, else jsonl].
    #[arg(long, value_enum, value_name = "FORMAT")]
    output_format: Option<StdoutFormat>,
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
  producer | spectrank rerank --catalog items.parquet --slates - --output - | consumer
  spectrank rerank --catalog vectors.npy --slates candidates.npy scores.npy --output ranked.csv";

/// Re-ranks every slate.
pub fn run(flags: &Rerank) -> Result<(), Failure> {
    if flags.output_format.is_some() && flags.output.as_os_str() != "-" {
        let cure = "is for --output -: drop it, a file has the format of its extension";
        return Err(Failure::input("--output-format", cure));
    }
    let config = flags.config.load()?;
    let catalog = io::read_catalog(&flags.catalog, &CatalogColumns::of(&config))?;
    let problem = Problem::new(&config, &catalog).map_err(|error| Failure::input(names(&flags.catalog), error))?;
    let source = io::open_slates(&flags.slates, &catalog, &SlateFields::of(&config))?;
    // Before there is a temporary file.
    interrupt::listen();
    let in_kind = if source.is_arrow_pipe() { StdoutFormat::Arrow } else { StdoutFormat::Jsonl };
    let stdout_format = flags.output_format.unwrap_or(in_kind);
    let metadata = contract::metadata(&config);
    let sink = match io::create_output_as(&flags.output, stdout_format, catalog.has_ids(), &metadata) {
        // Whoever reads standard output went away before the first slate.
        Err(error) if error.is_broken_pipe() => return Ok(()),
        sink => sink?,
    };
    let mut engines = flags.engine.choose_each(&problem)?;
    let bar = terminal::progress_bar(source.n_slates(), flags.quiet || flags.json);
    let mut notices = Notices::new(flags.quiet);
    engines.iter_mut().for_each(|engine| notices.tell(&bar, engine.notice.take()));
    let writer = Writer { sink, catalog: &catalog, bar: bar.clone() };
    let result = stream(flags, &problem, &mut engines, source, writer, &mut notices);
    bar.finish_and_clear();
    match result {
        Ok(summary) => {
            notices.finish();
            report(flags, &summary)
        }
        Err(stop) => stop.into_result(),
    }
}

/// Slates as read and as prepared.
type Batch = (Vec<Slate>, Vec<PreparedSlate>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic halfway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads, ranks and writes at once, and completes the output.
fn stream(
    flags: &Rerank,
    problem: &Problem,
    engines: &mut [ChosenEngine],
    mut source: Box<dyn SlateSource + Send + '_>,
    writer: Writer<'_>,
    notices: &mut Notices,
) -> Result<Summary, Stop> {
    let started = Instant::now();
    let in_engines = Mutex::new(Duration::ZERO);
    let notices = Mutex::new(notices);
    let summary = Summary { missing: problem.missing.clone(), ..Summary::default() };
    let bar = writer.bar.clone();
    let worker = |engine: &mut ChosenEngine, (slates, prepared): Batch| {
        let before = Instant::now();
        let result = engine.rerank(&prepared);
        *locked(&in_engines) += before.elapsed();
        locked(&notices).tell(&bar, engine.notice.take());
        match result {
            Ok(ranked) => Ok((slates, ranked)),
            Err(error) if error.others_go_on => Err(Refusal::Retired((slates, prepared), Failure::from(error).into())),
            Err(error) => Err(Refusal::Failed(Failure::from(error).into())),
        }
    };
    let Counted { mut summary, writer } = pipeline::run(Stages {
        read: || {
            let Some(slates) = source.next_batch(BATCH_SLATES).map_err(Failure::from)? else { return Ok(None) };
            let prepared = prepare(problem, &slates, &flags.slates)?;
            Ok(Some((slates, prepared)))
        },
        compute: engines.iter_mut().map(|engine| |batch| worker(engine, batch)).collect(),
        write: Counted { summary, writer },
        stop: || if interrupt::is_asked() { Err(Stop::Interrupted) } else { Ok(()) },
        abandon: |stop: Stop| {
            // The writer has ended: this is what was written.
            let stop = stop.after(bar.position(), flags);
            if flags.slates.iter().any(|path| path.as_os_str() == "-") {
                // Whoever holds the other end of standard input may never write again.
                bar.finish_and_clear();
                exit::leave(stop.into_result());
            }
            stop
        },
    })?;
    writer.sink.finish()?;
    summary.engine = engines.iter().map(ChosenEngine::name).collect::<Vec<_>>().join("; ");
    summary.engine_seconds = locked(&in_engines).as_secs_f64() / engines.len().max(1) as f64;
    summary.seconds = started.elapsed().as_secs_f64();
    summary.slates_per_s = summary.slates as f64 / summary.seconds.max(1e-9);
    summary.engine_slates_per_s = summary.slates as f64 / summary.engine_seconds.max(1e-9);
    Ok(summary)
}
