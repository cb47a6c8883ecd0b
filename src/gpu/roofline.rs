//! How much the kernel does for a slate, stage by stage: steps, bytes and operations, to hold against what a device can do
//! (S. Williams, A. Waterman, D. Patterson, "Roofline", Commun. ACM 52, 2009).
//!
//! A slate's data decide little more than how far the scans go, and the result tells that: a scan ends with the first chunk that
//! holds the winner and after which no candidate's bound is above the winner's utility. So work is counted on the host, from a
//! slate and its result; tests hold the steps against a traced kernel, and the pairs against the CPU engine's counters and
//! against what the traced kernel notes of who has been compared with whom.
//!
//! Bytes are those that lanes ask for in buffers, before any cache; workgroup memory is not in them, nor are the words
//! that say which row an item has and who was placed where. Operations are additions, multiplications, divisions and
//! roots of floating point that the method needs; comparisons, logarithms, Jacobi's rotations (K × K, and as many as it
//! takes), what columns that are much alike take more, and what lanes do twice are not in them.

mod baseline;
mod count;

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use crate::config::Strategy;
use crate::gpu::layout::Phase;
use crate::gpu::plan::Plan;
use crate::prepare::PreparedSlate;
use crate::slate::RankedSlate;

pub use baseline::{PlacedSimilarityWork, ResidualWork};
use count::Count;

/// What arithmetic in double precision takes, in operations: of single precision where it is in pairs, else of double precision,
/// of which a device does fewer in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoubleCosts {
    /// `sum + a * b`, to which more is added (`accumulate`).
    pub accumulate: u64,
    /// What remains when all is added (`settled`).
    pub settle: u64,
    /// A sum (`add`).
    pub add: u64,
    /// `inverse_root`: a root, a division, and what corrects the guess.
    pub inverse_root: u64,
}

impl DoubleCosts {
    /// Of common/double.wgsl: an exact product takes 11 operations (2 where `fma` rounds once), cross terms 4, a sum 11.
    pub const PAIRS: Self = Self { accumulate: 23, settle: 3, add: 11, inverse_root: 59 };
    /// Of common/native_double.wgsl.
    pub const NATIVE: Self = Self { accumulate: 2, settle: 0, add: 1, inverse_root: 8 };

    /// `sum + a * b`.
    pub const fn multiply_add(self) -> u64 {
        self.accumulate + self.settle
    }

    /// A sum of `n` products.
    const fn sum_of(self, n: u64) -> u64 {
        n * self.accumulate + self.settle
    }
}

/// Operations per value of a dot product in doubled precision: of f16 rows, whose products are exact, and of others.
const WIDE_DOT: [u64; 2] = [9, 20];
/// Operations that fold a signal's 16 partial sums into the similarity, factors applied.
const FOLD_SIGNAL: u64 = 18;
/// Bytes of a word.
const WORD: u64 = 4;

/// The stages that are counted, in the order of the pipeline.
pub const STAGES: [&str; 8] =
    ["window_similarity", "eigensolve", "exposure", "placed_similarity", "residual", "penalty", "select", "batch"];

/// What one stage does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageWork {
    /// Bytes asked for in buffers.
    pub bytes: u64,
    /// Floating-point operations.
    pub operations: u64,
}

impl StageWork {
    /// The least time it takes, in seconds, where memory gives so many bytes per second and lanes do so many operations per
    /// second, each without waiting for the other.
    pub fn least_seconds(&self, bytes_per_s: f64, operations_per_s: f64) -> f64 {
        (self.bytes as f64 / bytes_per_s).max(self.operations as f64 / operations_per_s)
    }
}

/// What happens while a slate, or several, are composed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Steps of the kernel, by [`Phase`].
    pub steps: [u64; Phase::ALL.len()],
    /// Positions with a window that has something to say.
    pub n_active: u64,
    /// Pairs of window members compared in doubled precision.
    pub n_member_pairs: u64,
    /// Pairs of an item and a window slot compared.
    pub n_pairs: u64,
    /// Items placed before the window whose loadings are computed.
    pub n_past: u64,
    /// Candidates scored, and those of them at active positions.
    pub n_scored: u64,
    /// See `n_scored`.
    pub n_scored_active: u64,
    /// Placed items that scored candidates are held against for the Semantic-ID penalty.
    pub n_semantic: u64,
    /// Candidates scored while something is placed; the balance penalty compares them with the sum of rows.
    pub n_balanced: u64,
    /// What `mmr` and `msd` do to know how like the placed items a candidate is.
    pub placed_similarity: PlacedSimilarityWork,
    /// What `dpp` and `ssd` do to know what is left of a candidate beside the span of the placed items.
    pub residual: ResidualWork,
    /// Words that go up with the slate and come down.
    pub n_words: u64,
}

impl Add for Work {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self.steps.iter_mut().zip(other.steps).for_each(|(sum, n)| sum.add_assign(n));
        self.n_active += other.n_active;
        self.n_member_pairs += other.n_member_pairs;
        self.n_pairs += other.n_pairs;
        self.n_past += other.n_past;
        self.n_scored += other.n_scored;
        self.n_scored_active += other.n_scored_active;
        self.n_semantic += other.n_semantic;
        self.n_balanced += other.n_balanced;
        self.placed_similarity += other.placed_similarity;
        self.residual += other.residual;
        self.n_words += other.n_words;
        self
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(works: I) -> Self {
        works.fold(Self::default(), Add::add)
    }
}

impl Work {
    /// What the kernel of a plan does for a slate with this result. Without `prunes` as if every scan went to its end.
    ///
    /// Counted are slates without pins, filters and caps: those end scans for other reasons. Items that are placed though they
    /// lie in the span of those before them are counted as if they took a direction of their own: `dpp` and `ssd` compare nobody
    /// with them, and where there are any, [`Self::residual`] is a bound from above. Steps are not touched by that.
    ///
    /// `None` for the rest, and where slate and result do not tell how many chunks of candidates are looked at:
    /// - `dpp` and `ssd`, where a winner lies in the span of the placed items and somebody else does not. The kernel looks for
    ///   those chunk by chunk until it finds one; which chunk that is only the rows know. It is counted where there is but one.
    /// - `ssd` with `variant = "product"`, where recent items count or something leaves the window: the bound that ends a scan
    ///   rests on a volume that only the rows know. Elsewhere the result tells it, to rounding; and where one chunk holds
    ///   everybody, nothing asks for it.
    /// - `ssd` where γ or the volume is 0, before the rank is exhausted: no diversity term tells whether the winner lies in the
    ///   span.
    pub fn of(plan: &Plan, slate: &PreparedSlate, ranked: &RankedSlate, prunes: bool) -> Option<Self> {
        let is_counted = slate.pins.is_empty() && !slate.has_filters() && plan.params.n_caps == 0;
        if is_counted { Count::new(plan, slate).run(ranked, prunes) } else { None }
    }

    fn take(&mut self, phase: Phase, n: usize) {
        self.steps[phase as usize] += n as u64;
    }

    /// Bytes and operations of each of [`STAGES`].
    pub fn stages(&self, plan: &Plan, costs: DoubleCosts) -> [StageWork; STAGES.len()] {
        let p = &plan.params;
        let (m, k, n_signals) = (plan.n_slots as u64, plan.n_spectra as u64, u64::from(p.n_signals));
        let row_bytes = plan.row_bytes() as u64;
        // What f32 lacks of f64 rows is read for members alone.
        let has_rest = p.rest_octets > 0;
        let values = plan.row_values as u64 / if has_rest { 2 } else { 1 };
        let pair_bytes = 2 * (row_bytes / if has_rest { 2 } else { 1 }) + 2 * WORD * n_signals;
        let steps = |phase: Phase| self.steps[phase as usize];
        let pair_operations = 2 * values + FOLD_SIGNAL * n_signals;
        // In doubled precision.
        let wide_pair_bytes = 2 * row_bytes + 2 * WORD * n_signals;
        // As FOLD_SIGNAL, of 8 partial sums.
        let fold = 7 * costs.add + 2 * costs.multiply_add();
        let wide_pair_operations = values * WIDE_DOT[usize::from(!plan.is_f16)] + fold * n_signals;
        let similarity = StageWork {
            bytes: self.n_pairs * (pair_bytes + WORD) + self.n_member_pairs * (wide_pair_bytes + 4 * WORD),
            operations: self.n_pairs * pair_operations + self.n_member_pairs * wide_pair_operations,
        };
        let (n_sweeps, n_rotations) = (steps(Phase::Sweep), steps(Phase::Rotate));
        let sum_of = |n: u64| costs.sum_of(n);
        let gram_words = if plan.has_gram { 0 } else { 2 * m * m * k };
        // Products of columns, their factor with its inverse, and the columns divided by it.
        let elimination: u64 = (1..k).map(|n_left| n_left * k * 5).sum();
        let divide = 2 * k * k * m + elimination + (1..=k).map(|c| m * sum_of(c)).sum::<u64>();
        // B and N; then d, Q and its correction, Qᵀ B Q, and Q P; then U.
        let rotate = k * (k + 1) * sum_of(m) + k * k * (8 * k + 9 + 4 * sum_of(k)) + m * k * sum_of(k);
        let eigensolve = StageWork {
            bytes: WORD * (n_sweeps + n_rotations) * gram_words,
            operations: (n_sweeps + n_rotations) * m * k * sum_of(m) + n_sweeps * divide + n_rotations * rotate,
        };
        // Similarities of who is scored: its own, or a row of S_W in doubled precision where that is not in workgroup memory.
        let words_each = match (p.is_window_scope == 1, plan.has_gram) {
            (false, _) => 1,
            (true, false) => 2,
            (true, true) => 0,
        };
        let quadratic_form = 2 * m * k + 2 * k * k + 2 * k;
        let exposure = StageWork {
            bytes: WORD * m * (self.n_past + words_each * self.n_scored_active),
            operations: self.n_active * 5 * m * k * k
                + self.n_past * (2 * m * k + 3 * k * k)
                + self.n_scored_active * quadratic_form,
        };
        let placed_similarity = self.placed_similarity.stage(pair_bytes, pair_operations);
        let residual = self.residual.stage(wide_pair_bytes, wide_pair_operations, costs);
        let (n_rules, n_levels) = (u64::from(p.n_rules), u64::from(p.n_levels));
        let is_balanced = u64::from(p.balance_strength > 0.0);
        let n_balanced = is_balanced * self.n_balanced;
        let penalty = StageWork {
            bytes: self.n_scored * WORD * n_rules
                + self.n_semantic * WORD * (2 * n_levels + 2)
                + n_balanced * (pair_bytes / 2 + WORD * values)
                + is_balanced * steps(Phase::Place) * (pair_bytes / 2 + 2 * WORD * values),
            operations: 2 * self.n_scored * n_rules
                + 2 * self.n_semantic
                + 2 * n_balanced * values
                + 2 * is_balanced * steps(Phase::Place) * values,
        };
        // Base score, row and mark; the utility is a sum of five terms, of which baselines weigh the first.
        let is_weighted = !matches!(plan.strategy, Strategy::Spectral | Strategy::Relevance);
        let select =
            StageWork { bytes: 3 * WORD * self.n_scored, operations: (4 + u64::from(is_weighted)) * self.n_scored };
        let batch = StageWork { bytes: WORD * self.n_words, operations: 0 };
        [similarity, eigensolve, exposure, placed_similarity, residual, penalty, select, batch]
    }
}
