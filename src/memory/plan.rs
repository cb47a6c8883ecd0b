//! Making a limit on memory hold.

use std::path::{Path, PathBuf};

use super::cost::{PROGRAM_BYTES, problem_bytes};
use super::size::{MemoryLimit, size_text};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::io::{
    CatalogColumns, CatalogFootprint, CatalogStorage, ColumnFootprint, Holding, InputError, catalog_footprint,
};
use crate::text::names;

/// Slates that are read, ranked and written at a time, at most; a GPU's [`Engine::slates_at_once`](crate::engine::Engine::slates_at_once)
/// where those are more and memory is not limited.
pub const BATCH_SLATES: usize = 1024;
/// Bytes of the slates of one batch where there is no limit.
const BATCH_BYTES: u64 = 128 << 20;
/// Batches that are in memory at a time, with one engine.
pub const N_BATCHES: u64 = 5;
/// What is left for work is cut into so many shares: one for each batch, three for reading slates, two for the engine, and
/// two for what the allocator cannot use.
const N_SHARES: u64 = N_BATCHES + 3 + 2 + 2;
/// Least memory to work with.
const MIN_WORK_BYTES: u64 = 24 << 20;

/// What slates in work may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Slates of one batch, all of its stages.
    pub batch_bytes: u64,
    /// Reading slates: what is decoded at a time.
    pub reader_bytes: Option<u64>,
    /// The engine: what it computes with beside the slates.
    pub engine_bytes: Option<u64>,
}

impl Work {
    /// No limit but that of a batch.
    pub const UNLIMITED: Self = Self { batch_bytes: BATCH_BYTES, reader_bytes: None, engine_bytes: None };

    /// Bytes that shares must be of, so that a slate of so many bytes fits, one that takes the engine so many, and what is
    /// decoded at a time.
    pub fn needed(slate_bytes: u64, engine_bytes: u64, decoded_bytes: u64) -> u64 {
        let share = slate_bytes.max(engine_bytes.div_ceil(2)).max(decoded_bytes.div_ceil(3));
        share.saturating_mul(N_SHARES)
    }

    /// Shares of so many bytes.
    fn within(n_bytes: u64) -> Self {
        let share = n_bytes / N_SHARES;
        Self { batch_bytes: share.min(BATCH_BYTES), reader_bytes: Some(3 * share), engine_bytes: Some(2 * share) }
    }
}

/// How a run is to lie in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPlan {
    limit: Option<MemoryLimit>,
    /// The catalog's files, for messages.
    files: String,
    /// What the catalog takes, by the headers of its files.
    pub footprint: CatalogFootprint,
    /// What is computed from it once.
    pub derived_bytes: u64,
    /// Which embeddings stay in their files, and what all else may take.
    pub storage: CatalogStorage,
    /// Bytes of the embeddings that stay in their files.
    pub mapped_bytes: u64,
    /// What slates in work may take.
    pub work: Work,
    /// What they need at least, as far as that is known.
    least_work_bytes: u64,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A file's header.
    #[error(transparent)]
    Input(#[from] InputError),
    /// More memory is needed.
    #[error("{}", too_small(*limit, needs))]
    TooSmall {
        /// The limit.
        limit: MemoryLimit,
        /// What is needed.
        needs: Box<Needs>,
    },
}

/// What a run needs at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// The catalog's files.
    pub files: String,
    /// The catalog in memory, what can stay in its files aside, and what is computed from it.
    pub catalog_bytes: u64,
    /// The column that takes the most of it.
    pub largest: Option<ColumnFootprint>,
    /// What is decoded at a time, or what slates in work need at least.
    pub work_bytes: u64,
}

impl Needs {
    fn total_bytes(&self) -> u64 {
        // Rounded up, so that the size that is told will do.
        let n_bytes = PROGRAM_BYTES.saturating_add(self.catalog_bytes).saturating_add(self.work_bytes);
        n_bytes.saturating_add((1 << 20) - 1) >> 20 << 20
    }
}

fn too_small(MemoryLimit(limit): MemoryLimit, needs: &Needs) -> String {
    let [catalog, work, program] = [needs.catalog_bytes, needs.work_bytes, PROGRAM_BYTES].map(size_text);
    let of_which = needs.largest.as_ref().map_or(String::new(), |column| {
        format!(" ({} of it \"{}\" of {})", size_text(column.bytes), column.name, column.path.display())
    });
    let is_parquet = |path: &Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    let cure = match &needs.largest {
        Some(column) if matches!(column.holding, Holding::Embedding { .. }) && is_parquet(&column.path) => {
            ", or keep that embedding as .npy beside the other columns: it can stay in its file then, which Parquet's cannot"
        }
        Some(column) if matches!(column.holding, Holding::Embedding { .. }) => {
            ", or write that embedding as little-endian float16, float32 or float64, rows in C order: it can stay in its file then"
        }
        _ => "",
    };
    format!(
        "{}: --memory-limit {} is too little: the catalog takes {catalog}{of_which}, the program {program} and slates in work \
         {work} at least: allow {} MiB{cure}",
        needs.files,
        size_text(limit),
        needs.total_bytes() >> 20,
    )
}

impl MemoryPlan {
    /// Plans a run from the headers of the catalog's files.
    ///
    /// # Errors
    /// A header that is wrong, or a limit that does not do.
    pub fn new(paths: &[PathBuf], config: &Config, limit: Option<MemoryLimit>) -> Result<Self, MemoryError> {
        let footprint = catalog_footprint(paths, &CatalogColumns::of(config))?;
        let derived_bytes = problem_bytes(config, footprint.n_items);
        let unlimited = Self {
            limit,
            files: names(paths),
            footprint,
            derived_bytes,
            storage: CatalogStorage::default(),
            mapped_bytes: 0,
            work: Work::UNLIMITED,
            least_work_bytes: MIN_WORK_BYTES,
        };
        match limit {
            None => Ok(unlimited),
            Some(limit) => unlimited.within(limit),
        }
    }

    /// The plan for slates that are known to need so many bytes in work, by [`Work::needed`].
    pub fn with_work(self, n_bytes: u64) -> Self {
        Self { least_work_bytes: n_bytes.max(MIN_WORK_BYTES), ..self }
    }

    /// Bytes of the catalog in memory and of what is computed from it.
    pub fn catalog_bytes(&self) -> u64 {
        let is_mapped =
            |c: &ColumnFootprint| self.storage.mapped.iter().any(|(path, name)| *path == c.path && *name == c.name);
        self.bytes_without(is_mapped)
    }

    fn bytes_without(&self, is_left_out: impl Fn(&ColumnFootprint) -> bool) -> u64 {
        let columns = self.footprint.columns.iter().filter(|column| !is_left_out(column));
        columns.map(|column| column.bytes).fold(self.derived_bytes, u64::saturating_add)
    }

    /// The least limit that would do, in bytes, embeddings left in their files where they can be.
    pub fn least_limit_bytes(&self) -> u64 {
        self.needs().total_bytes()
    }

    /// Embeddings that can stay in their files, largest first.
    fn mappable(&self) -> Vec<&ColumnFootprint> {
        let mut columns: Vec<_> = self.footprint.columns.iter().filter(|column| column.can_stay()).collect();
        columns.sort_by_key(|column| std::cmp::Reverse(column.bytes));
        columns
    }

    fn work_bytes(&self) -> u64 {
        self.footprint.reading_bytes.max(self.least_work_bytes)
    }

    fn needs(&self) -> Needs {
        let rest = self.footprint.columns.iter().filter(|column| !column.can_stay());
        Needs {
            files: self.files.clone(),
            catalog_bytes: self.bytes_without(ColumnFootprint::can_stay),
            largest: rest.max_by_key(|column| column.bytes).cloned(),
            work_bytes: self.work_bytes(),
        }
    }

    /// Shares out what the catalog has left, now that it is known to the byte.
    ///
    /// # Errors
    /// That is too little to work with: its headers did not tell all.
    pub fn settle(&mut self, catalog: &Catalog) -> Result<(), MemoryError> {
        let Some(limit) = self.limit else { return Ok(()) };
        let catalog_bytes = catalog.memory_bytes().saturating_add(self.derived_bytes);
        let left = limit.0.saturating_sub(PROGRAM_BYTES).saturating_sub(catalog_bytes);
        if left < MIN_WORK_BYTES {
            let (files, work_bytes) = (self.files.clone(), MIN_WORK_BYTES);
            let needs = Box::new(Needs { files, catalog_bytes, largest: None, work_bytes });
            return Err(MemoryError::TooSmall { limit, needs });
        }
        self.work = Work::within(left);
        Ok(())
    }

    /// The plan that keeps to a limit.
    ///
    /// # Errors
    /// The limit does not do.
    pub fn within(mut self, limit: MemoryLimit) -> Result<Self, MemoryError> {
        let left = |plan: &Self| limit.0.checked_sub(PROGRAM_BYTES)?.checked_sub(plan.catalog_bytes());
        let fits = |plan: &Self| left(plan).filter(|&left| left >= plan.work_bytes());
        let mappable: Vec<ColumnFootprint> = self.mappable().into_iter().cloned().collect();
        let mut mappable = mappable.into_iter();
        let work_bytes = loop {
            if let Some(left) = fits(&self) {
                break left;
            }
            let Some(column) = mappable.next() else {
                return Err(MemoryError::TooSmall { limit, needs: Box::new(self.needs()) });
            };
            self.mapped_bytes = self.mapped_bytes.saturating_add(column.bytes);
            self.storage.mapped.push((column.path, column.name));
        };
        self.work = Work::within(work_bytes);
        // What reading does not need yet is there for what no header told.
        let slack = work_bytes - self.work_bytes();
        self.storage.max_bytes = Some(self.catalog_bytes() - self.derived_bytes + slack);
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan for columns of so many MiB, by name; those in capitals can stay in their files.
    fn plan(columns: &[(&str, u64)], reading_mib: u64) -> MemoryPlan {
        let column = |&(name, mib): &(&str, u64)| {
            let can_be_mapped = name.chars().all(char::is_uppercase);
            let (path, bytes) = (PathBuf::from(format!("{name}.npy")), mib << 20);
            ColumnFootprint { path, name: name.to_owned(), bytes, holding: Holding::Embedding { can_be_mapped } }
        };
        MemoryPlan {
            limit: None,
            files: "items".to_owned(),
            footprint: CatalogFootprint {
                n_items: 1000,
                columns: columns.iter().map(column).collect(),
                reading_bytes: reading_mib << 20,
            },
            derived_bytes: 1 << 20,
            storage: CatalogStorage::default(),
            mapped_bytes: 0,
            work: Work::UNLIMITED,
            least_work_bytes: MIN_WORK_BYTES,
        }
    }

    fn mapped(plan: &MemoryPlan) -> Vec<&str> {
        plan.storage.mapped.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn embeddings_leave_memory_largest_first_and_only_where_they_must() {
        let of = |mib: u64| plan(&[("SMALL", 50), ("LARGE", 400), ("fixed", 100)], 4).within(MemoryLimit(mib << 20));
        // 551 of catalog, 64 of program, 24 of work.
        let roomy = of(1000).unwrap();
        assert_eq!((mapped(&roomy), roomy.catalog_bytes() >> 20, roomy.mapped_bytes), (vec![], 551, 0));
        assert_eq!(mapped(&of(639).unwrap()), Vec::<&str>::new());
        let one = of(638).unwrap();
        assert_eq!((mapped(&one), one.catalog_bytes() >> 20, one.mapped_bytes >> 20), (vec!["LARGE"], 151, 400));
        assert_eq!(mapped(&of(239).unwrap()), ["LARGE"]);
        assert_eq!(mapped(&of(238).unwrap()), ["LARGE", "SMALL"]);
        assert!(of(189).is_ok());
        let error = of(188).unwrap_err().to_string();
        let expected = "items: --memory-limit 188 MiB is too little: the catalog takes 101 MiB (100 MiB of it \"fixed\" of fixed.npy), \
                        the program 64 MiB and slates in work 24 MiB at least: allow 189 MiB, or write that embedding";
        assert!(error.starts_with(expected), "{error}");
        assert!(of(1).is_err() && MemoryLimit(u64::MAX) > MemoryLimit(1));
    }

    #[test]
    fn the_least_limit_does_and_a_mebibyte_less_does_not() {
        for (columns, reading) in [(&[("fixed", 7)][..], 3), (&[("A", 9), ("b", 30)][..], 90), (&[][..], 0)] {
            let plan = plan(columns, reading);
            let least = plan.least_limit_bytes();
            assert!(plan.clone().within(MemoryLimit(least)).is_ok());
            assert!(plan.within(MemoryLimit(least - (1 << 20))).is_err());
        }
    }

    #[test]
    fn what_is_known_of_slates_makes_room_for_them() {
        for (slate, engine, decoded) in [(5 << 20, 0, 0), (0, 5 << 20, 1), (1, 2, 7 << 20), (3 << 20, 9 << 20, 4 << 20)]
        {
            let needed = Work::needed(slate, engine, decoded);
            let work = Work::within(needed);
            assert!(
                work.batch_bytes >= slate && work.reader_bytes >= Some(decoded) && work.engine_bytes >= Some(engine)
            );
            let plan = plan(&[("fixed", 7)], 3).with_work(needed);
            assert_eq!(
                plan.least_limit_bytes(),
                PROGRAM_BYTES + (8 << 20) + needed.max(MIN_WORK_BYTES).next_multiple_of(1 << 20)
            );
        }
    }

    #[test]
    fn shares_add_up_and_nothing_overflows() {
        let work = Work::within(240 << 20);
        let all = N_BATCHES * work.batch_bytes + work.reader_bytes.unwrap() + work.engine_bytes.unwrap();
        assert!(all <= 200 << 20 && all > 190 << 20, "{all}");
        assert_eq!(Work::within(u64::MAX).batch_bytes, BATCH_BYTES);
        let vast = plan(&[("a", u64::MAX >> 20), ("B", u64::MAX >> 20)], u64::MAX >> 20);
        assert!(vast.within(MemoryLimit(u64::MAX)).is_err());
    }
}
