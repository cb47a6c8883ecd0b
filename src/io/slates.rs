//! Slates as a stream: batches come one after the other, so memory does not grow with the number of slates.

use std::io::{BufReader, Cursor, Read, stdin};
use std::path::{Path, PathBuf};

use super::arrow_stream::{self, ArrowStream, is_arrow};
use super::error::{AtPath, InputError, InputProblem};
use super::format::{Format, Role, compressed, open_as};
use super::live_input::LiveInput;
use super::parquet_file::ParquetFile;
use super::slate_error::SlateFileProblem;
use super::{json_lines, slates_json, slates_npy, slates_table};
use crate::catalog::Catalog;
use crate::config::{Config, Holds};
use crate::memory::slate_bytes;
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
/// Where a batch of slates ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// Slates, at most; 0 counts as 1.
    pub max_slates: usize,
    /// Bytes that they take in work, by [`slate_bytes`](crate::memory::slate_bytes): a slate that goes beyond is the last.
    pub max_bytes: u64,
    /// Positions that each fills, for those bytes.
    pub n_positions: usize,
}

impl BatchLimit {
    /// A number of slates, however large.
    pub fn slates(max_slates: usize) -> Self {
        Self { max_slates, max_bytes: u64::MAX, n_positions: 0 }
    }
}

/// A stream of slates.
pub trait SlateSource: Send {
    /// The next slates, at least one and no more than the limit allows, or nothing at the end.
    ///
    /// # Errors
    /// The first slate that cannot be read. The next call goes on with the slate after it where the format lets it; else
    /// it gives the same error again, or the end.
    fn next_batch_within(&mut self, limit: BatchLimit) -> Result<Option<Vec<Slate>>, InputError>;

    /// The next slates, at least one and at most `max_slates` (0 counts as 1), or nothing at the end.
    ///
    /// # Errors
    /// As [`Self::next_batch_within`].
    fn next_batch(&mut self, max_slates: usize) -> Result<Option<Vec<Slate>>, InputError> {
        self.next_batch_within(BatchLimit::slates(max_slates))
    }

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

/// Bytes for each byte that an Arrow message may take: as it comes, decompressed, and as lists and numbers of 64 bits.
const PER_MESSAGE_BYTE: u64 = 3;
/// Bytes that a byte of JSON becomes: a number and its comma can be two letters, and are a value of 32 bytes.
const PER_LINE_BYTE: u64 = 17;

/// Most bytes of what is decoded at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecodeLimits {
    /// A message of an Arrow stream.
    pub(crate) message_bytes: u64,
    /// A line of JSON.
    pub(crate) line_bytes: usize,
    /// Rows of a Parquet file as they are decoded.
    pub(crate) rows_bytes: u64,
}

impl DecodeLimits {
    const NONE: Self = Self {
        message_bytes: arrow_stream::MAX_MESSAGE_BYTES,
        line_bytes: json_lines::MAX_LINE_BYTES,
        rows_bytes: u64::MAX,
    };

    fn within(max_bytes: Option<u64>) -> Self {
        let Some(max_bytes) = max_bytes else { return Self::NONE };
        let line_bytes = usize::try_from(max_bytes / PER_LINE_BYTE).unwrap_or(usize::MAX);
        Self {
            message_bytes: (max_bytes / PER_MESSAGE_BYTE).min(Self::NONE.message_bytes),
            line_bytes: line_bytes.min(Self::NONE.line_bytes),
            rows_bytes: max_bytes / 4,
        }
    }

    /// What room a message asks for: numbers of 32 bits count as the 64 that they become.
    pub(crate) fn of_message(n_bytes: u64) -> u64 {
        n_bytes.saturating_mul(2 * PER_MESSAGE_BYTE)
    }

    /// What a line becomes.
    pub(crate) fn of_line(n_bytes: u64) -> u64 {
        n_bytes.saturating_mul(PER_LINE_BYTE)
    }
}

/// What messages call standard input.
pub const STANDARD_INPUT: &str = "standard input";

/// A batch from a reader that gives one slate at a time.
pub(super) fn batch_of(
    limit: BatchLimit,
    mut next: impl FnMut() -> Result<Option<Slate>, InputError>,
) -> Result<Option<Vec<Slate>>, InputError> {
    let mut slates = Vec::new();
    let (mut n_bytes, mut largest) = (0u64, 0);
    // Room for one more like the largest so far, so that a batch seldom goes beyond its limit.
    while slates.len() < limit.max_slates.max(1) && n_bytes.saturating_add(largest) <= limit.max_bytes {
        let Some(slate) = next()? else { break };
        if limit.max_bytes < u64::MAX {
            let bytes = slate_bytes(&slate, limit.n_positions);
            (n_bytes, largest) = (n_bytes.saturating_add(bytes), bytes.max(largest));
        }
        slates.push(slate);
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
    open_slates_within(paths, catalog, fields, None)
}

/// As [`open_slates`], decoding no more than about `max_bytes` at a time.
///
/// # Errors
/// As [`open_slates`]. Messages of an Arrow stream and lines of JSON that take more are refused when their turn comes.
pub fn open_slates_within<'a>(
    paths: &[PathBuf],
    catalog: &'a Catalog,
    fields: &SlateFields,
    max_bytes: Option<u64>,
) -> Result<Box<dyn SlateSource + Send + 'a>, InputError> {
    let limits = DecodeLimits::within(max_bytes);
    match paths {
        [] => Err(InputProblem::NoFiles { role: "slates" }).at(Path::new("--slates")),
        [path] if path.as_os_str() == "-" => open_standard_input(catalog, fields, limits),
        [path] => {
            let (format, file) = open_as(path, Role::Slates)?;
            match format {
                Format::Parquet => slates_table::open(path, ParquetFile::open(file).at(path)?, catalog, fields, limits),
                Format::Arrow => {
                    let reader = BufReader::with_capacity(1 << 18, file);
                    let stream = ArrowStream::open(reader, false, limits.message_bytes).at(path)?;
                    slates_table::open(path, stream, catalog, fields, limits)
                }
                Format::JsonLines => {
                    let reader = BufReader::with_capacity(1 << 18, file);
                    Ok(Box::new(slates_json::JsonSlates::from_reader(path, reader, catalog, fields.clone(), limits)))
                }
                Format::Npy | Format::Safetensors => Err(InputProblem::FileCount { n_files: 1 }).at(path),
            }
        }
        [a, b] => {
            let opened = [open_as(a, Role::Slates)?, open_as(b, Role::Slates)?];
            match opened {
                [(Format::Npy, file_a), (Format::Npy, file_b)] => {
                    if let Some(column) = fields.bloom() {
                        return Err(InputProblem::Slate(SlateFileProblem::NoBloomInArrays {
                            column: column.to_owned(),
                        }))
                        .at(a);
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
    limits: DecodeLimits,
) -> Result<Box<dyn SlateSource + Send + 'a>, InputError> {
    let path = Path::new(STANDARD_INPUT);
    let mut head = Vec::with_capacity(8);
    stdin().take(8).read_to_end(&mut head).map_err(InputProblem::from).at(path)?;
    if head.starts_with(b"PAR1") {
        return Err(InputProblem::NoPipe { format: "Parquet" }).at(path);
    }
    if let Some(problem) = compressed(&head) {
        return Err(problem).at(path);
    }
    let is_arrow = is_arrow(&head);
    let input = Cursor::new(head).chain(stdin());
    if is_arrow {
        let reader = BufReader::with_capacity(1 << 18, input);
        slates_table::open(
            path,
            ArrowStream::open(reader, true, limits.message_bytes).at(path)?,
            catalog,
            fields,
            limits,
        )
    } else {
        let input = LiveInput::new(input);
        Ok(Box::new(slates_json::JsonSlates::live(path, input, catalog, fields.clone(), limits)))
    }
}
