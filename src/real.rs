//! The number type of the CPU engine: f32 for speed, f64 for the reference.

use half::slice::HalfFloatSliceExt;
use multiversion::multiversion;

use crate::catalog::{Embedding, EmbeddingData};

/// f32 or f64, with the two operations that touch embedding rows.
pub trait Real:
    num_traits::Float + num_traits::NumAssign + std::iter::Sum + Default + Send + Sync + std::fmt::Debug + 'static
{
    /// Rounds to this type.
    fn of(x: f64) -> Self;
    /// Widens.
    fn to_f64(self) -> f64;
    /// Inner product of two rows of one length. The order of the additions does not depend on the processor.
    fn dot(a: &[Self], b: &[Self]) -> Self;
    /// Inner product of two rows with the products and sums in f64.
    fn dot_wide(a: &[Self], b: &[Self]) -> f64;
    /// Appends row `row` of an embedding.
    fn append_row(embedding: &Embedding, row: usize, out: &mut Vec<Self>);
}

/// Independent partial sums: wide enough for two AVX-512 registers of f32.
const LANES: usize = 32;

macro_rules! dot_in_lanes {
    ($name:ident, $sum:ident, $type:ty) => {
        #[multiversion(targets = "simd")]
        fn $name(a: &[$type], b: &[$type]) -> $type {
            let mut sums = [0.0; LANES];
            let ((a_chunks, a_tail), (b_chunks, b_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
            let tail: $type = a_tail.iter().zip(b_tail).map(|(x, y)| x * y).sum();
            for (x, y) in a_chunks.iter().zip(b_chunks) {
                for lane in 0..LANES {
                    sums[lane] += x[lane] * y[lane];
                }
            }
            if a_chunks.is_empty() {
                return tail;
            }
            let halves: [$type; LANES / 2] = std::array::from_fn(|lane| sums[lane] + sums[lane + LANES / 2]);
            $sum(&halves) + tail
        }

        // Not inlined: a compiler that sees the halves below add up works in pairs, not in whole registers, all the way up
        // into the loop, which then takes four times as many instructions.
        #[inline(never)]
        fn $sum(sums: &[$type; LANES / 2]) -> $type {
            let sums: [$type; 8] = std::array::from_fn(|lane| sums[lane] + sums[lane + 8]);
            let sums: [$type; 4] = std::array::from_fn(|lane| sums[lane] + sums[lane + 4]);
            (sums[0] + sums[2]) + (sums[1] + sums[3])
        }
    };
}

dot_in_lanes!(dot_f32, sum_f32, f32);
dot_in_lanes!(dot_f64, sum_f64, f64);

/// Independent partial sums of [`dot_f32_wide`].
const WIDE_LANES: usize = 16;

#[multiversion(targets = "simd")]
fn dot_f32_wide(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0; WIDE_LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(WIDE_LANES), b.chunks_exact(WIDE_LANES));
    let tail = a_chunks.remainder().iter().zip(b_chunks.remainder());
    let tail: f64 = tail.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..WIDE_LANES {
            sums[lane] += f64::from(x[lane]) * f64::from(y[lane]);
        }
    }
    sums.iter().sum::<f64>() + tail
}

impl Real for f32 {
    fn of(x: f64) -> Self {
        x as Self
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn dot(a: &[Self], b: &[Self]) -> Self {
        dot_f32(a, b)
    }

    fn dot_wide(a: &[Self], b: &[Self]) -> f64 {
        dot_f32_wide(a, b)
    }

    fn append_row(embedding: &Embedding, row: usize, out: &mut Vec<Self>) {
        let range = row * embedding.dim..(row + 1) * embedding.dim;
        let start = out.len();
        match &embedding.data {
            EmbeddingData::F16(v) => {
                out.resize(start + embedding.dim, 0.0);
                v[range].convert_to_f32_slice(&mut out[start..]);
            }
            EmbeddingData::F32(v) => out.extend_from_slice(&v[range]),
            EmbeddingData::F64(v) => out.extend(v[range].iter().map(|&x| x as Self)),
        }
    }
}

impl Real for f64 {
    fn of(x: f64) -> Self {
        x
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn dot(a: &[Self], b: &[Self]) -> Self {
        dot_f64(a, b)
    }

    fn dot_wide(a: &[Self], b: &[Self]) -> f64 {
        dot_f64(a, b)
    }

    fn append_row(embedding: &Embedding, row: usize, out: &mut Vec<Self>) {
        let range = row * embedding.dim..(row + 1) * embedding.dim;
        match &embedding.data {
            EmbeddingData::F16(v) => out.extend(v[range].iter().map(|x| x.to_f64())),
            EmbeddingData::F32(v) => out.extend(v[range].iter().map(|&x| Self::from(x))),
            EmbeddingData::F64(v) => out.extend_from_slice(&v[range]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_agrees_with_a_plain_sum_at_every_length() {
        for n in 0..100 {
            let a: Vec<f64> = (0..n).map(|i| (f64::from(i) * 0.7).sin()).collect();
            let b: Vec<f64> = (0..n).map(|i| (f64::from(i) * 1.3).cos()).collect();
            let plain: f64 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
            assert!((f64::dot(&a, &b) - plain).abs() < 1e-12, "n = {n}");
            let (a32, b32): (Vec<f32>, Vec<f32>) = a.iter().zip(&b).map(|(&x, &y)| (x as f32, y as f32)).unzip();
            assert!((f64::from(f32::dot(&a32, &b32)) - plain).abs() < 1e-5, "n = {n}");
        }
    }
}
