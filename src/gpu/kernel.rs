//! The compiled kernel, kept with its device: engines of one shape share it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::device::{DeviceFault, OpenDevice};
use super::error::GpuError;
use super::plan::Plan;
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
    constants: [(&'static str, usize); 10],
    patches: Vec<Patch>,
    checks: ShaderChecks,
}

impl KernelKey {
    /// The kernel of a plan.
    pub fn new(plan: &Plan, patches: &[Patch], checks: ShaderChecks) -> Self {
        let (m, k) = (plan.n_slots, plan.n_spectra);
        let constants = [
            ("WORKGROUP", plan.workgroup),
            ("N_SLOTS", m),
            ("N_SPECTRA", k),
            ("BASIS_WORDS", m * k),
            ("GRAM_WORDS", if plan.has_gram { m * m } else { 1 }),
            ("PRODUCT_WORDS", if plan.has_product { m * k } else { 1 }),
            ("SQUARE_WORDS", k * k),
            ("N_SHARDS", plan.n_shards),
            ("IS_F16", usize::from(plan.is_f16)),
            ("STRATEGY", plan.strategy as usize),
        ];
        Self { constants, patches: patches.to_vec(), checks }
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
pub struct Kernels(Mutex<HashMap<KernelKey, Arc<Kernel>>>);

impl Kernels {
    /// The kernel of a key, compiled at most once.
    ///
    /// # Errors
    /// A patch that does not fit, or a driver that refuses the shader.
    pub fn get(&self, open: &OpenDevice, key: KernelKey) -> Result<Arc<Kernel>, GpuError> {
        // Whoever asks for the same kernel meanwhile waits for it.
        let mut kernels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kernel) = kernels.get(&key) {
            return Ok(Arc::clone(kernel));
        }
        let kernel = Arc::new(compile(open, &key)?);
        kernels.insert(key, Arc::clone(&kernel));
        Ok(kernel)
    }
}

fn compile(open: &OpenDevice, key: &KernelKey) -> Result<Kernel, GpuError> {
    let source = planted::patch(&key.patches, shader::source()).map_err(GpuError::Planted)?;
    let constants = key.constants.map(|(name, value)| (name, value as f64));
    let pipeline = open.scoped(|device| {
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
            cache: None,
        })
    })?;
    Ok(Kernel { pipeline, is_warm: AtomicBool::new(false) })
}

fn module(device: &wgpu::Device, source: String, checks: ShaderChecks) -> wgpu::ShaderModule {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some("fused"), source: wgpu::ShaderSource::Wgsl(source.into()) };
    match checks {
        ShaderChecks::Checked => device.create_shader_module(descriptor),
        ShaderChecks::Trusted => {
            let checks =
                wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() };
            // SAFETY: without loop bounding a shader must hold no infinite loop. This one is the program's own: every
            // `for` counts up to a bound that its body leaves alone, `while` loops move a cursor towards one, and each
            // turn of the outer loop spends at least one of the dispatch's budget or ends.
            unsafe { device.create_shader_module_trusted(descriptor, checks) }
        }
    }
}

impl OpenDevice {
    /// Kernels compiled so far; engines of one shape share theirs.
    pub fn n_kernels(&self) -> usize {
        self.kernels.0.lock().unwrap_or_else(PoisonError::into_inner).len()
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
