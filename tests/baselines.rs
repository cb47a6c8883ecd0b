//! What the baselines promise beside their formulas: corners, windows, and where a slate runs out of rank.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::generate::{Cloud, Items, Random, Recipe, Request, Storage, embedding, rows};
use common::gpu;
use spectrank::catalog::Catalog;
use spectrank::config::{Config, Strategy};
use spectrank::cpu::CpuEngine;
use spectrank::gpu::GpuOptions;
use spectrank::gpu::planted::Planted;
use spectrank::parity::attribution::Stage;
use spectrank::parity::{self, Case, GpuSubject, Harness, Invariance, Report, Subject};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{Pin, RankedSlate, Slate};

fn catalog(n: usize, dim: usize, cloud: Cloud) -> Catalog {
    let mut catalog = Catalog::new();
    catalog.add_signal(embedding("s0", dim, &rows(&mut Random(17), n, dim, cloud), Storage::F32)).unwrap();
    catalog
}

/// Candidates 0, 1, … with scores that fall a little from each to the next.
fn slate(n: usize) -> Slate {
    Slate {
        candidates: (0..n as u32).collect(),
        scores: (0..n).map(|i| 1.0 - 0.03 * i as f64).collect(),
        ..Slate::default()
    }
}

/// Five hundred near-copies: sums of distances are small differences of large numbers, which single precision must not take.
#[test]
fn msd_tells_near_copies_apart_in_long_slates() {
    let n = 520;
    let mut random = Random(29);
    let centre = random.normals(64);
    let near: Vec<f64> = (0..n)
        .flat_map(|_| centre.iter().zip(random.normals(64)).map(|(c, x)| c + 1e-3 * x).collect::<Vec<_>>())
        .collect();
    let mut catalog = Catalog::new();
    catalog.add_signal(embedding("s0", 64, &near, Storage::F32)).unwrap();
    let slate = Slate { scores: (0..n).map(|i| 1.0 - 1e-7 * i as f64).collect(), ..slate(n) };
    for (window, prunes) in [(0, true), (300, false)] {
        let text = format!("strategy = \"msd\"\nslate_size = 500\n[msd]\nlambda = 0.1\nwindow = {window}");
        let config = Config::from_toml(&text).unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        let prepared = [PreparedSlate::new(&problem, &slate).unwrap()];
        let ranked = CpuEngine::<f32>::new(&problem).with_pruning(prunes).rerank(&prepared).remove(0);
        assert_eq!(parity::replay(&problem, &prepared[0], &ranked).verdict(), Ok(()), "window {window}");
    }
}

/// On every engine there is; all are held to the reference, where a slate runs out of rank included.
fn rerank(config: &str, catalog: &Catalog, slate: &Slate) -> RankedSlate {
    let config = Config::from_toml(config).unwrap();
    let problem = Problem::new(&config, catalog).unwrap();
    let prepared = [PreparedSlate::new(&problem, slate).unwrap()];
    let single = CpuEngine::<f32>::new(&problem).rerank(&prepared).remove(0);
    let double = CpuEngine::<f64>::new(&problem).rerank(&prepared).remove(0);
    let mut all = vec![single, double.clone()];
    if gpu::device().is_some() {
        all.extend(gpu::rerank(&problem, &prepared, GpuOptions::default()));
    }
    for ranked in &all {
        assert_eq!(parity::replay(&problem, &prepared[0], ranked).verdict(), Ok(()), "{config:?}");
        assert!(ranked.placements.iter().all(|p| p.utility.is_finite() && p.diversity.is_finite()));
    }
    double
}

fn picks(ranked: &RankedSlate) -> Vec<u32> {
    ranked.placements.iter().map(|p| p.candidate).collect()
}

const STRATEGIES: [Strategy; 4] = [Strategy::Mmr, Strategy::Msd, Strategy::Dpp, Strategy::Ssd];

fn name(strategy: Strategy) -> String {
    format!("strategy = \"{strategy:?}\"\n").to_lowercase()
}

#[test]
fn lambda_one_and_gamma_zero_are_relevance_order() {
    let items = catalog(30, 6, Cloud::Clusters(3, 0.3));
    for own in ["mmr = { lambda = 1.0 }", "msd = { lambda = 1.0 }", "ssd = { gamma = 0.0 }"] {
        let ranked = rerank(&format!("strategy = \"{}\"\nslate_size = 12\n{own}", &own[..3]), &items, &slate(30));
        assert_eq!(picks(&ranked), (0..12).collect::<Vec<_>>(), "{own}");
    }
}

/// The direction of λ: 0 takes no notice of relevance once something is placed.
#[test]
fn lambda_zero_is_variety_alone() {
    let items = catalog(30, 6, Cloud::Clusters(3, 0.01));
    for strategy in ["mmr", "msd"] {
        let text = format!("strategy = \"{strategy}\"\nslate_size = 2\n{strategy} = {{ lambda = 0.0 }}");
        let mut reversed = slate(30);
        reversed.scores[1..].reverse();
        let [a, b] = [slate(30), reversed].map(|slate| picks(&rerank(&text, &items, &slate)));
        assert_eq!(a, b, "{strategy}");
    }
}

#[test]
fn nobody_one_and_all_alike() {
    for strategy in STRATEGIES {
        let text = format!("{}slate_size = 8\n", name(strategy));
        assert!(rerank(&text, &catalog(9, 4, Cloud::Gaussian), &slate(0)).placements.is_empty());
        assert_eq!(picks(&rerank(&text, &catalog(9, 4, Cloud::Gaussian), &slate(1))), [0]);
        let alike = rerank(&text, &catalog(9, 4, Cloud::Identical), &slate(9));
        assert_eq!(picks(&alike), (0..8).collect::<Vec<_>>(), "{strategy:?}");
        let projects = matches!(strategy, Strategy::Dpp | Strategy::Ssd);
        assert_eq!(alike.rank_exhausted_at, projects.then_some(1), "{strategy:?}");
        let zero = rerank(&text, &catalog(9, 4, Cloud::SomeZero), &slate(9));
        assert_eq!(zero.placements.len(), 8);
    }
}

#[test]
fn past_the_rank_base_order_decides_and_the_slate_says_so() {
    let items = catalog(40, 5, Cloud::Gaussian);
    for (text, rank) in [
        ("strategy = \"dpp\"", Some(5)),
        ("strategy = \"dpp\"\ndpp = { window = 30 }", Some(5)),
        ("strategy = \"dpp\"\ndpp = { window = 4 }", None),
        ("strategy = \"ssd\"\nssd = { window = 0, bias = false }", Some(5)),
        ("strategy = \"ssd\"\nssd = { window = 0 }", Some(6)),
        ("strategy = \"ssd\"\nssd = { window = 0, variant = \"product\" }", Some(6)),
        ("strategy = \"ssd\"\nssd = { window = 5 }", None),
        ("strategy = \"ssd\"\nssd = { window = 6, eviction = \"paper\" }", Some(6)),
        ("strategy = \"msd\"", None),
    ] {
        let ranked = rerank(&format!("{text}\nslate_size = 20"), &items, &slate(40));
        assert_eq!(ranked.rank_exhausted_at, rank, "{text}");
        if let (Some(rank), false) = (rank, text.contains("paper")) {
            let rest = &ranked.placements[rank as usize..];
            assert!(rest.windows(2).all(|pair| pair[0].base >= pair[1].base), "{text}");
            assert!(rest.iter().all(|p| p.diversity == rest[0].diversity), "{text}");
        }
    }
}

/// Recent items take up rank, pins do not choose, and a candidate that is kept back does not count as left.
#[test]
fn recents_and_pins_count_as_placed() {
    let items = catalog(40, 5, Cloud::Gaussian);
    let mut slate = slate(20);
    slate.recent = vec![30, 31, 32];
    let ranked = rerank("strategy = \"dpp\"\nslate_size = 10", &items, &slate);
    assert_eq!(ranked.rank_exhausted_at, Some(2));
    slate.pinned = vec![Pin { position: 0, item: 19 }, Pin { position: 2, item: 18 }];
    let ranked = rerank("strategy = \"dpp\"\nslate_size = 10", &items, &slate);
    assert_eq!((ranked.placements[0].item, ranked.placements[2].item), (19, 18));
    assert_eq!(ranked.rank_exhausted_at, Some(3), "position 2 is a pin's");
    slate.recent = (20..40).collect();
    for strategy in STRATEGIES {
        for window in [0, 1, 7, 25] {
            let own = format!("{strategy:?} = {{ window = {window} }}").to_lowercase();
            let ranked = rerank(&format!("{}slate_size = 10\n{own}", name(strategy)), &items, &slate);
            assert_eq!(ranked.placements.len(), 10);
        }
    }
}

/// The published queue takes an item for new whose near-copy is still in the window; the exact window does not.
#[test]
fn only_the_exact_window_remembers_near_copies() {
    let mut items = Catalog::new();
    // 0 and 1 are near-copies, placed one after the other; so is 3, which comes when 0 has left the window of 2.
    let values = [1.0, 0.0, 0.0, 1.0, 1e-4, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1e-4];
    items.add_signal(embedding("s0", 3, &values, Storage::F64)).unwrap();
    let norm = |eviction: &str| {
        let text = format!(
            "strategy = \"ssd\"\nslate_size = 4\nssd = {{ gamma = 1e-3, window = 2, bias = false, eviction = \"{eviction}\" }}"
        );
        let mut slate = slate(4);
        slate.scores = vec![4.0, 3.0, 2.0, 1.0];
        let ranked = rerank(&text, &items, &slate);
        assert_eq!(picks(&ranked), [0, 1, 2, 3]);
        ranked.placements[3].diversity / 1e-3
    };
    assert_eq!(norm("exact"), 0.0);
    assert!((norm("paper") - 1.0).abs() < 1e-3);
}

/// A long slate through small windows: nothing drifts, the last position is as good as the first.
#[test]
fn long_slates_do_not_drift() {
    let items = catalog(300, 8, Cloud::Clusters(12, 1e-2));
    for own in [
        "strategy = \"dpp\"\ndpp = { window = 5 }",
        "strategy = \"dpp\"",
        "strategy = \"ssd\"\nssd = { window = 4 }",
        "strategy = \"ssd\"\nssd = { window = 4, eviction = \"paper\", variant = \"product\" }",
        "strategy = \"mmr\"\nmmr = { window = 6 }",
        "strategy = \"msd\"\nmsd = { window = 6 }",
    ] {
        let ranked = rerank(&format!("{own}\nslate_size = 250"), &items, &slate(300));
        assert_eq!(ranked.placements.len(), 250);
    }
}

/// Every penalty, pins and recent items, and more positions than dimensions.
fn case(own: &str) -> Case {
    const PENALTIES: &str = r#"
slate_size = 12
spacing = [{ name = "s", column = "class", values = [1, 2], strength = 0.3, window = 4 }]
semantic_id = { column = "sid", strength = 0.3, window = 4 }
balance = { strength = 0.3 }
cap = [{ column = "author", max = 1, window = 3 }]
"#;
    let recipe = Recipe {
        seed: 3,
        items: Items::new(50, Cloud::Clusters(3, 0.6), vec![9], Storage::F32),
        requests: vec![Request::new(40, 2, 1); 4],
        config: Config::from_toml(&format!("{own}{PENALTIES}")).unwrap(),
    };
    recipe.build().unwrap()
}

fn report(subject: &dyn Subject, case: &Case) -> Report {
    let mut harness = Harness::new(subject);
    harness.check_cases(std::slice::from_ref(case)).unwrap();
    harness.into_report()
}

/// One change to each baseline's kernel, and the stage that must be blamed.
#[test]
fn every_planted_fault_is_caught_and_its_stage_named() {
    let Some(device) = gpu::device() else { return };
    let healthy = GpuSubject::new(device, GpuOptions::default());
    for (own, find, replace, stage) in [
        (
            "strategy = \"mmr\"\n",
            "return max(similarity, 0.0);",
            "return 1.001 * max(similarity, 0.0);",
            Some(Stage::PlacedSimilarity),
        ),
        (
            "strategy = \"msd\"\nmsd = { window = 3 }",
            "place % max(params.history_window, 1u)",
            "(place + place / 5u) % max(params.history_window, 1u)",
            Some(Stage::PlacedSimilarity),
        ),
        (
            "strategy = \"dpp\"\n",
            "return times(scale, settled(left));",
            "return times(scale, times(settled(left), double(1.001)));",
            Some(Stage::Residual),
        ),
        (
            "strategy = \"ssd\"\nssd = { window = 3, eviction = \"paper\" }",
            "multiply_add(load_double(distance_at), given_back, given_back)",
            "load_double(distance_at)",
            Some(Stage::Residual),
        ),
        // The picks and their terms are right; only what is said of them is not.
        ("strategy = \"dpp\"\n", "if projects() && is_open {", "if projects() && is_open && false {", None),
    ] {
        let case = case(own);
        let right = report(&healthy, &case);
        assert!(right.holds(), "{own}: {right}");
        let planted = Planted::in_shader(find, replace);
        let wrong = report(&healthy.with_options(GpuOptions { planted, ..healthy.options().clone() }), &case);
        assert!(!wrong.holds(), "{own}: {replace} passes");
        let departures: Vec<_> = wrong.failures.iter().map(|f| f.departure.as_ref().map(|d| d.stage)).collect();
        assert!(departures.iter().all(|&found| found == stage), "{own}: {departures:?}\n{wrong}");
        assert!(stage.is_some() || wrong.failures.iter().all(|f| f.fault.starts_with("rank_exhausted_at")), "{wrong}");
    }
}

/// However slates are batched, spread over lanes, split over dispatches or repeated, every bit is the same.
#[test]
fn batching_order_and_splitting_change_nothing() {
    let Some(device) = gpu::device() else { return };
    let subject = GpuSubject::new(device, GpuOptions::default());
    let mut invariance = Invariance::new(&subject);
    for own in [
        "strategy = \"mmr\"\nmmr = { window = 4 }",
        "strategy = \"msd\"\n",
        "strategy = \"dpp\"\ndpp = { window = 4 }",
        "strategy = \"ssd\"\nssd = { window = 0, variant = \"product\" }",
        "strategy = \"ssd\"\nssd = { window = 3, eviction = \"paper\" }",
    ] {
        invariance.add_case(&subject, &case(own), 7).unwrap();
    }
    print!("{invariance}");
    assert!(invariance.holds() && invariance.variations.len() >= 12, "{invariance}");
}
