//! Spacing rules, Semantic IDs and caps, bound to the catalog's columns.

use std::collections::HashMap;
use std::sync::Arc;

use super::missing::Missing;
use super::{
    BoundCap, BoundSemanticId, BoundSpacing, NO_VALUE, Problem, ProblemError, check_values, column, nulls, numbers,
    wrong_type,
};
use crate::catalog::{Catalog, ColumnData};
use crate::config::{Cap, Config, OnMissing, Spacing};

pub(super) fn bind_spacing(
    config: &Config,
    like: Option<&Problem>,
    missing: &mut Missing,
) -> Result<Vec<BoundSpacing>, ProblemError> {
    let catalog = missing.catalog;
    let bind = |(i, rule): (usize, &Spacing)| {
        let weights = rule.kernel.weights(rule.window, rule.half_life);
        let key = format!("spacing[{i}].column");
        let column = column(catalog, &key, &rule.column)?;
        if matches!(column.data, ColumnData::Codes { .. } | ColumnData::Unsupported { .. }) {
            return Err(wrong_type(&key, column, "booleans, integers, numbers or text"));
        }
        check_values(&format!("spacing[{i}].values"), column, &rule.values)?;
        missing.note(&key, &rule.column, rule.on_missing.unwrap_or_default(), nulls(&column.data))?;
        if let Some(membership) = like.and_then(|like| like.membership_of(rule)) {
            return Ok(BoundSpacing { membership, weights, strength: rule.strength });
        }
        let mut membership: Vec<f64> = (0..catalog.n_items())
            .map(|row| {
                let value = column.data.value(row);
                f64::from(u8::from(rule.values.iter().any(|v| v.matches(&value))))
            })
            .collect();
        if let Some(name) = &rule.confidence {
            let key = format!("spacing[{i}].confidence");
            let confidences = numbers(catalog, &key, name)?;
            let unsure = (0..confidences.len()).filter(|&row| membership[row] > 0.0 && confidences[row].is_none());
            missing.note(&key, name, rule.on_missing.unwrap_or(OnMissing::Error), unsure)?;
            for (row, (m, confidence)) in membership.iter_mut().zip(confidences).enumerate() {
                let confidence = confidence.unwrap_or(0.0);
                if confidence < 0.0 {
                    let item = catalog.id_of(row as u32).into_owned();
                    return Err(ProblemError::NegativeConfidence { key, column: name.clone(), item });
                }
                *m *= confidence;
            }
        }
        Ok(BoundSpacing { membership: membership.into(), weights, strength: rule.strength })
    };
    config.spacing.iter().enumerate().map(bind).collect()
}

pub(super) fn bind_semantic_id<'a>(
    config: &Config,
    missing: &mut Missing<'a>,
) -> Result<Option<BoundSemanticId<'a>>, ProblemError> {
    let catalog = missing.catalog;
    let Some(rule) = config.semantic_id.as_ref() else { return Ok(None) };
    let key = "semantic_id.column";
    let found = column(catalog, key, &rule.column)?;
    let ColumnData::Codes { width, codes } = &found.data else {
        return Err(wrong_type(key, found, "lists of integers"));
    };
    if rule.level_weights.len() > *width {
        return Err(ProblemError::LevelWeights {
            column: rule.column.clone(),
            weights: rule.level_weights.len(),
            levels: *width,
        });
    }
    if rule.strength > 0.0 {
        let is_partial = |row: &usize| codes[row * width..(row + 1) * width].contains(&0);
        missing.note(key, &rule.column, rule.on_missing, (0..catalog.n_items()).filter(is_partial))?;
    }
    let level_weights =
        if rule.level_weights.is_empty() { vec![1.0 / *width as f64; *width] } else { rule.level_weights.clone() };
    let mut prefix_penalty = vec![0.0; width + 1];
    for level in 0..*width {
        prefix_penalty[level + 1] = prefix_penalty[level] + level_weights.get(level).copied().unwrap_or(0.0);
    }
    let weights = rule.kernel.weights(rule.window, rule.half_life);
    let bound = BoundSemanticId { codes, n_levels: *width, prefix_penalty, weights, strength: rule.strength };
    Ok((rule.strength > 0.0).then_some(bound))
}

pub(super) fn bind_caps(
    config: &Config,
    like: Option<&Problem>,
    missing: &mut Missing,
) -> Result<Vec<BoundCap>, ProblemError> {
    let catalog = missing.catalog;
    let bind = |(i, cap): (usize, &Cap)| {
        let key = format!("cap[{i}].column");
        let values = match like.and_then(|like| like.values_of(cap)) {
            Some(values) => values,
            None => numbered_column(catalog, &key, &cap.column)?,
        };
        missing.note(&key, &cap.column, cap.on_missing, nulls(&column(catalog, &key, &cap.column)?.data))?;
        Ok(BoundCap { values, max: cap.max, window: cap.window })
    };
    config.cap.iter().enumerate().map(bind).collect()
}

/// Every item's value of a column as a small number, [`NO_VALUE`] for null. `key` is the setting that names the column.
pub(crate) fn numbered_column(catalog: &Catalog, key: &str, name: &str) -> Result<Arc<[u32]>, ProblemError> {
    let found = column(catalog, key, name)?;
    Ok(match &found.data {
        ColumnData::Bool(v) => numbered(v.iter().copied()),
        ColumnData::Int(v) => numbered(v.iter().copied()),
        ColumnData::Text(v) => numbered(v.iter().map(Option::as_deref)),
        _ => return Err(wrong_type(key, found, "booleans, integers or text")),
    })
}

/// Numbers distinct values in order of appearance.
fn numbered<T: Eq + std::hash::Hash>(values: impl Iterator<Item = Option<T>>) -> Arc<[u32]> {
    let mut number_of = HashMap::new();
    values
        .map(|value| {
            value.map_or(NO_VALUE, |value| {
                let next = number_of.len() as u32;
                *number_of.entry(value).or_insert(next)
            })
        })
        .collect()
}
