//! Everything that is wrong with some files, found before any ranking.
//!
//! [`check`] reads headers, item ids and a sample: the first [`SAMPLE_ITEMS`] items and [`SAMPLE_SLATES`] slates. It
//! reports every problem it meets, one line each, and estimates memory and time. It writes nothing.

mod catalog;
mod estimate;
mod slates;
mod terms;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::config::Config;
use crate::engine::EngineRequest;
use crate::memory::MemoryLimit;
use crate::problem::Problem;
use crate::text::{names, one_line};

pub use estimate::{Estimate, GpuEstimate};

/// Items that are looked at; as many as a slate can have candidates.
pub const SAMPLE_ITEMS: usize = crate::config::MAX_CANDIDATES;
/// Slates that are looked at.
pub const SAMPLE_SLATES: usize = 1000;
/// How long the engine runs to be timed.
const MEASURED: Duration = Duration::from_secs(1);

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct CheckRequest<'a> {
    /// Catalog files.
    pub catalog: &'a [PathBuf],
    /// Slate files.
    pub slates: &'a [PathBuf],
    /// The configuration, valid in itself.
    pub config: &'a Config,
    /// The engine to time.
    pub engine: EngineRequest,
    /// Most memory to take.
    pub memory_limit: Option<MemoryLimit>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// True where nothing is wrong.
    pub ok: bool,
    /// What is wrong, one line each: file, column or key or slate, and what to do.
    pub problems: Vec<String>,
    /// What is worth knowing, one line each.
    pub notes: Vec<String>,
    /// Items in the catalog.
    pub n_items: u64,
    /// Items that were looked at.
    pub n_items_read: u64,
    /// Slates; an estimate where the format does not tell.
    pub n_slates: u64,
    /// Slates that were looked at.
    pub n_slates_read: u64,
    /// Memory and time, where the files are sound enough to tell.
    pub estimate: Option<Estimate>,
}

impl Report {
    /// Notes a problem. Ids and names in it come from files, so they may hold line breaks; the line does not.
    fn problem(&mut self, problem: impl fmt::Display) {
        let line = one_line(problem);
        if !self.problems.contains(&line) {
            self.problems.push(line);
        }
    }

    fn note(&mut self, note: impl fmt::Display) {
        self.notes.push(one_line(note));
    }
}

/// Looks for everything that is wrong, and estimates memory and time.
pub fn check(request: &CheckRequest<'_>) -> Report {
    let mut report = Report::default();
    let Some(items) = catalog::look(request, &mut report) else {
        // Which items there are is not known; what the slates say of themselves still is.
        slates::header(request, true, &mut report);
        return report;
    };
    let n_catalog_problems = report.problems.len();
    if let Some(seen) = slates::look(request, &items, &mut report)
        && n_catalog_problems == 0
    {
        match Problem::new(request.config, &items.sample) {
            Ok(problem) => report.estimate = Some(estimate::estimate(request, &problem, &items, &seen, &mut report)),
            Err(error) => report.problem(format_args!("{}: {error}", names(request.catalog))),
        }
    }
    report.ok = report.problems.is_empty();
    report
}

/// Problems and notes as a list, then the estimate.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "problem: {problem}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        let Self { n_items, n_items_read, n_slates, n_slates_read, .. } = self;
        writeln!(f, "looked at {n_items_read} of {n_items} items and {n_slates_read} of {n_slates} slates")?;
        self.estimate.as_ref().map_or(Ok(()), |estimate| estimate.fmt(f))?;
        match self.problems.len() {
            0 => writeln!(f, "nothing wrong was found"),
            1 => writeln!(f, "1 problem"),
            n => writeln!(f, "{n} problems"),
        }
    }
}
