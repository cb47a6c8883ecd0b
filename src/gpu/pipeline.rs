//! The kernel with everything bound: what does not change between batches, and what does.

use std::ops::Range;
use std::sync::Arc;

use crate::gpu::device::OpenDevice;
use crate::gpu::error::GpuError;
use crate::gpu::kernel::Kernel;
use crate::gpu::layout::{Dispatch, Params};
use crate::gpu::plan::{MAX_SHARDS, Plan, Residence};
use crate::gpu::planted::{DeviceFaults, PlantedFault, Site};
use crate::gpu::tables;
use crate::problem::Problem;

/// Rows are uploaded in pieces of about this size: a piece is in memory three times, here, on its way and there.
const UPLOAD_BYTES: usize = 64 << 20;

/// Kernel and settings on one device, and the catalog where it is there.
pub struct Pipeline {
    kernel: Arc<Kernel>,
    params: wgpu::Buffer,
    dispatch: wgpu::Buffer,
    /// The whole catalog; nothing where each batch brings its rows.
    catalog: Option<CatalogBuffers>,
    faults: DeviceFaults,
}

/// Rows in [`MAX_SHARDS`] bindings, and the item table.
struct CatalogBuffers {
    shards: Vec<wgpu::Buffer>,
    items: wgpu::Buffer,
}

/// What goes up with a batch, and what it needs.
pub struct BatchData {
    /// Headers and slates.
    pub words: Vec<u32>,
    /// Words that slates keep between dispatches.
    pub state_words: usize,
    /// Words of statuses and placements.
    pub output_words: usize,
    /// Catalog rows that come with the batch; used where the catalog is on the host.
    pub rows: Vec<u32>,
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
    /// Uploads the catalog, if that is its place.
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
        let catalog = match plan.residence {
            Residence::Device => Some(upload(open, faults, problem, plan, problem.catalog.n_items(), |place| place)?),
            Residence::Host => None,
        };
        let params = allocate("params", size_of::<Params>(), wgpu::BufferUsages::UNIFORM)?;
        open.upload(&params, 0, bytemuck::bytes_of(&plan.params))?;
        let dispatch = allocate("dispatch", size_of::<Dispatch>(), wgpu::BufferUsages::UNIFORM)?;
        Ok(Self { kernel, params, dispatch, catalog, faults: faults.clone() })
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Buffers for a batch, the slates uploaded; with the rows of their items where the catalog is on the host.
    ///
    /// # Errors
    /// The driver refuses an allocation.
    pub fn batch_buffers(
        &self,
        open: &OpenDevice,
        problem: &Problem,
        plan: &Plan,
        data: &BatchData,
    ) -> Result<BatchBuffers, GpuError> {
        let &BatchData { ref words, state_words, output_words, ref rows } = data;
        let brought;
        let catalog = match &self.catalog {
            Some(catalog) => catalog,
            None => {
                brought = upload(open, &self.faults, problem, plan, rows.len(), |place| rows[place] as usize)?;
                &brought
            }
        };
        let buffer = |label, words: usize, usage| allocate(open, &self.faults, label, 4 * words, usage);
        let batch = buffer("batch", words.len(), wgpu::BufferUsages::STORAGE)?;
        open.upload(&batch, 0, bytemuck::cast_slice(words))?;
        let state = buffer("state", state_words, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)?;
        let output = buffer("output", output_words, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)?;
        let readback = buffer("readback", output_words, wgpu::BufferUsages::MAP_READ)?;
        let bound = [&self.params, &self.dispatch].into_iter().chain(&catalog.shards).chain([
            &catalog.items,
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
        for buffer in self.catalog.iter().flat_map(|catalog| catalog.shards.iter().chain([&catalog.items])) {
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

/// Uploads the rows and the item table of `n_rows` items; `row_of` says which catalog row is in a place.
fn upload(
    open: &OpenDevice,
    faults: &DeviceFaults,
    problem: &Problem,
    plan: &Plan,
    n_rows: usize,
    row_of: impl Fn(usize) -> usize + Copy,
) -> Result<CatalogBuffers, GpuError> {
    let mut shards = Vec::with_capacity(MAX_SHARDS);
    for shard in 0..MAX_SHARDS {
        let n_rows = if shard < plan.n_shards { n_rows } else { 0 };
        let rows_per_shard = plan.params.rows_per_shard as usize;
        let first = (shard * rows_per_shard).min(n_rows);
        let last = ((shard + 1) * rows_per_shard).min(n_rows);
        let buffer = allocate(open, faults, "catalog", (last - first) * plan.row_bytes(), wgpu::BufferUsages::STORAGE)?;
        upload_rows(open, &buffer, problem, plan, first..last, row_of)?;
        shards.push(buffer);
    }
    let item_words = tables::item_table(problem, plan, (0..n_rows).map(row_of));
    let items = allocate(open, faults, "items", 4 * item_words.len(), wgpu::BufferUsages::STORAGE)?;
    open.upload(&items, 0, bytemuck::cast_slice(&item_words))?;
    Ok(CatalogBuffers { shards, items })
}

/// The rows of one binding, piece by piece.
fn upload_rows(
    open: &OpenDevice,
    buffer: &wgpu::Buffer,
    problem: &Problem,
    plan: &Plan,
    places: Range<usize>,
    row_of: impl Fn(usize) -> usize + Copy,
) -> Result<(), GpuError> {
    let row_bytes = plan.row_bytes();
    let rows_per_piece = (UPLOAD_BYTES / row_bytes.max(1)).max(1);
    let mut at = places.start;
    while at < places.end && row_bytes > 0 {
        let end = (at + rows_per_piece).min(places.end);
        let bytes = tables::row_bytes(problem, plan, (at..end).map(row_of));
        open.upload(buffer, ((at - places.start) * row_bytes) as u64, &bytes)?;
        if end < places.end {
            // Starts the copy, so that what is on its way does not pile up.
            open.queue.submit([]);
        }
        at = end;
    }
    Ok(())
}

// The uniform block is bound whole; a size that is not a multiple of 16 would be refused by some backends.
const _: () = assert!(size_of::<Params>().is_multiple_of(16) && size_of::<Dispatch>().is_multiple_of(16));
