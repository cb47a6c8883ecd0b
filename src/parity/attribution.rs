//! Which stage of an engine departs first from its twin in the f64 reference.
//!
//! The reference walks beside the engine, position by position, along the engine's own picks. Each stage's result is held
//! against the reference's as soon as the engine has it, in pipeline order; the first that is off is where to look.

use std::fmt;

use serde::Serialize;

use crate::config::Strategy;
use crate::parity::copies::are_copies;
use crate::parity::replay::bound;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::real::Real;
use crate::run::Run;
use crate::stage::select::Scored;
use crate::stage::window::EMPTY;
use crate::strategy::Decomposed;

/// Of the largest S_ii. Window similarities are sums in doubled precision.
const SIMILARITY_TOLERANCE: f64 = 1e-12;
/// Of an eigenvalue, which a GPU rounds to f32.
const EIGENVALUE_TOLERANCE: f64 = 3e-7;
/// Of λ_1, for Σ_k λ_k u_k u_kᵀ: values, and the rotation that sorts the vectors, are f32 on a GPU.
const SPECTRUM_TOLERANCE: f64 = 5e-6;
/// Of Σ_k u_k u_kᵀ, solved in doubled precision. What is less is far from showing in a utility.
const SUBSPACE_TOLERANCE: f64 = 1e-9;
/// Of the penalty of a window's own item, or of 1 where that is less.
const EXPOSURE_TOLERANCE: f64 = 1e-5;
/// Of what the utility may be off, for each of its terms.
const TERM_SHARE: f64 = 0.5;

/// A stage of the pipeline, by the name of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Who is taken out by a filter.
    Eligibility,
    /// Who is in the window.
    Window,
    /// Similarities to the window.
    WindowSimilarity,
    /// Spectra.
    Eigensolve,
    /// Exposure, and what it costs a candidate.
    Exposure,
    /// Baselines: similarities to placed items, folded.
    PlacedSimilarity,
    /// Baselines: what is left beside the span of placed items.
    Residual,
    /// Spacing, Semantic-ID and balance penalties, and caps.
    Penalty,
    /// Who wins.
    Select,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eligibility => "eligibility",
            Self::Window => "window",
            Self::WindowSimilarity => "window_similarity",
            Self::Eigensolve => "eigensolve",
            Self::Exposure => "exposure",
            Self::PlacedSimilarity => "placed_similarity",
            Self::Residual => "residual",
            Self::Penalty => "penalty",
            Self::Select => "select",
        })
    }
}

/// The first stage that is off.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Departure {
    /// The stage.
    pub stage: Stage,
    /// The position it computes for.
    pub position: usize,
    /// What it holds, and what the reference holds.
    pub what: String,
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stage, position, what } = self;
        write!(f, "stage {stage} departs first, at position {position}: {what}")
    }
}

/// How often each stage was compared, so that a check cannot pass by comparing nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Compared {
    /// Slates whose filters were compared.
    pub eligibilities: usize,
    /// Windows.
    pub windows: usize,
    /// Similarity matrices.
    pub similarities: usize,
    /// Solved windows.
    pub spectra: usize,
    /// Exposures.
    pub exposures: usize,
    /// Winners with their terms.
    pub winners: usize,
    /// Largest difference of a similarity, in units of the largest S_ii.
    pub similarity_error: f64,
    /// Largest difference in Σ_k u_k u_kᵀ.
    pub subspace_error: f64,
}

/// An engine's winner of a position.
#[derive(Debug, Clone, Copy)]
pub struct Winner {
    /// Its rank.
    pub rank: usize,
    /// How far its caps are exceeded.
    pub excess: u32,
    /// Utility, diversity, spacing, semantic, balance.
    pub terms: [f64; 5],
}

impl<R: Real> From<&Scored<R>> for Winner {
    fn from(scored: &Scored<R>) -> Self {
        let Scored { rank, excess, utility, diversity, spacing, semantic, balance } = *scored;
        Self { rank, excess, terms: [utility, diversity, spacing, semantic, balance].map(Real::to_f64) }
    }
}

/// The reference beside an engine. Every check answers `Err` with the departure, if there is one.
pub struct Beside<'a> {
    problem: &'a Problem<'a>,
    slate: &'a PreparedSlate,
    run: Run<'a, f64>,
    position: usize,
    /// What was compared so far.
    pub compared: Compared,
}

type Checked = Result<(), Departure>;

impl<'a> Beside<'a> {
    /// The reference before the first position of a slate.
    pub fn new(problem: &'a Problem<'a>, slate: &'a PreparedSlate) -> Self {
        let mut run = Run::new(problem, true);
        run.begin(slate);
        run.begin_position();
        Self { problem, slate, run, position: 0, compared: Compared::default() }
    }

    /// The stage that a diversity term comes from.
    fn diversity_stage(&self) -> Stage {
        match self.problem.config.strategy {
            Strategy::Mmr | Strategy::Msd => Stage::PlacedSimilarity,
            Strategy::Dpp | Strategy::Ssd => Stage::Residual,
            Strategy::Spectral | Strategy::Relevance => Stage::Exposure,
        }
    }

    fn departure(&self, stage: Stage, what: String) -> Checked {
        Err(Departure { stage, position: self.position, what })
    }

    /// Who is taken out by a filter, by rank. To be asked before anybody is placed.
    pub fn check_eligibility(&mut self, is_out: impl Fn(usize) -> bool) -> Checked {
        self.compared.eligibilities += 1;
        match (0..self.slate.n_candidates()).find(|&rank| is_out(rank) != self.run.is_gone(rank)) {
            None => Ok(()),
            Some(rank) => {
                let what = format!("that a filter takes out rank {rank} is {}, not {}", is_out(rank), !is_out(rank));
                self.departure(Stage::Eligibility, what)
            }
        }
    }

    /// Local index and place in the history of each slot's item.
    pub fn check_window(&mut self, items: &[u32], placed_at: &[u32], is_active: bool) -> Checked {
        let window = &self.run.slots().window;
        self.compared.windows += 1;
        if window.size() == 0 {
            // Strategies without a window still have the slots that a kernel must have at least.
            return Ok(());
        }
        if items != window.items || placed_at != window.placed_at {
            let what = format!("slots hold {items:?}, not {:?}", window.items);
            return self.departure(Stage::Window, what);
        }
        let wanted = self.run.spectral().is_some_and(crate::strategy::Spectral::is_active);
        if is_active != wanted {
            return self.departure(Stage::Window, format!("it counts is {is_active}, not {wanted}"));
        }
        Ok(())
    }

    /// Similarities of a window's items, by slots.
    pub fn check_similarity(&mut self, similarity: impl Fn(usize, usize) -> f64) -> Checked {
        let Some(spectral) = self.run.spectral() else { return Ok(()) };
        let items = &self.run.slots().window.items;
        let m = items.len();
        let scale = (0..m).filter(|&a| items[a] != EMPTY).map(|a| spectral.gram(a, a)).fold(1.0, f64::max);
        for a in (0..m).filter(|&a| items[a] != EMPTY) {
            for b in (0..m).filter(|&b| items[b] != EMPTY) {
                let (found, wanted) = (similarity(a, b), spectral.gram(a, b));
                self.compared.similarity_error = self.compared.similarity_error.max((found - wanted).abs() / scale);
                if is_off(found, wanted, SIMILARITY_TOLERANCE * scale) {
                    let what = format!("the similarity of slots {a} and {b} is {found:e}, not {wanted:e}");
                    return self.departure(Stage::WindowSimilarity, what);
                }
            }
        }
        self.compared.similarities += 1;
        Ok(())
    }

    /// Basis, by slot and spectrum, and eigenvalues.
    pub fn check_spectra(&mut self, basis: impl Fn(usize, usize) -> f64, eigenvalues: &[f64]) -> Checked {
        let Some(spectral) = self.run.spectral() else { return Ok(()) };
        let solver = spectral.decomposed(self.run.slots()).solver;
        for (k, (&found, &wanted)) in eigenvalues.iter().zip(&solver.eigenvalues).enumerate() {
            let tolerance = EIGENVALUE_TOLERANCE * wanted + SUBSPACE_TOLERANCE * solver.eigenvalues[0];
            if is_off(found, wanted, tolerance) {
                return self.departure(Stage::Eigensolve, format!("eigenvalue {k} is {found:e}, not {wanted:e}"));
            }
        }
        let (m, k) = (solver.n_slots, solver.n_spectra);
        // Which vector belongs to which value does not show in the subspace. Σ_k λ_k u_k u_kᵀ says it, and does not depend
        // on the basis of a repeated eigenvalue.
        let sum = |entry: &dyn Fn(usize, usize) -> f64, values: &[f64], a: usize, b: usize| -> f64 {
            values.iter().enumerate().map(|(k, value)| value * entry(a, k) * entry(b, k)).sum()
        };
        for (a, b) in (0..m * m).map(|ab| (ab / m, ab % m)) {
            let found = sum(&basis, eigenvalues, a, b);
            let wanted = sum(&|slot, k| solver.entry(slot, k), &solver.eigenvalues, a, b);
            if is_off(found, wanted, SPECTRUM_TOLERANCE * solver.eigenvalues[0]) {
                let what = format!("the spectra give slots {a} and {b} {found:e}, not {wanted:e}");
                return self.departure(Stage::Eigensolve, what);
            }
        }
        let (found, wanted) = (subspace(basis, m, k), subspace(|slot, k| solver.entry(slot, k), m, k));
        for (i, (&found, &wanted)) in found.iter().zip(&wanted).enumerate() {
            self.compared.subspace_error = self.compared.subspace_error.max((found - wanted).abs());
            if is_off(found, wanted, SUBSPACE_TOLERANCE) {
                let what = format!("the subspace gives slots {} and {} {found:e}, not {wanted:e}", i / m, i % m);
                return self.departure(Stage::Eigensolve, what);
            }
        }
        self.compared.spectra += 1;
        Ok(())
    }

    /// What the engine's exposure costs the window's own items, by slot; before the strength.
    pub fn check_exposure(&mut self, penalty: impl Fn(usize) -> f64) -> Checked {
        let Some(spectral) = self.run.spectral() else { return Ok(()) };
        let Decomposed { solver, exposure } = spectral.decomposed(self.run.slots());
        let items = &self.run.slots().window.items;
        for slot in (0..items.len()).filter(|&slot| items[slot] != EMPTY) {
            let loadings = exposure.member_loadings(&solver, slot);
            let (found, wanted) = (penalty(slot), exposure.penalty(&loadings));
            if is_off(found, wanted, EXPOSURE_TOLERANCE * wanted.max(1.0)) {
                let what = format!("the item of slot {slot} is charged {found:e}, not {wanted:e}");
                return self.departure(Stage::Exposure, what);
            }
        }
        self.compared.exposures += 1;
        Ok(())
    }

    /// The engine's winner with its terms; then both move on to the next position.
    pub fn check_winner(&mut self, winner: &Winner) -> Checked {
        let Winner { rank, excess, terms: [utility, diversity, spacing, semantic, balance] } = *winner;
        if rank >= self.slate.n_candidates() || self.run.is_gone(rank) {
            let what = format!("rank {rank} does not exist, is placed already or was taken out by a filter");
            return self.departure(Stage::Select, what);
        }
        let pinned = self.run.pinned(self.position);
        let best = pinned.or_else(|| self.run.best());
        let pick = self.run.score(rank);
        let tolerance = TERM_SHARE * bound(pick.utility);
        for (stage, name, found, wanted) in [
            (self.diversity_stage(), "diversity", diversity, pick.diversity),
            (Stage::Penalty, "spacing", spacing, pick.spacing),
            (Stage::Penalty, "semantic", semantic, pick.semantic),
            (Stage::Penalty, "balance", balance, pick.balance),
        ] {
            if is_off(found, wanted, tolerance) {
                return self.departure(stage, format!("{name} of rank {rank} is {found:e}, not {wanted:e}"));
            }
        }
        if excess != pick.excess {
            let what = format!("rank {rank} exceeds the caps by {excess}, not {}", pick.excess);
            return self.departure(Stage::Penalty, what);
        }
        if is_off(utility, pick.utility, bound(pick.utility)) {
            let what = format!("the utility of rank {rank} is {utility:e}, not {:e}", pick.utility);
            return self.departure(Stage::Select, what);
        }
        self.check_pick(&pick, best.as_ref(), pinned.is_some())?;
        self.compared.winners += 1;
        self.run.place(rank);
        self.position += 1;
        if self.position < self.slate.n_positions(self.problem.config.slate_size) {
            self.run.begin_position();
        }
        Ok(())
    }

    fn check_pick(&self, pick: &Scored<f64>, best: Option<&Scored<f64>>, is_pinned: bool) -> Checked {
        let Some(best) = best.filter(|best| best.rank != pick.rank) else { return Ok(()) };
        let (slate, rank, wins) = (self.slate, pick.rank, best.rank);
        let is_out = slate.pins.iter().any(|&(_, pinned)| pinned as usize == rank) || !self.run.competes(rank);
        let is_worse = pick.excess > best.excess || best.utility - pick.utility > bound(pick.utility);
        let is_tie_broken = wins < rank && best.utility == pick.utility && are_copies(self.problem, slate, wins, rank);
        if is_pinned || is_out || is_worse || is_tie_broken {
            let (found, wanted) = (pick.utility, best.utility);
            let what = format!("rank {rank} is placed with utility {found:e}, rank {wins} has {wanted:e}");
            return self.departure(Stage::Select, what);
        }
        Ok(())
    }
}

/// Σ_k q_k q_kᵀ over an orthonormal basis q of the columns' span.
fn subspace(basis: impl Fn(usize, usize) -> f64, m: usize, k: usize) -> Vec<f64> {
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for s in 0..k {
        let mut column: Vec<f64> = (0..m).map(|slot| basis(slot, s)).collect();
        for earlier in &columns {
            let share: f64 = earlier.iter().zip(&column).map(|(x, y)| x * y).sum();
            column.iter_mut().zip(earlier).for_each(|(x, y)| *x -= share * y);
        }
        let length = column.iter().map(|x| x * x).sum::<f64>().sqrt();
        // Columns of dropped spectra are zero. A column that lies in those before it is a fault: it stays away.
        if length > 0.5 {
            column.iter_mut().for_each(|x| *x /= length);
            columns.push(column);
        }
    }
    (0..m * m).map(|ij| columns.iter().map(|q| q[ij / m] * q[ij % m]).sum()).collect()
}

/// True for a NaN as well.
fn is_off(found: f64, wanted: f64, tolerance: f64) -> bool {
    let error = (found - wanted).abs();
    error.is_nan() || error > tolerance
}
