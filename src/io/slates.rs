//! Slates as a stream: batches come one after the other, so memory does not grow with the number of slates.

use std::io::{BufReader, Cursor, Read, stdin};
use std::path::{Path, PathBuf};

use super::arrow_stream::{ArrowStream, is_arrow};
use super::error::{AtPath, InputError, InputProblem};
use super::format::{Format, Role, open_as};
use super::parquet_file::ParquetFile;
use super::{slates_json, slates_npy, slates_table};
use crate::catalog::Catalog;
use crate::config::{Config, Holds};
use crate::slate::Slate;

/// Which columns of slates to read beside those that every slate can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SlateFields {
    /// Every column that can be an attribute, and `seen`; no Bloom filters.
    All,
    /// What a configuration uses; nothing else is decoded.
    Only {
        /// Attributes by name.
        attributes: Vec<String>,
        /// Whether the lists of items already seen are read.
        seen: bool,
        /// The column with Bloom filters of items already seen.
        seen_bloom: Option<String>,
    },
}

impl SlateFields {
    /// What a configuration needs, and nothing else.
    pub fn of(config: &Config) -> Self {
        Self::of_all([config])
    }

    /// What any of several configurations needs. Slates carry one Bloom filter: of columns with filters, that of the first
    /// configuration that names one, and it is for the caller to see that no other names another.
    pub fn of_all<'a>(configs: impl IntoIterator<Item = &'a Config>) -> Self {
        let (mut attributes, mut seen, mut seen_bloom) = (Vec::new(), false, None);
        for config in configs {
            let needs = config.slate_needs();
            let find = |holds| needs.iter().find(|need| need.holds == holds);
            attributes.extend(config.attributes());
            seen |= find(Holds::Items).is_some();
            seen_bloom = seen_bloom.or_else(|| find(Holds::Bloom).and_then(|need| need.column.clone()));
        }
        attributes.sort();
        attributes.dedup();
        Self::Only { attributes, seen, seen_bloom }
    }

    pub(super) fn takes_attribute(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only { attributes, .. } => attributes.iter().any(|attribute| attribute == name),
        }
    }

    pub(super) fn takes_seen(&self) -> bool {
        matches!(self, Self::All | Self::Only { seen: true, .. })
    }

    pub(super) fn bloom(&self) -> Option<&str> {
        match self {
            Self::Only { seen_bloom: Some(name), .. } => Some(name),
            _ => None,
        }
    }
}

/// Slates read at a time where they are only passed over.
const SKIPPED_SLATES: usize = 1024;

/// A stream of slates.
pub trait SlateSource: Send {
    /// The next slates, at least one and at most `max_slates` (0 counts as 1), or nothing at the end.
    ///
    /// # Errors
    /// The first slate that cannot be read. The next call goes on with the slate after it where the format lets it; else
    /// it gives the same error again, or the end.
    fn next_batch(&mut self, max_slates: usize) -> Result<Option<Vec<Slate>>, InputError>;

    /// Passes over slates without a look at what they hold, and says how many there were: fewer than `n_slates` only at the
    /// end.
    ///
    /// # Errors
    /// As [`Self::next_batch`], where the format cannot tell slates apart without reading them.
    fn skip(&mut self, n_slates: u64) -> Result<u64, InputError> {
        let mut n_skipped = 0;
        while n_skipped < n_slates {
            let max = usize::try_from(n_slates - n_skipped).unwrap_or(usize::MAX).min(SKIPPED_SLATES);
            let Some(slates) = self.next_batch(max)? else { break };
            n_skipped += slates.len() as u64;
        }
        Ok(n_skipped)
    }

    /// How many slates there are, where the format says so beforehand.
    fn n_slates(&self) -> Option<u64>;

    /// True for an Arrow stream from a pipe: its slates come in batches as whoever is at the other end writes them, and
    /// an answer is best given in kind, batch by batch.
    fn is_arrow_pipe(&self) -> bool {
        false
    }
}

/// What messages call standard input.
pub const STANDARD_INPUT: &str = "standard input";

/// A batch from a reader that gives one slate at a time.
pub(super) fn batch_of(
    max_slates: usize,
    mut next: impl FnMut() -> Result<Option<Slate>, InputError>,
) -> Result<Option<Vec<Slate>>, InputError> {
    let mut slates = Vec::new();
    while slates.len() < max_slates.max(1) {
        match next()? {
            Some(slate) => slates.push(slate),
            None => break,
        }
    }
    Ok((!slates.is_empty()).then_some(slates))
}

/// Opens slates: one Parquet, Arrow or JSON-lines file, or a pair of `.npy` files in any order. `-` is standard input:
/// Arrow by its first bytes, else JSON lines.
///
/// Items are resolved to rows of `catalog`. Duplicates and scores that are not finite pass: they are not a matter of
/// the format.
///
/// # Errors
/// A file that cannot be opened or whose header or columns are wrong. Slates themselves are checked as they are read.
pub fn open_slates<'a>(
    paths: &[PathBuf],
    catalog: &'a Catalog,
    fields: &SlateFields,
) -> Result<Box<dyn SlateSource + Send + 'a>, InputError> {
    match paths {
        [] => Err(InputProblem::NoFiles { role: "slates" }).at(Path::new("--slates")),
        [path] if path.as_os_str() == "-" => open_standard_input(catalog, fields),
        [path] => {
            let (format, file) = open_as(path, Role::Slates)?;
            match format {
                Format::Parquet => slates_table::open(path, ParquetFile::open(file).at(path)?, catalog, fields),
                Format::Arrow => {
                    let reader = BufReader::with_capacity(1 << 18, file);
                    slates_table::open(path, ArrowStream::open(reader, false).at(path)?, catalog, fields)
                }
                Format::JsonLines => Ok(Box::new(slates_json::JsonSlates::new(path, file, catalog, fields.clone()))),
                Format::Npy | Format::Safetensors => Err(InputProblem::FileCount { n_files: 1 }).at(path),
            }
        }
        [a, b] => {
            let opened = [open_as(a, Role::Slates)?, open_as(b, Role::Slates)?];
            match opened {
                [(Format::Npy, file_a), (Format::Npy, file_b)] => {
                    if let Some(column) = fields.bloom() {
                        return Err(InputProblem::NoBloomInArrays { column: column.to_owned() }).at(a);
                    }
                    Ok(Box::new(slates_npy::NpySlates::open((a, file_a), (b, file_b), catalog)?))
                }
                _ => Err(InputProblem::FileCount { n_files: 2 }).at(a),
            }
        }
        [first, ..] => Err(InputProblem::FileCount { n_files: paths.len() }).at(first),
    }
}

fn open_standard_input<'a>(
    catalog: &'a Catalog,
    fields: &SlateFields,
) -> Result<Box<dyn SlateSource + Send + 'a>, InputError> {
    let path = Path::new(STANDARD_INPUT);
    let mut head = Vec::with_capacity(8);
    stdin().take(8).read_to_end(&mut head).map_err(InputProblem::from).at(path)?;
    if head.starts_with(b"PAR1") {
        return Err(InputProblem::NoPipe { format: "Parquet" }).at(path);
    }
    let is_arrow = is_arrow(&head);
    let reader = BufReader::with_capacity(1 << 18, Cursor::new(head).chain(stdin()));
    if is_arrow {
        slates_table::open(path, ArrowStream::open(reader, true).at(path)?, catalog, fields)
    } else {
        Ok(Box::new(slates_json::JsonSlates::from_reader(path, reader, catalog, fields.clone())))
    }
}
