//! How a run ends before its last slate.

use std::fmt;

use spectrank::folder::Kept;
use spectrank::io::OutputError;
use spectrank::text::counted;

use crate::cli::interrupt::Signal;
use crate::cli::{Exit, Failure};

/// Why a run ends before its last slate.
pub enum Stop {
    /// Whoever read standard output has enough (`spectrank … | head`).
    ReaderLeft,
    /// Ctrl-C and the like.
    Interrupted(Signal),
    Failed(Failure),
}

impl Stop {
    /// A failure that says how far the run came and what is left of its output.
    pub fn after(self, n_slates: u64, left: &Left) -> Self {
        match (self, left) {
            (Self::Interrupted(signal), left) => {
                let text = format_args!("{} after {}: {left}", signal.name(), counted(n_slates, "slate"));
                Self::Failed(Failure::new(signal.exit(), text))
            }
            // A file that is mended is another file.
            (Self::Failed(failure), Left::Parts { kept, is_repeatable: true }) if failure.exit == Exit::Input => {
                let kept = told(kept);
                let left = format_args!("; {kept} for --resume, as long as the files stay as they are");
                Self::Failed(failure.and(left))
            }
            (Self::Failed(failure), Left::Parts { .. }) => Self::Failed(failure.and(format_args!("; {left}"))),
            (stop, _) => stop,
        }
    }

    /// How the program ends.
    pub fn into_result(self) -> Result<(), Failure> {
        match self {
            Self::ReaderLeft => Ok(()),
            Self::Interrupted(signal) => Err(Failure::new(signal.exit(), signal.name())),
            Self::Failed(failure) => Err(failure),
        }
    }
}

impl From<OutputError> for Stop {
    fn from(error: OutputError) -> Self {
        if error.is_broken_pipe() { Self::ReaderLeft } else { Self::Failed(error.into()) }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What is left of the output of a run that ended early.
pub enum Left {
    /// A file that never got its name.
    Nothing,
    /// What went to standard output.
    Stream,
    /// Parts of a folder.
    Parts {
        kept: Kept,
        /// Whether the slates can be read again.
        is_repeatable: bool,
    },
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing was kept"),
            Self::Stream => f.write_str("the output ends there"),
            Self::Parts { kept, is_repeatable } => {
                let how = match is_repeatable {
                    true => "and the same command with --resume goes on from there",
                    false => "but slates from a pipe cannot be resumed",
                };
                write!(f, "{}, {how}", told(kept))
            }
        }
    }
}

fn told(kept: &Kept) -> String {
    match (kept.slates(), kept.parts()) {
        (_, 0) => "no part is kept yet".to_owned(),
        (1, 1) => "1 slate in 1 part is kept".to_owned(),
        (slates, parts) => format!("{} in {} are kept", counted(slates, "slate"), counted(parts, "part")),
    }
}
