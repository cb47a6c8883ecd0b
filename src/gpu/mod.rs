//! The GPU side, through wgpu: Vulkan, Metal and Direct3D 12.

pub mod adapter;
pub mod choice;
pub mod device;
pub mod diagnosis;
pub mod engine;
pub mod layout;
mod pipeline;
pub mod plan;
pub mod planted;
pub mod shader;
mod table;
mod tables;
pub mod trace;

pub use adapter::{AdapterDescription, AdapterError, AdapterKind, Backend, list};
pub use choice::{AdapterChoice, choose};
pub use device::{DeviceFault, OpenDevice, PollFailure, open};
pub use diagnosis::{Environment, diagnose};
pub use engine::{GpuEngine, GpuError, GpuOptions};
pub use pipeline::ShaderChecks;
pub use table::devices_table;
