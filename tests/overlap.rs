//! Two batches share the device, and batches use the buffers of those before: no bit of any result depends on that.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::generate::{Random, Storage, embedding};
use common::gpu;
use spectrank::catalog::Catalog;
use spectrank::config::{Config, Scope, SsdEviction, Strategy};
use spectrank::gpu::planted::{DeviceFaults, Planted, PlantedFault};
use spectrank::gpu::{GpuEngine, GpuError, GpuOptions};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};

/// Items of the catalog.
const N_ITEMS: usize = 80;
/// Buffers of an engine, which are allocated before those of a batch.
const ENGINE_BUFFERS: usize = 7;
/// Buffers of a batch.
const BATCH_BUFFERS: usize = 4;

fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    let rows = Random(8).normals(N_ITEMS * 8);
    catalog.add_signal(embedding("x", 8, &rows, Storage::F16)).unwrap();
    catalog
}

/// Long and short slates by turns, so that one batch is done long before or after its neighbour, with history and without.
fn slates(problem: &Problem) -> Vec<PreparedSlate> {
    let mut random = Random(9);
    let slate = |i: usize| {
        let n = [60, 3, 0, 45, 1, 7, 70][i % 7];
        let items = random.distinct(n + 4, N_ITEMS);
        let (candidates, rest) = items.split_at(n);
        let recent = if i.is_multiple_of(3) { rest.to_vec() } else { Vec::new() };
        let scores = (0..n).map(|_| random.unit()).collect();
        Slate { id: i.to_string(), candidates: candidates.to_vec(), scores, recent, ..Slate::default() }
    };
    (0..21).map(slate).map(|slate| PreparedSlate::new(problem, &slate).unwrap()).collect()
}

/// One slate per batch and a few steps per dispatch: every batch takes several.
fn options() -> GpuOptions {
    GpuOptions { max_slates: 1, budget: 8_000, max_dispatch: None, known_answer: false, ..GpuOptions::default() }
}

/// Every strategy, with windows that evict.
fn configs() -> Vec<Config> {
    let of = |strategy| Config { strategy, slate_size: 30, ..Config::default() };
    let mut window = of(Strategy::Spectral);
    (window.window.scope, window.window.behind, window.window.ahead) = (Scope::Window, 5, 9);
    let mut mmr = of(Strategy::Mmr);
    mmr.mmr.window = 6;
    let mut dpp = of(Strategy::Dpp);
    dpp.dpp.window = 6;
    let mut ssd = of(Strategy::Ssd);
    (ssd.ssd.window, ssd.ssd.eviction) = (6, SsdEviction::Paper);
    let mut balanced = of(Strategy::Spectral);
    balanced.balance.strength = 0.1;
    vec![balanced, window, mmr, of(Strategy::Msd), dpp, ssd, of(Strategy::Relevance)]
}

#[test]
fn neither_neighbours_nor_used_buffers_change_a_bit() {
    let Some(device) = gpu::device() else { return };
    let catalog = catalog();
    for config in configs() {
        let problem = Problem::new(&config, &catalog).unwrap();
        let slates = slates(&problem);
        let engine = |options| GpuEngine::new(device.clone(), &problem, options).unwrap();
        // Each in buffers that nobody was in before, alone on the device.
        let alone = |slate| engine(GpuOptions { max_in_flight: 1, ..options() }).rerank(std::slice::from_ref(slate));
        let expected: Vec<RankedSlate> = slates.iter().flat_map(|slate| alone(slate).unwrap()).collect();
        let backwards: Vec<PreparedSlate> = slates.iter().rev().cloned().collect();
        for (max_in_flight, max_slates, max_catalog_bytes) in
            [(1, 1, u64::MAX), (2, 1, u64::MAX), (3, 2, u64::MAX), (2, 4, u64::MAX), (2, 2, 0)]
        {
            let options = GpuOptions { max_in_flight, max_slates, max_catalog_bytes, ..options() };
            let mut engine = engine(options);
            let mut ranked = engine.rerank(&backwards).unwrap();
            ranked.reverse();
            let what = format!("{:?}, {max_in_flight} × {max_slates}, {max_catalog_bytes}", config.strategy);
            assert!(ranked == expected, "{what}");
            assert!(engine.rerank(&slates).unwrap() == expected, "{what}, again");
            // Nearly all: the first dispatch of a call finds the device idle, and the last ones have no neighbour.
            let (n, n_overlapped) = (engine.n_dispatches(), engine.n_overlapped());
            assert!(
                if max_in_flight == 1 { n_overlapped == 0 } else { n_overlapped > n / 2 },
                "{what}: {n_overlapped} of {n}"
            );
        }
    }
}

/// Runs the default configuration where allocations fail; the result, and the slates done. They are the right ones.
fn short_of_memory(when: std::ops::RangeInclusive<usize>, max_slates: usize) -> Option<(Result<(), GpuError>, usize)> {
    let device = gpu::device()?;
    let catalog = catalog();
    let config = Config { slate_size: 30, ..Config::default() };
    let problem = Problem::new(&config, &catalog).unwrap();
    let slates = slates(&problem);
    let expected = GpuEngine::new(device.clone(), &problem, options()).unwrap().rerank(&slates).unwrap();
    let faults = DeviceFaults::new([(PlantedFault::OutOfMemory, when)]);
    let planted = Planted { device: faults.clone(), ..Planted::default() };
    let mut engine = GpuEngine::new(device, &problem, GpuOptions { max_slates, planted, ..options() }).unwrap();
    let mut ranked = Vec::new();
    let result = engine.rerank_into(&slates, &mut ranked);
    assert!(faults.n_struck() > 0, "nothing struck");
    assert!(ranked[..] == expected[..ranked.len()]);
    Some((result, ranked.len()))
}

#[test]
fn where_memory_holds_no_two_batches_they_go_one_by_one() {
    // Once beside the first batch; in the buffers of one that is done; and again and again for a while.
    let second = ENGINE_BUFFERS + BATCH_BUFFERS + 1;
    let later = second + 3 * BATCH_BUFFERS;
    for (when, max_slates) in
        [(second..=second, 1), (second + 3..=second + 3, 4), (later..=later, 1), (later..=later + 1, 4)]
    {
        let Some((result, n)) = short_of_memory(when, max_slates) else { return };
        assert_eq!((result, n), (Ok(()), 21));
    }
}

#[test]
fn what_was_on_its_way_is_done_before_memory_is_given_up() {
    let second = ENGINE_BUFFERS + BATCH_BUFFERS + 1;
    let Some((result, n)) = short_of_memory(second..=usize::MAX, 3) else { return };
    assert!(matches!(result, Err(GpuError::OutOfMemory { .. })), "{result:?}");
    assert_eq!(n, 3);
}
