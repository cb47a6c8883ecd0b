//! What the strategies to compare with do for a candidate: `mmr` and `msd` compare it with the placed items, `dpp` and `ssd` take
//! their directions out of it. Counted line by line from shaders/{baseline,placed_similarity,residual}.wgsl.

use std::ops::AddAssign;

use super::{DoubleCosts, StageWork, WORD, Work};
use crate::config::Strategy;
use crate::gpu::layout::{BOUND_SLACK, Phase};
use crate::gpu::plan::Plan;
use crate::prepare::PreparedSlate;
use crate::stage::residual::MOST_VOLUME;
use crate::strategy::dpp;

/// Words of a number in doubled precision.
const DOUBLE: u64 = 2;
/// Share of the least diversity term of `dpp` up to which a term is the least: no two libraries agree on a logarithm's last bits.
const LOGARITHM_SHARE: f64 = 1e-6;

/// What `mmr` and `msd` do to know how like the placed items a candidate is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlacedSimilarityWork {
    /// Pairs of a candidate and a placed item compared.
    pub n_pairs: u64,
    /// Words of the slate's state that are read and written.
    pub n_words: u64,
    /// Operations beside those of the comparisons.
    pub n_operations: u64,
}

impl AddAssign for PlacedSimilarityWork {
    fn add_assign(&mut self, other: Self) {
        self.n_pairs += other.n_pairs;
        self.n_words += other.n_words;
        self.n_operations += other.n_operations;
    }
}

impl PlacedSimilarityWork {
    pub(super) fn stage(&self, pair_bytes: u64, pair_operations: u64) -> StageWork {
        StageWork {
            bytes: self.n_pairs * pair_bytes + self.n_words * WORD,
            operations: self.n_pairs * pair_operations + self.n_operations,
        }
    }
}

/// What `dpp` and `ssd` do to know what is left of a candidate beside the span of the placed items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResidualWork {
    /// Pairs compared in doubled precision, an item with itself among them.
    pub n_pairs: u64,
    /// Words of the slate's state that are read and written.
    pub n_words: u64,
    /// Products added to a number in doubled precision.
    pub n_multiply_adds: u64,
    /// Placed items whose scale and length were found.
    pub n_pivots: u64,
    /// Norms of residuals, of `ssd`.
    pub n_norms: u64,
    /// Factors of volumes.
    pub n_factors: u64,
}

impl AddAssign for ResidualWork {
    fn add_assign(&mut self, other: Self) {
        self.n_pairs += other.n_pairs;
        self.n_words += other.n_words;
        self.n_multiply_adds += other.n_multiply_adds;
        self.n_pivots += other.n_pivots;
        self.n_norms += other.n_norms;
        self.n_factors += other.n_factors;
    }
}

impl ResidualWork {
    pub(super) fn stage(&self, wide_pair_bytes: u64, wide_pair_operations: u64, costs: DoubleCosts) -> StageWork {
        // `share_left` where an item counts in full; `norm_left`, which is that times a root; `store_pivot`.
        let share = 1 + costs.inverse_root + 3 * costs.multiply_add() + costs.add;
        let norm = share + 2;
        let pivot = norm + costs.inverse_root;
        StageWork {
            bytes: self.n_pairs * wide_pair_bytes + self.n_words * WORD,
            // Each similarity is extended by the bias; each norm is weighted.
            operations: self.n_pairs * (wide_pair_operations + costs.add)
                + self.n_multiply_adds * costs.multiply_add()
                + self.n_pivots * pivot
                + self.n_norms * (norm + 1)
                + self.n_factors,
        }
    }

    /// A similarity that is kept.
    fn compare(&mut self) {
        self.n_pairs += 1;
        self.n_words += DOUBLE;
    }

    /// c of an item at a column, the n-th that is solved: kept, and taken from its squared distance.
    fn solve(&mut self, n: usize) {
        // The pivot's scale; two rows of columns; c; the squared distance, read and written.
        self.n_words += DOUBLE * (1 + 2 * n as u64 + 1 + 2);
        // What is left after each column, times the scale, its square.
        self.n_multiply_adds += n as u64 + 2;
    }

    /// What a placed item does to the others.
    fn pivot(&mut self) {
        self.n_pivots += 1;
        self.n_words += 2 * DOUBLE + 3;
    }
}

/// What a strategy keeps of a slate's items, as far as it decides what is done.
pub(super) struct Baseline<'a> {
    plan: &'a Plan,
    n_recent: usize,
    /// Columns kept, and whether placed items leave them.
    n_columns: usize,
    evicts: bool,
    /// By item: placed items that it is up to date with. `None`: never looked at.
    seen: Vec<Option<usize>>,
    /// Placed items taken in.
    n_taken: usize,
    /// Factor of the diversity term; `None` where only the rows know it.
    weight: Option<f32>,
}

impl<'a> Baseline<'a> {
    /// Nothing is known of anybody yet. `None` for strategies that are no baselines.
    pub(super) fn new(plan: &'a Plan, slate: &PreparedSlate) -> Option<Self> {
        if matches!(plan.strategy, Strategy::Spectral | Strategy::Relevance) {
            return None;
        }
        let p = &plan.params;
        let (n_recent, window) = (slate.n_recent(), p.history_window as usize);
        let most_placed = n_recent + slate.n_positions(p.slate_size as usize);
        let evicts = window > 0 && window < most_placed;
        let n_columns = if evicts { window } else { most_placed };
        let is_known = p.is_product == 0 || (n_recent == 0 && !evicts);
        let n_taken = if evicts { n_recent - n_recent.min(window) } else { 0 };
        let seen = vec![None; slate.rows.len()];
        let weight = is_known.then_some(p.diversity_weight);
        Some(Self { plan, n_recent, n_columns, evicts, seen, n_taken, weight })
    }

    fn projects(&self) -> bool {
        matches!(self.plan.strategy, Strategy::Dpp | Strategy::Ssd)
    }

    /// True where the window is solved anew at every position.
    fn refactors(&self) -> bool {
        self.evicts && self.plan.params.is_queue == 0
    }

    /// Place in the history of the first item that counts at all.
    fn first_counted(&self) -> usize {
        if self.evicts { self.n_recent - self.n_recent.min(self.n_columns) } else { 0 }
    }

    /// Placed items that a candidate of `mmr` and `msd` is held against.
    fn reach(&self, n_placed: usize) -> usize {
        match self.plan.params.history_window as usize {
            0 => n_placed,
            window => window.min(n_placed),
        }
    }

    /// Before the scan: `dpp` and `ssd` take in who was placed, and solve a window that something may leave.
    pub(super) fn begin_position(&mut self, n_placed: usize, work: &mut Work) {
        if !self.projects() {
            return;
        }
        for place in self.n_taken..n_placed {
            self.take_in(place, work);
        }
        self.n_taken = n_placed;
        if self.refactors() && n_placed > 0 {
            self.factor(n_placed.min(self.n_columns), work);
        }
        if self.plan.params.is_product == 1 {
            let n_pivots = n_placed - self.first_counted();
            let n = n_pivots.min(self.n_columns) as u64;
            work.residual.n_words += n;
            work.residual.n_factors += n;
        }
    }

    /// An item that was placed; the recent items after it are told of it.
    fn take_in(&mut self, place: usize, work: &mut Work) {
        let later = place + 1..self.n_recent;
        work.take(Phase::TakeIn, later.len().div_ceil(self.plan.workgroup).max(1));
        // Recent items come after the candidates.
        let n_candidates = self.seen.len() - self.n_recent;
        if place < self.n_recent {
            self.meet(n_candidates + place, work);
        } else {
            work.residual.n_words += 1;
        }
        if !self.refactors() {
            work.residual.pivot();
        }
        for other in later {
            self.meet(n_candidates + other, work);
            work.residual.n_words += 1;
            if self.refactors() {
                work.residual.compare();
            } else {
                self.project_out(place - self.first_counted(), work);
            }
            self.seen[n_candidates + other] = Some(place + 1);
        }
    }

    /// The window's factor, a column a step.
    fn factor(&self, n: usize, work: &mut Work) {
        work.take(Phase::Factor, n);
        // Squared distances start as squared lengths.
        work.residual.n_words += 2 * DOUBLE * n as u64;
        for column in 0..n {
            work.residual.pivot();
            for _ in column + 1..n {
                work.residual.n_words += DOUBLE;
                work.residual.solve(column);
            }
        }
    }

    /// An item is asked how far it has come; one that was never looked at is compared with itself.
    fn meet(&mut self, local: usize, work: &mut Work) -> usize {
        let first_counted = self.first_counted();
        work.residual.n_words += 1;
        *self.seen[local].get_or_insert_with(|| {
            work.residual.compare();
            work.residual.n_words += DOUBLE + 1;
            first_counted
        })
    }

    /// The direction of the n-th counted item is taken out of an item.
    fn project_out(&self, n: usize, work: &mut Work) {
        work.residual.n_pairs += 1;
        work.residual.solve(n.min(self.n_columns));
        if n >= self.n_columns {
            // What the oldest took, given back to the squared distance.
            work.residual.n_words += 3 * DOUBLE;
            work.residual.n_multiply_adds += 1;
        }
    }

    /// A chunk of candidates, all brought up to date.
    pub(super) fn catch_up(&mut self, ranks: &[usize], n_placed: usize, work: &mut Work) {
        let n_behind = ranks.iter().map(|&rank| match self.projects() {
            true => self.project(rank, n_placed, work),
            false => self.compare_with_placed(rank, n_placed, work),
        });
        let n_turns = n_behind.max().unwrap_or(0).div_ceil(self.plan.params.catch_up as usize).max(1);
        work.take(Phase::CatchUp, n_turns);
        // At each turn its mark is read, and how far it has come: read, and written.
        let n_visits = (n_turns * ranks.len()) as u64;
        if self.projects() {
            // First whether it was met. Where the window is solved, what is written comes with the last turn.
            let n_written = if self.refactors() { ranks.len() as u64 } else { n_visits };
            work.residual.n_words += 3 * n_visits - ranks.len() as u64 + n_written;
        } else {
            work.placed_similarity.n_words += 3 * n_visits;
        }
    }

    /// The placed items a candidate has not seen; how many that are.
    fn compare_with_placed(&mut self, local: usize, n_placed: usize, work: &mut Work) -> usize {
        let first = self.seen[local].unwrap_or(0).max(n_placed - self.reach(n_placed));
        let n_new = (n_placed - first) as u64;
        let work = &mut work.placed_similarity;
        work.n_pairs += n_new;
        // A similarity is turned into a distance where distances are summed.
        let is_sum = self.plan.strategy == Strategy::Msd;
        work.n_operations += u64::from(is_sum) * n_new;
        work.n_words += n_new;
        if self.plan.params.history_window == 0 {
            // Into a running value, which nobody reads before the first.
            work.n_words += n_new - u64::from(first == 0 && n_placed > 0);
            work.n_operations += u64::from(is_sum) * n_new;
        }
        self.seen[local] = Some(n_placed);
        n_placed - first
    }

    /// The directions a candidate has not seen, or all of a window that is solved; how many that are.
    fn project(&mut self, local: usize, n_placed: usize, work: &mut Work) -> usize {
        let seen = self.meet(local, work);
        self.seen[local] = Some(n_placed);
        if !self.refactors() {
            (seen..n_placed).for_each(|place| self.project_out(place - self.first_counted(), work));
            return n_placed - seen;
        }
        let n = n_placed.min(self.n_columns);
        // The squared distance starts as the squared length.
        work.residual.n_words += 2 * DOUBLE;
        for column in 0..n {
            if n_placed - n + column >= seen {
                work.residual.compare();
            }
            work.residual.n_words += DOUBLE;
            work.residual.solve(column);
        }
        n
    }

    /// The diversity term of a candidate that is up to date.
    pub(super) fn score(&self, n_placed: usize, work: &mut Work) {
        if self.projects() {
            return self.look_for_residual(1, work);
        }
        let is_running = self.plan.params.history_window == 0;
        let n_terms = if is_running { n_placed.min(1) } else { self.reach(n_placed) } as u64;
        let work = &mut work.placed_similarity;
        work.n_words += n_terms;
        // The fold's weight, and its sign or its sum.
        work.n_operations += 1 + if self.plan.strategy == Strategy::Msd { n_terms } else { 1 };
    }

    /// Items are asked what is left of them.
    pub(super) fn look_for_residual(&self, n_items: usize, work: &mut Work) {
        let is_norm = self.plan.strategy == Strategy::Ssd;
        work.residual.n_words += n_items as u64 * DOUBLE * if is_norm { 2 } else { 1 };
        work.residual.n_norms += if is_norm { n_items as u64 } else { 0 };
    }

    /// What no utility of a candidate with this base score, or a lower one, exceeds (`utility_bound` in select.wgsl).
    pub(super) fn bound(&self, base: f32, n_placed: usize) -> Option<f32> {
        let p = &self.plan.params;
        let most = match self.plan.strategy {
            Strategy::Msd => p.diversity_weight * 2.0 * self.reach(n_placed) as f32,
            Strategy::Ssd => self.weight? * p.most_diversity,
            _ => p.most_diversity,
        };
        let weighted = p.base_weight * base;
        Some(weighted + most + BOUND_SLACK as f32 * (weighted.abs() + most.abs()))
    }

    /// Chunks of candidates, of `n_all`, that are looked at for a residual after the scan of a position. `None` where the
    /// winner has none and somebody else has: who is first, only the rows know.
    pub(super) fn rank_chunks(
        &self,
        position: usize,
        diversity: f64,
        exhausted_at: Option<u32>,
        n_all: usize,
        work: &mut Work,
    ) -> Option<usize> {
        let exhausted_at = exhausted_at.map_or(usize::MAX, |at| at as usize);
        if !self.projects() || position > exhausted_at {
            return Some(0);
        }
        // The winner.
        self.look_for_residual(1, work);
        if position == exhausted_at {
            return Some(n_all);
        }
        match self.has_residual(diversity)? {
            true => Some(0),
            false => (n_all == 1).then_some(1),
        }
    }

    /// Whether a candidate with this diversity term lies outside the span; `None` where the term does not tell.
    fn has_residual(&self, diversity: f64) -> Option<bool> {
        if self.plan.strategy == Strategy::Dpp {
            return Some(diversity > dpp::FLOOR.ln() * (1.0 - LOGARITHM_SHARE));
        }
        if diversity > 0.0 {
            return Some(true);
        }
        self.weight.is_some_and(|weight| weight > 0.0).then_some(false)
    }

    /// The volume grows by the winner's length: γ vol is then what its diversity term was.
    pub(super) fn end_position(&mut self, diversity: f64) {
        if self.plan.params.is_product == 1 {
            let most = f64::from(self.plan.params.diversity_weight) * MOST_VOLUME;
            self.weight = self.weight.map(|_| diversity.min(most) as f32);
        }
    }
}
