// Everything a slate reads and writes. The Rust twins of the structs are in src/gpu/layout.rs; a test compares
// names, offsets and sizes.

// Fixed for a problem and a device.
struct Params {
    // Configuration.
    behind: u32,
    ahead: u32,
    slate_size: u32,
    iterations: u32,
    first_sweeps: u32,
    is_window_scope: u32,
    is_unit_loading: u32,
    is_diagonal_coupling: u32,
    is_slate_horizon: u32,
    strength: f32,
    epsilon: f32,
    balance_strength: f32,
    // Catalog: rows of octets (8 values), split over shards.
    row_octets: u32,
    rows_per_shard: u32,
    n_signals: u32,
    // Item table: words per item, and where each part of an item's words starts.
    item_words: u32,
    items_at: u32,
    membership_at: u32,
    codes_at: u32,
    caps_at: u32,
    n_rules: u32,
    n_levels: u32,
    n_caps: u32,
    // Tables in front of the items.
    rules_at: u32,
    semantic_weights_at: u32,
    semantic_window: u32,
    semantic_strength: f32,
    prefix_penalty_at: u32,
    cap_rules_at: u32,
    decay_at: u32,
    // Words of a placement in the output, and of the header in front of a slate's placements.
    placement_words: u32,
    // λ_k/λ_1 where a spectrum is gone, and where it counts in full.
    fade_gone: f32,
    fade_full: f32,
    // Octets from a value's octet to the octet of what f32 lacks of it; 0 where rows are f16 or f32.
    rest_octets: u32,
    // Filters, in an item's words.
    filter_at: u32,
    hash_at: u32,
    // Strategies that count what is placed: how many of it (0: all), whether a window is the published queue, whether SSD
    // multiplies by the volume, placed items that an item may be brought up to date with in one step.
    history_window: u32,
    is_queue: u32,
    is_product: u32,
    catch_up: u32,
    // Factors of the base score and of the diversity term, what extends similarities, the largest diversity term (SSD: norm).
    base_weight: f32,
    diversity_weight: f32,
    bias: f32,
    most_diversity: f32,
    // Loop iterations one invocation spends on a step, by phase, at most.
    cost: array<vec4<u32>, COST_VECTORS>,
    // (first octet, number of octets) of each signal, two to a vector.
    segments: array<vec4<u32>, 4>,
}

// Changes with every dispatch.
struct Dispatch {
    n_slates: u32,
    // Loop iterations an invocation may spend before it must save and leave.
    budget: u32,
    // Written by every slate as its last act; proves that this dispatch ran to its end.
    nonce: u32,
    // 1 where slates start, 0 where they resume.
    is_first: u32,
    // Slates per row of workgroups.
    row_length: u32,
    // 0, which the compiler must not know: see common/double.wgsl.
    unknown_zero: u32,
    pad_a: u32,
    pad_b: u32,
}

// One slate of the batch. Offsets are words into `batch`, `state` and `output`.
struct SlateHeader {
    n_candidates: u32,
    n_local: u32,
    n_positions: u32,
    active_rules: u32,
    n_pins: u32,
    rows_at: u32,
    base_at: u32,
    pins_at: u32,
    state_at: u32,
    output_at: u32,
    status_at: u32,
    active_filters: u32,
    n_excluded: u32,
    excluded_at: u32,
    n_blocks: u32,
    bloom_at: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<uniform> dispatch: Dispatch;
@group(0) @binding(2) var<storage, read> catalog_0: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> catalog_1: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> catalog_2: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> catalog_3: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read> items: array<u32>;
@group(0) @binding(7) var<storage, read> batch: array<u32>;
@group(0) @binding(8) var<storage, read_write> state: array<u32>;
@group(0) @binding(9) var<storage, read_write> output: array<u32>;

// Chosen by the host from the configuration and the adapter's limits.
override WORKGROUP: u32 = 64u;
override N_SLOTS: u32 = 10u;
override N_SPECTRA: u32 = 4u;
override BASIS_WORDS: u32 = 40u;
override GRAM_WORDS: u32 = 100u;
override PRODUCT_WORDS: u32 = 40u;
override PROJECTOR_WORDS: u32 = 40u;
override SQUARE_WORDS: u32 = 16u;
// Lanes that compare a pair of rows, and pairs compared at once.
override PARTS: u32 = 4u;
override PAIRS: u32 = 16u;
override N_SHARDS: u32 = 1u;
override IS_F16: u32 = 1u;
override IS_FMA_FUSED: u32 = 0u;
override STRATEGY: u32 = SPECTRAL;

const EMPTY: u32 = 0xffffffffu;
// Below every utility: inputs are held within ±1e30.
const LOWEST: f32 = -3.0e38;

var<private> lane: u32;
var<private> slate: SlateHeader;

fn read_header(index: u32) -> SlateHeader {
    let at = index * HEADER_WORDS;
    return SlateHeader(
        batch[at], batch[at + 1u], batch[at + 2u], batch[at + 3u], batch[at + 4u], batch[at + 5u],
        batch[at + 6u], batch[at + 7u], batch[at + 8u], batch[at + 9u], batch[at + 10u], batch[at + 11u],
        batch[at + 12u], batch[at + 13u], batch[at + 14u], batch[at + 15u],
    );
}

fn catalog_row(local: u32) -> u32 {
    return batch[slate.rows_at + local];
}

fn base_score(rank: u32) -> f32 {
    return bitcast<f32>(batch[slate.base_at + rank]);
}

fn table(at: u32) -> f32 {
    return bitcast<f32>(items[at]);
}

fn item_word(row: u32, at: u32) -> u32 {
    return items[params.items_at + row * params.item_words + at];
}
