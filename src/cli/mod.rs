//! One file per command: flags and calls, no logic.

mod demo;
mod devices;
mod exit;
mod explain;
mod parity;
mod rerank;
mod settings;
mod terminal;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Failure};

/// Composes recommendation slates from scored candidates: relevance, variety and spacing as one utility.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 bad input or configuration; 2 bad command line; 3 the output cannot be written; \
4 the GPU cannot be used or failed; 5 parity: an engine does not compute what the reference computes.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Re-rank every slate of a file.
    Rerank(Box<rerank::Rerank>),
    /// Re-rank a few real slates that come with the program, and show what changed.
    Demo(demo::Demo),
    /// Say of a slate why each item stands where it stands, as text, JSON or a page for a browser.
    Explain(Box<explain::Explain>),
    /// Check that an engine computes what the reference computes, on generated slates or on your own.
    Parity(Box<parity::Parity>),
    /// List the GPUs this program can use, and say which one it takes by itself.
    Devices(devices::Devices),
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Rerank(command) => rerank::run(&command),
        Command::Demo(command) => demo::run(&command),
        Command::Explain(command) => explain::run(&command),
        Command::Parity(command) => parity::run(&command),
        Command::Devices(command) => devices::run(&command),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_parser_is_consistent_and_every_flag_has_help() {
        let mut command = super::Arguments::command();
        command.build();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            for argument in sub.get_arguments() {
                assert!(argument.get_help().is_some(), "{} --{} has no help", sub.get_name(), argument.get_id());
            }
        }
    }
}
