//! The GPU engine: one workgroup per slate, thousands of slates per dispatch, resumed until every slate is done.
//!
//! ```text
//! start:  plan → kernel (compiled once per device) → known answers → catalog up, if it fits
//! rerank: batch up, else with its rows → dispatch, read back, check … until every slate is done; two batches at a time
//!         out of memory: half the batch;  device lost: start again on a new one, the open batches once more, by halves
//! ```

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::gpu::adapter::AdapterKind;
use crate::gpu::buffers::BatchBuffers;
use crate::gpu::device::OpenDevice;
use crate::gpu::doubles::Doubles;
use crate::gpu::error::GpuError;
use crate::gpu::flight::{Flight, Tried};
use crate::gpu::fma::ProductErrors;
use crate::gpu::kernel::{Kernel, KernelKey, ShaderChecks};
use crate::gpu::known_answer;
use crate::gpu::lanes;
use crate::gpu::pace::Pace;
use crate::gpu::pipeline::{Pipeline, Resident};
use crate::gpu::plan::{DeviceLimits, MAX_SHARDS, Plan, PlanError, Residence};
use crate::gpu::planted::Planted;
use crate::gpu::stopwatch::Stopwatch;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::RankedSlate;

/// Loop iterations one invocation may take in a dispatch: one driver in the wild stops looping, in silence, at 65,535.
pub(super) const MAX_ITERATIONS: usize = 65_000;
/// Loop iterations that a dispatch of several steps is filled to. Compilers add loops of their own, a few to a step, which the
/// plan does not count: filled to 63,900, dispatches were cut off on that driver.
pub(super) const FULL_DISPATCH: usize = 50_000;

/// How many times longer a kernel's first dispatch may take: some drivers compile then. Mesa 25's software driver takes
/// 50 s on a quiet machine.
pub(super) const COMPILATION_PATIENCE: u32 = 10;

/// Most slates in one dispatch of a software adapter, which does a few at a time: more would only outlast the timeout.
const MAX_SLATES_ON_CPU: usize = 64;
/// Wall time that a dispatch is kept near.
pub const DEFAULT_MAX_DISPATCH: Duration = Duration::from_millis(200);

/// Settings that change how fast the engine is, never what it computes; and faults planted by tests.
#[derive(Debug, Clone)]
pub struct GpuOptions {
    /// Lanes per slate, a power of two, eight at least. `None` suits the adapter: few on a software one, where every
    /// barrier is a round of context switches (8 lanes are 5 times as fast there as 64), 64 on a GPU, and up to 256
    /// where a slate takes much of its workgroup memory.
    pub lanes: Option<usize>,
    /// Most slates in one batch.
    pub max_slates: usize,
    /// Most batches on the device at a time. With two it works on one while the host prepares and reads the other.
    pub max_in_flight: usize,
    /// Most bytes that a batch may need in one of its buffers; a buffer has up to a quarter more, for the next batch.
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
    /// How the kernel finds what rounding takes from a product.
    pub product_errors: ProductErrors,
    /// Which double precision it computes in.
    pub doubles: Doubles,
    /// Folder where compiled kernels are kept between runs, which makes starts quicker; see
    /// [`kernel_cache`](super::kernel_cache). None: nowhere.
    pub kernel_cache: Option<PathBuf>,
    /// What goes wrong on purpose.
    pub planted: Planted,
}

impl Default for GpuOptions {
    fn default() -> Self {
        Self {
            lanes: None,
            max_slates: 4096,
            max_in_flight: 2,
            max_batch_bytes: 256 << 20,
            max_catalog_bytes: u64::MAX,
            min_shards: 1,
            budget: FULL_DISPATCH,
            max_dispatch: Some(DEFAULT_MAX_DISPATCH),
            timeout: Duration::from_secs(60),
            known_answer: true,
            shader_checks: ShaderChecks::default(),
            product_errors: ProductErrors::default(),
            doubles: Doubles::default(),
            kernel_cache: None,
            planted: Planted::default(),
        }
    }
}

/// Composes slates on one GPU. The catalog is uploaded once, at creation; where the device does not hold it, each batch brings
/// the rows it needs.
pub struct GpuEngine<'a> {
    pub(super) problem: &'a Problem<'a>,
    pub(super) device: Arc<OpenDevice>,
    pub(super) options: GpuOptions,
    pub(super) plan: Plan,
    pub(super) pipeline: Pipeline,
    pub(super) limits: DeviceLimits,
    pub(super) pace: Pace,
    pub(super) stopwatch: Stopwatch,
    /// Batches that may share the device; 1 where its memory holds no two slates.
    pub(super) most_in_flight: usize,
    /// Buffers that no batch is in.
    pub(super) spare: Vec<BatchBuffers>,
    pub(super) next_nonce: u32,
    pub(super) n_overlapped: u32,
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
        let mut plan = lanes::plan(problem, &limits, options.lanes, device.description.kind)?;
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
        let is_free = options.doubles == Doubles::Quicker;
        // From here on it is known, whatever the device answers the next time.
        options.doubles = options.doubles.resolved(&device, &options.planted);
        let mut pipeline = start(&device, problem, &mut plan, &options);
        if is_free && options.doubles == Doubles::Native && pipeline.is_err() && !device.is_lost() {
            // What a driver does well in twenty lines it may not in a kernel. If it was something else, it comes again.
            options.doubles = Doubles::Pairs;
            pipeline = start(&device, problem, &mut plan, &options);
        }
        let pipeline = pipeline?;
        let dearest_step = plan.params.cost.iter().flatten().max().map_or(1, |&cost| cost as usize + 1);
        let most = options.budget.min(FULL_DISPATCH).saturating_sub(plan.overhead).max(1);
        let pace = Pace::new(options.max_dispatch, dearest_step.min(most)..=most, options.max_slates);
        let most_in_flight = options.max_in_flight.max(1);
        let (stopwatch, spare) = (Stopwatch::default(), Vec::new());
        Ok(Self {
            problem,
            device,
            options,
            plan,
            pipeline,
            limits,
            pace,
            stopwatch,
            most_in_flight,
            spare,
            next_nonce: 1,
            n_overlapped: 0,
        })
    }

    /// The adapter in use.
    pub fn device(&self) -> &Arc<OpenDevice> {
        &self.device
    }

    /// True where the kernel computes in the device's own double precision.
    pub fn has_native_doubles(&self) -> bool {
        self.options.doubles == Doubles::Native && self.device.has_doubles()
    }

    /// How the problem runs on the device.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where the catalog is.
    pub fn residence(&self) -> Residence {
        self.plan.residence
    }

    /// Slates of all batches that can be on the device at a time.
    pub fn slates_at_once(&self) -> usize {
        self.options.max_slates.saturating_mul(self.options.max_in_flight)
    }

    /// Dispatches so far.
    pub fn n_dispatches(&self) -> u32 {
        self.next_nonce - 1
    }

    /// Dispatches so far that were submitted while another one was on its way.
    pub fn n_overlapped(&self) -> u32 {
        self.n_overlapped
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
    /// out the batch is halved; where the device is lost a new one is opened and the open batches done again.
    ///
    /// # Errors
    /// Memory does not hold one slate, the device is lost twice over the same slates, or it returns results that cannot
    /// be right. What was appended until then is right and complete.
    pub fn rerank_into(&mut self, slates: &[PreparedSlate], ranked: &mut Vec<RankedSlate>) -> Result<(), GpuError> {
        let n_before = ranked.len();
        // Where the batches ended that were open when the device was lost.
        let mut replayed_until = 0;
        loop {
            let mut flight = Flight::new(slates, ranked.len() - n_before, replayed_until);
            let Err(error) = self.fly(&mut flight, ranked) else { return Ok(()) };
            let tried = flight.tried();
            drop(flight);
            if matches!(error, GpuError::OutOfMemory { .. }) && !self.device.is_lost() {
                if !self.make_smaller(tried) {
                    return Err(error);
                }
                // What was given up is free once the device is done with it, and a poll has told so. Where this fails, so does
                // what is tried next, and says why.
                let wait = wgpu::PollType::Wait { submission_index: None, timeout: Some(self.options.timeout) };
                let _ = self.device.poll(wait);
                continue;
            }
            // Whatever came of it: where the device is lost, that is what to cure.
            let lost = self.device.lost_reason().map(str::to_owned);
            let Some(reason) = error.loss().or(lost) else { return Err(error) };
            if ranked.len() - n_before < replayed_until {
                return Err(GpuError::LostAgain { reason });
            }
            replayed_until = tried.until;
            self.pace.back_off(tried.n_slates);
            self.reopen()?;
        }
    }

    /// Memory ran out over some batches: the next ones are smaller. False where there is nothing left to make smaller.
    pub(super) fn make_smaller(&mut self, tried: Tried) -> bool {
        self.spare.clear();
        if tried.n_slates > 1 {
            self.pace.limit_slates(tried.n_slates);
        } else if tried.is_shared {
            self.most_in_flight = 1;
        } else {
            return false;
        }
        true
    }

    /// Slates of the next batch.
    pub(super) fn batch_len(&self, slates: &[PreparedSlate], first: usize) -> Result<usize, GpuError> {
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
        self.spare.clear();
        self.stopwatch = Stopwatch::default();
        let device = Arc::new(self.device.reopen().map_err(GpuError::NotReopened)?);
        self.pipeline = start(&device, self.problem, &mut self.plan, &self.options)?;
        self.device = device;
        Ok(())
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

/// The kernel is compiled and tested while the catalog goes up.
fn start_as_planned(
    device: &Arc<OpenDevice>,
    problem: &Problem,
    plan: &Plan,
    options: &GpuOptions,
) -> Result<Pipeline, GpuError> {
    let faults = &options.planted.device;
    // What this asks the device is not to wait for the catalog.
    let key = KernelKey::new(plan, device, options);
    let tested = || -> Result<Arc<Kernel>, GpuError> {
        let kernel = device.kernels.get(device, key, options.kernel_cache.as_deref())?;
        if options.known_answer {
            known_answer::check(device, problem.config, plan, options)?;
        }
        Ok(kernel)
    };
    thread::scope(|scope| {
        let tested = scope.spawn(tested);
        let resident = Resident::new(device, problem, plan, faults);
        let kernel = tested.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause));
        Ok(Pipeline::new(kernel?, resident?, faults))
    })
}

/// Spreads the catalog evenly over `n_shards` bindings, which is more than it needs.
pub(super) fn spread(plan: &mut Plan, problem: &Problem, n_shards: usize) {
    plan.n_shards = n_shards.min(MAX_SHARDS);
    plan.params.rows_per_shard = problem.catalog.n_items().div_ceil(plan.n_shards).max(1) as u32;
}
