//! The GPU engine against the f64 reference, on whatever adapter there is, by the parity rule.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::generate::{Cloud, Items, Limits, Recipe, Request, Storage};
use common::parity::{self as category, assert_parity};
use common::{golden, gpu};
use spectrank::catalog::{Catalog, Embedding, EmbeddingData};
use spectrank::config::{Config, Scope};
use spectrank::gpu::{GpuEngine, GpuOptions};
use spectrank::parity::random::Random;
use spectrank::parity::{self, GpuSubject, Invariance};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};

fn gpu_engine(problem: &Problem, slates: &[PreparedSlate]) -> Vec<RankedSlate> {
    gpu::rerank(problem, slates, GpuOptions::default())
}

/// As on a GPU: several subgroups to a workgroup, whatever the adapter.
fn wide_engine(problem: &Problem, slates: &[PreparedSlate]) -> Vec<RankedSlate> {
    gpu::rerank(problem, slates, GpuOptions { lanes: Some(64), ..GpuOptions::default() })
}

fn prepare(problem: &Problem, slates: &[Slate]) -> Vec<PreparedSlate> {
    slates.iter().map(|slate| PreparedSlate::new(problem, slate).unwrap()).collect()
}

/// Runs a recipe under some options and judges every slate.
fn judged(recipe: &Recipe, options: GpuOptions) -> Vec<RankedSlate> {
    let case = recipe.build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let prepared = prepare(&problem, &case.slates);
    let ranked = gpu::rerank(&problem, &prepared, options);
    for (slate, ranked) in prepared.iter().zip(&ranked) {
        assert_eq!(parity::replay(&problem, slate, ranked).verdict(), Ok(()), "{recipe:?}");
    }
    ranked
}

#[test]
fn golden_cases_hold() {
    if gpu::device().is_none() {
        return;
    }
    for case in golden::all() {
        let (config, catalog) = (case.config(), case.catalog());
        let problem = Problem::new(&config, &catalog).unwrap();
        let prepared = prepare(&problem, &case.slates());
        let ranked = gpu_engine(&problem, &prepared);
        let on_host = GpuOptions { max_catalog_bytes: 0, ..GpuOptions::default() };
        assert_eq!(gpu::rerank(&problem, &prepared, on_host), ranked, "{}", case.name);
        for ((slate, ranked), expected) in prepared.iter().zip(&ranked).zip(&case.expected) {
            assert_eq!(parity::replay(&problem, slate, ranked).verdict(), Ok(()), "{}", case.name);
            let picks: Vec<u32> = ranked.placements.iter().map(|p| p.candidate).collect();
            assert_eq!(picks, expected.picks, "{}", case.name);
        }
    }
}

#[test]
fn random_cases_hold() {
    if gpu::device().is_some() {
        assert_parity(&category::RANDOM_CASES, 16, &wide_engine);
    }
}

#[test]
fn near_copies_hold() {
    if gpu::device().is_some() {
        assert_parity(&category::NEAR_COPIES_AT_THE_DEFAULTS, 12, &wide_engine);
    }
}

#[test]
fn wide_windows_hold() {
    if gpu::device().is_some() {
        assert_parity(&category::WIDE_WINDOWS, 1, &wide_engine);
    }
}

#[test]
fn unit_loadings_and_long_horizons_hold() {
    if gpu::device().is_some() {
        assert_parity(&category::UNIT_LOADINGS_AND_LONG_HORIZONS_OF_SPREAD_ITEMS, 6, &gpu_engine);
    }
}

fn recipe(cloud: Cloud, dims: Vec<usize>, n: usize, config: &str) -> Recipe {
    let request = |n_candidates, n_recent| Request::new(n_candidates, n_recent, 0);
    Recipe {
        seed: 11,
        items: Items::new(n + 7, cloud, dims, Storage::F16),
        requests: vec![request(n, 0), request(1, 3), request(0, 0), request(n.min(5), 13), request(n, 1)],
        config: Config::from_toml(config).unwrap(),
    }
}

/// Sizes that are multiples of nothing, N < T, one candidate, empty slates, copies, zero rows, rank below K.
#[test]
fn corners_hold() {
    if gpu::device().is_none() {
        return;
    }
    let clouds = [Cloud::Identical, Cloud::SomeZero, Cloud::LowRank(2), Cloud::Clusters(3, 0.3)];
    for (i, cloud) in clouds.into_iter().enumerate() {
        let dims = [vec![1], vec![17], vec![33, 5], vec![257]][i].clone();
        judged(&recipe(cloud, dims, 67, "slate_size = 13\n[spectral]\nspectra = 5"), GpuOptions::default());
    }
}

#[test]
fn relevance_order_holds() {
    if gpu::device().is_some() {
        judged(
            &recipe(Cloud::Gaussian, vec![8], 100, "strategy = \"relevance\"\nslate_size = 30"),
            GpuOptions::default(),
        );
    }
}

#[test]
fn the_largest_window_and_most_spectra_hold() {
    if gpu::device().is_none() {
        return;
    }
    let config = "slate_size = 9\n[window]\nbehind = 61\nahead = 67\n[spectral]\nspectra = 16\n";
    for scope in [Scope::Pool, Scope::Window] {
        // All limits but the number of candidates at once: the longest steps a kernel can be asked for.
        let mut recipe = recipe(Cloud::Clusters(9, 0.5), vec![4000, 96], 150, config);
        recipe.config.window.scope = scope;
        recipe.requests.truncate(1);
        recipe.requests[0].n_recent = 70;
        judged(&recipe, GpuOptions::default());
    }
}

#[test]
fn many_candidates_and_positions_hold() {
    if gpu::device().is_none() {
        return;
    }
    let mut many = recipe(Cloud::Clusters(50, 0.5), vec![8], 10_000, "slate_size = 20");
    many.requests.truncate(1);
    judged(&many, GpuOptions::default());
    let mut long = recipe(Cloud::Clusters(50, 0.5), vec![8], 520, "slate_size = 500\n[balance]\nstrength = 0.2");
    long.requests.truncate(1);
    judged(&long, GpuOptions::default());
}

#[test]
fn wide_rows_hold() {
    if gpu::device().is_some() {
        let mut wide = recipe(Cloud::Clusters(5, 0.5), vec![4000, 96], 40, "slate_size = 12");
        wide.requests.truncate(1);
        judged(&wide, GpuOptions::default());
    }
}

/// However slates are batched, spread over lanes, split over dispatches or repeated, every bit is the same.
#[test]
fn batching_order_and_splitting_change_nothing() {
    let Some(device) = gpu::device() else { return };
    let subject = GpuSubject::new(device, GpuOptions::default());
    let limits = Limits { candidates: 60, slate_size: 12, window: 8, spectra: 5, long_one_in: 0 };
    let invariance = Invariance::of_generated(&subject, 3, 40, &limits).unwrap();
    print!("{invariance}");
    assert!(invariance.holds() && invariance.variations.len() >= 12, "{invariance}");
}

/// Rows of lengths from 0.01 to 100 about a few centres: columns of the eigensolver that are not alike one by one can
/// be nearly so together, which single precision does not take apart.
#[test]
fn rows_of_many_lengths_hold() {
    if gpu::device().is_none() {
        return;
    }
    let config = Config::from_toml(
        "slate_size = 20\n[window]\nbehind = 51\n[spectral]\nspectra = 16\niterations = 1\n[[signal]]\nname = \"x\"\nmetric = \"dot\"",
    )
    .unwrap();
    // All of them, and three others of the first 400, were off by more than the bound before the factor was asked how much it magnifies.
    for seed in [94, 169, 277, 312] {
        let mut random = Random(seed);
        let (dim, n_items, n_centres) = (32, 81, 1 + (seed % 11) as usize);
        let spread = 10_f64.powf(random.between(-3.0, 0.5));
        let centres: Vec<Vec<f64>> = (0..n_centres)
            .map(|_| {
                let length = 10_f64.powf(random.between(-1.5, 0.5));
                random.normals(dim).iter().map(|x| x * length).collect()
            })
            .collect();
        let widths: Vec<f64> = (0..dim).map(|_| spread * 10_f64.powf(random.between(-1.0, 0.0))).collect();
        let rows = (0..n_items).flat_map(|item| {
            let length = 10_f64.powf(random.between(-2.0, 2.0));
            let noise = random.normals(dim);
            let centre = &centres[item % n_centres];
            (0..dim).map(|i| (length * (centre[i] + widths[i] * noise[i])) as f32).collect::<Vec<_>>()
        });
        let mut catalog = Catalog::new();
        let data = EmbeddingData::F32(rows.collect::<Vec<_>>().into());
        catalog.add_signal(Embedding::new("x", dim, data)).unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        let slate = Slate {
            id: format!("{seed}"),
            candidates: (51..81).collect(),
            scores: (0..30).map(|i| f64::from(30 - i) * 0.1).collect(),
            recent: (0..51).collect(),
            ..Slate::default()
        };
        let prepared = prepare(&problem, &[slate]);
        let ranked = gpu_engine(&problem, &prepared);
        assert_eq!(parity::replay(&problem, &prepared[0], &ranked[0]).verdict(), Ok(()), "seed {seed}");
    }
}

/// A GPU works on windows as wide as this one with more lanes than on others (`src/gpu/lanes.rs`), no software adapter does.
#[test]
fn lanes_change_no_bit() {
    if gpu::device().is_none() {
        return;
    }
    let config = "slate_size = 7\n[window]\nbehind = 9\nahead = 40\nscope = \"window\"\n[spectral]\nspectra = 8";
    let recipe = recipe(Cloud::Clusters(9, 0.5), vec![70, 33], 80, config);
    let of = |lanes| judged(&recipe, GpuOptions { lanes: Some(lanes), ..GpuOptions::default() });
    let few = of(8);
    for lanes in [64, 256] {
        assert_eq!(of(lanes), few, "{lanes}");
    }
}

#[test]
fn the_whole_space_holds() {
    if gpu::device().is_some() {
        assert_parity(&category::WHOLE_SPACE, 60, &gpu_engine);
    }
}

/// A poll runs the callbacks of every thread's work, so that a result may be on its way in another thread's hands.
#[test]
fn threads_share_a_device() {
    let Some(device) = gpu::device() else { return };
    let case = recipe(Cloud::Gaussian, vec![8], 20, "slate_size = 4").build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let prepared = prepare(&problem, &case.slates);
    let options = GpuOptions { budget: 1, max_dispatch: None, ..GpuOptions::default() };
    let whole = gpu::rerank(&problem, &prepared, options.clone());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut engine = GpuEngine::new(device.clone(), &problem, options.clone()).unwrap();
                for _ in 0..5 {
                    assert_eq!(engine.rerank(&prepared).unwrap(), whole);
                }
            });
        }
    });
}
