//! The catalog: columns that are missing or of the wrong type, terms that do not fit, values that are missing.

use std::path::PathBuf;

use super::terms::terms;
use super::{CheckRequest, Report, SAMPLE_ITEMS, names};
use crate::catalog::{Catalog, Column, ColumnData};
use crate::config::{Holds, Need, OnMissing};
use crate::io::{self, AtPath, CatalogColumns, CatalogHeader, InputProblem};
use crate::problem::{Problem, ProblemError};

/// What is known of the items.
pub(super) struct Items {
    /// Every item by id, or only their number where there are no ids; nothing else.
    pub(super) all: Catalog,
    /// The first items with every needed column that can be read.
    pub(super) sample: Catalog,
    /// Seconds that reading the sample took.
    pub(super) seconds: f64,
}

/// Looks at headers, ids and the first items. Nothing where slates could not be told their items.
pub(super) fn look(request: &CheckRequest<'_>, report: &mut Report) -> Option<Items> {
    let mut headers: Vec<(PathBuf, CatalogHeader)> = Vec::new();
    for path in request.catalog {
        match io::catalog_header(path) {
            Ok(header) => headers.push((path.clone(), header)),
            Err(error) => report.problem(error),
        }
    }
    let are_all_open = headers.len() == request.catalog.len();
    let (_, first) = headers.first()?;
    let n_items = first.n_rows;
    report.n_items = n_items;
    for (path, header) in &headers {
        if header.n_rows != n_items {
            let (n_rows, first) = (header.n_rows, headers[0].0.display());
            let cure = "files joined by row need the same rows in the same order";
            report.problem(format_args!("{}: has {n_rows} rows but {first} has {n_items}: {cure}", path.display()));
        }
    }
    let paths: Vec<PathBuf> = headers.iter().map(|(path, _)| path.clone()).collect();
    let all = ids(&paths, n_items, report)?;
    let started = std::time::Instant::now();
    let sample = sample(request, &headers, are_all_open, &all, report);
    let seconds = started.elapsed().as_secs_f64();
    report.n_items_read = sample.n_items() as u64;
    bind(request, &sample, report);
    missing(request, &headers, report);
    Some(Items { all, sample, seconds })
}

/// All ids. Where there are none, a column of no content says how many items there are.
fn ids(paths: &[PathBuf], n_items: u64, report: &mut Report) -> Option<Catalog> {
    let none = CatalogColumns::Only { signals: Some(Vec::new()), columns: Vec::new() };
    let mut catalog = match io::read_catalog(paths, &none) {
        Ok(catalog) => catalog,
        Err(error) => {
            report.problem(error);
            return None;
        }
    };
    if !catalog.has_ids() {
        add_rows(&mut catalog, n_items as usize);
    }
    Some(catalog)
}

fn add_rows(catalog: &mut Catalog, n_rows: usize) {
    let data = ColumnData::Unsupported { type_name: "row numbers".to_owned(), n_rows };
    // The catalog is empty: nothing can be in the way.
    let _ = catalog.add_column(Column { name: "row number".to_owned(), data });
}

/// The first items: each column is read by itself, so that one that cannot be read hides no other.
fn sample(
    request: &CheckRequest<'_>,
    headers: &[(PathBuf, CatalogHeader)],
    are_all_open: bool,
    all: &Catalog,
    report: &mut Report,
) -> Catalog {
    let n_sample = all.n_items().min(SAMPLE_ITEMS);
    let mut catalog = Catalog::new();
    let added = if all.has_ids() {
        catalog.set_ids((0..n_sample as u32).map(|row| all.id_of(row).into_owned()).collect())
    } else {
        add_rows(&mut catalog, n_sample);
        Ok(())
    };
    if let Err(error) = added {
        report.problem(format_args!("{}: {error}", names(request.catalog)));
    }
    let mut done: Vec<Option<String>> = Vec::new();
    for need in request.config.catalog_needs() {
        if done.contains(&need.column) {
            continue;
        }
        done.push(need.column.clone());
        let has = |name: &String| headers.iter().find(|(_, h)| h.columns.iter().any(|c| c.name == *name));
        let path = match &need.column {
            Some(name) => has(name),
            None => headers.iter().find(|(_, header)| header.columns.iter().any(|c| c.is_embedding)),
        };
        match path {
            Some((path, _)) => {
                if let Err(error) = read_column(&mut catalog, path, &need, n_sample) {
                    report.problem(error);
                }
            }
            // A file that cannot be opened may have it. Without an embedding, the term that needs one says so.
            None if !are_all_open => {}
            None => {
                let Some(name) = &need.column else { continue };
                let columns = headers.iter().flat_map(|(_, header)| &header.columns);
                let available = columns.map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
                let (files, key) = (names(request.catalog), &need.key);
                let cure = "correct the name in the configuration, or add the file that has it";
                report.problem(format_args!(
                    "{files}: no column \"{name}\", which {key} names (there are: {available}): {cure}"
                ));
            }
        }
    }
    catalog
}

fn read_column(catalog: &mut Catalog, path: &PathBuf, need: &Need, n_sample: usize) -> Result<(), io::InputError> {
    let is_embedding = need.holds == Holds::Embedding;
    let column: Vec<String> = need.column.iter().cloned().collect();
    let wanted = match (&need.column, is_embedding) {
        (None, _) => CatalogColumns::Only { signals: None, columns: Vec::new() },
        (_, true) => CatalogColumns::Only { signals: Some(column), columns: Vec::new() },
        (_, false) => CatalogColumns::Only { signals: Some(Vec::new()), columns: column },
    };
    let part = io::read_catalog_start(std::slice::from_ref(path), &wanted, n_sample)?;
    let signals = part.signals().iter().cloned().map(|signal| catalog.add_signal(signal));
    let mut added: Vec<_> = signals.collect();
    added.extend(part.columns().iter().cloned().map(|column| catalog.add_column(column)));
    added.into_iter().collect::<Result<(), _>>().map_err(InputProblem::from).at(path)?;
    match &need.column {
        Some(name) if !is_embedding && catalog.column(name).is_none() => {
            let (column, found) = (name.clone(), "an embedding".to_owned());
            let expected = "single values, or lists of integers, to be what a rule reads";
            Err(InputProblem::ColumnType { column, found, expected }).at(path)
        }
        _ => Ok(()),
    }
}

/// Every term against the sample. A term whose columns could not be read has been told of already.
fn bind(request: &CheckRequest<'_>, sample: &Catalog, report: &mut Report) {
    for term in terms(request.config) {
        let is_there = |column: &Option<String>| match column {
            // Only the term of all signals, which has no key of its own, reads embeddings.
            Some(name) if term.key.0.is_empty() => sample.signal(name).is_some(),
            Some(name) => sample.column(name).is_some(),
            None => true,
        };
        if !term.columns.iter().all(is_there) {
            continue;
        }
        if let Err(error) = Problem::new(&term.config, sample) {
            if matches!(error, ProblemError::Missing { .. }) {
                // The share that is missing is told of by column.
                continue;
            }
            let (from, to) = &term.key;
            let text = error.to_string();
            let text = if from.is_empty() { text } else { text.replacen(from, to, 1) };
            report.problem(format_args!("{}: {text}", names(request.catalog)));
        }
    }
}

/// How much is missing, and what becomes of it.
fn missing(request: &CheckRequest<'_>, headers: &[(PathBuf, CatalogHeader)], report: &mut Report) {
    for (path, header) in headers {
        let has = |need: &Need| match &need.column {
            Some(name) => header.columns.iter().any(|c| c.name == *name).then(|| name.clone()),
            None => header.columns.iter().find(|c| c.is_embedding).map(|c| c.name.clone()),
        };
        let needs = request.config.catalog_needs();
        let needs: Vec<(Need, String)> =
            needs.into_iter().filter_map(|need| has(&need).map(|name| (need, name))).collect();
        let columns: Vec<String> = needs.iter().map(|(_, name)| name.clone()).collect();
        // What cannot be read has been told of by its column.
        let Ok((n_rows, n_missing)) = io::count_missing(path, &columns, SAMPLE_ITEMS) else { continue };
        for ((need, column), n_missing) in needs.iter().zip(n_missing).filter(|(_, n)| *n > 0) {
            let share = 100.0 * n_missing as f64 / n_rows.max(1) as f64;
            let what = match need.holds {
                Holds::Codes => "lacks a level",
                _ => "is null",
            };
            let (path, key) = (path.display(), &need.key);
            let line = format!("{path}: column \"{column}\" {what} for {n_missing} of {n_rows} items ({share:.1} %)");
            match need.on_missing.unwrap_or_default() {
                OnMissing::Zero => report.note(format_args!("{line}; they stay, and {key} counts nothing for them")),
                OnMissing::Drop => {
                    report.note(format_args!("{line}; {key} takes them out of every slate (on_missing)"))
                }
                OnMissing::Error => {
                    let cure = "fill them in, or set on_missing = \"zero\" or \"drop\" beside it";
                    report.problem(format_args!("{line}, and {key} needs one: {cure}"));
                }
            }
        }
    }
}
