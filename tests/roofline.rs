//! The work counted for a roofline is what the kernel and the CPU engine do.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::ops::ControlFlow;

use common::generate::{Cloud, Items, Recipe, Request, Storage};
use common::gpu;
use spectrank::config::{Config, Scope};
use spectrank::cpu::CpuEngine;
use spectrank::gpu::layout::Phase;
use spectrank::gpu::plan::{DeviceLimits, Plan};
use spectrank::gpu::roofline::{STAGES, Work};
use spectrank::gpu::{GpuEngine, GpuOptions};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::run::Run;

const LIMITS: DeviceLimits = DeviceLimits {
    binding_bytes: 1 << 27,
    workgroup_bytes: 16 << 10,
    workgroup_invocations: 256,
    groups_per_dimension: 65_535,
    catalog_bytes: u64::MAX,
};

const CONFIGS: [&str; 6] = [
    "slate_size = 20",
    "slate_size = 20\n[spectral]\nhorizon = \"slate\"\nstrength = 0.8",
    "slate_size = 25\n[window]\nbehind = 4\nahead = 9\nscope = \"window\"\n[balance]\nstrength = 0.2",
    "slate_size = 25\n[window]\nbehind = 18\nahead = 3\n[spectral]\nspectra = 3\nstrength = 2.0",
    "slate_size = 40\n[spectral]\nstrength = 1.0",
    "slate_size = 20\nstrategy = \"relevance\"",
];

fn recipe(config: &str, storage: Storage) -> Recipe {
    Recipe {
        seed: 11,
        items: Items::new(120, Cloud::Clusters(6, 0.6), vec![24], storage),
        requests: vec![Request::new(75, 0, 0), Request::new(100, 30, 0), Request::new(3, 1, 0), Request::new(0, 0, 0)],
        config: Config::from_toml(config).unwrap(),
    }
}

#[test]
fn every_step_of_the_kernel_is_foreseen() {
    let Some(device) = gpu::device() else { return };
    // As the engine chooses, and as on a GPU.
    let cases = CONFIGS
        .map(|config| (config, None))
        .into_iter()
        .chain(CONFIGS.map(|config| (config, Some(64))).into_iter().take(3));
    for (config, lanes) in cases {
        let case = recipe(config, Storage::F16).build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let options = GpuOptions { lanes, ..GpuOptions::default() };
        let mut engine = GpuEngine::new(device.clone(), &problem, options).unwrap();
        for slate in &case.slates {
            let slate = PreparedSlate::new(&problem, slate).unwrap();
            let ranked = engine.rerank(std::slice::from_ref(&slate)).unwrap().remove(0);
            let counted = Work::of(engine.plan(), &slate, &ranked, true).unwrap();
            let (mut steps, mut phase) = ([0; Phase::ALL.len()], Phase::Eligibility);
            let look = |snapshot: spectrank::gpu::trace::Snapshot| {
                steps[phase as usize] += 1;
                phase = snapshot.phase;
                ControlFlow::Continue(())
            };
            engine.trace_with(&slate, look).unwrap();
            assert_eq!(counted.steps, steps, "{config}, {} candidates", slate.n_candidates());
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
            (run.n_scored(), run.n_compared())
        };
        let (all, pruned) = (counted(false), counted(true));
        // In window scope the CPU engine takes what it needs of candidates from the solver, where the kernel compares them.
        let is_window = case.config.window.scope == Scope::Window;
        let n_pairs = all.n_member_pairs + if is_window { 0 } else { all.n_pairs };
        assert_eq!((all.n_scored, n_pairs), done(false), "{config}");
        // The kernel ends a scan after a chunk, the CPU engine after a candidate.
        let (n_scored, n_compared) = done(true);
        assert!(n_scored <= pruned.n_scored && n_compared <= pruned.n_pairs + pruned.n_member_pairs, "{config}");
        assert!(pruned.n_scored <= all.n_scored);
        // What is counted is bounded by what there is: each stage does something where the strategy has it.
        let is_spectral = !config.contains("relevance");
        for (stage, work) in STAGES.iter().zip(pruned.stages(&plan)) {
            let is_idle = match *stage {
                "window_similarity" | "exposure" => !is_spectral,
                "eigensolve" => !is_spectral || work.bytes == 0,
                "penalty" => !config.contains("balance"),
                _ => false,
            };
            assert_eq!(work.bytes == 0, is_idle, "{stage}: {work:?}, {config}");
        }
    }
}

#[test]
fn a_pair_is_two_rows_and_a_dot_product() {
    let case = recipe(CONFIGS[0], Storage::F32).build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let plan = Plan::new(&problem, &LIMITS, 64, usize::MAX).unwrap();
    let work = Work { n_pairs: 10, ..Work::default() };
    // 24 dimensions are padded to 32 values; two factors and the result are a word each.
    let similarity = work.stages(&plan)[0];
    assert_eq!((similarity.bytes, similarity.operations), (10 * (2 * 32 * 4 + 12), 10 * (2 * 32 + 18)));
    assert!((similarity.least_seconds(1e3, 1e9) - 2.68).abs() < 1e-9);
}

#[test]
fn what_ends_scans_for_other_reasons_is_not_counted() {
    let mut other = recipe("strategy = \"mmr\"", Storage::F16);
    for _ in 0..2 {
        let case = other.build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let slate = PreparedSlate::new(&problem, &case.slates[0]).unwrap();
        let plan = Plan::new(&problem, &LIMITS, 64, usize::MAX).unwrap();
        let ranked = CpuEngine::<f32>::new(&problem).rerank(std::slice::from_ref(&slate)).remove(0);
        assert_eq!(Work::of(&plan, &slate, &ranked, true), None);
        other = Recipe { requests: vec![Request::new(40, 0, 2)], ..recipe("slate_size = 9", Storage::F16) };
    }
}
