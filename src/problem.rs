//! A configuration bound to a catalog: everything that depends on items alone, computed once.

mod error;
mod filter;
mod missing;
mod penalties;
mod shared;

use std::sync::Arc;

pub use error::ProblemError;
pub use filter::BoundFilter;
pub use missing::MissingCount;
pub(crate) use penalties::numbered_column;

use self::missing::Missing;
use self::penalties::{bind_caps, bind_semantic_id, bind_spacing};
use crate::catalog::{Catalog, Column, ColumnData, Embedding};
use crate::config::{Config, MAX_DIM, Metric, OnMissing, Scalar, Strategy};

/// One signal with the factor that makes `S_ij = Σ_s factor_si · factor_sj · ⟨x_si, x_sj⟩`.
#[derive(Debug)]
pub struct BoundSignal<'a> {
    /// Stored rows.
    pub embedding: &'a Embedding,
    /// `√α_s / ‖x_si‖` (cosine, 0 for a zero row) or `√α_s` (dot), per item; in single precision, so that every engine
    /// has the same.
    pub factors: Arc<[f32]>,
    /// No item's similarity to itself is larger in this signal.
    pub most_similarity: f64,
    share: f64,
    metric: Metric,
}

/// One spacing rule with every item's membership.
#[derive(Debug)]
pub struct BoundSpacing {
    /// Membership m of each item, confidence included.
    pub membership: Arc<[f64]>,
    /// Kernel weight at distance d is `weights[d − 1]`.
    pub weights: Vec<f64>,
    /// Factor of the penalty.
    pub strength: f64,
}

/// The Semantic-ID penalty with its codes.
#[derive(Debug)]
pub struct BoundSemanticId<'a> {
    /// Codes, `n_items × n_levels`.
    pub codes: &'a [u32],
    /// Codes per item.
    pub n_levels: usize,
    /// `prefix_penalty[l]`: h of an agreement of l leading levels; entry 0 is 0.
    pub prefix_penalty: Vec<f64>,
    /// Kernel weight at distance d is `weights[d − 1]`.
    pub weights: Vec<f64>,
    /// Factor of the penalty.
    pub strength: f64,
}

/// One cap with every item's value as a small number.
#[derive(Debug)]
pub struct BoundCap {
    /// Value of each item; [`NO_VALUE`] where it is null and counts for nothing.
    pub values: Arc<[u32]>,
    /// Most items of one value.
    pub max: usize,
    /// Placed items counted beside the candidate.
    pub window: usize,
}

/// Value of an item that a cap does not count.
pub const NO_VALUE: u32 = u32::MAX;

/// A configuration bound to a catalog.
#[derive(Debug)]
pub struct Problem<'a> {
    /// The validated configuration.
    pub config: &'a Config,
    /// The items.
    pub catalog: &'a Catalog,
    /// Signals with positive weight.
    pub signals: Vec<BoundSignal<'a>>,
    /// Static part of the base score per item; empty where nothing adjusts.
    pub adjustment: Arc<[f64]>,
    /// Spacing rules in configuration order.
    pub spacing: Vec<BoundSpacing>,
    /// Semantic-ID penalty, if configured with a strength above 0.
    pub semantic_id: Option<BoundSemanticId<'a>>,
    /// Caps in configuration order.
    pub caps: Vec<BoundCap>,
    /// What takes candidates out before ranking.
    pub filter: BoundFilter<'a>,
    /// Items that lack something, by the term that needs it.
    pub missing: Vec<MissingCount>,
}

impl<'a> Problem<'a> {
    /// Binds a validated configuration to a catalog.
    ///
    /// # Errors
    /// Names the key, the column and, for bad values, the item.
    pub fn new(config: &'a Config, catalog: &'a Catalog) -> Result<Self, ProblemError> {
        Self::bind(config, catalog, None)
    }

    /// Binds another configuration to the catalog of `like`. What comes out the same for every item (factors of signals,
    /// memberships, adjustments, values of caps) is shared with `like`, not computed again.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn sharing(config: &'a Config, like: &Self) -> Result<Self, ProblemError> {
        Self::bind(config, like.catalog, Some(like))
    }

    /// True where something besides base score and diversity decides: caps, or penalties.
    pub fn has_penalties(&self) -> bool {
        let balances = self.config.balance.strength > 0.0;
        balances || self.semantic_id.is_some() || !self.spacing.is_empty() || !self.caps.is_empty()
    }

    fn bind(config: &'a Config, catalog: &'a Catalog, like: Option<&Self>) -> Result<Self, ProblemError> {
        if catalog.n_items() >= u32::MAX as usize {
            return Err(ProblemError::TooManyItems { n_items: catalog.n_items() });
        }
        let mut missing = Missing::new(catalog);
        let signals = bind_signals(config, like, &mut missing)?;
        let adjustment = bind_adjustment(config, like, &mut missing)?;
        let spacing = bind_spacing(config, like, &mut missing)?;
        let semantic_id = bind_semantic_id(config, &mut missing)?;
        let caps = bind_caps(config, like, &mut missing)?;
        // Last: it takes out what the others found missing.
        let filter = filter::bind(config, like, &mut missing)?;
        let missing = missing.counts;
        Ok(Self { config, catalog, signals, adjustment, spacing, semantic_id, caps, filter, missing })
    }

    /// Values per row, all signals together.
    pub fn dim(&self) -> usize {
        self.signals.iter().map(|s| s.embedding.dim).sum()
    }

    /// No item's similarity to itself, S_ii, is larger.
    pub fn most_similarity(&self) -> f64 {
        self.signals.iter().map(|s| s.most_similarity).sum()
    }
}

fn bind_signals<'a>(
    config: &Config,
    like: Option<&Problem>,
    missing: &mut Missing<'a>,
) -> Result<Vec<BoundSignal<'a>>, ProblemError> {
    let catalog = missing.catalog;
    let needs_none = config.strategy == Strategy::Relevance && config.balance.strength == 0.0;
    if needs_none {
        // Who is a candidate does not depend on the strategy.
        for (i, signal) in config.signals.iter().enumerate().filter(|(_, s)| s.on_missing == OnMissing::Drop) {
            if let Some(embedding) = catalog.signal(&signal.name).filter(|_| signal.weight > 0.0) {
                missing.note_embedding(&format!("signal[{i}]"), embedding, OnMissing::Drop)?;
            }
        }
        return Ok(Vec::new());
    }
    let chosen: Vec<(&'a Embedding, f64, Metric)> = if config.signals.is_empty() {
        let first = catalog.signals().first().ok_or(ProblemError::NoSignal)?;
        missing.note_embedding("signal", first, OnMissing::Error)?;
        vec![(first, 1.0, Metric::Cosine)]
    } else {
        let mut chosen = Vec::new();
        for (i, signal) in config.signals.iter().enumerate() {
            let embedding = catalog.signal(&signal.name).ok_or_else(|| ProblemError::UnknownSignal {
                name: signal.name.clone(),
                known: name_list(catalog.signals().iter().map(|s| s.name.as_str())),
            })?;
            if signal.weight > 0.0 {
                missing.note_embedding(&format!("signal[{i}]"), embedding, signal.on_missing)?;
                chosen.push((embedding, signal.weight, signal.metric));
            }
        }
        chosen
    };
    let dim = chosen.iter().map(|(e, ..)| e.dim).sum();
    if dim > MAX_DIM {
        return Err(ProblemError::TooWide { dim });
    }
    let total: f64 = chosen.iter().map(|(_, weight, _)| weight).sum();
    chosen
        .into_iter()
        .map(|(embedding, weight, metric)| {
            let share = weight / total;
            let (factors, most_similarity) = match like.and_then(|like| like.factors_of(embedding, share, metric)) {
                Some(shared) => shared,
                None => factors(catalog, embedding, share, metric)?,
            };
            Ok(BoundSignal { embedding, factors, most_similarity, share, metric })
        })
        .collect()
}

/// Factors of a signal, and its largest similarity of an item to itself.
fn factors(
    catalog: &Catalog,
    embedding: &Embedding,
    share: f64,
    metric: Metric,
) -> Result<(Arc<[f32]>, f64), ProblemError> {
    // Cosines divide the length out, but single precision must hold its square; dot products keep it, squared twice
    // over in the eigensolver.
    let (least, most) = match metric {
        Metric::Cosine => (1e-15, 1e15),
        Metric::Dot => (1e-6, 1e6),
    };
    let root = share.sqrt();
    let mut longest: f64 = 1.0;
    let mut factor = |row| {
        let mut length = embedding.squared_norm(row).sqrt();
        if length == 0.0 {
            // Squares of the smallest doubles are 0, and the row is not.
            length = embedding.largest_size(row);
        }
        if length > 0.0 && !(least..=most).contains(&length) {
            let item = catalog.id_of(row as u32).into_owned();
            return Err(ProblemError::RowLength { name: embedding.name.clone(), item, length, least, most });
        }
        if metric == Metric::Dot {
            longest = longest.max(length);
        }
        Ok(match metric {
            Metric::Dot => root,
            Metric::Cosine if length > 0.0 => root / length,
            Metric::Cosine => 0.0,
        } as f32)
    };
    let factors = (0..embedding.n_rows()).map(&mut factor).collect::<Result<_, _>>()?;
    // Factors are rounded to single precision.
    Ok((factors, (1.0 + 1e-6) * share * longest * longest))
}

fn bind_adjustment(config: &Config, like: Option<&Problem>, missing: &mut Missing) -> Result<Arc<[f64]>, ProblemError> {
    let catalog = missing.catalog;
    if config.relevance.adjust.is_empty() {
        return Ok(Arc::default());
    }
    let shared = like.and_then(|like| like.adjustment_of(&config.relevance.adjust));
    let mut sum = vec![0.0; if shared.is_none() { catalog.n_items() } else { 0 }];
    for (i, adjust) in config.relevance.adjust.iter().enumerate() {
        let key = format!("relevance.adjust[{i}].column");
        if shared.is_some() {
            // What is missing is counted for every problem; the sum of its numbers is there already.
            let column = column(catalog, &key, &adjust.column)?;
            missing.note(&key, &adjust.column, adjust.on_missing, nulls(&column.data))?;
            continue;
        }
        let numbers = numbers(catalog, &key, &adjust.column)?;
        let nulls = (0..numbers.len()).filter(|&row| numbers[row].is_none());
        missing.note(&key, &adjust.column, adjust.on_missing, nulls)?;
        for (total, number) in sum.iter_mut().zip(numbers) {
            *total += adjust.weight * number.unwrap_or(0.0);
        }
    }
    Ok(shared.unwrap_or_else(|| sum.into()))
}

fn column<'a>(catalog: &'a Catalog, key: &str, name: &str) -> Result<&'a Column, ProblemError> {
    let wrong = |found: &str| ProblemError::ColumnType {
        key: key.to_owned(),
        column: name.to_owned(),
        found: found.to_owned(),
        needed: "single values or codes",
    };
    catalog.column(name).ok_or_else(|| {
        if catalog.signal(name).is_some() {
            return wrong("embeddings");
        }
        if name == "item_id" && catalog.has_ids() {
            return wrong("the items' ids");
        }
        ProblemError::UnknownColumn {
            key: key.to_owned(),
            column: name.to_owned(),
            known: name_list(catalog.columns().iter().map(|c| c.name.as_str())),
        }
    })
}

/// Checks that values are of the column's type: none of another can match. A column of nothing but nulls has any type.
fn check_values(key: &str, column: &Column, values: &[Scalar]) -> Result<(), ProblemError> {
    let fits = |value: &&Scalar| {
        matches!(
            (value, &column.data),
            (Scalar::Bool(_), ColumnData::Bool(_))
                | (Scalar::Int(_) | Scalar::Float(_), ColumnData::Int(_) | ColumnData::Float(_))
                | (Scalar::Text(_), ColumnData::Text(_))
        )
    };
    match values.iter().find(|value| !fits(value)) {
        Some(value) if (0..column.data.n_rows()).any(|row| !column.data.is_null(row)) => Err(ProblemError::ValueType {
            key: key.to_owned(),
            value: value.to_string(),
            kind: value.type_name(),
            column: column.name.clone(),
        }),
        _ => Ok(()),
    }
}

/// Rows without a value.
fn nulls(data: &ColumnData) -> impl Iterator<Item = usize> {
    (0..data.n_rows()).filter(|&row| data.is_null(row))
}

/// A column's numbers, none where it is null.
fn numbers(catalog: &Catalog, key: &str, name: &str) -> Result<Vec<Option<f64>>, ProblemError> {
    let found = column(catalog, key, name)?;
    if matches!(found.data, ColumnData::Text(_) | ColumnData::Codes { .. } | ColumnData::Unsupported { .. }) {
        return Err(wrong_type(key, found, "numbers"));
    }
    (0..catalog.n_items())
        .map(|row| {
            let number = found.data.number(row);
            match number.is_none_or(f64::is_finite) {
                true => Ok(number),
                false => Err(ProblemError::NotANumber {
                    key: key.to_owned(),
                    column: name.to_owned(),
                    item: catalog.id_of(row as u32).into_owned(),
                }),
            }
        })
        .collect()
}

fn wrong_type(key: &str, column: &Column, needed: &'static str) -> ProblemError {
    ProblemError::ColumnType {
        key: key.to_owned(),
        column: column.name.clone(),
        found: column.data.type_name().to_owned(),
        needed,
    }
}

fn name_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
