//! What must not change a bit: pruning, batching, order of slates, and buffers used before.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::generate::{self, Limits, Random};
use spectrank::cpu::CpuEngine;
use spectrank::parity::invariance::{Bits, bits};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::real::Real;
use spectrank::run::Run;
use spectrank::slate::RankedSlate;

const LIMITS: Limits = Limits { candidates: 50, slate_size: 15, window: 10, spectra: 8, long_one_in: 0 };

fn all_bits(slates: &[RankedSlate]) -> Vec<Bits> {
    slates.iter().map(bits).collect()
}

fn with_prepared(cases: u64, name: &str, check: impl Fn(&Problem, &[PreparedSlate], u64)) {
    generate::for_many(name, cases, LIMITS, |recipe| {
        let case = recipe.build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let prepared: Vec<_> = case.slates.iter().map(|s| PreparedSlate::new(&problem, s).unwrap()).collect();
        check(&problem, &prepared, recipe.seed);
    });
}

fn assert_pruning_changes_nothing<R: Real>(problem: &Problem, slates: &[PreparedSlate]) -> (u64, u64) {
    let (mut pruned, mut full) = (Run::<R>::new(problem, true), Run::<R>::new(problem, false));
    for slate in slates {
        assert_eq!(bits(&pruned.rerank(slate)), bits(&full.rerank(slate)));
    }
    (pruned.n_scored(), full.n_scored())
}

#[test]
fn pruning_changes_nothing() {
    let scored = std::cell::Cell::new((0, 0));
    with_prepared(150, "pruning", |problem, slates, _| {
        for (pruned, full) in [
            assert_pruning_changes_nothing::<f32>(problem, slates),
            assert_pruning_changes_nothing::<f64>(problem, slates),
        ] {
            scored.set((scored.get().0 + pruned, scored.get().1 + full));
        }
    });
    let (pruned, full) = scored.get();
    println!("scored {pruned} of {full}");
    assert!(pruned < full, "pruning never stopped a scan");
}

fn assert_batching_changes_nothing<R: Real>(problem: &Problem, slates: &[PreparedSlate], seed: u64) {
    let engine = CpuEngine::<R>::new(problem);
    let whole = all_bits(&engine.rerank(slates));
    assert_eq!(all_bits(&engine.rerank(slates)), whole, "repeated");
    for size in 1..slates.len() {
        let parts: Vec<RankedSlate> = slates.chunks(size).flat_map(|part| engine.rerank(part)).collect();
        assert_eq!(all_bits(&parts), whole, "in batches of {size}");
    }
    let order = Random(seed).distinct(slates.len(), slates.len());
    let shuffled: Vec<PreparedSlate> = order.iter().map(|&i| slates[i as usize].clone()).collect();
    for (&i, slate) in order.iter().zip(&engine.rerank(&shuffled)) {
        assert_eq!(bits(slate), whole[i as usize], "shuffled");
    }
}

#[test]
fn batches_and_order_change_nothing() {
    with_prepared(80, "batching", |problem, slates, seed| {
        assert_batching_changes_nothing::<f32>(problem, slates, seed);
        assert_batching_changes_nothing::<f64>(problem, slates, seed);
    });
}

fn assert_buffers_keep_nothing<R: Real>(problem: &Problem, slates: &[PreparedSlate]) {
    let fresh: Vec<_> = slates.iter().map(|slate| bits(&Run::<R>::new(problem, true).rerank(slate))).collect();
    let mut used = Run::<R>::new(problem, true);
    // Large after small and small after large, an empty slate between, and a slate left in the middle.
    let empty = PreparedSlate::default();
    for i in (0..slates.len()).chain((0..slates.len()).rev()) {
        assert_eq!(bits(&used.rerank(&slates[i])), fresh[i], "slate {i} after others");
        assert!(used.rerank(&empty).placements.is_empty());
        let left = &slates[(i + 1) % slates.len()];
        used.begin(left);
        used.begin_position();
        if let Some(winner) = used.best() {
            used.place(winner.rank);
            used.begin_position();
        }
    }
}

#[test]
fn buffers_keep_nothing_from_other_slates() {
    with_prepared(80, "reuse", |problem, slates, _| {
        assert_buffers_keep_nothing::<f32>(problem, slates);
        assert_buffers_keep_nothing::<f64>(problem, slates);
    });
}
