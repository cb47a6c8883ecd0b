//! Who wins a position.

use crate::real::Real;

/// A candidate with its terms at one position.
#[derive(Debug, Clone, Copy)]
pub struct Scored<R> {
    /// Rank of the candidate.
    pub rank: usize,
    /// How far its caps are exceeded; the smallest excess competes.
    pub excess: u32,
    /// What is maximised.
    pub utility: R,
    /// Strategy's diversity term.
    pub diversity: R,
    /// Spacing penalty.
    pub spacing: R,
    /// Semantic-ID penalty.
    pub semantic: R,
    /// Balance penalty.
    pub balance: R,
}

impl<R: Real> Scored<R> {
    /// True where `self` wins against `other`: smaller excess, then higher utility, then lower rank.
    pub fn beats(&self, other: &Self) -> bool {
        if self.excess != other.excess {
            return self.excess < other.excess;
        }
        self.utility > other.utility || (self.utility == other.utility && self.rank < other.rank)
    }
}

/// True where a candidate cannot win whose utility is at most `bound`: penalties are 0 or more, so a utility never exceeds
/// its bound, and ties go to the lower rank (SPEC 8).
pub fn is_settled<R: Real>(best: Option<&Scored<R>>, rank: usize, bound: R) -> bool {
    best.is_some_and(|best| best.excess == 0 && (bound < best.utility || (bound == best.utility && best.rank < rank)))
}
