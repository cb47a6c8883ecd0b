//! What can go wrong with the output, said in one line.

use std::path::{Path, PathBuf};

use super::error::line;

/// A problem with the output. Its `Display` is one line: `<path>: <problem and cure>`.
#[derive(Debug, thiserror::Error)]
#[error("{}{}", line(path, problem), problem.aftermath(path))]
pub struct OutputError {
    /// The file that was asked for.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub problem: OutputProblem,
}

impl OutputError {
    /// True where the reader of a pipe went away, which is no fault of ours (`spectrank … | head`).
    pub fn is_broken_pipe(&self) -> bool {
        matches!(&self.problem, OutputProblem::Write(e) if e.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

/// One variant per way writing can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputProblem {
    /// The file name does not say which format to write.
    #[error(
        "unknown output format: the extension must be one of {known}; for a folder end with a slash; - is standard output"
    )]
    UnknownExtension {
        /// The extensions that are understood.
        known: &'static str,
    },
    /// Filters are written in the format of the histories.
    #[error("must have the format of the histories: give it the extension {extension}")]
    OtherFormat {
        /// The extension to use.
        extension: &'static str,
    },
    /// `-` where there is no stream for it.
    #[error("cannot be standard output, which is for what the command prints: name {file}")]
    NotStdout {
        /// What to name.
        file: &'static str,
    },
    /// The folder is not there.
    #[error("the folder {} does not exist: create it first", folder.display())]
    MissingFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder has that name.
    #[error("is a folder: name a file")]
    IsFolder,
    /// A device, a pipe or a socket has that name.
    #[error(
        "is a device, a pipe or a socket, which a file cannot take the place of: name a file, or use - for a stream"
    )]
    NoFile,
    /// A link to a file that is not there.
    #[error("is a link that leads nowhere: remove the link, or name the file itself")]
    LostLink,
    /// The temporary file cannot be made.
    #[error("cannot be created ({0}): check that you may write to its folder")]
    Create(#[source] std::io::Error),
    /// Writing failed.
    #[error("cannot be written ({0}): check the free space")]
    Write(#[source] std::io::Error),
    /// The Parquet writer failed.
    #[error("cannot be written as Parquet ({0}): check the free space")]
    Parquet(String),
    /// The Arrow writer failed.
    #[error("cannot be written as Arrow ({0}): check the free space")]
    Arrow(String),
    /// The complete file could not take its name.
    #[error("is complete but cannot take its name ({0}): check that you may replace the file")]
    Rename(#[source] std::io::Error),
    /// Ranked slates that do not belong to these slates.
    #[error("slate \"{slate}\": its ranking does not fit it ({detail}): this is a bug, please report it")]
    Mismatch {
        /// The slate.
        slate: String,
        /// What does not fit.
        detail: &'static str,
    },
}

impl OutputProblem {
    /// What is left where writing a single output failed.
    fn aftermath(&self, path: &Path) -> &'static str {
        match self {
            // What went out before cannot be taken back.
            Self::Write(_) | Self::Parquet(_) | Self::Arrow(_) if path.as_os_str() == "-" => "; the output ends there",
            Self::Write(_) | Self::Parquet(_) | Self::Arrow(_) | Self::Rename(_) => "; nothing was kept",
            _ => "",
        }
    }
}

impl From<std::io::Error> for OutputProblem {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<parquet::errors::ParquetError> for OutputProblem {
    fn from(error: parquet::errors::ParquetError) -> Self {
        use parquet::errors::ParquetError::External;
        match error {
            External(cause) => match cause.downcast::<std::io::Error>() {
                Ok(error) => Self::Write(*error),
                Err(cause) => Self::Parquet(External(cause).to_string()),
            },
            error => Self::Parquet(error.to_string()),
        }
    }
}

impl From<arrow_schema::ArrowError> for OutputProblem {
    fn from(error: arrow_schema::ArrowError) -> Self {
        match error {
            arrow_schema::ArrowError::IoError(_, error) => Self::Write(error),
            error => Self::Arrow(error.to_string()),
        }
    }
}

/// Names the output in which a problem was found.
pub(crate) fn output_at<T, P: Into<OutputProblem>>(path: &Path, result: Result<T, P>) -> Result<T, OutputError> {
    result.map_err(|problem| OutputError { path: path.to_owned(), problem: problem.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_is_told_apart() {
        let pipe = OutputProblem::Write(std::io::ErrorKind::BrokenPipe.into());
        assert!(OutputError { path: "-".into(), problem: pipe }.is_broken_pipe());
        let pipe = parquet::errors::ParquetError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(OutputError { path: "-".into(), problem: pipe.into() }.is_broken_pipe());
        assert!(!OutputError { path: "-".into(), problem: OutputProblem::IsFolder }.is_broken_pipe());
    }
}
