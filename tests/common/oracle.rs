//! The definition (SPEC 2 to 7) once more, as plainly as it can be said: dense matrices, everything from scratch at
//! every position, every candidate scored. Nothing of the engines is used, only what goes in.

mod baselines;

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use spectrank::catalog::{Catalog, ColumnData, Embedding, EmbeddingData, Value};
use spectrank::config::{
    Config, Coupling, Horizon, Kernel, Loading, Metric, OnMissing, Scalar, Scope, Spectral, Transform,
};
use spectrank::slate::Slate;

/// A candidate's terms at one position.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub utility: f64,
    pub base: f64,
    pub diversity: f64,
    pub spacing: f64,
    pub semantic: f64,
    pub balance: f64,
    pub excess: usize,
}

/// One position: who competes with what, and who must stand there.
#[derive(Debug)]
pub struct Position {
    /// Terms of every candidate that is not placed, by candidate.
    pub terms: Vec<Option<Terms>>,
    /// Candidates that compete, the smallest excess alone, best first.
    pub ranking: Vec<usize>,
    pub pinned: Option<usize>,
    /// λ_{K+1}/λ_K: near 1 the leading subspace is nobody's.
    pub ratio: f64,
    /// An eigenvalue stands at the threshold below which spectra are dropped.
    pub is_at_threshold: bool,
    /// λ_k/λ_1 of the window, all of them.
    pub spectrum: Vec<String>,
}

/// One slate. Items are numbered: candidates in input order, then the recent items, oldest first.
pub struct Oracle<'a> {
    config: &'a Config,
    catalog: &'a Catalog,
    slate: &'a Slate,
    items: Vec<usize>,
    similarity: DMatrix<f64>,
    base: Vec<f64>,
    by_rank: Vec<usize>,
}

impl<'a> Oracle<'a> {
    pub fn new(config: &'a Config, catalog: &'a Catalog, slate: &'a Slate) -> Self {
        let items: Vec<usize> = slate.candidates.iter().chain(&slate.recent).map(|&row| row as usize).collect();
        let similarity = similarities(config, catalog, &items);
        let base = base_scores(config, catalog, slate);
        let mut by_rank: Vec<usize> = (0..base.len()).collect();
        by_rank.sort_by(|&a, &b| base[b].partial_cmp(&base[a]).unwrap().then(a.cmp(&b)));
        Self { config, catalog, slate, items, similarity, base, by_rank }
    }

    pub fn n_positions(&self) -> usize {
        self.config.slate_size.min(self.base.len() - self.n_filtered())
    }

    pub fn n_filtered(&self) -> usize {
        (0..self.base.len()).filter(|&c| !self.is_eligible(c)).count()
    }

    /// Whether a candidate is ranked at all, one reason after the other.
    fn is_eligible(&self, c: usize) -> bool {
        let (config, row) = (self.config, self.slate.candidates[c] as usize);
        let column = |name: &str| &self.catalog.column(name).unwrap().data;
        let is_null = |name: &str| column(name).value(row) == Value::Null;
        let applies = |when: &BTreeMap<String, Scalar>| {
            when.iter().all(|(name, wanted)| self.slate.attributes.get(name).is_some_and(|v| wanted.matches(v)))
        };
        let filter = &config.filter;
        for (rules, is_keep) in [(&filter.drop, false), (&filter.keep, true)] {
            for rule in rules {
                if is_null(&rule.column) && rule.on_missing == OnMissing::Drop {
                    return false;
                }
                let value = column(&rule.column).value(row);
                let is_match = if rule.values.is_empty() {
                    value == Value::Bool(true)
                } else {
                    rule.values.iter().any(|v| v.matches(&value))
                };
                if applies(&rule.when) && is_match != is_keep {
                    return false;
                }
            }
        }
        let lacks_embedding = |signal: &spectrank::config::Signal| {
            signal.weight > 0.0
                && signal.on_missing == OnMissing::Drop
                && self.catalog.signal(&signal.name).unwrap().missing.contains(&(row as u32))
        };
        let lacks_class = |rule: &spectrank::config::Spacing| {
            let confidence = rule.confidence.as_deref().is_some_and(is_null);
            let is_member = rule.values.iter().any(|v| v.matches(&column(&rule.column).value(row)));
            rule.on_missing == Some(OnMissing::Drop) && (is_null(&rule.column) || (is_member && confidence))
        };
        let lacks_level = |rule: &spectrank::config::SemanticId| {
            let ColumnData::Codes { width, codes } = column(&rule.column) else { panic!() };
            let lacks = codes[row * width..(row + 1) * width].contains(&0);
            rule.strength > 0.0 && rule.on_missing == OnMissing::Drop && lacks
        };
        let item = row as u32;
        let is_seen = |filter: &std::sync::Arc<spectrank::bloom::BloomFilter>| {
            // Parquet's own reading of the same bytes.
            parquet::bloom_filter::Sbbf::new(&filter.to_bytes()).check(item.to_string().as_str())
        };
        !(config.signals.iter().any(lacks_embedding)
            || config.spacing.iter().any(lacks_class)
            || config.semantic_id.as_ref().is_some_and(lacks_level)
            || config.cap.iter().any(|cap| cap.on_missing == OnMissing::Drop && is_null(&cap.column))
            || (filter.recent && self.slate.recent.contains(&item))
            || (filter.seen && self.slate.seen.contains(&item))
            || (filter.seen_bloom.is_some() && self.slate.seen_bloom.as_ref().is_some_and(is_seen)))
    }

    /// The position after `picks` (candidates, first to last) have been placed.
    pub fn position(&self, picks: &[usize]) -> Position {
        let n = self.base.len();
        let is_pinned = |c: usize| self.slate.pinned.iter().any(|pin| pin.item == self.slate.candidates[c]);
        let placed: Vec<usize> = (n..self.items.len()).chain(picks.iter().copied()).collect();
        let is_free = |c: &usize| !picks.contains(c) && !is_pinned(*c) && self.is_eligible(*c);
        let free: Vec<usize> = self.by_rank.iter().copied().filter(is_free).collect();
        let behind = &placed[placed.len().saturating_sub(self.config.window.behind)..];
        let ahead: Vec<usize> = free.iter().copied().take(self.config.window.ahead).collect();
        let baseline = self.baseline(&placed);
        let is_spectral = baseline.is_none();
        let spectra = if is_spectral { self.spectra(behind, &ahead, &placed) } else { Spectra::default() };
        let diversity = |c: usize| match &baseline {
            Some(terms) => terms[c],
            None => -self.config.spectral.strength * spectra.penalty(self, c),
        };
        let terms: Vec<Option<Terms>> =
            (0..n).map(|c| (!picks.contains(&c)).then(|| self.terms(c, &placed, diversity(c)))).collect();
        // Only the spectral strategy has a window that candidates can be in.
        let competing = if is_spectral && self.config.window.scope == Scope::Window { &ahead } else { &free };
        let least = competing.iter().map(|&c| terms[c].unwrap().excess).min();
        let mut ranking: Vec<usize> =
            competing.iter().copied().filter(|&c| Some(terms[c].unwrap().excess) == least).collect();
        // The sort is stable and `competing` is in rank order: ties go to the lower rank.
        ranking.sort_by(|&a, &b| terms[b].unwrap().utility.partial_cmp(&terms[a].unwrap().utility).unwrap());
        let pinned = self.pinned(picks, free.is_empty());
        let Spectra { ratio, is_at_threshold, spectrum, .. } = spectra;
        Position { terms, ranking, pinned, ratio, is_at_threshold, spectrum }
    }

    fn pinned(&self, picks: &[usize], is_pool_empty: bool) -> Option<usize> {
        let mut pins: Vec<(usize, usize)> = Vec::new();
        for pin in &self.slate.pinned {
            let candidate = self.slate.candidates.iter().position(|&item| item == pin.item).unwrap();
            pins.push((pin.position as usize, candidate));
        }
        pins.sort_unstable();
        pins.retain(|(_, candidate)| !picks.contains(candidate) && self.is_eligible(*candidate));
        let due = pins.iter().find(|(position, _)| *position == picks.len());
        due.or(if is_pool_empty { pins.first() } else { None }).map(|&(_, candidate)| candidate)
    }

    fn terms(&self, c: usize, placed: &[usize], diversity: f64) -> Terms {
        let spacing = self.spacing(c, placed);
        let semantic = self.semantic(c, placed);
        let balance = if placed.is_empty() {
            0.0
        } else {
            let mean = placed.iter().map(|&j| self.similarity[(c, j)]).sum::<f64>() / placed.len() as f64;
            self.config.balance.strength * mean.max(0.0)
        };
        let utility = self.base_weight() * self.base[c] + diversity - spacing - semantic - balance;
        Terms { utility, base: self.base[c], diversity, spacing, semantic, balance, excess: self.excess(c, placed) }
    }

    fn spacing(&self, c: usize, placed: &[usize]) -> f64 {
        let mut total = 0.0;
        for rule in &self.config.spacing {
            if !rule.when.iter().all(|(k, v)| self.slate.attributes.get(k).is_some_and(|value| v.matches(value))) {
                continue;
            }
            let membership = |item: usize| {
                let row = self.items[item];
                let value = self.catalog.column(&rule.column).unwrap().data.value(row);
                if !rule.values.iter().any(|v| v.matches(&value)) {
                    return 0.0;
                }
                let confidence = rule.confidence.as_ref().map(|name| self.catalog.column(name).unwrap());
                confidence.map_or(1.0, |column| column.data.number(row).unwrap())
            };
            for (i, &j) in placed.iter().rev().take(rule.window).enumerate() {
                let g = kernel(rule.kernel, i + 1, rule.window, rule.half_life);
                total += rule.strength * membership(c) * g * membership(j);
            }
        }
        total
    }

    fn semantic(&self, c: usize, placed: &[usize]) -> f64 {
        let Some(rule) = &self.config.semantic_id else { return 0.0 };
        let ColumnData::Codes { width, codes } = &self.catalog.column(&rule.column).unwrap().data else { panic!() };
        let mut total = 0.0;
        for (i, &j) in placed.iter().rev().take(rule.window).enumerate() {
            let g = kernel(rule.kernel, i + 1, rule.window, rule.half_life);
            for level in 0..*width {
                let (a, b) = (codes[self.items[c] * width + level], codes[self.items[j] * width + level]);
                if a != b || a == 0 {
                    break;
                }
                let default = if rule.level_weights.is_empty() { 1.0 / *width as f64 } else { 0.0 };
                total += rule.strength * g * rule.level_weights.get(level).copied().unwrap_or(default);
            }
        }
        total
    }

    fn excess(&self, c: usize, placed: &[usize]) -> usize {
        let mut total = 0;
        for cap in &self.config.cap {
            let column = &self.catalog.column(&cap.column).unwrap().data;
            let value = |item: usize| column.value(self.items[item]);
            if value(c) == Value::Null {
                continue;
            }
            let same = placed.iter().rev().take(cap.window).filter(|&&j| value(j) == value(c)).count();
            total += (same + 1).saturating_sub(cap.max);
        }
        total
    }

    fn spectra(&self, behind: &[usize], ahead: &[usize], placed: &[usize]) -> Spectra {
        let settings = &self.config.spectral;
        if behind.is_empty() {
            return Spectra::default();
        }
        let window: Vec<usize> = behind.iter().chain(ahead).copied().collect();
        let m = window.len();
        let gram = DMatrix::from_fn(m, m, |a, b| self.similarity[(window[a], window[b])]);
        let eigen = SymmetricEigen::new(gram);
        let mut order: Vec<usize> = (0..m).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].partial_cmp(&eigen.eigenvalues[a]).unwrap());
        let value = |k: usize| eigen.eigenvalues[order[k]];
        let largest = value(0);
        if largest <= 0.0 {
            return Spectra::default();
        }
        let n_kept = (0..m.min(settings.spectra)).take_while(|&k| value(k) > 1e-6 * largest).count();
        let mut spectra = Spectra { window, loading_of: Vec::new(), ..Spectra::default() };
        // Convergence is that of the block: the first eigenvalue outside it against the last one kept.
        spectra.ratio = if m > settings.spectra { value(settings.spectra).max(0.0) / value(n_kept - 1) } else { 0.0 };
        spectra.is_at_threshold = (0..m.min(settings.spectra)).any(|k| (1e-8..1e-5).contains(&(value(k) / largest)));
        spectra.spectrum = (0..m).map(|k| format!("{:.1e}", value(k) / largest)).collect();
        for (k, &column) in order.iter().enumerate().take(n_kept) {
            let scale = match settings.loading {
                Loading::Energy => value(k).sqrt(),
                Loading::Unit => value(k),
            };
            spectra.loading_of.push(eigen.eigenvectors.column(column) * faded(value(k) / largest, settings) / scale);
        }
        let exposed = match settings.horizon {
            Horizon::Window => behind,
            Horizon::Slate => placed,
        };
        let mut h = DMatrix::zeros(n_kept, n_kept);
        for (age, &j) in exposed.iter().rev().enumerate() {
            let l = spectra.loadings(self, j);
            h += settings.decay.powi(age as i32) * &l * l.transpose();
        }
        spectra.weights = DMatrix::from_fn(n_kept, n_kept, |k, l| {
            let coupling = match settings.coupling {
                Coupling::Full => 1.0,
                Coupling::Diagonal => (-0.5 * ((value(k).ln() - value(l).ln()) / 0.05).powi(2)).exp(),
            };
            coupling * h[(k, l)] / ((settings.epsilon + value(k)) * (settings.epsilon + value(l))).sqrt()
        });
        spectra
    }
}

#[derive(Default)]
struct Spectra {
    window: Vec<usize>,
    /// Per spectrum: what an item's similarities to the window are multiplied by.
    loading_of: Vec<DVector<f64>>,
    weights: DMatrix<f64>,
    ratio: f64,
    is_at_threshold: bool,
    spectrum: Vec<String>,
}

impl Spectra {
    fn loadings(&self, oracle: &Oracle, item: usize) -> DVector<f64> {
        let s = DVector::from_iterator(self.window.len(), self.window.iter().map(|&j| oracle.similarity[(item, j)]));
        DVector::from_iterator(self.loading_of.len(), self.loading_of.iter().map(|u| u.dot(&s)))
    }

    fn penalty(&self, oracle: &Oracle, item: usize) -> f64 {
        if self.loading_of.is_empty() {
            return 0.0;
        }
        let l = self.loadings(oracle, item);
        l.dot(&(&self.weights * &l))
    }
}

/// Smoothstep between the λ_k/λ_1 where a spectrum is gone and where it counts in full.
fn faded(ratio: f64, settings: &Spectral) -> f64 {
    let (gone, full) = match (settings.loading, settings.horizon) {
        (Loading::Unit, _) => (0.01, 0.1),
        (Loading::Energy, Horizon::Slate) => (0.0001, 0.01),
        (Loading::Energy, Horizon::Window) => (0.000_001, 0.0001),
    };
    let x = ((ratio - gone) / (full - gone)).clamp(0.0, 1.0);
    3.0 * x.powi(2) - 2.0 * x.powi(3)
}

fn kernel(kernel: Kernel, d: usize, window: usize, half_life: f64) -> f64 {
    let d = d as f64;
    match kernel {
        Kernel::Inverse => 1.0 / d,
        Kernel::Exponential => (0.5_f64).powf((d - 1.0) / half_life),
        Kernel::Linear => 1.0 - (d - 1.0) / window as f64,
        Kernel::Step => 1.0,
    }
}

fn row(embedding: &Embedding, item: usize) -> DVector<f64> {
    let value = |i: usize| match &embedding.data {
        EmbeddingData::F16(v) => v[i].to_f64(),
        EmbeddingData::F32(v) => f64::from(v[i]),
        EmbeddingData::F64(v) => v[i],
    };
    DVector::from_fn(embedding.dim, |d, _| value(item * embedding.dim + d))
}

fn similarities(config: &Config, catalog: &Catalog, items: &[usize]) -> DMatrix<f64> {
    let mut signals: Vec<(&Embedding, f64, Metric)> = Vec::new();
    for signal in &config.signals {
        signals.push((catalog.signal(&signal.name).unwrap(), signal.weight, signal.metric));
    }
    if signals.is_empty() {
        signals.push((&catalog.signals()[0], 1.0, Metric::Cosine));
    }
    let total: f64 = signals.iter().map(|(_, weight, _)| weight).sum();
    let mut similarity = DMatrix::zeros(items.len(), items.len());
    for (embedding, weight, metric) in signals {
        let rows: Vec<DVector<f64>> = items
            .iter()
            .map(|&item| {
                let x = row(embedding, item);
                let length = if metric == Metric::Cosine && x.norm() > 0.0 { x.norm() } else { 1.0 };
                // Engines are given these factors in single precision (SPEC 9).
                x * f64::from(((weight / total).sqrt() / length) as f32)
            })
            .collect();
        for a in 0..items.len() {
            for b in 0..items.len() {
                similarity[(a, b)] += rows[a].dot(&rows[b]);
            }
        }
    }
    similarity
}

fn base_scores(config: &Config, catalog: &Catalog, slate: &Slate) -> Vec<f64> {
    let r = &slate.scores;
    let n = r.len() as f64;
    let low = r.iter().copied().fold(f64::INFINITY, f64::min);
    let high = r.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = r.iter().sum::<f64>() / n;
    let deviation = (r.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt();
    let transformed = r.iter().map(|&x| match config.relevance.transform {
        Transform::Identity => x,
        Transform::Log => x.ln(),
        Transform::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Transform::Power => x.powf(config.relevance.power),
        Transform::Minmax if low == high => 0.0,
        Transform::Minmax => (x - low) / (high - low),
        Transform::Zscore if low == high => 0.0,
        Transform::Zscore => (x - mean) / deviation,
    });
    let adjusted = transformed.zip(&slate.candidates).map(|(base, &item)| {
        let terms = config.relevance.adjust.iter();
        let terms = terms.map(|a| a.weight * catalog.column(&a.column).unwrap().data.number(item as usize).unwrap());
        base + terms.sum::<f64>()
    });
    adjusted.collect()
}
