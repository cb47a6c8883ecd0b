// The strategies to compare with: their scores from the stages they share. Twins: src/strategy/{mmr,msd,dpp,ssd}.rs.

// Items of the chunk that are behind, or that have a residual.
var<workgroup> n_counted: atomic<u32>;

fn projects() -> bool {
    return STRATEGY == DPP || STRATEGY == SSD;
}

// gamma * volume; one lane.
fn weigh_volume(n_placed: u32) -> f32 {
    if STRATEGY == SSD && params.is_product == 1u {
        return params.diversity_weight * volume(n_placed);
    }
    return params.diversity_weight;
}

// Diversity term of a candidate that is up to date.
fn baseline_diversity(local: u32, c: Control) -> f32 {
    if STRATEGY == MMR {
        return 0.0 - c.diversity_weight * fold_placed(local, c.n_placed);
    }
    if STRATEGY == MSD {
        return c.diversity_weight * fold_placed(local, c.n_placed);
    }
    if STRATEGY == DPP {
        return log(max(single(load_double(squared_distance_index(local))), DISTANCE_FLOOR));
    }
    return c.diversity_weight * norm_left(local);
}

// No diversity term of the position is larger.
fn most_diversity() -> f32 {
    if STRATEGY == MSD {
        return control.diversity_weight * 2.0 * f32(placed_reach(control.n_placed));
    }
    if STRATEGY == SSD {
        return control.diversity_weight * params.most_diversity;
    }
    return params.most_diversity;
}

// A chunk of candidates closer to up to date; scored, or looked at for a residual, when they all are.
fn catch_up_chunk(c: Control) {
    if lane == 0u {
        atomicStore(&n_counted, 0u);
    }
    workgroupBarrier();
    let rank = scanned(c.cursor + lane, c);
    if rank != EMPTY {
        var is_up_to_date = false;
        if projects() {
            is_up_to_date = project(rank, c.n_placed, c.turn);
        } else {
            is_up_to_date = compare_with_placed(rank, c.n_placed);
        }
        if !is_up_to_date {
            atomicAdd(&n_counted, 1u);
        }
    }
    storageBarrier();
    workgroupBarrier();
    if lane == 0u {
        control.turn = c.turn + 1u;
        if atomicLoad(&n_counted) == 0u {
            control.turn = 0u;
            control.phase = select(PHASE_SCAN, PHASE_RANK, c.is_rank_check == 1u);
        }
    }
    workgroupBarrier();
}

// The scan is over: place the winner, but where it has no residual see first whether anybody has; one lane.
fn finish_scan() {
    control.phase = PHASE_PLACE;
    let is_open = control.is_forced == 0u && control.exhausted_at == EMPTY && control.best_rank != EMPTY;
    if projects() && is_open {
        if !has_residual(control.best_rank) {
            control.is_rank_check = 1u;
            control.cursor = control.first_in;
            control.phase = PHASE_CATCH_UP;
        }
    }
}

// A chunk of the candidates: has any of them a residual?
fn check_rank_chunk(c: Control) {
    if lane == 0u {
        atomicStore(&n_counted, 0u);
    }
    workgroupBarrier();
    let rank = scanned(c.cursor + lane, c);
    if rank != EMPTY {
        if has_residual(rank) {
            atomicAdd(&n_counted, 1u);
        }
    }
    workgroupBarrier();
    if lane == 0u {
        control.cursor = c.cursor + WORKGROUP;
        control.phase = PHASE_CATCH_UP;
        let is_last = control.cursor >= c.scan_end;
        if is_last && atomicLoad(&n_counted) == 0u {
            control.exhausted_at = c.n_filled;
        }
        if is_last || atomicLoad(&n_counted) > 0u {
            control.phase = PHASE_PLACE;
        }
    }
    workgroupBarrier();
}

// Who was placed since the last position, one step after the other.
fn take_in_placed(c: Control) {
    take_in(c.n_taken, c.cursor);
    if lane == 0u {
        control.cursor = c.cursor + WORKGROUP;
        if c.n_taken + 1u + control.cursor >= n_recent() {
            control.cursor = 0u;
            control.n_taken = c.n_taken + 1u;
            if control.n_taken == c.n_placed {
                start_baseline();
            }
        }
    }
    workgroupBarrier();
}

fn factor_step(c: Control) {
    factor_column(c.cursor, c.n_placed);
    if lane == 0u {
        control.cursor = c.cursor + 1u;
        if control.cursor >= min(c.n_placed, n_columns()) {
            start_scan();
        }
    }
    workgroupBarrier();
}

// Points the machine at what comes before the scan; one lane.
fn start_baseline() {
    if projects() && control.n_taken < control.n_placed {
        control.phase = PHASE_TAKE_IN;
        control.cursor = 0u;
        return;
    }
    if projects() {
        if refactors() && control.n_placed > 0u {
            control.phase = PHASE_FACTOR;
            control.cursor = 0u;
            return;
        }
    }
    start_scan();
}
