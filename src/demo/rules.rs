//! One slate by variety alone beside the same slate with spacing and Semantic IDs on top.

use super::compare::{Change, is_sensitive, query, sensitive_pairs, title};
use crate::metrics::relevance_kept;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::{RankedSlate, Slate};
use crate::stage::penalty::shared_prefix;

/// What two rules changed in a slate that had its variety already: `before` without them, `after` with both.
#[derive(Debug, Clone, PartialEq)]
pub struct RulesReport {
    /// What was asked for.
    pub query: String,
    /// Positions that the Semantic-ID rule looks back.
    pub window: usize,
    /// Positions inside which sensitive items count as neighbours.
    pub spacing_window: usize,
    /// What stands at each position.
    pub entries: Change<Vec<RulesEntry>>,
    /// Share of the relevance kept, see [`relevance_kept`].
    pub relevance_kept: Change<f64>,
    /// Pairs of sensitive items that stand close together.
    pub sensitive_pairs: Change<usize>,
    /// Mean of [`RulesEntry::n_shared`] from the second position on.
    pub codes_shared: Change<f64>,
}

/// One item in the list.
#[derive(Debug, Clone, PartialEq)]
pub struct RulesEntry {
    /// Its title.
    pub title: String,
    /// True where the spacing rule applies to it.
    pub is_sensitive: bool,
    /// Its Semantic ID, from the broadest code to the narrowest; 0 is a missing level.
    pub codes: Vec<u32>,
    /// Leading codes that it shares with the closest of the items before it, inside the window.
    pub n_shared: usize,
    /// 0-based place in the other list; none where it is not there.
    pub elsewhere: Option<usize>,
}

/// Compares a slate ranked without the rules with the same slate ranked with them. `problem` has both rules.
pub(super) fn rules_report(
    problem: &Problem,
    slate: &Slate,
    prepared: &PreparedSlate,
    ranked: &Change<RankedSlate>,
) -> Result<RulesReport, &'static str> {
    let window = problem.semantic_id.as_ref().map_or(0, |rule| rule.weights.len());
    let spacing_window = problem.spacing.first().map_or(0, |rule| rule.weights.len());
    let rows = ranked.map(|ranked| ranked.placements.iter().map(|p| p.item).collect::<Vec<u32>>());
    let entries = Change {
        before: entries(problem, window, &rows.before, &rows.after),
        after: entries(problem, window, &rows.after, &rows.before),
    };
    let kept = |ranked: &RankedSlate| {
        let base: Vec<f64> = ranked.placements.iter().map(|placement| placement.base).collect();
        relevance_kept(&base, &prepared.base).ok_or("too few items to compare")
    };
    Ok(RulesReport {
        query: query(slate),
        window,
        spacing_window,
        relevance_kept: Change { before: kept(&ranked.before)?, after: kept(&ranked.after)? },
        sensitive_pairs: entries.map(|entries| sensitive_pairs(entries.iter().map(|e| e.is_sensitive), spacing_window)),
        codes_shared: entries.map(|entries| {
            let sum: usize = entries.iter().map(|entry| entry.n_shared).sum();
            sum as f64 / entries.len().saturating_sub(1).max(1) as f64
        }),
        entries,
    })
}

fn entries(problem: &Problem, window: usize, rows: &[u32], other: &[u32]) -> Vec<RulesEntry> {
    let codes = |row: u32| {
        let rule = problem.semantic_id.as_ref();
        rule.map_or(&[][..], |rule| &rule.codes[row as usize * rule.n_levels..(row as usize + 1) * rule.n_levels])
    };
    let entry = |(position, &row): (usize, &u32)| {
        let before = &rows[position.saturating_sub(window)..position];
        RulesEntry {
            title: title(problem, row),
            is_sensitive: is_sensitive(problem, row),
            codes: codes(row).to_vec(),
            n_shared: before.iter().map(|&near| shared_prefix(codes(row), codes(near))).max().unwrap_or(0),
            elsewhere: other.iter().position(|&there| there == row),
        }
    };
    rows.iter().enumerate().map(entry).collect()
}
