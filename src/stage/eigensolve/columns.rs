//! Algebra of columns, in whole groups of slots: what [`Eigensolve`](super::Eigensolve) does most.
//!
//! Columns have a length that is a multiple of [`LANES`], zeros at the end, so that no loop has a remainder. Every function
//! here is compiled for several instruction sets and chosen when it is called, so calls are few and do much.

use multiversion::multiversion;

use super::{COLLAPSE, NOTHING, pseudo_random};
use crate::config::MAX_SPECTRA;

/// Slots handled side by side: a register of AVX-512.
pub const LANES: usize = 8;
/// Columns that share a read of the matrix.
const BLOCK: usize = 4;

/// `product ← S basis`: S has rows of the columns' length and is symmetric.
#[multiversion(targets = "simd")]
pub fn multiply(symmetric: &[f64], basis: &[f64], product: &mut [f64], length: usize) {
    let size = BLOCK * length;
    for (columns, out) in basis.chunks(size).zip(product.chunks_mut(size)) {
        match columns.len() / length {
            1 => multiply_block::<1>(symmetric, columns, out, length),
            2 => multiply_block::<2>(symmetric, columns, out, length),
            3 => multiply_block::<3>(symmetric, columns, out, length),
            _ => multiply_block::<BLOCK>(symmetric, columns, out, length),
        }
    }
}

/// Some columns of the product. A row of a symmetric matrix is a column, so sums run over rows, in the order of the slots.
#[inline(always)]
fn multiply_block<const N: usize>(symmetric: &[f64], basis: &[f64], product: &mut [f64], length: usize) {
    let n_rows = symmetric.len() / length;
    let columns: [&[f64]; N] = std::array::from_fn(|c| &basis[c * length..c * length + n_rows]);
    for start in (0..length).step_by(LANES) {
        let mut sums = [[0.0; LANES]; N];
        for (j, row) in symmetric.chunks_exact(length).enumerate() {
            let group = &row[start..start + LANES];
            for (sums, column) in sums.iter_mut().zip(&columns) {
                for lane in 0..LANES {
                    sums[lane] += group[lane] * column[j];
                }
            }
        }
        for (c, sums) in sums.iter().enumerate() {
            product[c * length + start..c * length + start + LANES].copy_from_slice(sums);
        }
    }
}

/// `product ← product − a bᵀ + c dᵀ` by columns, for a row `a` of S and a row `b` of the basis as they were, and a row `c` of S and the
/// basis as they are, `d` its row of a slot.
#[multiversion(targets = "simd")]
pub fn exchange(product: &mut [f64], before: (&[f64], &[f64]), now: (&[f64], &[f64], usize)) {
    let (row_before, basis_before) = before;
    let (row, basis, slot) = now;
    let length = row.len();
    for ((product, column), &gone) in product.chunks_exact_mut(length).zip(basis.chunks_exact(length)).zip(basis_before)
    {
        let come = column[slot];
        for ((x, &before), &now) in product.iter_mut().zip(row_before).zip(row) {
            *x = (*x - gone * before) + come * now;
        }
    }
}

/// One row of `S basis`, from that row of S.
#[multiversion(targets = "simd")]
pub fn multiply_row(row: &[f64], basis: &[f64], product: &mut [f64], slot: usize) {
    let length = row.len();
    for (product, column) in product.chunks_exact_mut(length).zip(basis.chunks_exact(length)) {
        product[slot] = dot(row, column);
    }
}

/// Gram–Schmidt, each column twice. A column that collapses is refilled with fixed pseudo-random entries; one that
/// collapses again (more columns than items) becomes zero.
#[multiversion(targets = "simd")]
pub fn orthonormalise(columns: &mut [f64], length: usize, is_occupied: &dyn Fn(usize) -> bool) {
    let nothing = NOTHING * norm(&columns[..length]);
    for c in 0..columns.len() / length {
        let (earlier, rest) = columns.split_at_mut(c * length);
        let column = &mut rest[..length];
        let mut after = remove_all(earlier, column).filter(|&length| length > nothing);
        if after.is_none() {
            for (i, x) in column.iter_mut().enumerate() {
                *x = if is_occupied(i) { pseudo_random(i, c) } else { 0.0 };
            }
            after = remove_all(earlier, column);
        }
        let factor = after.map_or(0.0, |length| 1.0 / length);
        column.iter_mut().for_each(|x| *x *= factor);
    }
}

/// Takes out of a column what lies in the columns before it; returns the length that is left, none where it collapsed.
///
/// Against its own length only. A short column may be rounding noise, whose spectrum is dropped in the end, or a weak
/// spectrum that is not found yet, which refilling would keep from ever being found.
#[inline(always)]
fn remove_all(earlier: &[f64], column: &mut [f64]) -> Option<f64> {
    let before = norm(column);
    let mut shares = [0.0; MAX_SPECTRA];
    for _ in 0..2 {
        // All shares first, as a GPU does; once would leave rounding of the column's whole length.
        for (share, other) in shares.iter_mut().zip(earlier.chunks_exact(column.len())) {
            *share = dot(other, column);
        }
        shares.iter_mut().for_each(|share| *share = -*share);
        add_combination(column, earlier, &shares);
    }
    let after = norm(column);
    (after > COLLAPSE * before).then_some(after)
}

/// `projected ← basisᵀ product`, which is symmetric: half of it is computed.
#[multiversion(targets = "simd")]
pub fn project(basis: &[f64], product: &[f64], projected: &mut [f64], length: usize) {
    let k = basis.len() / length;
    for (a, column) in basis.chunks_exact(length).enumerate() {
        for (b, other) in product.chunks_exact(length).enumerate().take(a + 1) {
            let sum = dot(column, other);
            projected[a * k + b] = sum;
            projected[b * k + a] = sum;
        }
    }
}

/// `turned ← basis Qᵀ`, with row `order[i]` of Q for column i.
#[multiversion(targets = "simd")]
pub fn turn(basis: &[f64], rotation: &[f64], order: &[usize], turned: &mut [f64], length: usize) {
    for (turned, &old) in turned.chunks_exact_mut(length).zip(order) {
        let factors = &rotation[old * order.len()..(old + 1) * order.len()];
        for (group, turned) in turned.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            *turned = combination([0.0; LANES], basis, factors, length, group);
        }
    }
}

#[inline(always)]
fn norm(column: &[f64]) -> f64 {
    dot(column, column).sqrt()
}

/// Adds multiples of columns to a column, a group of slots at a time.
#[inline(always)]
fn add_combination(to: &mut [f64], columns: &[f64], factors: &[f64]) {
    let length = to.len();
    for (group, to) in to.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        *to = combination(*to, columns, factors, length, group);
    }
}

/// `start` plus multiples of a group of slots of every column.
#[inline(always)]
fn combination(start: [f64; LANES], columns: &[f64], factors: &[f64], length: usize, group: usize) -> [f64; LANES] {
    let mut sums = start;
    for (column, factor) in columns.chunks_exact(length).zip(factors) {
        let from = &column[group * LANES..(group + 1) * LANES];
        for lane in 0..LANES {
            sums[lane] += factor * from[lane];
        }
    }
    sums
}

/// Inner product of two columns: in eight sums, so that it need not wait for every addition.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for (x, y) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sum(&sums)
}

// Not inlined, or the compiler works in pairs all the way up into the loop; see `real.rs`.
#[inline(never)]
fn sum(sums: &[f64; LANES]) -> f64 {
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
}
