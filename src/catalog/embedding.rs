//! Embedding columns.

use std::sync::Arc;

use bytemuck::Pod;
use half::f16;

use super::mapped::{MappedFile, ZeroError};
use super::values::Values;

/// Row-major embedding values in the precision they were stored in.
///
/// Rows are never converted in place, so that every engine starts from the same numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum EmbeddingData {
    /// IEEE half precision, the usual storage of embedding tables.
    F16(Values<f16>),
    /// Single precision.
    F32(Values<f32>),
    /// Double precision. Engines that compute in f32 round once, on reading.
    F64(Values<f64>),
}

impl EmbeddingData {
    /// Number of stored values (rows × dimension).
    pub fn len(&self) -> usize {
        match self {
            Self::F16(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// True where no value is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the stored type, as messages show it.
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::F16(_) => "f16",
            Self::F32(_) => "f32",
            Self::F64(_) => "f64",
        }
    }
}

/// One signal: an embedding per item, shape `[n_items, dim]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// Column (or tensor) name.
    pub name: String,
    /// Values per row.
    pub dim: usize,
    /// `n_items × dim` values.
    pub data: EmbeddingData,
    /// Rows of items without an embedding, ascending. Their values are zeros.
    pub missing: Vec<u32>,
}

impl Embedding {
    /// Builds a signal from `n_rows × dim` values. The caller guarantees that `dim` divides the length.
    pub fn new(name: impl Into<String>, dim: usize, data: EmbeddingData) -> Self {
        Self { name: name.into(), dim, data, missing: Vec::new() }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.data.len().checked_div(self.dim).unwrap_or(0)
    }

    /// True where an item has no embedding.
    pub fn is_missing(&self, row: u32) -> bool {
        self.missing.binary_search(&row).is_ok()
    }

    /// Takes rows that are NaN throughout for items without an embedding, for arrays have no null: they become zeros and join
    /// [`Self::missing`].
    ///
    /// # Errors
    /// A row that is not finite in another way, or rows of a mapped file that cannot be zeroed.
    pub(super) fn take_missing_rows(&mut self) -> Result<(), Damage> {
        let (dim, missing) = (self.dim, &mut self.missing);
        match &mut self.data {
            EmbeddingData::F16(v) => zero_nan_rows(v, dim, missing, |x| x.is_finite(), |x| x.is_nan()),
            EmbeddingData::F32(v) => zero_nan_rows(v, dim, missing, |x| x.is_finite(), |x| x.is_nan()),
            EmbeddingData::F64(v) => zero_nan_rows(v, dim, missing, |x| x.is_finite(), |x| x.is_nan()),
        }?;
        missing.sort_unstable();
        missing.dedup();
        Ok(())
    }

    /// The file that the values are mapped from; nothing where they are in memory.
    pub fn mapped_file(&self) -> Option<&Arc<MappedFile>> {
        match &self.data {
            EmbeddingData::F16(v) => v.mapped_file(),
            EmbeddingData::F32(v) => v.mapped_file(),
            EmbeddingData::F64(v) => v.mapped_file(),
        }
    }

    /// Bytes of this program's own memory that the values take.
    pub(super) fn memory_bytes(&self) -> u64 {
        match &self.data {
            EmbeddingData::F16(v) => v.memory_bytes(),
            EmbeddingData::F32(v) => v.memory_bytes(),
            EmbeddingData::F64(v) => v.memory_bytes(),
        }
    }

    /// Says that rows will be read in no order, where that makes a difference.
    pub(super) fn expect_no_order(&self) {
        match &self.data {
            EmbeddingData::F16(v) => v.expect_no_order(),
            EmbeddingData::F32(v) => v.expect_no_order(),
            EmbeddingData::F64(v) => v.expect_no_order(),
        }
    }

    /// Says that a row will be read soon, so that memory can bring it meanwhile.
    pub fn expect(&self, row: usize) {
        let range = row * self.dim..(row + 1) * self.dim;
        match &self.data {
            EmbeddingData::F16(v) => expect_values(&v[range]),
            EmbeddingData::F32(v) => expect_values(&v[range]),
            EmbeddingData::F64(v) => expect_values(&v[range]),
        }
    }

    /// The largest |value| of a row.
    pub fn largest_size(&self, row: usize) -> f64 {
        let range = row * self.dim..(row + 1) * self.dim;
        match &self.data {
            EmbeddingData::F16(v) => v[range].iter().fold(0.0, |most, x| x.to_f64().abs().max(most)),
            EmbeddingData::F32(v) => v[range].iter().fold(0.0, |most, &x| f64::from(x).abs().max(most)),
            EmbeddingData::F64(v) => v[range].iter().fold(0.0, |most, x| x.abs().max(most)),
        }
    }

    /// Squared Euclidean norm of a row, accumulated in f64.
    pub fn squared_norm(&self, row: usize) -> f64 {
        let range = row * self.dim..(row + 1) * self.dim;
        match &self.data {
            EmbeddingData::F16(v) => v[range].iter().map(|x| x.to_f64().powi(2)).sum(),
            EmbeddingData::F32(v) => v[range].iter().map(|&x| f64::from(x).powi(2)).sum(),
            EmbeddingData::F64(v) => v[range].iter().map(|x| x.powi(2)).sum(),
        }
    }
}

/// Asks for every line of the cache that the values lie in. Only x86-64 can be asked without a nightly compiler; elsewhere memory is
/// left to guess.
#[inline]
fn expect_values<T: Pod>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytemuck::cast_slice::<T, u8>(values).chunks(64) {
        // SAFETY: a prefetch changes nothing and faults nowhere, and the pointer is that of a slice.
        unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Why a signal cannot be used.
#[derive(Debug)]
pub(super) enum Damage {
    /// A number that is not finite.
    NonFinite { row: usize, dimension: usize },
    /// Rows of NaN in a mapped file that cannot be zeroed.
    CannotZero { n_rows: usize, error: ZeroError },
}

fn zero_nan_rows<T: Pod>(
    values: &mut Values<T>,
    dim: usize,
    missing: &mut Vec<u32>,
    is_finite: impl Fn(&T) -> bool,
    is_nan: impl Fn(&T) -> bool,
) -> Result<(), Damage> {
    let mut rows = Vec::new();
    for (row, values) in values.chunks_exact(dim.max(1)).enumerate() {
        let Some(dimension) = values.iter().position(|x| !is_finite(x)) else { continue };
        if !values.iter().all(&is_nan) {
            return Err(Damage::NonFinite { row, dimension });
        }
        rows.push(row as u32);
    }
    if !rows.is_empty() {
        values.zero(&rows, dim).map_err(|error| Damage::CannotZero { n_rows: rows.len(), error })?;
        missing.extend(rows);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_nothing_but_nan_is_missing() {
        let rows = vec![1.0, 2.0, f32::NAN, f32::NAN, 3.0, 4.0];
        let mut signal = Embedding::new("x", 2, EmbeddingData::F32(rows.into()));
        signal.take_missing_rows().unwrap();
        assert_eq!(signal.missing, [1]);
        assert_eq!(signal.data, EmbeddingData::F32(vec![1.0, 2.0, 0.0, 0.0, 3.0, 4.0].into()));
    }

    #[test]
    fn a_row_with_a_nan_in_it_is_damaged() {
        for row in [[f16::NAN, f16::ONE], [f16::ONE, f16::INFINITY], [f16::INFINITY, f16::INFINITY]] {
            let mut signal = Embedding::new("x", 2, EmbeddingData::F16([[f16::ZERO; 2], row].concat().into()));
            assert!(matches!(signal.take_missing_rows(), Err(Damage::NonFinite { row: 1, .. })));
            assert!(signal.missing.is_empty());
        }
    }

    #[test]
    fn every_row_can_be_expected_and_stays_what_it_is() {
        // Rows that begin and end anywhere in a line of the cache, and the last one.
        for dim in [1, 7, 16, 100] {
            let data = [
                EmbeddingData::F16(vec![f16::ONE; 5 * dim].into()),
                EmbeddingData::F32(vec![1.0; 5 * dim].into()),
                EmbeddingData::F64(vec![1.0; 5 * dim].into()),
            ];
            for data in data {
                let signal = Embedding::new("x", dim, data);
                let before = signal.clone();
                (0..5).for_each(|row| signal.expect(row));
                assert_eq!(signal, before);
            }
        }
    }
}
