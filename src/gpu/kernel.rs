//! The compiled kernel, kept with its device: engines of one shape share it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::device::{DeviceFault, OpenDevice};
use super::engine::GpuOptions;
use super::error::GpuError;
use super::fma::ProductErrors;
use super::kernel_cache::KernelFile;
use super::plan::{PARTS, Plan};
use super::planted::{self, Patch};
use super::shader;

/// What checks the compiler adds to the kernel. They change no result, and a test says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ShaderChecks {
    /// All of them.
    #[default]
    Checked,
    /// No counter in every loop, which can cost a good part of a kernel's time. Indices stay checked.
    Trusted,
}

/// All that a kernel is compiled from: the values of the shader's override constants, changes planted in its source, and
/// what the compiler adds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KernelKey {
    constants: [(&'static str, usize); 14],
    patches: Vec<Patch>,
    checks: ShaderChecks,
    has_doubles: bool,
}

impl KernelKey {
    /// The kernel of a plan on a device.
    pub fn new(plan: &Plan, open: &OpenDevice, options: &GpuOptions) -> Self {
        let is_fma_fused = options.product_errors == ProductErrors::ByFma && open.is_fma_fused();
        let has_doubles = options.doubles.are_native(open);
        Self::with(plan, &options.planted.shader, options.shader_checks, is_fma_fused, has_doubles)
    }

    /// The kernel of a plan.
    pub(super) fn with(
        plan: &Plan,
        patches: &[Patch],
        checks: ShaderChecks,
        is_fma_fused: bool,
        has_doubles: bool,
    ) -> Self {
        let (m, k) = (plan.n_slots, plan.n_spectra);
        let constants = [
            ("WORKGROUP", plan.workgroup),
            ("N_SLOTS", m),
            ("N_SPECTRA", k),
            ("BASIS_WORDS", m * k),
            ("GRAM_WORDS", if plan.has_gram { m * m } else { 1 }),
            ("PRODUCT_WORDS", if plan.has_product { m.max(k) * k } else { 1 }),
            ("PROJECTOR_WORDS", m.max(2 * k) * k),
            ("SQUARE_WORDS", k * k),
            ("PARTS", PARTS),
            ("PAIRS", plan.workgroup / PARTS),
            ("N_SHARDS", plan.n_shards),
            ("IS_F16", usize::from(plan.is_f16)),
            ("IS_FMA_FUSED", usize::from(is_fma_fused)),
            ("STRATEGY", plan.strategy as usize),
        ];
        Self { constants, patches: patches.to_vec(), checks, has_doubles }
    }
}

/// A compiled kernel.
#[derive(Debug)]
pub struct Kernel {
    pub pipeline: wgpu::ComputePipeline,
    /// Some drivers compile at the first dispatch, for seconds: its time says nothing of the next.
    is_warm: AtomicBool,
}

impl Kernel {
    /// True where it has been dispatched before; it counts as dispatched from now on.
    pub fn warm_up(&self) -> bool {
        self.is_warm.swap(true, Ordering::Relaxed)
    }
}

/// The kernels of a device.
#[derive(Debug, Default)]
pub struct Kernels(Mutex<HashMap<KernelKey, Slot>>);

/// One kernel, once it is compiled.
type Slot = Arc<Mutex<Option<Arc<Kernel>>>>;

impl Kernels {
    /// The kernel of a key, compiled at most once; kept in `cache` between runs of the program, if there is one.
    ///
    /// # Errors
    /// A patch that does not fit, or a driver that refuses the shader.
    pub fn get(&self, open: &OpenDevice, key: KernelKey, cache: Option<&Path>) -> Result<Arc<Kernel>, GpuError> {
        let slot = Arc::clone(locked(&self.0).entry(key.clone()).or_default());
        // Whoever asks for the same kernel meanwhile waits for it. Others are compiled beside it.
        let mut kernel = locked(&slot);
        if let Some(kernel) = &*kernel {
            return Ok(Arc::clone(kernel));
        }
        let compiled = Arc::new(compile(open, &key, cache)?);
        *kernel = Some(Arc::clone(&compiled));
        Ok(compiled)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can panic halfway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn compile(open: &OpenDevice, key: &KernelKey, cache: Option<&Path>) -> Result<Kernel, GpuError> {
    let source = planted::patch(&key.patches, shader::source(key.has_doubles)).map_err(GpuError::Planted)?;
    let whole = || format!("{source}\n{:?}\n{:?}", key.constants, key.checks);
    let file = cache.and_then(|folder| KernelFile::of(open, folder, &whole()));
    let pipeline = match file.and_then(|file| compile_cached(open, key, &source, &file)) {
        Some(pipeline) => pipeline,
        None => create(open, key, &source, None)?,
    };
    Ok(Kernel { pipeline, is_warm: AtomicBool::new(false) })
}

/// With what the driver gave for the kernel before, if anything; what it gives now is kept. Nothing where any of that fails.
fn compile_cached(
    open: &OpenDevice,
    key: &KernelKey,
    source: &str,
    file: &KernelFile,
) -> Option<wgpu::ComputePipeline> {
    let before = file.read();
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("rerank"), data: before.as_deref(), fallback: true };
    let cache = open.scoped(|device| {
        // SAFETY: the data come from `get_data` of such a cache. `KernelFile` hands them out only where their digest, taken over
        // adapter, driver and source as well, is that of the file, which finds damage and mix-ups; against forgery, on a Unix,
        // the file is no link, it and its folder are the user's own, and the modes of both let nobody else write. That is all
        // that is checked: trusted are the folders above, access lists, what else runs as this user, and on other systems
        // the place of the folder.
        unsafe { device.create_pipeline_cache(&descriptor) }
    });
    let pipeline = cache.ok().and_then(|cache| {
        let pipeline = create(open, key, source, Some(&cache)).ok()?;
        let now = cache.get_data();
        if let Some(now) = now.filter(|now| before.as_ref() != Some(now)) {
            file.write(&now);
        }
        Some(pipeline)
    });
    if pipeline.is_none() {
        file.remove();
    }
    pipeline
}

fn create(
    open: &OpenDevice,
    key: &KernelKey,
    source: &str,
    cache: Option<&wgpu::PipelineCache>,
) -> Result<wgpu::ComputePipeline, GpuError> {
    let constants = key.constants.map(|(name, value)| (name, value as f64));
    open.scoped(|device| {
        let module = module(device, source, key.checks);
        device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("rerank"),
            layout: None,
            module: &module,
            entry_point: Some(shader::ENTRY_POINT),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: false,
            },
            cache,
        })
    })
}

fn module(device: &wgpu::Device, source: &str, checks: ShaderChecks) -> wgpu::ShaderModule {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some("fused"), source: wgpu::ShaderSource::Wgsl(source.into()) };
    match checks {
        ShaderChecks::Checked => device.create_shader_module(descriptor),
        ShaderChecks::Trusted => {
            let checks =
                wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() };
            // SAFETY: without loop bounding a shader must hold no infinite loop. This one is the program's own: every
            // `for` counts up to a bound that its body leaves alone, `while` loops move a cursor towards one, and each
            // turn of the outer loop spends at least one of the dispatch's budget or ends. The loops that list pairs
            // list one more at least in every turn, of a number that is fixed before, or end.
            unsafe { device.create_shader_module_trusted(descriptor, checks) }
        }
    }
}

impl OpenDevice {
    /// Kernels compiled so far; engines of one shape share theirs.
    pub fn n_kernels(&self) -> usize {
        let slots: Vec<Slot> = locked(&self.kernels.0).values().cloned().collect();
        slots.iter().filter(|slot| locked(slot).is_some()).count()
    }

    /// Runs calls that may fail; the first error of this thread's calls comes back.
    pub(super) fn scoped<T>(&self, calls: impl FnOnce(&wgpu::Device) -> T) -> Result<T, GpuError> {
        let filters = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation, wgpu::ErrorFilter::OutOfMemory];
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let made = calls(&self.device);
        // The scope opened last closes first. Memory comes first: where it ran out, other errors follow from that.
        let errors: Vec<_> = scopes.into_iter().rev().filter_map(|scope| pollster::block_on(scope.pop())).collect();
        let Some(error) = errors.into_iter().next() else { return Ok(made) };
        // On a lost device calls are refused for one reason or another; a poll tells of the loss.
        let _ = self.poll(wgpu::PollType::Poll);
        Err(match self.lost_reason() {
            Some(reason) => GpuError::Lost { reason: reason.to_owned() },
            None => DeviceFault::from(error).into(),
        })
    }
}
