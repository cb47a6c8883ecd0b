//! Structs shared with the shaders. `tests/shaders.rs` compares names, offsets and sizes with `common/bindings.wgsl`.

use bytemuck::{Pod, Zeroable};

/// The step a slate takes next. The shader's PHASE constants are made from this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Take out candidates that filters do not let pass.
    Eligibility,
    /// Add recent rows to the balance sum.
    Recents,
    /// A position starts.
    Begin,
    /// Baselines: take in an item that was placed.
    TakeIn,
    /// Baselines: a column of the window's factor.
    Factor,
    /// Baselines: bring a chunk of candidates closer to up to date.
    CatchUp,
    /// Similarities of the window's own items.
    Members,
    /// One sweep of the eigensolver.
    Sweep,
    /// Rayleigh–Ritz rotation.
    Rotate,
    /// Exposure of the window's placed items.
    Expose,
    /// Exposure of items placed before the window.
    ExposePast,
    /// Exposure to weights.
    Weights,
    /// Score a chunk of candidates.
    Scan,
    /// Baselines: look at a chunk of candidates for a residual.
    Rank,
    /// Place the winner.
    Place,
    /// Nothing is left to do.
    Done,
}

impl Phase {
    /// Every phase with its name in the shader, in order.
    pub const ALL: [(Self, &'static str); 16] = [
        (Self::Eligibility, "ELIGIBILITY"),
        (Self::Recents, "RECENTS"),
        (Self::Begin, "BEGIN"),
        (Self::TakeIn, "TAKE_IN"),
        (Self::Factor, "FACTOR"),
        (Self::CatchUp, "CATCH_UP"),
        (Self::Members, "MEMBERS"),
        (Self::Sweep, "SWEEP"),
        (Self::Rotate, "ROTATE"),
        (Self::Expose, "EXPOSE"),
        (Self::ExposePast, "EXPOSE_PAST"),
        (Self::Weights, "WEIGHTS"),
        (Self::Scan, "SCAN"),
        (Self::Rank, "RANK"),
        (Self::Place, "PLACE"),
        (Self::Done, "DONE"),
    ];
}

/// Vectors of four that hold a cost per phase.
pub const COST_VECTORS: usize = Phase::ALL.len().div_ceil(4);
/// Items handled by one step of the phases that walk over window members or recent items.
pub const MEMBER_CHUNK: usize = 16;
/// Placed items handled by one step of the exposure to what has left the window.
pub const PAST_CHUNK: usize = 8;
/// From so many lanes on, the first chunk of a scan is a part of them.
pub const MANY_LANES: usize = 32;
/// Which part: one in so many.
pub const FIRST_CHUNK_PART: usize = 4;
/// Share of a bound that rounding may take from it.
pub const BOUND_SLACK: f64 = 1e-6;
/// Most signals a GPU problem can blend.
pub const MAX_SIGNALS: usize = 8;
/// Words of one placement in the output: rank, utility, diversity, spacing, semantic, balance.
pub const PLACEMENT_WORDS: usize = 6;
/// Words of one slate's status: phase, positions filled, nonce, position at which the rank was exhausted, candidates filtered.
pub const STATUS_WORDS: usize = 5;
/// A position that does not exist.
pub const NO_POSITION: u32 = u32::MAX;
/// Mark of a candidate that is placed, or that a filter took out.
pub const MARK_PLACED: u32 = 2;
/// Words of the control block in front of a slate's state.
pub const CONTROL_WORDS: usize = 26;

/// Fixed for a problem and a device.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[allow(missing_docs, reason = "the fields are described at their twins in common/bindings.wgsl")]
pub struct Params {
    pub behind: u32,
    pub ahead: u32,
    pub slate_size: u32,
    pub iterations: u32,
    pub first_sweeps: u32,
    pub is_window_scope: u32,
    pub is_unit_loading: u32,
    pub is_diagonal_coupling: u32,
    pub is_slate_horizon: u32,
    pub strength: f32,
    pub epsilon: f32,
    pub balance_strength: f32,
    pub row_octets: u32,
    pub rows_per_shard: u32,
    pub n_signals: u32,
    pub item_words: u32,
    pub items_at: u32,
    pub membership_at: u32,
    pub codes_at: u32,
    pub caps_at: u32,
    pub n_rules: u32,
    pub n_levels: u32,
    pub n_caps: u32,
    pub rules_at: u32,
    pub semantic_weights_at: u32,
    pub semantic_window: u32,
    pub semantic_strength: f32,
    pub prefix_penalty_at: u32,
    pub cap_rules_at: u32,
    pub decay_at: u32,
    pub placement_words: u32,
    pub fade_gone: f32,
    pub fade_full: f32,
    pub rest_octets: u32,
    pub filter_at: u32,
    pub hash_at: u32,
    pub history_window: u32,
    pub is_queue: u32,
    pub is_product: u32,
    pub catch_up: u32,
    pub base_weight: f32,
    pub diversity_weight: f32,
    pub bias: f32,
    pub most_diversity: f32,
    pub cost: [[u32; 4]; COST_VECTORS],
    pub segments: [[u32; 4]; MAX_SIGNALS / 2],
}

/// Changes with every dispatch.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[allow(missing_docs, reason = "the fields are described at their twins in common/bindings.wgsl")]
pub struct Dispatch {
    pub n_slates: u32,
    pub budget: u32,
    pub nonce: u32,
    pub is_first: u32,
    pub row_length: u32,
    pub unknown_zero: u32,
    pub pad_a: u32,
    pub pad_b: u32,
}

/// One slate of a batch; offsets are in words.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[allow(missing_docs, reason = "the fields are described at their twins in common/bindings.wgsl")]
pub struct SlateHeader {
    pub n_candidates: u32,
    pub n_local: u32,
    pub n_positions: u32,
    pub active_rules: u32,
    pub n_pins: u32,
    pub rows_at: u32,
    pub base_at: u32,
    pub pins_at: u32,
    pub state_at: u32,
    pub output_at: u32,
    pub status_at: u32,
    pub active_filters: u32,
    pub n_excluded: u32,
    pub excluded_at: u32,
    pub n_blocks: u32,
    pub bloom_at: u32,
}

/// Words of a slate's header.
pub const HEADER_WORDS: usize = size_of::<SlateHeader>() / 4;
