//! spectrank composes recommendation slates from scored candidates.

pub mod catalog;
pub mod config;
pub mod cpu;
pub mod demo;
pub mod engine;
pub mod gpu;
pub mod io;
pub mod metrics;
pub mod parity;
pub mod prepare;
pub mod problem;
pub mod real;
pub mod run;
pub mod slate;
pub mod stage;
pub mod strategy;
