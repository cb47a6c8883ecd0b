//! Every stage of the kernel against its CPU twin in f64: the state after each step of a traced slate.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::generate::{Cloud, Items, Recipe, Request, Storage};
use common::gpu;
use spectrank::config::Config;
use spectrank::gpu::{GpuEngine, GpuOptions};
use spectrank::parity::attribution::Compared;
use spectrank::parity::gpu_subject::follow;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;

fn recipe(config: &str) -> Recipe {
    Recipe {
        seed: 5,
        items: Items::new(90, Cloud::Clusters(6, 0.6), vec![24, 9], Storage::F32),
        requests: vec![Request::new(75, 4, 1)],
        config: Config::from_toml(config).unwrap(),
    }
}

/// Follows a slate through the kernel; what was compared says that the test has looked at something.
fn check(config: &str) -> Option<Compared> {
    let device = gpu::device()?;
    let case = recipe(config).build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let slate = PreparedSlate::new(&problem, &case.slates[0]).unwrap();
    let mut engine = GpuEngine::new(device, &problem, GpuOptions::default()).unwrap();
    let (compared, departure) = follow(&mut engine, &problem, &slate).unwrap();
    assert_eq!(departure, None);
    Some(compared)
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
    if let Some(compared) = check("slate_size = 15") {
        // Recent items make every position active.
        assert_all(&compared, 15);
    }
}

#[test]
fn stages_match_their_twins_with_every_setting_turned() {
    let config = format!(
        "slate_size = 20\n[window]\nbehind = 5\nahead = 9\nscope = \"window\"\n[spectral]\nspectra = 3\nstrength = 0.8\n\
         coupling = \"diagonal\"\nhorizon = \"slate\"\ndecay = 0.9\n[[signal]]\nname = \"s0\"\nweight = 0.6\n\
         [[signal]]\nname = \"s1\"\nweight = 0.4\n{PENALTIES}"
    );
    if let Some(compared) = check(&config) {
        assert_all(&compared, 20);
    }
}

/// Every stage at every position; similarities and subspace in doubled precision, after positions that start from one
/// another.
fn assert_all(compared: &Compared, n: usize) {
    let Compared { windows, similarities, spectra, exposures, winners, eligibilities, .. } = *compared;
    let Compared { similarity_error, subspace_error, .. } = *compared;
    assert_eq!(eligibilities, 1);
    assert_eq!([windows, similarities, spectra, exposures, winners], [n; 5]);
    assert!(similarity_error <= 1e-13, "{similarity_error:e}");
    assert!(subspace_error <= 1e-12, "{subspace_error:e}");
}
