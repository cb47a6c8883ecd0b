//! What can keep a problem off a device.

use crate::gpu::layout::MAX_SIGNALS;

/// Why a problem cannot run on a device, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Too many signals.
    #[error("{n_signals} signals, the GPU engine blends at most {MAX_SIGNALS}: use fewer, or --backend cpu")]
    Signals {
        /// Signals with positive weight.
        n_signals: usize,
    },
    /// The window does not fit workgroup memory.
    #[error(
        "the window needs {needed} bytes of workgroup memory, the adapter has {available}: use a smaller window or fewer spectra, or --backend cpu"
    )]
    WorkgroupMemory {
        /// Bytes needed.
        needed: usize,
        /// Bytes the adapter has.
        available: usize,
    },
    /// One slate alone is too large.
    #[error(
        "slate number {index} needs {needed} bytes of device memory, a binding holds {available}: use --backend cpu"
    )]
    Slate {
        /// Index in the batch.
        index: usize,
        /// Bytes needed.
        needed: u64,
        /// Bytes of a binding.
        available: u64,
    },
    /// One step alone takes more loop iterations than a dispatch may.
    #[error(
        "one step needs {needed} loop iterations, a dispatch may take {available}: use a smaller window, or --backend cpu"
    )]
    Step {
        /// Iterations needed.
        needed: usize,
        /// Iterations allowed.
        available: usize,
    },
}
