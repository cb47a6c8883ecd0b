//! How large an Arrow array becomes when its repeated values are written out one by one.
//!
//! Some layouts name a value many times and hold it once, so a small file can ask for any amount of memory. What is read
//! here is turned into plain layouts, so that amount is known before.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, GenericListArray, GenericListViewArray, OffsetSizeTrait};
use arrow_schema::DataType;

/// Bytes of a number, and of the place of a list or text.
const PLAIN_BYTES: u64 = 8;

/// Bytes of an array as plain 64-bit numbers, texts and lists; saturates.
pub(crate) fn expanded_bytes(array: &ArrayRef) -> u64 {
    let n = array.len() as u64;
    let places = n.saturating_mul(PLAIN_BYTES);
    places.saturating_add(match array.data_type() {
        DataType::Utf8 => span(array.as_string::<i32>().value_offsets()).1,
        DataType::LargeUtf8 => span(array.as_string::<i64>().value_offsets()).1,
        DataType::Binary => span(array.as_binary::<i32>().value_offsets()).1,
        DataType::LargeBinary => span(array.as_binary::<i64>().value_offsets()).1,
        DataType::FixedSizeBinary(size) => n.saturating_mul(u64::try_from(*size).unwrap_or(0)),
        DataType::Utf8View => view_bytes(array.as_string_view().views()),
        DataType::BinaryView => view_bytes(array.as_binary_view().views()),
        DataType::Dictionary(..) => n.saturating_mul(largest_bytes(array.as_any_dictionary().values())),
        DataType::List(_) => listed_bytes(array.as_list::<i32>()),
        DataType::LargeList(_) => listed_bytes(array.as_list::<i64>()),
        DataType::FixedSizeList(..) => expanded_bytes(array.as_fixed_size_list().values()),
        DataType::ListView(_) => viewed_bytes(array.as_list_view::<i32>()),
        DataType::LargeListView(_) => viewed_bytes(array.as_list_view::<i64>()),
        DataType::Struct(_) => array.as_struct().columns().iter().map(expanded_bytes).fold(0, u64::saturating_add),
        _ => 0,
    })
}

/// Where the values of an array start, and how many there are; a slice has only part of them.
fn span<O: OffsetSizeTrait>(offsets: &[O]) -> (usize, u64) {
    let (first, last) = (offsets.first().map_or(0, |o| o.as_usize()), offsets.last().map_or(0, |o| o.as_usize()));
    (first, last.saturating_sub(first) as u64)
}

fn listed_bytes<O: OffsetSizeTrait>(lists: &GenericListArray<O>) -> u64 {
    let (first, n_values) = span(lists.value_offsets());
    expanded_bytes(&lists.values().slice(first, n_values as usize))
}

/// Lists that may overlap.
fn viewed_bytes<O: OffsetSizeTrait>(lists: &GenericListViewArray<O>) -> u64 {
    let n_values = lists.sizes().iter().map(|size| size.as_usize() as u64).fold(0, u64::saturating_add);
    n_values.saturating_mul(largest_bytes(lists.values()))
}

/// Views hold the length of their value in their lower half.
fn view_bytes(views: &[u128]) -> u64 {
    views.iter().map(|&view| u64::from(view as u32)).fold(0, u64::saturating_add)
}

/// The most bytes that one value takes.
fn largest_bytes(values: &ArrayRef) -> u64 {
    (0..values.len()).map(|at| expanded_bytes(&values.slice(at, 1))).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int8Type;
    use arrow_array::{DictionaryArray, Int64Array, ListViewArray, NullArray, StringViewArray};
    use arrow_buffer::ScalarBuffer;
    use arrow_schema::Field;

    use super::*;

    #[test]
    fn what_is_named_often_counts_often() {
        let long = "x".repeat(1000);
        let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::from_iter(vec![Some(long.as_str()); 50]));
        assert!(expanded_bytes(&dictionary) >= 50 * 1000);
        let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(vec![long.as_str(); 50]));
        assert!(expanded_bytes(&views) >= 50 * 1000);
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        let field = Arc::new(Field::new("item", DataType::Int64, true));
        let (offsets, sizes) = (ScalarBuffer::from(vec![0; 70]), ScalarBuffer::from(vec![100; 70]));
        let overlapping: ArrayRef = Arc::new(ListViewArray::new(field, offsets, sizes, values, None));
        assert!(expanded_bytes(&overlapping) >= 70 * 100 * 8);
    }

    #[test]
    fn nothing_at_all_counts_by_the_place_it_takes() {
        let nulls: ArrayRef = Arc::new(NullArray::new(1 << 40));
        assert_eq!(expanded_bytes(&nulls), 8 << 40);
    }

    #[test]
    fn plain_arrays_count_once() {
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100));
        assert_eq!(expanded_bytes(&array), 800);
        let text: ArrayRef = Arc::new(arrow_array::LargeStringArray::from(vec!["abc", "d"]));
        assert_eq!(expanded_bytes(&text), 2 * 8 + 4);
    }
}
