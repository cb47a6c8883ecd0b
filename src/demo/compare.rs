//! A slate by relevance beside the same slate re-ranked, with the figures that tell them apart.

use super::rules::RulesReport;
use crate::catalog::Value;
use crate::metrics::{Similarities, distance_to_before, relevance_kept, spacing_violations};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::{RankedSlate, Slate};

/// What re-ranking did to every slate of the demo.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoReport {
    /// One per slate, in the order of the data.
    pub slates: Vec<SlateReport>,
    /// Items before that the distance looks at.
    pub n_before: usize,
    /// Positions inside which sensitive items count as neighbours.
    pub spacing_window: usize,
    /// What rules change in one of the slates.
    pub rules: RulesReport,
}

/// A figure before and after. Where nothing else is said: by relevance alone, and after re-ranking.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Change<T> {
    /// Before.
    pub before: T,
    /// After.
    pub after: T,
}

/// One slate before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct SlateReport {
    /// What was asked for.
    pub query: String,
    /// What stood at each position, and what stands there now.
    pub entries: Change<Vec<Entry>>,
    /// Share of the relevance kept, see [`relevance_kept`].
    pub relevance_kept: f64,
    /// Mean distance to the items before, see [`distance_to_before`].
    pub distance: Change<f64>,
    /// Pairs of sensitive items that stand close together, see [`spacing_violations`].
    pub sensitive_pairs: Change<usize>,
}

/// One item in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its title.
    pub title: String,
    /// Its category.
    pub category: String,
    /// True where the first spacing rule applies to it.
    pub is_sensitive: bool,
    /// 0-based place in the order of relevance.
    pub rank: usize,
}

/// Compares one slate. The error says what is impossible about the engine's result.
pub(super) fn slate_report(
    problem: &Problem,
    slate: &Slate,
    prepared: &PreparedSlate,
    ranked: &RankedSlate,
) -> Result<SlateReport, &'static str> {
    let n_positions = prepared.n_positions(problem.config.slate_size);
    let ranks: Change<Vec<usize>> = Change { before: (0..n_positions).collect(), after: ranks(prepared, ranked)? };
    if ranks.after.len() != n_positions {
        return Err("not one item per position");
    }
    let base: Vec<f64> = ranks.after.iter().map(|&rank| prepared.base[rank]).collect();
    let distance = |ranks: &[usize]| {
        let rows: Vec<u32> = ranks.iter().map(|&rank| prepared.rows[rank]).collect();
        let similarities = Similarities::new(problem, &rows);
        distance_to_before(rows.len(), problem.config.window.behind, |i, j| similarities.between(i, j))
    };
    let entries = ranks.map(|ranks| ranks.iter().map(|&rank| entry(problem, prepared, rank)).collect::<Vec<_>>());
    let window = problem.config.spacing.first().map_or(0, |rule| rule.window);
    let sensitive_pairs =
        entries.map(|entries| sensitive_pairs(entries.iter().map(|entry| entry.is_sensitive), window));
    let no_figure = "too few items to compare";
    let distance =
        Change { before: distance(&ranks.before).ok_or(no_figure)?, after: distance(&ranks.after).ok_or(no_figure)? };
    let query = query(slate);
    let relevance_kept = relevance_kept(&base, &prepared.base).ok_or(no_figure)?;
    Ok(SlateReport { query, entries, relevance_kept, distance, sensitive_pairs })
}

impl<T> Change<T> {
    pub(super) fn map<U>(&self, f: impl Fn(&T) -> U) -> Change<U> {
        Change { before: f(&self.before), after: f(&self.after) }
    }
}

/// The rank of the item at every position.
fn ranks(prepared: &PreparedSlate, ranked: &RankedSlate) -> Result<Vec<usize>, &'static str> {
    let mut ranks = Vec::with_capacity(ranked.placements.len());
    for placement in &ranked.placements {
        let rank = prepared.candidate.iter().position(|&candidate| candidate == placement.candidate);
        match rank {
            None => return Err("an item that is no candidate"),
            Some(rank) if ranks.contains(&rank) => return Err("an item at two positions"),
            Some(rank) => ranks.push(rank),
        }
    }
    Ok(ranks)
}

fn entry(problem: &Problem, prepared: &PreparedSlate, rank: usize) -> Entry {
    let row = prepared.rows[rank];
    Entry {
        title: title(problem, row),
        category: text(problem, row, "category").unwrap_or_default(),
        is_sensitive: is_sensitive(problem, row),
        rank,
    }
}

/// Pairs of sensitive items at most `window` positions apart.
pub(super) fn sensitive_pairs(is_sensitive: impl Iterator<Item = bool>, window: usize) -> usize {
    spacing_violations(&is_sensitive.collect::<Vec<_>>(), window)
}

/// An item's title; its id where it has none.
pub(super) fn title(problem: &Problem, row: u32) -> String {
    text(problem, row, "title").unwrap_or_else(|| problem.catalog.id_of(row).into_owned())
}

/// What was asked for; the slate's id where it does not say.
pub(super) fn query(slate: &Slate) -> String {
    match slate.attributes.get("query") {
        Some(Value::Text(query)) => query.clone(),
        _ => slate.id.clone(),
    }
}

/// True where the first spacing rule applies to an item.
pub(super) fn is_sensitive(problem: &Problem, row: u32) -> bool {
    problem.spacing.first().is_some_and(|rule| rule.membership[row as usize] > 0.0)
}

fn text(problem: &Problem, row: u32, column: &str) -> Option<String> {
    match problem.catalog.column(column)?.data.value(row as usize) {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slate::Placement;

    fn ranked(candidates: &[u32]) -> RankedSlate {
        let place = |&candidate: &u32| Placement { candidate, ..Placement::default() };
        RankedSlate { placements: candidates.iter().map(place).collect(), ..RankedSlate::default() }
    }

    #[test]
    fn ranks_look_candidates_up() {
        let prepared = PreparedSlate { candidate: vec![4, 2, 7], ..PreparedSlate::default() };
        assert_eq!(ranks(&prepared, &ranked(&[7, 4])), Ok(vec![2, 0]));
        assert_eq!(ranks(&prepared, &ranked(&[3])), Err("an item that is no candidate"));
        assert_eq!(ranks(&prepared, &ranked(&[2, 2])), Err("an item at two positions"));
    }
}
