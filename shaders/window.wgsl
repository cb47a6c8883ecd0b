// Which items the window holds, and in which slot. Twin: src/stage/window.rs.

// The state of a slate before its first position. Slots hold the last recent items, as if they had been placed one
// after the other: the n-th placed item lands in slot n mod `behind`.
fn init_state() {
    let n_recent = slate.n_local - slate.n_candidates;
    let first = n_recent - min(n_recent, params.behind);
    for (var i = lane; i < N_SLOTS; i += WORKGROUP) {
        slot_items[i] = EMPTY;
        slot_entered[i] = 0u;
        slot_placed_at[i] = EMPTY;
    }
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        basis[i] = double(0.0);
    }
    for (var i = lane; i < N_SPECTRA; i += WORKGROUP) {
        eigenvalues[i] = 0.0;
        inverse[i] = 0.0;
    }
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        weights[i] = 0.0;
    }
    for (var i = lane; i < slate.n_candidates; i += WORKGROUP) {
        state[marks_at() + i] = 0u;
    }
    for (var i = lane; i < slate.n_local; i += WORKGROUP) {
        state[refreshed_at() + i] = 0u;
    }
    for (var i = lane; i < n_recent; i += WORKGROUP) {
        state[history_at() + i] = slate.n_candidates + i;
    }
    if params.balance_strength > 0.0 {
        for (var i = lane; i < params.row_octets * 8u; i += WORKGROUP) {
            state[placed_sum_at() + i] = 0u;
        }
    }
    storageBarrier();
    workgroupBarrier();
    if STRATEGY == SPECTRAL {
        for (var i = first + lane; i < n_recent; i += WORKGROUP) {
            let slot = i % params.behind;
            slot_items[slot] = slate.n_candidates + i;
            slot_entered[slot] = 1u;
            slot_placed_at[slot] = i;
        }
    }
    for (var i = lane; i < slate.n_pins; i += WORKGROUP) {
        state[marks_at() + batch[slate.pins_at + 2u * i + 1u]] = MARK_OUT;
    }
    storageBarrier();
    workgroupBarrier();
    if lane == 0u {
        control = Control();
        control.phase = PHASE_ELIGIBILITY;
        control.step = 1u;
        control.n_placed = n_recent;
        control.is_first_solve = 1u;
        control.is_gram_stale = 1u;
        control.exhausted_at = EMPTY;
        control.diversity_weight = params.diversity_weight;
        control.n_taken = first_counted();
        // Set to the first rank to look at once it is known who is out; until then it is the rank after all.
        control.next_ahead = slate.n_candidates;
    }
    workgroupBarrier();
}

// Puts an item into the first empty slot from `start` on; returns the slot; one lane.
fn enter_window(local: u32, step: u32, placed_at: u32, start: u32) -> u32 {
    var slot = start;
    while slot < N_SLOTS && slot_items[slot] != EMPTY {
        slot += 1u;
    }
    if slot < N_SLOTS {
        slot_items[slot] = local;
        slot_entered[slot] = step;
        slot_placed_at[slot] = placed_at;
    }
    return slot;
}

// Takes in the item placed as number `n_placed`; the oldest beyond `behind` leaves; one lane.
fn place_in_window(local: u32, n_placed: u32, step: u32) {
    var own = EMPTY;
    for (var slot = 0u; slot < N_SLOTS; slot += 1u) {
        if n_placed >= params.behind && slot_placed_at[slot] == n_placed - params.behind {
            slot_items[slot] = EMPTY;
            slot_placed_at[slot] = EMPTY;
        }
        if slot_items[slot] == local {
            own = slot;
        }
    }
    if own == EMPTY {
        enter_window(local, step, n_placed, 0u);
    } else {
        slot_placed_at[own] = n_placed;
    }
}

// Fills the part of the window that lies ahead, from rank `next` on; returns the next rank to look at; one lane.
fn look_ahead(start: u32, step: u32) -> u32 {
    var next = start;
    if STRATEGY != SPECTRAL || params.ahead == 0u {
        return next;
    }
    var n_ahead = 0u;
    for (var slot = 0u; slot < N_SLOTS; slot += 1u) {
        n_ahead += select(0u, 1u, is_ahead(slot));
    }
    var slot = 0u;
    while n_ahead < params.ahead && next < slate.n_candidates {
        if (marks(next) & MARK_OUT) == 0u {
            slot = enter_window(next, step, EMPTY, slot);
            n_ahead += 1u;
        }
        next = rank_after(next);
    }
    return next;
}
