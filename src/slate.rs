//! Slates as they come in and ranked slates as they go out.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bloom::BloomFilter;
use crate::catalog::Value;
use crate::config::Scalar;

/// One request: candidates with scores, and what it asks for. Items are catalog rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slate {
    /// Name of the request, as output and messages show it.
    pub id: String,
    /// Catalog rows of the candidates, in input order.
    pub candidates: Vec<u32>,
    /// Relevance scores, one per candidate, higher is better.
    pub scores: Vec<f64>,
    /// Catalog rows shown before this slate, oldest first.
    pub recent: Vec<u32>,
    /// Items that must stand at a position.
    pub pinned: Vec<Pin>,
    /// Catalog rows this person has already seen.
    pub seen: Vec<u32>,
    /// More items this person has already seen, where they are too many to list.
    pub seen_bloom: Option<Arc<BloomFilter>>,
    /// Every other column of the slate, by name.
    pub attributes: BTreeMap<String, Value>,
}

impl Slate {
    /// True where the slate's attributes equal every one of these.
    pub fn has_all(&self, attributes: &BTreeMap<String, Scalar>) -> bool {
        attributes.iter().all(|(name, wanted)| self.attributes.get(name).is_some_and(|value| wanted.matches(value)))
    }
}

/// An item that must stand at a position whatever its utility.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin {
    /// 0-based place in the output.
    pub position: u32,
    /// Catalog row.
    pub item: u32,
}

/// One position of a ranked slate. All terms are as they enter the utility:
/// `utility = weight · base + diversity − spacing − semantic − balance`, where the weight is λ for `mmr` and `msd`, 2θ for
/// `dpp`, and 1 for every other strategy.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Placement {
    /// Index into the slate's candidates.
    pub candidate: u32,
    /// Catalog row.
    pub item: u32,
    /// Base score after transform and adjustments.
    pub base: f64,
    /// What the selection maximised at this position.
    pub utility: f64,
    /// The strategy's diversity term (never positive for `spectral` and `mmr`, never negative for `msd` and `ssd`).
    pub diversity: f64,
    /// Soft-spacing penalty, all rules, strength included.
    pub spacing: f64,
    /// Semantic-ID penalty, strength included.
    pub semantic: f64,
    /// Balance penalty, strength included.
    pub balance: f64,
}

/// A slate after re-ranking: positions 0, 1, … in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RankedSlate {
    /// One entry per position filled.
    pub placements: Vec<Placement>,
    /// True where there were fewer candidates than positions, after filters.
    pub is_short: bool,
    /// Candidates that filters took out.
    pub n_filtered: u32,
    /// `dpp` and `ssd`: the first position without a pin at which every candidate left lay in the span of the placed items
    /// that count, so that base scores and penalties alone decided. In the span means a squared distance of at most 1e-6,
    /// for `ssd` of at most 1e-6 of the candidate's own squared length. `None` where that never came.
    pub rank_exhausted_at: Option<u32>,
}
