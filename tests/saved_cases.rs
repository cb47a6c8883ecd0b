//! Saved cases: what was saved comes back bit by bit, and every failure that was ever kept holds on every engine now.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::path::{Path, PathBuf};

use common::generate::{Limits, recipe};
use common::gpu;
use half::f16;
use spectrank::catalog::{Catalog, Column, ColumnData, Embedding, EmbeddingData, Value};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::gpu::GpuOptions;
use spectrank::parity::invariance::bits;
use spectrank::parity::{Case, CpuSubject, GpuSubject, Harness, Subject};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{Pin, RankedSlate, Slate};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn assert_holds(subject: &dyn Subject, cases: &[Case]) {
    let mut harness = Harness::new(subject);
    harness.check_cases(cases).unwrap();
    let report = harness.into_report();
    assert!(report.holds() && report.unsupported == 0, "{report}");
}

/// Slates on which some engine was once wrong, or was made wrong on purpose.
#[test]
fn kept_failures_hold_on_every_engine() {
    let cases: Vec<Case> = files("fixtures/parity").iter().map(|path| Case::load(path).unwrap()).collect();
    assert!(cases.len() >= 3, "only {} fixtures", cases.len());
    assert_holds(&CpuSubject::default(), &cases);
    if let Some(device) = gpu::device() {
        assert_holds(&GpuSubject::new(device, GpuOptions::default()), &cases);
    }
}

#[test]
fn golden_files_are_cases_too() {
    let mut cases: Vec<Case> = files("golden").iter().map(|path| Case::load(path).unwrap()).collect();
    assert!(cases.len() >= 22);
    // Made by exact decompositions.
    cases.iter_mut().for_each(|case| case.config.spectral.iterations = 200);
    assert_holds(&CpuSubject::default(), &cases);
}

fn round_trip(case: &Case) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/case.json");
    case.save(&path, "a test").unwrap();
    Case::load(&path).unwrap()
}

fn assert_same(a: &Case, b: &Case) {
    assert_eq!((&a.name, &a.config, &a.slates), (&b.name, &b.config, &b.slates));
    assert_eq!(a.catalog.n_items(), b.catalog.n_items());
    assert_eq!(a.catalog.signals().len(), b.catalog.signals().len());
    for signal in a.catalog.signals() {
        assert_eq!(Some(signal), b.catalog.signal(&signal.name));
    }
    assert_eq!(a.catalog.columns().len(), b.catalog.columns().len());
    for column in a.catalog.columns() {
        assert_eq!(Some(column), b.catalog.column(&column.name));
    }
}

#[test]
fn every_value_comes_back_as_it_was() {
    let mut catalog = Catalog::new();
    let (tiny, huge) = (f64::MIN_POSITIVE, 1.797e308);
    let signals = [
        ("half", EmbeddingData::F16([0.1, -0.0, 65504.0, 6e-8].map(f16::from_f64).to_vec().into())),
        ("single", EmbeddingData::F32(vec![0.1, -0.0, 1e-45, f32::MAX].into())),
        ("double", EmbeddingData::F64(vec![0.1, tiny, huge, 1.0 / 3.0].into())),
    ];
    for (name, data) in signals {
        catalog.add_signal(Embedding::new(name, 2, data)).unwrap();
    }
    let columns = [
        ("whole", ColumnData::Int(vec![Some(i64::MAX), None])),
        ("number", ColumnData::Float(vec![Some(1.0), Some(0.1)])),
        ("flag", ColumnData::Bool(vec![None, Some(true)])),
        ("text", ColumnData::Text(vec![Some("1".to_owned()), None])),
        ("codes", ColumnData::Codes { width: 2, codes: vec![u32::MAX, 0, 1, 2] }),
    ];
    for (name, data) in columns {
        catalog.add_column(Column { name: name.to_owned(), data }).unwrap();
    }
    let attributes = [("a", Value::Text("x".to_owned())), ("b", Value::Float(2.0)), ("c", Value::Null)];
    let slate = Slate {
        id: "\u{201c}x\u{201d}\n".to_owned(),
        candidates: vec![1, 0],
        scores: vec![1.0 / 3.0, -1e-300],
        recent: vec![0],
        pinned: vec![Pin { position: 1, item: 0 }],
        seen: Vec::new(),
        seen_bloom: None,
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
    };
    let config = Config::from_toml("slate_size = 2\n[spectral]\nstrength = 0.1\nepsilon = 1e-9").unwrap();
    let case = Case { name: "all".to_owned(), config, catalog, slates: vec![slate] };
    assert_same(&round_trip(&case), &case);
}

/// What a link leads to may be the case that is replayed.
#[cfg(unix)]
#[test]
fn a_case_takes_the_place_of_a_link_and_not_of_what_it_leads_to() {
    let case = recipe(5, 1, &Limits { candidates: 20, ..Limits::USUAL }).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mine, link) = (folder.path().join("mine.json"), folder.path().join("saved.json"));
    std::fs::write(&mine, "mine").unwrap();
    std::os::unix::fs::symlink(&mine, &link).unwrap();
    case.save(&link, "a test").unwrap();
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "mine");
    assert_same(&Case::load(&link).unwrap(), &case);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn generated_cases_come_back_as_they_were() {
    for index in 0..60 {
        let case = recipe(5, index, &Limits { candidates: 20, ..Limits::USUAL }).build().unwrap();
        assert_same(&round_trip(&case), &case);
    }
}

/// A slate alone, with nothing but what it needs, is composed as it was among others.
#[test]
fn a_slate_taken_out_is_composed_as_before() {
    fn rerank(config: &Config, catalog: &Catalog, slate: &Slate) -> RankedSlate {
        let problem = Problem::new(config, catalog).unwrap();
        CpuEngine::<f64>::new(&problem).rerank(&[PreparedSlate::new(&problem, slate).unwrap()]).remove(0)
    }
    let mut n_smaller = 0;
    for index in 0..80 {
        let case = recipe(6, index, &Limits { candidates: 30, long_one_in: 0, ..Limits::USUAL }).build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        for slate in &case.slates {
            let alone = Case::of_slate("alone", &problem, slate).unwrap();
            n_smaller += usize::from(alone.catalog.columns().len() < case.catalog.columns().len());
            let mut before = rerank(&case.config, &case.catalog, slate);
            let after = rerank(&alone.config, &alone.catalog, &alone.slates[0]);
            for (before, after) in before.placements.iter_mut().zip(&after.placements) {
                before.item = after.item;
            }
            assert_eq!(bits(&before), bits(&after), "recipe {index}");
        }
    }
    assert!(n_smaller > 0);
}

#[test]
fn what_is_no_case_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.json");
    let good = r#"{"name": "n", "config": "", "items": {"signals": {"s": [[1.0]]}, "columns": {}}, "slates": []}"#;
    std::fs::write(&path, good).unwrap();
    assert_eq!(Case::load(&path).unwrap().catalog.n_items(), 1);
    for (find, replace, expected) in [
        ("{\"name\"", "{\"nam\"", "name"),
        ("\"config\": \"\"", "\"config\": \"slate_size = 0\"", "slate_size"),
        ("[[1.0]]", "[[1.0], [1.0, 2.0]]", "differ in length"),
        ("\"columns\": {}", "\"columns\": {}, \"storage\": {\"s\": \"f8\"}", "f8"),
        ("\"columns\": {}", "\"columns\": {\"c\": [1, true]}", "mixes types"),
        ("\"columns\": {}", "\"columns\": {\"c\": [1, 2]}", "2 rows"),
    ] {
        std::fs::write(&path, good.replace(find, replace)).unwrap();
        let message = Case::load(&path).unwrap_err().to_string();
        assert!(message.contains("bad.json") && message.contains(expected), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
    assert!(Case::load(&folder.path().join("none.json")).unwrap_err().to_string().contains("none.json"));
}
