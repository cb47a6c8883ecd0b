//! Items of a slate, resolved to rows of the catalog.

use super::error::InputProblem;
use super::slate_error::SlateFileProblem;
use crate::catalog::Catalog;

/// What an item is to its slate, as messages name it.
pub(crate) type ItemRole = &'static str;
/// An item to be ranked.
pub(crate) const CANDIDATE: ItemRole = "candidate";
/// An item of `recent`.
pub(crate) const RECENT: ItemRole = "recent item";
/// An item of `seen`.
pub(crate) const SEEN: ItemRole = "seen item";
/// An item of `pinned`.
pub(crate) const PINNED: ItemRole = "pinned item";

/// What a table has in the place of an item: numbers that are too large are read as nulls.
pub(crate) const NO_ITEM: &str = "null, or a number beyond 64 bits";

/// An item as a file names it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Item<'a> {
    /// By row of the catalog.
    Row(i64),
    /// By id.
    Id(&'a str),
}

impl std::fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row(row) => write!(f, "item {row}"),
            Self::Id(id) => write!(f, "item \"{id}\""),
        }
    }
}

impl Item<'_> {
    /// The row of the catalog.
    ///
    /// # Errors
    /// An item that the catalog does not have.
    pub(crate) fn resolve(self, catalog: &Catalog, slate: &str, role: ItemRole) -> Result<u32, InputProblem> {
        let n_items = catalog.n_items();
        let slate = || slate.to_owned();
        match self {
            Self::Row(row) => match u32::try_from(row) {
                Ok(r) if (r as usize) < n_items => Ok(r),
                _ => Err(InputProblem::Slate(SlateFileProblem::RowNotInCatalog { slate: slate(), role, row, n_items })),
            },
            Self::Id(id) => catalog.row_of(id).ok_or_else(|| {
                let id = id.to_owned();
                match catalog.has_ids() {
                    true => InputProblem::Slate(SlateFileProblem::IdNotInCatalog { slate: slate(), role, id }),
                    false => InputProblem::Slate(SlateFileProblem::CatalogHasNoIds { slate: slate(), role, id }),
                }
            }),
        }
    }
}

/// Checks that every candidate has a score.
pub(crate) fn check_lengths(slate: &str, n_candidates: usize, n_scores: usize) -> Result<(), InputProblem> {
    if n_candidates == n_scores {
        Ok(())
    } else {
        Err(InputProblem::Slate(SlateFileProblem::LengthsDiffer { slate: slate.to_owned(), n_candidates, n_scores }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::new();
        catalog.set_ids(vec!["a".to_owned(), "b".to_owned()]).unwrap();
        catalog
    }

    #[test]
    fn rows_and_ids_resolve() {
        assert_eq!(Item::Row(1).resolve(&catalog(), "s", CANDIDATE).unwrap(), 1);
        assert_eq!(Item::Id("b").resolve(&catalog(), "s", CANDIDATE).unwrap(), 1);
    }

    #[test]
    fn what_is_not_in_the_catalog_is_named() {
        for row in [-1, 2, i64::MAX, 1 << 32] {
            let text = Item::Row(row).resolve(&catalog(), "s", PINNED).unwrap_err().to_string();
            assert!(text.starts_with(&format!("slate \"s\": pinned item {row} is not in the catalog")), "{text}");
        }
        let text = Item::Id("c").resolve(&catalog(), "s", RECENT).unwrap_err().to_string();
        assert!(text.starts_with("slate \"s\": recent item \"c\" is not in the catalog"), "{text}");
        let text = Item::Id("c").resolve(&Catalog::new(), "s", SEEN).unwrap_err().to_string();
        assert!(text.contains("the catalog has no item_id column"), "{text}");
    }
}
