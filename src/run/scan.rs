//! Who wins a position: candidates in rank order, and only those that could win (SPEC 8).

use super::Run;
use crate::real::{BESIDE, Real};
use crate::stage::select::{BLOCK, Bar, Scored, is_settled};
use crate::strategy::Term;

impl<R: Real> Run<'_, R> {
    /// The candidate that wins the position; none where none is left.
    pub fn best(&mut self) -> Option<Scored<R>> {
        if self.prunes {
            let n_left = self.scan_end().saturating_sub(self.first_in);
            self.strategy.get().growth(&mut self.bounds.growth, self.slots.step as usize, n_left);
        }
        if self.bounds.growth.is_empty() { self.best_by_rank() } else { self.best_by_bounds() }
    }

    /// The winner where nothing is known of diversity terms before they are computed.
    fn best_by_rank(&mut self) -> Option<Scored<R>> {
        let mut best = None;
        let is_in_groups = self.strategy.get().scores_groups(self.prunes);
        let (mut group, mut n) = ([0; BESIDE], 0);
        for rank in self.first_in..self.scan_end() {
            if self.is_out[rank] {
                continue;
            }
            if self.prunes && is_settled(best.as_ref(), rank, self.bounds.of_rank(rank)) {
                break;
            }
            if !is_in_groups {
                self.contend(rank, &mut best);
                continue;
            }
            group[n] = rank;
            n += 1;
            if n == BESIDE {
                self.contend_together(group, &mut best);
                n = 0;
            }
        }
        for &rank in &group[..n] {
            self.contend(rank, &mut best);
        }
        best
    }

    /// The winner where terms are known by what they were: the most promising candidate is scored first, then those that can
    /// still win.
    fn best_by_bounds(&mut self) -> Option<Scored<R>> {
        let (start, end) = (self.first_in, self.scan_end());
        let promising = self.bounds.most_promising(start, end)?;
        let mut best = Some(self.score(promising));
        for block in (start..end).step_by(BLOCK) {
            if is_settled(best.as_ref(), block, self.bounds.of_rank(block)) {
                break;
            }
            // Who can win is written down without a branch, which would be a guess for each.
            let least = best.as_ref().filter(|best| best.excess == 0).map_or(R::neg_infinity(), |best| best.utility);
            let (mut ranks, mut n) = ([0; BLOCK], 0);
            for (i, &bound) in self.bounds.of_block(block, end.min(block + BLOCK)).iter().enumerate() {
                ranks[n] = block + i;
                n += usize::from(bound >= least && bound > R::neg_infinity() && block + i != promising);
            }
            self.contend_all(&ranks[..n], &mut best);
        }
        best
    }

    /// Scores candidates in order of rank.
    fn contend_all(&mut self, ranks: &[usize], best: &mut Option<Scored<R>>) {
        let (groups, rest) =
            if self.strategy.get().scores_groups(self.prunes) { ranks.as_chunks() } else { (&[][..], ranks) };
        for &group in groups {
            self.contend_together(group, best);
        }
        for &rank in rest {
            // The best may have become better since.
            if !is_settled(best.as_ref(), rank, self.bounds.of_block(rank, rank + 1)[0]) {
                self.contend(rank, best);
            }
        }
    }

    /// Scores candidates side by side.
    fn contend_together(&mut self, ranks: [usize; BESIDE], best: &mut Option<Scored<R>>) {
        self.n_scored += BESIDE as u64;
        let best_so_far = best.as_ref().filter(|_| self.prunes);
        let bars = ranks.map(|rank| Bar::new(best_so_far, rank, self.bounds.weighted_base(rank)));
        let terms = self.strategy.get().diversities(&mut self.slots, ranks, &bars);
        for (rank, term) in ranks.into_iter().zip(terms) {
            self.judge(rank, term, best);
        }
    }

    /// Scores a candidate, but stops where it is known to be beaten.
    fn contend(&mut self, rank: usize, best: &mut Option<Scored<R>>) {
        self.n_scored += 1;
        let best_so_far = best.as_ref().filter(|_| self.prunes);
        let bar = Bar::new(best_so_far, rank, self.bounds.weighted_base(rank));
        let term = self.strategy.get().diversity_unless_beaten(&mut self.slots, rank, &bar);
        self.judge(rank, term, best);
    }

    /// Holds a candidate against the best so far. Penalties are looked at where they can matter.
    fn judge(&mut self, rank: usize, term: Term<R>, best: &mut Option<Scored<R>>) {
        let diversity = term.most();
        self.bounds.note(rank, diversity, self.slots.step);
        let most = self.bounds.weighted_base(rank) + diversity;
        if matches!(term, Term::AtMost(_)) || (self.prunes && is_settled(best.as_ref(), rank, most)) {
            return;
        }
        let scored = self.scored(rank, diversity);
        if best.as_ref().is_none_or(|best| scored.beats(best)) {
            *best = Some(scored);
        }
    }
}
