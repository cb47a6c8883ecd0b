//! The known-answer test passes where the kernel is right, and catches kernels that were broken on purpose.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::gpu;
use spectrank::catalog::{Catalog, Embedding, EmbeddingData};
use spectrank::config::{Config, Scope, SsdEviction, SsdVariant, Strategy};
use spectrank::cpu::CpuEngine;
use spectrank::engine::{Engine, EngineError, EngineRequest};
use spectrank::gpu::planted::Planted;
use spectrank::gpu::{AdapterChoice, AdapterError, GpuEngine, GpuError, GpuOptions, known_answer};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::Slate;

/// Three items and one slate: enough to start an engine.
fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    catalog.add_signal(Embedding::new("x", 2, EmbeddingData::F32(vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0].into()))).unwrap();
    catalog
}

fn slate() -> Slate {
    Slate { candidates: vec![0, 1, 2], scores: vec![0.9, 0.8, 0.7], ..Slate::default() }
}

#[test]
fn a_right_kernel_passes_at_every_shape() {
    let Some(device) = gpu::device() else { return };
    let mut configs = vec![Config::default(); 10];
    (configs[1].window.behind, configs[1].window.ahead, configs[1].window.scope) = (5, 12, Scope::Window);
    (configs[2].window.behind, configs[2].window.ahead, configs[2].spectral.spectra) = (60, 68, 16);
    (configs[3].window.behind, configs[3].spectral.spectra) = (1, 1);
    configs[4].strategy = Strategy::Relevance;
    configs[5].strategy = Strategy::Mmr;
    (configs[6].strategy, configs[6].msd.window) = (Strategy::Msd, 5);
    configs[7].strategy = Strategy::Dpp;
    (configs[8].strategy, configs[8].dpp.window) = (Strategy::Dpp, 6);
    (configs[9].strategy, configs[9].ssd.eviction) = (Strategy::Ssd, SsdEviction::Paper);
    configs[9].ssd.variant = SsdVariant::Product;
    for config in configs {
        let storages: &[bool] = if config == Config::default() { &[true, false] } else { &[true] };
        for &is_f16 in storages {
            let first = known_answer::run(&device, &config, is_f16);
            let first = first.unwrap_or_else(|error| panic!("{error}\n{config:?}"));
            // At least one dispatch got all the iterations there are, and came back for more.
            assert!(first.n_dispatches >= 2, "{config:?}: {first:?}");
            let again = known_answer::run(&device, &config, is_f16).unwrap();
            println!("{:?}, K {}, f16 {is_f16}: {first:?}, then {again:?}", config.window, config.spectral.spectra);
        }
    }
}

#[test]
fn engines_of_one_shape_share_a_kernel_and_its_test() {
    let Some(device) = gpu::own_device() else { return };
    let (config, catalog) = (Config::default(), catalog());
    let other = Config { slate_size: 3, ..Config::default() };
    let mut n_kernels = Vec::new();
    let mut took = Vec::new();
    for config in [&config, &config, &other] {
        let problem = Problem::new(config, &catalog).unwrap();
        let started = std::time::Instant::now();
        let mut engine = GpuEngine::new(device.clone(), &problem, GpuOptions::default()).unwrap();
        took.push(started.elapsed());
        let prepared = PreparedSlate::new(&problem, &slate()).unwrap();
        assert_eq!(engine.rerank(&[prepared]).unwrap()[0].placements.len(), 3);
        n_kernels.push(device.n_kernels());
    }
    println!("{took:?}");
    assert_eq!(n_kernels, [1, 1, 1]);
}

/// Utilities a little above what they are.
const TOO_HIGH: (&str, &str) =
    ("output[at + 1u] = bitcast<u32>(c.best_utility);", "output[at + 1u] = bitcast<u32>(c.best_utility + 3e-5);");

/// The error of an engine whose kernel has been changed.
fn started_with(planted: Planted) -> Option<GpuError> {
    let device = gpu::device().unwrap();
    let (config, catalog) = (Config::default(), catalog());
    let problem = Problem::new(&config, &catalog).unwrap();
    GpuEngine::new(device, &problem, GpuOptions { planted, ..GpuOptions::default() }).err()
}

#[test]
fn a_wrong_kernel_is_caught() {
    if gpu::device().is_none() {
        return;
    }
    assert_eq!(started_with(Planted::default()), None);
    let wrong = [
        // A driver that stops a loop early.
        (
            "if spent > 0u && spent + cost > dispatch.budget {",
            "if spent > 40000u { control.phase = PHASE_DONE; }\nif spent > 0u && spent + cost > dispatch.budget {",
        ),
        // State that does not survive from one dispatch to the next.
        ("store_double(basis_at() + 2u * i, basis[i]);", "store_double(basis_at() + 2u * i, double(0.0));"),
        TOO_HIGH,
    ];
    for (find, replace) in wrong {
        let found = started_with(Planted::in_shader(find, replace));
        println!("{find}\n    {}", found.as_ref().map(ToString::to_string).unwrap_or_default());
        assert!(matches!(found, Some(GpuError::KnownAnswer { .. })), "{find}: {found:?}");
    }
    let missing = started_with(Planted::in_shader("no such line", ""));
    assert!(matches!(missing, Some(GpuError::Planted(_))), "{missing:?}");
}

#[test]
fn auto_takes_the_cpu_where_the_gpu_computes_wrongly_and_says_so() {
    let Some(device) = gpu::device() else { return };
    let (config, catalog) = (Config::default(), catalog());
    let problem = Problem::new(&config, &catalog).unwrap();
    let slates = [PreparedSlate::new(&problem, &slate()).unwrap()];
    let planted = Planted::in_shader(TOO_HIGH.0, TOO_HIGH.1);
    let mut request =
        EngineRequest { gpu: GpuOptions { planted, ..GpuOptions::default() }, ..EngineRequest::default() };
    let open = |_: &AdapterChoice| Ok::<_, AdapterError>(device.clone());
    let mut engine = Engine::choose_with(&problem, &request, open).unwrap();
    let notice = engine.notice.take().unwrap();
    assert!(notice.starts_with("using the CPU engine: adapter 0 ("), "{notice}");
    assert!(notice.contains("fails the known-answer test (slate 0: "), "{notice}");
    assert!(!notice.contains('\n'), "{notice}");
    assert_eq!(engine.rerank(&slates).unwrap(), CpuEngine::<f32>::new(&problem).rerank(&slates));
    // Whoever names an adapter gets the error.
    request.adapter = AdapterChoice::Index(0);
    let refused = Engine::choose_with(&problem, &request, open).map(|_| ());
    assert!(matches!(refused, Err(EngineError::Gpu(GpuError::KnownAnswer { .. }))), "{refused:?}");
    // Without what was planted the same device is taken.
    request.gpu.planted = Planted::default();
    let engine = Engine::choose_with(&problem, &request, open).unwrap();
    assert!(engine.notice.is_none() && engine.name().starts_with("GPU, "), "{}", engine.name());
}
