//! From a slate as given to a slate as engines take it: checked, transformed, ranked.
//!
//! Filters are left to the engines. Transforms that look at the whole slate (`minmax`, `zscore`) look at all candidates as given,
//! so that no filter changes the base score of an item that stays.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bloom::BloomFilter;
use crate::config::{MAX_CANDIDATES, Transform};
use crate::problem::Problem;
use crate::slate::Slate;

/// Longest `recent` list kept; older items are forgotten.
pub const MAX_RECENT: usize = 512;

/// What is wrong with a slate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("slate {slate}: {problem}")]
pub struct SlateError {
    /// The slate's id.
    pub slate: String,
    /// What is wrong, and what to do.
    pub problem: SlateProblem,
}

/// The ways a slate can be wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SlateProblem {
    /// Not one score per candidate.
    #[error("{candidates} candidates but {scores} scores: give one score per candidate")]
    LengthsDiffer {
        /// Candidates.
        candidates: usize,
        /// Scores.
        scores: usize,
    },
    /// More candidates than engines take.
    #[error("{candidates} candidates, at most {MAX_CANDIDATES}: send the best ones only")]
    TooManyCandidates {
        /// Candidates.
        candidates: usize,
    },
    /// A row past the end of the catalog.
    #[error("item {item} is not in the catalog, which has {n_items} items: drop it, or add it to the catalog")]
    NotInCatalog {
        /// The row number.
        item: u32,
        /// Rows of the catalog.
        n_items: usize,
    },
    /// A candidate listed twice.
    #[error("item {item} is listed twice (candidates {first} and {second}): keep one of them")]
    Duplicate {
        /// Item id.
        item: String,
        /// First index into the candidates.
        first: usize,
        /// Second index.
        second: usize,
    },
    /// A score that is NaN or infinite.
    #[error("the score of item {item} is {score}: scores must be finite numbers")]
    NonFiniteScore {
        /// Item id.
        item: String,
        /// The score.
        score: f64,
    },
    /// A score the transform is not defined for.
    #[error("the score of item {item} is {score}: transform \"{transform}\" needs scores {needed}")]
    TransformDomain {
        /// Item id.
        item: String,
        /// The score.
        score: f64,
        /// The transform.
        transform: &'static str,
        /// What it needs.
        needed: &'static str,
    },
    /// A base score no engine can hold.
    #[error("the base score of item {item} is {base:e}: beyond ±1e30, rescale the scores")]
    BaseOutOfRange {
        /// Item id.
        item: String,
        /// The base score.
        base: f64,
    },
    /// A pinned item that is no candidate.
    #[error("item {item} is pinned at position {position} but is no candidate: add it to the candidates")]
    PinnedNotCandidate {
        /// Item id.
        item: String,
        /// Its position.
        position: u32,
    },
    /// A pin past the end.
    #[error("item {item} is pinned at position {position} but the slate has {slate_size} positions, 0 to {last}")]
    PinPastEnd {
        /// Item id.
        item: String,
        /// Its position.
        position: u32,
        /// T.
        slate_size: usize,
        /// T − 1.
        last: usize,
    },
    /// Two pins in conflict.
    #[error("item {item} is pinned at position {position}, which another pin takes, or it is pinned twice")]
    PinConflict {
        /// Item id.
        item: String,
        /// Its position.
        position: u32,
    },
}

/// A slate ready for an engine. Local index: candidates by rank first, then the recent items, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PreparedSlate {
    /// Catalog row of every local index.
    pub rows: Vec<u32>,
    /// Base score by rank, never increasing.
    pub base: Vec<f64>,
    /// Index into the slate's candidates by rank.
    pub candidate: Vec<u32>,
    /// Bit r is set where spacing rule r applies to this slate.
    pub active_rules: u32,
    /// (position, rank) of pinned items, by position.
    pub pins: Vec<(u32, u32)>,
    /// Bits of [`BoundFilter::failed`](crate::problem::BoundFilter::failed) that take an item out of this slate.
    pub active_filters: u32,
    /// Catalog rows that are taken out of this slate, ascending, each once.
    pub excluded: Vec<u32>,
    /// What it holds is taken out of this slate.
    pub seen_bloom: Option<Arc<BloomFilter>>,
}

impl PreparedSlate {
    /// Checks and ranks a slate.
    ///
    /// # Errors
    /// Names the slate and the item.
    pub fn new(problem: &Problem, slate: &Slate) -> Result<Self, SlateError> {
        prepare(problem, slate).map_err(|problem| SlateError { slate: slate.id.clone(), problem })
    }

    /// Number of candidates.
    pub fn n_candidates(&self) -> usize {
        self.base.len()
    }

    /// Number of recent items.
    pub fn n_recent(&self) -> usize {
        self.rows.len() - self.base.len()
    }

    /// True where something may take candidates out.
    pub fn has_filters(&self) -> bool {
        self.active_filters != 0 || !self.excluded.is_empty() || self.seen_bloom.is_some()
    }

    /// Words of its Bloom filter; none where it has none.
    pub fn bloom_words(&self) -> &[u32] {
        self.seen_bloom.as_deref().map_or(&[], BloomFilter::words)
    }

    /// Most positions this slate fills when `slate_size` are asked for; fewer where filters leave too few candidates.
    pub fn n_positions(&self, slate_size: usize) -> usize {
        slate_size.min(self.n_candidates())
    }
}

fn prepare(problem: &Problem, slate: &Slate) -> Result<PreparedSlate, SlateProblem> {
    let (n, n_items) = (slate.candidates.len(), problem.catalog.n_items());
    if n != slate.scores.len() {
        return Err(SlateProblem::LengthsDiffer { candidates: n, scores: slate.scores.len() });
    }
    if n > MAX_CANDIDATES {
        return Err(SlateProblem::TooManyCandidates { candidates: n });
    }
    let everyone = slate.candidates.iter().chain(&slate.recent);
    if let Some(&item) = everyone.into_iter().find(|&&row| row as usize >= n_items) {
        return Err(SlateProblem::NotInCatalog { item, n_items });
    }
    check_duplicates(problem, slate)?;
    let base = base_scores(problem, slate)?;
    let mut order: Vec<u32> = (0..n as u32).collect();
    // A stable sort keeps input order among equal scores; the values are finite, so they always compare.
    order.sort_by(|&a, &b| base[b as usize].partial_cmp(&base[a as usize]).unwrap_or(std::cmp::Ordering::Equal));
    let recent = &slate.recent[slate.recent.len().saturating_sub(MAX_RECENT)..];
    let pins = pins(problem, slate, &order)?;
    Ok(PreparedSlate {
        rows: order.iter().map(|&c| slate.candidates[c as usize]).chain(recent.iter().copied()).collect(),
        base: order.iter().map(|&c| base[c as usize]).collect(),
        candidate: order,
        active_rules: active_rules(problem, slate),
        pins,
        active_filters: problem.filter.active(slate),
        excluded: excluded(problem, slate),
        seen_bloom: slate.seen_bloom.clone().filter(|_| !problem.filter.id_hashes.is_empty()),
    })
}

fn check_duplicates(problem: &Problem, slate: &Slate) -> Result<(), SlateProblem> {
    let mut sorted: Vec<(u32, u32)> = slate.candidates.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => Err(SlateProblem::Duplicate {
            item: problem.catalog.id_of(pair[0].0).into_owned(),
            first: pair[0].1 as usize,
            second: pair[1].1 as usize,
        }),
    }
}

fn base_scores(problem: &Problem, slate: &Slate) -> Result<Vec<f64>, SlateProblem> {
    let item = |i: usize| problem.catalog.id_of(slate.candidates[i]).into_owned();
    let scores = &slate.scores;
    if let Some(i) = scores.iter().position(|x| !x.is_finite()) {
        return Err(SlateProblem::NonFiniteScore { item: item(i), score: scores[i] });
    }
    let needs = |ok: fn(f64) -> bool, transform: &'static str, needed: &'static str| match scores
        .iter()
        .position(|&x| !ok(x))
    {
        None => Ok(()),
        Some(i) => Err(SlateProblem::TransformDomain { item: item(i), score: scores[i], transform, needed }),
    };
    let mut base: Vec<f64> = match problem.config.relevance.transform {
        Transform::Identity => scores.clone(),
        Transform::Log => {
            needs(|x| x > 0.0, "log", "above 0")?;
            scores.iter().map(|x| x.ln()).collect()
        }
        Transform::Sigmoid => scores.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
        Transform::Power => {
            needs(|x| x >= 0.0, "power", "of 0 or more")?;
            scores.iter().map(|x| x.powf(problem.config.relevance.power)).collect()
        }
        Transform::Minmax => minmax(scores),
        Transform::Zscore => zscore(scores),
    };
    if !problem.adjustment.is_empty() {
        for (b, &row) in base.iter_mut().zip(&slate.candidates) {
            *b += problem.adjustment[row as usize];
        }
    }
    match base.iter().position(|b| b.abs() > 1e30 || b.is_nan()) {
        None => Ok(base),
        Some(i) => Err(SlateProblem::BaseOutOfRange { item: item(i), base: base[i] }),
    }
}

fn minmax(scores: &[f64]) -> Vec<f64> {
    let low = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let high = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = high - low;
    scores.iter().map(|x| if range > 0.0 { (x - low) / range } else { 0.0 }).collect()
}

fn zscore(scores: &[f64]) -> Vec<f64> {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let deviation = (scores.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    // Equal scores can leave a deviation of rounding noise, which must not be magnified.
    let all_equal = scores.iter().all(|&x| x == scores[0]);
    scores.iter().map(|x| if all_equal || deviation == 0.0 { 0.0 } else { (x - mean) / deviation }).collect()
}

fn active_rules(problem: &Problem, slate: &Slate) -> u32 {
    let bits = problem.config.spacing.iter().enumerate();
    bits.filter(|(_, rule)| slate.has_all(&rule.when)).fold(0, |mask, (i, _)| mask | 1 << i)
}

fn excluded(problem: &Problem, slate: &Slate) -> Vec<u32> {
    let filter = &problem.filter;
    let recent = if filter.recent { slate.recent.as_slice() } else { &[] };
    let seen = if filter.seen { slate.seen.as_slice() } else { &[] };
    let mut rows = [recent, seen].concat();
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn pins(problem: &Problem, slate: &Slate, order: &[u32]) -> Result<Vec<(u32, u32)>, SlateProblem> {
    if slate.pinned.is_empty() {
        return Ok(Vec::new());
    }
    let rank_of: HashMap<u32, u32> = order.iter().map(|&c| slate.candidates[c as usize]).zip(0..).collect();
    let slate_size = problem.config.slate_size;
    let mut pins: Vec<(u32, u32)> = Vec::with_capacity(slate.pinned.len());
    for pin in &slate.pinned {
        let position = pin.position;
        let item = || problem.catalog.id_of(pin.item).into_owned();
        let n_items = problem.catalog.n_items();
        if pin.item as usize >= n_items {
            return Err(SlateProblem::NotInCatalog { item: pin.item, n_items });
        }
        let Some(&rank) = rank_of.get(&pin.item) else {
            return Err(SlateProblem::PinnedNotCandidate { item: item(), position });
        };
        if position as usize >= slate_size {
            let last = slate_size - 1;
            return Err(SlateProblem::PinPastEnd { item: item(), position, slate_size, last });
        }
        if pins.iter().any(|&(p, r)| p == position || r == rank) {
            return Err(SlateProblem::PinConflict { item: item(), position });
        }
        pins.push((position, rank));
    }
    pins.sort_unstable();
    Ok(pins)
}
