//! An open device that records its errors.

use std::any::Any;
use std::collections::HashMap;
use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::adapter::{AdapterDescription, AdapterError, enumerate};
use super::choice::{AdapterChoice, choose};
use super::diagnosis::{Environment, diagnose};
use super::pipeline::PipelineKey;

/// Taken where the adapter has them, never needed.
const OPTIONAL_FEATURES: wgpu::Features = wgpu::Features::SUBGROUP.union(wgpu::Features::TIMESTAMP_QUERY);

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
}

impl Health {
    /// Keeps the first fault: what follows is mostly its consequence.
    fn record(&self, fault: DeviceFault) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }
}

/// A device with its queue. Errors are recorded, not raised: callers ask [`take_error`](Self::take_error) and
/// [`is_lost`](Self::is_lost) before they believe a result.
#[derive(Debug)]
pub struct OpenDevice {
    /// The adapter in words.
    pub description: AdapterDescription,
    /// The adapter.
    pub adapter: wgpu::Adapter,
    /// The device, with the limits of the adapter.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// Kernels compiled on this device so far: a driver can take seconds for one.
    pub(super) pipelines: Mutex<HashMap<PipelineKey, wgpu::ComputePipeline>>,
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
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(poll_type))) {
            Ok(Ok(status)) => Ok(status),
            Ok(Err(wgpu::PollError::Timeout)) => Err(PollFailure::Timeout),
            Ok(Err(error)) => Err(PollFailure::NotSubmitted(error.to_string())),
            Err(panic) => {
                let reason = panic_message(panic.as_ref());
                // The callback has set the reason already where the driver reported a loss.
                let _ = self.health.lost.set(reason.clone());
                Err(PollFailure::Lost(reason))
            }
        }
    }

    /// Why the device was lost.
    pub fn lost_reason(&self) -> Option<&str> {
        self.health.lost.get().map(String::as_str)
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

/// The text of a panic, in one line.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("wgpu failed").split_whitespace().collect::<Vec<_>>().join(" ")
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
    Ok(OpenDevice { description, adapter, device, queue, pipelines: Mutex::default(), health })
}

#[cfg(test)]
mod tests {
    use super::{DeviceFault, Health, panic_message};

    #[test]
    fn a_panic_becomes_one_line() {
        assert_eq!(panic_message(&"Error in Device::poll:\n  lost\n".to_owned()), "Error in Device::poll: lost");
        assert_eq!(panic_message(&"text"), "text");
        assert_eq!(panic_message(&7), "wgpu failed");
    }

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
