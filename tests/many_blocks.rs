//! Pruning by blocks of candidates on slates of many blocks, with what holds bounds off: filters that empty the first blocks, caps that
//! everyone exceeds, pins, penalties, copies that tie, scores of any size, rows of any length.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use spectrank::catalog::{Catalog, Column, ColumnData, Embedding, EmbeddingData};
use spectrank::config::Config;
use spectrank::parity::invariance::bits;
use spectrank::parity::random::Random;
use spectrank::parity::replay;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::real::Real;
use spectrank::run::Run;
use spectrank::slate::{Pin, Slate};

const N_ITEMS: usize = 620;

/// What to change about rows of 40 normal numbers.
type Change<'a> = &'a dyn Fn(usize, &mut [f64]);

fn catalog(change: Change, is_wide: bool) -> Catalog {
    let mut random = Random(17);
    let mut rows: Vec<f64> = random.normals(40 * N_ITEMS);
    for (item, row) in rows.chunks_exact_mut(40).enumerate() {
        change(item, row);
    }
    // Exact copies, in blocks of their own.
    for item in 0..30 {
        rows.copy_within(40 * item..40 * (item + 1), 40 * (item + 400));
    }
    let data = if is_wide {
        EmbeddingData::F64(rows.into())
    } else {
        EmbeddingData::F32(rows.iter().map(|&x| x as f32).collect::<Vec<_>>().into())
    };
    let mut catalog = Catalog::new();
    catalog.add_signal(Embedding::new("a", 40, data)).unwrap();
    // Nothing for most items, and far longer rows for a few.
    let second =
        (0..3 * N_ITEMS).map(|i| if i / 3 % 7 == 0 { 1e6 * random.normal() as f32 } else { 0.0 }).collect::<Vec<_>>();
    catalog.add_signal(Embedding::new("b", 3, EmbeddingData::F32(second.into()))).unwrap();
    let same = ColumnData::Int(vec![Some(1); N_ITEMS]);
    catalog.add_column(Column { name: "same".to_owned(), data: same }).unwrap();
    catalog
}

/// By rank, item 0 first, but for copies, whose scores are equal.
fn slates(scale: f64) -> Vec<Slate> {
    let candidates: Vec<u32> = (0..600).collect();
    let scores: Vec<f64> = (0..600).map(|i| scale * (1.0 - f64::from(i % 400) / 400.0)).collect();
    let plain = Slate { id: "plain".to_owned(), candidates, scores, ..Slate::default() };
    vec![
        Slate { recent: vec![610, 611, 3, 612, 613], ..plain.clone() },
        Slate { seen: (0..90).collect(), recent: vec![605], ..plain.clone() },
        Slate { pinned: vec![Pin { position: 2, item: 590 }, Pin { position: 30, item: 0 }], ..plain.clone() },
        Slate { candidates: (0..19).collect(), scores: plain.scores[..19].to_vec(), ..plain },
    ]
}

fn check<R: Real>(problem: &Problem, slates: &[PreparedSlate], what: &str) -> [u64; 2] {
    let (mut pruned, mut full) = (Run::<R>::new(problem, true), Run::<R>::new(problem, false));
    for slate in slates {
        let ranked = pruned.rerank(slate);
        assert_eq!(bits(&ranked), bits(&full.rerank(slate)), "{what}");
        assert_eq!(replay(problem, slate, &ranked).verdict(), Ok(()), "{what}");
    }
    [pruned.n_scored(), full.n_scored()]
}

fn check_both(text: &str, change: Change, is_wide: bool, scale: f64) -> [u64; 2] {
    let text = format!("slate_size = 40\n{text}");
    let (catalog, config) = (catalog(change, is_wide), Config::from_toml(&text).unwrap());
    let problem = Problem::new(&config, &catalog).unwrap();
    let prepared: Vec<_> = slates(scale).iter().map(|slate| PreparedSlate::new(&problem, slate).unwrap()).collect();
    let what = format!("{text}, scale {scale}");
    check::<f64>(&problem, &prepared, &what);
    check::<f32>(&problem, &prepared, &what)
}

const STRATEGIES: [&str; 11] = [
    "strategy = \"msd\"\n[msd]\nlambda = 0.5",
    "strategy = \"msd\"\n[msd]\nlambda = 0.97",
    "strategy = \"msd\"\n[msd]\nlambda = 0.9\nwindow = 2",
    "strategy = \"dpp\"\n[dpp]\ntheta = 0.5",
    "strategy = \"dpp\"\n[dpp]\ntheta = 5.0\nwindow = 300",
    "strategy = \"dpp\"\n[dpp]\ntheta = 2.0\nwindow = 4",
    "strategy = \"mmr\"",
    // Few are scored, many, and nearly all.
    "strategy = \"spectral\"\n[spectral]\nstrength = 0.05",
    "strategy = \"spectral\"\n[spectral]\nstrength = 0.5",
    "strategy = \"spectral\"\n[window]\nbehind = 5\nahead = 2\n[spectral]\nstrength = 2.0\nspectra = 3\nhorizon = \"slate\"",
    "strategy = \"ssd\"\n[ssd]\nwindow = 0",
];

fn ordinary(_: usize, _: &mut [f64]) {}

#[test]
fn pruning_changes_nothing_and_saves_most() {
    for text in STRATEGIES {
        let [pruned, full] = check_both(text, &ordinary, false, 1.0);
        let bounds_blocks = text.contains("msd") || (text.contains("dpp") && !text.contains("window = 4"));
        assert!(!bounds_blocks || 10 * pruned < full, "{text}: {pruned} of {full} are scored");
    }
}

#[test]
fn penalties_and_caps_change_nothing() {
    for text in STRATEGIES {
        // Of three, everyone exceeds the second.
        for more in [
            "[[cap]]\ncolumn = \"same\"\nmax = 1\nwindow = 3",
            "[[spacing]]\nname = \"same\"\ncolumn = \"same\"\nvalues = [1]\nstrength = 0.3\nwindow = 4",
            "[balance]\nstrength = 0.4",
        ] {
            check_both(&format!("{text}\n{more}"), &ordinary, false, 1.0);
        }
    }
}

#[test]
fn scores_of_any_size_change_nothing() {
    for text in &STRATEGIES[..5] {
        for scale in [0.0, 1e-7, 1e6, 1e30] {
            check_both(text, &ordinary, false, scale);
        }
    }
}

#[test]
fn rows_of_any_kind_change_nothing() {
    let short_or_long = |item: usize, row: &mut [f64]| {
        let length = [1.0, 1e-14, 1e13, 0.0][item % 4];
        row.iter_mut().for_each(|x| *x *= length);
    };
    let one_value = |item: usize, row: &mut [f64]| {
        if item.is_multiple_of(2) {
            row.fill(0.0);
        }
        row[item % 40] = 100.0;
    };
    // Two items are each other's opposite: what is placed nearly cancels.
    let opposite = |item: usize, row: &mut [f64]| {
        row.fill(if item.is_multiple_of(2) { 1.0 } else { -1.0 });
        row[item % 40] *= 1.5;
    };
    let alike = |item: usize, row: &mut [f64]| {
        row.fill(1.0);
        row[item % 40] += 1e-4 * (item as f64).sin();
    };
    let changes: [Change; 4] = [&short_or_long, &one_value, &opposite, &alike];
    let signals = "[[signal]]\nname = \"a\"\nweight = 1.0\n[[signal]]\nname = \"b\"\nweight = ";
    for text in &STRATEGIES[..5] {
        for change in changes {
            check_both(text, change, false, 1.0);
            check_both(text, change, true, 1.0);
            for weight in ["1e-8", "1e-62", "50.0"] {
                check_both(&format!("{text}\n{signals}{weight}"), change, true, 1.0);
            }
        }
    }
}
