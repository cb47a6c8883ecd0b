//! `spectrank tune`

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use spectrank::evaluate::Measure;
use spectrank::io::{self, CatalogColumns, OutputError, TextFile};
use spectrank::memory::BATCH_SLATES;
use spectrank::tune::{self, Family, TuneError, TuneRequest, TuneResult};

use super::numbers::whole;
use super::outputs::refuse_overlap;
use super::settings::{ConfigFlags, EngineFlags, Engines, MeasureFlags, evaluation_failed, names, slate_fields};
use super::terminal::Notices;
use super::{Exit, Failure, terminal};

/// Flags of `tune`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub struct Tune {
    /// Items, as in `rerank`.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    catalog: Vec<PathBuf>,
    /// Slates, as in `rerank`; they are held in memory.
    #[arg(long, required = true, num_args = 1..=2, value_name = "FILE")]
    slates: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigFlags,
    /// A key of the configuration and its values: a list (5,10,20) or a range (LOW..HIGH:N, with :log for even steps of the
    /// logarithm). Repeat it for more keys: every value is tried with every other. A+B=… moves two keys together, lists are
    /// counted from 0 (spacing.0.strength), strategy=a,b tries strategies, each with the keys of its own table.
    #[arg(long, value_name = "KEY=VALUES", required_unless_present = "sweep")]
    vary: Vec<String>,
    /// A sweep of its own, "NAME: KEY=VALUES KEY=VALUES …": where NAME is a strategy, of that strategy. Without
    /// keys it is that one setting. What --vary names is tried in every sweep.
    #[arg(long, value_name = "NAME: KEY=VALUES …")]
    sweep: Vec<String>,
    /// Metric of diversity that settings are judged by; the list is below.
    #[arg(long, value_name = "KEY", default_value = "ild@10")]
    metric: String,
    /// Share of the relevance that is to be kept, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.98, value_parser = share, allow_negative_numbers = true)]
    keep: f64,
    /// Share of the slates, drawn at random, that is not tuned on but shows what the chosen setting does elsewhere; below 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share, allow_negative_numbers = true)]
    holdout: f64,
    /// Seed that says which slates are held out.
    #[arg(long, value_name = "SEED", default_value_t = 7, value_parser = whole::<u64>(0, u64::MAX), allow_negative_numbers = true)]
    seed: u64,
    /// Runs that close in on the wanted relevance between two settings of the grid, for each range and up to three times where
    /// other keys were varied as well; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = whole::<u64>(0, 30), allow_negative_numbers = true)]
    refine: u64,
    /// Write the best setting here, as a configuration file: another one than --config, whose comments it would not have.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Write the setting of every strategy or sweep into this folder, as NAME.toml; `compare` takes these files.
    #[arg(long, value_name = "DIR")]
    write_each: Option<PathBuf>,
    #[command(flatten)]
    measure: MeasureFlags,
    #[command(flatten)]
    engine: EngineFlags,
    /// Print no progress bar, notices or summary line.
    #[arg(long, short)]
    quiet: bool,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    /// Write everything to this file as a page too, for a browser: relevance against the metric with every setting, the choices,
    /// tables that sort; needs no network to be read.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

fn help() -> String {
    format!(
        "\
Metrics that settings can be judged by, W and K in positions (docs/metrics.md explains them):
{}
Examples:
  spectrank tune --catalog items.parquet --slates slates.parquet --vary spectral.strength=0.05..1:12:log --write best.toml
  spectrank tune --catalog items.parquet --slates slates.parquet --config feed.toml --keep 0.97 --holdout 0.3 \\
    --vary spectral.strength=0.05..1:12:log --vary window.behind=5,10,20
  spectrank tune --catalog items.parquet --slates slates.parquet --write-each chosen --sweep \"relevance:\" \\
    --sweep \"spectral: spectral.strength=0.05..1:12:log\" \\
    --sweep \"balanced: spectral.strength+balance.strength=0.05..1:12:log\" --html tune.html",
        spectrank::metrics::judging()
    )
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if (0.0..=1.0).contains(&x) => Ok(x),
        _ => Err("a share from 0 to 1, as in 0.98".to_owned()),
    }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Output {
    engine: String,
    seconds: f64,
    #[serde(flatten)]
    result: TuneResult,
}

/// Runs the sweep, prints what came of it, writes the choices.
pub fn run(flags: &Tune) -> Result<(), Failure> {
    let started = Instant::now();
    let base = flags.config.load()?;
    let bad_sweep = |error| Failure::new(Exit::Input, error);
    let families = tune::families(&base, &flags.vary, &flags.sweep).map_err(bad_sweep)?;
    let mut settings = Vec::new();
    for (index, family) in families.iter().enumerate() {
        settings.extend(family.settings(index).map_err(bad_sweep)?);
    }
    refuse_own_files(flags, &families)?;
    let drafts = Drafts::create(flags, &families)?;
    let mut request = flags.measure.request(&base)?;
    request.include(&flags.metric);
    let configs = settings.iter().map(|setting| &setting.config).chain([&request.by]);
    let catalog = io::read_catalog(&flags.catalog, &CatalogColumns::of_all(configs, request.columns()))?;
    let measuring = request.config(&catalog);
    let measure = Measure::new(&measuring, &request, &catalog).map_err(|e| Failure::input(names(&flags.catalog), e))?;
    let fields = slate_fields(settings.iter().map(|setting| &setting.config).chain([&measuring]))?;
    let mut source = io::open_slates(&flags.slates, &catalog, &fields)?;
    let mut slates = Vec::new();
    while let Some(batch) = source.next_batch(BATCH_SLATES)? {
        slates.extend(batch);
    }
    let what = TuneRequest {
        metric: flags.metric.clone(),
        keep: flags.keep,
        holdout: flags.holdout,
        seed: flags.seed,
        n_refine: flags.refine as usize,
    };
    let n_tuning = slates.len() as f64 * (1.0 - flags.holdout);
    let bar = terminal::progress_bar(Some(settings.len() as u64 * n_tuning as u64), flags.quiet || flags.json);
    let mut notices = Notices::new(flags.quiet);
    let (mut engines, mut engine_name) = (Engines::new(&flags.engine), String::new());
    let n_settings = settings.len();
    let result = tune::run(&families, settings, &what, &measure, slates, |problem, prepared| {
        let mut engine = engines.choose(problem)?;
        notices.tell(&bar, engine.notice.take());
        let mut ranked = Vec::with_capacity(prepared.len());
        for batch in prepared.chunks(BATCH_SLATES) {
            engine.rerank_into(batch, &mut ranked)?;
            notices.tell(&bar, engine.notice.take());
            bar.inc(batch.len() as u64);
            // The refinement and the slates held out come on top.
            bar.set_length(bar.length().unwrap_or(0).max(bar.position()));
        }
        engine_name = engine.name();
        Ok::<_, Failure>(ranked)
    });
    bar.finish_and_clear();
    let result = result.map_err(|error| match error {
        TuneError::Evaluate(error) => evaluation_failed(error, &flags.slates),
        other => Failure::new(Exit::Input, other),
    })?;
    notices.finish();
    let seconds = started.elapsed().as_secs_f64();
    if flags.json {
        let output = Output { engine: engine_name, seconds, result };
        terminal::print(format_args!("{}\n", serde_json::json!(output)))?;
        return drafts.finish(&output.result);
    }
    terminal::print(format_args!("{result}"))?;
    if !flags.quiet {
        let (n_points, n_slates) = (result.points.len(), result.n_slates);
        terminal::tell(format_args!(
            "{n_points} settings ({} refined) × {n_slates} slates in {seconds:.1} s ({engine_name})",
            n_points - n_settings
        ));
    }
    drafts.finish(&result)
}

/// Refuses outputs that would take the place of what is read, or of each other. That goes for the configuration too: what is
/// written has its settings, but neither its comments nor its order.
fn refuse_own_files(flags: &Tune, families: &[Family]) -> Result<(), Failure> {
    let read = flags.catalog.iter().chain(&flags.slates).chain(flags.config.files()).chain(flags.measure.files());
    let each = flags.write_each.iter().flat_map(|folder| families.iter().map(|family| folder.join(family.file_name())));
    let each: Vec<PathBuf> = each.collect();
    let page = flags.html.as_deref().map(|page| ("--html", page));
    let best = flags.write.as_deref().map(|best| ("--write", best));
    let each = each.iter().map(|path| ("--write-each", path.as_path()));
    refuse_overlap(read, page.into_iter().chain(best).chain(each))
}

/// Files that are to be written, opened before the work.
struct Drafts {
    page: Option<TextFile>,
    best: Option<TextFile>,
    each: Vec<TextFile>,
}

impl Drafts {
    fn create(flags: &Tune, families: &[Family]) -> Result<Self, Failure> {
        let page = flags.html.as_deref().map(TextFile::create).transpose()?;
        let best = flags.write.as_deref().map(TextFile::create).transpose()?;
        let each = match &flags.write_each {
            None => Vec::new(),
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(|e| {
                    let what = format!("{}: cannot be created ({e}): check --write-each", folder.display());
                    Failure::new(Exit::Output, what)
                })?;
                let create = |family: &Family| TextFile::create(&folder.join(family.file_name()));
                families.iter().map(create).collect::<Result<_, OutputError>>()?
            }
        };
        Ok(Self { page, best, each })
    }

    /// Writes the page and what was chosen; that nothing was is a failure where a file was asked for.
    fn finish(self, result: &TuneResult) -> Result<(), Failure> {
        if let Some(page) = self.page {
            page.finish(&tune::report(result).to_html())?;
        }
        let nothing_kept = |what: &str| {
            let keep = result.keep;
            let cure = "lower --keep, or vary over a wider range";
            Failure::new(Exit::Input, format_args!("{what} keeps {keep} of the relevance, nothing was written: {cure}"))
        };
        if let Some(file) = self.best {
            match result.best.and_then(|index| result.configuration(index)) {
                Some(text) => file.finish(&text)?,
                None => return Err(nothing_kept("--write: no setting")),
            }
        }
        let mut without = Vec::new();
        for (index, file) in self.each.into_iter().enumerate() {
            match result.configuration(index) {
                Some(text) => file.finish(&text)?,
                None => without.push(result.families[index].name.as_str()),
            }
        }
        match without.as_slice() {
            [] => Ok(()),
            names => Err(nothing_kept(&format!("--write-each: no setting of {}", names.join(", ")))),
        }
    }
}
