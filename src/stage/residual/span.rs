//! What is left of items beside the span of everything placed: nothing ever leaves.
//!
//! Items lie in blocks of [`BLOCK`] side by side, in the order of their numbers, and a block is brought up to date as one: then several
//! placed items are taken out of all of its rows at once, and no sum goes across lanes. Every number is added up in the order of
//! dimensions and of placed items, whenever a block is looked at.

use multiversion::multiversion;

use super::{Items, Left, Pivot};
use crate::real::BLOCK;

/// Numbers of a register of AVX-512.
const LANES: usize = 8;
/// Placed items that are taken out at once.
const PAIR: usize = 2;

/// One number of every item of a block.
pub type Side = [[f64; LANES]; BLOCK / LANES];

const NOTHING: Side = [[0.0; LANES]; BLOCK / LANES];

/// Place of a block that was not looked at yet.
const NOT_READ: u32 = u32::MAX;

/// Residuals of one slate's items.
#[derive(Debug, Default)]
pub struct Span {
    n_local: usize,
    row_length: usize,
    /// Placed items at most: columns of a block.
    n_columns: usize,
    /// Block → its place.
    places: Vec<u32>,
    /// By place: values `[dimension]`, c `[placed item]`, squared lengths and distances, and placed items taken out so far.
    rows: Vec<Side>,
    columns: Vec<Side>,
    squared_lengths: Vec<Side>,
    squared_distances: Vec<Side>,
    n_seen: Vec<usize>,
    placed: Placed,
}

/// What is placed, in the order of the history.
#[derive(Debug, Default)]
struct Placed {
    /// `[placed item][dimension]`.
    rows: Vec<f64>,
    /// c of placed items, `[placed item][one placed before it]`.
    factor: Vec<f64>,
    pivots: Vec<Pivot>,
}

impl Span {
    /// Forgets the last slate. There are `n_local` items, of which `n_columns` are placed at most.
    pub fn reset(&mut self, n_local: usize, n_columns: usize) {
        (self.n_local, self.n_columns) = (n_local, n_columns);
        self.places.clear();
        self.places.resize(n_local.div_ceil(BLOCK), NOT_READ);
        for sides in [&mut self.rows, &mut self.columns, &mut self.squared_lengths, &mut self.squared_distances] {
            sides.clear();
        }
        self.n_seen.clear();
        self.placed.rows.clear();
        self.placed.factor.clear();
        self.placed.pivots.clear();
    }

    /// Takes in what was placed since the last position.
    pub fn begin_position(&mut self, history: &[u32], items: &mut dyn Items) {
        for (n, &local) in history.iter().enumerate().skip(self.placed.pivots.len()) {
            let (block, lane) = (local as usize / BLOCK, local as usize % BLOCK);
            let place = self.look_at(block, items);
            self.placed.pivots.push(Pivot::new(&self.left_in(place, lane)));
            let columns = &self.columns[place * self.n_columns..][..n];
            let start = self.placed.factor.len();
            self.placed.factor.extend(columns.iter().map(|side| number(side, lane)));
            self.placed.factor.resize(start + self.n_columns, 0.0);
            let rows = &self.rows[place * self.row_length..][..self.row_length];
            self.placed.rows.extend(rows.iter().map(|side| number(side, lane)));
        }
    }

    /// What the placed items are, oldest first.
    pub(super) fn pivots(&self) -> &[Pivot] {
        &self.placed.pivots
    }

    /// What is left of an item.
    pub fn left(&mut self, local: usize, items: &mut dyn Items) -> Left {
        let place = self.look_at(local / BLOCK, items);
        self.left_in(place, local % BLOCK)
    }

    /// Squared distances of the items of a block, rounding below 0 included; numbers without a meaning beyond the last item.
    pub fn squared_distances(&mut self, block: usize, items: &mut dyn Items) -> &Side {
        let place = self.look_at(block, items);
        &self.squared_distances[place]
    }

    fn left_in(&self, place: usize, lane: usize) -> Left {
        Left::new(number(&self.squared_distances[place], lane), number(&self.squared_lengths[place], lane))
    }

    /// Brings a block up to date; returns its place.
    fn look_at(&mut self, block: usize, items: &mut dyn Items) -> usize {
        if self.places[block] == NOT_READ {
            self.read(block, items);
        }
        let place = self.places[block] as usize;
        let (first, n_placed) = (self.n_seen[place], self.placed.pivots.len());
        if first < n_placed {
            let rows = &self.rows[place * self.row_length..][..self.row_length];
            let columns = &mut self.columns[place * self.n_columns..][..self.n_columns];
            take_out(rows, columns, &mut self.squared_distances[place], &self.placed, first, items.bias());
            self.n_seen[place] = n_placed;
            items.count(BLOCK.min(self.n_local - block * BLOCK) * (n_placed - first));
        }
        place
    }

    #[cold]
    fn read(&mut self, block: usize, items: &mut dyn Items) {
        let place = self.n_seen.len();
        self.places[block] = place as u32;
        self.row_length = items.row_length();
        self.rows.resize((place + 1) * self.row_length, NOTHING);
        self.columns.resize((place + 1) * self.n_columns, NOTHING);
        let mut squared_lengths = [[items.bias(); LANES]; BLOCK / LANES];
        let rows = &mut self.rows[place * self.row_length..];
        for lane in 0..BLOCK.min(self.n_local - block * BLOCK) {
            items.spread_row(block * BLOCK + lane, lane, rows);
        }
        for side in rows.iter() {
            let values = side.as_flattened();
            let sums = squared_lengths.as_flattened_mut().iter_mut();
            sums.zip(values).for_each(|(sum, value)| *sum += value * value);
        }
        self.squared_lengths.push(squared_lengths);
        self.squared_distances.push(squared_lengths);
        self.n_seen.push(0);
    }
}

/// The number of one item of a block.
fn number(side: &Side, lane: usize) -> f64 {
    side.as_flattened()[lane]
}

/// Takes the placed items from the `first` on out of the rows of a block.
///
/// Placed items go by pairs: what lies in the pairs before is taken out of an item first, then the other one of its pair. That is the
/// same order however many come at once.
fn take_out(rows: &[Side], columns: &mut [Side], distances: &mut Side, placed: &Placed, first: usize, bias: f64) {
    let (row_length, stride, n_placed) = (rows.len(), columns.len(), placed.pivots.len());
    let mut n = first;
    while n < n_placed {
        let pair = n - n % PAIR;
        let end = n_placed.min(pair + PAIR);
        let (mut open, mut taken) = ([NOTHING; PAIR], [NOTHING; PAIR]);
        multiply(rows, &placed.rows[n * row_length..end * row_length], row_length, &mut open);
        multiply(&columns[..pair], &placed.factor[n * stride..end * stride], stride, &mut taken);
        for i in n..end {
            let earlier = if i > pair { columns[pair] } else { NOTHING };
            let factor = if i > pair { placed.factor[i * stride + pair] } else { 0.0 };
            let numbers = open[i - n].as_flattened().iter().zip(taken[i - n].as_flattened());
            let numbers = numbers.zip(earlier.as_flattened()).zip(distances.as_flattened_mut());
            let c = columns[i].as_flattened_mut().iter_mut();
            for ((((open, taken), earlier), distance), c) in numbers.zip(c) {
                *c = placed.pivots[i].scale * (((open + bias) - taken) - earlier * factor);
                *distance -= *c * *c;
            }
        }
        n = end;
    }
}

/// Products of `sides`, an even number of them, with one or two rows of `others`, which are `stride` apart.
fn multiply(sides: &[Side], others: &[f64], stride: usize, products: &mut [Side; PAIR]) {
    let row = |i: usize| &others[i * stride..i * stride + sides.len()];
    if others.len() == stride {
        multiply_one(sides, row(0), &mut products[0]);
    } else {
        multiply_two(sides, row(0), row(1), products);
    }
}

// Two functions, for where the ends of both become one, the compiler takes vectors apart to get there.
#[multiversion(targets = "simd")]
fn multiply_one(sides: &[Side], other: &[f64], product: &mut Side) {
    // Two sums for each number, so that no addition waits for the one before.
    let mut sums = [NOTHING; 2];
    for (sides, other) in sides.as_chunks::<2>().0.iter().zip(other.as_chunks::<2>().0) {
        for k in 0..2 {
            add(&mut sums[k], &sides[k], other[k]);
        }
    }
    *product = sum(&sums);
}

#[multiversion(targets = "simd")]
fn multiply_two(sides: &[Side], a: &[f64], b: &[f64], products: &mut [Side; PAIR]) {
    let mut sums = [[NOTHING; 2]; PAIR];
    let others = a.as_chunks::<2>().0.iter().zip(b.as_chunks::<2>().0);
    for (sides, (a, b)) in sides.as_chunks::<2>().0.iter().zip(others) {
        for k in 0..2 {
            add(&mut sums[0][k], &sides[k], a[k]);
            add(&mut sums[1][k], &sides[k], b[k]);
        }
    }
    *products = [sum(&sums[0]), sum(&sums[1])];
}

#[inline(always)]
fn add(sums: &mut Side, side: &Side, times: f64) {
    for (sums, side) in sums.iter_mut().zip(side) {
        for lane in 0..LANES {
            sums[lane] += side[lane] * times;
        }
    }
}

#[inline(always)]
fn sum(sums: &[Side; 2]) -> Side {
    std::array::from_fn(|half| std::array::from_fn(|lane| sums[0][half][lane] + sums[1][half][lane]))
}
