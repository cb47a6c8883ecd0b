// All positions of a slate in one workgroup. A slate is a machine of small steps (see common/state.wgsl): a dispatch
// takes steps while their cost fits its budget, then saves the machine; the next dispatch resumes it.

// A position starts: what all candidates share, and whether the window has anything to say.
fn begin_position(c: Control) {
    if c.n_filled >= slate.n_positions {
        workgroupBarrier();
        if lane == 0u {
            control.phase = PHASE_DONE;
        }
        workgroupBarrier();
        return;
    }
    if STRATEGY == SPECTRAL {
        enter_basis(c.step);
    }
    load_spacing(c.n_placed);
    if lane == 0u {
        begin_scan();
        var has_history = false;
        for (var slot = 0u; slot < N_SLOTS; slot += 1u) {
            has_history = has_history || slot_placed_at[slot] != EMPTY;
        }
        let is_active = STRATEGY == SPECTRAL && params.strength > 0.0 && has_history;
        control.is_active = select(0u, 1u, is_active);
        control.sweeps_left = params.iterations + control.is_first_solve * params.first_sweeps;
        if is_active {
            control.is_first_solve = 0u;
            control.phase = PHASE_MEMBERS;
            control.cursor = 0u;
        } else if is_baseline() {
            start_baseline();
        } else {
            start_scan();
        }
    }
    workgroupBarrier();
}

// Chooses what the position's scan covers: everyone, or a pinned candidate; one lane.
fn begin_scan() {
    while control.first_in < slate.n_candidates && (marks(control.first_in) & MARK_OUT) != 0u {
        control.first_in = rank_after(control.first_in);
    }
    control.is_forced = 0u;
    control.scan_end = slate.n_candidates;
    if STRATEGY == SPECTRAL && params.is_window_scope == 1u {
        control.scan_end = N_SLOTS;
    }
    let is_pool_empty = control.first_in >= slate.n_candidates;
    for (var i = 0u; i < slate.n_pins; i += 1u) {
        let position = batch[slate.pins_at + 2u * i];
        let rank = batch[slate.pins_at + 2u * i + 1u];
        let is_due = position == control.n_filled || is_pool_empty;
        if is_due && control.is_forced == 0u && (marks(rank) & MARK_PLACED) == 0u {
            control.is_forced = 1u;
            control.scan_end = rank + 1u;
        }
    }
}

fn is_baseline() -> bool {
    return STRATEGY != SPECTRAL && STRATEGY != RELEVANCE;
}

// Points the machine at the scan; one lane.
fn start_scan() {
    control.phase = PHASE_SCAN;
    if is_baseline() {
        control.phase = PHASE_CATCH_UP;
        control.turn = 0u;
        control.is_rank_check = 0u;
        control.diversity_weight = weigh_volume(control.n_placed);
    }
    control.cursor = control.first_in;
    if control.is_forced == 1u {
        control.cursor = control.scan_end - 1u;
    } else if STRATEGY == SPECTRAL && params.is_window_scope == 1u {
        control.cursor = 0u;
    }
    control.best_rank = EMPTY;
    control.best_excess = EMPTY;
    control.best_utility = LOWEST;
    control.best_diversity = 0.0;
    control.best_spacing = 0.0;
    control.best_semantic = 0.0;
    control.best_balance = 0.0;
}

// Items whose similarities a step needs: which list, and how many from the cursor on.
fn refreshed_list(c: Control) -> vec2<u32> {
    switch c.phase {
        case PHASE_EXPOSE_PAST: {
            return vec2<u32>(LIST_HISTORY, min(PAST_CHUNK, c.n_placed - params.behind - c.cursor));
        }
        case PHASE_SCAN: {
            // Who is in the window has its similarities in S_W.
            let list = select(LIST_CANDIDATES, LIST_FORCED, c.is_forced == 1u);
            return vec2<u32>(list, select(scan_length(c), 0u, scans_window(c)));
        }
        default: {
            return vec2<u32>(LIST_CANDIDATES, 0u);
        }
    }
}

// A chunk of the rows of S_W.
fn compare_member_chunk(c: Control) {
    let n = min(MEMBER_CHUNK, N_SLOTS - c.cursor);
    let is_last = c.cursor + n >= N_SLOTS;
    compare_members(c.cursor, n, c.step, c.is_gram_stale == 1u);
    if is_last {
        build_gram();
        if lane == 0u {
            control.is_gram_stale = 0u;
        }
    }
    advance(c.cursor + n, is_last, PHASE_SWEEP);
}

// Moves the cursor on, and to the next phase after the last chunk.
fn advance(cursor: u32, is_last: bool, next_phase: u32) {
    if lane == 0u {
        control.cursor = cursor;
        if is_last {
            control.phase = next_phase;
            control.cursor = 0u;
        }
    }
    workgroupBarrier();
}

// One multiplication by S_W: a sweep, or the rotation that follows the last one.
fn solve(c: Control) {
    let is_sweep = c.phase == PHASE_SWEEP;
    multiply();
    if is_sweep {
        orthonormalise();
    } else {
        rotate();
    }
    if lane == 0u {
        if is_sweep {
            control.sweeps_left = c.sweeps_left - 1u;
            control.phase = select(PHASE_SWEEP, PHASE_ROTATE, c.sweeps_left <= 1u);
        } else {
            control.phase = PHASE_EXPOSE;
        }
    }
    workgroupBarrier();
}

fn expose(c: Control) {
    expose_window(c.n_placed);
    let has_past = params.is_slate_horizon == 1u && c.n_placed > params.behind;
    advance(0u, true, select(PHASE_WEIGHTS, PHASE_EXPOSE_PAST, has_past));
}

fn expose_past_chunk(c: Control) {
    let n_past = c.n_placed - params.behind;
    let n = min(PAST_CHUNK, n_past - c.cursor);
    expose_past(c.cursor, n, c.n_placed);
    advance(c.cursor + n, c.cursor + n >= n_past, PHASE_WEIGHTS);
}

fn finish_exposure() {
    weigh();
    if lane == 0u {
        start_scan();
    }
    workgroupBarrier();
}

// Rows of a chunk of recent items into the balance sum.
fn add_recents(c: Control) {
    let n_recent = slate.n_local - slate.n_candidates;
    let n = select(0u, min(MEMBER_CHUNK, n_recent - c.cursor), params.balance_strength > 0.0);
    for (var i = 0u; i < n; i += 1u) {
        add_placed_row(slate.n_candidates + c.cursor + i);
    }
    storageBarrier();
    advance(c.cursor + n, n == 0u || c.cursor + n >= n_recent, PHASE_BEGIN);
}

// Writes the winner out and moves on to the next position.
fn place(c: Control) {
    if c.best_rank == EMPTY {
        if lane == 0u {
            control.phase = PHASE_DONE;
        }
        workgroupBarrier();
        return;
    }
    if params.balance_strength > 0.0 {
        add_placed_row(c.best_rank);
    }
    if lane == 0u {
        let at = slate.output_at + c.n_filled * params.placement_words;
        output[at] = c.best_rank;
        output[at + 1u] = bitcast<u32>(c.best_utility);
        output[at + 2u] = bitcast<u32>(c.best_diversity);
        output[at + 3u] = bitcast<u32>(c.best_spacing);
        output[at + 4u] = bitcast<u32>(c.best_semantic);
        output[at + 5u] = bitcast<u32>(c.best_balance);
        state[marks_at() + c.best_rank] = MARK_OUT | MARK_PLACED;
        state[history_at() + c.n_placed] = c.best_rank;
        let step = c.step + 1u;
        if STRATEGY == SPECTRAL {
            place_in_window(c.best_rank, c.n_placed, step);
        }
        control.next_ahead = look_ahead(c.next_ahead, step);
        control.step = step;
        control.n_placed = c.n_placed + 1u;
        control.n_filled = c.n_filled + 1u;
        control.phase = PHASE_BEGIN;
        control.cursor = 0u;
    }
    storageBarrier();
    workgroupBarrier();
}

fn take_step(c: Control) {
    if STRATEGY == SPECTRAL {
        take_spectral_step(c);
    } else {
        take_baseline_step(c);
    }
}

fn take_spectral_step(c: Control) {
    // One call for all phases: drivers inline, and these are the largest pieces of code.
    let list = refreshed_list(c);
    if list.y > 0u && c.is_active == 1u {
        refresh(list.x, c.cursor, list.y, c.step);
    }
    switch c.phase {
        case PHASE_ELIGIBILITY: {
            filter_chunk(c);
        }
        case PHASE_RECENTS: {
            add_recents(c);
        }
        case PHASE_BEGIN: {
            begin_position(c);
        }
        case PHASE_MEMBERS: {
            compare_member_chunk(c);
        }
        case PHASE_SWEEP, PHASE_ROTATE: {
            solve(c);
        }
        case PHASE_EXPOSE: {
            expose(c);
        }
        case PHASE_EXPOSE_PAST: {
            expose_past_chunk(c);
        }
        case PHASE_WEIGHTS: {
            finish_exposure();
        }
        case PHASE_SCAN: {
            scan_chunk(c);
        }
        default: {
            place(c);
        }
    }
}

// Relevance order has the same steps less those that bring candidates up to date.
fn take_baseline_step(c: Control) {
    switch c.phase {
        case PHASE_ELIGIBILITY: {
            filter_chunk(c);
        }
        case PHASE_RECENTS: {
            add_recents(c);
        }
        case PHASE_BEGIN: {
            begin_position(c);
        }
        case PHASE_TAKE_IN: {
            take_in_placed(c);
        }
        case PHASE_FACTOR: {
            factor_step(c);
        }
        case PHASE_CATCH_UP: {
            catch_up_chunk(c);
        }
        case PHASE_SCAN: {
            scan_chunk(c);
        }
        case PHASE_RANK: {
            check_rank_chunk(c);
        }
        default: {
            place(c);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn rerank(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local_index: u32) {
    let index = group.y * dispatch.row_length + group.x;
    if index >= dispatch.n_slates {
        return;
    }
    lane = local_index;
    unknown_zero = dispatch.unknown_zero;
    slate = read_header(index);
    if dispatch.is_first == 1u {
        init_state();
    } else {
        load_state();
        let saved = workgroupUniformLoad(&control);
        load_spacing(saved.n_placed);
        if saved.phase == PHASE_SWEEP || saved.phase == PHASE_ROTATE || params.is_window_scope == 1u {
            build_gram();
        }
        if STRATEGY == SPECTRAL {
            build_projector();
        }
    }
    var spent = 0u;
    loop {
        let c = workgroupUniformLoad(&control);
        if c.phase == PHASE_DONE {
            break;
        }
        // One for the loop itself. The first step always runs, or a slate could never end.
        let cost = params.cost[c.phase / 4u][c.phase % 4u] + 1u;
        if spent > 0u && spent + cost > dispatch.budget {
            break;
        }
        spent += cost;
        take_step(c);
    }
    save_state();
    storageBarrier();
    workgroupBarrier();
    if lane == 0u {
        output[slate.status_at] = control.phase;
        output[slate.status_at + 1u] = control.n_filled;
        output[slate.status_at + 2u] = dispatch.nonce;
        output[slate.status_at + 3u] = control.exhausted_at;
        output[slate.status_at + 4u] = control.n_filtered;
    }
}
