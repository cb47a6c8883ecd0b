//! The GPU engine: one workgroup per slate, thousands of slates per dispatch, resumed until every slate is done.
//!
//! ```text
//! start:  plan → kernel (compiled once per device) → known answers → catalog up, if it fits
//! rerank: batch up, else with its rows → dispatch, read back, check … until every slate is done → next batch
//!         out of memory: half the batch;  device lost: start again on a new one, the open batch once more, by halves
//! ```

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::gpu::adapter::AdapterKind;
use crate::gpu::batch::{self, OpenBatch};
use crate::gpu::batch_rows::{BatchRows, DeviceSlate};
use crate::gpu::device::{OpenDevice, PollFailure};
use crate::gpu::error::GpuError;
use crate::gpu::kernel::{KernelKey, ShaderChecks};
use crate::gpu::known_answer;
use crate::gpu::layout::{Dispatch, PLACEMENT_WORDS};
use crate::gpu::pace::{Measured, Pace};
use crate::gpu::pipeline::{BatchData, Pipeline};
use crate::gpu::plan::{DeviceLimits, MAX_SHARDS, Plan, PlanError, Residence};
use crate::gpu::planted::{Planted, PlantedFault, Site};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::RankedSlate;

/// Written over the output before a batch starts: "never written" must differ from "wrote 0".
const POISON: u32 = 0xdead_beef;
/// Loop iterations one invocation may take in a dispatch: one driver in the wild stops looping, in silence, at 65,535.
pub(super) const MAX_ITERATIONS: usize = 65_000;
/// Loop iterations that a dispatch of several steps is filled to. Compilers add loops of their own, a few to a step, which the
/// plan does not count: filled to 63,900, dispatches were cut off on that driver.
pub(super) const FULL_DISPATCH: usize = 50_000;

/// How many times longer a kernel's first dispatch may take: some drivers compile then. Mesa 25's software driver takes
/// 50 s on a quiet machine.
const COMPILATION_PATIENCE: u32 = 10;

/// Lanes of a software adapter: one vector of its processor.
const FEWEST_LANES: usize = 8;
/// Most slates in one dispatch of a software adapter, which does a few at a time: more would only outlast the timeout.
const MAX_SLATES_ON_CPU: usize = 64;
/// Lanes of a GPU.
const USUAL_LANES: usize = 64;

/// Wall time that a dispatch is kept near.
pub const DEFAULT_MAX_DISPATCH: Duration = Duration::from_millis(200);

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
    /// Most bytes of the catalog, rows and what else is known of items, to keep on the device. A larger one stays on the host,
    /// as does one that the device has no memory for, and each batch brings the rows of its items.
    pub max_catalog_bytes: u64,
    /// Fewest bindings that the catalog is spread over, for tests: large catalogs need several.
    pub min_shards: usize,
    /// Loop iterations an invocation may take in one dispatch. Small values split a slate over many dispatches.
    pub budget: usize,
    /// Wall time a dispatch should stay near; without one, each gets all it can.
    pub max_dispatch: Option<Duration>,
    /// Longest wait for one dispatch.
    pub timeout: Duration,
    /// Ask the device for known answers before it is trusted.
    pub known_answer: bool,
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
            max_catalog_bytes: u64::MAX,
            min_shards: 1,
            budget: FULL_DISPATCH,
            max_dispatch: Some(DEFAULT_MAX_DISPATCH),
            timeout: Duration::from_secs(60),
            known_answer: true,
            shader_checks: ShaderChecks::default(),
            planted: Planted::default(),
        }
    }
}

/// Composes slates on one GPU. The catalog is uploaded once, at creation; where the device does not hold it, each batch brings
/// the rows it needs.
pub struct GpuEngine<'a> {
    problem: &'a Problem<'a>,
    pub(super) device: Arc<OpenDevice>,
    pub(super) options: GpuOptions,
    pub(super) plan: Plan,
    pipeline: Pipeline,
    limits: DeviceLimits,
    pace: Pace,
    next_nonce: u32,
}

impl<'a> GpuEngine<'a> {
    /// Plans the problem, compiles the kernel, asks it for known answers and uploads the catalog. Engines that share a
    /// device share kernels, and the known-answer test of each.
    ///
    /// # Errors
    /// The problem does not fit the device, the driver refuses something, or the device computes wrongly.
    pub fn new(
        device: impl Into<Arc<OpenDevice>>,
        problem: &'a Problem<'a>,
        options: GpuOptions,
    ) -> Result<Self, GpuError> {
        let device = device.into();
        let limits = DeviceLimits { catalog_bytes: options.max_catalog_bytes, ..device.limits() };
        let mut plan = plan(problem, &limits, options.lanes, device.description.kind)?;
        if plan.residence == Residence::Device && options.min_shards > plan.n_shards {
            spread(&mut plan, problem, options.min_shards);
        }
        Self::with_plan(device, problem, plan, options)
    }

    /// As [`Self::new`], with a plan made elsewhere.
    pub(super) fn with_plan(
        device: Arc<OpenDevice>,
        problem: &'a Problem<'a>,
        plan: Plan,
        mut options: GpuOptions,
    ) -> Result<Self, GpuError> {
        if device.description.kind == AdapterKind::Cpu {
            options.max_slates = options.max_slates.min(MAX_SLATES_ON_CPU);
        }
        let limits = device.limits();
        let mut plan = plan;
        let pipeline = start(&device, problem, &mut plan, &options)?;
        let dearest_step = plan.params.cost.iter().flatten().max().map_or(1, |&cost| cost as usize + 1);
        let most = options.budget.min(FULL_DISPATCH).saturating_sub(plan.overhead).max(1);
        let pace = Pace::new(options.max_dispatch, dearest_step.min(most)..=most, options.max_slates);
        Ok(Self { problem, device, options, plan, pipeline, limits, pace, next_nonce: 1 })
    }

    /// The adapter in use.
    pub fn device(&self) -> &Arc<OpenDevice> {
        &self.device
    }

    /// Where the catalog is.
    pub fn residence(&self) -> Residence {
        self.plan.residence
    }

    /// Dispatches so far.
    pub fn n_dispatches(&self) -> u32 {
        self.next_nonce - 1
    }

    /// Composes every slate, in order. Empty slates give empty results.
    ///
    /// # Errors
    /// As [`Self::rerank_into`]. Nothing is returned then.
    pub fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, GpuError> {
        let mut ranked = Vec::with_capacity(slates.len());
        self.rerank_into(slates, &mut ranked)?;
        Ok(ranked)
    }

    /// Composes every slate, in order, and appends it to `ranked` as soon as it is known to be right. Where memory runs
    /// out the batch is halved; where the device is lost a new one is opened and the open batch done again.
    ///
    /// # Errors
    /// Memory does not hold one slate, the device is lost twice over the same slates, or it returns results that cannot
    /// be right. What was appended until then is right and complete.
    pub fn rerank_into(&mut self, slates: &[PreparedSlate], ranked: &mut Vec<RankedSlate>) -> Result<(), GpuError> {
        let mut done = 0;
        // Where the batch ended that was open when the device was lost.
        let mut replayed_until = 0;
        while done < slates.len() {
            let n = self.batch_len(&slates[done..], done)?;
            match self.run_batch(&slates[done..done + n], done) {
                Ok(batch) => {
                    done += n;
                    ranked.extend(batch);
                }
                Err(GpuError::OutOfMemory { .. }) if n > 1 && !self.device.is_lost() => self.pace.limit_slates(n),
                Err(error) => {
                    // Whatever came of it: where the device is lost, that is what to cure.
                    let lost = self.device.lost_reason().map(str::to_owned);
                    let Some(reason) = error.loss().or(lost) else { return Err(error) };
                    if done < replayed_until {
                        return Err(GpuError::LostAgain { reason });
                    }
                    replayed_until = done + n;
                    self.pace.back_off(n);
                    self.reopen()?;
                }
            }
        }
        Ok(())
    }

    /// Slates of the next batch.
    fn batch_len(&self, slates: &[PreparedSlate], first: usize) -> Result<usize, GpuError> {
        let max_bytes = self.options.max_batch_bytes.min(self.limits.binding_bytes);
        self.plan.batch_len(slates, max_bytes, self.pace.slates()).map_err(|error| match error {
            PlanError::Slate { index, needed, available } => {
                PlanError::Slate { index: first + index, needed, available }.into()
            }
            other => other.into(),
        })
    }

    fn reopen(&mut self) -> Result<(), GpuError> {
        // Room for the catalog's next copy.
        self.pipeline.release();
        let device = Arc::new(self.device.reopen().map_err(GpuError::NotReopened)?);
        self.pipeline = start(&device, self.problem, &mut self.plan, &self.options)?;
        self.device = device;
        Ok(())
    }

    fn run_batch(&mut self, slates: &[PreparedSlate], first: usize) -> Result<Vec<RankedSlate>, GpuError> {
        let n_slates = slates.len();
        let mut open = self.open_batch(slates)?;
        for step in 0..self.plan.max_steps(slates) {
            let Dispatched { output, took } = self.advance(&mut open, self.pace.budget())?;
            let n_left = batch::n_left(&output, n_slates, open.dispatch.nonce, first)?;
            if let Some(took) = took {
                self.pace.record(Measured { n_slates, is_first: step == 0, n_left, took });
            }
            if n_left == 0 {
                return slates
                    .iter()
                    .zip(&open.headers)
                    .enumerate()
                    .map(|(i, (slate, header))| batch::ranked(&self.plan, slate, header, &output, first + i))
                    .collect();
            }
        }
        Err(GpuError::BadOutput { slate: first, what: "it never ends".to_owned() })
    }

    /// Uploads a batch, its output poisoned; nothing runs yet.
    pub(super) fn open_batch(&self, slates: &[PreparedSlate]) -> Result<OpenBatch, GpuError> {
        let rows = match self.plan.residence {
            Residence::Device => None,
            Residence::Host => Some(BatchRows::of(slates)),
        };
        let on_device: Vec<DeviceSlate> = slates.iter().map(|slate| DeviceSlate::new(slate, rows.as_ref())).collect();
        let headers = batch::headers(&self.plan, &on_device);
        let words = batch::words(&on_device, &headers);
        let (mut state_words, mut output_words) = (0, 0);
        if let (Some(header), Some(slate)) = (headers.last(), slates.last()) {
            state_words = header.state_at as usize + self.plan.state_words(slate);
            output_words = header.output_at as usize + header.n_positions as usize * PLACEMENT_WORDS;
        }
        let data = BatchData { words, state_words, output_words, rows: rows.unwrap_or_default().into() };
        let buffers = self.pipeline.batch_buffers(&self.device, self.problem, &self.plan, &data)?;
        self.device.upload(&buffers.output, 0, bytemuck::cast_slice(&vec![POISON; output_words]))?;
        let dispatch = Dispatch {
            n_slates: slates.len() as u32,
            is_first: 1,
            row_length: (slates.len() as u32).min(self.limits.groups_per_dimension),
            ..Dispatch::default()
        };
        Ok(OpenBatch { headers, buffers, dispatch })
    }

    /// One dispatch over the batch.
    pub(super) fn advance(&mut self, open: &mut OpenBatch, budget: usize) -> Result<Dispatched, GpuError> {
        if open.dispatch.nonce != 0 {
            open.dispatch.is_first = 0;
        }
        open.dispatch.budget = budget as u32;
        open.dispatch.nonce = self.next_nonce;
        self.next_nonce = self.next_nonce.wrapping_add(1).max(1);
        let is_warm = self.pipeline.kernel().warm_up();
        let timeout = self.options.timeout * if is_warm { 1 } else { COMPILATION_PATIENCE };
        let submitted = Instant::now();
        self.pipeline.submit(&self.device, &open.buffers, &open.dispatch);
        let output = self.read_back(&open.buffers.readback, timeout)?;
        Ok(Dispatched { output, took: is_warm.then(|| submitted.elapsed()) })
    }

    pub(super) fn read_back(&self, readback: &wgpu::Buffer, timeout: Duration) -> Result<Vec<u32>, GpuError> {
        let (sender, receiver) = mpsc::channel();
        readback.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only where the wait below has already failed.
            let _ = sender.send(result);
        });
        let polled = match self.options.planted.device.due(Site::Readback) {
            Some(PlantedFault::Timeout) => Err(PollFailure::Timeout),
            _ => self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(timeout) }),
        };
        self.check_device()?;
        // Where threads share the device, the poll of another may have taken this callback and not have run it yet.
        let patience = if polled.is_ok() { timeout } else { Duration::ZERO };
        match (polled, receiver.recv_timeout(patience)) {
            (Ok(_), Ok(Ok(()))) => {}
            (Err(PollFailure::Timeout), _) => {
                self.device.give_up();
                return Err(GpuError::Timeout { seconds: timeout.as_secs() });
            }
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
            return Err(GpuError::Lost { reason: reason.to_owned() });
        }
        self.device.take_error().map_or(Ok(()), |fault| Err(fault.into()))
    }
}

/// Compiles the kernel, tests it and uploads the catalog; where the device has no memory for it, it stays on the host.
fn start(
    device: &Arc<OpenDevice>,
    problem: &Problem,
    plan: &mut Plan,
    options: &GpuOptions,
) -> Result<Pipeline, GpuError> {
    match start_as_planned(device, problem, plan, options) {
        Err(GpuError::OutOfMemory { .. }) if plan.residence == Residence::Device && !device.is_lost() => {
            plan.keep_on_host(problem, &device.limits());
            start_as_planned(device, problem, plan, options)
        }
        started => started,
    }
}

fn start_as_planned(
    device: &Arc<OpenDevice>,
    problem: &Problem,
    plan: &Plan,
    options: &GpuOptions,
) -> Result<Pipeline, GpuError> {
    let Planted { shader, device: faults } = &options.planted;
    let kernel = device.kernels.get(device, KernelKey::new(plan, shader, options.shader_checks))?;
    if options.known_answer {
        known_answer::check(device, problem.config, plan, shader, options.shader_checks)?;
    }
    Pipeline::new(device, kernel, problem, plan, faults)
}

/// Spreads the catalog evenly over `n_shards` bindings, which is more than it needs.
pub(super) fn spread(plan: &mut Plan, problem: &Problem, n_shards: usize) {
    plan.n_shards = n_shards.min(MAX_SHARDS);
    plan.params.rows_per_shard = problem.catalog.n_items().div_ceil(plan.n_shards).max(1) as u32;
}

/// What a dispatch left.
pub(super) struct Dispatched {
    pub(super) output: Vec<u32>,
    /// How long it took; none where the driver may have compiled meanwhile.
    took: Option<Duration>,
}

/// Plans with the lanes asked for, or with the fewest that suit the adapter and keep every step short enough.
pub(super) fn plan(
    problem: &Problem,
    limits: &DeviceLimits,
    lanes: Option<usize>,
    kind: AdapterKind,
) -> Result<Plan, PlanError> {
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
