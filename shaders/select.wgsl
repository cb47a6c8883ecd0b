// Who wins a position. Twin: src/stage/select.rs. MANY_LANES, FIRST_CHUNK_PART and BOUND_SLACK come from src/gpu/layout.rs.

var<workgroup> reduce_excess: array<u32, WORKGROUP>;
var<workgroup> reduce_utility: array<f32, WORKGROUP>;
var<workgroup> reduce_rank: array<u32, WORKGROUP>;

// True where lane i's candidate wins against lane j's: smaller excess, then higher utility, then lower rank.
fn beats(i: u32, j: u32) -> bool {
    if reduce_excess[i] != reduce_excess[j] {
        return reduce_excess[i] < reduce_excess[j];
    }
    if reduce_utility[i] != reduce_utility[j] {
        return reduce_utility[i] > reduce_utility[j];
    }
    return reduce_rank[i] < reduce_rank[j];
}

// True where the scan is over the window's own candidates, by slot.
fn scans_window(c: Control) -> bool {
    return STRATEGY == SPECTRAL && params.is_window_scope == 1u && c.is_forced == 0u;
}

// Candidate `index` of the scan: a rank, or in window scope the candidate in that slot. EMPTY where it cannot compete.
fn scanned(index: u32, c: Control) -> u32 {
    if index >= c.scan_end {
        return EMPTY;
    }
    if c.is_forced == 1u {
        return index;
    }
    if scans_window(c) {
        return select(EMPTY, slot_items[index], is_ahead(index));
    }
    return listed(LIST_CANDIDATES, index);
}

// Candidates of the scan's next chunk. Where scans end early the winner is most often among the first few candidates, and each
// one that is scored costs a row of memory: so the first chunk is a part of the lanes, if they are many.
fn scan_length(c: Control) -> u32 {
    let is_first = !is_baseline() && params.is_window_scope == 0u && c.cursor == c.first_in;
    let is_part = is_first && WORKGROUP >= MANY_LANES;
    return min(select(WORKGROUP, WORKGROUP / FIRST_CHUNK_PART, is_part), c.scan_end - c.cursor);
}

// Scores one chunk of candidates, a lane each, and keeps the best so far in `control`.
fn scan_chunk(c: Control) {
    let n = scan_length(c);
    var rank = EMPTY;
    if lane < n {
        rank = scanned(c.cursor + lane, c);
    }
    var diversity = 0.0;
    var spacing = 0.0;
    var semantic = 0.0;
    var balance = 0.0;
    reduce_excess[lane] = EMPTY;
    reduce_utility[lane] = LOWEST;
    reduce_rank[lane] = EMPTY;
    if rank != EMPTY {
        let row = catalog_row(rank);
        if is_baseline() {
            diversity = baseline_diversity(rank, c);
        } else if c.is_active == 1u {
            diversity = diversity_of(rank, select(EMPTY, c.cursor + lane, scans_window(c)));
        }
        spacing = spacing_of(row);
        semantic = semantic_of(row, c.n_placed);
        balance = balance_of(row, c.n_placed);
        reduce_excess[lane] = excess_of(row, c.n_placed);
        reduce_utility[lane] = weighted_base(rank) + diversity - spacing - semantic - balance;
        reduce_rank[lane] = rank;
    }
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
        if lane < half && beats(lane + half, lane) {
            reduce_excess[lane] = reduce_excess[lane + half];
            reduce_utility[lane] = reduce_utility[lane + half];
            reduce_rank[lane] = reduce_rank[lane + half];
        }
        workgroupBarrier();
    }
    let excess = reduce_excess[0];
    let utility = reduce_utility[0];
    let winner = reduce_rank[0];
    let is_better = excess < c.best_excess
        || (excess == c.best_excess && (utility > c.best_utility || (utility == c.best_utility && winner < c.best_rank)));
    // The lane that holds the winner still has its terms.
    if winner != EMPTY && rank == winner && is_better {
        control.best_rank = winner;
        control.best_excess = excess;
        control.best_utility = utility;
        control.best_diversity = diversity;
        control.best_spacing = spacing;
        control.best_semantic = semantic;
        control.best_balance = balance;
    }
    workgroupBarrier();
    if lane == 0u {
        control.cursor = c.cursor + n;
        if is_scan_settled() {
            finish_scan();
        } else if is_baseline() {
            control.phase = PHASE_CATCH_UP;
        }
    }
    workgroupBarrier();
}

// The part of the strategy's score that is base score.
fn weighted_base(rank: u32) -> f32 {
    if is_baseline() {
        return params.base_weight * base_score(rank);
    }
    return base_score(rank);
}

// No utility of this or a later rank is larger. A driver may round the sum of a utility once where it is rounded twice here.
fn utility_bound(rank: u32) -> f32 {
    let weighted = weighted_base(rank);
    if is_baseline() {
        let most = most_diversity();
        return weighted + most + BOUND_SLACK * (abs(weighted) + abs(most));
    }
    return weighted;
}

// True where the scan is over, or no later candidate can win: a utility never exceeds its bound, bounds fall with rank, and
// ties go to the lower rank (SPEC 8); one lane.
fn is_scan_settled() -> bool {
    if control.cursor >= control.scan_end {
        return true;
    }
    if STRATEGY == SPECTRAL && params.is_window_scope == 1u {
        return false;
    }
    return control.best_excess == 0u && utility_bound(control.cursor) <= control.best_utility;
}
