//! Where rankings go.

use indicatif::ProgressBar;
use spectrank::catalog::Catalog;
use spectrank::io::SlateSink;
use spectrank::pipeline::WriteStage;
use spectrank::slate::{RankedSlate, Slate};

use super::{Stop, Summary};

/// One file or stream.
pub struct Writer<'a> {
    pub sink: Box<dyn SlateSink + Send>,
    pub catalog: &'a Catalog,
    pub bar: ProgressBar,
}

impl WriteStage<(Vec<Slate>, Vec<RankedSlate>), Stop> for Writer<'_> {
    fn write(&mut self, (slates, ranked): (Vec<Slate>, Vec<RankedSlate>)) -> Result<(), Stop> {
        self.sink.write(&slates, &ranked, self.catalog)?;
        self.bar.inc(slates.len() as u64);
        Ok(())
    }
}

/// A writer that counts what it is given.
pub struct Counted<W> {
    pub summary: Summary,
    pub writer: W,
}

impl<W> WriteStage<(Vec<Slate>, Vec<RankedSlate>), Stop> for Counted<W>
where
    W: WriteStage<(Vec<Slate>, Vec<RankedSlate>), Stop>,
{
    fn write(&mut self, (slates, ranked): (Vec<Slate>, Vec<RankedSlate>)) -> Result<(), Stop> {
        self.summary.count(&slates, &ranked);
        self.writer.write((slates, ranked))
    }
}
