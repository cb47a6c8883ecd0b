//! How much of the placed items lies in each spectrum, and what that costs a candidate.
//!
//! ```text
//! ℓ_ik  = λ_k^(-1/2) Σ_j S_ij u_jk        (energy; divided by √λ_k once more for unit loadings)
//! H_kl  = Σ_j decay^age(j) ℓ_jk ℓ_jl      over placed items j
//! w_kl  = C_kl H_kl / √((ε+λ_k)(ε+λ_l))
//! diversity_i = −strength Σ_kl w_kl ℓ_ik ℓ_il
//! ```
//! For an item of the window, S u_k = λ_k u_k and the loading is √λ_k u_ik.

use crate::config::{Coupling, Loading, MAX_SPECTRA, Spectral};
use crate::real::Real;
use crate::stage::eigensolve::Eigensolve;

/// Width in ln λ over which `coupling = "diagonal"` lets two spectra interact (SPEC 4.5).
pub const COUPLING_WIDTH: f64 = 0.05;
/// |λ_k − λ_l| / (λ_k + λ_l) beyond which C is 0: there it is below e^−50.
pub const COUPLING_REACH: f64 = 0.25;

/// Spectra handled side by side: a vector of f32 on every processor.
const GROUP: usize = 4;

/// Exposure and weights of one position.
#[derive(Debug, Default)]
pub struct Exposure<R> {
    n_spectra: usize,
    /// What turns an item's similarities into its loadings: `[group of 4 spectra][slot][spectrum in the group]`.
    projector: Vec<R>,
    /// λ^(-1/2) or λ^(-1); 0 for dropped spectra.
    inverse: Vec<R>,
    /// H while items are added, then w.
    weights: Vec<R>,
}

impl<R: Real> Exposure<R> {
    /// Starts a position from a solved window: no exposure yet.
    pub fn begin(&mut self, solved: &Eigensolve<R>, loading: Loading) {
        let k = solved.n_spectra;
        self.n_spectra = k;
        self.inverse.clear();
        self.inverse.extend(solved.eigenvalues.iter().map(|&value| match loading {
            _ if value == R::zero() => R::zero(),
            Loading::Energy => R::one() / value.sqrt(),
            Loading::Unit => R::one() / value,
        }));
        self.projector.clear();
        for group in (0..k).step_by(GROUP) {
            for slot in 0..solved.n_slots {
                self.projector.extend(
                    (group..group + GROUP).map(
                        |s| {
                            if s < k { solved.entry(slot, s) * self.inverse[s] } else { R::zero() }
                        },
                    ),
                );
            }
        }
        self.weights.clear();
        self.weights.resize(k * k, R::zero());
    }

    /// Loadings of an item from its similarities to the slots.
    pub fn loadings(&self, similarity: &[R]) -> [R; MAX_SPECTRA] {
        let mut loadings = [R::zero(); MAX_SPECTRA];
        let groups = self.projector.chunks_exact(similarity.len() * GROUP);
        for (group, loadings) in groups.zip(loadings.chunks_exact_mut(GROUP)) {
            let mut sums = [R::zero(); GROUP];
            for (&s, row) in similarity.iter().zip(group.chunks_exact(GROUP)) {
                for lane in 0..GROUP {
                    sums[lane] += s * row[lane];
                }
            }
            loadings.copy_from_slice(&sums);
        }
        loadings
    }

    /// Loadings of the window item in `slot`: √λ_k u_k, or u_k for unit loadings (SPEC 4.3).
    ///
    /// Not S U, although that is the same once the basis has converged: dividing its rounding by √λ_k would couple weak
    /// spectra to the strongest one in H, and f32 utilities would be off by 1e-4 in windows of near-copies.
    pub fn member_loadings(&self, solved: &Eigensolve<R>, slot: usize) -> [R; MAX_SPECTRA] {
        let mut loadings = [R::zero(); MAX_SPECTRA];
        for (k, loading) in loadings.iter_mut().enumerate().take(self.n_spectra) {
            *loading = solved.eigenvalues[k] * self.inverse[k] * solved.entry(slot, k);
        }
        loadings
    }

    /// Adds a placed item's loadings to H, weighted by its age.
    pub fn add(&mut self, loadings: &[R; MAX_SPECTRA], age_weight: R) {
        let n = self.n_spectra;
        for k in 0..n {
            for l in 0..n {
                self.weights[k * n + l] += age_weight * loadings[k] * loadings[l];
            }
        }
    }

    /// Turns H into the weights w.
    pub fn finish(&mut self, eigenvalues: &[R], spectral: &Spectral) {
        let (n, epsilon) = (self.n_spectra, R::of(spectral.epsilon));
        for k in 0..n {
            for l in 0..n {
                let scale = ((epsilon + eigenvalues[k]) * (epsilon + eigenvalues[l])).sqrt();
                let coupling = match spectral.coupling {
                    Coupling::Full => R::one(),
                    Coupling::Diagonal => coupling(eigenvalues[k], eigenvalues[l]),
                };
                self.weights[k * n + l] *= coupling / scale;
            }
        }
    }

    /// Σ_kl w_kl ℓ_k ℓ_l, never negative: what the diversity term multiplies by −strength.
    pub fn penalty(&self, loadings: &[R; MAX_SPECTRA]) -> R {
        let n = self.n_spectra;
        let mut sum = R::zero();
        for (row, &l_k) in self.weights.chunks_exact(n).zip(loadings) {
            let inner = row.iter().zip(loadings).fold(R::zero(), |sum, (&w, &l)| sum + w * l);
            sum += l_k * inner;
        }
        // w is positive semi-definite; rounding must not turn the penalty into a reward.
        sum.max(R::zero())
    }
}

/// C_kl = exp(−½ (ln(λ_k/λ_l) / width)²), with the logarithm as 2·artanh((a−b)/(a+b)) in five terms of its series:
/// unlike a driver's `log`, that is exact to rounding where C is not yet 0, and the same on every engine.
fn coupling<R: Real>(a: R, b: R) -> R {
    if a == R::zero() || b == R::zero() {
        return R::zero();
    }
    let z = (a - b) / (a + b);
    if z.abs() > R::of(COUPLING_REACH) {
        return R::zero();
    }
    let square = z * z;
    let series = [9.0, 7.0, 5.0, 3.0, 1.0].iter().fold(R::zero(), |sum, &n| sum * square + R::of(1.0 / n));
    let distance = R::of(2.0) * z * series / R::of(COUPLING_WIDTH);
    (R::of(-0.5) * distance * distance).exp()
}
