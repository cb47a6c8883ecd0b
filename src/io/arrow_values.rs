//! Arrow arrays as plain values.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, LargeListArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field};

use crate::catalog::ColumnData;

/// What a column of single values holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Bool,
    Int,
    Float,
    Text,
}

/// The kind of a type of single values; nothing for lists, dates and what else no term can use.
pub(crate) fn scalar(data_type: &DataType) -> Option<Scalar> {
    match data_type {
        DataType::Boolean => Some(Scalar::Bool),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Scalar::Text),
        DataType::Dictionary(_, values) => scalar(values),
        t if t.is_integer() => Some(Scalar::Int),
        t if t.is_floating() => Some(Scalar::Float),
        _ => None,
    }
}

/// The type of a list's elements.
pub(crate) fn list_element(data_type: &DataType) -> Option<&DataType> {
    match data_type {
        DataType::List(f)
        | DataType::LargeList(f)
        | DataType::FixedSizeList(f, _)
        | DataType::ListView(f)
        | DataType::LargeListView(f) => Some(f.data_type()),
        _ => None,
    }
}

/// The values of an array of single values.
///
/// # Errors
/// An integer that does not fit i64.
pub(crate) fn scalars(array: &ArrayRef, kind: Scalar) -> Result<ColumnData, ArrowError> {
    Ok(match kind {
        Scalar::Bool => ColumnData::Bool(cast(array, &DataType::Boolean)?.as_boolean().iter().collect()),
        Scalar::Int => ColumnData::Int(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().iter().collect()),
        Scalar::Float => {
            ColumnData::Float(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().iter().collect())
        }
        Scalar::Text => {
            let text = cast(array, &DataType::LargeUtf8)?;
            ColumnData::Text(text.as_string::<i64>().iter().map(|x| x.map(str::to_owned)).collect())
        }
    })
}

/// Casts with an error where a value does not fit.
pub(crate) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to {
        return Ok(Arc::clone(array));
    }
    cast_with_options(array, to, &CastOptions { safe: false, ..CastOptions::default() })
}

/// Casts with a null where a value does not fit.
pub(crate) fn cast_or_null(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    cast_with_options(array, to, &CastOptions { safe: true, ..CastOptions::default() })
}

/// Any list array as one with 64-bit offsets and elements of the given type; an element that does not fit becomes null.
pub(crate) fn lists_of(array: &ArrayRef, element: DataType) -> Result<LargeListArray, ArrowError> {
    let to = DataType::LargeList(Arc::new(Field::new("item", element, true)));
    let lists = cast_or_null(array, &to)?;
    Ok(lists.as_list::<i64>().clone())
}

/// Where the elements of one list lie in the values of its array; nothing for a null list.
pub(crate) fn range(lists: &LargeListArray, row: usize) -> Option<std::ops::Range<usize>> {
    if lists.is_null(row) {
        return None;
    }
    let offsets = lists.value_offsets();
    Some(offsets[row] as usize..offsets[row + 1] as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::types::{Int8Type, UInt64Type};
    use arrow_array::{DictionaryArray, PrimitiveArray, StringViewArray};

    #[test]
    fn text_of_every_encoding_reads_alike() {
        let view: ArrayRef = Arc::new(StringViewArray::from_iter([Some("a"), None, Some("b")]));
        let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::from_iter([Some("a"), None, Some("b")]));
        let expected = ColumnData::Text(vec![Some("a".into()), None, Some("b".into())]);
        for array in [view, dictionary] {
            let kind = scalar(array.data_type()).unwrap();
            assert_eq!(scalars(&array, kind).unwrap(), expected);
        }
    }

    #[test]
    fn an_integer_beyond_i64_is_an_error() {
        let array: ArrayRef = Arc::new(PrimitiveArray::<UInt64Type>::from_iter_values([u64::MAX]));
        assert!(scalars(&array, Scalar::Int).is_err());
    }
}
