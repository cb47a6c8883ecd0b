//! `--memory-limit`: a catalog, slates and an engine that keep to it.

use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::Args;
use spectrank::catalog::Catalog;
use spectrank::config::Config;
use spectrank::engine::{ChosenEngine, Engine, Interrupted};
use spectrank::io::{self, BatchLimit, CatalogColumns, SlateFields, SlateSource};
use spectrank::memory::{
    BATCH_SLATES, MemoryError, MemoryLimit, MemoryPlan, N_BATCHES, Work, scratch_bytes, size_text, slate_bytes,
};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};

use super::{Exit, Failure};

/// How much memory to take.
#[derive(Debug, Args)]
pub struct MemoryFlags {
    /// Most memory to take: 4GiB, 512MB. Fewer slates are in work at a time where that is needed, then embeddings of .npy and
    /// .safetensors files stay in their files, and where that does not do, nothing begins. What a GPU's driver takes does not
    /// count, nor do pages of files, which the system takes back when it needs them. `check` says which limit would do.
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<MemoryLimit>,
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Self {
        Self::new(Exit::Input, error)
    }
}

impl MemoryFlags {
    /// The limit.
    pub fn limit(&self) -> Option<MemoryLimit> {
        self.memory_limit
    }

    /// Plans a run, and reads the catalog as planned.
    pub fn read_catalog(&self, paths: &[PathBuf], config: &Config) -> Result<(Memory, Catalog), Failure> {
        let columns = CatalogColumns::of(config);
        if self.memory_limit.is_none() {
            let memory = Memory { work: Work::UNLIMITED, mapped: Vec::new(), mapped_bytes: 0 };
            return Ok((memory, io::read_catalog(paths, &columns)?));
        }
        let mut plan = MemoryPlan::new(paths, config, self.memory_limit)?;
        let catalog = io::read_catalog_as(paths, &columns, &plan.storage)?;
        plan.settle(&catalog)?;
        let mapped = plan.storage.mapped.into_iter().map(|(_, name)| name).collect();
        Ok((Memory { work: plan.work, mapped, mapped_bytes: plan.mapped_bytes }, catalog))
    }
}

/// What a run may take, and what it left in files.
#[derive(Debug)]
pub struct Memory {
    work: Work,
    mapped: Vec<String>,
    /// Bytes of embeddings that stay in their files.
    pub mapped_bytes: u64,
}

impl Memory {
    /// What there is to say about the catalog, in one line.
    pub fn notice(&self) -> Option<String> {
        let (names, size) = (self.mapped.join(", "), size_text(self.mapped_bytes));
        (!self.mapped.is_empty())
            .then(|| format!("to keep to the memory limit, {size} of embeddings stay in their files: {names}"))
    }

    /// Opens slates. The catalog's rows are read in the order in which slates name them from here on.
    pub fn open_slates<'a>(
        &self,
        paths: &[PathBuf],
        catalog: &'a Catalog,
        fields: &SlateFields,
    ) -> Result<Box<dyn SlateSource + Send + 'a>, Failure> {
        catalog.expect_no_order();
        Ok(io::open_slates_within(paths, catalog, fields, self.work.reader_bytes)?)
    }

    /// What may be in a batch, for so many engines: each after the first adds two batches, which a limit has to hold as well. A message of an Arrow pipe is
    /// answered by one batch whatever it takes, unless memory is limited: who sent it may count on that. Else there may be several, and
    /// each says how many slates it answers.
    pub fn batch_limit(&self, config: &Config, engines: &[ChosenEngine], is_arrow_pipe: bool) -> BatchLimit {
        let n_more = 2 * engines.len().saturating_sub(1) as u64;
        let max_bytes = match (self.work == Work::UNLIMITED, is_arrow_pipe) {
            (true, true) => u64::MAX,
            (true, false) => self.work.batch_bytes,
            (false, _) => self.work.batch_bytes * N_BATCHES / (N_BATCHES + n_more),
        };
        // A GPU works on one batch while the next is on its way. Bytes of outputs do not depend on batches.
        let wanted = engines.iter().map(|engine| engine.engine.slates_at_once()).max();
        let max_slates = wanted.filter(|_| self.work == Work::UNLIMITED).unwrap_or(1).max(BATCH_SLATES);
        BatchLimit { max_slates, max_bytes, n_positions: config.slate_size }
    }

    /// Holds slates that were read within a limit against it: one alone can be beyond.
    pub fn check_slates(&self, slates: &[Slate], problem: &Problem<'_>, limit: BatchLimit) -> Result<(), Failure> {
        let BatchLimit { max_bytes, n_positions, .. } = limit;
        let Some(engine_bytes) = self.work.engine_bytes else { return Ok(()) };
        for slate in slates {
            let n_bytes = slate_bytes(slate, n_positions);
            if n_bytes > max_bytes {
                return Err(too_large(slate, "it takes", n_bytes, max_bytes));
            }
            let n_bytes = scratch_bytes(problem, slate.candidates.len(), slate.recent.len(), size_of::<f32>());
            if n_bytes > engine_bytes {
                return Err(too_large(slate, "ranking it takes", n_bytes, engine_bytes));
            }
        }
        Ok(())
    }

    /// Ranks slates, as many at a time as there is room for.
    pub fn rerank(
        &self,
        engine: &mut ChosenEngine<'_>,
        problem: &Problem<'_>,
        slates: &[PreparedSlate],
    ) -> Result<Vec<RankedSlate>, Interrupted> {
        let value_bytes = match engine.engine {
            Engine::CpuF32(_) => size_of::<f32>(),
            Engine::CpuF64(_) => size_of::<f64>(),
            // What the device computes with is on the device.
            Engine::Gpu(_) => return engine.rerank(slates),
        };
        let Some(engine_bytes) = self.work.engine_bytes else { return engine.rerank(slates) };
        let size = |slate: &PreparedSlate| scratch_bytes(problem, slate.n_candidates(), slate.n_recent(), value_bytes);
        let largest = slates.iter().map(size).max().unwrap_or(1);
        let n_at_a_time = usize::try_from(engine_bytes / largest.max(1)).unwrap_or(usize::MAX).max(1);
        if n_at_a_time >= available_parallelism().map_or(1, usize::from) {
            return engine.rerank(slates);
        }
        let mut ranked = Vec::with_capacity(slates.len());
        slates.chunks(n_at_a_time).try_for_each(|some| engine.rerank_into(some, &mut ranked))?;
        Ok(ranked)
    }

    /// Checks that files which stand in for memory are what they were.
    pub fn check_files(&self, catalog: &Catalog) -> Result<(), Failure> {
        match catalog.mapped_files().find(|file| !file.is_unchanged()) {
            None => Ok(()),
            Some(file) => {
                let what = "was changed while its embeddings were read from it, so the result may be wrong: run again";
                Err(Failure::input(file.path().display(), what))
            }
        }
    }
}

fn too_large(slate: &Slate, what: &str, n_bytes: u64, left_bytes: u64) -> Failure {
    let (id, n_candidates) = (slate.id.escape_debug(), slate.candidates.len());
    let [needed, left] = [n_bytes, left_bytes].map(size_text);
    let cure = "raise the limit, or send fewer candidates";
    let line = format_args!(
        "slate \"{id}\" has {n_candidates} candidates, {what} {needed}, and {left} are left for that: {cure}"
    );
    Failure::input("--memory-limit", line)
}
