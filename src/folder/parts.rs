//! Writing parts, and committing each as soon as it is complete.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};

use super::error::{At, FolderError, FolderProblem};
use super::look::mark_of;
use super::manifest::Part;
use super::open::sync;
use super::{OutputFolder, PartBatch, SUCCESS_NAME, part_name};
use crate::catalog::Catalog;
use crate::io::{PartDraft, SlateSink, TextFile, create_part};
use crate::slate::RankedSlate;

/// How much is committed, to be read while a run goes on and after it failed.
#[derive(Debug, Clone, Default)]
pub struct Kept(Arc<[AtomicU64; 2]>);

impl Kept {
    /// Parts in the manifest.
    pub fn parts(&self) -> u64 {
        self.0[0].load(Ordering::Relaxed)
    }

    /// Their slates.
    pub fn slates(&self) -> u64 {
        self.0[1].load(Ordering::Relaxed)
    }

    fn add(&self, part: &Part) {
        self.0[0].fetch_add(1, Ordering::Relaxed);
        self.0[1].fetch_add(part.slates, Ordering::Relaxed);
    }
}

/// Takes ranked slates and writes them as parts. Dropped without `finish`, it leaves the parts that are complete.
pub struct FolderSink {
    folder: OutputFolder,
    has_ids: bool,
    metadata: Vec<(String, String)>,
    current: Option<Open>,
    kept: Kept,
}

/// A part in the making.
struct Open {
    number: usize,
    sink: Box<dyn SlateSink + Send>,
    done: Receiver<PartDraft>,
    n_slates: u64,
    n_rows: u64,
    /// What computed some of it, where that is not the run's engine.
    engine: Option<String>,
}

impl FolderSink {
    /// A sink into a folder. `metadata` goes into every part where the format has a place for it.
    pub fn new(folder: OutputFolder, has_ids: bool, metadata: &[(String, String)]) -> Self {
        let kept = Kept::default();
        folder.kept().for_each(|part| kept.add(part));
        Self { folder, has_ids, metadata: metadata.to_vec(), current: None, kept }
    }

    /// What is committed, as it grows.
    pub fn kept(&self) -> Kept {
        self.kept.clone()
    }

    /// Writes ranked slates, in the order in which [`super::FolderSource`] gives them; `engine` is what computed them. A
    /// part that is complete is committed.
    ///
    /// # Errors
    /// A disk that refuses. What was committed stays.
    pub fn write(
        &mut self,
        batch: &PartBatch,
        ranked: &[RankedSlate],
        catalog: &Catalog,
        engine: &str,
    ) -> Result<(), FolderError> {
        let mut open = match self.current.take() {
            Some(open) if open.number == batch.part => open,
            _ => self.open_part(batch.part)?,
        };
        open.sink.write(&batch.slates, ranked, catalog).at(&self.folder.path)?;
        open.n_slates += batch.slates.len() as u64;
        open.n_rows += ranked.iter().map(|ranked| ranked.placements.len() as u64).sum::<u64>();
        if engine != self.folder.header.engine {
            open.engine = Some(engine.to_owned());
        }
        let is_last = self.folder.parts.get(open.number).is_some_and(|part| part.slates == open.n_slates);
        if open.n_slates == self.folder.header.part_slates || is_last {
            return self.commit(open);
        }
        self.current = Some(open);
        Ok(())
    }

    fn open_part(&self, number: usize) -> Result<Open, FolderError> {
        let OutputFolder { path, header, .. } = &self.folder;
        let (sender, done) = channel();
        let file = path.join(part_name(number, header.format));
        let sink = create_part(&file, header.format, self.has_ids, &self.metadata, sender).at(path)?;
        Ok(Open { number, sink, done, n_slates: 0, n_rows: 0, engine: None })
    }

    /// Gives a part its name and adds it to the manifest, in this order, each on the disk before the next.
    fn commit(&mut self, open: Open) -> Result<(), FolderError> {
        let Self { folder, kept, .. } = self;
        let (number, path) = (open.number, folder.path.clone());
        let file = part_name(number, folder.header.format);
        open.sink.finish().at(&path)?;
        let lost = || std::io::Error::other("its sink has gone");
        let draft = open.done.try_recv().map_err(|_| FolderProblem::Write { name: file.clone(), error: lost() });
        let PartDraft { draft, digest } = draft.at(&path)?;
        let part = Part {
            file,
            first_slate: number as u64 * folder.header.part_slates,
            slates: open.n_slates,
            rows: open.n_rows,
            digest,
            engine: open.engine,
        };
        match folder.parts.get(number) {
            // Made again: it is in the manifest, and is what it was.
            Some(before) if *before != (Part { engine: before.engine.clone(), ..part.clone() }) => {
                return Err(FolderProblem::NotTheSame { file: part.file }).at(&path);
            }
            Some(_) => {
                draft.keep().at(&path)?;
                sync(&path, &part.file).at(&path)?;
                folder.lost.retain(|&lost| lost != number);
            }
            None => {
                draft.keep().at(&path)?;
                sync(&path, &part.file).at(&path)?;
                folder.journal.append(&part).at(&path)?;
                folder.parts.push(part.clone());
            }
        }
        kept.add(&part);
        Ok(())
    }

    /// Commits the last part and sets the mark. An input without slates makes one part without rows, which has the columns.
    ///
    /// # Errors
    /// A disk that refuses; an input that ended before the parts that are to be made again. What was committed stays.
    pub fn finish(mut self) -> Result<Vec<Part>, FolderError> {
        if let Some(open) = self.current.take() {
            self.commit(open)?;
        } else if self.folder.parts.is_empty() {
            let open = self.open_part(0)?;
            self.commit(open)?;
        }
        let OutputFolder { path, journal, parts, lost, has_mark, .. } = &mut self.folder;
        if let Some(part) = lost.first().and_then(|&number| parts.get(number)) {
            return Err(FolderProblem::NotTheSame { file: part.file.clone() }).at(path);
        }
        if !*has_mark {
            set_mark(path, &mark_of(parts, &journal.digest()))?;
        }
        Ok(std::mem::take(parts))
    }
}

fn set_mark(folder: &Path, content: &[u8]) -> Result<(), FolderError> {
    let mark = TextFile::create(&folder.join(SUCCESS_NAME)).at(folder)?;
    mark.finish_synced(&String::from_utf8_lossy(content)).at(folder)?;
    sync(folder, SUCCESS_NAME).at(folder)
}
