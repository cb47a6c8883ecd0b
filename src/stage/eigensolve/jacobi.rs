//! Eigenpairs of a small symmetric matrix.

use multiversion::multiversion;

use super::{JACOBI_SWEEPS, JACOBI_TOLERANCE};
use crate::config::MAX_SPECTRA;

/// Most pairs that are disjoint.
const MOST_PAIRS: usize = MAX_SPECTRA / 2;

/// Rotations of one round: pairs (p, q), cosines and sines.
#[derive(Default)]
struct Round {
    n: usize,
    pairs: [(usize, usize); MOST_PAIRS],
    cosine: [f64; MOST_PAIRS],
    sine: [f64; MOST_PAIRS],
}

impl Round {
    /// The rotations that take every pair of the round to the diagonal. All at once, with no branches: a processor takes
    /// the roots and quotients of several side by side.
    #[inline(always)]
    fn new(matrix: &[f64], k: usize, round: usize) -> Self {
        let mut found = Self::default();
        let (mut pp, mut qq, mut pq) = ([1.0; MOST_PAIRS], [1.0; MOST_PAIRS], [0.0; MOST_PAIRS]);
        for p in 0..k {
            let q = partner(p, round, k);
            if p < q && q < k {
                found.pairs[found.n] = (p, q);
                (pp[found.n], qq[found.n], pq[found.n]) = (matrix[p * k + p], matrix[q * k + q], matrix[p * k + q]);
                found.n += 1;
            }
        }
        for i in 0..k.div_ceil(2).min(MOST_PAIRS) {
            let is_small = pq[i].abs() <= f64::EPSILON * JACOBI_TOLERANCE * (pp[i].abs() + qq[i].abs());
            let theta = (qq[i] - pp[i]) / (2.0 * if is_small { 1.0 } else { pq[i] });
            let sign = if theta < 0.0 { -1.0 } else { 1.0 };
            let tangent = sign / (theta.abs() + (theta * theta + 1.0).sqrt());
            let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
            (found.cosine[i], found.sine[i]) = if is_small { (1.0, 0.0) } else { (cosine, tangent * cosine) };
        }
        found
    }

    /// Turns pairs of rows.
    #[inline(always)]
    fn turn(&self, rows: &mut [f64], k: usize) {
        for (&(p, q), (&c, &s)) in self.pairs.iter().zip(self.cosine.iter().zip(&self.sine)).take(self.n) {
            let (before, from_q) = rows.split_at_mut(q * k);
            for (x, y) in before[p * k..(p + 1) * k].iter_mut().zip(&mut from_q[..k]) {
                (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
            }
        }
    }
}

/// Jacobi's method: `matrix` becomes diagonal, `vectors` its eigenvectors in rows.
///
/// Pairs are taken in rounds of a tournament, so that the rotations of a round touch disjoint rows and can all be found
/// before any is carried out.
#[multiversion(targets = "simd")]
pub fn jacobi(matrix: &mut [f64], vectors: &mut [f64], k: usize) {
    // Sizes that are a whole number of registers are compiled with their number known.
    match k {
        4 => jacobi_of(matrix, vectors, 4),
        8 => jacobi_of(matrix, vectors, 8),
        _ => jacobi_of(matrix, vectors, k),
    }
}

#[inline(always)]
fn jacobi_of(matrix: &mut [f64], vectors: &mut [f64], k: usize) {
    let (matrix, vectors) = (&mut matrix[..k * k], &mut vectors[..k * k]);
    for (i, v) in vectors.iter_mut().enumerate() {
        *v = if i / k == i % k { 1.0 } else { 0.0 };
    }
    for _ in 0..JACOBI_SWEEPS {
        if is_diagonal(matrix, k) {
            break;
        }
        for round in 0..tournament_rounds(k) {
            let round = Round::new(matrix, k, round);
            if round.sine.iter().any(|&sine| sine != 0.0) {
                round.turn(matrix, k);
                transpose(matrix, k);
                round.turn(matrix, k);
                round.turn(vectors, k);
            }
            // Where a rotation is one by nothing, this is the entry that is too small to turn for.
            for &(p, q) in &round.pairs[..round.n] {
                matrix[p * k + q] = 0.0;
                matrix[q * k + p] = 0.0;
            }
        }
    }
}

#[inline(always)]
fn transpose(matrix: &mut [f64], k: usize) {
    for a in 0..k {
        for b in 0..a {
            matrix.swap(a * k + b, b * k + a);
        }
    }
}

#[inline(always)]
fn is_diagonal(matrix: &[f64], k: usize) -> bool {
    let tolerance = f64::EPSILON * JACOBI_TOLERANCE;
    (0..k).all(|a| {
        (0..a).all(|b| matrix[a * k + b].abs() <= tolerance * (matrix[a * k + a].abs() + matrix[b * k + b].abs()))
    })
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
