//! A configuration bound to a catalog: everything that depends on items alone, computed once.

use std::collections::HashMap;

use crate::catalog::{Catalog, Column, ColumnData, Embedding};
use crate::config::{Config, MAX_DIM, Metric, Strategy};

/// A configuration that asks for something the catalog does not have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProblemError {
    /// No embedding of that name.
    #[error("signal \"{name}\" is not an embedding of the catalog: it has {known}")]
    UnknownSignal {
        /// The name asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No embeddings at all.
    #[error("the catalog has no embedding column: add one (a list of f16, f32 or f64 numbers per item)")]
    NoSignal,
    /// No column of that name.
    #[error("{key}: column \"{column}\" is not in the catalog: it has {known}")]
    UnknownColumn {
        /// Configuration key that names the column.
        key: String,
        /// The column asked for.
        column: String,
        /// What there is.
        known: String,
    },
    /// A column whose type does not serve.
    #[error("{key}: column \"{column}\" holds {found}, needed are {needed}")]
    ColumnType {
        /// Configuration key that names the column.
        key: String,
        /// The column.
        column: String,
        /// What it holds.
        found: String,
        /// What would serve.
        needed: &'static str,
    },
    /// A number that is missing or not finite.
    #[error("{key}: column \"{column}\" has no finite number for item {item}: fill it in")]
    NotANumber {
        /// Configuration key that names the column.
        key: String,
        /// The column.
        column: String,
        /// The item's id.
        item: String,
    },
    /// Signals too wide for the engines.
    #[error("the signals have {dim} dimensions together, at most {MAX_DIM} are supported: use fewer signals")]
    TooWide {
        /// Sum of the dimensions.
        dim: usize,
    },
    /// A row so long or short that single precision cannot hold its products.
    #[error(
        "signal \"{name}\": the row of item {item} has length {length:e}, allowed are 0 and {least:e} to {most:e}: rescale it"
    )]
    RowLength {
        /// The signal.
        name: String,
        /// The item's id.
        item: String,
        /// Euclidean length.
        length: f64,
        /// Shortest length above 0.
        least: f64,
        /// Longest length.
        most: f64,
    },
    /// A confidence below 0, which would turn a penalty into a reward.
    #[error("{key}: column \"{column}\" is negative for item {item}: confidences are 0 or more")]
    NegativeConfidence {
        /// Configuration key that names the column.
        key: String,
        /// The column.
        column: String,
        /// The item's id.
        item: String,
    },
    /// Level weights for more levels than the column has.
    #[error("semantic_id.level_weights has {weights} entries but column \"{column}\" has {levels} levels")]
    LevelWeights {
        /// The column.
        column: String,
        /// Weights given.
        weights: usize,
        /// Levels in the column.
        levels: usize,
    },
    /// Catalog larger than row numbers reach.
    #[error("the catalog has {n_items} items, at most 4294967294 are supported")]
    TooManyItems {
        /// Number of items.
        n_items: usize,
    },
}

/// One signal with the factor that makes `S_ij = Σ_s factor_si · factor_sj · ⟨x_si, x_sj⟩`.
#[derive(Debug)]
pub struct BoundSignal<'a> {
    /// Stored rows.
    pub embedding: &'a Embedding,
    /// `√α_s / ‖x_si‖` (cosine, 0 for a zero row) or `√α_s` (dot), per item; in single precision, so that every engine
    /// has the same.
    pub factors: Vec<f32>,
    /// No item's similarity to itself is larger in this signal.
    pub most_similarity: f64,
}

/// One spacing rule with every item's membership.
#[derive(Debug)]
pub struct BoundSpacing {
    /// Membership m of each item, confidence included.
    pub membership: Vec<f64>,
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
    pub values: Vec<u32>,
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
    pub adjustment: Vec<f64>,
    /// Spacing rules in configuration order.
    pub spacing: Vec<BoundSpacing>,
    /// Semantic-ID penalty, if configured with a strength above 0.
    pub semantic_id: Option<BoundSemanticId<'a>>,
    /// Caps in configuration order.
    pub caps: Vec<BoundCap>,
}

impl<'a> Problem<'a> {
    /// Binds a validated configuration to a catalog.
    ///
    /// # Errors
    /// Names the key, the column and, for bad values, the item.
    pub fn new(config: &'a Config, catalog: &'a Catalog) -> Result<Self, ProblemError> {
        if catalog.n_items() >= u32::MAX as usize {
            return Err(ProblemError::TooManyItems { n_items: catalog.n_items() });
        }
        Ok(Self {
            config,
            catalog,
            signals: bind_signals(config, catalog)?,
            adjustment: bind_adjustment(config, catalog)?,
            spacing: bind_spacing(config, catalog)?,
            semantic_id: bind_semantic_id(config, catalog)?,
            caps: bind_caps(config, catalog)?,
        })
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

fn bind_signals<'a>(config: &Config, catalog: &'a Catalog) -> Result<Vec<BoundSignal<'a>>, ProblemError> {
    let needs_none = config.strategy == Strategy::Relevance && config.balance.strength == 0.0;
    if needs_none {
        return Ok(Vec::new());
    }
    let chosen: Vec<(&'a Embedding, f64, Metric)> = if config.signals.is_empty() {
        let first = catalog.signals().first().ok_or(ProblemError::NoSignal)?;
        vec![(first, 1.0, Metric::Cosine)]
    } else {
        let mut chosen = Vec::new();
        for signal in &config.signals {
            let embedding = catalog.signal(&signal.name).ok_or_else(|| ProblemError::UnknownSignal {
                name: signal.name.clone(),
                known: name_list(catalog.signals().iter().map(|s| s.name.as_str())),
            })?;
            if signal.weight > 0.0 {
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
        .map(|(embedding, weight, metric)| bind_signal(catalog, embedding, weight / total, metric))
        .collect()
}

fn bind_signal<'a>(
    catalog: &Catalog,
    embedding: &'a Embedding,
    share: f64,
    metric: Metric,
) -> Result<BoundSignal<'a>, ProblemError> {
    // Cosines divide the length out, but single precision must hold its square; dot products keep it, squared twice
    // over in the eigensolver.
    let (least, most) = match metric {
        Metric::Cosine => (1e-15, 1e15),
        Metric::Dot => (1e-6, 1e6),
    };
    let root = share.sqrt();
    let mut longest: f64 = 1.0;
    let mut factor = |row| {
        let length = embedding.squared_norm(row).sqrt();
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
    let most_similarity = (1.0 + 1e-6) * share * longest * longest;
    Ok(BoundSignal { embedding, factors, most_similarity })
}

fn bind_adjustment(config: &Config, catalog: &Catalog) -> Result<Vec<f64>, ProblemError> {
    if config.relevance.adjust.is_empty() {
        return Ok(Vec::new());
    }
    let mut sum = vec![0.0; catalog.n_items()];
    for (i, adjust) in config.relevance.adjust.iter().enumerate() {
        let key = format!("relevance.adjust[{i}].column");
        let numbers = numbers(catalog, &key, &adjust.column)?;
        for (total, number) in sum.iter_mut().zip(numbers) {
            *total += adjust.weight * number;
        }
    }
    Ok(sum)
}

fn bind_spacing(config: &Config, catalog: &Catalog) -> Result<Vec<BoundSpacing>, ProblemError> {
    let bind = |(i, rule): (usize, &crate::config::Spacing)| {
        let column = column(catalog, &format!("spacing[{i}].column"), &rule.column)?;
        if matches!(column.data, ColumnData::Codes { .. } | ColumnData::Unsupported { .. }) {
            return Err(wrong_type(&format!("spacing[{i}].column"), column, "booleans, integers, numbers or text"));
        }
        let mut membership: Vec<f64> = (0..catalog.n_items())
            .map(|row| {
                let value = column.data.value(row);
                f64::from(u8::from(rule.values.iter().any(|v| v.matches(&value))))
            })
            .collect();
        if let Some(name) = &rule.confidence {
            let key = format!("spacing[{i}].confidence");
            for (row, (m, confidence)) in membership.iter_mut().zip(numbers(catalog, &key, name)?).enumerate() {
                if confidence < 0.0 {
                    let item = catalog.id_of(row as u32).into_owned();
                    return Err(ProblemError::NegativeConfidence { key, column: name.clone(), item });
                }
                *m *= confidence;
            }
        }
        let weights = rule.kernel.weights(rule.window, rule.half_life);
        Ok(BoundSpacing { membership, weights, strength: rule.strength })
    };
    config.spacing.iter().enumerate().map(bind).collect()
}

fn bind_semantic_id<'a>(config: &Config, catalog: &'a Catalog) -> Result<Option<BoundSemanticId<'a>>, ProblemError> {
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

fn bind_caps(config: &Config, catalog: &Catalog) -> Result<Vec<BoundCap>, ProblemError> {
    let bind = |(i, cap): (usize, &crate::config::Cap)| {
        let key = format!("cap[{i}].column");
        let found = column(catalog, &key, &cap.column)?;
        let values = match &found.data {
            ColumnData::Bool(v) => numbered(v.iter().copied()),
            ColumnData::Int(v) => numbered(v.iter().copied()),
            ColumnData::Text(v) => numbered(v.iter().map(Option::as_deref)),
            _ => return Err(wrong_type(&key, found, "booleans, integers or text")),
        };
        Ok(BoundCap { values, max: cap.max, window: cap.window })
    };
    config.cap.iter().enumerate().map(bind).collect()
}

/// Numbers distinct values in order of appearance.
fn numbered<T: Eq + std::hash::Hash>(values: impl Iterator<Item = Option<T>>) -> Vec<u32> {
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

fn column<'a>(catalog: &'a Catalog, key: &str, name: &str) -> Result<&'a Column, ProblemError> {
    catalog.column(name).ok_or_else(|| ProblemError::UnknownColumn {
        key: key.to_owned(),
        column: name.to_owned(),
        known: name_list(catalog.columns().iter().map(|c| c.name.as_str())),
    })
}

fn numbers(catalog: &Catalog, key: &str, name: &str) -> Result<Vec<f64>, ProblemError> {
    let found = column(catalog, key, name)?;
    if matches!(found.data, ColumnData::Text(_) | ColumnData::Codes { .. } | ColumnData::Unsupported { .. }) {
        return Err(wrong_type(key, found, "numbers"));
    }
    (0..catalog.n_items())
        .map(|row| {
            found.data.number(row).filter(|x| x.is_finite()).ok_or_else(|| ProblemError::NotANumber {
                key: key.to_owned(),
                column: name.to_owned(),
                item: catalog.id_of(row as u32).into_owned(),
            })
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
