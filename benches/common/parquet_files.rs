//! Catalogs and slates as Parquet files, for runs of the whole program.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ArrayRef, ListArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use spectrank::catalog::{Catalog, EmbeddingData};
use spectrank::slate::Slate;

/// What can fail in many ways.
pub type Failable<T> = Result<T, Box<dyn std::error::Error>>;

/// Writes a catalog of single-precision rows.
pub fn write_catalog(path: &Path, catalog: &Catalog) -> Failable<()> {
    let signal = catalog.signals().first().ok_or("no embedding")?;
    let EmbeddingData::F32(values) = &signal.data else { return Err("made-up rows are f32".into()) };
    let rows = values.chunks(signal.dim).map(|row| Some(row.iter().map(|&value| Some(value))));
    let rows: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows));
    write(path, [Ok(RecordBatch::try_from_iter([(signal.name.as_str(), rows)])?)])
}

/// Writes `n_slates` slates, which come again and again under other names.
pub fn write_slates(path: &Path, slates: &[Slate], n_slates: usize) -> Failable<()> {
    let block = |start: usize| -> Failable<RecordBatch> {
        let places = start..n_slates.min(start + slates.len());
        let of = || places.clone().map(|place| &slates[place % slates.len()]);
        let candidates = of().map(|slate| Some(slate.candidates.iter().map(|&row| Some(row))));
        let scores = of().map(|slate| Some(slate.scores.iter().map(|&score| Some(score as f32))));
        let columns: [(&str, ArrayRef); 3] = [
            ("slate_id", Arc::new(StringArray::from_iter_values(places.clone().map(|place| place.to_string())))),
            ("candidates", Arc::new(ListArray::from_iter_primitive::<UInt32Type, _, _>(candidates))),
            ("scores", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(scores))),
        ];
        Ok(RecordBatch::try_from_iter(columns)?)
    };
    write(path, (0..n_slates).step_by(slates.len()).map(block))
}

fn write(path: &Path, batches: impl IntoIterator<Item = Failable<RecordBatch>>) -> Failable<()> {
    let mut batches = batches.into_iter();
    let first = batches.next().ok_or("nothing to write")??;
    let mut writer = ArrowWriter::try_new(File::create(path)?, first.schema(), None)?;
    writer.write(&first)?;
    for batch in batches {
        writer.write(&batch?)?;
    }
    writer.close()?;
    Ok(())
}
