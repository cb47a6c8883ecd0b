//! Slates with a root of B in place of eigenpairs, against the same slates with eigenpairs throughout.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use crate::catalog::Catalog;
use crate::config::Config;
use crate::parity::random::Random;
use crate::parity::recipe::{Storage, embedding};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::run::Run;
use crate::slate::Slate;

/// Rows of one signal, by item.
type Rows = Vec<Vec<f64>>;

/// Positions whose basis was left as it is, positions in all, and the largest difference of a utility. Picks have to be the same.
fn differ(signals: &[Rows], text: &str, scores: Vec<f64>) -> (usize, usize, f64) {
    let n = scores.len();
    let mut catalog = Catalog::new();
    for (i, rows) in signals.iter().enumerate() {
        catalog.add_signal(embedding(&format!("s{i}"), rows[0].len(), &rows.concat(), Storage::F32)).unwrap();
    }
    let config = Config::from_toml(&format!("slate_size = {n}\n{text}")).unwrap();
    let problem = Problem::new(&config, &catalog).unwrap();
    let slate = Slate { candidates: (0..n as u32).collect(), scores, ..Slate::default() };
    let prepared = PreparedSlate::new(&problem, &slate).unwrap();
    let [mut run, mut rotated] = [(); 2].map(|()| Run::<f64>::new(&problem, true));
    rotated.spectral_mut().unwrap().always_rotates = true;
    run.begin(&prepared);
    rotated.begin(&prepared);
    let (mut n_unrotated, mut n_active, mut most) = (0, 0, 0.0_f64);
    for position in 0..n {
        run.begin_position();
        rotated.begin_position();
        n_active += usize::from(rotated.spectral().unwrap().is_active());
        n_unrotated += usize::from(run.spectral().unwrap().is_active() && !run.spectral().unwrap().is_rotated());
        assert!(!rotated.spectral().unwrap().is_active() || rotated.spectral().unwrap().is_rotated());
        let (found, wanted) = (run.best().unwrap(), rotated.best().unwrap());
        most = most.max((found.utility - wanted.utility).abs());
        assert_eq!(found.rank, wanted.rank, "position {position} of {n}, {text}: {found:?} {wanted:?}");
        run.place(found.rank);
        rotated.place(found.rank);
    }
    (n_unrotated, n_active, most)
}

fn scores(n: usize, random: &mut Random) -> Vec<f64> {
    (0..n).map(|_| random.unit()).collect()
}

fn normals(n: usize, dim: usize, random: &mut Random) -> Rows {
    (0..n).map(|_| random.normals(dim)).collect()
}

#[test]
fn ordinary_windows_need_no_eigenvectors() {
    let mut random = Random(11);
    for text in ["", "[spectral]\nspectra = 2", "[window]\nahead = 20\nscope = \"window\"\n[spectral]\nspectra = 8"] {
        let (mut n_unrotated, mut n_active) = (0, 0);
        for _ in 0..20 {
            let rows = normals(60, 24, &mut random);
            let (unrotated, active, most) = differ(&[rows], text, scores(60, &mut random));
            assert!(most < 1e-12, "{text}: {most}");
            (n_unrotated, n_active) = (n_unrotated + unrotated, n_active + active);
        }
        assert!(n_unrotated * 10 > n_active * 8, "{text}: {n_unrotated} of {n_active}");
    }
    for text in ["coupling = \"diagonal\"", "loading = \"unit\"", "horizon = \"slate\""] {
        let rows = normals(60, 24, &mut random);
        let (n_unrotated, ..) = differ(&[rows], &format!("[spectral]\n{text}"), scores(60, &mut random));
        assert_eq!(n_unrotated, 0, "{text}");
    }
}

/// Where items leave and nobody comes, what lay in them alone is lost, and a column of some basis collapses.
#[test]
fn columns_that_collapse_are_those_of_the_eigenvectors() {
    let (mut n_unrotated, mut largest) = (0, 0.0_f64);
    for index in 0..1500 {
        let mut random = Random::of(5, index);
        let n = 12 + random.below(20);
        let (behind, ahead) = (random.pick(&[2, 3, 5, 10]), random.pick(&[4, 8, 12]));
        let (spectra, dim) = (random.pick(&[4, 4, 6, 8]), random.pick(&[8, 32]));
        // Items of two kinds that have nothing in common.
        let mut signals = [normals(n, dim, &mut random), normals(n, 32, &mut random)];
        let [first, second] = &mut signals;
        for (a, b) in first.iter_mut().zip(second) {
            if random.below(2) == 0 { a.fill(0.0) } else { b.fill(0.0) }
        }
        let text = format!(
            "[[signal]]\nname = \"s0\"\n[[signal]]\nname = \"s1\"\n[window]\nbehind = {behind}\nahead = {ahead}\nscope = \"window\"\n\
             [spectral]\nspectra = {spectra}\nstrength = 0.3"
        );
        let (unrotated, _, most) = differ(&signals, &text, scores(n, &mut random));
        n_unrotated += unrotated;
        largest = largest.max(most);
    }
    assert!(n_unrotated > 10_000, "{n_unrotated}");
    assert!(largest < 1e-6, "{largest}");
}

/// Spectra that fade, are dropped, or do not exist; copies and near-copies.
#[test]
fn faint_spectra_fade_as_they_do_with_eigenvectors() {
    let mut random = Random(12);
    let [mut n_unrotated, mut n_active] = [0; 2];
    for index in 0..300 {
        let n = 30;
        let (range, copies) = (random.pick(&[1.0, 1e-1, 2e-2, 6e-3, 1e-3, 1e-4]), random.pick(&[0.0, 1e-6, 1e-2]));
        let mut rows = normals(n, 6, &mut random);
        for i in 0..n {
            // Each dimension shorter than the one before.
            rows[i].iter_mut().zip(0..).for_each(|(x, d)| *x *= f64::powf(range, f64::from(d) / 5.0));
            if i % 3 == 0 && i > 0 {
                let other = rows[i - 1].clone();
                rows[i].iter_mut().zip(other).for_each(|(x, y)| *x = y + copies * *x);
            }
        }
        let text = format!(
            "[[signal]]\nname = \"s0\"\nmetric = \"dot\"\n[window]\nbehind = {}\n{}\n[spectral]\nspectra = {}\nepsilon = {}\nstrength = 0.5\niterations = {}",
            random.pick(&[1, 3, 8]),
            random.pick(&["", "ahead = 9\nscope = \"window\"", "ahead = 4"]),
            random.pick(&[1, 2, 4, 6, 16]),
            random.pick(&["1e-9", "1e-3", "0.1"]),
            random.pick(&[1, 2, 3, 5]),
        );
        let (unrotated, active, most) = differ(&[rows], &text, scores(n, &mut random));
        assert!(most < 1e-8, "case {index}, range {range}, copies {copies}, {text}: {most}");
        (n_unrotated, n_active) = (n_unrotated + unrotated, n_active + active);
    }
    // Both ways have to be gone often for this to mean something.
    assert!(n_unrotated * 4 > n_active && n_unrotated * 4 < n_active * 3, "{n_unrotated} of {n_active}");
}
