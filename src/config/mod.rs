//! The configuration: one TOML file, every key checked before any work starts.
//!
//! [`Config::from_toml`] reads and validates; [`Config::default`] is what an empty file means.

mod baselines;
mod filter;
mod json_schema;
mod missing;
mod needs;
mod parse;
mod penalties;
mod relevance;
mod spectral;
mod validate;

pub use baselines::{Dpp, Mmr, Msd, Ssd, SsdEviction, SsdVariant};
pub use filter::{Filter, FilterRule, MAX_FILTER_RULES};
pub use missing::OnMissing;
pub use needs::{Holds, Need};
pub use penalties::{Balance, Cap, Kernel, Scalar, SemanticId, Spacing};
pub use relevance::{Adjust, Metric, Relevance, Signal, Transform};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use spectral::{Coupling, Horizon, Loading, Scope, Spectral, Window};

/// Largest slate an engine composes, in positions.
pub const MAX_SLATE_SIZE: usize = 500;
/// Largest number of candidates in one slate.
pub const MAX_CANDIDATES: usize = 10_000;
/// Largest window, in items (`behind + ahead`).
pub const MAX_WINDOW: usize = 128;
/// Largest number of spectra (eigenpairs) kept per window.
pub const MAX_SPECTRA: usize = 16;
/// Largest dimension of all signals together.
pub const MAX_DIM: usize = 4096;

/// Largest strength: beyond it every score drowns in rounding noise.
pub const MAX_STRENGTH: f64 = 1e6;

/// A configuration that cannot be used: which key, what it holds, and what is allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("{}{key}: {message}", place(*line))]
    Syntax {
        /// 1-based line of the file, 0 where unknown.
        line: usize,
        /// Dotted path of the key, or "configuration".
        key: String,
        /// What the parser says, including the keys or values it expected.
        message: String,
    },
    /// A value outside its range.
    #[error("{key} = {value} is out of range: {allowed}")]
    OutOfRange {
        /// Dotted path of the key.
        key: String,
        /// The value found.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// Two settings contradict each other.
    #[error("{key}: {reason}")]
    Conflict {
        /// Dotted path of the key to change.
        key: String,
        /// Why, and what to do.
        reason: String,
    },
}

/// The line of a message; nothing where it is unknown.
fn place(line: usize) -> String {
    if line == 0 { String::new() } else { format!("line {line}: ") }
}

/// Which rule composes the slate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// What the window has shown of each theme, against what a candidate has of it: the default.
    #[default]
    Spectral,
    /// Sliding spectrum decomposition as published in 2021: what the placed items do not have of a candidate.
    Ssd,
    /// Greedy determinantal point process: the volume that a candidate adds to the placed items.
    Dpp,
    /// Maximal marginal relevance: similarity to the most similar placed item.
    Mmr,
    /// Max-sum diversification: sum of the distances to the placed items.
    Msd,
    /// Base score and penalties alone.
    Relevance,
}

impl Strategy {
    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spectral => "spectral",
            Self::Ssd => "ssd",
            Self::Dpp => "dpp",
            Self::Mmr => "mmr",
            Self::Msd => "msd",
            Self::Relevance => "relevance",
        }
    }
}

/// The whole configuration. Field by field the TOML of the README.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Rule that composes the slate.
    pub strategy: Strategy,
    /// Positions to fill.
    #[schemars(range(min = 1, max = MAX_SLATE_SIZE))]
    pub slate_size: usize,
    /// How scores become base scores.
    pub relevance: Relevance,
    /// Similarity signals; empty means the catalog's first embedding column.
    #[serde(rename = "signal")]
    pub signals: Vec<Signal>,
    /// Which items the similarity window holds.
    pub window: Window,
    /// The spectral strategy.
    pub spectral: Spectral,
    /// Soft-spacing rules.
    pub spacing: Vec<Spacing>,
    /// Semantic-ID prefix penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semantic_id: Option<SemanticId>,
    /// Whole-slate balance penalty.
    pub balance: Balance,
    /// Hard caps per window.
    pub cap: Vec<Cap>,
    /// Candidates taken out before ranking.
    pub filter: Filter,
    /// Maximal marginal relevance.
    pub mmr: Mmr,
    /// Max-sum diversification.
    pub msd: Msd,
    /// Determinantal point process.
    pub dpp: Dpp,
    /// Published sliding spectrum decomposition.
    pub ssd: Ssd,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            slate_size: 50,
            relevance: Relevance::default(),
            signals: Vec::new(),
            window: Window::default(),
            spectral: Spectral::default(),
            spacing: Vec::new(),
            semantic_id: None,
            balance: Balance::default(),
            cap: Vec::new(),
            filter: Filter::default(),
            mmr: Mmr::default(),
            msd: Msd::default(),
            dpp: Dpp::default(),
            ssd: Ssd::default(),
        }
    }
}

/// Default of weights and half-lives.
fn one() -> f64 {
    1.0
}
