//! The leading eigenpairs of the window's similarity matrix, by block power iteration.
//!
//! ```text
//! for each sweep:   Y ← S V;  V ← orth(Y)
//! then:             Y ← S V;  B ← Vᵀ Y;  B = Q Λ Qᵀ;  U ← V Q
//! ```
//! Every engine runs these steps in this order with these constants, so engines differ by rounding alone.

use crate::real::Real;

/// Sweeps added at a slate's first solve, when the basis starts from noise.
pub const FIRST_SWEEPS: usize = 8;
/// Size of the pseudo-random entries added to the basis row of an entering item.
pub const ENTRY_SCALE: f64 = 0.01;
/// A column has collapsed when orthogonalisation leaves less than this share of its length. Far above the rounding
/// of f32 (1e-7), so that f32 and f64 agree on which columns collapse.
pub const COLLAPSE: f64 = 1e-5;
/// Spectra with λ_k ≤ this · λ_1 are dropped (SPEC 4).
pub const DROP: f64 = 1e-6;
/// Rounds of Jacobi rotations over all pairs; each squares the off-diagonal, so 10 suffice from any start.
pub const JACOBI_SWEEPS: usize = 10;
/// Off-diagonal entries below this many units of rounding of their diagonal are left alone.
pub const JACOBI_TOLERANCE: f64 = 0.01;

/// Basis and products of one window, `[spectrum][slot]`: a column of V lies in one piece.
#[derive(Debug, Default)]
pub struct Eigensolve<R> {
    /// Number of slots m.
    pub n_slots: usize,
    /// Number of spectra K.
    pub n_spectra: usize,
    /// V while iterating, then U: eigenvectors, largest eigenvalue first.
    pub basis: Vec<R>,
    product: Vec<R>,
    /// Eigenvalues, largest first; 0 where dropped.
    pub eigenvalues: Vec<R>,
    projected: Vec<R>,
    rotation: Vec<R>,
}

impl<R: Real> Eigensolve<R> {
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
            buffer.resize(len, R::zero());
        }
    }

    /// Adds small pseudo-random entries to the basis row of an item that entered, or clears the row of an empty slot.
    ///
    /// The row stays that of the item which left the slot. Were it replaced, a column that lay mostly in that item would
    /// be left with little else, and making it a unit vector again would magnify rounding; over 30 positions that takes
    /// f32 from 1e-7 to 2e-5 (measured on the 800 WordNet slates: 1.7e-5 at worst, 1.4e-6 with the row kept).
    pub fn enter(&mut self, slot: usize, is_occupied: bool) {
        for (k, column) in self.basis.chunks_exact_mut(self.n_slots).enumerate() {
            let entry = &mut column[slot];
            *entry = if is_occupied { *entry + R::of(ENTRY_SCALE) * pseudo_random(slot, k) } else { R::zero() };
        }
    }

    /// Entry of U (or V) for a slot and spectrum.
    pub fn entry(&self, slot: usize, spectrum: usize) -> R {
        self.basis[spectrum * self.n_slots + slot]
    }

    /// One sweep, `V ← orth(S V)`.
    pub fn sweep(&mut self, gram: &[R], is_occupied: impl Fn(usize) -> bool) {
        R::multiply(gram, &self.basis, &mut self.product, self.n_slots);
        std::mem::swap(&mut self.basis, &mut self.product);
        orthonormalise(&mut self.basis, self.n_slots, is_occupied);
    }

    /// The Rayleigh–Ritz rotation: fills `eigenvalues`, turns `basis` into U.
    pub fn rotate(&mut self, gram: &[R]) {
        let (m, k) = (self.n_slots, self.n_spectra);
        R::multiply(gram, &self.basis, &mut self.product, m);
        for a in 0..k {
            for b in 0..=a {
                let sum = short_dot(&self.basis[a * m..(a + 1) * m], &self.product[b * m..(b + 1) * m]);
                self.projected[a * k + b] = sum;
                self.projected[b * k + a] = sum;
            }
        }
        jacobi(&mut self.projected, &mut self.rotation, k);
        let order = descending(&self.projected, k);
        self.product.fill(R::zero());
        for (rotated, &old) in self.product.chunks_exact_mut(m).zip(&order[..k]) {
            for (j, column) in self.basis.chunks_exact(m).enumerate() {
                add_scaled(rotated, column, self.rotation[j * k + old]);
            }
        }
        std::mem::swap(&mut self.basis, &mut self.product);
        let largest = self.projected[order[0] * k + order[0]];
        for (new, &old) in order[..k].iter().enumerate() {
            let value = self.projected[old * k + old];
            let is_kept = value > R::of(DROP) * largest && value > R::zero();
            self.eigenvalues[new] = if is_kept { value } else { R::zero() };
        }
    }
}

/// A fixed number in −1..1 for a slot and spectrum (Wang's integer hash), the same on every engine.
pub fn pseudo_random<R: Real>(slot: usize, spectrum: usize) -> R {
    let mut x = (slot * crate::config::MAX_SPECTRA + spectrum + 1) as u32;
    x = (x ^ 61) ^ (x >> 16);
    x = x.wrapping_mul(9);
    x ^= x >> 4;
    x = x.wrapping_mul(0x27d4_eb2d);
    x ^= x >> 15;
    // 24 bits fit the fraction of f32, so every engine holds the same number.
    R::of(f64::from(x >> 8) / f64::from(1_u32 << 23) - 1.0)
}

/// Modified Gram–Schmidt, twice. A column that collapses in the first pass is refilled with fixed pseudo-random
/// entries and orthogonalised like the others, twice: once would leave rounding, magnified, in the direction of its
/// neighbours, and f32 would take that for a direction of its own. One that still collapses (more columns than items)
/// becomes zero.
fn orthonormalise<R: Real>(columns: &mut [R], m: usize, is_occupied: impl Fn(usize) -> bool) {
    for pass in 0..2 {
        for c in 0..columns.len() / m {
            let (earlier, rest) = columns.split_at_mut(c * m);
            let column = &mut rest[..m];
            let mut before = norm(column);
            let mut after = remove_all(earlier, column);
            // Against its own length only. A short column may be rounding noise, whose spectrum is dropped in the end,
            // or a weak spectrum that is not found yet, which refilling would keep from ever being found.
            let mut is_collapsed = after <= R::of(COLLAPSE) * before;
            if is_collapsed && pass == 0 {
                for (i, x) in column.iter_mut().enumerate() {
                    *x = if is_occupied(i) { pseudo_random(i, c) } else { R::zero() };
                }
                before = norm(column);
                after = remove_all(earlier, column);
                is_collapsed = after <= R::of(COLLAPSE) * before;
            }
            let factor = if is_collapsed { R::zero() } else { R::one() / after };
            column.iter_mut().for_each(|x| *x *= factor);
        }
    }
}

/// Takes out of a column what lies in the columns before it; returns the length that is left.
fn remove_all<R: Real>(earlier: &[R], column: &mut [R]) -> R {
    for other in earlier.chunks_exact(column.len()) {
        let share = short_dot(other, column);
        add_scaled(column, other, -share);
    }
    norm(column)
}

fn norm<R: Real>(column: &[R]) -> R {
    short_dot(column, column).sqrt()
}

fn add_scaled<R: Real>(to: &mut [R], from: &[R], factor: R) {
    for (t, &f) in to.iter_mut().zip(from) {
        *t += factor * f;
    }
}

/// Inner product of two columns: in eight sums, so that it need not wait for every addition.
fn short_dot<R: Real>(a: &[R], b: &[R]) -> R {
    let mut sums = [R::zero(); 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let mut tail = R::zero();
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
fn rotation_of<R: Real>(pp: R, qq: R, pq: R) -> (R, R) {
    let two = R::one() + R::one();
    if pq.abs() <= R::epsilon() * R::of(JACOBI_TOLERANCE) * (pp.abs() + qq.abs()) {
        return (R::one(), R::zero());
    }
    let theta = (qq - pp) / (two * pq);
    let sign = if theta < R::zero() { -R::one() } else { R::one() };
    let tangent = sign / (theta.abs() + (theta * theta + R::one()).sqrt());
    let cosine = R::one() / (tangent * tangent + R::one()).sqrt();
    (cosine, tangent * cosine)
}

/// Jacobi's method: `matrix` becomes diagonal, `vectors` its eigenvectors in columns.
///
/// Pairs are taken in rounds of a tournament, so that the rotations of a round touch disjoint rows and a GPU can do
/// them at once. This twin does them one after the other, which is the same thing.
fn jacobi<R: Real>(matrix: &mut [R], vectors: &mut [R], k: usize) {
    for (i, v) in vectors.iter_mut().enumerate() {
        *v = if i / k == i % k { R::one() } else { R::zero() };
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

fn is_diagonal<R: Real>(matrix: &[R], k: usize) -> bool {
    let tolerance = R::epsilon() * R::of(JACOBI_TOLERANCE);
    (0..k).all(|a| {
        (0..a).all(|b| matrix[a * k + b].abs() <= tolerance * (matrix[a * k + a].abs() + matrix[b * k + b].abs()))
    })
}

fn rotate_pair<R: Real>(matrix: &mut [R], vectors: &mut [R], k: usize, p: usize, q: usize) {
    let (c, s) = rotation_of(matrix[p * k + p], matrix[q * k + q], matrix[p * k + q]);
    for i in 0..k {
        let (x, y) = (matrix[i * k + p], matrix[i * k + q]);
        matrix[i * k + p] = c * x - s * y;
        matrix[i * k + q] = s * x + c * y;
        let (x, y) = (vectors[i * k + p], vectors[i * k + q]);
        vectors[i * k + p] = c * x - s * y;
        vectors[i * k + q] = s * x + c * y;
    }
    for i in 0..k {
        let (x, y) = (matrix[p * k + i], matrix[q * k + i]);
        matrix[p * k + i] = c * x - s * y;
        matrix[q * k + i] = s * x + c * y;
    }
    matrix[p * k + q] = R::zero();
    matrix[q * k + p] = R::zero();
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
fn descending<R: Real>(matrix: &[R], k: usize) -> [usize; crate::config::MAX_SPECTRA] {
    let mut order = [0; crate::config::MAX_SPECTRA];
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
    fn pseudo_random_entries_are_spread_and_equal_in_both_precisions() {
        let mut sum = 0.0;
        for slot in 0..128 {
            for k in 0..16 {
                let x: f64 = pseudo_random(slot, k);
                assert!((-1.0..1.0).contains(&x));
                assert_eq!(f64::from(pseudo_random::<f32>(slot, k)), x);
                sum += x;
            }
        }
        assert!((sum / 2048.0).abs() < 0.05, "mean {}", sum / 2048.0);
    }
}
