//! All metrics of a slate at once.

use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::request::{ALPHA, MeasureRequest};
use crate::catalog::Catalog;
use crate::config::{Config, MAX_SLATE_SIZE};
use crate::metrics::{self, Better, FAMILIES, Similarities};
use crate::prepare::{PreparedSlate, SlateError};
use crate::problem::{NO_VALUE, Problem, ProblemError, numbered_column};
use crate::slate::{RankedSlate, Slate};
use crate::stage::eligibility::is_eligible;

/// A metric as a measure computes it: a family, with its window, rule or level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricInfo {
    /// Key in JSON and on the command line, `ild@10`.
    pub key: String,
    /// Name in tables.
    pub title: String,
    /// Which way it is better.
    pub better: Better,
    /// What it is, and over what range.
    #[serde(skip)]
    pub meaning: String,
    /// How it is computed.
    #[serde(skip)]
    pub formula: String,
    #[serde(skip)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    RelevanceKept,
    Ndcg(usize),
    Ilad,
    Ilmd,
    Ild(usize),
    LargestSimilarity(usize),
    Vendi,
    CategoryEntropy,
    CategoryCoverage,
    CategoryGini,
    AlphaNdcg(usize),
    /// Index of the rule.
    SpacingViolations(usize),
    SpacingLoad(usize),
    PrefixOverlap {
        window: usize,
        level: usize,
    },
    Displacement,
    Overlap,
}

/// What slates are judged by, bound to a catalog.
#[derive(Debug)]
pub struct Measure<'a> {
    problem: Problem<'a>,
    categories: Option<Arc<[u32]>>,
    metrics: Vec<MetricInfo>,
}

/// A slate as its measure sees it, whoever ranks it.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    /// Candidates by base score of the measure, those that its filters take out after all others.
    pub prepared: PreparedSlate,
    /// Rank of each candidate.
    rank_of: Vec<u32>,
    /// Categories among the candidates.
    n_categories: usize,
    /// Largest gains of α-nDCG, as many as a metric asks for.
    best_gains: Vec<f64>,
}

impl<'a> Measure<'a> {
    /// Binds a measure to a catalog. `config` is that of the request ([`MeasureRequest::config`]).
    ///
    /// A catalog without embeddings has no metrics of distance.
    ///
    /// # Errors
    /// As [`Problem::new`], and where the category column is missing or holds numbers that are no integers.
    pub fn new(config: &'a Config, request: &MeasureRequest, catalog: &'a Catalog) -> Result<Self, ProblemError> {
        let problem = Problem::new(config, catalog)?;
        let categories = match &request.category {
            Some(name) => Some(numbered_column(catalog, "--category", name)?),
            None => None,
        };
        let metrics = list(&problem, request, categories.is_some());
        Ok(Self { problem, categories, metrics })
    }

    /// The measuring problem. Configurations that are measured can share its tables ([`Problem::sharing`]).
    pub fn problem(&self) -> &Problem<'a> {
        &self.problem
    }

    /// What is measured, in the order of [`Self::judge`].
    pub fn metrics(&self) -> &[MetricInfo] {
        &self.metrics
    }

    /// Index of a metric by key.
    pub fn index_of(&self, key: &str) -> Option<usize> {
        self.metrics.iter().position(|metric| metric.key == key)
    }

    /// Looks at a slate before anyone ranks it.
    ///
    /// # Errors
    /// As [`PreparedSlate::new`].
    pub fn refer(&self, slate: &Slate) -> Result<Reference, SlateError> {
        let mut prepared = PreparedSlate::new(&self.problem, slate)?;
        let n_eligible = self.put_eligible_first(&mut prepared);
        let mut rank_of = vec![0; prepared.n_candidates()];
        for (&candidate, rank) in prepared.candidate.iter().zip(0..) {
            rank_of[candidate as usize] = rank;
        }
        let mut reference = Reference { prepared, rank_of, ..Reference::default() };
        if self.categories.is_some() {
            let prepared = &reference.prepared;
            let mut categories = self.categories_of(&prepared.rows[..n_eligible]);
            let candidates: Vec<(f64, u32)> = prepared.base.iter().copied().zip(categories.iter().copied()).collect();
            reference.best_gains = metrics::best_gains(&candidates, ALPHA);
            reference.best_gains.truncate(MAX_SLATE_SIZE);
            reference.best_gains.shrink_to_fit();
            categories.retain(|&category| category != NO_VALUE);
            categories.sort_unstable();
            categories.dedup();
            reference.n_categories = categories.len();
        }
        Ok(reference)
    }

    /// Candidates that the measure's filters take out go to the end and are worth nothing: an ideal slate has none of them, and
    /// none is gained by showing one. Returns how many are left.
    fn put_eligible_first(&self, prepared: &mut PreparedSlate) -> usize {
        let n = prepared.n_candidates();
        if !prepared.has_filters() {
            return n;
        }
        let (mut order, out): (Vec<usize>, Vec<usize>) =
            (0..n).partition(|&rank| is_eligible(&self.problem, prepared, prepared.rows[rank]));
        let n_eligible = order.len();
        order.extend(out);
        let rows: Vec<u32> = order.iter().map(|&rank| prepared.rows[rank]).collect();
        prepared.rows[..n].copy_from_slice(&rows);
        prepared.base = order.iter().map(|&rank| prepared.base[rank]).collect();
        prepared.base[n_eligible..].fill(0.0);
        prepared.candidate = order.iter().map(|&rank| prepared.candidate[rank]).collect();
        n_eligible
    }

    fn categories_of(&self, rows: &[u32]) -> Vec<u32> {
        let categories = self.categories.as_deref().unwrap_or_default();
        rows.iter().map(|&row| categories.get(row as usize).copied().unwrap_or(NO_VALUE)).collect()
    }

    /// One value per metric; NaN where a metric has none.
    ///
    /// # Errors
    /// Says what is impossible about the ranking.
    pub fn judge(&self, reference: &Reference, ranked: &RankedSlate) -> Result<Vec<f64>, &'static str> {
        let ranks = ranks(reference, ranked)?;
        let prepared = &reference.prepared;
        let rows: Vec<u32> = ranks.iter().map(|&rank| prepared.rows[rank]).collect();
        let view = View {
            measure: self,
            reference,
            n: ranks.len(),
            base: ranks.iter().map(|&rank| prepared.base[rank]).collect(),
            categories: self.categories_of(&rows),
            rows,
            ranks,
        };
        let similarities = Similarities::new(&self.problem, &view.rows);
        Ok(self.metrics.iter().map(|m| view.value(m.kind, &similarities).unwrap_or(f64::NAN)).collect())
    }

    /// As [`Self::judge`] for many slates, on all cores.
    ///
    /// # Errors
    /// The first slate whose ranking is impossible, by index, and why.
    pub fn judge_all(
        &self,
        references: &[Reference],
        ranked: &[RankedSlate],
    ) -> Result<Vec<Vec<f64>>, (usize, &'static str)> {
        if references.len() != ranked.len() {
            return Err((ranked.len().min(references.len()), "not one result per slate"));
        }
        let judge = |(index, (reference, ranked))| self.judge(reference, ranked).map_err(|what| (index, what));
        let judged: Vec<Result<_, _>> = references.par_iter().zip(ranked).enumerate().map(judge).collect();
        judged.into_iter().collect()
    }
}

/// The rank of the item at every position.
fn ranks(reference: &Reference, ranked: &RankedSlate) -> Result<Vec<usize>, &'static str> {
    let mut is_placed = vec![false; reference.rank_of.len()];
    let rank = |placement: &crate::slate::Placement| {
        let rank = *reference.rank_of.get(placement.candidate as usize).ok_or("an item that is no candidate")? as usize;
        match std::mem::replace(&mut is_placed[rank], true) {
            true => Err("an item at two positions"),
            false => Ok(rank),
        }
    };
    ranked.placements.iter().map(rank).collect()
}

/// A ranked slate, ready to be measured.
struct View<'a> {
    measure: &'a Measure<'a>,
    reference: &'a Reference,
    n: usize,
    ranks: Vec<usize>,
    base: Vec<f64>,
    rows: Vec<u32>,
    categories: Vec<u32>,
}

impl View<'_> {
    fn value(&self, kind: Kind, similarities: &Similarities) -> Option<f64> {
        let n = self.n;
        let between = |i: usize, j: usize| similarities.between(i, j);
        // Candidates come sorted by base, those that filters let pass first; the best n of them are all that any ideal needs.
        let candidates = &self.reference.prepared.base;
        match kind {
            Kind::RelevanceKept => metrics::relevance_kept(&self.base, &candidates[..n]),
            Kind::Ndcg(k) => metrics::ndcg(&self.base, &candidates[..n], k),
            Kind::Ilad => metrics::mean_distance(n, between),
            Kind::Ilmd => metrics::least_distance(n, between),
            Kind::Ild(window) => metrics::distance_to_before(n, window, between),
            Kind::LargestSimilarity(window) => metrics::largest_similarity(n, window, between),
            Kind::Vendi => metrics::vendi(n, between),
            Kind::CategoryEntropy => metrics::category_entropy(&self.categories),
            Kind::CategoryCoverage => metrics::category_coverage(&self.categories, self.reference.n_categories),
            Kind::CategoryGini => metrics::category_gini(&self.categories, self.reference.n_categories),
            Kind::AlphaNdcg(k) => self.alpha_ndcg(k),
            Kind::SpacingViolations(rule) => self.membership(rule).map(|membership| {
                let is_member: Vec<bool> = membership.iter().map(|&m| m > 0.0).collect();
                metrics::spacing_violations(&is_member, self.measure.problem.spacing[rule].weights.len()) as f64
            }),
            Kind::SpacingLoad(rule) => self
                .membership(rule)
                .map(|membership| metrics::spacing_load(&membership, &self.measure.problem.spacing[rule].weights)),
            Kind::PrefixOverlap { window, level } => self.prefix_overlap(window, level),
            Kind::Displacement => metrics::displacement(&self.ranks),
            Kind::Overlap => metrics::overlap(&self.ranks),
        }
    }

    fn alpha_ndcg(&self, k: usize) -> Option<f64> {
        let slate: Vec<(f64, u32)> = self.base.iter().copied().zip(self.categories.iter().copied()).collect();
        metrics::alpha_ndcg_of(&slate, &self.reference.best_gains, ALPHA, k)
    }

    /// Membership per position, where the rule applies.
    fn membership(&self, rule: usize) -> Option<Vec<f64>> {
        let applies = self.reference.prepared.active_rules >> rule & 1 == 1;
        let membership = &self.measure.problem.spacing[rule].membership;
        applies.then(|| self.rows.iter().map(|&row| membership[row as usize]).collect())
    }

    fn prefix_overlap(&self, window: usize, level: usize) -> Option<f64> {
        let rule = self.measure.problem.semantic_id.as_ref()?;
        let codes = |position: usize| {
            let row = self.rows[position] as usize;
            &rule.codes[row * rule.n_levels..(row + 1) * rule.n_levels]
        };
        metrics::prefix_overlap(self.n, window, level, |i, j| metrics::agreement(codes(i), codes(j)))
    }
}

/// The metrics that a measuring problem has, in the order of [`FAMILIES`].
fn list(problem: &Problem, request: &MeasureRequest, has_categories: bool) -> Vec<MetricInfo> {
    let mut at = request.at.clone();
    at.sort_unstable();
    at.dedup();
    let has_signals = !problem.signals.is_empty();
    let one = |is_there: bool, kind: Kind| if is_there { vec![kind] } else { Vec::new() };
    let each = |is_there: bool, kind: &dyn Fn(usize) -> Kind| match is_there {
        true => at.iter().map(|&w| kind(w)).collect(),
        false => Vec::new(),
    };
    let rules = 0..problem.spacing.len();
    let n_levels = problem.semantic_id.as_ref().map_or(0, |rule| rule.n_levels);
    let overlaps = at.iter().flat_map(|&window| (1..=n_levels).map(move |level| Kind::PrefixOverlap { window, level }));
    let kinds: [Vec<Kind>; 16] = [
        one(true, Kind::RelevanceKept),
        each(true, &Kind::Ndcg),
        one(has_signals, Kind::Ilad),
        one(has_signals, Kind::Ilmd),
        each(has_signals, &Kind::Ild),
        each(has_signals, &Kind::LargestSimilarity),
        one(has_signals, Kind::Vendi),
        one(has_categories, Kind::CategoryEntropy),
        one(has_categories, Kind::CategoryCoverage),
        one(has_categories, Kind::CategoryGini),
        each(has_categories, &Kind::AlphaNdcg),
        rules.clone().map(Kind::SpacingViolations).collect(),
        rules.map(Kind::SpacingLoad).collect(),
        overlaps.collect(),
        one(true, Kind::Displacement),
        one(true, Kind::Overlap),
    ];
    let families = FAMILIES.iter().zip(kinds);
    families
        .flat_map(|(family, kinds)| {
            kinds.into_iter().map(move |kind| {
                let named = |text: &str| name(text, kind, problem);
                MetricInfo {
                    key: named(family.key),
                    title: named(family.title),
                    better: family.better,
                    meaning: family.meaning.to_owned(),
                    formula: family.formula.to_owned(),
                    kind,
                }
            })
        })
        .collect()
}

/// A key or title with its window, rule and level filled in.
fn name(text: &str, kind: Kind, problem: &Problem) -> String {
    let rule = |i: usize| problem.config.spacing[i].name.as_str();
    match kind {
        Kind::Ndcg(k) | Kind::AlphaNdcg(k) => text.replace("@K", &format!("@{k}")),
        Kind::Ild(w) | Kind::LargestSimilarity(w) => text.replace('W', &w.to_string()),
        Kind::SpacingViolations(i) => {
            text.replace('W', &problem.config.spacing[i].window.to_string()).replace("RULE", rule(i))
        }
        Kind::SpacingLoad(i) => text.replace("RULE", rule(i)),
        Kind::PrefixOverlap { window, level } => {
            text.replace('W', &window.to_string()).replace("LEVEL", &level.to_string())
        }
        _ => text.to_owned(),
    }
}
