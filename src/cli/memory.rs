//! `--memory-limit`: a catalog, slates and an engine that keep to it.

use std::path::PathBuf;

use clap::Args;
use spectrank::catalog::Catalog;
use spectrank::config::Config;
use spectrank::engine::{ChosenEngine, Engine};
use spectrank::io::{self, BatchLimit, CatalogColumns, SlateFields, SlateSource};
use spectrank::memory::{
    BATCH_SLATES, MemoryError, MemoryLimit, MemoryPlan, Work, scratch_bytes, size_text, slate_bytes,
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

    /// The next slates, as many as may be in work at a time.
    pub fn next_batch(&self, source: &mut dyn SlateSource, n_positions: usize) -> Result<Option<Vec<Slate>>, Failure> {
        let max_bytes = self.work.batch_bytes;
        let slates = source.next_batch_within(BatchLimit { max_slates: BATCH_SLATES, max_bytes, n_positions })?;
        let sizes = slates.iter().flatten().map(|slate| (slate, slate_bytes(slate, n_positions)));
        match sizes.into_iter().find(|(_, n_bytes)| self.work.engine_bytes.is_some() && *n_bytes > max_bytes) {
            Some((slate, n_bytes)) => Err(too_large(&slate.id, n_bytes, max_bytes)),
            None => Ok(slates),
        }
    }

    /// Ranks slates, as many at a time as there is room for.
    pub fn rerank(
        &self,
        engine: &mut ChosenEngine<'_>,
        problem: &Problem<'_>,
        slates: &[PreparedSlate],
    ) -> Result<Vec<RankedSlate>, Failure> {
        let value_bytes = match engine.engine {
            Engine::CpuF32(_) => size_of::<f32>(),
            Engine::CpuF64(_) => size_of::<f64>(),
            Engine::Gpu(_) => 0,
        };
        let Some(most) = self.work.engine_bytes.filter(|_| value_bytes > 0) else { return Ok(engine.rerank(slates)?) };
        let sizes = slates.iter().zip(0..).map(|(slate, at): (_, usize)| {
            (scratch_bytes(problem, slate.n_candidates(), slate.n_recent(), value_bytes), at)
        });
        let Some((n_bytes, at)) = sizes.max() else { return Ok(Vec::new()) };
        let mut ranked = Vec::with_capacity(slates.len());
        match usize::try_from(most / n_bytes.max(1)).unwrap_or(usize::MAX) {
            0 => {
                let n_candidates = slates[at].n_candidates();
                let needed = format_args!("ranking a slate of {n_candidates} candidates takes {}", size_text(n_bytes));
                return Err(Failure::input("--memory-limit", left(needed, most)));
            }
            n if n >= rayon_threads() => engine.rerank_into(slates, &mut ranked)?,
            n => slates.chunks(n).try_for_each(|some| engine.rerank_into(some, &mut ranked))?,
        }
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

fn rayon_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn left(needed: impl std::fmt::Display, left_bytes: u64) -> String {
    format!("{needed}, and {} are left for that: raise the limit, or send fewer candidates", size_text(left_bytes))
}

fn too_large(slate: &str, n_bytes: u64, left_bytes: u64) -> Failure {
    let needed = format_args!("slate \"{slate}\" takes {}", size_text(n_bytes));
    Failure::input("--memory-limit", left(needed, left_bytes))
}
