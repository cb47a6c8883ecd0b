//! The inverse square root of a small symmetric matrix, by products of matrices alone.
//!
//! ```text
//! Y ← A / s,  Z ← I;  repeat:  P ← Z Y,  T ← (15 I − 10 P + 3 P²) / 8,  Y ← Y T,  Z ← T Z;  then A^(−1/2) = Z / √s
//! ```
//! Newton and Schulz's iteration with one term more (Higham, Functions of Matrices, 2008, chapters 6 and 7). All of these are polynomials of
//! A, and yet the order of factors counts: with Z T in place of T Z what is rounded grows from step to step. What P lacks of I has a
//! bound that depends on the bounds of A's eigenvalues alone, so the number of steps does, too. Products of small matrices are work
//! for registers, where eigenvectors take roots and quotients that wait for each other.

use multiversion::multiversion;

use super::columns::LANES;
use super::product::{BLOCK, times};
use crate::config::MAX_SPECTRA;

/// Where P lacks so little of I, the step without P² is enough, and the last.
const ALMOST: f64 = 1e-8;
/// Where P lacks so little of I, the step is the last.
const NEAR: f64 = 1e-5;

/// Numbers that `k` rows of a matrix take here: whole groups of columns, whole blocks of rows, zeros beyond `k`.
pub fn size(k: usize) -> usize {
    k.next_multiple_of(BLOCK) * row_length(k)
}

/// Numbers between the starts of two rows.
pub fn row_length(k: usize) -> usize {
    k.next_multiple_of(LANES)
}

/// `root ← (shift I + B)^(−1/2)` for a symmetric `matrix` B of `k` rows without gaps; `root` has [`size`] numbers.
///
/// False, and no root, where it is not certain that every eigenvalue of B is positive and at least `least_share` of the largest.
#[multiversion(targets = "simd")]
pub fn inverse_root(matrix: &[f64], k: usize, shift: f64, least_share: f64, root: &mut [f64]) -> bool {
    if k <= LANES {
        inverse_root_of::<{ LANES * LANES }>(matrix, k, shift, least_share, root)
    } else {
        inverse_root_of::<{ MAX_SPECTRA * MAX_SPECTRA }>(matrix, k, shift, least_share, root)
    }
}

/// In room for `SIZE` numbers a matrix.
#[inline(always)]
fn inverse_root_of<const SIZE: usize>(
    matrix: &[f64],
    k: usize,
    shift: f64,
    least_share: f64,
    root: &mut [f64],
) -> bool {
    let bounds = bounds(matrix, k).filter(|&(least, most)| least > 0.0 && least >= least_share * most);
    let Some((least, most)) = bounds else { return false };
    let (least, most) = (least + shift, most + shift);
    let scale = 2.0 / (least + most);
    let length = row_length(k);
    let [mut y, mut square, mut p, mut other] = [[0.0; SIZE]; 4];
    let (y, square) = (&mut y[..root.len()], &mut square[..root.len()]);
    let (p, other, z) = (&mut p[..root.len()], &mut other[..root.len()], root);
    for ((y, row), i) in y.chunks_exact_mut(length).zip(matrix.chunks_exact(k)).zip(0..) {
        y.iter_mut().zip(row).for_each(|(y, x)| *y = scale * x);
        y[i] += scale * shift;
    }
    // The first step, of Z = I and P = Y.
    times(y, y, square, length);
    combine(z, -1.25, y, 0.375, square);
    for i in 0..k {
        z[i * length + i] += 1.875;
    }
    times(y, z, other, length);
    y.copy_from_slice(other);
    // No eigenvalue of I − P is further from 0.
    let mut lack = after_step((most - least) / (most + least));
    loop {
        times(y, z, p, length);
        if lack < ALMOST {
            times(z, p, other, length);
            add_to(z, 1.5, -0.5, other);
            break;
        }
        times(p, p, square, length);
        add_to(p, -1.25, 0.375, square);
        times(z, p, other, length);
        add_to(z, 1.875, 1.0, other);
        if lack < NEAR {
            break;
        }
        times(p, y, other, length);
        add_to(y, 1.875, 1.0, other);
        lack = after_step(lack);
    }
    let factor = scale.sqrt();
    z.iter_mut().for_each(|z| *z *= factor);
    true
}

/// Numbers between which all eigenvalues of a symmetric matrix lie; none where its diagonal is not positive.
///
/// With D² the diagonal, B = D (I + O) D. The eigenvalues of I + O are off from 1 by no more than the largest sum of a row of |O|
/// (Gershgorin), and D takes them apart no further than its own range (Ostrowski).
#[inline(always)]
fn bounds(matrix: &[f64], k: usize) -> Option<(f64, f64)> {
    let mut diagonal = [1.0; MAX_SPECTRA];
    let (mut least, mut most) = (f64::INFINITY, 0.0);
    for (entry, &x) in diagonal.iter_mut().zip(matrix.iter().step_by(k + 1)) {
        *entry = x;
        least = if x < least { x } else { least };
        most = if x > most { x } else { most };
    }
    if least <= 0.0 {
        return None;
    }
    let inverse = diagonal.map(|x| 1.0 / x.sqrt());
    let mut sums = [0.0; MAX_SPECTRA];
    for (row, factor) in matrix.chunks_exact(k).zip(&inverse) {
        for (sum, x) in sums.iter_mut().zip(row) {
            *sum += x.abs() * factor;
        }
    }
    let (mut off, mut total) = (0.0, 0.0);
    for (sum, factor) in sums.iter().zip(&inverse).take(k) {
        let sum = sum * factor - 1.0;
        off = if sum > off { sum } else { off };
        total += sum;
    }
    // What is not a number is passed over above, but not here.
    f64::is_finite(total).then_some((least * (1.0 - off), most * (1.0 + off)))
}

/// `matrix ← C matrix C` for a root C and a symmetric matrix of the same layout.
#[multiversion(targets = "simd")]
pub fn enclose(matrix: &mut [f64], root: &[f64], length: usize) {
    let mut half = [0.0; MAX_SPECTRA * MAX_SPECTRA];
    let half = &mut half[..root.len()];
    times(root, matrix, half, length);
    times(half, root, matrix, length);
}

/// Of what P lacks before a step, what it lacks after it at most.
fn after_step(lack: f64) -> f64 {
    lack * lack * lack * (0.625 + lack * (0.234_375 + lack * 0.140_625))
}

#[inline(always)]
fn combine(sum: &mut [f64], a: f64, x: &[f64], b: f64, y: &[f64]) {
    for ((sum, x), y) in sum.iter_mut().zip(x).zip(y) {
        *sum = a * x + b * y;
    }
}

#[inline(always)]
fn add_to(x: &mut [f64], a: f64, b: f64, y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x = a * *x + b * y;
    }
}

#[cfg(test)]
mod tests {
    use super::super::jacobi::jacobi;
    use super::*;
    use crate::parity::random::Random;

    /// A symmetric matrix with these eigenvalues, turned a little out of the diagonal or all the way.
    fn matrix(values: &[f64], turn: f64, random: &mut Random) -> Vec<f64> {
        let k = values.len();
        let mut matrix = vec![0.0; k * k];
        values.iter().enumerate().for_each(|(i, value)| matrix[i * k + i] = *value);
        for (a, b) in (0..k).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let (sine, cosine) = (turn * random.normals(1)[0]).sin_cos();
            for i in 0..k {
                let (x, y) = (matrix[i * k + a], matrix[i * k + b]);
                (matrix[i * k + a], matrix[i * k + b]) = (cosine * x + sine * y, cosine * y - sine * x);
            }
            for i in 0..k {
                let (x, y) = (matrix[a * k + i], matrix[b * k + i]);
                (matrix[a * k + i], matrix[b * k + i]) = (cosine * x + sine * y, cosine * y - sine * x);
            }
        }
        matrix
    }

    #[test]
    fn the_root_is_that_of_the_eigenvalues() {
        let mut random = Random(3);
        let mut n_found = 0;
        for k in 1..=MAX_SPECTRA {
            for (range, turn) in [(1.0, 1.0), (1.5, 0.02), (20.0, 0.01), (2e3, 0.002), (9e3, 0.0)] {
                let values: Vec<f64> =
                    (0..k).map(|i| 5.0 * f64::powf(range, -(i as f64) / (k.max(2) - 1) as f64)).collect();
                let before = matrix(&values, turn, &mut random);
                for shift in [0.0, 1e-3, 0.1] {
                    let mut root = vec![0.0; size(k)];
                    if !inverse_root(&before, k, shift, 1e-4, &mut root) {
                        assert!(turn > 0.0 && range > 1.0, "k = {k}, range {range}, shift {shift}");
                        continue;
                    }
                    n_found += 1;
                    let (mut diagonal, mut vectors) = (before.clone(), vec![0.0; k * k]);
                    jacobi(&mut diagonal, &mut vectors, k);
                    // What is rounded is magnified as far as eigenvalues lie apart.
                    let tolerance = 1e-14 * range.sqrt() / (shift + values[k - 1]).sqrt();
                    for (a, b) in (0..k * k).map(|ab| (ab / k, ab % k)) {
                        let terms = (0..k)
                            .map(|i| vectors[i * k + a] * vectors[i * k + b] / (shift + diagonal[i * k + i]).sqrt());
                        let (found, wanted) = (root[a * row_length(k) + b], terms.sum::<f64>());
                        assert!(
                            (found - wanted).abs() < tolerance,
                            "k = {k}, range {range}, shift {shift}: {found} {wanted}"
                        );
                    }
                }
            }
        }
        assert!(n_found > 180, "{n_found} of {}", MAX_SPECTRA * 15);
    }

    #[test]
    fn eigenvalues_lie_between_the_bounds() {
        let mut random = Random(6);
        for k in 1..=MAX_SPECTRA {
            for turn in [0.0, 0.01, 0.1, 1.0] {
                let values: Vec<f64> = (0..k).map(|_| 0.5 + 3.0 * random.unit()).collect();
                let (least, most) = bounds(&matrix(&values, turn, &mut random), k).unwrap();
                for value in values {
                    assert!(least <= value * (1.0 + 1e-12) && value <= most * (1.0 + 1e-12), "{value}: {least} {most}");
                }
            }
            // All of one sign: the largest eigenvalue is the bound, 1 + (k − 1)/k.
            let even: Vec<f64> = (0..k * k).map(|i| if i % (k + 1) == 0 { 1.0 } else { 1.0 / k as f64 }).collect();
            let (least, most) = bounds(&even, k).unwrap();
            assert!((most - (2.0 - 1.0 / k as f64)).abs() < 1e-12 && (least - 1.0 / k as f64).abs() < 1e-12);
        }
    }

    #[test]
    fn no_root_where_an_eigenvalue_may_be_small() {
        let mut root = [0.0; 32];
        for (matrix, least_share) in [
            ([1.0, 0.0, 0.0, 0.0], 1e-4),
            ([1.0, 0.0, 0.0, -1.0], 1e-4),
            ([0.0; 4], 1e-4),
            // Eigenvalues 2 and 0.
            ([1.0, 1.0, 1.0, 1.0], 0.0),
            ([1.0, 0.0, 0.0, 9e-5], 1e-4),
            ([1.0, f64::NAN, f64::NAN, 1.0], 1e-4),
            ([f64::NAN, 0.0, 0.0, 1.0], 1e-4),
            ([f64::INFINITY, 0.0, 0.0, 1.0], 0.0),
        ] {
            assert!(!inverse_root(&matrix, 2, 0.1, least_share, &mut root), "{matrix:?}");
        }
        assert!(inverse_root(&[1.0, 0.0, 0.0, 2e-4], 2, 0.0, 1e-4, &mut root));
    }

    #[test]
    fn a_matrix_is_enclosed_by_the_root() {
        let (values, mut random) = ([3.0, 2.5, 2.0, 1.5, 1.0], Random(4));
        let (k, length) = (values.len(), row_length(values.len()));
        let mut root = vec![0.0; size(k)];
        assert!(inverse_root(&matrix(&values, 0.01, &mut random), k, 0.1, 1e-4, &mut root));
        let before = matrix(&[1.0, -2.0, 0.5, 0.0, 4.0], 1.0, &mut random);
        let mut enclosed = vec![0.0; size(k)];
        for (row, before) in enclosed.chunks_exact_mut(length).zip(before.chunks_exact(k)) {
            row[..k].copy_from_slice(before);
        }
        enclose(&mut enclosed, &root, length);
        for (a, b) in (0..k * k).map(|ab| (ab / k, ab % k)) {
            let terms = (0..k * k).map(|ij| (ij / k, ij % k));
            let wanted: f64 = terms.map(|(i, j)| root[a * length + i] * before[i * k + j] * root[j * length + b]).sum();
            assert!((enclosed[a * length + b] - wanted).abs() < 1e-13, "{a} {b}");
        }
    }
}
