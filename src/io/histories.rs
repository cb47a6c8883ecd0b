//! Histories made into Bloom filters: a column of item lists becomes a column of filters, row by row.

use std::path::Path;

use serde::Serialize;

use super::error::{AtPath, InputError, InputProblem};
use super::format::{Format, Role, open_as};
use super::output_error::{OutputError, OutputProblem, output_at};
use super::{histories_json, histories_parquet};
use crate::bloom::{BloomError, BloomFilter, false_positive_rate, hash_of};
use crate::catalog::Catalog;

/// Which column becomes which, and how sure the filters are to be.
#[derive(Debug, Clone)]
pub struct BloomRequest<'a> {
    /// The column of item lists.
    pub column: String,
    /// Name of the column of filters that takes its place.
    pub name: String,
    /// Highest share of items never seen that a filter may claim, above 0.
    pub rate: f64,
    /// The catalog whose rows whole numbers are; without it they are taken for ids.
    pub catalog: Option<&'a Catalog>,
}

/// What was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct BloomSummary {
    /// Rows.
    pub n_rows: u64,
    /// Rows without a history, which get no filter.
    pub n_null: u64,
    /// Items in all filters, each counted once per row.
    pub n_items: u64,
    /// Items given as whole numbers, each as often as it is given.
    pub n_integers: u64,
    /// Bytes of all filters.
    pub n_bytes: u64,
    /// Largest false-positive rate of any filter, by its size and the items in it.
    pub worst_rate: f64,
}

/// `3 rows, 2 filters of 44 bytes on average, 81 items, at most 0.93 % false positives`.
impl std::fmt::Display for BloomSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n_filters = self.n_rows - self.n_null;
        let mean_bytes = self.n_bytes as f64 / n_filters.max(1) as f64;
        let (n_rows, n_items, worst) = (self.n_rows, self.n_items, 100.0 * self.worst_rate);
        write!(f, "{n_rows} rows, {n_filters} filters of {mean_bytes:.0} bytes on average, {n_items} items, ")?;
        write!(f, "at most {worst:.2} % false positives")
    }
}

/// What can be wrong with histories, whatever their format.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HistoryProblem {
    /// Something else than items in a history.
    #[error("row {row}: \"{column}\" must be a list of item ids, as text or whole numbers: repair or drop that row")]
    NotItems {
        /// The row, from 0.
        row: u64,
        /// The column or key.
        column: String,
    },
    /// A row that the catalog does not have.
    #[error("row {row}: the catalog has no row {item}, only 0 to {}: pass the catalog these histories are of", n_items.saturating_sub(1))]
    NoSuchItem {
        /// The row, from 0.
        row: u64,
        /// The row of the catalog that is asked for.
        item: String,
        /// Rows of the catalog.
        n_items: usize,
    },
    /// A name for the new column that is taken.
    #[error("has \"{column}\" already: choose another --name")]
    NameTaken {
        /// The column or key.
        column: String,
    },
    /// A history too long for a filter.
    #[error("row {row}: {problem}")]
    TooLong {
        /// The row, from 0.
        row: u64,
        /// Why.
        problem: BloomError,
    },
}

/// Why no filters came of it.
#[derive(Debug, thiserror::Error)]
pub enum HistoriesError {
    /// The histories.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Reads histories (Parquet or JSON lines), replaces the column of item lists by one of Bloom filters, and writes
/// everything else as it is, in the same format. Rows stream through; the output appears when it is complete.
///
/// Filters are bytes in Parquet, base64 text in JSON lines. A null history gives null.
///
/// # Errors
/// Histories that cannot be read, something else than items in them, more of them than a filter holds, an output that
/// cannot be written.
pub fn build_blooms(input: &Path, output: &Path, request: &BloomRequest<'_>) -> Result<BloomSummary, HistoriesError> {
    let (format, file) = open_as(input, Role::Histories)?;
    let extension = output.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let builder = Builder { request, summary: BloomSummary::default() };
    match (format, extension.as_str()) {
        (Format::Parquet, "parquet") => histories_parquet::build((input, file), output, builder),
        (Format::JsonLines, "jsonl" | "ndjson") => histories_json::build((input, file), output, builder),
        (Format::JsonLines, _) => Ok(output_at(output, Err(other_format(output, ".jsonl", "a .jsonl file")))?),
        (Format::Parquet, _) => Ok(output_at(output, Err(other_format(output, ".parquet", "a .parquet file")))?),
        // No other extension is one of histories.
        (Format::Npy | Format::Safetensors | Format::Arrow, _) => {
            let problem = InputProblem::UnknownExtension { role: "histories", known: ".parquet, .jsonl, .ndjson" };
            Ok(Err(problem).at(input)?)
        }
    }
}

/// What is wrong with an output that has not the extension of the histories.
fn other_format(output: &Path, extension: &'static str, file: &'static str) -> OutputProblem {
    match output.as_os_str() == "-" {
        true => OutputProblem::NotStdout { file },
        false => OutputProblem::OtherFormat { extension },
    }
}

/// Makes one filter after the other and counts.
pub(super) struct Builder<'a> {
    pub(super) request: &'a BloomRequest<'a>,
    pub(super) summary: BloomSummary,
}

impl Builder<'_> {
    /// Row number of the next history.
    pub(super) fn row(&self) -> u64 {
        self.summary.n_rows
    }

    /// The hash of an item that is given as a whole number, in decimal digits.
    pub(super) fn hash_of_integer(&mut self, digits: &str) -> Result<u64, InputProblem> {
        self.summary.n_integers += 1;
        let Some(catalog) = self.request.catalog else { return Ok(hash_of(digits)) };
        let n_items = catalog.n_items();
        match digits.parse::<u32>().ok().filter(|&row| (row as usize) < n_items) {
            Some(row) => Ok(hash_of(&catalog.id_of(row))),
            None => Err(HistoryProblem::NoSuchItem { row: self.row(), item: digits.to_owned(), n_items }.into()),
        }
    }

    /// The bytes of the next filter, from the hashes of its items; nothing for no history.
    pub(super) fn filter(&mut self, hashes: Option<Vec<u64>>) -> Result<Option<Vec<u8>>, InputProblem> {
        let row = self.row();
        self.summary.n_rows += 1;
        let Some(mut hashes) = hashes else {
            self.summary.n_null += 1;
            return Ok(None);
        };
        // An item seen twice takes no more room than once.
        hashes.sort_unstable();
        hashes.dedup();
        let filter = BloomFilter::with_capacity(hashes.len(), self.request.rate);
        let mut filter = filter.map_err(|problem| HistoryProblem::TooLong { row, problem })?;
        hashes.iter().for_each(|&hash| filter.insert(hash));
        let bytes = filter.to_bytes();
        self.summary.n_items += hashes.len() as u64;
        self.summary.n_bytes += bytes.len() as u64;
        let rate = false_positive_rate(hashes.len(), filter.n_blocks());
        self.summary.worst_rate = self.summary.worst_rate.max(rate);
        Ok(Some(bytes))
    }

    /// The error for a row that holds something else than items.
    pub(super) fn no_history(&self) -> InputProblem {
        HistoryProblem::NotItems { row: self.row(), column: self.request.column.clone() }.into()
    }
}
