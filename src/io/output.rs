//! Writing ranked slates: one row per position, to a temporary file that takes its name when it is complete.

use std::borrow::Cow;
use std::io::BufWriter;
use std::path::Path;
use std::sync::mpsc::Sender;

use serde::{Deserialize, Serialize};

use super::output_columns::OUTPUT_COLUMNS;
use super::output_error::{OutputError, OutputProblem, output_at};
use super::output_target::{Draft, PartDraft, PartWriter, Target};
use super::{output_arrow, output_csv, output_json, output_parquet};
use crate::catalog::Catalog;
use crate::digest::Digester;
use crate::slate::{RankedSlate, Slate};

/// Takes ranked slates. Dropped without `finish`, it leaves nothing behind.
pub trait SlateSink: Send {
    /// Writes one row per position of every slate; `ranked` goes with `slates` one to one.
    ///
    /// # Errors
    /// A disk or pipe that refuses, or rankings that do not belong to these slates.
    fn write(&mut self, slates: &[Slate], ranked: &[RankedSlate], catalog: &Catalog) -> Result<(), OutputError>;

    /// Completes the file and gives it its name.
    ///
    /// # Errors
    /// A disk or pipe that refuses; nothing is left behind then.
    fn finish(self: Box<Self>) -> Result<(), OutputError>;
}

/// Columns of the output by name, in order.
pub(crate) const COLUMNS: [&str; OUTPUT_COLUMNS.len()] = {
    let mut names = [""; OUTPUT_COLUMNS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = OUTPUT_COLUMNS[i].name;
        i += 1;
    }
    names
};

const KNOWN: &str = ".parquet, .arrow, .arrows, .jsonl, .ndjson, .csv";

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Parquet, compressed.
    Parquet,
    /// Arrow IPC: a file; on standard output a stream, flushed after every batch.
    Arrow,
    /// An Arrow IPC stream.
    Arrows,
    /// One JSON object per position and line.
    Jsonl,
    /// CSV with a header.
    Csv,
}

impl OutputFormat {
    /// The extension of its files, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Arrows => "arrows",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }

    fn of_extension(extension: &str) -> Option<Self> {
        let all = [Self::Parquet, Self::Arrow, Self::Arrows, Self::Jsonl, Self::Csv];
        let extension = if extension == "ndjson" { "jsonl" } else { extension };
        all.into_iter().find(|format| format.extension() == extension)
    }

    /// A sink of this format.
    fn sink(
        self,
        target: Target,
        has_ids: bool,
        metadata: &[(String, String)],
    ) -> Result<Box<dyn SlateSink + Send>, OutputError> {
        Ok(match self {
            Self::Parquet => Box::new(output_parquet::ParquetSink::new(target, has_ids, metadata)?),
            Self::Arrow => Box::new(output_arrow::ArrowFileSink::new(target, has_ids, metadata)?),
            Self::Arrows => Box::new(output_arrow::ArrowStreamSink::new(target, has_ids, metadata)?),
            Self::Jsonl => Box::new(output_json::JsonSink::new(target, has_ids)),
            Self::Csv => Box::new(output_csv::CsvSink::new(target, has_ids)?),
        })
    }
}

/// [`create_output_as`] with JSON lines where the output is `-`.
///
/// # Errors
/// As there.
pub fn create_output(
    path: &Path,
    has_ids: bool,
    metadata: &[(String, String)],
) -> Result<Box<dyn SlateSink + Send>, OutputError> {
    create_output_as(path, OutputFormat::Jsonl, has_ids, metadata)
}

/// Opens the output; the format follows from the extension, and for `-`, standard output, from `stdout_format`.
///
/// `has_ids` says whether the catalog has ids: `item_id` is text then, and the row number where it has none. `metadata`
/// goes into the file where the format has a place for it (Parquet, Arrow).
///
/// # Errors
/// An unknown extension, a folder that does not exist or must not be written to.
pub fn create_output_as(
    path: &Path,
    stdout_format: OutputFormat,
    has_ids: bool,
    metadata: &[(String, String)],
) -> Result<Box<dyn SlateSink + Send>, OutputError> {
    if path == Path::new("-") {
        let format = if stdout_format == OutputFormat::Arrow { OutputFormat::Arrows } else { stdout_format };
        return format.sink(Target::stdout(path), has_ids, metadata);
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let Some(format) = OutputFormat::of_extension(&extension) else {
        return output_at(path, Err(OutputProblem::UnknownExtension { known: KNOWN }));
    };
    format.sink(Target::file(path)?, has_ids, metadata)
}

/// Opens a part of an output folder. Its sink gives it, complete and on the disk but without its name, to `done`.
pub(crate) fn create_part(
    path: &Path,
    format: OutputFormat,
    has_ids: bool,
    metadata: &[(String, String)],
    done: Sender<PartDraft>,
) -> Result<Box<dyn SlateSink + Send>, OutputError> {
    let Draft { path, file } = Draft::new(path)?;
    let part = Box::new(PartWriter { file, digest: Digester::default() });
    let target = Target::Part { writer: BufWriter::with_capacity(1 << 16, part), path, done };
    format.sink(target, has_ids, metadata)
}

/// One position; the fields are the columns, in order.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    pub(crate) slate_id: &'a str,
    pub(crate) position: u32,
    pub(crate) item_id: ItemId<'a>,
    pub(crate) candidate: u32,
    pub(crate) score: f64,
    pub(crate) base: f64,
    pub(crate) utility: f64,
    pub(crate) diversity: f64,
    pub(crate) spacing: f64,
    pub(crate) semantic: f64,
    pub(crate) balance: f64,
}

/// An item by id, or by row where the catalog has no ids.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum ItemId<'a> {
    Id(Cow<'a, str>),
    Row(u32),
}

/// The rows of some slates, in order.
pub(crate) fn rows<'a>(
    slates: &'a [Slate],
    ranked: &'a [RankedSlate],
    catalog: &'a Catalog,
    has_ids: bool,
) -> impl Iterator<Item = Result<Row<'a>, OutputProblem>> {
    let unpaired = slates.get(ranked.len()).map(|slate| mismatch(slate, "it has no ranking"));
    let rows = slates.iter().zip(ranked).flat_map(move |(slate, ranked)| {
        let placements = ranked.placements.iter().zip(0u32..);
        placements.map(move |(placement, position)| {
            let score = slate.scores.get(placement.candidate as usize).copied();
            let score = score.ok_or_else(|| mismatch(slate, "a candidate is out of range"))?;
            if placement.item as usize >= catalog.n_items() {
                return Err(mismatch(slate, "an item is not in the catalog"));
            }
            let item_id = match has_ids {
                true => ItemId::Id(catalog.id_of(placement.item)),
                false => ItemId::Row(placement.item),
            };
            Ok(Row {
                slate_id: &slate.id,
                position,
                item_id,
                candidate: placement.candidate,
                score,
                base: plain_zero(placement.base),
                utility: plain_zero(placement.utility),
                diversity: plain_zero(placement.diversity),
                spacing: plain_zero(placement.spacing),
                semantic: plain_zero(placement.semantic),
                balance: plain_zero(placement.balance),
            })
        })
    });
    unpaired.into_iter().map(Err).chain(rows)
}

/// Nothing has no sign: "-0.0" in a file looks like a mistake, and is another value to what compares bytes.
fn plain_zero(value: f64) -> f64 {
    value + 0.0
}

fn mismatch(slate: &Slate, detail: &'static str) -> OutputProblem {
    OutputProblem::Mismatch { slate: slate.id.clone(), detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slate::Placement;

    #[test]
    fn the_columns_are_the_fields_of_a_row() {
        let slates = [Slate { scores: vec![1.5], ..Slate::default() }];
        let ranked = [RankedSlate { placements: vec![Placement::default()], ..RankedSlate::default() }];
        let mut catalog = Catalog::new();
        catalog.set_ids(vec!["a".to_owned()]).unwrap();
        let row = rows(&slates, &ranked, &catalog, true).next().unwrap().unwrap();
        let text = serde_json::to_string(&row).unwrap();
        let keys: Vec<&str> = text.split('"').filter(|k| COLUMNS.contains(k)).collect();
        assert_eq!(keys, COLUMNS);
    }

    #[test]
    fn nothing_has_no_sign() {
        let slates = [Slate { scores: vec![1.5], ..Slate::default() }];
        let placement = Placement { utility: 1.5, diversity: -0.0, spacing: -0.0, ..Placement::default() };
        let ranked = [RankedSlate { placements: vec![placement], ..RankedSlate::default() }];
        let mut catalog = Catalog::new();
        catalog.set_ids(vec!["a".to_owned()]).unwrap();
        let row = rows(&slates, &ranked, &catalog, true).next().unwrap().unwrap();
        assert!(!serde_json::to_string(&row).unwrap().contains("-0"));
    }

    #[test]
    fn rankings_of_other_slates_are_refused() {
        let slates = [Slate::default()];
        let catalog = Catalog::new();
        let of = |placements: &[Placement]| [RankedSlate { placements: placements.to_vec(), ..RankedSlate::default() }];
        assert!(rows(&slates, &[], &catalog, false).next().unwrap().is_err());
        assert!(rows(&slates, &of(&[Placement::default()]), &catalog, false).next().unwrap().is_err());
        assert!(rows(&slates, &of(&[]), &catalog, false).next().is_none());
    }
}
