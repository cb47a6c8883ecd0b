//! The GPU side, through wgpu: Vulkan, Metal and Direct3D 12.

pub mod adapter;
pub mod choice;
pub mod device;
pub mod diagnosis;
mod table;

pub use adapter::{AdapterDescription, AdapterError, AdapterKind, Backend, list};
pub use choice::{AdapterChoice, choose};
pub use device::{DeviceFault, OpenDevice, PollFailure, open};
pub use diagnosis::{Environment, diagnose};
pub use table::devices_table;
