//! Histories in Parquet: one column is replaced, the others pass through.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::arrow_values::{Scalar, list_element, lists_of, range, scalar};
use super::error::{AtPath, InputProblem};
use super::histories::{BloomRequest, BloomSummary, Builder, HistoriesError, HistoryProblem};
use super::output_error::output_at;
use super::output_target::Draft;
use super::parquet_file::ParquetFile;
use super::type_words::type_words;
use crate::bloom::hash_of;

/// Rows at a time; each may hold millions of items.
const BATCH_ROWS: usize = 64;
/// Bytes of rows that are held before they are written out.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Reads, replaces and writes batch by batch.
pub(super) fn build(
    (input, file): (&Path, File),
    output: &Path,
    mut builder: Builder<'_>,
) -> Result<BloomSummary, HistoriesError> {
    let file = ParquetFile::open(file).at(input)?;
    let (at, schema) = plan(file.schema(), builder.request).at(input)?;
    let draft = Draft::new(output)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_key_value_metadata(Some(metadata(builder.request)))
        .build();
    let writer = ArrowWriter::try_new(draft.file, Arc::clone(&schema), Some(properties));
    let mut writer = output_at(output, writer)?;
    let roots = (0..file.schema().fields().len()).collect();
    let mut batches = file.batches(roots, BATCH_ROWS).at(input)?;
    while let Some(batch) = batches.next() {
        let batch = batch.and_then(|batch| replace(&batches.restored(&batch)?, at, &schema, &mut builder)).at(input)?;
        output_at(output, writer.write(&batch))?;
        if writer.in_progress_size() > ROW_GROUP_BYTES {
            output_at(output, writer.flush())?;
        }
    }
    let file = output_at(output, writer.into_inner())?;
    Draft { path: draft.path, file }.keep()?;
    Ok(builder.summary)
}

/// Where the column stands, and the schema with its replacement.
fn plan(schema: &Schema, request: &BloomRequest) -> Result<(usize, SchemaRef), InputProblem> {
    let BloomRequest { column, name, .. } = request;
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let Some(at) = names.iter().position(|name| name == column) else {
        let (column, available) = (column.clone(), names.join(", "));
        return Err(InputProblem::MissingColumn { column, available, cure: "correct --column" });
    };
    if column != name && names.contains(&name.as_str()) {
        return Err(HistoryProblem::NameTaken { column: name.clone() }.into());
    }
    let data_type = schema.field(at).data_type();
    let is_items = |e: &DataType| e.is_null() || matches!(scalar(e), Some(Scalar::Int | Scalar::Text));
    // A column of nothing but nulls, written without a type, holds no history.
    if !data_type.is_null() && !list_element(data_type).is_some_and(is_items) {
        let (column, found) = (column.clone(), type_words(data_type));
        return Err(InputProblem::ColumnType { column, found, expected: "lists of item ids (text or integers)" });
    }
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields[at] = Arc::new(Field::new(name, DataType::Binary, true));
    Ok((at, Arc::new(Schema::new(fields))))
}

fn metadata(request: &BloomRequest) -> Vec<KeyValue> {
    let pairs = [
        ("spectrank.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("spectrank.bloom.rate", request.rate.to_string()),
    ];
    pairs.map(|(key, value)| KeyValue::new(key.to_owned(), value)).into()
}

fn replace(
    batch: &RecordBatch,
    at: usize,
    schema: &SchemaRef,
    builder: &mut Builder<'_>,
) -> Result<RecordBatch, InputProblem> {
    let array = batch.column(at);
    let is_null = array.logical_nulls();
    // Whole numbers as decimal text, which is what stands for them in a filter.
    let lists = lists_of(array, DataType::LargeUtf8)?;
    let are_integers = list_element(array.data_type()).and_then(scalar) == Some(Scalar::Int);
    let items = lists.values().as_string::<i64>();
    let mut filters = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let is_valid = is_null.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let list = if is_valid { range(&lists, row) } else { None };
        let hash = |i: usize| match items.is_valid(i) {
            true if are_integers => builder.hash_of_integer(items.value(i)),
            true => Ok(hash_of(items.value(i))),
            false => Err(builder.no_history()),
        };
        let hashes = list.map(|list| list.map(hash).collect::<Result<Vec<u64>, _>>()).transpose()?;
        filters.push(builder.filter(hashes)?);
    }
    let filters = BinaryArray::from_iter(filters);
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    columns[at] = Arc::new(filters);
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
