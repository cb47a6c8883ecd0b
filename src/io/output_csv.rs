//! Ranked slates as CSV with a header. Numbers round-trip.

use super::output::{COLUMNS, SlateSink, rows};
use super::output_error::{OutputError, OutputProblem, output_at};
use super::output_target::Target;
use crate::catalog::Catalog;
use crate::slate::{RankedSlate, Slate};

/// One record per position.
pub(crate) struct CsvSink {
    path: std::path::PathBuf,
    writer: csv::Writer<Target>,
    has_ids: bool,
}

impl CsvSink {
    /// Writes the header at once, so that an output without rows still has its columns.
    pub(crate) fn new(target: Target, has_ids: bool) -> Result<Self, OutputError> {
        let path = target.path().to_owned();
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(target);
        output_at(&path, writer.write_record(COLUMNS).map_err(problem))?;
        Ok(Self { path, writer, has_ids })
    }
}

impl SlateSink for CsvSink {
    fn write(&mut self, slates: &[Slate], ranked: &[RankedSlate], catalog: &Catalog) -> Result<(), OutputError> {
        for row in rows(slates, ranked, catalog, self.has_ids) {
            output_at(&self.path, row.and_then(|row| self.writer.serialize(row).map_err(problem)))?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), OutputError> {
        let target = self.writer.into_inner().map_err(|e| std::io::Error::new(e.error().kind(), e.error().to_string()));
        output_at(&self.path, target)?.finish()
    }
}

/// A pipe's error stays what it is: wrapped up as another one, nobody can tell that its reader has gone.
fn problem(error: csv::Error) -> OutputProblem {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => OutputProblem::Write(error),
        other => OutputProblem::Write(std::io::Error::other(format!("{other:?}"))),
    }
}
