//! Opening Parquet files that may be damaged.
//!
//! The reader checks much but not all of what a file says, and panics where it believed a wrong number. So the
//! directory is checked before it is used, pages before they are unpacked, and what still goes wrong inside the reader
//! becomes an error.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Fields, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, RowGroups, RowSelection, RowSelector,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::Length;

use super::arrow_expansion::expanded_bytes;
use super::arrow_values::cast;
use super::error::InputProblem;
use super::parquet_directory::is_sound_directory;
use super::parquet_pages::{CheckedGroups, Pages};
use super::slates_table::{Rows, Table};
use super::unpacked;
use crate::panics::caught;

/// Runs the reader; a panic inside it becomes an error.
fn guarded<T, E: std::fmt::Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, InputProblem> {
    match caught(work) {
        Ok(result) => result.map_err(|error| InputProblem::Parquet(plain(&error.to_string()).to_owned())),
        Err(message) => Err(damaged(&message)),
    }
}

/// What went wrong without the names of the kinds of error it passed through.
pub(super) fn plain(message: &str) -> &str {
    let rest = ["Parquet argument error: ", "Parquet error: ", "External: "]
        .iter()
        .find_map(|kind| message.strip_prefix(kind));
    rest.map_or(message, plain)
}

fn damaged(detail: &str) -> InputProblem {
    InputProblem::Parquet(format!("its content is damaged: {detail}"))
}

/// A file whose directory has been read and checked.
pub(crate) struct ParquetFile {
    pages: Pages,
    pub(super) metadata: ArrowReaderMetadata,
}

impl ParquetFile {
    pub(crate) fn open(file: File) -> Result<Self, InputProblem> {
        let pages = Pages::new(file);
        let options = ArrowReaderOptions::new;
        let metadata = match pages.directory()? {
            Some(directory) if !is_sound_directory(&directory) => return Err(damaged("its directory is broken")),
            Some(directory) => guarded(|| {
                let metadata = ParquetMetaDataReader::decode_metadata(&directory)?;
                ArrowReaderMetadata::try_new(Arc::new(metadata), options())
            })?,
            // What is no Parquet file, or cut off, the reader tells better.
            None => guarded(|| ArrowReaderMetadata::load(&pages, options()))?,
        };
        check(metadata.metadata(), pages.len())?;
        Ok(Self { pages: pages.checked(metadata.metadata()), metadata })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Rows, as the directory has them.
    pub(crate) fn n_rows(&self) -> u64 {
        self.metadata.metadata().file_metadata().num_rows().try_into().unwrap_or(0)
    }

    /// Reads some root columns in batches, with texts as views: a value that is named often is held once, and what it
    /// comes to can be counted before it is written out.
    pub(crate) fn batches(self, roots: Vec<usize>, batch_rows: usize) -> Result<Batches, InputProblem> {
        // Columns come in the order of the file.
        let in_order = BTreeSet::from_iter(roots.iter().copied());
        let unchecked = in_order.into_iter().enumerate().filter(|&(_, root)| self.holds_unchecked_text(root));
        let unchecked = unchecked.map(|(column, _)| column).collect();
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), roots);
        let n_rows_left = self.n_rows();
        let mut batches =
            Batches { file: self, mask, batch_rows, unchecked, reader: None, n_rows_left, n_kept_bytes: None };
        batches.reader = Some(batches.reader_from(0)?);
        Ok(batches)
    }

    /// True where a root column may give text that is not UTF-8. The reader looks at what the file itself calls UTF-8, but makes
    /// text of JSON too, and of bytes that an Arrow schema beside it calls text.
    fn holds_unchecked_text(&self, root: usize) -> bool {
        let schema = self.metadata.parquet_schema();
        let mut leaves = (0..schema.num_columns()).filter(|&leaf| schema.get_column_root_idx(leaf) == root);
        leaves.any(|leaf| {
            let column = schema.column(leaf);
            column.physical_type() == PhysicalType::BYTE_ARRAY && column.converted_type() != ConvertedType::UTF8
        })
    }
}

/// The field with views in place of texts and bytes.
fn viewed(field: &Arc<Field>) -> Arc<Field> {
    let data_type = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, values) if matches!(**values, DataType::Utf8 | DataType::LargeUtf8) => {
            DataType::Utf8View
        }
        DataType::List(element) => DataType::List(viewed(element)),
        DataType::LargeList(element) => DataType::LargeList(viewed(element)),
        DataType::ListView(element) => DataType::ListView(viewed(element)),
        DataType::LargeListView(element) => DataType::LargeListView(viewed(element)),
        DataType::FixedSizeList(element, n) => DataType::FixedSizeList(viewed(element), *n),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(viewed).collect()),
        _ => return Arc::clone(field),
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}

/// Every column chunk must lie inside the file.
fn check(metadata: &ParquetMetaData, n_file_bytes: u64) -> Result<(), InputProblem> {
    for group in metadata.row_groups() {
        if group.num_rows() < 0 {
            return Err(damaged("a row group has a negative number of rows"));
        }
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
            let end = u64::try_from(start).ok().zip(u64::try_from(column.compressed_size()).ok());
            let end = end.and_then(|(start, n_bytes)| start.checked_add(n_bytes));
            if end.is_none_or(|end| end > n_file_bytes) || column.num_values() < 0 {
                return Err(damaged(&format!("column {} lies outside the file", column.column_path())));
            }
        }
    }
    Ok(())
}

/// Batches of rows; over at the first error.
pub(crate) struct Batches {
    file: ParquetFile,
    mask: ProjectionMask,
    batch_rows: usize,
    /// Columns whose text the reader has not looked at.
    unchecked: Vec<usize>,
    reader: Option<ParquetRecordBatchReader>,
    /// Rows that the directory promises and that have not come yet.
    n_rows_left: u64,
    /// Bytes of all batches so far, where they are kept.
    n_kept_bytes: Option<u64>,
}

impl Batches {
    /// A reader that begins at a row. Row groups before it are not touched.
    fn reader_from(&self, row: u64) -> Result<ParquetRecordBatchReader, InputProblem> {
        let groups = self.file.metadata.metadata().row_groups();
        let (mut first, mut offset) = (0, usize::try_from(row).unwrap_or(usize::MAX));
        while let Some(n_rows) = groups.get(first).and_then(|group| usize::try_from(group.num_rows()).ok())
            && n_rows <= offset
        {
            (first, offset) = (first + 1, offset - n_rows);
        }
        guarded(|| {
            let (pages, metadata) = (self.file.pages.clone(), &self.file.metadata);
            let fields: Fields = metadata.schema().fields().iter().map(viewed).collect();
            let levels = parquet_to_arrow_field_levels(metadata.parquet_schema(), self.mask.clone(), Some(&fields))?;
            let groups = CheckedGroups { pages, metadata: Arc::clone(metadata.metadata()), first };
            let rest = RowSelector::select(groups.num_rows().saturating_sub(offset));
            let selection = (offset > 0).then(|| RowSelection::from(vec![RowSelector::skip(offset), rest]));
            ParquetRecordBatchReader::try_new_with_row_groups(&levels, &groups, self.batch_rows, selection)
        })
    }

    /// For a caller that keeps what it reads: the limit holds for all batches together.
    pub(crate) fn kept(self) -> Self {
        Self { n_kept_bytes: Some(0), ..self }
    }

    fn read(&mut self) -> Option<Result<RecordBatch, InputProblem>> {
        let reader = self.reader.as_mut()?;
        self.file.pages.start_batch();
        let batch = guarded(|| reader.next().transpose()).transpose()?;
        Some(batch.and_then(|batch| self.checked(batch)).and_then(|batch| self.limited(batch)))
    }

    /// Refuses text that is not UTF-8, where the reader has not done it.
    fn checked(&self, batch: RecordBatch) -> Result<RecordBatch, InputProblem> {
        for &column in &self.unchecked {
            if let Err(error) = batch.column(column).to_data().validate_full() {
                let detail = error.to_string();
                let detail = detail.strip_prefix("Invalid argument error: ").unwrap_or(&detail);
                return Err(damaged(&format!("column {}: {detail}", batch.schema().field(column).name())));
            }
        }
        Ok(batch)
    }

    /// Holds against the limit what the batch comes to when it is written out.
    fn limited(&mut self, batch: RecordBatch) -> Result<RecordBatch, InputProblem> {
        let mut n_bytes = batch.columns().iter().map(expanded_bytes).fold(0, u64::saturating_add);
        if let Some(n_kept_bytes) = &mut self.n_kept_bytes {
            *n_kept_bytes = n_kept_bytes.saturating_add(n_bytes);
            n_bytes = *n_kept_bytes;
        }
        let limit = unpacked::limit(self.file.pages.len());
        if n_bytes > limit {
            return Err(InputProblem::Unpacked { limit_mib: limit >> 20 });
        }
        match self.n_rows_left.checked_sub(batch.num_rows() as u64) {
            Some(n_rows_left) => self.n_rows_left = n_rows_left,
            None => return Err(other_n_rows()),
        }
        Ok(batch)
    }

    /// A batch with its columns as the file has them.
    pub(crate) fn restored(&self, batch: &RecordBatch) -> Result<RecordBatch, InputProblem> {
        let schema = self.file.schema();
        let fields = schema.fields().iter().zip(batch.columns());
        let columns = fields.map(|(field, column)| cast(column, field.data_type())).collect::<Result<_, _>>()?;
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

fn other_n_rows() -> InputProblem {
    damaged("it holds another number of rows than its directory says")
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, InputProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        let had_reader = self.reader.is_some();
        let batch = self.read();
        if !matches!(batch, Some(Ok(_))) {
            self.reader = None;
        }
        match batch {
            None if had_reader && self.n_rows_left > 0 => Some(Err(other_n_rows())),
            batch => batch,
        }
    }
}

impl Rows for Batches {
    fn next_rows(&mut self) -> Option<Result<RecordBatch, InputProblem>> {
        self.next()
    }

    fn skip_rows(&mut self, n_rows: u64) -> Result<u64, InputProblem> {
        let n_skipped = n_rows.min(self.n_rows_left);
        if self.reader.is_some() && n_skipped > 0 {
            let at = self.file.n_rows() - self.n_rows_left;
            self.reader = Some(self.reader_from(at + n_skipped)?);
            self.n_rows_left -= n_skipped;
            return Ok(n_skipped);
        }
        Ok(0)
    }
}

impl Table for ParquetFile {
    fn schema(&self) -> SchemaRef {
        self.metadata.schema().clone()
    }

    fn n_rows(&self) -> Option<u64> {
        Some(Self::n_rows(self))
    }

    fn row_bytes(&self, columns: &[usize]) -> u64 {
        Self::row_bytes(self, columns)
    }

    fn rows(self, columns: Vec<usize>, batch_rows: usize) -> Result<Box<dyn Rows>, InputProblem> {
        Ok(Box::new(self.batches(columns, batch_rows)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let found = guarded(|| -> Result<(), InputProblem> { panic!("index {}", 3) }).unwrap_err();
        assert!(found.to_string().contains("its content is damaged: index 3"), "{found}");
        assert_eq!(guarded(|| Ok::<_, InputProblem>(1)).unwrap(), 1);
    }
}
