//! `spectrank explain`

use std::path::PathBuf;

use clap::Args;
use spectrank::catalog::Catalog;
use spectrank::config::{Config, MAX_SLATE_SIZE};
use spectrank::explain::{self, Explanation};
use spectrank::io::{self, CatalogColumns, SlateFields, TextFile};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::Slate;

use super::numbers::whole_setting;
use super::outputs::refuse_overlap;
use super::settings::{ConfigFlags, names};
use super::{Failure, terminal};

/// Slates read at a time.
const BATCH_SLATES: usize = 256;
/// Ids named where one is not found.
const N_NAMED: usize = 3;

/// Flags of `explain`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Explain {
    /// Items: .parquet, .npy or .safetensors; several files with the same rows join by row.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    catalog: Vec<PathBuf>,
    /// Slates: .parquet, .jsonl, or a pair of .npy files (candidates and scores).
    #[arg(long, required = true, num_args = 1..=2, value_name = "FILE")]
    slates: Vec<PathBuf>,
    /// Slate to explain, by its id; may be given several times. Of slates with one id the first is taken.
    #[arg(long = "slate", required_unless_present = "list", value_name = "ID")]
    wanted: Vec<String>,
    /// List the ids of all slates, one a line, and do nothing else.
    #[arg(long, conflicts_with_all = ["wanted", "html", "json", "positions"])]
    list: bool,
    /// Show this position in full (from 0): who competed, and the themes of the window; may be given several times.
    #[arg(long = "position", value_name = "N", conflicts_with = "json", value_parser = whole_setting(0, MAX_SLATE_SIZE - 1), allow_negative_numbers = true)]
    positions: Vec<usize>,
    /// Catalog column that names items for people, such as a title [default: the item ids].
    #[arg(long, value_name = "COLUMN")]
    label_column: Option<String>,
    /// Write everything to this file as one page, for a browser, instead of text; needs no network to be read. `-` is standard
    /// output, where no --json or --position goes there.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print everything as JSON, one line per slate.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigFlags,
}

const EXAMPLES: &str = "\
Examples:
  spectrank explain --catalog items.parquet --slates slates.parquet --list
  spectrank explain --catalog items.parquet --slates slates.parquet --slate u1 --label-column title | less
  spectrank explain --catalog items.parquet --slates slates.parquet --config feed.toml --slate u1 --position 7
  spectrank explain --catalog items.parquet --slates slates.parquet --slate u1 --html u1.html

Numbers are those of `rerank --precision f64`.";

/// Explains the slates asked for.
pub fn run(flags: &Explain) -> Result<(), Failure> {
    let read = flags.catalog.iter().chain(&flags.slates).chain(flags.config.files());
    refuse_overlap(read, flags.html.as_deref().map(|page| ("--html", page)))?;
    let config = flags.config.load()?;
    let mut columns = CatalogColumns::of(&config);
    if let (CatalogColumns::Only { columns, .. }, Some(label)) = (&mut columns, &flags.label_column)
        && !columns.contains(label)
    {
        columns.push(label.clone());
    }
    let catalog = io::read_catalog(&flags.catalog, &columns)?;
    if flags.list {
        return list(flags, &config, &catalog);
    }
    let problem = Problem::new(&config, &catalog).map_err(|error| Failure::input(names(&flags.catalog), error))?;
    // The page says it all.
    let is_page_alone = flags.html.is_some() && !flags.json && flags.positions.is_empty();
    let page_file = flags.html.as_deref().filter(|path| !is_page_alone || path.as_os_str() != "-");
    let page_file = page_file.map(TextFile::create).transpose()?;
    let label = |name: &String| {
        let what = "is an embedding: name a column of single values, such as a title";
        catalog.column(name).ok_or_else(|| Failure::input(format_args!("--label-column {name}"), what))
    };
    let labels = flags.label_column.as_ref().map(label).transpose()?;
    let mut explanations = Vec::new();
    for slate in find(flags, &config, &catalog)? {
        let prepared = PreparedSlate::new(&problem, &slate).map_err(|e| Failure::input(names(&flags.slates), e))?;
        explanations.push(explain::explain(&problem, &slate, &prepared, labels));
    }
    let page = || explain::report(&explanations, &config.to_toml()).to_html();
    match page_file {
        Some(file) => file.finish(&page())?,
        None if is_page_alone => return terminal::print(format_args!("{}", page())),
        None => {}
    }
    if is_page_alone {
        return Ok(());
    }
    let text = if flags.json { json(&explanations) } else { text(flags, &explanations)? };
    terminal::print(format_args!("{text}"))
}

/// The slates asked for, in the order asked for. Reading stops when all are found.
fn find(flags: &Explain, config: &Config, catalog: &Catalog) -> Result<Vec<Slate>, Failure> {
    let mut found: Vec<Option<Slate>> = vec![None; flags.wanted.len()];
    let mut known: Vec<String> = Vec::new();
    let mut n_slates = 0;
    let mut source = io::open_slates(&flags.slates, catalog, &SlateFields::of(config))?;
    while found.iter().any(Option::is_none) {
        let Some(batch) = source.next_batch(BATCH_SLATES)? else { break };
        n_slates += batch.len();
        for slate in batch {
            if known.len() < N_NAMED {
                known.push(format!("\"{}\"", slate.id));
            }
            for (place, _) in found.iter_mut().zip(&flags.wanted).filter(|(p, id)| p.is_none() && **id == slate.id) {
                *place = Some(slate.clone());
            }
        }
    }
    let missing = found.iter().zip(&flags.wanted).find(|(slate, _)| slate.is_none());
    if let Some((_, id)) = missing {
        let known = match known.len() {
            0 => "it has no slates".to_owned(),
            n if n == n_slates => format!("it has {}", known.join(", ")),
            _ => format!("it has {n_slates} slates ({}, …); --list prints the ids of all", known.join(", ")),
        };
        return Err(Failure::input(names(&flags.slates), format_args!("there is no slate \"{id}\": {known}")));
    }
    Ok(found.into_iter().flatten().collect())
}

fn list(flags: &Explain, config: &Config, catalog: &Catalog) -> Result<(), Failure> {
    let mut source = io::open_slates(&flags.slates, catalog, &SlateFields::of(config))?;
    while let Some(batch) = source.next_batch(BATCH_SLATES)? {
        let ids: String = batch.iter().map(|slate| format!("{}\n", slate.id)).collect();
        terminal::print(format_args!("{ids}"))?;
    }
    Ok(())
}

fn json(explanations: &[Explanation]) -> String {
    explanations.iter().map(|explanation| format!("{}\n", serde_json::json!(explanation))).collect()
}

fn text(flags: &Explain, explanations: &[Explanation]) -> Result<String, Failure> {
    let mut parts = Vec::new();
    for explanation in explanations {
        if flags.positions.is_empty() {
            parts.push(explain::overview(explanation));
        }
        for &position in &flags.positions {
            let n = explanation.positions.len();
            let detail = explain::detail(explanation, position);
            let no_such = || {
                Failure::input(
                    "--position",
                    format_args!(
                        "{position} is not in slate {}, which has {n} positions, from 0",
                        explanation.slate_id
                    ),
                )
            };
            parts.push(detail.ok_or_else(no_such)?);
        }
    }
    Ok(parts.join("\n"))
}
