// The penalties every strategy can carry. Twin: src/stage/penalty.rs.

// Words of a spacing rule's descriptor: where its kernel weights start, its window, its strength.
const RULE_WORDS: u32 = 3u;

// Per rule: strength * sum over distance of kernel weight * membership of the item placed there.
fn load_spacing(n_placed: u32) {
    for (var r = lane; r < params.n_rules; r += WORKGROUP) {
        let rule = params.rules_at + r * RULE_WORDS;
        var load = 0.0;
        if (slate.active_rules & (1u << r)) != 0u {
            let weights_start = items[rule];
            let reach = min(items[rule + 1u], n_placed);
            for (var d = 0u; d < reach; d += 1u) {
                let row = catalog_row(history(n_placed - 1u - d));
                load += table(weights_start + d) * bitcast<f32>(item_word(row, params.membership_at + r));
            }
        }
        spacing_load[r] = table(rule + 2u) * load;
    }
    workgroupBarrier();
}

fn spacing_of(row: u32) -> f32 {
    var sum = 0.0;
    for (var r = 0u; r < params.n_rules; r += 1u) {
        sum += bitcast<f32>(item_word(row, params.membership_at + r)) * spacing_load[r];
    }
    return sum;
}

// Number of leading codes that agree; a code 0 ends the prefix.
fn shared_prefix(row_a: u32, row_b: u32) -> u32 {
    for (var l = 0u; l < params.n_levels; l += 1u) {
        let code = item_word(row_a, params.codes_at + l);
        if code == 0u || code != item_word(row_b, params.codes_at + l) {
            return l;
        }
    }
    return params.n_levels;
}

fn semantic_of(row: u32, n_placed: u32) -> f32 {
    if params.n_levels == 0u {
        return 0.0;
    }
    var sum = 0.0;
    let reach = min(params.semantic_window, n_placed);
    for (var d = 0u; d < reach; d += 1u) {
        let agreement = shared_prefix(row, catalog_row(history(n_placed - 1u - d)));
        sum += table(params.semantic_weights_at + d) * table(params.prefix_penalty_at + agreement);
    }
    return params.semantic_strength * sum;
}

fn balance_of(row: u32, n_placed: u32) -> f32 {
    if params.balance_strength == 0.0 || n_placed == 0u {
        return 0.0;
    }
    return params.balance_strength * max(similarity_to_placed(row) / f32(n_placed), 0.0);
}

// Words of a cap: most items of one value, placed items counted.
const CAP_WORDS: u32 = 2u;

// How far an item would lift the counts of its values above the caps.
fn excess_of(row: u32, n_placed: u32) -> u32 {
    var total = 0u;
    for (var c = 0u; c < params.n_caps; c += 1u) {
        let value = item_word(row, params.caps_at + c);
        let most = items[params.cap_rules_at + c * CAP_WORDS];
        let reach = min(items[params.cap_rules_at + c * CAP_WORDS + 1u], n_placed);
        var same = 1u;
        for (var d = 0u; d < reach; d += 1u) {
            let placed = catalog_row(history(n_placed - 1u - d));
            same += select(0u, 1u, item_word(placed, params.caps_at + c) == value);
        }
        if value != EMPTY {
            total += same - min(same, most);
        }
    }
    return total;
}
