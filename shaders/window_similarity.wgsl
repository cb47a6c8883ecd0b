// Similarities between a slate's items and the items in the window's slots. Twin: src/stage/window_similarity.rs.
//
// An item's similarities are brought up to date only when it is looked at, and only for slots whose item entered since.

// Which items a refresh walks over.
const LIST_HISTORY: u32 = 0u;    // index = place in the history
const LIST_CANDIDATES: u32 = 1u; // index = rank; those out of the pool are passed over
const LIST_FORCED: u32 = 2u;     // index = rank, whoever it is

fn listed(list: u32, index: u32) -> u32 {
    switch list {
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

// What the pairs of octets `first`, `first + stride`, ... of each signal add to S_ab of two catalog rows: all of it for (0, 1).
fn similarity_of(row_a: u32, row_b: u32, first: u32, stride: u32) -> f32 {
    let a = row_start(row_a);
    let b = row_start(row_b);
    var total = 0.0;
    for (var s = 0u; s < params.n_signals; s += 1u) {
        let part = segment(s);
        var sum_0 = vec4<f32>(0.0);
        var sum_1 = vec4<f32>(0.0);
        var sum_2 = vec4<f32>(0.0);
        var sum_3 = vec4<f32>(0.0);
        for (var o = part.x + 2u * first; o < part.x + part.y; o += 2u * stride) {
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

// Pairs that are compared next, PARTS lanes each: neighbours read what lies side by side, and no lane reads a whole
// row. Listed by all lanes in whatever order, as many as fit; the two numbers of a pair share a word. Kept with what
// lanes find of them where the selection keeps its own (select.wgsl).
const PAIR_BITS: u32 = 16u;
var<workgroup> n_listed: atomic<u32>;
var<workgroup> n_pairs_listed: u32;

fn begin_list() {
    if lane == 0u {
        atomicStore(&n_listed, 0u);
    }
    workgroupBarrier();
}

// False where the list is full.
fn add_to_list(a: u32, b: u32) -> bool {
    let at = atomicAdd(&n_listed, 1u);
    if at < PAIRS {
        reduce_rank[at] = (a << PAIR_BITS) | b;
    }
    return at < PAIRS;
}

// Pairs listed, on every lane; more than PAIRS where some did not fit.
fn end_list() -> u32 {
    workgroupBarrier();
    if lane == 0u {
        n_pairs_listed = atomicLoad(&n_listed);
    }
    return workgroupUniformLoad(&n_pairs_listed);
}

fn listed_pair(i: u32) -> vec2<u32> {
    let pair = reduce_rank[i];
    return vec2<u32>(pair >> PAIR_BITS, pair & ((1u << PAIR_BITS) - 1u));
}

// Brings the similarities of `n` listed items up to date.
fn refresh(list: u32, start: u32, n: u32, step: u32) {
    var local = EMPTY;
    if lane < n {
        local = listed(list, start + lane);
    }
    var slot = N_SLOTS;
    var last = 0u;
    if local != EMPTY {
        slot = 0u;
        last = state[refreshed_at() + local];
    }
    loop {
        begin_list();
        while slot < N_SLOTS {
            if slot_items[slot] != EMPTY && slot_entered[slot] > last {
                if !add_to_list(local, slot) {
                    break;
                }
            }
            slot += 1u;
        }
        let n_pairs = end_list();
        let pair = listed_pair(lane / PARTS);
        if lane / PARTS < n_pairs {
            let rows = vec2<u32>(catalog_row(pair.x), catalog_row(slot_items[pair.y]));
            reduce_utility[lane] = similarity_of(rows.x, rows.y, lane % PARTS, PARTS);
        }
        workgroupBarrier();
        if lane < min(n_pairs, PAIRS) {
            var value = 0.0;
            for (var part = lane * PARTS; part < (lane + 1u) * PARTS; part += 1u) {
                value += reduce_utility[part];
            }
            let own = listed_pair(lane);
            state[similarity_index(own.y, own.x)] = bitcast<u32>(value);
        }
        // Nobody lists before the last one has read.
        storageBarrier();
        workgroupBarrier();
        if n_pairs <= PAIRS {
            break;
        }
    }
    if local != EMPTY {
        state[refreshed_at() + local] = step;
    }
    storageBarrier();
    workgroupBarrier();
}

fn similarity(slot: u32, local: u32) -> f32 {
    return bitcast<f32>(state[similarity_index(slot, local)]);
}

// As similarity_of, by octets and in doubled precision.
fn similarity_of_members(row_a: u32, row_b: u32, first: u32, stride: u32) -> Double {
    let a = row_start(row_a);
    let b = row_start(row_b);
    var similarity = double(0.0);
    for (var s = 0u; s < params.n_signals; s += 1u) {
        let part = segment(s);
        var low = Sums(vec4<f32>(0.0), vec4<f32>(0.0));
        var high = Sums(vec4<f32>(0.0), vec4<f32>(0.0));
        for (var o = part.x + first; o < part.x + part.y; o += stride) {
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
        let scale = times(double(factor(row_a, s)), double(factor(row_b, s)));
        similarity = multiply_add(similarity, add(total(low), total(high)), scale);
    }
    return similarity;
}

// Entries of S_W whose rows are the slots `start .. start + n`, of items that entered at this step, or all.
fn compare_members(start: u32, n: u32, step: u32, is_all: bool) {
    var task = lane;
    loop {
        begin_list();
        while task < n * N_SLOTS {
            let a = start + task / N_SLOTS;
            let b = task % N_SLOTS;
            let is_new_a = is_all || slot_entered[a] == step;
            let is_new_b = is_all || slot_entered[b] == step;
            if slot_items[a] != EMPTY && slot_items[b] != EMPTY && is_new_a && (b <= a || !is_new_b) {
                if !add_to_list(a, b) {
                    break;
                }
            }
            task += WORKGROUP;
        }
        let n_pairs = end_list();
        let pair = listed_pair(lane / PARTS);
        if lane / PARTS < n_pairs {
            let rows = vec2<u32>(catalog_row(slot_items[pair.x]), catalog_row(slot_items[pair.y]));
            let value = pair_of(similarity_of_members(rows.x, rows.y, lane % PARTS, PARTS));
            reduce_utility[lane] = value.x;
            reduce_excess[lane] = bitcast<u32>(value.y);
        }
        workgroupBarrier();
        if lane < min(n_pairs, PAIRS) {
            var value = double(0.0);
            for (var part = lane * PARTS; part < (lane + 1u) * PARTS; part += 1u) {
                value = add(value, of_pair(vec2<f32>(reduce_utility[part], bitcast<f32>(reduce_excess[part]))));
            }
            let own = listed_pair(lane);
            store_double(gram_start() + 2u * (own.x * N_SLOTS + own.y), value);
            store_double(gram_start() + 2u * (own.y * N_SLOTS + own.x), value);
        }
        storageBarrier();
        workgroupBarrier();
        if n_pairs <= PAIRS {
            break;
        }
    }
}

fn read_gram(a: u32, b: u32) -> Double {
    if slot_items[a] == EMPTY || slot_items[b] == EMPTY {
        return double(0.0);
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

fn gram_at(a: u32, b: u32) -> Double {
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
