//! Why a configuration and a catalog do not fit together.

use crate::config::MAX_DIM;

/// A configuration that asks for something the catalog does not have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProblemError {
    /// No embedding of that name.
    #[error("signal \"{name}\" is not an embedding of the catalog: it has {known}")]
    UnknownSignal {
        /// The name asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No embeddings at all.
    #[error("the catalog has no embedding column: add one (a list of f16, f32 or f64 numbers per item)")]
    NoSignal,
    /// No column of that name.
    #[error("{key}: column \"{column}\" is not in the catalog: it has {known}")]
    UnknownColumn {
        /// Configuration key that names the column.
        key: String,
        /// The column asked for.
        column: String,
        /// What there is.
        known: String,
    },
    /// A column whose type does not serve.
    #[error("{key}: column \"{column}\" holds {found}, needed are {needed}")]
    ColumnType {
        /// Configuration key that names the column.
        key: String,
        /// The column.
        column: String,
        /// What it holds.
        found: String,
        /// What would serve.
        needed: &'static str,
    },
    /// Items that lack something the configuration does not do without.
    #[error(
        "{key}: item {item} has no \"{column}\"{}: fill it in, or say on_missing = \"zero\" or \"drop\" there",
        and_more(*n_items)
    )]
    Missing {
        /// Configuration key of the term that needs it.
        key: String,
        /// The column.
        column: String,
        /// The first of these items, by id.
        item: String,
        /// How many there are.
        n_items: usize,
    },
    /// A value that no item can have.
    #[error(
        "{key}: {value} is {kind}, and column \"{column}\" holds none: no item can match, write it as items have it"
    )]
    ValueType {
        /// Configuration key that lists the value.
        key: String,
        /// The value.
        value: String,
        /// What it is.
        kind: &'static str,
        /// The column.
        column: String,
    },
    /// A number that is not finite.
    #[error("{key}: column \"{column}\" has no finite number for item {item}: correct it")]
    NotANumber {
        /// Configuration key that names the column.
        key: String,
        /// The column.
        column: String,
        /// The item's id.
        item: String,
    },
    /// Signals too wide for the engines.
    #[error("the signals have {dim} dimensions together, at most {MAX_DIM} are supported: use fewer signals")]
    TooWide {
        /// Sum of the dimensions.
        dim: usize,
    },
    /// A row so long or short that single precision cannot hold its products.
    #[error(
        "signal \"{name}\": the row of item {item} has length {length:e}, allowed are 0 and {least:e} to {most:e}: rescale it"
    )]
    RowLength {
        /// The signal.
        name: String,
        /// The item's id.
        item: String,
        /// Euclidean length.
        length: f64,
        /// Shortest length above 0.
        least: f64,
        /// Longest length.
        most: f64,
    },
    /// A confidence below 0, which would turn a penalty into a reward.
    #[error("{key}: column \"{column}\" is negative for item {item}: confidences are 0 or more")]
    NegativeConfidence {
        /// Configuration key that names the column.
        key: String,
        /// The column.
        column: String,
        /// The item's id.
        item: String,
    },
    /// Level weights for more levels than the column has.
    #[error("semantic_id.level_weights has {weights} entries but column \"{column}\" has {levels} levels")]
    LevelWeights {
        /// The column.
        column: String,
        /// Weights given.
        weights: usize,
        /// Levels in the column.
        levels: usize,
    },
    /// Catalog larger than row numbers reach.
    #[error("the catalog has {n_items} items, at most 4294967294 are supported")]
    TooManyItems {
        /// Number of items.
        n_items: usize,
    },
}

fn and_more(n_items: usize) -> String {
    match n_items {
        0 | 1 => String::new(),
        n => format!(", nor have {} more", n - 1),
    }
}
