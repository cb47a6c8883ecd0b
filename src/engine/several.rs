//! Several GPUs, an engine on each, that share the slates of one run.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{ChosenEngine, Engine, EngineError, EngineRequest};
use crate::gpu::{self, AdapterChoice};
use crate::problem::Problem;

/// How many of the engines that share a run are still at work.
#[derive(Debug, Clone, Default)]
pub(super) struct Team(Option<Arc<AtomicUsize>>);

impl Team {
    fn of(n_engines: usize) -> Self {
        Self(Some(Arc::new(AtomicUsize::new(n_engines))))
    }

    /// One engine less; true where others do its work.
    pub(super) fn leave(&self) -> bool {
        self.0.as_ref().is_some_and(|n_at_work| n_at_work.fetch_sub(1, Ordering::SeqCst) > 1)
    }
}

impl<'a> Engine<'a> {
    /// An engine for each adapter asked for, all started at once; as [`Self::choose`] where none is named. An adapter named
    /// twice is opened twice. Of several engines one that fails for good says that the others go on; what happens where the
    /// GPU fails is for the last one.
    ///
    /// # Errors
    /// As [`Self::choose`], of the first adapter that cannot be had or computes wrongly. Where all are asked for, those are
    /// left out, as long as one is left, and a notice says so.
    pub fn choose_each(
        problem: &'a Problem<'a>,
        request: &EngineRequest,
        adapters: &[AdapterChoice],
    ) -> Result<Vec<ChosenEngine<'a>>, EngineError> {
        let takes_what_there_is = adapters.contains(&AdapterChoice::All);
        if adapters.len() < 2 && !takes_what_there_is {
            let adapter = adapters.first().cloned().unwrap_or_default();
            return Ok(vec![Self::choose(problem, &EngineRequest { adapter, ..request.clone() })?]);
        }
        if request.backend == super::Backend::Cpu {
            return Err(EngineError::AdapterForCpu);
        }
        let chosen = gpu::choose_each(&gpu::list(), adapters)?;
        let start = |&index: &usize| {
            let adapter = AdapterChoice::Index(index);
            Self::choose(problem, &EngineRequest { adapter, ..request.clone() })
        };
        let started = thread::scope(|scope| {
            let threads: Vec<_> = chosen.iter().map(|index| scope.spawn(|| start(index))).collect();
            let joined = threads.into_iter().map(|t| t.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
            joined.collect::<Vec<_>>()
        });
        together(started, takes_what_there_is)
    }

    /// Makes engines share a run: one whose GPU fails for good leaves what is left to the others.
    pub fn share(engines: &mut [ChosenEngine]) {
        let team = Team::of(engines.len());
        engines.iter_mut().for_each(|engine| engine.team = team.clone());
    }
}

/// A team of those that started.
fn together<'a>(
    started: Vec<Result<ChosenEngine<'a>, EngineError>>,
    takes_what_there_is: bool,
) -> Result<Vec<ChosenEngine<'a>>, EngineError> {
    let (mut engines, mut left_out): (Vec<ChosenEngine>, Vec<EngineError>) = (Vec::new(), Vec::new());
    for engine in started {
        match engine {
            Ok(engine) => engines.push(engine),
            Err(error) if takes_what_there_is => left_out.push(error),
            Err(error) => return Err(error),
        }
    }
    Engine::share(&mut engines);
    let mut left_out = left_out.into_iter();
    let Some(first) = engines.first_mut() else {
        return Err(left_out.next().unwrap_or(gpu::AdapterError::NoGpu.into()));
    };
    let left_out: Vec<String> = left_out.map(|error| error.to_string()).collect();
    if !left_out.is_empty() {
        first.notice = Some(format!("left out: {}", left_out.join("; ")));
    }
    Ok(engines)
}
