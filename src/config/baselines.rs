//! `[mmr]`, `[msd]`, `[dpp]` and `[ssd]`: the strategies to compare with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_SLATE_SIZE, MAX_STRENGTH};

/// Maximal marginal relevance (SPEC 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mmr {
    /// 1 is relevance alone, 0 variety alone.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lambda: f64,
    /// Placed items compared with, 0 = all.
    #[schemars(range(min = 0, max = MAX_SLATE_SIZE))]
    pub window: usize,
}

impl Default for Mmr {
    fn default() -> Self {
        Self { lambda: 0.7, window: 0 }
    }
}

/// Max-sum diversification (SPEC 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Msd {
    /// 1 is relevance alone, 0 variety alone.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub lambda: f64,
    /// Placed items compared with, 0 = all.
    #[schemars(range(min = 0, max = MAX_SLATE_SIZE))]
    pub window: usize,
}

impl Default for Msd {
    fn default() -> Self {
        Self { lambda: 0.7, window: 0 }
    }
}

/// Greedy determinantal point process (SPEC 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dpp {
    /// Weight of relevance in the kernel.
    #[schemars(range(min = 0.0, max = MAX_STRENGTH))]
    pub theta: f64,
    /// Placed items in the determinant, 0 = all.
    #[schemars(range(min = 0, max = MAX_SLATE_SIZE))]
    pub window: usize,
}

impl Default for Dpp {
    fn default() -> Self {
        Self { theta: 0.7, window: 0 }
    }
}

/// Form of the published SSD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SsdVariant {
    /// The paper's stabilised form.
    #[default]
    Star,
    /// Volume as the product of residual norms.
    Product,
}

/// What happens when an item leaves SSD's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SsdEviction {
    /// Residual against the window's true span.
    #[default]
    Exact,
    /// The published circular queue.
    Paper,
}

/// Published sliding spectrum decomposition (SPEC 7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ssd {
    /// Weight of the volume term.
    #[schemars(range(min = 0.0, max = MAX_STRENGTH))]
    pub gamma: f64,
    /// Placed items in the span, 0 = all.
    #[schemars(range(min = 0, max = MAX_SLATE_SIZE))]
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
