// The leading eigenpairs of the window's similarity matrix, by block power iteration. Twin: src/stage/eigensolve.rs,
// which has the steps and the reasons. Constants come from the twin by way of src/gpu/shader.rs:
// ENTRY_SCALE, COLLAPSE, NOTHING, DROP, JACOBI_SWEEPS, FIRST_JACOBI_TOLERANCE, LAST_JACOBI_TOLERANCE, MAX_SPECTRA, MAX_WINDOW.
//
// Everything but Jacobi's method is in doubled precision. That works on a K × K matrix in single precision, and is done
// twice: the second time on a matrix that is diagonal up to rounding, where single precision is precise enough.

// Jacobi's matrix and vectors, each twice: a round reads one copy and writes the other.
var<workgroup> projected: array<f32, SQUARE_WORDS>;
var<workgroup> projected_next: array<f32, SQUARE_WORDS>;
var<workgroup> rotation: array<f32, SQUARE_WORDS>;
var<workgroup> rotation_next: array<f32, SQUARE_WORDS>;
var<workgroup> spectrum_order: array<u32, N_SPECTRA>;
var<workgroup> n_off_diagonal: atomic<u32>;
var<workgroup> is_diagonal: u32;
// What a column has of each column before it, negated.
var<workgroup> shares: array<vec2<f32>, N_SPECTRA>;
var<workgroup> has_collapsed: u32;

// A fixed number in -1..1 for a pair of numbers (Wang's integer hash).
fn pseudo_random(a: u32, b: u32) -> f32 {
    var x = a * MAX_WINDOW + b + 1u;
    x = (x ^ 61u) ^ (x >> 16u);
    x = x * 9u;
    x = x ^ (x >> 4u);
    x = x * 0x27d4eb2du;
    x = x ^ (x >> 15u);
    return f32(x >> 8u) / 8388608.0 - 1.0;
}

fn product_at(i: u32) -> vec2<f32> {
    if PRODUCT_WORDS >= N_SLOTS * N_SPECTRA {
        return product[i];
    }
    return load_double(product_start() + 2u * i);
}

fn set_product(i: u32, value: vec2<f32>) {
    if PRODUCT_WORDS >= N_SLOTS * N_SPECTRA {
        product[i] = value;
    } else {
        store_double(product_start() + 2u * i, value);
    }
}

fn take_product() {
    storageBarrier();
    workgroupBarrier();
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        basis[i] = product_at(i);
    }
    workgroupBarrier();
}

// Carries the basis over to this step's window.
fn enter_basis(step: u32) {
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        let slot = i / N_SPECTRA;
        let k = i % N_SPECTRA;
        var entry = basis[i];
        if slot_items[slot] == EMPTY {
            entry = vec2<f32>(0.0);
        } else if eigenvalues[k] == 0.0 {
            entry = vec2<f32>(pseudo_random(slot, k), 0.0);
        } else if slot_entered[slot] == step {
            for (var row = 0u; row < N_SLOTS; row += 1u) {
                let share = vec2<f32>(ENTRY_SCALE * pseudo_random(MAX_WINDOW + slot, row), 0.0);
                entry = multiply_add(entry, share, basis[row * N_SPECTRA + k]);
            }
        }
        set_product(i, entry);
    }
    take_product();
}

// product <- S basis
fn multiply() {
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        let slot = i / N_SPECTRA;
        let k = i % N_SPECTRA;
        var sum = vec2<f32>(0.0);
        for (var j = 0u; j < N_SLOTS; j += 1u) {
            sum = multiply_add(sum, gram_at(slot, j), basis[j * N_SPECTRA + k]);
        }
        set_product(i, sum);
    }
    storageBarrier();
    workgroupBarrier();
}

fn column_norm(c: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < N_SLOTS; i += 1u) {
        let x = basis[i * N_SPECTRA + c].x;
        sum += x * x;
    }
    return sqrt(sum);
}

// Takes out of column `c` what lies in the columns before it: all shares first, then all at once; and again, since once
// leaves rounding of the column's whole length.
fn remove_earlier(c: u32) {
    for (var turn = 0u; turn < 2u; turn += 1u) {
        for (var k = lane; k < c; k += WORKGROUP) {
            var share = vec2<f32>(0.0);
            for (var i = 0u; i < N_SLOTS; i += 1u) {
                share = multiply_add(share, basis[i * N_SPECTRA + k], basis[i * N_SPECTRA + c]);
            }
            shares[k] = -share;
        }
        workgroupBarrier();
        for (var i = lane; i < N_SLOTS; i += WORKGROUP) {
            var entry = basis[i * N_SPECTRA + c];
            for (var k = 0u; k < c; k += 1u) {
                entry = multiply_add(entry, shares[k], basis[i * N_SPECTRA + k]);
            }
            basis[i * N_SPECTRA + c] = entry;
        }
        workgroupBarrier();
    }
}

// Multiplies column `c` by a factor in doubled precision.
fn scale_column(c: u32, factor: vec2<f32>) {
    for (var i = lane; i < N_SLOTS; i += WORKGROUP) {
        basis[i * N_SPECTRA + c] = multiply_add(vec2<f32>(0.0), factor, basis[i * N_SPECTRA + c]);
    }
    workgroupBarrier();
}

// 1 / length of column `c`, in doubled precision.
fn inverse_length(c: u32) -> vec2<f32> {
    var square = vec2<f32>(0.0);
    for (var i = 0u; i < N_SLOTS; i += 1u) {
        square = multiply_add(square, basis[i * N_SPECTRA + c], basis[i * N_SPECTRA + c]);
    }
    return inverse_root(square);
}

// Gram-Schmidt, each column twice. A column that collapses is refilled; one that collapses again becomes zero.
fn orthonormalise() {
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
                basis[i * N_SPECTRA + c] = vec2<f32>(entry, 0.0);
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

// Whom `i` meets in a round of the tournament; N_SPECTRA or more means nobody.
fn partner(i: u32, round: u32) -> u32 {
    let last = N_SPECTRA + N_SPECTRA % 2u - 1u;
    if i == last {
        return round;
    }
    if i == round {
        return last;
    }
    return (2u * round + last - i) % last;
}

// How index i mixes with its partner j: new_i = x * old_i + y * old_j.
fn mixing(i: u32, j: u32, tolerance: f32) -> vec2<f32> {
    if j >= N_SPECTRA {
        return vec2<f32>(1.0, 0.0);
    }
    let p = min(i, j);
    let q = max(i, j);
    let pp = projected[p * N_SPECTRA + p];
    let qq = projected[q * N_SPECTRA + q];
    let pq = projected[p * N_SPECTRA + q];
    if abs(pq) <= tolerance * (abs(pp) + abs(qq)) {
        return vec2<f32>(1.0, 0.0);
    }
    let theta = (qq - pp) / (2.0 * pq);
    let direction = select(1.0, -1.0, theta < 0.0);
    let tangent = direction / (abs(theta) + sqrt(theta * theta + 1.0));
    let cosine = 1.0 / sqrt(tangent * tangent + 1.0);
    let sine = tangent * cosine;
    return vec2<f32>(cosine, select(sine, -sine, i == p));
}

fn jacobi_round(round: u32, tolerance: f32) {
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let row = i / N_SPECTRA;
        let b = i % N_SPECTRA;
        let with_b = partner(b, round);
        let mix_b = mixing(b, with_b, tolerance);
        let other_b = min(with_b, N_SPECTRA - 1u);
        rotation_next[i] = mix_b.x * rotation[row * N_SPECTRA + b] + mix_b.y * rotation[row * N_SPECTRA + other_b];
        // Both (row, b) and (b, row) are computed from the lower triangle in the same order: symmetric to the bit.
        let low = min(row, b);
        let high = max(row, b);
        let with_low = partner(low, round);
        let with_high = partner(high, round);
        let mix_low = mixing(low, with_low, tolerance);
        let mix_high = mixing(high, with_high, tolerance);
        let other_low = min(with_low, N_SPECTRA - 1u);
        let other_high = min(with_high, N_SPECTRA - 1u);
        let left = mix_low.x * projected[low * N_SPECTRA + high] + mix_low.y * projected[other_low * N_SPECTRA + high];
        let right =
            mix_low.x * projected[low * N_SPECTRA + other_high] + mix_low.y * projected[other_low * N_SPECTRA + other_high];
        let value = mix_high.x * left + mix_high.y * right;
        projected_next[i] = select(value, 0.0, with_low == high && mix_low.y != 0.0);
    }
    workgroupBarrier();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        projected[i] = projected_next[i];
        rotation[i] = rotation_next[i];
    }
    workgroupBarrier();
}

// True on every lane where all off-diagonal entries are rounding noise.
fn check_diagonal(tolerance: f32) -> bool {
    if lane == 0u {
        atomicStore(&n_off_diagonal, 0u);
    }
    workgroupBarrier();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let a = i / N_SPECTRA;
        let b = i % N_SPECTRA;
        let size = abs(projected[a * N_SPECTRA + a]) + abs(projected[b * N_SPECTRA + b]);
        if b < a && abs(projected[i]) > tolerance * size {
            atomicAdd(&n_off_diagonal, 1u);
        }
    }
    workgroupBarrier();
    if lane == 0u {
        is_diagonal = select(0u, 1u, atomicLoad(&n_off_diagonal) == 0u);
    }
    return workgroupUniformLoad(&is_diagonal) == 1u;
}

// The Rayleigh-Ritz rotation, given the product: eigenvalues, basis <- U. The first time, Jacobi's rotations are off by
// rounding, which leaves in each spectrum a little of the others; the last time finds that little, to its own precision.
fn rotate(is_last: bool) {
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let a = max(i / N_SPECTRA, i % N_SPECTRA);
        let b = min(i / N_SPECTRA, i % N_SPECTRA);
        var sum = vec2<f32>(0.0);
        for (var j = 0u; j < N_SLOTS; j += 1u) {
            sum = multiply_add(sum, basis[j * N_SPECTRA + a], product_at(j * N_SPECTRA + b));
        }
        projected[i] = sum.x;
        rotation[i] = select(0.0, 1.0, a == b);
    }
    workgroupBarrier();
    let tolerance = select(FIRST_JACOBI_TOLERANCE, LAST_JACOBI_TOLERANCE, is_last);
    for (var s = 0u; s < JACOBI_SWEEPS; s += 1u) {
        if check_diagonal(tolerance) {
            break;
        }
        for (var round = 0u; round < N_SPECTRA + N_SPECTRA % 2u - 1u; round += 1u) {
            jacobi_round(round, tolerance);
        }
    }
    if lane < N_SPECTRA {
        let value = projected[lane * N_SPECTRA + lane];
        var rank = 0u;
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            let other = projected[k * N_SPECTRA + k];
            rank += select(0u, 1u, other > value || (other == value && k < lane));
        }
        spectrum_order[rank] = lane;
    }
    workgroupBarrier();
    if lane < N_SPECTRA {
        let first = spectrum_order[0];
        let old = spectrum_order[lane];
        let largest = projected[first * N_SPECTRA + first];
        let value = projected[old * N_SPECTRA + old];
        eigenvalues[lane] = select(0.0, value, value > DROP * largest && value > 0.0);
    }
    workgroupBarrier();
    for (var slot = lane; slot < N_SLOTS; slot += WORKGROUP) {
        rotate_row(slot, is_last);
    }
    workgroupBarrier();
}

fn rotate_row(slot: u32, is_last: bool) {
    var u: array<vec2<f32>, MAX_SPECTRA>;
    for (var k = 0u; k < N_SPECTRA; k += 1u) {
        let old = spectrum_order[k];
        var sum = vec2<f32>(0.0);
        for (var j = 0u; j < N_SPECTRA; j += 1u) {
            sum = multiply_add(sum, vec2<f32>(rotation[j * N_SPECTRA + old], 0.0), basis[slot * N_SPECTRA + j]);
        }
        // The direction of a spectrum that is dropped is noise and must not start the next position.
        u[k] = select(vec2<f32>(0.0), sum, eigenvalues[k] > 0.0 || !is_last);
    }
    for (var k = 0u; k < N_SPECTRA; k += 1u) {
        basis[slot * N_SPECTRA + k] = u[k];
    }
}
