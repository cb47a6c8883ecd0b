//! SIGKILL at random instants: what is committed stays, and the end is, to the last bit, that of an undisturbed run.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Instant;

use crate::files::Folder;
use crate::many_slates::*;
use crate::program::*;

/// Kills in all, on two threads.
const N_KILLS: usize = 300;
const N_SLATES: usize = 60;
const N_PARTS: usize = 20;

/// Numbers in 0..1 from a counter.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24)
    }
}

/// What a kill left behind: committed parts, parts with a name, drafts, and whether there is a manifest and a mark.
type State = (usize, usize, usize, bool, bool);

fn state(content: &BTreeMap<String, Vec<u8>>) -> State {
    let count = |start: &str| content.keys().filter(|name| name.starts_with(start)).count();
    let has = |name: &str| content.contains_key(name);
    (n_committed(content), count("part-"), count(".spectrank-"), has("_manifest.jsonl"), has("_SUCCESS"))
}

/// Begins and kills one run after the other until so many were killed, and gives the states they were killed in.
fn killed(n_kills: usize, seed: u64, whole: &BTreeMap<String, Vec<u8>>) -> Vec<State> {
    let folder = Folder::new();
    let output = folder.path("out/");
    let command = in_parts(&folder, N_SLATES, N_SLATES / N_PARTS, &output);
    let mut random = Random(seed);
    let timed = || {
        let started = Instant::now();
        command.run().ok();
        started.elapsed()
    };
    let (all, start) = (timed(), timed());
    let part = all.saturating_sub(start) / N_PARTS as u32;
    let mut states = Vec::new();
    while states.len() < n_kills {
        std::fs::remove_dir_all(&output).unwrap();
        // The first of a folder's runs is killed as it starts, most often before there is a manifest.
        let (mut n_before, mut time) = (0, start);
        loop {
            let mut child = program().args(&command.0).stderr(Stdio::piped()).spawn().unwrap();
            sleep(time.mul_f64(random.next()));
            child.kill().unwrap();
            let ended = child.wait_with_output().unwrap();
            let found = content(&output);
            if let Some(code) = ended.status.code() {
                assert_eq!(code, 0, "{}", String::from_utf8_lossy(&ended.stderr));
                break;
            }
            let state = state(&found);
            assert!(state.0 >= n_before, "nothing that was committed is lost: {n_before}, then {state:?}");
            for name in whole.keys().filter(|name| name.starts_with("part-")).take(state.0) {
                assert_eq!(found.get(name), whole.get(name), "{name} is committed and whole: {state:?}");
            }
            n_before = state.0;
            states.push(state);
            // Somewhere in what the next run has to do, and a little beyond.
            time = start + part * (N_PARTS - n_before + 1) as u32;
        }
        assert_eq!(content(&output), *whole, "after {} kills", states.len());
    }
    states
}

#[test]
fn a_run_killed_at_any_instant_goes_on_to_the_same_bytes() {
    let folder = in_memory();
    let output = folder.path("out/");
    in_parts(&folder, N_SLATES, N_SLATES / N_PARTS, &output).run().ok();
    let whole = content(&output);
    assert_eq!(whole.len(), N_PARTS + 2);
    let states: Vec<State> = std::thread::scope(|scope| {
        let run = |seed| {
            scope.spawn({
                let whole = &whole;
                move || killed(N_KILLS / 2, seed, whole)
            })
        };
        [run(1), run(2)].into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(states.len() >= N_KILLS);
    let kinds: BTreeSet<State> = states.iter().copied().collect();
    let depths: BTreeSet<usize> = states.iter().map(|state| state.0).collect();
    // The kills have to hit runs in many states for all this to mean something.
    assert!(depths.len() > N_PARTS / 2, "{depths:?}");
    assert!(kinds.len() > N_PARTS, "{kinds:?}");
    assert!(states.iter().any(|state| !state.3), "before there is a manifest: {kinds:?}");
    assert!(states.iter().any(|state| state.2 > 0), "while a part is written: {kinds:?}");
    println!("{} kills in {} states, after {} different numbers of parts", states.len(), kinds.len(), depths.len());
}
