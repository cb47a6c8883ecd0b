//! The configuration: one TOML file, every key checked before any work starts.
//!
//! [`Config::from_toml`] reads and validates; [`Config::default`] is what an empty file means.

mod parse;
mod validate;

use serde::{Deserialize, Serialize};

use crate::catalog::Value;

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

/// A configuration that cannot be used: which key, what it holds, and what is allowed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("line {line}: {key}: {message}")]
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

/// Which rule composes the slate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Windowed spectral decomposition with exposure-weighted penalties (SPEC 4).
    #[default]
    Spectral,
    /// Sliding spectrum decomposition as published in 2021.
    Ssd,
    /// Greedy determinantal point process.
    Dpp,
    /// Maximal marginal relevance.
    Mmr,
    /// Max-sum diversification.
    Msd,
    /// Base score alone.
    Relevance,
}

/// The whole configuration. Field by field the TOML of the README.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Rule that composes the slate.
    pub strategy: Strategy,
    /// Positions to fill.
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
            mmr: Mmr::default(),
            msd: Msd::default(),
            dpp: Dpp::default(),
            ssd: Ssd::default(),
        }
    }
}

/// Function applied to a raw score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Relevance {
    /// The function f.
    pub transform: Transform,
    /// Exponent of `power`.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adjust {
    /// Numeric catalog column.
    pub column: String,
    /// Factor, any sign.
    pub weight: f64,
}

/// How rows of a signal compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// Rows scaled to unit length; a zero row stays zero.
    #[default]
    Cosine,
    /// Rows as they are.
    Dot,
}

/// One similarity signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// Embedding column of the catalog.
    pub name: String,
    /// Share of the similarity, relative to the other signals.
    #[serde(default = "one")]
    pub weight: f64,
    /// How rows compare.
    #[serde(default)]
    pub metric: Metric,
}

fn one() -> f64 {
    1.0
}

/// Who competes for a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every unplaced candidate.
    #[default]
    Pool,
    /// Only the `ahead` next candidates by rank.
    Window,
}

/// The similarity window: the last `behind` placed items, then the first `ahead` unplaced ones by rank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// Placed items in the window.
    pub behind: usize,
    /// Unplaced items in the window.
    pub ahead: usize,
    /// Who competes.
    pub scope: Scope,
}

impl Default for Window {
    fn default() -> Self {
        Self { behind: 10, ahead: 0, scope: Scope::Pool }
    }
}

impl Window {
    /// Items the window can hold.
    pub fn size(&self) -> usize {
        self.behind + self.ahead
    }
}

/// How much of an item lies in a spectrum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loading {
    /// Share of the item's own energy (λ^−½ Σ S u).
    #[default]
    Energy,
    /// Entry of the unit eigenvector (λ^−1 Σ S u): the feed post read literally.
    Unit,
}

/// Whether spectra with different eigenvalues interact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coupling {
    /// They do: the penalty depends on the leading subspace alone.
    #[default]
    Full,
    /// They do not, unless their eigenvalues coincide.
    Diagonal,
}

/// Which placed items count as exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Horizon {
    /// Those in the window.
    #[default]
    Window,
    /// All of them.
    Slate,
}

/// The spectral strategy's parameters (SPEC 4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spectral {
    /// β: how much variety counts against relevance. 0 is plain relevance order.
    pub strength: f64,
    /// Eigenpairs kept per window.
    pub spectra: usize,
    /// Loading of items in spectra.
    pub loading: Loading,
    /// Interaction of spectra.
    pub coupling: Coupling,
    /// Weight of a placed item per position of age.
    pub decay: f64,
    /// Which placed items count.
    pub horizon: Horizon,
    /// ε of the weights, in units of squared similarity.
    pub epsilon: f64,
    /// Power-iteration sweeps per position.
    pub iterations: usize,
}

impl Default for Spectral {
    fn default() -> Self {
        Self {
            strength: 0.3,
            spectra: 4,
            loading: Loading::Energy,
            coupling: Coupling::Full,
            decay: 1.0,
            horizon: Horizon::Window,
            epsilon: 0.1,
            iterations: 2,
        }
    }
}

/// How a penalty fades with distance d in positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kernel {
    /// 1/d.
    #[default]
    Inverse,
    /// 0.5^((d−1)/half_life).
    Exponential,
    /// 1 − (d−1)/window.
    Linear,
    /// 1.
    Step,
}

impl Kernel {
    /// Weights for distances 1..=`window`.
    pub fn weights(self, window: usize, half_life: f64) -> Vec<f64> {
        (1..=window)
            .map(|d| match self {
                Self::Inverse => 1.0 / d as f64,
                Self::Exponential => 0.5_f64.powf((d - 1) as f64 / half_life),
                Self::Linear => 1.0 - (d - 1) as f64 / window as f64,
                Self::Step => 1.0,
            })
            .collect()
    }
}

/// One soft-spacing rule (SPEC 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spacing {
    /// Name for reports.
    pub name: String,
    /// Catalog column that decides membership.
    pub column: String,
    /// Values of that column that are members.
    pub values: Vec<Scalar>,
    /// Numeric catalog column that scales membership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// Penalty per unit of membership at distance 1.
    pub strength: f64,
    /// Positions looked back.
    pub window: usize,
    /// How the penalty fades.
    #[serde(default)]
    pub kernel: Kernel,
    /// Distance over which `exponential` halves, in positions.
    #[serde(default = "one")]
    pub half_life: f64,
    /// Slate attributes that must be equal for the rule to apply.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub when: std::collections::BTreeMap<String, Scalar>,
}

/// A TOML scalar compared with catalog or slate values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Number.
    Float(f64),
    /// Text.
    Text(String),
}

impl Scalar {
    /// Equality across the stored types: 1 equals 1.0, nothing equals null.
    pub fn matches(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Bool(a), Value::Bool(b)) => a == b,
            (Self::Int(a), Value::Int(b)) => a == b,
            (Self::Int(a), Value::Float(b)) => *a as f64 == *b,
            (Self::Float(a), Value::Float(b)) => a == b,
            (Self::Float(a), Value::Int(b)) => *a == *b as f64,
            (Self::Text(a), Value::Text(b)) => a == b,
            _ => false,
        }
    }
}

/// Semantic-ID prefix penalty (SPEC 5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SemanticId {
    /// Catalog column of integer lists.
    pub column: String,
    /// Factor of the penalty.
    pub strength: f64,
    /// Positions looked back.
    pub window: usize,
    /// How the penalty fades.
    #[serde(default)]
    pub kernel: Kernel,
    /// Distance over which `exponential` halves, in positions.
    #[serde(default = "one")]
    pub half_life: f64,
    /// Penalty of each agreeing level; 1/L each if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub level_weights: Vec<f64>,
}

/// Whole-slate balance penalty (SPEC 5).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Balance {
    /// Factor of the penalty, 0 = off.
    pub strength: f64,
}

/// At most `max` items of one value among `window + 1` neighbours (SPEC 6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// Catalog column whose values are counted.
    pub column: String,
    /// Most items of one value.
    pub max: usize,
    /// Placed items counted beside the candidate.
    pub window: usize,
}

/// Maximal marginal relevance (SPEC 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mmr {
    /// 1 is relevance alone, 0 variety alone.
    pub lambda: f64,
    /// Placed items compared with, 0 = all.
    pub window: usize,
}

impl Default for Mmr {
    fn default() -> Self {
        Self { lambda: 0.7, window: 0 }
    }
}

/// Max-sum diversification (SPEC 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Msd {
    /// 1 is relevance alone, 0 variety alone.
    pub lambda: f64,
    /// Placed items compared with, 0 = all.
    pub window: usize,
}

impl Default for Msd {
    fn default() -> Self {
        Self { lambda: 0.7, window: 0 }
    }
}

/// Greedy determinantal point process (SPEC 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dpp {
    /// Weight of relevance in the kernel.
    pub theta: f64,
    /// Placed items in the determinant, 0 = all.
    pub window: usize,
}

impl Default for Dpp {
    fn default() -> Self {
        Self { theta: 0.7, window: 0 }
    }
}

/// Form of the published SSD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SsdVariant {
    /// The paper's stabilised form.
    #[default]
    Star,
    /// Volume as the product of residual norms.
    Product,
}

/// What happens when an item leaves SSD's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SsdEviction {
    /// Residual against the window's true span.
    #[default]
    Exact,
    /// The published circular queue.
    Paper,
}

/// Published sliding spectrum decomposition (SPEC 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ssd {
    /// Weight of the volume term.
    pub gamma: f64,
    /// Placed items in the span, 0 = all.
    pub window: usize,
    /// Extend rows by a constant 1.
    pub bias: bool,
    /// Form of the volume.
    pub variant: SsdVariant,
    /// Handling of items that leave the window.
    pub eviction: SsdEviction,
}

impl Default for Ssd {
    fn default() -> Self {
        Self { gamma: 0.5, window: 10, bias: true, variant: SsdVariant::Star, eviction: SsdEviction::Exact }
    }
}
