//! Makes a failing slate small: what can go without the failure going with it, goes.
//!
//! Parts are dropped in halves first, then one by one, large parts before small ones; then settings return to their
//! defaults. Any failure counts, also another than the first. The number of engine runs is bounded.

use crate::catalog::{Catalog, Embedding, EmbeddingData};
use crate::config::{Balance, Config, Scope, Spectral, Strategy, Window};
use crate::parity::case::Case;
use crate::parity::harness::first_fault;
use crate::parity::subject::Subject;
use crate::problem::Problem;
use crate::slate::Slate;

/// The smallest case found that still fails, and how it does.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The case, of one slate.
    pub case: Case,
    /// What is wrong with it first.
    pub fault: String,
    /// Engine runs it took.
    pub n_runs: usize,
}

/// Shrinks a case of one slate that fails on an engine, with at most `max_runs` runs; none where it does not fail.
pub fn shrink(subject: &dyn Subject, case: &Case, max_runs: usize) -> Option<Shrunk> {
    let mut search = Search { subject, max_runs, n_runs: 0, best: case.clone(), fault: String::new(), position: None };
    if !search.accepts(case.clone()) {
        return None;
    }
    while search.round() && !search.is_spent() {}
    Some(Shrunk { case: search.best, fault: search.fault, n_runs: search.n_runs })
}

struct Search<'s> {
    subject: &'s dyn Subject,
    max_runs: usize,
    n_runs: usize,
    best: Case,
    fault: String,
    position: Option<usize>,
}

impl Search<'_> {
    fn is_spent(&self) -> bool {
        self.n_runs >= self.max_runs
    }

    /// Tries a case; it becomes the best where it still fails.
    fn accepts(&mut self, case: Case) -> bool {
        if self.is_spent() {
            return false;
        }
        // What was dropped may have been needed by something else that was not.
        let Some(case) = tidied(case) else { return false };
        self.n_runs += 1;
        let Some((fault, position)) = first_fault(self.subject, &case) else { return false };
        (self.best, self.fault, self.position) = (case, fault, position);
        true
    }

    /// One pass over all parts; true where something went.
    fn round(&mut self) -> bool {
        let mut has_changed = self.cut_positions();
        for &(count, drop_one) in &PARTS {
            has_changed |= self.drop_parts(count, drop_one);
        }
        has_changed |= self.narrow();
        has_changed |= self.simplify();
        has_changed
    }

    /// Positions after the first fault say nothing new.
    fn cut_positions(&mut self) -> bool {
        let Some(position) = self.position else { return false };
        let mut case = self.best.clone();
        if position + 1 >= case.config.slate_size {
            return false;
        }
        case.config.slate_size = position + 1;
        case.slates[0].pinned.retain(|pin| pin.position as usize <= position);
        self.accepts(case)
    }

    /// Drops parts in blocks of half of them, a quarter, …, one.
    fn drop_parts(&mut self, count: Count, drop_one: DropOne) -> bool {
        let mut has_changed = false;
        let mut block = count(&self.best).div_ceil(2);
        while block > 0 && !self.is_spent() {
            let mut start = 0;
            while start < count(&self.best) && !self.is_spent() {
                let mut case = self.best.clone();
                for i in (start..(start + block).min(count(&case))).rev() {
                    drop_one(&mut case, i);
                }
                if self.accepts(case) {
                    has_changed = true;
                } else {
                    start += block;
                }
            }
            block /= 2;
        }
        has_changed
    }

    /// Keeps the first half of a signal's dimensions, and again.
    fn narrow(&mut self) -> bool {
        let mut has_changed = false;
        for signal in 0..self.best.catalog.signals().len() {
            while let Some(case) = halved(&self.best, signal)
                && self.accepts(case)
            {
                has_changed = true;
            }
        }
        has_changed
    }

    /// Settings back to their defaults, one at a time.
    fn simplify(&mut self) -> bool {
        let mut has_changed = false;
        for simplify in SIMPLIFICATIONS {
            let mut case = self.best.clone();
            simplify(&mut case.config, &mut case.slates[0]);
            if case.config != self.best.config || case.slates != self.best.slates {
                has_changed |= self.accepts(case);
            }
        }
        has_changed
    }
}

type Count = fn(&Case) -> usize;
type DropOne = fn(&mut Case, usize);

/// What a case consists of, and how one of them goes.
const PARTS: [(Count, DropOne); 9] = [
    (|case| case.slates[0].candidates.len(), drop_candidate),
    (|case| case.slates[0].recent.len(), |case, i| _ = case.slates[0].recent.remove(i)),
    (|case| case.slates[0].pinned.len(), |case, i| _ = case.slates[0].pinned.remove(i)),
    (|case| case.slates[0].seen.len(), |case, i| _ = case.slates[0].seen.remove(i)),
    (|case| case.config.filter.drop.len(), |case, i| _ = case.config.filter.drop.remove(i)),
    (|case| case.config.filter.keep.len(), |case, i| _ = case.config.filter.keep.remove(i)),
    (|case| case.config.spacing.len(), |case, i| _ = case.config.spacing.remove(i)),
    (|case| case.config.cap.len(), |case, i| _ = case.config.cap.remove(i)),
    (|case| case.config.signals.len(), |case, i| _ = case.config.signals.remove(i)),
];

type Simplification = fn(&mut Config, &mut Slate);

/// Size of the window and number of spectra stay: for every other a GPU driver would compile the kernel anew.
const SIMPLIFICATIONS: [Simplification; 20] = [
    |config, _| config.strategy = Strategy::Relevance,
    |config, _| config.semantic_id = None,
    |config, _| config.balance = Balance::default(),
    |config, _| config.relevance = Default::default(),
    |config, _| config.window = Window { behind: config.window.size(), ahead: 0, scope: Scope::Pool },
    |config, _| config.spectral.loading = Default::default(),
    |config, _| config.spectral.coupling = Default::default(),
    |config, _| config.spectral.horizon = Default::default(),
    |config, _| config.spectral.decay = Spectral::default().decay,
    |config, _| config.spectral.epsilon = Spectral::default().epsilon,
    |config, _| config.spectral.iterations = Spectral::default().iterations,
    |config, _| config.spectral.strength = 1.0,
    |config, _| config.ssd.variant = Default::default(),
    |config, _| config.ssd.eviction = Default::default(),
    |config, _| {
        (config.mmr.window, config.msd.window) = (0, 0);
        (config.dpp.window, config.ssd.window) = (0, 0);
    },
    |config, _| {
        for rule in &mut config.spacing {
            rule.when.clear();
            rule.confidence = None;
        }
    },
    |config, _| config.filter.recent = false,
    |config, slate| (config.filter.seen_bloom, slate.seen_bloom) = (None, None),
    |_, slate| slate.attributes.clear(),
    |_, slate| {
        for score in &mut slate.scores {
            *score = (*score * 8.0).round() / 8.0;
        }
    },
];

/// Drops a candidate with its score and its pin.
fn drop_candidate(case: &mut Case, index: usize) {
    let slate = &mut case.slates[0];
    let item = slate.candidates.remove(index);
    slate.scores.remove(index);
    slate.pinned.retain(|pin| pin.item != item);
}

/// The case with the first half of a signal's dimensions; none where there is one left.
fn halved(case: &Case, index: usize) -> Option<Case> {
    fn cut<T: Copy>(values: &[T], dim: usize, kept: usize) -> Vec<T> {
        values.chunks_exact(dim).flat_map(|row| row[..kept].iter().copied()).collect()
    }
    let mut catalog = Catalog::new();
    for (i, signal) in case.catalog.signals().iter().enumerate() {
        let dim = signal.dim;
        let kept = if i == index { dim / 2 } else { dim };
        let data = match &signal.data {
            EmbeddingData::F16(v) => EmbeddingData::F16(cut(v, dim, kept).into()),
            EmbeddingData::F32(v) => EmbeddingData::F32(cut(v, dim, kept).into()),
            EmbeddingData::F64(v) => EmbeddingData::F64(cut(v, dim, kept).into()),
        };
        let missing = signal.missing.clone();
        catalog.add_signal(Embedding { missing, ..Embedding::new(&signal.name, kept, data) }).ok()?;
    }
    for column in case.catalog.columns() {
        catalog.add_column(column.clone()).ok()?;
    }
    if case.catalog.has_ids() {
        let ids = (0..case.catalog.n_items() as u32).map(|row| case.catalog.id_of(row).into_owned());
        catalog.set_ids(ids.collect()).ok()?;
    }
    Some(Case { catalog, ..case.clone() })
}

/// The case without items, signals and columns that nothing uses; none where it is no valid case any more.
fn tidied(case: Case) -> Option<Case> {
    case.config.validate().ok()?;
    let problem = Problem::new(&case.config, &case.catalog).ok()?;
    Case::of_slate(&case.name, &problem, case.slates.first()?).ok()
}
