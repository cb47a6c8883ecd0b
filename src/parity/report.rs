//! What a run of the harness found.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::parity::attribution::Departure;
use crate::parity::case::{Case, CaseError};
use crate::parity::fault::ReplayedPosition;
use crate::parity::replay::Replay;
use crate::parity::shrink::shrink;
use crate::parity::subject::Subject;

/// Failures kept in full; the rest are counted.
pub const MAX_FAILURES: usize = 20;

/// A figure and where it was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Worst {
    /// The figure, in units of what is allowed there: above 1 is a fault.
    pub of_bound: f64,
    /// The figure itself.
    pub value: f64,
    /// The slate.
    pub slate: String,
    /// The position.
    pub position: usize,
}

/// A slate that is wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The slate.
    pub slate: String,
    /// What is wrong first.
    pub fault: String,
    /// Where; none where the slate as a whole is wrong.
    pub position: Option<usize>,
    /// The stage that departs first when the slate runs alone.
    pub departure: Option<Departure>,
    /// The file it was saved in, as small as it would get.
    pub saved: Option<PathBuf>,
    /// The slate with all it needs.
    #[serde(skip)]
    pub case: Option<Case>,
}

/// What a run found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// What computed.
    pub engine: String,
    /// Slates judged.
    pub slates: usize,
    /// Positions judged.
    pub positions: usize,
    /// Configurations that were beyond the engine's limits and were passed over.
    pub unsupported: usize,
    /// Slates that are pick for pick the reference's own.
    pub equal_slates: usize,
    /// Positions where another candidate comes within the bound of the reference's best.
    pub near_ties: usize,
    /// Positions where the pick is not the reference's.
    pub parted: usize,
    /// Largest error of a utility.
    pub worst_error: Option<Worst>,
    /// Largest regret.
    pub worst_regret: Option<Worst>,
    /// Slates that are wrong.
    pub failed_slates: usize,
    /// The first of them.
    pub failures: Vec<Failure>,
    /// Seconds it took.
    pub seconds: f64,
}

impl Report {
    /// True where everything holds, and there was something that could.
    pub fn holds(&self) -> bool {
        self.failed_slates == 0 && self.positions > 0
    }

    /// Shrinks the failures, with at most `max_runs` engine runs each, and saves them in a folder.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn save_failures(&mut self, subject: &dyn Subject, folder: &Path, max_runs: usize) -> Result<(), CaseError> {
        for (i, failure) in self.failures.iter_mut().enumerate() {
            let Some(case) = &failure.case else { continue };
            let shrunk = shrink(subject, case, max_runs);
            // What fails in company alone is saved as it is.
            let (case, fault) = shrunk.as_ref().map_or((case, &failure.fault), |shrunk| (&shrunk.case, &shrunk.fault));
            let path = folder.join(format!("{:02}-{}.json", i + 1, file_stem(&case.name)));
            case.save(&path, &format!("{}: {fault}", self.engine))?;
            failure.saved = Some(path);
        }
        Ok(())
    }

    /// Takes in a slate's replay.
    pub(super) fn add(&mut self, slate: &str, replay: &Replay) {
        self.slates += 1;
        self.positions += replay.positions.len();
        self.equal_slates += usize::from(replay.is_equal());
        self.near_ties += replay.positions.iter().filter(|p| p.is_near_tie).count();
        self.parted += replay.positions.iter().filter(|p| p.candidate != p.reference_candidate).count();
        raise(&mut self.worst_error, slate, replay.worst_error(), |p| p.error);
        raise(&mut self.worst_regret, slate, replay.worst_regret(), |p| p.regret);
    }

    /// Counts a wrong slate, and keeps it where there is room.
    pub(super) fn fail(&mut self, failure: impl FnOnce() -> Failure) {
        self.failed_slates += 1;
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(failure());
        }
    }
}

/// `seed 7, case 71, slate 284` as `seed-7-case-71-slate-284`.
fn file_stem(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").chars().take(100).collect()
}

fn raise(worst: &mut Option<Worst>, slate: &str, at: Option<&ReplayedPosition>, value: fn(&ReplayedPosition) -> f64) {
    let Some(at) = at else { return };
    let of_bound = value(at) / at.bound;
    // A NaN is the worst there is.
    if worst.as_ref().is_none_or(|worst| !worst.of_bound.is_nan() && (of_bound.is_nan() || of_bound > worst.of_bound)) {
        *worst = Some(Worst { of_bound, value: value(at), slate: slate.to_owned(), position: at.position });
    }
}

/// `1.3e-6, 6 % of what is allowed (seed 7, case 4, slate 17, position 4)`.
impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of_bound, value, slate, position } = self;
        write!(f, "{value:.1e}, {:.1} % of what is allowed ({slate}, position {position})", 100.0 * of_bound)
    }
}

/// A few lines for people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.positions, self.failed_slates) {
            (0, 0) => "NOTHING JUDGED".to_owned(),
            (_, 0) => "yes".to_owned(),
            (_, n) => format!("NO, {n} of {} slates are wrong", self.slates),
        };
        writeln!(f, "{}: {verdict}", self.engine)?;
        writeln!(f, "    {} slates, {} positions in {:.1} s", self.slates, self.positions, self.seconds)?;
        if let Some(worst) = &self.worst_error {
            writeln!(f, "    largest error of a utility   {worst}")?;
        }
        if let Some(worst) = &self.worst_regret {
            writeln!(f, "    largest utility given away   {worst}")?;
        }
        writeln!(
            f,
            "    slates equal to the reference pick for pick: {}; near ties: {}; picks that differ: {}",
            self.equal_slates, self.near_ties, self.parted
        )?;
        if self.unsupported > 0 {
            writeln!(f, "    {} configurations are beyond this engine's limits", self.unsupported)?;
        }
        for Failure { slate, fault, departure, saved, .. } in &self.failures {
            writeln!(f, "    {slate}: {fault}")?;
            if let Some(departure) = departure {
                writeln!(f, "        {departure}")?;
            }
            if let Some(path) = saved {
                writeln!(f, "        saved as {}", path.display())?;
            }
        }
        if self.failed_slates > self.failures.len() {
            writeln!(f, "    and {} more", self.failed_slates - self.failures.len())?;
        }
        Ok(())
    }
}
