//! Does an engine compute what the reference computes? Anyone can ask, of any engine, on any data.
//!
//! ```text
//! generate::recipe(seed, index) ─→ Recipe ─→ Case {config, catalog, slates}        or the user's own files
//!                                             │
//! Subject (an engine under test) ── rerank ───┤
//!                                             ↓
//! replay(problem, slate, ranked) ─→ Replay: every pick judged by the f64 reference (SPEC 9)
//!                                             ↓
//! Harness ─→ Report: figures, worst slate, faults;   a fault → attribution: the first stage that departs
//!                                                            → shrink: a small Case in a file, to run anywhere
//! ```
//! Nothing is printed here; reports and faults are values that know how to say what they mean.

pub mod attribution;
pub mod case;
mod copies;
mod fault;
pub mod generate;
pub mod gpu_subject;
pub mod harness;
pub mod invariance;
pub mod random;
pub mod recipe;
mod replay;
pub mod report;
pub mod shrink;
pub mod subject;

pub use attribution::{Departure, Stage};
pub use case::{Case, CaseError};
pub use fault::{Fault, ReplayedPosition, Term};
pub use generate::Limits;
pub use gpu_subject::GpuSubject;
pub use harness::{Batch, Harness, HarnessError};
pub use invariance::{Invariance, Variation};
pub use replay::{Replay, TOLERANCE, bound, replay};
pub use report::Report;
pub use subject::{Bound, CpuSubject, Subject, SubjectError};
