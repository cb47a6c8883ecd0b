//! How much of the placed items lies in each spectrum, and what that costs a candidate.
//!
//! ```text
//! ℓ_ik  = f_k λ_k^(-1/2) Σ_j S_ij u_jk    (energy; divided by √λ_k once more for unit loadings)
//! H_kl  = Σ_j decay^age(j) ℓ_jk ℓ_jl      over placed items j
//! w_kl  = C_kl H_kl / √((ε+λ_k)(ε+λ_l))
//! diversity_i = −strength Σ_kl w_kl ℓ_ik ℓ_il
//! ```
//! For an item of the window, S u_k = λ_k u_k and the loading is f_k √λ_k u_ik.
//!
//! With `coupling = "full"`, energy loadings and the window's own exposure all of that depends on the span of the u_k alone, where every
//! f_k is 1: for any orthonormal basis V of it, B = Vᵀ S V and C = (ε I + B)^(−1/2), and with √λ u_i and λ^(−1/2) Uᵀ s_i for loadings,
//!
//! ```text
//! Σ_kl w_kl ℓ_ik ℓ_il  =  Σ_j decay^age(j) (y_iᵀ C v_j)²  =  y_iᵀ C (Σ_j decay^age(j) v_j v_jᵀ) C y_i,   y_i = Vᵀ s_i
//! ```
//! because λ^(1/2), λ^(−1/2) and (ε + λ)^(−1/2) are functions of B and trade places. So y_i and v_j take the place of loadings and C that
//! of the scales, and nobody needs to know the eigenvectors. [`depends_on_span`] tells when.
//!
//! f_k is 1 but for spectra so faint beside λ_1 that dividing by √λ_k or λ_k would magnify the rounding of the S_ij beyond
//! what parity allows; see [`fade_range`].

use multiversion::multiversion;

use crate::config::{Coupling, Horizon, Loading, MAX_SPECTRA, Spectral};
use crate::real::Real;
use crate::stage::eigensolve::Eigensolve;

/// Width in ln λ over which `coupling = "diagonal"` lets two spectra interact (SPEC 4.5).
pub const COUPLING_WIDTH: f64 = 0.05;
/// |λ_k − λ_l| / (λ_k + λ_l) beyond which C is 0: there it is below e^−50.
pub const COUPLING_REACH: f64 = 0.25;

/// λ_k/λ_1 at which a spectrum is gone, and from which on it counts in full.
///
/// In the penalty the rounding of S_ij (1e-7 in single precision) is divided by √λ_k; by λ_k with unit loadings. Where H holds the
/// window alone, H_kk ≤ λ_k makes up for that, but not where it holds the whole slate. Measured on 60,000 generated
/// slates with ε from 0.01 to 0.3: utilities of single precision and of the reference differ by more than 2e-5 in 1,537 of
/// them without fading, in none with it.
pub fn fade_range(spectral: &Spectral) -> (f64, f64) {
    match (spectral.loading, spectral.horizon) {
        (Loading::Energy, Horizon::Window) => (1e-6, 1e-4),
        (Loading::Energy, Horizon::Slate) => (1e-4, 1e-2),
        (Loading::Unit, _) => (1e-2, 1e-1),
    }
}

/// True where penalties depend on the span of the eigenvectors alone, if no spectrum fades.
pub fn depends_on_span(spectral: &Spectral) -> bool {
    spectral.coupling == Coupling::Full && spectral.loading == Loading::Energy && spectral.horizon == Horizon::Window
}

/// f: 0 up to the first λ_k/λ_1, 1 from the second on, smooth in between.
fn fade(ratio: f64, (gone, full): (f64, f64)) -> f64 {
    let x = ((ratio - gone) / (full - gone)).clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// Spectra handled side by side: a vector of f32 on every processor.
const GROUP: usize = 4;

/// Exposure and weights of one position.
#[derive(Debug, Clone, Default)]
pub struct Exposure<R> {
    n_spectra: usize,
    /// What turns an item's similarities into its loadings: `[group of 4 spectra][slot][spectrum in the group]`.
    projector: Vec<[R; GROUP]>,
    /// f λ^(-1/2) or f λ^(-1), 0 for dropped spectra; 1 where the basis is not rotated.
    inverse: Vec<f64>,
    /// f √λ or f: what turns an entry of U into a loading; 1 where the basis is not rotated.
    member_scale: Vec<f64>,
    /// Placed items: weight of their age, loadings.
    placed: Vec<(R, [R; MAX_SPECTRA])>,
    /// w, once the position is finished: `[spectrum][group of 4 spectra][spectrum in the group]`, 0 beyond K.
    weights: Vec<[R; GROUP]>,
}

impl<R: Real> Exposure<R> {
    /// Starts a position from a solved window: no exposure yet.
    pub fn begin(&mut self, solved: &Eigensolve, spectral: &Spectral) {
        let k = solved.n_spectra;
        self.n_spectra = k;
        self.inverse.clear();
        self.member_scale.clear();
        if solved.is_rotated() {
            let range = fade_range(spectral);
            let largest = solved.eigenvalues[0];
            self.inverse.extend(solved.eigenvalues.iter().map(|&value| match spectral.loading {
                _ if value == 0.0 => 0.0,
                Loading::Energy => fade(value / largest, range) / value.sqrt(),
                Loading::Unit => fade(value / largest, range) / value,
            }));
            let scales = solved.eigenvalues.iter().zip(&self.inverse).map(|(value, inverse)| value * inverse);
            self.member_scale.extend(scales);
        } else {
            self.inverse.resize(k, 1.0);
            self.member_scale.resize(k, 1.0);
        }
        self.projector.clear();
        self.placed.clear();
        self.weights.clear();
        self.weights.resize(self.n_groups() * GROUP * self.n_groups(), [R::zero(); GROUP]);
    }

    /// Makes ready for items that are not in the window, if that has not been done at this position: [`Self::loadings`] and
    /// [`Self::penalty_from`].
    #[inline]
    pub fn reach_out(&mut self, solved: &Eigensolve) {
        if !self.projector.is_empty() {
            return;
        }
        let n_slots = solved.n_slots;
        self.projector.resize(self.n_groups() * n_slots, [R::zero(); GROUP]);
        for (k, &inverse) in self.inverse.iter().enumerate() {
            let rows = &mut self.projector[k / GROUP * n_slots..];
            for (row, &entry) in rows.iter_mut().zip(solved.spectrum(k)) {
                row[k % GROUP] = R::of(entry * inverse);
            }
        }
    }

    fn n_groups(&self) -> usize {
        self.n_spectra.div_ceil(GROUP)
    }

    /// Loadings of an item from its similarities to the slots; see [`Self::reach_out`].
    pub fn loadings(&self, similarity: &[R]) -> [R; MAX_SPECTRA] {
        let mut loadings = [R::zero(); MAX_SPECTRA];
        for (group, loadings) in loadings.as_chunks_mut::<GROUP>().0.iter_mut().enumerate().take(self.n_groups()) {
            *loadings = self.group_loadings(similarity, group);
        }
        loadings
    }

    /// [`Self::loadings`] of an item without [`Self::reach_out`], for a look at one item.
    pub fn loadings_of_one(&self, solved: &Eigensolve, similarity: &[R]) -> [R; MAX_SPECTRA] {
        let mut loadings = [R::zero(); MAX_SPECTRA];
        for (k, loading) in loadings.iter_mut().enumerate().take(self.n_spectra) {
            let entry = |slot| R::of(solved.entry(slot, k) * self.inverse[k]);
            *loading = similarity.iter().enumerate().map(|(slot, &s)| s * entry(slot)).sum();
        }
        loadings
    }

    #[inline(always)]
    fn group_loadings(&self, similarity: &[R], group: usize) -> [R; GROUP] {
        let n_slots = similarity.len();
        let mut sums = [R::zero(); GROUP];
        for (&s, row) in similarity.iter().zip(&self.projector[group * n_slots..(group + 1) * n_slots]) {
            for lane in 0..GROUP {
                sums[lane] += s * row[lane];
            }
        }
        sums
    }

    /// [`Self::penalty`] of an item from its similarities to the slots; see [`Self::reach_out`].
    #[inline]
    pub fn penalty_from(&self, similarity: &[R]) -> R {
        match self.n_groups() {
            1 => self.penalty_in_groups::<1>(|group| self.group_loadings(similarity, group)),
            2 => self.penalty_in_groups::<2>(|group| self.group_loadings(similarity, group)),
            3 => self.penalty_in_groups::<3>(|group| self.group_loadings(similarity, group)),
            _ => self.penalty_in_groups::<{ MAX_SPECTRA / GROUP }>(|group| self.group_loadings(similarity, group)),
        }
    }

    /// [`Self::penalty_from`] of many items, side by side: `columns` holds their similarities, one column of length `stride` per slot.
    /// The numbers are the same.
    pub fn penalties_from(&self, columns: &[R], stride: usize, penalties: &mut [R]) {
        match self.n_groups() {
            1 => side_by_side::<R, 1>(&self.projector, &self.weights, columns, stride, penalties),
            2 => side_by_side::<R, 2>(&self.projector, &self.weights, columns, stride, penalties),
            3 => side_by_side::<R, 3>(&self.projector, &self.weights, columns, stride, penalties),
            _ => side_by_side::<R, { MAX_SPECTRA / GROUP }>(&self.projector, &self.weights, columns, stride, penalties),
        }
    }

    /// The penalty with a number of groups that the compiler knows, so that loadings stay in registers.
    #[inline(always)]
    fn penalty_in_groups<const N: usize>(&self, loadings: impl Fn(usize) -> [R; GROUP]) -> R {
        let loadings: [[R; GROUP]; N] = std::array::from_fn(loadings);
        let mut sums = [[R::zero(); GROUP]; N];
        let rows = self.weights.as_chunks::<N>().0;
        for (row, &l_k) in rows.iter().zip(loadings.as_flattened()) {
            for (sums, weights) in sums.iter_mut().zip(row) {
                for lane in 0..GROUP {
                    sums[lane] += l_k * weights[lane];
                }
            }
        }
        let mut total = [R::zero(); GROUP];
        for (sums, loadings) in sums.iter().zip(&loadings) {
            for lane in 0..GROUP {
                total[lane] += sums[lane] * loadings[lane];
            }
        }
        // w is positive semi-definite; rounding must not turn the penalty into a reward.
        sum(&total).max(R::zero())
    }

    /// Loadings of the window item in `slot`: f_k √λ_k u_k, or f_k u_k for unit loadings (SPEC 4.3); v where the basis is not rotated, which is
    /// what [`Self::take_in`] wants, but not [`Self::penalty`].
    ///
    /// Not S U, although that is the same once the basis has converged: dividing its rounding by √λ_k would couple weak
    /// spectra to the strongest one in H, and f32 utilities would be off by 1e-4 in windows of near-copies.
    #[inline]
    pub fn member_loadings(&self, solved: &Eigensolve, slot: usize) -> [R; MAX_SPECTRA] {
        let mut loadings = [R::zero(); MAX_SPECTRA];
        for ((loading, entry), scale) in loadings.iter_mut().zip(solved.entries(slot)).zip(&self.member_scale) {
            *loading = R::of(scale * entry);
        }
        loadings
    }

    /// Loadings of a candidate that has a slot: f_k λ_k^(-1/2) (S U)_ik, the sum over the window that the solver has already; (S V)_ik where
    /// the basis is not rotated.
    #[inline]
    pub fn candidate_loadings(&self, solved: &Eigensolve, slot: usize) -> [R; MAX_SPECTRA] {
        let mut loadings = [R::zero(); MAX_SPECTRA];
        for (k, loading) in loadings.iter_mut().enumerate().take(self.n_spectra) {
            *loading = R::of(self.inverse[k] * solved.image(slot, k));
        }
        loadings
    }

    /// Takes in a placed item's loadings, weighted by its age.
    #[inline]
    pub fn take_in(&mut self, loadings: &[R; MAX_SPECTRA], age_weight: R) {
        self.placed.push((age_weight, *loadings));
    }

    /// H of the placed items.
    #[inline(always)]
    fn add_up<const N: usize>(&mut self) {
        for (k, row) in self.weights.as_chunks_mut::<N>().0.iter_mut().enumerate() {
            let mut sums = [[R::zero(); GROUP]; N];
            for (age_weight, loadings) in &self.placed {
                let weighted = *age_weight * loadings[k];
                for (sums, group) in sums.iter_mut().zip(loadings.as_chunks::<GROUP>().0) {
                    for lane in 0..GROUP {
                        sums[lane] += weighted * group[lane];
                    }
                }
            }
            *row = sums;
        }
    }

    /// Adds up H and turns it into the weights w.
    pub fn finish(&mut self, solved: &Eigensolve, spectral: &Spectral) {
        match self.n_groups() {
            1 => self.add_up::<1>(),
            2 => self.add_up::<2>(),
            3 => self.add_up::<3>(),
            _ => self.add_up::<{ MAX_SPECTRA / GROUP }>(),
        }
        let (n, width) = (self.n_spectra, self.n_groups() * GROUP);
        if !solved.is_rotated() {
            solved.enclose(self.weights.as_flattened_mut(), width);
            return;
        }
        let eigenvalues = &solved.eigenvalues;
        let mut scale = [0.0; MAX_SPECTRA];
        for (scale, &value) in scale.iter_mut().zip(eigenvalues) {
            *scale = 1.0 / (spectral.epsilon + value).sqrt();
        }
        let weights = self.weights.as_flattened_mut();
        for k in 0..n {
            for l in 0..=k {
                let coupling = match spectral.coupling {
                    Coupling::Full => 1.0,
                    Coupling::Diagonal => coupling(eigenvalues[k], eigenvalues[l]),
                };
                let factor = R::of(coupling * scale[k] * scale[l]);
                weights[k * width + l] *= factor;
                if l < k {
                    weights[l * width + k] *= factor;
                }
            }
        }
    }

    /// w_kl (SPEC 4.5) once the position is finished; (C H C)_kl where the basis is not rotated.
    pub fn weight(&self, k: usize, l: usize) -> R {
        self.weights.as_flattened()[k * self.n_groups() * GROUP + l]
    }

    /// Σ_kl w_kl ℓ_k ℓ_l, never negative: what the diversity term multiplies by −strength.
    #[inline]
    pub fn penalty(&self, loadings: &[R; MAX_SPECTRA]) -> R {
        let groups = loadings.as_chunks::<GROUP>().0;
        match self.n_groups() {
            1 => self.penalty_in_groups::<1>(|group| groups[group]),
            2 => self.penalty_in_groups::<2>(|group| groups[group]),
            3 => self.penalty_in_groups::<3>(|group| groups[group]),
            _ => self.penalty_in_groups::<{ MAX_SPECTRA / GROUP }>(|group| groups[group]),
        }
    }
}

/// Items whose penalties are computed side by side: a register of f32 with AVX-512.
const SIDE_BY_SIDE: usize = 16;

/// Penalties of items from columns of similarities, in the order of additions of [`Exposure::penalty_from`].
#[multiversion(targets = "simd")]
fn side_by_side<R: Real, const N: usize>(
    projector: &[[R; GROUP]],
    weights: &[[R; GROUP]],
    columns: &[R],
    stride: usize,
    penalties: &mut [R],
) {
    let n_slots = projector.len() / N;
    for (block, penalties) in penalties.chunks_mut(SIDE_BY_SIDE).enumerate() {
        let mut loadings = [[[R::zero(); SIDE_BY_SIDE]; GROUP]; N];
        for group in 0..N {
            let mut sums = [[R::zero(); SIDE_BY_SIDE]; GROUP];
            let entries = &projector[group * n_slots..(group + 1) * n_slots];
            for (column, entries) in columns.chunks_exact(stride).zip(entries) {
                let similarities = &column.as_chunks::<SIDE_BY_SIDE>().0[block];
                for lane in 0..GROUP {
                    add_product(&mut sums[lane], similarities, &[entries[lane]; SIDE_BY_SIDE]);
                }
            }
            loadings[group] = sums;
        }
        let mut terms = [[R::zero(); SIDE_BY_SIDE]; GROUP];
        for group in 0..N {
            for lane in 0..GROUP {
                let mut sums = [R::zero(); SIDE_BY_SIDE];
                for (loadings, row) in loadings.as_flattened().iter().zip(weights.as_chunks::<N>().0) {
                    add_product(&mut sums, loadings, &[row[group][lane]; SIDE_BY_SIDE]);
                }
                add_product(&mut terms[lane], &sums, &loadings[group][lane]);
            }
        }
        let [a, b, c, d] = &terms;
        for (i, penalty) in penalties.iter_mut().enumerate() {
            *penalty = ((a[i] + c[i]) + (b[i] + d[i])).max(R::zero());
        }
    }
}

#[inline(always)]
fn add_product<R: Real>(sums: &mut [R; SIDE_BY_SIDE], a: &[R; SIDE_BY_SIDE], b: &[R; SIDE_BY_SIDE]) {
    for i in 0..SIDE_BY_SIDE {
        sums[i] += a[i] * b[i];
    }
}

// Not inlined, or the compiler works in pairs all the way up into the loops; see `real.rs`.
#[inline(never)]
fn sum<R: Real>(lanes: &[R; GROUP]) -> R {
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

/// C_kl = exp(−½ (ln(λ_k/λ_l) / width)²), with the logarithm as 2·artanh((a−b)/(a+b)) in five terms of its series:
/// unlike a driver's `log`, that is exact to rounding where C is not yet 0, and the same on every engine.
fn coupling(a: f64, b: f64) -> f64 {
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let z = (a - b) / (a + b);
    if z.abs() > COUPLING_REACH {
        return 0.0;
    }
    let square = z * z;
    let series = [9.0, 7.0, 5.0, 3.0, 1.0].iter().fold(0.0, |sum, n| sum * square + 1.0 / n);
    let distance = 2.0 * z * series / COUPLING_WIDTH;
    (-0.5 * distance * distance).exp()
}

#[cfg(test)]
mod tests;
