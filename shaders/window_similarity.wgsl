// Similarities between a slate's items and the items in the window's slots. Twin: src/stage/window_similarity.rs.
//
// An item's similarities are brought up to date only when it is looked at, and only for slots whose item entered since.

// Which items a refresh walks over.
const LIST_AHEAD: u32 = 0u;      // index = slot; only unplaced items
const LIST_HISTORY: u32 = 1u;    // index = place in the history
const LIST_CANDIDATES: u32 = 2u; // index = rank; those out of the pool are passed over
const LIST_FORCED: u32 = 3u;     // index = rank, whoever it is

fn listed(list: u32, index: u32) -> u32 {
    switch list {
        case LIST_AHEAD: {
            return select(EMPTY, slot_items[index], is_ahead(index));
        }
        case LIST_HISTORY: {
            return history(index);
        }
        case LIST_CANDIDATES: {
            return select(EMPTY, index, (marks(index) & MARK_OUT) == 0u);
        }
        default: {
            return index;
        }
    }
}

fn catalog_word(shard: u32, at: u32) -> vec4<u32> {
    if N_SHARDS == 1u {
        return catalog_0[at];
    }
    switch shard {
        case 0u: {
            return catalog_0[at];
        }
        case 1u: {
            return catalog_1[at];
        }
        case 2u: {
            return catalog_2[at];
        }
        default: {
            return catalog_3[at];
        }
    }
}

struct Octet {
    low: vec4<f32>,
    high: vec4<f32>,
}

// Where a catalog row starts: shard, and index of its first octet there.
struct RowStart {
    shard: u32,
    at: u32,
}

fn row_start(row: u32) -> RowStart {
    if N_SHARDS == 1u {
        return RowStart(0u, row * params.row_octets);
    }
    let shard = row / params.rows_per_shard;
    return RowStart(shard, (row - shard * params.rows_per_shard) * params.row_octets);
}

// Eight values of a row, in the precision they were stored in.
fn read_octet(start: RowStart, octet: u32) -> Octet {
    if IS_F16 == 1u {
        let w = catalog_word(start.shard, start.at + octet);
        return Octet(
            vec4<f32>(unpack2x16float(w.x), unpack2x16float(w.y)),
            vec4<f32>(unpack2x16float(w.z), unpack2x16float(w.w)),
        );
    }
    let at = 2u * (start.at + octet);
    return Octet(
        bitcast<vec4<f32>>(catalog_word(start.shard, at)),
        bitcast<vec4<f32>>(catalog_word(start.shard, at + 1u)),
    );
}

// (first octet, number of octets) of a signal; the number is even.
fn segment(signal: u32) -> vec2<u32> {
    let pair = params.segments[signal / 2u];
    return select(pair.xy, pair.zw, signal % 2u == 1u);
}

fn factor(row: u32, signal: u32) -> f32 {
    return bitcast<f32>(item_word(row, signal));
}

// S_ab of two catalog rows.
fn similarity_of(row_a: u32, row_b: u32) -> f32 {
    let a = row_start(row_a);
    let b = row_start(row_b);
    var total = 0.0;
    for (var s = 0u; s < params.n_signals; s += 1u) {
        let part = segment(s);
        var sum_0 = vec4<f32>(0.0);
        var sum_1 = vec4<f32>(0.0);
        var sum_2 = vec4<f32>(0.0);
        var sum_3 = vec4<f32>(0.0);
        for (var o = part.x; o < part.x + part.y; o += 2u) {
            let a_0 = read_octet(a, o);
            let b_0 = read_octet(b, o);
            let a_1 = read_octet(a, o + 1u);
            let b_1 = read_octet(b, o + 1u);
            sum_0 += a_0.low * b_0.low;
            sum_1 += a_0.high * b_0.high;
            sum_2 += a_1.low * b_1.low;
            sum_3 += a_1.high * b_1.high;
        }
        let sum = (sum_0 + sum_1) + (sum_2 + sum_3);
        total += (factor(row_a, s) * factor(row_b, s)) * ((sum.x + sum.y) + (sum.z + sum.w));
    }
    return total;
}

// Brings the similarities of `n` listed items up to date. Tasks are (item, slot) pairs, items fastest, so that the
// lanes of a round work on the same slot: as a rule only one slot is new.
fn refresh(list: u32, start: u32, n: u32, step: u32) {
    for (var task = lane; task < n * N_SLOTS; task += WORKGROUP) {
        let slot = task / n;
        let local = listed(list, start + task % n);
        if local != EMPTY && slot_items[slot] != EMPTY && slot_entered[slot] > state[refreshed_at() + local] {
            let value = similarity_of(catalog_row(local), catalog_row(slot_items[slot]));
            state[similarity_index(slot, local)] = bitcast<u32>(value);
        }
    }
    storageBarrier();
    workgroupBarrier();
    for (var i = lane; i < n; i += WORKGROUP) {
        let local = listed(list, start + i);
        if local != EMPTY {
            state[refreshed_at() + local] = step;
        }
    }
    storageBarrier();
    workgroupBarrier();
}

fn similarity(slot: u32, local: u32) -> f32 {
    return bitcast<f32>(state[similarity_index(slot, local)]);
}

// S_ab of two catalog rows in doubled precision.
fn similarity_of_members(row_a: u32, row_b: u32) -> vec2<f32> {
    let a = row_start(row_a);
    let b = row_start(row_b);
    var similarity = vec2<f32>(0.0);
    for (var s = 0u; s < params.n_signals; s += 1u) {
        let part = segment(s);
        var low = Sums(vec4<f32>(0.0), vec4<f32>(0.0));
        var high = Sums(vec4<f32>(0.0), vec4<f32>(0.0));
        for (var o = part.x; o < part.x + part.y; o += 1u) {
            let values_a = read_octet(a, o);
            let values_b = read_octet(b, o);
            var rest = Octet(vec4<f32>(0.0), vec4<f32>(0.0));
            if params.rest_octets > 0u {
                let rest_a = read_octet(a, o + params.rest_octets);
                let rest_b = read_octet(b, o + params.rest_octets);
                rest.low = values_a.low * rest_b.low + rest_a.low * values_b.low;
                rest.high = values_a.high * rest_b.high + rest_a.high * values_b.high;
            }
            low = add_products(low, values_a.low, values_b.low, rest.low);
            high = add_products(high, values_a.high, values_b.high, rest.high);
        }
        let scale = multiply_add(vec2<f32>(0.0), vec2<f32>(factor(row_a, s), 0.0), vec2<f32>(factor(row_b, s), 0.0));
        similarity = multiply_add(similarity, add(total(low), total(high)), scale);
    }
    return similarity;
}

// Entries of S_W whose rows are the slots `start .. start + n`, of items that entered at this step, or all.
fn compare_members(start: u32, n: u32, step: u32, is_all: bool) {
    for (var task = lane; task < n * N_SLOTS; task += WORKGROUP) {
        let a = start + task / N_SLOTS;
        let b = task % N_SLOTS;
        let is_new_a = is_all || slot_entered[a] == step;
        let is_new_b = is_all || slot_entered[b] == step;
        if slot_items[a] != EMPTY && slot_items[b] != EMPTY && is_new_a && (b <= a || !is_new_b) {
            let value = similarity_of_members(catalog_row(slot_items[a]), catalog_row(slot_items[b]));
            store_double(gram_start() + 2u * (a * N_SLOTS + b), value);
            store_double(gram_start() + 2u * (b * N_SLOTS + a), value);
        }
    }
    storageBarrier();
    workgroupBarrier();
}

fn read_gram(a: u32, b: u32) -> vec2<f32> {
    if slot_items[a] == EMPTY || slot_items[b] == EMPTY {
        return vec2<f32>(0.0);
    }
    return load_double(gram_start() + 2u * (a * N_SLOTS + b));
}

// The window's similarity matrix into workgroup memory, where it fits.
fn build_gram() {
    if GRAM_WORDS >= N_SLOTS * N_SLOTS {
        for (var i = lane; i < N_SLOTS * N_SLOTS; i += WORKGROUP) {
            gram[i] = read_gram(i / N_SLOTS, i % N_SLOTS);
        }
    }
    workgroupBarrier();
}

fn gram_at(a: u32, b: u32) -> vec2<f32> {
    if GRAM_WORDS >= N_SLOTS * N_SLOTS {
        return gram[a * N_SLOTS + b];
    }
    return read_gram(a, b);
}

// Adds an item's row, factors applied, to the running sum of placed rows (for the balance penalty).
fn add_placed_row(local: u32) {
    let row = catalog_row(local);
    let start = row_start(row);
    for (var s = 0u; s < params.n_signals; s += 1u) {
        let part = segment(s);
        let scale = factor(row, s);
        for (var o = part.x + lane; o < part.x + part.y; o += WORKGROUP) {
            let values = read_octet(start, o);
            for (var i = 0u; i < 4u; i += 1u) {
                let at = placed_sum_at() + o * 8u + i;
                state[at] = bitcast<u32>(bitcast<f32>(state[at]) + scale * values.low[i]);
                state[at + 4u] = bitcast<u32>(bitcast<f32>(state[at + 4u]) + scale * values.high[i]);
            }
        }
    }
}

fn placed_sum_vec4(at: u32) -> vec4<f32> {
    return vec4<f32>(
        bitcast<f32>(state[at]), bitcast<f32>(state[at + 1u]), bitcast<f32>(state[at + 2u]), bitcast<f32>(state[at + 3u]),
    );
}

// Similarity of an item to the running sum of placed rows.
fn similarity_to_placed(row: u32) -> f32 {
    let start = row_start(row);
    var total = 0.0;
    for (var s = 0u; s < params.n_signals; s += 1u) {
        let part = segment(s);
        var low = vec4<f32>(0.0);
        var high = vec4<f32>(0.0);
        for (var o = part.x; o < part.x + part.y; o += 1u) {
            let values = read_octet(start, o);
            let at = placed_sum_at() + o * 8u;
            low += values.low * placed_sum_vec4(at);
            high += values.high * placed_sum_vec4(at + 4u);
        }
        let sum = low + high;
        total += factor(row, s) * ((sum.x + sum.y) + (sum.z + sum.w));
    }
    return total;
}
