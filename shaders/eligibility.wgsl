// Which candidates are ranked at all: those that no filter takes out. Twin: src/stage/eligibility.rs.
//
// Filters can take out thousands side by side, and a step must be short. So the marks of a candidate that is out hold the rank
// at which the next one stands that is not, and whoever walks over ranks leaps there. To know it, chunks are done from
// the last to the first.

// The upper half of a * b.
fn multiply_high(a: u32, b: u32) -> u32 {
    let a_low = a & 0xffffu;
    let a_high = a >> 16u;
    let b_low = b & 0xffffu;
    let b_high = b >> 16u;
    let middle = a_high * b_low + ((a_low * b_low) >> 16u);
    let carried = a_low * b_high + (middle & 0xffffu);
    return a_high * b_high + (middle >> 16u) + (carried >> 16u);
}

fn is_excluded(row: u32) -> bool {
    var low = 0u;
    var high = slate.n_excluded;
    while low < high {
        let middle = (low + high) / 2u;
        let found = batch[slate.excluded_at + middle];
        if found == row {
            return true;
        }
        if found < row {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return false;
}

// src/bloom.rs has the layout.
fn is_in_bloom(row: u32) -> bool {
    if slate.n_blocks == 0u {
        return false;
    }
    let hash_low = item_word(row, params.hash_at);
    let hash_high = item_word(row, params.hash_at + 1u);
    let block = slate.bloom_at + multiply_high(hash_high, slate.n_blocks) * BLOCK_WORDS;
    var salts = BLOOM_SALTS;
    for (var i = 0u; i < BLOCK_WORDS; i += 1u) {
        let bit = 1u << ((hash_low * salts[i]) >> 27u);
        if (batch[block + i] & bit) == 0u {
            return false;
        }
    }
    return true;
}

fn is_eligible(row: u32) -> bool {
    if slate.active_filters != 0u && (item_word(row, params.filter_at) & slate.active_filters) != 0u {
        return false;
    }
    return !is_excluded(row) && !is_in_bloom(row);
}

// Candidates that are left to look at; none where nothing can take one out.
fn n_unfiltered(c: Control) -> u32 {
    let has_filter = slate.active_filters != 0u || slate.n_excluded > 0u || slate.n_blocks > 0u;
    return select(0u, slate.n_candidates - c.cursor, has_filter);
}

// The last chunk of candidates that was not looked at yet, a lane each; the cursor counts those that were.
fn filter_chunk(c: Control) {
    let n_left = n_unfiltered(c);
    let n = min(WORKGROUP, n_left);
    let start = n_left - n;
    var is_out = false;
    if lane < n {
        is_out = !is_eligible(catalog_row(start + lane));
    }
    // Who stays is who the lanes before leap to.
    reduce_excess[lane] = select(1u, 0u, is_out);
    reduce_rank[lane] = select(0u, 1u, is_out);
    workgroupBarrier();
    if is_out {
        var next = c.next_ahead;
        for (var i = n - 1u; i > lane; i -= 1u) {
            if reduce_excess[i] == 1u {
                next = start + i;
            }
        }
        state[marks_at() + start + lane] = MARK_OUT | MARK_PLACED | (next << MARK_BITS);
    }
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half = half / 2u) {
        if lane < half {
            reduce_rank[lane] += reduce_rank[lane + half];
        }
        workgroupBarrier();
    }
    storageBarrier();
    if lane == 0u {
        var first = c.next_ahead;
        for (var i = n; i > 0u; i -= 1u) {
            if reduce_excess[i - 1u] == 1u {
                first = start + i - 1u;
            }
        }
        control.n_filtered = c.n_filtered + reduce_rank[0];
        control.cursor = c.cursor + n;
        // Until all are looked at it is where the next chunk's last one leaps to.
        control.next_ahead = first;
        if n == n_left {
            control.cursor = 0u;
            control.phase = PHASE_RECENTS;
            control.next_ahead = look_ahead(0u, 1u);
        }
    }
    workgroupBarrier();
}
