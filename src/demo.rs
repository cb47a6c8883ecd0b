//! The demo: a small real data set that ships with the crate, re-ranked and shown before and after.
//!
//! The caller chooses the engine:
//!
//! ```
//! use spectrank::cpu::CpuEngine;
//! use spectrank::demo::{self, Style};
//!
//! let report = demo::run(|problem, slates| {
//!     Ok::<_, std::convert::Infallible>(CpuEngine::<f32>::new(problem).rerank(slates))
//! })?;
//! println!("{}", demo::render(&report, Style::Plain));
//! # Ok::<(), demo::DemoError<std::convert::Infallible>>(())
//! ```

mod compare;
pub(crate) mod layout;
mod render;

use std::path::PathBuf;

use crate::catalog::Catalog;
use crate::config::{Config, ConfigError};
use crate::io::{CatalogColumns, InputError, open_slates, read_catalog};
use crate::prepare::{PreparedSlate, SlateError};
use crate::problem::{Problem, ProblemError};
use crate::slate::{RankedSlate, Slate};

pub use compare::{Change, DemoReport, Entry, SlateReport};
pub use render::{Style, render};

/// The configuration of the demo, as a user would write it.
pub const CONFIG: &str = include_str!("../assets/demo/feed.toml");
const ITEMS: &[u8] = include_bytes!("../assets/demo/items.parquet");
const SLATES: &[u8] = include_bytes!("../assets/demo/slates.parquet");

/// Why the demo could not be shown. `E` is the error of the caller's engine.
#[derive(Debug, thiserror::Error)]
pub enum DemoError<E> {
    /// No room for the data.
    #[error(
        "the demo's data cannot be unpacked into the folder for temporary files ({0}): free some space or set TMPDIR"
    )]
    Unpack(#[from] std::io::Error),
    /// The data cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Configuration and data do not fit together.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// A slate is not valid.
    #[error(transparent)]
    Slate(#[from] SlateError),
    /// The engine failed.
    #[error("{0}")]
    Engine(E),
    /// The engine returned too few results or too many.
    #[error("the engine returned {found} results for {wanted} slates; run with --backend cpu")]
    ResultCount {
        /// Results returned.
        found: usize,
        /// Slates given.
        wanted: usize,
    },
    /// The engine returned something that is no re-ranking of the slate it was given.
    #[error("the engine returned an impossible result for slate {slate}: {what}; run with --backend cpu")]
    BadResult {
        /// The slate's id.
        slate: String,
        /// What is impossible about it.
        what: &'static str,
    },
}

/// Re-ranks the demo's slates with the engine that `rerank` calls, and compares each with its order by relevance.
///
/// # Errors
/// Those of the engine; anything else means a full disk or a damaged build.
pub fn run<E>(
    rerank: impl FnOnce(&Problem, &[PreparedSlate]) -> Result<Vec<RankedSlate>, E>,
) -> Result<DemoReport, DemoError<E>> {
    let (catalog, slates) = unpack()?;
    let config = Config::from_toml(CONFIG)?;
    let problem = Problem::new(&config, &catalog)?;
    let prepared = slates.iter().map(|slate| PreparedSlate::new(&problem, slate)).collect::<Result<Vec<_>, _>>()?;
    let ranked = rerank(&problem, &prepared).map_err(DemoError::Engine)?;
    if ranked.len() != slates.len() {
        return Err(DemoError::ResultCount { found: ranked.len(), wanted: slates.len() });
    }
    let mut reports = Vec::with_capacity(slates.len());
    for ((slate, prepared), ranked) in slates.iter().zip(&prepared).zip(&ranked) {
        let report = compare::slate_report(&problem, slate, prepared, ranked);
        reports.push(report.map_err(|what| DemoError::BadResult { slate: slate.id.clone(), what })?);
    }
    Ok(DemoReport {
        slates: reports,
        n_before: config.window.behind,
        spacing_window: config.spacing.first().map_or(0, |rule| rule.window),
    })
}

/// Reads the embedded data with the readers that serve any user's files; they want paths.
fn unpack<E>() -> Result<(Catalog, Vec<Slate>), DemoError<E>> {
    let folder = tempfile::Builder::new().prefix("spectrank-demo-").tempdir()?;
    let write = |name: &str, bytes: &[u8]| -> std::io::Result<PathBuf> {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes)?;
        Ok(path)
    };
    let catalog = read_catalog(&[write("items.parquet", ITEMS)?], &CatalogColumns::All)?;
    let mut source = open_slates(&[write("slates.parquet", SLATES)?], &catalog)?;
    let mut slates = Vec::new();
    while let Some(batch) = source.next_batch(64)? {
        slates.extend(batch);
    }
    drop(source);
    Ok((catalog, slates))
}
