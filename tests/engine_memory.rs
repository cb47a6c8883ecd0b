//! What the CPU engine takes for a slate, counted by the allocator and held against the estimate that memory limits go by.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use spectrank::config::Config;
use spectrank::memory::{ranking_bytes, scratch_bytes, unpruned_bytes};
use spectrank::parity::recipe::{Cloud, Items, Recipe, Request, Storage};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::real::Real;
use spectrank::run::Run;

/// The system's allocator, counting bytes that are held and the most that ever were.
struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn take(n_bytes: usize) {
    MOST.fetch_max(HELD.fetch_add(n_bytes, Relaxed) + n_bytes, Relaxed);
}

// SAFETY: everything is the system allocator's; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promises are those that are asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, n_bytes: usize) -> *mut u8 {
        // glibc extends or moves a block without holding both, but for larger alignments than its own.
        if layout.align() > align_of::<u128>() {
            take(n_bytes);
            HELD.fetch_sub(layout.size(), Relaxed);
        } else {
            HELD.fetch_sub(layout.size(), Relaxed);
            take(n_bytes);
        }
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, n_bytes) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Bytes are counted for all threads together: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

/// The most bytes that were held meanwhile, beyond those before.
fn most_bytes(work: impl FnOnce()) -> u64 {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    work();
    (MOST.load(Relaxed) - before) as u64
}

/// Ranks slates one by one, each larger than the one before, with buffers of its own and with one set for all.
fn check<R: Real>(text: &str, problem: &Problem, slates: &[PreparedSlate]) {
    let config = problem.config;
    for prunes in [true, false] {
        let bound = |slate: &PreparedSlate| {
            let (n, value_bytes) = (slate.n_candidates(), size_of::<R>());
            let more = if prunes { 0 } else { unpruned_bytes(problem, n, value_bytes) };
            scratch_bytes(problem, n, slate.n_recent(), value_bytes) + more + ranking_bytes(n, config.slate_size)
        };
        for slate in slates {
            let taken = most_bytes(|| drop(Run::<R>::new(problem, prunes).rerank(slate)));
            let (n, bound) = (slate.rows.len(), bound(slate));
            assert!(taken <= bound, "{text}: {n} items take {taken}, the estimate is {bound}");
            // Nor does it refuse what fits many times over. Not every row is read where fewer are looked at.
            let reads_all = !prunes && slate.n_recent() < 10;
            let is_lavish = bound > 4 * taken + (1 << 17);
            assert!(!reads_all || !is_lavish, "{text}: {n} items take only {taken}, the estimate is {bound}");
        }
        let taken = most_bytes(|| {
            let mut run = Run::<R>::new(problem, prunes);
            slates.iter().for_each(|slate| drop(run.rerank(slate)));
        });
        let bound = slates.iter().map(bound).max().unwrap();
        assert!(taken <= bound, "{text}: one after the other they take {taken}, the estimate is {bound}");
    }
}

#[test]
fn the_estimate_is_what_the_cpu_engine_takes_or_more() {
    let _one = ONE.lock();
    // Few numbers in the first signal: rows are kept in pieces of 32.
    let dims = vec![3, 70];
    let sizes = [(1, 0), (3, 1), (40, 5), (41, 9), (200, 9), (201, 530)];
    let both = "[[signal]]\nname = \"s0\"\n[[signal]]\nname = \"s1\"\n";
    // Similarities beyond 1 are clipped.
    let long = format!("{both}metric = \"dot\"\n");
    for text in [
        "strategy = \"relevance\"",
        "strategy = \"relevance\"\n[balance]\nstrength = 0.3",
        "strategy = \"spectral\"",
        "strategy = \"spectral\"\n[window]\nbehind = 20\nahead = 30\nscope = \"window\"",
        "strategy = \"spectral\"\n[window]\nbehind = 100\nahead = 28\n[spectral]\nspectra = 16\niterations = 1",
        "strategy = \"mmr\"",
        "strategy = \"mmr\"\n[mmr]\nwindow = 9",
        "strategy = \"msd\"",
        "strategy = \"msd\"\n[msd]\nwindow = 9",
        &format!("strategy = \"msd\"\n{long}"),
        &format!("strategy = \"msd\"\n[msd]\nwindow = 9\n{long}"),
        "strategy = \"dpp\"",
        "strategy = \"dpp\"\n[dpp]\nwindow = 9",
        "strategy = \"ssd\"\n[ssd]\nwindow = 9",
        "strategy = \"ssd\"\n[ssd]\nwindow = 30\neviction = \"paper\"",
    ] {
        let signals = if text.contains("[[signal]]") { "" } else { both };
        let recipe = Recipe {
            seed: 5,
            items: Items::new(900, Cloud::Gaussian, dims.clone(), Storage::F32),
            requests: sizes.iter().map(|&(n_candidates, n_recent)| Request::new(n_candidates, n_recent, 0)).collect(),
            config: Config::from_toml(&format!("slate_size = 30\n{text}\n{signals}")).unwrap(),
        };
        let case = recipe.build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let slates: Vec<_> = case.slates.iter().map(|slate| PreparedSlate::new(&problem, slate).unwrap()).collect();
        assert_eq!(slates.iter().map(PreparedSlate::n_recent).max(), Some(512), "longer lists are cut");
        check::<f32>(text, &problem, &slates);
        check::<f64>(text, &problem, &slates);
    }
}

/// A window that some slates never fill, so that nothing leaves it, and others do: buffers of both kinds, one after the other.
#[test]
fn windows_that_are_full_in_some_slates_take_no_more() {
    let _one = ONE.lock();
    for strategy in ["dpp", "ssd"] {
        let text = format!("slate_size = 20\nstrategy = \"{strategy}\"\n[{strategy}]\nwindow = 30");
        let recipe = Recipe {
            seed: 5,
            items: Items::new(10_100, Cloud::Gaussian, vec![32], Storage::F32),
            requests: [(10_000, 0), (10_000, 11), (10_000, 0)]
                .map(|(n, n_recent)| Request::new(n, n_recent, 0))
                .to_vec(),
            config: Config::from_toml(&text).unwrap(),
        };
        let case = recipe.build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let slates: Vec<_> = case.slates.iter().map(|slate| PreparedSlate::new(&problem, slate).unwrap()).collect();
        check::<f32>(&text, &problem, &slates);
    }
}
