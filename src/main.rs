//! The `spectrank` program: parse, run, map the outcome to an exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    skip_device_select();
    spectrank::panics::silence_caught();
    let arguments = cli::Arguments::parse();
    cli::told(cli::run(arguments)).into()
}

/// Mesa's device-select layer complains on standard error where there is no desktop. It only orders adapters, which this
/// program does itself, so it is left out unless the user asks something of it.
fn skip_device_select() {
    let is_asked =
        ["NODEVICE_SELECT", "MESA_VK_DEVICE_SELECT", "DRI_PRIME"].iter().any(|v| std::env::var_os(v).is_some());
    if !is_asked {
        // SAFETY: this is the first thing `main` does; no other thread runs that could read the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
