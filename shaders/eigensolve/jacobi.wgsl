// Jacobi's method on a K x K matrix in single precision. Twin: src/stage/eigensolve/jacobi.rs, which has the tournament.

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

// (entry of the matrix, entry of the rotations so far), [row][column], and the same before a round.
var<workgroup> square: array<vec2<f32>, SQUARE_WORDS>;
var<workgroup> square_before: array<vec2<f32>, SQUARE_WORDS>;
var<workgroup> n_off_diagonal: atomic<u32>;
var<workgroup> is_diagonal: u32;

// How index i mixes with its partner j: new = x * own + y * partner's.
fn mixing(i: u32, j: u32, tolerance: f32) -> vec2<f32> {
    if j >= N_SPECTRA {
        return vec2<f32>(1.0, 0.0);
    }
    let p = min(i, j);
    let q = max(i, j);
    let pp = square[p * N_SPECTRA + p].x;
    let qq = square[q * N_SPECTRA + q].x;
    let pq = square[p * N_SPECTRA + q].x;
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
        square_before[i] = square[i];
    }
    if lane < N_SPECTRA {
        by_spectrum[lane] = mixing(lane, partner(lane, round), tolerance);
    }
    workgroupBarrier();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let a = i / N_SPECTRA;
        let b = i % N_SPECTRA;
        let other_b = min(partner(b, round), N_SPECTRA - 1u);
        let turned = by_spectrum[b].x * square_before[i].y + by_spectrum[b].y * square_before[a * N_SPECTRA + other_b].y;
        // Of (a, b) and (b, a) the same expression: symmetric to the bit.
        let low = min(a, b);
        let high = max(a, b);
        let with_low = partner(low, round);
        let other_low = min(with_low, N_SPECTRA - 1u) * N_SPECTRA;
        let other_high = min(partner(high, round), N_SPECTRA - 1u);
        let mix = by_spectrum[low];
        let left = mix.x * square_before[low * N_SPECTRA + high].x + mix.y * square_before[other_low + high].x;
        let right =
            mix.x * square_before[low * N_SPECTRA + other_high].x + mix.y * square_before[other_low + other_high].x;
        let entry = by_spectrum[high].x * left + by_spectrum[high].y * right;
        square[i] = vec2<f32>(select(entry, 0.0, with_low == high && mix.y != 0.0), turned);
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
        let size = abs(square[a * N_SPECTRA + a].x) + abs(square[b * N_SPECTRA + b].x);
        if b < a && abs(square[i].x) > tolerance * size {
            atomicAdd(&n_off_diagonal, 1u);
        }
    }
    workgroupBarrier();
    if lane == 0u {
        is_diagonal = select(0u, 1u, atomicLoad(&n_off_diagonal) == 0u);
    }
    return workgroupUniformLoad(&is_diagonal) == 1u;
}

// Turns `square`, (symmetric matrix, identity), to (diagonal up to the tolerance, rotation), eigenvectors in columns.
fn diagonalise(tolerance: f32) {
    for (var s = 0u; s < JACOBI_SWEEPS; s += 1u) {
        if check_diagonal(tolerance) {
            break;
        }
        for (var round = 0u; round < N_SPECTRA + N_SPECTRA % 2u - 1u; round += 1u) {
            jacobi_round(round, tolerance);
        }
    }
}
