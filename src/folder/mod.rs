//! An output folder: parts of as many slates each, a manifest, and a mark at the end, so that a run that was ended at any
//! instant can go on and writes, to the last bit, what it would have written undisturbed.
//!
//! ```text
//! part-000000.parquet …   slates 0 to 16,383, and so on; only the last part can be shorter
//! _manifest.jsonl         first line: what the run depends on (Header); then one line per part that is done (Part)
//! _SUCCESS                totals and the hash of the manifest; there once all is done
//! ```
//!
//! Names that start with `_` or `.` are passed over by what reads folders as data sets. A part is written under another
//! name, brought to the disk, given its name, and only then added to the manifest, so at every instant
//!
//! 1. every part in the manifest is whole,
//! 2. what is not in the manifest counts for nothing and may be thrown away,
//! 3. only the manifest's last line can be torn.
//!
//! Each line ends with a checksum of itself and all lines before it, and the mark has that of the whole manifest: what says
//! otherwise was damaged, and is told before anything is changed.
//!
//! What is written follows from the rows of a part alone, so bytes do not depend on where a run began, nor on how many slates
//! it has memory for at a time. Times, paths and names of machines are written nowhere.

mod error;
mod header;
mod look;
mod manifest;
mod open;
mod parts;
mod read;
#[cfg(test)]
mod tests;

pub use error::{FolderError, FolderProblem};
pub use header::{Column, Header, InputFile, PartLayout};
pub use look::{is_folder, look};
pub use manifest::{MANIFEST_NAME, Part};
pub use parts::{FolderSink, Kept};
pub use read::{FolderSource, PartBatch};

use manifest::Journal;
use std::path::PathBuf;

/// Name of the mark of a run that is done.
pub const SUCCESS_NAME: &str = "_SUCCESS";

/// A folder that is open for one run, and locked until it is dropped.
#[derive(Debug)]
pub struct OutputFolder {
    path: PathBuf,
    journal: Journal,
    header: Header,
    /// The parts of the manifest.
    parts: Vec<Part>,
    /// Those of them whose files are missing or damaged, by number.
    lost: Vec<usize>,
    has_mark: bool,
}

impl OutputFolder {
    /// The parts that were there before and are whole.
    pub fn kept(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().enumerate().filter(|(number, _)| !self.lost.contains(number)).map(|(_, part)| part)
    }

    /// The parts that are in the manifest and whose files are missing or damaged. They are made again.
    pub fn lost(&self) -> impl Iterator<Item = &Part> {
        self.lost.iter().filter_map(|&number| self.parts.get(number))
    }

    /// True where nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.has_mark && self.lost.is_empty()
    }

    /// True where the manifest has all parts: the last one is shorter than the others, or the mark is there.
    fn has_all_parts(&self) -> bool {
        self.has_mark || self.parts.last().is_some_and(|part| part.slates < self.header.part_slates)
    }
}

/// File name of a part.
fn part_name(number: usize, format: crate::io::OutputFormat) -> String {
    format!("part-{number:06}.{}", format.extension())
}
