//! `[filter]` bound to a catalog: what each item fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::missing::Missing;
use super::{Problem, ProblemError, check_values, column, nulls, wrong_type};
use crate::bloom;
use crate::catalog::ColumnData;
use crate::config::{Config, FilterRule, Scalar};
use crate::slate::Slate;

/// The bit of items that lack something which the configuration says to do without them for.
const MISSING_BIT: u32 = 0;

/// What takes candidates out before ranking.
#[derive(Debug, Default)]
pub struct BoundFilter<'a> {
    /// Per item: bit 0 is set where it lacks something with `on_missing = "drop"`, bit r + 1 where it fails rule r. Empty
    /// where no item fails anything.
    pub failed: Vec<u32>,
    /// Per item what stands for it in Bloom filters; empty where none are used.
    pub id_hashes: Arc<[u64]>,
    /// Takes out items of `recent`.
    pub recent: bool,
    /// Takes out items of `seen`.
    pub seen: bool,
    /// Conditions of the rules, in the order of their bits.
    conditions: Vec<&'a BTreeMap<String, Scalar>>,
}

impl BoundFilter<'_> {
    /// The bits that count for a slate: those of the rules that apply to it.
    pub fn active(&self, slate: &Slate) -> u32 {
        if self.failed.is_empty() {
            return 0;
        }
        let rules = self.conditions.iter().enumerate().filter(|(_, when)| slate.has_all(when));
        rules.fold(1 << MISSING_BIT, |bits, (rule, _)| bits | 2 << rule)
    }

    /// True where nothing can take a candidate out of any slate.
    pub fn is_idle(&self) -> bool {
        self.failed.is_empty() && self.id_hashes.is_empty() && !self.recent && !self.seen
    }
}

pub(super) fn bind<'a>(
    config: &'a Config,
    like: Option<&Problem>,
    missing: &mut Missing,
) -> Result<BoundFilter<'a>, ProblemError> {
    let catalog = missing.catalog;
    let filter = &config.filter;
    let mut failed = Vec::new();
    let mut conditions = Vec::new();
    for (bit, (key, rule, keeps_matches)) in filter.rules().enumerate() {
        failed.resize(catalog.n_items(), 0);
        let matches = matches(&key, rule, missing)?;
        for (bits, matches) in failed.iter_mut().zip(matches) {
            *bits |= u32::from(matches != keeps_matches) << (bit + 1);
        }
        conditions.push(&rule.when);
    }
    for &row in &missing.dropped {
        failed.resize(catalog.n_items(), 0);
        failed[row as usize] |= 1 << MISSING_BIT;
    }
    let known = like.map(|like| &like.filter.id_hashes).filter(|hashes| !hashes.is_empty());
    let id_hashes = match (&filter.seen_bloom, known) {
        (Some(_), Some(known)) => Arc::clone(known),
        (Some(_), None) => (0..catalog.n_items()).map(|row| bloom::hash_of(&catalog.id_of(row as u32))).collect(),
        (None, _) => Arc::default(),
    };
    Ok(BoundFilter { failed, id_hashes, recent: filter.recent, seen: filter.seen, conditions })
}

/// Which items match a rule.
fn matches(key: &str, rule: &FilterRule, missing: &mut Missing) -> Result<Vec<bool>, ProblemError> {
    let catalog = missing.catalog;
    let column_key = format!("{key}.column");
    let column = column(catalog, &column_key, &rule.column)?;
    let is_true = [Scalar::Bool(true)];
    let values = match (&column.data, rule.values.as_slice()) {
        (ColumnData::Bool(_), []) => &is_true,
        (_, []) => return Err(wrong_type(&column_key, column, "booleans, unless the rule has `values`")),
        (ColumnData::Codes { .. } | ColumnData::Unsupported { .. }, _) => {
            return Err(wrong_type(&column_key, column, "booleans, integers, numbers or text"));
        }
        (_, values) => values,
    };
    check_values(&format!("{key}.values"), column, values)?;
    missing.note(&column_key, &rule.column, rule.on_missing, nulls(&column.data))?;
    let is_match = |row| {
        let value = column.data.value(row);
        values.iter().any(|v| v.matches(&value))
    };
    Ok((0..catalog.n_items()).map(is_match).collect())
}
