//! One slate, position by position, as the kernel goes through it.

use super::Work;
use super::baseline::Baseline;
use crate::config::Strategy;
use crate::gpu::layout::{FIRST_CHUNK_PART, MANY_LANES, MEMBER_CHUNK, PAST_CHUNK, Phase};
use crate::gpu::plan::Plan;
use crate::prepare::PreparedSlate;
use crate::slate::{Placement, RankedSlate};
use crate::stage::window::{EMPTY, Window};

/// Where a slate stands, and what was done to get there.
pub(super) struct Count<'a> {
    plan: &'a Plan,
    slate: &'a PreparedSlate,
    work: Work,
    window: Window,
    history: Vec<u32>,
    is_out: Vec<bool>,
    /// Step at which each item's similarities were last brought up to date.
    refreshed: Vec<u32>,
    /// Step at which S_W was.
    gram_step: u32,
    step: u32,
    /// What the strategies to compare with keep; none for the spectral strategy and relevance order.
    baseline: Option<Baseline<'a>>,
}

impl<'a> Count<'a> {
    pub(super) fn new(plan: &'a Plan, slate: &'a PreparedSlate) -> Self {
        let n = slate.n_candidates();
        let mut window = Window::default();
        window.reset(plan.params.behind as usize, plan.params.ahead as usize, 0);
        let mut count = Self {
            plan,
            slate,
            work: Work::default(),
            window,
            history: Vec::new(),
            is_out: vec![false; n],
            refreshed: vec![0; slate.rows.len()],
            gram_step: 0,
            step: 1,
            baseline: Baseline::new(plan, slate),
        };
        count.work.n_words = (Plan::batch_words(slate) + plan.output_words(slate)) as u64;
        (n..slate.rows.len()).for_each(|local| count.remember(local as u32));
        count.look_ahead();
        count
    }

    fn remember(&mut self, local: u32) {
        if self.plan.strategy == Strategy::Spectral {
            self.window.place(local, self.history.len(), self.step);
        }
        self.history.push(local);
    }

    fn look_ahead(&mut self) {
        if self.plan.strategy == Strategy::Spectral {
            self.window.look_ahead(self.is_out.len(), self.step, |rank| self.is_out[rank]);
        }
    }

    /// All of it; `None` where the result does not tell how long a scan is.
    pub(super) fn run(mut self, ranked: &RankedSlate, prunes: bool) -> Option<Work> {
        let n_recent = self.history.len();
        self.work.take(Phase::Eligibility, 1);
        let is_balanced = self.plan.params.balance_strength > 0.0;
        self.work.take(Phase::Recents, if is_balanced { n_recent.div_ceil(MEMBER_CHUNK).max(1) } else { 1 });
        for (position, placement) in ranked.placements.iter().enumerate() {
            self.work.take(Phase::Begin, 1);
            let is_active = self.plan.strategy == Strategy::Spectral
                && self.plan.params.strength > 0.0
                && !self.window.has_no_history();
            if is_active {
                self.solve();
            }
            if let Some(baseline) = &mut self.baseline {
                baseline.begin_position(self.history.len(), &mut self.work);
            }
            let of_item = |&rank: &usize| self.slate.candidate[rank] == placement.candidate;
            let Some(winner) = (0..self.is_out.len()).find(of_item).filter(|&rank| !self.is_out[rank]) else { break };
            self.scan(winner, placement.utility, is_active, prunes)?;
            self.check_rank(position, placement, ranked.rank_exhausted_at)?;
            self.work.take(Phase::Place, 1);
            self.step += 1;
            self.is_out[winner] = true;
            self.remember(winner as u32);
            self.look_ahead();
        }
        // The one that finds nothing left to fill; where candidates run out before, that is found at the same place.
        self.work.take(Phase::Begin, 1);
        Some(self.work)
    }

    /// Similarities of an item to the slots whose items entered since it was last looked at.
    fn refresh(&mut self, local: usize) {
        self.work.n_pairs += self.window.entered_since(self.refreshed[local]).count() as u64;
        self.refreshed[local] = self.step;
    }

    /// From the window's similarity matrix to the weights.
    fn solve(&mut self) {
        let p = &self.plan.params;
        self.work.n_active += 1;
        let is_occupied = |slot: &usize| self.window.items[*slot] != EMPTY;
        let n = (0..self.window.size()).filter(is_occupied).count() as u64;
        let n_new = self.window.entered_since(self.gram_step).count() as u64;
        self.work.n_member_pairs += n_new * (n - n_new) + n_new * (n_new + 1) / 2;
        let is_first = self.gram_step == 0;
        self.gram_step = self.step;
        let n_sweeps = p.iterations + if is_first { p.first_sweeps } else { 0 };
        self.work.take(Phase::Members, self.plan.n_slots.div_ceil(MEMBER_CHUNK));
        self.work.take(Phase::Sweep, n_sweeps as usize);
        self.work.take(Phase::Rotate, 1);
        self.work.take(Phase::Expose, 1);
        self.work.take(Phase::Weights, 1);
        let behind = p.behind as usize;
        if p.is_slate_horizon == 1 && self.history.len() > behind {
            let n_past = self.history.len() - behind;
            self.work.take(Phase::ExposePast, n_past.div_ceil(PAST_CHUNK));
            self.work.n_past += n_past as u64;
            (0..n_past).for_each(|place| self.refresh(self.history[place] as usize));
        }
    }

    /// Rank of the first candidate that is left.
    fn first_in(&self) -> usize {
        self.is_out.iter().position(|is_out| !is_out).unwrap_or(self.is_out.len())
    }

    /// Chunks of candidates until none that is left can win.
    fn scan(&mut self, winner: usize, utility: f64, is_active: bool, prunes: bool) -> Option<()> {
        let is_of_slots = self.plan.params.is_window_scope == 1;
        let is_window_scope = self.plan.strategy == Strategy::Spectral && is_of_slots;
        let (mut cursor, end) =
            if is_window_scope { (0, self.plan.n_slots) } else { (self.first_in(), self.is_out.len()) };
        let lanes = self.plan.workgroup;
        let is_part = self.baseline.is_none() && !is_of_slots && lanes >= MANY_LANES;
        let mut length = if is_part { lanes / FIRST_CHUNK_PART } else { lanes };
        while cursor < end {
            let chunk = cursor..end.min(cursor + length);
            (cursor, length) = (chunk.end, lanes);
            let scanned = |index: usize| match (is_window_scope, self.window.items.get(index)) {
                (true, Some(&local)) if self.window.is_ahead(index) => Some(local as usize),
                (false, _) if !self.is_out[index] => Some(index),
                _ => None,
            };
            let ranks: Vec<usize> = chunk.filter_map(scanned).collect();
            if let Some(baseline) = &mut self.baseline {
                baseline.catch_up(&ranks, self.history.len(), &mut self.work);
            }
            ranks.into_iter().for_each(|rank| self.score(rank, is_active));
            self.work.take(Phase::Scan, 1);
            let may_end = prunes && !is_window_scope && cursor < end && cursor > winner;
            if may_end && self.bound(cursor)? <= utility as f32 {
                break;
            }
        }
        Some(())
    }

    /// What no utility from this rank on exceeds; `None` where that is not known.
    fn bound(&self, rank: usize) -> Option<f32> {
        let base = self.slate.base[rank] as f32;
        match &self.baseline {
            None => Some(base),
            Some(baseline) => baseline.bound(base, self.history.len()),
        }
    }

    fn score(&mut self, rank: usize, is_active: bool) {
        let n_placed = self.history.len() as u64;
        // Who is in the window has its similarities in S_W.
        if is_active && self.plan.params.is_window_scope == 0 {
            self.refresh(rank);
        }
        if let Some(baseline) = &self.baseline {
            baseline.score(self.history.len(), &mut self.work);
        }
        self.work.n_scored += 1;
        self.work.n_scored_active += u64::from(is_active);
        self.work.n_balanced += u64::from(n_placed > 0);
        if self.plan.params.n_levels > 0 {
            self.work.n_semantic += n_placed.min(u64::from(self.plan.params.semantic_window));
        }
    }

    /// Where the winner has no residual: chunks of candidates until one holds somebody who has. `None` where the result does not
    /// tell how many.
    fn check_rank(&mut self, position: usize, placement: &Placement, exhausted_at: Option<u32>) -> Option<()> {
        let (first_in, end, lanes) = (self.first_in(), self.is_out.len(), self.plan.workgroup);
        let Some(baseline) = &mut self.baseline else { return Some(()) };
        let n_all = (end - first_in).div_ceil(lanes);
        let n_chunks = baseline.rank_chunks(position, placement.diversity, exhausted_at, n_all, &mut self.work)?;
        for chunk in 0..n_chunks {
            let start = first_in + chunk * lanes;
            let ranks: Vec<usize> = (start..end.min(start + lanes)).filter(|&rank| !self.is_out[rank]).collect();
            baseline.catch_up(&ranks, self.history.len(), &mut self.work);
            baseline.look_for_residual(ranks.len(), &mut self.work);
            self.work.take(Phase::Rank, 1);
        }
        baseline.end_position(placement.diversity);
        Some(())
    }
}
