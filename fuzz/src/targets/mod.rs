//! The targets. Each takes bytes for what comes from outside and panics where something that must hold does not.

mod arrow;
mod cases;
mod config;
mod files;
mod json_lines;
mod npy;
mod parquet;
mod ranking;
mod tensors;

use super::memory;

/// Most bytes that reading an input may hold at once. The inputs are far smaller: what goes beyond believed a claim.
const MAX_HELD_BYTES: usize = 256 << 20;

/// Something that reads.
pub struct Target {
    /// Name of the binary, and of the folders with its seeds and finds.
    pub name: &'static str,
    run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "parquet", run: parquet::run },
    Target { name: "npy", run: npy::run },
    Target { name: "safetensors", run: tensors::safetensors },
    Target { name: "pytorch", run: tensors::pytorch },
    Target { name: "arrow", run: arrow::run },
    Target { name: "json_lines", run: json_lines::run },
    Target { name: "config", run: config::run },
    Target { name: "cases", run: cases::run },
];

impl Target {
    /// Runs an input.
    ///
    /// # Panics
    /// Where the input breaks something.
    pub fn check(&self, data: &[u8]) {
        memory::reset_peak();
        (self.run)(data);
        let n_bytes = memory::peak_bytes();
        assert!(n_bytes <= MAX_HELD_BYTES, "{} bytes held for an input of {} bytes", n_bytes, data.len());
    }
}

/// The first byte chooses among `n` ways to read the rest.
fn choice(data: &[u8], n: u8) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (first % n, rest))
}
