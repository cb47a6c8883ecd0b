//! Slates in tables, long form: one row per candidate; rows of a slate stand together.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use arrow_array::{Array, Float64Array};
use arrow_schema::Schema;

use super::arrow_values::{Scalar, scalar};
use super::error::{AtPath, InputError, InputProblem};
use super::resolve::{CANDIDATE, Item, NO_ITEM};
use super::slate_error::SlateFileProblem;
use super::slates::{BatchLimit, SlateFields, SlateSource, batch_of};
use super::slates_columns::{Items, SlateColumns, check_column, items_of, scores_of};
use super::slates_table::Rows;
use crate::catalog::Catalog;
use crate::slate::Slate;

/// How the rows name their items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongForm {
    column: &'static str,
    /// `item_id` holds integers and the catalog has ids: they are compared as text.
    is_integer_id: bool,
}

/// Checks the columns. `item_id` goes before `item`, unless the catalog has no ids to find it by.
pub(crate) fn check(schema: &Schema, catalog: &Catalog) -> Result<LongForm, InputProblem> {
    let has = |name| schema.field_with_name(name).is_ok();
    let column = match (has("item_id"), has("item")) {
        (true, true) if !catalog.has_ids() => "item",
        (false, true) => "item",
        _ => "item_id",
    };
    for name in ["slate_id", column, "score"] {
        if name == "slate_id" {
            if !has(name) {
                return Err(check_column(schema, name, false)
                    .err()
                    .unwrap_or(InputProblem::Slate(SlateFileProblem::NoSlateId { row: 0 })));
            }
        } else {
            check_column(schema, name, false)?;
        }
    }
    let is_integer = schema.field_with_name(column).is_ok_and(|f| scalar(f.data_type()) == Some(Scalar::Int));
    Ok(LongForm { column, is_integer_id: is_integer && column == "item_id" && catalog.has_ids() })
}

/// The stream of slates; the one at the border of two batches is kept until it is whole.
pub(crate) struct LongSlates<'a> {
    path: PathBuf,
    rows: Box<dyn Rows>,
    catalog: &'a Catalog,
    form: LongForm,
    fields: SlateFields,
    batch: Option<Batch>,
    current: Option<Slate>,
    /// The slate that the last row was of, where it cannot be read.
    skipped: Option<String>,
    finished: Finished,
    n_rows: u64,
}

struct Batch {
    columns: SlateColumns,
    items: Items,
    scores: Float64Array,
    next: usize,
}

impl<'a> LongSlates<'a> {
    pub(crate) fn new(
        path: &Path,
        rows: Box<dyn Rows>,
        catalog: &'a Catalog,
        form: LongForm,
        fields: SlateFields,
    ) -> Self {
        let (path, finished) = (path.to_owned(), Finished::default());
        Self { path, rows, catalog, form, fields, batch: None, current: None, skipped: None, finished, n_rows: 0 }
    }

    fn next_slate(&mut self) -> Result<Option<Slate>, InputProblem> {
        loop {
            let Some(batch) = self.batch.as_ref().filter(|b| b.next < b.scores.len()) else {
                match self.next_rows()? {
                    Some(batch) => self.batch = Some(batch),
                    None => return Ok(self.current.take()),
                }
                continue;
            };
            let row = batch.next;
            let Some(id) = batch.columns.id(row) else {
                self.advance();
                return Err(InputProblem::Slate(SlateFileProblem::NoSlateId { row: self.n_rows - 1 }));
            };
            if self.skipped.as_ref() == Some(&id) {
                self.advance();
                continue;
            }
            // The slate before is whole; its successor begins with the next call.
            if let Some(done) = self.current.take_if(|slate| slate.id != id) {
                return Ok(Some(done));
            }
            let added = self.add_row(&id);
            self.advance();
            if let Err(problem) = added {
                // One message for one slate: the rest of it is passed over.
                self.current = None;
                self.skipped = Some(id);
                return Err(problem);
            }
        }
    }

    fn advance(&mut self) {
        self.n_rows += 1;
        if let Some(batch) = &mut self.batch {
            batch.next += 1;
        }
    }

    /// Adds the row that is next to its slate, which begins with it or is the current one.
    fn add_row(&mut self, id: &str) -> Result<(), InputProblem> {
        let Some(batch) = &self.batch else { return Ok(()) };
        let slate = match &mut self.current {
            Some(slate) => slate,
            None => {
                self.skipped = None;
                if !self.finished.insert(id) {
                    return Err(InputProblem::Slate(SlateFileProblem::SlateReturns {
                        slate: id.to_owned(),
                        row: self.n_rows,
                    }));
                }
                self.current.insert(batch.columns.slate(batch.next, id.to_owned(), self.catalog)?)
            }
        };
        batch.add_row(slate, self.catalog, self.form)
    }

    fn next_rows(&mut self) -> Result<Option<Batch>, InputProblem> {
        let Some(batch) = self.rows.next_rows() else { return Ok(None) };
        let batch = batch?;
        let missing = || InputProblem::Values("a column went missing".to_owned());
        Ok(Some(Batch {
            columns: SlateColumns::of(&batch, &self.fields, &["item", "item_id", "score"])?,
            items: items_of(batch.column_by_name(self.form.column).ok_or_else(missing)?)?,
            scores: scores_of(batch.column_by_name("score").ok_or_else(missing)?)?,
            next: 0,
        }))
    }
}

impl Batch {
    fn add_row(&self, slate: &mut Slate, catalog: &Catalog, form: LongForm) -> Result<(), InputProblem> {
        let (row, index) = (self.next, slate.candidates.len());
        let id = || slate.id.clone();
        let Some(item) = self.items.get(row) else {
            return Err(InputProblem::Slate(SlateFileProblem::NotAnItem {
                slate: id(),
                role: CANDIDATE,
                index,
                found: NO_ITEM.to_owned(),
            }));
        };
        let found = match item {
            Item::Row(number) if form.is_integer_id => {
                Item::Id(&number.to_string()).resolve(catalog, &slate.id, CANDIDATE)?
            }
            item => item.resolve(catalog, &slate.id, CANDIDATE)?,
        };
        if self.scores.is_null(row) {
            return Err(InputProblem::Slate(SlateFileProblem::NotAScore {
                slate: id(),
                index,
                item: item.to_string(),
            }));
        }
        slate.candidates.push(found);
        slate.scores.push(self.scores.value(row));
        Ok(())
    }
}

/// Slates whose rows have come, remembered to tell when one returns.
const N_REMEMBERED: usize = 100_000;

/// Fingerprints of the last slates, 16 bytes each: all that is kept of them, so that memory does not grow with their number.
#[derive(Default)]
struct Finished {
    known: HashSet<u128>,
    oldest_first: VecDeque<u128>,
}

impl Finished {
    /// False where the slate is one of those remembered.
    fn insert(&mut self, id: &str) -> bool {
        let fingerprint = fingerprint(id);
        if !self.known.insert(fingerprint) {
            return false;
        }
        if self.oldest_first.len() == N_REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.oldest_first.push_back(fingerprint);
        true
    }
}

/// 128 bits of a slate id: among a billion slates, the chance that two share one is below 1e-20.
fn fingerprint(id: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, id).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

impl SlateSource for LongSlates<'_> {
    fn next_batch_within(&mut self, limit: BatchLimit) -> Result<Option<Vec<Slate>>, InputError> {
        let mut is_first = true;
        batch_of(limit, || {
            let is_done = self.batch.as_ref().is_none_or(|batch| batch.next >= batch.scores.len());
            if !std::mem::take(&mut is_first) && is_done && self.rows.is_live() {
                return Ok(None);
            }
            self.next_slate().at(&self.path)
        })
    }

    fn n_slates(&self) -> Option<u64> {
        None
    }

    fn is_arrow_pipe(&self) -> bool {
        self.rows.is_live()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slates_are_remembered_and_no_more() {
        let mut finished = Finished::default();
        for i in 0..3 * N_REMEMBERED {
            assert!(finished.insert(&i.to_string()));
        }
        assert!(!finished.insert(&(2 * N_REMEMBERED).to_string()));
        assert!(finished.insert(&(2 * N_REMEMBERED - 1).to_string()));
        assert_eq!((finished.known.len(), finished.oldest_first.len()), (N_REMEMBERED, N_REMEMBERED));
    }
}
