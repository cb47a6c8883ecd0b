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
mod render_rules;
mod rules;

use std::path::PathBuf;

use crate::catalog::Catalog;
use crate::config::{Config, ConfigError};
use crate::cpu::CpuEngine;
use crate::io::{CatalogColumns, InputError, SlateFields, open_slates, read_catalog};
use crate::prepare::{PreparedSlate, SlateError};
use crate::problem::{Problem, ProblemError};
use crate::slate::{RankedSlate, Slate};

pub use compare::{Change, DemoReport, Entry, SlateReport};
pub use render::{Style, render};
pub use rules::{RulesEntry, RulesReport};

/// The configuration of the demo, as a user would write it.
pub const CONFIG: &str = include_str!("../assets/demo/feed.toml");
/// The configuration of the slate that shows what rules change.
pub const RULES_CONFIG: &str = include_str!("../assets/demo/rules.toml");
/// That slate: one that shows sensitive items again and again by relevance, and some of them still by variety alone.
const RULES_SLATE: &str = "q0240";
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
        rules: rules_report(&catalog, &slates)?,
    })
}

/// Ranks one slate without rules and with them. On the CPU: for two rankings, starting an engine twice more is not worth it.
fn rules_report<E>(catalog: &Catalog, slates: &[Slate]) -> Result<RulesReport, DemoError<E>> {
    let with_rules = Config::from_toml(RULES_CONFIG)?;
    let variety_alone = Config { spacing: Vec::new(), semantic_id: None, ..with_rules.clone() };
    let impossible = |what| DemoError::BadResult { slate: RULES_SLATE.to_owned(), what };
    let slate = slates.iter().find(|slate| slate.id == RULES_SLATE);
    let slate = slate.ok_or_else(|| impossible("it is not in the data"))?;
    let rank = |config| {
        let problem = Problem::new(config, catalog)?;
        let prepared = PreparedSlate::new(&problem, slate)?;
        Ok::<_, DemoError<E>>(CpuEngine::<f64>::new(&problem).rerank(&[prepared]).remove(0))
    };
    let ranked = Change { before: rank(&variety_alone)?, after: rank(&with_rules)? };
    let problem = Problem::new(&with_rules, catalog)?;
    let prepared = PreparedSlate::new(&problem, slate)?;
    rules::rules_report(&problem, slate, &prepared, &ranked).map_err(impossible)
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
    let mut source = open_slates(&[write("slates.parquet", SLATES)?], &catalog, &SlateFields::All)?;
    let mut slates = Vec::new();
    while let Some(batch) = source.next_batch(64)? {
        slates.extend(batch);
    }
    drop(source);
    Ok((catalog, slates))
}
