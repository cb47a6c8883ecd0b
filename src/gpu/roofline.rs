//! How much the kernel does for a slate, stage by stage: steps, bytes and operations, to hold against what a device can do
//! (S. Williams, A. Waterman, D. Patterson, "Roofline", Commun. ACM 52, 2009).
//!
//! A slate's data decide only how far the scans go, and the result tells that: a scan ends with the first chunk that holds the
//! winner and after which no candidate's bound is above the winner's utility. So work is counted on the host, from a
//! slate and its result; tests hold the steps against a traced kernel, and the pairs against the CPU engine's counters.
//!
//! Bytes are those that lanes ask for in buffers, before any cache; workgroup memory is not in them. Operations are additions,
//! multiplications, divisions and roots of floating point that the method needs; comparisons, Jacobi's rotations (K × K, and
//! as many as it takes) and what lanes do twice are not in them.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use crate::config::Strategy;
use crate::gpu::layout::{FIRST_CHUNK_PART, MANY_LANES, MEMBER_CHUNK, PAST_CHUNK, Phase};
use crate::gpu::plan::Plan;
use crate::prepare::PreparedSlate;
use crate::slate::RankedSlate;
use crate::stage::window::{EMPTY, Window};

/// Operations of `sum + a * b` in doubled precision (`multiply_add` in common/double.wgsl), of which the exact product takes
/// 11, the cross terms 4 and the sum 11.
pub const DOUBLE_MULTIPLY_ADD: u64 = 26;
/// Operations per value of a dot product in doubled precision: of f16 rows, whose products are exact, and of others.
const WIDE_DOT: [u64; 2] = [9, 20];
/// Operations that fold a signal's 16 partial sums into the similarity, factors applied.
const FOLD_SIGNAL: u64 = 18;
/// Bytes of a word.
const WORD: u64 = 4;

/// The stages that are counted, in the order of the pipeline.
pub const STAGES: [&str; 6] = ["window_similarity", "eigensolve", "exposure", "penalty", "select", "batch"];

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
    /// Counted are the spectral strategy and relevance order, for slates without pins, filters and caps: those end scans for
    /// other reasons. `None` for the rest.
    pub fn of(plan: &Plan, slate: &PreparedSlate, ranked: &RankedSlate, prunes: bool) -> Option<Self> {
        let is_counted = matches!(plan.strategy, Strategy::Spectral | Strategy::Relevance)
            && slate.pins.is_empty()
            && !slate.has_filters()
            && plan.params.n_caps == 0;
        is_counted.then(|| Count::new(plan, slate).run(ranked, prunes))
    }

    /// Bytes and operations of each of [`STAGES`].
    pub fn stages(&self, plan: &Plan) -> [StageWork; STAGES.len()] {
        let p = &plan.params;
        let (m, k, n_signals) = (plan.n_slots as u64, plan.n_spectra as u64, u64::from(p.n_signals));
        let row_bytes = plan.row_bytes() as u64;
        // What f32 lacks of f64 rows is read for members alone.
        let has_rest = p.rest_octets > 0;
        let values = plan.row_values as u64 / if has_rest { 2 } else { 1 };
        let pair_bytes = 2 * (row_bytes / if has_rest { 2 } else { 1 }) + 2 * WORD * n_signals;
        let steps = |phase: Phase| self.steps[phase as usize];
        let similarity = StageWork {
            bytes: self.n_pairs * (pair_bytes + WORD)
                + self.n_member_pairs * (2 * row_bytes + 2 * WORD * n_signals + 4 * WORD),
            operations: self.n_pairs * (2 * values + FOLD_SIGNAL * n_signals)
                + self.n_member_pairs * values * WIDE_DOT[usize::from(!plan.is_f16)],
        };
        let n_multiplied = steps(Phase::Sweep) + steps(Phase::Rotate);
        // A column against those before it, twice; its length, and two times in single precision; its scale.
        let column = 2 * m * DOUBLE_MULTIPLY_ADD + 4 * m;
        let orthonormalise = 2 * k * (k.max(1) - 1) * m * DOUBLE_MULTIPLY_ADD + k * column;
        let gram_words = if plan.has_gram { 0 } else { 2 * m * m * k };
        let eigensolve = StageWork {
            bytes: WORD * n_multiplied * gram_words,
            operations: n_multiplied * m * m * k * DOUBLE_MULTIPLY_ADD
                + (steps(Phase::Sweep) + steps(Phase::Rotate) / 2) * orthonormalise
                + steps(Phase::Rotate) * 2 * k * k * m * DOUBLE_MULTIPLY_ADD,
        };
        let quadratic_form = 2 * m * k + 2 * k * k + 2 * k;
        let exposure = StageWork {
            bytes: WORD * m * (self.n_past + self.n_scored_active),
            operations: self.n_active * 5 * m * k * k
                + self.n_past * (2 * m * k + 3 * k * k)
                + self.n_scored_active * quadratic_form,
        };
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
        // Base score, row and mark; the utility is a sum of five terms.
        let select = StageWork { bytes: 3 * WORD * self.n_scored, operations: 4 * self.n_scored };
        let batch = StageWork { bytes: WORD * self.n_words, operations: 0 };
        [similarity, eigensolve, exposure, penalty, select, batch]
    }
}

/// One slate, position by position, as the kernel goes through it.
struct Count<'a> {
    plan: &'a Plan,
    slate: &'a PreparedSlate,
    work: Work,
    window: Window,
    history: Vec<u32>,
    is_out: Vec<bool>,
    /// Step at which each item's similarities were last brought up to date.
    refreshed: Vec<u32>,
    /// Step at which S_W was.
    gram_step: u32,
    step: u32,
}

impl<'a> Count<'a> {
    fn new(plan: &'a Plan, slate: &'a PreparedSlate) -> Self {
        let n = slate.n_candidates();
        let mut window = Window::default();
        window.reset(plan.params.behind as usize, plan.params.ahead as usize);
        let mut count = Self {
            plan,
            slate,
            work: Work::default(),
            window,
            history: Vec::new(),
            is_out: vec![false; n],
            refreshed: vec![0; slate.rows.len()],
            gram_step: 0,
            step: 1,
        };
        count.work.n_words = (Plan::batch_words(slate) + plan.output_words(slate)) as u64;
        (n..slate.rows.len()).for_each(|local| count.remember(local as u32));
        count.look_ahead();
        count
    }

    fn remember(&mut self, local: u32) {
        if self.plan.strategy == Strategy::Spectral {
            self.window.place(local, self.history.len(), self.step);
        }
        self.history.push(local);
    }

    fn look_ahead(&mut self) {
        if self.plan.strategy == Strategy::Spectral {
            self.window.look_ahead(self.is_out.len(), self.step, |rank| self.is_out[rank]);
        }
    }

    fn take(&mut self, phase: Phase, n: usize) {
        self.work.steps[phase as usize] += n as u64;
    }

    fn run(mut self, ranked: &RankedSlate, prunes: bool) -> Work {
        let n_recent = self.history.len();
        self.take(Phase::Eligibility, 1);
        let is_balanced = self.plan.params.balance_strength > 0.0;
        self.take(Phase::Recents, if is_balanced { n_recent.div_ceil(MEMBER_CHUNK).max(1) } else { 1 });
        for placement in &ranked.placements {
            self.take(Phase::Begin, 1);
            let is_active = self.plan.strategy == Strategy::Spectral
                && self.plan.params.strength > 0.0
                && !self.window.has_no_history();
            if is_active {
                self.solve();
            }
            let of_item = |&rank: &usize| self.slate.candidate[rank] == placement.candidate;
            let Some(winner) = (0..self.is_out.len()).find(of_item) else { break };
            self.scan(winner, placement.utility, is_active, prunes);
            self.take(Phase::Place, 1);
            self.step += 1;
            self.is_out[winner] = true;
            self.remember(winner as u32);
            self.look_ahead();
        }
        // The one that finds nothing left to fill; where candidates run out before, that is found at the same place.
        self.take(Phase::Begin, 1);
        self.work
    }

    /// Similarities of an item to the slots whose items entered since it was last looked at.
    fn refresh(&mut self, local: usize) {
        self.work.n_pairs += self.window.entered_since(self.refreshed[local]).count() as u64;
        self.refreshed[local] = self.step;
    }

    /// From the window's similarity matrix to the weights.
    fn solve(&mut self) {
        let p = &self.plan.params;
        self.work.n_active += 1;
        let is_occupied = |slot: &usize| self.window.items[*slot] != EMPTY;
        let n = (0..self.window.size()).filter(is_occupied).count() as u64;
        let n_new = self.window.entered_since(self.gram_step).count() as u64;
        self.work.n_member_pairs += n_new * (n - n_new) + n_new * (n_new + 1) / 2;
        let is_first = self.gram_step == 0;
        self.gram_step = self.step;
        let n_sweeps = p.iterations + if is_first { p.first_sweeps } else { 0 };
        self.take(Phase::Members, self.plan.n_slots.div_ceil(MEMBER_CHUNK));
        self.take(Phase::Sweep, n_sweeps as usize);
        self.take(Phase::Rotate, 2);
        self.take(Phase::Expose, 1);
        self.take(Phase::Weights, 1);
        let behind = p.behind as usize;
        if p.is_slate_horizon == 1 && self.history.len() > behind {
            let n_past = self.history.len() - behind;
            self.take(Phase::ExposePast, n_past.div_ceil(PAST_CHUNK));
            self.work.n_past += n_past as u64;
            (0..n_past).for_each(|place| self.refresh(self.history[place] as usize));
        }
    }

    /// Chunks of candidates until none that is left can win.
    fn scan(&mut self, winner: usize, utility: f64, is_active: bool, prunes: bool) {
        let is_window_scope = self.plan.strategy == Strategy::Spectral && self.plan.params.is_window_scope == 1;
        let first_in = self.is_out.iter().position(|is_out| !is_out).unwrap_or(self.is_out.len());
        let (mut cursor, end) = if is_window_scope { (0, self.plan.n_slots) } else { (first_in, self.is_out.len()) };
        let lanes = self.plan.workgroup;
        let is_part = !is_window_scope && lanes >= MANY_LANES;
        let mut length = if is_part { lanes / FIRST_CHUNK_PART } else { lanes };
        while cursor < end {
            let chunk = cursor..end.min(cursor + length);
            (cursor, length) = (chunk.end, lanes);
            for index in chunk {
                let rank = match (is_window_scope, self.window.items.get(index)) {
                    (true, Some(&local)) if self.window.is_ahead(index) => local as usize,
                    (false, _) if !self.is_out[index] => index,
                    _ => continue,
                };
                self.score(rank, is_active);
            }
            self.take(Phase::Scan, 1);
            let bound = |rank: usize| self.slate.base[rank] as f32;
            if prunes && !is_window_scope && cursor < end && cursor > winner && bound(cursor) <= utility as f32 {
                break;
            }
        }
    }

    fn score(&mut self, rank: usize, is_active: bool) {
        let n_placed = self.history.len() as u64;
        if is_active {
            self.refresh(rank);
        }
        self.work.n_scored += 1;
        self.work.n_scored_active += u64::from(is_active);
        self.work.n_balanced += u64::from(n_placed > 0);
        if self.plan.params.n_levels > 0 {
            self.work.n_semantic += n_placed.min(u64::from(self.plan.params.semantic_window));
        }
    }
}
