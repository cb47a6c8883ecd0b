//! Reading a catalog: which columns are wanted, and several files joined by row.

use std::path::{Path, PathBuf};

use super::error::{AtPath, InputError, InputProblem};
use super::format::{Format, Role, open_as};
use super::{catalog_parquet, npy, safetensors};
use crate::catalog::{Catalog, CatalogError, Column, Embedding, ItemIds};
use crate::config::{Config, Holds};

/// The columns to read. `item_id` is always read where it is present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogColumns {
    /// Everything in the files.
    All,
    /// What a configuration uses; nothing else is decoded.
    Only {
        /// Embedding columns by name; `None` is the first embedding column of the files.
        signals: Option<Vec<String>>,
        /// Other columns by name.
        columns: Vec<String>,
    },
}

impl CatalogColumns {
    /// What a configuration needs, and nothing else.
    pub fn of(config: &Config) -> Self {
        let needs = config.catalog_needs();
        let embeddings = needs.into_iter().filter(|need| need.holds == Holds::Embedding);
        // One without a name stands for the first of the files.
        Self::Only { signals: embeddings.map(|need| need.column).collect(), columns: config.columns() }
    }

    /// What several configurations need between them, and these columns. Where some name their signals and others take the
    /// first embedding, everything is read: which embedding is the first is for the files to say.
    pub fn of_all<'a>(configs: impl IntoIterator<Item = &'a Config>, more: Vec<String>) -> Self {
        let (mut names, mut columns, mut takes_first) = (Vec::new(), more, false);
        for config in configs {
            takes_first |= config.signals.is_empty();
            names.extend(config.signals.iter().map(|s| s.name.clone()));
            columns.extend(config.columns());
        }
        for list in [&mut names, &mut columns] {
            list.sort();
            list.dedup();
        }
        match (takes_first, names.is_empty()) {
            (true, false) => Self::All,
            (takes_first, _) => Self::Only { signals: (!takes_first).then_some(names), columns },
        }
    }
}

/// How a catalog is to lie in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CatalogStorage {
    /// Embeddings that stay in their files, by file and name.
    pub mapped: Vec<(PathBuf, String)>,
    /// Bytes that all else may take; nothing where there is no limit.
    pub max_bytes: Option<u64>,
}

/// Reads a catalog from one file, or from several that hold the same rows in the same order.
///
/// With `signals: None`, files without any embedding give a catalog without signals: it is for the configuration to say
/// whether it needs one.
///
/// # Errors
/// Any file that cannot be read, a named column that no file has, files that do not join.
pub fn read_catalog(paths: &[PathBuf], wanted: &CatalogColumns) -> Result<Catalog, InputError> {
    read_catalog_start(paths, wanted, usize::MAX)
}

/// Reads the first items of a catalog, at most `max_items`.
///
/// # Errors
/// As [`read_catalog`], as far as it gets to see the files.
pub fn read_catalog_start(paths: &[PathBuf], wanted: &CatalogColumns, max_items: usize) -> Result<Catalog, InputError> {
    read(paths, Wanted { max_rows: max_items, ..Wanted::new(wanted) })
}

/// Reads a catalog that keeps to a limit on memory.
///
/// # Errors
/// As [`read_catalog`], and where the limit is reached or an embedding cannot be mapped.
pub fn read_catalog_as(
    paths: &[PathBuf],
    wanted: &CatalogColumns,
    storage: &CatalogStorage,
) -> Result<Catalog, InputError> {
    read(paths, Wanted { storage: Some(storage), ..Wanted::new(wanted) })
}

fn read(paths: &[PathBuf], mut wanted: Wanted<'_>) -> Result<Catalog, InputError> {
    let Some(first) = paths.first() else {
        return Err(InputProblem::NoFiles { role: "catalog" }).at(Path::new("--catalog"));
    };
    let mut catalog = Catalog::new();
    let mut counted = Vec::new();
    for path in paths {
        let mut part = read_part(path, &mut wanted)?;
        counted.extend(part.n_rows.take().map(|n_rows| (path, n_rows)));
        part.join(&mut catalog).at(path)?;
    }
    wanted.check_all_found().at(first)?;
    // A file of which nothing is wanted may still be the wrong file.
    let n_items = catalog.n_items();
    let is_known = catalog.has_ids() || !catalog.signals().is_empty() || !catalog.columns().is_empty();
    match counted.into_iter().find(|(_, (_, n_rows))| is_known && *n_rows != n_items) {
        Some((path, (name, n_rows))) => Err(CatalogError::RowsDiffer { name, n_rows, n_items }).at(path),
        None => Ok(catalog),
    }
}

fn read_part(path: &Path, wanted: &mut Wanted<'_>) -> Result<Part, InputError> {
    let (format, file) = open_as(path, Role::Catalog)?;
    match format {
        Format::Parquet => catalog_parquet::read(path, file, wanted),
        Format::Safetensors => safetensors::read(path, file, wanted),
        Format::Npy | Format::JsonLines | Format::Arrow => {
            let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            wanted.see(&name);
            let mut part = Part::default();
            if wanted.take_signal(&name) {
                part.signals.push(npy::read_signal(path, file, &name, wanted)?);
            } else {
                part.n_rows = Some((name, npy::count_rows(path, file)?.min(wanted.max_rows)));
            }
            Ok(part)
        }
    }
}

/// What one file gives to the catalog.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) ids: Option<ItemIds>,
    pub(crate) signals: Vec<Embedding>,
    pub(crate) columns: Vec<Column>,
    /// A column that was not wanted, and the rows of the file, where that is known without reading it.
    pub(crate) n_rows: Option<(String, usize)>,
}

impl Part {
    fn join(self, catalog: &mut Catalog) -> Result<(), InputProblem> {
        if let Some(ids) = self.ids {
            catalog.set_item_ids(ids)?;
        }
        for signal in self.signals {
            catalog.add_signal(signal)?;
        }
        for column in self.columns {
            catalog.add_column(column)?;
        }
        Ok(())
    }
}

/// The wanted columns, and which of them have been met.
pub(crate) struct Wanted<'a> {
    columns: &'a CatalogColumns,
    seen: Vec<String>,
    has_first_signal: bool,
    storage: Option<&'a CatalogStorage>,
    n_bytes: u64,
    /// Rows to read of every file, at most.
    pub(crate) max_rows: usize,
}

impl<'a> Wanted<'a> {
    pub(crate) fn new(columns: &'a CatalogColumns) -> Self {
        let (seen, has_first_signal, storage, n_bytes) = (Vec::new(), false, None, 0);
        Self { columns, seen, has_first_signal, storage, n_bytes, max_rows: usize::MAX }
    }

    /// True where this embedding is to stay in its file.
    pub(crate) fn maps(&self, path: &Path, name: &str) -> bool {
        let is_it = |(at, signal): &(PathBuf, String)| at == path && signal == name;
        self.storage.is_some_and(|storage| storage.mapped.iter().any(is_it))
    }

    /// Takes note of memory before it is taken.
    ///
    /// # Errors
    /// There is no room for it.
    pub(crate) fn take_bytes(&mut self, n_bytes: u64) -> Result<(), InputProblem> {
        self.n_bytes = self.n_bytes.saturating_add(n_bytes);
        match self.bytes_left() {
            Some(_) => Ok(()),
            None => {
                let max_bytes = self.storage.and_then(|storage| storage.max_bytes).unwrap_or(u64::MAX);
                Err(InputProblem::OverLimit { max_bytes })
            }
        }
    }

    /// Bytes that may still be taken; nothing where it has been too many.
    pub(crate) fn bytes_left(&self) -> Option<u64> {
        let max_bytes = self.storage.and_then(|storage| storage.max_bytes).unwrap_or(u64::MAX);
        max_bytes.checked_sub(self.n_bytes)
    }

    /// Notes that a file has this column, for the message about a column that none has.
    pub(crate) fn see(&mut self, name: &str) {
        self.seen.push(name.to_owned());
    }

    /// True where an embedding is asked for by name.
    pub(crate) fn names_signal(&self, name: &str) -> bool {
        matches!(self.columns, CatalogColumns::Only { signals: Some(names), .. } if names.iter().any(|n| n == name))
    }

    /// True where this embedding is to be read. To be asked once per embedding, in file order.
    pub(crate) fn take_signal(&mut self, name: &str) -> bool {
        match self.columns {
            CatalogColumns::All => true,
            CatalogColumns::Only { signals: Some(names), .. } => names.iter().any(|n| n == name),
            CatalogColumns::Only { signals: None, .. } => !std::mem::replace(&mut self.has_first_signal, true),
        }
    }

    /// True where this column is to be read as something other than an embedding.
    pub(crate) fn takes_column(&self, name: &str) -> bool {
        match self.columns {
            CatalogColumns::All => true,
            CatalogColumns::Only { columns, .. } => columns.iter().any(|n| n == name),
        }
    }

    fn check_all_found(&self) -> Result<(), InputProblem> {
        let CatalogColumns::Only { signals, columns } = self.columns else { return Ok(()) };
        match signals.iter().flatten().chain(columns).find(|name| !self.seen.contains(name)) {
            None => Ok(()),
            Some(name) => Err(InputProblem::MissingColumn {
                column: name.clone(),
                available: self.seen.join(", "),
                cure: "correct the name in the configuration, or add the file that has it",
            }),
        }
    }
}
