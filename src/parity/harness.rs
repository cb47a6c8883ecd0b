//! Runs cases through an engine under test and judges every slate.

use std::ops::Range;
use std::time::Instant;

use rayon::prelude::*;

use crate::parity::attribution::Departure;
use crate::parity::case::Case;
use crate::parity::generate::{Limits, SLATES_PER_RECIPE, recipe};
use crate::parity::replay::{Replay, replay};
use crate::parity::report::{Failure, Report};
use crate::parity::subject::{Bound, Subject, SubjectError};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::{RankedSlate, Slate};

/// Cases made, run and judged at a time.
const BATCH_CASES: usize = 64;

/// A case that cannot be run at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("case \"{case}\" cannot be run: {reason}")]
pub struct HarnessError {
    /// The case.
    pub case: String,
    /// Why.
    pub reason: String,
}

/// An engine under test and what came of it so far.
pub struct Harness<'s> {
    subject: &'s dyn Subject,
    report: Report,
    started: Instant,
    progress: Box<dyn Fn(usize) + 's>,
}

/// Slates as given, and the same ready for engines.
pub type Batch = (Vec<Slate>, Vec<PreparedSlate>);

/// One case's results, before they are judged.
type Ran = Result<Vec<RankedSlate>, SubjectError>;

impl<'s> Harness<'s> {
    /// A harness that has seen nothing yet.
    pub fn new(subject: &'s dyn Subject) -> Self {
        let report = Report { engine: subject.name(), ..Report::default() };
        Self { subject, report, started: Instant::now(), progress: Box::new(|_| {}) }
    }

    /// Calls `progress` with the number of slates that were judged since the last call.
    pub fn with_progress(mut self, progress: impl Fn(usize) + 's) -> Self {
        self.progress = Box::new(progress);
        self
    }

    /// What was found.
    pub fn into_report(mut self) -> Report {
        self.report.seconds = self.started.elapsed().as_secs_f64();
        self.report
    }

    /// Checks some of a seed's generated slates. Slate i is slate `i % 4` of recipe `i / 4`; nothing else decides what it is.
    ///
    /// # Errors
    /// A recipe that cannot be made: a bug of the generator.
    pub fn check_generated(&mut self, seed: u64, slates: Range<usize>, limits: &Limits) -> Result<(), HarnessError> {
        let recipes = slates.start / SLATES_PER_RECIPE..slates.end.div_ceil(SLATES_PER_RECIPE);
        for first in recipes.clone().step_by(BATCH_CASES) {
            let make = |index: usize| {
                let name = format!("seed {seed}, case {index}");
                let mut case = recipe(seed, index as u64, limits)
                    .build()
                    .map_err(|e| HarnessError { case: name.clone(), reason: e.to_string() })?;
                case.name = name;
                let mut number = index * SLATES_PER_RECIPE;
                case.slates.retain_mut(|slate| {
                    slate.id = number.to_string();
                    number += 1;
                    slates.contains(&(number - 1))
                });
                Ok(case)
            };
            let batch = first..(first + BATCH_CASES).min(recipes.end);
            let cases = batch.into_par_iter().map(make).collect::<Result<Vec<_>, _>>()?;
            self.check_cases(&cases)?;
        }
        Ok(())
    }

    /// Checks every slate of some cases.
    ///
    /// # Errors
    /// A case whose parts do not fit together.
    pub fn check_cases(&mut self, cases: &[Case]) -> Result<(), HarnessError> {
        let refused = |case: &Case, reason: String| HarnessError { case: case.name.clone(), reason };
        let problems = cases
            .iter()
            .map(|case| Problem::new(&case.config, &case.catalog).map_err(|e| refused(case, e.to_string())))
            .collect::<Result<Vec<_>, _>>()?;
        let prepare = |(case, problem): (&Case, &Problem)| {
            let prepared = case.slates.iter().map(|slate| PreparedSlate::new(problem, slate));
            prepared.collect::<Result<Vec<_>, _>>().map_err(|e| refused(case, e.to_string()))
        };
        let prepared = cases.iter().zip(&problems).map(prepare).collect::<Result<Vec<_>, _>>()?;
        let subject = self.subject;
        let run = |(problem, slates): (_, &Vec<PreparedSlate>)| run(subject, problem, slates);
        let ran: Vec<Ran> = if self.subject.is_parallel() {
            problems.par_iter().zip(&prepared).map(run).collect()
        } else {
            problems.iter().zip(&prepared).map(run).collect()
        };
        let replays: Vec<Vec<Replay>> = ran
            .par_iter()
            .zip(&problems)
            .zip(&prepared)
            .map(|((ran, problem), slates)| replays(problem, slates, ran))
            .collect();
        for (i, case) in cases.iter().enumerate() {
            self.record(&case.name, &problems[i], &case.slates, &ran[i], &replays[i]);
        }
        Ok(())
    }

    /// Checks batches of slates of one problem, as given and ready for engines; one engine computes them all.
    ///
    /// # Errors
    /// Whatever `next` fails with.
    pub fn check_stream<'p, E>(
        &mut self,
        problem: &'p Problem<'p>,
        mut next: impl FnMut() -> Result<Option<Batch>, E>,
    ) -> Result<(), E> {
        let mut engine = self.subject.bind(problem);
        while let Some((slates, prepared)) = next()? {
            let ran = match &mut engine {
                Ok(engine) => rerank(engine.as_mut(), &prepared),
                Err(error) => Err(error.clone()),
            };
            let replays = replays(problem, &prepared, &ran);
            self.record("", problem, &slates, &ran, &replays);
            if matches!(ran, Err(SubjectError::Unsupported(_))) {
                break;
            }
        }
        Ok(())
    }

    fn record(&mut self, name: &str, problem: &Problem, slates: &[Slate], ran: &Ran, replays: &[Replay]) {
        (self.progress)(slates.len());
        let named = |slate: &Slate| {
            let separator = if name.is_empty() { "" } else { ", " };
            format!("{name}{separator}slate {}", slate.id)
        };
        let failure = |slate: &Slate, fault: String, position| {
            let name = named(slate);
            Failure {
                slate: name.clone(),
                fault,
                position,
                departure: departure(self.subject, problem, slate),
                saved: None,
                case: Case::of_slate(&name, problem, slate).ok(),
            }
        };
        match ran {
            Ok(_) => {}
            Err(SubjectError::Unsupported(_)) => self.report.unsupported += 1,
            Err(SubjectError::Failed(why)) => {
                self.report.slates += slates.len();
                for slate in slates {
                    self.report.fail(|| failure(slate, why.clone(), None));
                }
            }
        }
        for (slate, replay) in slates.iter().zip(replays) {
            self.report.add(&named(slate), replay);
            if let Err(fault) = replay.verdict() {
                self.report.fail(|| failure(slate, fault.to_string(), fault.position()));
            }
        }
    }
}

fn run<'p>(subject: &dyn Subject, problem: &'p Problem<'p>, slates: &[PreparedSlate]) -> Ran {
    rerank(subject.bind(problem)?.as_mut(), slates)
}

/// All slates, or an error.
pub(super) fn rerank(engine: &mut dyn Bound, slates: &[PreparedSlate]) -> Ran {
    let ranked = engine.rerank(slates)?;
    if ranked.len() == slates.len() {
        return Ok(ranked);
    }
    Err(SubjectError::Failed(format!("{} slates came back, not {}", ranked.len(), slates.len())))
}

/// What is wrong first with a case of one slate, and where; none where nothing is, or where the case cannot be run.
pub(super) fn first_fault(subject: &dyn Subject, case: &Case) -> Option<(String, Option<usize>)> {
    let problem = Problem::new(&case.config, &case.catalog).ok()?;
    let prepared = PreparedSlate::new(&problem, case.slates.first()?).ok()?;
    match run(subject, &problem, std::slice::from_ref(&prepared)) {
        Ok(ranked) => {
            let fault = replay(&problem, &prepared, &ranked[0]).verdict().err()?;
            Some((fault.to_string(), fault.position()))
        }
        Err(SubjectError::Unsupported(_)) => None,
        Err(SubjectError::Failed(why)) => Some((why, None)),
    }
}

/// Where a slate that failed departs first. An engine that fails again has nothing to add to the fault.
fn departure<'p>(subject: &dyn Subject, problem: &'p Problem<'p>, slate: &Slate) -> Option<Departure> {
    let prepared = PreparedSlate::new(problem, slate).ok()?;
    subject.bind(problem).and_then(|mut engine| engine.departure(&prepared)).ok()?
}

fn replays(problem: &Problem, slates: &[PreparedSlate], ran: &Ran) -> Vec<Replay> {
    let Ok(ranked) = ran else { return Vec::new() };
    slates.par_iter().zip(ranked).map(|(slate, ranked)| replay(problem, slate, ranked)).collect()
}
