//! Ids of items: one text for all of them, and a table that finds a row by its id.
//!
//! An id costs its letters and about 20 bytes. As two strings of their own, by row and in a map, it costs over 130.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Ids by row.
#[derive(Debug, Clone, Default)]
pub struct ItemIds {
    /// All ids, one after the other.
    text: String,
    /// Where each ends.
    ends: Vec<usize>,
    /// Rows by the hash of their ids; empty until [`Self::index`].
    rows: HashTable<u32>,
    hasher: RandomState,
}

impl ItemIds {
    /// No ids yet, with room for the ends of `n_items`.
    pub(crate) fn with_capacity(n_items: usize) -> Self {
        Self { ends: Vec::with_capacity(n_items), ..Self::default() }
    }

    /// Adds the id of the next row.
    pub(crate) fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len());
    }

    /// Number of ids.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of the ids so far, the table aside.
    pub(crate) fn n_bytes(&self) -> u64 {
        (self.text.len() + size_of_val(self.ends.as_slice())) as u64
    }

    /// Bytes of the ids, the table included.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.n_bytes() + crate::memory::hash_table_bytes(self.len() as u64)
    }

    /// The id of a row.
    pub(super) fn get(&self, row: usize) -> &str {
        id_at(&self.text, &self.ends, row)
    }

    /// The row of an id.
    pub(super) fn row_of(&self, id: &str) -> Option<u32> {
        self.rows.find(self.hasher.hash_one(id), |&row| self.get(row as usize) == id).copied()
    }

    /// Makes rows findable. Returns two rows of one id instead, where there are such.
    pub(super) fn index(&mut self) -> Result<(), (usize, usize)> {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
        let Self { text, ends, rows, hasher } = self;
        let hash = |row: &u32| hasher.hash_one(id_at(text, ends, *row as usize));
        rows.clear();
        rows.reserve(ends.len(), hash);
        for row in 0..ends.len() {
            let id = id_at(text, ends, row);
            let is_same = |&other: &u32| id_at(text, ends, other as usize) == id;
            match rows.entry(hasher.hash_one(id), is_same, hash) {
                hashbrown::hash_table::Entry::Occupied(first) => return Err((*first.get() as usize, row)),
                hashbrown::hash_table::Entry::Vacant(place) => place.insert(row as u32),
            };
        }
        Ok(())
    }
}

fn id_at<'a>(text: &'a str, ends: &[usize], row: usize) -> &'a str {
    let start = row.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start..ends[row]]
}

impl<S: AsRef<str>> FromIterator<S> for ItemIds {
    fn from_iter<I: IntoIterator<Item = S>>(ids: I) -> Self {
        let ids = ids.into_iter();
        let mut all = Self::with_capacity(ids.size_hint().0);
        ids.for_each(|id| all.push(id.as_ref()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_found_and_no_other() {
        let names: Vec<String> = (0..1000).map(|i| format!("{i:0>width$}", width = i % 7)).collect();
        let unique: Vec<&str> =
            names.iter().enumerate().filter(|(i, n)| !names[..*i].contains(n)).map(|(_, n)| n.as_str()).collect();
        let mut ids: ItemIds = unique.iter().collect();
        ids.index().unwrap();
        for (row, id) in unique.iter().enumerate() {
            assert_eq!((ids.get(row), ids.row_of(id)), (*id, Some(row as u32)));
        }
        assert_eq!((ids.row_of("x"), ids.row_of("00000000"), ids.len()), (None, None, unique.len()));
    }

    /// What is reckoned with before ids are read is what they take.
    #[test]
    fn the_table_takes_what_it_is_said_to_take() {
        for n in [0, 1, 7, 100, 1000, 1793, 50_000] {
            let mut ids: ItemIds = (0..n).map(|i| i.to_string()).collect();
            ids.index().unwrap();
            let (found, said) = (ids.rows.allocation_size() as u64, crate::memory::hash_table_bytes(n));
            assert!((said..said + 64).contains(&found), "{n}: {found}, said to be {said}");
        }
    }

    #[test]
    fn an_empty_id_is_an_id_and_two_are_one_too_many() {
        let mut ids: ItemIds = ["", "a", "b"].iter().collect();
        ids.index().unwrap();
        assert_eq!((ids.row_of(""), ids.row_of("b")), (Some(0), Some(2)));
        let mut twice: ItemIds = ["a", "", "b", ""].iter().collect();
        assert_eq!(twice.index(), Err((1, 3)));
    }
}
