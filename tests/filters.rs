//! Who is ranked at all: filters, and items that lack what a term needs. What the CPU engine does is held against what the
//! configuration says, the GPU engine against the CPU's by the parity rule.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::sync::Arc;

use common::gpu;
use spectrank::bloom::{BloomFilter, hash_of};
use spectrank::catalog::{Catalog, Column, ColumnData, Embedding, EmbeddingData, Value};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::gpu::GpuOptions;
use spectrank::parity;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::{MissingCount, Problem, ProblemError};
use spectrank::slate::{Pin, RankedSlate, Slate};

/// Items in three directions, with a price every item but the third has, and a flag that is null for every fifth.
fn catalog(n: usize) -> Catalog {
    let mut catalog = Catalog::new();
    let rows: Vec<f32> = (0..n).flat_map(|i| [(i % 3) as f32 + 0.1, (i % 7) as f32, 1.0]).collect();
    catalog.add_signal(Embedding::new("x", 3, EmbeddingData::F32(rows.into()))).unwrap();
    let mut add = |name: &str, data| catalog.add_column(Column { name: name.to_owned(), data }).unwrap();
    add("flag", ColumnData::Bool((0..n).map(|i| (i % 5 > 0).then_some(i % 2 == 0)).collect()));
    add("market", ColumnData::Text((0..n).map(|i| Some(["de", "fr", "it"][i % 3].to_owned())).collect()));
    add("price", ColumnData::Float((0..n).map(|i| (i != 2).then_some(i as f64)).collect()));
    add("sid", ColumnData::Codes { width: 2, codes: (0..n).flat_map(|i| [1, (i % 4) as u32]).collect() });
    catalog
}

fn slate(n: u32) -> Slate {
    let candidates: Vec<u32> = (0..n).collect();
    let scores = candidates.iter().map(|&i| 1.0 - f64::from(i) / f64::from(n)).collect();
    Slate { id: "s".to_owned(), candidates, scores, ..Slate::default() }
}

/// Ranks on the reference, and on a GPU where there is one, which must agree.
fn ranked(config: &str, catalog: &Catalog, slate: &Slate) -> RankedSlate {
    let config = Config::from_toml(config).unwrap();
    let problem = Problem::new(&config, catalog).unwrap();
    let prepared = [PreparedSlate::new(&problem, slate).unwrap()];
    let reference = CpuEngine::<f64>::new(&problem).rerank(&prepared).remove(0);
    let single = CpuEngine::<f32>::new(&problem).rerank(&prepared).remove(0);
    assert_eq!(parity::replay(&problem, &prepared[0], &single).verdict(), Ok(()));
    if gpu::device().is_some() {
        let found = gpu::rerank(&problem, &prepared, GpuOptions::default()).remove(0);
        assert_eq!(parity::replay(&problem, &prepared[0], &found).verdict(), Ok(()), "{config:?}");
        assert_eq!(found.n_filtered, reference.n_filtered);
    }
    reference
}

/// Items in order of their row: who is left.
fn left(config: &str, slate: &Slate) -> Vec<u32> {
    let ranked = ranked(config, &catalog(12), slate);
    let mut items: Vec<u32> = ranked.placements.iter().map(|p| p.item).collect();
    items.sort_unstable();
    assert_eq!(items.len() + ranked.n_filtered as usize, slate.candidates.len());
    items
}

#[test]
fn rules_take_out_what_they_say() {
    let cases: [(&str, &[u32]); 9] = [
        ("", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        // A null is neither true nor any value.
        ("[[filter.drop]]\ncolumn = \"flag\"", &[0, 1, 3, 5, 7, 9, 10, 11]),
        ("[[filter.keep]]\ncolumn = \"flag\"", &[2, 4, 6, 8]),
        ("[[filter.drop]]\ncolumn = \"flag\"\non_missing = \"drop\"", &[1, 3, 7, 9, 11]),
        ("[[filter.drop]]\ncolumn = \"market\"\nvalues = [\"de\", \"it\"]", &[1, 4, 7, 10]),
        ("[[filter.keep]]\ncolumn = \"price\"\nvalues = [3, 4.0, 99]", &[3, 4]),
        // All of keep, none of drop.
        (
            "[[filter.keep]]\ncolumn = \"market\"\nvalues = [\"fr\"]\n[[filter.drop]]\ncolumn = \"price\"\nvalues = [4]",
            &[1, 7, 10],
        ),
        ("[[filter.drop]]\ncolumn = \"flag\"\nwhen = { surface = \"kids\" }", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("[[filter.drop]]\ncolumn = \"flag\"\nwhen = { surface = \"home\" }", &[0, 1, 3, 5, 7, 9, 10, 11]),
    ];
    let mut slate = slate(12);
    slate.attributes.insert("surface".to_owned(), Value::Text("home".to_owned()));
    for (config, expected) in cases {
        assert_eq!(left(config, &slate), expected, "{config}");
    }
}

#[test]
fn what_was_seen_or_shown_just_before_goes() {
    let mut filter = BloomFilter::with_capacity(2, 1e-6).unwrap();
    ["4", "6"].iter().for_each(|id| filter.insert(hash_of(id)));
    let slate = Slate { recent: vec![1, 11], seen: vec![2, 3, 2], seen_bloom: Some(Arc::new(filter)), ..slate(12) };
    let cases: [(&str, &[u32]); 4] = [
        ("", &[0, 1, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("filter = { seen = false }", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("filter = { recent = true }", &[0, 4, 5, 6, 7, 8, 9, 10]),
        ("filter = { recent = true, seen_bloom = \"b\" }", &[0, 5, 7, 8, 9, 10]),
    ];
    for (config, expected) in cases {
        assert_eq!(left(config, &slate), expected, "{config}");
    }
}

/// A Bloom filter knows items by their ids.
#[test]
fn a_bloom_filter_goes_by_ids() {
    let mut catalog = catalog(4);
    catalog.set_ids(["a", "b", "c", "d"].map(str::to_owned).to_vec()).unwrap();
    let mut filter = BloomFilter::with_capacity(1, 1e-6).unwrap();
    filter.insert(hash_of("c"));
    let slate = Slate { seen_bloom: Some(Arc::new(filter)), ..slate(4) };
    let ranked = ranked("filter = { seen_bloom = \"b\" }", &catalog, &slate);
    assert!(ranked.placements.len() == 3 && ranked.placements.iter().all(|p| p.item != 2));
}

#[test]
fn a_slate_left_short_says_so() {
    let slate = Slate { seen: (3..12).collect(), ..slate(12) };
    let few = ranked("slate_size = 5", &catalog(12), &slate);
    assert_eq!((few.placements.len(), few.is_short, few.n_filtered), (3, true, 9));
    let enough = ranked("slate_size = 3", &catalog(12), &slate);
    assert_eq!((enough.placements.len(), enough.is_short), (3, false));
    let none = ranked("slate_size = 5\n[[filter.keep]]\ncolumn = \"price\"\nvalues = [99]", &catalog(12), &slate);
    assert_eq!((none.placements.len(), none.is_short, none.n_filtered), (0, true, 12));
}

#[test]
fn a_pin_whose_item_is_taken_out_is_void() {
    let pinned = vec![Pin { position: 0, item: 9 }, Pin { position: 2, item: 11 }];
    let slate = Slate { seen: vec![9], pinned, ..slate(12) };
    let items: Vec<u32> = ranked("slate_size = 4", &catalog(12), &slate).placements.iter().map(|p| p.item).collect();
    assert_eq!((items[0], items[2]), (0, 11));
    assert!(!items.contains(&9));
}

#[test]
fn filters_change_no_base_score() {
    let slate = Slate { seen: vec![0, 11], ..slate(12) };
    let ranked = ranked("[relevance]\ntransform = \"minmax\"", &catalog(12), &slate);
    let base = ranked.placements.iter().find(|p| p.item == 1).unwrap().base;
    assert!((base - 10.0 / 11.0).abs() < 1e-12, "{base}");
}

/// Thousands out side by side, before, between and after those that stay; with a window that looks ahead past them.
#[test]
fn long_runs_of_filtered_candidates_are_passed_over() {
    let catalog = catalog(10_000);
    let stay = |i: u32| i.is_multiple_of(977) || (5000..5003).contains(&i);
    let seen: Vec<u32> = (1..10_000).filter(|&i| !stay(i)).collect();
    let slate = Slate { seen, pinned: vec![Pin { position: 3, item: 5001 }], recent: vec![7, 8], ..slate(10_000) };
    for config in [
        "slate_size = 10",
        "slate_size = 20\n[window]\nbehind = 4\nahead = 6",
        "slate_size = 20\n[window]\nbehind = 4\nahead = 6\nscope = \"window\"",
    ] {
        let ranked = ranked(config, &catalog, &slate);
        let n_left = (0..10_000).filter(|&i| i == 0 || stay(i)).count();
        let expected = n_left.min(if config.contains("20") { 20 } else { 10 });
        assert_eq!(ranked.placements.len(), expected, "{config}");
        assert_eq!(ranked.placements[3].item, 5001);
    }
}

fn problem_error(config: &str, catalog: &Catalog) -> ProblemError {
    Problem::new(&Config::from_toml(config).unwrap(), catalog).map(|_| ()).unwrap_err()
}

fn with_missing(rows: &[u32]) -> Catalog {
    let mut values: Vec<f32> = (0..24).map(|i| (i as f32 * 0.7).sin()).collect();
    rows.iter().for_each(|&row| values[row as usize * 2..][..2].fill(f32::NAN));
    let mut catalog = Catalog::new();
    catalog.add_signal(Embedding::new("x", 2, EmbeddingData::F32(values.into()))).unwrap();
    catalog
}

#[test]
fn items_without_an_embedding_are_an_error_unless_said_otherwise() {
    let catalog = with_missing(&[3, 8]);
    let message = problem_error("", &catalog).to_string();
    assert!(message.starts_with("signal: item 3 has no \"x\", nor have 1 more"), "{message}");
    let message = problem_error("[[signal]]\nname = \"x\"", &catalog).to_string();
    assert!(message.starts_with("signal[0]: item 3 has no \"x\""), "{message}");
    let zero = ranked("[[signal]]\nname = \"x\"\non_missing = \"zero\"", &catalog, &slate(12));
    let of_missing = zero.placements.iter().find(|p| p.item == 3).unwrap();
    assert_eq!((zero.placements.len(), of_missing.diversity), (12, 0.0));
    let dropped = ranked("[[signal]]\nname = \"x\"\non_missing = \"drop\"", &catalog, &slate(12));
    assert_eq!((dropped.placements.len(), dropped.n_filtered), (10, 2));
    assert!(dropped.placements.iter().all(|p| p.item != 3 && p.item != 8));
    // Who is ranked does not depend on the strategy.
    let relevance = "strategy = \"relevance\"\n[[signal]]\nname = \"x\"\non_missing = \"drop\"";
    assert_eq!(ranked(relevance, &catalog, &slate(12)).n_filtered, 2);
}

#[test]
fn every_term_has_its_way_with_missing_values() {
    let spacing = |more: &str| {
        format!("[[spacing]]\nname = \"s\"\ncolumn = \"flag\"\nvalues = [true]\nstrength = 0.1\nwindow = 2\n{more}")
    };
    let semantic = |more: &str| format!("[semantic_id]\ncolumn = \"sid\"\nstrength = 0.1\nwindow = 2\n{more}");
    let cap = |more: &str| format!("[[cap]]\ncolumn = \"flag\"\nmax = 1\nwindow = 2\n{more}");
    let adjust = |more: &str| format!("[[relevance.adjust]]\ncolumn = \"price\"\nweight = 0.01\n{more}");
    let confidence = |more: &str| spacing(&format!("confidence = \"price\"\n{more}"));
    let (zero, drop, error) = ("on_missing = \"zero\"", "on_missing = \"drop\"", "on_missing = \"error\"");
    let catalog = catalog(12);
    // Null flags: 0, 5, 10. Missing levels: 0, 4, 8. Without a price: 2, whose flag is set.
    let fine = [
        (spacing(""), 3, 0),
        (spacing(zero), 3, 0),
        (spacing(drop), 3, 3),
        (semantic(""), 3, 0),
        (semantic(drop), 3, 3),
        (cap(""), 3, 0),
        (cap(drop), 3, 3),
        (adjust(zero), 1, 0),
        (adjust(drop), 1, 1),
        (confidence(zero), 4, 0),
        (confidence(drop), 4, 4),
    ];
    for (text, n_missing, n_filtered) in fine {
        let config = Config::from_toml(&text).unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        assert_eq!(problem.missing.iter().map(|m| m.n_items).sum::<usize>(), n_missing, "{text}");
        assert_eq!(ranked(&text, &catalog, &slate(12)).n_filtered, n_filtered, "{text}");
    }
    for (text, key) in [
        (spacing(error), "spacing[0].column: item 0 has no \"flag\""),
        (confidence(""), "spacing[0].confidence: item 2 has no \"price\""),
        (semantic(error), "semantic_id.column: item 0 has no \"sid\""),
        (cap(error), "cap[0].column: item 0 has no \"flag\""),
        (adjust(""), "relevance.adjust[0].column: item 2 has no \"price\""),
        (
            "[[filter.keep]]\ncolumn = \"flag\"\non_missing = \"error\"".to_owned(),
            "filter.keep[0].column: item 0 has no",
        ),
        ("[[filter.keep]]\ncolumn = \"market\"".to_owned(), "filter.keep[0].column: column \"market\" holds text"),
        (
            "[[filter.drop]]\ncolumn = \"sid\"\nvalues = [1]".to_owned(),
            "filter.drop[0].column: column \"sid\" holds integer",
        ),
        (
            spacing("").replace("[true]", "[true, 1]"),
            "spacing[0].values: 1 is a number, and column \"flag\" holds none",
        ),
        (
            "[[filter.keep]]\ncolumn = \"price\"\nvalues = [\"3\"]".to_owned(),
            "filter.keep[0].values: \"3\" is text, and column \"price\" holds none",
        ),
        (
            "[[filter.drop]]\ncolumn = \"gone\"".to_owned(),
            "filter.drop[0].column: column \"gone\" is not in the catalog",
        ),
    ] {
        let message = problem_error(&text, &catalog).to_string();
        assert!(message.starts_with(key), "{text}: {message}");
    }
}

#[test]
fn what_is_missing_is_said_in_words() {
    let count = |n_items, are_dropped| MissingCount { key: "k".into(), column: "c".into(), n_items, are_dropped };
    assert_eq!(count(1, true).to_string(), "1 item lacks \"c\" (k), taken out");
    assert_eq!(count(12, false).to_string(), "12 items lack \"c\" (k), counted as zero");
}
