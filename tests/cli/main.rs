//! The program as its users run it: files in, files out, messages, exit codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so and stop")]

mod bad_input;
mod bloom;
mod check;
mod check_agrees;
mod commands;
mod compare;
mod contract;
mod data;
mod exit_codes;
mod explain;
#[path = "../inputs/files.rs"]
#[allow(dead_code, reason = "shared with the tests of the formats; each uses its own part")]
mod files;
mod filters;
mod formats;
mod gpu;
#[cfg(target_os = "linux")]
mod interrupt;
#[cfg(target_os = "linux")]
mod kill;
mod manual;
mod many_slates;
#[cfg(target_os = "linux")]
mod memory;
mod own_files;
mod parity;
mod parts;
mod program;
mod settings;
mod streams;
mod tune;
