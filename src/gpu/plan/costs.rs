//! What a step costs at most, in loop iterations of one invocation.

use super::{OCTET, PARTS, Plan, PlanError};
use crate::bloom;
use crate::config::Strategy;
use crate::gpu::layout::{MEMBER_CHUNK, PAST_CHUNK, Phase};
use crate::prepare::MAX_RECENT;
use crate::problem::Problem;
use crate::stage::eigensolve::JACOBI_SWEEPS;

/// Loop iterations of a step that are not in the source: compilers make loops of switches and early returns. Where steps are
/// cheap a dispatch takes thousands of them, and without these one driver that stops looping at 65,535 was cut off.
const COMPILER_ITERATIONS: usize = 8;
/// Loop iterations that a baseline's candidates may take in one step to get up to date, about.
const CATCH_UP_ITERATIONS: usize = 4000;

impl Plan {
    /// Loop iterations of one invocation per step, at most, by phase. Counted from
    /// the loops of the shaders; a driver that cuts loops off after 65,535 iterations is kept safe by them.
    pub(super) fn set_costs(&mut self, problem: &Problem, max_iterations: usize) -> Result<(), PlanError> {
        let (m, k, w) = (self.n_slots, self.n_spectra, self.workgroup);
        let rows_per_item = if self.params.rest_octets > 0 { 2 } else { 1 };
        let (signals, octets) = (problem.signals.len(), self.row_values / OCTET / rows_per_item);
        let slate_size = problem.config.slate_size;
        let per_lane = |n: usize| n.div_ceil(w);
        // A loop of n turns takes n + 1: the last one finds that it is over.
        let turns = |n: usize, body: usize| n + 1 + n * body;
        let over_slots = turns(m, 0);
        let copy_basis = turns(per_lane(m * k), 0);
        let square = |body: usize| turns(per_lane(k * k), body);
        // All signals together have `octets` octets.
        let pair = turns(signals, 1) + octets / 2;
        // `total` loops over the lanes of both sums of a signal.
        let member_pair = turns(signals, 1 + 2 * turns(3, 0)) + octets;
        // Pairs are listed by whoever finds them, as many as are compared at once; each lane does a part of one.
        let listed = |n_pairs: usize, part: usize| turns(n_pairs.div_ceil(w / PARTS), part + turns(PARTS, 0) + 1);
        // Signals one by one, each a part rounded up.
        let shared = |whole: usize| whole.div_ceil(PARTS) + signals;
        let refresh = |n: usize| over_slots + listed(n * m, turns(signals, 1) + shared(octets / 2));
        let multiply = turns(per_lane(m * k), over_slots);
        let remove_earlier = turns(2, turns(per_lane(k), over_slots) + turns(per_lane(m), turns(k, 0)));
        let attempt = 2 * over_slots + remove_earlier + turns(per_lane(m), 0);
        let orthonormalise = over_slots + turns(k, turns(2, attempt) + over_slots + turns(per_lane(m), 0));
        let jacobi = turns(JACOBI_SWEEPS, square(0) + turns(k, 2 * square(0)));
        let divide =
            square(over_slots) + turns(k, square(0)) + turns(k, turns(k, 0)) + turns(per_lane(m * k), turns(k, 0));
        let products = turns(per_lane(k * (k + 1)), turns(k, 0) + over_slots);
        let correct = 7 * square(turns(k, 0));
        let turn_basis = turns(per_lane(m * k), turns(k, 0)) + copy_basis;
        let add_row = turns(signals, turns(per_lane(octets), turns(4, 0)));
        let longest_rule = problem.spacing.iter().map(|r| r.weights.len()).max().unwrap_or(0);
        let load_spacing = turns(per_lane(problem.spacing.len()), turns(longest_rule, 0));
        let semantic = problem.semantic_id.as_ref().map_or(0, |s| turns(s.weights.len(), turns(s.n_levels, 0)));
        let balance = turns(signals, 1) + octets;
        let caps = 1 + problem.caps.iter().map(|c| 1 + turns(c.window, 0)).sum::<usize>();
        let diversity = turns(k.div_ceil(4), over_slots) + turns(k, turns(k, 0));
        // Ranks to look at until one is found that is not placed or pinned; leaps over those taken out come on top.
        let leaps = if problem.filter.is_idle() { 1 } else { 2 };
        let ahead = problem.config.window.ahead;
        let look_ahead = over_slots + turns(leaps * (slate_size + ahead), 0) + over_slots;
        // Bits of a row number, words of a Bloom filter's block.
        let filter_item = turns(32, 0) + turns(bloom::BLOCK_WORDS, 0);
        // Baselines: what is placed or counted at most, one more placed item for one candidate, and so for the window.
        let most_placed = slate_size + MAX_RECENT;
        let columns = self.n_columns(most_placed);
        let (is_baseline, projects) = match self.strategy {
            Strategy::Spectral | Strategy::Relevance => (0, 0),
            Strategy::Mmr | Strategy::Msd => (1, 0),
            Strategy::Dpp | Strategy::Ssd => (1, 1),
        };
        let project = projects * (member_pair + turns(columns, 0));
        let compare = is_baseline * (project.max(pair) + 1);
        let catch_up = (CATCH_UP_ITERATIONS / compare.max(1)).clamp(1, 64);
        self.params.catch_up = catch_up as u32;
        let volume = projects * turns(columns, 0);
        let fold = is_baseline * turns(columns, 0);
        let score = diversity + fold + turns(problem.spacing.len(), 0) + semantic + balance + caps;
        let cost = |phase: Phase| match phase {
            Phase::Eligibility => filter_item + 2 * turns(w, 0) + turns(w.ilog2() as usize, 0) + look_ahead,
            Phase::Recents => turns(MEMBER_CHUNK, add_row),
            Phase::Begin => {
                multiply + copy_basis + load_spacing + turns((2 + leaps) * slate_size, 0) + over_slots + volume
            }
            Phase::TakeIn => projects * (2 * member_pair + project + volume),
            Phase::Factor => projects * (turns(per_lane(columns), 0) + turns(per_lane(columns), project) + volume),
            Phase::CatchUp => is_baseline * (member_pair + turns(catch_up, compare)),
            Phase::Rank => is_baseline,
            Phase::Members => {
                let n_pairs = MEMBER_CHUNK.min(m) * m;
                let part = turns(signals, 1 + 2 * turns(3, 0)) + shared(octets);
                turns(per_lane(n_pairs), 0) + listed(n_pairs, part) + turns(per_lane(m * m), 0)
            }
            Phase::Sweep => multiply + divide + copy_basis + orthonormalise,
            Phase::Rotate => multiply + products + 2 * jacobi + correct + turns(k, 0) + turn_basis,
            Phase::Expose => copy_basis + square(over_slots),
            Phase::ExposePast => {
                refresh(PAST_CHUNK) + turns(per_lane(PAST_CHUNK * k), over_slots) + square(turns(PAST_CHUNK, 0))
            }
            Phase::Weights => square(0),
            Phase::Scan => refresh(w) + score + turns(w.ilog2() as usize, 0),
            Phase::Place => add_row + 2 * over_slots + look_ahead + turns(slate_size, 0),
            Phase::Done => 0,
        };
        let mut dearest = 0;
        for (phase, _) in Phase::ALL {
            let at = phase as usize;
            let cost = if phase == Phase::Done { 0 } else { cost(phase) + COMPILER_ITERATIONS };
            self.params.cost[at / 4][at % 4] = cost as u32;
            dearest = dearest.max(cost);
        }
        let n_local = crate::config::MAX_CANDIDATES + MAX_RECENT;
        let solver_state = turns(per_lane(m), 0) + copy_basis + turns(per_lane(k), 0) + square(0);
        self.overhead = 3 * solver_state
            + 3 * turns(per_lane(n_local), 0)
            + turns(per_lane(self.row_values), 0)
            + turns(per_lane(slate_size), 0)
            + turns(m + ahead, 0)
            + load_spacing
            + turns(per_lane(m * m), 0)
            + copy_basis;
        let needed = dearest + self.overhead + 1;
        if needed > max_iterations {
            return Err(PlanError::Step { needed, available: max_iterations });
        }
        Ok(())
    }
}
