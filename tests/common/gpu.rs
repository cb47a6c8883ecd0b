//! The adapter that GPU tests run on.

use std::sync::{Arc, OnceLock};

use spectrank::gpu::{self, AdapterChoice, GpuEngine, GpuOptions, OpenDevice};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::RankedSlate;

/// A device that the tests of a process share, so that a kernel is compiled once. It is on the adapter named by
/// `SPECTRANK_TEST_ADAPTER`, or the first there is, software or not. Where there is none the test is skipped aloud, or
/// fails where `SPECTRANK_REQUIRE_GPU=1`.
pub fn device() -> Option<Arc<OpenDevice>> {
    static SHARED: OnceLock<Option<Arc<OpenDevice>>> = OnceLock::new();
    SHARED.get_or_init(own_device).clone()
}

/// A device of the test's own, to do with as it likes.
pub fn own_device() -> Option<Arc<OpenDevice>> {
    let named = std::env::var("SPECTRANK_TEST_ADAPTER").ok();
    let choice = named.map_or(AdapterChoice::Index(0), |name| name.parse().unwrap());
    match gpu::open(&choice) {
        Ok(device) => Some(Arc::new(device)),
        Err(error) if std::env::var("SPECTRANK_REQUIRE_GPU").is_ok_and(|v| v == "1") => {
            panic!("SPECTRANK_REQUIRE_GPU=1 but there is no adapter: {error}")
        }
        Err(error) => {
            eprintln!("SKIPPED, no adapter: {error}");
            None
        }
    }
}

/// Composes on the test adapter.
pub fn rerank(problem: &Problem, slates: &[PreparedSlate], options: GpuOptions) -> Vec<RankedSlate> {
    let device = device().unwrap();
    GpuEngine::new(device, problem, options).unwrap().rerank(slates).unwrap()
}
