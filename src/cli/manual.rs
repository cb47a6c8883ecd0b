//! `spectrank completions` and `spectrank man`: made of the same flags that are parsed.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, Exit, Failure, terminal};

/// Flags of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub struct Completions {
    /// Shell to complete for.
    #[arg(value_enum)]
    shell: Shell,
}

const COMPLETIONS: &str = "\
Examples:
  spectrank completions bash > ~/.local/share/bash-completion/completions/spectrank
  spectrank completions zsh > ~/.zfunc/_spectrank
  spectrank completions fish > ~/.config/fish/completions/spectrank.fish";

/// Flags of `man`.
#[derive(Debug, Args)]
#[command(after_help = MAN)]
pub struct Man {
    /// Command whose page to print; without one, the page of the program.
    command: Option<String>,
}

const MAN: &str = "\
Examples:
  spectrank man > ~/.local/share/man/man1/spectrank.1
  spectrank man rerank > ~/.local/share/man/man1/spectrank-rerank.1";

/// Prints the completions.
pub fn completions(flags: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut Arguments::command(), "spectrank", &mut script);
    terminal::print(format_args!("{}", String::from_utf8_lossy(&script)))
}

/// Prints a manual page, in roff.
pub fn man(flags: &Man) -> Result<(), Failure> {
    let mut program = Arguments::command();
    program.build();
    let command = match &flags.command {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Failure::usage(format_args!("no command \"{name}\": `spectrank --help` lists them")))?,
    };
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| Failure::new(Exit::Output, format_args!("the page cannot be written ({error})")))?;
    terminal::print(format_args!("{}", String::from_utf8_lossy(&page)))
}
