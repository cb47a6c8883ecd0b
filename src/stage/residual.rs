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

use multiversion::multiversion;

use crate::real::{BESIDE, dots_columns};

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

/// S of one item with each of a few others, [`BESIDE`] at most, by local index, in double precision.
pub type Similarities<'s> = dyn FnMut(usize, &[u32]) -> [f64; BESIDE] + 's;

/// Columns are as long as whole groups of so many, zeros at the end, so that no loop has a remainder.
pub(crate) const GROUP: usize = 8;

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
    /// Length of a column: as many, in whole groups.
    stride: usize,
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
    /// c of rows while they are solved.
    solved: Vec<[f64; BESIDE]>,
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
            stride: 0,
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
        let evicts = self.asked != Eviction::Never && self.window > 0 && self.window < most;
        self.eviction = if evicts { self.asked } else { Eviction::Never };
        self.n_columns = if evicts { self.window } else { most };
        self.stride = self.n_columns.next_multiple_of(GROUP);
        // The queue starts with the recent items it has room for, as published.
        self.first = if evicts { n_recent.saturating_sub(self.window) } else { 0 };
        self.row_of.clear();
        self.row_of.resize(n_local, NO_ROW);
        for numbers in [&mut self.columns, &mut self.squared_lengths, &mut self.squared_distances, &mut self.factor] {
            numbers.clear();
        }
        self.solved.resize(self.n_columns, [0.0; BESIDE]);
        self.n_seen.clear();
        self.pivots.clear();
        self.n_placed = 0;
    }

    /// Takes in what was placed since the last position.
    pub fn begin_position(&mut self, history: &[u32], similarities: &mut Similarities) {
        for n in self.n_placed.max(self.first)..history.len() {
            let local = history[n] as usize;
            let (row, _) = self.catch_up(local, &history[..n], similarities, f64::NEG_INFINITY);
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
    pub fn left(&mut self, local: usize, history: &[u32], similarities: &mut Similarities) -> Left {
        self.left_down_to(f64::NEG_INFINITY, local, history, similarities).0
    }

    /// As [`Self::left`], and true. Or, where nothing ever leaves what counts, something that is at most `enough` and no less than
    /// what is left, and false.
    pub fn left_down_to(
        &mut self,
        enough: f64,
        local: usize,
        history: &[u32],
        similarities: &mut Similarities,
    ) -> (Left, bool) {
        let (row, is_whole) = self.catch_up(local, history, similarities, enough);
        let [left, ..] = self.left_of_rows([row; BESIDE], history.len());
        (left, is_whole)
    }

    /// What is left of several items, each as [`Self::left`] gives it.
    pub fn left_of_several(
        &mut self,
        locals: [usize; BESIDE],
        history: &[u32],
        similarities: &mut Similarities,
    ) -> [Left; BESIDE] {
        let rows = locals.map(|local| self.catch_up(local, history, similarities, f64::NEG_INFINITY).0);
        self.left_of_rows(rows, history.len())
    }

    fn left_of_rows(&mut self, rows: [usize; BESIDE], n_placed: usize) -> [Left; BESIDE] {
        let taken = if self.eviction == Eviction::Exact {
            self.solve(rows, n_placed, self.pivots.len())
        } else {
            rows.map(|row| self.squared_lengths[row] - self.squared_distances[row])
        };
        std::array::from_fn(|i| {
            let squared_length = self.squared_lengths[rows[i]];
            Left::new(squared_length - taken[i], squared_length)
        })
    }

    /// True where several items take less time side by side than one after the other.
    pub fn goes_in_groups(&self) -> bool {
        self.eviction == Eviction::Exact
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

    /// Reads an item's similarities to what was placed since it was last looked at; returns its row, and whether it is up to
    /// date: where nothing leaves, it stops when the squared distance is `enough` or less.
    fn catch_up(
        &mut self,
        local: usize,
        history: &[u32],
        similarities: &mut Similarities,
        enough: f64,
    ) -> (usize, bool) {
        let (width, stride) = (self.n_columns, self.stride);
        if self.row_of[local] == NO_ROW {
            self.row_of[local] = self.n_seen.len() as u32;
            self.columns.resize(self.columns.len() + stride, 0.0);
            let [squared_length, ..] = similarities(local, &[local as u32]);
            self.squared_lengths.push(squared_length);
            self.squared_distances.push(squared_length);
            self.n_seen.push(0);
        }
        let row = self.row_of[local] as usize;
        let n_placed = history.len().saturating_sub(self.first);
        let reach = if self.eviction == Eviction::Exact { width } else { n_placed };
        let mut n = (self.n_seen[row] as usize).max(n_placed.saturating_sub(reach));
        while n < n_placed {
            if self.squared_distances[row] <= enough && self.only_shrinks() {
                return (row, false);
            }
            let place = self.first + n;
            // No further than the group of columns goes.
            let placed = &history[place..history.len().min(place + BESIDE.min(GROUP - n % GROUP))];
            let found = similarities(local, placed);
            match self.eviction {
                Eviction::Never => self.project_all_out(row, n, placed, &found),
                Eviction::Paper => {
                    for (i, &placed) in placed.iter().enumerate() {
                        self.project_out(row, n + i, self.row_of[placed as usize] as usize, found[i]);
                    }
                }
                Eviction::Exact => {
                    for (i, &similarity) in found[..placed.len()].iter().enumerate() {
                        self.columns[row * stride + (place + i) % width] = similarity;
                    }
                }
            }
            n += placed.len();
            self.n_seen[row] = n as u32;
        }
        (row, true)
    }

    /// Takes the directions of the counted items from the `n`-th on out of a row: `placed`, to which it has these similarities, all of
    /// one group of columns.
    ///
    /// Groups before theirs are taken out first, then the columns of their own one after the other: in the same order however
    /// many come at once.
    fn project_all_out(&mut self, row: usize, n: usize, placed: &[u32], similarities: &[f64; BESIDE]) {
        let stride = self.stride;
        let start_of = |i: usize| self.row_of[placed[i.min(placed.len() - 1)] as usize] as usize * stride;
        let starts: [usize; BESIDE] = std::array::from_fn(start_of);
        let group = n - n % GROUP;
        let own = &self.columns[row * stride..row * stride + group];
        let shares = dots_columns(own, starts.map(|start| &self.columns[start..start + group]));
        let mut coefficients = [0.0; GROUP];
        coefficients[..n - group].copy_from_slice(&self.columns[row * stride + group..row * stride + n]);
        for i in 0..placed.len() {
            let own_group = &self.columns[starts[i] + group..starts[i] + n + i];
            let open =
                own_group.iter().zip(&coefficients).fold(similarities[i] - shares[i], |open, (a, b)| open - a * b);
            let coefficient = self.pivots[n + i].scale * open;
            coefficients[n - group + i] = coefficient;
            self.squared_distances[row] -= coefficient * coefficient;
        }
        let found = &coefficients[n - group..n - group + placed.len()];
        self.columns[row * stride + n..row * stride + n + placed.len()].copy_from_slice(found);
    }

    /// Takes the direction of the `n`-th counted item out of a row. Where the queue is full, the oldest gives back what it
    /// took: after the new direction was found, which is the residual of before.
    fn project_out(&mut self, row: usize, n: usize, placed_row: usize, similarity: f64) {
        let (width, stride) = (self.n_columns, self.stride);
        let n_live = n.min(width);
        let Pivot { scale, .. } = self.pivots[n];
        let mut coefficient = 0.0;
        if scale > 0.0 {
            let own = &self.columns[row * stride..row * stride + n_live];
            let placed = &self.columns[placed_row * stride..placed_row * stride + n_live];
            // One after the other: what was stored last, a number at a time, is not there yet as a whole register.
            coefficient = scale * (similarity - own.iter().zip(placed).map(|(a, b)| a * b).sum::<f64>());
        }
        let given_back = std::mem::replace(&mut self.columns[row * stride + n % width], coefficient);
        self.squared_distances[row] += given_back * given_back;
        self.squared_distances[row] -= coefficient * coefficient;
    }

    /// The window's factor from nothing but its similarities.
    fn refactor(&mut self, history: &[u32]) {
        let n = history.len().min(self.n_columns);
        self.pivots.clear();
        self.factor.clear();
        self.factor.resize(n * self.stride, 0.0);
        for k in 0..n {
            let row = self.row_of[history[history.len() - n + k] as usize] as usize;
            let [taken, ..] = self.solve([row; BESIDE], history.len(), n);
            let solved = self.solved[..k].iter().map(|c| c[0]);
            self.factor[k * self.stride..].iter_mut().zip(solved).for_each(|(kept, c)| *kept = c);
            self.pivots.push(Pivot::new(&Left::new(self.squared_lengths[row] - taken, self.squared_lengths[row])));
        }
    }

    /// Finds the c of rows against the pivots there are, from the similarities to the last `n` of `n_placed` items. What they take
    /// of each row's squared length.
    fn solve(&mut self, rows: [usize; BESIDE], n_placed: usize, n: usize) -> [f64; BESIDE] {
        let columns = rows.map(|row| &self.columns[row * self.stride..row * self.stride + self.n_columns]);
        let first = (n_placed - n) % self.n_columns;
        solve(columns, first, &self.pivots, &self.factor, self.stride, &mut self.solved)
    }
}

#[multiversion(targets = "simd")]
fn solve(
    columns: [&[f64]; BESIDE],
    first: usize,
    pivots: &[Pivot],
    factor: &[f64],
    stride: usize,
    solved: &mut [[f64; BESIDE]],
) -> [f64; BESIDE] {
    let [a, b, c, d] = columns;
    let mut taken = [0.0; BESIDE];
    for (k, pivot) in pivots.iter().enumerate() {
        let place = if first + k < a.len() { first + k } else { first + k - a.len() };
        let mut open = [a[place], b[place], c[place], d[place]];
        for (c, factor) in solved[..k].iter().zip(&factor[k * stride..k * stride + k]) {
            for lane in 0..BESIDE {
                open[lane] -= c[lane] * factor;
            }
        }
        for lane in 0..BESIDE {
            open[lane] *= pivot.scale;
            taken[lane] += open[lane] * open[lane];
        }
        solved[k] = open;
    }
    taken
}

#[cfg(test)]
mod tests;
