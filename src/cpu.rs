//! The CPU engine: slates in parallel, f32 for speed or f64 as the reference.

use std::marker::PhantomData;

use rayon::prelude::*;

use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::real::Real;
use crate::run::Run;
use crate::slate::RankedSlate;

/// Composes slates on all cores, in f32 or f64.
#[derive(Debug)]
pub struct CpuEngine<'a, R> {
    problem: &'a Problem<'a>,
    prunes: bool,
    precision: PhantomData<R>,
}

impl<'a, R: Real> CpuEngine<'a, R> {
    /// An engine with exact pruning.
    pub fn new(problem: &'a Problem<'a>) -> Self {
        Self { problem, prunes: true, precision: PhantomData }
    }

    /// Switches exact pruning (SPEC 8) on or off. The result is the same to the last bit.
    pub fn with_pruning(mut self, prunes: bool) -> Self {
        self.prunes = prunes;
        self
    }

    /// Composes every slate, in order. Empty slates give empty results.
    pub fn rerank(&self, slates: &[PreparedSlate]) -> Vec<RankedSlate> {
        slates
            .par_iter()
            .map_init(|| Run::<R>::new(self.problem, self.prunes), |run, slate| run.rerank(slate))
            .collect()
    }
}
