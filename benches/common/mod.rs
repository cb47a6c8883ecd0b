//! What the benches share: data of one kind, and answers that are checked.

#![allow(dead_code, reason = "each bench uses its own part")]

pub mod machine;
pub mod parquet_files;
pub mod processor;
pub mod synthetic;

use spectrank::parity;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};

/// Slates of which at most so many are checked, for the reference is slow.
const MOST_CHECKED: usize = 32;

/// Slates as engines take them.
pub fn prepare(problem: &Problem, slates: &[Slate]) -> Result<Vec<PreparedSlate>, String> {
    let prepared = slates.iter().map(|slate| PreparedSlate::new(problem, slate).map_err(|error| error.to_string()));
    prepared.collect()
}

/// Holds answers against the f64 reference (SPEC 9), some of the slates spread over all of them.
///
/// # Errors
/// The first thing that is wrong, with `who` gave it.
pub fn check(problem: &Problem, slates: &[PreparedSlate], ranked: &[RankedSlate], who: &str) -> Result<(), String> {
    if slates.len() != ranked.len() {
        return Err(format!("{who}: {} results for {} slates", ranked.len(), slates.len()));
    }
    for i in (0..slates.len()).step_by(slates.len().div_ceil(MOST_CHECKED).max(1)) {
        let replay = parity::replay(problem, &slates[i], &ranked[i]);
        replay.verdict().map_err(|fault| format!("{who}, slate {i}: {fault}"))?;
    }
    Ok(())
}

/// The middle one; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// A number with three digits at least, in groups of thousands.
pub fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
