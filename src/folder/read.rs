//! Slates part by part: those that are done are passed over.

use super::OutputFolder;
use crate::io::{BatchLimit, InputError, SlateSource};
use crate::slate::Slate;

/// Slates of one part.
#[derive(Debug, Clone, PartialEq)]
pub struct PartBatch {
    /// Number of the part.
    pub part: usize,
    /// Some of its slates, in order.
    pub slates: Vec<Slate>,
}

/// The slates that are left to do, in batches that never reach over the border of a part.
pub struct FolderSource<'a> {
    source: Box<dyn SlateSource + Send + 'a>,
    /// Parts to make again, the next one last.
    lost: Vec<usize>,
    /// The first part that was not begun; nothing where all are there.
    next: Option<usize>,
    part_slates: u64,
    /// Slates of the input that were read or passed over.
    at: u64,
    /// The part at hand, and how many slates it still takes.
    current: Option<(usize, u64)>,
}

impl<'a> FolderSource<'a> {
    /// What a folder lacks, from slates that were not read yet.
    pub fn new(source: Box<dyn SlateSource + Send + 'a>, folder: &OutputFolder) -> Self {
        let next = (!folder.has_all_parts()).then_some(folder.parts.len());
        let lost = folder.lost.iter().rev().copied().collect();
        Self { source, lost, next, part_slates: folder.header.part_slates, at: 0, current: None }
    }

    /// The next slates within the limit, or nothing where no part is left.
    ///
    /// # Errors
    /// As the source has them.
    pub fn next_batch(&mut self, limit: BatchLimit) -> Result<Option<PartBatch>, InputError> {
        loop {
            let Some((part, n_left)) = self.current.filter(|&(_, n_left)| n_left > 0) else {
                let part = match (self.lost.pop(), &mut self.next) {
                    (Some(part), _) => part,
                    (None, Some(next)) => std::mem::replace(next, *next + 1),
                    (None, None) => return Ok(None),
                };
                let start = part as u64 * self.part_slates;
                self.at += self.source.skip(start - self.at)?;
                if self.at < start {
                    return Ok(None);
                }
                self.current = Some((part, self.part_slates));
                continue;
            };
            let max_slates = limit.max_slates.min(usize::try_from(n_left).unwrap_or(usize::MAX));
            let Some(slates) = self.source.next_batch_within(BatchLimit { max_slates, ..limit })? else {
                // The last part is shorter than the others; after it, nothing comes.
                (self.current, self.next) = (None, None);
                self.lost.clear();
                return Ok(None);
            };
            self.at += slates.len() as u64;
            self.current = Some((part, n_left - slates.len() as u64));
            return Ok(Some(PartBatch { part, slates }));
        }
    }
}
