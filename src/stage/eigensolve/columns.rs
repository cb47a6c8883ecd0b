//! Algebra of columns, in whole groups of slots: what [`Eigensolve`](super::Eigensolve) does most.
//!
//! Columns have a length that is a multiple of [`LANES`], zeros at the end, so that no loop has a remainder. Every function
//! here is compiled for several instruction sets and chosen when it is called, so calls are few and do much.

use multiversion::multiversion;

use super::product::BLOCK;
use super::{COLLAPSE, NOTHING, cholesky, pseudo_random};
use crate::config::{MAX_SPECTRA, MAX_WINDOW};

/// Slots handled side by side: a register of AVX-512.
pub const LANES: usize = 8;
/// Calls a function with the sizes of the default window and of a wide one as numbers that the compiler knows.
macro_rules! with_known_sizes {
    (($k:ident, $length:ident) = $sizes:expr, $call:expr) => {
        match $sizes {
            (4, 16) => {
                let ($k, $length) = (4, 16);
                $call
            }
            (8, 64) => {
                let ($k, $length) = (8, 64);
                $call
            }
            ($k, $length) => $call,
        }
    };
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
    with_known_sizes!((k, length) = (basis.len() / row.len(), row.len()), {
        let mut sums = [0.0; MAX_SPECTRA];
        dots(&basis[..k * length], &row[..length], &mut sums);
        product[..k * length].chunks_exact_mut(length).zip(sums).for_each(|(column, sum)| column[slot] = sum);
    });
}

/// Rows of the basis added up, each times a fixed pseudo-random share that depends on the slot that is entered.
#[multiversion(targets = "simd")]
pub fn mix(basis: &[f64], length: usize, slot: usize, mixture: &mut [f64; MAX_SPECTRA]) {
    let mut shares = [0.0; MAX_WINDOW];
    with_known_sizes!((k, length) = (basis.len() / length, length), {
        // Beyond the slots a column is zero.
        for (row, share) in shares[..length].iter_mut().enumerate() {
            *share = pseudo_random(MAX_WINDOW + slot, row);
        }
        dots(&basis[..k * length], &shares[..length], mixture);
    });
}

/// `V R ← columns`, R a triangle, V orthonormal, where columns are not much alike; false where they are, and nothing was changed.
#[multiversion(targets = "simd")]
pub fn orthonormalise_unlike(columns: &mut [f64], length: usize) -> bool {
    with_known_sizes!((k, length) = (columns.len() / length, length), divide(columns, k, length))
}

#[inline(always)]
fn divide(columns: &mut [f64], k: usize, length: usize) -> bool {
    let columns = &mut columns[..k * length];
    match k {
        0..=4 => cholesky::orthonormalise::<4>(columns, k, length),
        5..=8 => cholesky::orthonormalise::<8>(columns, k, length),
        _ => cholesky::orthonormalise::<MAX_SPECTRA>(columns, k, length),
    }
}

/// As [`orthonormalise_unlike`] for any columns; V is orthonormal but for columns that collapse.
#[multiversion(targets = "simd")]
pub fn orthonormalise_alike(columns: &mut [f64], length: usize, is_occupied: &dyn Fn(usize) -> bool) {
    with_known_sizes!(
        (k, length) = (columns.len() / length, length),
        remove_one_by_one(columns, k, length, is_occupied)
    );
}

/// Gram–Schmidt, each column twice. A column that collapses is refilled with fixed pseudo-random entries; one that
/// collapses again (more columns than items) becomes zero.
#[inline(always)]
fn remove_one_by_one(columns: &mut [f64], k: usize, length: usize, is_occupied: &dyn Fn(usize) -> bool) {
    let mut nothing = 0.0;
    for c in 0..k {
        let mut after = remove_all(columns, c, length);
        if c == 0 {
            nothing = NOTHING * NOTHING * after.unwrap_or(0.0);
        }
        after = after.filter(|&square| square > nothing);
        if after.is_none() {
            for (i, x) in columns[c * length..(c + 1) * length].iter_mut().enumerate() {
                *x = if is_occupied(i) { pseudo_random(i, c) } else { 0.0 };
            }
            after = remove_all(columns, c, length);
        }
        let factor = after.map_or(0.0, |square| 1.0 / square.sqrt());
        columns[c * length..(c + 1) * length].iter_mut().for_each(|x| *x *= factor);
    }
}

/// Takes out of column `c` what lies in the columns before it; returns the square of the length that is left, none where it
/// collapsed.
///
/// Against its own length only. A short column may be rounding noise, whose spectrum is dropped in the end, or a weak
/// spectrum that is not found yet, which refilling would keep from ever being found.
#[inline(always)]
fn remove_all(columns: &mut [f64], c: usize, length: usize) -> Option<f64> {
    let mut shares = [0.0; MAX_SPECTRA];
    // All shares first, as a GPU does. The last of them is the column's own.
    dots(&columns[..(c + 1) * length], &columns[c * length..(c + 1) * length], &mut shares);
    let before = shares[c];
    let mut after = before;
    if c > 0 {
        let (earlier, rest) = columns.split_at_mut(c * length);
        let column = &mut rest[..length];
        subtract(column, earlier, &shares);
        // Once would leave rounding of the column's whole length.
        dots(earlier, column, &mut shares);
        after = subtract(column, earlier, &shares);
    }
    (after > COLLAPSE * COLLAPSE * before).then_some(after)
}

/// `projected ← basisᵀ product`, which is symmetric: half of it is computed.
#[multiversion(targets = "simd")]
pub fn project(basis: &[f64], product: &[f64], projected: &mut [f64], length: usize) {
    with_known_sizes!((k, length) = (basis.len() / length, length), project_of(basis, product, projected, k, length));
}

#[inline(always)]
fn project_of(basis: &[f64], product: &[f64], projected: &mut [f64], k: usize, length: usize) {
    let mut sums = [0.0; MAX_SPECTRA];
    for a in 0..k {
        dots(&product[..(a + 1) * length], &basis[a * length..(a + 1) * length], &mut sums);
        for (b, &sum) in sums.iter().enumerate().take(a + 1) {
            projected[a * k + b] = sum;
            projected[b * k + a] = sum;
        }
    }
}

/// `turned ← basis Qᵀ`, with row `order[i]` of Q for column i.
#[multiversion(targets = "simd")]
pub fn turn(basis: &[f64], rotation: &[f64], order: &[usize], turned: &mut [f64], length: usize) {
    match (order.len(), length) {
        (4, 16) => turn_of(basis, rotation, order, turned, 4, 16),
        // With more, what is to stay in registers does not fit.
        (k, length) => turn_of(basis, rotation, order, turned, k, length),
    }
}

#[inline(always)]
fn turn_of(basis: &[f64], rotation: &[f64], order: &[usize], turned: &mut [f64], k: usize, length: usize) {
    let basis = &basis[..k * length];
    for (turned, &old) in turned.chunks_exact_mut(length).zip(&order[..k]) {
        let factors = &rotation[old * k..(old + 1) * k];
        for (group, turned) in turned.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            *turned = combination(basis, factors, length, group);
        }
    }
}

/// Subtracts multiples of columns from a column, a group of slots at a time; returns the square of the length that is left.
#[inline(always)]
fn subtract(from: &mut [f64], columns: &[f64], factors: &[f64; MAX_SPECTRA]) -> f64 {
    let length = from.len();
    let mut squares = [0.0; LANES];
    for (group, from) in from.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let mut left = *from;
        for (column, &factor) in columns.chunks_exact(length).zip(factors) {
            let column = &column.as_chunks::<LANES>().0[group];
            for lane in 0..LANES {
                left[lane] -= factor * column[lane];
            }
        }
        for lane in 0..LANES {
            squares[lane] += left[lane] * left[lane];
        }
        *from = left;
    }
    let [square] = add_up(&[squares]);
    square
}

/// Multiples of a group of slots of every column, added up.
#[inline(always)]
fn combination(columns: &[f64], factors: &[f64], length: usize, group: usize) -> [f64; LANES] {
    let mut sums = [0.0; LANES];
    for (column, factor) in columns.chunks_exact(length).zip(factors) {
        let from = &column[group * LANES..(group + 1) * LANES];
        for lane in 0..LANES {
            sums[lane] += factor * from[lane];
        }
    }
    sums
}

/// Inner products of columns with one column.
#[inline(always)]
pub fn dots(columns: &[f64], other: &[f64], products: &mut [f64; MAX_SPECTRA]) {
    let length = other.len();
    for (columns, products) in columns.chunks(BLOCK * length).zip(products.chunks_mut(BLOCK)) {
        match columns.len() / length {
            1 => products[..1].copy_from_slice(&dots_of_block::<1>(columns, other)),
            2 => products[..2].copy_from_slice(&dots_of_block::<2>(columns, other)),
            3 => products[..3].copy_from_slice(&dots_of_block::<3>(columns, other)),
            _ => products.copy_from_slice(&dots_of_block::<BLOCK>(columns, other)),
        }
    }
}

/// In eight sums each, so that no product need wait for every addition.
#[inline(always)]
fn dots_of_block<const N: usize>(columns: &[f64], other: &[f64]) -> [f64; N] {
    let length = other.len();
    let mut sums = [[0.0; LANES]; N];
    for (group, other) in other.as_chunks::<LANES>().0.iter().enumerate() {
        for c in 0..N {
            let column = &columns[c * length + group * LANES..][..LANES];
            for lane in 0..LANES {
                sums[c][lane] += column[lane] * other[lane];
            }
        }
    }
    add_up(&sums)
}

#[inline(always)]
fn add_up<const N: usize>(sums: &[[f64; LANES]; N]) -> [f64; N] {
    let mut totals = [0.0; N];
    for (total, sums) in totals.iter_mut().zip(sums) {
        *total = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::random::Random;

    #[test]
    fn sizes_that_the_compiler_knows_make_no_difference() {
        for (k, length) in [(4, 16), (8, 64)] {
            let all = |_: usize| true;
            let mut random = Random(1);
            let [basis, product, rotation] = [k * length, k * length, k * k].map(|n| random.normals(n));
            let order: Vec<usize> = (0..k).rev().collect();
            // What the compiler cannot know.
            let (k, length) = std::hint::black_box((k, length));

            let [mut known, mut unknown, mut one_by_one] = [(); 3].map(|()| basis.clone());
            assert!(orthonormalise_unlike(&mut known, length) && divide(&mut unknown, k, length));
            assert_eq!(known, unknown);
            orthonormalise_alike(&mut one_by_one, length, &all);
            for (x, y) in known.iter().zip(&one_by_one) {
                assert!((x - y).abs() < 1e-13, "{x} {y}");
            }
            let [mut known, mut unknown] = [(); 2].map(|()| basis.clone());
            orthonormalise_alike(&mut known, length, &all);
            remove_one_by_one(&mut unknown, k, length, &all);
            assert_eq!(known, unknown);
            let (mut known, mut unknown) = (vec![0.0; k * k], vec![0.0; k * k]);
            project(&basis, &product, &mut known, length);
            project_of(&basis, &product, &mut unknown, k, length);
            assert_eq!(known, unknown);
            let (mut known, mut unknown) = (basis.clone(), basis.clone());
            turn(&basis, &rotation, &order, &mut known, length);
            turn_of(&basis, &rotation, &order, &mut unknown, k, length);
            assert_eq!(known, unknown);
        }
    }
}
