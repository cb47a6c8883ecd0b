//! `spectrank rerank`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use spectrank::catalog::Catalog;
use spectrank::contract;
use spectrank::engine::ChosenEngine;
use spectrank::io::{self, OutputError, SlateFields, SlateSink, SlateSource, StdoutFormat};
use spectrank::memory::{peak_bytes, size_text};
use spectrank::pipeline::{self, Stages, WriteStage};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::{MissingCount, Problem};
use spectrank::slate::{Pin, RankedSlate, Slate};

use super::memory::{Memory, MemoryFlags};
use super::settings::{ConfigFlags, EngineFlags, names, prepare};
use super::terminal::Notices;
use super::{Exit, Failure, exit, interrupt, terminal};

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
  spectrank rerank --catalog items.parquet --slates slates.jsonl --config feed.toml --slate-size 20 --output -
  producer | spectrank rerank --catalog items.parquet --slates - --output - | consumer
  spectrank rerank --catalog vectors.npy --slates candidates.npy scores.npy --output ranked.csv";

/// What happened, for the summary line.
#[derive(Debug, Default, Serialize)]
struct Summary {
    slates: u64,
    positions: u64,
    /// Slates with fewer candidates than positions, after filters.
    short_slates: u64,
    /// The first of them, by id.
    first_short: Option<String>,
    /// Candidates that filters took out.
    filtered_candidates: u64,
    /// Pinned items that do not stand where they were pinned: a filter took them out, or the slate ends before.
    pins_not_kept: u64,
    /// Items of the catalog that lack something, by the setting that needs it.
    missing: Vec<MissingCount>,
    /// Slates whose later positions `dpp` or `ssd` filled by base score alone, nothing new being left.
    rank_exhausted_slates: u64,
    seconds: f64,
    /// Seconds in which the engine was at work; reading and writing go on meanwhile.
    engine_seconds: f64,
    /// Slates per second, reading and writing included.
    slates_per_s: f64,
    /// Slates per second of the engine alone.
    engine_slates_per_s: f64,
    engine: String,
    /// Most memory that was resident at a time, by the system's count; nothing where it does not tell.
    peak_memory_bytes: Option<u64>,
    /// Embeddings that stayed in their files to keep to the memory limit. Their pages can be part of the peak: the system
    /// takes them back when it needs them.
    mapped_bytes: u64,
}

impl Summary {
    fn count(&mut self, slates: &[Slate], ranked: &[RankedSlate]) {
        self.slates += slates.len() as u64;
        for (slate, ranked) in slates.iter().zip(ranked) {
            self.positions += ranked.placements.len() as u64;
            self.filtered_candidates += u64::from(ranked.n_filtered);
            let stands = |pin: &Pin| ranked.placements.get(pin.position as usize).is_some_and(|p| p.item == pin.item);
            self.pins_not_kept += slate.pinned.iter().filter(|pin| !stands(pin)).count() as u64;
            self.rank_exhausted_slates += u64::from(ranked.rank_exhausted_at.is_some());
            if ranked.is_short {
                self.short_slates += 1;
                self.first_short.get_or_insert_with(|| slate.id.clone());
            }
        }
    }

    /// What was not ranked, for the summary line.
    fn left_out(&self) -> String {
        let mut text = String::new();
        if self.filtered_candidates > 0 {
            text += &format!(", {} candidates filtered", self.filtered_candidates);
        }
        if let Some(first) = &self.first_short {
            text += &format!(", {} short of candidates (first: \"{}\")", self.short_slates, first.escape_debug());
        }
        if self.pins_not_kept > 0 {
            text += &format!(", pins not kept: {}", self.pins_not_kept);
        }
        if self.rank_exhausted_slates > 0 {
            text += &format!(", {} ran out of rank", self.rank_exhausted_slates);
        }
        text
    }
}

/// Re-ranks every slate.
pub fn run(flags: &Rerank) -> Result<(), Failure> {
    if flags.output_format.is_some() && flags.output.as_os_str() != "-" {
        let cure = "is for --output -: drop it, a file has the format of its extension";
        return Err(Failure::input("--output-format", cure));
    }
    let config = flags.config.load()?;
    let (memory, catalog) = flags.memory.read_catalog(&flags.catalog, &config)?;
    let problem = Problem::new(&config, &catalog).map_err(|error| Failure::input(names(&flags.catalog), error))?;
    let source = memory.open_slates(&flags.slates, &catalog, &SlateFields::of(&config))?;
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
    let mut engine = flags.engine.choose(&problem)?;
    let bar = terminal::progress_bar(source.n_slates(), flags.quiet || flags.json);
    let mut notices = Notices::new(flags.quiet);
    notices.tell(&bar, engine.notice.take());
    notices.tell(&bar, memory.notice());
    let writer = Writer { sink, catalog: &catalog, bar: bar.clone() };
    let result = stream(flags, &memory, &problem, &mut engine, source, writer, &mut notices);
    bar.finish_and_clear();
    match result {
        Ok(summary) => {
            notices.finish();
            report(flags, &summary)
        }
        Err(stop) => stop.into_result(),
    }
}

/// Why a run ends before its last slate.
enum Stop {
    /// Whoever read standard output has enough (`spectrank … | head`).
    ReaderLeft,
    /// Ctrl-C.
    Interrupted,
    Failed(Failure),
}

impl Stop {
    /// An interruption as a failure that says how far it came.
    fn after(self, n_slates: u64, flags: &Rerank) -> Self {
        let left = if flags.output.as_os_str() == "-" { "the output ends there" } else { "nothing was kept" };
        let interrupted =
            || Failure::new(Exit::Interrupted, format_args!("interrupted after {n_slates} slates: {left}"));
        if matches!(self, Self::Interrupted) { Self::Failed(interrupted()) } else { self }
    }

    fn into_result(self) -> Result<(), Failure> {
        match self {
            Self::ReaderLeft => Ok(()),
            Self::Interrupted => Err(Failure::new(Exit::Interrupted, "interrupted")),
            Self::Failed(failure) => Err(failure),
        }
    }
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

/// Where rankings go.
struct Writer<'a> {
    sink: Box<dyn SlateSink + Send>,
    catalog: &'a Catalog,
    bar: ProgressBar,
}

impl WriteStage<(Vec<Slate>, Vec<RankedSlate>), Stop> for Writer<'_> {
    fn write(&mut self, (slates, ranked): (Vec<Slate>, Vec<RankedSlate>)) -> Result<(), Stop> {
        self.sink.write(&slates, &ranked, self.catalog)?;
        self.bar.inc(slates.len() as u64);
        Ok(())
    }
}

/// Reads, ranks and writes at once, and completes the output.
fn stream(
    flags: &Rerank,
    memory: &Memory,
    problem: &Problem,
    engine: &mut ChosenEngine,
    mut source: Box<dyn SlateSource + Send + '_>,
    writer: Writer<'_>,
    notices: &mut Notices,
) -> Result<Summary, Stop> {
    let started = Instant::now();
    let mut in_engine = Duration::ZERO;
    let mut summary = Summary { missing: problem.missing.clone(), ..Summary::default() };
    let bar = writer.bar.clone();
    let writer = pipeline::run(Stages {
        read: || {
            let Some(slates) = memory.next_batch(source.as_mut(), problem)? else { return Ok(None) };
            let prepared = prepare(problem, &slates, &flags.slates)?;
            Ok(Some((slates, prepared)))
        },
        compute: |(slates, prepared): (Vec<Slate>, Vec<PreparedSlate>)| {
            let before = Instant::now();
            let ranked = memory.rerank(engine, problem, &prepared).map_err(Failure::from)?;
            in_engine += before.elapsed();
            notices.tell(&bar, engine.notice.take());
            summary.count(&slates, &ranked);
            Ok((slates, ranked))
        },
        write: writer,
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
    memory.check_files(problem.catalog)?;
    writer.sink.finish()?;
    summary.engine = engine.name();
    summary.mapped_bytes = memory.mapped_bytes;
    summary.peak_memory_bytes = peak_bytes();
    summary.engine_seconds = in_engine.as_secs_f64();
    summary.seconds = started.elapsed().as_secs_f64();
    summary.slates_per_s = summary.slates as f64 / summary.seconds.max(1e-9);
    summary.engine_slates_per_s = summary.slates as f64 / summary.engine_seconds.max(1e-9);
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
        for missing in &summary.missing {
            terminal::tell(format_args!("spectrank: {missing}"));
        }
        let peak = summary.peak_memory_bytes.map_or(String::new(), |peak| format!(", peak memory {}", size_text(peak)));
        terminal::tell(format_args!(
            "{} slates, {} positions{} in {:.2} s: {:.0} slates/s ({:.0} in the engine: {}){peak}",
            summary.slates,
            summary.positions,
            summary.left_out(),
            summary.seconds,
            summary.slates_per_s,
            summary.engine_slates_per_s,
            summary.engine
        ));
    }
    Ok(())
}
