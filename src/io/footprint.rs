//! What a catalog will take in memory, by the headers of its files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog_files::{CatalogColumns, Wanted};
use super::error::{AtPath, InputError, InputProblem};
use super::format::{Format, Role, open_as};
use super::{catalog_parquet, npy, safetensors};
use crate::catalog::{EmbeddingData, MappedFile, MappedValues};
use crate::memory;

/// What the wanted columns of some files will take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogFootprint {
    /// Items, by the first file that has something wanted.
    pub n_items: u64,
    /// The wanted columns.
    pub columns: Vec<ColumnFootprint>,
    /// What is decoded at a time while they are read, at most.
    pub reading_bytes: u64,
}

/// What one column will take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFootprint {
    /// Its file.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Bytes in memory; for text an estimate where the file does not tell.
    pub bytes: u64,
    /// What it holds.
    pub holding: Holding,
}

impl ColumnFootprint {
    /// True for an embedding that can stay in its file.
    pub fn can_stay(&self) -> bool {
        self.holding == Holding::Embedding { can_be_mapped: true }
    }
}

/// What a column holds, as far as memory goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// An embedding.
    Embedding {
        /// Its bytes in the file are those in memory, so that it can stay there.
        can_be_mapped: bool,
    },
    /// Ids of items.
    Ids,
    /// Anything else.
    Column,
}

/// What the wanted columns of one file will take.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    /// Rows, where that says something of the catalog.
    pub(crate) n_rows: Option<u64>,
    pub(crate) columns: Vec<ColumnFootprint>,
    pub(crate) reading_bytes: u64,
}

/// Works out what a catalog will take, from the headers of its files and the first row of every embedding.
///
/// # Errors
/// A file that cannot be opened, or whose header is wrong. What is wrong with the content, or with how files join, is for
/// [`read_catalog`](super::read_catalog) to find.
pub fn catalog_footprint(paths: &[PathBuf], columns: &CatalogColumns) -> Result<CatalogFootprint, InputError> {
    let mut wanted = Wanted::new(columns);
    let mut all = CatalogFootprint::default();
    for path in paths {
        let found = of_file(path, &mut wanted)?;
        if all.columns.is_empty() {
            all.n_items = found.n_rows.unwrap_or(all.n_items);
        }
        all.columns.extend(found.columns);
        all.reading_bytes = all.reading_bytes.max(found.reading_bytes);
    }
    let has_ids = all.columns.iter_mut().find(|column| column.holding == Holding::Ids);
    if let Some(ids) = has_ids {
        ids.bytes = ids.bytes.saturating_add(memory::hash_table_bytes(all.n_items));
    }
    Ok(all)
}

fn of_file(path: &Path, wanted: &mut Wanted<'_>) -> Result<Footprint, InputError> {
    let (format, mut file) = open_as(path, Role::Catalog)?;
    let embedding = |name: String, bytes, can_be_mapped| ColumnFootprint {
        path: path.to_owned(),
        name,
        bytes,
        holding: Holding::Embedding { can_be_mapped },
    };
    match format {
        Format::Parquet => catalog_parquet::footprint(path, file, wanted),
        Format::Safetensors => {
            let (metadata, data_start) = safetensors::read_header(&mut file).at(path)?;
            let mut found = Footprint { reading_bytes: npy::BLOCK_BYTES as u64, ..Footprint::default() };
            for name in metadata.offset_keys() {
                let Some(info) = metadata.info(&name) else { continue };
                if safetensors::check(&name, info).is_err() || !wanted.take_signal(&name) {
                    continue;
                }
                let (start, end) = info.data_offsets;
                let bytes = safetensors::memory_bytes(info, (end - start) as u64);
                found.n_rows = Some(info.shape[0] as u64);
                found.columns.push(embedding(name, bytes, safetensors::can_be_mapped(info, data_start)));
            }
            Ok(found)
        }
        Format::Npy | Format::JsonLines | Format::Arrow => {
            let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let matrix = npy::Matrix::open(file, "(items, dimension)").at(path)?;
            if !wanted.take_signal(&name) {
                return Ok(Footprint::default());
            }
            let row_bytes = (matrix.dim() * matrix.number().n_bytes()) as u64;
            let bytes = (matrix.n_rows() as u64).saturating_mul(row_bytes);
            let column = embedding(name, bytes, matrix.can_be_mapped());
            // A block as it is read; of a Fortran array, a column beside it.
            let reading_bytes = 2 * row_bytes.max(npy::BLOCK_BYTES as u64).min(bytes);
            Ok(Footprint { n_rows: Some(matrix.n_rows() as u64), columns: vec![column], reading_bytes })
        }
    }
}

/// A part of a file that is an embedding.
pub(crate) struct FilePart {
    /// Where it starts.
    pub(crate) start: u64,
    /// Its values.
    pub(crate) n_values: usize,
}

impl FilePart {
    /// Leaves the values in their file; they are floats of so many bytes.
    pub(crate) fn map(
        &self,
        file: Arc<MappedFile>,
        float_bytes: Option<usize>,
        wanted: &Wanted<'_>,
    ) -> Result<EmbeddingData, InputProblem> {
        let Self { start, n_values } = *self;
        let left = wanted.bytes_left().unwrap_or(0);
        let mapped = match float_bytes {
            Some(2) => MappedValues::new(file, start, n_values, left).map(|v| EmbeddingData::F16(v.into())),
            Some(4) => MappedValues::new(file, start, n_values, left).map(|v| EmbeddingData::F32(v.into())),
            Some(8) => MappedValues::new(file, start, n_values, left).map(|v| EmbeddingData::F64(v.into())),
            _ => Err(std::io::ErrorKind::InvalidInput.into()),
        };
        mapped.map_err(InputProblem::CannotMap)
    }
}
