//! Memory by arithmetic, time by a second of the engine on the sample.

use std::collections::HashSet;
use std::fmt;
use std::time::Instant;

use serde::Serialize;

use super::catalog::Items;
use super::slates::Seen;
use super::{CheckRequest, MEASURED, Report};
use crate::engine::{Backend, Engine, EngineRequest};
use crate::gpu::plan::{DeviceLimits, Plan, Residence};
use crate::gpu::{self, AdapterDescription};
use crate::memory::{BATCH_SLATES, MemoryPlan, N_BATCHES, PROGRAM_BYTES, Work, scratch_bytes, size_text, slate_bytes};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::Slate;

/// Slates that are timed at a time.
const TIMED_SLATES: usize = 64;

/// What a run is likely to take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Memory of the catalog and what is computed from it once.
    pub catalog_bytes: u64,
    /// Memory of the slates that are in work at a time, and of the engine.
    pub batch_bytes: u64,
    /// Memory of the program and its buffers for reading.
    pub program_bytes: u64,
    /// The least `--memory-limit` that would do: few slates in work, embeddings left in their files where they can be.
    pub least_limit_bytes: u64,
    /// What computes, in words.
    pub engine: String,
    /// Slates per second of the engine on the sample; nothing where no slate of it is sound.
    pub engine_slates_per_s: Option<f64>,
    /// Seconds for all slates, reading included, writing not; nothing where no slate of the sample is sound.
    pub seconds: Option<f64>,
    /// Memory on the GPU that would be taken, where there is one.
    pub gpu: Option<GpuEstimate>,
}

/// Memory on a GPU.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct GpuEstimate {
    /// The adapter.
    pub adapter: String,
    /// Embeddings.
    pub catalog_bytes: u64,
    /// Everything else about items.
    pub item_bytes: u64,
    /// Slates that are in work at a time, at most.
    pub batch_bytes: u64,
    /// The device does not hold the catalog: it stays on the host, and each batch brings the rows of its items.
    pub stays_on_host: bool,
    /// Why it does not fit, if it does not.
    pub too_large: Option<String>,
}

/// Estimates from a sample that is sound.
pub(super) fn estimate(
    request: &CheckRequest<'_>,
    problem: &Problem<'_>,
    items: &Items,
    seen: &Seen,
    report: &mut Report,
) -> Estimate {
    let n_items = items.all.n_items();
    let slates = onto_sample(&seen.slates, n_items, items.sample.n_items());
    let prepared = slates.iter().filter_map(|slate| PreparedSlate::new(problem, slate).ok());
    let prepared: Vec<PreparedSlate> = prepared.collect();
    let (engine, engine_slates_per_s, slates_at_once) = time(problem, &request.engine, &prepared, report);
    let catalog_share = n_items as f64 / items.sample.n_items().max(1) as f64;
    let reading = items.seconds * catalog_share + seen.seconds_each * seen.n_slates as f64;
    // Headers that were wrong have been told of.
    let plan = MemoryPlan::new(request.catalog, request.config, None).ok();
    let plan = plan.map(|plan| plan.with_work(least_work_bytes(seen, problem)));
    if let (Some(plan), Some(limit)) = (&plan, request.memory_limit)
        && let Err(error) = plan.clone().within(limit)
    {
        report.problem(error);
    }
    Estimate {
        catalog_bytes: plan.as_ref().map_or(0, MemoryPlan::catalog_bytes),
        batch_bytes: batch_bytes(&seen.slates, seen.n_slates, problem, slates_at_once),
        program_bytes: PROGRAM_BYTES,
        least_limit_bytes: plan.as_ref().map_or(0, MemoryPlan::least_limit_bytes),
        engine,
        engine_slates_per_s,
        seconds: engine_slates_per_s.map(|slates_per_s| reading + seen.n_slates as f64 / slates_per_s),
        gpu: gpu_estimate(&request.engine, problem, &prepared, n_items as u64),
    }
}

/// Slates with their items moved into the sample: numbers of candidates and scores stay, who is like whom does not.
fn onto_sample(slates: &[Slate], n_items: usize, n_sample: usize) -> Vec<Slate> {
    if n_items <= n_sample {
        return slates.to_vec();
    }
    let n = n_sample.max(1) as u32;
    let moved = |slate: &Slate| {
        let mut taken = HashSet::new();
        let mut row_of = std::collections::HashMap::new();
        for &item in &slate.candidates {
            // There are as many items in the sample as a slate can have candidates, so a free one comes up.
            let mut row = item % n;
            while !taken.insert(row) {
                row = (row + 1) % n;
            }
            row_of.insert(item, row);
        }
        let row = |&item: &u32| row_of.get(&item).copied().unwrap_or(item % n);
        let mut slate = slate.clone();
        slate.pinned.iter_mut().for_each(|pin| pin.item = row(&pin.item));
        for list in [&mut slate.candidates, &mut slate.recent, &mut slate.seen] {
            list.iter_mut().for_each(|item| *item = row(item));
        }
        slate
    };
    slates.iter().map(moved).collect()
}

/// Runs the engine for up to a second: its name, slates per second, and slates that it is given at a time.
fn time(
    problem: &Problem<'_>,
    request: &EngineRequest,
    slates: &[PreparedSlate],
    report: &mut Report,
) -> (String, Option<f64>, usize) {
    let mut engine = match Engine::choose(problem, request) {
        Ok(engine) => engine,
        Err(error) => {
            report.problem(error);
            return ("none".to_owned(), None, 1);
        }
    };
    if let Some(notice) = engine.notice.take() {
        report.note(notice);
    }
    // The first slates wake threads and compilers.
    let warm_up = &slates[..slates.len().min(TIMED_SLATES)];
    let mut result = engine.rerank(warm_up).map(drop);
    let started = Instant::now();
    let mut n_done = 0;
    for chunk in slates.chunks(TIMED_SLATES) {
        if result.is_err() || started.elapsed() > MEASURED {
            break;
        }
        result = engine.rerank(chunk).map(drop);
        n_done += chunk.len();
    }
    let seconds = started.elapsed().as_secs_f64();
    if let Err(error) = result {
        report.problem(error);
    }
    let per_s = (n_done > 0).then(|| n_done as f64 / seconds.max(1e-9));
    (engine.name(), per_s, engine.engine.slates_at_once())
}

/// What is needed for the largest slate that was looked at.
fn least_work_bytes(seen: &Seen, problem: &Problem<'_>) -> u64 {
    let slates = seen.slates.iter();
    let largest = slates.clone().map(|slate| slate_bytes(slate, problem.config.slate_size)).max();
    let scratch = slates.map(|slate| scratch_bytes(problem, slate.candidates.len(), slate.recent.len(), 4)).max();
    Work::needed(largest.unwrap_or(0), scratch.unwrap_or(0), seen.decoded_bytes)
}

/// Slates in work at a time, and what the CPU engine ranks them with.
fn batch_bytes(slates: &[Slate], n_slates: u64, problem: &Problem<'_>, slates_at_once: usize) -> u64 {
    let n_positions = problem.config.slate_size;
    let bytes: u64 = slates.iter().map(|slate| slate_bytes(slate, n_positions)).sum();
    let scratch =
        slates.iter().map(|slate| scratch_bytes(problem, slate.candidates.len(), slate.recent.len(), 4)).max();
    let n_threads = rayon::current_num_threads() as u64;
    let mean = bytes / slates.len().max(1) as u64;
    let n_in_work = N_BATCHES * slates_at_once.max(BATCH_SLATES) as u64;
    let in_work = (n_slates.min(n_in_work) * mean).min(N_BATCHES * Work::UNLIMITED.batch_bytes.max(mean));
    in_work + n_threads.min(n_slates) * scratch.unwrap_or(0)
}

fn gpu_estimate(
    request: &EngineRequest,
    problem: &Problem<'_>,
    slates: &[PreparedSlate],
    n_items: u64,
) -> Option<GpuEstimate> {
    if request.backend == Backend::Cpu {
        return None;
    }
    let list = gpu::list();
    let adapter = &list[gpu::choose(&list, &request.adapter).ok()?];
    let limits = DeviceLimits { catalog_bytes: request.gpu.max_catalog_bytes, ..limits(adapter) };
    let mut found = GpuEstimate { adapter: adapter.to_string(), ..GpuEstimate::default() };
    // Steps are not counted here: they depend on lanes, not on memory.
    let lanes = request.gpu.lanes.unwrap_or(64);
    match Plan::new(problem, &limits, lanes, usize::MAX) {
        Err(error) => found.too_large = Some(error.to_string()),
        Ok(plan) => {
            found.catalog_bytes = n_items * plan.row_bytes() as u64;
            found.item_bytes = plan.items_bytes(n_items);
            let words = slates
                .iter()
                .map(|slate| (plan.state_words(slate) + Plan::batch_words(slate) + plan.output_words(slate)) as u64);
            let mean = 4 * words.sum::<u64>() / slates.len().max(1) as u64;
            let most = 3 * request.gpu.max_batch_bytes.min(limits.binding_bytes);
            found.batch_bytes = request.gpu.max_in_flight as u64 * (mean * request.gpu.max_slates as u64).min(most);
            found.stays_on_host = plan.residence == Residence::Host;
        }
    }
    Some(found)
}

fn limits(adapter: &AdapterDescription) -> DeviceLimits {
    DeviceLimits {
        binding_bytes: adapter.max_binding_bytes.min(adapter.max_buffer_bytes),
        workgroup_bytes: adapter.max_workgroup_memory_bytes as usize,
        workgroup_invocations: adapter.max_workgroup_invocations as usize,
        // What every API grants.
        groups_per_dimension: 65_535,
        catalog_bytes: u64::MAX,
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [catalog, batch, program] = [self.catalog_bytes, self.batch_bytes, self.program_bytes].map(size_text);
        let rest = format_args!("{batch} for slates in work, {program} for the program and reading");
        let least = self.least_limit_bytes >> 20;
        writeln!(f, "memory, about: {catalog} for the catalog, {rest}; --memory-limit {least}MiB would do")?;
        if let Some(gpu) = &self.gpu {
            let [catalog, items, batch] = [gpu.catalog_bytes, gpu.item_bytes, gpu.batch_bytes].map(size_text);
            write!(
                f,
                "on GPU {}, about: {catalog} for embeddings, {items} for items, {batch} for slates",
                gpu.adapter
            )?;
            match &gpu.too_large {
                Some(why) => writeln!(f, "; does not fit: {why}")?,
                None if gpu.stays_on_host => {
                    writeln!(
                        f,
                        "; too much for the GPU: embeddings and items stay on the host, each batch brings its own"
                    )?;
                }
                None => writeln!(f)?,
            }
        }
        let engine = &self.engine;
        match (self.seconds, self.engine_slates_per_s) {
            (Some(seconds), Some(rate)) => {
                writeln!(f, "time, about: {seconds:.1} s ({rate:.0} slates/s in the engine: {engine})")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slate::Pin;

    #[test]
    fn slates_moved_into_the_sample_keep_their_shape() {
        let slate = Slate {
            candidates: vec![3, 13, 23, 4, 99],
            recent: vec![13, 77],
            pinned: vec![Pin { position: 0, item: 23 }],
            ..Slate::default()
        };
        let moved = onto_sample(std::slice::from_ref(&slate), 100, 10).remove(0);
        assert_eq!(moved.candidates, [3, 4, 5, 6, 9]);
        assert_eq!(moved.recent, [4, 7]);
        assert_eq!(moved.pinned[0].item, 5);
        assert_eq!(onto_sample(std::slice::from_ref(&slate), 100, 100), [slate]);
    }
}
