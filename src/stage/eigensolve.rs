//! The leading eigenpairs of the window's similarity matrix, by block power iteration.
//!
//! ```text
//! for each sweep:   Y ← S V;  V ← orth(Y)
//! then:             Y ← S V;  B ← Vᵀ Y;  B = Q Λ Qᵀ;  U ← V Q
//! ```
//! Every engine runs these steps in this order with these constants, so engines differ by rounding alone. `Y = V R` with a triangle R
//! has one V, whichever way it is found: by the products of columns where they are not much alike, else by Gram–Schmidt. On a GPU V is
//! orthonormal up to single precision, as good a basis of the same span, and the last step makes good what it lacks.
//!
//! Here two steps are left out where they change nothing but rounding. S orth(Y) spans what S Y spans, so that two sweeps are made
//! orthonormal once, unless their columns are much alike. And where the penalty depends on the span alone (`coupling = "full"`), B's
//! inverse square root does what its eigenpairs would do, in a quarter of the time; see [`exposure`](super::exposure). Then the next
//! position starts from V, which spans what U spans. Only where a column collapses does it matter which basis it is a column of: so
//! before columns that are much alike are taken apart, they are turned as U would have them.
//!
//! And every engine runs them in double precision, on similarities in double precision (a GPU with pairs of f32, see
//! `shaders/common/double.wgsl`). A few sweeps from the last position's basis do not converge, so the basis remembers: where
//! it has little of a direction that grows, it has as little of it relative to rounding, and what was 1e-7 at one position
//! is 1e-3 some positions later. In single precision that broke the bound in 1 of 7,500 generated slates (60,000 tried),
//! in double precision in none.

mod cholesky;
mod columns;
mod inverse_root;
mod jacobi;
mod product;

pub use cholesky::LEAST_SHARE;
pub use jacobi::{partner, tournament_rounds};
pub use product::{BLOCK, SIDE, compare};

use crate::config::{MAX_SPECTRA, MAX_WINDOW};
use crate::real::Real;

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

/// Where two sweeps could not be made orthonormal at once, so many pairs of sweeps go by before it is tried again.
const PAIRS_TO_WAIT: u32 = 8;
/// Windows of so many slots are multiplied anew sooner than what changed is worked out.
const FEW_SLOTS: usize = 16;

/// Slots that are about to change, and their rows of S and of V as they are.
#[derive(Debug, Clone, Default)]
struct Before {
    slots: Vec<usize>,
    gram: Vec<f64>,
    basis: Vec<[f64; MAX_SPECTRA]>,
}

/// Basis and products of one window, `[spectrum][slot]`: a column of V lies in one piece, with zeros up to a whole group.
#[derive(Debug, Clone, Default)]
pub struct Eigensolve {
    /// Number of slots m.
    pub n_slots: usize,
    /// Length of a column, and of a row of S: [`column_length`] of m.
    length: usize,
    /// Number of spectra K.
    pub n_spectra: usize,
    /// V, and U once it is rotated: eigenvectors, largest eigenvalue first.
    basis: Vec<f64>,
    /// S V while iterating.
    product: Vec<f64>,
    /// S V of the basis that was found. Turned into S U with it only where `needs_image`, and not to be read elsewhere.
    image: Vec<f64>,
    needs_image: bool,
    before: Before,
    /// Of the position's entering items, by slot.
    mixtures: Vec<(usize, [f64; MAX_SPECTRA])>,
    /// v_kᵀ S v_k; once rotated eigenvalues, largest first, 0 where dropped.
    pub eigenvalues: Vec<f64>,
    /// B.
    projected: Vec<f64>,
    is_rotated: bool,
    /// True where the basis of the last position was left as V, and B is still there to turn what comes of it into what U becomes.
    can_turn: bool,
    /// Pairs of sweeps for which [`Self::multiply_twice`] is not tried.
    n_pairs_to_wait: u32,
    /// (ε I + B)^(−1/2), where that is found.
    root: Vec<f64>,
    rotation: Vec<f64>,
}

impl Eigensolve {
    /// Makes room for `n_slots × n_spectra` and clears the basis. S U is kept where `needs_image`, and where it saves a product.
    pub fn reset(&mut self, n_slots: usize, n_spectra: usize, needs_image: bool) {
        (self.n_slots, self.n_spectra) = (n_slots, n_spectra);
        self.needs_image = needs_image || n_slots > FEW_SLOTS;
        self.length = column_length(n_slots);
        self.before.slots.clear();
        (self.is_rotated, self.can_turn, self.n_pairs_to_wait) = (false, false, 0);
        for (buffer, len) in [
            (&mut self.basis, self.length * n_spectra),
            (&mut self.product, self.length * n_spectra),
            (&mut self.image, self.length * n_spectra),
            (&mut self.eigenvalues, n_spectra),
            (&mut self.projected, n_spectra * n_spectra),
            (&mut self.root, inverse_root::size(n_spectra)),
            (&mut self.rotation, n_spectra * n_spectra),
        ] {
            buffer.clear();
            buffer.resize(len, 0.0);
        }
    }

    /// Takes down the rows of slots that are about to change, and of no other, if then the next product takes less time.
    pub fn note_before(&mut self, gram: &[f64], slots: impl Iterator<Item = usize>) {
        let (length, before) = (self.length, &mut self.before);
        before.slots.clear();
        // S V has to be there for every column.
        if self.n_slots <= FEW_SLOTS || self.eigenvalues.contains(&0.0) {
            return;
        }
        before.slots.extend(slots);
        before.gram.clear();
        before.basis.clear();
        for &slot in &before.slots {
            before.gram.extend_from_slice(&gram[slot * length..(slot + 1) * length]);
            let mut row = [0.0; MAX_SPECTRA];
            for (entry, column) in row.iter_mut().zip(self.basis.chunks_exact(length)) {
                *entry = column[slot];
            }
            before.basis.push(row);
        }
    }

    /// Carries the basis over to a position's window: slots that are empty, and those whose item entered.
    ///
    /// The row of an item that entered gets a small pseudo-random mixture of all rows, so that the item can be found. The
    /// row stays that of the item which left the slot: were it replaced, a column that lay mostly in that item would be left
    /// with little else. And a mixture of rows is the same for every basis of one subspace: where eigenvalues coincide,
    /// solvers return different bases, and what follows must not depend on which. Columns of dropped spectra start anew.
    pub fn enter(&mut self, empty: impl Iterator<Item = usize>, entered: impl Iterator<Item = usize>) {
        let length = self.length;
        let is_any_kept = self.eigenvalues.iter().any(|&value| value != 0.0);
        // Of the basis as it was, so all mixtures come first.
        let mut found = std::mem::take(&mut self.mixtures);
        found.clear();
        if is_any_kept {
            found.extend(entered.map(|slot| (slot, self.mixture(slot))));
        }
        let columns = self.basis.chunks_exact_mut(length).zip(&self.eigenvalues).enumerate();
        for (k, (column, _)) in columns.filter(|&(_, (_, &value))| value == 0.0) {
            column[..self.n_slots].iter_mut().enumerate().for_each(|(slot, x)| *x = pseudo_random(slot, k));
        }
        for slot in empty {
            self.basis.chunks_exact_mut(length).for_each(|column| column[slot] = 0.0);
        }
        for &(slot, mixture) in &found {
            let columns = self.basis.chunks_exact_mut(length).zip(&self.eigenvalues).zip(mixture);
            for ((column, _), mixture) in columns.filter(|&((_, &value), _)| value != 0.0) {
                column[slot] += ENTRY_SCALE * mixture;
            }
        }
        self.mixtures = found;
    }

    fn mixture(&self, slot: usize) -> [f64; MAX_SPECTRA] {
        let mut mixture = [0.0; MAX_SPECTRA];
        columns::mix(&self.basis, self.length, slot, &mut mixture);
        mixture
    }

    /// Entry of U (or V) for a slot and spectrum.
    #[inline]
    pub fn entry(&self, slot: usize, spectrum: usize) -> f64 {
        self.basis[spectrum * self.length + slot]
    }

    /// Entries of U (or V) for a slot, one per spectrum.
    #[inline]
    pub fn entries(&self, slot: usize) -> impl Iterator<Item = f64> {
        self.basis.chunks_exact(self.length).map(move |column| column[slot])
    }

    /// Entries of U (or V) of a spectrum, one per slot.
    #[inline]
    pub fn spectrum(&self, spectrum: usize) -> &[f64] {
        &self.basis[spectrum * self.length..][..self.n_slots]
    }

    /// Entry of S U (or S V) for a slot and spectrum, where it is kept.
    #[inline]
    pub fn image(&self, slot: usize, spectrum: usize) -> f64 {
        self.image[spectrum * self.length + slot]
    }

    /// True where the basis is U; else it is V, and [`Self::enclose`] can be asked.
    pub fn is_rotated(&self) -> bool {
        self.is_rotated
    }

    /// `n_sweeps` times `V ← orth(S V)`. S is `[slot][column_length]`.
    pub fn iterate(&mut self, n_sweeps: usize, gram: &[f64], is_occupied: impl Fn(usize) -> bool + Copy) {
        let mut n_left = n_sweeps;
        while n_left > 0 {
            if self.before.slots.is_empty() {
                product::multiply(gram, &self.basis, &mut self.product, self.length);
            } else {
                self.multiply_changed(gram);
            }
            std::mem::swap(&mut self.basis, &mut self.product);
            if n_left >= 2 && self.multiply_twice(gram) {
                n_left -= 2;
            } else {
                self.orthonormalise(is_occupied);
                n_left -= 1;
            }
            self.can_turn = false;
        }
    }

    /// `product ← S V` after S and V changed in the slots that were noted, and in no other: it follows from the last position's S V.
    fn multiply_changed(&mut self, gram: &[f64]) {
        let length = self.length;
        std::mem::swap(&mut self.product, &mut self.image);
        let Before { slots, gram: gram_before, basis: basis_before } = &self.before;
        for ((&slot, before), basis) in slots.iter().zip(gram_before.chunks_exact(length)).zip(basis_before) {
            let now = &gram[slot * length..(slot + 1) * length];
            columns::exchange(&mut self.product, (before, basis), (now, &self.basis, slot));
        }
        for &slot in slots {
            let now = &gram[slot * length..(slot + 1) * length];
            columns::multiply_row(now, &self.basis, &mut self.product, slot);
        }
        self.before.slots.clear();
    }

    /// `V ← orth(S Y)` for a basis Y that is not orthonormal yet; false, and the basis as it was, where that loses too much.
    fn multiply_twice(&mut self, gram: &[f64]) -> bool {
        // Where the window has fewer spectra than there are columns, some are alike.
        if self.n_pairs_to_wait > 0 || self.eigenvalues.contains(&0.0) {
            self.n_pairs_to_wait = self.n_pairs_to_wait.saturating_sub(1);
            return false;
        }
        product::multiply(gram, &self.basis, &mut self.product, self.length);
        let is_done = columns::orthonormalise_unlike(&mut self.product, self.length);
        if is_done {
            std::mem::swap(&mut self.basis, &mut self.product);
        } else {
            self.n_pairs_to_wait = PAIRS_TO_WAIT;
        }
        is_done
    }

    fn orthonormalise(&mut self, is_occupied: impl Fn(usize) -> bool) {
        if columns::orthonormalise_unlike(&mut self.basis, self.length) {
            return;
        }
        if self.can_turn {
            let order = self.diagonalise();
            self.turn_basis(&order);
            if columns::orthonormalise_unlike(&mut self.basis, self.length) {
                return;
            }
        }
        let m = self.n_slots;
        columns::orthonormalise_alike(&mut self.basis, self.length, &|slot| slot < m && is_occupied(slot));
    }

    /// `Y ← S V` and `B ← Vᵀ Y`, what both [`Self::rotate`] and [`Self::find_root`] start from.
    pub fn project(&mut self, gram: &[f64]) {
        product::multiply(gram, &self.basis, &mut self.image, self.length);
        columns::project(&self.basis, &self.image, &mut self.projected, self.length);
        self.is_rotated = false;
    }

    /// Finds (ε I + B)^(−1/2). False where it is not certain that every λ_k is at least `least_share` of λ_1.
    pub fn find_root(&mut self, epsilon: f64, least_share: f64) -> bool {
        let k = self.n_spectra;
        let is_found = inverse_root::inverse_root(&self.projected, k, epsilon, least_share, &mut self.root);
        self.can_turn = is_found;
        if is_found {
            self.eigenvalues.clear();
            self.eigenvalues.extend(self.projected.iter().step_by(k + 1));
        }
        is_found
    }

    /// `matrix ← C matrix C` for the root C that was found: symmetric, rows of length `stride`.
    pub fn enclose<R: Real>(&self, matrix: &mut [R], stride: usize) {
        let length = inverse_root::row_length(self.n_spectra);
        let mut wide = [0.0; MAX_SPECTRA * MAX_SPECTRA];
        let wide = &mut wide[..self.root.len()];
        let rows = self.n_spectra * stride;
        for (wide, row) in wide.chunks_exact_mut(length).zip(matrix[..rows].chunks_exact(stride)) {
            wide.iter_mut().zip(row).for_each(|(wide, &x)| *wide = Real::to_f64(x));
        }
        inverse_root::enclose(wide, &self.root, length);
        for (wide, row) in wide.chunks_exact(length).zip(matrix[..rows].chunks_exact_mut(stride)) {
            wide.iter().zip(row).for_each(|(&wide, x)| *x = R::of(wide));
        }
    }

    /// The Rayleigh–Ritz rotation: fills `eigenvalues`, turns the basis into U.
    pub fn rotate(&mut self) {
        let (length, k) = (self.length, self.n_spectra);
        let order = self.diagonalise();
        if self.needs_image {
            columns::turn(&self.image, &self.rotation, &order[..k], &mut self.product, length);
            std::mem::swap(&mut self.image, &mut self.product);
        }
        self.turn_basis(&order);
        (self.is_rotated, self.can_turn) = (true, false);
        let largest = self.projected[order[0] * k + order[0]];
        for (new, &old) in order[..k].iter().enumerate() {
            let value = self.projected[old * k + old];
            let is_kept = value > DROP * largest && value > 0.0;
            self.eigenvalues[new] = if is_kept { value } else { 0.0 };
            if !is_kept {
                // Its direction is rounding noise, another one on every engine, and must not start the next position.
                self.basis[new * length..(new + 1) * length].fill(0.0);
            }
        }
    }

    /// `B = Q Λ Qᵀ`; returns the order of Λ, the largest first.
    fn diagonalise(&mut self) -> [usize; MAX_SPECTRA] {
        jacobi::jacobi(&mut self.projected, &mut self.rotation, self.n_spectra);
        descending(&self.projected, self.n_spectra)
    }

    /// Turns the columns of the basis by Q.
    fn turn_basis(&mut self, order: &[usize; MAX_SPECTRA]) {
        columns::turn(&self.basis, &self.rotation, &order[..self.n_spectra], &mut self.product, self.length);
        std::mem::swap(&mut self.basis, &mut self.product);
    }
}

/// Numbers between the starts of two rows of S or two columns of V, for `n_slots` slots: whole groups of slots.
pub fn column_length(n_slots: usize) -> usize {
    n_slots.next_multiple_of(columns::LANES)
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
