//! Several GPUs share a run: order and bytes are those of one, also where some of them fail.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::generate::{Cloud, Items, Recipe, Request, Storage};
use common::gpu;
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::engine::{ChosenEngine, Engine, EngineRequest, Interrupted, OnGpuError};
use spectrank::gpu::planted::{DeviceFaults, Planted, PlantedFault};
use spectrank::gpu::{AdapterChoice, AdapterError, GpuOptions};
use spectrank::pipeline::{self, Refusal, Stages};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::RankedSlate;

const BATCH: usize = 4;
/// Buffers of an engine, and of a batch.
const ENGINE_BUFFERS: usize = 7;
const BATCH_BUFFERS: usize = 4;

/// An engine that is out of memory for good after so many batches; never where none is given.
fn engine<'a>(problem: &'a Problem<'a>, fails_after: Option<usize>, on_gpu_error: OnGpuError) -> ChosenEngine<'a> {
    let fault = |n_batches: usize| {
        let first = ENGINE_BUFFERS + n_batches * BATCH_BUFFERS + 1;
        (PlantedFault::OutOfMemory, first..=usize::MAX)
    };
    let device = DeviceFaults::new(fails_after.map(fault));
    let planted = Planted { device, ..Planted::default() };
    let gpu = GpuOptions { max_slates: BATCH, max_dispatch: None, planted, ..GpuOptions::default() };
    let adapter = AdapterChoice::Index(0);
    let request = EngineRequest { adapter, gpu, on_gpu_error: Some(on_gpu_error), ..EngineRequest::default() };
    Engine::choose_with(problem, &request, |_| Ok::<_, AdapterError>(gpu::device().unwrap())).unwrap()
}

/// Runs batches over engines as the program does; the rankings, and batches done by each engine.
fn shared(
    engines: &mut [ChosenEngine],
    slates: &[PreparedSlate],
) -> (Vec<RankedSlate>, Vec<usize>, Option<Interrupted>) {
    Engine::share(engines);
    let mut batches = slates.chunks(BATCH);
    let mut ranked = Vec::new();
    let n_done: Vec<AtomicUsize> = engines.iter().map(|_| AtomicUsize::new(0)).collect();
    let worker = |(engine, n_done): (&mut ChosenEngine, &AtomicUsize), batch| match engine.rerank(batch) {
        Ok(ranked) => {
            n_done.fetch_add(1, Ordering::SeqCst);
            Ok(ranked)
        }
        Err(error) if error.others_go_on => Err(Refusal::Retired(batch, error)),
        Err(error) => Err(Refusal::Failed(error)),
    };
    let worker = &worker;
    let result = pipeline::run(Stages {
        read: || Ok(batches.next()),
        compute: engines
            .iter_mut()
            .zip(&n_done)
            .map(|(engine, n_done)| move |batch| worker((&mut *engine, n_done), batch))
            .collect(),
        write: |batch: Vec<RankedSlate>| {
            ranked.extend(batch);
            Ok(())
        },
        stop: || Ok(()),
        abandon: |error| error,
    });
    let error = result.map(drop).err();
    (ranked, n_done.into_iter().map(AtomicUsize::into_inner).collect(), error)
}

fn with_case(test: impl Fn(&Problem, &[PreparedSlate], &[RankedSlate])) {
    if gpu::device().is_none() {
        return;
    }
    let recipe = Recipe {
        seed: 12,
        items: Items::new(40, Cloud::Gaussian, vec![8], Storage::F16),
        requests: (0..60).map(|i| Request::new(8 + i % 5, i % 3, 0)).collect(),
        config: Config::from_toml("slate_size = 5").unwrap(),
    };
    let case = recipe.build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let slates: Vec<_> = case.slates.iter().map(|slate| PreparedSlate::new(&problem, slate).unwrap()).collect();
    let expected = gpu::rerank(&problem, &slates, GpuOptions::default());
    test(&problem, &slates, &expected);
}

#[test]
fn the_result_does_not_depend_on_how_many_they_are() {
    with_case(|problem, slates, expected| {
        for n in [1, 2, 3] {
            let mut engines: Vec<_> = (0..n).map(|_| engine(problem, None, OnGpuError::Fail)).collect();
            let (ranked, n_done, error) = shared(&mut engines, slates);
            assert_eq!((ranked.as_slice(), error), (expected, None));
            assert!(n_done.iter().all(|&n| n > 0), "somebody did nothing: {n_done:?}");
        }
    });
}

#[test]
fn one_that_fails_leaves_its_slates_to_the_others() {
    with_case(|problem, slates, expected| {
        for fails in [[Some(0), None], [None, Some(2)]] {
            let mut engines = fails.map(|after| engine(problem, after, OnGpuError::Fail));
            let (ranked, n_done, error) = shared(&mut engines, slates);
            assert_eq!((ranked.as_slice(), error), (expected, None));
            for ((after, engine), n_done) in fails.iter().zip(&mut engines).zip(n_done) {
                assert_eq!(engine.notice.is_some(), after.is_some());
                assert!(after.is_none_or(|after| n_done == after), "{n_done}");
                let notice = engine.notice.take().unwrap_or_default();
                assert!(after.is_none() || notice.contains("its slates go to the other GPUs: "), "{notice}");
            }
        }
    });
}

#[test]
fn what_happens_where_the_gpu_fails_is_for_the_last_one() {
    with_case(|problem, slates, expected| {
        let mut engines = [Some(1), Some(3)].map(|after| engine(problem, after, OnGpuError::Fail));
        let (ranked, _, error) = shared(&mut engines, slates);
        assert!(error.is_some_and(|error| !error.others_go_on));
        assert!(ranked.len() <= 4 * BATCH && ranked == expected[..ranked.len()], "{}", ranked.len());

        let mut engines = [Some(1), Some(3)].map(|after| engine(problem, after, OnGpuError::Cpu));
        let (ranked, _, error) = shared(&mut engines, slates);
        assert_eq!((ranked.len(), error), (slates.len(), None));
        let on_cpu = CpuEngine::<f32>::new(problem).rerank(slates);
        let n_on_cpu = ranked.iter().zip(&on_cpu).filter(|(ranked, on_cpu)| ranked == on_cpu).count();
        assert!(n_on_cpu >= slates.len() - 4 * BATCH, "{n_on_cpu}");
        assert_eq!(engines.iter().filter(|engine| engine.name().contains(", then CPU, f32")).count(), 1);
    });
}
