//! Similarities of a slate's items to the placed ones, folded into one number: their maximum, their sum.
//!
//! An item is brought up to date only when it is looked at, by what was placed since. Over the whole history a running
//! value is enough. Over a window the values of its items are kept, so that what leaves it leaves no trace of rounding.

use crate::real::Real;

/// How similarities become one number.
#[derive(Debug, Clone, Copy)]
pub struct Fold<R> {
    /// What one similarity counts.
    pub term: fn(R) -> R,
    /// Two counts as one.
    pub combine: fn(R, R) -> R,
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

    /// The fold of an item over the last placed items of `history`, 0 where there are none.
    pub fn fold(
        &mut self,
        local: usize,
        history: &[u32],
        fold: Fold<R>,
        mut similarity_to: impl FnMut(usize) -> R,
    ) -> R {
        let width = self.window.max(1);
        let terms = &mut self.terms[local * width..(local + 1) * width];
        let n_placed = history.len();
        let reach = if self.window == 0 { n_placed } else { n_placed.min(self.window) };
        let first = (self.n_seen[local] as usize).max(n_placed - reach);
        for (place, &placed) in history.iter().enumerate().skip(first) {
            let term = (fold.term)(similarity_to(placed as usize));
            if self.window == 0 {
                terms[0] = (fold.combine)(terms[0], term);
            } else {
                terms[place % width] = term;
            }
        }
        self.n_seen[local] = n_placed as u32;
        let n_terms = if self.window == 0 { 1 } else { reach };
        terms[..n_terms].iter().fold(R::zero(), |sum, &term| (fold.combine)(sum, term))
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
        for n in 0..=history.len() {
            let last: f64 = (n.saturating_sub(3)..n).map(similarity).sum();
            assert_eq!(windowed.fold(1, &history[..n], SUM, similarity), last, "after {n}");
            let all: f64 = (0..n).map(similarity).sum();
            assert_eq!(running.fold(1, &history[..n], SUM, similarity), all, "after {n}");
        }
        assert_eq!(lazy.fold(1, &history, SUM, similarity), 6.0 + 7.0 + 8.0);
    }
}
