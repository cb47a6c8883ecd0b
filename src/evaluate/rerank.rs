//! What `compare` and `tune` have in common around an engine.

use rayon::prelude::*;

use crate::prepare::{PreparedSlate, SlateError};
use crate::problem::{Problem, ProblemError};
use crate::slate::Slate;

/// Why slates could not be evaluated. `E` is the error of the caller's engine or files.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError<E> {
    /// The caller's engine or files.
    #[error("{0}")]
    Caller(E),
    /// A configuration does not fit the catalog.
    #[error("{name}: {error}")]
    Problem {
        /// The configuration or setting.
        name: String,
        /// What does not fit.
        error: ProblemError,
    },
    /// A slate is not valid under a configuration.
    #[error("{error} ({name})")]
    Slate {
        /// The configuration or setting.
        name: String,
        /// The slate and what is wrong.
        error: SlateError,
    },
    /// The engine returned something that is no re-ranking of the slate it was given.
    #[error("the engine returned an impossible result for slate {slate} ({name}): {what}; run with --backend cpu")]
    BadResult {
        /// The configuration or setting.
        name: String,
        /// The slate's id.
        slate: String,
        /// What is impossible about it.
        what: &'static str,
    },
    /// There is nothing to evaluate.
    #[error("there are no slates to {0}: pass a file that has some")]
    NoSlates(&'static str),
}

/// Binds slates to a problem, on all cores.
///
/// # Errors
/// The first slate that is not valid.
pub fn prepare(problem: &Problem, slates: &[Slate]) -> Result<Vec<PreparedSlate>, SlateError> {
    let prepared: Vec<Result<_, _>> = slates.par_iter().map(|slate| PreparedSlate::new(problem, slate)).collect();
    prepared.into_iter().collect()
}

/// Looks at slates before anyone ranks them, on all cores.
///
/// # Errors
/// The first slate that is not valid under the measure.
pub fn refer(measure: &super::Measure, slates: &[Slate]) -> Result<Vec<super::Reference>, SlateError> {
    let referred: Vec<Result<_, _>> = slates.par_iter().map(|slate| measure.refer(slate)).collect();
    referred.into_iter().collect()
}
