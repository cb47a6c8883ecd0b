//! Small shaders that ask a device what no API tells.

use std::sync::mpsc;
use std::time::Duration;

use super::device::OpenDevice;
use super::error::GpuError;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A compiled shader that turns the numbers at binding 0 into those at binding 1.
pub(super) struct Question<'a> {
    open: &'a OpenDevice,
    label: &'static str,
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    output: wgpu::Buffer,
    readback: wgpu::Buffer,
}

impl<'a> Question<'a> {
    /// Compiles the shader and uploads the numbers; the answer has `n_bytes`.
    pub fn new(
        open: &'a OpenDevice,
        label: &'static str,
        source: String,
        numbers: &[f32],
        n_bytes: u64,
    ) -> Result<Self, GpuError> {
        let buffer = |size: u64, usage| {
            let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
            open.scoped(|device| device.create_buffer(&descriptor))
        };
        let input = buffer(size_of_val(numbers) as u64, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST)?;
        open.upload(&input, 0, bytemuck::cast_slice(numbers))?;
        let output = buffer(n_bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)?;
        let readback = buffer(n_bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)?;
        let (pipeline, bind_group) = open.scoped(|device| {
            let source = wgpu::ShaderSource::Wgsl(source.into());
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some(label), source });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(label),
                layout: None,
                module: &module,
                entry_point: None,
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            let entries = [(0, &input), (1, &output)]
                .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() });
            let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(label),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            (pipeline, bind_group)
        })?;
        Ok(Self { open, label, pipeline, bind_group, output, readback })
    }

    /// Runs so many workgroups and returns the answer.
    pub fn ask<T: bytemuck::Pod>(&self, n_workgroups: u32) -> Result<Vec<T>, GpuError> {
        let Self { open, readback, .. } = self;
        let (sender, mapped) = mpsc::channel();
        let submission = open.scoped(|device| {
            let mut encoder =
                device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(self.label) });
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &self.bind_group, &[]);
            pass.dispatch_workgroups(n_workgroups, 1, 1);
            drop(pass);
            encoder.copy_buffer_to_buffer(&self.output, 0, readback, 0, readback.size());
            let submission = open.queue.submit([encoder.finish()]);
            readback.map_async(wgpu::MapMode::Read, .., move |result| {
                // The receiver is gone only where the wait for it has already failed.
                let _ = sender.send(result);
            });
            submission
        })?;
        let failed = |what: &dyn std::fmt::Debug| GpuError::Driver(format!("no answer: {what:?}"));
        open.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(TIMEOUT) })
            .map_err(|error| failed(&error))?;
        mapped.recv_timeout(TIMEOUT).map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let view = readback.get_mapped_range(..).map_err(|error| failed(&error))?;
        let answer = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        readback.unmap();
        Ok(answer)
    }
}
