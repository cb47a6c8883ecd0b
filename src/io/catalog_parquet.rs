//! Parquet catalogs. Only the wanted columns are decoded.

use std::fs::File;
use std::path::Path;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};

use super::arrow_values::{Scalar, list_element, scalar, scalars};
use super::catalog_columns::{CodesBuilder, EmbeddingBuilder, append};
use super::catalog_files::{Part, Wanted};
use super::error::{AtPath, InputError, InputProblem};
use super::parquet_file::ParquetFile;
use crate::catalog::{Column, ColumnData};

/// Rows decoded at once.
const BATCH_ROWS: usize = 2048;

/// Reads the wanted columns, in file order.
///
/// # Errors
/// A file that is not sound Parquet, a ragged embedding, a code out of range.
pub(crate) fn read(path: &Path, file: File, wanted: &mut Wanted<'_>) -> Result<Part, InputError> {
    read_part(file, wanted).at(path)
}

fn read_part(file: File, wanted: &mut Wanted<'_>) -> Result<Part, InputProblem> {
    let n_file_bytes = file.metadata()?.len();
    let file = ParquetFile::open(file)?;
    let schema = file.schema().clone();
    // What a few rows take of a file is not known; room for more is made as they come.
    let n_bytes = if wanted.max_rows == usize::MAX { n_file_bytes as usize } else { 0 };
    let (roots, mut columns) = plan(&schema, n_bytes, wanted)?;
    let n_rows_wanted = usize::try_from(file.n_rows()).unwrap_or(usize::MAX).min(wanted.max_rows);
    // Where nothing is to be decoded, a number is all there is to rows.
    let mut n_rows = if roots.is_empty() { n_rows_wanted } else { 0 };
    let batch_rows = BATCH_ROWS.min(wanted.max_rows.max(1));
    let batches = if roots.is_empty() { None } else { Some(file.batches(roots, batch_rows)?.kept()) };
    for batch in batches.into_iter().flatten() {
        if n_rows >= wanted.max_rows {
            break;
        }
        let batch = batch?;
        let batch = batch.slice(0, batch.num_rows().min(wanted.max_rows - n_rows));
        let decoded = columns.iter_mut().filter(|c| !matches!(c.kind, Kind::Unsupported(_)));
        for (column, array) in decoded.zip(batch.columns()) {
            column.push(array, n_rows)?;
        }
        n_rows += batch.num_rows();
    }
    if let Some(column) = columns.iter().find(|column| n_rows == 0 && matches!(column.kind, Kind::Embedding(_))) {
        return Err(InputProblem::NoRows { column: column.name.clone() });
    }
    let n_rows_of = schema.fields().first().map(|field| (field.name().clone(), n_rows));
    let mut part = Part { n_rows: n_rows_of, ..Part::default() };
    for column in columns {
        column.finish(n_rows, &mut part);
    }
    Ok(part)
}

/// Which root columns to decode, and what collects each of them. Columns kept for their name alone are not decoded.
fn plan(
    schema: &SchemaRef,
    n_file_bytes: usize,
    wanted: &mut Wanted<'_>,
) -> Result<(Vec<usize>, Vec<Collector>), InputProblem> {
    let mut roots = Vec::new();
    let mut columns = Vec::new();
    for (root, field) in schema.fields().iter().enumerate() {
        wanted.see(field.name());
        if let Some(kind) = kind_of(field, n_file_bytes, wanted)? {
            if !matches!(kind, Kind::Unsupported(_)) {
                roots.push(root);
            }
            columns.push(Collector { name: field.name().clone(), kind });
        }
    }
    Ok((roots, columns))
}

fn kind_of(field: &Field, n_file_bytes: usize, wanted: &mut Wanted<'_>) -> Result<Option<Kind>, InputProblem> {
    let name = field.name();
    let data_type = field.data_type();
    if name == "item_id" {
        return match scalar(data_type) {
            Some(Scalar::Text | Scalar::Int) => Ok(Some(Kind::Ids(Vec::new()))),
            _ => Err(InputProblem::ColumnType {
                column: name.clone(),
                found: data_type.to_string(),
                expected: "text or integers",
            }),
        };
    }
    let element = list_element(data_type);
    if element.is_some_and(DataType::is_floating) {
        let is_signal = wanted.take_signal(name);
        return Ok(match is_signal {
            true => Some(Kind::Embedding(EmbeddingBuilder::new(name, n_file_bytes))),
            false if wanted.takes_column(name) => Some(Kind::Unsupported("an embedding".to_owned())),
            false => None,
        });
    }
    if wanted.names_signal(name) {
        return Err(InputProblem::ColumnType {
            column: name.clone(),
            found: data_type.to_string(),
            expected: "lists of float16, float32 or float64 to be a signal",
        });
    }
    if !wanted.takes_column(name) {
        return Ok(None);
    }
    Ok(Some(match (element, scalar(data_type)) {
        (Some(e), _) if e.is_integer() => Kind::Codes(CodesBuilder::new(name)),
        (_, Some(scalar)) => Kind::Scalar(scalar, None),
        _ => Kind::Unsupported(data_type.to_string()),
    }))
}

/// One column as it grows batch by batch.
struct Collector {
    name: String,
    kind: Kind,
}

enum Kind {
    Ids(Vec<String>),
    Embedding(EmbeddingBuilder),
    Codes(CodesBuilder),
    Scalar(Scalar, Option<ColumnData>),
    Unsupported(String),
}

impl Collector {
    fn push(&mut self, array: &ArrayRef, n_rows_before: usize) -> Result<(), InputProblem> {
        let name = &self.name;
        let cannot_be_used = |error| InputProblem::Values(format!("column \"{name}\": {error}"));
        match &mut self.kind {
            Kind::Ids(ids) => push_ids(ids, array, cannot_be_used),
            Kind::Embedding(builder) => builder.push(array),
            Kind::Codes(builder) => builder.push(array, n_rows_before),
            Kind::Scalar(kind, data) => {
                append(data, scalars(array, *kind).map_err(cannot_be_used)?);
                Ok(())
            }
            Kind::Unsupported(_) => Ok(()),
        }
    }

    fn finish(self, n_rows: usize, part: &mut Part) {
        let name = self.name;
        let data = match self.kind {
            Kind::Ids(ids) => {
                part.ids = Some(ids);
                return;
            }
            Kind::Embedding(builder) => {
                part.signals.push(builder.finish());
                return;
            }
            Kind::Codes(builder) => builder.finish(),
            Kind::Scalar(_, Some(data)) => data,
            Kind::Scalar(Scalar::Bool, None) => ColumnData::Bool(Vec::new()),
            Kind::Scalar(Scalar::Int, None) => ColumnData::Int(Vec::new()),
            Kind::Scalar(Scalar::Float, None) => ColumnData::Float(Vec::new()),
            Kind::Scalar(Scalar::Text, None) => ColumnData::Text(Vec::new()),
            Kind::Unsupported(type_name) => ColumnData::Unsupported { type_name, n_rows },
        };
        part.columns.push(Column { name, data });
    }
}

fn push_ids(
    ids: &mut Vec<String>,
    array: &ArrayRef,
    cannot_be_used: impl Fn(ArrowError) -> InputProblem,
) -> Result<(), InputProblem> {
    let missing = |row: usize| InputProblem::Catalog(crate::catalog::CatalogError::MissingId { row });
    let start = ids.len();
    let kind = scalar(array.data_type()).unwrap_or(Scalar::Text);
    match scalars(array, kind).map_err(cannot_be_used)? {
        ColumnData::Int(values) => {
            for (i, value) in values.into_iter().enumerate() {
                ids.push(value.ok_or_else(|| missing(start + i))?.to_string());
            }
        }
        ColumnData::Text(values) => {
            for (i, value) in values.into_iter().enumerate() {
                ids.push(value.ok_or_else(|| missing(start + i))?);
            }
        }
        _ => {}
    }
    Ok(())
}
