//! Ranked slates as Arrow IPC: a stream, which goes out batch by batch, or a file.

use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::ArrowError;

use super::output::SlateSink;
use super::output_batch::OutputBatches;
use super::output_error::{OutputError, output_at};
use super::output_target::Target;
use crate::catalog::Catalog;
use crate::slate::{RankedSlate, Slate};

/// One message per batch of slates.
pub(crate) struct ArrowStreamSink {
    writer: StreamWriter<Target>,
    batches: OutputBatches,
}

impl ArrowStreamSink {
    /// Writes the schema at once: who reads a pipe may wait for it before sending slates.
    pub(crate) fn new(target: Target, has_ids: bool, metadata: &[(String, String)]) -> Result<Self, OutputError> {
        let path = target.path().to_owned();
        let batches = OutputBatches::new(has_ids, metadata);
        let writer = StreamWriter::try_new(target, &batches.schema).and_then(|mut writer| {
            writer.flush()?;
            Ok(writer)
        });
        Ok(Self { writer: output_at(&path, writer)?, batches })
    }

    fn write_flushed(&mut self, batch: &arrow_array::RecordBatch) -> Result<(), ArrowError> {
        self.writer.write(batch)?;
        self.writer.flush()
    }
}

impl SlateSink for ArrowStreamSink {
    fn write(&mut self, slates: &[Slate], ranked: &[RankedSlate], catalog: &Catalog) -> Result<(), OutputError> {
        let batch = output_at(self.writer.get_ref().path(), self.batches.batch(slates, ranked, catalog))?;
        let written = self.write_flushed(&batch);
        output_at(self.writer.get_ref().path(), written)
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        let path = self.writer.get_ref().path().to_owned();
        output_at(&path, self.writer.finish())?;
        output_at(&path, self.writer.into_inner())?.finish()
    }
}

/// Batches with an index at the end.
pub(crate) struct ArrowFileSink {
    writer: FileWriter<Target>,
    batches: OutputBatches,
}

impl ArrowFileSink {
    pub(crate) fn new(target: Target, has_ids: bool, metadata: &[(String, String)]) -> Result<Self, OutputError> {
        let path = target.path().to_owned();
        let batches = OutputBatches::new(has_ids, metadata);
        let writer = FileWriter::try_new(target, &batches.schema);
        Ok(Self { writer: output_at(&path, writer)?, batches })
    }
}

impl SlateSink for ArrowFileSink {
    fn write(&mut self, slates: &[Slate], ranked: &[RankedSlate], catalog: &Catalog) -> Result<(), OutputError> {
        let batch = output_at(self.writer.get_ref().path(), self.batches.batch(slates, ranked, catalog))?;
        let written = self.writer.write(&batch);
        output_at(self.writer.get_ref().path(), written)
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        let path = self.writer.get_ref().path().to_owned();
        output_at(&path, self.writer.finish())?;
        output_at(&path, self.writer.into_inner())?.finish()
    }
}
