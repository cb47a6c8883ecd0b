//! The corners: nobody, one, all alike, nothing to decompose, scores of any size, rows of any length.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::generate::{Cloud, Random, Storage, add_columns, embedding, rows};
use spectrank::catalog::Catalog;
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::parity;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{Pin, RankedSlate, Slate};

fn catalog(n: usize, dim: usize, cloud: Cloud, storage: Storage) -> Catalog {
    let mut random = Random(17);
    let mut catalog = Catalog::new();
    let rows = rows(&mut random, n, dim, cloud);
    catalog.add_signal(embedding("s0", dim, &rows, storage)).unwrap();
    add_columns(&mut catalog, &mut random, n, n).unwrap();
    catalog
}

fn usual(n: usize) -> Catalog {
    catalog(n, 12, Cloud::Clusters(3, 0.3), Storage::F32)
}

/// Candidates 0, 1, … with scores that fall a little from each to the next.
fn slate(n: usize) -> Slate {
    Slate {
        id: "s".to_owned(),
        candidates: (0..n as u32).collect(),
        scores: (0..n).map(|i| 1.0 - 0.03 * i as f64).collect(),
        ..Slate::default()
    }
}

/// Composes on both engines; f32 is held to the reference, the reference to its own replay, and all to be finite.
fn rerank(config: &str, catalog: &Catalog, slate: &Slate) -> RankedSlate {
    let config = Config::from_toml(config).unwrap();
    let problem = Problem::new(&config, catalog).unwrap();
    let prepared = [PreparedSlate::new(&problem, slate).unwrap()];
    let single = CpuEngine::<f32>::new(&problem).rerank(&prepared).remove(0);
    let double = CpuEngine::<f64>::new(&problem).rerank(&prepared).remove(0);
    for ranked in [&single, &double] {
        assert_eq!(parity::replay(&problem, &prepared[0], ranked).verdict(), Ok(()));
        assert!(ranked.placements.iter().all(|p| p.utility.is_finite() && p.diversity <= 0.0));
    }
    double
}

fn picks(ranked: &RankedSlate) -> Vec<u32> {
    ranked.placements.iter().map(|p| p.candidate).collect()
}

fn sorted_picks(ranked: &RankedSlate) -> Vec<u32> {
    let mut picks = picks(ranked);
    picks.sort_unstable();
    picks
}

#[test]
fn a_short_slate_gives_everyone() {
    let ranked = rerank("slate_size = 20", &usual(12), &slate(7));
    assert!(ranked.is_short);
    assert_eq!(sorted_picks(&ranked), (0..7).collect::<Vec<_>>());
    assert!(!rerank("slate_size = 7", &usual(12), &slate(7)).is_short);
}

#[test]
fn a_short_slate_with_late_pins_gives_everyone() {
    let mut short = slate(4);
    short.pinned = vec![Pin { position: 9, item: 0 }, Pin { position: 6, item: 2 }];
    let ranked = rerank("slate_size = 10", &usual(12), &short);
    assert_eq!(picks(&ranked)[2..], [2, 0], "left-over pins follow by position");
    assert_eq!(sorted_picks(&ranked), [0, 1, 2, 3]);
}

#[test]
fn one_candidate_and_none() {
    let one = rerank("slate_size = 5", &usual(12), &slate(1));
    assert_eq!(picks(&one), [0]);
    assert_eq!(one.placements[0].utility, 1.0);
    let none = rerank("slate_size = 5", &usual(12), &slate(0));
    assert!(none.placements.is_empty() && none.is_short);
    let ranked = rerank("slate_size = 1", &usual(12), &slate(9));
    assert_eq!(picks(&ranked), [0]);
    for transform in ["minmax", "zscore"] {
        let config = format!("slate_size = 5\nrelevance = {{ transform = \"{transform}\" }}");
        assert_eq!(rerank(&config, &usual(12), &slate(1)).placements[0].base, 0.0);
        assert!(rerank(&config, &usual(12), &slate(0)).placements.is_empty());
    }
}

#[test]
fn items_all_alike_come_in_order_of_relevance() {
    for storage in [Storage::F16, Storage::F32, Storage::F64] {
        for k in [1, 4, 16] {
            for (behind, ahead) in [(10, 0), (3, 4), (20, 20)] {
                let config = format!(
                    "slate_size = 15\nspectral = {{ spectra = {k} }}\nwindow = {{ behind = {behind}, ahead = {ahead} }}"
                );
                let ranked = rerank(&config, &catalog(15, 9, Cloud::Identical, storage), &slate(15));
                assert_eq!(picks(&ranked), (0..15).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn zero_rows_cost_nothing() {
    let mut all_zero = Catalog::new();
    all_zero.add_signal(embedding("s0", 4, &[0.0; 40], Storage::F32)).unwrap();
    let ranked = rerank("slate_size = 10\nbalance = { strength = 1.0 }", &all_zero, &slate(10));
    assert_eq!(picks(&ranked), (0..10).collect::<Vec<_>>());
    assert!(ranked.placements.iter().all(|p| p.diversity == 0.0 && p.balance == 0.0));
    for metric in ["cosine", "dot"] {
        let config = format!("slate_size = 12\nsignal = [{{ name = \"s0\", metric = \"{metric}\" }}]");
        let ranked = rerank(&config, &catalog(12, 6, Cloud::SomeZero, Storage::F32), &slate(12));
        for p in &ranked.placements {
            assert!(!p.item.is_multiple_of(3) || p.diversity == 0.0, "item {} has a zero row", p.item);
        }
    }
}

#[test]
fn fewer_dimensions_than_spectra() {
    for dim in [1, 2, 3] {
        for k in [4, 8, 16] {
            for extra in ["", "ahead = 5", "scope = \"window\"\nahead = 5"] {
                let config = format!("slate_size = 20\n[spectral]\nspectra = {k}\n[window]\nbehind = 9\n{extra}");
                let items = catalog(40, dim, Cloud::Gaussian, Storage::F64);
                assert_eq!(rerank(&config, &items, &slate(40)).placements.len(), 20);
            }
        }
    }
}

#[test]
fn windows_wider_than_the_slate_and_spectra_than_the_window() {
    for (behind, ahead, k) in [(128, 0, 4), (64, 64, 16), (1, 0, 16), (2, 1, 8), (1, 127, 16)] {
        let config = format!(
            "slate_size = 20\nspectral = {{ spectra = {k} }}\nwindow = {{ behind = {behind}, ahead = {ahead} }}"
        );
        let ranked = rerank(&config, &usual(30), &slate(18));
        assert_eq!(sorted_picks(&ranked), (0..18).collect::<Vec<_>>());
    }
}

#[test]
fn recents_longer_than_the_window_and_among_the_candidates() {
    let mut with_recents = slate(20);
    with_recents.recent = (0..30).map(|i| (i * 7) % 25).collect();
    for config in ["window = { behind = 4 }", "window = { behind = 4 }\nspectral = { horizon = \"slate\" }"] {
        let ranked = rerank(&format!("slate_size = 12\n{config}"), &usual(25), &with_recents);
        assert!(ranked.placements[0].diversity < 0.0, "recent items count from the first position on");
    }
    // What left the window long ago does not matter to horizon = "window".
    let config = "slate_size = 12\nwindow = { behind = 4 }\nspectral = { iterations = 200 }";
    let long = rerank(config, &usual(25), &with_recents);
    with_recents.recent.drain(..26);
    let short = rerank(config, &usual(25), &with_recents);
    assert_eq!(picks(&long), picks(&short));
    // Just seen: the same item again costs its whole energy, strength · λ/(ε + λ) with λ = 1.
    let mut again = slate(5);
    again.recent = vec![0];
    let again = rerank("slate_size = 5\nspectral = { strength = 0.5 }", &usual(25), &again);
    let seen = again.placements.iter().find(|p| p.item == 0).unwrap();
    assert!(seen.diversity < -0.01, "{}", seen.diversity);
}

#[test]
fn no_strength_is_plain_order_and_ties_follow_the_input() {
    let ranked = rerank("slate_size = 20\nspectral = { strength = 0.0 }", &usual(20), &slate(20));
    assert_eq!(picks(&ranked), (0..20).collect::<Vec<_>>());
    let mut equal = slate(20);
    equal.scores = vec![0.5; 20];
    equal.candidates.reverse();
    let ranked = rerank("slate_size = 20\nspectral = { strength = 0.0 }", &usual(20), &equal);
    assert_eq!(picks(&ranked), (0..20).collect::<Vec<_>>());
    let ranked = rerank("slate_size = 20", &usual(20), &equal);
    assert_eq!(picks(&ranked)[0], 0);
    // Two copies of every row: among equals the first of the input comes first.
    let mut twice = Catalog::new();
    let rows = rows(&mut Random(3), 10, 6, Cloud::Gaussian);
    twice.add_signal(embedding("s0", 6, &[rows.clone(), rows].concat(), Storage::F32)).unwrap();
    let picks = picks(&rerank("slate_size = 20", &twice, &Slate { candidates: (0..20).collect(), ..equal }));
    let place = |c: u32| picks.iter().position(|&p| p == c);
    assert!((0..10).all(|c| place(c) < place(c + 10)), "{picks:?}");
}

#[test]
fn scores_of_any_size() {
    for scale in [1e6, 1e-6] {
        for strength in [0.3, 0.3 * scale] {
            let mut scaled = slate(30);
            scaled.scores.iter_mut().for_each(|x| *x *= scale);
            let config = format!("slate_size = 15\nspectral = {{ strength = {strength:?} }}");
            let ranked = rerank(&config, &usual(30), &scaled);
            if strength != 0.3 {
                let plain = rerank("slate_size = 15", &usual(30), &slate(30));
                assert_eq!(picks(&ranked), picks(&plain), "all terms scale alike");
            }
        }
    }
}

#[test]
fn rows_of_any_length_in_any_precision() {
    for dim in [1, 3, 17, 33, 257] {
        for storage in [Storage::F16, Storage::F32, Storage::F64] {
            for metric in ["cosine", "dot"] {
                // Rows of length near 1 also for "dot", as a caller would have them.
                let mut items = Catalog::new();
                let scale = 1.0 / (dim as f64).sqrt();
                let rows: Vec<f64> = Random(4).normals(40 * dim).iter().map(|x| x * scale).collect();
                items.add_signal(embedding("s0", dim, &rows, storage)).unwrap();
                let config = format!("slate_size = 15\nsignal = [{{ name = \"s0\", metric = \"{metric}\" }}]");
                assert_eq!(rerank(&config, &items, &slate(40)).placements.len(), 15);
            }
        }
    }
}

/// Rows whose products overflow single precision are refused, with the item and the cure.
#[test]
fn rows_that_single_precision_cannot_hold_are_refused() {
    for (metric, length) in [("cosine", 1e20), ("cosine", 1e-20), ("cosine", 1e-300), ("dot", 1e7), ("dot", 1e-300)] {
        let mut catalog = Catalog::new();
        catalog.add_signal(embedding("s0", 2, &[1.0, 0.0, length, 0.0], Storage::F64)).unwrap();
        let config = Config::from_toml(&format!("[[signal]]\nname = \"s0\"\nmetric = \"{metric}\"")).unwrap();
        let message = Problem::new(&config, &catalog).unwrap_err().to_string();
        assert!(message.contains("item 1") && message.contains("rescale"), "{message}");
    }
}

/// A column that is there but does not serve is not said to be missing.
#[test]
fn embeddings_and_ids_are_no_columns_to_cap() {
    let mut catalog = usual(4);
    catalog.set_ids(["a", "b", "c", "d"].map(str::to_owned).to_vec()).unwrap();
    let name = catalog.signals()[0].name.clone();
    for (column, found) in [(name.as_str(), "embeddings"), ("item_id", "the items' ids")] {
        for rule in ["[[cap]]\nmax = 1\nwindow = 3\n", "[semantic_id]\nstrength = 0.1\nwindow = 3\n"] {
            let config = Config::from_toml(&format!("{rule}column = \"{column}\"")).unwrap();
            let message = Problem::new(&config, &catalog).unwrap_err().to_string();
            assert!(message.contains(&format!("column \"{column}\" holds {found}, needed are")), "{message}");
        }
    }
    let config = Config::from_toml("[[cap]]\nmax = 1\nwindow = 3\ncolumn = \"none\"").unwrap();
    let message = Problem::new(&config, &catalog).unwrap_err().to_string();
    assert!(message.contains("column \"none\" is not in the catalog"), "{message}");
}
