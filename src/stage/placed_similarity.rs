//! Similarities of a slate's items to the placed ones, folded into one number: their maximum, their sum.
//!
//! An item is brought up to date only when it is looked at, by what was placed since. Over the whole history a running
//! value is enough. Over a window the values of its items are kept, so that what leaves it leaves no trace of rounding.

use crate::real::{AT_ONCE, Real};

/// Similarities that are computed before it is asked whether they are enough, where fewer than [`AT_ONCE`] are left.
const FEW: usize = 4;

/// How similarities become one number.
#[derive(Debug, Clone, Copy)]
pub struct Fold<R> {
    /// What one similarity counts.
    pub term: fn(R) -> R,
    /// Two counts as one.
    pub combine: fn(R, R) -> R,
}

/// A fold, as far as it was computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Folded<R> {
    /// All that counts.
    Whole(R),
    /// The oldest of what counts.
    InPart(R),
}

/// One folded number per item of a slate.
#[derive(Debug)]
pub struct PlacedSimilarity<R> {
    /// Placed items that count, 0 = all.
    window: usize,
    /// `[local][place in the history modulo the window]`, or one running value per item.
    terms: Vec<R>,
    /// Placed items that an item has been compared with.
    n_seen: Vec<u32>,
}

impl<R: Real> PlacedSimilarity<R> {
    /// Room for nothing yet; `window` is the number of placed items that count, 0 for all.
    pub fn new(window: usize) -> Self {
        Self { window, terms: Vec::new(), n_seen: Vec::new() }
    }

    /// Forgets the last slate and makes room for `n_local` items.
    pub fn reset(&mut self, n_local: usize) {
        self.terms.clear();
        self.terms.resize(n_local * self.window.max(1), R::zero());
        self.n_seen.clear();
        self.n_seen.resize(n_local, 0);
    }

    /// True where everything placed counts.
    pub fn is_running(&self) -> bool {
        self.window == 0
    }

    /// Items that count when `n_placed` are placed.
    pub fn reach(&self, n_placed: usize) -> usize {
        if self.window == 0 { n_placed } else { n_placed.min(self.window) }
    }

    /// The fold of an item over the last placed items of `history`, 0 where there are none. `similarities` are those to a few
    /// placed items. Where everything placed counts, it stops as soon as `is_enough` says so of the fold as far as it has come.
    #[inline]
    pub fn fold(
        &mut self,
        local: usize,
        history: &[u32],
        fold: Fold<R>,
        mut similarities: impl FnMut(&[u32]) -> [R; AT_ONCE],
        is_enough: impl Fn(R) -> bool,
    ) -> Folded<R> {
        let width = self.window.max(1);
        let terms = &mut self.terms[local * width..(local + 1) * width];
        let n_placed = history.len();
        let reach = if self.window == 0 { n_placed } else { n_placed.min(self.window) };
        let mut place = (self.n_seen[local] as usize).max(n_placed - reach);
        while place < n_placed {
            // Few are left: who is beaten is beaten by the first of them, more often than not.
            let n_left = n_placed - place;
            let placed = &history[place..place + if n_left > AT_ONCE { AT_ONCE } else { n_left.min(FEW) }];
            for &similarity in &similarities(placed)[..placed.len()] {
                let term = (fold.term)(similarity);
                let kept = &mut terms[place % width];
                *kept = if self.window == 0 { (fold.combine)(*kept, term) } else { term };
                place += 1;
            }
            self.n_seen[local] = place as u32;
            if self.window == 0 && place < n_placed && is_enough(terms[0]) {
                return Folded::InPart(terms[0]);
            }
        }
        let n_terms = if self.window == 0 { 1 } else { reach };
        Folded::Whole(terms[..n_terms].iter().fold(R::zero(), |sum, &term| (fold.combine)(sum, term)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: Fold<f64> = Fold { term: |s| s, combine: |a, b| a + b };

    #[test]
    fn what_left_the_window_leaves_nothing_behind() {
        let history: Vec<u32> = (0..9).collect();
        let mut windowed = PlacedSimilarity::new(3);
        let mut lazy = PlacedSimilarity::new(3);
        let mut running = PlacedSimilarity::new(0);
        for all in [&mut windowed, &mut lazy, &mut running] {
            all.reset(2);
        }
        let similarity = |placed: usize| if placed == 4 { 1e17 } else { placed as f64 };
        let similarities = |placed: &[u32]| {
            std::array::from_fn(|i| placed.get(i).map_or(f64::NAN, |&placed| similarity(placed as usize)))
        };
        let whole = |placed: &mut PlacedSimilarity<f64>, n: usize| match placed.fold(
            1,
            &history[..n],
            SUM,
            similarities,
            |_| false,
        ) {
            Folded::Whole(sum) => sum,
            Folded::InPart(_) => panic!("nothing said that it was enough"),
        };
        for n in 0..=history.len() {
            let last: f64 = (n.saturating_sub(3)..n).map(similarity).sum();
            assert_eq!(whole(&mut windowed, n), last, "after {n}");
            let all: f64 = (0..n).map(similarity).sum();
            assert_eq!(whole(&mut running, n), all, "after {n}");
        }
        assert_eq!(whole(&mut lazy, 9), 6.0 + 7.0 + 8.0);
    }

    #[test]
    fn it_stops_where_it_is_enough_and_goes_on_from_there() {
        let history: Vec<u32> = (0..11).collect();
        let mut placed = PlacedSimilarity::new(0);
        placed.reset(1);
        let mut n_asked = 0;
        let mut similarities = |placed: &[u32]| {
            n_asked += placed.len();
            std::array::from_fn(|i| placed.get(i).map_or(f64::NAN, |&placed| f64::from(placed)))
        };
        let first = placed.fold(0, &history, SUM, &mut similarities, |sum| sum > 5.0);
        assert_eq!(first, Folded::InPart((0..AT_ONCE).sum::<usize>() as f64));
        assert_eq!(placed.fold(0, &history, SUM, &mut similarities, |_| false), Folded::Whole(55.0));
        assert_eq!(n_asked, history.len(), "nobody is compared twice");
    }
}
