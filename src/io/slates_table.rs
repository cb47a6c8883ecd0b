//! Slates in tables (Parquet, Arrow): which form they have, and the list form, one row per slate with list columns
//! `candidates` and `scores`.

use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema, SchemaRef};

use super::arrow_values::scalar;
use super::error::{AtPath, InputError, InputProblem};
use super::resolve::{CANDIDATE, check_lengths};
use super::slate_error::SlateFileProblem;
use super::slates::{BatchLimit, DecodeLimits, SlateFields, SlateSource, batch_of};
use super::slates_columns::{ItemLists, Of, ScoreLists, SlateColumns, check_column, check_optional};
use super::slates_long::LongSlates;
use crate::catalog::Catalog;
use crate::slate::Slate;

/// Rows of the list form decoded at once; each can have thousands of candidates.
const BATCH_SLATES: usize = 128;
/// Rows of the long form decoded at once.
const BATCH_ROWS: usize = 8192;

/// Rows of a table as they are decoded.
pub(crate) trait Rows: Send {
    /// The next rows, or nothing at the end; over at the first error.
    fn next_rows(&mut self) -> Option<Result<RecordBatch, InputProblem>>;

    /// Passes over up to `n_rows` of the rows to come where the format lets it without decoding them; says how many.
    fn skip_rows(&mut self, _n_rows: u64) -> Result<u64, InputProblem> {
        Ok(0)
    }

    /// True where the rows come through a pipe, and whoever writes them may wait for an answer before there are more.
    fn is_live(&self) -> bool {
        false
    }
}

/// A table whose columns are known and whose rows have not been read.
pub(crate) trait Table {
    /// Its columns.
    fn schema(&self) -> SchemaRef;

    /// How many rows there are, where the format says so beforehand.
    fn n_rows(&self) -> Option<u64>;

    /// Bytes of a row of some columns, where whoever asks for rows says how many.
    fn row_bytes(&self, columns: &[usize]) -> u64;

    /// Reads some columns, about so many rows at a time.
    fn rows(self, columns: Vec<usize>, batch_rows: usize) -> Result<Box<dyn Rows>, InputProblem>;
}

/// Opens either form; a column `candidates` makes the list form.
pub(crate) fn open<'a>(
    path: &Path,
    table: impl Table,
    catalog: &'a Catalog,
    fields: &SlateFields,
    limits: DecodeLimits,
) -> Result<Box<dyn SlateSource + Send + 'a>, InputError> {
    let schema = table.schema();
    let is_long = schema.field_with_name("candidates").is_err() && schema.field_with_name("score").is_ok();
    check_optional(&schema, fields).at(path)?;
    let n_slates = table.n_rows();
    let roots = roots(&schema, fields, is_long);
    let most = usize::try_from(limits.rows_bytes / table.row_bytes(&roots).max(1)).unwrap_or(usize::MAX);
    let batch_rows = if is_long { BATCH_ROWS } else { BATCH_SLATES }.min(most).max(1);
    let open = || table.rows(roots, batch_rows).at(path);
    if is_long {
        let form = super::slates_long::check(&schema, catalog).at(path)?;
        return Ok(Box::new(LongSlates::new(path, open()?, catalog, form, fields.clone())));
    }
    check_column(&schema, "candidates", true).at(path)?;
    check_column(&schema, "scores", true).at(path)?;
    let (path, rows, fields) = (path.to_owned(), open()?, fields.clone());
    Ok(Box::new(ListSlates { path, rows, catalog, fields, batch: None, n_read: 0, n_slates }))
}

/// The columns to decode: the form's own, and those asked for.
fn roots(schema: &Schema, wanted: &SlateFields, is_long: bool) -> Vec<usize> {
    let is_wanted = |field: &Field| match field.name().as_str() {
        "slate_id" | "recent" | "pinned" => true,
        "seen" => wanted.takes_seen(),
        "candidates" | "scores" => !is_long,
        "item" | "item_id" | "score" if is_long => true,
        name if wanted.bloom() == Some(name) => true,
        name => wanted.takes_attribute(name) && scalar(field.data_type()).is_some(),
    };
    schema.fields().iter().enumerate().filter(|(_, field)| is_wanted(field)).map(|(root, _)| root).collect()
}

/// The stream of rows.
struct ListSlates<'a> {
    path: PathBuf,
    rows: Box<dyn Rows>,
    catalog: &'a Catalog,
    fields: SlateFields,
    batch: Option<Batch>,
    n_read: u64,
    n_slates: Option<u64>,
}

/// A decoded batch and how far it has been given out.
struct Batch {
    columns: SlateColumns,
    candidates: ItemLists,
    scores: ScoreLists,
    n_rows: usize,
    next: usize,
}

impl ListSlates<'_> {
    fn next_slate(&mut self) -> Result<Option<Slate>, InputProblem> {
        loop {
            if let Some(batch) = self.batch.as_mut().filter(|b| b.next < b.n_rows) {
                let row = batch.next;
                batch.next += 1;
                // A slate that cannot be read counts all the same: those after it keep their numbers.
                self.n_read += 1;
                return batch.slate(row, self.n_read - 1, self.catalog).map(Some);
            }
            if !self.decode()? {
                return Ok(None);
            }
        }
    }

    /// Decodes the next rows; false at the end.
    fn decode(&mut self) -> Result<bool, InputProblem> {
        let Some(batch) = self.rows.next_rows() else { return Ok(false) };
        let batch = batch?;
        let missing = || InputProblem::Values("a column went missing".to_owned());
        self.batch = Some(Batch {
            columns: SlateColumns::of(&batch, &self.fields, &[])?,
            candidates: ItemLists::of(batch.column_by_name("candidates").ok_or_else(missing)?)?,
            scores: ScoreLists::of(batch.column_by_name("scores").ok_or_else(missing)?)?,
            n_rows: batch.num_rows(),
            next: 0,
        });
        Ok(true)
    }

    fn skip_slates(&mut self, n_slates: u64) -> Result<u64, InputProblem> {
        let mut n_skipped = 0;
        while n_skipped < n_slates {
            let n_left = n_slates - n_skipped;
            let n_more = match self.batch.as_mut().filter(|batch| batch.next < batch.n_rows) {
                Some(batch) => {
                    let n_rows = usize::try_from(n_left).unwrap_or(usize::MAX).min(batch.n_rows - batch.next);
                    batch.next += n_rows;
                    n_rows as u64
                }
                None => match self.rows.skip_rows(n_left)? {
                    0 if !self.decode()? => break,
                    n_rows => n_rows,
                },
            };
            n_skipped += n_more;
            self.n_read += n_more;
        }
        Ok(n_skipped)
    }
}

impl Batch {
    fn slate(&self, row: usize, number: u64, catalog: &Catalog) -> Result<Slate, InputProblem> {
        let id = self.columns.id(row).unwrap_or_else(|| number.to_string());
        let no_list = |column| InputProblem::Slate(SlateFileProblem::NoList { slate: id.clone(), column });
        let of = Of { catalog, slate: &id, role: CANDIDATE };
        let candidates = self.candidates.resolve(row, of)?.ok_or_else(|| no_list("candidates"))?;
        let scores: Vec<Option<f64>> = self.scores.get(row).ok_or_else(|| no_list("scores"))?.collect();
        check_lengths(&id, candidates.len(), scores.len())?;
        let score = |(index, score): (usize, Option<f64>)| {
            score.ok_or_else(|| {
                let item = self.candidates.item(row, index).map(|x| x.to_string()).unwrap_or_default();
                InputProblem::Slate(SlateFileProblem::NotAScore { slate: id.clone(), index, item })
            })
        };
        let scores = scores.into_iter().enumerate().map(score).collect::<Result<_, _>>()?;
        let slate = self.columns.slate(row, id.clone(), catalog)?;
        Ok(Slate { candidates, scores, ..slate })
    }
}

impl SlateSource for ListSlates<'_> {
    fn next_batch_within(&mut self, limit: BatchLimit) -> Result<Option<Vec<Slate>>, InputError> {
        let mut is_first = true;
        batch_of(limit, || {
            let is_done = self.batch.as_ref().is_none_or(|batch| batch.next >= batch.n_rows);
            if !std::mem::take(&mut is_first) && is_done && self.rows.is_live() {
                return Ok(None);
            }
            self.next_slate().at(&self.path)
        })
    }

    fn skip(&mut self, n_slates: u64) -> Result<u64, InputError> {
        self.skip_slates(n_slates).at(&self.path)
    }

    fn n_slates(&self) -> Option<u64> {
        self.n_slates
    }

    fn is_arrow_pipe(&self) -> bool {
        self.rows.is_live()
    }
}
