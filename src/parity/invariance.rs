//! Is every bit the same, however slates are batched, ordered, split over dispatches, repeated or compiled for?
//!
//! The answer of one engine to one large batch is the measure; everything else has to equal it.

use std::fmt;
use std::time::Instant;

use serde::Serialize;

use crate::parity::case::Case;
use crate::parity::generate::{Limits, recipe_of};
use crate::parity::harness::{HarnessError, rerank};
use crate::parity::random::Random;
use crate::parity::subject::{Subject, SubjectError};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::{Placement, RankedSlate};

/// Configurations that generated slates are spread over.
const CONFIGURATIONS: usize = 4;

/// One way to compute the same slates again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variation {
    /// What is different.
    pub name: String,
    /// Slates compared.
    pub slates: usize,
    /// Slates that are not equal to the last bit.
    pub differing: usize,
    /// The first of them, or why there is no result.
    pub first: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Invariance {
    /// What computed.
    pub engine: String,
    /// Slates of each variation.
    pub slates: usize,
    /// Configurations they are spread over; the slates of one go to the engine at once.
    pub cases: usize,
    /// Configurations beyond the engine's limits.
    pub unsupported: usize,
    /// All variations.
    pub variations: Vec<Variation>,
    /// Seconds it took.
    pub seconds: f64,
}

/// A slate's marks, and its every number as bits: 0 and −0 differ, and so would two NaN.
pub type Bits = ((bool, Option<u32>), Vec<[u64; 8]>);

/// Every number of a slate as bits.
pub fn bits(slate: &RankedSlate) -> Bits {
    let of = |p: &Placement| {
        let [base, utility, diversity, spacing, semantic, balance] =
            [p.base, p.utility, p.diversity, p.spacing, p.semantic, p.balance].map(f64::to_bits);
        [p.candidate.into(), p.item.into(), base, utility, diversity, spacing, semantic, balance]
    };
    ((slate.is_short, slate.rank_exhausted_at), slate.placements.iter().map(of).collect())
}

impl Invariance {
    /// True where nothing differs, and there was something that could.
    pub fn holds(&self) -> bool {
        self.slates > 0 && self.variations.iter().all(|v| v.differing == 0 && v.slates > 0)
    }

    /// Of an engine about which nothing is known yet.
    pub fn new(subject: &dyn Subject) -> Self {
        Self { engine: subject.name(), ..Self::default() }
    }

    /// Checks `n_slates` generated slates of a few configurations.
    ///
    /// # Errors
    /// A recipe that cannot be made: a bug of the generator.
    pub fn of_generated(
        subject: &dyn Subject,
        seed: u64,
        n_slates: usize,
        limits: &Limits,
    ) -> Result<Self, HarnessError> {
        let mut invariance = Self::new(subject);
        for index in 0..CONFIGURATIONS.min(n_slates) {
            let n = n_slates / CONFIGURATIONS + usize::from(index < n_slates % CONFIGURATIONS);
            let name = format!("seed {seed}, case {index}");
            let mut case = recipe_of(seed, index as u64, limits, n)
                .build()
                .map_err(|e| HarnessError { case: name.clone(), reason: e.to_string() })?;
            case.name = name;
            invariance.add_case(subject, &case, seed)?;
        }
        Ok(invariance)
    }

    /// Computes the slates of a case in every way there is.
    ///
    /// # Errors
    /// A case whose parts do not fit together.
    pub fn add_case(&mut self, subject: &dyn Subject, case: &Case, seed: u64) -> Result<(), HarnessError> {
        let refused = |reason: String| HarnessError { case: case.name.clone(), reason };
        let problem = Problem::new(&case.config, &case.catalog).map_err(|e| refused(e.to_string()))?;
        let prepared = case.slates.iter().map(|slate| PreparedSlate::new(&problem, slate));
        let prepared = prepared.collect::<Result<Vec<_>, _>>().map_err(|e| refused(e.to_string()))?;
        self.add(subject, &problem, &prepared, &case.name, seed);
        Ok(())
    }

    /// Computes some slates in every way there is.
    pub fn add<'p>(
        &mut self,
        subject: &dyn Subject,
        problem: &'p Problem<'p>,
        slates: &[PreparedSlate],
        name: &str,
        seed: u64,
    ) {
        let started = Instant::now();
        let mut engine = match subject.bind(problem) {
            Ok(engine) => engine,
            Err(SubjectError::Unsupported(_)) => return self.unsupported += 1,
            Err(error) => return self.compare("one batch", name, slates.len(), &[], Err(error)),
        };
        let whole = match rerank(engine.as_mut(), slates) {
            Ok(whole) => whole,
            Err(error) => return self.compare("one batch", name, slates.len(), &[], Err(error)),
        };
        self.slates += slates.len();
        self.cases += 1;
        let again = engine.rerank(slates);
        self.compare("repeated", name, slates.len(), &whole, again);
        let one_by_one: Result<Vec<_>, _> = slates.chunks(1).map(|slate| engine.rerank(slate)).collect();
        self.compare("one at a time", name, slates.len(), &whole, one_by_one.map(|parts| parts.concat()));
        let order = Random(seed).distinct(slates.len(), slates.len());
        let shuffled: Vec<PreparedSlate> = order.iter().map(|&i| slates[i as usize].clone()).collect();
        let expected: Vec<RankedSlate> = order.iter().map(|&i| whole[i as usize].clone()).collect();
        let shuffled = engine.rerank(&shuffled);
        self.compare("in another order", name, slates.len(), &expected, shuffled);
        drop(engine);
        let anew = |subject: &dyn Subject| subject.bind(problem).and_then(|mut engine| engine.rerank(slates));
        self.compare("by a new engine", name, slates.len(), &whole, anew(subject));
        for (variant, subject) in subject.variants() {
            self.compare(&variant, name, slates.len(), &whole, anew(subject.as_ref()));
        }
        self.seconds += started.elapsed().as_secs_f64();
    }

    fn compare(
        &mut self,
        variation: &str,
        case: &str,
        n_slates: usize,
        expected: &[RankedSlate],
        found: Result<Vec<RankedSlate>, SubjectError>,
    ) {
        let index = self.variations.iter().position(|v| v.name == variation).unwrap_or_else(|| {
            self.variations.push(Variation { name: variation.to_owned(), slates: 0, differing: 0, first: None });
            self.variations.len() - 1
        });
        let variation = &mut self.variations[index];
        variation.slates += n_slates;
        let (differing, first) = match found {
            Err(error) => (n_slates, Some(format!("{case}: {error}"))),
            Ok(found) => {
                let is_equal = |i: &usize| found.get(*i).map(bits) == expected.get(*i).map(bits);
                let differing: Vec<usize> = (0..n_slates.max(found.len())).filter(|i| !is_equal(i)).collect();
                (differing.len(), differing.first().map(|i| format!("{case}, slate {i}")))
            }
        };
        variation.differing += differing;
        variation.first = variation.first.take().or(first);
    }
}

/// A few lines for people.
impl fmt::Display for Invariance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.slates, self.holds()) {
            (_, true) => "yes, to the last bit",
            (0, _) if self.variations.is_empty() => "NOTHING COMPARED",
            _ => "NO",
        };
        writeln!(f, "{}: the same again? {verdict}", self.engine)?;
        let (slates, cases, ways) = (self.slates, self.cases, self.variations.len());
        writeln!(
            f,
            "    {slates} slates of {cases} configurations, computed in {} ways in {:.1} s",
            ways + 1,
            self.seconds
        )?;
        for Variation { name, slates, differing, first } in &self.variations {
            match first {
                None => writeln!(f, "    {name}: equal")?,
                Some(first) => writeln!(f, "    {name}: {differing} of {slates} DIFFER, first {first}")?,
            }
        }
        if self.unsupported > 0 {
            writeln!(f, "    {} configurations are beyond this engine's limits", self.unsupported)?;
        }
        Ok(())
    }
}
