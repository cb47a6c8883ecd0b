//! Ranked slates as Parquet, compressed, one row group after the other.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use tempfile::NamedTempFile;

use super::output::{Draft, ItemId, Row, SlateSink, rows};
use super::output_columns::{OUTPUT_COLUMNS, OutputType};
use super::output_error::{OutputError, OutputProblem, output_at};
use crate::catalog::Catalog;
use crate::slate::{RankedSlate, Slate};

/// Rows that are held before they are written out.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// One row per position.
pub(crate) struct ParquetSink {
    path: PathBuf,
    writer: ArrowWriter<NamedTempFile>,
    schema: SchemaRef,
    has_ids: bool,
}

impl ParquetSink {
    pub(crate) fn new(draft: Draft, has_ids: bool, metadata: &[(String, String)]) -> Result<Self, OutputError> {
        let pairs = metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_key_value_metadata(Some(pairs))
            .build();
        let schema = schema(has_ids);
        let writer = ArrowWriter::try_new(draft.file, Arc::clone(&schema), Some(properties));
        Ok(Self { writer: output_at(&draft.path, writer)?, path: draft.path, schema, has_ids })
    }

    fn batch(&self, rows: &[Row<'_>]) -> Result<RecordBatch, OutputProblem> {
        let integers =
            |of: fn(&Row<'_>) -> u32| Arc::new(UInt32Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let floats =
            |of: fn(&Row<'_>) -> f64| Arc::new(Float64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let item_ids: ArrayRef = match self.has_ids {
            true => Arc::new(StringArray::from_iter_values(rows.iter().map(|row| match &row.item_id {
                ItemId::Id(id) => id.as_ref(),
                ItemId::Row(_) => "",
            }))),
            false => integers(|row| match row.item_id {
                ItemId::Id(_) => 0,
                ItemId::Row(number) => number,
            }),
        };
        let columns = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.slate_id))) as ArrayRef,
            integers(|row| row.position),
            item_ids,
            integers(|row| row.candidate),
            floats(|row| row.score),
            floats(|row| row.base),
            floats(|row| row.utility),
            floats(|row| row.diversity),
            floats(|row| row.spacing),
            floats(|row| row.semantic),
            floats(|row| row.balance),
        ];
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|e| OutputProblem::Parquet(e.to_string()))
    }
}

fn schema(has_ids: bool) -> SchemaRef {
    let fields = OUTPUT_COLUMNS.map(|column| {
        let data_type = match column.holds {
            OutputType::Text => DataType::Utf8,
            OutputType::Item if has_ids => DataType::Utf8,
            OutputType::Item | OutputType::Count => DataType::UInt32,
            OutputType::Number => DataType::Float64,
        };
        Field::new(column.name, data_type, false)
    });
    Arc::new(Schema::new(fields.to_vec()))
}

impl SlateSink for ParquetSink {
    fn write(&mut self, slates: &[Slate], ranked: &[RankedSlate], catalog: &Catalog) -> Result<(), OutputError> {
        let rows: Result<Vec<_>, _> = rows(slates, ranked, catalog, self.has_ids).collect();
        let batch = rows.and_then(|rows| self.batch(&rows));
        let batch = output_at(&self.path, batch)?;
        output_at(&self.path, self.writer.write(&batch))
    }

    fn finish(self: Box<Self>) -> Result<(), OutputError> {
        let file = output_at(&self.path, self.writer.into_inner())?;
        Draft { path: self.path, file }.keep().map(drop)
    }
}
