//! Opening Parquet files that may be damaged.
//!
//! The reader checks much but not all of what a file says, and panics where it believed a wrong number. So the
//! directory is checked before it is used, and what still goes wrong inside the reader becomes an error.

use std::fs::File;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Type;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::error::InputProblem;
use super::slates_table::{Rows, Table};
use crate::panics::caught;

/// Runs the reader; a panic inside it becomes an error.
fn guarded<T, E: std::fmt::Display>(work: impl FnOnce() -> Result<T, E>) -> Result<T, InputProblem> {
    match caught(work) {
        Ok(result) => result.map_err(|error| InputProblem::Parquet(error.to_string())),
        Err(message) => Err(damaged(&message)),
    }
}

fn damaged(detail: &str) -> InputProblem {
    InputProblem::Parquet(format!("its content is damaged: {detail}"))
}

/// A file whose directory has been read and checked.
pub(crate) struct ParquetFile {
    file: File,
    metadata: ArrowReaderMetadata,
}

impl ParquetFile {
    pub(crate) fn open(file: File) -> Result<Self, InputProblem> {
        let n_file_bytes = file.metadata()?.len();
        let metadata = guarded(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()))?;
        check(metadata.metadata(), n_file_bytes)?;
        Ok(Self { file, metadata })
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    /// Rows, as the directory has them.
    pub(crate) fn n_rows(&self) -> u64 {
        self.metadata.metadata().file_metadata().num_rows().try_into().unwrap_or(0)
    }

    fn chunks(&self, root: usize) -> impl Iterator<Item = &ColumnChunkMetaData> {
        let schema = self.metadata.parquet_schema();
        let leaves: Vec<usize> =
            (0..schema.num_columns()).filter(|&leaf| schema.get_column_root_idx(leaf) == root).collect();
        let groups = self.metadata.metadata().row_groups().iter();
        groups.flat_map(move |group| leaves.clone().into_iter().map(|leaf| group.column(leaf)))
    }

    /// Bytes of a row of some root columns as they are decoded, about: sizes are those of the encoded columns.
    pub(crate) fn row_bytes(&self, roots: &[usize]) -> u64 {
        let bytes = roots.iter().flat_map(|&root| self.chunks(root)).map(plain_bytes);
        bytes.fold(0, u64::saturating_add).div_ceil(self.n_rows().max(1))
    }

    /// Bytes of the largest stretch of a root column, decompressed.
    pub(crate) fn largest_chunk_bytes(&self, root: usize) -> u64 {
        self.chunks(root).map(|chunk| count(chunk.uncompressed_size())).max().unwrap_or(0)
    }

    /// Values of a root column; a null is one, and so is an empty list.
    pub(crate) fn n_values(&self, root: usize) -> u64 {
        self.chunks(root).map(|chunk| count(chunk.num_values())).fold(0, u64::saturating_add)
    }

    /// True for a column of text.
    pub(crate) fn is_text(&self, root: usize) -> bool {
        self.chunks(root).all(|chunk| chunk.column_type() == Type::BYTE_ARRAY)
    }

    /// Bytes of all text of a root column, about: older files do not say how often a text is repeated.
    pub(crate) fn text_bytes(&self, root: usize) -> u64 {
        let bytes = self.chunks(root).map(|chunk| {
            chunk.unencoded_byte_array_data_bytes().map_or_else(|| count(chunk.uncompressed_size()), count)
        });
        bytes.fold(0, u64::saturating_add)
    }

    /// Reads some root columns in batches.
    pub(crate) fn batches(self, roots: Vec<usize>, batch_rows: usize) -> Result<Batches, InputProblem> {
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), roots);
        let n_rows_left = self.n_rows();
        let mut batches = Batches { file: self, mask, batch_rows, reader: None, n_rows_left };
        batches.reader = Some(batches.reader_from(0)?);
        Ok(batches)
    }
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// Bytes of a column as plain values: encodings can make them look like less.
fn plain_bytes(chunk: &ColumnChunkMetaData) -> u64 {
    let width = match chunk.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(chunk.column_descr().type_length()).unwrap_or(0),
        Type::BYTE_ARRAY => 8,
    };
    let values = count(chunk.num_values()).saturating_mul(width);
    let text = chunk.unencoded_byte_array_data_bytes().map_or(0, count);
    values.saturating_add(text).max(count(chunk.uncompressed_size()))
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
    reader: Option<ParquetRecordBatchReader>,
    /// Rows that the directory promises and that have not come yet.
    n_rows_left: u64,
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
        let file = self.file.file.try_clone()?;
        guarded(|| {
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.file.metadata.clone())
                .with_projection(self.mask.clone())
                .with_batch_size(self.batch_rows);
            match row {
                0 => builder.build(),
                _ => builder.with_row_groups((first..groups.len()).collect()).with_offset(offset).build(),
            }
        })
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, InputProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let batch = guarded(|| reader.next().transpose()).transpose();
        match &batch {
            Some(Ok(rows)) => match self.n_rows_left.checked_sub(rows.num_rows() as u64) {
                Some(n_rows_left) => {
                    self.n_rows_left = n_rows_left;
                    return batch;
                }
                None => self.reader = None,
            },
            Some(Err(_)) => {
                self.reader = None;
                return batch;
            }
            None => self.reader = None,
        }
        // The end, or more rows than promised.
        (batch.is_some() || self.n_rows_left > 0)
            .then(|| Err(damaged("it holds another number of rows than its directory says")))
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
