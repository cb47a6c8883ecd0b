//! `spectrank devices`

use clap::Args;
use spectrank::gpu::{self, AdapterChoice};

use super::{Failure, terminal};

/// Flags of `devices`.
#[derive(Debug, Args)]
pub struct Devices {
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Lists the adapters.
pub fn run(flags: &Devices) -> Result<(), Failure> {
    let list = gpu::list();
    let chosen = gpu::choose(&list, &AdapterChoice::Auto).ok();
    if flags.json {
        let text = serde_json::json!({ "adapters": list, "auto": chosen });
        terminal::print(format_args!("{text}\n"))
    } else {
        terminal::print(format_args!("{}", gpu::devices_table(&list, chosen)))
    }
}
