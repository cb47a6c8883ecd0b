//! `spectrank check`

use std::path::PathBuf;

use clap::Args;
use spectrank::check::{CheckRequest, check};

use super::memory::MemoryFlags;
use super::settings::{ConfigFlags, EngineFlags};
use super::{Exit, Failure, terminal};

/// Flags of `check`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Check {
    /// Items, as in `rerank`.
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    catalog: Vec<PathBuf>,
    /// Slates, as in `rerank`.
    #[arg(long, required = true, num_args = 1..=2, value_name = "FILE")]
    slates: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigFlags,
    #[command(flatten)]
    engine: EngineFlags,
    #[command(flatten)]
    memory: MemoryFlags,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Reads headers, item ids, the first 10000 items and the first 1000 slates; ranks a few of these for a second to tell the time,
and writes nothing. Exit code: 0 where nothing wrong was found, else 1.

Example:
  spectrank check --config feed.toml --catalog items.parquet --slates slates.parquet";

/// Checks, and says what was found.
pub fn run(flags: &Check) -> Result<(), Failure> {
    let config = flags.config.load()?;
    let report = check(&CheckRequest {
        catalog: &flags.catalog,
        slates: &flags.slates,
        config: &config,
        engine: flags.engine.request()?,
        memory_limit: flags.memory.limit(),
    });
    match flags.json {
        true => terminal::print(format_args!("{:#}\n", serde_json::json!(report)))?,
        false => terminal::print(format_args!("{report}"))?,
    }
    match report.problems.len() {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Input, "1 problem was found")),
        n => Err(Failure::new(Exit::Input, format_args!("{n} problems were found"))),
    }
}
