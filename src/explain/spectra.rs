//! What a position's spectra stand for.

use super::compute::Names;
use super::{LoadedItem, Share, SpectrumExplanation};
use crate::metrics::Similarities;
use crate::problem::Problem;
use crate::run::Slots;
use crate::stage::window::EMPTY;
use crate::strategy::{Decomposed, Spectral};

/// Items named per spectrum.
const N_ITEMS: usize = 3;

/// The spectra of a position, kept ones only.
pub(super) struct Spectra<'r> {
    slots: &'r Slots<'r, f64>,
    spectral: &'r Spectral<f64>,
    decomposed: Decomposed<f64>,
    /// Index into the solver's spectra, and the sign that makes the leading item's loading positive.
    kept: Vec<(usize, f64)>,
}

impl<'r> Spectra<'r> {
    /// None where the position's window has nothing to say.
    pub(super) fn of(slots: &'r Slots<'r, f64>, spectral: Option<&'r Spectral<f64>>) -> Option<Self> {
        let spectral = spectral.filter(|spectral| spectral.is_active())?;
        let mut found = Self { slots, spectral, decomposed: spectral.decomposed(slots), kept: Vec::new() };
        let eigenvalues = found.decomposed.solver.eigenvalues.clone();
        for (k, eigenvalue) in eigenvalues.into_iter().enumerate() {
            if eigenvalue > 0.0 {
                let leading = found.loadings(k, 1.0).first().map_or(1.0, |&(_, loading)| loading);
                found.kept.push((k, 1.0_f64.copysign(leading)));
            }
        }
        Some(found)
    }

    pub(super) fn explain(&self, names: &Names<'_>) -> Vec<SpectrumExplanation> {
        let Decomposed { solver, exposure } = &self.decomposed;
        let diagonal = self.occupied().map(|slot| self.spectral.gram(slot, slot));
        let trace: f64 = diagonal.sum();
        let explain = |&(k, sign): &(usize, f64)| {
            let eigenvalue = solver.eigenvalues[k];
            let weight = exposure.weight(k, k);
            let items = self.loadings(k, sign).into_iter().take(N_ITEMS);
            SpectrumExplanation {
                eigenvalue,
                share: eigenvalue / trace,
                // w_kk = H_kk / (ε + λ_k), as C_kk = 1.
                exposure: weight * (self.slots.problem.config.spectral.epsilon + eigenvalue),
                weight,
                items: items.map(|(row, loading)| LoadedItem { item: names.item(row), loading }).collect(),
            }
        };
        self.kept.iter().map(explain).collect()
    }

    /// Loadings and costs of the item in a catalog row, one per kept spectrum.
    pub(super) fn shares(&self, problem: &Problem, row: u32) -> Vec<Share> {
        let Decomposed { solver, exposure } = &self.decomposed;
        let window = &self.slots.window;
        let slots: Vec<usize> = self.occupied().collect();
        let window_rows = slots.iter().map(|&slot| self.slots.slate.rows[window.items[slot] as usize]);
        let rows: Vec<u32> = window_rows.chain([row]).collect();
        let similarities = Similarities::new(problem, &rows);
        let mut to_slots = vec![0.0; window.size()];
        for (j, &slot) in slots.iter().enumerate() {
            to_slots[slot] = similarities.between(slots.len(), j);
        }
        let loadings = exposure.loadings_of_one(solver, &to_slots);
        let share = |&(k, sign): &(usize, f64)| {
            let weighted: f64 = self.kept.iter().map(|&(l, _)| exposure.weight(k, l) * loadings[l]).sum();
            Share { loading: sign * loadings[k], cost: problem.config.spectral.strength * loadings[k] * weighted }
        };
        self.kept.iter().map(share).collect()
    }

    /// (catalog row, loading) of every window item in spectrum `k`, those that lie most in it first.
    fn loadings(&self, k: usize, sign: f64) -> Vec<(u32, f64)> {
        let window = &self.slots.window;
        let loading = |slot: usize| {
            let loadings = self.decomposed.exposure.member_loadings(&self.decomposed.solver, slot);
            (self.slots.slate.rows[window.items[slot] as usize], sign * loadings[k])
        };
        let mut loadings: Vec<(u32, f64)> = self.occupied().map(loading).collect();
        loadings.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        loadings
    }

    fn occupied(&self) -> impl Iterator<Item = usize> + '_ {
        self.slots.window.items.iter().enumerate().filter(|&(_, &item)| item != EMPTY).map(|(slot, _)| slot)
    }
}
