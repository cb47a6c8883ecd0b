//! The number type of the CPU engine: f32 for speed, f64 for the reference.

mod bound;

use half::slice::HalfFloatSliceExt;
use multiversion::multiversion;

pub use self::bound::{BLOCK, MostOfBlocks, largest};
use crate::catalog::{Embedding, EmbeddingData};

/// Values of a row that are handled side by side: two registers of f32 with AVX-512.
pub const LANES: usize = 32;
/// Rows that one row is compared with at a time, so that it is read once for all of them.
pub const BESIDE: usize = 4;
/// Rows that one row is compared with at once, at most, where each has to be found first.
pub const AT_ONCE: usize = 8;

/// A piece of a row, zeros where the row has ended. Aligned as memory is fetched: no load takes two lines of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Lanes<R>(pub [R; LANES]);

/// f32 or f64, with the operations that touch embedding rows. Rows are of one length; no sum depends on the processor.
pub trait Real:
    num_traits::Float + num_traits::NumAssign + std::iter::Sum + Default + Send + Sync + std::fmt::Debug + 'static
{
    /// Rounds to this type.
    fn of(x: f64) -> Self;
    /// Widens.
    fn to_f64(self) -> f64;
    /// Inner product of two rows.
    fn dot(a: &[Lanes<Self>], b: &[Lanes<Self>]) -> Self;
    /// Inner products of one row with many, each the number that [`Self::dot`] gives: the i-th begins at piece
    /// `stride · numbers[i]` of `rows`.
    fn products(a: &[Lanes<Self>], rows: &[Lanes<Self>], stride: usize, numbers: &[u32], products: &mut [Self]);
    /// Inner product of two rows with the products and sums in f64.
    fn dot_wide(a: &[Lanes<Self>], b: &[Lanes<Self>]) -> f64;
    /// Inner products of one row with several, each the number that [`Self::dot_wide`] gives.
    fn dots_wide(a: &[Lanes<Self>], others: [&[Lanes<Self>]; BESIDE]) -> [f64; BESIDE];
    /// Inner product of a row and numbers in f64, in f64.
    fn dot_with_wide(a: &[Lanes<Self>], b: &[Lanes<f64>]) -> f64;
    /// A row in single precision; `room` holds it where it is not.
    fn as_single<'a>(row: &'a [Lanes<Self>], room: &'a mut Vec<Lanes<f32>>) -> &'a [Lanes<f32>];
    /// What the utilities of the listed blocks' candidates are at most, and the largest of each block: `open` is their base scores.
    fn bound(
        most: MostOfBlocks<'_, Self>,
        listed: &[u32],
        open: &[[Self; BLOCK]],
        bounds: &mut [[Self; BLOCK]],
        largest: &mut [Self],
    );
    /// Appends row `row` of an embedding.
    fn append_row(embedding: &Embedding, row: usize, out: &mut Vec<Lanes<Self>>);
}

/// `sums[lane] += x[lane] y[lane]`; where there are fewer sums than lanes, the rest of the lanes after the first.
macro_rules! accumulate {
    ($sums:ident, $x:ident, $y:ident, $sum:ty) => {
        for first in (0..LANES).step_by($sums.len()) {
            for lane in 0..$sums.len() {
                $sums[lane] += <$sum>::from($x.0[first + lane]) * <$sum>::from($y.0[first + lane]);
            }
        }
    };
}

macro_rules! dots_in_lanes {
    ($dot:ident, $one:ident, $pair:ident, $type:ty, $sum:ty, $n_sums:expr, $add_up:ident) => {
        #[multiversion(targets = "simd")]
        fn $dot(a: &[Lanes<$type>], b: &[Lanes<$type>]) -> $sum {
            let [sum] = $add_up(&[$one(a, b)]);
            sum
        }

        /// Inner product of two rows, added up in part.
        #[inline(always)]
        fn $one(a: &[Lanes<$type>], b: &[Lanes<$type>]) -> [$sum; $n_sums / 2] {
            let mut sums = [0.0; $n_sums];
            for (x, y) in a.iter().zip(b) {
                accumulate!(sums, x, y, $sum);
            }
            halve(&sums)
        }

        /// Inner products of a row with two, added up in part. Two at a time: the sums of four would not fit the registers of AVX2.
        #[inline(always)]
        fn $pair(a: &[Lanes<$type>], b: &[Lanes<$type>], c: &[Lanes<$type>]) -> [[$sum; $n_sums / 2]; 2] {
            let [mut sums_b, mut sums_c] = [[0.0; $n_sums]; 2];
            for ((x, b), c) in a.iter().zip(b).zip(c) {
                accumulate!(sums_b, x, b, $sum);
                accumulate!(sums_c, x, c, $sum);
            }
            [halve(&sums_b), halve(&sums_c)]
        }
    };
}

macro_rules! several_in_lanes {
    ($dots:ident, $pair:ident, $type:ty, $sum:ty, $add_up:ident) => {
        #[multiversion(targets = "simd")]
        fn $dots(a: &[Lanes<$type>], others: [&[Lanes<$type>]; BESIDE]) -> [$sum; BESIDE] {
            let [[b, c], [d, e]] = [$pair(a, others[0], others[1]), $pair(a, others[2], others[3])];
            $add_up(&[b, c, d, e])
        }
    };
}

macro_rules! products_in_lanes {
    ($products:ident, $one:ident, $pair:ident, $type:ty, $add_up:ident) => {
        #[multiversion(targets = "simd")]
        fn $products(
            a: &[Lanes<$type>],
            rows: &[Lanes<$type>],
            stride: usize,
            numbers: &[u32],
            products: &mut [$type],
        ) {
            let row = |number: u32| &rows[number as usize * stride..][..a.len()];
            let (fours, rest) = numbers.as_chunks::<BESIDE>();
            let (products_of_fours, products) = products.as_chunks_mut::<BESIDE>();
            for (numbers, products) in fours.iter().zip(products_of_fours) {
                let [b, c] = $pair(a, row(numbers[0]), row(numbers[1]));
                let [d, e] = $pair(a, row(numbers[2]), row(numbers[3]));
                *products = $add_up(&[b, c, d, e]);
            }
            for (numbers, products) in rest.chunks(2).zip(products.chunks_mut(2)) {
                match *numbers {
                    [b, c] => products.copy_from_slice(&$add_up(&$pair(a, row(b), row(c)))),
                    [b] => products.copy_from_slice(&$add_up(&[$one(a, row(b))])),
                    _ => {}
                }
            }
        }
    };
}

#[inline(always)]
fn halve<T: Copy + std::ops::Add<Output = T>, const N: usize, const HALF: usize>(sums: &[T; N]) -> [T; HALF] {
    std::array::from_fn(|lane| sums[lane] + sums[lane + HALF])
}

// Not inlined: a compiler that sees few lanes add up works with few from the start, all the way up into the loop, which then
// takes four times as many instructions.
#[inline(never)]
fn add_up_f32<const N: usize>(sums: &[[f32; 16]; N]) -> [f32; N] {
    let mut columns = [[0.0; N]; 4];
    for i in 0..N {
        let sums: [f32; 8] = halve(&sums[i]);
        let sums: [f32; 4] = halve(&sums);
        for lane in 0..4 {
            columns[lane][i] = sums[lane];
        }
    }
    let mut totals = [0.0; N];
    for i in 0..N {
        totals[i] = (columns[0][i] + columns[2][i]) + (columns[1][i] + columns[3][i]);
    }
    totals
}

#[inline(never)]
fn add_up_f64<const N: usize>(sums: &[[f64; 8]; N]) -> [f64; N] {
    std::array::from_fn(|i| {
        let sums: [f64; 4] = halve(&sums[i]);
        (sums[0] + sums[2]) + (sums[1] + sums[3])
    })
}

dots_in_lanes!(dot_f32, one_f32, pair_f32, f32, f32, 32, add_up_f32);
dots_in_lanes!(dot_f64, one_f64, pair_f64, f64, f64, 16, add_up_f64);
dots_in_lanes!(dot_f32_wide, one_f32_wide, pair_f32_wide, f32, f64, 16, add_up_f64);
several_in_lanes!(dots_f64, pair_f64, f64, f64, add_up_f64);
several_in_lanes!(dots_f32_wide, pair_f32_wide, f32, f64, add_up_f64);
products_in_lanes!(products_f32, one_f32, pair_f32, f32, add_up_f32);
products_in_lanes!(products_f64, one_f64, pair_f64, f64, add_up_f64);

#[multiversion(targets = "simd")]
fn dot_f32_with_f64(a: &[Lanes<f32>], b: &[Lanes<f64>]) -> f64 {
    let mut sums = [0.0; 16];
    for (x, y) in a.iter().zip(b) {
        accumulate!(sums, x, y, f64);
    }
    let [sum] = add_up_f64(&[halve(&sums)]);
    sum
}

/// Inner product of plain columns of one length, in double precision.
#[multiversion(targets = "simd")]
pub fn dot_columns(a: &[f64], b: &[f64]) -> f64 {
    let ((a_chunks, a_tail), (b_chunks, b_tail)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0; 16];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..16 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let [sum] = add_up_f64(&[halve(&sums)]);
    sum + a_tail.iter().zip(b_tail).map(|(x, y)| x * y).sum::<f64>()
}

/// The values of a row as pieces, appended to `out`; `fill` converts a few.
fn append_lanes<T, R: num_traits::Zero + Copy>(values: &[T], fill: impl Fn(&mut [R], &[T]), out: &mut Vec<Lanes<R>>) {
    let (pieces, rest) = values.as_chunks::<LANES>();
    for piece in pieces {
        let mut lanes = Lanes([R::zero(); LANES]);
        fill(&mut lanes.0, piece);
        out.push(lanes);
    }
    if !rest.is_empty() {
        let mut lanes = Lanes([R::zero(); LANES]);
        fill(&mut lanes.0[..rest.len()], rest);
        out.push(lanes);
    }
}

/// Fills places with values that are converted one by one.
fn each<T: Copy, R>(convert: impl Fn(T) -> R) -> impl Fn(&mut [R], &[T]) {
    move |places, values| places.iter_mut().zip(values).for_each(|(place, &value)| *place = convert(value))
}

impl Real for f32 {
    fn of(x: f64) -> Self {
        x as Self
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn dot(a: &[Lanes<Self>], b: &[Lanes<Self>]) -> Self {
        dot_f32(a, b)
    }

    fn products(a: &[Lanes<Self>], rows: &[Lanes<Self>], stride: usize, numbers: &[u32], products: &mut [Self]) {
        products_f32(a, rows, stride, numbers, products);
    }

    fn dot_wide(a: &[Lanes<Self>], b: &[Lanes<Self>]) -> f64 {
        dot_f32_wide(a, b)
    }

    fn dots_wide(a: &[Lanes<Self>], others: [&[Lanes<Self>]; BESIDE]) -> [f64; BESIDE] {
        dots_f32_wide(a, others)
    }

    fn dot_with_wide(a: &[Lanes<Self>], b: &[Lanes<f64>]) -> f64 {
        dot_f32_with_f64(a, b)
    }

    fn as_single<'a>(row: &'a [Lanes<Self>], _: &'a mut Vec<Lanes<f32>>) -> &'a [Lanes<f32>] {
        row
    }

    fn bound(
        most: MostOfBlocks<'_, Self>,
        listed: &[u32],
        open: &[[Self; BLOCK]],
        bounds: &mut [[Self; BLOCK]],
        largest: &mut [Self],
    ) {
        bound::bound_f32(most, listed, open, bounds, largest);
    }

    fn append_row(embedding: &Embedding, row: usize, out: &mut Vec<Lanes<Self>>) {
        let range = row * embedding.dim..(row + 1) * embedding.dim;
        match &embedding.data {
            EmbeddingData::F16(v) => append_lanes(&v[range], |places, values| values.convert_to_f32_slice(places), out),
            EmbeddingData::F32(v) => append_lanes(&v[range], <[Self]>::copy_from_slice, out),
            EmbeddingData::F64(v) => append_lanes(&v[range], each(|x| x as Self), out),
        }
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn dot(a: &[Lanes<Self>], b: &[Lanes<Self>]) -> Self {
        dot_f64(a, b)
    }

    fn products(a: &[Lanes<Self>], rows: &[Lanes<Self>], stride: usize, numbers: &[u32], products: &mut [Self]) {
        products_f64(a, rows, stride, numbers, products);
    }

    fn dot_wide(a: &[Lanes<Self>], b: &[Lanes<Self>]) -> f64 {
        dot_f64(a, b)
    }

    fn dots_wide(a: &[Lanes<Self>], others: [&[Lanes<Self>]; BESIDE]) -> [f64; BESIDE] {
        dots_f64(a, others)
    }

    fn dot_with_wide(a: &[Lanes<Self>], b: &[Lanes<f64>]) -> f64 {
        dot_f64(a, b)
    }

    fn as_single<'a>(row: &'a [Lanes<Self>], room: &'a mut Vec<Lanes<f32>>) -> &'a [Lanes<f32>] {
        room.clear();
        room.extend(row.iter().map(|piece| Lanes(piece.0.map(|x| x as f32))));
        room
    }

    fn bound(
        most: MostOfBlocks<'_, Self>,
        listed: &[u32],
        open: &[[Self; BLOCK]],
        bounds: &mut [[Self; BLOCK]],
        largest: &mut [Self],
    ) {
        bound::bound_f64(most, listed, open, bounds, largest);
    }

    fn append_row(embedding: &Embedding, row: usize, out: &mut Vec<Lanes<Self>>) {
        let range = row * embedding.dim..(row + 1) * embedding.dim;
        match &embedding.data {
            EmbeddingData::F16(v) => append_lanes(&v[range], each(half::f16::to_f64), out),
            EmbeddingData::F32(v) => append_lanes(&v[range], each(Self::from), out),
            EmbeddingData::F64(v) => append_lanes(&v[range], <[Self]>::copy_from_slice, out),
        }
    }
}

#[cfg(test)]
mod tests;
