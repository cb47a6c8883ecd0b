//! Is a slate composed elsewhere right? Its picks are replayed on the f64 CPU reference (SPEC 9).
//!
//! ```text
//! replay(problem, slate, ranked) ─→ Replay ─→ positions: reference utility, best utility, regret, which term is off
//!                                         └→ verdict:   Ok, or the first fault;  faults: all of them
//! ```
//! Two engines that round differently may part at a tie and compose different slates, both right. So the picks are not
//! compared with the reference's own: each is judged where it was made, after the picks before it. Nothing is printed
//! here; faults are values that know how to say what is wrong.

use serde::Serialize;

use crate::parity::copies::are_copies;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::run::Run;
use crate::slate::{Placement, RankedSlate};
use crate::stage::select::Scored;

/// Largest difference between a utility and the reference's, and largest regret, for utilities up to 1; beyond, relative.
pub const TOLERANCE: f64 = 2e-5;

/// The difference allowed at a utility: [`TOLERANCE`] · max(1, |utility|).
pub fn bound(utility: f64) -> f64 {
    TOLERANCE * utility.abs().max(1.0)
}

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

/// A ranked slate beside the reference.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replay {
    /// Every position that could be replayed: up to the first pick that is no candidate or stands there already.
    pub positions: Vec<ReplayedPosition>,
    /// All that is wrong, in order of position; faults of the slate as a whole come first.
    pub faults: Vec<Fault>,
}

impl Fault {
    /// Where it shows; none for faults of the slate as a whole.
    pub fn position(&self) -> Option<usize> {
        match *self {
            Self::Length { .. } | Self::Short { .. } => None,
            Self::OutOfRange { position, .. }
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

impl Replay {
    /// True where every pick is the reference's own.
    pub fn is_equal(&self) -> bool {
        self.positions.iter().all(|p| p.candidate == p.reference_candidate)
    }

    /// Right, or the first fault.
    ///
    /// # Errors
    /// The first of [`Self::faults`].
    pub fn verdict(&self) -> Result<(), Fault> {
        self.faults.first().map_or(Ok(()), |&fault| Err(fault))
    }

    /// The position with the largest error, in units of its bound.
    pub fn worst_error(&self) -> Option<&ReplayedPosition> {
        self.worst(|p| p.error / p.bound)
    }

    /// The position with the largest regret, in units of its bound.
    pub fn worst_regret(&self) -> Option<&ReplayedPosition> {
        self.worst(|p| p.regret / p.bound)
    }

    fn worst(&self, badness: impl Fn(&ReplayedPosition) -> f64) -> Option<&ReplayedPosition> {
        // total_cmp puts NaN above every number, and |x| and max leave it positive: a NaN is the worst there is.
        self.positions.iter().max_by(|a, b| badness(a).abs().total_cmp(&badness(b).abs()))
    }
}

/// Replays the picks of `ranked` on the reference and says where it stands.
pub fn replay<'a>(problem: &'a Problem<'a>, slate: &'a PreparedSlate, ranked: &RankedSlate) -> Replay {
    let slate_size = problem.config.slate_size;
    let (found, expected) = (ranked.placements.len(), slate.n_positions(slate_size));
    let mut replay = Replay::default();
    if found != expected {
        replay.faults.push(Fault::Length { found, expected });
    }
    if ranked.is_short != (expected < slate_size) {
        replay.faults.push(Fault::Short { found: ranked.is_short });
    }
    let n_candidates = slate.n_candidates();
    let mut rank_of = vec![0; n_candidates];
    for (rank, &candidate) in slate.candidate.iter().enumerate() {
        rank_of[candidate as usize] = rank;
    }
    let mut first_position = vec![None; n_candidates];
    let mut reference = Reference::new(problem, slate);
    for (position, placement) in ranked.placements.iter().enumerate() {
        let candidate = placement.candidate;
        let Some(&rank) = rank_of.get(candidate as usize) else {
            replay.faults.push(Fault::OutOfRange { position, candidate, n_candidates });
            break;
        };
        if let Some(first) = first_position[candidate as usize].replace(position) {
            replay.faults.push(Fault::Repeated { position, candidate, first });
            break;
        }
        if placement.item != slate.rows[rank] {
            replay.faults.push(Fault::WrongItem { position, found: placement.item, expected: slate.rows[rank] });
        }
        replay.judge(&mut reference, position, rank, placement);
        reference.place(rank);
    }
    replay
}

/// The reference after the picks so far.
struct Reference<'a> {
    problem: &'a Problem<'a>,
    slate: &'a PreparedSlate,
    run: Run<'a, f64>,
    /// By rank: placed, or kept back by a pin.
    is_out: Vec<bool>,
}

impl<'a> Reference<'a> {
    fn new(problem: &'a Problem<'a>, slate: &'a PreparedSlate) -> Self {
        let mut run = Run::new(problem, true);
        run.begin(slate);
        let mut is_out = vec![false; slate.n_candidates()];
        for &(_, rank) in &slate.pins {
            is_out[rank as usize] = true;
        }
        Self { problem, slate, run, is_out }
    }

    fn place(&mut self, rank: usize) {
        self.is_out[rank] = true;
        self.run.place(rank);
    }

    /// The candidate that wins the position, and whether another comes within the bound of it.
    fn best(&mut self) -> Option<(Scored<f64>, bool)> {
        let mut best: Option<Scored<f64>> = None;
        let mut second = f64::NEG_INFINITY;
        for rank in 0..self.is_out.len() {
            if self.is_out[rank] {
                continue;
            }
            // Utilities never exceed base scores, and those fall with rank (SPEC 8).
            let reaches = |best: &Scored<f64>| self.slate.base[rank] >= best.utility - bound(best.utility);
            if !self.run.competes(rank) || best.as_ref().is_some_and(|best| best.excess == 0 && !reaches(best)) {
                break;
            }
            let scored = self.run.score(rank);
            match &best {
                Some(best) if !scored.beats(best) => {
                    if scored.excess == best.excess {
                        second = second.max(scored.utility);
                    }
                }
                Some(beaten) => {
                    second = if beaten.excess == scored.excess { beaten.utility } else { f64::NEG_INFINITY };
                    best = Some(scored);
                }
                None => best = Some(scored),
            }
        }
        best.map(|best| (best, best.utility - second <= bound(best.utility)))
    }
}

impl Replay {
    fn judge(&mut self, reference: &mut Reference, position: usize, rank: usize, claimed: &Placement) {
        let slate = reference.slate;
        reference.run.begin_position();
        let candidate = claimed.candidate;
        let pick = reference.run.score(rank);
        let pinned = reference.run.pinned(position);
        let best = if pinned.is_some() { None } else { reference.best() };
        if let Some(pinned) = &pinned {
            if pinned.rank != rank {
                self.faults.push(Fault::PinBroken { position, candidate });
            }
        } else if slate.pins.iter().any(|&(_, pinned)| pinned as usize == rank) {
            self.faults.push(Fault::PinBroken { position, candidate });
        } else if !reference.run.competes(rank) {
            self.faults.push(Fault::NotCompeting { position, candidate });
        }
        if let Some((best, _)) = &best {
            if pick.excess > best.excess {
                self.faults.push(Fault::CapBroken { position, candidate, excess: pick.excess, least: best.excess });
            }
            // Copies have the same terms to the last bit on every engine, so there is no rounding to excuse the order.
            if best.rank < rank && best.utility == pick.utility && are_copies(reference.problem, slate, best.rank, rank)
            {
                let lower = slate.candidate[best.rank];
                self.faults.push(Fault::TieBroken { position, candidate, lower });
            }
        }
        let is_near_tie = best.as_ref().is_some_and(|&(_, is_near_tie)| is_near_tie);
        let best = best.map(|(best, _)| best);
        let wanted = pinned.as_ref().or(best.as_ref()).unwrap_or(&pick);
        let (best_utility, reference_candidate) = (wanted.utility, slate.candidate[wanted.rank]);
        let regret = if pinned.is_some() { 0.0 } else { (best_utility - pick.utility).max(0.0) };
        let (term, term_error) = worst_term(claimed, &pick, slate.base[rank]);
        let replayed = ReplayedPosition {
            position,
            candidate,
            utility: claimed.utility,
            reference: pick.utility,
            best: best_utility,
            regret,
            error: (claimed.utility - pick.utility).abs(),
            bound: bound(pick.utility),
            is_pinned: pinned.is_some(),
            reference_candidate,
            is_near_tie,
            term,
            term_error,
        };
        if !replayed.is_utility_right() {
            self.faults.push(Fault::Utility(replayed));
        }
        if !replayed.is_pick_right() {
            self.faults.push(Fault::Regret(replayed));
        }
        self.positions.push(replayed);
    }
}

fn worst_term(claimed: &Placement, reference: &Scored<f64>, base: f64) -> (Term, f64) {
    let errors = [
        (Term::Base, claimed.base - base),
        (Term::Diversity, claimed.diversity - reference.diversity),
        (Term::Spacing, claimed.spacing - reference.spacing),
        (Term::Semantic, claimed.semantic - reference.semantic),
        (Term::Balance, claimed.balance - reference.balance),
    ];
    let mut worst = errors[0];
    for error in &errors[1..] {
        if error.1.abs().total_cmp(&worst.1.abs()).is_gt() {
            worst = *error;
        }
    }
    worst
}
