//! Opening a folder: what is done is verified, what is not done is thrown away.

use std::fs::{File, remove_file};
use std::path::Path;

use rayon::prelude::*;

use super::error::{At, FolderError, FolderProblem};
use super::header::Header;
use super::look::{Names, look, parent, there_already, without_slash};
use super::manifest::{Content, Journal, MANIFEST_NAME, Part};
use super::{OutputFolder, part_name};
use crate::digest::Digest;

impl OutputFolder {
    /// Opens a folder for a run: a new one, an empty one, or with `resume` one in which this very run was begun before.
    /// Files that were not finished, and parts that the manifest does not have, are removed; parts that it has are read
    /// and held against their hashes.
    ///
    /// # Errors
    /// As [`look`]; the run in the folder is another one; its manifest is damaged.
    pub fn open(folder: &Path, header: Header, resume: bool) -> Result<Self, FolderError> {
        look(folder, resume)?;
        let folder = without_slash(folder);
        if !folder.exists() {
            let made = std::fs::create_dir(folder).and_then(|()| sync_folder(parent(folder)));
            made.map_err(|error| FolderProblem::Write { name: "the folder".to_owned(), error }).at(folder)?;
        }
        let mut journal = Journal::open(folder, true)?;
        // Once more, now that nobody else can change it.
        let names = Names::of(folder).at(folder)?;
        names.check().at(folder)?;
        let content = journal.read().at(folder)?;
        let Some(begun) = &content.header else {
            return Self::begin(folder, journal, header, &names).at(folder);
        };
        if !resume {
            return Err(there_already(names.has_mark)).at(folder);
        }
        header.check(begun).at(folder)?;
        Self::go_on(folder, journal, content, &names).at(folder)
    }

    /// Writes the first line.
    fn begin(folder: &Path, mut journal: Journal, header: Header, names: &Names) -> Result<Self, FolderProblem> {
        if !names.parts.is_empty() || names.has_mark {
            return Err(FolderProblem::Damaged("its first line is missing".to_owned()));
        }
        if let Some(refusal) = journal.refusal() {
            return Err(refusal);
        }
        journal.cut()?;
        journal.append(&header)?;
        sync(folder, MANIFEST_NAME)?;
        remove(folder, &names.drafts)?;
        Ok(Self { path: folder.to_owned(), journal, header, parts: Vec::new(), lost: Vec::new(), has_mark: false })
    }

    fn go_on(folder: &Path, mut journal: Journal, content: Content, names: &Names) -> Result<Self, FolderProblem> {
        let has_mark = names.check_mark(folder, &content)?;
        let Content { header: Some(header), parts, .. } = content else {
            return Err(FolderProblem::Damaged("its first line is missing".to_owned()));
        };
        check_order(&header, &parts).map_err(FolderProblem::Damaged)?;
        let is_whole = |part: &Part| {
            let digest = File::open(folder.join(&part.file)).and_then(|mut file| Digest::of_file(&mut file));
            digest.is_ok_and(|digest| digest == part.digest)
        };
        let lost: Vec<usize> =
            parts.par_iter().enumerate().filter(|(_, part)| !is_whole(part)).map(|(number, _)| number).collect();
        if journal.is_read_only() {
            // What is complete can be checked all the same.
            let refusal = if has_mark && lost.is_empty() { None } else { journal.refusal() };
            return match refusal {
                None => Ok(Self { path: folder.to_owned(), journal, header, parts, lost, has_mark }),
                Some(refusal) => Err(refusal),
            };
        }
        journal.cut()?;
        remove(folder, &names.drafts)?;
        let is_unknown = |name: &&String| parts.iter().all(|part| part.file != **name);
        remove(folder, &names.parts.iter().filter(is_unknown).cloned().collect::<Vec<_>>())?;
        Ok(Self { path: folder.to_owned(), journal, header, parts, lost, has_mark })
    }
}

/// Parts must follow each other, all but the last of one size.
fn check_order(header: &Header, parts: &[Part]) -> Result<(), String> {
    for (number, part) in parts.iter().enumerate() {
        let (file, first_slate) = (part_name(number, header.format), number as u64 * header.part_slates);
        let is_last = number + 1 == parts.len();
        let is_full = part.slates == header.part_slates;
        if part.file != file
            || part.first_slate != first_slate
            || !(is_full || is_last && part.slates < header.part_slates)
        {
            return Err(format!("line {}: not the part that follows", number + 2));
        }
    }
    Ok(())
}

fn remove(folder: &Path, names: &[String]) -> Result<(), FolderProblem> {
    for name in names {
        remove_file(folder.join(name)).map_err(|error| FolderProblem::Write { name: name.clone(), error })?;
    }
    if names.is_empty() { Ok(()) } else { sync(folder, &names[0]) }
}

/// Brings the names in a folder to the disk, after `name` was added or removed.
pub(super) fn sync(folder: &Path, name: &str) -> Result<(), FolderProblem> {
    sync_folder(folder).map_err(|error| FolderProblem::Write { name: name.to_owned(), error })
}

/// Windows opens no folders, and does it by itself.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
