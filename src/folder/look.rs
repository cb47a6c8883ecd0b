//! What is in a folder, by name.

use std::ffi::OsStr;
use std::path::Path;

use super::SUCCESS_NAME;
use super::error::{At, FolderError, FolderProblem};
use super::manifest::{Content, Journal, MANIFEST_NAME, Part};
use crate::digest::Digest;
use crate::io::is_draft;

/// True where an output is a folder: its path ends with a slash, or a folder has that name and it is no file's name: it has no
/// extension.
pub fn is_folder(path: &Path) -> bool {
    let last = path.as_os_str().as_encoded_bytes().last();
    let ends_with_slash = last.is_some_and(|&byte| byte == b'/' || std::path::is_separator(char::from(byte)));
    ends_with_slash || (path.extension().is_none() && path.is_dir())
}

/// The names in a folder.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Files that look like parts.
    pub(super) parts: Vec<String>,
    /// Files that were never finished.
    pub(super) drafts: Vec<String>,
    pub(super) has_manifest: bool,
    pub(super) has_mark: bool,
    /// The first name, by alphabet, that is none of ours. Hidden files are nobody's.
    pub(super) foreign: Option<String>,
}

impl Names {
    pub(super) fn of(folder: &Path) -> Result<Self, FolderProblem> {
        let read = |error| FolderProblem::Read { name: "its list of files".to_owned(), error };
        let mut found = Self::default();
        for entry in std::fs::read_dir(folder).map_err(read)? {
            let name = entry.map_err(read)?.file_name().to_string_lossy().into_owned();
            match name.as_str() {
                MANIFEST_NAME => found.has_manifest = true,
                SUCCESS_NAME => found.has_mark = true,
                _ if is_draft(&name) => found.drafts.push(name),
                _ if is_part(&name) => found.parts.push(name),
                _ if name.starts_with('.') => {}
                _ => found.foreign = Some(found.foreign.take().map_or(name.clone(), |first| first.min(name))),
            }
        }
        found.parts.sort();
        Ok(found)
    }

    /// Refuses what is not ours, and what was and has lost its manifest.
    pub(super) fn check(&self) -> Result<(), FolderProblem> {
        let first = || self.parts.first().cloned().or_else(|| self.has_mark.then(|| SUCCESS_NAME.to_owned()));
        match (&self.foreign, self.has_manifest) {
            (Some(name), _) => Err(FolderProblem::Foreign(name.clone())),
            // Spark and others write such names too.
            (None, false) => first().map_or(Ok(()), |name| Err(FolderProblem::NoManifest(name))),
            (None, true) => Ok(()),
        }
    }

    /// True where the mark is there. It is written last, and whole: one that says something else is damage.
    pub(super) fn check_mark(&self, folder: &Path, content: &Content) -> Result<bool, FolderProblem> {
        if !self.has_mark {
            return Ok(false);
        }
        let mark = std::fs::read(folder.join(SUCCESS_NAME));
        let mark = mark.map_err(|error| FolderProblem::Read { name: SUCCESS_NAME.to_owned(), error })?;
        let is_whole = content.header.is_some() && content.n_torn_bytes == 0;
        if is_whole && mark == mark_of(&content.parts, &content.whole.finish()) {
            Ok(true)
        } else {
            Err(FolderProblem::DamagedMark)
        }
    }
}

/// `part-000000.parquet` and the like.
fn is_part(name: &str) -> bool {
    let number = name.strip_prefix("part-").and_then(|rest| Path::new(rest).file_stem()).and_then(OsStr::to_str);
    number.is_some_and(|number| number.len() >= 6 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Looks at a folder before any work, so that one that will be refused is refused at once. Nothing is changed.
///
/// # Errors
/// It holds something else, or a run and `resume` is not set; another process is writing to it.
pub fn look(folder: &Path, resume: bool) -> Result<(), FolderError> {
    let folder = without_slash(folder);
    if !folder.exists() {
        let parent = parent(folder);
        let missing = || FolderProblem::MissingParent(parent.to_owned());
        return if parent.is_dir() { Ok(()) } else { Err(missing()).at(folder) };
    }
    if !folder.is_dir() {
        return Err(FolderProblem::IsFile).at(folder);
    }
    let names = Names::of(folder).at(folder)?;
    names.check().at(folder)?;
    if !names.has_manifest {
        return Ok(());
    }
    let content = Journal::open(folder, false)?.read().at(folder)?;
    match content.header {
        Some(_) if !resume => Err(there_already(names.has_mark)).at(folder),
        _ => names.check_mark(folder, &content).map(drop).at(folder),
    }
}

/// The content of the mark.
pub(super) fn mark_of(parts: &[Part], manifest: &Digest) -> Vec<u8> {
    let sum = |of: fn(&Part) -> u64| parts.iter().map(of).fold(0, u64::saturating_add);
    let (slates, rows, bytes) = (sum(|part| part.slates), sum(|part| part.rows), sum(|part| part.digest.bytes));
    let totals = serde_json::json!({
        "parts": parts.len(), "slates": slates, "rows": rows, "bytes": bytes, "manifest": manifest,
    });
    format!("{totals}\n").into_bytes()
}

/// What to say of a folder with a run in it that is not to go on.
pub(super) fn there_already(has_mark: bool) -> FolderProblem {
    if has_mark { FolderProblem::Finished } else { FolderProblem::Unfinished }
}

/// A path without the slash at its end, which would lead past a file of that name.
pub(super) fn without_slash(path: &Path) -> &Path {
    path.components().as_path()
}

/// The folder that a path is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_from_other_files() {
        for name in ["part-000000.parquet", "part-123456.csv", "part-1234567.jsonl"] {
            assert!(is_part(name), "{name}");
        }
        for name in ["part-0.parquet", "part-00000-3f2a.snappy.parquet", "part-", "x.parquet", "part-00000a.csv"] {
            assert!(!is_part(name), "{name}");
        }
    }

    #[test]
    fn a_folder_ends_with_a_slash_or_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let [plain, like_a_file] = ["ranked", "ranked.csv"].map(|name| folder.path().join(name));
        for path in [&plain, &like_a_file] {
            std::fs::create_dir(path).unwrap();
            assert!(is_folder(&path.join("")));
        }
        assert!(is_folder(&plain) && !is_folder(&like_a_file) && is_folder(Path::new("nowhere/")));
        assert!(!is_folder(Path::new("nowhere")) && !is_folder(Path::new("-")));
    }
}
