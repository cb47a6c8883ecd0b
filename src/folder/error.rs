//! What can go wrong with an output folder, said in one line.

use std::path::{Path, PathBuf};

use crate::io::OutputError;
use crate::text::one_line;

/// A problem with an output folder. Its `Display` is one line: `<folder>: <problem and cure>`.
#[derive(Debug, thiserror::Error)]
#[error("{}", one_line(format_args!("{}: {problem}", path.display())))]
pub struct FolderError {
    /// The folder that was asked for.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub problem: FolderProblem,
}

impl FolderError {
    /// True where the run that is to go on is another one: its inputs or settings are at fault, not the folder.
    pub fn is_about_input(&self) -> bool {
        matches!(self.problem, FolderProblem::Changed(_) | FolderProblem::NotRepeatable)
    }
}

/// One variant per way an output folder can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderProblem {
    /// Something else has that name.
    #[error("is a file, not a folder: name another one")]
    IsFile,
    /// The folder above is not there.
    #[error("the folder {} does not exist: create it first", .0.display())]
    MissingParent(PathBuf),
    /// It holds files that are none of ours.
    #[error("holds {0}, which is no output of spectrank: name an empty or a new folder")]
    Foreign(String),
    /// It holds what looks like a run, without its manifest.
    #[error(
        "holds {0} and no _manifest.jsonl, without which nobody can tell what is done: bring that file back, or name an empty \
         or a new folder"
    )]
    NoManifest(String),
    /// It holds a run that was not finished.
    #[error("holds an unfinished run: add --resume to go on with it, or name another folder")]
    Unfinished,
    /// It holds a run that was finished.
    #[error("holds a finished run: --resume checks it; to rank anew name another folder, or delete this one first")]
    Finished,
    /// Another process holds the lock.
    #[error("another process is writing to it: wait until that ends, or name another folder")]
    InUse,
    /// The lock cannot be had.
    #[error("cannot be locked ({0}): name a folder on another disk")]
    Lock(#[source] std::io::Error),
    /// The manifest cannot be what a run wrote.
    #[error("_manifest.jsonl is damaged ({0}), so what is done cannot be told: delete the folder and start again")]
    Damaged(String),
    /// The mark and the manifest contradict each other.
    #[error(
        "_SUCCESS does not fit _manifest.jsonl, so one of them was damaged or belongs to another run: bring both back as they \
         were, or delete _SUCCESS, and --resume checks every part and writes it anew"
    )]
    DamagedMark,
    /// The run that is to go on is not the run that was begun.
    #[error("cannot be resumed: {0}")]
    Changed(String),
    /// Slates from a pipe.
    #[error("cannot be resumed: its slates come from a pipe, which cannot be read again; name a file of slates")]
    NotRepeatable,
    /// A part that is not what it was.
    #[error(
        "{file} was damaged, and made again it is not what _manifest.jsonl says: the program or the machine is \
         another one; delete the folder and start again"
    )]
    NotTheSame {
        /// The part.
        file: String,
    },
    /// Something in it cannot be read.
    #[error("{name} cannot be read ({error}): check the disk, and that you may read it")]
    Read {
        /// What.
        name: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// Something in it cannot be written.
    #[error("{name} cannot be written ({error}): check the free space, and that you may write there")]
    Write {
        /// What.
        name: String,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// A part cannot be written.
    #[error("{file}: {problem}")]
    Part {
        /// The part.
        file: String,
        /// Why.
        #[source]
        problem: crate::io::OutputProblem,
    },
}

/// Names the folder in which a problem was found.
pub(super) trait At<T> {
    fn at(self, path: &Path) -> Result<T, FolderError>;
}

impl<T> At<T> for Result<T, FolderProblem> {
    fn at(self, path: &Path) -> Result<T, FolderError> {
        self.map_err(|problem| FolderError { path: path.to_owned(), problem })
    }
}

impl<T> At<T> for Result<T, OutputError> {
    fn at(self, path: &Path) -> Result<T, FolderError> {
        self.map_err(|OutputError { path, problem }| {
            let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            FolderProblem::Part { file, problem }
        })
        .at(path)
    }
}
