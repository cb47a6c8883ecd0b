// The leading eigenpairs of the window's similarity matrix, by block power iteration. Twin: src/stage/eigensolve.rs,
// which has the steps and the reasons. Constants come from the twin by way of src/gpu/shader.rs:
// ENTRY_SCALE, COLLAPSE, DROP, JACOBI_SWEEPS, JACOBI_TOLERANCE, MAX_SPECTRA.

// Jacobi's matrix and vectors, each twice: a round reads one copy and writes the other.
var<workgroup> projected: array<f32, SQUARE_WORDS>;
var<workgroup> projected_next: array<f32, SQUARE_WORDS>;
var<workgroup> rotation: array<f32, SQUARE_WORDS>;
var<workgroup> rotation_next: array<f32, SQUARE_WORDS>;
var<workgroup> spectrum_order: array<u32, N_SPECTRA>;
var<workgroup> n_off_diagonal: atomic<u32>;
var<workgroup> is_diagonal: u32;

// A fixed number in -1..1 for a slot and spectrum (Wang's integer hash).
fn pseudo_random(slot: u32, spectrum: u32) -> f32 {
    var x = slot * MAX_SPECTRA + spectrum + 1u;
    x = (x ^ 61u) ^ (x >> 16u);
    x = x * 9u;
    x = x ^ (x >> 4u);
    x = x * 0x27d4eb2du;
    x = x ^ (x >> 15u);
    return f32(x >> 8u) / 8388608.0 - 1.0;
}

// Adds to the basis rows of slots that changed at this step; the row of the item that left stays.
fn enter_basis(step: u32) {
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        let slot = i / N_SPECTRA;
        if slot_items[slot] == EMPTY {
            basis[i] = 0.0;
        } else if slot_entered[slot] == step {
            basis[i] += ENTRY_SCALE * pseudo_random(slot, i % N_SPECTRA);
        }
    }
    workgroupBarrier();
}

// product <- S basis
fn multiply() {
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        let slot = i / N_SPECTRA;
        let k = i % N_SPECTRA;
        var sum = 0.0;
        for (var j = 0u; j < N_SLOTS; j += 1u) {
            sum += gram_at(slot, j) * basis[j * N_SPECTRA + k];
        }
        product[i] = sum;
    }
    workgroupBarrier();
}

// One sweep, basis <- orth(S basis).
fn sweep() {
    multiply();
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        basis[i] = product[i];
    }
    workgroupBarrier();
    orthonormalise();
}

fn column_norm(c: u32) -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < N_SLOTS; i += 1u) {
        let x = basis[i * N_SPECTRA + c];
        sum += x * x;
    }
    return sqrt(sum);
}

fn scale_column(c: u32, by: f32) {
    for (var i = 0u; i < N_SLOTS; i += 1u) {
        basis[i * N_SPECTRA + c] *= by;
    }
}

// Takes out of column `c` what lies in column `k`.
fn remove_column(c: u32, k: u32) {
    var share = 0.0;
    for (var i = 0u; i < N_SLOTS; i += 1u) {
        share += basis[i * N_SPECTRA + k] * basis[i * N_SPECTRA + c];
    }
    for (var i = 0u; i < N_SLOTS; i += 1u) {
        basis[i * N_SPECTRA + c] -= share * basis[i * N_SPECTRA + k];
    }
}

// Fills a collapsed column with fixed entries and takes out the columns before it; true where it collapses again.
fn refill_column(c: u32) -> bool {
    for (var i = 0u; i < N_SLOTS; i += 1u) {
        basis[i * N_SPECTRA + c] = select(pseudo_random(i, c), 0.0, slot_items[i] == EMPTY);
    }
    let before = column_norm(c);
    for (var k = 0u; k < c; k += 1u) {
        remove_column(c, k);
    }
    return column_norm(c) <= COLLAPSE * before;
}

// Modified Gram-Schmidt, twice. Lane c owns column c: once column k is final, every later lane takes its share of k
// out of its own column. One barrier a column.
fn orthonormalise() {
    for (var turn = 0u; turn < 2u; turn += 1u) {
        var before = 0.0;
        if lane < N_SPECTRA {
            before = column_norm(lane);
        }
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            if lane == k {
                var has_collapsed = column_norm(k) <= COLLAPSE * before;
                if has_collapsed && turn == 0u {
                    has_collapsed = refill_column(k);
                }
                let after = column_norm(k);
                if has_collapsed {
                    scale_column(k, 0.0);
                } else {
                    scale_column(k, 1.0 / after);
                }
            }
            workgroupBarrier();
            if lane > k && lane < N_SPECTRA {
                remove_column(lane, k);
            }
        }
        workgroupBarrier();
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
fn mixing(i: u32, j: u32) -> vec2<f32> {
    if j >= N_SPECTRA {
        return vec2<f32>(1.0, 0.0);
    }
    let p = min(i, j);
    let q = max(i, j);
    let pp = projected[p * N_SPECTRA + p];
    let qq = projected[q * N_SPECTRA + q];
    let pq = projected[p * N_SPECTRA + q];
    if abs(pq) <= JACOBI_TOLERANCE * (abs(pp) + abs(qq)) {
        return vec2<f32>(1.0, 0.0);
    }
    let theta = (qq - pp) / (2.0 * pq);
    let direction = select(1.0, -1.0, theta < 0.0);
    let tangent = direction / (abs(theta) + sqrt(theta * theta + 1.0));
    let cosine = 1.0 / sqrt(tangent * tangent + 1.0);
    let sine = tangent * cosine;
    return vec2<f32>(cosine, select(sine, -sine, i == p));
}

fn jacobi_round(round: u32) {
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let row = i / N_SPECTRA;
        let b = i % N_SPECTRA;
        let with_b = partner(b, round);
        let mix_b = mixing(b, with_b);
        let other_b = min(with_b, N_SPECTRA - 1u);
        rotation_next[i] = mix_b.x * rotation[row * N_SPECTRA + b] + mix_b.y * rotation[row * N_SPECTRA + other_b];
        // Both (row, b) and (b, row) are computed from the lower triangle in the same order: symmetric to the bit.
        let low = min(row, b);
        let high = max(row, b);
        let with_low = partner(low, round);
        let with_high = partner(high, round);
        let mix_low = mixing(low, with_low);
        let mix_high = mixing(high, with_high);
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
fn check_diagonal() -> bool {
    if lane == 0u {
        atomicStore(&n_off_diagonal, 0u);
    }
    workgroupBarrier();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let a = i / N_SPECTRA;
        let b = i % N_SPECTRA;
        let size = abs(projected[a * N_SPECTRA + a]) + abs(projected[b * N_SPECTRA + b]);
        if b < a && abs(projected[i]) > JACOBI_TOLERANCE * size {
            atomicAdd(&n_off_diagonal, 1u);
        }
    }
    workgroupBarrier();
    if lane == 0u {
        is_diagonal = select(0u, 1u, atomicLoad(&n_off_diagonal) == 0u);
    }
    return workgroupUniformLoad(&is_diagonal) == 1u;
}

// The Rayleigh-Ritz rotation: eigenvalues, basis <- U.
fn rotate() {
    multiply();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let a = max(i / N_SPECTRA, i % N_SPECTRA);
        let b = min(i / N_SPECTRA, i % N_SPECTRA);
        var sum = 0.0;
        for (var j = 0u; j < N_SLOTS; j += 1u) {
            sum += basis[j * N_SPECTRA + a] * product[j * N_SPECTRA + b];
        }
        projected[i] = sum;
        rotation[i] = select(0.0, 1.0, a == b);
    }
    workgroupBarrier();
    for (var s = 0u; s < JACOBI_SWEEPS; s += 1u) {
        if check_diagonal() {
            break;
        }
        for (var round = 0u; round < N_SPECTRA + N_SPECTRA % 2u - 1u; round += 1u) {
            jacobi_round(round);
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
    for (var slot = lane; slot < N_SLOTS; slot += WORKGROUP) {
        rotate_row(slot);
    }
    workgroupBarrier();
}

fn rotate_row(slot: u32) {
    var u: array<f32, MAX_SPECTRA>;
    for (var k = 0u; k < N_SPECTRA; k += 1u) {
        let old = spectrum_order[k];
        var sum = 0.0;
        for (var j = 0u; j < N_SPECTRA; j += 1u) {
            sum += basis[slot * N_SPECTRA + j] * rotation[j * N_SPECTRA + old];
        }
        u[k] = sum;
    }
    for (var k = 0u; k < N_SPECTRA; k += 1u) {
        basis[slot * N_SPECTRA + k] = u[k];
    }
}
