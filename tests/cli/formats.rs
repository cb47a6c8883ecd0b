//! Every form of input and output holds the same slates.

use std::path::{Path, PathBuf};

use arrow_schema::DataType;
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::io::{CatalogColumns, SlateFields, open_slates, read_catalog};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;

use crate::data::{Data, N_ITEMS};
use crate::files::Folder;
use crate::program::*;

const COLUMNS: [&str; 11] = [
    "slate_id",
    "position",
    "item_id",
    "candidate",
    "score",
    "base",
    "utility",
    "diversity",
    "spacing",
    "semantic",
    "balance",
];

/// The slates of `data`, re-ranked on the CPU in f64 with 12 positions.
fn rerank(folder: &Folder, catalog: &[PathBuf], slates: &[PathBuf], output: &str) -> Vec<Row> {
    let output = folder.path(output);
    Rerank::of(catalog, slates, &output).on_cpu().with(["--slate-size", "12", "--precision", "f64"]).run().ok();
    read_rows(&output)
}

#[test]
fn parquet_to_parquet_has_the_promised_columns_and_rows() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = (data.catalog_parquet(&folder), data.slates_parquet(&folder));
    let rows = rerank(&folder, &[catalog], &[slates], "ranked.parquet");
    let (pairs, batches) = read_parquet(&folder.path("ranked.parquet"));
    let schema = batches[0].schema();
    let found: Vec<(&str, &DataType)> = schema.fields().iter().map(|f| (f.name().as_str(), f.data_type())).collect();
    let expected = COLUMNS.map(|name| match name {
        "slate_id" | "item_id" => (name, &DataType::Utf8),
        "position" | "candidate" => (name, &DataType::UInt32),
        _ => (name, &DataType::Float64),
    });
    assert_eq!(found, expected);
    let keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    assert!(keys.contains(&"spectrank.version") && keys.contains(&"spectrank.config"), "{keys:?}");
    check(&data, &rows);
}

/// What holds for every output of these slates without penalties.
fn check(data: &Data, rows: &[Row]) {
    assert_eq!(rows.len(), data.n_rows(12));
    let mut rows = rows.iter();
    for (id, candidates, scores) in &data.slates {
        let mut seen = vec![false; candidates.len()];
        for position in 0..candidates.len().min(12) {
            let row = rows.next().unwrap();
            let candidate = row.candidate as usize;
            assert_eq!((&row.slate_id, row.position), (id, position as u32));
            assert_eq!(row.item_id, Data::id(candidates[candidate]));
            assert_eq!((row.score, row.base), (scores[candidate], scores[candidate]));
            assert!(!std::mem::replace(&mut seen[candidate], true), "{row:?} stands there twice");
            assert_eq!((row.spacing, row.semantic, row.balance), (0.0, 0.0, 0.0));
            assert!((row.utility - row.base - row.diversity).abs() < 1e-12 && row.diversity <= 0.0, "{row:?}");
            assert!(position == 0 || row.diversity < 0.0, "{row:?}");
        }
    }
}

#[test]
fn every_output_format_holds_the_same_rows() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = ([data.catalog_parquet(&folder)], [data.slates_parquet(&folder)]);
    let parquet = rerank(&folder, &catalog, &slates, "ranked.parquet");
    for name in ["ranked.csv", "ranked.jsonl", "ranked.ndjson"] {
        assert_eq!(rerank(&folder, &catalog, &slates, name), parquet, "{name}");
    }
    let header = std::fs::read_to_string(folder.path("ranked.csv")).unwrap();
    assert_eq!(header.lines().next().unwrap(), COLUMNS.join(","));
    let ran = Rerank::of(&catalog, &slates, Path::new("-")).on_cpu();
    let ran = ran.with(["--slate-size", "12", "--precision", "f64"]).run().ok();
    assert_eq!(json_rows(&ran.stdout), parquet);
    assert_eq!(listing(&folder).iter().filter(|name| name.starts_with('.')).count(), 0);
}

#[test]
fn every_form_of_slates_gives_the_same_picks() {
    let (folder, data) = (Folder::new(), Data::new());
    let catalog = [data.catalog_parquet(&folder)];
    let expected = rerank(&folder, &catalog, &[data.slates_parquet(&folder)], "a.parquet");
    let forms = [data.slates_by_id(&folder), data.slates_long(&folder), data.slates_jsonl(&folder)];
    for form in forms {
        let name = form.display().to_string();
        assert_eq!(rerank(&folder, &catalog, &[form], "b.parquet"), expected, "{name}");
    }
    // A pair has no slate ids: they are numbered. Which file is which follows from the types.
    let numbered: Vec<Row> =
        expected.iter().map(|row| Row { slate_id: row.slate_id[1..].to_owned(), ..row.clone() }).collect();
    let [candidates, scores] = data.slates_npy(&folder);
    assert_eq!(rerank(&folder, &catalog, &[candidates.clone(), scores.clone()], "c.csv"), numbered);
    assert_eq!(rerank(&folder, &catalog, &[scores, candidates], "d.csv"), numbered);
}

#[test]
fn catalogs_join_by_row() {
    let (folder, data) = (Folder::new(), Data::new());
    let slates = [data.slates_parquet(&folder)];
    let config = "[[signal]]\nname = \"text\"\nweight = 0.6\n[[signal]]\nname = \"graph\"\nweight = 0.4\n";
    let config = folder.bytes("feed.toml", config.as_bytes());
    let ranked = |catalog: &[PathBuf], name: &str| {
        let output = folder.path(name);
        Rerank::of(catalog, &slates, &output).on_cpu().with(["--config".as_ref(), config.as_os_str()]).run().ok();
        read_rows(&output)
    };
    let whole = ranked(&[data.catalog_parquet(&folder)], "whole.csv");
    let vectors = [data.catalog_npy(&folder), data.catalog_safetensors(&folder)];
    let mut parts = vectors.to_vec();
    parts.push(data.columns_parquet(&folder));
    assert_eq!(ranked(&parts, "parts.csv"), whole);
    // Without ids the items are known by row, as numbers in Parquet.
    let by_row = ranked(&vectors, "rows.parquet");
    assert_eq!(by_row.len(), whole.len());
    for (number, id) in by_row.iter().zip(&whole) {
        assert_eq!(Data::id(number.item_id.parse().unwrap()), id.item_id);
    }
    let (_, batches) = read_parquet(&folder.path("rows.parquet"));
    assert_eq!(batches[0].column_by_name("item_id").unwrap().data_type(), &DataType::UInt32);
}

#[test]
fn f64_on_the_cpu_is_the_library_to_the_last_bit() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog_file, slates_file) = ([data.catalog_parquet(&folder)], [data.slates_parquet(&folder)]);
    let rows = rerank(&folder, &catalog_file, &slates_file, "ranked.parquet");
    let config = Config { slate_size: 12, ..Config::default() };
    let catalog = read_catalog(&catalog_file, &CatalogColumns::All).unwrap();
    assert_eq!(catalog.n_items(), N_ITEMS);
    let problem = Problem::new(&config, &catalog).unwrap();
    let slates = open_slates(&slates_file, &catalog, &SlateFields::All).unwrap().next_batch(100).unwrap().unwrap();
    let prepared: Vec<_> = slates.iter().map(|s| PreparedSlate::new(&problem, s).unwrap()).collect();
    let ranked = CpuEngine::<f64>::new(&problem).rerank(&prepared);
    let expected: Vec<_> = ranked.iter().flat_map(|r| &r.placements).collect();
    assert_eq!(rows.len(), expected.len());
    for (row, placement) in rows.iter().zip(expected) {
        assert_eq!((row.candidate, row.utility), (placement.candidate, placement.utility));
        assert_eq!((row.base, row.diversity), (placement.base, placement.diversity));
    }
}

#[test]
fn slates_without_candidates_and_files_without_slates_are_fine() {
    let (folder, data) = (Folder::new(), Data::new());
    let catalog = [data.catalog_npy(&folder)];
    let one_empty =
        b"{\"slate_id\":\"e\",\"candidates\":[],\"scores\":[]}\n{\"slate_id\":7,\"candidates\":[3],\"scores\":[1]}\n";
    for (content, n_rows) in [(&one_empty[..], 1), (b"", 0)] {
        let slates = [folder.bytes("s.jsonl", content)];
        for name in ["out.parquet", "out.csv", "out.jsonl"] {
            let rows = rerank(&folder, &catalog, &slates, name);
            assert_eq!(rows.len(), n_rows, "{name}");
            assert!(rows.iter().all(|row| row.slate_id == "7" && row.item_id == "3" && row.position == 0));
        }
    }
}

#[test]
fn more_slates_than_a_batch_keep_their_order() {
    let (folder, data) = (Folder::new(), Data::new());
    let line =
        |s: usize| format!("{{\"slate_id\":{s},\"candidates\":[{},{}],\"scores\":[1,2]}}\n", s % 40, (s + 1) % 40);
    let slates = [folder.bytes("many.jsonl", (0..2500).map(line).collect::<String>().as_bytes())];
    let rows = rerank(&folder, &[data.catalog_npy(&folder)], &slates, "out.csv");
    assert_eq!(rows.len(), 5000);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!((row.slate_id.as_str(), row.position as usize), ((i / 2).to_string().as_str(), i % 2));
    }
}
