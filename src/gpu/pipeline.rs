//! The compiled kernel with everything bound that does not change between batches.

use std::sync::PoisonError;

use wgpu::util::DeviceExt;

use crate::gpu::device::OpenDevice;
use crate::gpu::engine::{GpuError, GpuOptions};
use crate::gpu::layout::{Dispatch, Params};
use crate::gpu::plan::{MAX_SHARDS, Plan};
use crate::gpu::{shader, tables};
use crate::problem::Problem;

/// Kernel, catalog and tables on one device.
pub struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    params: wgpu::Buffer,
    dispatch: wgpu::Buffer,
    shards: Vec<wgpu::Buffer>,
    items: wgpu::Buffer,
}

/// What checks the compiler adds to the kernel. They change no result, and a test says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ShaderChecks {
    /// All of them.
    #[default]
    Checked,
    /// No counter in every loop, which can cost a good part of a kernel's time. Indices stay checked.
    Trusted,
}

/// What one compiled kernel differs from another by: source, checks, and the bits of the override constants.
pub type PipelineKey = (String, ShaderChecks, [u64; 8]);

/// Buffers of one batch.
pub struct BatchBuffers {
    bind_group: wgpu::BindGroup,
    /// What slates keep between dispatches.
    pub state: wgpu::Buffer,
    /// Statuses, then placements.
    pub output: wgpu::Buffer,
    /// Host-visible copy of `output`.
    pub readback: wgpu::Buffer,
}

impl Pipeline {
    /// Uploads the catalog and compiles the kernel for the plan.
    ///
    /// # Errors
    /// The driver refuses the shader or an allocation.
    pub fn new(open: &OpenDevice, problem: &Problem, plan: &Plan, options: &GpuOptions) -> Result<Self, GpuError> {
        let source = options.planted.patch(shader::source()).map_err(GpuError::Planted)?;
        let device = &open.device;
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let upload = |label, contents: &[u8], usage| {
            device.create_buffer_init(&wgpu::util::BufferInitDescriptor { label: Some(label), contents, usage })
        };
        let n_items = problem.catalog.n_items();
        let rows_per_shard = plan.params.rows_per_shard as usize;
        let shards = (0..MAX_SHARDS)
            .map(|shard| {
                let first = (shard * rows_per_shard).min(n_items);
                let last = ((shard + 1) * rows_per_shard).min(n_items);
                let mut bytes =
                    if shard < plan.n_shards { tables::row_bytes(problem, plan, first, last) } else { Vec::new() };
                // A binding cannot be empty.
                bytes.resize(bytes.len().max(16), 0);
                upload("catalog", &bytes, wgpu::BufferUsages::STORAGE)
            })
            .collect();
        let mut item_words = tables::item_table(problem, plan);
        item_words.resize(item_words.len().max(1), 0);
        let items = upload("items", bytemuck::cast_slice(&item_words), wgpu::BufferUsages::STORAGE);
        let params = upload("params", bytemuck::bytes_of(&plan.params), wgpu::BufferUsages::UNIFORM);
        let dispatch = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("dispatch"),
            size: size_of::<Dispatch>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let pipeline = cached(open, plan, source, options.shader_checks);
        let out_of_memory = pollster::block_on(memory.pop());
        if let Some(error) = out_of_memory.or(pollster::block_on(validation.pop())) {
            return Err(GpuError::Driver(one_line(&error.to_string())));
        }
        Ok(Self { pipeline, params, dispatch, shards, items })
    }

    /// Buffers for a batch, the slates uploaded.
    pub fn batch_buffers(
        &self,
        open: &OpenDevice,
        batch_words: &[u32],
        state_words: usize,
        output_words: usize,
    ) -> BatchBuffers {
        let device = &open.device;
        let buffer = |label, words: usize, usage| {
            let size = (4 * words.max(1)) as u64;
            device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        };
        let batch = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("batch"),
            contents: bytemuck::cast_slice(batch_words),
            usage: wgpu::BufferUsages::STORAGE,
        });
        let state = buffer("state", state_words, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
        let output_usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let output = buffer("output", output_words, output_usage);
        let readback = buffer("readback", output_words, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let bound = [&self.params, &self.dispatch].into_iter().chain(&self.shards).chain([
            &self.items,
            &batch,
            &state,
            &output,
        ]);
        let entries: Vec<_> = bound
            .enumerate()
            .map(|(i, buffer)| wgpu::BindGroupEntry { binding: i as u32, resource: buffer.as_entire_binding() })
            .collect();
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("batch"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        BatchBuffers { bind_group, state, output, readback }
    }

    /// One dispatch over the whole batch, and the copy of its output.
    pub fn submit(&self, open: &OpenDevice, buffers: &BatchBuffers, dispatch: &Dispatch) {
        open.queue.write_buffer(&self.dispatch, 0, bytemuck::bytes_of(dispatch));
        let mut encoder = open.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("rerank") });
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &buffers.bind_group, &[]);
            pass.dispatch_workgroups(dispatch.row_length, dispatch.n_slates.div_ceil(dispatch.row_length), 1);
        }
        encoder.copy_buffer_to_buffer(&buffers.output, 0, &buffers.readback, 0, buffers.output.size());
        open.queue.submit([encoder.finish()]);
    }
}

/// The kernel as this device has compiled it before, or now.
fn cached(open: &OpenDevice, plan: &Plan, source: String, checks: ShaderChecks) -> wgpu::ComputePipeline {
    let key = (source, checks, overrides(plan).map(|(_, value)| value.to_bits()));
    let mut pipelines = open.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pipeline) = pipelines.get(&key) {
        return pipeline.clone();
    }
    let pipeline = compile(&open.device, plan, key.0.clone(), checks);
    pipelines.insert(key, pipeline.clone());
    pipeline
}

fn compile(device: &wgpu::Device, plan: &Plan, source: String, checks: ShaderChecks) -> wgpu::ComputePipeline {
    let descriptor =
        wgpu::ShaderModuleDescriptor { label: Some("fused"), source: wgpu::ShaderSource::Wgsl(source.into()) };
    let module = match checks {
        ShaderChecks::Checked => device.create_shader_module(descriptor),
        ShaderChecks::Trusted => {
            let checks =
                wgpu::ShaderRuntimeChecks { force_loop_bounding: false, ..wgpu::ShaderRuntimeChecks::checked() };
            // SAFETY: without loop bounding a shader must hold no infinite loop. This one is the program's own: every
            // `for` counts up to a bound that its body leaves alone, `while` loops move a cursor towards one, and each
            // turn of the outer loop spends at least one of the dispatch's budget or ends.
            unsafe { device.create_shader_module_trusted(descriptor, checks) }
        }
    };
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("rerank"),
        layout: None,
        module: &module,
        entry_point: Some(shader::ENTRY_POINT),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &overrides(plan),
            zero_initialize_workgroup_memory: false,
        },
        cache: None,
    })
}

/// Values of the shader's override constants.
fn overrides(plan: &Plan) -> [(&'static str, f64); 8] {
    let (m, k) = (plan.n_slots, plan.n_spectra);
    [
        ("WORKGROUP", plan.workgroup as f64),
        ("N_SLOTS", m as f64),
        ("N_SPECTRA", k as f64),
        ("BASIS_WORDS", (m * k) as f64),
        ("GRAM_WORDS", if plan.has_gram { (m * m) as f64 } else { 1.0 }),
        ("SQUARE_WORDS", (k * k) as f64),
        ("N_SHARDS", plan.n_shards as f64),
        ("IS_F16", f64::from(u8::from(plan.is_f16))),
    ]
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

// The uniform block is bound whole; a size that is not a multiple of 16 would be refused by some backends.
const _: () = assert!(size_of::<Params>().is_multiple_of(16) && size_of::<Dispatch>().is_multiple_of(16));
