//! Whether a file is still what it was, as far as size and time tell.

use std::fs::Metadata;
use std::time::SystemTime;

/// Size and time of change of a file; the time is nothing where the system has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Bytes of the file.
    pub n_bytes: u64,
    modified: Option<SystemTime>,
}

impl From<Metadata> for Stamp {
    fn from(found: Metadata) -> Self {
        Self { n_bytes: found.len(), modified: found.modified().ok() }
    }
}
