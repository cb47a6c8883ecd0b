//! Slates: columns, and what is wrong with the first of them.

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};

use super::catalog::Items;
use super::terms::without_terms;
use super::{CheckRequest, Report, SAMPLE_SLATES};
use crate::config::Holds;
use crate::io::{self, InputProblem, SlateFields, SlateFileProblem, SlateSource, SlatesHeader};
use crate::prepare::{PreparedSlate, SlateProblem};
use crate::problem::Problem;
use crate::slate::Slate;
use crate::text::names;

/// The slates that were looked at.
pub(super) struct Seen {
    /// Those that are sound.
    pub(super) slates: Vec<Slate>,
    /// All there are, as far as can be told.
    pub(super) n_slates: u64,
    /// Seconds that reading one took.
    pub(super) seconds_each: f64,
    /// Bytes that are decoded at a time, as far as the file tells.
    pub(super) decoded_bytes: u64,
}

/// Looks at the columns. Nothing where they cannot be read at all.
pub(super) fn header(request: &CheckRequest<'_>, has_ids: bool, report: &mut Report) -> Option<SlatesHeader> {
    let header = match io::slates_header(request.slates, has_ids, &SlateFields::of(request.config)) {
        Ok(header) => header,
        Err(error) => {
            report.problem(error);
            return None;
        }
    };
    header.problems.iter().for_each(|problem| report.problem(problem));
    report.n_slates = header.n_rows;
    if let Some(attributes) = &header.attributes {
        missing_attributes(request, |name| attributes.iter().any(|a| a == name), report);
    }
    Some(header)
}

/// Looks at the columns and at the first slates. Nothing where they cannot be read at all.
pub(super) fn look(request: &CheckRequest<'_>, items: &Items, report: &mut Report) -> Option<Seen> {
    let header = header(request, items.all.has_ids(), report)?;
    let fields = SlateFields::of(request.config);
    // Without its filters, a slate can still be looked at.
    let fields = match fields {
        SlateFields::Only { attributes, seen, .. } if !header.problems.is_empty() => {
            SlateFields::Only { attributes, seen, seen_bloom: None }
        }
        fields => fields,
    };
    let mut source = match io::open_slates(request.slates, &items.all, &fields) {
        Ok(source) => source,
        Err(error) => {
            // The header's problems name this one too, where it is one of the columns.
            report.problem(error);
            return None;
        }
    };
    let started = std::time::Instant::now();
    let (read, are_all) = sample(source.as_mut(), report);
    let seconds_each = started.elapsed().as_secs_f64() / read.len().max(1) as f64;
    if header.attributes.is_none() && !read.is_empty() {
        let has = |name: &str| read.iter().any(|slate| slate.attributes.contains_key(name));
        missing_attributes(request, has, report);
    }
    if header.is_long {
        let n_candidates: usize = read.iter().map(|slate| slate.candidates.len()).sum();
        let estimate = header.n_rows * read.len() as u64 / n_candidates.max(1) as u64;
        report.n_slates = if are_all { report.n_slates_read } else { estimate.max(report.n_slates_read) };
    } else if are_all {
        report.n_slates = report.n_slates.max(report.n_slates_read);
    }
    repeated_ids(request, &read, report);
    let slates = sound(request, items, read, report);
    let n_short = slates.iter().filter(|slate| slate.candidates.len() < request.config.slate_size).count();
    if n_short > 0 {
        let (files, n, size) = (names(request.slates), slates.len(), request.config.slate_size);
        report.note(format_args!("{files}: {n_short} of {n} slates have fewer candidates than the {size} positions"));
    }
    Some(Seen { slates, n_slates: report.n_slates, seconds_each, decoded_bytes: header.decoded_bytes })
}

/// Whoever reads the output by `slate_id` takes slates of one id for one.
fn repeated_ids(request: &CheckRequest<'_>, read: &[Slate], report: &mut Report) {
    let mut ids = HashSet::new();
    let mut repeated = read.iter().filter(|slate| !ids.insert(slate.id.as_str()));
    if let Some(first) = repeated.next() {
        let (files, id, n) = (names(request.slates), &first.id, 1 + repeated.count());
        let slates = if n == 1 { "slate has" } else { "slates have" };
        report.note(format_args!("{files}: {n} {slates} the id of one before, the first is {id:?}: their output is told apart by its order alone"));
    }
}

fn missing_attributes(request: &CheckRequest<'_>, has: impl Fn(&str) -> bool, report: &mut Report) {
    let needs = request.config.slate_needs();
    for need in needs.iter().filter(|need| need.holds == Holds::Value) {
        let Some(name) = need.column.as_deref().filter(|name| !has(name)) else { continue };
        let (files, key) = (names(request.slates), &need.key);
        let cure = "add the column (of single values), or drop the condition";
        report.problem(format_args!("{files}: {key}: no slate has \"{name}\", so the rule never applies: {cure}"));
    }
}

/// Problems of one kind: the first, and how many slates have one like it.
struct Kinds<K> {
    kinds: Vec<(K, String, u64)>,
}

impl<K: PartialEq> Kinds<K> {
    fn add(&mut self, kind: K, text: String) {
        match self.kinds.iter_mut().find(|(known, ..)| *known == kind) {
            Some((_, _, n)) => *n += 1,
            None => self.kinds.push((kind, text, 1)),
        }
    }

    fn report(self, report: &mut Report) {
        for (_, text, n) in self.kinds {
            match n {
                1 => report.problem(text),
                2 => report.problem(format_args!("{text} (and 1 more slate like it)")),
                n => report.problem(format_args!("{text} (and {} more slates like it)", n - 1)),
            }
        }
    }
}

/// What tells problems of slates apart: their kind, and the key, role or column they speak of.
type Kind = (Discriminant<InputProblem>, Option<Discriminant<SlateFileProblem>>, String);

fn kind(problem: &InputProblem) -> Kind {
    let InputProblem::Slate(slate) = problem else { return (discriminant(problem), None, String::new()) };
    let about = match slate {
        SlateFileProblem::RowNotInCatalog { role, .. }
        | SlateFileProblem::IdNotInCatalog { role, .. }
        | SlateFileProblem::CatalogHasNoIds { role, .. }
        | SlateFileProblem::NotAnItem { role, .. } => role,
        SlateFileProblem::JsonKind { key, .. } => key,
        SlateFileProblem::NoList { column, .. } => column,
        SlateFileProblem::Bloom { column, .. } => column.as_str(),
        _ => "",
    };
    (discriminant(problem), Some(discriminant(slate)), about.to_owned())
}

/// Reads slates one by one, past those that cannot be read. True where these are all there are.
fn sample(source: &mut dyn SlateSource, report: &mut Report) -> (Vec<Slate>, bool) {
    let mut read = Vec::new();
    let mut kinds = Kinds { kinds: Vec::new() };
    let (mut last, mut are_all) = (String::new(), false);
    for _ in 0..SAMPLE_SLATES {
        match source.next_batch(1) {
            Ok(Some(slates)) => read.extend(slates),
            Ok(None) => {
                are_all = true;
                break;
            }
            Err(error) => {
                let text = error.to_string();
                // What comes again word for word is where the stream ends.
                if text == last {
                    are_all = true;
                    break;
                }
                kinds.add(kind(&error.problem), text.clone());
                last = text;
                if matches!(error.problem, InputProblem::Slate(SlateFileProblem::NoSlateId { .. })) {
                    // A row of no slate is none.
                    continue;
                }
            }
        }
        report.n_slates_read += 1;
    }
    kinds.report(report);
    (read, are_all)
}

/// Those slates that an engine would take.
fn sound(request: &CheckRequest<'_>, items: &Items, read: Vec<Slate>, report: &mut Report) -> Vec<Slate> {
    let config = without_terms(request.config);
    let problem = match Problem::new(&config, &items.all) {
        Ok(problem) => problem,
        Err(error) => {
            report.problem(format_args!("{}: {error}", names(request.catalog)));
            return Vec::new();
        }
    };
    let mut kinds: Kinds<Discriminant<SlateProblem>> = Kinds { kinds: Vec::new() };
    let mut sound = Vec::new();
    for slate in read {
        match PreparedSlate::new(&problem, &slate) {
            Ok(_) => sound.push(slate),
            Err(error) => {
                kinds.add(discriminant(&error.problem), format!("{}: {error}", names(request.slates)));
            }
        }
    }
    kinds.report(report);
    sound
}
