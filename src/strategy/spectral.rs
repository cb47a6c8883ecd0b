//! The spectral strategy: windowed decomposition with exposure-weighted penalties (SPEC 4).

use crate::config::{Horizon, Scope};
use crate::real::{BESIDE, Real};
use crate::run::Slots;
use crate::stage::eigensolve::{Eigensolve, FIRST_SWEEPS, column_length};
use crate::stage::exposure::Exposure;
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
        let was_solved = self.is_active && self.gram_step + 1 == slots.step;
        self.is_active = spectral.strength > 0.0 && !window.has_no_history();
        let before = if was_solved && self.is_active && self.solver.knows_image() {
            let has_changed = |&slot: &usize| window.items[slot] == EMPTY || window.entered[slot] == slots.step;
            (0..window.size()).filter(has_changed).map(|slot| self.solver.before(slot, &self.gram)).collect()
        } else {
            Vec::new()
        };
        self.solver.enter(|slot| window.items[slot] != EMPTY, |slot| window.entered[slot] == slots.step);
        if !self.is_active {
            return;
        }
        let since = std::mem::replace(&mut self.gram_step, slots.step);
        slots.similarity.gram(slots.problem, &slots.slate.rows, &slots.window, since, &mut self.gram);
        let extra = if std::mem::take(&mut self.is_first_solve) { FIRST_SWEEPS } else { 0 };
        for sweep in 0..spectral.iterations + extra {
            let is_occupied = |slot: usize| slots.window.items[slot] != EMPTY;
            if sweep == 0 && !before.is_empty() {
                self.solver.sweep_changed(&self.gram, &before, is_occupied);
            } else {
                self.solver.sweep(&self.gram, is_occupied);
            }
        }
        self.solver.rotate(&self.gram);
        self.expose(slots);
        self.note_ahead(&slots.window);
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
    /// True where the position's window has something to say.
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// Similarity of the items in two slots of the window at this position; 0 where one is empty.
    pub fn gram(&self, a: usize, b: usize) -> f64 {
        self.gram[a * column_length(self.solver.n_slots) + b]
    }

    /// The solved window.
    pub fn solver(&self) -> &Eigensolve {
        &self.solver
    }

    /// Exposure and weights.
    pub fn exposure(&self) -> &Exposure<R> {
        &self.exposure
    }

    fn note_ahead(&mut self, window: &Window) {
        if !self.slot_ahead.is_empty() {
            for slot in (0..window.size()).filter(|&slot| window.is_ahead(slot)) {
                self.slot_ahead[window.items[slot] as usize] = slot as u32;
            }
        }
    }

    fn expose(&mut self, slots: &mut Slots<R>) {
        let spectral = &slots.problem.config.spectral;
        self.exposure.begin(&self.solver, spectral);
        let n_placed = slots.history.len();
        let mut age_weight = R::one();
        let reach = match spectral.horizon {
            Horizon::Window => n_placed.min(slots.problem.config.window.behind),
            Horizon::Slate => n_placed,
        };
        for age in 0..reach {
            let index = n_placed - 1 - age;
            let local = slots.history[index] as usize;
            let slot = slots.window.placed_at.iter().position(|&at| at == index as u32);
            let loadings = match slot {
                Some(slot) => self.exposure.member_loadings(&self.solver, slot),
                None => {
                    self.exposure.reach_out(&self.solver);
                    self.exposure.loadings(slots.similarities(local))
                }
            };
            self.exposure.take_in(&loadings, age_weight);
            age_weight *= R::of(spectral.decay);
        }
        self.exposure.finish(&self.solver.eigenvalues, spectral);
    }
}
