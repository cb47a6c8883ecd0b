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

use crate::real::Real;

/// Share of its own squared length up to which an item's residual counts for nothing: the item lies in the span.
pub const FADE_GONE: f64 = 1e-6;
/// Share of its own squared length from which it counts in full.
pub const FADE_FULL: f64 = 1e-5;
/// Volumes end here, so that long products stay finite in single precision.
pub const MOST_VOLUME: f64 = 1e18;
/// `n_seen` of an item that is placed: its coefficients are those of its own place for good.
const PLACED: u32 = u32::MAX;
const NO_ROW: u32 = u32::MAX;

/// Which placed items count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// All of them.
    Never,
    /// The window's. The factor is made anew at every position: it cannot drift, and nothing is left of who has gone.
    Exact,
    /// The window's, by the published circular queue: who leaves gives back only what was taken along its own direction,
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

/// S of two items, by local index, in double precision.
pub type Similarity<'s> = dyn FnMut(usize, usize) -> f64 + 's;

/// Residuals of one slate's items. Items are brought up to date when they are looked at.
#[derive(Debug)]
pub struct Residual {
    window: usize,
    asked: Eviction,
    /// As asked, or [`Eviction::Never`] where the window holds everything there will be.
    eviction: Eviction,
    /// Place in the history of the first item that counts.
    first: usize,
    n_columns: usize,
    row_of: Vec<u32>,
    /// Per row read: c by column, or for [`Eviction::Exact`] similarities by place in the history modulo the window.
    columns: Vec<f64>,
    squared_lengths: Vec<f64>,
    squared_distances: Vec<f64>,
    /// Placed items, from `first` on, that a row is up to date with.
    n_seen: Vec<u32>,
    /// By place in the history from `first` on; for [`Eviction::Exact`] those of the window.
    pivots: Vec<Pivot>,
    n_placed: usize,
    /// [`Eviction::Exact`]: c of the window's items, `[item][item before it]`.
    factor: Vec<f64>,
    solved: Vec<f64>,
}

impl Residual {
    /// Counts the last `window` placed items, 0 for all.
    pub fn new(window: usize, eviction: Eviction) -> Self {
        Self {
            window,
            asked: eviction,
            eviction,
            first: 0,
            n_columns: 0,
            row_of: Vec::new(),
            columns: Vec::new(),
            squared_lengths: Vec::new(),
            squared_distances: Vec::new(),
            n_seen: Vec::new(),
            pivots: Vec::new(),
            n_placed: 0,
            factor: Vec::new(),
            solved: Vec::new(),
        }
    }

    /// Forgets the last slate. There will be `n_recent + n_positions` placed items at most, `n_recent` from the start.
    pub fn reset(&mut self, n_local: usize, n_recent: usize, n_positions: usize) {
        let most = n_recent + n_positions;
        let evicts = self.window > 0 && self.window < most;
        self.eviction = if evicts { self.asked } else { Eviction::Never };
        self.n_columns = if evicts { self.window } else { most };
        // The queue starts with the recent items it has room for, as published.
        self.first = if evicts { n_recent.saturating_sub(self.window) } else { 0 };
        self.row_of.clear();
        self.row_of.resize(n_local, NO_ROW);
        for numbers in [&mut self.columns, &mut self.squared_lengths, &mut self.squared_distances, &mut self.factor] {
            numbers.clear();
        }
        self.n_seen.clear();
        self.pivots.clear();
        self.n_placed = 0;
    }

    /// Takes in what was placed since the last position.
    pub fn begin_position(&mut self, history: &[u32], similarity: &mut Similarity) {
        for n in self.n_placed.max(self.first)..history.len() {
            let local = history[n] as usize;
            let row = self.catch_up(local, &history[..n], similarity);
            self.n_seen[row] = PLACED;
            if self.eviction != Eviction::Exact {
                self.pivots.push(Pivot::new(&Left::new(self.squared_distances[row], self.squared_lengths[row])));
            }
        }
        self.n_placed = history.len();
        if self.eviction == Eviction::Exact {
            self.refactor(history);
        }
    }

    /// What is left of an item beside the span of what counts.
    pub fn left(&mut self, local: usize, history: &[u32], similarity: &mut Similarity) -> Left {
        let row = self.catch_up(local, history, similarity);
        let squared_length = self.squared_lengths[row];
        if self.eviction != Eviction::Exact {
            return Left::new(self.squared_distances[row], squared_length);
        }
        let width = self.n_columns;
        let similarities = &self.columns[row * width..(row + 1) * width];
        let n_placed = history.len();
        let n = self.pivots.len();
        self.solved.clear();
        let mut left = squared_length;
        for k in 0..n {
            let c = similarities[(n_placed - n + k) % width];
            let coefficient = self.coefficient(c, &self.solved, k);
            left -= coefficient * coefficient;
            self.solved.push(coefficient);
        }
        Left::new(left, squared_length)
    }

    /// True where nothing ever leaves what counts, so that no squared distance grows.
    pub fn only_shrinks(&self) -> bool {
        self.eviction == Eviction::Never
    }

    /// Volume spanned by what counts: the product of lengths, oldest first; 1 where nothing does.
    pub fn volume(&self) -> f64 {
        let n = if self.eviction == Eviction::Never { self.pivots.len() } else { self.window.min(self.pivots.len()) };
        let counted = &self.pivots[self.pivots.len() - n..];
        counted.iter().fold(1.0, |volume, pivot| (volume * pivot.length).min(MOST_VOLUME))
    }

    /// Reads an item's similarities to what was placed since it was last looked at; returns its row.
    fn catch_up(&mut self, local: usize, history: &[u32], similarity: &mut Similarity) -> usize {
        let width = self.n_columns;
        if self.row_of[local] == NO_ROW {
            self.row_of[local] = self.n_seen.len() as u32;
            self.columns.resize(self.columns.len() + width, 0.0);
            let squared_length = similarity(local, local);
            self.squared_lengths.push(squared_length);
            self.squared_distances.push(squared_length);
            self.n_seen.push(0);
        }
        let row = self.row_of[local] as usize;
        let n_placed = history.len().saturating_sub(self.first);
        let reach = if self.eviction == Eviction::Exact { width } else { n_placed };
        for n in (self.n_seen[row] as usize).max(n_placed.saturating_sub(reach))..n_placed {
            let place = self.first + n;
            let placed = history[place] as usize;
            if self.eviction == Eviction::Exact {
                self.columns[row * width + place % width] = similarity(local, placed);
            } else {
                self.project_out(row, n, self.row_of[placed] as usize, || similarity(local, placed));
            }
        }
        if self.n_seen[row] != PLACED {
            self.n_seen[row] = n_placed as u32;
        }
        row
    }

    /// Takes the direction of the `n`-th counted item out of a row. Where the queue is full, the oldest gives back what it
    /// took: after the new direction was found, which is the residual of before.
    fn project_out(&mut self, row: usize, n: usize, placed_row: usize, similarity: impl FnOnce() -> f64) {
        let width = self.n_columns;
        let n_live = n.min(width);
        let Pivot { scale, .. } = self.pivots[n];
        let mut coefficient = 0.0;
        if scale > 0.0 {
            let own = &self.columns[row * width..row * width + n_live];
            let placed = &self.columns[placed_row * width..placed_row * width + n_live];
            coefficient = scale * (similarity() - f64::dot(own, placed));
        }
        let given_back = std::mem::replace(&mut self.columns[row * width + n % width], coefficient);
        self.squared_distances[row] += given_back * given_back;
        self.squared_distances[row] -= coefficient * coefficient;
    }

    /// c of a row at column `k`, from its similarity to that item and its c before.
    fn coefficient(&self, similarity: f64, before: &[f64], k: usize) -> f64 {
        let Pivot { scale, .. } = self.pivots[k];
        if scale == 0.0 {
            return 0.0;
        }
        scale * (similarity - f64::dot(before, &self.factor[k * self.n_columns..k * self.n_columns + k]))
    }

    /// The window's factor from nothing but its similarities.
    fn refactor(&mut self, history: &[u32]) {
        let width = self.n_columns;
        let n = history.len().min(width);
        let oldest = history.len() - n;
        self.pivots.clear();
        self.factor.clear();
        self.factor.resize(n * width, 0.0);
        for k in 0..n {
            let row = self.row_of[history[oldest + k] as usize] as usize;
            let mut left = self.squared_lengths[row];
            for l in 0..k {
                let similarity = self.columns[row * width + (oldest + l) % width];
                let c = self.coefficient(similarity, &self.factor[k * width..k * width + l], l);
                self.factor[k * width + l] = c;
                left -= c * c;
            }
            self.pivots.push(Pivot::new(&Left::new(left, self.squared_lengths[row])));
        }
    }
}

#[cfg(test)]
mod tests;
