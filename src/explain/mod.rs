//! Why each item of a slate stands where it stands, from the reference in double precision.
//!
//! ```text
//! explain    one slate, composed by run::Run<f64> as `rerank --precision f64` composes it → Explanation
//! text       Explanation → lines for a terminal
//! page       Explanation → report::Report, one HTML file
//! ```
//!
//! At every position all who compete are scored, and the winner is held against the runner-up, and against whoever would
//! have won without one of the terms. "Without" looks at this position alone: what stands before it stays as it is.

mod compute;
mod page;
mod similarity;
mod spectra;
mod text;

use serde::Serialize;

use crate::config::Strategy;

pub use compute::explain;
pub use page::report;
pub use similarity::Listing;
pub use text::{detail, overview};

/// One slate, explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The slate's id.
    pub slate_id: String,
    /// The rule that composed it.
    pub strategy: Strategy,
    /// How many candidates there were.
    pub n_candidates: usize,
    /// Candidates that filters took out; they stand nowhere below.
    pub n_filtered: u32,
    /// Positions asked for; `positions` has fewer where candidates ran out.
    pub slate_size: usize,
    /// Factor of the base score in the utility: 1 but for the strategies that weigh relevance against variety.
    pub base_weight: f64,
    /// Items that a distance looks back on: `window.behind`.
    pub n_behind: usize,
    /// Terms that are not zero somewhere, in the order of the utility.
    pub terms: Vec<Term>,
    /// The same slate in the order of relevance alone: its first T candidates.
    pub before: Listing,
    /// The slate as composed.
    pub after: Listing,
    /// `dpp` and `ssd`: where what they weigh ran out; see [`crate::slate::RankedSlate::rank_exhausted_at`].
    pub rank_exhausted_at: Option<u32>,
    /// Share of the relevance kept; see [`crate::metrics::relevance_kept`].
    pub relevance_kept: Option<f64>,
    /// One per position filled, in order.
    pub positions: Vec<PositionExplanation>,
}

impl Explanation {
    /// The strategy, as the configuration has it.
    pub(crate) fn strategy_name(&self) -> &'static str {
        self.strategy.name()
    }
}

/// What can decide a position beside the base score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Term {
    /// The strategy's diversity term.
    Diversity,
    /// Soft spacing.
    Spacing,
    /// Semantic IDs.
    Semantic,
    /// Balance.
    Balance,
    /// Caps: who exceeds them least competes.
    Cap,
    /// A pinned item.
    Pin,
}

impl Term {
    /// The terms that are numbers in the utility.
    pub const OF_UTILITY: [Self; 4] = [Self::Diversity, Self::Spacing, Self::Semantic, Self::Balance];

    /// The name, as output columns and the configuration have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Diversity => "diversity",
            Self::Spacing => "spacing",
            Self::Semantic => "semantic",
            Self::Balance => "balance",
            Self::Cap => "cap",
            Self::Pin => "pin",
        }
    }
}

/// An item by its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedItem {
    /// Catalog row.
    pub row: u32,
    /// Its id; the row number where the catalog has no ids.
    pub id: String,
    /// What the label column says, if one was asked for and it is not null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl NamedItem {
    /// The label, or else the id.
    pub fn name(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.id)
    }
}

/// A candidate with its terms at one position:
/// `utility = base_weight · base + diversity − spacing − semantic − balance`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contender {
    /// The item.
    pub item: NamedItem,
    /// Index into the slate's candidates.
    pub candidate: u32,
    /// 0-based place in the order of base scores, of those that no filter takes out.
    pub rank: usize,
    /// Score as given.
    pub score: f64,
    /// Base score.
    pub base: f64,
    /// What was maximised.
    pub utility: f64,
    /// Strategy's diversity term.
    pub diversity: f64,
    /// Spacing penalty.
    pub spacing: f64,
    /// Semantic-ID penalty.
    pub semantic: f64,
    /// Balance penalty.
    pub balance: f64,
    /// How far it would lift the counts of its values above the caps; the least competes.
    pub cap_excess: u32,
    /// Per spectrum of the position: the loading ℓ_k, and what the spectrum takes from the utility. The costs sum to
    /// −diversity. Empty where the position has no spectra.
    pub spectra: Vec<Share>,
}

impl Contender {
    /// A term as it enters the utility: penalties are negative. Caps and pins have no number.
    pub fn signed(&self, term: Term) -> f64 {
        match term {
            Term::Diversity => self.diversity,
            Term::Spacing => 0.0 - self.spacing,
            Term::Semantic => 0.0 - self.semantic,
            Term::Balance => 0.0 - self.balance,
            Term::Cap | Term::Pin => 0.0,
        }
    }
}

/// How much of an item lies in a spectrum, and what that costs it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// ℓ_k (SPEC 4.3). Signs mean something only beside those of the spectrum's items.
    pub loading: f64,
    /// strength · ℓ_k Σ_l w_kl ℓ_l: the spectrum's part of the diversity term, which it lowers.
    pub cost: f64,
}

/// One position: who stands there, and who else might have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PositionExplanation {
    /// 0-based place in the output.
    pub position: usize,
    /// Candidates that competed; 0 where a pin decided with nobody else left.
    pub n_competing: usize,
    /// Who stands there.
    pub chosen: Contender,
    /// The best of the others; none where nobody else competed.
    pub runner_up: Option<Contender>,
    /// Utility of the chosen item − that of the runner-up. Negative only where a cap or a pin decided.
    pub lead: Option<f64>,
    /// Who would stand here without one of the terms, for each term where that is somebody else.
    pub without: Vec<Without>,
    /// Spectra of the window, largest first. Empty at the start of a slate without recent items, and for strategies
    /// that have none.
    pub spectra: Vec<SpectrumExplanation>,
}

/// Who would have won a position without a term.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Without {
    /// The term left out, for everyone.
    pub term: Term,
    /// Who would have won, with the terms as they are.
    pub winner: Contender,
}

/// One spectrum of a position's window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpectrumExplanation {
    /// λ_k, eigenvalue of the window's similarity matrix.
    pub eigenvalue: f64,
    /// λ_k / trace: the share of the window that this spectrum stands for.
    pub share: f64,
    /// E_k = H_kk (SPEC 4.4): how much of it has been shown.
    pub exposure: f64,
    /// w_kk (SPEC 4.5).
    pub weight: f64,
    /// Window items that lie most in it, by |loading|, the first with a positive sign.
    pub items: Vec<LoadedItem>,
}

/// An item of the window and how much of it lies in a spectrum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadedItem {
    /// The item.
    #[serde(flatten)]
    pub item: NamedItem,
    /// ℓ_k.
    pub loading: f64,
}
