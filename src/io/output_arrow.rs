//! Ranked slates as Arrow IPC: a stream, which goes out batch by batch, or a file.

use arrow_ipc::writer::{FileWriter, StreamWriter};

use super::output::SlateSink;
use super::output_answers::AnswerWriter;
use super::output_batch::OutputBatches;
use super::output_error::{OutputError, OutputProblem, output_at};
use super::output_target::Target;
use crate::catalog::Catalog;
use crate::slate::{RankedSlate, Slate};

/// On standard output one message per batch of slates, which says how many they are.
pub(crate) struct ArrowStreamSink {
    writer: StreamWriter<Target>,
    batches: OutputBatches,
    /// Where somebody may wait for every batch.
    answers: Option<AnswerWriter>,
}

impl ArrowStreamSink {
    /// Writes the schema at once: who reads a pipe may wait for it before sending slates.
    pub(crate) fn new(target: Target, has_ids: bool, metadata: &[(String, String)]) -> Result<Self, OutputError> {
        let (path, is_live) = (target.path().to_owned(), target.is_live());
        let of = if is_live { OutputBatches::for_stream } else { OutputBatches::for_file };
        let batches = of(has_ids, metadata);
        let writer = StreamWriter::try_new(target, &batches.schema).and_then(|mut writer| {
            writer.flush()?;
            Ok(writer)
        });
        Ok(Self { writer: output_at(&path, writer)?, batches, answers: is_live.then(AnswerWriter::new) })
    }

    fn write_rows(&mut self, rows: (&[Slate], &[RankedSlate], &Catalog)) -> Result<(), OutputProblem> {
        let Self { writer, batches, answers } = self;
        let Some(answers) = answers else { return batches.add(rows, |batch| writer.write(batch)) };
        // A batch that ends early, since it has no room for more letters, makes no slate's answer whole.
        batches.add(rows, |batch| answers.write(writer.get_mut(), batch, 0))?;
        answers.write(writer.get_mut(), &batches.take()?, rows.0.len())?;
        Ok(writer.flush()?)
    }

    fn end(&mut self) -> Result<(), OutputProblem> {
        if let Some(batch) = self.batches.rest()? {
            self.writer.write(&batch)?;
        }
        Ok(self.writer.finish()?)
    }
}

impl SlateSink for ArrowStreamSink {
    fn write(&mut self, slates: &[Slate], ranked: &[RankedSlate], catalog: &Catalog) -> Result<(), OutputError> {
        let written = self.write_rows((slates, ranked, catalog));
        output_at(self.writer.get_ref().path(), written)
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        let path = self.writer.get_ref().path().to_owned();
        output_at(&path, self.end())?;
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
        let batches = OutputBatches::for_file(has_ids, metadata);
        let writer = FileWriter::try_new(target, &batches.schema);
        Ok(Self { writer: output_at(&path, writer)?, batches })
    }

    fn end(&mut self) -> Result<(), OutputProblem> {
        if let Some(batch) = self.batches.rest()? {
            self.writer.write(&batch)?;
        }
        Ok(self.writer.finish()?)
    }
}

impl SlateSink for ArrowFileSink {
    fn write(&mut self, slates: &[Slate], ranked: &[RankedSlate], catalog: &Catalog) -> Result<(), OutputError> {
        let Self { writer, batches } = &mut *self;
        let written = batches.add((slates, ranked, catalog), |batch| writer.write(batch));
        output_at(self.writer.get_ref().path(), written)
    }

    fn finish(mut self: Box<Self>) -> Result<(), OutputError> {
        let path = self.writer.get_ref().path().to_owned();
        output_at(&path, self.end())?;
        output_at(&path, self.writer.into_inner())?.finish()
    }
}
