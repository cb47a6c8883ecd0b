//! The manifest: a journal of JSON lines, the first about the run, then one per part that is done.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{At, FolderError, FolderProblem};
use super::header::Header;
use crate::digest::Digest;

/// Name of the manifest. Readers of data sets pass over names that start with `_`.
pub const MANIFEST_NAME: &str = "_manifest.jsonl";

/// One part that is done: the file has its name, and its bytes are on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// File name.
    pub file: String,
    /// Number of its first slate in the input, from 0.
    pub first_slate: u64,
    /// Slates.
    pub slates: u64,
    /// Rows.
    pub rows: u64,
    /// Length and hash of the file.
    pub digest: Digest,
    /// What computed it where that is not the engine of the run: the CPU, after the GPU had failed for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// What a manifest says.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Nothing where the first line was never finished.
    pub(super) header: Option<Header>,
    pub(super) parts: Vec<Part>,
    /// Length of the lines that are whole; what follows was torn.
    pub(super) n_bytes: u64,
    /// Hash of those lines.
    pub(super) digest: Option<Digest>,
}

impl Content {
    /// Reads whole lines. Only the last one can be torn, as each is on the disk before the next one is written.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        let mut content = Self::default();
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            let read = match (line.ends_with(b"\n"), number) {
                (false, _) => Err("is cut off".to_owned()),
                (true, 0) => serde_json::from_slice(line).map(|header| content.header = Some(header)).map_err(text),
                (true, _) => serde_json::from_slice(line).map(|part| content.parts.push(part)).map_err(text),
            };
            match read {
                Ok(()) => content.n_bytes += line.len() as u64,
                Err(_) if lines.peek().is_none() => break,
                Err(detail) => return Err(format!("line {}: {detail}", number + 1)),
            }
        }
        let whole = usize::try_from(content.n_bytes).ok().and_then(|n_bytes| bytes.get(..n_bytes));
        content.digest = whole.map(Digest::of);
        Ok(content)
    }
}

fn text(error: serde_json::Error) -> String {
    error.to_string()
}

/// The manifest's file, locked: one process at a time.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens and locks it; `create` makes it where it is not there.
    pub(super) fn open(folder: &Path, create: bool) -> Result<Self, FolderError> {
        let path = folder.join(MANIFEST_NAME);
        let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).open(&path);
        let file = file.map_err(|error| FolderProblem::Write { name: MANIFEST_NAME.to_owned(), error }).at(folder)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderProblem::InUse).at(folder),
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(FolderProblem::Lock(error)).at(folder),
        }
        Ok(Self { path, file })
    }

    pub(super) fn read(&mut self) -> Result<Content, FolderProblem> {
        let mut bytes = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_end(&mut bytes));
        read.map_err(|error| FolderProblem::Read { name: MANIFEST_NAME.to_owned(), error })?;
        Content::of(&bytes).map_err(FolderProblem::Damaged)
    }

    /// Cuts off what follows the whole lines.
    pub(super) fn cut(&mut self, n_bytes: u64) -> Result<(), FolderProblem> {
        let cut = self.file.metadata().and_then(|metadata| {
            if metadata.len() == n_bytes {
                return Ok(());
            }
            self.file.set_len(n_bytes)?;
            self.file.sync_all()
        });
        cut.map_err(failed)
    }

    /// Adds a line; it is on the disk then.
    pub(super) fn append(&mut self, line: &impl Serialize) -> Result<(), FolderProblem> {
        let mut bytes = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        let added = self.file.seek(SeekFrom::End(0)).and_then(|_| self.file.write_all(&bytes));
        added.and_then(|()| self.file.sync_data()).map_err(failed)
    }

    /// The hash of the whole manifest.
    pub(super) fn digest(&mut self) -> Result<Digest, FolderProblem> {
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| Digest::of_file(&mut self.file));
        read.map_err(|error| FolderProblem::Read { name: self.path.display().to_string(), error })
    }
}

fn failed(error: std::io::Error) -> FolderProblem {
    FolderProblem::Write { name: MANIFEST_NAME.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::*;

    fn lines() -> Vec<u8> {
        let part = |i: u64| Part {
            file: format!("part-{i:06}.csv"),
            first_slate: 3 * i,
            slates: 3,
            rows: 12,
            digest: Digest::of(&[i as u8]),
            engine: (i == 1).then(|| "CPU, f32".to_owned()),
        };
        let mut text = serde_json::to_string(&header()).unwrap() + "\n";
        (0..3).for_each(|i| text += &(serde_json::to_string(&part(i)).unwrap() + "\n"));
        text.into_bytes()
    }

    #[test]
    fn a_manifest_torn_at_any_byte_holds_the_lines_before() {
        let bytes = lines();
        let whole = Content::of(&bytes).unwrap();
        assert_eq!((whole.header, whole.parts.len(), whole.n_bytes), (Some(header()), 3, bytes.len() as u64));
        for n_bytes in 0..bytes.len() {
            let torn = Content::of(&bytes[..n_bytes]).unwrap();
            let n_lines = bytes[..n_bytes].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(usize::from(torn.header.is_some()) + torn.parts.len(), n_lines);
            assert_eq!(torn.parts[..], whole.parts[..torn.parts.len()]);
            assert!(torn.n_bytes <= n_bytes as u64 && (torn.n_bytes == 0 || bytes[torn.n_bytes as usize - 1] == b'\n'));
            // A power failure can leave a last line with its length and without its bytes.
            let mut zeros = bytes[..torn.n_bytes as usize].to_vec();
            zeros.resize(n_bytes, 0);
            assert_eq!(Content::of(&zeros).unwrap().parts, torn.parts);
        }
    }

    #[test]
    fn a_bad_line_in_the_middle_is_damage() {
        let mut bytes = lines();
        let start = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        bytes[start] = b'x';
        let error = Content::of(&bytes).unwrap_err();
        assert!(error.starts_with("line 2: "), "{error}");
    }
}
