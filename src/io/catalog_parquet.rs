//! Parquet catalogs. Only the wanted columns are decoded.

use std::fs::File;
use std::path::Path;

use arrow_array::{Array, ArrayRef};
use arrow_schema::{ArrowError, DataType, Field, SchemaRef};

use super::arrow_values::{Scalar, list_element, lists_of, range, scalar, scalars};
use super::catalog_columns::{CodesBuilder, EmbeddingBuilder, append};
use super::catalog_files::{Part, Wanted};
use super::error::{AtPath, InputError, InputProblem};
use super::footprint::{ColumnFootprint, Footprint, Holding};
use super::parquet_file::ParquetFile;
use super::type_words::type_words;
use crate::catalog::{Column, ColumnData, ItemIds};
use crate::memory;

/// Most rows decoded at once, and the bytes they are kept near.
const BATCH_ROWS: u64 = 2048;
const BATCH_BYTES: u64 = 4 << 20;
/// Most bytes of a page that writers are taken to make, where a column is larger.
const PAGE_BYTES: u64 = 4 << 20;

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
    let reserve =
        n_bytes.saturating_mul(2).min(usize::try_from(wanted.bytes_left().unwrap_or(0)).unwrap_or(usize::MAX));
    let most_rows = usize::try_from(file.n_rows()).unwrap_or(usize::MAX).min(wanted.max_rows);
    let (roots, mut columns) = plan(&schema, (most_rows, reserve), wanted)?;
    let batch_rows = usize::try_from(batch_rows(&file, &roots)).unwrap_or(1).min(wanted.max_rows.max(1));
    // Where nothing is to be decoded, a number is all there is to rows.
    let mut n_rows = if roots.is_empty() { most_rows } else { 0 };
    let batches = if roots.is_empty() { None } else { Some(file.batches(roots, batch_rows)?.kept()) };
    for batch in batches.into_iter().flatten() {
        if n_rows >= wanted.max_rows {
            break;
        }
        let batch = batch?;
        let batch = batch.slice(0, batch.num_rows().min(wanted.max_rows - n_rows));
        let decoded = columns.iter_mut().filter(|c| !matches!(c.kind, Kind::Unsupported(_)));
        for (column, array) in decoded.zip(batch.columns()) {
            let before = column.n_bytes();
            column.push(array, n_rows)?;
            wanted.take_bytes(column.n_bytes() - before)?;
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

/// Rows to decode at once.
fn batch_rows(file: &ParquetFile, roots: &[usize]) -> u64 {
    (BATCH_BYTES / file.row_bytes(roots).max(1)).clamp(64, BATCH_ROWS)
}

/// What the wanted columns will take, and what is decoded at a time on the way there.
pub(crate) fn footprint(path: &Path, file: File, wanted: &mut Wanted<'_>) -> Result<Footprint, InputError> {
    footprint_of(path, file, wanted).at(path)
}

fn footprint_of(path: &Path, file: File, wanted: &mut Wanted<'_>) -> Result<Footprint, InputProblem> {
    let again = file.try_clone()?;
    let file = ParquetFile::open(file)?;
    let n_rows = file.n_rows();
    let (roots, planned) = plan(&file.schema().clone(), (0, 0), wanted)?;
    let pages: u64 = roots.iter().map(|&root| file.largest_chunk_bytes(root).min(PAGE_BYTES)).sum();
    // As decoded, and turned into lists and numbers of one type.
    let batch = batch_rows(&file, &roots).min(n_rows).saturating_mul(file.row_bytes(&roots));
    let reading_bytes = batch.saturating_mul(4).saturating_add(2 * pages);
    let mut columns = Vec::new();
    let mut decoded = roots.iter();
    for column in planned {
        let kind = match column.kind {
            Kind::Unsupported(_) => continue,
            kind => kind,
        };
        let Some(&root) = decoded.next() else { break };
        let n_values = file.n_values(root);
        let letters = || file.text_bytes(root);
        let (bytes, what) = match kind {
            Kind::Ids(_) => {
                let n_letters = if file.is_text(root) { letters() } else { 20 * n_rows };
                (n_letters.saturating_add(memory::id_bytes(0).saturating_mul(n_rows)), Holding::Ids)
            }
            Kind::Embedding(_) => {
                let (dim, width) = row_shape(again.try_clone()?, root, n_values.div_ceil(n_rows.max(1)))?;
                (n_rows.saturating_mul(dim).saturating_mul(width), Holding::Embedding { can_be_mapped: false })
            }
            // As they come, and as a table.
            Kind::Codes(_) => (n_values.saturating_mul(8).saturating_add(8 * n_rows), Holding::Column),
            Kind::Scalar(Scalar::Text, _) => {
                let mean = letters().div_ceil(n_rows.max(1));
                (n_rows.saturating_mul(memory::text_bytes(mean)), Holding::Column)
            }
            Kind::Scalar(Scalar::Bool, _) => (n_rows, Holding::Column),
            Kind::Scalar(..) => (n_rows.saturating_mul(memory::number_bytes()), Holding::Column),
            Kind::Unsupported(_) => continue,
        };
        columns.push(ColumnFootprint { path: path.to_owned(), name: column.name, bytes, holding: what });
    }
    let n_rows = (n_rows > 0 || !columns.is_empty()).then_some(n_rows);
    Ok(Footprint { n_rows, columns, reading_bytes })
}

/// Values per row of an embedding, from the first row that has any, and bytes per value.
fn row_shape(file: File, root: usize, guess: u64) -> Result<(u64, u64), InputProblem> {
    let file = ParquetFile::open(file)?;
    let width = match file.schema().field(root).data_type() {
        DataType::FixedSizeList(element, dim) => {
            return Ok((u64::try_from(*dim).unwrap_or(0), float_width(element.data_type())));
        }
        data_type => list_element(data_type).map_or(4, float_width),
    };
    for batch in file.batches(vec![root], 64)?.take(64) {
        let batch = batch?;
        let Some(array) = batch.columns().first() else { break };
        let lists = lists_of(array, DataType::Float64)?;
        if let Some(at) = (0..lists.len()).find_map(|row| range(&lists, row)) {
            return Ok((at.len() as u64, width));
        }
    }
    Ok((guess, width))
}

fn float_width(data_type: &DataType) -> u64 {
    data_type.primitive_width().unwrap_or(8) as u64
}

/// Which root columns to decode, and what collects each of them. Columns kept for their name alone are not decoded.
fn plan(
    schema: &SchemaRef,
    room: (usize, usize),
    wanted: &mut Wanted<'_>,
) -> Result<(Vec<usize>, Vec<Collector>), InputProblem> {
    let mut roots = Vec::new();
    let mut columns = Vec::new();
    for (root, field) in schema.fields().iter().enumerate() {
        wanted.see(field.name());
        if let Some(kind) = kind_of(field, room, wanted)? {
            if !matches!(kind, Kind::Unsupported(_)) {
                roots.push(root);
            }
            columns.push(Collector { name: field.name().clone(), kind });
        }
    }
    Ok((roots, columns))
}

fn kind_of(
    field: &Field,
    (n_rows, reserve): (usize, usize),
    wanted: &mut Wanted<'_>,
) -> Result<Option<Kind>, InputProblem> {
    let name = field.name();
    let data_type = field.data_type();
    if name == "item_id" {
        return match scalar(data_type) {
            Some(Scalar::Text | Scalar::Int) => {
                Ok(Some(Kind::Ids(ItemIds::with_capacity(n_rows.min(reserve / size_of::<usize>())))))
            }
            _ => Err(InputProblem::ColumnType {
                column: name.clone(),
                found: type_words(data_type),
                expected: "text or integers",
            }),
        };
    }
    let element = list_element(data_type);
    if element.is_some_and(DataType::is_floating) {
        let is_signal = wanted.take_signal(name);
        return Ok(match is_signal {
            true => Some(Kind::Embedding(EmbeddingBuilder::new(name, n_rows, reserve))),
            false if wanted.takes_column(name) => Some(Kind::Unsupported("an embedding".to_owned())),
            false => None,
        });
    }
    if wanted.names_signal(name) {
        return Err(InputProblem::ColumnType {
            column: name.clone(),
            found: type_words(data_type),
            expected: "lists of float16, float32 or float64 to be a signal",
        });
    }
    if !wanted.takes_column(name) {
        return Ok(None);
    }
    Ok(Some(match (element, scalar(data_type)) {
        (Some(e), _) if e.is_integer() => Kind::Codes(CodesBuilder::new(name)),
        (_, Some(scalar)) => Kind::Scalar(scalar, None),
        _ => Kind::Unsupported(type_words(data_type)),
    }))
}

/// One column as it grows batch by batch.
struct Collector {
    name: String,
    kind: Kind,
}

enum Kind {
    Ids(ItemIds),
    Embedding(EmbeddingBuilder),
    Codes(CodesBuilder),
    Scalar(Scalar, Option<ColumnData>),
    Unsupported(String),
}

impl Collector {
    /// Bytes of what has come.
    fn n_bytes(&self) -> u64 {
        match &self.kind {
            Kind::Ids(ids) => ids.n_bytes(),
            Kind::Embedding(builder) => builder.n_bytes(),
            Kind::Codes(builder) => builder.n_bytes(),
            Kind::Scalar(_, data) => data.as_ref().map_or(0, memory::column_bytes),
            Kind::Unsupported(_) => 0,
        }
    }

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
    ids: &mut ItemIds,
    array: &ArrayRef,
    cannot_be_used: impl Fn(ArrowError) -> InputProblem,
) -> Result<(), InputProblem> {
    let missing = |row: usize| InputProblem::Catalog(crate::catalog::CatalogError::MissingId { row });
    let start = ids.len();
    let kind = scalar(array.data_type()).unwrap_or(Scalar::Text);
    match scalars(array, kind).map_err(cannot_be_used)? {
        ColumnData::Int(values) => {
            for (i, value) in values.into_iter().enumerate() {
                ids.push(&value.ok_or_else(|| missing(start + i))?.to_string());
            }
        }
        ColumnData::Text(values) => {
            for (i, value) in values.into_iter().enumerate() {
                ids.push(&value.ok_or_else(|| missing(start + i))?);
            }
        }
        _ => {}
    }
    Ok(())
}
