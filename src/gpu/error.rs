//! What goes wrong on a GPU, in one line with the cure.

use super::adapter::AdapterError;
use super::device::DeviceFault;
use super::plan::PlanError;

/// What went wrong on the device, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GpuError {
    /// The problem does not fit the device.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A fault planted by a test does not fit.
    #[error("planted fault: {0}")]
    Planted(String),
    /// The driver reported an error.
    #[error("the GPU driver reports: {0}; run with --backend cpu")]
    Driver(String),
    /// Memory ran out, and there is nothing left to make smaller.
    #[error(
        "the GPU is out of memory ({detail}): close what else uses it, take a smaller catalog or slates, or run with --backend cpu"
    )]
    OutOfMemory {
        /// What the driver says.
        detail: String,
    },
    /// Results did not arrive.
    #[error("the GPU did not answer within {seconds} s: lower --max-dispatch-ms, or run with --backend cpu")]
    Timeout {
        /// Seconds waited.
        seconds: u64,
    },
    /// The device is gone.
    #[error("the GPU was lost ({reason}): run again, or with --backend cpu")]
    Lost {
        /// What the driver says.
        reason: String,
    },
    /// The device went away, a new one was opened, and it went away over the same slates.
    #[error(
        "the GPU was lost twice over the same slates ({reason}): lower --max-dispatch-ms, update its driver, or run with --backend cpu"
    )]
    LostAgain {
        /// What the driver says, or that it did not answer.
        reason: String,
    },
    /// The device went away and there is no new one.
    #[error("the GPU was lost, and {0}")]
    NotReopened(AdapterError),
    /// The known-answer test failed.
    #[error(
        "adapter {adapter} fails the known-answer test ({what}): update its driver, choose another with --adapter, or run with --backend cpu"
    )]
    KnownAnswer {
        /// The adapter in words.
        adapter: String,
        /// Which answer is wrong, and how.
        what: String,
    },
    /// Results that cannot be right.
    #[error(
        "the GPU returned an impossible result for slate number {slate}: {what}; its driver computes wrongly, run with --backend cpu"
    )]
    BadOutput {
        /// Index of the slate in the call.
        slate: usize,
        /// What is impossible about it.
        what: String,
    },
}

impl GpuError {
    /// Why the device has to be replaced, where it has to be.
    pub(super) fn loss(&self) -> Option<String> {
        match self {
            Self::Lost { reason } => Some(reason.clone()),
            Self::Timeout { seconds } => Some(format!("no answer within {seconds} s")),
            _ => None,
        }
    }
}

impl From<DeviceFault> for GpuError {
    fn from(fault: DeviceFault) -> Self {
        match fault {
            DeviceFault::OutOfMemory(detail) => Self::OutOfMemory { detail: one_line(&detail) },
            other => Self::Driver(one_line(&other.to_string())),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
