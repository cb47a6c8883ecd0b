//! Every stage of the kernel against its CPU twin in f64: the state after each step of a traced slate.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::generate::{Cloud, Items, Recipe, Request, Storage};
use common::gpu;
use spectrank::config::{Config, MAX_SPECTRA};
use spectrank::gpu::trace::{Phase, Snapshot};
use spectrank::gpu::{GpuEngine, GpuOptions};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::run::Run;
use spectrank::stage::exposure::Exposure;

/// Sums in doubled precision.
const SIMILARITY_TOLERANCE: f64 = 1e-13;
/// Eigenvalues are f32.
const EIGENVALUE_TOLERANCE: f64 = 3e-7;
/// Σ_k u_k u_kᵀ, the subspace, in doubled precision, after up to 20 positions that start from one another.
const SUBSPACE_TOLERANCE: f64 = 1e-12;
/// Of the penalty of a window's own item, which is at most its energy 1.
const EXPOSURE_TOLERANCE: f64 = 1e-5;
/// Terms of a candidate, before strengths above 1.
const TERM_TOLERANCE: f64 = 1e-5;

fn recipe(config: &str) -> Recipe {
    Recipe {
        seed: 5,
        items: Items { n_items: 90, cloud: Cloud::Clusters(6, 0.6), dims: vec![24, 9], storage: Storage::F32 },
        requests: vec![Request { n_candidates: 75, n_recent: 4, n_pins: 1, score_scale: 1.0 }],
        config: Config::from_toml(config).unwrap(),
    }
}

/// What the stages of a traced slate were checked for, so that a test cannot pass by checking nothing.
#[derive(Debug, Default)]
struct Checked {
    windows: usize,
    spectra: usize,
    exposures: usize,
    winners: usize,
}

fn check(config: &str) -> Option<Checked> {
    let device = gpu::device()?;
    let case = recipe(config).build();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let slate = PreparedSlate::new(&problem, &case.slates[0]).unwrap();
    let mut engine = GpuEngine::new(device, &problem, GpuOptions::default()).unwrap();
    let snapshots = engine.trace(&slate).unwrap();
    let mut run = Run::<f64>::new(&problem, true);
    run.begin(&slate);
    run.begin_position();
    let mut checked = Checked::default();
    let mut before = Phase::Recents;
    for snapshot in &snapshots {
        match before {
            Phase::Begin => check_window(&run, snapshot, &mut checked),
            Phase::Members if snapshot.phase == Phase::Sweep => check_similarity(&run, snapshot),
            Phase::Rotate if snapshot.phase == Phase::Expose => check_spectra(&run, snapshot, &mut checked),
            Phase::Weights => check_exposure(&run, snapshot, &mut checked),
            Phase::Place => {
                check_winner(&mut run, snapshot, &mut checked);
                run.place(snapshot.best.rank as usize);
                run.begin_position();
            }
            _ => {}
        }
        before = snapshot.phase;
    }
    assert_eq!(snapshots.last().unwrap().phase, Phase::Done);
    Some(checked)
}

fn check_window(run: &Run<f64>, snapshot: &Snapshot, checked: &mut Checked) {
    let window = &run.slots().window;
    assert_eq!(snapshot.slot_items, window.items, "window, step {}", snapshot.step);
    assert_eq!(snapshot.slot_placed_at, window.placed_at, "window, step {}", snapshot.step);
    assert_eq!(snapshot.is_active, run.spectral().unwrap().is_active());
    checked.windows += 1;
}

fn check_similarity(run: &Run<f64>, snapshot: &Snapshot) {
    let (window, gram) = (&run.slots().window, run.spectral().unwrap().gram());
    let m = window.size();
    for a in (0..m).filter(|&a| window.items[a] != u32::MAX) {
        for b in (0..m).filter(|&b| window.items[b] != u32::MAX) {
            let found = snapshot.gram[a * m + b];
            let wanted = gram[a * m + b];
            assert!((found - wanted).abs() <= SIMILARITY_TOLERANCE, "window similarity: {found}, not {wanted}");
        }
    }
}

/// Σ_k q_k q_kᵀ over an orthonormal basis q of the columns' span, whatever columns span it.
fn subspace(basis: &[f64], m: usize, k: usize) -> Vec<f64> {
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for s in 0..k {
        let mut column: Vec<f64> = (0..m).map(|i| basis[i * k + s]).collect();
        for earlier in &columns {
            let share: f64 = earlier.iter().zip(&column).map(|(x, y)| x * y).sum();
            column.iter_mut().zip(earlier).for_each(|(x, y)| *x -= share * y);
        }
        let length = column.iter().map(|x| x * x).sum::<f64>().sqrt();
        // Columns of dropped spectra are zero.
        if length > 0.5 {
            column.iter_mut().for_each(|x| *x /= length);
            columns.push(column);
        }
    }
    (0..m * m).map(|ij| columns.iter().map(|q| q[ij / m] * q[ij % m]).sum()).collect()
}

fn check_spectra(run: &Run<f64>, snapshot: &Snapshot, checked: &mut Checked) {
    let solver = run.spectral().unwrap().solver();
    let (m, k) = (solver.n_slots, solver.n_spectra);
    for (k, (&f, &w)) in snapshot.eigenvalues.iter().zip(&solver.eigenvalues).enumerate() {
        assert!((f64::from(f) - w).abs() <= EIGENVALUE_TOLERANCE * w, "eigensolve: λ_{k} is {f}, not {w}");
    }
    let basis: Vec<f64> = (0..m * k).map(|i| solver.entry(i / k, i % k)).collect();
    for (f, w) in subspace(&snapshot.basis, m, k).iter().zip(&subspace(&basis, m, k)) {
        assert!((f - w).abs() <= SUBSPACE_TOLERANCE, "eigensolve: {f}, not {w}: off by {:.1e}", f - w);
    }
    checked.spectra += 1;
}

/// The penalty of each item in the window, computed from the snapshot's weights in f64.
fn check_exposure(run: &Run<f64>, snapshot: &Snapshot, checked: &mut Checked) {
    let (window, strategy) = (&run.slots().window, run.spectral().unwrap());
    let (m, k) = (window.size(), snapshot.eigenvalues.len());
    let exposure: &Exposure<f64> = strategy.exposure();
    for slot in (0..m).filter(|&s| window.items[s] != u32::MAX) {
        let wanted = exposure.penalty(&exposure.member_loadings(strategy.solver(), slot));
        let mut loadings = [0.0; MAX_SPECTRA];
        for (s, loading) in loadings.iter_mut().enumerate().take(k) {
            *loading = f64::from(snapshot.eigenvalues[s] * snapshot.inverse[s]) * snapshot.basis[slot * k + s];
        }
        let pairs = (0..k * k).map(|i| f64::from(snapshot.weights[i]) * loadings[i / k] * loadings[i % k]);
        let found: f64 = pairs.sum();
        assert!((found - wanted).abs() <= EXPOSURE_TOLERANCE, "exposure of slot {slot}: {found}, not {wanted}");
    }
    checked.exposures += 1;
}

/// Selection and penalties: the winner is the reference's, and so is each of its terms.
fn check_winner(run: &mut Run<f64>, snapshot: &Snapshot, checked: &mut Checked) {
    let position = snapshot.n_filled as usize - 1;
    let wanted = run.pinned(position).or_else(|| run.best()).unwrap();
    assert_eq!((snapshot.best.rank as usize, snapshot.best.excess), (wanted.rank, wanted.excess), "select {position}");
    let terms = [wanted.utility, wanted.diversity, wanted.spacing, wanted.semantic, wanted.balance];
    for (name, (found, wanted)) in
        ["utility", "diversity", "spacing", "semantic", "balance"].iter().zip(snapshot.best.terms.iter().zip(terms))
    {
        let error = (f64::from(*found) - wanted).abs();
        assert!(error <= TERM_TOLERANCE, "{name} at position {position}: {found}, not {wanted}");
    }
    checked.winners += 1;
}

const PENALTIES: &str = r#"
[[spacing]]
name = "a"
column = "class"
values = [1, 2]
confidence = "confidence"
strength = 0.4
window = 5
[[spacing]]
name = "b"
column = "flag"
values = [true]
strength = 0.1
window = 3
kernel = "linear"
[semantic_id]
column = "sid"
strength = 0.2
window = 6
[balance]
strength = 0.2
[[cap]]
column = "author"
max = 1
window = 3
"#;

#[test]
fn stages_match_their_twins_at_the_defaults() {
    if let Some(checked) = check("slate_size = 15") {
        assert_eq!((checked.windows, checked.winners), (16, 15), "{checked:?}");
        assert_eq!((checked.spectra, checked.exposures), (15, 15), "recent items make every position active");
    }
}

#[test]
fn stages_match_their_twins_with_every_setting_turned() {
    let config = format!(
        "slate_size = 20\n[window]\nbehind = 5\nahead = 9\nscope = \"window\"\n[spectral]\nspectra = 3\nstrength = 0.8\n\
         coupling = \"diagonal\"\nhorizon = \"slate\"\ndecay = 0.9\n[[signal]]\nname = \"s0\"\nweight = 0.6\n\
         [[signal]]\nname = \"s1\"\nweight = 0.4\n{PENALTIES}"
    );
    if let Some(checked) = check(&config) {
        assert_eq!((checked.spectra, checked.exposures, checked.winners), (20, 20, 20), "{checked:?}");
    }
}
