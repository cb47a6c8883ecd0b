//! `spectrank bloom`

use std::path::PathBuf;

use clap::Args;
use spectrank::io::{self, BloomRequest, CatalogColumns, HistoriesError, build_blooms};

use super::outputs::refuse_overlap;
use super::{Failure, terminal};

/// Flags of `bloom`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Bloom {
    /// Histories: .parquet or .jsonl, one row per person or slate, with a list of the items already seen.
    #[arg(long, value_name = "FILE")]
    histories: PathBuf,
    /// The column with the lists: item ids, or catalog rows where the catalog has no ids.
    #[arg(long, value_name = "NAME", default_value = "seen")]
    column: String,
    /// Catalog whose rows the lists hold, as in `rerank`: rows become its ids. Without it, whole numbers are taken for ids.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    catalog: Vec<PathBuf>,
    /// Name of the column of filters that takes its place; `filter.seen_bloom` in the configuration.
    #[arg(long, value_name = "NAME", default_value = "seen_bloom")]
    name: String,
    /// Highest share of items never seen that a filter may take for seen, 0.000001 to 0.5.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = rate, allow_negative_numbers = true)]
    rate: f64,
    /// Result, in the format of the histories; every other column stays as it is.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Print no summary.
    #[arg(long, short)]
    quiet: bool,
    /// Print the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  spectrank bloom --histories histories.parquet --output filters.parquet
  spectrank bloom --histories slates.jsonl --column watched --name watched_bloom --rate 0.001 --output out.jsonl";

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (1e-6..=0.5).contains(rate));
    rate.ok_or_else(|| "it must be a number from 0.000001 to 0.5".to_owned())
}

/// Builds the filters.
pub fn run(flags: &Bloom) -> Result<(), Failure> {
    refuse_overlap([&flags.histories].into_iter().chain(&flags.catalog), [("--output", flags.output.as_path())])?;
    let none = CatalogColumns::Only { signals: Some(Vec::new()), columns: Vec::new() };
    let catalog = match flags.catalog.as_slice() {
        [] => None,
        files => Some(io::read_catalog(files, &none)?),
    };
    // Without ids, a row stands for itself.
    let catalog = catalog.as_ref().filter(|catalog| catalog.has_ids());
    let request = BloomRequest { column: flags.column.clone(), name: flags.name.clone(), rate: flags.rate, catalog };
    let summary = build_blooms(&flags.histories, &flags.output, &request).map_err(|error| match error {
        HistoriesError::Input(error) => Failure::from(error),
        HistoriesError::Output(error) => error.into(),
    })?;
    if summary.n_integers > 0 && flags.catalog.is_empty() && !flags.quiet {
        let cure = "where they are rows of a catalog with ids, pass it with --catalog";
        terminal::tell(format_args!("spectrank: the lists hold whole numbers, which are taken for item ids: {cure}"));
    }
    if flags.json {
        return terminal::print(format_args!("{}\n", serde_json::json!(summary)));
    }
    if !flags.quiet {
        terminal::tell(format_args!("{summary}"));
    }
    Ok(())
}
