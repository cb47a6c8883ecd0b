//! The leading eigenpairs of the window's similarity matrix, by block power iteration.
//!
//! ```text
//! for each sweep:   Y ← S V;  V ← orth(Y)
//! then:             Y ← S V;  B ← Vᵀ Y;  B = Q Λ Qᵀ;  U ← V Q
//! ```
//! Every engine runs these steps in this order with these constants, so engines differ by rounding alone.
//!
//! And every engine runs them in double precision, on similarities in double precision (a GPU with pairs of f32, see
//! `shaders/common/double.wgsl`). A few sweeps from the last position's basis do not converge, so the basis remembers: where
//! it has little of a direction that grows, it has as little of it relative to rounding, and what was 1e-7 at one position
//! is 1e-3 some positions later. In single precision that broke the bound in 1 of 7,500 generated slates (60,000 tried),
//! in double precision in none.

use crate::config::{MAX_SPECTRA, MAX_WINDOW};
use crate::real::multiply;

/// Sweeps added at a slate's first solve, when the basis starts from noise.
pub const FIRST_SWEEPS: usize = 8;
/// Share of the mixture that is added to the basis row of an entering item. A power of two, so that it is exact.
pub const ENTRY_SCALE: f64 = 1.0 / 64.0;
/// A column has collapsed when orthogonalisation leaves less than this share of its length. Far above rounding (1e-14 on
/// a GPU), so that engines agree on which columns collapse, and far below what a spectrum that is not dropped leaves.
pub const COLLAPSE: f64 = 1e-9;
/// A column has also collapsed when less than this share of the first column's length is left: there S has nothing more,
/// and what is left is rounding, too small for a GPU to square.
pub const NOTHING: f64 = 1e-12;
/// Spectra with λ_k ≤ this · λ_1 are dropped (SPEC 4).
pub const DROP: f64 = 1e-6;
/// Rounds of Jacobi rotations over all pairs; each squares the off-diagonal, so 10 suffice from any start.
pub const JACOBI_SWEEPS: usize = 10;
/// Off-diagonal entries below this many units of rounding of their diagonal are left alone.
pub const JACOBI_TOLERANCE: f64 = 0.01;

/// Basis and products of one window, `[spectrum][slot]`: a column of V lies in one piece.
#[derive(Debug, Default)]
pub struct Eigensolve {
    /// Number of slots m.
    pub n_slots: usize,
    /// Number of spectra K.
    pub n_spectra: usize,
    /// V while iterating, then U: eigenvectors, largest eigenvalue first.
    pub basis: Vec<f64>,
    product: Vec<f64>,
    /// Eigenvalues, largest first; 0 where dropped.
    pub eigenvalues: Vec<f64>,
    projected: Vec<f64>,
    rotation: Vec<f64>,
}

impl Eigensolve {
    /// Makes room for `n_slots × n_spectra` and clears the basis.
    pub fn reset(&mut self, n_slots: usize, n_spectra: usize) {
        (self.n_slots, self.n_spectra) = (n_slots, n_spectra);
        for (buffer, len) in [
            (&mut self.basis, n_slots * n_spectra),
            (&mut self.product, n_slots * n_spectra),
            (&mut self.eigenvalues, n_spectra),
            (&mut self.projected, n_spectra * n_spectra),
            (&mut self.rotation, n_spectra * n_spectra),
        ] {
            buffer.clear();
            buffer.resize(len, 0.0);
        }
    }

    /// Carries the basis over to a position's window.
    ///
    /// The row of an item that entered gets a small pseudo-random mixture of all rows, so that the item can be found. The
    /// row stays that of the item which left the slot: were it replaced, a column that lay mostly in that item would be left
    /// with little else. And a mixture of rows is the same for every basis of one subspace: where eigenvalues coincide,
    /// solvers return different bases, and what follows must not depend on which. Columns of dropped spectra start anew.
    pub fn enter(&mut self, is_occupied: impl Fn(usize) -> bool, has_entered: impl Fn(usize) -> bool) {
        let m = self.n_slots;
        self.product.copy_from_slice(&self.basis);
        for (k, (column, before)) in self.basis.chunks_exact_mut(m).zip(self.product.chunks_exact(m)).enumerate() {
            for (slot, entry) in column.iter_mut().enumerate() {
                if !is_occupied(slot) {
                    *entry = 0.0;
                } else if self.eigenvalues[k] == 0.0 {
                    *entry = pseudo_random(slot, k);
                } else if has_entered(slot) {
                    let mixture = before.iter().enumerate().map(|(row, x)| pseudo_random(MAX_WINDOW + slot, row) * x);
                    *entry += ENTRY_SCALE * mixture.sum::<f64>();
                }
            }
        }
    }

    /// Entry of U (or V) for a slot and spectrum.
    pub fn entry(&self, slot: usize, spectrum: usize) -> f64 {
        self.basis[spectrum * self.n_slots + slot]
    }

    /// One sweep, `V ← orth(S V)`.
    pub fn sweep(&mut self, gram: &[f64], is_occupied: impl Fn(usize) -> bool) {
        multiply(gram, &self.basis, &mut self.product, self.n_slots);
        std::mem::swap(&mut self.basis, &mut self.product);
        orthonormalise(&mut self.basis, self.n_slots, is_occupied);
    }

    /// The Rayleigh–Ritz rotation: fills `eigenvalues`, turns `basis` into U.
    pub fn rotate(&mut self, gram: &[f64]) {
        let (m, k) = (self.n_slots, self.n_spectra);
        multiply(gram, &self.basis, &mut self.product, m);
        for a in 0..k {
            for b in 0..=a {
                let sum = short_dot(&self.basis[a * m..(a + 1) * m], &self.product[b * m..(b + 1) * m]);
                self.projected[a * k + b] = sum;
                self.projected[b * k + a] = sum;
            }
        }
        jacobi(&mut self.projected, &mut self.rotation, k);
        let order = descending(&self.projected, k);
        self.product.fill(0.0);
        for (rotated, &old) in self.product.chunks_exact_mut(m).zip(&order[..k]) {
            for (j, column) in self.basis.chunks_exact(m).enumerate() {
                add_scaled(rotated, column, self.rotation[old * k + j]);
            }
        }
        std::mem::swap(&mut self.basis, &mut self.product);
        let largest = self.projected[order[0] * k + order[0]];
        for (new, &old) in order[..k].iter().enumerate() {
            let value = self.projected[old * k + old];
            let is_kept = value > DROP * largest && value > 0.0;
            self.eigenvalues[new] = if is_kept { value } else { 0.0 };
            if !is_kept {
                // Its direction is rounding noise, another one on every engine, and must not start the next position.
                self.basis[new * m..(new + 1) * m].fill(0.0);
            }
        }
    }
}

/// A fixed number in −1..1 for a pair of numbers (Wang's integer hash), the same on every engine.
pub fn pseudo_random(a: usize, b: usize) -> f64 {
    let mut x = (a * MAX_WINDOW + b + 1) as u32;
    x = (x ^ 61) ^ (x >> 16);
    x = x.wrapping_mul(9);
    x ^= x >> 4;
    x = x.wrapping_mul(0x27d4_eb2d);
    x ^= x >> 15;
    // 24 bits fit the fraction of f32, so a GPU holds the same number.
    f64::from(x >> 8) / f64::from(1_u32 << 23) - 1.0
}

/// Gram–Schmidt, each column twice. A column that collapses is refilled with fixed pseudo-random entries; one that
/// collapses again (more columns than items) becomes zero.
fn orthonormalise(columns: &mut [f64], m: usize, is_occupied: impl Fn(usize) -> bool) {
    let nothing = NOTHING * norm(&columns[..m]);
    for c in 0..columns.len() / m {
        let (earlier, rest) = columns.split_at_mut(c * m);
        let column = &mut rest[..m];
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
fn remove_all(earlier: &[f64], column: &mut [f64]) -> Option<f64> {
    let before = norm(column);
    let mut shares = [0.0; MAX_SPECTRA];
    for _ in 0..2 {
        // All shares first, as a GPU does; once would leave rounding of the column's whole length.
        for (share, other) in shares.iter_mut().zip(earlier.chunks_exact(column.len())) {
            *share = short_dot(other, column);
        }
        for (share, other) in shares.iter().zip(earlier.chunks_exact(column.len())) {
            add_scaled(column, other, -share);
        }
    }
    let after = norm(column);
    (after > COLLAPSE * before).then_some(after)
}

fn norm(column: &[f64]) -> f64 {
    short_dot(column, column).sqrt()
}

fn add_scaled(to: &mut [f64], from: &[f64], factor: f64) {
    for (t, &f) in to.iter_mut().zip(from) {
        *t += factor * f;
    }
}

/// Inner product of two columns: in eight sums, so that it need not wait for every addition.
fn short_dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let mut tail = 0.0;
    for (&x, &y) in a_chunks.remainder().iter().zip(b_chunks.remainder()) {
        tail += x * y;
    }
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7])) + tail
}

/// The rotation that takes a symmetric pair (p, q) to the diagonal: (cosine, sine).
fn rotation_of(pp: f64, qq: f64, pq: f64) -> (f64, f64) {
    if pq.abs() <= f64::EPSILON * JACOBI_TOLERANCE * (pp.abs() + qq.abs()) {
        return (1.0, 0.0);
    }
    let theta = (qq - pp) / (2.0 * pq);
    let sign = if theta < 0.0 { -1.0 } else { 1.0 };
    let tangent = sign / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    (cosine, tangent * cosine)
}

/// Jacobi's method: `matrix` becomes diagonal, `vectors` its eigenvectors in rows.
///
/// Pairs are taken in rounds of a tournament, so that the rotations of a round touch disjoint rows and a GPU can do
/// them at once. This twin does them one after the other, which is the same thing.
fn jacobi(matrix: &mut [f64], vectors: &mut [f64], k: usize) {
    for (i, v) in vectors.iter_mut().enumerate() {
        *v = if i / k == i % k { 1.0 } else { 0.0 };
    }
    for _ in 0..JACOBI_SWEEPS {
        if is_diagonal(matrix, k) {
            break;
        }
        for round in 0..tournament_rounds(k) {
            for i in 0..k {
                let j = partner(i, round, k);
                if i < j && j < k {
                    rotate_pair(matrix, vectors, k, i, j);
                }
            }
        }
    }
}

fn is_diagonal(matrix: &[f64], k: usize) -> bool {
    let tolerance = f64::EPSILON * JACOBI_TOLERANCE;
    (0..k).all(|a| {
        (0..a).all(|b| matrix[a * k + b].abs() <= tolerance * (matrix[a * k + a].abs() + matrix[b * k + b].abs()))
    })
}

fn rotate_pair(matrix: &mut [f64], vectors: &mut [f64], k: usize, p: usize, q: usize) {
    let (c, s) = rotation_of(matrix[p * k + p], matrix[q * k + q], matrix[p * k + q]);
    if s == 0.0 {
        // Turning by nothing leaves everything as it is but the entry that is too small to turn for.
        matrix[p * k + q] = 0.0;
        matrix[q * k + p] = 0.0;
        return;
    }
    for row in matrix.chunks_exact_mut(k) {
        let (x, y) = (row[p], row[q]);
        (row[p], row[q]) = (c * x - s * y, s * x + c * y);
    }
    for rows in [&mut *matrix, vectors] {
        let (before, from_q) = rows.split_at_mut(q * k);
        for (x, y) in before[p * k..(p + 1) * k].iter_mut().zip(&mut from_q[..k]) {
            (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
        }
    }
    matrix[p * k + q] = 0.0;
    matrix[q * k + p] = 0.0;
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
    (2 * round + last - i) % last
}

/// Indices of the diagonal from largest to smallest, ties by index.
fn descending(matrix: &[f64], k: usize) -> [usize; MAX_SPECTRA] {
    let mut order = [0; MAX_SPECTRA];
    for a in 0..k {
        let value = matrix[a * k + a];
        let rank = (0..k).filter(|&b| {
            let other = matrix[b * k + b];
            other > value || (other == value && b < a)
        });
        order[rank.count()] = a;
    }
    order
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

    #[test]
    fn pseudo_random_entries_are_spread_and_fit_single_precision() {
        let mut sum = 0.0;
        for slot in 0..128 {
            for k in 0..16 {
                let x = pseudo_random(slot, k);
                assert!((-1.0..1.0).contains(&x));
                assert_eq!(f64::from(x as f32), x, "a GPU holds the same number");
                sum += x;
            }
        }
        assert!((sum / 2048.0).abs() < 0.05, "mean {}", sum / 2048.0);
    }
}
