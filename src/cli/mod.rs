//! One file per command: flags and calls, no logic.

mod bloom;
mod check;
mod closed;
mod compare;
mod demo;
mod devices;
mod exit;
mod explain;
mod interrupt;
mod manual;
mod memory;
mod numbers;
mod outputs;
mod parity;
mod rerank;
mod schema;
mod settings;
mod terminal;
mod tune;

use clap::{Parser, Subcommand};

pub use exit::{Exit, Failure, told};

/// Composes recommendation slates from scored candidates: relevance, variety and spacing as one utility.
#[derive(Debug, Parser)]
#[command(version, about, after_help = Exit::list())]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Re-rank every slate of a file.
    Rerank(Box<rerank::Rerank>),
    /// Compare strategies or configurations on the same slates: what each gains in variety and costs in relevance.
    Compare(Box<compare::Compare>),
    /// Re-rank a few real slates that come with the program, and show what changed.
    Demo(demo::Demo),
    /// Find strengths: run every setting of a sweep over your slates, and name the one that keeps a wanted relevance.
    Tune(Box<tune::Tune>),
    /// Say of a slate why each item stands where it stands, as text, JSON or a page for a browser.
    Explain(Box<explain::Explain>),
    /// Check that an engine computes what the reference computes, on generated slates or on your own.
    Parity(Box<parity::Parity>),
    /// Say which columns a configuration needs and what comes out, or give its JSON Schema to your editor.
    Schema(Box<schema::Schema>),
    /// Look for everything that is wrong with your files, and estimate memory and time, without ranking.
    Check(Box<check::Check>),
    /// Turn long histories into a column of Bloom filters.
    Bloom(bloom::Bloom),
    /// List the GPUs this program can use, and say which one it takes by itself.
    Devices(devices::Devices),
    /// Print completions of commands and flags for your shell.
    Completions(manual::Completions),
    /// Print the manual page of the program or of a command.
    Man(manual::Man),
}

/// Runs the command.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    // Before there is a file in the making.
    interrupt::listen();
    match arguments.command {
        Command::Rerank(command) => rerank::run(&command),
        Command::Compare(command) => compare::run(&command),
        Command::Demo(command) => demo::run(&command),
        Command::Tune(command) => tune::run(&command),
        Command::Explain(command) => explain::run(&command),
        Command::Parity(command) => parity::run(&command),
        Command::Schema(command) => schema::run(&command),
        Command::Check(command) => check::run(&command),
        Command::Bloom(command) => bloom::run(&command),
        Command::Devices(command) => devices::run(&command),
        Command::Completions(command) => manual::completions(&command),
        Command::Man(command) => manual::man(&command),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    /// What a minus may stand before, by the names of values. It is then a number out of range, and no flag that is unknown.
    const NUMBERS: [&str; 8] = ["N", "N,…", "K", "MS", "BETA", "SEED", "SHARE", "SLATE"];

    #[test]
    fn the_parser_is_consistent_and_every_flag_has_help() {
        let mut command = super::Arguments::command();
        command.build();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            for argument in sub.get_arguments() {
                let name = format!("{} --{}", sub.get_name(), argument.get_id());
                assert!(argument.get_help().is_some(), "{name} has no help");
                let mut values = argument.get_value_names().unwrap_or_default().iter();
                let is_number = values.any(|value| NUMBERS.contains(&value.as_str()));
                assert_eq!(argument.is_allow_negative_numbers_set(), is_number, "{name}");
            }
        }
    }
}
