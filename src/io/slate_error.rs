//! What can be wrong with slates, beside what can be wrong with any file.

use std::path::PathBuf;

use crate::config::MAX_SLATE_SIZE;

/// One variant per way in which a slate, or a file of slates, is not as it has to be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlateFileProblem {
    /// A row number that the catalog does not have.
    #[error(
        "slate \"{slate}\": {role} {row} is not in the catalog, {}: \
         remove it, or pass the catalog these slates were made for", rows_there_are(*n_items)
    )]
    RowNotInCatalog {
        /// The slate.
        slate: String,
        /// `candidate`, `recent item`, ...
        role: &'static str,
        /// The row number.
        row: i64,
        /// Items in the catalog.
        n_items: usize,
    },
    /// An item id that the catalog does not have.
    #[error(
        "slate \"{slate}\": {role} \"{id}\" is not in the catalog: remove it, or pass the catalog these slates were made for"
    )]
    IdNotInCatalog {
        /// The slate.
        slate: String,
        /// `candidate`, `recent item`, ...
        role: &'static str,
        /// The id.
        id: String,
    },
    /// An item id, but the catalog has no ids.
    #[error(
        "slate \"{slate}\": {role} \"{id}\" is an item id but the catalog has no item_id column: \
         add the column, or name items by row number"
    )]
    CatalogHasNoIds {
        /// The slate.
        slate: String,
        /// `candidate`, `recent item`, ...
        role: &'static str,
        /// The id.
        id: String,
    },
    /// A null, or something that is not an item, in a list of items.
    #[error("slate \"{slate}\": {role} number {index} is {found}: use row numbers (whole numbers) or item ids (text)")]
    NotAnItem {
        /// The slate.
        slate: String,
        /// `candidate`, `recent item`, ...
        role: &'static str,
        /// 0-based place in the list.
        index: usize,
        /// What is there instead.
        found: String,
    },
    /// A null, or something that is not a number, as a score.
    #[error(
        "slate \"{slate}\": the score of candidate number {index}, {item}, is null or not a number: every candidate needs one"
    )]
    NotAScore {
        /// The slate.
        slate: String,
        /// 0-based place in the list.
        index: usize,
        /// The item, as the slate names it.
        item: String,
    },
    /// A list that has to be there is null or absent.
    #[error("slate \"{slate}\": {column} is null or missing: use an empty list where a slate has no candidates")]
    NoList {
        /// The slate.
        slate: String,
        /// The column or key.
        column: &'static str,
    },
    /// Different numbers of candidates and scores.
    #[error("slate \"{slate}\": {n_candidates} candidates but {n_scores} scores: every candidate needs one score")]
    LengthsDiffer {
        /// The slate.
        slate: String,
        /// Candidates.
        n_candidates: usize,
        /// Scores.
        n_scores: usize,
    },
    /// A pin with no usable position.
    #[error(
        "slate \"{slate}\": pin number {index} has no position from 0 to {}: write {{position, item}}", MAX_SLATE_SIZE - 1
    )]
    PinPosition {
        /// The slate.
        slate: String,
        /// 0-based place in the list.
        index: usize,
    },
    /// Arrays where a Bloom filter is asked for.
    #[error("arrays have no column \"{column}\", which filter.seen_bloom names: pass slates as .parquet or .jsonl")]
    NoBloomInArrays {
        /// The column.
        column: String,
    },
    /// A Bloom filter that is none.
    #[error("slate \"{slate}\": {column} is {problem}")]
    Bloom {
        /// The slate.
        slate: String,
        /// The column or key.
        column: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A row of the long form without a slate id.
    #[error("row {row} has no slate_id: every row of the long form needs one")]
    NoSlateId {
        /// The row.
        row: u64,
    },
    /// A slate whose rows are not together.
    #[error("slate \"{slate}\" comes back at row {row} after other slates: sort the rows by slate_id")]
    SlateReturns {
        /// The slate.
        slate: String,
        /// Where it comes back.
        row: u64,
    },
    /// The two arrays of a pair do not fit together.
    #[error(
        "has shape {shape} but {} has shape {other_shape}: candidates and scores must have the same shape (slates, candidates)",
        other.display()
    )]
    PairShape {
        /// Shape of this array.
        shape: String,
        /// The other file.
        other: PathBuf,
        /// Its shape.
        other_shape: String,
    },
    /// Two arrays of the same kind.
    #[error(
        "has type {found} and so has {} ({other_found}): a pair is one integer array (candidates) and one float array (scores)",
        other.display()
    )]
    PairKind {
        /// Type of this array.
        found: String,
        /// The other file.
        other: PathBuf,
        /// Its type.
        other_found: String,
    },
    /// A JSON value of the wrong kind.
    #[error("line {line}, slate \"{slate}\": \"{key}\" must be {expected}")]
    JsonKind {
        /// 1-based line number.
        line: u64,
        /// The slate.
        slate: String,
        /// The key.
        key: &'static str,
        /// What it must hold.
        expected: &'static str,
    },
}

fn rows_there_are(n_items: usize) -> String {
    match n_items {
        0 => "which has no rows".to_owned(),
        1 => "whose only row is 0".to_owned(),
        n => format!("whose rows go from 0 to {}", n - 1),
    }
}
