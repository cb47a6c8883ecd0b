//! Columns of a Parquet catalog as they grow batch by batch.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, LargeListArray};
use arrow_schema::DataType;

use super::arrow_values::{list_element, lists_of, range};
use super::error::InputProblem;
use super::growing::Growing;
use crate::catalog::{ColumnData, Embedding};

/// Longest integer list that is read as a Semantic ID.
const MAX_CODES: usize = 64;

/// Collects an embedding column; all rows must have one length.
pub(crate) struct EmbeddingBuilder {
    rows: Rows,
    data: Option<Growing>,
    /// Rows to make room for once their length is known, and bytes of that at most: a file may claim what it does not hold.
    n_rows: usize,
    max_reserve: usize,
}

/// What is known of the rows so far.
struct Rows {
    column: String,
    dim: Option<usize>,
    missing: Vec<u32>,
    n_rows: usize,
}

impl EmbeddingBuilder {
    pub(crate) fn new(name: &str, n_rows: usize, max_reserve: usize) -> Self {
        let rows = Rows { column: name.to_owned(), dim: None, missing: Vec::new(), n_rows: 0 };
        Self { rows, data: None, n_rows, max_reserve }
    }

    /// Bytes of the rows so far.
    pub(crate) fn n_bytes(&self) -> u64 {
        match &self.data {
            Some(Growing::F16(v)) => 2 * v.len() as u64,
            Some(Growing::F32(v)) => 4 * v.len() as u64,
            Some(Growing::F64(v)) => 8 * v.len() as u64,
            None => 0,
        }
    }

    /// Adds the rows of one batch. A row that is null, or has a null in it, is missing and stands as zeros.
    pub(crate) fn push(&mut self, array: &ArrayRef) -> Result<(), InputProblem> {
        let element = list_element(array.data_type()).cloned().unwrap_or(DataType::Float32);
        let lists = lists_of(array, element)?;
        let data = self.data.get_or_insert_with(|| match lists.values().data_type() {
            DataType::Float16 => Growing::F16(Vec::new()),
            DataType::Float32 => Growing::F32(Vec::new()),
            _ => Growing::F64(Vec::new()),
        });
        let first = (0..lists.len()).filter_map(|row| range(&lists, row)).map(|at| at.len()).next().unwrap_or(0);
        let n_values = self.n_rows.saturating_mul(first);
        match data {
            Growing::F16(values) => {
                make_room(values, n_values, self.max_reserve);
                self.rows.append::<Float16Type>(&lists, values)
            }
            Growing::F32(values) => {
                make_room(values, n_values, self.max_reserve);
                self.rows.append::<Float32Type>(&lists, values)
            }
            Growing::F64(values) => {
                make_room(values, n_values, self.max_reserve);
                self.rows.append::<Float64Type>(&lists, values)
            }
        }
    }

    /// The signal. Without rows, or with rows of length 0, the dimension is one that the catalog refuses.
    pub(crate) fn finish(self) -> Embedding {
        let mut data = self.data.unwrap_or(Growing::F32(Vec::new()));
        match &mut data {
            Growing::F16(v) => v.shrink_to_fit(),
            Growing::F32(v) => v.shrink_to_fit(),
            Growing::F64(v) => v.shrink_to_fit(),
        }
        let Rows { column, dim, missing, .. } = self.rows;
        Embedding { missing, ..Embedding::new(column, dim.unwrap_or(0), data.into()) }
    }
}

/// Makes room for all rows before the first: what grows step by step takes up to half as much again.
fn make_room<T>(values: &mut Vec<T>, n_values: usize, max_bytes: usize) {
    if values.is_empty() {
        values.reserve_exact(n_values.min(max_bytes / size_of::<T>()));
    }
}

impl Rows {
    fn append<T: ArrowPrimitiveType>(
        &mut self,
        lists: &LargeListArray,
        out: &mut Vec<T::Native>,
    ) -> Result<(), InputProblem> {
        let zero = T::Native::default();
        let values = lists.values().as_primitive::<T>();
        for row in 0..lists.len() {
            let at_row = self.n_rows;
            self.n_rows += 1;
            let is_whole =
                |at: &std::ops::Range<usize>| values.null_count() == 0 || at.clone().all(|i| values.is_valid(i));
            let Some(at) = range(lists, row).filter(is_whole) else {
                self.missing.push(at_row as u32);
                out.resize(out.len() + self.dim.unwrap_or(0), zero);
                continue;
            };
            let expected = *self.dim.get_or_insert_with(|| {
                // Rows missing until now get their room once it is known how much.
                out.resize(at_row * at.len(), zero);
                at.len()
            });
            if at.len() != expected {
                let (column, found) = (self.column.clone(), at.len());
                return Err(InputProblem::ListLength { column, row: at_row, found, expected });
            }
            out.extend_from_slice(&values.values()[at]);
        }
        Ok(())
    }
}

/// Collects a column of integer lists; shorter ones are filled up with 0 at the end.
pub(crate) struct CodesBuilder {
    name: String,
    codes: Vec<u32>,
    n_codes: Vec<usize>,
}

impl CodesBuilder {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), codes: Vec::new(), n_codes: Vec::new() }
    }

    /// Bytes of the rows so far, and of the table they become.
    pub(crate) fn n_bytes(&self) -> u64 {
        8 * self.codes.len() as u64 + 8 * self.n_codes.len() as u64
    }

    /// Adds the rows of one batch.
    pub(crate) fn push(&mut self, array: &ArrayRef, n_rows_before: usize) -> Result<(), InputProblem> {
        let is_null = array.logical_nulls();
        let lists = lists_of(array, DataType::Int64)?;
        let element = list_element(array.data_type());
        let originals = element.map(|e| lists_of(array, e.clone())).transpose()?;
        let values = lists.values().as_primitive::<Int64Type>();
        for row in 0..lists.len() {
            let is_valid = is_null.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            let list = if is_valid { range(&lists, row).unwrap_or(0..0) } else { 0..0 };
            let (column, at_row) = (|| self.name.clone(), n_rows_before + row);
            if list.len() > MAX_CODES {
                let (found, limit) = (list.len(), MAX_CODES);
                return Err(InputProblem::TooManyCodes { column: column(), row: at_row, found, limit });
            }
            self.n_codes.push(list.len());
            for at in list {
                // A null inside a list is a missing level; a value that did not fit i64 was none before the cast.
                let was_null = originals.as_ref().is_none_or(|o| o.values().is_null(at));
                let code = match (values.is_null(at), was_null) {
                    (true, true) => Ok(0),
                    (true, false) => Err("an integer beyond 64 bits".to_owned()),
                    (false, _) => u32::try_from(values.value(at)).map_err(|_| values.value(at).to_string()),
                };
                let out_of_range = |value| InputProblem::CodeRange { column: column(), row: at_row, value };
                let code = code.map_err(out_of_range)?;
                self.codes.push(code);
            }
        }
        Ok(())
    }

    /// The column, as wide as its longest list.
    pub(crate) fn finish(self) -> ColumnData {
        let width = self.n_codes.iter().copied().max().unwrap_or(0).max(1);
        let mut codes = Vec::with_capacity(width * self.n_codes.len());
        let mut rest = self.codes.as_slice();
        for (row, &n_codes) in self.n_codes.iter().enumerate() {
            let (list, tail) = rest.split_at(n_codes);
            codes.extend_from_slice(list);
            codes.resize((row + 1) * width, 0);
            rest = tail;
        }
        ColumnData::Codes { width, codes }
    }
}

/// Adds the values of one batch to those before.
pub(crate) fn append(data: &mut Option<ColumnData>, more: ColumnData) {
    match (data, more) {
        (Some(ColumnData::Bool(v)), ColumnData::Bool(more)) => v.extend(more),
        (Some(ColumnData::Int(v)), ColumnData::Int(more)) => v.extend(more),
        (Some(ColumnData::Float(v)), ColumnData::Float(more)) => v.extend(more),
        (Some(ColumnData::Text(v)), ColumnData::Text(more)) => v.extend(more),
        (data, more) => *data = Some(more),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::EmbeddingData;
    use arrow_array::types::Int16Type;
    use arrow_array::{FixedSizeListArray, LargeListArray, ListArray};
    use std::sync::Arc;

    fn codes(rows: Vec<Option<Vec<Option<i16>>>>) -> Result<ColumnData, InputProblem> {
        let array: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int16Type, _, _>(rows));
        let mut builder = CodesBuilder::new("sid");
        builder.push(&array, 0)?;
        Ok(builder.finish())
    }

    #[test]
    fn codes_are_padded_and_nulls_are_missing_levels() {
        let found = codes(vec![Some(vec![Some(3), Some(1)]), None, Some(vec![Some(2), None, Some(5)])]).unwrap();
        assert_eq!(found, ColumnData::Codes { width: 3, codes: vec![3, 1, 0, 0, 0, 0, 2, 0, 5] });
        let found = codes(vec![None, None]).unwrap();
        assert_eq!(found, ColumnData::Codes { width: 1, codes: vec![0, 0] });
    }

    #[test]
    fn codes_out_of_range_name_their_row() {
        let found = codes(vec![None, Some(vec![Some(-1)])]).unwrap_err();
        assert!(matches!(found, InputProblem::CodeRange { row: 1, ref value, .. } if value == "-1"));
        let found = codes(vec![Some(vec![Some(1); 65])]).unwrap_err();
        assert!(matches!(found, InputProblem::TooManyCodes { row: 0, found: 65, .. }));
    }

    #[test]
    fn embeddings_of_every_list_type_read_alike() {
        let rows = || [[1.0, 2.0], [3.0, 4.0]].map(|r| Some(r.map(Some)));
        let arrays: [ArrayRef; 3] = [
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows())),
            Arc::new(LargeListArray::from_iter_primitive::<Float32Type, _, _>(rows())),
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows(), 2)),
        ];
        for array in arrays {
            let mut builder = EmbeddingBuilder::new("x", 10, 100);
            builder.push(&array.slice(1, 1)).unwrap();
            builder.push(&array).unwrap();
            let expected = EmbeddingData::F32(vec![3.0, 4.0, 1.0, 2.0, 3.0, 4.0].into());
            assert_eq!(builder.finish(), Embedding::new("x", 2, expected));
        }
    }

    #[test]
    fn null_rows_are_missing_wherever_they_stand() {
        let rows = || [None, Some([1.0, 2.0].map(Some)), Some([Some(3.0), None]), Some([5.0, 6.0].map(Some)), None];
        let arrays: [ArrayRef; 2] = [
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows())),
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows(), 2)),
        ];
        for array in arrays {
            let mut builder = EmbeddingBuilder::new("x", 10, 100);
            builder.push(&array).unwrap();
            builder.push(&array.slice(0, 2)).unwrap();
            let found = builder.finish();
            let expected = [[0.0; 2], [1.0, 2.0], [0.0; 2], [5.0, 6.0], [0.0; 2], [0.0; 2], [1.0, 2.0]].concat();
            assert_eq!((found.dim, found.data), (2, EmbeddingData::F32(expected.into())));
            assert_eq!(found.missing, [0, 2, 4, 5]);
        }
    }

    #[test]
    fn ragged_rows_name_the_row() {
        let rows: Vec<Option<Vec<Option<f32>>>> = vec![Some(vec![Some(1.0)]), Some(vec![])];
        let array: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows));
        let mut builder = EmbeddingBuilder::new("x", 3, 0);
        builder.push(&array.slice(0, 1)).unwrap();
        let ragged = builder.push(&array).unwrap_err();
        assert!(matches!(ragged, InputProblem::ListLength { row: 2, found: 0, expected: 1, .. }));
    }
}
