//! One slate on the CPU, position by position.
//!
//! ```text
//! candidates that no filter takes out                               stage::eligibility
//! for t in 0..T:
//!     window ← last `behind` placed, first `ahead` unplaced       stage::window
//!     strategy.begin_position: similarities, spectra, exposure     stage::{window_similarity, eigensolve, exposure}
//!     for candidates, until none can win:                          scan by rank, or blocks of ranks; stage::select
//!         utility ← weight · base + diversity − penalties          strategy, stage::penalty
//!     place the winner
//! ```

mod blocks;
mod items;
mod scan;

use self::blocks::Blocks;
pub use self::items::ItemsWide;
use crate::config::Scope;
use crate::prepare::PreparedSlate;
use crate::problem::{NO_VALUE, Problem};
use crate::real::{AT_ONCE, BESIDE, Lanes, Real};
use crate::slate::{Placement, RankedSlate};
use crate::stage::eligibility::is_eligible;
use crate::stage::penalty::{self, Penalty};
use crate::stage::select::{Bounds, Scored};
use crate::stage::window::{EMPTY, Window};
use crate::stage::window_similarity::WindowSimilarity;
use crate::strategy::{Chosen, Spectral};

/// What strategies see of a slate: who is placed, who is in the window, and similarities on demand.
pub struct Slots<'a, R> {
    /// Configuration and catalog.
    pub problem: &'a Problem<'a>,
    /// The slate.
    pub slate: &'a PreparedSlate,
    /// Placed items as local indices, recent items first, newest last.
    pub history: Vec<u32>,
    /// The window.
    pub window: Window,
    /// Similarities to the window.
    pub similarity: WindowSimilarity<R>,
    /// Position + 1.
    pub step: u32,
}

impl<R: Real> Slots<'_, R> {
    /// Similarities of an item to the window's slots, brought up to date.
    #[inline]
    pub fn similarities(&mut self, local: usize) -> &[R] {
        self.similarity.refresh(self.problem, &self.slate.rows, &self.window, self.step, local)
    }

    /// Brings similarities of several items to the window's slots up to date, for [`Self::similarities`].
    pub fn refresh(&mut self, locals: [usize; BESIDE]) {
        self.similarity.refresh_several(self.problem, &self.slate.rows, &self.window, self.step, locals);
    }

    /// The placed items, and the similarities of one item to a few of them.
    pub fn placed_similarities(&mut self, local: usize) -> (&[u32], impl FnMut(&[u32]) -> [R; AT_ONCE] + '_) {
        let Self { problem, slate, similarity, history, .. } = self;
        (history, move |others| similarity.between_several(problem, &slate.rows, local, others))
    }

    /// The placed items, and the slate's items in double precision, with a `bias` in every similarity.
    pub fn placed_items(&mut self, bias: f64) -> (&[u32], ItemsWide<'_, R>) {
        let Self { problem, slate, similarity, history, .. } = self;
        (history, ItemsWide::new(problem, &slate.rows, similarity, bias))
    }
}

/// Buffers for one slate at a time; create once per thread.
pub struct Run<'a, R> {
    slots: Slots<'a, R>,
    strategy: Chosen<R>,
    /// Factor of base scores.
    base_weight: R,
    bounds: Bounds<R>,
    /// Used where the strategy bounds whole blocks of candidates.
    blocks: Blocks<R>,
    /// Diversity terms and utilities of a position's candidates, where all of them are computed at once.
    terms: Vec<R>,
    utilities: Vec<R>,
    penalty: Penalty<R>,
    /// Placed, taken out by a filter, or kept back by a pin.
    is_out: Vec<bool>,
    /// Placed, or taken out by a filter.
    is_gone: Vec<bool>,
    n_filtered: u32,
    /// Lowest rank that can still be placed.
    first_in: usize,
    /// Sum of the placed rows, for the balance penalty.
    placed_sum: Vec<Lanes<R>>,
    prunes: bool,
    n_scored: u64,
}

static NO_SLATE: PreparedSlate = PreparedSlate {
    rows: Vec::new(),
    base: Vec::new(),
    candidate: Vec::new(),
    active_rules: 0,
    pins: Vec::new(),
    active_filters: 0,
    excluded: Vec::new(),
    seen_bloom: None,
};

impl<'a, R: Real> Run<'a, R> {
    /// Buffers for slates of `problem`. Without `prunes` every candidate is scored at every position.
    pub fn new(problem: &'a Problem<'a>, prunes: bool) -> Self {
        let mut strategy = Chosen::new(problem);
        let base_weight = strategy.get().base_weight();
        Self {
            slots: Slots {
                problem,
                slate: &NO_SLATE,
                history: Vec::new(),
                window: Window::default(),
                similarity: WindowSimilarity::new(problem),
                step: 0,
            },
            strategy,
            base_weight,
            bounds: Bounds::default(),
            blocks: Blocks::default(),
            terms: Vec::new(),
            utilities: Vec::new(),
            penalty: Penalty::default(),
            is_out: Vec::new(),
            is_gone: Vec::new(),
            n_filtered: 0,
            first_in: 0,
            placed_sum: Vec::new(),
            prunes,
            n_scored: 0,
        }
    }

    /// Candidates scored since this run was created.
    pub fn n_scored(&self) -> u64 {
        self.n_scored
    }

    /// Pairs of items compared since this run was created.
    pub fn n_compared(&self) -> u64 {
        self.slots.similarity.n_compared()
    }

    /// Items compared with sums of rows since this run was created.
    pub fn n_summed(&self) -> u64 {
        self.slots.similarity.n_summed()
    }

    /// The window and who is placed, for a look inside.
    pub fn slots(&self) -> &Slots<'a, R> {
        &self.slots
    }

    #[cfg(test)]
    pub(crate) fn slots_mut(&mut self) -> &mut Slots<'a, R> {
        &mut self.slots
    }

    #[cfg(test)]
    pub(crate) fn spectral_mut(&mut self) -> Option<&mut Spectral<R>> {
        self.strategy.spectral_mut()
    }

    /// The spectral strategy's state, if that is the strategy, for a look inside.
    pub fn spectral(&self) -> Option<&Spectral<R>> {
        self.strategy.spectral()
    }

    /// Composes one slate.
    pub fn rerank(&mut self, slate: &'a PreparedSlate) -> RankedSlate {
        self.begin(slate);
        let slate_size = self.slots.problem.config.slate_size;
        let n_positions = slate.n_positions(slate_size);
        let mut placements = Vec::with_capacity(n_positions);
        let mut rank_exhausted_at = None;
        for position in 0..n_positions {
            self.begin_position();
            let pinned = self.pinned(position);
            let Some(winner) = pinned.or_else(|| self.best()) else { break };
            if pinned.is_none() && rank_exhausted_at.is_none() && self.is_out_of_rank(Some(winner.rank), 1.0) {
                rank_exhausted_at = Some(position as u32);
            }
            placements.push(self.placement(&winner));
            self.place(winner.rank);
        }
        let is_short = placements.len() < slate_size;
        RankedSlate { placements, is_short, n_filtered: self.n_filtered, rank_exhausted_at }
    }

    /// Starts a slate.
    pub fn begin(&mut self, slate: &'a PreparedSlate) {
        let window = &self.slots.problem.config.window;
        let n = slate.n_candidates();
        self.slots.slate = slate;
        self.slots.step = 1;
        self.slots.history.clear();
        // Only the spectral strategy has a window; the others must not pay for one.
        let (behind, ahead) = if self.spectral().is_some() { (window.behind, window.ahead) } else { (0, 0) };
        let looks_ahead = ahead > 0 && window.scope == Scope::Window;
        let last_step = if looks_ahead { slate.n_positions(self.slots.problem.config.slate_size) } else { 0 };
        self.slots.window.reset(behind, ahead, last_step as u32);
        self.slots.similarity.reset(slate.rows.len(), behind + ahead, looks_ahead);
        self.slots.similarity.expect_first(self.slots.problem, &slate.rows);
        self.filter(slate);
        self.is_out.clone_from(&self.is_gone);
        for &(_, rank) in &slate.pins {
            self.is_out[rank as usize] = true;
        }
        self.bounds.reset(slate.base.iter().map(|&base| self.base_weight * R::of(base)));
        for rank in (0..n).filter(|&rank| self.is_out[rank]) {
            self.bounds.take_out(rank);
        }
        self.first_in = 0;
        self.slots.similarity.clear_sum(&mut self.placed_sum);
        self.strategy.get().reset(&self.slots);
        // Whether a strategy bounds blocks may depend on the slate.
        if self.prunes && self.strategy.get().bounds_blocks().is_some() {
            self.blocks.reset(self.bounds.weighted_bases(), &self.is_out);
        }
        for local in n..slate.rows.len() {
            self.remember(local as u32);
        }
        let is_out = &self.is_out;
        self.slots.window.look_ahead(n, 1, |rank| is_out[rank]);
    }

    fn filter(&mut self, slate: &PreparedSlate) {
        let problem = self.slots.problem;
        self.is_gone.clear();
        self.is_gone.resize(slate.n_candidates(), false);
        self.n_filtered = 0;
        if !slate.has_filters() {
            return;
        }
        for (is_gone, &row) in self.is_gone.iter_mut().zip(&slate.rows) {
            *is_gone = !is_eligible(problem, slate, row);
            self.n_filtered += u32::from(*is_gone);
        }
    }

    /// Factor of base scores in the utility (SPEC 7).
    pub fn base_weight(&self) -> R {
        self.base_weight
    }

    /// Candidates that filters took out of the slate.
    pub fn n_filtered(&self) -> u32 {
        self.n_filtered
    }

    /// True where a candidate is placed, or was taken out by a filter.
    pub fn is_gone(&self, rank: usize) -> bool {
        self.is_gone[rank]
    }

    /// Computes what all candidates of the position share.
    pub fn begin_position(&mut self) {
        let strategy = self.strategy.get();
        strategy.begin_position(&mut self.slots);
        self.bounds.begin_position(strategy.most_diversity());
        let slots = &self.slots;
        let rows = slots.history.iter().map(|&local| slots.slate.rows[local as usize]);
        self.penalty.begin(slots.problem, slots.slate.active_rules, rows);
        while self.is_out.get(self.first_in) == Some(&true) {
            self.first_in += 1;
        }
    }

    /// The item pinned at `position`, or any left-over pinned item where nobody else is left.
    pub fn pinned(&mut self, position: usize) -> Option<Scored<R>> {
        let is_pool_empty = self.first_in >= self.is_out.len();
        let pins = &self.slots.slate.pins;
        let due =
            pins.iter().find(|&&(at, rank)| !self.is_gone[rank as usize] && (at as usize == position || is_pool_empty));
        due.map(|&(_, rank)| rank as usize).map(|rank| self.score(rank))
    }

    /// True where an unplaced candidate competes for the position (SPEC 4: everyone, or the window's A alone).
    pub fn competes(&self, rank: usize) -> bool {
        rank < self.scan_end()
    }

    /// Ranks from here on do not compete. The window's A is all there is below the rank it looks at next: whoever is
    /// placed or kept back by a pin is in nobody's way.
    fn scan_end(&self) -> usize {
        let is_pool = self.spectral().is_none() || self.slots.problem.config.window.scope == Scope::Pool;
        if is_pool { self.is_out.len() } else { self.slots.window.next_ahead() }
    }

    /// No utility of this or a later rank exceeds this at the position (SPEC 8): penalties are 0 or more.
    pub fn bound(&self, rank: usize) -> R {
        self.bounds.of_rank(rank)
    }

    /// True where what is left of every candidate that competes is at most so much, in units of what counts as nothing.
    /// `likely` is looked at first.
    pub fn is_out_of_rank(&mut self, likely: Option<usize>, most: f64) -> bool {
        let Self { strategy, slots, is_out, first_in, .. } = self;
        let strategy = strategy.get();
        let candidates = (*first_in..is_out.len()).filter(|&rank| !is_out[rank]);
        likely.into_iter().chain(candidates).all(|rank| strategy.residual_over_floor(slots, rank) <= most)
    }

    /// A candidate's terms at this position.
    pub fn score(&mut self, rank: usize) -> Scored<R> {
        self.n_scored += 1;
        let diversity = self.strategy.get().diversity(&mut self.slots, rank);
        if !self.is_out[rank] {
            self.bounds.note(rank, diversity);
        }
        self.scored(rank, diversity)
    }

    /// A candidate's terms, its diversity term known.
    fn scored(&mut self, rank: usize, diversity: R) -> Scored<R> {
        let (problem, slate) = (self.slots.problem, self.slots.slate);
        let row = slate.rows[rank];
        let spacing = self.penalty.spacing(problem, row);
        let semantic = problem.semantic_id.as_ref().map_or(R::zero(), |rule| {
            let placed = self.slots.history.iter().map(|&local| slate.rows[local as usize]);
            penalty::semantic(rule, row, placed)
        });
        let balance = self.balance(rank);
        let utility = self.bounds.weighted_base(rank) + diversity - spacing - semantic - balance;
        Scored { rank, excess: self.excess(row), utility, diversity, spacing, semantic, balance }
    }

    fn balance(&mut self, rank: usize) -> R {
        let strength = self.slots.problem.config.balance.strength;
        if strength == 0.0 || self.slots.history.is_empty() {
            return R::zero();
        }
        let Slots { problem, slate, similarity, history, .. } = &mut self.slots;
        let sum = similarity.against_sum(problem, &slate.rows, rank, &self.placed_sum);
        penalty::balance(strength, sum, history.len())
    }

    /// How far an item would lift the counts of its values above the caps.
    fn excess(&self, row: u32) -> u32 {
        let Slots { problem, slate, history, .. } = &self.slots;
        let caps = problem.caps.iter().map(|cap| {
            let value = cap.values[row as usize];
            if value == NO_VALUE {
                return 0;
            }
            let newest = history.iter().rev().take(cap.window);
            let same = newest.filter(|&&local| cap.values[slate.rows[local as usize] as usize] == value).count();
            (same + 1).saturating_sub(cap.max) as u32
        });
        caps.sum()
    }

    /// Places a candidate and moves on to the next position.
    pub fn place(&mut self, rank: usize) {
        self.slots.step += 1;
        self.is_out[rank] = true;
        self.is_gone[rank] = true;
        self.bounds.take_out(rank);
        self.blocks.take_out(rank);
        self.remember(rank as u32);
        let (n, step, is_out) = (self.is_out.len(), self.slots.step, &self.is_out);
        self.slots.window.look_ahead(n, step, |rank| is_out[rank]);
    }

    fn remember(&mut self, local: u32) {
        let Slots { problem, slate, similarity, history, window, step } = &mut self.slots;
        if window.size() > 0 {
            window.place(local, history.len(), *step);
        }
        history.push(local);
        if problem.config.balance.strength > 0.0 {
            similarity.add_row(problem, &slate.rows, local as usize, &mut self.placed_sum);
        }
    }

    fn placement(&self, winner: &Scored<R>) -> Placement {
        let slate = self.slots.slate;
        Placement {
            candidate: slate.candidate[winner.rank],
            item: slate.rows[winner.rank],
            base: slate.base[winner.rank],
            utility: winner.utility.to_f64(),
            diversity: winner.diversity.to_f64(),
            spacing: winner.spacing.to_f64(),
            semantic: winner.semantic.to_f64(),
            balance: winner.balance.to_f64(),
        }
    }
}

// The window's slots use this value for "nobody"; ranks and recents never reach it.
const _: () = assert!(crate::config::MAX_CANDIDATES + crate::prepare::MAX_RECENT < EMPTY as usize);
