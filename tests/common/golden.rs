//! Golden cases: slates with one right answer, made by an independent float64 implementation of the definition.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use spectrank::catalog::{Catalog, Column, ColumnData, Embedding, EmbeddingData, Value};
use spectrank::config::Config;
use spectrank::slate::{Pin, Slate};

/// One golden file.
#[derive(Deserialize)]
pub struct Golden {
    pub name: String,
    pub config: String,
    items: Items,
    slates: Vec<GoldenSlate>,
    pub expected: Vec<Expected>,
}

#[derive(Deserialize)]
struct Items {
    signals: BTreeMap<String, Vec<Vec<f64>>>,
    columns: BTreeMap<String, Vec<serde_json::Value>>,
}

#[derive(Deserialize)]
struct GoldenSlate {
    slate_id: String,
    candidates: Vec<u32>,
    scores: Vec<f64>,
    attributes: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    recent: Vec<u32>,
    #[serde(default)]
    pinned: Vec<GoldenPin>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GoldenPin {
    Pair(u32, u32),
    Named { position: u32, item: u32 },
}

/// What the independent implementation found for one slate.
#[derive(Deserialize)]
pub struct Expected {
    pub picks: Vec<u32>,
    pub items: Vec<u32>,
    pub utility: Vec<f64>,
    pub base: Vec<f64>,
    pub diversity: Vec<f64>,
    pub spacing: Vec<f64>,
    pub semantic: Vec<f64>,
    pub balance: Vec<f64>,
}

/// Every golden file of the project, by name.
pub fn all() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

impl Golden {
    /// The configuration, with enough sweeps for the exact decomposition.
    pub fn config(&self) -> Config {
        let mut config = Config::from_toml(&self.config).unwrap();
        config.spectral.iterations = 200;
        config
    }

    pub fn catalog(&self) -> Catalog {
        let mut catalog = Catalog::new();
        for (name, rows) in &self.items.signals {
            let data = EmbeddingData::F64(rows.concat().into());
            catalog.add_signal(Embedding::new(name, rows[0].len(), data)).unwrap();
        }
        for (name, values) in &self.items.columns {
            catalog.add_column(Column { name: name.clone(), data: column(values) }).unwrap();
        }
        catalog
    }

    pub fn slates(&self) -> Vec<Slate> {
        self.slates
            .iter()
            .map(|s| Slate {
                id: s.slate_id.clone(),
                candidates: s.candidates.clone(),
                scores: s.scores.clone(),
                recent: s.recent.clone(),
                pinned: s
                    .pinned
                    .iter()
                    .map(|pin| match *pin {
                        GoldenPin::Pair(position, item) | GoldenPin::Named { position, item } => Pin { position, item },
                    })
                    .collect(),
                seen: Vec::new(),
                seen_bloom: None,
                attributes: s.attributes.iter().map(|(k, v)| (k.clone(), value(v))).collect(),
            })
            .collect()
    }
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::String(s) => Value::Text(s.clone()),
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => n.as_i64().map_or_else(|| Value::Float(n.as_f64().unwrap()), Value::Int),
        _ => Value::Null,
    }
}

fn column(values: &[serde_json::Value]) -> ColumnData {
    if let serde_json::Value::Array(first) = &values[0] {
        let codes = values.iter().flat_map(|row| row.as_array().unwrap().iter().map(|c| c.as_u64().unwrap() as u32));
        return ColumnData::Codes { width: first.len(), codes: codes.collect() };
    }
    if values.iter().all(serde_json::Value::is_i64) {
        return ColumnData::Int(values.iter().map(serde_json::Value::as_i64).collect());
    }
    ColumnData::Float(values.iter().map(serde_json::Value::as_f64).collect())
}
