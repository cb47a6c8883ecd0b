//! What a problem needs of a device, worked out before any device is touched: sizes, offsets and step costs.

mod baseline;
mod costs;
mod error;
mod residence;

pub use error::PlanError;
pub use residence::Residence;

use crate::catalog::EmbeddingData;
use crate::config::{Coupling, Horizon, Loading, MAX_SPECTRA, Scope, Strategy};
use crate::gpu::layout::{
    CONTROL_WORDS, HEADER_WORDS, MAX_SIGNALS, MEMBER_CHUNK, PAST_CHUNK, PLACEMENT_WORDS, Params, STATUS_WORDS,
};
use crate::prepare::{MAX_RECENT, PreparedSlate};
use crate::problem::Problem;
use crate::stage::eigensolve::FIRST_SWEEPS;
use crate::stage::exposure::fade_range;

/// Values in an octet, the unit rows are read in.
pub const OCTET: usize = 8;
/// Shards a catalog can be split over, one binding each.
pub const MAX_SHARDS: usize = 4;
/// Words of workgroup memory used for other things than arrays that depend on the plan.
const FIXED_WORKGROUP_WORDS: usize = 32 + PAST_CHUNK * MAX_SPECTRA + 32 + 8;

/// Lanes that compare a pair of rows: what they read at once is 128 bytes of a row.
pub(super) const PARTS: usize = 4;
/// Fewest lanes of a slate.
const LEAST_LANES: usize = 8;
/// A number in doubled precision: two f32.
const DOUBLE_BYTES: usize = 8;

/// The limits of a device that matter here.
#[derive(Debug, Clone, Copy)]
pub struct DeviceLimits {
    /// Largest storage binding, in bytes.
    pub binding_bytes: u64,
    /// Workgroup memory, in bytes.
    pub workgroup_bytes: usize,
    /// Invocations per workgroup.
    pub workgroup_invocations: usize,
    /// Workgroups per dimension.
    pub groups_per_dimension: u32,
    /// Most bytes of the catalog to keep on the device.
    pub catalog_bytes: u64,
}

/// How a problem runs on a device.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Uniform block, complete.
    pub params: Params,
    /// The strategy: each has its own kernel.
    pub strategy: Strategy,
    /// Lanes per slate.
    pub workgroup: usize,
    /// Workgroup memory of a slate, in bytes, at most.
    pub workgroup_bytes: usize,
    /// Slots of the window; at least 1.
    pub n_slots: usize,
    /// Spectra; at least 1.
    pub n_spectra: usize,
    /// True where S_W is held in workgroup memory.
    pub has_gram: bool,
    /// True where S_W times the basis is held in workgroup memory.
    pub has_product: bool,
    /// True where the catalog stays f16.
    pub is_f16: bool,
    /// Where the catalog is.
    pub residence: Residence,
    /// Shards of the catalog, or of the rows that a batch brings.
    pub n_shards: usize,
    /// Loop iterations outside any step: start, save, resume.
    pub overhead: usize,
    /// Values per padded row.
    pub row_values: usize,
}

impl Plan {
    /// Plans a problem for a device, with `lanes` lanes per slate where the device allows.
    ///
    /// # Errors
    /// Says what does not fit, with figures.
    pub fn new(
        problem: &Problem,
        limits: &DeviceLimits,
        lanes: usize,
        max_iterations: usize,
    ) -> Result<Self, PlanError> {
        let config = problem.config;
        if problem.signals.len() > MAX_SIGNALS {
            return Err(PlanError::Signals { n_signals: problem.signals.len() });
        }
        let is_spectral = config.strategy == Strategy::Spectral;
        // The selection's reduction halves; lane c owns column c of the basis, and lane i what is to be compared of item i.
        let least = if is_spectral { config.spectral.spectra } else { 1 };
        let mut workgroup = lanes.max(least).max(LEAST_LANES).next_power_of_two();
        while workgroup > limits.workgroup_invocations {
            workgroup /= 2;
        }
        let (n_slots, n_spectra) = if is_spectral { (config.window.size(), config.spectral.spectra) } else { (1, 1) };
        // Basis in doubled precision, and the projector.
        let columns = (2 * n_slots + n_slots.max(2 * n_spectra)) * n_spectra;
        let fixed = FIXED_WORKGROUP_WORDS + 3 * n_slots + columns + 5 * n_spectra * n_spectra;
        // One number stands in for the product, and one for S_W, where they are held elsewhere.
        let mut needed = 4 * (fixed + 5 * n_spectra + 3 * workgroup) + 2 * DOUBLE_BYTES;
        let available = limits.workgroup_bytes;
        if needed > available {
            return Err(PlanError::WorkgroupMemory { needed, available });
        }
        let product_bytes = DOUBLE_BYTES * n_slots.max(n_spectra) * n_spectra;
        let has_product = needed + product_bytes <= available;
        if has_product {
            needed += product_bytes;
        }
        let has_gram = needed + DOUBLE_BYTES * n_slots * n_slots <= available;
        if has_gram {
            needed += DOUBLE_BYTES * n_slots * n_slots;
        }
        let is_f16 = problem.signals.iter().all(|s| matches!(s.embedding.data, EmbeddingData::F16(_)));
        let mut plan = Self {
            params: Params::default(),
            strategy: config.strategy,
            workgroup,
            workgroup_bytes: needed,
            n_slots,
            n_spectra,
            has_gram,
            has_product,
            is_f16,
            residence: Residence::Device,
            n_shards: 1,
            overhead: 0,
            row_values: 0,
        };
        plan.set_config(problem);
        plan.set_rows(problem);
        plan.set_items(problem);
        plan.set_residence(problem, limits);
        plan.set_costs(problem, max_iterations)?;
        Ok(plan)
    }

    fn set_config(&mut self, problem: &Problem) {
        let config = problem.config;
        let p = &mut self.params;
        let is_spectral = config.strategy == Strategy::Spectral;
        p.behind = config.window.behind as u32;
        // Only the spectral strategy looks ahead.
        p.ahead = if is_spectral { config.window.ahead as u32 } else { 0 };
        p.slate_size = config.slate_size as u32;
        p.iterations = config.spectral.iterations as u32;
        p.first_sweeps = FIRST_SWEEPS as u32;
        p.is_window_scope = u32::from(config.window.scope == Scope::Window);
        p.is_unit_loading = u32::from(config.spectral.loading == Loading::Unit);
        p.is_diagonal_coupling = u32::from(config.spectral.coupling == Coupling::Diagonal);
        p.is_slate_horizon = u32::from(config.spectral.horizon == Horizon::Slate);
        p.strength = config.spectral.strength as f32;
        p.epsilon = config.spectral.epsilon as f32;
        p.balance_strength = config.balance.strength as f32;
        let (gone, full) = fade_range(&config.spectral);
        (p.fade_gone, p.fade_full) = (gone as f32, full as f32);
        p.placement_words = PLACEMENT_WORDS as u32;
        p.n_signals = problem.signals.len() as u32;
        self.set_baseline(problem);
    }

    fn set_rows(&mut self, problem: &Problem) {
        let mut octets = 0;
        for (s, signal) in problem.signals.iter().enumerate() {
            // Two octets are read at a time.
            let n = signal.embedding.dim.div_ceil(2 * OCTET) * 2;
            let pair = &mut self.params.segments[s / 2];
            (pair[s % 2 * 2], pair[s % 2 * 2 + 1]) = (octets as u32, n as u32);
            octets += n;
        }
        if problem.signals.iter().any(|s| matches!(s.embedding.data, EmbeddingData::F64(_))) {
            self.params.rest_octets = octets as u32;
            octets *= 2;
        }
        self.row_values = octets * OCTET;
        self.params.row_octets = octets as u32;
    }

    fn set_items(&mut self, problem: &Problem) {
        let p = &mut self.params;
        let n_levels = problem.semantic_id.as_ref().map_or(0, |s| s.n_levels);
        p.n_rules = problem.spacing.len() as u32;
        p.n_levels = n_levels as u32;
        p.n_caps = problem.caps.len() as u32;
        p.membership_at = p.n_signals;
        p.codes_at = p.membership_at + p.n_rules;
        p.caps_at = p.codes_at + p.n_levels;
        p.filter_at = p.caps_at + p.n_caps;
        p.hash_at = p.filter_at + u32::from(!problem.filter.failed.is_empty());
        p.item_words = p.hash_at + 2 * u32::from(!problem.filter.id_hashes.is_empty());
        if let Some(rule) = &problem.semantic_id {
            p.semantic_window = rule.weights.len() as u32;
            p.semantic_strength = rule.strength as f32;
        }
        let tables = crate::gpu::tables::tables(problem);
        p.rules_at = tables.rules_at;
        p.semantic_weights_at = tables.semantic_weights_at;
        p.prefix_penalty_at = tables.prefix_penalty_at;
        p.cap_rules_at = tables.cap_rules_at;
        p.decay_at = tables.decay_at;
        p.items_at = tables.words.len() as u32;
    }

    /// Words of state a slate needs; the offsets are in common/state.wgsl.
    pub fn state_words(&self, slate: &PreparedSlate) -> usize {
        let (m, k) = (self.n_slots, self.n_spectra);
        let (n, n_local) = (slate.n_candidates(), slate.rows.len());
        let history = slate.n_recent() + slate.n_positions(self.params.slate_size as usize);
        let placed_sum = if self.params.balance_strength > 0.0 { self.row_values } else { 0 };
        let solver = 3 * m + 2 * m * k + 2 * m * m + 2 * m.max(k) * k + 2 * k + k * k;
        CONTROL_WORDS + solver + history + n + n_local + placed_sum + self.placed_words(slate)
    }

    /// Words a slate needs in the batch buffer.
    pub fn batch_words(slate: &PreparedSlate) -> usize {
        Self::batch_words_of(slate, slate.excluded.len())
    }

    /// As [`Self::batch_words`], of a slate whose batch brings the rows: not all that are excluded are among them.
    pub(super) fn batch_words_of(slate: &PreparedSlate, n_excluded: usize) -> usize {
        let filters = n_excluded + slate.bloom_words().len();
        HEADER_WORDS + slate.rows.len() + slate.n_candidates() + 2 * slate.pins.len() + filters
    }

    /// Words a slate needs in the output buffer.
    pub fn output_words(&self, slate: &PreparedSlate) -> usize {
        STATUS_WORDS + slate.n_positions(self.params.slate_size as usize) * PLACEMENT_WORDS
    }

    /// How many of the first slates fit one batch: at least 1.
    ///
    /// # Errors
    /// The first slate alone does not fit.
    pub fn batch_len(&self, slates: &[PreparedSlate], max_bytes: u64, max_slates: usize) -> Result<usize, PlanError> {
        let (mut state, mut batch, mut output, mut n_rows) = (0, 0, 0, 0);
        for (index, slate) in slates.iter().take(max_slates).enumerate() {
            state += 4 * self.state_words(slate) as u64;
            batch += 4 * Self::batch_words(slate) as u64;
            output += 4 * self.output_words(slate) as u64;
            let mut needed = state.max(batch).max(output);
            if self.residence == Residence::Host {
                // As if no two slates had an item in common.
                n_rows += slate.rows.len() as u64;
                needed = needed.max(n_rows * self.row_bytes() as u64).max(self.items_bytes(n_rows));
            }
            if needed > max_bytes {
                return if index == 0 {
                    Err(PlanError::Slate { index, needed, available: max_bytes })
                } else {
                    Ok(index)
                };
            }
        }
        Ok(slates.len().min(max_slates))
    }

    /// Steps after which any slate of the batch is done: a guard against a device that makes no progress.
    pub fn max_steps(&self, slates: &[PreparedSlate]) -> usize {
        let most_candidates = slates.iter().map(PreparedSlate::n_candidates).max().unwrap_or(0);
        let chunks = |n: usize, chunk: usize| n.div_ceil(chunk) + 1;
        let p = &self.params;
        let history = p.slate_size as usize + MAX_RECENT;
        let per_position = 7
            + chunks(self.n_slots, MEMBER_CHUNK)
            + (p.iterations + p.first_sweeps) as usize
            + chunks(history, PAST_CHUNK)
            + chunks(most_candidates.max(self.n_slots), self.workgroup)
                * (2 + 2 * chunks(history, (p.catch_up as usize).max(1)))
            + self.n_columns(history);
        let recents = chunks(MAX_RECENT, MEMBER_CHUNK) + MAX_RECENT * chunks(MAX_RECENT, self.workgroup);
        chunks(most_candidates, self.workgroup) + recents + (p.slate_size as usize + 1) * per_position
    }
}

// Each lane lists the pairs of one item, and a pair is shared by lanes of one workgroup.
const _: () = assert!(PAST_CHUNK <= LEAST_LANES && LEAST_LANES.is_multiple_of(PARTS));
// The two numbers of a listed pair share a word (PAIR_BITS in window_similarity.wgsl).
const _: () = assert!(crate::config::MAX_CANDIDATES + MAX_RECENT < 1 << 16 && crate::config::MAX_WINDOW < 1 << 16);
