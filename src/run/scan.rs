//! Who wins a position: candidates in rank order, and only those that could win (SPEC 8).

use super::Run;
use crate::real::{BESIDE, Real};
use crate::stage::select::{BLOCK, Bar, Scored, first_of_largest, is_settled};
use crate::strategy::Term;

impl<R: Real> Run<'_, R> {
    /// The candidate that wins the position; none where none is left.
    pub fn best(&mut self) -> Option<Scored<R>> {
        if self.prunes {
            if let Some(looks) = self.strategy.get().bounds_blocks() {
                return self.best_by_blocks(looks);
            }
            if self.strategy.get().terms_only_fall() {
                return self.best_by_bounds();
            }
        }
        if !self.prunes && self.score_all() { self.best_of_all() } else { self.best_by_rank() }
    }

    /// Diversity terms of all candidates, where the strategy has a quicker way than one after the other.
    fn score_all(&mut self) -> bool {
        let Self { strategy, slots, is_out, terms, .. } = self;
        terms.resize(is_out.len(), R::zero());
        strategy.get().diversities_of_all(slots, is_out, terms)
    }

    /// The winner where all diversity terms are known.
    fn best_of_all(&mut self) -> Option<Scored<R>> {
        let (start, end) = (self.first_in, self.scan_end());
        self.n_scored += self.is_out[start..end].iter().filter(|&&is_out| !is_out).count() as u64;
        if self.slots.problem.has_penalties() {
            let mut best = None;
            for rank in start..end {
                if !self.is_out[rank] {
                    hold(self.scored(rank, self.terms[rank]), &mut best);
                }
            }
            return best;
        }
        let utilities = &mut self.utilities;
        utilities.clear();
        let terms = self.terms[start..end].iter().zip(&self.is_out[start..end]);
        utilities.extend(self.bounds.weighted_bases()[start..end].iter().zip(terms).map(
            |(&base, (&term, &is_out))| {
                if is_out { R::neg_infinity() } else { base + term }
            },
        ));
        // Where every utility is minus infinity, rank decides. None is NaN: base scores and lengths of rows are limited.
        let first_left = || self.is_out[start..end].iter().position(|&is_out| !is_out);
        let winner = start + first_of_largest(utilities).or_else(first_left)?;
        Some(self.scored(winner, self.terms[winner]))
    }

    /// The winner where nothing is known of diversity terms before they are computed.
    fn best_by_rank(&mut self) -> Option<Scored<R>> {
        let mut best = None;
        let mut n_alone = self.strategy.get().groups_from().unwrap_or(usize::MAX);
        let (mut group, mut n) = ([0; BESIDE], 0);
        for rank in self.first_in..self.scan_end() {
            if self.is_out[rank] {
                continue;
            }
            if self.prunes && is_settled(best.as_ref(), rank, self.bounds.of_rank(rank)) {
                break;
            }
            if n_alone > 0 {
                n_alone -= 1;
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
            let least = to_beat(best.as_ref());
            let (mut ranks, mut n) = ([0; BLOCK], 0);
            for (i, &bound) in self.bounds.of_block(block, end.min(block + BLOCK)).iter().enumerate() {
                ranks[n] = (block + i) as u32;
                n += usize::from(bound >= least && bound > R::neg_infinity() && block + i != promising);
            }
            for &rank in &ranks[..n] {
                // The best may have become better since.
                let rank = rank as usize;
                if !is_settled(best.as_ref(), rank, self.bounds.of_block(rank, rank + 1)[0]) {
                    self.contend(rank, &mut best);
                }
            }
        }
        best
    }

    /// Scores candidates side by side.
    fn contend_together(&mut self, ranks: [usize; BESIDE], best: &mut Option<Scored<R>>) {
        self.n_scored += BESIDE as u64;
        let terms = self.strategy.get().diversities(&mut self.slots, ranks);
        for (rank, term) in ranks.into_iter().zip(terms) {
            self.judge(rank, Term::Is(term), best);
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
        self.bounds.note(rank, diversity);
        let most = self.bounds.weighted_base(rank) + diversity;
        if matches!(term, Term::AtMost(_)) || (self.prunes && is_settled(best.as_ref(), rank, most)) {
            return;
        }
        hold(self.scored(rank, diversity), best);
    }
}

/// The utility that a candidate has to reach.
pub(super) fn to_beat<R: Real>(best: Option<&Scored<R>>) -> R {
    best.filter(|best| best.excess == 0).map_or(R::neg_infinity(), |best| best.utility)
}

/// Holds a candidate against the best so far.
pub(super) fn hold<R: Real>(scored: Scored<R>, best: &mut Option<Scored<R>>) {
    if best.as_ref().is_none_or(|best| scored.beats(best)) {
        *best = Some(scored);
    }
}
