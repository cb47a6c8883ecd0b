//! Who wins a position.

use crate::real::{Real, largest};

/// A candidate with its terms at one position.
#[derive(Debug, Clone, Copy)]
pub struct Scored<R> {
    /// Rank of the candidate.
    pub rank: usize,
    /// How far its caps are exceeded; the smallest excess competes.
    pub excess: u32,
    /// What is maximised.
    pub utility: R,
    /// Strategy's diversity term.
    pub diversity: R,
    /// Spacing penalty.
    pub spacing: R,
    /// Semantic-ID penalty.
    pub semantic: R,
    /// Balance penalty.
    pub balance: R,
}

impl<R: Real> Scored<R> {
    /// True where `self` wins against `other`: smaller excess, then higher utility, then lower rank.
    #[inline]
    pub fn beats(&self, other: &Self) -> bool {
        if self.excess != other.excess {
            return self.excess < other.excess;
        }
        self.utility > other.utility || (self.utility == other.utility && self.rank < other.rank)
    }
}

/// True where a candidate cannot win whose utility is at most `bound`: penalties are 0 or more, so a utility never exceeds
/// its bound, and ties go to the lower rank (SPEC 8).
#[inline]
pub fn is_settled<R: Real>(best: Option<&Scored<R>>, rank: usize, bound: R) -> bool {
    best.is_some_and(|best| best.excess == 0 && (bound < best.utility || (bound == best.utility && best.rank < rank)))
}

/// What a candidate has to reach so as not to be beaten.
#[derive(Debug, Clone, Copy)]
pub struct Bar<R> {
    weighted_base: R,
    rank: usize,
    /// Utility and rank of the best so far, if it exceeds no cap.
    best: Option<(R, usize)>,
}

impl<R: Real> Bar<R> {
    /// The bar of a candidate; without a best so far nobody is beaten.
    #[inline]
    pub fn new(best: Option<&Scored<R>>, rank: usize, weighted_base: R) -> Self {
        Self { weighted_base, rank, best: best.filter(|best| best.excess == 0).map(|best| (best.utility, best.rank)) }
    }

    /// True where a candidate whose diversity term is at most so much cannot win ([`is_settled`]).
    pub fn beats(&self, most_diversity: R) -> bool {
        let bound = self.weighted_base + most_diversity;
        self.best.is_some_and(|(utility, rank)| bound < utility || (bound == utility && rank < self.rank))
    }
}

/// Where the largest number is, the first of several; none where there is nothing above minus infinity.
pub fn first_of_largest<R: Real>(values: &[R]) -> Option<usize> {
    let mut most: Option<(usize, R)> = None;
    for (block, values) in values.chunks(BLOCK).enumerate() {
        let largest = largest(values);
        if largest > most.map_or(R::neg_infinity(), |(_, most)| most) {
            most = Some((block, largest));
        }
    }
    let (block, largest) = most?;
    values[block * BLOCK..].iter().position(|&x| x == largest).map(|at| block * BLOCK + at)
}

/// Candidates whose bounds are worked out at a time.
pub const BLOCK: usize = 64;

/// What utilities can at most be, by rank.
#[derive(Debug, Default)]
pub struct Bounds<R> {
    /// Factor of base scores times base score, never increasing.
    weighted_base: Vec<R>,
    /// No diversity term of the position is larger.
    most_diversity: R,
    /// Diversity terms, or what they were at most, when candidates were last looked at: infinite before that, and minus infinity
    /// for who is out. Bounds only where terms only fall.
    known: Vec<R>,
    /// Bounds of the position's candidates, as far as they were worked out, from rank `first` on.
    of_candidates: Vec<R>,
    first: usize,
}

impl<R: Real> Bounds<R> {
    /// Forgets the last slate. `weighted_base` is by rank, never increasing.
    pub fn reset(&mut self, weighted_base: impl Iterator<Item = R>) {
        self.weighted_base.clear();
        self.weighted_base.extend(weighted_base);
        self.known.clear();
        self.known.resize(self.weighted_base.len(), R::infinity());
    }

    /// Starts a position at which no diversity term is larger than `most_diversity`.
    pub fn begin_position(&mut self, most_diversity: R) {
        self.most_diversity = most_diversity;
    }

    /// Remembers a diversity term, or what it is at most.
    #[inline]
    pub fn note(&mut self, rank: usize, diversity: R) {
        self.known[rank] = diversity;
    }

    /// Takes a candidate out.
    pub fn take_out(&mut self, rank: usize) {
        self.note(rank, R::neg_infinity());
    }

    /// Factor of base scores times base score.
    #[inline]
    pub fn weighted_base(&self, rank: usize) -> R {
        self.weighted_base[rank]
    }

    /// The same for every rank.
    pub fn weighted_bases(&self) -> &[R] {
        &self.weighted_base
    }

    /// No diversity term of the position is larger.
    pub fn most_diversity(&self) -> R {
        self.most_diversity
    }

    /// No utility of this or a later rank is larger: penalties are 0 or more (SPEC 8).
    #[inline]
    pub fn of_rank(&self, rank: usize) -> R {
        self.weighted_base[rank] + self.most_diversity
    }

    /// Bounds of candidates from `start` on, `end` at most, by what is known of each: as many as can matter where the largest of them
    /// is scored first. Returns the candidate with the largest, the first of several.
    pub fn most_promising(&mut self, start: usize, end: usize) -> Option<usize> {
        self.of_candidates.clear();
        self.first = start;
        let mut most: Option<(usize, R)> = None;
        for block in (start..end).step_by(BLOCK) {
            if most.is_some_and(|(_, most)| self.of_rank(block) <= most) {
                break;
            }
            let bounds = self.of_block(block, end.min(block + BLOCK));
            let largest = largest(bounds);
            if largest > most.map_or(R::neg_infinity(), |(_, most)| most) {
                most = bounds.iter().position(|&x| x == largest).map(|at| (block + at, largest));
            }
        }
        most.map(|(rank, _)| rank)
    }

    /// No utilities of candidates from `start` to `end` are larger, by what is known of each. Blocks follow each other.
    #[inline]
    pub fn of_block(&mut self, start: usize, end: usize) -> &[R] {
        let n_known = self.first + self.of_candidates.len();
        if n_known < end {
            self.of_candidates.resize(end - self.first, R::zero());
            let bounds = &mut self.of_candidates[n_known - self.first..];
            let candidates = self.weighted_base[n_known..end].iter().zip(&self.known[n_known..end]);
            for (bound, (&base, &known)) in bounds.iter_mut().zip(candidates) {
                *bound = base + if known < self.most_diversity { known } else { self.most_diversity };
            }
        }
        &self.of_candidates[start - self.first..end - self.first]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_is_found_wherever_it_is() {
        for n in [1, 7, 8, 63, 64, 65, 130, 200] {
            for at in 0..n {
                let mut values: Vec<f32> = (0..n).map(|i| (i as f32).sin()).collect();
                values[at] = 2.0;
                // Equals after it, in its block and beyond, do not count.
                (at + 1..n).step_by(5).for_each(|later| values[later] = 2.0);
                assert_eq!(first_of_largest(&values), Some(at), "{n} numbers");
            }
            assert_eq!(first_of_largest(&vec![f64::NEG_INFINITY; n]), None);
        }
        assert_eq!(first_of_largest::<f64>(&[]), None);
    }
}
