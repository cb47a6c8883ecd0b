//! The kernel in the device's own double precision: as right as in pairs of f32. Devices for which it is quicker take it by
//! themselves; here it is asked for.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use common::generate::{Cloud, Items, Recipe, Request, Storage};
use common::gpu;
use common::parity::{self as category, assert_parity};
use spectrank::catalog::{Catalog, Embedding, EmbeddingData};
use spectrank::config::Config;
use spectrank::gpu::planted::Planted;
use spectrank::gpu::{AdapterKind, Doubles, GpuEngine, GpuOptions, OpenDevice};
use spectrank::parity::invariance::{Bits, bits};
use spectrank::parity::{Case, GpuSubject, Harness};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;

fn native() -> GpuOptions {
    GpuOptions { doubles: Doubles::Native, ..GpuOptions::default() }
}

/// A device with doubles of its own; without one the test is skipped aloud.
fn device() -> Option<Arc<OpenDevice>> {
    let device = gpu::device()?;
    if device.has_doubles() {
        return Some(device);
    }
    assert!(!Doubles::Native.are_native(&device) && !Doubles::Quicker.are_native(&device));
    eprintln!("SKIPPED, no double precision: {}", device.description);
    None
}

#[test]
fn both_ways_are_timed_and_right() {
    let Some(device) = device() else { return };
    let times = device.time_doubles().unwrap().unwrap();
    println!("{times:?}");
    assert!(times.pairs.is_some_and(|time| !time.is_zero()), "{times:?}");
    assert!(times.native.is_some_and(|time| !time.is_zero()), "{times:?}");
    assert!(Doubles::Native.are_native(&device) && !Doubles::Pairs.are_native(&device));
    // Whichever is quicker: a driver that computes on the CPU is not to compile for so long.
    if device.description.kind == AdapterKind::Cpu {
        assert!(!Doubles::Quicker.are_native(&device));
    }
}

/// A kernel that the driver refuses in doubles is made in pairs, where the choice was the engine's, and only there.
#[test]
fn pairs_take_over_where_doubles_fail() {
    let Some(device) = device() else { return };
    // Pairs have an x, doubles have not.
    let (find, replace) =
        ("fn settled(sum: Double) -> Double {", "fn settled(sum: Double) -> Double {\n    let first = sum.x;");
    let start = |doubles, shader: &Planted| {
        let config = Config::from_toml("slate_size = 3").unwrap();
        let mut catalog = Catalog::new();
        catalog.add_signal(Embedding::new("x", 2, EmbeddingData::F32(vec![1.0, 0.0, 0.0, 1.0].into()))).unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        let planted = Planted { quick_doubles: true, ..shader.clone() };
        let options = GpuOptions { doubles, planted, ..GpuOptions::default() };
        GpuEngine::new(Arc::clone(&device), &problem, options).map(|engine| engine.has_native_doubles())
    };
    let (sound, broken) = (Planted::default(), Planted::in_shader(find, replace));
    assert_eq!(start(Doubles::Quicker, &sound), Ok(true), "it is said to be quick");
    assert_eq!(start(Doubles::Quicker, &broken), Ok(false));
    assert_eq!(start(Doubles::Pairs, &broken), Ok(false));
    assert!(start(Doubles::Native, &broken).is_err());
}

#[test]
fn kept_failures_hold() {
    let Some(device) = device() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let cases: Vec<Case> = paths.map(|path| Case::load(&path).unwrap()).collect();
    let subject = GpuSubject::new(device, native());
    let mut harness = Harness::new(&subject);
    harness.check_cases(&cases).unwrap();
    let report = harness.into_report();
    assert!(report.holds() && report.unsupported == 0, "{report}");
}

/// Few of each: this driver compiles a kernel with doubles for seconds.
#[test]
fn generated_cases_hold() {
    if device().is_some() {
        for (category, n_cases) in [(&category::WHOLE_SPACE, 4), (&category::WIDE_WINDOWS, 1)] {
            assert_parity(category, n_cases, &|problem, slates| gpu::rerank(problem, slates, native()));
        }
    }
}

/// Numbers are kept to the bit from one dispatch to the next.
#[test]
fn results_do_not_depend_on_where_dispatches_end() {
    let Some(device) = device() else { return };
    let config = "slate_size = 12\n[window]\nbehind = 3\nahead = 4\nscope = \"window\"\n[spectral]\nspectra = 3";
    let case = Recipe {
        seed: 11,
        items: Items::new(60, Cloud::Clusters(5, 0.8), vec![16], Storage::F32),
        requests: vec![Request::new(40, 2, 0); 6],
        config: Config::from_toml(config).unwrap(),
    };
    let case = case.build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let slates: Vec<_> = case.slates.iter().map(|slate| PreparedSlate::new(&problem, slate).unwrap()).collect();
    let rerank = |budget: Option<usize>| {
        let usual = native();
        let options = GpuOptions { budget: budget.unwrap_or(usual.budget), max_dispatch: None, ..usual };
        let ranked = GpuEngine::new(Arc::clone(&device), &problem, options).unwrap().rerank(&slates).unwrap();
        ranked.iter().map(bits).collect::<Vec<Bits>>()
    };
    let whole = rerank(None);
    assert!([1, 50, 300].into_iter().all(|budget| rerank(Some(budget)) == whole));

    // Results are in single precision and may be the same though numbers were cut. A pair of f32 holds 48 of the 53 bits.
    let mut n_beyond_pairs = 0;
    let mut engine = GpuEngine::new(Arc::clone(&device), &problem, native()).unwrap();
    engine
        .trace_with(&slates[0], |snapshot| {
            let rest = |x: &f64| x - f64::from(*x as f32);
            let numbers = snapshot.basis.iter().chain(&snapshot.gram);
            n_beyond_pairs += numbers.filter(|x| f64::from(rest(x) as f32) != rest(x)).count();
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(n_beyond_pairs > 100, "{n_beyond_pairs}");
}
