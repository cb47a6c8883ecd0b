//! Ranked slates as Arrow batches, for the formats that hold columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::output::{ItemId, Row, rows};
use super::output_columns::{OUTPUT_COLUMNS, OutputType};
use super::output_error::OutputProblem;
use crate::catalog::Catalog;
use crate::slate::{RankedSlate, Slate};

/// Rows of a batch where nobody waits for it. Bytes follow the batches that they are written in, so a file's batches follow
/// from its rows alone: not from how many slates were read at a time, which depends on the memory there is.
const BATCH_ROWS: usize = 8192;
/// Letters of a column of ids that end a batch before it has so many rows.
const BATCH_LETTERS: usize = 64 << 20;
/// Letters that a column has room for.
const COLUMN_LETTERS: usize = i32::MAX as usize;

/// Makes batches of one schema.
pub(crate) struct OutputBatches {
    pub(crate) schema: SchemaRef,
    has_ids: bool,
    max_rows: usize,
    max_letters: usize,
    columns: Columns,
}

impl OutputBatches {
    /// For a file. `metadata` goes into the schema.
    pub(crate) fn for_file(has_ids: bool, metadata: &[(String, String)]) -> Self {
        let schema = schema(has_ids, metadata.iter().cloned().collect());
        Self { schema, has_ids, max_rows: BATCH_ROWS, max_letters: BATCH_LETTERS, columns: Columns::default() }
    }

    /// For someone who waits for an answer to every batch of slates: it is one batch, as long as that has room for it.
    pub(crate) fn for_stream(has_ids: bool, metadata: &[(String, String)]) -> Self {
        Self { max_rows: usize::MAX, max_letters: COLUMN_LETTERS, ..Self::for_file(has_ids, metadata) }
    }

    /// Adds one row per position of every slate, and gives each batch that is full to `write`.
    pub(crate) fn add<P: Into<OutputProblem>>(
        &mut self,
        (slates, ranked, catalog): (&[Slate], &[RankedSlate], &Catalog),
        mut write: impl FnMut(&RecordBatch) -> Result<(), P>,
    ) -> Result<(), OutputProblem> {
        for row in rows(slates, ranked, catalog, self.has_ids) {
            let row = row?;
            let Columns { n_rows, n_letters: [of_slates, of_items], .. } = self.columns;
            let [slate, item] = letters(&row);
            let n_letters = (of_slates + slate).max(of_items + item);
            if n_rows > 0 && n_letters > self.max_letters || n_rows >= self.max_rows {
                write(&self.take()?).map_err(P::into)?;
            }
            self.columns.push(&row);
        }
        Ok(())
    }

    /// The rows that no batch was made of yet; nothing where there are none.
    pub(crate) fn rest(&mut self) -> Result<Option<RecordBatch>, OutputProblem> {
        (self.columns.n_rows > 0).then(|| self.take()).transpose()
    }

    /// The same, as a batch without rows where there are none.
    pub(crate) fn take(&mut self) -> Result<RecordBatch, OutputProblem> {
        let columns = self.columns.take(self.has_ids);
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|e| OutputProblem::Arrow(e.to_string()))
    }
}

/// Letters of the ids of slate and item.
fn letters(row: &Row<'_>) -> [usize; 2] {
    let of_item = if let ItemId::Id(id) = &row.item_id { id.len() } else { 0 };
    [row.slate_id.len(), of_item]
}

/// Rows that wait, by column.
#[derive(Default)]
struct Columns {
    slate_id: StringBuilder,
    position: UInt32Builder,
    item_id: StringBuilder,
    item_row: UInt32Builder,
    candidate: UInt32Builder,
    /// From `score` to `balance`.
    numbers: [Float64Builder; 7],
    n_rows: usize,
    /// Letters of the ids of slates, and of items.
    n_letters: [usize; 2],
}

impl Columns {
    fn push(&mut self, row: &Row<'_>) {
        self.slate_id.append_value(row.slate_id);
        self.position.append_value(row.position);
        match &row.item_id {
            ItemId::Id(id) => self.item_id.append_value(id),
            ItemId::Row(number) => self.item_row.append_value(*number),
        }
        self.candidate.append_value(row.candidate);
        let numbers = [row.score, row.base, row.utility, row.diversity, row.spacing, row.semantic, row.balance];
        self.numbers.iter_mut().zip(numbers).for_each(|(column, number)| column.append_value(number));
        self.n_rows += 1;
        self.n_letters.iter_mut().zip(letters(row)).for_each(|(sum, n)| *sum += n);
    }

    fn take(&mut self, has_ids: bool) -> Vec<ArrayRef> {
        (self.n_rows, self.n_letters) = (0, [0, 0]);
        let items: ArrayRef = if has_ids { Arc::new(self.item_id.finish()) } else { Arc::new(self.item_row.finish()) };
        let (slates, positions) = (self.slate_id.finish(), self.position.finish());
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(slates), Arc::new(positions), items, Arc::new(self.candidate.finish())];
        columns.extend(self.numbers.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns
    }
}

fn schema(has_ids: bool, metadata: HashMap<String, String>) -> SchemaRef {
    let fields = OUTPUT_COLUMNS.map(|column| {
        let data_type = match column.holds {
            OutputType::Text => DataType::Utf8,
            OutputType::Item if has_ids => DataType::Utf8,
            OutputType::Item | OutputType::Count => DataType::UInt32,
            OutputType::Number => DataType::Float64,
        };
        Field::new(column.name, data_type, false)
    });
    Arc::new(Schema::new_with_metadata(fields.to_vec(), metadata))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slate::Placement;

    fn batches_of(ids: &[String], n_at_a_time: usize) -> Vec<RecordBatch> {
        gathered(OutputBatches::for_file(true, &[]), ids, n_at_a_time)
    }

    fn gathered(mut batches: OutputBatches, ids: &[String], n_at_a_time: usize) -> Vec<RecordBatch> {
        let slate = |id: &String| Slate { id: id.clone(), scores: vec![1.0], ..Slate::default() };
        let slates: Vec<Slate> = ids.iter().map(slate).collect();
        let ranked = RankedSlate { placements: vec![Placement::default()], ..RankedSlate::default() };
        let ranked = vec![ranked; slates.len()];
        let mut catalog = Catalog::new();
        catalog.set_ids(vec!["a".to_owned()]).unwrap();
        let mut found = Vec::new();
        for (slates, ranked) in slates.chunks(n_at_a_time).zip(ranked.chunks(n_at_a_time)) {
            let keep = |batch: &RecordBatch| -> Result<(), OutputProblem> {
                found.push(batch.clone());
                Ok(())
            };
            batches.add((slates, ranked, &catalog), keep).unwrap();
        }
        found.extend(batches.rest().unwrap());
        assert!(batches.rest().unwrap().is_none());
        found
    }

    #[test]
    fn batches_of_a_file_follow_from_its_rows_alone() {
        let ids: Vec<String> = (0..2 * BATCH_ROWS + 5).map(|i| format!("s{i}")).collect();
        let found = batches_of(&ids, ids.len());
        assert_eq!(found.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [BATCH_ROWS, BATCH_ROWS, 5]);
        for n_at_a_time in [1, 1000, BATCH_ROWS, BATCH_ROWS + 1] {
            assert_eq!(batches_of(&ids, n_at_a_time), found);
        }
    }

    #[test]
    fn long_ids_end_a_batch_before_a_column_is_full() {
        let ids: Vec<String> = (0..5).map(|i| i.to_string().repeat(BATCH_LETTERS / 3)).collect();
        let n_rows = |n| batches_of(&ids, n).iter().map(RecordBatch::num_rows).collect::<Vec<_>>();
        assert_eq!((n_rows(5), n_rows(1)), (vec![3, 2], vec![3, 2]));
        // Whoever waits for an answer gets one.
        let found = gathered(OutputBatches::for_stream(true, &[]), &ids, 5);
        assert_eq!(found.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [5]);
    }
}
