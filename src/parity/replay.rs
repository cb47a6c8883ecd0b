//! Is a slate composed elsewhere right? Its picks are replayed on the f64 CPU reference (SPEC 9).
//!
//! ```text
//! replay(problem, slate, ranked) ─→ Replay ─→ positions: reference utility, best utility, regret, which term is off
//!                                         └→ verdict:   Ok, or the first fault;  faults: all of them
//! ```
//! Two engines that round differently may part at a tie and compose different slates, both right. So the picks are not
//! compared with the reference's own: each is judged where it was made, after the picks before it. Nothing is printed
//! here; faults are values that know how to say what is wrong.

use crate::parity::copies::are_copies;
use crate::parity::fault::{Fault, ReplayedPosition, Term};
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

/// How far what is left of a candidate may be off, of what counts as nothing, when engines say where a slate runs out of rank:
/// on a GPU up to 1e-8 of 1e-6 (see `stage::residual`), and five times that to be sure.
const RESIDUAL_SLACK: f64 = 0.05;

/// A ranked slate beside the reference.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replay {
    /// Every position that could be replayed: up to the first pick that is no candidate, was taken out by a filter, or stands
    /// there already.
    pub positions: Vec<ReplayedPosition>,
    /// All that is wrong, in order of position; faults of the slate as a whole come first.
    pub faults: Vec<Fault>,
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
    let mut reference = Reference::new(problem, slate);
    let n_filtered = reference.run.n_filtered();
    let expected = slate_size.min(slate.n_candidates() - n_filtered as usize);
    let found = ranked.placements.len();
    let mut replay = Replay::default();
    if found != expected {
        replay.faults.push(Fault::Length { found, expected });
    }
    if ranked.is_short != (expected < slate_size) {
        replay.faults.push(Fault::Short { found: ranked.is_short });
    }
    if ranked.n_filtered != n_filtered {
        replay.faults.push(Fault::FilteredCount { found: ranked.n_filtered, expected: n_filtered });
    }
    let n_candidates = slate.n_candidates();
    let mut rank_of = vec![0; n_candidates];
    for (rank, &candidate) in slate.candidate.iter().enumerate() {
        rank_of[candidate as usize] = rank;
    }
    let mut first_position = vec![None; n_candidates];
    // More than the slate holds are a fault already, and nothing has room for them.
    for (position, placement) in ranked.placements.iter().enumerate().take(slate.n_positions(slate_size)) {
        let candidate = placement.candidate;
        let Some(&rank) = rank_of.get(candidate as usize) else {
            replay.faults.push(Fault::OutOfRange { position, candidate, n_candidates });
            break;
        };
        if let Some(first) = first_position[candidate as usize].replace(position) {
            replay.faults.push(Fault::Repeated { position, candidate, first });
            break;
        }
        if reference.run.is_gone(rank) {
            replay.faults.push(Fault::Filtered { position, candidate });
            break;
        }
        if placement.item != slate.rows[rank] {
            replay.faults.push(Fault::WrongItem { position, found: placement.item, expected: slate.rows[rank] });
        }
        replay.judge(&mut reference, position, rank, placement);
        reference.place(rank);
    }
    if !reference.exhaustion.allows(ranked.rank_exhausted_at) {
        replay.faults.push(Fault::RankExhausted { found: ranked.rank_exhausted_at });
    }
    replay
}

/// The reference after the picks so far.
struct Reference<'a> {
    problem: &'a Problem<'a>,
    slate: &'a PreparedSlate,
    run: Run<'a, f64>,
    /// By rank: placed, taken out by a filter, or kept back by a pin.
    is_out: Vec<bool>,
    exhaustion: Exhaustion,
}

/// Where the reference finds a slate out of rank.
#[derive(Default)]
struct Exhaustion {
    /// Positions at which it is, give or take the slack, until it certainly is.
    perhaps: Vec<u32>,
    is_certain: bool,
}

impl Exhaustion {
    fn look(&mut self, run: &mut Run<f64>, position: usize) {
        if self.is_certain || !run.is_out_of_rank(None, 1.0 + RESIDUAL_SLACK) {
            return;
        }
        self.perhaps.push(position as u32);
        self.is_certain = run.is_out_of_rank(None, 1.0 - RESIDUAL_SLACK);
    }

    fn allows(&self, claimed: Option<u32>) -> bool {
        claimed.map_or(!self.is_certain, |position| self.perhaps.contains(&position))
    }
}

impl<'a> Reference<'a> {
    fn new(problem: &'a Problem<'a>, slate: &'a PreparedSlate) -> Self {
        let mut run = Run::new(problem, true);
        run.begin(slate);
        let mut is_out: Vec<bool> = (0..slate.n_candidates()).map(|rank| run.is_gone(rank)).collect();
        for &(_, rank) in &slate.pins {
            is_out[rank as usize] = true;
        }
        Self { problem, slate, run, is_out, exhaustion: Exhaustion::default() }
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
            // Utilities never exceed their bounds, and those fall with rank (SPEC 8).
            let reaches = |best: &Scored<f64>| self.run.bound(rank) >= best.utility - bound(best.utility);
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
        if pinned.is_none() {
            reference.exhaustion.look(&mut reference.run, position);
        }
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
