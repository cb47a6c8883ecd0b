//! The GPU engine: one workgroup per slate, thousands of slates per dispatch, resumed until every slate is done.

use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;

use crate::gpu::adapter::AdapterKind;
use crate::gpu::device::{OpenDevice, PollFailure};
use crate::gpu::layout::{Dispatch, HEADER_WORDS, PLACEMENT_WORDS, Phase, STATUS_WORDS, SlateHeader};
use crate::gpu::pipeline::{BatchBuffers, Pipeline, ShaderChecks};
use crate::gpu::plan::{DeviceLimits, Plan, PlanError};
use crate::gpu::planted::Planted;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::{Placement, RankedSlate};

/// Written over the output before a batch starts: "never written" must differ from "wrote 0".
const POISON: u32 = 0xdead_beef;
/// Loop iterations one invocation may take in a dispatch: one driver in the wild stops looping, in silence, at 65,535.
const MAX_ITERATIONS: usize = 65_000;

/// Lanes of a software adapter: one vector of its processor.
const FEWEST_LANES: usize = 8;
/// Most slates in one dispatch of a software adapter, which does a few at a time: more would only outlast the timeout.
const MAX_SLATES_ON_CPU: usize = 64;
/// Lanes of a GPU.
const USUAL_LANES: usize = 64;

/// What went wrong on the device, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GpuError {
    /// The problem does not fit the device.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A fault planted by a test does not fit.
    #[error("planted fault: {0}")]
    Planted(String),
    /// The driver reported an error.
    #[error("the GPU driver reports: {0}; run with --backend cpu")]
    Driver(String),
    /// Results did not arrive.
    #[error("the GPU did not answer within {seconds} s: run with --backend cpu, or with smaller slates")]
    Timeout {
        /// Seconds waited.
        seconds: u64,
    },
    /// Results that cannot be right.
    #[error(
        "the GPU returned an impossible result for slate number {slate}: {what}; its driver computes wrongly, run with --backend cpu"
    )]
    BadOutput {
        /// Index of the slate in the call.
        slate: usize,
        /// What is impossible about it.
        what: String,
    },
}

/// Settings that change how fast the engine is, never what it computes; and faults planted by tests.
#[derive(Debug, Clone)]
pub struct GpuOptions {
    /// Lanes per slate, a power of two. `None` suits the adapter: few on a software one, where every barrier is a
    /// round of context switches (8 lanes are 5 times as fast there as 64), 64 on a GPU.
    pub lanes: Option<usize>,
    /// Most slates in one batch.
    pub max_slates: usize,
    /// Most bytes in one of the batch's buffers.
    pub max_batch_bytes: u64,
    /// Loop iterations an invocation may take in one dispatch. Small values split a slate over many dispatches.
    pub budget: usize,
    /// Longest wait for one dispatch.
    pub timeout: Duration,
    /// What the compiler adds to the kernel.
    pub shader_checks: ShaderChecks,
    /// What goes wrong on purpose.
    pub planted: Planted,
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self {
            lanes: None,
            max_slates: 4096,
            max_batch_bytes: 256 << 20,
            budget: MAX_ITERATIONS,
            timeout: Duration::from_secs(60),
            shader_checks: ShaderChecks::default(),
            planted: Planted::default(),
        }
    }
}

/// Composes slates on one GPU. The catalog is uploaded once, at creation.
pub struct GpuEngine<'a> {
    problem: &'a Problem<'a>,
    pub(super) device: Arc<OpenDevice>,
    pub(super) options: GpuOptions,
    pub(super) plan: Plan,
    pipeline: Pipeline,
    limits: DeviceLimits,
    next_nonce: u32,
}

impl<'a> GpuEngine<'a> {
    /// Plans the problem, uploads the catalog and builds the pipeline.
    ///
    /// # Errors
    /// The problem does not fit the device, or the driver refuses something.
    pub fn new(
        device: impl Into<Arc<OpenDevice>>,
        problem: &'a Problem<'a>,
        mut options: GpuOptions,
    ) -> Result<Self, GpuError> {
        let device = device.into();
        if device.description.kind == AdapterKind::Cpu {
            options.max_slates = options.max_slates.min(MAX_SLATES_ON_CPU);
        }
        let found = device.device.limits();
        let limits = DeviceLimits {
            binding_bytes: found.max_storage_buffer_binding_size.min(found.max_buffer_size),
            workgroup_bytes: found.max_compute_workgroup_storage_size as usize,
            workgroup_invocations: found.max_compute_invocations_per_workgroup.min(found.max_compute_workgroup_size_x)
                as usize,
            groups_per_dimension: found.max_compute_workgroups_per_dimension,
        };
        let plan = plan(problem, &limits, options.lanes, device.description.kind)?;
        let pipeline = Pipeline::new(&device, problem, &plan, &options)?;
        Ok(Self { problem, device, options, plan, pipeline, limits, next_nonce: 1 })
    }

    /// The adapter in use.
    pub fn device(&self) -> &OpenDevice {
        &self.device
    }

    /// Composes every slate, in order. Empty slates give empty results.
    ///
    /// # Errors
    /// The driver fails, or returns results that cannot be right. Nothing is returned then.
    pub fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, GpuError> {
        let mut ranked = Vec::with_capacity(slates.len());
        while ranked.len() < slates.len() {
            let rest = &slates[ranked.len()..];
            let max_bytes = self.options.max_batch_bytes.min(self.limits.binding_bytes);
            let n = self.plan.batch_len(rest, max_bytes, self.options.max_slates)?;
            let first = ranked.len();
            let batch = self.run_batch(&rest[..n], first)?;
            ranked.extend(batch);
        }
        Ok(ranked)
    }

    fn run_batch(&mut self, slates: &[PreparedSlate], first: usize) -> Result<Vec<RankedSlate>, GpuError> {
        let mut open = self.open_batch(slates);
        for _ in 0..self.plan.max_steps(slates) {
            let output = self.advance(&mut open)?;
            if self.is_done(&output, slates.len(), open.dispatch.nonce, first)? {
                return slates
                    .iter()
                    .zip(&open.headers)
                    .enumerate()
                    .map(|(i, (slate, header))| self.ranked(slate, header, &output, first + i))
                    .collect();
            }
        }
        Err(GpuError::BadOutput { slate: first, what: "it never ends".to_owned() })
    }

    /// Uploads a batch, its output poisoned; nothing runs yet.
    pub(super) fn open_batch(&self, slates: &[PreparedSlate]) -> OpenBatch {
        let headers = self.headers(slates);
        let batch_words = batch_words(slates, &headers);
        let (mut state_words, mut output_words) = (0, 0);
        if let (Some(header), Some(slate)) = (headers.last(), slates.last()) {
            state_words = header.state_at as usize + self.plan.state_words(slate);
            output_words = header.output_at as usize + header.n_positions as usize * PLACEMENT_WORDS;
        }
        let buffers = self.pipeline.batch_buffers(&self.device, &batch_words, state_words, output_words);
        self.device.queue.write_buffer(&buffers.output, 0, bytemuck::cast_slice(&vec![POISON; output_words]));
        let dispatch = Dispatch {
            n_slates: slates.len() as u32,
            budget: self.options.budget.min(MAX_ITERATIONS).saturating_sub(self.plan.overhead).max(1) as u32,
            is_first: 1,
            row_length: (slates.len() as u32).min(self.limits.groups_per_dimension),
            ..Dispatch::default()
        };
        OpenBatch { headers, buffers, dispatch }
    }

    /// One dispatch over the batch; returns its output.
    pub(super) fn advance(&mut self, open: &mut OpenBatch) -> Result<Vec<u32>, GpuError> {
        if open.dispatch.nonce != 0 {
            open.dispatch.is_first = 0;
        }
        open.dispatch.nonce = self.next_nonce;
        self.next_nonce = self.next_nonce.wrapping_add(1).max(1);
        self.pipeline.submit(&self.device, &open.buffers, &open.dispatch);
        self.read_back(&open.buffers.readback)
    }

    fn headers(&self, slates: &[PreparedSlate]) -> Vec<SlateHeader> {
        let mut batch_at = slates.len() * HEADER_WORDS;
        let mut output_at = slates.len() * STATUS_WORDS;
        let mut state_at = 0;
        let take = |at: &mut usize, n: usize| {
            let start = *at as u32;
            *at += n;
            start
        };
        slates
            .iter()
            .enumerate()
            .map(|(i, slate)| {
                let n_positions = slate.n_positions(self.problem.config.slate_size);
                SlateHeader {
                    n_candidates: slate.n_candidates() as u32,
                    n_local: slate.rows.len() as u32,
                    n_positions: n_positions as u32,
                    active_rules: slate.active_rules,
                    n_pins: slate.pins.len() as u32,
                    rows_at: take(&mut batch_at, slate.rows.len()),
                    base_at: take(&mut batch_at, slate.n_candidates()),
                    pins_at: take(&mut batch_at, 2 * slate.pins.len()),
                    state_at: take(&mut state_at, self.plan.state_words(slate)),
                    output_at: take(&mut output_at, n_positions * PLACEMENT_WORDS),
                    status_at: (i * STATUS_WORDS) as u32,
                    pad: 0,
                }
            })
            .collect()
    }

    pub(super) fn read_back(&self, readback: &wgpu::Buffer) -> Result<Vec<u32>, GpuError> {
        let (sender, mut receiver) = oneshot::channel();
        readback.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only where the wait below has already failed.
            let _ = sender.send(result);
        });
        let timeout = self.options.timeout;
        let polled = self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(timeout) });
        self.check_device()?;
        match (polled, receiver.try_recv()) {
            (Ok(_), Ok(Some(Ok(())))) => {}
            (Err(PollFailure::Timeout), _) => return Err(GpuError::Timeout { seconds: timeout.as_secs() }),
            (polled, received) => return Err(GpuError::Driver(format!("readback failed ({polled:?}, {received:?})"))),
        }
        let view = readback.get_mapped_range(..).map_err(|e| GpuError::Driver(e.to_string()))?;
        let words = view.chunks_exact(4).map(|b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect();
        drop(view);
        readback.unmap();
        Ok(words)
    }

    fn check_device(&self) -> Result<(), GpuError> {
        if let Some(reason) = self.device.lost_reason() {
            return Err(GpuError::Driver(format!("the device is lost ({reason})")));
        }
        self.device.take_error().map_or(Ok(()), |fault| Err(GpuError::Driver(fault.to_string())))
    }

    /// True where every slate is done; an error where one did not take part in the dispatch.
    fn is_done(&self, output: &[u32], n_slates: usize, nonce: u32, first: usize) -> Result<bool, GpuError> {
        let mut is_done = true;
        for (i, status) in output.chunks_exact(STATUS_WORDS).take(n_slates).enumerate() {
            if status[2] != nonce {
                let what = format!("dispatch {nonce} did not reach its end (mark {:#x})", status[2]);
                return Err(GpuError::BadOutput { slate: first + i, what });
            }
            is_done &= status[0] == Phase::Done as u32;
        }
        Ok(is_done)
    }

    /// Reads one slate's placements, trusting nothing.
    fn ranked(
        &self,
        slate: &PreparedSlate,
        header: &SlateHeader,
        output: &[u32],
        index: usize,
    ) -> Result<RankedSlate, GpuError> {
        let bad = |what: String| GpuError::BadOutput { slate: index, what };
        let n = header.n_positions as usize;
        let filled = output[header.status_at as usize + 1] as usize;
        if filled != n {
            return Err(bad(format!("{filled} positions are filled, not {n}")));
        }
        let mut is_taken = vec![false; slate.n_candidates()];
        let words = &output[header.output_at as usize..header.output_at as usize + n * PLACEMENT_WORDS];
        let mut placements = Vec::with_capacity(n);
        for (position, words) in words.chunks_exact(PLACEMENT_WORDS).enumerate() {
            let rank = words[0] as usize;
            if rank >= is_taken.len() || std::mem::replace(&mut is_taken[rank], true) {
                return Err(bad(format!(
                    "position {position} holds candidate {rank}, which is taken or does not exist"
                )));
            }
            let number = |i: usize| f64::from(f32::from_bits(words[i]));
            if (1..PLACEMENT_WORDS).any(|i| !number(i).is_finite()) {
                return Err(bad(format!("position {position} holds a number that is not finite")));
            }
            placements.push(Placement {
                candidate: slate.candidate[rank],
                item: slate.rows[rank],
                base: slate.base[rank],
                utility: number(1),
                diversity: number(2),
                spacing: number(3),
                semantic: number(4),
                balance: number(5),
            });
        }
        Ok(RankedSlate { placements, is_short: n < self.problem.config.slate_size })
    }
}

/// Plans with the lanes asked for, or with the fewest that suit the adapter and keep every step short enough.
fn plan(problem: &Problem, limits: &DeviceLimits, lanes: Option<usize>, kind: AdapterKind) -> Result<Plan, PlanError> {
    let (fewest, most) = match lanes {
        Some(lanes) => (lanes, lanes),
        None if kind == AdapterKind::Cpu => (FEWEST_LANES, USUAL_LANES),
        None => (USUAL_LANES, USUAL_LANES),
    };
    let mut lanes = fewest;
    loop {
        match Plan::new(problem, limits, lanes, MAX_ITERATIONS) {
            Err(PlanError::Step { .. }) if lanes < most => lanes *= 2,
            result => return result,
        }
    }
}

/// A batch on the device, between dispatches.
pub(super) struct OpenBatch {
    pub(super) headers: Vec<SlateHeader>,
    pub(super) buffers: BatchBuffers,
    dispatch: Dispatch,
}

fn batch_words(slates: &[PreparedSlate], headers: &[SlateHeader]) -> Vec<u32> {
    let mut words: Vec<u32> = bytemuck::cast_slice(headers).to_vec();
    for slate in slates {
        words.extend_from_slice(&slate.rows);
        words.extend(slate.base.iter().map(|&b| (b as f32).to_bits()));
        words.extend(slate.pins.iter().flat_map(|&(position, rank)| [position, rank]));
    }
    words
}
