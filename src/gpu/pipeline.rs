//! The kernel with everything bound: what does not change between batches, and what does.

use std::sync::Arc;

use crate::gpu::buffers::{BatchBuffers, BatchData, CatalogBuffers, Memory};
use crate::gpu::device::OpenDevice;
use crate::gpu::error::GpuError;
use crate::gpu::kernel::Kernel;
use crate::gpu::layout::{Dispatch, Params};
use crate::gpu::plan::{Plan, Residence};
use crate::gpu::planted::{DeviceFaults, PlantedFault, Site};
use crate::problem::Problem;

/// What is on the device from start to end: the settings, and the catalog where it is there.
pub(super) struct Resident {
    params: wgpu::Buffer,
    dispatch: wgpu::Buffer,
    /// The whole catalog; nothing where each batch brings its rows.
    catalog: Option<CatalogBuffers>,
}

/// The kernel and what it works with.
pub(super) struct Pipeline {
    kernel: Arc<Kernel>,
    resident: Resident,
    faults: DeviceFaults,
}

impl Resident {
    /// Uploads the settings, and the catalog if that is its place.
    ///
    /// # Errors
    /// The driver refuses an allocation.
    pub(super) fn new(
        open: &OpenDevice,
        problem: &Problem,
        plan: &Plan,
        faults: &DeviceFaults,
    ) -> Result<Self, GpuError> {
        let memory = Memory { open, faults };
        let catalog = match plan.residence {
            Residence::Device => Some(CatalogBuffers::of_catalog(memory, problem, plan)?),
            Residence::Host => None,
        };
        let params = memory.allocate("params", size_of::<Params>(), wgpu::BufferUsages::UNIFORM)?;
        open.upload(&params, 0, bytemuck::bytes_of(&plan.params))?;
        let dispatch = memory.allocate("dispatch", size_of::<Dispatch>(), wgpu::BufferUsages::UNIFORM)?;
        Ok(Self { params, dispatch, catalog })
    }
}

impl Pipeline {
    pub(super) fn new(kernel: Arc<Kernel>, resident: Resident, faults: &DeviceFaults) -> Self {
        Self { kernel, resident, faults: faults.clone() }
    }

    /// The kernel.
    pub(super) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Buffers for a batch, the slates uploaded; those of an earlier batch where they fit.
    ///
    /// # Errors
    /// The driver refuses an allocation.
    pub(super) fn batch_buffers(
        &self,
        open: &OpenDevice,
        problem: &Problem,
        plan: &Plan,
        data: &BatchData,
        spare: Option<BatchBuffers>,
    ) -> Result<BatchBuffers, GpuError> {
        let memory = Memory { open, faults: &self.faults };
        BatchBuffers::new(memory, problem, plan, data, spare, |rows, [batch, state, output]| {
            let Resident { params, dispatch, catalog } = &self.resident;
            let catalog = catalog.as_ref().or(rows);
            let shards = catalog.into_iter().flat_map(|catalog| catalog.shards.iter().chain([&catalog.items]));
            let bound = [params, dispatch].into_iter().chain(shards).chain([batch, state, output]);
            let entries: Vec<_> = bound
                .enumerate()
                .map(|(i, buffer)| wgpu::BindGroupEntry { binding: i as u32, resource: buffer.as_entire_binding() })
                .collect();
            open.scoped(|device| {
                device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some("batch"),
                    layout: &self.kernel.pipeline.get_bind_group_layout(0),
                    entries: &entries,
                })
            })
        })
    }

    /// One dispatch over the whole batch, and the copy of its output.
    pub(super) fn submit(
        &self,
        open: &OpenDevice,
        buffers: &BatchBuffers,
        dispatch: &Dispatch,
        output_bytes: u64,
    ) -> wgpu::SubmissionIndex {
        let planted = self.faults.due(Site::Submit);
        if planted == Some(PlantedFault::Lost) {
            open.device.destroy();
        }
        let mut dispatch = *dispatch;
        if planted == Some(PlantedFault::StaleNonce) {
            dispatch.nonce = dispatch.nonce.wrapping_sub(1);
        }
        // The queue keeps the order: what was submitted before still reads what was written for it.
        open.queue.write_buffer(&self.resident.dispatch, 0, bytemuck::bytes_of(&dispatch));
        let mut encoder = open.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("rerank") });
        if planted != Some(PlantedFault::Truncated) {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.kernel.pipeline);
            pass.set_bind_group(0, &buffers.bind_group, &[]);
            pass.dispatch_workgroups(dispatch.row_length, dispatch.n_slates.div_ceil(dispatch.row_length), 1);
        }
        encoder.copy_buffer_to_buffer(&buffers.output, 0, &buffers.readback, 0, output_bytes);
        open.queue.submit([encoder.finish()])
    }

    /// Gives the catalog's memory back, where others may still hold the device.
    pub(super) fn release(&self) {
        self.resident.catalog.iter().for_each(CatalogBuffers::destroy);
    }
}

// The uniform block is bound whole; a size that is not a multiple of 16 would be refused by some backends.
const _: () = assert!(size_of::<Params>().is_multiple_of(16) && size_of::<Dispatch>().is_multiple_of(16));
