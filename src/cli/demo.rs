//! `spectrank demo`

use clap::Args;

use super::Failure;
use super::settings::EngineFlags;

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    #[command(flatten)]
    engine: EngineFlags,
}

/// Runs the demo.
pub fn run(flags: &Demo) -> Result<(), Failure> {
    let _ = &flags.engine;
    Err(Failure::input("demo", "is being built"))
}
