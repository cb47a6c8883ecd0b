//! What was read goes on to the engine, which must cope with all that passed the door.

use std::cell::OnceCell;
use std::rc::Rc;

use spectrank::catalog::{Catalog, Column, ColumnData, Embedding, EmbeddingData};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::Slate;

/// Items of the catalog that slates refer to.
const N_ITEMS: usize = 12;

/// A small catalog with a column of every kind.
pub fn catalog() -> Rc<Catalog> {
    thread_local! {
        static CATALOG: OnceCell<Rc<Catalog>> = const { OnceCell::new() };
    }
    CATALOG.with(|catalog| Rc::clone(catalog.get_or_init(|| Rc::new(build().expect("a sound catalog")))))
}

fn build() -> Result<Catalog, spectrank::catalog::CatalogError> {
    let values = |n: usize| (0..n).map(|i| ((i * 37 + 11) % 23) as f32 / 10.0 - 1.0);
    let column = |name: &str, data| Column { name: name.to_owned(), data };
    let each = |value: fn(usize) -> Option<i64>| (0..N_ITEMS).map(value).collect::<Vec<_>>();
    let mut catalog = Catalog::new();
    catalog.set_ids((b'a'..).take(N_ITEMS).map(|c| char::from(c).to_string()).collect())?;
    catalog.add_signal(Embedding::new("text", 3, EmbeddingData::F32(values(3 * N_ITEMS).collect())))?;
    catalog.add_signal(Embedding::new("image", 2, EmbeddingData::F64(values(2 * N_ITEMS).map(f64::from).collect())))?;
    catalog.add_column(column("color", ColumnData::Int(each(|i| (i % 5 != 4).then_some(i as i64 % 3)))))?;
    catalog.add_column(column("price", ColumnData::Float(values(N_ITEMS).map(|x| Some(f64::from(x))).collect())))?;
    catalog
        .add_column(column("brand", ColumnData::Text((0..N_ITEMS).map(|i| Some(format!("b{}", i % 4))).collect())))?;
    catalog
        .add_column(column("fresh", ColumnData::Bool((0..N_ITEMS).map(|i| (i > 1).then_some(i % 2 == 0)).collect())))?;
    let codes = (0..2 * N_ITEMS as u32).map(|i| i % 3).collect();
    catalog.add_column(column("sid", ColumnData::Codes { width: 2, codes }))?;
    Ok(catalog)
}

/// Ranks the first items of any catalog, where it can be ranked at all.
pub fn rank_some(catalog: &Catalog) {
    let candidates: Vec<u32> = (0..catalog.n_items().min(8) as u32).collect();
    let scores = candidates.iter().map(|&row| f64::from(row % 3)).collect();
    rank(catalog, &[Slate { id: "some".to_owned(), candidates, scores, ..Slate::default() }]);
}

/// Ranks slates by the default configuration.
pub fn rank(catalog: &Catalog, slates: &[Slate]) {
    rank_by(&Config { slate_size: 6, ..Config::default() }, catalog, slates);
}

/// Ranks slates; true where configuration and catalog fit.
pub fn rank_by(config: &Config, catalog: &Catalog, slates: &[Slate]) -> bool {
    let Ok(problem) = Problem::new(config, catalog) else { return false };
    let prepared: Vec<_> = slates.iter().filter_map(|slate| PreparedSlate::new(&problem, slate).ok()).collect();
    let ranked = CpuEngine::<f32>::new(&problem).rerank(&prepared);
    assert_eq!(ranked.len(), prepared.len());
    for (slate, ranked) in prepared.iter().zip(ranked) {
        let mut places: Vec<u32> = ranked.placements.iter().map(|placement| placement.candidate).collect();
        let n_there = places.len();
        assert!(n_there <= slate.n_positions(config.slate_size));
        assert!(slate.has_filters() || !config.cap.is_empty() || n_there == slate.n_positions(config.slate_size));
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), n_there, "a candidate stands twice");
        assert!(places.iter().all(|&candidate| (candidate as usize) < slate.n_candidates()));
    }
    true
}
