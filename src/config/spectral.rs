//! `[window]` and `[spectral]`: the spectral strategy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MAX_SPECTRA, MAX_STRENGTH, MAX_WINDOW};

/// Who competes for a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every unplaced candidate.
    #[default]
    Pool,
    /// Only the `ahead` next candidates by rank.
    Window,
}

/// The similarity window: the last `behind` placed items, then the first `ahead` unplaced ones by rank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Window {
    /// Placed items in the window.
    #[schemars(range(min = 1, max = MAX_WINDOW))]
    pub behind: usize,
    /// Unplaced items in the window.
    #[schemars(range(min = 0, max = MAX_WINDOW))]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Loading {
    /// Share of the item's own energy (λ^−½ Σ S u).
    #[default]
    Energy,
    /// Entry of the unit eigenvector (λ^−1 Σ S u): the feed post read literally.
    Unit,
}

/// Whether spectra with different eigenvalues interact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Coupling {
    /// They do: the penalty depends on the leading subspace alone.
    #[default]
    Full,
    /// They do not, unless their eigenvalues coincide.
    Diagonal,
}

/// Which placed items count as exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Horizon {
    /// Those in the window.
    #[default]
    Window,
    /// All of them.
    Slate,
}

/// The spectral strategy's parameters (SPEC 4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spectral {
    /// β: how much variety counts against relevance. 0 is plain relevance order.
    #[schemars(range(min = 0.0, max = MAX_STRENGTH))]
    pub strength: f64,
    /// Eigenpairs kept per window.
    #[schemars(range(min = 1, max = MAX_SPECTRA))]
    pub spectra: usize,
    /// Loading of items in spectra.
    pub loading: Loading,
    /// Interaction of spectra.
    pub coupling: Coupling,
    /// Weight of a placed item per position of age.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub decay: f64,
    /// Which placed items count.
    pub horizon: Horizon,
    /// ε of the weights, in units of squared similarity.
    #[schemars(range(min = 1e-9, max = 1e6))]
    pub epsilon: f64,
    /// Power-iteration sweeps per position.
    #[schemars(range(min = 1, max = 1000))]
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
