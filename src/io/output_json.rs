//! Ranked slates as JSON lines. Numbers round-trip; what is not finite is null.

use std::io::Write;

use super::output::{SlateSink, rows};
use super::output_error::{OutputError, OutputProblem, output_at};
use super::output_target::Target;
use crate::catalog::Catalog;
use crate::slate::{RankedSlate, Slate};

/// One object per position.
pub(crate) struct JsonSink {
    target: Target,
    has_ids: bool,
}

impl JsonSink {
    pub(crate) fn new(target: Target, has_ids: bool) -> Self {
        Self { target, has_ids }
    }
}

impl SlateSink for JsonSink {
    fn write(&mut self, slates: &[Slate], ranked: &[RankedSlate], catalog: &Catalog) -> Result<(), OutputError> {
        for row in rows(slates, ranked, catalog, self.has_ids) {
            let written = row.and_then(|row| {
                serde_json::to_writer(&mut self.target, &row).map_err(std::io::Error::from)?;
                self.target.write_all(b"\n").map_err(OutputProblem::from)
            });
            output_at(self.target.path(), written)?;
        }
        let ended = self.target.end_batch();
        output_at(self.target.path(), ended)
    }

    fn finish(self: Box<Self>) -> Result<(), OutputError> {
        self.target.finish()
    }
}
