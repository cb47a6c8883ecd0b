//! Values of an embedding, wherever they lie.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use bytemuck::Pod;

use super::mapped::{MappedFile, MappedValues, ZeroError};

/// A slice of numbers: in this program's memory, or mapped from a file.
///
/// Everyone reads it as `&[T]`; two are equal where their numbers are.
pub struct Values<T>(Storage<T>);

enum Storage<T> {
    Owned(Vec<T>),
    Mapped(MappedValues<T>),
}

impl<T: Pod> Values<T> {
    /// The file that the numbers are mapped from; nothing where they are in memory.
    pub fn mapped_file(&self) -> Option<&Arc<MappedFile>> {
        match &self.0 {
            Storage::Owned(_) => None,
            Storage::Mapped(values) => Some(values.file()),
        }
    }

    /// Bytes of this program's own memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        match &self.0 {
            Storage::Owned(values) => size_of_val(values.as_slice()) as u64,
            Storage::Mapped(values) => values.private_bytes(),
        }
    }

    /// Says that rows will be read in no order.
    pub(super) fn expect_no_order(&self) {
        if let Storage::Mapped(values) = &self.0 {
            values.expect_no_order();
        }
    }

    /// Sets ascending rows of `dim` values to zero.
    pub(super) fn zero(&mut self, rows: &[u32], dim: usize) -> Result<(), ZeroError> {
        match std::mem::take(&mut self.0) {
            Storage::Owned(mut values) => {
                rows.iter().for_each(|&row| values[row as usize * dim..(row as usize + 1) * dim].fill(T::zeroed()));
                self.0 = Storage::Owned(values);
            }
            Storage::Mapped(values) => self.0 = Storage::Mapped(values.with_zeros(rows, dim)?),
        }
        Ok(())
    }
}

impl<T> Default for Storage<T> {
    fn default() -> Self {
        Self::Owned(Vec::new())
    }
}

impl<T> From<Vec<T>> for Values<T> {
    fn from(values: Vec<T>) -> Self {
        Self(Storage::Owned(values))
    }
}

impl<T> From<MappedValues<T>> for Values<T> {
    fn from(values: MappedValues<T>) -> Self {
        Self(Storage::Mapped(values))
    }
}

impl<T: Pod> FromIterator<T> for Values<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Vec::from_iter(values).into()
    }
}

impl<T: Pod> Deref for Values<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Storage::Owned(values) => values,
            Storage::Mapped(values) => values.values(),
        }
    }
}

/// A copy is in memory.
impl<T: Pod> Clone for Values<T> {
    fn clone(&self) -> Self {
        self.to_vec().into()
    }
}

impl<T: Pod + PartialEq> PartialEq for Values<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Values<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
