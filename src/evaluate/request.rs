//! What to measure by.

use crate::catalog::Catalog;
use crate::config::{Config, MAX_SLATE_SIZE, OnMissing, Strategy};

/// What all slates are measured by, whatever configuration composed them.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureRequest {
    /// The configuration whose `[relevance]`, `[[signal]]`, `[[spacing]]`, `[semantic_id]` and `[filter]` are the measure. Its strategy and
    /// strengths do not matter.
    pub by: Config,
    /// Windows and cuts of the metrics that have one (`ild@W`, `ndcg@K`, …), in positions.
    pub at: Vec<usize>,
    /// Catalog column of categories.
    pub category: Option<String>,
}

/// α of α-nDCG: a second item of a category gains half, the usual choice.
pub const ALPHA: f64 = 0.5;

impl MeasureRequest {
    /// Measures by this configuration, with windows of 10 and without categories.
    pub fn by(config: &Config) -> Self {
        Self { by: config.clone(), at: vec![10], category: None }
    }

    /// Adds the window or cut of a metric's key (`ild@5`), so that it is measured. Spacing rules have windows of their own.
    pub fn include(&mut self, key: &str) {
        let digits = key.split_once('@').filter(|(family, _)| !family.starts_with("spacing")).map(|(_, rest)| rest);
        let digits = digits.and_then(|rest| rest.split(':').next()).and_then(|digits| digits.parse().ok());
        if let Some(at) = digits.filter(|at| (1..=MAX_SLATE_SIZE).contains(at)) {
            self.at.push(at);
        }
    }

    /// The measuring configuration. It differs from [`by`](Self::by) in what does not measure: it has similarities where the
    /// catalog has embeddings, takes pins at any position, its rules are on, and no cap limits it. Its filters are the same: ideals
    /// are made of the candidates they let pass.
    pub fn config(&self, catalog: &Catalog) -> Config {
        let has_signals = !catalog.signals().is_empty() || !self.by.signals.is_empty();
        let strategy = if has_signals { Strategy::Spectral } else { Strategy::Relevance };
        Config { strategy, ..self.rules() }
    }

    fn rules(&self) -> Config {
        let by = &self.by;
        let mut semantic_id = by.semantic_id.clone();
        if let Some(rule) = &mut semantic_id {
            rule.strength = 1.0;
        }
        Config {
            slate_size: MAX_SLATE_SIZE,
            relevance: by.relevance.clone(),
            signals: by.signals.clone(),
            spacing: by.spacing.clone(),
            semantic_id,
            // Of caps, who is taken out for having no value.
            cap: by.cap.iter().filter(|cap| cap.on_missing == OnMissing::Drop).cloned().collect(),
            filter: by.filter.clone(),
            ..Config::default()
        }
    }

    /// Catalog columns that the measure reads beside embeddings.
    pub fn columns(&self) -> Vec<String> {
        let mut columns = self.rules().columns();
        columns.extend(self.category.clone());
        columns
    }
}
