//! `check` finds something wrong exactly where `rerank` would fail, and says each thing once.

use std::path::PathBuf;

use arrow_array::types::{Float32Type, Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array, ListArray, NullArray, StringArray};
use spectrank::check::{CheckRequest, Report, check};
use spectrank::config::Config;
use spectrank::engine::{Backend, EngineRequest};
use spectrank::io::{CatalogColumns, SlateFields, open_slates, read_catalog};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;

use crate::files::{Folder, col};

fn report(config: &str, catalog: &[PathBuf], slates: &[PathBuf]) -> Report {
    let config = Config::from_toml(config).unwrap();
    let engine = EngineRequest { backend: Backend::Cpu, ..EngineRequest::default() };
    check(&CheckRequest { catalog, slates, config: &config, engine, memory_limit: None })
}

/// What `rerank` does before it computes.
fn rerank(config: &str, catalog: &[PathBuf], slates: &[PathBuf]) -> Result<(), String> {
    let config = Config::from_toml(config).unwrap();
    let catalog = read_catalog(catalog, &CatalogColumns::of(&config)).map_err(|e| e.to_string())?;
    let problem = Problem::new(&config, &catalog).map_err(|e| e.to_string())?;
    let mut source = open_slates(slates, &catalog, &SlateFields::of(&config)).map_err(|e| e.to_string())?;
    while let Some(slates) = source.next_batch(10).map_err(|e| e.to_string())? {
        for slate in &slates {
            PreparedSlate::new(&problem, slate).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

fn floats(rows: [Option<[f32; 2]>; 4]) -> ArrayRef {
    col(ListArray::from_iter_primitive::<Float32Type, _, _>(rows.map(|row| row.map(|row| row.map(Some)))))
}

const ROWS: [Option<[f32; 2]>; 4] = [Some([1.0, 0.0]), Some([0.0, 1.0]), Some([1.0, 1.0]), Some([0.5, 1.0])];

fn items(folder: &Folder) -> PathBuf {
    let codes = [vec![1, 2], vec![1], vec![2, 2], vec![3, 1]].map(|row| Some(row.into_iter().map(Some)));
    folder.parquet(
        "items.parquet",
        vec![
            ("item_id", col(StringArray::from(vec!["a", "b", "c", "d"]))),
            ("text", floats(ROWS)),
            ("holes", floats([ROWS[0], None, ROWS[2], ROWS[3]])),
            ("nan", floats([ROWS[0], Some([f32::NAN; 2]), ROWS[2], ROWS[3]])),
            ("damaged", floats([ROWS[0], Some([f32::NAN, 1.0]), ROWS[2], ROWS[3]])),
            ("class", col(Int64Array::from(vec![Some(1), Some(3), None, Some(2)]))),
            ("sure", col(Float64Array::from(vec![Some(0.5), None, Some(0.1), None]))),
            ("codes", col(ListArray::from_iter_primitive::<Int64Type, _, _>(codes))),
        ],
    )
}

fn lists(n: usize) -> [ArrayRef; 2] {
    let rows = (0..n).map(|_| Some((0..3i64).map(Some)));
    let scores = (0..n).map(|_| Some([0.9, 0.8, 0.7].map(Some)));
    [
        col(ListArray::from_iter_primitive::<Int64Type, _, _>(rows)),
        col(ListArray::from_iter_primitive::<Float64Type, _, _>(scores)),
    ]
}

fn sound_slates(folder: &Folder) -> PathBuf {
    let [candidates, scores] = lists(2);
    folder.parquet("slates.parquet", vec![("candidates", candidates), ("scores", scores)])
}

const SIGNAL: &str = "[[signal]]\nname = \"text\"\n";
const SPACING: &str =
    "[[spacing]]\nname = \"s\"\ncolumn = \"class\"\nstrength = 1.0\nwindow = 2\nconfidence = \"sure\"\n";
const CODES: &str = "[semantic_id]\ncolumn = \"codes\"\nwindow = 2\non_missing = \"error\"\n";

#[test]
fn what_check_passes_is_what_rerank_takes() {
    let folder = Folder::new();
    let catalog = [items(&folder)];
    let slates = [sound_slates(&folder)];
    let named = |name: &str, more: &str| format!("[[signal]]\nname = \"{name}\"\n{more}\n");
    let configs = [
        String::new(),
        SIGNAL.to_owned(),
        "slate_size = 2\nstrategy = \"relevance\"".to_owned(),
        format!("strategy = \"relevance\"\n{}", named("holes", "")),
        format!("strategy = \"relevance\"\nbalance = {{ strength = 1.0 }}\n{}", named("holes", "")),
        format!("{SIGNAL}{}", named("holes", "weight = 0.0")),
        format!("{SIGNAL}{}", named("none", "weight = 0.0")),
        format!("{SIGNAL}{SPACING}values = [1]"),
        format!("{SIGNAL}{SPACING}values = [2]"),
        format!("{SIGNAL}{SPACING}values = [2]\non_missing = \"zero\""),
        format!("{SIGNAL}{CODES}strength = 0.0"),
        format!("{SIGNAL}{CODES}strength = 1.0"),
        format!("{SIGNAL}[[cap]]\ncolumn = \"class\"\nmax = 1\nwindow = 2\non_missing = \"error\""),
        format!("{SIGNAL}[[cap]]\ncolumn = \"item_id\"\nmax = 1\nwindow = 2"),
        format!("{SIGNAL}[[cap]]\ncolumn = \"text\"\nmax = 1\nwindow = 2"),
        format!("relevance = {{ adjust = [{{ column = \"sure\", weight = 1.0 }}] }}\n{SIGNAL}"),
        named("holes", ""),
        named("holes", "on_missing = \"drop\""),
        named("nan", ""),
        named("nan", "on_missing = \"zero\""),
        named("damaged", ""),
        named("damaged", "weight = 0.0") + SIGNAL,
        named("class", ""),
        named("none", ""),
    ];
    let mut n_sound = 0;
    for config in &configs {
        let (found, taken) = (report(config, &catalog, &slates), rerank(config, &catalog, &slates));
        assert_eq!(found.ok, taken.is_ok(), "{config}\n{taken:?}\n{:#?}", found.problems);
        n_sound += usize::from(found.ok);
        assert!(found.problems.len() <= 1, "one thing is wrong: {config}\n{:#?}", found.problems);
    }
    assert!(n_sound > 8 && n_sound < configs.len() - 8, "{n_sound}");
}

#[test]
fn nan_rows_of_arrays_are_missing_and_names_in_two_files_are_told() {
    let folder = Folder::new();
    let (items, slates) = (items(&folder), [sound_slates(&folder)]);
    let array = folder.npy("image.npy", &[4, 2], &[f32::NAN, f32::NAN, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
    let bytes = crate::files::f32_bytes(&[1.0, 0.0, f32::NAN, f32::NAN, 1.0, 1.0, 0.0, 1.0]);
    let tensor = folder.safetensors("t.safetensors", &[("wide", safetensors::Dtype::F32, vec![4, 2], bytes)]);
    for (file, name) in [(array, "image"), (tensor, "wide")] {
        let found = report(&format!("[[signal]]\nname = \"{name}\""), &[items.clone(), file], &slates);
        let part = format!("column \"{name}\" is null or NaN for 1 of 4 items (25.0 %), and signal[0].name needs one");
        assert!(found.problems.len() == 1 && found.problems[0].contains(&part), "{:#?}", found.problems);
    }
    let text = folder.npy("text.npy", &[4, 2], &[1f32, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
    let catalog = [items, text];
    let found = report(SIGNAL, &catalog, &slates);
    assert!(rerank(SIGNAL, &catalog, &slates).is_err());
    assert!(found.problems.len() == 1 && found.problems[0].contains("\"text\" appears twice"), "{:#?}", found.problems);
}

#[test]
fn a_bad_slate_of_rows_is_one_problem_and_those_after_it_are_read() {
    let folder = Folder::new();
    let slates = |name: &str, ids: [&str; 8], items: [&str; 8]| {
        folder.parquet(
            name,
            vec![
                ("slate_id", col(StringArray::from(ids.to_vec()))),
                ("item_id", col(StringArray::from(items.to_vec()))),
                ("score", col(Float64Array::from(vec![0.5; 8]))),
            ],
        )
    };
    let ids = ["q", "q", "q", "q", "r", "r", "s", "s"];
    let catalog = [items(&folder)];
    let found = report(SIGNAL, &catalog, &[slates("a.parquet", ids, ["x", "y", "z", "a", "a", "b", "a", "x"])]);
    assert_eq!((found.n_slates, found.n_slates_read), (3, 3));
    assert_eq!(found.problems.len(), 1, "{:#?}", found.problems);
    assert!(found.problems[0].ends_with("(and 1 more slate like it)"), "{:#?}", found.problems);
    let found = report(SIGNAL, &catalog, &[slates("b.parquet", ["q"; 8], ["x", "y", "z", "w", "a", "b", "c", "d"])]);
    assert_eq!((found.n_slates, found.n_slates_read), (1, 1));
    assert!(!found.problems[0].contains("more slate"), "{:#?}", found.problems);
    assert!(!found.to_string().contains("time, about"), "{found}");
    let back = ["q", "q", "r", "q", "q", "s", "s", "s"];
    let found = report(SIGNAL, &catalog, &[slates("c.parquet", back, ["a", "b", "a", "c", "d", "a", "b", "c"])]);
    assert_eq!(found.problems.len(), 1, "{:#?}", found.problems);
    assert!(found.problems[0].contains("slate \"q\" comes back at row 3"), "{:#?}", found.problems);
}

#[test]
fn a_missing_catalog_hides_no_slates_and_one_key_hides_no_other() {
    let folder = Folder::new();
    let [candidates, _] = lists(1);
    let slates = folder.parquet("s.parquet", vec![("candidates", candidates)]);
    let found = report(SIGNAL, &[folder.path("none.parquet")], &[slates]);
    assert_eq!(found.problems.len(), 2, "{:#?}", found.problems);
    assert!(!found.ok && found.problems[1].contains("has no column \"scores\""), "{:#?}", found.problems);
    let lines = b"{\"candidates\": 1, \"scores\": [1]}\n{\"candidates\": [1], \"scores\": 1}\n";
    let found = report(SIGNAL, &[items(&folder)], &[folder.bytes("s.jsonl", lines)]);
    assert_eq!(found.problems.len(), 2, "{:#?}", found.problems);
}

/// What other writers make of a column of nothing but nulls.
#[test]
fn a_column_of_nothing_says_that_there_is_none() {
    let folder = Folder::new();
    let catalog = [items(&folder)];
    let [candidates, scores] = lists(2);
    let nothing = || col(NullArray::new(2));
    let columns = vec![
        ("candidates", candidates),
        ("scores", scores),
        ("seen", nothing()),
        ("recent", nothing()),
        ("pinned", nothing()),
        ("b", nothing()),
    ];
    let slates = folder.parquet("nothing.parquet", columns);
    let config = format!("filter = {{ seen_bloom = \"b\" }}\n{SIGNAL}");
    assert_eq!(rerank(&config, &catalog, std::slice::from_ref(&slates)), Ok(()));
    assert!(report(&config, &catalog, std::slice::from_ref(&slates)).ok);
    let output = folder.path("out.parquet");
    let request = spectrank::io::BloomRequest {
        column: "seen".to_owned(),
        name: "seen_bloom".to_owned(),
        rate: 0.01,
        catalog: None,
    };
    let summary = spectrank::io::build_blooms(&slates, &output, &request).unwrap();
    assert_eq!((summary.n_rows, summary.n_null), (2, 2));
}

#[test]
fn an_empty_catalog_is_said_to_have_no_rows_and_large_scores_stay_short() {
    let folder = Folder::new();
    let none = ListArray::from_iter_primitive::<Float32Type, _, _>(std::iter::empty::<Option<Vec<Option<f32>>>>());
    let empty = folder.parquet("empty.parquet", vec![("text", col(none))]);
    let slates = folder.bytes("s.jsonl", b"{\"candidates\": [0], \"scores\": [1e300]}\n");
    let error = rerank(SIGNAL, &[empty], std::slice::from_ref(&slates)).unwrap_err();
    assert!(error.contains("has no rows, so embedding \"text\" has no dimension"), "{error}");
    let error = rerank(SIGNAL, &[items(&folder)], &[slates]).unwrap_err();
    assert!(error.contains("the base score of item a is 1e300: beyond"), "{error}");
}
