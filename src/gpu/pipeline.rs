//! The kernel with everything bound that does not change between batches.

use std::sync::Arc;

use crate::gpu::device::OpenDevice;
use crate::gpu::error::GpuError;
use crate::gpu::kernel::Kernel;
use crate::gpu::layout::{Dispatch, Params};
use crate::gpu::plan::{MAX_SHARDS, Plan};
use crate::gpu::planted::{DeviceFaults, PlantedFault, Site};
use crate::gpu::tables;
use crate::problem::Problem;

/// Rows are uploaded in pieces of about this size: a piece is in memory three times, here, on its way and there.
const UPLOAD_BYTES: usize = 64 << 20;

/// Kernel, catalog and tables on one device.
pub struct Pipeline {
    kernel: Arc<Kernel>,
    params: wgpu::Buffer,
    dispatch: wgpu::Buffer,
    shards: Vec<wgpu::Buffer>,
    items: wgpu::Buffer,
    faults: DeviceFaults,
}

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
    /// Uploads the catalog.
    ///
    /// # Errors
    /// The driver refuses an allocation.
    pub fn new(
        open: &OpenDevice,
        kernel: Arc<Kernel>,
        problem: &Problem,
        plan: &Plan,
        faults: &DeviceFaults,
    ) -> Result<Self, GpuError> {
        let allocate = |label, size: usize, usage| allocate(open, faults, label, size, usage);
        let mut shards = Vec::with_capacity(MAX_SHARDS);
        for shard in 0..MAX_SHARDS {
            shards.push(upload_shard(open, faults, problem, plan, shard)?);
        }
        let item_words = tables::item_table(problem, plan);
        let items = allocate("items", 4 * item_words.len(), wgpu::BufferUsages::STORAGE)?;
        open.upload(&items, 0, bytemuck::cast_slice(&item_words))?;
        let params = allocate("params", size_of::<Params>(), wgpu::BufferUsages::UNIFORM)?;
        open.upload(&params, 0, bytemuck::bytes_of(&plan.params))?;
        let dispatch = allocate("dispatch", size_of::<Dispatch>(), wgpu::BufferUsages::UNIFORM)?;
        Ok(Self { kernel, params, dispatch, shards, items, faults: faults.clone() })
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Buffers for a batch, the slates uploaded.
    ///
    /// # Errors
    /// The driver refuses an allocation.
    pub fn batch_buffers(
        &self,
        open: &OpenDevice,
        batch_words: &[u32],
        state_words: usize,
        output_words: usize,
    ) -> Result<BatchBuffers, GpuError> {
        let buffer = |label, words: usize, usage| allocate(open, &self.faults, label, 4 * words, usage);
        let batch = buffer("batch", batch_words.len(), wgpu::BufferUsages::STORAGE)?;
        open.upload(&batch, 0, bytemuck::cast_slice(batch_words))?;
        let state = buffer("state", state_words, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)?;
        let output = buffer("output", output_words, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)?;
        let readback = buffer("readback", output_words, wgpu::BufferUsages::MAP_READ)?;
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
        let bind_group = open.scoped(|device| {
            device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("batch"),
                layout: &self.kernel.pipeline.get_bind_group_layout(0),
                entries: &entries,
            })
        })?;
        Ok(BatchBuffers { bind_group, state, output, readback })
    }

    /// One dispatch over the whole batch, and the copy of its output.
    pub fn submit(&self, open: &OpenDevice, buffers: &BatchBuffers, dispatch: &Dispatch) {
        let planted = self.faults.due(Site::Submit);
        if planted == Some(PlantedFault::Lost) {
            open.device.destroy();
        }
        let mut dispatch = *dispatch;
        if planted == Some(PlantedFault::StaleNonce) {
            dispatch.nonce = dispatch.nonce.wrapping_sub(1);
        }
        open.queue.write_buffer(&self.dispatch, 0, bytemuck::bytes_of(&dispatch));
        let mut encoder = open.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("rerank") });
        if planted != Some(PlantedFault::Truncated) {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.kernel.pipeline);
            pass.set_bind_group(0, &buffers.bind_group, &[]);
            pass.dispatch_workgroups(dispatch.row_length, dispatch.n_slates.div_ceil(dispatch.row_length), 1);
        }
        encoder.copy_buffer_to_buffer(&buffers.output, 0, &buffers.readback, 0, buffers.output.size());
        open.queue.submit([encoder.finish()]);
    }

    /// Gives the catalog's memory back, where others may still hold the device.
    pub fn release(&self) {
        for buffer in self.shards.iter().chain([&self.items]) {
            buffer.destroy();
        }
    }
}

/// A buffer that is written from the host; never empty, as a binding must not be.
///
/// It is not mapped at its creation: wgpu panics where the memory for that is not there.
fn allocate(
    open: &OpenDevice,
    faults: &DeviceFaults,
    label: &'static str,
    size: usize,
    usage: wgpu::BufferUsages,
) -> Result<wgpu::Buffer, GpuError> {
    if faults.due(Site::Allocation).is_some() {
        return Err(GpuError::OutOfMemory { detail: "planted".to_owned() });
    }
    let descriptor = wgpu::BufferDescriptor {
        label: Some(label),
        size: size.max(16) as u64,
        usage: usage | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    };
    open.scoped(|device| device.create_buffer(&descriptor))
}

/// The catalog rows of one binding.
fn upload_shard(
    open: &OpenDevice,
    faults: &DeviceFaults,
    problem: &Problem,
    plan: &Plan,
    shard: usize,
) -> Result<wgpu::Buffer, GpuError> {
    let n_items = if shard < plan.n_shards { problem.catalog.n_items() } else { 0 };
    let rows_per_shard = plan.params.rows_per_shard as usize;
    let first = (shard * rows_per_shard).min(n_items);
    let last = ((shard + 1) * rows_per_shard).min(n_items);
    let row_bytes = plan.row_values * if plan.is_f16 { 2 } else { 4 };
    let buffer = allocate(open, faults, "catalog", (last - first) * row_bytes, wgpu::BufferUsages::STORAGE)?;
    let rows_per_piece = (UPLOAD_BYTES / row_bytes.max(1)).max(1);
    let mut at = first;
    while at < last && row_bytes > 0 {
        let end = (at + rows_per_piece).min(last);
        let bytes = tables::row_bytes(problem, plan, at, end);
        open.upload(&buffer, ((at - first) * row_bytes) as u64, &bytes)?;
        if end < last {
            // Starts the copy, so that what is on its way does not pile up.
            open.queue.submit([]);
        }
        at = end;
    }
    Ok(buffer)
}

// The uniform block is bound whole; a size that is not a multiple of 16 would be refused by some backends.
const _: () = assert!(size_of::<Params>().is_multiple_of(16) && size_of::<Dispatch>().is_multiple_of(16));
