//! The work counted for a roofline is what the kernel and the CPU engine do.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use common::generate::{Cloud, Items, Recipe, Request, Storage};
use common::{gpu, pairs};
use spectrank::config::{Config, Scope, Strategy};
use spectrank::cpu::CpuEngine;
use spectrank::gpu::layout::Phase;
use spectrank::gpu::plan::{DeviceLimits, Plan};
use spectrank::gpu::roofline::{DoubleCosts, STAGES, StageWork, Work};
use spectrank::gpu::trace::Snapshot;
use spectrank::gpu::{GpuEngine, GpuOptions, OpenDevice};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::run::Run;
use spectrank::slate::RankedSlate;

const LIMITS: DeviceLimits = DeviceLimits {
    binding_bytes: 1 << 27,
    workgroup_bytes: 16 << 10,
    workgroup_invocations: 256,
    groups_per_dimension: 65_535,
    catalog_bytes: u64::MAX,
};

const TWO_SIGNALS: &str = "[[signal]]\nname = \"s0\"\n[[signal]]\nname = \"s1\"\nweight = 0.6";

const CONFIGS: [&str; 7] = [
    "slate_size = 20",
    "slate_size = 20\n[spectral]\nhorizon = \"slate\"\nstrength = 0.8",
    "slate_size = 25\n[window]\nbehind = 4\nahead = 9\nscope = \"window\"\n[balance]\nstrength = 0.2",
    "slate_size = 25\n[window]\nbehind = 18\nahead = 3\n[spectral]\nspectra = 3\nstrength = 2.0",
    "slate_size = 40\n[spectral]\nstrength = 1.0",
    "slate_size = 20\nstrategy = \"relevance\"",
    "slate_size = 20\nstrategy = \"relevance\"\n[window]\nscope = \"window\"\n[balance]\nstrength = 4.0",
];

/// The strategies to compare with, and how many signals they blend. Rows have 24 dimensions, 25 with a bias: where all that is
/// placed counts, the slates with 30 recent items have no rank left, and those of 40 positions lose it on their way.
const BASELINES: [(&str, usize); 13] = [
    ("slate_size = 20\nstrategy = \"mmr\"", 1),
    ("slate_size = 20\nstrategy = \"mmr\"\n[mmr]\nlambda = 0.4\nwindow = 6", 2),
    ("slate_size = 12\nstrategy = \"mmr\"\n[mmr]\nlambda = 0.95\n[balance]\nstrength = 0.2", 1),
    ("slate_size = 20\nstrategy = \"msd\"\n[msd]\nlambda = 0.98", 2),
    ("slate_size = 20\nstrategy = \"msd\"\n[msd]\nlambda = 0.5\nwindow = 5", 1),
    ("slate_size = 40\nstrategy = \"dpp\"", 1),
    ("slate_size = 20\nstrategy = \"dpp\"\n[dpp]\ntheta = 4.0\nwindow = 7", 2),
    ("slate_size = 20\nstrategy = \"dpp\"\n[relevance]\ntransform = \"zscore\"", 2),
    ("slate_size = 20\nstrategy = \"ssd\"", 1),
    ("slate_size = 20\nstrategy = \"ssd\"\n[ssd]\nwindow = 5\neviction = \"paper\"", 2),
    ("slate_size = 40\nstrategy = \"ssd\"\n[ssd]\ngamma = 0.1\nwindow = 0\nbias = false", 1),
    ("slate_size = 30\nstrategy = \"ssd\"\n[ssd]\nwindow = 0\nvariant = \"product\"", 1),
    ("slate_size = 20\nstrategy = \"ssd\"\n[ssd]\nwindow = 30\nvariant = \"product\"", 2),
];

/// As [`recipe`], of one or two signals.
fn baseline_recipe(config: &str, n_signals: usize) -> Recipe {
    let text = if n_signals == 2 { format!("{config}\n{TWO_SIGNALS}") } else { config.to_owned() };
    let mut recipe = recipe(&text, Storage::F16);
    recipe.items = Items::new(120, Cloud::Clusters(6, 0.6), vec![24, 9][..n_signals].to_vec(), Storage::F16);
    if !config.contains("product") {
        // So many that no candidate takes them all in in one step.
        recipe.requests.push(Request::new(20, 90, 0));
    }
    recipe
}

/// Only the rows know the volume of recent items, and nobody asks for it where one chunk holds everybody.
fn is_unknown(config: &str, slate: &PreparedSlate, lanes: usize) -> bool {
    config.contains("product") && slate.n_recent() > 0 && slate.n_candidates() > lanes
}

fn recipe(config: &str, storage: Storage) -> Recipe {
    Recipe {
        seed: 11,
        items: Items::new(120, Cloud::Clusters(6, 0.6), vec![24], storage),
        requests: vec![Request::new(75, 0, 0), Request::new(100, 30, 0), Request::new(3, 1, 0), Request::new(0, 0, 0)],
        config: Config::from_toml(config).unwrap(),
    }
}

/// Steps of the kernel, by phase.
fn traced(engine: &mut GpuEngine, slate: &PreparedSlate, mut look: impl FnMut(&Snapshot)) -> [u64; Phase::ALL.len()] {
    let (mut steps, mut phase) = ([0; Phase::ALL.len()], Phase::Eligibility);
    let step = |snapshot: Snapshot| {
        steps[phase as usize] += 1;
        phase = snapshot.phase;
        look(&snapshot);
        ControlFlow::Continue(())
    };
    engine.trace_with(slate, step).unwrap();
    steps
}

/// Has the GPU compose every slate of a recipe, and looks at what became of it.
fn each_composed(
    device: &Arc<OpenDevice>,
    recipe: &Recipe,
    lanes: Option<usize>,
    mut look: impl FnMut(&mut GpuEngine, &Config, &PreparedSlate, &RankedSlate),
) {
    let case = recipe.build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let options = GpuOptions { lanes, ..GpuOptions::default() };
    let mut engine = GpuEngine::new(device.clone(), &problem, options).unwrap();
    for slate in &case.slates {
        let slate = PreparedSlate::new(&problem, slate).unwrap();
        let ranked = engine.rerank(std::slice::from_ref(&slate)).unwrap().remove(0);
        look(&mut engine, &case.config, &slate, &ranked);
    }
}

#[test]
fn every_step_of_the_kernel_is_foreseen() {
    let Some(device) = gpu::device() else { return };
    // As the engine chooses, and as on a GPU.
    let as_on_a_gpu = [0, 1, 2, 6].map(|i| (CONFIGS[i], Some(64)));
    let cases = CONFIGS.map(|config| (config, None)).into_iter().chain(as_on_a_gpu);
    for (config, lanes) in cases {
        each_composed(&device, &recipe(config, Storage::F16), lanes, |engine, _, slate, ranked| {
            let counted = Work::of(engine.plan(), slate, ranked, true).unwrap();
            let steps = traced(engine, slate, |_| {});
            assert_eq!(counted.steps, steps, "{config}, {} candidates", slate.n_candidates());
        });
    }
}

#[test]
fn every_step_and_pair_of_the_baselines_is_foreseen() {
    let Some(device) = gpu::device() else { return };
    let as_on_a_gpu = [1, 3, 6, 9].map(|i| (BASELINES[i], Some(64)));
    let (mut n_unknown, mut n_of_phase) = (0, [0; Phase::ALL.len()]);
    for ((config, n_signals), lanes) in BASELINES.map(|baseline| (baseline, None)).into_iter().chain(as_on_a_gpu) {
        each_composed(&device, &baseline_recipe(config, n_signals), lanes, |engine, run_config, slate, ranked| {
            let counted = Work::of(engine.plan(), slate, ranked, true);
            let of_what = format!("{config}, {lanes:?} lanes, {} candidates", slate.n_candidates());
            assert_eq!(counted.is_none(), is_unknown(config, slate, engine.plan().workgroup), "{of_what}");
            let Some(counted) = counted else {
                n_unknown += 1;
                return;
            };
            let (mut refreshed, mut n_pairs) = (vec![0; slate.rows.len()], 0);
            let steps = traced(engine, slate, |snapshot| {
                n_pairs += pairs::of_step(run_config, slate, &refreshed, snapshot);
                refreshed.clone_from(&snapshot.refreshed);
            });
            assert_eq!(counted.steps, steps, "{of_what}");
            assert_eq!(counted.placed_similarity.n_pairs + counted.residual.n_pairs, n_pairs, "{of_what}");
            n_of_phase.iter_mut().zip(steps).for_each(|(sum, n)| *sum += n);
        });
    }
    assert!(n_unknown <= 4, "{n_unknown} slates were not counted");
    for phase in [Phase::TakeIn, Phase::Factor, Phase::CatchUp, Phase::Rank] {
        assert!(n_of_phase[phase as usize] > 0, "no case has a step {phase:?}");
    }
}

#[test]
fn without_pruning_baselines_do_what_the_cpu_engine_does() {
    for (config, n_signals) in BASELINES {
        let case = baseline_recipe(config, n_signals).build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let plan = Plan::new(&problem, &LIMITS, 64, usize::MAX).unwrap();
        for slate in &case.slates {
            let slate = PreparedSlate::new(&problem, slate).unwrap();
            let mut run = Run::<f32>::new(&problem, false);
            let ranked = run.rerank(&slate);
            let counted = [false, true].map(|prunes| Work::of(&plan, &slate, &ranked, prunes));
            let [Some(all), Some(pruned)] = counted else {
                assert!(is_unknown(config, &slate, 64), "{config}");
                continue;
            };
            let n_pairs = |work: &Work| work.placed_similarity.n_pairs + work.residual.n_pairs;
            // Over all that is placed the CPU engine sums rows for msd, and compares none; for dpp and ssd it compares items by blocks.
            let n_compared = match case.config.strategy {
                Strategy::Msd => pairs::of_all(&case.config, &slate),
                _ => pairs::of_span(&case.config, &slate).unwrap_or(run.n_compared()),
            };
            assert_eq!((all.n_scored, n_pairs(&all)), (run.n_scored(), n_compared), "{config}");
            assert!(pruned.n_scored <= all.n_scored && n_pairs(&pruned) <= n_pairs(&all), "{config}");
            let is_idle = slate.n_candidates() == 0;
            for (stage, work) in STAGES.iter().zip(pruned.stages(&plan, DoubleCosts::PAIRS)) {
                let is_there = match *stage {
                    "placed_similarity" => !is_idle && (config.contains("mmr") || config.contains("msd")),
                    "residual" => !is_idle && (config.contains("dpp") || config.contains("ssd")),
                    "penalty" => !is_idle && config.contains("balance"),
                    "select" => !is_idle,
                    "batch" => true,
                    _ => false,
                };
                assert_eq!(work.bytes > 0, is_there, "{stage}: {work:?}, {config}");
            }
        }
    }
}

#[test]
fn pairs_and_scores_are_those_of_the_cpu_engine() {
    for config in CONFIGS {
        let case = recipe(config, Storage::F32).build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let plan = Plan::new(&problem, &LIMITS, 64, usize::MAX).unwrap();
        let slates: Vec<_> = case.slates.iter().map(|slate| PreparedSlate::new(&problem, slate).unwrap()).collect();
        let ranked = CpuEngine::<f32>::new(&problem).rerank(&slates);
        let counted = |prunes| -> Work {
            slates.iter().zip(&ranked).map(|(slate, ranked)| Work::of(&plan, slate, ranked, prunes).unwrap()).sum()
        };
        let done = |prunes| {
            let mut run = Run::<f32>::new(&problem, prunes);
            slates.iter().for_each(|slate| drop(run.rerank(slate)));
            // In window scope the CPU engine compares ahead of time, and some in vain.
            let n_compared = match case.config.window.scope {
                Scope::Pool => run.n_compared(),
                Scope::Window => slates.iter().map(|slate| pairs::of_window(&problem, slate)).sum(),
            };
            (run.n_scored(), n_compared)
        };
        let (all, pruned) = (counted(false), counted(true));
        assert_eq!((all.n_scored, all.n_pairs + all.n_member_pairs), done(false), "{config}");
        // The kernel ends a scan after a chunk, the CPU engine after a candidate.
        let (n_scored, n_compared) = done(true);
        assert!(n_scored <= pruned.n_scored && n_compared <= pruned.n_pairs + pruned.n_member_pairs, "{config}");
        assert!(pruned.n_scored <= all.n_scored);
        // What is counted is bounded by what there is: each stage does something where the strategy has it.
        let is_spectral = !config.contains("relevance");
        for (stage, work) in STAGES.iter().zip(pruned.stages(&plan, DoubleCosts::PAIRS)) {
            let is_idle = match *stage {
                "window_similarity" | "eigensolve" | "exposure" => !is_spectral,
                "placed_similarity" | "residual" => true,
                "penalty" => !config.contains("balance"),
                _ => false,
            };
            assert_eq!(work == StageWork::default(), is_idle, "{stage}: {work:?}, {config}");
        }
    }
}

/// Work of a slate of 75 candidates whose scans all go to their end.
fn work_of_all(config: &str) -> Work {
    let mut recipe = baseline_recipe(config, 1);
    recipe.requests.truncate(1);
    let case = recipe.build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let plan = Plan::new(&problem, &LIMITS, 64, usize::MAX).unwrap();
    let slate = PreparedSlate::new(&problem, &case.slates[0]).unwrap();
    let ranked = Run::<f32>::new(&problem, false).rerank(&slate);
    assert_eq!(ranked.rank_exhausted_at, None);
    Work::of(&plan, &slate, &ranked, false).unwrap()
}

/// Twenty positions of 75 candidates: at position t, t are placed and 75 − t look at them.
fn over_positions(of_position: impl Fn(u64, u64) -> u64) -> u64 {
    (0..20).map(|t| of_position(t, 75 - t)).sum()
}

#[test]
fn running_values_and_sums_over_a_window_are_closed_forms() {
    let work = work_of_all("slate_size = 20\nstrategy = \"mmr\"").placed_similarity;
    // Mark, what was seen read and written; the value written, but read no sooner than it is there; read to be scored.
    let words = over_positions(|t, n| n * (3 + if t == 0 { 0 } else { 2 + u64::from(t > 1) }));
    assert_eq!((work.n_pairs, work.n_words), (over_positions(|t, n| if t == 0 { 0 } else { n }), words));
    assert_eq!(work.n_operations, over_positions(|_, n| 2 * n));
    let work = work_of_all("slate_size = 20\nstrategy = \"msd\"\n[msd]\nwindow = 5").placed_similarity;
    assert_eq!(work.n_words, over_positions(|t, n| n * (3 + t.min(1) + t.min(5))));
    assert_eq!(work.n_operations, over_positions(|t, n| n * (1 + t.min(1) + t.min(5))));
}

#[test]
fn projections_are_closed_forms() {
    // Everything placed counts: one more column at each position.
    let work = work_of_all("slate_size = 20\nstrategy = \"dpp\"").residual;
    assert_eq!(work.n_pairs, 75 + over_positions(|t, n| t.min(1) * n));
    assert_eq!(work.n_multiply_adds, over_positions(|t, n| if t == 0 { 0 } else { n * (t - 1 + 2) }));
    assert_eq!((work.n_pivots, work.n_norms, work.n_factors), (19, 0, 0));
    // At first: asked twice, but once of who is met; mark, two lengths. Then a column of doubles, of itself and of the placed
    // item, for each placed item; its scale, its own, the distance read and written. The winner is asked once more.
    let words = over_positions(|t, n| match t {
        0 => n * (1 + 2 + 4 + 1 + 1 + 2) + 2,
        _ => n * (1 + 2 + 1 + 2 + 4 * (t - 1) + 2 + 4 + 2) + 2 + 1 + 7,
    });
    assert_eq!(work.n_words, words);

    // A window of five, solved anew: its own rows, then every candidate's.
    let work = work_of_all("slate_size = 20\nstrategy = \"ssd\"\n[ssd]\nwindow = 5").residual;
    let solve = |n: u64| (0..n).map(|column| column + 2).sum::<u64>();
    let factor = |n: u64| (0..n).map(solve).sum::<u64>();
    assert_eq!(work.n_multiply_adds, over_positions(|t, n| factor(t.min(5)) + n * solve(t.min(5))));
    assert_eq!((work.n_pairs, work.n_norms), (75 + over_positions(|t, n| t.min(1) * n), over_positions(|_, n| n + 1)));
    assert_eq!(work.n_pivots, over_positions(|t, _| t.min(5)));

    // The published queue: the one that leaves gives back what it took.
    let queue = work_of_all("slate_size = 20\nstrategy = \"ssd\"\n[ssd]\nwindow = 5\neviction = \"paper\"").residual;
    let solve = |t: u64| (t - 1).min(5) + 2 + u64::from(t > 5);
    assert_eq!(queue.n_multiply_adds, over_positions(|t, n| if t == 0 { 0 } else { n * solve(t) }));
}

#[test]
fn who_has_a_residual_is_looked_for_chunk_by_chunk() {
    let Some(device) = gpu::device() else { return };
    // Scores outweigh a row that is there already.
    let mut copies = baseline_recipe("slate_size = 20\nstrategy = \"dpp\"\n[dpp]\ntheta = 50.0", 1);
    copies.items.n_distinct = 30;
    copies.requests = vec![Request::new(100, 0, 0)];
    let case = copies.build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let slate = PreparedSlate::new(&problem, &case.slates[0]).unwrap();
    for (lanes, is_counted) in [(64, false), (128, true)] {
        let options = GpuOptions { lanes: Some(lanes), ..GpuOptions::default() };
        let mut engine = GpuEngine::new(device.clone(), &problem, options).unwrap();
        let ranked = engine.rerank(std::slice::from_ref(&slate)).unwrap().remove(0);
        assert_eq!(ranked.rank_exhausted_at, None, "a rank is left");
        let counted = Work::of(engine.plan(), &slate, &ranked, true);
        assert_eq!(counted.is_some(), is_counted, "{lanes} lanes");
        let Some(counted) = counted else { continue };
        let steps = traced(&mut engine, &slate, |_| {});
        assert!(steps[Phase::Rank as usize] > 0, "nobody wins without a residual");
        assert_eq!(counted.steps, steps);
    }
}

#[test]
fn a_pair_is_two_rows_and_a_dot_product() {
    let case = recipe(CONFIGS[0], Storage::F32).build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let plan = Plan::new(&problem, &LIMITS, 64, usize::MAX).unwrap();
    let work = Work { n_pairs: 10, ..Work::default() };
    // 24 dimensions are padded to 32 values; two factors and the result are a word each.
    let similarity = work.stages(&plan, DoubleCosts::PAIRS)[0];
    assert_eq!((similarity.bytes, similarity.operations), (10 * (2 * 32 * 4 + 12), 10 * (2 * 32 + 18)));
    assert!((similarity.least_seconds(1e3, 1e9) - 2.68).abs() < 1e-9);
}

#[test]
fn what_slate_and_result_do_not_tell_is_not_counted() {
    let with_pins = |config: &str| Recipe { requests: vec![Request::new(40, 0, 2)], ..baseline_recipe(config, 1) };
    let cases = [
        with_pins("slate_size = 9"),
        with_pins("slate_size = 9\nstrategy = \"mmr\""),
        // Nobody's term tells what is left of them.
        baseline_recipe("slate_size = 9\nstrategy = \"ssd\"\n[ssd]\ngamma = 0.0", 1),
    ];
    for recipe in cases {
        let case = recipe.build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let slate = PreparedSlate::new(&problem, &case.slates[0]).unwrap();
        let plan = Plan::new(&problem, &LIMITS, 64, usize::MAX).unwrap();
        let ranked = CpuEngine::<f32>::new(&problem).rerank(std::slice::from_ref(&slate)).remove(0);
        assert_eq!(Work::of(&plan, &slate, &ranked, true), None);
    }
}
