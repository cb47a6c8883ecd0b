//! `[relevance]` and `[[signal]]`: base scores and similarity.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_STRENGTH, OnMissing, one};

/// Function applied to a raw score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transform {
    /// As given.
    #[default]
    Identity,
    /// Natural logarithm; scores must be positive.
    Log,
    /// `1 / (1 + e^−r)`.
    Sigmoid,
    /// `r^power`; scores must not be negative.
    Power,
    /// Per slate to 0..1.
    Minmax,
    /// Per slate to mean 0, population deviation 1.
    Zscore,
}

/// `base = f(score) + Σ weight · column`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Relevance {
    /// The function f.
    pub transform: Transform,
    /// Exponent of `power`.
    #[schemars(range(min = 1e-6, max = 100.0))]
    pub power: f64,
    /// Static terms from catalog columns.
    pub adjust: Vec<Adjust>,
}

impl Default for Relevance {
    fn default() -> Self {
        Self { transform: Transform::Identity, power: 1.0, adjust: Vec::new() }
    }
}

/// One static term of the base score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adjust {
    /// Numeric catalog column.
    pub column: String,
    /// Factor, any sign.
    #[schemars(range(min = -MAX_STRENGTH, max = MAX_STRENGTH))]
    pub weight: f64,
    /// What becomes of items without a number.
    #[serde(default = "OnMissing::error")]
    pub on_missing: OnMissing,
}

/// How rows of a signal compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Rows scaled to unit length; a zero row stays zero.
    #[default]
    Cosine,
    /// Rows as they are.
    Dot,
}

/// One similarity signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Embedding column of the catalog.
    pub name: String,
    /// Share of the similarity, relative to the other signals.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = MAX_STRENGTH))]
    pub weight: f64,
    /// How rows compare.
    #[serde(default)]
    pub metric: Metric,
    /// What becomes of items without an embedding.
    #[serde(default = "OnMissing::error")]
    pub on_missing: OnMissing,
}
