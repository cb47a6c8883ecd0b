//! How a run ends before its last slate.

use spectrank::io::OutputError;

use super::{Exit, Failure, Rerank};

/// Why a run ends before its last slate.
pub enum Stop {
    /// Whoever read standard output has enough (`spectrank … | head`).
    ReaderLeft,
    /// Ctrl-C.
    Interrupted,
    Failed(Failure),
}

impl Stop {
    /// An interruption as a failure that says how far it came.
    pub fn after(self, n_slates: u64, flags: &Rerank) -> Self {
        let left = if flags.output.as_os_str() == "-" { "the output ends there" } else { "nothing was kept" };
        let interrupted =
            || Failure::new(Exit::Interrupted, format_args!("interrupted after {n_slates} slates: {left}"));
        if matches!(self, Self::Interrupted) { Self::Failed(interrupted()) } else { self }
    }

    /// How the program ends.
    pub fn into_result(self) -> Result<(), Failure> {
        match self {
            Self::ReaderLeft => Ok(()),
            Self::Interrupted => Err(Failure::new(Exit::Interrupted, "interrupted")),
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
