//! How alike the items of a slate are, in one order or another.

use serde::Serialize;

use super::NamedItem;
use super::compute::Names;
use crate::metrics::{Similarities, distance_to_before, mean_distance};
use crate::problem::Problem;

/// The items of a slate in one order, and how alike they are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listing {
    /// By position.
    pub items: Vec<NamedItem>,
    /// `[position][position]` similarities (SPEC 2). Empty where the configuration uses no signals.
    pub similarity: Vec<Vec<f64>>,
    /// Mean distance to the `n_behind` items before; see [`distance_to_before`].
    pub distance_to_before: Option<f64>,
    /// Mean distance over all pairs; see [`mean_distance`].
    pub mean_distance: Option<f64>,
}

impl Listing {
    pub(super) fn new(problem: &Problem, names: &Names<'_>, rows: &[u32]) -> Self {
        let items = rows.iter().map(|&row| names.item(row)).collect();
        if problem.signals.is_empty() {
            return Self { items, similarity: Vec::new(), distance_to_before: None, mean_distance: None };
        }
        let (n, found) = (rows.len(), Similarities::new(problem, rows));
        let similarity: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| found.between(i, j)).collect()).collect();
        let between = |i: usize, j: usize| similarity[i][j];
        Self {
            distance_to_before: distance_to_before(n, problem.config.window.behind, between),
            mean_distance: mean_distance(n, between),
            items,
            similarity,
        }
    }
}
