//! What goes in and out: every format, and every way a file can be wrong, met with one line and never a panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so and stop")]

mod arrow;
mod catalogs;
mod damage;
mod files;
mod outputs;
mod projection;
mod skip;
mod slates;
