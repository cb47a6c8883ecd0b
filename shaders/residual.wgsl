// How far an item's row lies from the span of the placed ones, in doubled precision. Twin: src/stage/residual.rs, which has
// the steps and the reasons. Constants from the twin: FADE_GONE, FADE_SLOPE, MOST_VOLUME.
//
// In `state`, from similarity_at(), two words a number: squared lengths and squared distances by item; columns,
// [column][local]; where the window evicts exactly, what was solved, [column][local]; pivots.
// refreshed_at() holds, by item, the place in the history up to which it is up to date, plus 1; 0 where nothing is known.

// Words of a pivot: scale in doubled precision, length.
const PIVOT_WORDS: u32 = 3u;

fn n_recent() -> u32 { return slate.n_local - slate.n_candidates; }
fn most_placed() -> u32 { return n_recent() + slate.n_positions; }
fn evicts() -> bool { return params.history_window > 0u && params.history_window < most_placed(); }
fn refactors() -> bool { return evicts() && params.is_queue == 0u; }
fn n_columns() -> u32 { return select(most_placed(), params.history_window, evicts()); }
// Place in the history of the first item that counts.
fn first_counted() -> u32 { return select(0u, n_recent() - min(n_recent(), params.history_window), evicts()); }

fn squared_length_index(local: u32) -> u32 { return similarity_at() + 2u * local; }
fn squared_distance_index(local: u32) -> u32 { return similarity_at() + 2u * (slate.n_local + local); }
fn column_index(column: u32, local: u32) -> u32 {
    return similarity_at() + 2u * ((2u + column) * slate.n_local + local);
}
fn solved_index(column: u32, local: u32) -> u32 { return column_index(n_columns() + column, local); }
fn pivot_index(n: u32) -> u32 {
    return column_index(select(n_columns(), 2u * n_columns(), refactors()), 0u) + n * PIVOT_WORDS;
}

fn extended_similarity(a: u32, b: u32) -> Double {
    return add(similarity_of_members(catalog_row(a), catalog_row(b), 0u, 1u), double(params.bias));
}

// An item that is looked at for the first time.
fn meet(local: u32) {
    if state[refreshed_at() + local] == 0u {
        let squared_length = extended_similarity(local, local);
        store_double(squared_length_index(local), squared_length);
        store_double(squared_distance_index(local), squared_length);
        state[refreshed_at() + local] = first_counted() + 1u;
    }
}

// phi: how much of what is left of an item counts.
fn share_left(squared_distance: Double, squared_length: Double) -> Double {
    if single(squared_distance) <= FADE_GONE * single(squared_length) {
        return double(0.0);
    }
    let root = inverse_root(squared_length);
    let ratio = times(squared_distance, times(root, root));
    let above = add(ratio, of_pair(vec2<f32>(-FADE_GONE, -FADE_GONE_REST)));
    let x = times(above, of_pair(vec2<f32>(FADE_SLOPE, FADE_SLOPE_REST)));
    if single(x) <= 0.0 {
        return double(0.0);
    }
    if single(x) >= 1.0 {
        return double(1.0);
    }
    return times(times(x, x), multiply_add(double(3.0), double(-2.0), x));
}

// phi sqrt(R(i, i)): norm of the residual.
fn norm_left(local: u32) -> f32 {
    let squared_distance = load_double(squared_distance_index(local));
    let share = share_left(squared_distance, load_double(squared_length_index(local)));
    return single(share) * sqrt(max(single(squared_distance), 0.0));
}

fn has_residual(local: u32) -> bool {
    if STRATEGY == DPP {
        return single(load_double(squared_distance_index(local))) > DISTANCE_FLOOR;
    }
    return norm_left(local) > 0.0;
}

// What a placed item does to the others.
fn store_pivot(n: u32, local: u32) {
    let squared_distance = load_double(squared_distance_index(local));
    let share = share_left(squared_distance, load_double(squared_length_index(local)));
    var scale = double(0.0);
    if single(share) > 0.0 {
        scale = inverse_root(squared_distance);
        if single(share) < 1.0 {
            scale = times(scale, times(share, inverse_root(share)));
        }
    }
    store_double(pivot_index(n), scale);
    state[pivot_index(n) + 2u] = bitcast<u32>(single(share) * sqrt(max(single(squared_distance), 0.0)));
}

// c of an item at a column: what is left of its similarity after the first `n` columns that `rows_at` starts, times the scale.
fn coefficient(similarity: Double, scale: Double, rows_at: u32, local: u32, placed: u32, n: u32) -> Double {
    var left = similarity;
    for (var i = 0u; i < n; i += 1u) {
        let row = rows_at + 2u * i * slate.n_local;
        left = accumulate(left, -load_double(row + 2u * local), load_double(row + 2u * placed));
    }
    return times(scale, settled(left));
}

fn take_from_distance(local: u32, coefficient: Double) {
    let at = squared_distance_index(local);
    store_double(at, multiply_add(load_double(at), -coefficient, coefficient));
}

// Takes the direction of the n-th counted item out of an item. Where the queue is full, the oldest gives back what it took.
fn project_out(local: u32, n: u32) {
    let placed = history(first_counted() + n);
    let scale = load_double(pivot_index(n));
    var c = double(0.0);
    if single(scale) > 0.0 {
        c = coefficient(extended_similarity(local, placed), scale, column_index(0u, 0u), local, placed, min(n, n_columns()));
    }
    let at = column_index(n % n_columns(), local);
    if n >= n_columns() {
        let given_back = load_double(at);
        let distance_at = squared_distance_index(local);
        store_double(distance_at, multiply_add(load_double(distance_at), given_back, given_back));
    }
    store_double(at, c);
    take_from_distance(local, c);
}

// Brings an item closer to up to date; true where it is. An exact window is solved from its first column at every
// position, `turn` after `turn`.
fn project(local: u32, n_placed: u32, turn: u32) -> bool {
    meet(local);
    let up_to_date = state[refreshed_at() + local] - 1u;
    if !refactors() {
        let end = min(n_placed, up_to_date + params.catch_up);
        for (var place = up_to_date; place < end; place += 1u) {
            project_out(local, place - first_counted());
        }
        state[refreshed_at() + local] = end + 1u;
        return end == n_placed;
    }
    let n = min(n_placed, n_columns());
    let oldest = n_placed - n;
    let start = min(n, turn * params.catch_up);
    let end = min(n, start + params.catch_up);
    if turn == 0u {
        store_double(squared_distance_index(local), load_double(squared_length_index(local)));
    }
    for (var k = start; k < end; k += 1u) {
        let placed = history(oldest + k);
        let at = column_index((oldest + k) % n_columns(), local);
        if oldest + k >= up_to_date {
            store_double(at, extended_similarity(local, placed));
        }
        let scale = load_double(pivot_index(k));
        var c = double(0.0);
        if single(scale) > 0.0 {
            c = coefficient(load_double(at), scale, solved_index(0u, 0u), local, placed, k);
        }
        store_double(solved_index(k, local), c);
        take_from_distance(local, c);
    }
    if end == n {
        state[refreshed_at() + local] = n_placed + 1u;
    }
    return end == n;
}

// Takes in the item placed as number `place`; a chunk of the recent items after it, from `cursor` on, is told of it.
fn take_in(place: u32, cursor: u32) {
    let placed = history(place);
    let n = place - first_counted();
    if cursor == 0u && lane == 0u {
        meet(placed);
        if !refactors() {
            store_pivot(n, placed);
        }
    }
    storageBarrier();
    workgroupBarrier();
    let later = place + 1u + cursor + lane;
    if later < n_recent() {
        let local = history(later);
        meet(local);
        if refactors() {
            store_double(column_index(place % n_columns(), local), extended_similarity(local, placed));
        } else {
            project_out(local, n);
        }
        state[refreshed_at() + local] = place + 2u;
    }
    storageBarrier();
    workgroupBarrier();
}

// One column of the window's factor.
fn factor_column(column: u32, n_placed: u32) {
    let n = min(n_placed, n_columns());
    let oldest = n_placed - n;
    if column == 0u {
        for (var k = lane; k < n; k += WORKGROUP) {
            let local = history(oldest + k);
            store_double(squared_distance_index(local), load_double(squared_length_index(local)));
        }
        storageBarrier();
        workgroupBarrier();
    }
    let placed = history(oldest + column);
    if lane == 0u {
        store_pivot(column, placed);
    }
    storageBarrier();
    workgroupBarrier();
    let scale = load_double(pivot_index(column));
    for (var k = column + 1u + lane; k < n; k += WORKGROUP) {
        let local = history(oldest + k);
        var c = double(0.0);
        if single(scale) > 0.0 {
            let similarity = load_double(column_index((oldest + column) % n_columns(), local));
            c = coefficient(similarity, scale, solved_index(0u, 0u), local, placed, column);
        }
        store_double(solved_index(column, local), c);
        take_from_distance(local, c);
    }
    storageBarrier();
    workgroupBarrier();
}

// Volume of what counts: the product of lengths, oldest first; 1 where nothing does.
fn volume(n_placed: u32) -> f32 {
    let n_pivots = select(n_placed - first_counted(), min(n_placed, n_columns()), refactors());
    let n = select(n_pivots, min(n_pivots, n_columns()), evicts());
    var product = 1.0;
    for (var i = n_pivots - n; i < n_pivots; i += 1u) {
        product = min(product * bitcast<f32>(state[pivot_index(i) + 2u]), MOST_VOLUME);
    }
    return product;
}
