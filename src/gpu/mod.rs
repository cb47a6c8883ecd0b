//! The GPU side, through wgpu: Vulkan, Metal and Direct3D 12.

pub mod adapter;
mod batch;
mod batch_rows;
mod buffers;
pub mod check;
pub mod choice;
pub mod device;
pub mod diagnosis;
pub mod engine;
pub mod error;
mod flight;
mod fma;
mod kernel;
pub mod kernel_cache;
pub mod known_answer;
pub mod layout;
pub mod pace;
mod pipeline;
pub mod plan;
pub mod planted;
pub mod roofline;
pub mod shader;
mod stopwatch;
mod table;
mod tables;
pub mod trace;

pub use adapter::{AdapterDescription, AdapterError, AdapterKind, Backend, list};
pub use check::{AdapterCheck, check, checks_text};
pub use choice::{AdapterChoice, choose, choose_each};
pub use device::{DeviceFault, OpenDevice, PollFailure, open};
pub use diagnosis::{Environment, diagnose};
pub use engine::{GpuEngine, GpuOptions};
pub use error::GpuError;
pub use fma::ProductErrors;
pub use kernel::ShaderChecks;
pub use table::devices_table;
