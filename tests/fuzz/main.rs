//! The fuzz targets without libFuzzer: seeds, finds of the past, and changed inputs from a counter, so that every run is the
//! same. `SPECTRANK_FUZZ_RUNS` says how many changed inputs per target. What is found lies in the folder for temporary files
//! of cargo, and belongs into `fuzz/regressions` once it is fixed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so and stop")]

#[path = "../../fuzz/src/memory.rs"]
mod memory;
mod mutate;
#[path = "../../fuzz/src/seeds/mod.rs"]
mod seeds;
#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use mutate::Mutator;
use targets::{TARGETS, Target};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Changed inputs per target, unless the environment says otherwise.
const N_RUNS: u64 = 1000;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Runs an input; one that breaks something is kept.
fn check(target: &Target, data: &[u8], from: &str) {
    if let Err(cause) = catch_unwind(AssertUnwindSafe(|| target.check(data))) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
        std::fs::write(&path, data).unwrap();
        eprintln!("{}: {from} broke it; the input is {}", target.name, path.display());
        resume_unwind(cause);
    }
}

/// The files in a folder, by name; none where there is no folder.
fn inputs(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.collect();
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn what_was_found_once_stays_fixed() {
    spectrank::panics::silence_caught();
    let mut n_inputs = 0;
    for target in &TARGETS {
        for (name, data) in inputs(&root().join("regressions").join(target.name)) {
            check(target, &data, &name);
            n_inputs += 1;
        }
    }
    assert!(n_inputs > 0, "no finds in {}", root().display());
}

#[test]
fn changed_seeds_break_nothing() {
    spectrank::panics::silence_caught();
    let n_runs = std::env::var("SPECTRANK_FUZZ_RUNS").map_or(N_RUNS, |n| n.parse().unwrap());
    let seeds = seeds::all();
    for target in &TARGETS {
        let inputs: Vec<&[u8]> = seeds.iter().filter(|s| s.target == target.name).map(|s| s.data.as_slice()).collect();
        let dictionary = std::fs::read_to_string(root().join(format!("dictionaries/{}.dict", target.name))).unwrap();
        let mut mutator = Mutator::new(&dictionary);
        for input in &inputs {
            check(target, input, "a seed");
        }
        for run in 0..n_runs {
            check(target, &mutator.changed(&inputs), &format!("run {run}"));
        }
    }
}

/// Every place to cut in a short seed, else a prime step that meets all residues.
#[test]
fn seeds_cut_anywhere_break_nothing() {
    spectrank::panics::silence_caught();
    for seed in seeds::all() {
        let target = TARGETS.iter().find(|target| target.name == seed.target).unwrap();
        for cut in (0..seed.data.len()).step_by(if seed.data.len() < 700 { 1 } else { 13 }) {
            check(target, &seed.data[..cut], &format!("{} cut at {cut}", seed.name));
        }
    }
}

#[test]
fn every_seed_is_small_and_has_a_target() {
    let seeds = seeds::all();
    for seed in &seeds {
        assert!(TARGETS.iter().any(|target| target.name == seed.target), "{}", seed.target);
        assert!(seed.data.len() < 8192, "{} {} has {} bytes", seed.target, seed.name, seed.data.len());
    }
    for target in &TARGETS {
        assert!(seeds.iter().any(|seed| seed.target == target.name), "{}", target.name);
    }
}

/// A harness that notices nothing would pass everything.
#[test]
fn memory_is_counted() {
    memory::reset_peak();
    drop(Vec::<u8>::with_capacity(300 << 20));
    assert!(memory::peak_bytes() >= 300 << 20);
    memory::reset_peak();
    assert!(memory::peak_bytes() < 1 << 20);
}
