//! The manifest: a journal of JSON lines, the first about the run, then one per part that is done.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::{At, FolderError, FolderProblem};
use super::header::Header;
use crate::digest::{Digest, Digester};

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

/// What stands between a line and its checksum.
const CHECK: &[u8] = b",\"check\":\"";
/// Hexadecimal digits of a checksum.
const CHECK_DIGITS: usize = 32;
/// What ends a line.
const LINE_END: &[u8] = b"\"}\n";

/// What a manifest says.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Nothing where the first line was never finished.
    pub(super) header: Option<Header>,
    pub(super) parts: Vec<Part>,
    /// The lines that are whole.
    pub(super) whole: Digester,
    /// Bytes after them: a line that was torn.
    pub(super) n_torn_bytes: u64,
}

/// What is wrong with a line.
enum BadLine {
    /// It was never finished, which the last one can be.
    Torn,
    /// It was finished, and is not what it was.
    Damaged(String),
}

impl Content {
    /// Reads whole lines. Only the last one can be torn, as each is on the disk before the next one is written. A line ends with
    /// a checksum of itself and all before it, so lines that were changed, moved or taken out are told.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, String> {
        let mut content = Self::default();
        let mut lines = bytes.split_inclusive(|&byte| byte == b'\n').enumerate().peekable();
        while let Some((number, line)) = lines.next() {
            match content.add(line) {
                Ok(()) => {}
                Err(BadLine::Torn) if lines.peek().is_none() => content.n_torn_bytes = line.len() as u64,
                Err(BadLine::Torn) => return Err(format!("line {}: is cut off", number + 1)),
                Err(BadLine::Damaged(detail)) => return Err(format!("line {}: {detail}", number + 1)),
            }
        }
        Ok(content)
    }

    fn add(&mut self, line: &[u8]) -> Result<(), BadLine> {
        // A power failure can leave a line with its length and without its bytes.
        if !line.ends_with(b"\n") || line.contains(&0) {
            return Err(BadLine::Torn);
        }
        let damaged = |detail: &str| BadLine::Damaged(detail.to_owned());
        let at = line.len().checked_sub(CHECK.len() + CHECK_DIGITS + LINE_END.len());
        let (body, tail) = line.split_at_checked(at.unwrap_or(usize::MAX)).ok_or_else(|| damaged("has no checksum"))?;
        let check = tail.strip_prefix(CHECK).and_then(|tail| tail.strip_suffix(LINE_END));
        let check = check.ok_or_else(|| damaged("has no checksum"))?;
        self.whole.add(body);
        if self.whole.finish().xxh3.as_bytes() != check {
            return Err(damaged("does not fit its checksum"));
        }
        self.whole.add(tail);
        let body = [body, b"}"].concat();
        let not_read = |error: serde_json::Error| BadLine::Damaged(error.to_string());
        match &self.header {
            Some(_) => self.parts.push(serde_json::from_slice(&body).map_err(not_read)?),
            None => {
                let header: Header = serde_json::from_slice(&body).map_err(not_read)?;
                if !header.is_sound() {
                    return Err(damaged("config_xxh3 is not the hash of config"));
                }
                self.header = Some(header);
            }
        }
        Ok(())
    }
}

/// A line with its checksum, after what `before` has seen, which then has seen the line too.
fn line(before: &mut Digester, value: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    // The brace at the end goes behind the checksum.
    line.pop();
    before.add(&line);
    let check = before.finish().xxh3;
    let tail = [CHECK, check.as_bytes(), LINE_END].concat();
    before.add(&tail);
    line.extend_from_slice(&tail);
    Ok(line)
}

/// The manifest's file, locked: one process at a time.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// The lines in it.
    whole: Digester,
    /// Why it can only be read.
    read_only: Option<Error>,
}

impl Journal {
    /// Opens and locks it; `create` makes it where it is not there. One that may not be written to can still be read.
    pub(super) fn open(folder: &Path, create: bool) -> Result<Self, FolderError> {
        let path = folder.join(MANIFEST_NAME);
        let opened = OpenOptions::new().read(true).write(true).create(create).truncate(false).open(&path);
        let (file, read_only) = match opened {
            Ok(file) => (file, None),
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                match File::open(&path) {
                    Ok(file) => (file, Some(error)),
                    Err(_) => return Err(failed(error)).at(folder),
                }
            }
            Err(error) => return Err(failed(error)).at(folder),
        };
        // Who only reads keeps nobody else from reading.
        match if read_only.is_some() { file.try_lock_shared() } else { file.try_lock() } {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderProblem::InUse).at(folder),
            // Some network file systems have no locks, others none for files that are only read.
            Err(TryLockError::Error(error)) if read_only.is_some() || error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(FolderProblem::Lock(error)).at(folder),
        }
        Ok(Self { file, whole: Digester::default(), read_only })
    }

    /// Why nothing can be written, where that is so.
    pub(super) fn refusal(&mut self) -> Option<FolderProblem> {
        self.read_only.take().map(failed)
    }

    /// True where nothing can be written.
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.is_some()
    }

    /// Everything in it, from its start.
    pub(super) fn read(&mut self) -> Result<Content, FolderProblem> {
        let mut bytes = Vec::new();
        let read = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.read_to_end(&mut bytes));
        read.map_err(|error| FolderProblem::Read { name: MANIFEST_NAME.to_owned(), error })?;
        let content = Content::of(&bytes).map_err(FolderProblem::Damaged)?;
        self.whole = content.whole.clone();
        Ok(content)
    }

    /// Cuts off what follows the whole lines that were read.
    pub(super) fn cut(&mut self) -> Result<(), FolderProblem> {
        let n_bytes = self.whole.finish().bytes;
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
    pub(super) fn append(&mut self, value: &impl Serialize) -> Result<(), FolderProblem> {
        let added = line(&mut self.whole, value).and_then(|line| {
            self.file.seek(SeekFrom::End(0))?;
            self.file.write_all(&line)?;
            self.file.sync_data()
        });
        added.map_err(failed)
    }

    /// The hash of the whole manifest.
    pub(super) fn digest(&self) -> Digest {
        self.whole.finish()
    }
}

fn failed(error: Error) -> FolderProblem {
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
        let mut whole = Digester::default();
        let mut text = line(&mut whole, &header()).unwrap();
        (0..3).for_each(|i| text.extend(line(&mut whole, &part(i)).unwrap()));
        assert_eq!(whole.finish(), Digest::of(&text));
        text
    }

    #[test]
    fn a_manifest_torn_at_any_byte_holds_the_lines_before() {
        let bytes = lines();
        let whole = Content::of(&bytes).unwrap();
        assert_eq!((whole.header, whole.parts.len(), whole.n_torn_bytes), (Some(header()), 3, 0));
        for n_bytes in 0..bytes.len() {
            let torn = Content::of(&bytes[..n_bytes]).unwrap();
            let n_lines = bytes[..n_bytes].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(usize::from(torn.header.is_some()) + torn.parts.len(), n_lines);
            assert_eq!(torn.parts[..], whole.parts[..torn.parts.len()]);
            let n_whole_bytes = torn.whole.finish().bytes as usize;
            assert_eq!(torn.whole.finish(), Digest::of(&bytes[..n_whole_bytes]));
            assert_eq!(n_whole_bytes + torn.n_torn_bytes as usize, n_bytes);
            // A power failure can leave a last line with its length and without its bytes.
            let mut zeros = bytes[..n_whole_bytes].to_vec();
            zeros.resize(n_bytes, 0);
            assert_eq!(Content::of(&zeros).unwrap().parts, torn.parts);
        }
    }

    #[test]
    fn a_byte_that_was_changed_is_noticed_wherever_it_is() {
        let bytes = lines();
        let last = bytes[..bytes.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
        for at in 0..bytes.len() {
            // To a letter, to a digit, to nothing: many of them leave a line that can be read.
            for value in [bytes[at] ^ 1, b'7', 0] {
                let mut changed = bytes.clone();
                changed[at] = value;
                match Content::of(&changed) {
                    _ if changed == bytes => {}
                    Err(detail) => assert!(detail.starts_with("line "), "{detail}"),
                    // What looks like the end of a write counts for nothing.
                    Ok(content) => assert!(at + 1 >= last && content.parts.len() < 3, "byte {at}"),
                }
            }
        }
    }

    #[test]
    fn lines_that_were_moved_or_taken_out_are_damage() {
        let bytes = lines();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        for order in [&[0, 2][..], &[0, 2, 1], &[1, 2], &[0, 1, 1], &[0, 0], &[0, 1, 3]] {
            let error = Content::of(&order.iter().map(|&line| lines[line]).collect::<Vec<_>>().concat()).unwrap_err();
            assert!(error.ends_with(": does not fit its checksum"), "{order:?} {error}");
        }
        let without = [&bytes[..], b"{}\n"].concat();
        assert_eq!(Content::of(&without).unwrap_err(), "line 5: has no checksum");
    }
}
