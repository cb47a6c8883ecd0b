//! What files say of themselves before their content is read.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use arrow_schema::{DataType, Schema};

use super::arrow_values::{list_element, scalar};
use super::error::{AtPath, InputError, InputProblem};
use super::format::{Format, Role, open_as};
use super::parquet_file::ParquetFile;
use super::slates::{DecodeLimits, SlateFields};
use super::slates_columns::{check_column, optional_problems};
use super::{arrow_stream, npy, safetensors};

/// Bytes of a file without a directory whose lines or rows are counted; the rest is taken to be like them.
const COUNTED_BYTES: u64 = 4 << 20;

/// What a catalog file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogHeader {
    /// Rows.
    pub n_rows: u64,
    /// Columns, in file order.
    pub columns: Vec<HeaderColumn>,
}

/// A column by its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderColumn {
    /// Name in the file.
    pub name: String,
    /// Type as the file has it.
    pub type_name: String,
    /// True for a list of floats per item.
    pub is_embedding: bool,
}

/// What slates say of themselves.
#[derive(Debug)]
pub struct SlatesHeader {
    /// Columns of single values, which can be attributes; nothing where the format has no header (JSON lines).
    pub attributes: Option<Vec<String>>,
    /// Slates, where the header or the size of the file tells; rows where there is one per candidate.
    pub n_rows: u64,
    /// True where each row is a candidate.
    pub is_long: bool,
    /// True where `n_rows` is an estimate.
    pub is_estimate: bool,
    /// Bytes that are decoded at a time, where the file says how much that is: messages of Arrow, lines of JSON, as far as
    /// they were looked at.
    pub decoded_bytes: u64,
    /// Everything that is wrong with the columns.
    pub problems: Vec<InputError>,
}

/// Reads the header of a catalog file.
///
/// # Errors
/// A file that cannot be opened, or whose header is wrong.
pub fn catalog_header(path: &Path) -> Result<CatalogHeader, InputError> {
    let (format, file) = open_as(path, Role::Catalog)?;
    match format {
        Format::Parquet => parquet_header(file),
        Format::Safetensors => tensors_header(file),
        Format::Npy | Format::JsonLines | Format::Arrow => {
            npy::Matrix::open(file, "(items, dimension)").map(|matrix| {
                let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
                let is_embedding = matrix.number().float_bytes().is_some();
                let type_name = format!("{} of shape {}", matrix.number(), matrix.shape_text());
                let columns = vec![HeaderColumn { name, type_name, is_embedding }];
                CatalogHeader { n_rows: matrix.n_rows() as u64, columns }
            })
        }
    }
    .at(path)
}

fn parquet_header(file: File) -> Result<CatalogHeader, InputProblem> {
    let file = ParquetFile::open(file)?;
    let column = |field: &std::sync::Arc<arrow_schema::Field>| HeaderColumn {
        name: field.name().clone(),
        type_name: field.data_type().to_string(),
        is_embedding: list_element(field.data_type()).is_some_and(DataType::is_floating),
    };
    Ok(CatalogHeader { n_rows: file.n_rows(), columns: file.schema().fields().iter().map(column).collect() })
}

fn tensors_header(mut file: File) -> Result<CatalogHeader, InputProblem> {
    let (metadata, _) = safetensors::read_header(&mut file)?;
    let mut n_rows = 0;
    let mut columns = Vec::new();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let is_embedding = safetensors::check(&name, info).is_ok();
        if is_embedding {
            n_rows = n_rows.max(info.shape[0] as u64);
        }
        let type_name = format!("{} of shape {:?}", info.dtype, info.shape);
        columns.push(HeaderColumn { name, type_name, is_embedding });
    }
    Ok(CatalogHeader { n_rows, columns })
}

/// Reads the header of slates, and holds it against what is to be read.
///
/// # Errors
/// A file that cannot be opened, or the wrong number of files.
pub fn slates_header(paths: &[PathBuf], has_ids: bool, fields: &SlateFields) -> Result<SlatesHeader, InputError> {
    let Some(path) = paths.first() else {
        return Err(InputProblem::NoFiles { role: "slates" }).at(Path::new("--slates"));
    };
    let (format, file) = open_as(path, Role::Slates)?;
    let n_files = if format == Format::Npy { 2 } else { 1 };
    if paths.len() != n_files {
        return Err(InputProblem::FileCount { n_files: paths.len() }).at(path);
    }
    let plain = |attributes, n_rows, is_estimate| SlatesHeader {
        attributes,
        n_rows,
        is_long: false,
        is_estimate,
        decoded_bytes: 0,
        problems: Vec::new(),
    };
    match format {
        Format::Parquet => {
            let file = ParquetFile::open(file).at(path)?;
            Ok(table_header(path, file.schema(), (file.n_rows(), false), has_ids, fields))
        }
        Format::Arrow => {
            let counted = arrow_stream::count_rows(file, COUNTED_BYTES).at(path)?;
            let count = (counted.n_rows, counted.is_estimate);
            let decoded_bytes = DecodeLimits::of_message(counted.largest_bytes);
            Ok(SlatesHeader { decoded_bytes, ..table_header(path, &counted.schema, count, has_ids, fields) })
        }
        Format::JsonLines => {
            let (n_lines, is_estimate, longest) = count_lines(file).map_err(InputProblem::from).at(path)?;
            let decoded_bytes = DecodeLimits::of_line(longest);
            Ok(SlatesHeader { decoded_bytes, ..plain(None, n_lines, is_estimate) })
        }
        Format::Npy | Format::Safetensors => {
            let matrix = npy::Matrix::open(file, "(slates, candidates)").at(path)?;
            Ok(plain(Some(Vec::new()), matrix.n_rows() as u64, false))
        }
    }
}

/// Holds the columns of a table against what is to be read; `n_rows` comes with whether it is an estimate.
fn table_header(
    path: &Path,
    schema: &Schema,
    (n_rows, is_estimate): (u64, bool),
    has_ids: bool,
    fields: &SlateFields,
) -> SlatesHeader {
    let has = |name| schema.field_with_name(name).is_ok();
    let is_long = !has("candidates") && has("score");
    let mut problems = optional_problems(schema, fields);
    let form: [(&str, bool); 2] = match (is_long, has("item_id") && (has_ids || !has("item"))) {
        (false, _) => [("candidates", true), ("scores", true)],
        (true, true) => [("item_id", false), ("score", false)],
        (true, false) => [(if has("item") { "item" } else { "item_id" }, false), ("score", false)],
    };
    problems.extend(form.into_iter().filter_map(|(name, is_list)| check_column(schema, name, is_list).err()));
    let attributes = schema.fields().iter().filter(|f| scalar(f.data_type()).is_some());
    SlatesHeader {
        attributes: Some(attributes.map(|f| f.name().clone()).collect()),
        n_rows,
        is_long,
        is_estimate,
        decoded_bytes: 0,
        problems: problems.into_iter().map(|problem| InputError { path: path.to_owned(), problem }).collect(),
    }
}

/// Lines of a file, counted where it is short, else judged by its start; whether that is so; and the longest line seen.
fn count_lines(mut file: File) -> std::io::Result<(u64, bool, u64)> {
    let n_bytes = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    file.take(COUNTED_BYTES).read_to_end(&mut start)?;
    let is_line = |line: &&[u8]| !line.trim_ascii().is_empty();
    let longest = start.split(|&b| b == b'\n').map(|line| line.len() as u64).max().unwrap_or(0);
    let n_lines = start.split(|&b| b == b'\n').filter(is_line).count() as u64;
    let n_read = start.len() as u64;
    if n_read >= n_bytes {
        return Ok((n_lines, false, longest));
    }
    Ok(((n_lines as f64 * n_bytes as f64 / n_read.max(1) as f64) as u64, true, longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"{}\n\n{}\n{}").unwrap();
        assert_eq!(count_lines(file).unwrap(), (3, false, 2));
    }
}
