//! Several configurations on the same slates: what each gains and costs against the first.
//!
//! ```
//! use spectrank::catalog::{Catalog, Embedding, EmbeddingData};
//! use spectrank::compare::{Contender, bind, run};
//! use spectrank::config::Config;
//! use spectrank::cpu::CpuEngine;
//! use spectrank::evaluate::{Bootstrap, Measure, MeasureRequest};
//! use spectrank::slate::Slate;
//!
//! let mut catalog = Catalog::new();
//! catalog.add_signal(Embedding::new("text", 2, EmbeddingData::F32(vec![1.0, 0.0, 1.0, 0.1, 1.0, 0.2, 0.0, 1.0].into())))?;
//! let contenders = [
//!     Contender::new("by score", Config::from_toml("strategy = \"relevance\"\nslate_size = 3")?),
//!     Contender::new("spectral", Config::from_toml("slate_size = 3")?),
//! ];
//! let request = MeasureRequest::by(&contenders[0].config);
//! let measuring = request.config(&catalog);
//! let measure = Measure::new(&measuring, &request, &catalog)?;
//! let problems = bind::<std::convert::Infallible>(&contenders, &measure)?;
//! let mut batches = vec![vec![Slate {
//!     id: "home".to_owned(),
//!     candidates: vec![0, 1, 2, 3],
//!     scores: vec![0.9, 0.8, 0.7, 0.6],
//!     ..Slate::default()
//! }]];
//! let comparison = run(
//!     &contenders,
//!     &problems,
//!     &measure,
//!     &Bootstrap::default(),
//!     || Ok::<_, std::convert::Infallible>(batches.pop()),
//!     |run, slates| Ok(CpuEngine::<f32>::new(&problems[run]).rerank(slates)),
//! )?;
//! println!("{comparison}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod page;
mod text;

pub use page::report;
pub(crate) use page::{metrics_table, sentence, slates, titled};
pub(crate) use text::number;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::config::{Config, Strategy};
use crate::evaluate::{Bootstrap, Difference, EvaluateError, Measure, MetricInfo, Table, prepare, refer};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::{RankedSlate, Slate};

/// A configuration that is compared, under a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// Name in tables.
    pub name: String,
    /// What composes its slates.
    pub config: Config,
}

impl Contender {
    /// A configuration under a name.
    pub fn new(name: impl Into<String>, config: Config) -> Self {
        Self { name: name.into(), config }
    }
}

/// Contenders under names that differ: the second of a name is told from the first by a number.
fn numbered(contenders: impl Iterator<Item = Contender>) -> Vec<Contender> {
    let mut n_of: BTreeMap<String, usize> = BTreeMap::new();
    let number = |contender: Contender| {
        let n = n_of.entry(contender.name.clone()).or_default();
        *n += 1;
        if *n == 1 { contender } else { Contender { name: format!("{} ({n})", contender.name), ..contender } }
    };
    contenders.map(number).collect()
}

/// One configuration under several strategies, named after them.
pub fn strategies(config: &Config, strategies: &[Strategy]) -> Vec<Contender> {
    let of = |&strategy: &Strategy| Contender::new(strategy.name(), Config { strategy, ..config.clone() });
    numbered(strategies.iter().map(of))
}

/// Configurations named after their files: by the file's name alone where that tells them apart, else by the whole path.
pub fn named(paths: &[PathBuf], configs: Vec<Config>) -> Vec<Contender> {
    let stem = |path: &PathBuf| path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let mut stems: Vec<String> = paths.iter().map(stem).collect();
    stems.sort();
    stems.dedup();
    let is_clear = stems.len() == paths.len();
    let name = |path: &PathBuf| if is_clear { stem(path) } else { path.display().to_string() };
    numbered(paths.iter().map(name).zip(configs).map(|(name, config)| Contender::new(name, config)))
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Slates compared.
    pub n_slates: usize,
    /// What was measured, in the order of every run's figures.
    pub metrics: Vec<MetricInfo>,
    /// How intervals were found.
    pub bootstrap: Bootstrap,
    /// One per configuration; the first is what the others are held against.
    pub runs: Vec<RunSummary>,
}

/// One configuration over all slates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// Its name.
    pub name: String,
    /// Its strategy.
    pub strategy: Strategy,
    /// The whole configuration, as TOML.
    pub config: String,
    /// Slates with fewer candidates than positions.
    pub n_short_slates: usize,
    /// One per metric.
    pub figures: Vec<Figure>,
}

/// A metric of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Key of the metric.
    pub key: String,
    /// Mean over the slates that have a value.
    pub mean: Option<f64>,
    /// Slates that have a value.
    pub n_slates: usize,
    /// This run minus the first, over the slates where both have a value; none for the first.
    pub difference: Option<Difference>,
}

/// Binds the configurations to the measure's catalog. What they share is computed once.
///
/// # Errors
/// Names the configuration that does not fit.
pub fn bind<'a, E>(contenders: &'a [Contender], measure: &Measure<'a>) -> Result<Vec<Problem<'a>>, EvaluateError<E>> {
    let bind = |contender: &'a Contender| {
        Problem::sharing(&contender.config, measure.problem())
            .map_err(|error| EvaluateError::Problem { name: contender.name.clone(), error })
    };
    contenders.iter().map(bind).collect()
}

/// Ranks every batch of slates by every configuration and compares. Slates pass through; what stays is 8 bytes per metric,
/// slate and configuration.
///
/// `problems` are those of [`bind`], `rerank` composes slates for the configuration of that index.
///
/// # Errors
/// The caller's, slates that are not valid, results that cannot be right, no slates at all.
pub fn run<E>(
    contenders: &[Contender],
    problems: &[Problem],
    measure: &Measure,
    bootstrap: &Bootstrap,
    mut next_batch: impl FnMut() -> Result<Option<Vec<Slate>>, E>,
    mut rerank: impl FnMut(usize, &[PreparedSlate]) -> Result<Vec<RankedSlate>, E>,
) -> Result<Comparison, EvaluateError<E>> {
    let mut tables = vec![Table::new(measure.metrics().len()); contenders.len()];
    let mut n_short_slates = vec![0; contenders.len()];
    while let Some(slates) = next_batch().map_err(EvaluateError::Caller)? {
        let named = |name: &str| {
            let name = name.to_owned();
            |error| EvaluateError::Slate { name, error }
        };
        let references = refer(measure, &slates).map_err(named("as the measure sees it"))?;
        for (i, (contender, problem)) in contenders.iter().zip(problems).enumerate() {
            let prepared = prepare(problem, &slates).map_err(named(&contender.name))?;
            let ranked = rerank(i, &prepared).map_err(EvaluateError::Caller)?;
            let rows = measure.judge_all(&references, &ranked).map_err(|(at, what)| EvaluateError::BadResult {
                name: contender.name.clone(),
                slate: slates.get(at).map_or_else(String::new, |slate| slate.id.clone()),
                what,
            })?;
            tables[i].extend(rows);
            n_short_slates[i] += ranked.iter().filter(|ranked| ranked.is_short).count();
        }
    }
    let n_slates = tables.first().map_or(0, Table::n_slates);
    if n_slates == 0 {
        return Err(EvaluateError::NoSlates("compare"));
    }
    let runs = contenders.iter().zip(&tables).zip(n_short_slates).enumerate();
    let runs = runs.map(|(i, ((contender, table), n_short_slates))| {
        let differences = match i {
            0 => vec![None; table.n_metrics()],
            _ => bootstrap.differences(&tables[0], table),
        };
        let figures = measure.metrics().iter().zip(table.means()).zip(differences);
        let figures = figures.map(|((metric, mean), difference)| Figure {
            key: metric.key.clone(),
            mean: mean.mean,
            n_slates: mean.n_slates,
            difference,
        });
        RunSummary {
            name: contender.name.clone(),
            strategy: contender.config.strategy,
            config: contender.config.to_toml(),
            n_short_slates,
            figures: figures.collect(),
        }
    });
    Ok(Comparison { n_slates, metrics: measure.metrics().to_vec(), bootstrap: *bootstrap, runs: runs.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_name_are_told_apart_by_path() {
        let names = |paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            let configs = vec![Config::default(); paths.len()];
            named(&paths, configs).into_iter().map(|c| c.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["a/feed.toml", "b/home.toml"]), ["feed", "home"]);
        assert_eq!(names(&["a/feed.toml", "b/feed.toml"]), ["a/feed.toml", "b/feed.toml"]);
    }
}
