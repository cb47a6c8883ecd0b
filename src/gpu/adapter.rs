//! What adapters there are, and what each can do.

use std::fmt;

use serde::Serialize;

/// Set to 1, turns on the drivers' validation layers; 0 keeps them off in debug builds too.
pub const VALIDATION_VARIABLE: &str = "SPECTRANK_GPU_VALIDATION";

/// The APIs that are tried. OpenGL is left out: its compute shaders are the least tested way to a GPU.
const BACKENDS: wgpu::Backends = wgpu::Backends::VULKAN.union(wgpu::Backends::METAL).union(wgpu::Backends::DX12);

/// What sort of processor is behind an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A GPU with its own memory.
    Discrete,
    /// A GPU that shares the memory of the CPU.
    Integrated,
    /// A GPU handed to a virtual machine.
    Virtual,
    /// A driver that computes on the CPU.
    Cpu,
    /// The driver does not say.
    Other,
}

impl AdapterKind {
    /// True where work runs on a GPU for certain.
    pub fn is_gpu(self) -> bool {
        matches!(self, Self::Discrete | Self::Integrated | Self::Virtual)
    }
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Cpu => "cpu",
            Self::Other => "other",
        })
    }
}

/// The API through which an adapter is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Vulkan.
    Vulkan,
    /// Metal.
    Metal,
    /// Direct3D 12.
    Dx12,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Vulkan => "vulkan",
            Self::Metal => "metal",
            Self::Dx12 => "dx12",
        })
    }
}

/// One adapter, with what matters to this program. A GPU has one for every backend that reaches it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterDescription {
    /// Place in the list; what `--adapter` takes.
    pub index: usize,
    /// Name given by the driver.
    pub name: String,
    /// Sort of processor.
    pub kind: AdapterKind,
    /// API.
    pub backend: Backend,
    /// Name of the driver; may be empty.
    pub driver: String,
    /// Version of the driver; may be empty.
    pub driver_info: String,
    /// PCI vendor, or a number of the API's own; 0 where unknown.
    pub vendor_id: u32,
    /// Device number of the vendor; 0 where unknown.
    pub device_id: u32,
    /// `domain:bus:device.function`; empty where unknown.
    pub pci_bus_id: String,
    /// Largest buffer.
    pub max_buffer_bytes: u64,
    /// Largest part of a buffer that a shader can see at once.
    pub max_binding_bytes: u64,
    /// Workgroup memory.
    pub max_workgroup_memory_bytes: u32,
    /// Threads in a workgroup.
    pub max_workgroup_invocations: u32,
    /// Storage buffers of one shader.
    pub max_storage_buffers: u32,
    /// True where shaders can compute in 16-bit floats.
    pub has_f16: bool,
    /// Smallest and largest subgroup, where shaders have subgroup operations.
    pub subgroup: Option<(u32, u32)>,
    /// True where passes can be timed on the device.
    pub has_timestamps: bool,
}

impl AdapterDescription {
    fn of(index: usize, adapter: &wgpu::Adapter) -> Option<Self> {
        let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
        let backend = match info.backend {
            wgpu::Backend::Vulkan => Backend::Vulkan,
            wgpu::Backend::Metal => Backend::Metal,
            wgpu::Backend::Dx12 => Backend::Dx12,
            _ => return None,
        };
        let kind = match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
            wgpu::DeviceType::Cpu => AdapterKind::Cpu,
            wgpu::DeviceType::Other => AdapterKind::Other,
        };
        let has_subgroups = features.contains(wgpu::Features::SUBGROUP);
        Some(Self {
            index,
            name: info.name,
            kind,
            backend,
            driver: info.driver,
            driver_info: info.driver_info,
            vendor_id: info.vendor,
            device_id: info.device,
            pci_bus_id: info.device_pci_bus_id,
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_workgroup_memory_bytes: limits.max_compute_workgroup_storage_size,
            max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            max_storage_buffers: limits.max_storage_buffers_per_shader_stage,
            has_f16: features.contains(wgpu::Features::SHADER_F16),
            subgroup: has_subgroups.then_some((info.subgroup_min_size, info.subgroup_max_size)),
            has_timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        })
    }
}

/// `0 (NVIDIA RTX A4000, vulkan, 0000:01:00.0)`.
impl fmt::Display for AdapterDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {}", self.index, self.name, self.backend)?;
        if !self.pci_bus_id.is_empty() {
            write!(f, ", {}", self.pci_bus_id)?;
        }
        f.write_str(")")
    }
}

/// Lists every adapter over Vulkan, Metal and Direct3D 12.
pub fn list() -> Vec<AdapterDescription> {
    enumerate().into_iter().map(|(description, _)| description).collect()
}

/// Every adapter with its description, in the order of [`list`].
pub(super) fn enumerate() -> Vec<(AdapterDescription, wgpu::Adapter)> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: BACKENDS,
        flags: instance_flags(std::env::var(VALIDATION_VARIABLE).ok().as_deref()),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut described = Vec::new();
    for adapter in pollster::block_on(instance.enumerate_adapters(BACKENDS)) {
        if let Some(description) = AdapterDescription::of(described.len(), &adapter) {
            described.push((description, adapter));
        }
    }
    described
}

/// Debug builds validate, release builds do not, unless told otherwise. wgpu's own release default also validates
/// indirect dispatches, which this program has none of: that would cost pipelines at every device creation.
fn instance_flags(validation: Option<&str>) -> wgpu::InstanceFlags {
    let validates = match validation {
        Some("0") => false,
        None | Some("") => cfg!(debug_assertions),
        Some(_) => true,
    };
    if validates { wgpu::InstanceFlags::debugging() } else { wgpu::InstanceFlags::empty() }
}

/// Why there is no adapter to work with. Every message ends with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdapterError {
    /// `auto` found no GPU; [`diagnose`](super::diagnose) says why.
    #[error("no GPU among the adapters; `--backend cpu` needs none")]
    NoGpu,
    /// The Vulkan loader is not installed.
    #[error("no Vulkan loader (libvulkan.so.1); {cure}")]
    NoLoader {
        /// What to do.
        cure: String,
    },
    /// The loader has no driver (ICD) to load.
    #[error("the Vulkan loader finds no driver: {reason}; {cure}")]
    NoDriver {
        /// What was looked at.
        reason: String,
        /// What to do.
        cure: String,
    },
    /// Loader and driver are there, a GPU is not.
    #[error("the drivers offer {present}; {cure}")]
    NoAdapter {
        /// What they do offer.
        present: String,
        /// What to do.
        cure: String,
    },
    /// The choice names no adapter.
    #[error("no adapter is {wanted}; there is {present}")]
    NoMatch {
        /// What was asked for.
        wanted: String,
        /// What there is.
        present: String,
    },
    /// The choice names several GPUs.
    #[error("more than one adapter is {wanted}: {matches}; name one by its index or PCI id")]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// What matches.
        matches: String,
    },
    /// The choice is empty.
    #[error("an adapter is chosen by its index, its PCI id (0000:01:00.0) or part of its name; `devices` lists them")]
    EmptyChoice,
    /// The adapter did not give a device.
    #[error("adapter {adapter} does not open: {reason}; update its driver or choose another with --adapter")]
    NotOpened {
        /// The adapter.
        adapter: String,
        /// What wgpu said.
        reason: String,
    },
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::{AdapterDescription, AdapterKind, Backend};

    /// A made-up adapter.
    pub fn adapter(index: usize, name: &str, kind: AdapterKind, backend: Backend, pci: &str) -> AdapterDescription {
        AdapterDescription {
            index,
            name: name.to_owned(),
            kind,
            backend,
            driver: "driver".to_owned(),
            driver_info: "1.0".to_owned(),
            vendor_id: 0,
            device_id: 0,
            pci_bus_id: pci.to_owned(),
            max_buffer_bytes: 4 << 30,
            max_binding_bytes: (2 << 30) - 1,
            max_workgroup_memory_bytes: 48 << 10,
            max_workgroup_invocations: 1024,
            max_storage_buffers: 64,
            has_f16: true,
            subgroup: Some((32, 32)),
            has_timestamps: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AdapterKind, Backend, fixtures::adapter, instance_flags};

    #[test]
    fn validation_is_on_when_asked_for() {
        assert_eq!(instance_flags(Some("1")), wgpu::InstanceFlags::debugging());
        assert_eq!(instance_flags(Some("0")), wgpu::InstanceFlags::empty());
        assert_eq!(instance_flags(None).is_empty(), !cfg!(debug_assertions));
    }

    #[test]
    fn names_in_json_are_those_of_the_command_line() -> Result<(), serde_json::Error> {
        let json = serde_json::to_value(adapter(0, "A", AdapterKind::Discrete, Backend::Dx12, ""))?;
        assert_eq!(json["kind"], "discrete");
        assert_eq!(json["backend"], "dx12");
        assert_eq!(json["subgroup"], serde_json::json!([32, 32]));
        Ok(())
    }
}
