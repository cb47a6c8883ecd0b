//! The demo's data, the examples, and what tests ask of a page.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use spectrank::catalog::{Catalog, ColumnData, Value};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::io::{CatalogColumns, SlateFields, open_slates, read_catalog};
use spectrank::metrics::spacing_violations;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};
use spectrank::stage::penalty::shared_prefix;

pub static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| read_catalog(&[root().join("assets/demo/items.parquet")], &CatalogColumns::All).unwrap());

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

pub fn example_file(name: &str) -> PathBuf {
    root().join("assets/examples").join(name)
}

pub fn example(name: &str) -> Config {
    Config::from_toml(&std::fs::read_to_string(example_file(&format!("{name}.toml"))).unwrap()).unwrap()
}

/// The slates of an example: its own, or the demo's.
pub fn slates(name: &str, config: &Config) -> Vec<Slate> {
    let own = example_file(&format!("{name}.jsonl"));
    let path = if own.exists() { own } else { root().join("assets/demo/slates.parquet") };
    open_slates(&[path], &CATALOG, &SlateFields::of(config)).unwrap().next_batch(1000).unwrap().unwrap()
}

pub fn rank(config: &Config, slates: &[Slate]) -> Vec<RankedSlate> {
    rank_with(&CATALOG, config, slates)
}

pub fn rank_with(catalog: &Catalog, config: &Config, slates: &[Slate]) -> Vec<RankedSlate> {
    config.validate().unwrap();
    let problem = Problem::new(config, catalog).unwrap();
    let prepared: Vec<_> = slates.iter().map(|slate| PreparedSlate::new(&problem, slate).unwrap()).collect();
    CpuEngine::<f32>::new(&problem).rerank(&prepared)
}

pub fn items(ranked: &RankedSlate) -> Vec<u32> {
    ranked.placements.iter().map(|placement| placement.item).collect()
}

pub fn value(column: &str, row: u32) -> Value {
    CATALOG.column(column).unwrap().data.value(row as usize)
}

pub fn number(column: &str, row: u32) -> f64 {
    CATALOG.column(column).unwrap().data.number(row as usize).unwrap()
}

pub fn is_sensitive(row: u32) -> bool {
    number("quality_class", row) > 0.0
}

/// Pairs of sensitive items at most `window` positions apart.
pub fn sensitive_pairs(rows: &[u32], window: usize) -> usize {
    spacing_violations(&rows.iter().map(|&row| is_sensitive(row)).collect::<Vec<_>>(), window)
}

/// Sensitive pairs of all pages together.
pub fn all_sensitive_pairs(ranked: &[RankedSlate], window: usize) -> usize {
    ranked.iter().map(|ranked| sensitive_pairs(&items(ranked), window)).sum()
}

/// Most items of one value of `column` among any `n` positions in a row.
pub fn most_of_a_value(rows: &[u32], column: &str, n: usize) -> usize {
    let values: Vec<Value> = rows.iter().map(|&row| value(column, row)).collect();
    let count = |span: &[Value]| span.iter().map(|v| span.iter().filter(|w| v == *w).count()).max();
    values.windows(n).filter_map(count).max().unwrap()
}

/// Leading codes that an item shares with the closest of the six before it, all items together.
pub fn codes_shared(rows: &[u32]) -> usize {
    let ColumnData::Codes { width, codes } = &CATALOG.column("semantic_id").unwrap().data else { unreachable!() };
    let codes = |row: u32| &codes[row as usize * width..(row as usize + 1) * width];
    let shared = |t: usize| {
        let before = &rows[t.saturating_sub(6)..t];
        before.iter().map(|&near| shared_prefix(codes(rows[t]), codes(near))).max()
    };
    (1..rows.len()).filter_map(shared).sum()
}
