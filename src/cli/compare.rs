//! `spectrank compare`

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use spectrank::compare::{self, Comparison, Contender};
use spectrank::config::{Config, MAX_SLATE_SIZE, Strategy};
use spectrank::engine::ChosenEngine;
use spectrank::evaluate::{Bootstrap, Measure};
use spectrank::io::{self, CatalogColumns, TextFile};
use spectrank::memory::BATCH_SLATES;
use spectrank::text::counted;

use super::numbers::{whole, whole_setting};
use super::outputs::refuse_overlap;
use super::settings::{EngineFlags, Engines, MeasureFlags, evaluation_failed, names, read_config, slate_fields};
use super::terminal::Notices;
use super::{Failure, terminal};

/// Flags of `compare`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Compare {
    /// Items, as in `rerank`.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    catalog: Vec<PathBuf>,
    /// Slates, as in `rerank`.
    #[arg(long, required = true, num_args = 1..=2, value_name = "FILE")]
    slates: Vec<PathBuf>,
    /// Configurations (TOML) to compare, the first is what the others are held against.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Strategies to compare, the first is what the others are held against; the rest of the configuration is that of --config,
    /// or the defaults [default: relevance,spectral, where no --config is given].
    #[arg(long, value_enum, value_name = "NAME,…", value_delimiter = ',')]
    strategy: Vec<Strategy>,
    /// Positions to fill per slate, in every configuration, 1 to 500.
    #[arg(long, value_name = "N", value_parser = whole_setting(1, MAX_SLATE_SIZE), allow_negative_numbers = true)]
    slate_size: Option<usize>,
    #[command(flatten)]
    measure: MeasureFlags,
    /// Resamples of the bootstrap that the intervals come from.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = whole::<u64>(100, 1_000_000), allow_negative_numbers = true)]
    resamples: u64,
    /// Seed of the bootstrap: the same seed gives the same intervals.
    #[arg(long, value_name = "SEED", default_value_t = 7, value_parser = whole::<u64>(0, u64::MAX), allow_negative_numbers = true)]
    seed: u64,
    #[command(flatten)]
    engine: EngineFlags,
    /// Print no progress bar, notices or summary line.
    #[arg(long, short)]
    quiet: bool,
    /// Print the comparison as JSON.
    #[arg(long)]
    json: bool,
    /// Write the comparison to this file as a page too, for a browser: charts of the differences, tables that sort, what every
    /// metric means; needs no network to be read.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Below every mean stands the difference to the first column and its 95 % interval: slates are drawn anew, with replacement,
and the difference is taken slate by slate. All are measured by the same similarities, scores and rules. Memory grows by 8 bytes
per slate, metric and configuration. docs/metrics.md explains every metric.

Examples:
  spectrank compare --catalog items.parquet --slates slates.parquet
  spectrank compare --catalog items.parquet --slates slates.parquet --config today.toml tomorrow.toml
  spectrank compare --catalog items.parquet --slates slates.parquet --config feed.toml --strategy relevance,spectral --json
  spectrank compare --catalog items.parquet --slates slates.parquet --config today.toml tomorrow.toml --html compare.html";

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Output {
    engine: String,
    seconds: f64,
    #[serde(flatten)]
    comparison: Comparison,
}

/// Compares, and prints the table.
pub fn run(flags: &Compare) -> Result<(), Failure> {
    let started = Instant::now();
    let read = flags.catalog.iter().chain(&flags.slates).chain(&flags.config).chain(flags.measure.files());
    refuse_overlap(read, flags.html.as_deref().map(|page| ("--html", page)))?;
    let contenders = contenders(flags)?;
    let page = flags.html.as_deref().map(TextFile::create).transpose()?;
    let request = flags.measure.request(&contenders[0].config)?;
    let configs = contenders.iter().map(|c| &c.config).chain([&request.by]);
    let catalog = io::read_catalog(&flags.catalog, &CatalogColumns::of_all(configs, request.columns()))?;
    let measuring = request.config(&catalog);
    let measure = Measure::new(&measuring, &request, &catalog).map_err(|e| Failure::input(names(&flags.catalog), e))?;
    let failed = |error| evaluation_failed(error, &flags.slates);
    let problems = compare::bind(&contenders, &measure).map_err(failed)?;
    let fields = slate_fields(problems.iter().map(|problem| problem.config).chain([&measuring]))?;
    let mut source = io::open_slates(&flags.slates, &catalog, &fields)?;
    let mut shared = Engines::new(&flags.engine);
    let mut engines: Vec<ChosenEngine> = problems.iter().map(|p| shared.choose(p)).collect::<Result<_, _>>()?;
    let n_all = source.n_slates().map(|n| n * engines.len() as u64);
    let bar = terminal::progress_bar(n_all, flags.quiet || flags.json);
    let mut notices = Notices::new(flags.quiet);
    engines.iter_mut().for_each(|engine| notices.tell(&bar, engine.notice.take()));
    let comparison = compare::run(
        &contenders,
        &problems,
        &measure,
        &Bootstrap { n_resamples: flags.resamples as usize, seed: flags.seed },
        || Ok(source.next_batch(BATCH_SLATES)?),
        |run, slates| {
            let ranked = engines[run].rerank(slates)?;
            notices.tell(&bar, engines[run].notice.take());
            bar.inc(slates.len() as u64);
            Ok(ranked)
        },
    );
    bar.finish_and_clear();
    let comparison = comparison.map_err(failed)?;
    notices.finish();
    if let Some(page) = page {
        page.finish(&compare::report(&comparison).to_html())?;
    }
    let (engine, seconds) = (engines[0].name(), started.elapsed().as_secs_f64());
    if flags.json {
        return terminal::print(format_args!("{}\n", serde_json::json!(Output { engine, seconds, comparison })));
    }
    terminal::print(format_args!("{comparison}"))?;
    if !flags.quiet {
        let (n_slates, n_runs) = (comparison.n_slates, comparison.runs.len());
        let (slates, runs) = (counted(n_slates as u64, "slate"), counted(n_runs as u64, "configuration"));
        terminal::tell(format_args!("{slates} × {runs} in {seconds:.2} s ({engine})"));
    }
    Ok(())
}

/// What is compared, under names that differ.
fn contenders(flags: &Compare) -> Result<Vec<Contender>, Failure> {
    let mut contenders = match (flags.config.as_slice(), flags.strategy.as_slice()) {
        ([], []) => compare::strategies(&Config::default(), &[Strategy::Relevance, Strategy::Spectral]),
        ([], strategies) => compare::strategies(&Config::default(), strategies),
        ([path], strategies @ [_, ..]) => compare::strategies(&read_config(path)?, strategies),
        (paths, []) => {
            let configs = paths.iter().map(|path| read_config(path)).collect::<Result<Vec<_>, _>>()?;
            compare::named(paths, configs)
        }
        _ => {
            let what = "several files of --config and a list of --strategy: use one or the other";
            return Err(Failure::usage(what));
        }
    };
    for contender in &mut contenders {
        contender.config.slate_size = flags.slate_size.unwrap_or(contender.config.slate_size);
        contender.config.validate().map_err(|e| Failure::input(&contender.name, e))?;
    }
    Ok(contenders)
}
