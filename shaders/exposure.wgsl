// How much of the placed items lies in each spectrum, and what that costs a candidate. Twin: src/stage/exposure.rs.
// Constants from the twin: COUPLING_WIDTH, COUPLING_REACH, MAX_SPECTRA.

// Loadings of one chunk of placed items, [item][spectrum].
var<workgroup> past_loadings: array<f32, PAST_CHUNK * MAX_SPECTRA>;

// Loading of the window item in `slot`: f sqrt(lambda) u, or f u for unit loadings.
fn member_loading(slot: u32, k: u32) -> f32 {
    return eigenvalues[k] * projector[slot * N_SPECTRA + k];
}

// 0 for spectra that are gone beside the strongest, 1 for those that count in full, smooth in between.
fn fade(ratio: f32) -> f32 {
    let x = clamp((ratio - params.fade_gone) / (params.fade_full - params.fade_gone), 0.0, 1.0);
    return x * x * (3.0 - 2.0 * x);
}

fn build_projector() {
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        projector[i] = single(basis[i]) * inverse[i % N_SPECTRA];
    }
    workgroupBarrier();
}

// Exposure starts: factors of the loadings, and H of the window's placed items.
fn expose_window(n_placed: u32) {
    if lane < N_SPECTRA {
        let value = eigenvalues[lane];
        var scale = 0.0;
        if value > 0.0 {
            scale = fade(value / eigenvalues[0]) * select(1.0 / sqrt(value), 1.0 / value, params.is_unit_loading == 1u);
        }
        inverse[lane] = scale;
    }
    workgroupBarrier();
    build_projector();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let k = i / N_SPECTRA;
        let l = i % N_SPECTRA;
        var sum = 0.0;
        for (var slot = 0u; slot < N_SLOTS; slot += 1u) {
            if slot_items[slot] != EMPTY && slot_placed_at[slot] != EMPTY {
                let age_weight = table(params.decay_at + n_placed - 1u - slot_placed_at[slot]);
                let own = member_loading(slot, k);
                let other = member_loading(slot, l);
                sum += age_weight * own * other;
            }
        }
        weights[i] = sum;
    }
    workgroupBarrier();
}

// Adds placed items `start .. start + n` of the history, which have left the window, to H.
fn expose_past(start: u32, n: u32, n_placed: u32) {
    for (var i = lane; i < n * N_SPECTRA; i += WORKGROUP) {
        let k = i % N_SPECTRA;
        let local = history(start + i / N_SPECTRA);
        var sum = 0.0;
        for (var slot = 0u; slot < N_SLOTS; slot += 1u) {
            if slot_items[slot] != EMPTY {
                sum += similarity(slot, local) * projector[slot * N_SPECTRA + k];
            }
        }
        past_loadings[i] = sum;
    }
    workgroupBarrier();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        var sum = 0.0;
        for (var j = 0u; j < n; j += 1u) {
            let age_weight = table(params.decay_at + n_placed - 1u - (start + j));
            let own = past_loadings[j * N_SPECTRA + i / N_SPECTRA];
            sum += age_weight * own * past_loadings[j * N_SPECTRA + i % N_SPECTRA];
        }
        weights[i] += sum;
    }
    workgroupBarrier();
}

// exp(-1/2 (ln(a/b) / width)^2), with the logarithm as 2 artanh((a-b)/(a+b)) in five terms.
fn coupling(a: f32, b: f32) -> f32 {
    if a == 0.0 || b == 0.0 {
        return 0.0;
    }
    let z = (a - b) / (a + b);
    if abs(z) > COUPLING_REACH {
        return 0.0;
    }
    let square = z * z;
    let series = (((square / 9.0 + 1.0 / 7.0) * square + 1.0 / 5.0) * square + 1.0 / 3.0) * square + 1.0;
    let distance = 2.0 * z * series / COUPLING_WIDTH;
    return exp(-0.5 * distance * distance);
}

// H becomes the weights w.
fn weigh() {
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let a = eigenvalues[i / N_SPECTRA];
        let b = eigenvalues[i % N_SPECTRA];
        var coupled = 1.0;
        if params.is_diagonal_coupling == 1u {
            coupled = coupling(a, b);
        }
        weights[i] = weights[i] * (coupled / sqrt((params.epsilon + a) * (params.epsilon + b)));
    }
    workgroupBarrier();
}

// The diversity term of the item in a slot, or where that is EMPTY of one whose similarities are up to date:
// -strength sum_kl w_kl l_k l_l, never positive.
fn diversity_of(local: u32, own_slot: u32) -> f32 {
    var loadings: array<f32, MAX_SPECTRA>;
    for (var k = 0u; k < N_SPECTRA; k += 4u) {
        // Four spectra at a time; past the last one the columns repeat and are not used.
        let k_1 = min(k + 1u, N_SPECTRA - 1u);
        let k_2 = min(k + 2u, N_SPECTRA - 1u);
        let k_3 = min(k + 3u, N_SPECTRA - 1u);
        var sum = vec4<f32>(0.0);
        for (var slot = 0u; slot < N_SLOTS; slot += 1u) {
            if slot_items[slot] != EMPTY {
                let row = slot * N_SPECTRA;
                var value = 0.0;
                if own_slot == EMPTY {
                    value = similarity(slot, local);
                } else {
                    value = single(gram_at(slot, own_slot));
                }
                sum += value
                    * vec4<f32>(projector[row + k], projector[row + k_1], projector[row + k_2], projector[row + k_3]);
            }
        }
        loadings[k] = sum.x;
        loadings[k_1] = sum.y;
        loadings[k_2] = sum.z;
        loadings[k_3] = sum.w;
    }
    var total = 0.0;
    for (var k = 0u; k < N_SPECTRA; k += 1u) {
        var inner = 0.0;
        for (var l = 0u; l < N_SPECTRA; l += 1u) {
            inner += weights[k * N_SPECTRA + l] * loadings[l];
        }
        total += loadings[k] * inner;
    }
    return -params.strength * max(total, 0.0);
}
