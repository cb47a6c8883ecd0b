//! The spectral strategy: windowed decomposition with exposure-weighted penalties (SPEC 4).

use crate::config::{self, Horizon, Scope};
use crate::real::{BESIDE, Real};
use crate::run::Slots;
use crate::stage::eigensolve::{Eigensolve, FIRST_SWEEPS, column_length};
use crate::stage::exposure::{Exposure, depends_on_span, fade_range};
use crate::stage::window::{EMPTY, Window};
use crate::strategy::Strategy;

/// Candidates of a position that are looked at one by one.
const GROUPS_FROM: usize = 8;

/// State of the spectral strategy for one slate.
#[derive(Debug, Default)]
pub struct Spectral<R> {
    gram: Vec<f64>,
    /// Step at which `gram` was last brought up to date.
    gram_step: u32,
    solver: Eigensolve,
    exposure: Exposure<R>,
    is_first_solve: bool,
    is_active: bool,
    /// Slot of a candidate of A by rank, as it was when it was last in A.
    slot_ahead: Vec<u32>,
    /// Finds eigenpairs even where nobody needs them.
    #[cfg(test)]
    always_rotates: bool,
}

impl<R: Real> Strategy<R> for Spectral<R> {
    fn reset(&mut self, slots: &Slots<R>) {
        let size = slots.window.size();
        self.gram.clear();
        self.gram.resize(size * column_length(size), 0.0);
        // Where others compete too, a copy outside the window would not tie with one in it.
        let loads_from_image = slots.problem.config.window.scope == Scope::Window;
        self.solver.reset(size, slots.problem.config.spectral.spectra, loads_from_image);
        self.gram_step = 0;
        self.is_first_solve = true;
        self.is_active = false;
        self.slot_ahead.clear();
        if loads_from_image {
            self.slot_ahead.resize(slots.slate.n_candidates(), EMPTY);
        }
    }

    fn begin_position(&mut self, slots: &mut Slots<R>) {
        let spectral = &slots.problem.config.spectral;
        let window = &slots.window;
        let entered = window.entered_since(slots.step - 1);
        let was_solved = self.is_active && self.gram_step + 1 == slots.step;
        self.is_active = spectral.strength > 0.0 && !window.has_no_history();
        if was_solved && self.is_active {
            self.solver.note_before(&self.gram, window.empty().chain(entered.clone()));
        }
        self.solver.enter(window.empty(), entered);
        if !self.is_active {
            return;
        }
        let since = std::mem::replace(&mut self.gram_step, slots.step);
        if self.slot_ahead.is_empty() {
            slots.similarity.gram(slots.problem, &slots.slate.rows, &slots.window, since, &mut self.gram);
        } else {
            slots.similarity.gram_ahead(slots.problem, &slots.slate.rows, &slots.window, since, &mut self.gram);
        }
        let extra = if std::mem::take(&mut self.is_first_solve) { FIRST_SWEEPS } else { 0 };
        let items = &slots.window.items;
        self.solver.iterate(spectral.iterations + extra, &self.gram, |slot| items[slot] != EMPTY);
        self.solver.project(&self.gram);
        if !self.finds_root(spectral) {
            self.solver.rotate();
        }
        self.expose(slots);
        self.note_ahead(&slots.window, since);
    }

    fn diversities(&mut self, slots: &mut Slots<R>, locals: [usize; BESIDE]) -> [R; BESIDE] {
        if self.is_active && self.slot_ahead.is_empty() {
            slots.refresh(locals);
        }
        locals.map(|local| self.diversity(slots, local))
    }

    fn groups_from(&self) -> Option<usize> {
        // Most positions look at few, and of a group some need not have been looked at.
        Some(GROUPS_FROM)
    }

    fn diversities_of_all(&mut self, slots: &mut Slots<R>, is_out: &[bool], terms: &mut [R]) -> bool {
        if !self.slot_ahead.is_empty() {
            return false;
        }
        if !self.is_active {
            terms.fill(R::zero());
            return true;
        }
        slots.similarity.refresh_columns(slots.problem, &slots.slate.rows, &slots.window, slots.step, is_out);
        self.exposure.reach_out(&self.solver);
        let (columns, stride) = slots.similarity.columns();
        self.exposure.penalties_from(columns, stride, terms);
        let strength = R::of(-slots.problem.config.spectral.strength);
        terms.iter_mut().for_each(|term| *term = strength * *term);
        true
    }

    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R {
        if !self.is_active {
            return R::zero();
        }
        let strength = R::of(-slots.problem.config.spectral.strength);
        let slot = self.slot_ahead.get(local).map_or(EMPTY, |&slot| slot) as usize;
        let penalty = if slots.window.items.get(slot) == Some(&(local as u32)) {
            self.exposure.penalty(&self.exposure.candidate_loadings(&self.solver, slot))
        } else {
            self.exposure.reach_out(&self.solver);
            self.exposure.penalty_from(slots.similarities(local))
        };
        strength * penalty
    }
}

impl<R: Real> Spectral<R> {
    /// True where the root of B takes the place of eigenpairs.
    fn finds_root(&mut self, spectral: &config::Spectral) -> bool {
        #[cfg(test)]
        if self.always_rotates {
            return false;
        }
        let (_, in_full) = fade_range(spectral);
        depends_on_span(spectral) && self.solver.find_root(spectral.epsilon, in_full)
    }

    /// True where the position's window has something to say.
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    #[cfg(test)]
    fn is_rotated(&self) -> bool {
        self.solver.is_rotated()
    }

    /// Similarity of the items in two slots of the window at this position; 0 where one is empty.
    pub fn gram(&self, a: usize, b: usize) -> f64 {
        self.gram[a * column_length(self.solver.n_slots) + b]
    }

    /// The position's eigenpairs with exposure and weights, whether or not terms were computed from them: for a look inside.
    pub fn decomposed(&self, slots: &Slots<R>) -> Decomposed<R> {
        let mut decomposed = Decomposed { solver: self.solver.clone(), exposure: self.exposure.clone() };
        let Decomposed { solver, exposure } = &mut decomposed;
        if !solver.is_rotated() {
            let spectral = &slots.problem.config.spectral;
            solver.rotate();
            exposure.begin(solver, spectral);
            take_in_window(exposure, solver, slots);
            exposure.finish(solver, spectral);
        }
        decomposed
    }

    fn note_ahead(&mut self, window: &Window, since: u32) {
        if !self.slot_ahead.is_empty() {
            for slot in window.entered_since(since).filter(|&slot| window.is_ahead(slot)) {
                self.slot_ahead[window.items[slot] as usize] = slot as u32;
            }
        }
    }

    fn expose(&mut self, slots: &mut Slots<R>) {
        let spectral = &slots.problem.config.spectral;
        self.exposure.begin(&self.solver, spectral);
        let mut age_weight = take_in_window(&mut self.exposure, &self.solver, slots);
        if spectral.horizon == Horizon::Slate {
            let n_before_window = slots.history.len().saturating_sub(slots.problem.config.window.behind);
            for index in (0..n_before_window).rev() {
                self.exposure.reach_out(&self.solver);
                let loadings = self.exposure.loadings(slots.similarities(slots.history[index] as usize));
                self.exposure.take_in(&loadings, age_weight);
                age_weight *= R::of(spectral.decay);
            }
        }
        self.exposure.finish(&self.solver, spectral);
    }
}

/// Takes in the placed items of the window, the newest first; returns the weight of the age after the oldest.
fn take_in_window<R: Real>(exposure: &mut Exposure<R>, solver: &Eigensolve, slots: &Slots<R>) -> R {
    let decay = R::of(slots.problem.config.spectral.decay);
    let mut age_weight = R::one();
    for slot in slots.window.placed_slots() {
        exposure.take_in(&exposure.member_loadings(solver, slot), age_weight);
        age_weight *= decay;
    }
    age_weight
}

/// Eigenpairs of a position's window, and what follows from them.
#[derive(Debug)]
pub struct Decomposed<R> {
    /// The solved window.
    pub solver: Eigensolve,
    /// Exposure and weights.
    pub exposure: Exposure<R>,
}

#[cfg(test)]
mod tests;
