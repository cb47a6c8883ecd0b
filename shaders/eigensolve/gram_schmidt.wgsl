// Gram-Schmidt, for columns that Cholesky's way does not do: those that are much alike, and those that collapse. Twin:
// `remove_one_by_one` in src/stage/eigensolve/columns.rs.

var<workgroup> has_collapsed: u32;

fn column_norm(c: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < N_SLOTS; i += 1u) {
        let x = single(basis[i * N_SPECTRA + c]);
        sum += x * x;
    }
    return sqrt(sum);
}

// Takes out of column `c` what lies in the columns before it: all shares first, then all at once; and again, since once
// leaves rounding of the column's whole length.
fn remove_earlier(c: u32) {
    for (var turn = 0u; turn < 2u; turn += 1u) {
        for (var k = lane; k < c; k += WORKGROUP) {
            var share = double(0.0);
            for (var i = 0u; i < N_SLOTS; i += 1u) {
                share = accumulate(share, basis[i * N_SPECTRA + k], basis[i * N_SPECTRA + c]);
            }
            by_spectrum[k] = -pair_of(settled(share));
        }
        workgroupBarrier();
        for (var i = lane; i < N_SLOTS; i += WORKGROUP) {
            var entry = basis[i * N_SPECTRA + c];
            for (var k = 0u; k < c; k += 1u) {
                entry = accumulate(entry, of_pair(by_spectrum[k]), basis[i * N_SPECTRA + k]);
            }
            basis[i * N_SPECTRA + c] = settled(entry);
        }
        workgroupBarrier();
    }
}

// Multiplies column `c` by a factor in doubled precision.
fn scale_column(c: u32, factor: Double) {
    for (var i = lane; i < N_SLOTS; i += WORKGROUP) {
        basis[i * N_SPECTRA + c] = times(factor, basis[i * N_SPECTRA + c]);
    }
    workgroupBarrier();
}

// 1 / length of column `c`, in doubled precision.
fn inverse_length(c: u32) -> Double {
    var sum = double(0.0);
    for (var i = 0u; i < N_SLOTS; i += 1u) {
        sum = accumulate(sum, basis[i * N_SPECTRA + c], basis[i * N_SPECTRA + c]);
    }
    return inverse_root(settled(sum));
}

// Each column twice. A column that collapses is refilled; one that collapses again becomes zero.
fn remove_one_by_one() {
    let nothing = NOTHING * column_norm(0u);
    for (var c = 0u; c < N_SPECTRA; c += 1u) {
        for (var attempt = 0u; attempt < 2u; attempt += 1u) {
            let before = column_norm(c);
            // Before any lane changes the column.
            workgroupBarrier();
            remove_earlier(c);
            let after = column_norm(c);
            if lane == 0u {
                let is_whole = after > COLLAPSE * before && (after > nothing || attempt == 1u);
                has_collapsed = select(1u, 0u, is_whole);
            }
            if workgroupUniformLoad(&has_collapsed) == 0u {
                break;
            }
            let is_refill = attempt == 0u;
            for (var i = lane; i < N_SLOTS; i += WORKGROUP) {
                let entry = select(0.0, pseudo_random(i, c), is_refill && slot_items[i] != EMPTY);
                basis[i * N_SPECTRA + c] = double(entry);
            }
            workgroupBarrier();
        }
        // A column that collapsed twice is zero already.
        if workgroupUniformLoad(&has_collapsed) == 0u {
            let factor = inverse_length(c);
            workgroupBarrier();
            scale_column(c, factor);
        }
    }
}
