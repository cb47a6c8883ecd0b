//! Files for the tests, written with the formats' own crates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use npyz::WriterBuilder;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use spectrank::catalog::Catalog;
use spectrank::io::{CatalogColumns, SlateFields, open_slates, read_catalog};
use spectrank::slate::Slate;

/// A folder for one test.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn bytes(&self, name: &str, content: &[u8]) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    /// Row groups of three rows, so that borders fall inside slates.
    pub fn parquet(&self, name: &str, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
        let file = std::fs::File::create(self.path(name)).unwrap();
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3)).build();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        self.path(name)
    }

    pub fn npy<T: npyz::AutoSerialize + Copy>(&self, name: &str, shape: &[u64], values: &[T]) -> PathBuf {
        self.npy_as(name, shape, npyz::Order::C, T::default_dtype(), values)
    }

    pub fn npy_as<T: npyz::Serialize + Copy>(
        &self,
        name: &str,
        shape: &[u64],
        order: npyz::Order,
        dtype: npyz::DType,
        values: &[T],
    ) -> PathBuf {
        let file = std::io::BufWriter::new(std::fs::File::create(self.path(name)).unwrap());
        let options = npyz::WriteOptions::new().dtype(dtype).shape(shape).order(order).writer(file);
        let mut writer = options.begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        self.path(name)
    }

    pub fn safetensors(&self, name: &str, tensors: &[(&str, safetensors::Dtype, Vec<usize>, Vec<u8>)]) -> PathBuf {
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (*name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        self.bytes(name, &safetensors::serialize(views, None).unwrap())
    }
}

/// The bytes of f32 values.
pub fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// An array for a column.
pub fn col<A: arrow_array::Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}

/// Reads everything of a catalog.
pub fn catalog(paths: &[PathBuf]) -> Catalog {
    read_catalog(paths, &CatalogColumns::All).unwrap_or_else(|e| panic!("{e}"))
}

/// The one line a catalog is refused with; checks that it names the file.
pub fn catalog_error(paths: &[PathBuf], wanted: &CatalogColumns) -> String {
    let error = read_catalog(paths, wanted).map(drop).unwrap_err();
    without_path(&error.to_string(), &error.path)
}

/// Items a, b, c, ... with ids.
pub fn letters(n_items: usize) -> Catalog {
    let mut catalog = Catalog::new();
    catalog.set_ids((b'a'..).take(n_items).map(|c| char::from(c).to_string()).collect()).unwrap();
    catalog
}

/// Reads all slates, `max` at a time.
pub fn read_slates(paths: &[PathBuf], catalog: &Catalog, max: usize) -> Result<Vec<Slate>, spectrank::io::InputError> {
    let mut source = open_slates(paths, catalog, &SlateFields::All)?;
    let mut all = Vec::new();
    while let Some(batch) = source.next_batch(max)? {
        assert!(!batch.is_empty() && batch.len() <= max);
        all.extend(batch);
    }
    if let Some(n) = source.n_slates() {
        assert_eq!(n, all.len() as u64);
    }
    Ok(all)
}

/// The one line slates are refused with; checks that it names the file.
pub fn slates_error(paths: &[PathBuf], catalog: &Catalog) -> String {
    let error = read_slates(paths, catalog, 2).unwrap_err();
    without_path(&error.to_string(), &error.path)
}

pub fn without_path(line: &str, path: &Path) -> String {
    assert!(!line.contains('\n'), "{line}");
    let prefix = format!("{}: ", path.display());
    line.strip_prefix(&prefix).unwrap_or_else(|| panic!("{line} does not start with the path")).to_owned()
}
