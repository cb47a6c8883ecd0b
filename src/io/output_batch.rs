//! Ranked slates as one Arrow batch, for the formats that hold columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::output::{ItemId, Row, rows};
use super::output_columns::{OUTPUT_COLUMNS, OutputType};
use super::output_error::OutputProblem;
use crate::catalog::Catalog;
use crate::slate::{RankedSlate, Slate};

/// Makes batches of one schema.
pub(crate) struct OutputBatches {
    pub(crate) schema: SchemaRef,
    has_ids: bool,
}

impl OutputBatches {
    /// `metadata` goes into the schema.
    pub(crate) fn new(has_ids: bool, metadata: &[(String, String)]) -> Self {
        Self { schema: schema(has_ids, metadata.iter().cloned().collect()), has_ids }
    }

    /// One row per position of every slate.
    pub(crate) fn batch(
        &self,
        slates: &[Slate],
        ranked: &[RankedSlate],
        catalog: &Catalog,
    ) -> Result<RecordBatch, OutputProblem> {
        let rows: Vec<_> = rows(slates, ranked, catalog, self.has_ids).collect::<Result<_, _>>()?;
        self.of_rows(&rows)
    }

    fn of_rows(&self, rows: &[Row<'_>]) -> Result<RecordBatch, OutputProblem> {
        let integers =
            |of: fn(&Row<'_>) -> u32| Arc::new(UInt32Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let floats =
            |of: fn(&Row<'_>) -> f64| Arc::new(Float64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let item_ids: ArrayRef = match self.has_ids {
            true => Arc::new(StringArray::from_iter_values(rows.iter().map(|row| match &row.item_id {
                ItemId::Id(id) => id.as_ref(),
                ItemId::Row(_) => "",
            }))),
            false => integers(|row| match row.item_id {
                ItemId::Id(_) => 0,
                ItemId::Row(number) => number,
            }),
        };
        let columns = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.slate_id))) as ArrayRef,
            integers(|row| row.position),
            item_ids,
            integers(|row| row.candidate),
            floats(|row| row.score),
            floats(|row| row.base),
            floats(|row| row.utility),
            floats(|row| row.diversity),
            floats(|row| row.spacing),
            floats(|row| row.semantic),
            floats(|row| row.balance),
        ];
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|e| OutputProblem::Arrow(e.to_string()))
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
