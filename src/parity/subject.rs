//! An engine under test.

use std::fmt;

use crate::cpu::CpuEngine;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::RankedSlate;

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
}

/// The CPU engine in single precision.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuSubject;

impl Subject for CpuSubject {
    fn name(&self) -> String {
        format!("CPU, f32, {} threads", rayon::current_num_threads())
    }

    fn bind<'p>(&self, problem: &'p Problem<'p>) -> Result<Box<dyn Bound + 'p>, SubjectError> {
        Ok(Box::new(CpuEngine::<f32>::new(problem)))
    }

    fn is_parallel(&self) -> bool {
        true
    }
}

impl Bound for CpuEngine<'_, f32> {
    fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, SubjectError> {
        Ok(CpuEngine::rerank(self, slates))
    }
}

impl fmt::Debug for dyn Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}
