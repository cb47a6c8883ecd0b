//! `on_missing`: what becomes of items that lack what a term needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of an item without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnMissing {
    /// The item stays, and the term counts nothing for it.
    #[default]
    Zero,
    /// The item is taken out wherever it is a candidate.
    Drop,
    /// The catalog is refused.
    Error,
}

impl OnMissing {
    /// The default of terms that cannot do without a value.
    pub(super) fn error() -> Self {
        Self::Error
    }
}
