//! Items that lack what a term needs: counted, dropped or refused (`on_missing`).

use serde::Serialize;

use super::ProblemError;
use crate::catalog::{Catalog, Embedding};
use crate::config::OnMissing;

/// Items of the catalog that lack something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingCount {
    /// Configuration key of the term that needs it.
    pub key: String,
    /// Column of the catalog that lacks it.
    pub column: String,
    /// Items without.
    pub n_items: usize,
    /// True where these items are taken out of every slate, false where they count as zero.
    pub are_dropped: bool,
}

impl std::fmt::Display for MissingCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, column, n_items, are_dropped } = self;
        let fate = if *are_dropped { "taken out" } else { "counted as zero" };
        let items = if *n_items == 1 { "item lacks" } else { "items lack" };
        write!(f, "{n_items} {items} \"{column}\" ({key}), {fate}")
    }
}

/// Collects what is missing while a problem is bound.
#[derive(Debug)]
pub(super) struct Missing<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) counts: Vec<MissingCount>,
    /// Items to take out.
    pub(super) dropped: Vec<u32>,
}

impl<'a> Missing<'a> {
    pub(super) fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, counts: Vec::new(), dropped: Vec::new() }
    }

    /// Takes note of the items that have no embedding.
    ///
    /// # Errors
    /// As [`Self::note`].
    pub(super) fn note_embedding(
        &mut self,
        key: &str,
        embedding: &Embedding,
        on_missing: OnMissing,
    ) -> Result<(), ProblemError> {
        self.note(key, &embedding.name, on_missing, embedding.missing.iter().map(|&row| row as usize))
    }

    /// Takes note of the rows that lack `column` for the term at `key`.
    ///
    /// # Errors
    /// There are some, and the term does not do without.
    pub(super) fn note(
        &mut self,
        key: &str,
        column: &str,
        on_missing: OnMissing,
        rows: impl Iterator<Item = usize>,
    ) -> Result<(), ProblemError> {
        let rows: Vec<u32> = rows.map(|row| row as u32).collect();
        let (Some(&first), n_items) = (rows.first(), rows.len()) else { return Ok(()) };
        if on_missing == OnMissing::Error {
            let item = self.catalog.id_of(first).into_owned();
            return Err(ProblemError::Missing { key: key.to_owned(), column: column.to_owned(), item, n_items });
        }
        let are_dropped = on_missing == OnMissing::Drop;
        if are_dropped {
            self.dropped.extend(rows);
        }
        self.counts.push(MissingCount { key: key.to_owned(), column: column.to_owned(), n_items, are_dropped });
        Ok(())
    }
}
