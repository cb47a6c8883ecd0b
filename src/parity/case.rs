//! A case: configuration, items and slates in one small file that any machine can run again.
//!
//! The format is that of the golden files (SPEC 11) with the precision of the rows added, so that rows come back as they
//! were, bit by bit: `{name, config (TOML), items {signals {name: rows}, storage {name: f16 | f32 | f64}, columns {name:
//! values}, ids}, slates [{slate_id, candidates, scores, attributes, recent, pinned, seen, seen_bloom (base64)}]}`. A row that
//! is null is missing. What else a file holds is not read.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use half::f16;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::bloom::BloomFilter;
use crate::catalog::{Catalog, CatalogError, Column, ColumnData, Embedding, EmbeddingData, Value};
use crate::config::{Config, ConfigError};
use crate::io::DraftFile;
use crate::problem::Problem;
use crate::slate::{Pin, Slate};

/// Everything an engine needs to rank some slates.
#[derive(Debug, Clone)]
pub struct Case {
    /// Where it comes from.
    pub name: String,
    /// The configuration.
    pub config: Config,
    /// The items.
    pub catalog: Catalog,
    /// The slates.
    pub slates: Vec<Slate>,
}

/// Why a case cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// The file.
    #[error("{path}: {error}; check the path")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// Not a case.
    #[error("{path}: this is no saved case ({reason}); `spectrank parity --save-failures DIR` writes them")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration.
    #[error("{path}: config: {error}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ConfigError,
    },
    /// The items.
    #[error("{path}: items: {error}")]
    Catalog {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        error: CatalogError,
    },
}

#[derive(Serialize, Deserialize)]
struct Text {
    name: String,
    /// Why the file exists, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    why: String,
    config: String,
    items: Items,
    slates: Vec<SlateText>,
}

#[derive(Serialize, Deserialize)]
struct Items {
    signals: BTreeMap<String, Vec<Option<Vec<f64>>>>,
    /// f64 where absent.
    #[serde(default)]
    storage: BTreeMap<String, String>,
    columns: BTreeMap<String, Vec<Json>>,
    /// Of columns without any value, what they would hold.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    null_types: BTreeMap<String, String>,
    /// Row numbers where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ids: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct SlateText {
    slate_id: String,
    candidates: Vec<u32>,
    scores: Vec<f64>,
    #[serde(default)]
    attributes: BTreeMap<String, Json>,
    #[serde(default)]
    recent: Vec<u32>,
    #[serde(default)]
    pinned: Vec<PinText>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen_bloom: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PinText {
    Named { position: u32, item: u32 },
    Pair(u32, u32),
}

impl Case {
    /// One slate with the items it names, and of those the signals and columns the configuration names.
    ///
    /// # Errors
    /// A catalog that holds together yields none.
    pub fn of_slate(name: &str, problem: &Problem, slate: &Slate) -> Result<Self, CatalogError> {
        let mut rows: Vec<u32> = slate.candidates.iter().chain(&slate.recent).copied().collect();
        rows.extend(slate.pinned.iter().map(|pin| pin.item));
        rows.sort_unstable();
        rows.dedup();
        let row_of: HashMap<u32, u32> = rows.iter().copied().zip(0..).collect();
        let config = problem.config;
        let mut catalog = Catalog::new();
        if slate.seen_bloom.is_some() {
            // A Bloom filter knows items by id, which without ids would change with the row.
            catalog.set_ids(rows.iter().map(|&row| problem.catalog.id_of(row).into_owned()).collect())?;
        }
        for (i, signal) in problem.catalog.signals().iter().enumerate() {
            let is_named = config.signals.iter().any(|s| s.name == signal.name);
            if is_named || (config.signals.is_empty() && i == 0) {
                catalog.add_signal(embedding_rows(signal, &rows))?;
            }
        }
        let used = config.columns();
        for column in problem.catalog.columns().iter().filter(|c| used.contains(&c.name)) {
            catalog.add_column(Column { name: column.name.clone(), data: column_rows(&column.data, &rows) })?;
        }
        let slate = Slate {
            id: slate.id.clone(),
            candidates: slate.candidates.iter().map(|row| row_of[row]).collect(),
            scores: slate.scores.clone(),
            recent: slate.recent.iter().map(|row| row_of[row]).collect(),
            pinned: slate.pinned.iter().map(|pin| Pin { position: pin.position, item: row_of[&pin.item] }).collect(),
            // Whoever is no candidate is taken out of nothing.
            seen: slate.seen.iter().filter_map(|row| row_of.get(row).copied()).collect(),
            seen_bloom: slate.seen_bloom.clone(),
            attributes: slate.attributes.clone(),
        };
        Ok(Self { name: name.to_owned(), config: config.clone(), catalog, slates: vec![slate] })
    }

    /// The case as JSON; `why` says to people what it is about.
    pub fn to_json(&self, why: &str) -> String {
        let signals = self.catalog.signals();
        let text = Text {
            name: self.name.clone(),
            why: why.to_owned(),
            config: self.config.to_toml(),
            items: Items {
                signals: signals.iter().map(|s| (s.name.clone(), widened(s))).collect(),
                storage: signals.iter().map(|s| (s.name.clone(), s.data.dtype().to_owned())).collect(),
                columns: self.catalog.columns().iter().map(|c| (c.name.clone(), column_text(&c.data))).collect(),
                null_types: self.catalog.columns().iter().filter_map(null_type).collect(),
                ids: self.catalog.has_ids().then(|| ids(&self.catalog)),
            },
            slates: self.slates.iter().map(SlateText::of).collect(),
        };
        serde_json::json!(text).to_string()
    }

    /// Writes the case.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path, why: &str) -> Result<(), CaseError> {
        let file = |error| CaseError::File { path: path.to_owned(), error };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(file)?;
        // Where a link has that name, it is the link that is replaced, and not what it leads to.
        let mut draft = DraftFile::create(folder, false).map_err(file)?;
        draft.write_all((self.to_json(why) + "\n").as_bytes()).map_err(file)?;
        draft.persist(path, true).map(drop).map_err(file)
    }

    /// Reads a case, or a golden file.
    ///
    /// # Errors
    /// The file cannot be read, or is no case.
    pub fn load(path: &Path) -> Result<Self, CaseError> {
        let text = std::fs::read_to_string(path).map_err(|error| CaseError::File { path: path.to_owned(), error })?;
        let format = |reason: String| CaseError::Format { path: path.to_owned(), reason };
        let text: Text = serde_json::from_str(&text).map_err(|e| format(e.to_string()))?;
        let config =
            Config::from_toml(&text.config).map_err(|error| CaseError::Config { path: path.to_owned(), error })?;
        let catalog_error = |error| CaseError::Catalog { path: path.to_owned(), error };
        let mut catalog = Catalog::new();
        for (name, rows) in text.items.signals {
            let storage = text.items.storage.get(&name).map_or("f64", String::as_str);
            let dim = rows.iter().flatten().next().map_or(1, Vec::len);
            if rows.iter().flatten().any(|row| row.len() != dim) {
                return Err(format(format!("rows of signal \"{name}\" differ in length")));
            }
            let rows: Vec<f64> = rows.into_iter().flat_map(|row| row.unwrap_or(vec![f64::NAN; dim])).collect();
            let data = stored(&rows, storage)
                .ok_or_else(|| format(format!("storage \"{storage}\" is none of f16, f32, f64")))?;
            catalog.add_signal(Embedding::new(name, dim, data)).map_err(catalog_error)?;
        }
        for (name, values) in text.items.columns {
            let nulls = text.items.null_types.get(&name).and_then(|kind| nulls(kind, values.len()));
            let data = nulls.or_else(|| column(&values));
            let data = data.ok_or_else(|| format(format!("column \"{name}\" mixes types")))?;
            catalog.add_column(Column { name, data }).map_err(catalog_error)?;
        }
        if let Some(ids) = text.items.ids {
            catalog.set_ids(ids).map_err(catalog_error)?;
        }
        let slates = text.slates.into_iter().map(|slate| {
            let id = slate.slate_id.clone();
            slate.into_slate().map_err(|reason| format(format!("slate \"{id}\": {reason}")))
        });
        let slates = slates.collect::<Result<_, _>>()?;
        Ok(Self { name: text.name, config, catalog, slates })
    }
}

impl SlateText {
    fn of(slate: &Slate) -> Self {
        let pin = |pin: &Pin| PinText::Named { position: pin.position, item: pin.item };
        Self {
            slate_id: slate.id.clone(),
            candidates: slate.candidates.clone(),
            scores: slate.scores.clone(),
            attributes: slate.attributes.iter().map(|(k, v)| (k.clone(), value_text(v))).collect(),
            recent: slate.recent.clone(),
            pinned: slate.pinned.iter().map(pin).collect(),
            seen: slate.seen.clone(),
            seen_bloom: slate.seen_bloom.as_ref().map(|filter| BASE64.encode(filter.to_bytes())),
        }
    }

    fn into_slate(self) -> Result<Slate, String> {
        let pin = |pin| match pin {
            PinText::Named { position, item } | PinText::Pair(position, item) => Pin { position, item },
        };
        let filter = |text| {
            let bytes = BASE64.decode(text).map_err(|e| e.to_string())?;
            BloomFilter::from_bytes(&bytes).map(Arc::new).map_err(|e| e.to_string())
        };
        Ok(Slate {
            id: self.slate_id,
            candidates: self.candidates,
            scores: self.scores,
            recent: self.recent,
            pinned: self.pinned.into_iter().map(pin).collect(),
            seen: self.seen,
            seen_bloom: self.seen_bloom.map(filter).transpose()?,
            attributes: self.attributes.iter().map(|(k, v)| (k.clone(), value(v))).collect(),
        })
    }
}

fn ids(catalog: &Catalog) -> Vec<String> {
    (0..catalog.n_items()).map(|row| catalog.id_of(row as u32).into_owned()).collect()
}

/// Rows as numbers that hold every stored value exactly.
fn widened(signal: &Embedding) -> Vec<Option<Vec<f64>>> {
    let all: Vec<f64> = match &signal.data {
        EmbeddingData::F16(v) => v.iter().map(|x| x.to_f64()).collect(),
        EmbeddingData::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
        EmbeddingData::F64(v) => v.to_vec(),
    };
    let rows = all.chunks_exact(signal.dim).zip(0..);
    rows.map(|(values, row)| (!signal.is_missing(row)).then(|| values.to_vec())).collect()
}

fn stored(values: &[f64], storage: &str) -> Option<EmbeddingData> {
    Some(match storage {
        "f16" => EmbeddingData::F16(values.iter().map(|&x| f16::from_f64(x)).collect()),
        "f32" => EmbeddingData::F32(values.iter().map(|&x| x as f32).collect()),
        "f64" => EmbeddingData::F64(values.to_vec().into()),
        _ => return None,
    })
}

/// Some rows of a signal.
fn embedding_rows(signal: &Embedding, rows: &[u32]) -> Embedding {
    fn picked<T: Copy>(values: &[T], rows: &[u32], dim: usize) -> Vec<T> {
        rows.iter().flat_map(|&row| values[row as usize * dim..(row as usize + 1) * dim].iter().copied()).collect()
    }
    let dim = signal.dim;
    let data = match &signal.data {
        EmbeddingData::F16(v) => EmbeddingData::F16(picked(v, rows, dim).into()),
        EmbeddingData::F32(v) => EmbeddingData::F32(picked(v, rows, dim).into()),
        EmbeddingData::F64(v) => EmbeddingData::F64(picked(v, rows, dim).into()),
    };
    let missing = (0..).zip(rows).filter(|(_, row)| signal.is_missing(**row)).map(|(i, _)| i).collect();
    Embedding { missing, ..Embedding::new(&signal.name, dim, data) }
}

/// Some rows of a column.
fn column_rows(data: &ColumnData, rows: &[u32]) -> ColumnData {
    fn picked<T: Clone>(values: &[T], rows: &[u32]) -> Vec<T> {
        rows.iter().map(|&row| values[row as usize].clone()).collect()
    }
    match data {
        ColumnData::Bool(v) => ColumnData::Bool(picked(v, rows)),
        ColumnData::Int(v) => ColumnData::Int(picked(v, rows)),
        ColumnData::Float(v) => ColumnData::Float(picked(v, rows)),
        ColumnData::Text(v) => ColumnData::Text(picked(v, rows)),
        ColumnData::Codes { width, codes } => {
            let row = |&row: &u32| &codes[row as usize * width..(row as usize + 1) * width];
            ColumnData::Codes { width: *width, codes: rows.iter().flat_map(row).copied().collect() }
        }
        ColumnData::Unsupported { type_name, .. } => {
            ColumnData::Unsupported { type_name: type_name.clone(), n_rows: rows.len() }
        }
    }
}

fn column_text(data: &ColumnData) -> Vec<Json> {
    match data {
        ColumnData::Codes { width, codes } => codes.chunks_exact(*width).map(|row| serde_json::json!(row)).collect(),
        _ => (0..data.n_rows()).map(|row| value_text(&data.value(row))).collect(),
    }
}

/// Name and type of a column without any value, which its values do not tell. Integers are what such a column is without.
fn null_type(column: &Column) -> Option<(String, String)> {
    let kind = match &column.data {
        ColumnData::Bool(v) if v.iter().all(Option::is_none) => "bool",
        ColumnData::Float(v) if v.iter().all(Option::is_none) => "float",
        ColumnData::Text(v) if v.iter().all(Option::is_none) => "text",
        _ => return None,
    };
    Some((column.name.clone(), kind.to_owned()))
}

/// A column of nulls of a type.
fn nulls(kind: &str, n_rows: usize) -> Option<ColumnData> {
    Some(match kind {
        "bool" => ColumnData::Bool(vec![None; n_rows]),
        "float" => ColumnData::Float(vec![None; n_rows]),
        "text" => ColumnData::Text(vec![None; n_rows]),
        _ => return None,
    })
}

/// The column that holds these values; all nulls are integers, which serve wherever nulls do.
fn column(values: &[Json]) -> Option<ColumnData> {
    let mut known = values.iter().filter(|v| !v.is_null()).peekable();
    let all = |is: fn(&Json) -> bool| values.iter().all(|v| v.is_null() || is(v));
    Some(match known.peek() {
        Some(Json::Array(first)) => {
            let width = first.len();
            let row = |v: &Json| {
                let codes: Option<Vec<u32>> = v.as_array()?.iter().map(|c| u32::try_from(c.as_u64()?).ok()).collect();
                codes.filter(|codes| codes.len() == width)
            };
            ColumnData::Codes { width, codes: values.iter().map(row).collect::<Option<Vec<_>>>()?.concat() }
        }
        Some(Json::Bool(_)) if all(Json::is_boolean) => ColumnData::Bool(values.iter().map(Json::as_bool).collect()),
        Some(Json::String(_)) if all(Json::is_string) => {
            ColumnData::Text(values.iter().map(|v| v.as_str().map(str::to_owned)).collect())
        }
        _ if all(Json::is_i64) => ColumnData::Int(values.iter().map(Json::as_i64).collect()),
        _ if all(Json::is_number) => ColumnData::Float(values.iter().map(Json::as_f64).collect()),
        _ => return None,
    })
}

fn value_text(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(x) => Json::from(*x),
        Value::Int(x) => Json::from(*x),
        Value::Float(x) => Json::from(*x),
        Value::Text(x) => Json::from(x.as_str()),
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Bool(x) => Value::Bool(*x),
        Json::String(x) => Value::Text(x.clone()),
        Json::Number(x) => x.as_i64().map_or_else(|| x.as_f64().map_or(Value::Null, Value::Float), Value::Int),
        _ => Value::Null,
    }
}
