//! `[[spacing]]`, `[semantic_id]`, `[balance]` and `[[cap]]`: what every strategy can carry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_CANDIDATES, MAX_SLATE_SIZE, MAX_STRENGTH, OnMissing, one};
use crate::catalog::Value;

/// How a penalty fades with distance d in positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spacing {
    /// Name for reports.
    pub name: String,
    /// Catalog column that decides membership.
    pub column: String,
    /// Values of that column that are members.
    #[schemars(length(min = 1))]
    pub values: Vec<Scalar>,
    /// Numeric catalog column that scales membership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<String>,
    /// Penalty per unit of membership at distance 1.
    #[schemars(range(min = 0.0, max = MAX_STRENGTH))]
    pub strength: f64,
    /// Positions looked back.
    #[schemars(range(min = 1, max = MAX_SLATE_SIZE))]
    pub window: usize,
    /// How the penalty fades.
    #[serde(default)]
    pub kernel: Kernel,
    /// Distance over which `exponential` halves, in positions.
    #[serde(default = "one")]
    #[schemars(range(min = 1e-3, max = 1e6))]
    pub half_life: f64,
    /// What becomes of items without a value in `column`, and of members without a confidence. Without it the former are no
    /// members and the latter an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_missing: Option<OnMissing>,
    /// Slate attributes that must be equal for the rule to apply.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub when: std::collections::BTreeMap<String, Scalar>,
}

/// A TOML scalar compared with catalog or slate values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number, text, true or false")]
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

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(x) => write!(f, "{x}"),
            Self::Int(x) => write!(f, "{x}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(x) => write!(f, "\"{x}\""),
        }
    }
}

impl Scalar {
    /// What it is, in words.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
        }
    }

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SemanticId {
    /// Catalog column of integer lists.
    pub column: String,
    /// Factor of the penalty.
    #[schemars(range(min = 0.0, max = MAX_STRENGTH))]
    pub strength: f64,
    /// Positions looked back.
    #[schemars(range(min = 1, max = MAX_SLATE_SIZE))]
    pub window: usize,
    /// How the penalty fades.
    #[serde(default)]
    pub kernel: Kernel,
    /// Distance over which `exponential` halves, in positions.
    #[serde(default = "one")]
    #[schemars(range(min = 1e-3, max = 1e6))]
    pub half_life: f64,
    /// Penalty of each agreeing level; 1/L each if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 0.0, max = MAX_STRENGTH)))]
    pub level_weights: Vec<f64>,
    /// What becomes of items that lack a level: `zero` ends their prefix there.
    #[serde(default)]
    pub on_missing: OnMissing,
}

/// Whole-slate balance penalty (SPEC 5).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Balance {
    /// Factor of the penalty, 0 = off.
    #[schemars(range(min = 0.0, max = MAX_STRENGTH))]
    pub strength: f64,
}

/// At most `max` items of one value among `window + 1` neighbours (SPEC 6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// Catalog column whose values are counted.
    pub column: String,
    /// Most items of one value.
    #[schemars(range(min = 0, max = MAX_CANDIDATES))]
    pub max: usize,
    /// Placed items counted beside the candidate.
    #[schemars(range(min = 1, max = MAX_SLATE_SIZE))]
    pub window: usize,
    /// What becomes of items without a value: `zero` counts them for nothing.
    #[serde(default)]
    pub on_missing: OnMissing,
}
