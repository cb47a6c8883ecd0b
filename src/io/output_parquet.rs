//! Ranked slates as Parquet, compressed, one row group after the other.

use std::path::PathBuf;
use std::sync::Arc;

use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::output::SlateSink;
use super::output_batch::OutputBatches;
use super::output_error::{OutputError, output_at};
use super::output_target::Target;
use crate::catalog::Catalog;
use crate::slate::{RankedSlate, Slate};

/// Rows that are held before they are written out.
const ROW_GROUP_ROWS: usize = 1 << 18;

/// One row per position.
pub(crate) struct ParquetSink {
    path: PathBuf,
    writer: ArrowWriter<Target>,
    batches: OutputBatches,
}

impl ParquetSink {
    pub(crate) fn new(target: Target, has_ids: bool, metadata: &[(String, String)]) -> Result<Self, OutputError> {
        let pairs = metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_key_value_metadata(Some(pairs))
            // Hardly any two are alike: a dictionary of them would be given up after a megabyte of work.
            .set_column_dictionary_enabled("utility".into(), false)
            .set_column_dictionary_enabled("diversity".into(), false)
            // What is said of every page is kept until the end of the file, however long that is.
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .build();
        let batches = OutputBatches::for_file(has_ids, &[]);
        let path = target.path().to_owned();
        let writer = ArrowWriter::try_new(target, Arc::clone(&batches.schema), Some(properties));
        Ok(Self { writer: output_at(&path, writer)?, path, batches })
    }
}

impl SlateSink for ParquetSink {
    fn write(&mut self, slates: &[Slate], ranked: &[RankedSlate], catalog: &Catalog) -> Result<(), OutputError> {
        let Self { writer, batches, .. } = self;
        let written = batches.add((slates, ranked, catalog), |batch| writer.write(batch));
        output_at(&self.path, written)
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        if let Some(batch) = output_at(&self.path, self.batches.rest())? {
            output_at(&self.path, self.writer.write(&batch))?;
        }
        output_at(&self.path, self.writer.into_inner())?.finish()
    }
}
