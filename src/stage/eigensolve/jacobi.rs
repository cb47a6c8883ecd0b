//! Eigenpairs of a small symmetric matrix.

use multiversion::multiversion;

use super::{JACOBI_SWEEPS, JACOBI_TOLERANCE};
use crate::config::MAX_SPECTRA;

/// Jacobi's method: `matrix` becomes diagonal, `vectors` its eigenvectors in rows.
///
/// Pairs are taken in rounds of a tournament, so that the rotations of a round touch disjoint rows and can all be found
/// before any is carried out.
#[multiversion(targets = "simd")]
pub fn jacobi(matrix: &mut [f64], vectors: &mut [f64], k: usize) {
    // Four and eight are compiled with their number known; others have room for the next size.
    match k {
        4 => jacobi_of::<4>(matrix, vectors, 4),
        8 => jacobi_of::<8>(matrix, vectors, 8),
        0..4 => jacobi_of::<4>(matrix, vectors, k),
        5..8 => jacobi_of::<8>(matrix, vectors, k),
        _ => jacobi_of::<MAX_SPECTRA>(matrix, vectors, k),
    }
}

/// A rotation for a smaller pair of numbers would multiply and divide by what no f64 holds; it counts as one by nothing. Rows are
/// never so short that this matters.
const TINY: f64 = 1e-150;

/// A matrix of `k` rows and columns, at most `N`.
type Matrix<const N: usize> = [[f64; N]; N];

#[inline(always)]
fn jacobi_of<const N: usize>(flat: &mut [f64], flat_vectors: &mut [f64], k: usize) {
    let (mut matrix, mut vectors) = ([[0.0; N]; N], [[0.0; N]; N]);
    for i in 0..k {
        matrix[i][..k].copy_from_slice(&flat[i * k..(i + 1) * k]);
        vectors[i][i] = 1.0;
    }
    for _ in 0..JACOBI_SWEEPS {
        if is_diagonal(&matrix, k) {
            break;
        }
        sweep(&mut matrix, &mut vectors, k);
    }
    for i in 0..k {
        flat[i * k..(i + 1) * k].copy_from_slice(&matrix[i][..k]);
        flat_vectors[i * k..(i + 1) * k].copy_from_slice(&vectors[i][..k]);
    }
}

/// True where rounds are compiled with their number known.
#[inline(always)]
fn is_known(n: usize, k: usize) -> bool {
    k == n && (n == 4 || n == 8)
}

/// Every pair once. Rounds that the compiler knows become shuffles of registers.
#[inline(always)]
fn sweep<const N: usize>(matrix: &mut Matrix<N>, vectors: &mut Matrix<N>, k: usize) {
    if is_known(N, k) {
        turn_round(matrix, vectors, N, 0);
        turn_round(matrix, vectors, N, 1);
        turn_round(matrix, vectors, N, 2);
        if N == 8 {
            turn_round(matrix, vectors, N, 3);
            turn_round(matrix, vectors, N, 4);
            turn_round(matrix, vectors, N, 5);
            turn_round(matrix, vectors, N, 6);
        }
    } else {
        for round in 0..tournament_rounds(k) {
            turn_round(matrix, vectors, k, round);
        }
    }
}

/// Takes the pairs of a round to the diagonal. Every row is turned with its partner's, `x_i ← c_i x_i + s_i x_partner(i)`, and so is
/// every column; who has no partner stays.
#[inline(always)]
fn turn_round<const N: usize>(matrix: &mut Matrix<N>, vectors: &mut Matrix<N>, k: usize, round: usize) {
    let mut partners: [usize; N] = std::array::from_fn(|i| i);
    for (i, other) in partners.iter_mut().enumerate().take(k) {
        let met = partner(i, round, k);
        *other = if met < k { met } else { i };
    }
    let (mut cosine, mut sine) = ([1.0; N], [0.0; N]);
    for (p, &q) in partners.iter().enumerate() {
        if p < q {
            let (c, s) = rotation(matrix[p][p], matrix[q][q], matrix[p][q]);
            (cosine[p], cosine[q]) = (c, c);
            (sine[p], sine[q]) = (-s, s);
        }
    }
    if sine.iter().any(|&sine| sine != 0.0) {
        turn_rows(matrix, &partners, &cosine, &sine);
        if is_known(N, k) {
            for row in matrix.iter_mut() {
                let before = *row;
                for j in 0..N {
                    row[j] = cosine[j] * before[j] + sine[j] * before[partners[j]];
                }
            }
        } else {
            // Where the partners are not known, columns are turned as rows of the transpose, which is as good: the matrix is symmetric.
            transpose(matrix, k);
            turn_rows(matrix, &partners, &cosine, &sine);
        }
        turn_rows(vectors, &partners, &cosine, &sine);
    }
    // Where a rotation is one by nothing, this is the entry that is too small to turn for.
    for (p, &q) in partners.iter().enumerate() {
        if p != q {
            matrix[p][q] = 0.0;
        }
    }
}

#[inline(always)]
fn turn_rows<const N: usize>(rows: &mut Matrix<N>, partners: &[usize; N], cosine: &[f64; N], sine: &[f64; N]) {
    for (p, &q) in partners.iter().enumerate() {
        if p < q {
            let (before, from_q) = rows.split_at_mut(q);
            for (x, y) in before[p].iter_mut().zip(&mut from_q[0]) {
                (*x, *y) = (cosine[p] * *x + sine[p] * *y, cosine[q] * *y + sine[q] * *x);
            }
        }
    }
}

#[inline(always)]
fn transpose<const N: usize>(matrix: &mut Matrix<N>, k: usize) {
    for a in 1..k {
        let (before, from_a) = matrix.split_at_mut(a);
        for (b, row) in before.iter_mut().enumerate() {
            std::mem::swap(&mut row[a], &mut from_a[0][b]);
        }
    }
}

/// Cosine and sine of the rotation that takes an entry off the diagonal: of the angle whose double has the tangent b/d. With few roots and
/// quotients that wait for each other, which is what a small matrix takes its time for. A GPU takes the tangent first, and where both
/// diagonal entries are the same number it may turn the other way: another basis of the same pair.
#[inline(always)]
fn rotation(pp: f64, qq: f64, pq: f64) -> (f64, f64) {
    let is_small = pq.abs() <= f64::EPSILON * JACOBI_TOLERANCE * (pp.abs() + qq.abs());
    let (d, b) = (qq - pp, 2.0 * pq);
    let radius = (d * d + b * b).sqrt();
    if is_small || radius < TINY {
        return (1.0, 0.0);
    }
    let wide = d.abs() + radius;
    let inverse = 1.0 / (2.0 * radius * wide).sqrt();
    (wide * inverse, if d < 0.0 { -b } else { b } * inverse)
}

#[inline(always)]
fn is_diagonal<const N: usize>(matrix: &Matrix<N>, k: usize) -> bool {
    let tolerance = f64::EPSILON * JACOBI_TOLERANCE;
    (0..k).all(|a| (0..a).all(|b| matrix[a][b].abs() <= tolerance * (matrix[a][a].abs() + matrix[b][b].abs())))
}

/// Rounds in which every pair of `k` meets once.
pub fn tournament_rounds(k: usize) -> usize {
    k + k % 2 - usize::from(k > 0)
}

/// Whom `i` meets in a round (the circle method); `k` or more means nobody.
pub fn partner(i: usize, round: usize, k: usize) -> usize {
    let n = k + k % 2;
    let last = n - 1;
    if i == last {
        return round;
    }
    if i == round {
        return last;
    }
    // Modulo `last`, of a number that is below three times that: two steps are quicker than a division.
    let other = 2 * round + last - i;
    let other = if other >= 2 * last { other - 2 * last } else { other };
    if other >= last { other - last } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_becomes_diagonal_by_rotations() {
        for k in 1..=MAX_SPECTRA {
            // Ordinary numbers, tiny ones, some far apart, equal eigenvalues, and nothing at all.
            let ordinary = |a: usize, b: usize| ((a * b + a + b) as f64 * 0.7).sin() + if a == b { 2.0 } else { 0.0 };
            let matrices: [&dyn Fn(usize, usize) -> f64; 5] = [
                &ordinary,
                &|a, b| 1e-140 * ordinary(a, b),
                &|a, b| ordinary(a, b) * 10_f64.powi(-(a as i32 + b as i32)),
                &|a, b| if a == b { 1.0 } else { 0.0 },
                &|_, _| 0.0,
            ];
            for (number, entry) in matrices.into_iter().enumerate() {
                let before: Vec<f64> = (0..k * k).map(|i| entry(i / k, i % k)).collect();
                let (mut matrix, mut vectors) = (before.clone(), vec![f64::NAN; k * k]);
                jacobi(&mut matrix, &mut vectors, k);
                let size = before.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                for a in 0..k {
                    for b in 0..k {
                        let dot: f64 = (0..k).map(|i| vectors[a * k + i] * vectors[b * k + i]).sum();
                        assert!((dot - f64::from(a == b)).abs() < 1e-13, "k = {k}, matrix {number}: {dot}");
                        let product: f64 = (0..k).map(|i| before[b * k + i] * vectors[a * k + i]).sum();
                        let expected = matrix[a * k + a] * vectors[a * k + b];
                        assert!((product - expected).abs() <= 1e-13 * size, "k = {k}, matrix {number}: {product}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_pair_meets_once_in_a_tournament() {
        for k in 1..=16 {
            let mut met = vec![0; k * k];
            for round in 0..tournament_rounds(k) {
                for i in 0..k {
                    let j = partner(i, round, k);
                    if j < k {
                        assert_eq!(partner(j, round, k), i, "k = {k}, round {round}, {i} and {j}");
                        met[i * k + j] += 1;
                    }
                }
            }
            for i in 0..k {
                for j in 0..k {
                    assert_eq!(met[i * k + j], usize::from(i != j), "k = {k}, {i} and {j}");
                }
            }
        }
    }
}
