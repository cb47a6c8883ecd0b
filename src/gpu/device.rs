//! An open device that records its errors.

use std::error::Error as _;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::adapter::{AdapterDescription, AdapterError, enumerate};
use super::choice::{AdapterChoice, choose};
use super::diagnosis::{Environment, diagnose};
use super::doubles::{self, DoubleTimes};
use super::error::GpuError;
use super::fma;
use super::kernel::Kernels;
use super::known_answer::Verdicts;
use super::plan::DeviceLimits;
use crate::panics::caught;

/// Taken where the adapter has them, never needed.
const OPTIONAL_FEATURES: wgpu::Features = wgpu::Features::SUBGROUP
    .union(wgpu::Features::TIMESTAMP_QUERY)
    .union(wgpu::Features::PIPELINE_CACHE)
    .union(DOUBLES);
/// Numbers of double precision, and words to take them apart.
const DOUBLES: wgpu::Features = wgpu::Features::SHADER_F64.union(wgpu::Features::SHADER_INT64);

/// An error that wgpu raised outside any error scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceFault {
    /// Memory ran out.
    #[error("the GPU is out of memory: {0}")]
    OutOfMemory(String),
    /// This program misused the API; a bug.
    #[error("wgpu refused a call: {0}")]
    Validation(String),
    /// The driver failed, or a limit that the API does not know was passed.
    #[error("the GPU driver failed: {0}")]
    Internal(String),
}

impl From<wgpu::Error> for DeviceFault {
    fn from(error: wgpu::Error) -> Self {
        // The description of an out-of-memory error is only in its source.
        let detail = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        match error {
            wgpu::Error::OutOfMemory { .. } => Self::OutOfMemory(detail),
            wgpu::Error::Validation { description, .. } => Self::Validation(description),
            wgpu::Error::Internal { description, .. } => Self::Internal(description),
        }
    }
}

/// Why a poll did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PollFailure {
    /// The device did not finish in time.
    #[error("the GPU did not finish in time")]
    Timeout,
    /// The submission to wait for was never accepted; [`OpenDevice::take_error`] may know why.
    #[error("the GPU never took the work: {0}")]
    NotSubmitted(String),
    /// The device is lost, or out of memory beyond repair.
    #[error("the GPU is lost: {0}")]
    Lost(String),
}

/// Written by callbacks of wgpu on any thread.
#[derive(Debug, Default)]
struct Health {
    fault: Mutex<Option<DeviceFault>>,
    lost: OnceLock<String>,
    is_stuck: AtomicBool,
}

impl Health {
    /// Keeps the first fault: what follows is mostly its consequence.
    fn record(&self, fault: DeviceFault) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }
}

/// A device with its queue. Errors are recorded, not raised: callers ask [`take_error`](Self::take_error) and
/// [`is_lost`](Self::is_lost) before they believe a result.
///
/// Many engines can share one: kernels are compiled, and known answers asked for, once per device.
#[derive(Debug)]
pub struct OpenDevice {
    /// The adapter in words.
    pub description: AdapterDescription,
    /// The adapter.
    pub adapter: wgpu::Adapter,
    /// The device, with the limits of the adapter.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: ManuallyDrop<wgpu::Queue>,
    pub(super) kernels: Kernels,
    pub(super) verdicts: Verdicts,
    is_fma_fused: OnceLock<bool>,
    is_quick_in_doubles: OnceLock<bool>,
    health: Arc<Health>,
}

impl OpenDevice {
    /// The first error since the last call, if any.
    pub fn take_error(&self) -> Option<DeviceFault> {
        self.health.fault.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// True once the device is lost; it stays so, and needs a new one.
    pub fn is_lost(&self) -> bool {
        self.health.lost.get().is_some()
    }

    /// Polls the device, as [`wgpu::Device::poll`] does, which runs the callbacks of maps and of loss.
    ///
    /// That one panics where the device is lost in the meantime; here it is an error as any other. The panic leaves
    /// wgpu's own state whole: it is raised after the core has returned and let go of its locks.
    pub fn poll(&self, poll_type: wgpu::PollType) -> Result<wgpu::PollStatus, PollFailure> {
        let result = self.poll_caught(poll_type);
        if matches!(result, Err(PollFailure::NotSubmitted(_))) {
            // A lost device drops submissions in silence; only a poll that waits for nothing tells of the loss then.
            self.poll_caught(wgpu::PollType::Poll)?;
        }
        result
    }

    fn poll_caught(&self, poll_type: wgpu::PollType) -> Result<wgpu::PollStatus, PollFailure> {
        match caught(|| self.device.poll(poll_type)) {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(wgpu::PollError::Timeout)) => Err(PollFailure::Timeout),
            Ok(Err(error)) => Err(PollFailure::NotSubmitted(error.to_string())),
            Err(reason) => {
                // The callback has set the reason already where the driver reported a loss.
                let _ = self.health.lost.set(reason.clone());
                Err(PollFailure::Lost(reason))
            }
        }
    }

    /// Puts bytes into a buffer. They take memory on their way, which may run out.
    pub(super) fn upload(&self, buffer: &wgpu::Buffer, at: u64, bytes: &[u8]) -> Result<(), GpuError> {
        self.scoped(|_| self.queue.write_buffer(buffer, at, bytes))
    }

    /// Opens the same adapter once more, for when this device is lost.
    ///
    /// # Errors
    /// The adapter is gone, or gives no device.
    pub fn reopen(&self) -> Result<Self, AdapterError> {
        open_adapter(self.description.clone(), self.adapter.clone()).or_else(|error| {
            // A driver that was reset may want to be asked anew.
            let is_same = |a: &AdapterDescription| AdapterDescription { index: self.description.index, ..a.clone() };
            let found = enumerate().into_iter().find(|(a, _)| is_same(a) == self.description);
            found.map_or(Err(error), |(_, adapter)| open_adapter(self.description.clone(), adapter))
        })
    }

    /// Notes that the device does not answer. It is not waited for any more, not even when it is closed.
    pub(super) fn give_up(&self) {
        self.health.is_stuck.store(true, Ordering::Relaxed);
    }

    /// What engines plan with.
    pub(super) fn limits(&self) -> DeviceLimits {
        let found = self.device.limits();
        DeviceLimits {
            binding_bytes: found.max_storage_buffer_binding_size.min(found.max_buffer_size),
            workgroup_bytes: found.max_compute_workgroup_storage_size as usize,
            workgroup_invocations: found.max_compute_invocations_per_workgroup.min(found.max_compute_workgroup_size_x)
                as usize,
            groups_per_dimension: found.max_compute_workgroups_per_dimension,
            catalog_bytes: u64::MAX,
        }
    }

    /// Why the device was lost.
    pub fn lost_reason(&self) -> Option<&str> {
        self.health.lost.get().map(String::as_str)
    }

    /// True where `fma` was seen to round once. A device that does not answer is asked again the next time.
    pub fn is_fma_fused(&self) -> bool {
        self.asked(&self.is_fma_fused, fma::rounds_once)
    }

    /// True where shaders were seen to be quicker in the device's double precision than in pairs of f32. Asked again likewise.
    pub fn is_quick_in_doubles(&self) -> bool {
        self.asked(&self.is_quick_in_doubles, doubles::are_quicker)
    }

    /// Times sums of products in both ways, whichever is taken; none where the device has no doubles.
    ///
    /// # Errors
    /// The driver refuses something, or does not answer.
    pub fn time_doubles(&self) -> Result<Option<DoubleTimes>, GpuError> {
        self.has_doubles().then(|| doubles::times(self)).transpose()
    }

    fn asked(&self, answer: &OnceLock<bool>, ask: impl Fn(&Self) -> Option<bool>) -> bool {
        let given = answer.get().copied();
        given.or_else(|| ask(self).map(|given| *answer.get_or_init(|| given))) == Some(true)
    }

    /// True where shaders may compute in double precision.
    pub fn has_doubles(&self) -> bool {
        self.device.features().contains(DOUBLES)
    }

    /// True where shaders may use subgroup operations.
    pub fn has_subgroups(&self) -> bool {
        self.device.features().contains(wgpu::Features::SUBGROUP)
    }

    /// True where passes may carry timestamp queries.
    pub fn has_timestamps(&self) -> bool {
        self.device.features().contains(wgpu::Features::TIMESTAMP_QUERY)
    }
}

impl Drop for OpenDevice {
    fn drop(&mut self) {
        if self.health.is_stuck.load(Ordering::Relaxed) {
            // Closing the queue waits for its work, maybe for ever.
            return;
        }
        // It also panics where the driver fails while it waits; nobody is left to whom that matters.
        let _ = caught(|| {
            // SAFETY: this is the queue's last use: `drop` runs once, and nothing reads the field after it.
            unsafe { ManuallyDrop::drop(&mut self.queue) }
        });
    }
}

/// Opens the adapter chosen, with all its limits. Where there is no GPU, the error says why and what to do.
pub fn open(choice: &AdapterChoice) -> Result<OpenDevice, AdapterError> {
    let mut adapters = enumerate();
    let list: Vec<AdapterDescription> = adapters.iter().map(|(description, _)| description.clone()).collect();
    let chosen = match choose(&list, choice) {
        // Whatever was asked for: where nothing is listed, the driver is what is missing.
        Err(_) if list.is_empty() => return Err(diagnose(&list, &Environment::probe())),
        Err(AdapterError::NoGpu) => return Err(diagnose(&list, &Environment::probe())),
        result => result?,
    };
    let (description, adapter) = adapters.swap_remove(chosen);
    // The instance lives on through the adapter; the other adapters are let go before the device is made.
    drop(adapters);
    open_adapter(description, adapter)
}

fn open_adapter(description: AdapterDescription, adapter: wgpu::Adapter) -> Result<OpenDevice, AdapterError> {
    let request = adapter.request_device(&wgpu::DeviceDescriptor {
        label: Some("spectrank"),
        required_features: adapter.features().intersection(OPTIONAL_FEATURES),
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::Performance,
        ..Default::default()
    });
    let (device, queue) = pollster::block_on(request)
        .map_err(|error| AdapterError::NotOpened { adapter: description.to_string(), reason: error.to_string() })?;
    let health = Arc::new(Health::default());
    let on_error = Arc::clone(&health);
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| on_error.record(error.into())));
    let on_loss = Arc::clone(&health);
    device.set_device_lost_callback(move |reason, message| {
        let reason = if message.is_empty() { format!("{reason:?}") } else { message };
        // Set once; a second call has nothing to add.
        let _ = on_loss.lost.set(reason);
    });
    Ok(OpenDevice {
        description,
        adapter,
        device,
        queue: ManuallyDrop::new(queue),
        kernels: Kernels::default(),
        verdicts: Verdicts::default(),
        is_fma_fused: OnceLock::new(),
        is_quick_in_doubles: OnceLock::new(),
        health,
    })
}

#[cfg(test)]
mod tests {
    use super::{DeviceFault, Health};

    #[test]
    fn the_first_fault_is_kept() {
        let health = Health::default();
        health.record(DeviceFault::OutOfMemory("first".to_owned()));
        health.record(DeviceFault::Internal("second".to_owned()));
        let fault = health.fault.lock().unwrap().take();
        assert_eq!(fault, Some(DeviceFault::OutOfMemory("first".to_owned())));
    }

    #[test]
    fn out_of_memory_is_told_apart_and_keeps_its_cause() {
        let fault = DeviceFault::from(wgpu::Error::OutOfMemory { source: "heap 0".into() });
        assert_eq!(fault, DeviceFault::OutOfMemory("heap 0".to_owned()));
    }
}
