//! The catalog: columns that are missing or of the wrong type, terms that do not fit, values that are missing.

use std::path::{Path, PathBuf};

use super::terms::{lenient, terms};
use super::{CheckRequest, Report, SAMPLE_ITEMS};
use crate::catalog::{Catalog, Column, ColumnData};
use crate::config::{Holds, Need, OnMissing};
use crate::io::{self, AtPath, CatalogColumns, CatalogHeader, HeaderColumn, InputProblem};
use crate::problem::{Problem, ProblemError};
use crate::text::names;

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
    let (sample, is_first_known) = sample(request, &headers, are_all_open, &all, report);
    let seconds = started.elapsed().as_secs_f64();
    report.n_items_read = sample.n_items() as u64;
    bind(request, &headers, &sample, is_first_known, report);
    if !are_all_open && !all.has_ids() {
        // The ids may be in the file that cannot be opened.
        return None;
    }
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

/// The first items: each column is read by itself, so that one that cannot be read hides no other. False where it is
/// not known whether there is a first embedding.
fn sample(
    request: &CheckRequest<'_>,
    headers: &[(PathBuf, CatalogHeader)],
    are_all_open: bool,
    all: &Catalog,
    report: &mut Report,
) -> (Catalog, bool) {
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
    let mut done: Vec<(Option<String>, bool)> = Vec::new();
    let mut is_first_known = are_all_open;
    for need in request.config.catalog_needs() {
        let is_embedding = need.holds == Holds::Embedding;
        if done.contains(&(need.column.clone(), is_embedding)) {
            continue;
        }
        done.push((need.column.clone(), is_embedding));
        let is_in = |header: &CatalogHeader| header.columns.iter().any(|c| Some(&c.name) == need.column.as_ref());
        // Arrays and tensors are embeddings and nothing else: where a table has the column, they do not count.
        let any_file = is_embedding || !headers.iter().any(|(path, header)| is_parquet(path) && is_in(header));
        let has = |path: &PathBuf, column: &HeaderColumn| match &need.column {
            Some(name) => column.name == *name && (any_file || is_parquet(path)),
            None => column.is_embedding,
        };
        let mut having = headers.iter().flat_map(|(path, header)| {
            header.columns.iter().filter(|column| has(path, column)).map(move |column| (path, column))
        });
        let found = having.next();
        if let (Some(name), Some((path, _)), Some((other, _))) = (&need.column, found, having.next())
            && name != "item_id"
        {
            let (path, other, cure) = (path.display(), other.display(), "rename one of them, or leave a file out");
            report.problem(format_args!("{path}: column \"{name}\" appears twice, here and in {other}: {cure}"));
        }
        match found {
            Some((path, column)) => {
                if let Err(error) = read_column(&mut catalog, path, column, &need, n_sample) {
                    is_first_known &= need.column.is_some();
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
    (catalog, is_first_known)
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

fn read_column(
    catalog: &mut Catalog,
    path: &PathBuf,
    header: &HeaderColumn,
    need: &Need,
    n_sample: usize,
) -> Result<(), io::InputError> {
    let is_embedding = need.holds == Holds::Embedding;
    let column: Vec<String> = need.column.iter().cloned().collect();
    let wrong = |found: &str, expected| {
        let (column, found) = (header.name.clone(), found.to_owned());
        Err(InputProblem::ColumnType { column, found, expected }).at(path)
    };
    if !is_embedding && header.is_embedding {
        return wrong("an embedding", "single values, or lists of integers, to be what a rule reads");
    }
    if header.name == "item_id" && need.column.is_some() {
        return wrong("the ids of the items", "what a rule reads under another name: copy the column");
    }
    let wanted = match (&need.column, is_embedding) {
        (None, _) => CatalogColumns::Only { signals: None, columns: Vec::new() },
        (_, true) => CatalogColumns::Only { signals: Some(column), columns: Vec::new() },
        (_, false) => CatalogColumns::Only { signals: Some(Vec::new()), columns: column },
    };
    let part = io::read_catalog_start(std::slice::from_ref(path), &wanted, n_sample)?;
    let signals = part.signals().iter().cloned().map(|signal| catalog.add_signal(signal));
    let mut added: Vec<_> = signals.collect();
    added.extend(part.columns().iter().cloned().map(|column| catalog.add_column(column)));
    added.into_iter().collect::<Result<(), _>>().map_err(InputProblem::from).at(path)
}

/// A rule of one term that does nothing, or takes out everybody, in what was looked at.
fn idle(problem: &Problem, key: &str, report: &mut Report) {
    let n_items = problem.catalog.n_items();
    let is_idle = problem.spacing.iter().any(|rule| rule.membership.iter().all(|&membership| membership == 0.0));
    if n_items > 0 && is_idle {
        report.note(format_args!("{key}: no item that was looked at is a member, so the rule does nothing there"));
    }
    if n_items == 0 || problem.config.filter.rules().next().is_none() {
        return;
    }
    // The bit of the only rule there is.
    match problem.filter.failed.iter().filter(|&&failed| failed & 2 != 0).count() {
        0 => report.note(format_args!("{key}: takes out no item that was looked at")),
        n if n == n_items => report.note(format_args!("{key}: takes out every item that was looked at")),
        _ => {}
    }
}

/// Every term against the sample, and how much it finds missing. A term whose columns could not be read has been told
/// of already.
fn bind(
    request: &CheckRequest<'_>,
    headers: &[(PathBuf, CatalogHeader)],
    sample: &Catalog,
    is_first_known: bool,
    report: &mut Report,
) {
    for mut term in terms(request.config) {
        // Only the term of all signals, which has no key of its own, reads embeddings.
        let are_signals = term.key.0.is_empty();
        if are_signals && !request.config.signals.is_empty() {
            term.config.signals.retain(|signal| sample.signal(&signal.name).is_some());
            term.columns.retain(|column| column.as_ref().is_some_and(|name| sample.signal(name).is_some()));
            if term.columns.is_empty() {
                continue;
            }
        }
        let is_there = |column: &Option<String>| match column {
            Some(name) if are_signals => sample.signal(name).is_some(),
            Some(name) => sample.column(name).is_some(),
            None => is_first_known || !sample.signals().is_empty(),
        };
        if !term.columns.iter().all(is_there) {
            continue;
        }
        let (from, to) = &term.key;
        let config = lenient(term.config.clone());
        match Problem::new(&config, sample) {
            Ok(problem) => {
                for count in &problem.missing {
                    let key = count.key.replacen(from, to, 1);
                    missing(request, headers, sample, (&key, &count.column, count.n_items), report);
                }
                idle(&problem, to, report);
            }
            // The first embedding, which no setting lets items do without.
            Err(ProblemError::Missing { key, column, n_items, .. }) => {
                missing(request, headers, sample, (&key, &column, n_items), report);
            }
            Err(error) => {
                let text = error.to_string();
                let text = if from.is_empty() { text } else { text.replacen(from, to, 1) };
                report.problem(format_args!("{}: {text}", names(request.catalog)));
            }
        }
    }
}

/// Says how much is missing, and what becomes of it: `(key, column, n_items)`.
fn missing(
    request: &CheckRequest<'_>,
    headers: &[(PathBuf, CatalogHeader)],
    sample: &Catalog,
    (key, column, n_missing): (&str, &str, usize),
    report: &mut Report,
) {
    let needs = request.config.catalog_needs();
    let is_of_signal = sample.signal(column).is_some();
    let is_it = |need: &&Need| match is_of_signal {
        true => need.holds == Holds::Embedding && need.column.as_deref().is_none_or(|name| name == column),
        false => need.key == key,
    };
    let Some(need) = needs.iter().find(is_it) else { return };
    let of = headers.iter().find(|(_, header)| header.columns.iter().any(|c| c.name == column));
    let path = of.map_or_else(|| names(request.catalog), |(path, _)| path.display().to_string());
    let (key, n_rows) = (&need.key, sample.n_items());
    let share = 100.0 * n_missing as f64 / n_rows.max(1) as f64;
    let what = match need.holds {
        Holds::Codes => "lacks a level",
        Holds::Embedding => "is null or NaN",
        _ => "is null",
    };
    let line = format!("{path}: column \"{column}\" {what} for {n_missing} of {n_rows} items ({share:.1} %)");
    match need.on_missing.unwrap_or_default() {
        OnMissing::Zero => report.note(format_args!("{line}; they stay, and {key} counts nothing for them")),
        OnMissing::Drop => report.note(format_args!("{line}; {key} takes them out of every slate (on_missing)")),
        OnMissing::Error => {
            let cure = match need.column {
                Some(_) => "fill them in, or set on_missing = \"zero\" or \"drop\" beside it",
                None => "fill them in, or name it in a [[signal]] with on_missing = \"zero\" or \"drop\"",
            };
            report.problem(format_args!("{line}, and {key} needs one: {cure}"));
        }
    }
}
