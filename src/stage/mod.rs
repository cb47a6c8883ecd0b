//! The stages of the pipeline, in order. Each is a plain function over plain slices, generic over f32 and f64,
//! and has a WGSL twin of the same name in `shaders/`; [`placed_sum`] and [`sketch`] are shortcuts of the CPU's.

pub mod eigensolve;
pub mod eligibility;
pub mod exposure;
pub mod penalty;
pub mod placed_similarity;
pub mod placed_sum;
pub mod residual;
pub mod select;
pub mod sketch;
pub mod window;
pub mod window_similarity;
