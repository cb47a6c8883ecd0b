//! `devices --check`: the known-answer test on every adapter.

use std::fmt::Write;
use std::sync::Arc;

use serde::Serialize;

use super::adapter::AdapterDescription;
use super::choice::AdapterChoice;
use super::device::{self, OpenDevice};
use super::doubles::Doubles;
use super::error::GpuError;
use super::known_answer;
use crate::config::Config;

/// How one adapter did with one storage of the embeddings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AdapterCheck {
    /// Place in the list.
    pub index: usize,
    /// Name given by the driver.
    pub name: String,
    /// `f16` or `f32`: they are read by different code.
    pub storage: &'static str,
    /// Double precision that kernels compute in: `native`, or `pairs` of f32; none where the adapter did not open.
    pub doubles: Option<&'static str>,
    /// True where every answer is right.
    pub passed: bool,
    /// Time of a test, the kernel compiled before; 0 where it failed.
    pub ms: f64,
    /// What is wrong and what to do, where the test failed.
    pub problem: Option<String>,
}

/// Runs the known-answer test at the default shape on every adapter listed.
pub fn check(list: &[AdapterDescription]) -> Vec<AdapterCheck> {
    let mut checks = Vec::new();
    for adapter in list {
        let opened = device::open(&AdapterChoice::Index(adapter.index)).map(Arc::new);
        let doubles = opened.as_ref().ok().map(|device| Doubles::default().name_on(device));
        for (storage, is_f16) in [("f16", true), ("f32", false)] {
            let result = match &opened {
                Ok(device) => timed(device, is_f16).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            let name = adapter.name.clone();
            let index = adapter.index;
            let (ms, problem) = match result {
                Ok(ms) => (ms, None),
                Err(problem) => (0.0, Some(problem)),
            };
            checks.push(AdapterCheck { index, name, storage, doubles, passed: problem.is_none(), ms, problem });
        }
    }
    checks
}

/// Twice: the first compiles the kernel.
fn timed(device: &Arc<OpenDevice>, is_f16: bool) -> Result<f64, GpuError> {
    let config = Config::default();
    known_answer::run(device, &config, is_f16)?;
    Ok(known_answer::run(device, &config, is_f16)?.took.as_secs_f64() * 1e3)
}

/// Draws the checks for people, a line each.
pub fn checks_text(checks: &[AdapterCheck]) -> String {
    let mut text = String::from("\nknown-answer test:\n");
    for AdapterCheck { index, name, storage, doubles, ms, problem, .. } in checks {
        let doubles = doubles.map_or(String::new(), |name| format!(", double precision: {name}"));
        // Writing to a String does not fail.
        let _ = match problem {
            None => writeln!(text, "  {index}  {name}  {storage}  passed ({ms:.1} ms{doubles})"),
            Some(problem) => writeln!(text, "  {index}  {name}  {storage}  FAILED: {problem}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{AdapterCheck, checks_text};

    #[test]
    fn each_check_is_a_line() {
        let passed = AdapterCheck {
            index: 0,
            name: "Arc A770".to_owned(),
            storage: "f16",
            doubles: Some("native"),
            passed: true,
            ms: 3.25,
            problem: None,
        };
        let failed =
            AdapterCheck { storage: "f32", passed: false, problem: Some("wrong".to_owned()), ..passed.clone() };
        let text = checks_text(&[passed, failed]);
        let expected = "
known-answer test:
  0  Arc A770  f16  passed (3.2 ms, double precision: native)
  0  Arc A770  f32  FAILED: wrong
";
        assert_eq!(text, expected);
    }
}
