//! How the program ends.

use std::fmt;
use std::process::ExitCode;

use spectrank::config::ConfigError;
use spectrank::engine::{EngineError, Interrupted};
use spectrank::folder::FolderError;
use spectrank::gpu::AdapterError;
use spectrank::io::{InputError, OutputError, OutputProblem};
use spectrank::parity::{CaseError, HarnessError};
use spectrank::text::one_line;

/// Exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All done.
    Done = 0,
    /// Bad input or configuration.
    Input = 1,
    /// A bad command line: flags that do not exist, or do not go together. The code is clap's.
    Usage = 2,
    /// The output cannot be written.
    Output = 3,
    /// The GPU cannot be used or failed.
    Gpu = 4,
    /// An engine does not compute what the reference computes.
    Parity = 5,
    /// Ctrl-C; the code that shells give to programs which it ends.
    Interrupted = 130,
    /// SIGTERM; likewise.
    Terminated = 143,
}

impl Exit {
    /// Every code.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Input,
        Self::Usage,
        Self::Output,
        Self::Gpu,
        Self::Parity,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// What it means, as help and README have it.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Input => "bad input or configuration",
            Self::Usage => "bad command line",
            Self::Output => "the output cannot be written",
            Self::Gpu => "the GPU cannot be used, failed, or did not pass devices --check",
            Self::Parity => "parity found an engine that is wrong",
            Self::Interrupted => "interrupted by Ctrl-C",
            Self::Terminated => "terminated by SIGTERM",
        }
    }

    /// All codes with their meanings, for the help.
    pub fn list() -> String {
        let code = |exit: Self| format!("{} {}", exit as u8, exit.meaning());
        format!("Exit codes: {}.", Self::ALL.map(code).join("; "))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// One line for the user, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    message: String,
}

impl Failure {
    /// A failure of a kind. Ids and names in it come from files, so they may hold line breaks; the message does not.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: one_line(message) }
    }

    /// A command line that does not go together.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A failure about a file or setting, named first.
    pub fn input(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::new(Exit::Input, format_args!("{what}: {error}"))
    }
}

impl Failure {
    /// The same with more to say at its end.
    pub fn and(self, more: impl fmt::Display) -> Self {
        Self::new(self.exit, format_args!("{}{more}", self.message))
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        Self::new(if error.is_about_input() { Exit::Input } else { Exit::Output }, error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Says how the program ended, if it failed; the exit code to end with.
pub fn told(result: Result<(), Failure>) -> Exit {
    let Err(failure) = result else { return Exit::Done };
    // Standard error may be closed; there is nobody left to tell then.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("spectrank: {failure}\n"));
    failure.exit
}

/// Ends the program here, without waiting for other threads.
pub fn leave(result: Result<(), Failure>) -> ! {
    std::process::exit(i32::from(told(result) as u8))
}

/// Ends the program here, from a thread that does not know what the others are at: nothing is cleared away under their hands.
pub fn leave_at_once(failure: Failure) -> ! {
    let code = i32::from(told(Err(failure)) as u8);
    #[cfg(unix)]
    signal_hook::low_level::exit(code);
    #[cfg(not(unix))]
    std::process::exit(code)
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let is_usage = matches!(error, EngineError::F64OnGpu | EngineError::AdapterForCpu);
        Self::new(if is_usage { Exit::Usage } else { Exit::Gpu }, error)
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        // Held against the format of another file that is named, or against what else is printed.
        let is_usage = matches!(error.problem, OutputProblem::OtherFormat { .. } | OutputProblem::NotStdout { .. });
        Self::new(if is_usage { Exit::Usage } else { Exit::Output }, error)
    }
}

macro_rules! failure_from {
    ($($error:ty => $exit:ident),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(Exit::$exit, error)
            }
        }
    )+};
}

failure_from!(
    CaseError => Input,
    HarnessError => Input,
    ConfigError => Input,
    InputError => Input,
    AdapterError => Gpu,
    Interrupted => Gpu,
);

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_readme_has_every_code_with_its_meaning() {
        let readme = include_str!("../../README.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |", exit as u8, exit.meaning());
            assert!(readme.contains(&row), "the README lacks {row}");
        }
    }
}
