//! What can be wrong with a ranked slate, in words.

use serde::Serialize;

/// A part of the utility.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Term {
    /// Base score.
    Base,
    /// The strategy's diversity term.
    Diversity,
    /// Soft spacing.
    Spacing,
    /// Semantic IDs.
    Semantic,
    /// Balance.
    Balance,
}

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Base => "base",
            Self::Diversity => "diversity",
            Self::Spacing => "spacing",
            Self::Semantic => "semantic",
            Self::Balance => "balance",
        })
    }
}

/// One pick beside what the reference says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReplayedPosition {
    /// 0-based place in the slate.
    pub position: usize,
    /// The pick, an index into the slate's candidates.
    pub candidate: u32,
    /// The utility the engine claims.
    pub utility: f64,
    /// The reference's utility of the same pick.
    pub reference: f64,
    /// The reference's best utility; that of the pinned item where one is due.
    pub best: f64,
    /// How much utility the pick gives away, 0 where the item is pinned.
    pub regret: f64,
    /// |utility − reference|.
    pub error: f64,
    /// Largest error and regret allowed here.
    pub bound: f64,
    /// True where a pinned item is due.
    pub is_pinned: bool,
    /// What the reference would have placed here, an index into the slate's candidates.
    pub reference_candidate: u32,
    /// True where another candidate comes within the bound of the reference's best: engines may part here, and both be
    /// right. Pinned positions never are.
    pub is_near_tie: bool,
    /// The term that differs most from the reference's.
    pub term: Term,
    /// Claimed minus reference value of that term.
    pub term_error: f64,
}

impl ReplayedPosition {
    /// True where the error is within the bound. A NaN never is.
    pub fn is_utility_right(&self) -> bool {
        self.error <= self.bound
    }

    /// True where the regret is within the bound.
    pub fn is_pick_right(&self) -> bool {
        self.regret <= self.bound
    }
}

/// A way in which a ranked slate is wrong.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Not as many positions as the slate fills.
    #[error("{found} positions are filled, not {expected}")]
    Length {
        /// Positions found.
        found: usize,
        /// Positions this slate fills.
        expected: usize,
    },
    /// Marked short although it is not, or the reverse.
    #[error("is_short is {found}, which does not fit the number of candidates")]
    Short {
        /// The mark found.
        found: bool,
    },
    /// Not as many candidates taken out as filters take out.
    #[error("filters are said to take out {found} candidates, they take out {expected}")]
    FilteredCount {
        /// Candidates taken out, as claimed.
        found: u32,
        /// Candidates that filters take out.
        expected: u32,
    },
    /// A candidate that a filter takes out.
    #[error("position {position}: candidate {candidate} was taken out by a filter")]
    Filtered {
        /// Where.
        position: usize,
        /// The candidate.
        candidate: u32,
    },
    /// Not a candidate.
    #[error("position {position}: candidate {candidate} does not exist, the slate has {n_candidates}")]
    OutOfRange {
        /// Where.
        position: usize,
        /// The index claimed.
        candidate: u32,
        /// Candidates of the slate.
        n_candidates: usize,
    },
    /// A candidate placed before.
    #[error("position {position}: candidate {candidate} already stands at position {first}")]
    Repeated {
        /// Where.
        position: usize,
        /// The candidate.
        candidate: u32,
        /// Its first position.
        first: usize,
    },
    /// The catalog row is not the candidate's.
    #[error("position {position}: item {found} is claimed for a candidate that is item {expected}")]
    WrongItem {
        /// Where.
        position: usize,
        /// Catalog row claimed.
        found: u32,
        /// Catalog row of the candidate.
        expected: u32,
    },
    /// Somebody else stands where an item is pinned, or a pinned item stands elsewhere.
    #[error("position {position}: candidate {candidate} breaks a pin")]
    PinBroken {
        /// Where.
        position: usize,
        /// Who stands there.
        candidate: u32,
    },
    /// The pick is not among those who compete (`scope = "window"`).
    #[error("position {position}: candidate {candidate} does not compete here")]
    NotCompeting {
        /// Where.
        position: usize,
        /// The pick.
        candidate: u32,
    },
    /// The pick goes further beyond the caps than it has to.
    #[error("position {position}: candidate {candidate} exceeds the caps by {excess}, others by {least}")]
    CapBroken {
        /// Where.
        position: usize,
        /// The pick.
        candidate: u32,
        /// Its excess.
        excess: u32,
        /// The smallest excess of all who compete.
        least: u32,
    },
    /// Of two copies that are equal in everything an engine looks at, the one of higher rank was picked.
    #[error("position {position}: candidate {candidate} is picked before {lower}, its equal copy of lower rank")]
    TieBroken {
        /// Where.
        position: usize,
        /// The pick.
        candidate: u32,
        /// The copy that had to win.
        lower: u32,
    },
    /// Not where the reference finds that no candidate has a residual left.
    #[error("rank_exhausted_at is {found:?}, which is not where the reference runs out of rank")]
    RankExhausted {
        /// The position claimed.
        found: Option<u32>,
    },
    /// The utility is not the reference's.
    #[error(
        "position {}: utility {} differs from the reference's {} by {:.3e} (allowed {:.3e}), mostly in {} ({:+.3e})",
        .0.position, .0.utility, .0.reference, .0.error, .0.bound, .0.term, .0.term_error
    )]
    Utility(ReplayedPosition),
    /// Another pick was clearly better.
    #[error(
        "position {}: candidate {} gives away {:.3e} of utility (allowed {:.3e})",
        .0.position, .0.candidate, .0.regret, .0.bound
    )]
    Regret(ReplayedPosition),
}

impl Fault {
    /// Where it shows; none for faults of the slate as a whole.
    pub fn position(&self) -> Option<usize> {
        match *self {
            Self::Length { .. } | Self::Short { .. } | Self::FilteredCount { .. } | Self::RankExhausted { .. } => None,
            Self::Filtered { position, .. }
            | Self::OutOfRange { position, .. }
            | Self::Repeated { position, .. }
            | Self::WrongItem { position, .. }
            | Self::PinBroken { position, .. }
            | Self::NotCompeting { position, .. }
            | Self::CapBroken { position, .. }
            | Self::TieBroken { position, .. } => Some(position),
            Self::Utility(replayed) | Self::Regret(replayed) => Some(replayed.position),
        }
    }
}
