// What a slate keeps from step to step in workgroup memory, and from dispatch to dispatch in `state`.

// A slate is a machine of small steps. Each step has a bounded cost, so that a dispatch can stop between any two.
// The phases, MEMBER_CHUNK and CONTROL_WORDS come from src/gpu/layout.rs.

struct Control {
    phase: u32,
    cursor: u32,
    // Position + 1.
    step: u32,
    n_placed: u32,
    n_filled: u32,
    first_in: u32,
    next_ahead: u32,
    is_first_solve: u32,
    is_active: u32,
    sweeps_left: u32,
    scan_end: u32,
    is_forced: u32,
    best_rank: u32,
    best_excess: u32,
    best_utility: f32,
    best_diversity: f32,
    best_spacing: f32,
    best_semantic: f32,
    best_balance: f32,
    // 1 until the window's similarity matrix was computed once.
    is_gram_stale: u32,
    // Baselines: placed items taken in; turn of bringing a chunk up to date; whether the chunks are looked at for a residual
    // alone; first position at which nobody had one; factor of the diversity term.
    n_taken: u32,
    turn: u32,
    is_rank_check: u32,
    exhausted_at: u32,
    diversity_weight: f32,
    // Candidates that filters took out.
    n_filtered: u32,
}

var<workgroup> control: Control;
// Local index of the item in each slot, the step at which it entered, and its place in the history (EMPTY: ahead).
var<workgroup> slot_items: array<u32, N_SLOTS>;
var<workgroup> slot_entered: array<u32, N_SLOTS>;
var<workgroup> slot_placed_at: array<u32, N_SLOTS>;
// Eigensolver, [slot][spectrum], in doubled precision.
var<workgroup> basis: array<Double, BASIS_WORDS>;
// S times the basis where it fits, else one number and it lies in `state`.
var<workgroup> product: array<Double, PRODUCT_WORDS>;
// S_W where it fits, else one number and S_W is read from `state`.
var<workgroup> gram: array<Double, GRAM_WORDS>;
// What turns an item's similarities into its loadings, [slot][spectrum]. There is room for two K x K matrices.
var<workgroup> projector: array<f32, PROJECTOR_WORDS>;
var<workgroup> eigenvalues: array<f32, N_SPECTRA>;
var<workgroup> inverse: array<f32, N_SPECTRA>;
// H, then w, [spectrum][spectrum].
var<workgroup> weights: array<f32, SQUARE_WORDS>;
var<workgroup> spacing_load: array<f32, 32>;

// State words of a slate, after the control block, in this order: slots (3 parts), basis, S_W, S times the basis,
// eigenvalues, inverse, weights, history, marks, refreshed, placed sum, similarity. What baselines keep takes the place of
// the similarity (placed_similarity.wgsl, residual.wgsl).
fn slots_at() -> u32 { return slate.state_at + CONTROL_WORDS; }
fn basis_at() -> u32 { return slots_at() + 3u * N_SLOTS; }
fn gram_start() -> u32 { return basis_at() + 2u * N_SLOTS * N_SPECTRA; }
fn product_start() -> u32 { return gram_start() + 2u * N_SLOTS * N_SLOTS; }
fn eigenvalues_at() -> u32 { return product_start() + 2u * product_words(); }
fn inverse_at() -> u32 { return eigenvalues_at() + N_SPECTRA; }
fn weights_at() -> u32 { return inverse_at() + N_SPECTRA; }
fn history_at() -> u32 { return weights_at() + N_SPECTRA * N_SPECTRA; }
fn marks_at() -> u32 { return history_at() + slate.n_local - slate.n_candidates + slate.n_positions; }
fn refreshed_at() -> u32 { return marks_at() + slate.n_candidates; }
fn placed_sum_at() -> u32 { return refreshed_at() + slate.n_local; }
fn similarity_at() -> u32 {
    return placed_sum_at() + select(0u, params.row_octets * 8u, params.balance_strength > 0.0);
}

// Marks of a candidate: MARK_PLACED where it is placed or taken out by a filter, and
const MARK_OUT: u32 = 1u; // placed, taken out by a filter, or kept back by a pin.
// Above these: where a filter took the candidate out, the next rank that none took out.
const MARK_BITS: u32 = 2u;

fn history(index: u32) -> u32 {
    return state[history_at() + index];
}

fn marks(rank: u32) -> u32 {
    return state[marks_at() + rank];
}

// The next rank that is worth a look.
fn rank_after(rank: u32) -> u32 {
    let leap = marks(rank) >> MARK_BITS;
    return select(rank + 1u, leap, leap > 0u);
}

fn similarity_index(slot: u32, local: u32) -> u32 {
    return similarity_at() + slot * slate.n_local + local;
}

fn is_ahead(slot: u32) -> bool {
    return slot_items[slot] != EMPTY && slot_placed_at[slot] == EMPTY;
}

// A number in doubled precision, in two words of the state.
fn load_double(at: u32) -> Double {
    return of_words(vec2<u32>(state[at], state[at + 1u]));
}

fn store_double(at: u32, value: Double) {
    let words = words_of(value);
    state[at] = words.x;
    state[at + 1u] = words.y;
}

fn load_state() {
    if lane == 0u {
        let at = slate.state_at;
        control = Control(
            state[at], state[at + 1u], state[at + 2u], state[at + 3u], state[at + 4u], state[at + 5u], state[at + 6u],
            state[at + 7u], state[at + 8u], state[at + 9u], state[at + 10u], state[at + 11u], state[at + 12u],
            state[at + 13u], bitcast<f32>(state[at + 14u]), bitcast<f32>(state[at + 15u]),
            bitcast<f32>(state[at + 16u]), bitcast<f32>(state[at + 17u]), bitcast<f32>(state[at + 18u]), state[at + 19u],
            state[at + 20u], state[at + 21u], state[at + 22u], state[at + 23u], bitcast<f32>(state[at + 24u]),
            state[at + 25u],
        );
    }
    for (var i = lane; i < N_SLOTS; i += WORKGROUP) {
        slot_items[i] = state[slots_at() + i];
        slot_entered[i] = state[slots_at() + N_SLOTS + i];
        slot_placed_at[i] = state[slots_at() + 2u * N_SLOTS + i];
    }
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        basis[i] = load_double(basis_at() + 2u * i);
    }
    for (var i = lane; i < N_SPECTRA; i += WORKGROUP) {
        eigenvalues[i] = bitcast<f32>(state[eigenvalues_at() + i]);
        inverse[i] = bitcast<f32>(state[inverse_at() + i]);
    }
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        weights[i] = bitcast<f32>(state[weights_at() + i]);
    }
}

fn save_state() {
    if lane == 0u {
        let at = slate.state_at;
        state[at] = control.phase;
        state[at + 1u] = control.cursor;
        state[at + 2u] = control.step;
        state[at + 3u] = control.n_placed;
        state[at + 4u] = control.n_filled;
        state[at + 5u] = control.first_in;
        state[at + 6u] = control.next_ahead;
        state[at + 7u] = control.is_first_solve;
        state[at + 8u] = control.is_active;
        state[at + 9u] = control.sweeps_left;
        state[at + 10u] = control.scan_end;
        state[at + 11u] = control.is_forced;
        state[at + 12u] = control.best_rank;
        state[at + 13u] = control.best_excess;
        state[at + 14u] = bitcast<u32>(control.best_utility);
        state[at + 15u] = bitcast<u32>(control.best_diversity);
        state[at + 16u] = bitcast<u32>(control.best_spacing);
        state[at + 17u] = bitcast<u32>(control.best_semantic);
        state[at + 18u] = bitcast<u32>(control.best_balance);
        state[at + 19u] = control.is_gram_stale;
        state[at + 20u] = control.n_taken;
        state[at + 21u] = control.turn;
        state[at + 22u] = control.is_rank_check;
        state[at + 23u] = control.exhausted_at;
        state[at + 24u] = bitcast<u32>(control.diversity_weight);
        state[at + 25u] = control.n_filtered;
    }
    for (var i = lane; i < N_SLOTS; i += WORKGROUP) {
        state[slots_at() + i] = slot_items[i];
        state[slots_at() + N_SLOTS + i] = slot_entered[i];
        state[slots_at() + 2u * N_SLOTS + i] = slot_placed_at[i];
    }
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        store_double(basis_at() + 2u * i, basis[i]);
    }
    for (var i = lane; i < N_SPECTRA; i += WORKGROUP) {
        state[eigenvalues_at() + i] = bitcast<u32>(eigenvalues[i]);
        state[inverse_at() + i] = bitcast<u32>(inverse[i]);
    }
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        state[weights_at() + i] = bitcast<u32>(weights[i]);
    }
}
