//! `spectrank parity`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use spectrank::catalog::Catalog;
use spectrank::config::Config;
use spectrank::gpu::{self, AdapterChoice, AdapterError, Doubles, GpuOptions};
use spectrank::io::{self, CatalogColumns, SlateFields};
use spectrank::memory::BATCH_SLATES;
use spectrank::parity::{Batch, Case, CpuSubject, GpuSubject, Harness, Invariance, Limits, Report, Subject};
use spectrank::problem::Problem;

use super::numbers::whole;
use super::outputs::refuse_folder_of_inputs;
use super::settings::{names, prepare, read_config};
use super::{Exit, Failure, terminal};

/// Generated slates, where the user names no number.
const USUAL_CASES: usize = 2000;
/// Engine runs that shrinking one failing slate may take.
const MAX_SHRINK_RUNS: usize = 600;

/// Flags of `parity`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Parity {
    /// Engine to check.
    #[arg(long, value_enum, default_value = "gpu")]
    engine: EngineKind,
    /// GPU to check: its number in `spectrank devices`, part of its name, its PCI id, or `all` [default: the one that
    /// `--backend auto` takes]. A software adapter has to be named.
    #[arg(long, value_name = "WHICH")]
    adapter: Option<String>,
    /// Double precision on the GPU, as in `rerank`.
    #[arg(long, value_enum, default_value = "quicker")]
    gpu_doubles: Doubles,
    /// Slates to check: so many generated ones [default: 2000], or at most so many of --slates [default: all].
    #[arg(long, value_name = "N", conflicts_with = "replay", value_parser = whole::<usize>(1, 1_000_000_000), allow_negative_numbers = true)]
    cases: Option<usize>,
    /// Seed of the generated slates: the same seed gives the same slates on every machine.
    #[arg(long, value_name = "SEED", default_value_t = 7, value_parser = whole::<u64>(0, u64::MAX), allow_negative_numbers = true)]
    seed: u64,
    /// First generated slate: with `--cases 1` just the one that a report names.
    #[arg(long, value_name = "SLATE", default_value_t = 0, value_parser = whole::<usize>(0, u64::MAX), allow_negative_numbers = true, conflicts_with_all = ["replay", "catalog", "invariance"])]
    first: usize,
    /// Items of your own instead of generated ones, as in `rerank`.
    #[arg(long, num_args = 1.., value_name = "FILE", requires = "slates", conflicts_with = "replay")]
    catalog: Vec<PathBuf>,
    /// Slates of your own, as in `rerank`.
    #[arg(long, num_args = 1..=2, value_name = "FILE", requires = "catalog")]
    slates: Vec<PathBuf>,
    /// Configuration for your own files (TOML). Without one, every setting has its default.
    #[arg(long, value_name = "FILE", requires = "catalog")]
    config: Option<PathBuf>,
    /// Check saved cases, on whatever engine is named.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    replay: Vec<PathBuf>,
    /// Shrink every failing slate (the first 20) and save it in this folder, as a file that --replay takes.
    #[arg(long, value_name = "DIR")]
    save_failures: Option<PathBuf>,
    /// Check instead that every bit is the same however slates are batched, ordered, split over dispatches or repeated.
    /// Generated slates are spread over four configurations, and a batch is as large as the engine takes: --cases 20000
    /// fills whole batches.
    #[arg(long, conflicts_with = "save_failures")]
    invariance: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Print no progress bar.
    #[arg(long, short)]
    quiet: bool,
}

const EXAMPLES: &str = "\
An engine is right where, for every position of every slate, its utility is within 2e-5 (relative above 1) of what the f64
reference computes for the same pick, no candidate was better by more than that, items appear once, and pins and caps hold.

Examples:
  spectrank parity                                   2000 generated slates on the GPU
  spectrank parity --adapter all --cases 10000       every adapter present
  spectrank parity --engine cpu-f32                  the fast CPU engine; needs no GPU
  spectrank parity --catalog items.parquet --slates slates.parquet --config feed.toml
  spectrank parity --save-failures failures          then, here or elsewhere: --replay failures/*.json
  spectrank parity --invariance --cases 5000";

/// Engines that can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum EngineKind {
    /// A GPU.
    Gpu,
    /// The CPU engine in single precision.
    CpuF32,
}

/// What is computed.
enum Work {
    Generated(usize),
    Saved(Vec<Case>),
    Files { config: Box<Config>, catalog: Box<Catalog> },
}

/// Checks the engines and says what came of it.
pub fn run(flags: &Parity) -> Result<(), Failure> {
    if let Some(folder) = &flags.save_failures {
        refuse_folder_of_inputs(&flags.replay, ("--save-failures", folder))?;
    }
    let work = work(flags)?;
    let (mut holds, mut reports, mut not_opened) = (true, Vec::new(), None);
    let subjects = subjects(flags)?;
    let n_subjects = subjects.len();
    for (i, subject) in subjects.into_iter().enumerate() {
        // One folder for each where there are several: the same slate may fail on all of them.
        let part = if n_subjects > 1 { format!("adapter-{i}") } else { String::new() };
        let folder = flags.save_failures.as_ref().map(|folder| folder.join(part));
        let subject = match subject {
            Ok(subject) => subject,
            // The others can still be checked.
            Err(failure) => {
                not_opened.get_or_insert(failure);
                continue;
            }
        };
        let (report, text, report_holds) = if flags.invariance {
            let report = invariance(flags, &work, subject.as_ref())?;
            (serde_json::json!(report), report.to_string(), report.holds())
        } else {
            let report = parity(flags, &work, subject.as_ref(), folder.as_deref())?;
            (serde_json::json!(report), report.to_string(), report.holds())
        };
        holds &= report_holds;
        if flags.json {
            reports.push(report);
        } else {
            terminal::print(format_args!("{text}"))?;
        }
    }
    if !reports.is_empty() {
        let holds = holds && not_opened.is_none();
        terminal::print(format_args!("{}\n", serde_json::json!({ "holds": holds, "engines": reports })))?;
    }
    if holds {
        return not_opened.map_or(Ok(()), Err);
    }
    let advice =
        if flags.save_failures.is_none() && !flags.invariance { "; --save-failures DIR keeps them" } else { "" };
    Err(Failure::new(Exit::Parity, format_args!("not everything holds, see the report{advice}")))
}

/// An engine to check, or why it cannot be had.
type Opened = Result<Box<dyn Subject>, Failure>;

fn subjects(flags: &Parity) -> Result<Vec<Opened>, Failure> {
    if flags.engine == EngineKind::CpuF32 {
        return match flags.adapter {
            Some(_) => Err(Failure::usage("--adapter names a GPU but --engine is cpu-f32: drop one of them")),
            None => Ok(vec![Ok(Box::new(CpuSubject::default()))]),
        };
    }
    let choices = match flags.adapter.as_deref() {
        Some("all") if !gpu::list().is_empty() => (0..gpu::list().len()).map(AdapterChoice::Index).collect(),
        None | Some("all") => vec![AdapterChoice::Auto],
        Some(which) => vec![which.parse().map_err(|error: AdapterError| Failure::usage(error))?],
    };
    let options = GpuOptions { doubles: flags.gpu_doubles, ..GpuOptions::default() };
    let open = move |choice: AdapterChoice| {
        let device = gpu::open(&choice).map_err(|error| {
            let advice = "a software adapter is checked where --adapter names it, the CPU engine with --engine cpu-f32";
            Failure::new(Exit::Gpu, format_args!("{error}; {advice}"))
        })?;
        Ok(Box::new(GpuSubject::new(device, options.clone())) as Box<dyn Subject>)
    };
    Ok(choices.into_iter().map(open).collect())
}

fn work(flags: &Parity) -> Result<Work, Failure> {
    if !flags.replay.is_empty() {
        return Ok(Work::Saved(flags.replay.iter().map(|path| Case::load(path)).collect::<Result<_, _>>()?));
    }
    if flags.catalog.is_empty() {
        return Ok(Work::Generated(flags.cases.unwrap_or(USUAL_CASES)));
    }
    let config = Box::new(flags.config.as_deref().map_or_else(|| Ok(Config::default()), read_config)?);
    let catalog = Box::new(io::read_catalog(&flags.catalog, &CatalogColumns::of(&config))?);
    Ok(Work::Files { config, catalog })
}

fn parity(flags: &Parity, work: &Work, subject: &dyn Subject, folder: Option<&Path>) -> Result<Report, Failure> {
    let n_slates = match work {
        Work::Generated(n) => Some(*n),
        Work::Saved(cases) => Some(cases.iter().map(|case| case.slates.len()).sum()),
        Work::Files { .. } => flags.cases,
    };
    let bar = terminal::progress_bar(n_slates.map(|n| n as u64), flags.quiet || flags.json);
    let mut harness = Harness::new(subject).with_progress(|n| bar.inc(n as u64));
    let result = judge(flags, work, &mut harness);
    bar.finish_and_clear();
    result?;
    let mut report = harness.into_report();
    if let Some(folder) = folder {
        report.save_failures(subject, folder, MAX_SHRINK_RUNS)?;
    }
    Ok(report)
}

fn judge(flags: &Parity, work: &Work, harness: &mut Harness) -> Result<(), Failure> {
    match work {
        Work::Generated(n) => {
            let last = flags.first.saturating_add(*n);
            Ok(harness.check_generated(flags.seed, flags.first..last, &Limits::USUAL)?)
        }
        Work::Saved(cases) => Ok(harness.check_cases(cases)?),
        Work::Files { config, catalog } => {
            let problem = bind(flags, config, catalog)?;
            let mut batches = Batches::open(flags, &problem)?;
            harness.check_stream(&problem, || batches.next())
        }
    }
}

fn bind<'a>(flags: &Parity, config: &'a Config, catalog: &'a Catalog) -> Result<Problem<'a>, Failure> {
    Problem::new(config, catalog).map_err(|error| Failure::input(names(&flags.catalog), error))
}

fn invariance(flags: &Parity, work: &Work, subject: &dyn Subject) -> Result<Invariance, Failure> {
    let mut invariance = Invariance::new(subject);
    match work {
        Work::Generated(n) => return Ok(Invariance::of_generated(subject, flags.seed, *n, &Limits::USUAL)?),
        Work::Saved(cases) => {
            for case in cases {
                invariance.add_case(subject, case, flags.seed)?;
            }
        }
        Work::Files { config, catalog } => {
            let problem = bind(flags, config, catalog)?;
            let mut batches = Batches::open(flags, &problem)?;
            let mut all = Vec::new();
            while let Some((_, prepared)) = batches.next()? {
                all.extend(prepared);
            }
            invariance.add(subject, &problem, &all, &names(&flags.slates), flags.seed);
        }
    }
    Ok(invariance)
}

/// The user's slates, as given and ready for engines.
struct Batches<'a> {
    flags: &'a Parity,
    problem: &'a Problem<'a>,
    source: Box<dyn io::SlateSource + Send + 'a>,
    n_left: usize,
}

impl<'a> Batches<'a> {
    fn open(flags: &'a Parity, problem: &'a Problem<'a>) -> Result<Self, Failure> {
        let source = io::open_slates(&flags.slates, problem.catalog, &SlateFields::of(problem.config))?;
        Ok(Self { flags, problem, source, n_left: flags.cases.unwrap_or(usize::MAX) })
    }

    fn next(&mut self) -> Result<Option<Batch>, Failure> {
        let n = self.n_left.min(BATCH_SLATES);
        let slates = if n == 0 { None } else { self.source.next_batch(n)? };
        let Some(slates) = slates else { return Ok(None) };
        self.n_left -= slates.len();
        let prepared = prepare(self.problem, &slates, &self.flags.slates)?;
        Ok(Some((slates, prepared)))
    }
}
