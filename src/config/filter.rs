//! `[filter]`: which candidates are taken out before ranking.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OnMissing, Scalar};

/// Most rules of `[[filter.drop]]` and `[[filter.keep]]` together: one bit of a word each, beside the one of
/// `on_missing = "drop"`.
pub const MAX_FILTER_RULES: usize = 31;

/// Which candidates are taken out before ranking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filter {
    /// Takes out items of the slate's `recent`.
    pub recent: bool,
    /// Takes out items of the slate's `seen`.
    pub seen: bool,
    /// Slate column with a Bloom filter of items already seen; what it holds is taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_bloom: Option<String>,
    /// Takes out items that match any of these.
    #[schemars(length(max = MAX_FILTER_RULES))]
    pub drop: Vec<FilterRule>,
    /// Takes out items that do not match all of these.
    #[schemars(length(max = MAX_FILTER_RULES))]
    pub keep: Vec<FilterRule>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { recent: false, seen: true, seen_bloom: None, drop: Vec::new(), keep: Vec::new() }
    }
}

impl Filter {
    /// Every rule with the key that names it and whether items that match stay, in the order of their bits.
    pub fn rules(&self) -> impl Iterator<Item = (String, &FilterRule, bool)> {
        let named = |name: &'static str, is_keep| {
            move |(i, rule)| -> (String, &FilterRule, bool) { (format!("filter.{name}[{i}]"), rule, is_keep) }
        };
        let drop = self.drop.iter().enumerate().map(named("drop", false));
        drop.chain(self.keep.iter().enumerate().map(named("keep", true)))
    }
}

/// What a column of the catalog must hold for an item to match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilterRule {
    /// Catalog column that decides.
    pub column: String,
    /// Values of the column that match; without any, the column is boolean and `true` matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Scalar>,
    /// What becomes of items without a value: `zero` lets them match nothing.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// Slate attributes that must be equal for the rule to apply.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Scalar>,
}
