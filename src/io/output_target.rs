//! Where the bytes of an output go: standard output, or a temporary file that takes its name when it is complete.

use std::fs::{File, Metadata};
use std::io::{BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;

use super::drafts::DraftFile;
use super::output_error::{OutputError, OutputProblem, output_at};
use crate::digest::{Digest, Digester};

/// A file that is being written under another name in its folder.
pub(crate) struct Draft {
    pub(crate) path: PathBuf,
    pub(crate) file: DraftFile,
}

impl Draft {
    pub(crate) fn new(path: &Path) -> Result<Self, OutputError> {
        let (target, there) = output_at(path, target_of(path))?;
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if !folder.is_dir() {
            return output_at(path, Err(OutputProblem::MissingFolder { folder: folder.to_owned() }));
        }
        // One that takes the place of another is private until it has that one's mode.
        let file = output_at(path, DraftFile::create(folder, there.is_some()).map_err(OutputProblem::Create))?;
        #[cfg(unix)]
        if let Some(there) = there {
            let set = file.as_file().set_permissions(there.permissions());
            output_at(path, set.map_err(OutputProblem::Create))?;
        }
        Ok(Self { path: target, file })
    }

    /// Gives the complete file its name.
    pub(crate) fn keep(self) -> Result<File, OutputError> {
        output_at(&self.path, self.file.persist(&self.path, true).map_err(OutputProblem::Rename))
    }
}

/// The file that a path leads to, past links, and what is known of it where it is there already.
fn target_of(path: &Path) -> Result<(PathBuf, Option<Metadata>), OutputProblem> {
    let is_link = path.symlink_metadata().is_ok_and(|m| m.is_symlink());
    match path.metadata() {
        Ok(there) if there.is_dir() => Err(OutputProblem::IsFolder),
        // Taking the name of a device or a pipe would put a file in its place.
        Ok(there) if !there.is_file() => Err(OutputProblem::NoFile),
        Ok(there) if is_link => Ok((path.canonicalize().map_err(OutputProblem::Create)?, Some(there))),
        Ok(there) => Ok((path.to_owned(), Some(there))),
        Err(_) if is_link => Err(OutputProblem::LostLink),
        Err(_) => Ok((path.to_owned(), None)),
    }
}

/// A text file that takes its name when it is complete. Dropped before, it leaves nothing behind.
pub struct TextFile(Target);

impl TextFile {
    /// Opens it, so that a path that cannot be written to is met before the work.
    ///
    /// # Errors
    /// A folder that does not exist or must not be written to; `-`, which is standard output everywhere else.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        if path.as_os_str() == "-" {
            return output_at(path, Err(OutputProblem::NotStdout { file: "a file" }));
        }
        Target::file(path).map(Self)
    }

    /// As [`Self::finish`], with the text on the disk before the file has its name.
    pub(crate) fn finish_synced(mut self, text: &str) -> Result<(), OutputError> {
        let written = self.0.write_all(text.as_bytes()).and_then(|()| self.0.sync());
        output_at(self.0.path(), written)?;
        self.0.finish()
    }

    /// Writes the whole text and gives the file its name.
    ///
    /// # Errors
    /// A disk that refuses; nothing is left behind then.
    pub fn finish(mut self, text: &str) -> Result<(), OutputError> {
        let written = self.0.write_all(text.as_bytes());
        output_at(self.0.path(), written)?;
        self.0.finish()
    }
}

/// Where bytes go.
pub(crate) enum Target {
    File(BufWriter<DraftFile>, PathBuf),
    Stdout(BufWriter<Stdout>, PathBuf),
    Part { writer: BufWriter<Box<PartWriter>>, path: PathBuf, done: Sender<PartDraft> },
}

impl Target {
    pub(crate) fn file(path: &Path) -> Result<Self, OutputError> {
        let draft = Draft::new(path)?;
        Ok(Self::File(BufWriter::with_capacity(1 << 16, draft.file), draft.path))
    }

    pub(crate) fn stdout(path: &Path) -> Self {
        Self::Stdout(BufWriter::with_capacity(1 << 16, std::io::stdout()), path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(_, path) | Self::Stdout(_, path) | Self::Part { path, .. } => path,
        }
    }

    /// True where whoever reads it may wait for every batch.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Stdout(..))
    }

    /// What there is to do after a batch: whoever reads a stream may wait for it.
    pub(crate) fn end_batch(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(writer, _) => writer.flush(),
            Self::File(..) | Self::Part { .. } => Ok(()),
        }
    }

    /// Flushes, and brings a file's bytes to the disk.
    fn sync(&mut self) -> std::io::Result<()> {
        self.flush()?;
        match self {
            Self::File(writer, _) => writer.get_ref().as_file().sync_all(),
            Self::Stdout(..) | Self::Part { .. } => Ok(()),
        }
    }

    /// Flushes, and gives a file its name.
    pub(crate) fn finish(self) -> Result<(), OutputError> {
        match self {
            Self::File(writer, path) => {
                let file = output_at(&path, writer.into_inner().map_err(|e| e.into_error()))?;
                Draft { path, file }.keep().map(drop)
            }
            Self::Stdout(mut writer, path) => output_at(&path, writer.flush()),
            Self::Part { writer, path, done } => {
                let part = output_at(&path, writer.into_inner().map_err(|e| e.into_error()))?;
                let PartWriter { file, digest } = *part;
                output_at(&path, file.as_file().sync_all())?;
                // Whoever asked for the part is there until its sink has ended.
                let _ = done.send(PartDraft { draft: Draft { path, file }, digest: digest.finish() });
                Ok(())
            }
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(writer, _) => writer.write(bytes),
            Self::Stdout(writer, _) => writer.write(bytes),
            Self::Part { writer, .. } => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(writer, _) => writer.flush(),
            Self::Stdout(writer, _) => writer.flush(),
            Self::Part { writer, .. } => writer.flush(),
        }
    }
}

/// A part of a folder in the making: its bytes are hashed as they are written.
pub(crate) struct PartWriter {
    pub(crate) file: DraftFile,
    pub(crate) digest: Digester,
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n_written = self.file.write(bytes)?;
        self.digest.add(&bytes[..n_written]);
        Ok(n_written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A part that is complete and on the disk, and does not have its name yet.
pub(crate) struct PartDraft {
    pub(crate) draft: Draft,
    pub(crate) digest: Digest,
}
