//! The rows of a batch, where the catalog is on the host and each batch brings its own.

use std::borrow::Cow;

use crate::prepare::PreparedSlate;

/// The catalog rows that a batch brings, ascending, each once.
#[derive(Debug, Default)]
pub(super) struct BatchRows(Vec<u32>);

impl From<BatchRows> for Vec<u32> {
    fn from(rows: BatchRows) -> Self {
        rows.0
    }
}

impl BatchRows {
    pub(super) fn of(slates: &[PreparedSlate]) -> Self {
        let mut rows: Vec<u32> = slates.iter().flat_map(|slate| &slate.rows).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        Self(rows)
    }

    fn place_of(&self, row: u32) -> Option<u32> {
        self.0.binary_search(&row).ok().map(|place| place as u32)
    }
}

/// A slate as the device sees it: its rows are those of the catalog, or places among the rows of the batch.
pub(super) struct DeviceSlate<'a> {
    pub(super) slate: &'a PreparedSlate,
    /// As [`PreparedSlate::rows`].
    pub(super) rows: Cow<'a, [u32]>,
    /// As [`PreparedSlate::excluded`].
    pub(super) excluded: Cow<'a, [u32]>,
}

impl<'a> DeviceSlate<'a> {
    /// `batch` are the rows that come with the batch, if any do.
    pub(super) fn new(slate: &'a PreparedSlate, batch: Option<&BatchRows>) -> Self {
        let Some(batch) = batch else {
            return Self { slate, rows: Cow::Borrowed(&slate.rows), excluded: Cow::Borrowed(&slate.excluded) };
        };
        // Who is excluded and no slate of the batch holds has no place, and needs none. Places ascend as rows do.
        let places = |rows: &[u32]| rows.iter().filter_map(|&row| batch.place_of(row)).collect();
        Self { slate, rows: Cow::Owned(places(&slate.rows)), excluded: Cow::Owned(places(&slate.excluded)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slates_say_places_and_what_is_excluded_stays_in_order() {
        let slate = |rows: &[u32], excluded: &[u32]| PreparedSlate {
            rows: rows.to_vec(),
            excluded: excluded.to_vec(),
            ..PreparedSlate::default()
        };
        let slates = [slate(&[90, 7, 40], &[3, 7, 55, 90]), slate(&[40, 55], &[])];
        let batch = BatchRows::of(&slates);
        assert_eq!(batch.0, [7, 40, 55, 90]);
        let [first, second] = slates.each_ref().map(|slate| DeviceSlate::new(slate, Some(&batch)));
        assert_eq!((&*first.rows, &*first.excluded), (&[3, 0, 1][..], &[0, 2, 3][..]));
        assert_eq!((&*second.rows, &*second.excluded), (&[1, 2][..], &[][..]));
        assert_eq!(&*DeviceSlate::new(&slates[0], None).rows, &slates[0].rows);
    }
}
