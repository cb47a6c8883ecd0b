//! Cases and helpers shared by the integration tests.

#![allow(dead_code, unused_imports, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

pub mod generate;
pub mod golden;
pub mod gpu;
pub mod oracle;
pub mod pairs;
pub mod parity;
