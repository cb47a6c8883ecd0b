//! How far an item's row lies from the span of the placed ones, by Gram–Schmidt on similarities alone.
//!
//! ```text
//! R(i, i') ← S(i, i')
//! for each counted item j, oldest first:   p ← R(j, j),   c_j(i) ← √(φ/p) R(i, j),   R(i, i') ← R(i, i') − c_j(i) c_j(i')
//! squared distance of i = R(i, i),   length of j = φ √p
//! ```
//! This is the incremental Cholesky factorisation of the fast greedy DPP (Chen, Zhang, Zhou 2018), and Gram–Schmidt with
//! the rows left out. φ is 1, but for an item that itself lies all but in the span of those before it: its own share of new
//! direction is noise, which dividing by √p magnifies until nothing is certain about anybody else. It fades out between
//! [`FADE_GONE`] and [`FADE_FULL`], and so does such an item's own residual norm φ √R(i, i), whose root would magnify it too.
//!
//! Everything is in double precision on every engine (a GPU has pairs of f32): R(i, i) is what is left where numbers of
//! size 1 cancel, and the DPP takes its logarithm down to 1e-6.

mod span;
mod windowed;

pub use self::span::{Side, Span};
pub(crate) use self::windowed::GROUP;
use self::windowed::Windowed;
use crate::real::BESIDE;

/// Share of its own squared length up to which an item's residual counts for nothing: the item lies in the span.
pub const FADE_GONE: f64 = 1e-6;
/// Share of its own squared length from which it counts in full.
pub const FADE_FULL: f64 = 1e-5;
/// Volumes end here, so that long products stay finite in single precision.
pub const MOST_VOLUME: f64 = 1e18;
/// How items leave a window of placed items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// The factor of the window is made anew at every position: it cannot drift, and nothing is left of who has gone.
    Exact,
    /// By the published circular queue: who leaves gives back only what was taken along its own direction,
    /// and the others keep the directions they had.
    Paper,
}

/// What a placed item does to the others.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Pivot {
    /// √(φ/p).
    scale: f64,
    /// φ √p.
    length: f64,
}

/// φ as a function of p over the item's squared length: 0 up to [`FADE_GONE`], 1 from [`FADE_FULL`] on, smooth between.
fn fade(ratio: f64) -> f64 {
    let x = ((ratio - FADE_GONE) / (FADE_FULL - FADE_GONE)).clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

impl Pivot {
    fn new(left: &Left) -> Self {
        let share = left.share();
        if share == 0.0 {
            return Self::default();
        }
        Self { scale: (share / left.squared_distance).sqrt(), length: left.norm() }
    }
}

/// What is left of an item's row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Left {
    /// R(i, i), 0 or more: squared distance of the row from the span of what counts.
    pub squared_distance: f64,
    /// S(i, i).
    pub squared_length: f64,
}

impl Left {
    fn new(squared_distance: f64, squared_length: f64) -> Self {
        Self { squared_distance: squared_distance.max(0.0), squared_length }
    }

    /// φ.
    fn share(&self) -> f64 {
        if self.squared_length > 0.0 { fade(self.squared_distance / self.squared_length) } else { 0.0 }
    }

    /// Squared distance as a multiple of what counts as nothing.
    pub fn over_floor(&self) -> f64 {
        if self.squared_length > 0.0 { self.squared_distance / (FADE_GONE * self.squared_length) } else { 0.0 }
    }

    /// φ √R(i, i): norm of the residual, 0 where the item lies in the span.
    pub fn norm(&self) -> f64 {
        self.share() * self.squared_distance.sqrt()
    }
}

/// A slate's items in double precision, by local index.
pub trait Items {
    /// S of one item with each of a few others, [`BESIDE`] at most.
    fn similarities(&mut self, local: usize, others: &[u32]) -> [f64; BESIDE];
    /// Values of a row, all signals together: an even number.
    fn row_length(&self) -> usize;
    /// Puts an item's row into one lane of `sides`, a value of each; with factors applied, so that S is a product of two rows and
    /// [`Self::bias`]. Lanes are zeros before.
    fn spread_row(&mut self, local: usize, lane: usize, sides: &mut [Side]);
    /// What is part of every S beside the rows.
    fn bias(&self) -> f64;
    /// Counts pairs of items that were compared by their rows.
    fn count(&mut self, n_pairs: usize);
}

/// Residuals of one slate's items. Items are brought up to date when they are looked at.
#[derive(Debug)]
pub struct Residual {
    window: usize,
    eviction: Eviction,
    /// False where the window holds everything there will be.
    evicts: bool,
    /// Used where nothing leaves.
    span: Span,
    /// Used where something does.
    windowed: Windowed,
}

impl Residual {
    /// Counts the last `window` placed items, 0 for all.
    pub fn new(window: usize, eviction: Eviction) -> Self {
        Self { window, eviction, evicts: window > 0, span: Span::default(), windowed: Windowed::default() }
    }

    /// Forgets the last slate. There will be `n_recent + n_positions` placed items at most, `n_recent` from the start.
    pub fn reset(&mut self, n_local: usize, n_recent: usize, n_positions: usize) {
        let most = n_recent + n_positions;
        self.evicts = self.window > 0 && self.window < most;
        // Whichever is not needed gives its memory back: a slate is counted with one of them.
        if self.evicts {
            self.span = Span::default();
            self.windowed.reset(self.window, self.eviction, n_local, n_recent);
        } else {
            self.windowed = Windowed::default();
            self.span.reset(n_local, most);
        }
    }

    /// Takes in what was placed since the last position.
    pub fn begin_position(&mut self, history: &[u32], items: &mut dyn Items) {
        if self.evicts {
            self.windowed.begin_position(history, items);
        } else {
            self.span.begin_position(history, items);
        }
    }

    /// What is left of an item beside the span of what counts.
    pub fn left(&mut self, local: usize, history: &[u32], items: &mut dyn Items) -> Left {
        if self.evicts { self.windowed.left(local, history, items) } else { self.span.left(local, items) }
    }

    /// What is left of several items, each as [`Self::left`] gives it.
    pub fn left_of_several(
        &mut self,
        locals: [usize; BESIDE],
        history: &[u32],
        items: &mut dyn Items,
    ) -> [Left; BESIDE] {
        if !self.evicts {
            return locals.map(|local| self.span.left(local, items));
        }
        self.windowed.left_of_several(locals, history, items)
    }

    /// True where several items take less time side by side than one after the other.
    pub fn goes_in_groups(&self) -> bool {
        self.evicts && self.eviction == Eviction::Exact
    }

    /// What nothing ever leaves, if that is so: there items are known by blocks, and no squared distance grows.
    pub fn span(&mut self) -> Option<&mut Span> {
        (!self.evicts).then_some(&mut self.span)
    }

    /// Volume spanned by what counts: the product of lengths, oldest first; 1 where nothing does.
    pub fn volume(&self) -> f64 {
        let counted = if self.evicts { self.windowed.counted() } else { self.span.pivots() };
        counted.iter().fold(1.0, |volume, pivot| (volume * pivot.length).min(MOST_VOLUME))
    }
}

#[cfg(test)]
mod tests;
