//! Writing ranked slates: one row per position, to a temporary file that takes its name when it is complete.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::{BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tempfile::NamedTempFile;

use super::output_columns::OUTPUT_COLUMNS;
use super::output_error::{OutputError, OutputProblem, output_at};
use super::{output_arrow, output_csv, output_json, output_parquet};
use crate::catalog::Catalog;
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

/// What standard output gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum StdoutFormat {
    /// One JSON object per position and line.
    #[default]
    Jsonl,
    /// An Arrow IPC stream, flushed after every batch.
    Arrow,
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
    create_output_as(path, StdoutFormat::Jsonl, has_ids, metadata)
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
    stdout_format: StdoutFormat,
    has_ids: bool,
    metadata: &[(String, String)],
) -> Result<Box<dyn SlateSink + Send>, OutputError> {
    if path == Path::new("-") {
        let target = Target::stdout(path);
        return Ok(match stdout_format {
            StdoutFormat::Jsonl => Box::new(output_json::JsonSink::new(target, has_ids)),
            StdoutFormat::Arrow => Box::new(output_arrow::ArrowStreamSink::new(target, has_ids, metadata)?),
        });
    }
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    Ok(match extension.as_str() {
        "parquet" => Box::new(output_parquet::ParquetSink::new(Draft::new(path)?, has_ids, metadata)?),
        "arrow" => Box::new(output_arrow::ArrowFileSink::new(Target::file(path)?, has_ids, metadata)?),
        "arrows" => Box::new(output_arrow::ArrowStreamSink::new(Target::file(path)?, has_ids, metadata)?),
        "jsonl" | "ndjson" => Box::new(output_json::JsonSink::new(Target::file(path)?, has_ids)),
        "csv" => Box::new(output_csv::CsvSink::new(Target::file(path)?, has_ids)?),
        _ => return output_at(path, Err(OutputProblem::UnknownExtension { known: KNOWN })),
    })
}

/// A file that is being written under another name in its folder.
pub(crate) struct Draft {
    pub(crate) path: PathBuf,
    pub(crate) file: NamedTempFile,
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
        let mut builder = tempfile::Builder::new();
        builder.prefix(".spectrank-").suffix(".part");
        // As any new file of this user; one that takes the place of another is private until it has that one's mode.
        #[cfg(unix)]
        if there.is_none() {
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        }
        let file = output_at(path, builder.tempfile_in(folder).map_err(OutputProblem::Create))?;
        #[cfg(unix)]
        if let Some(there) = there {
            let set = file.as_file().set_permissions(there.permissions());
            output_at(path, set.map_err(OutputProblem::Create))?;
        }
        Ok(Self { path: target, file })
    }

    /// Gives the complete file its name.
    pub(crate) fn keep(self) -> Result<File, OutputError> {
        output_at(&self.path, self.file.persist(&self.path).map_err(|e| OutputProblem::Rename(e.error)))
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
    /// A folder that does not exist or must not be written to.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        Target::file(path).map(Self)
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

/// Where text goes.
pub(crate) enum Target {
    File(BufWriter<NamedTempFile>, PathBuf),
    Stdout(BufWriter<Stdout>, PathBuf),
}

impl Target {
    pub(crate) fn file(path: &Path) -> Result<Self, OutputError> {
        let draft = Draft::new(path)?;
        Ok(Self::File(BufWriter::with_capacity(1 << 16, draft.file), draft.path))
    }

    fn stdout(path: &Path) -> Self {
        Self::Stdout(BufWriter::with_capacity(1 << 16, std::io::stdout()), path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(_, path) | Self::Stdout(_, path) => path,
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
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(writer, _) => writer.write(bytes),
            Self::Stdout(writer, _) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(writer, _) => writer.flush(),
            Self::Stdout(writer, _) => writer.flush(),
        }
    }
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
                base: placement.base,
                utility: placement.utility,
                diversity: placement.diversity,
                spacing: placement.spacing,
                semantic: placement.semantic,
                balance: placement.balance,
            })
        })
    });
    unpaired.into_iter().map(Err).chain(rows)
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
    fn rankings_of_other_slates_are_refused() {
        let slates = [Slate::default()];
        let catalog = Catalog::new();
        let of = |placements: &[Placement]| [RankedSlate { placements: placements.to_vec(), ..RankedSlate::default() }];
        assert!(rows(&slates, &[], &catalog, false).next().unwrap().is_err());
        assert!(rows(&slates, &of(&[Placement::default()]), &catalog, false).next().unwrap().is_err());
        assert!(rows(&slates, &of(&[]), &catalog, false).next().is_none());
    }
}
