//! A GPU that fails halfway: either every slate comes out right to the last bit, or there is a clear error and what was
//! done until then is right.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::gpu;
use spectrank::catalog::Catalog;
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::engine::{Engine, EngineRequest, OnGpuError};
use spectrank::gpu::plan::Residence;
use spectrank::gpu::planted::{DeviceFaults, Planted, PlantedFault};
use spectrank::gpu::{AdapterChoice, AdapterError, GpuEngine, GpuError, GpuOptions, OpenDevice};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};

use PlantedFault::{Lost, OutOfMemory, StaleNonce, Timeout, Truncated};

/// Slates of the small case; a batch takes [`BATCH`] of them.
const N_SLATES: usize = 10;
const BATCH: usize = 4;
/// Buffers of a batch, and of an engine.
const BATCH_BUFFERS: usize = 4;
const ENGINE_BUFFERS: usize = 7;
/// Of them the first: bindings of rows, and the item table.
const CATALOG_BUFFERS: usize = 5;

struct Case {
    config: Config,
    catalog: Catalog,
    slates: Vec<Slate>,
}

fn case() -> Case {
    let mut random = common::generate::Random(5);
    let mut catalog = Catalog::new();
    let rows = random.normals(60 * 8);
    catalog.add_signal(common::generate::embedding("x", 8, &rows, common::generate::Storage::F16)).unwrap();
    let slates = (0..N_SLATES).map(|i| {
        let n = if i == 3 { 0 } else { 20 + i };
        let scores = (0..n).map(|_| random.unit()).collect();
        Slate { id: i.to_string(), candidates: random.distinct(n, 60), scores, ..Slate::default() }
    });
    let slates = slates.collect();
    Case { config: Config { slate_size: 12, ..Config::default() }, catalog, slates }
}

impl Case {
    fn problem(&self) -> Problem<'_> {
        Problem::new(&self.config, &self.catalog).unwrap()
    }

    fn prepared(&self, problem: &Problem) -> Vec<PreparedSlate> {
        self.slates.iter().map(|slate| PreparedSlate::new(problem, slate).unwrap()).collect()
    }
}

/// Batches of four slates, each in several dispatches of a fixed budget, so that a fault strikes where it is meant to.
fn options(faults: &DeviceFaults) -> GpuOptions {
    GpuOptions {
        max_slates: BATCH,
        budget: 12_000,
        max_dispatch: None,
        planted: Planted { device: faults.clone(), ..Planted::default() },
        ..GpuOptions::default()
    }
}

/// What the GPU says where nothing goes wrong, and in how many dispatches.
fn undisturbed(device: &Arc<OpenDevice>) -> &'static (Vec<RankedSlate>, u32) {
    static ANSWER: OnceLock<(Vec<RankedSlate>, u32)> = OnceLock::new();
    ANSWER.get_or_init(|| {
        let case = case();
        let problem = case.problem();
        let mut engine = GpuEngine::new(device.clone(), &problem, options(&DeviceFaults::default())).unwrap();
        let ranked = engine.rerank(&case.prepared(&problem)).unwrap();
        (ranked, engine.n_dispatches())
    })
}

/// Runs the case with faults that are due; the result, and the slates done. They are the right ones.
fn disturbed(
    faults: impl IntoIterator<Item = (PlantedFault, RangeInclusive<usize>)>,
) -> Option<(Result<(), GpuError>, usize)> {
    let faults: Vec<_> = faults.into_iter().collect();
    let shared = gpu::device()?;
    let expected = &undisturbed(&shared).0;
    // Other tests run beside this one: what gets lost must not be shared.
    let is_destroyed = faults.iter().any(|(fault, _)| *fault == Lost);
    let device = if is_destroyed { gpu::own_device()? } else { shared };
    let case = case();
    let problem = case.problem();
    let faults = DeviceFaults::new(faults);
    let mut engine = GpuEngine::new(device, &problem, options(&faults)).unwrap();
    let mut ranked = Vec::new();
    let result = engine.rerank_into(&case.prepared(&problem), &mut ranked);
    assert!(faults.n_struck() > 0, "nothing struck");
    assert_eq!(ranked[..], expected[..ranked.len()]);
    assert!(result.is_err() || ranked.len() == expected.len());
    if let Err(error) = &result {
        assert!(!error.to_string().contains('\n') && !error.to_string().contains("panicked"), "{error}");
    }
    Some((result, ranked.len()))
}

#[test]
fn a_batch_takes_several_dispatches() {
    let Some(device) = gpu::device() else { return };
    let n_batches = N_SLATES.div_ceil(BATCH) as u32;
    assert!(undisturbed(&device).1 > 2 * n_batches, "the faults below need room to strike in the middle");
}

#[test]
fn neither_the_pace_nor_the_bindings_change_a_bit() {
    let Some(device) = gpu::device() else { return };
    let expected = &undisturbed(&device).0;
    let case = case();
    let problem = case.problem();
    let slates = case.prepared(&problem);
    let none = options(&DeviceFaults::default());
    let paced = |max_dispatch| GpuOptions { max_dispatch: Some(max_dispatch), ..GpuOptions::default() };
    let mut n_dispatches = Vec::new();
    for options in [
        GpuOptions { max_dispatch: None, ..GpuOptions::default() },
        // As slow as it gets: what is left are the dearest step and one slate.
        paced(Duration::from_nanos(1)),
        paced(Duration::from_secs(60)),
        GpuOptions { min_shards: 3, ..none.clone() },
        GpuOptions { max_catalog_bytes: 0, ..none },
    ] {
        let mut engine = GpuEngine::new(device.clone(), &problem, options).unwrap();
        // Twice: the pace is another by then.
        assert_eq!(engine.rerank(&slates).as_ref(), Ok(expected));
        assert_eq!(engine.rerank(&slates).as_ref(), Ok(expected));
        n_dispatches.push(engine.n_dispatches());
    }
    assert!(n_dispatches[1] > 10 * n_dispatches[0], "{n_dispatches:?}");
}

#[test]
fn out_of_memory_halves_the_batch() {
    // Any buffer of any batch, and of the halved batch again.
    let first = ENGINE_BUFFERS + 1;
    for when in [first..=first, first + 2..=first + 2, first + BATCH_BUFFERS + 1..=first + BATCH_BUFFERS + 1] {
        let Some((result, n)) = disturbed([(OutOfMemory, when)]) else { return };
        assert_eq!((result, n), (Ok(()), N_SLATES));
    }
    let twice = disturbed([(OutOfMemory, first..=first + 1)]);
    assert_eq!(twice, Some((Ok(()), N_SLATES)));
}

#[test]
fn where_memory_does_not_hold_one_slate_it_says_so() {
    let second_batch = ENGINE_BUFFERS + BATCH_BUFFERS + 1;
    let Some((result, n)) = disturbed([(OutOfMemory, second_batch..=usize::MAX)]) else { return };
    let error = result.unwrap_err();
    assert!(matches!(error, GpuError::OutOfMemory { .. }), "{error}");
    assert!(error.to_string().contains("out of memory") && error.to_string().contains("--backend cpu"), "{error}");
    assert_eq!(n, BATCH);
}

#[test]
fn a_catalog_that_memory_does_not_hold_stays_on_the_host() {
    let Some(device) = gpu::device() else { return };
    let expected = &undisturbed(&device).0;
    let case = case();
    let problem = case.problem();
    // Any of its bindings, and the item table.
    for when in 1..=CATALOG_BUFFERS {
        let faults = DeviceFaults::new([(OutOfMemory, when..=when)]);
        let mut engine = GpuEngine::new(device.clone(), &problem, options(&faults)).unwrap();
        assert_eq!((engine.residence(), faults.n_struck()), (Residence::Host, 1));
        assert_eq!(engine.rerank(&case.prepared(&problem)).as_ref(), Ok(expected));
    }
}

#[test]
fn an_engine_without_any_memory_is_not_made() {
    let Some(device) = gpu::device() else { return };
    let case = case();
    let problem = case.problem();
    let faults = DeviceFaults::new([(OutOfMemory, 3..=usize::MAX)]);
    let refused = GpuEngine::new(device, &problem, options(&faults)).err();
    assert!(matches!(refused, Some(GpuError::OutOfMemory { .. })), "{refused:?}");
}

#[test]
fn a_lost_device_is_replaced_and_the_open_batch_done_again() {
    let Some(device) = gpu::device() else { return };
    // Half the batch and half the budget from there on: more than three times as many dispatches. By then the slates of the
    // two batches that were open are done.
    let later = 3 * undisturbed(&device).1 as usize;
    assert_eq!(disturbed([(Lost, 2..=2), (Lost, later..=later)]), Some((Ok(()), N_SLATES)));
}

#[test]
fn a_device_lost_before_the_first_slate_is_replaced() {
    let Some(device) = gpu::own_device() else { return };
    let expected = &undisturbed(&gpu::device().unwrap()).0;
    let case = case();
    let problem = case.problem();
    let slates = case.prepared(&problem);
    let mut engine = GpuEngine::new(device, &problem, options(&DeviceFaults::default())).unwrap();
    engine.device().device.destroy();
    assert_eq!(engine.rerank(&slates).as_ref(), Ok(expected));
    assert!(!engine.device().is_lost());
}

#[test]
fn on_a_lost_device_no_engine_is_made() {
    let Some(device) = gpu::own_device() else { return };
    device.device.destroy();
    let case = case();
    let problem = case.problem();
    for known_answer in [true, false] {
        let options = GpuOptions { known_answer, ..options(&DeviceFaults::default()) };
        let refused = GpuEngine::new(device.clone(), &problem, options).err();
        assert!(matches!(refused, Some(GpuError::Lost { .. })), "known_answer {known_answer}: {refused:?}");
    }
}

#[test]
fn a_device_lost_twice_over_the_same_slates_is_given_up() {
    let Some(device) = gpu::device() else { return };
    // Two batches take turns; the first of them is done.
    let per_batch = undisturbed(&device).1 as usize / N_SLATES.div_ceil(BATCH);
    let Some((result, n)) = disturbed([(Lost, 2 * per_batch + 1..=usize::MAX)]) else { return };
    let error = result.unwrap_err();
    assert!(matches!(error, GpuError::LostAgain { .. }), "{error}");
    assert!((BATCH..N_SLATES).contains(&n), "{n}");
}

#[test]
fn an_answer_that_does_not_come_is_asked_for_again_on_a_new_device() {
    assert!(matches!(disturbed([(Timeout, 2..=2)]), None | Some((Ok(()), N_SLATES))));
    let Some((result, n)) = disturbed([(Timeout, 1..=2)]) else { return };
    let error = result.unwrap_err();
    assert!(error.to_string().contains("no answer within 60 s") && n == 0, "{error}");
}

#[test]
fn a_dispatch_that_did_not_happen_is_noticed() {
    // The first of a batch leaves poison, a later one the nonce before. The second is the first of another batch.
    for (fault, when) in [Truncated, StaleNonce].into_iter().flat_map(|fault| (1..=3).map(move |when| (fault, when))) {
        let Some((result, n)) = disturbed([(fault, when..=when)]) else { return };
        let error = result.unwrap_err();
        assert!(matches!(error, GpuError::BadOutput { .. }), "{error}");
        assert!(error.to_string().contains("did not reach its end"), "{error}");
        assert_eq!(n, 0);
    }
}

/// What a run of the program's engine left behind.
struct Ran {
    result: Result<(), String>,
    ranked: Vec<RankedSlate>,
    notice: Option<String>,
    name: String,
}

/// The engine as the program uses it, with a GPU that stops for good in its second batch.
fn chosen(on_gpu_error: Option<OnGpuError>, adapter: AdapterChoice) -> Option<Ran> {
    let device = gpu::device()?;
    let case = case();
    let problem = case.problem();
    let second_batch = ENGINE_BUFFERS + BATCH_BUFFERS + 1;
    let faults = DeviceFaults::new([(OutOfMemory, second_batch..=usize::MAX)]);
    let request = EngineRequest { adapter, on_gpu_error, gpu: options(&faults), ..EngineRequest::default() };
    let open = |_: &AdapterChoice| Ok::<_, AdapterError>(device);
    let mut engine = Engine::choose_with(&problem, &request, open).unwrap();
    assert_eq!(engine.notice, None);
    let mut ranked = Vec::new();
    let slates = case.prepared(&problem);
    // As the program does: some slates at a time.
    let result = engine.rerank_into(&slates[..6], &mut ranked);
    let result = result.and_then(|()| engine.rerank_into(&slates[6..], &mut ranked));
    let result = result.map_err(|error| error.to_string());
    Some(Ran { result, ranked, notice: engine.notice.take(), name: engine.name() })
}

#[test]
fn the_cpu_does_the_rest_where_that_is_asked_for_and_says_so() {
    let by_auto = (None, AdapterChoice::Auto);
    let by_flag = (Some(OnGpuError::Cpu), AdapterChoice::Index(0));
    for (on_gpu_error, adapter) in [by_auto, by_flag] {
        let Some(ran) = chosen(on_gpu_error, adapter) else { return };
        assert_eq!((ran.result, ran.ranked.len()), (Ok(()), N_SLATES));
        let case = case();
        let problem = case.problem();
        let on_cpu = CpuEngine::<f32>::new(&problem).rerank(&case.prepared(&problem));
        assert_eq!(ran.ranked[..BATCH], undisturbed(&gpu::device().unwrap()).0[..BATCH]);
        assert_eq!(ran.ranked[BATCH..], on_cpu[BATCH..]);
        let notice = ran.notice.unwrap();
        assert!(notice.starts_with("the CPU engine goes on after 4 slates: the GPU is out of memory"), "{notice}");
        assert!(ran.name.starts_with("GPU, ") && ran.name.contains(", then CPU, f32"), "{}", ran.name);
    }
}

#[test]
fn without_that_the_run_ends_and_says_how_far_it_came() {
    let by_default = (None, AdapterChoice::Index(0));
    let by_flag = (Some(OnGpuError::Fail), AdapterChoice::Auto);
    for (on_gpu_error, adapter) in [by_default, by_flag] {
        let Some(ran) = chosen(on_gpu_error, adapter) else { return };
        let error = ran.result.unwrap_err();
        assert!(error.contains("out of memory") && error.contains("slates done until then: 4"), "{error}");
        assert_eq!((ran.ranked.len(), ran.notice), (BATCH, None));
        assert_eq!(ran.ranked[..], undisturbed(&gpu::device().unwrap()).0[..BATCH]);
    }
}
