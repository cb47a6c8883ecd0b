//! Fuzz targets for everything that spectrank reads from outside, and the seeds to start from.
//!
//! `run.sh` builds them with libFuzzer and runs them in turn; the crate's own `cargo test` runs the same targets over seeds,
//! finds of the past and some thousand changed inputs, without libFuzzer.

pub mod memory;
pub mod seeds;
pub mod targets;

/// The target of this name.
pub fn named(name: &str) -> &'static targets::Target {
    targets::TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target \"{name}\""))
}

/// Makes a libFuzzer binary of a target.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        #[global_allocator]
        static ALLOCATOR: $crate::memory::Counting = $crate::memory::Counting;

        libfuzzer_sys::fuzz_target!(
            // libFuzzer aborts at every panic; those that the library catches are an answer like any other.
            init: spectrank::panics::silence_caught(),
            |data: &[u8]| $crate::named($name).check(data)
        );
    };
}
