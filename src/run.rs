//! One slate on the CPU, position by position.
//!
//! ```text
//! candidates that no filter takes out                               stage::eligibility
//! for t in 0..T:
//!     window ← last `behind` placed, first `ahead` unplaced       stage::window
//!     strategy.begin_position: similarities, spectra, exposure     stage::{window_similarity, eigensolve, exposure}
//!     for candidates by rank, until none can win:                  stage::select
//!         utility ← weight · base + diversity − penalties          strategy, stage::penalty
//!     place the winner
//! ```

use crate::config::Scope;
use crate::prepare::PreparedSlate;
use crate::problem::{NO_VALUE, Problem};
use crate::real::Real;
use crate::slate::{Placement, RankedSlate};
use crate::stage::eligibility::is_eligible;
use crate::stage::penalty::{self, Penalty};
use crate::stage::select::{Scored, is_settled};
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
    pub fn similarities(&mut self, local: usize) -> &[R] {
        self.similarity.refresh(self.problem, &self.slate.rows, &self.window, self.step, local)
    }

    /// The placed items, and the similarity of any two items.
    pub fn placed_similarity(&mut self) -> (&[u32], impl FnMut(usize, usize) -> R + '_) {
        let Self { problem, slate, similarity, history, .. } = self;
        (history, |a, b| similarity.between(problem, &slate.rows, a, b))
    }

    /// The placed items, and the similarity of any two items plus `bias`, in double precision.
    pub fn placed_similarity_wide(&mut self, bias: f64) -> (&[u32], impl FnMut(usize, usize) -> f64 + '_) {
        let Self { problem, slate, similarity, history, .. } = self;
        (history, move |a, b| similarity.between_wide(problem, &slate.rows, a, b) + bias)
    }
}

/// Buffers for one slate at a time; create once per thread.
pub struct Run<'a, R> {
    slots: Slots<'a, R>,
    strategy: Chosen<R>,
    /// Factor of base scores, and the largest diversity term a candidate can have at this position.
    base_weight: R,
    most_diversity: R,
    penalty: Penalty<R>,
    /// No diversity term of a candidate will be larger; infinite where nothing is known.
    lasting_bounds: Vec<R>,
    /// Placed, taken out by a filter, or kept back by a pin.
    is_out: Vec<bool>,
    /// Placed, or taken out by a filter.
    is_gone: Vec<bool>,
    n_filtered: u32,
    /// Lowest rank that can still be placed.
    first_in: usize,
    /// Sum of the placed rows, for the balance penalty.
    placed_sum: Vec<R>,
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
            most_diversity: R::zero(),
            penalty: Penalty::default(),
            lasting_bounds: Vec::new(),
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

    /// The window and who is placed, for a look inside.
    pub fn slots(&self) -> &Slots<'a, R> {
        &self.slots
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
        self.slots.window.reset(behind, ahead);
        self.slots.similarity.reset(slate.rows.len(), behind + ahead);
        self.filter(slate);
        self.is_out.clone_from(&self.is_gone);
        for &(_, rank) in &slate.pins {
            self.is_out[rank as usize] = true;
        }
        self.lasting_bounds.clear();
        self.lasting_bounds.resize(n, R::infinity());
        self.first_in = 0;
        self.placed_sum.clear();
        self.placed_sum.resize(self.slots.problem.dim(), R::zero());
        self.strategy.get().reset(&self.slots);
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
        self.most_diversity = strategy.most_diversity();
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

    /// The candidate that wins the position; none where none is left.
    pub fn best(&mut self) -> Option<Scored<R>> {
        let promising = if self.prunes { self.most_promising() } else { None };
        let mut best = promising.map(|rank| self.score(rank));
        for rank in self.first_in..self.scan_end() {
            if self.is_out[rank] || promising == Some(rank) {
                continue;
            }
            if self.prunes {
                if is_settled(best.as_ref(), rank, self.bound(rank)) {
                    break;
                }
                if is_settled(best.as_ref(), rank, self.bound_of(rank)) {
                    continue;
                }
            }
            let scored = self.score(rank);
            if best.as_ref().is_none_or(|best| scored.beats(best)) {
                best = Some(scored);
            }
        }
        best
    }

    /// Where diversity terms only fall: the candidate that could be the best by what is known of it, to be scored first.
    fn most_promising(&mut self) -> Option<usize> {
        self.strategy.get().lasting_bound(R::zero())?;
        let mut most: Option<(usize, R)> = None;
        for rank in self.first_in..self.scan_end() {
            if self.is_out[rank] {
                continue;
            }
            if most.is_some_and(|(_, most)| self.bound(rank) <= most) {
                break;
            }
            let bound = self.bound_of(rank);
            if most.is_none_or(|(_, most)| bound > most) {
                most = Some((rank, bound));
            }
        }
        most.map(|(rank, _)| rank)
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
        self.base_weight * R::of(self.slots.slate.base[rank]) + self.most_diversity
    }

    /// No utility of this candidate exceeds this at the position, by what is known of it.
    fn bound_of(&self, rank: usize) -> R {
        let diversity = self.most_diversity.min(self.lasting_bounds[rank]);
        self.base_weight * R::of(self.slots.slate.base[rank]) + diversity
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
        let (problem, slate) = (self.slots.problem, self.slots.slate);
        let row = slate.rows[rank];
        let strategy = self.strategy.get();
        let diversity = strategy.diversity(&mut self.slots, rank);
        self.lasting_bounds[rank] = strategy.lasting_bound(diversity).unwrap_or(R::infinity());
        let spacing = self.penalty.spacing(problem, row);
        let semantic = problem.semantic_id.as_ref().map_or(R::zero(), |rule| {
            let placed = self.slots.history.iter().map(|&local| slate.rows[local as usize]);
            penalty::semantic(rule, row, placed)
        });
        let balance = self.balance(rank);
        let utility = self.base_weight * R::of(slate.base[rank]) + diversity - spacing - semantic - balance;
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
