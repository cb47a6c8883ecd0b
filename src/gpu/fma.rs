//! Whether a device's `fma` rounds once.
//!
//! What rounding takes from a product is then `fma(a, b, -(a * b))`, one operation in place of a dozen. WGSL lets an `fma` round twice, and
//! no API says which it is: so the device is asked for products whose error is known.

use std::sync::mpsc;
use std::time::Duration;

use wgpu::util::{BufferInitDescriptor, DeviceExt};

use super::device::OpenDevice;
use super::error::GpuError;
use crate::parity::random::Random;

/// How the kernel finds what rounding takes from a product. Both ways give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ProductErrors {
    /// By `fma` where the device's rounds once, which is asked once per device.
    #[default]
    ByFma,
    /// By products of halves, which are exact everywhere.
    ByHalves,
}

/// Products asked for.
const N: usize = 256;
/// Longest wait for them.
const TIMEOUT: Duration = Duration::from_secs(5);

/// `errors` of products whose factors no compiler knows. As in common/double.wgsl, the product goes through an operation on its bits.
const SOURCE: &str = "
@group(0) @binding(0) var<storage, read> factors: array<vec2<f32>>;
@group(0) @binding(1) var<storage, read_write> results: array<vec2<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let pair = factors[id.x];
    let unknown_zero = bitcast<u32>(factors[arrayLength(&factors) - 1u].x);
    let product = bitcast<f32>(bitcast<u32>(pair.x * pair.y) ^ unknown_zero);
    results[id.x] = vec2<f32>(product, fma(pair.x, pair.y, -product));
}";

/// True where every product asked for comes back with its error. False, too, where the device does not answer: what else is
/// wrong with it, others find out.
pub(super) fn rounds_once(open: &OpenDevice) -> bool {
    let factors = factors();
    let answered = ask(open, &factors);
    answered.is_ok_and(|results| {
        results.len() == N && factors.iter().zip(&results).all(|(&pair, &result)| is_exact(pair, result))
    })
}

/// Pairs with fractions of 24 bits; no product or error is near the ends of what f32 holds.
fn factors() -> Vec<[f32; 2]> {
    let mut random = Random(30);
    let mut factor = || random.normals(1)[0] as f32 * 3.0;
    (0..N).map(|_| [factor(), factor()]).collect()
}

/// Products of f32 are exact in f64, and so is what one of them is off by.
fn is_exact([a, b]: [f32; 2], [product, error]: [f32; 2]) -> bool {
    f64::from(a) * f64::from(b) - f64::from(product) == f64::from(error)
}

fn ask(open: &OpenDevice, factors: &[[f32; 2]]) -> Result<Vec<[f32; 2]>, GpuError> {
    let n_bytes = size_of_val(factors) as u64;
    let (readback, submission) = open.scoped(|device| {
        let buffer = |size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor { label: Some("fma"), size, usage, mapped_at_creation: false })
        };
        let input = device.create_buffer_init(&BufferInitDescriptor {
            label: Some("fma"),
            contents: bytemuck::cast_slice(&[factors, &[[0.0, 0.0]]].concat()),
            usage: wgpu::BufferUsages::STORAGE,
        });
        let output = buffer(n_bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
        let readback = buffer(n_bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("fma"),
            source: wgpu::ShaderSource::Wgsl(SOURCE.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("fma"),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entries = [(0, &input), (1, &output)]
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("fma"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("fma") });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bind_group, &[]);
        pass.dispatch_workgroups(N as u32 / 64, 1, 1);
        drop(pass);
        encoder.copy_buffer_to_buffer(&output, 0, &readback, 0, n_bytes);
        let submission = open.queue.submit([encoder.finish()]);
        (readback, submission)
    })?;
    let (sender, mapped) = mpsc::channel();
    readback.map_async(wgpu::MapMode::Read, .., move |result| {
        let _ = sender.send(result);
    });
    let failed = |what: &dyn std::fmt::Debug| GpuError::Driver(format!("no answer: {what:?}"));
    open.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(TIMEOUT) })
        .map_err(|error| failed(&error))?;
    mapped.recv_timeout(TIMEOUT).map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let view = readback.get_mapped_range(..).map_err(|error| failed(&error))?;
    Ok(bytemuck::pod_collect_to_vec(&view))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rounding_is_told_from_two() {
        let factors = factors();
        for &[a, b] in &factors {
            let product = a * b;
            assert!(is_exact([a, b], [product, a.mul_add(b, -product)]));
        }
        // Rounded twice, nothing is left of an error; a few products have none.
        let n_exact = factors.iter().filter(|&&[a, b]| is_exact([a, b], [a * b, a * b - a * b])).count();
        assert!(n_exact < N / 10, "{n_exact}");
    }
}
