//! Whether a device's `fma` rounds once.
//!
//! What rounding takes from a product is then `fma(a, b, -(a * b))`, one operation in place of a dozen. WGSL lets an `fma` round
//! twice, and no API says which it is: so the device is asked for products whose error is known.

use super::adapter::Backend;
use super::device::OpenDevice;
use super::error::GpuError;
use super::question::Question;
use super::shader;
use crate::parity::random::Random;

/// How the kernel finds what rounding takes from a product. Both ways give the same bits, but for products of next to
/// nothing (1e-30).
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

/// Errors of products, by the kernel's own function, whose factors no compiler knows.
const MAIN: &str = "
@group(0) @binding(0) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> results: array<vec4<f32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = arrayLength(&results) / 2u;
    unknown_zero = bitcast<u32>(factors[2u * n].x);
    let product = pin4(factors[id.x] * factors[n + id.x]);
    results[id.x] = product;
    results[n + id.x] = product_error(factors[id.x], factors[n + id.x], product);
}";

/// True where every product asked for comes back with its error; none where the device does not answer: what is wrong
/// with it, others find out.
pub(super) fn rounds_once(open: &OpenDevice) -> Option<bool> {
    if open.description.backend == Backend::Dx12 {
        // HLSL has no fma of f32: it would be a `mad`, which a compiler may fuse in one kernel and not in the next.
        return Some(false);
    }
    let (a, b) = factors();
    let results = ask(open, &a, &b).ok()?;
    let (products, errors) = results.split_at_checked(N)?;
    Some((0..N).all(|i| errors.len() == N && is_exact([a[i], b[i]], [products[i], errors[i]])))
}

/// Factors with fractions of 24 bits; no product or error is near the ends of what f32 holds.
fn factors() -> (Vec<f32>, Vec<f32>) {
    let mut random = Random(30);
    let mut factors = || random.normals(N).iter().map(|x| *x as f32 * 3.0).collect();
    (factors(), factors())
}

/// Products of f32 are exact in f64, and so is what one of them is off by.
fn is_exact([a, b]: [f32; 2], [product, error]: [f32; 2]) -> bool {
    f64::from(a) * f64::from(b) - f64::from(product) == f64::from(error)
}

/// The products, then what they are off by.
fn ask(open: &OpenDevice, a: &[f32], b: &[f32]) -> Result<Vec<f32>, GpuError> {
    let source = format!("const IS_F16 = 0u;\nconst IS_FMA_FUSED = 1u;\n{}\n{MAIN}", shader::EXACT);
    let numbers = [a, b, &[0.0; 4]].concat();
    Question::new(open, "fma", source, &numbers, size_of_val(a) as u64 * 2)?.ask(N as u32 / 4 / 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rounding_is_told_from_two() {
        let (a, b) = factors();
        let is_told = |error: fn(f32, f32, f32) -> f32| {
            (0..N).filter(|&i| is_exact([a[i], b[i]], [a[i] * b[i], error(a[i], b[i], a[i] * b[i])])).count()
        };
        assert_eq!(is_told(|a, b, product| a.mul_add(b, -product)), N);
        // Rounded twice, nothing is left of an error; a few products have none.
        let n_exact = is_told(|a, b, product| a * b - product);
        assert!(n_exact < N / 10, "{n_exact}");
    }
}
