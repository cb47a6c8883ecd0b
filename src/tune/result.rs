//! What came of a sweep.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::Value;

use super::front::Place;
use crate::compare::number;
use crate::config::Strategy;
use crate::evaluate::MetricInfo;
use crate::metrics::Better;

/// All settings over the same slates, and the ones to take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TuneResult {
    /// What was measured, in the order of every point's means.
    pub metrics: Vec<MetricInfo>,
    /// Key of the metric that settings are judged by, beside relevance kept.
    pub metric: String,
    /// Share of the relevance that is to be kept.
    pub keep: f64,
    /// Slates tuned on.
    pub n_slates: usize,
    /// Slates held out.
    pub n_holdout_slates: usize,
    /// Every setting that was run: the grid, then the steps of the refinement.
    pub points: Vec<Point>,
    /// One per strategy or sweep.
    pub families: Vec<FamilyResult>,
    /// Index of the family whose choice is the most diverse; none where no setting keeps what is wanted.
    pub best: Option<usize>,
}

/// One setting over the tuning slates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Index of its family.
    pub family: usize,
    /// What was varied, by path.
    pub setting: BTreeMap<String, Value>,
    /// The setting in words.
    pub label: String,
    /// Mean share of the relevance kept.
    pub relevance_kept: Option<f64>,
    /// Mean of the metric that settings are judged by.
    pub diversity: Option<f64>,
    /// True where no point has more of both.
    pub is_on_front: bool,
    /// True where the refinement added it.
    pub is_refined: bool,
    /// Means of all metrics over the slates that have a value.
    pub means: Vec<Option<f64>>,
    /// One value per parameter of the family.
    #[serde(skip)]
    pub(super) values: Vec<Value>,
}

/// What a family came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FamilyResult {
    /// Its name.
    pub name: String,
    /// Its strategy.
    pub strategy: Strategy,
    /// The setting to take; none where none keeps the wanted relevance.
    pub choice: Option<Choice>,
    /// The most of the relevance that any of its settings kept.
    pub most_kept: Option<f64>,
}

/// The setting to take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Index of its point.
    pub point: usize,
    /// The whole configuration, as TOML.
    pub config: String,
    /// Means of all metrics on the slates held out; none without such slates.
    pub holdout: Option<Vec<Option<f64>>>,
    /// Parameters whose range ends at this setting, so that more might be had beyond.
    pub ends_range_of: Vec<String>,
}

impl TuneResult {
    /// Index of the judging metric.
    pub fn metric_index(&self) -> usize {
        self.metrics.iter().position(|metric| metric.key == self.metric).unwrap_or(0)
    }

    /// Index of the relevance kept.
    pub(super) fn kept_index(&self) -> usize {
        self.metrics.iter().position(|metric| metric.key == "relevance_kept").unwrap_or(0)
    }

    /// The point that a family chose.
    pub fn chosen(&self, family: usize) -> Option<&Point> {
        self.families[family].choice.as_ref().map(|choice| &self.points[choice.point])
    }

    /// A family's choice as a configuration file that says where it comes from; none where it has none.
    pub fn configuration(&self, family: usize) -> Option<String> {
        let choice = self.families[family].choice.as_ref()?;
        let point = &self.points[choice.point];
        let figure = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), number);
        Some(format!(
            "# Chosen by spectrank tune: keeps {} of the relevance at {} = {}, over {} slates.\n# Varied: {}\n{}",
            figure(point.relevance_kept),
            self.metric,
            figure(point.diversity),
            self.n_slates,
            if point.label.is_empty() { "nothing".to_owned() } else { point.label.replace(char::is_control, " ") },
            choice.config
        ))
    }

    /// +1 where more of the judging metric is better, −1 where less is.
    pub(super) fn sign(&self) -> f64 {
        if self.metrics[self.metric_index()].better == Better::Lower { -1.0 } else { 1.0 }
    }
}

impl Point {
    /// Where it stands, with diversity turned so that more is better.
    pub(super) fn place(&self, sign: f64) -> Place {
        self.relevance_kept.zip(self.diversity).map(|(kept, diversity)| (kept, sign * diversity))
    }
}
