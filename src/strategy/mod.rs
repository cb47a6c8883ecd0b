//! Strategies: what a candidate's variety is worth at a position.

pub mod dpp;
mod mmr;
mod msd;
mod spectral;
mod ssd;

pub use dpp::Dpp;
pub use mmr::Mmr;
pub use msd::Msd;
pub use spectral::{Decomposed, Spectral};
pub use ssd::Ssd;

use crate::config::Strategy as Kind;
use crate::problem::Problem;
use crate::real::{BESIDE, MostOfBlocks, Real};
use crate::run::Slots;
use crate::stage::select::Bar;

/// One rule for the strategy's part of the utility: `base_weight · base + diversity`.
pub trait Strategy<R: Real>: Send {
    /// Forgets the last slate.
    fn reset(&mut self, slots: &Slots<R>) {
        let _ = slots;
    }

    /// Called once per position, before any candidate is scored.
    fn begin_position(&mut self, slots: &mut Slots<R>) {
        let _ = slots;
    }

    /// Factor of the base score, 0 or more.
    fn base_weight(&self) -> R {
        R::one()
    }

    /// No diversity term of this position is larger (SPEC 8).
    fn most_diversity(&self) -> R {
        R::zero()
    }

    /// Diversity term of a candidate by local index.
    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R;

    /// As [`Self::diversity`], but may stop where the candidate is known to be beaten.
    fn diversity_unless_beaten(&mut self, slots: &mut Slots<R>, local: usize, bar: &Bar<R>) -> Term<R> {
        let _ = bar;
        Term::Is(self.diversity(slots, local))
    }

    /// Diversity terms of several candidates, each as [`Self::diversity`] gives it.
    fn diversities(&mut self, slots: &mut Slots<R>, locals: [usize; BESIDE]) -> [R; BESIDE] {
        locals.map(|local| self.diversity(slots, local))
    }

    /// Where the diversity terms of whole blocks of candidates can be bounded together: how. The same for all of a slate.
    fn bounds_blocks(&mut self) -> Option<Looks> {
        None
    }

    /// What the diversity terms of the candidates of some blocks of ranks are at most, where they can be bounded.
    fn most_of_blocks(&mut self, slots: &mut Slots<R>, blocks: &[u32]) -> Option<MostOfBlocks<'_, R>> {
        let _ = (slots, blocks);
        None
    }

    /// Where blocks are bounded: how much any diversity term, or what it is at most, can have grown since the position of a step, this
    /// one or an earlier one.
    fn growth_since(&self, step: u32) -> R {
        let _ = step;
        R::infinity()
    }

    /// From how many candidates of a position on several terms side by side take less time than one after the other; none where they
    /// never do.
    fn groups_from(&self) -> Option<usize> {
        None
    }

    /// Diversity terms of all candidates by rank, each as [`Self::diversity`] gives it; numbers without a meaning for those that
    /// `is_out`. False where that is no quicker than one after the other, and nothing was done.
    fn diversities_of_all(&mut self, slots: &mut Slots<R>, is_out: &[bool], terms: &mut [R]) -> bool {
        let _ = (slots, is_out, terms);
        false
    }

    /// True where no diversity term ever grows while a slate is composed: then a candidate need not be looked at until what its term was
    /// is the best there is.
    fn terms_only_fall(&self) -> bool {
        false
    }

    /// What is left of a candidate beside the span of what is placed, as a multiple of what counts as nothing: up to 1 the
    /// candidate lies in the span, and its base score alone counts. Only strategies that project have such candidates.
    fn residual_over_floor(&mut self, slots: &mut Slots<R>, local: usize) -> f64 {
        let _ = (slots, local);
        f64::INFINITY
    }
}

/// How blocks of candidates are looked at, which could hold the winner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// All at once: a look takes little time.
    Together,
    /// The most promising first, as long as it promises more than what was found.
    OneByOne,
}

/// A diversity term, as far as it was computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Term<R> {
    /// The term.
    Is(R),
    /// No more than this, which does not win.
    AtMost(R),
}

impl<R: Copy> Term<R> {
    /// What it is, or is at most.
    #[inline]
    pub fn most(self) -> R {
        match self {
            Self::Is(term) | Self::AtMost(term) => term,
        }
    }
}

/// Base score alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Relevance;

impl<R: Real> Strategy<R> for Relevance {
    fn diversity(&mut self, _: &mut Slots<R>, _: usize) -> R {
        R::zero()
    }
}

/// The strategy that a configuration names.
#[derive(Debug)]
#[allow(missing_docs, reason = "each holds the strategy of its name")]
pub enum Chosen<R> {
    Spectral(Spectral<R>),
    Ssd(Ssd),
    Dpp(Dpp),
    Mmr(Mmr<R>),
    Msd(Msd<R>),
    Relevance(Relevance),
}

impl<R: Real> Chosen<R> {
    /// The strategy of a problem.
    pub fn new(problem: &Problem) -> Self {
        let config = problem.config;
        match config.strategy {
            Kind::Spectral => Self::Spectral(Spectral::default()),
            Kind::Ssd => Self::Ssd(Ssd::new(&config.ssd, problem.most_similarity())),
            Kind::Dpp => Self::Dpp(Dpp::new(&config.dpp, problem.most_similarity())),
            Kind::Mmr => Self::Mmr(Mmr::new(&config.mmr)),
            Kind::Msd => Self::Msd(Msd::new(&config.msd, problem.most_similarity())),
            Kind::Relevance => Self::Relevance(Relevance),
        }
    }

    #[cfg(test)]
    pub(crate) fn spectral_mut(&mut self) -> Option<&mut Spectral<R>> {
        if let Self::Spectral(spectral) = self { Some(spectral) } else { None }
    }

    /// The spectral strategy, if that is the one.
    pub fn spectral(&self) -> Option<&Spectral<R>> {
        if let Self::Spectral(spectral) = self { Some(spectral) } else { None }
    }

    /// The strategy, whichever it is.
    pub fn get(&mut self) -> &mut dyn Strategy<R> {
        match self {
            Self::Spectral(strategy) => strategy,
            Self::Ssd(strategy) => strategy,
            Self::Dpp(strategy) => strategy,
            Self::Mmr(strategy) => strategy,
            Self::Msd(strategy) => strategy,
            Self::Relevance(strategy) => strategy,
        }
    }
}
