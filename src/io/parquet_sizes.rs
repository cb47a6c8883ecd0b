//! How much the columns of a Parquet file come to, by its directory.

use parquet::basic::Type;
use parquet::file::metadata::ColumnChunkMetaData;

use super::parquet_file::ParquetFile;

impl ParquetFile {
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
