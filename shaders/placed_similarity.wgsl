// Similarities of a slate's items to the placed ones, folded into one number. Twin: src/stage/placed_similarity.rs.
//
// In `state`, from similarity_at(): [place in the history modulo the window][local], or one running value per item.
// refreshed_at() counts the placed items that an item has been compared with.

fn term_index(place: u32, local: u32) -> u32 {
    let row = select(place % max(params.history_window, 1u), 0u, params.history_window == 0u);
    return similarity_at() + row * slate.n_local + local;
}

fn placed_reach(n_placed: u32) -> u32 {
    return select(min(n_placed, params.history_window), n_placed, params.history_window == 0u);
}

// What one similarity counts.
fn fold_term(similarity: f32) -> f32 {
    if STRATEGY == MMR {
        return max(similarity, 0.0);
    }
    return 1.0 - clamp(similarity, -1.0, 1.0);
}

fn fold_combine(a: f32, b: f32) -> f32 {
    if STRATEGY == MMR {
        return max(a, b);
    }
    return a + b;
}

// Compares an item with some of the placed items it has not seen; true where it has seen all that count.
fn compare_with_placed(local: u32, n_placed: u32) -> bool {
    let n_seen = state[refreshed_at() + local];
    let first = max(n_seen, n_placed - placed_reach(n_placed));
    let end = min(n_placed, first + params.catch_up);
    for (var place = first; place < end; place += 1u) {
        var term = fold_term(similarity_of(catalog_row(local), catalog_row(history(place)), 0u, 1u));
        let at = term_index(place, local);
        if params.history_window == 0u && place > 0u {
            term = fold_combine(bitcast<f32>(state[at]), term);
        } else if params.history_window == 0u {
            term = fold_combine(0.0, term);
        }
        state[at] = bitcast<u32>(term);
    }
    state[refreshed_at() + local] = end;
    return end == n_placed;
}

// The fold of an item that has seen all that count, 0 where nothing is placed.
fn fold_placed(local: u32, n_placed: u32) -> f32 {
    var sum = 0.0;
    let n_terms = select(placed_reach(n_placed), min(n_placed, 1u), params.history_window == 0u);
    for (var i = 0u; i < n_terms; i += 1u) {
        sum = fold_combine(sum, bitcast<f32>(state[term_index(i, local)]));
    }
    return sum;
}
