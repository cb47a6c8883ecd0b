//! What is left of items beside the span of the last few placed ones, item by item.

use multiversion::multiversion;

use super::{Eviction, Items, Left, Pivot};
use crate::real::BESIDE;

/// `n_seen` of an item that is placed: its coefficients are those of its own place for good.
const PLACED: u32 = u32::MAX;
const NO_ROW: u32 = u32::MAX;
/// Columns are as long as whole groups of so many, zeros at the end, so that no loop has a remainder.
pub const GROUP: usize = 8;

/// Residuals of one slate's items.
#[derive(Debug, Default)]
pub struct Windowed {
    is_exact: bool,
    /// Place in the history of the first item that counts.
    first: usize,
    /// Placed items that count.
    n_columns: usize,
    /// Length of a column: as many, in whole groups.
    stride: usize,
    row_of: Vec<u32>,
    /// Per row read: similarities by place in the history modulo the window, or c by column where items leave as published.
    columns: Vec<f64>,
    squared_lengths: Vec<f64>,
    squared_distances: Vec<f64>,
    /// Placed items, from `first` on, that a row is up to date with.
    n_seen: Vec<u32>,
    /// By place in the history from `first` on; where they are exact those of the window.
    pivots: Vec<Pivot>,
    n_placed: usize,
    /// c of the window's items, `[item][item before it]`, where they are exact.
    factor: Vec<f64>,
    /// c of rows while they are solved.
    solved: Vec<[f64; BESIDE]>,
}

impl Windowed {
    /// Forgets the last slate.
    pub fn reset(&mut self, window: usize, eviction: Eviction, n_local: usize, n_recent: usize) {
        self.is_exact = eviction == Eviction::Exact;
        self.n_columns = window;
        self.stride = window.next_multiple_of(GROUP);
        // The queue starts with the recent items it has room for, as published.
        self.first = n_recent.saturating_sub(window);
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
    pub fn begin_position(&mut self, history: &[u32], items: &mut dyn Items) {
        for n in self.n_placed.max(self.first)..history.len() {
            let row = self.catch_up(history[n] as usize, &history[..n], items);
            self.n_seen[row] = PLACED;
            if !self.is_exact {
                self.pivots.push(Pivot::new(&Left::new(self.squared_distances[row], self.squared_lengths[row])));
            }
        }
        self.n_placed = history.len();
        if self.is_exact {
            self.refactor(history);
        }
    }

    /// What is left of an item.
    pub fn left(&mut self, local: usize, history: &[u32], items: &mut dyn Items) -> Left {
        let row = self.catch_up(local, history, items);
        let [left, ..] = self.left_of_rows([row; BESIDE], history.len());
        left
    }

    /// What is left of several items, each as [`Self::left`] gives it.
    pub fn left_of_several(
        &mut self,
        locals: [usize; BESIDE],
        history: &[u32],
        items: &mut dyn Items,
    ) -> [Left; BESIDE] {
        let rows = locals.map(|local| self.catch_up(local, history, items));
        self.left_of_rows(rows, history.len())
    }

    fn left_of_rows(&mut self, rows: [usize; BESIDE], n_placed: usize) -> [Left; BESIDE] {
        let taken = if self.is_exact {
            self.solve(rows, n_placed, self.pivots.len())
        } else {
            rows.map(|row| self.squared_lengths[row] - self.squared_distances[row])
        };
        std::array::from_fn(|i| {
            let squared_length = self.squared_lengths[rows[i]];
            Left::new(squared_length - taken[i], squared_length)
        })
    }

    /// What counts, oldest first.
    pub fn counted(&self) -> &[Pivot] {
        &self.pivots[self.pivots.len().saturating_sub(self.n_columns)..]
    }

    /// Reads an item's similarities to what was placed since it was last looked at; returns its row.
    fn catch_up(&mut self, local: usize, history: &[u32], items: &mut dyn Items) -> usize {
        let (width, stride) = (self.n_columns, self.stride);
        if self.row_of[local] == NO_ROW {
            self.row_of[local] = self.n_seen.len() as u32;
            self.columns.resize(self.columns.len() + stride, 0.0);
            let [squared_length, ..] = items.similarities(local, &[local as u32]);
            self.squared_lengths.push(squared_length);
            self.squared_distances.push(squared_length);
            self.n_seen.push(0);
        }
        let row = self.row_of[local] as usize;
        let n_placed = history.len().saturating_sub(self.first);
        let reach = if self.is_exact { width } else { n_placed };
        let mut n = (self.n_seen[row] as usize).max(n_placed.saturating_sub(reach));
        while n < n_placed {
            let place = self.first + n;
            let placed = &history[place..history.len().min(place + BESIDE)];
            let found = items.similarities(local, placed);
            for (i, (&similarity, &placed)) in found.iter().zip(placed).enumerate() {
                if self.is_exact {
                    self.columns[row * stride + (place + i) % width] = similarity;
                } else {
                    self.project_out(row, n + i, self.row_of[placed as usize] as usize, similarity);
                }
            }
            n += placed.len();
            self.n_seen[row] = n as u32;
        }
        row
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
