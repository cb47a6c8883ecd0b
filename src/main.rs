//! The `spectrank` program: parse, run, map the outcome to an exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    spectrank::io::silence_caught_panics();
    let arguments = cli::Arguments::parse();
    match cli::run(arguments) {
        Ok(()) => cli::Exit::Done.into(),
        Err(failure) => {
            // Standard error may be closed; there is nobody left to tell then.
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("spectrank: {failure}\n"));
            failure.exit.into()
        }
    }
}
