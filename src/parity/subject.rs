//! An engine under test.

use std::fmt;

use crate::cpu::CpuEngine;
use crate::parity::attribution::{Beside, Departure, Winner};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::run::Run;
use crate::slate::RankedSlate;
use crate::strategy::Decomposed;

/// Why an engine under test gives no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The problem is beyond the engine's limits, which is no fault.
    #[error("cannot hold this problem: {0}")]
    Unsupported(String),
    /// The engine failed.
    #[error("{0}")]
    Failed(String),
}

/// An engine under test, before it knows the problem.
pub trait Subject: Sync {
    /// What computes, in words.
    fn name(&self) -> String;

    /// The engine for a problem.
    ///
    /// # Errors
    /// It cannot be had.
    fn bind<'p>(&self, problem: &'p Problem<'p>) -> Result<Box<dyn Bound + 'p>, SubjectError>;

    /// The same engine under settings that must not change a bit of any result, by name.
    fn variants(&self) -> Vec<(String, Box<dyn Subject + '_>)> {
        Vec::new()
    }

    /// True where engines may be bound and run on many threads at once.
    fn is_parallel(&self) -> bool {
        false
    }
}

/// An engine bound to a problem.
pub trait Bound {
    /// Composes every slate, in order.
    ///
    /// # Errors
    /// The engine fails.
    fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, SubjectError>;

    /// The first stage that departs from its twin when the slate runs alone; none where no stage does, or where the engine
    /// lets nobody look inside.
    ///
    /// # Errors
    /// The engine fails.
    fn departure(&mut self, slate: &PreparedSlate) -> Result<Option<Departure>, SubjectError> {
        let _ = slate;
        Ok(None)
    }
}

/// The CPU engine in single precision.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuSubject {
    /// Scores every candidate at every position.
    is_exhaustive: bool,
    /// All cores, or so many threads.
    n_threads: Option<usize>,
}

impl Subject for CpuSubject {
    fn name(&self) -> String {
        format!("CPU, f32, {} threads", self.n_threads.unwrap_or_else(rayon::current_num_threads))
    }

    fn variants(&self) -> Vec<(String, Box<dyn Subject + '_>)> {
        vec![
            ("without pruning".to_owned(), Box::new(Self { is_exhaustive: true, ..*self })),
            ("on one thread".to_owned(), Box::new(Self { n_threads: Some(1), ..*self })),
            ("on 7 threads".to_owned(), Box::new(Self { n_threads: Some(7), ..*self })),
        ]
    }

    fn bind<'p>(&self, problem: &'p Problem<'p>) -> Result<Box<dyn Bound + 'p>, SubjectError> {
        let engine = CpuEngine::new(problem).with_pruning(!self.is_exhaustive);
        let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build();
        let pool = self.n_threads.map(pool).transpose().map_err(|e| SubjectError::Failed(e.to_string()))?;
        Ok(Box::new(BoundCpu { engine, problem, pool }))
    }

    fn is_parallel(&self) -> bool {
        true
    }
}

struct BoundCpu<'p> {
    engine: CpuEngine<'p, f32>,
    problem: &'p Problem<'p>,
    /// Its own threads, where it does not take those of everybody.
    pool: Option<rayon::ThreadPool>,
}

impl Bound for BoundCpu<'_> {
    fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, SubjectError> {
        let engine = &self.engine;
        Ok(self.pool.as_ref().map_or_else(|| engine.rerank(slates), |pool| pool.install(|| engine.rerank(slates))))
    }

    fn departure(&mut self, slate: &PreparedSlate) -> Result<Option<Departure>, SubjectError> {
        Ok(follow(self.problem, slate).err())
    }
}

/// Holds every stage in single precision against its twin in double precision; ends at the first departure.
fn follow<'a>(problem: &'a Problem<'a>, slate: &'a PreparedSlate) -> Result<(), Departure> {
    let mut beside = Beside::new(problem, slate);
    let mut run = Run::<f32>::new(problem, true);
    run.begin(slate);
    beside.check_eligibility(|rank| run.is_gone(rank))?;
    for position in 0..slate.n_positions(problem.config.slate_size) {
        run.begin_position();
        let window = &run.slots().window;
        if let Some(spectral) = run.spectral() {
            beside.check_window(&window.items, &window.placed_at, spectral.is_active())?;
            if spectral.is_active() {
                let Decomposed { solver, exposure } = spectral.decomposed(run.slots());
                beside.check_similarity(|a, b| spectral.gram(a, b))?;
                beside.check_spectra(|slot, k| solver.entry(slot, k), &solver.eigenvalues)?;
                beside.check_exposure(|slot| exposure.penalty(&exposure.member_loadings(&solver, slot)).into())?;
            }
        }
        let Some(winner) = run.pinned(position).or_else(|| run.best()) else { break };
        beside.check_winner(&Winner::from(&winner))?;
        run.place(winner.rank);
    }
    Ok(())
}

impl fmt::Debug for dyn Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
