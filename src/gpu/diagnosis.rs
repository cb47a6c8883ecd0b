//! Why there is no GPU, and what to do about it.
//!
//! wgpu answers "no adapters" alike for a missing loader, a missing driver and a missing GPU. What tells them apart lies
//! in the file system: [`Environment::probe`] looks, [`diagnose`] concludes.

use super::adapter::{AdapterDescription, AdapterError, AdapterKind};

mod probe;

/// The system, as far as the search for a GPU differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Platform {
    /// Linux and the BSDs: Vulkan through a loader and driver manifests.
    #[default]
    Unix,
    /// Metal is part of the system.
    MacOs,
    /// Direct3D 12 is part of the system.
    Windows,
}

/// A file that tells the Vulkan loader of a driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Where it lies.
    pub path: String,
    /// The driver's library that is named but not there.
    pub missing_library: Option<String>,
}

/// What was found on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// The system.
    pub platform: Platform,
    /// True where `libvulkan.so.1` can be found.
    pub has_loader: bool,
    /// The variable that replaces the driver search, with its value.
    pub driver_override: Option<(String, String)>,
    /// Driver manifests in the places where the loader looks.
    pub manifests: Vec<Manifest>,
    /// Device nodes of GPUs, such as `/dev/dri/renderD128` and `/dev/nvidia0`.
    pub gpu_nodes: Vec<String>,
    /// Those that this user may not open.
    pub denied_nodes: Vec<String>,
    /// True inside a container.
    pub is_container: bool,
}

impl Environment {
    fn has_nvidia_gpu(&self) -> bool {
        self.gpu_nodes.iter().any(|node| node.starts_with("/dev/nvidia"))
    }

    fn has_nvidia_driver(&self) -> bool {
        self.manifests.iter().any(|m| m.missing_library.is_none() && is_nvidia(m))
    }
}

fn is_nvidia(manifest: &Manifest) -> bool {
    manifest.path.contains("nvidia")
}

const LOADER_CURE: &str =
    "install it (Debian, Ubuntu: libvulkan1; Fedora: vulkan-loader; Arch: vulkan-icd-loader) with the GPU's driver";
const DRIVER_CURE: &str = "install the GPU's (AMD, Intel: mesa-vulkan-drivers, on Arch vulkan-radeon or vulkan-intel; \
                           NVIDIA: the vendor's)";
const NVIDIA_CONTAINER_CURE: &str = "start the container with `--gpus all -e NVIDIA_DRIVER_CAPABILITIES=all` \
                                     (`graphics` is what Vulkan needs)";
const CONTAINER_CURE: &str = "give the container the GPU (AMD, Intel: `--device /dev/dri`; NVIDIA: `--gpus all -e \
                              NVIDIA_DRIVER_CAPABILITIES=all`)";

/// Says why `list` has no GPU. An adapter that is listed over Vulkan proves that loader and driver work.
pub fn diagnose(list: &[AdapterDescription], environment: &Environment) -> AdapterError {
    let no_adapter = |cure: String| AdapterError::NoAdapter { present: present(list), cure };
    match environment.platform {
        Platform::MacOs => no_adapter(
            "Metal shows no GPU to this process, as in some virtual machines: use `--backend cpu`".to_owned(),
        ),
        Platform::Windows => no_adapter("install the GPU vendor's driver (Direct3D 12 or Vulkan)".to_owned()),
        Platform::Unix if !list.is_empty() => no_adapter(adapter_cure(environment)),
        Platform::Unix if !environment.has_loader => AdapterError::NoLoader { cure: loader_cure(environment) },
        Platform::Unix => match missing_driver(environment) {
            Some((reason, cure)) => AdapterError::NoDriver { reason, cure },
            None => no_adapter(adapter_cure(environment)),
        },
    }
}

fn present(list: &[AdapterDescription]) -> String {
    if list.is_empty() {
        return "no adapter".to_owned();
    }
    let is_software = list.iter().all(|a| a.kind == AdapterKind::Cpu);
    let names = list.iter().map(|a| a.name.as_str()).collect::<Vec<_>>().join(", ");
    if is_software { format!("only software ({names})") } else { format!("no GPU, only {names}") }
}

fn loader_cure(environment: &Environment) -> String {
    if environment.is_container && environment.has_nvidia_gpu() && !environment.has_nvidia_driver() {
        return format!("{LOADER_CURE}; {NVIDIA_CONTAINER_CURE}");
    }
    LOADER_CURE.to_owned()
}

/// What is wrong with the drivers, if none can be loaded, and the cure.
fn missing_driver(environment: &Environment) -> Option<(String, String)> {
    if environment.manifests.iter().any(|m| m.missing_library.is_none()) {
        return None;
    }
    let is_nvidia_container = environment.is_container && environment.has_nvidia_gpu();
    let driver_cure = if is_nvidia_container { NVIDIA_CONTAINER_CURE } else { DRIVER_CURE };
    let broken = environment.manifests.iter().find_map(|m| Some((m, m.missing_library.as_ref()?)));
    if let Some((manifest, library)) = broken {
        // The manifest comes with the image, the library from the host: the usual half of a driver in a container.
        let is_nvidia_half = environment.is_container && is_nvidia(manifest);
        let cure = if is_nvidia_half { NVIDIA_CONTAINER_CURE } else { driver_cure };
        return Some((format!("{} names {library}, which is not there", manifest.path), cure.to_owned()));
    }
    if let Some((variable, value)) = &environment.driver_override {
        let cure = format!("unset {variable}, or set it to the driver's .json file");
        return Some((format!("{variable}={value} names no driver manifest that can be read"), cure));
    }
    let reason = "no manifest in /usr/share/vulkan/icd.d or /etc/vulkan/icd.d";
    let cure = format!("{driver_cure}; one in another place is named by VK_DRIVER_FILES");
    Some((reason.to_owned(), cure))
}

/// What to do where drivers load and offer no GPU.
fn adapter_cure(environment: &Environment) -> String {
    if let Some(node) = environment.denied_nodes.first() {
        return format!("{node} is closed to this user: add the user to the group that owns it (often `render`)");
    }
    if let Some((variable, value)) = &environment.driver_override
        && !environment.gpu_nodes.is_empty()
    {
        return format!("{variable}={value} limits the drivers: unset it, or add the GPU's");
    }
    if environment.has_nvidia_gpu() && !environment.has_nvidia_driver() {
        let outside = "install the Vulkan part of NVIDIA's driver";
        return if environment.is_container { NVIDIA_CONTAINER_CURE } else { outside }.to_owned();
    }
    match (environment.gpu_nodes.first(), environment.is_container) {
        (Some(node), false) => format!("{node} is there, but no driver takes it: {DRIVER_CURE}"),
        (Some(node), true) => {
            format!("{node} is there, but no driver takes it: {DRIVER_CURE}, in the image and no older than the GPU")
        }
        (None, true) => CONTAINER_CURE.to_owned(),
        (None, false) => "no GPU shows in /dev: where the machine has one, install its kernel driver".to_owned(),
    }
}

#[cfg(test)]
mod tests;
