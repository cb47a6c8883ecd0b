// The Rayleigh-Ritz rotation: V becomes U, whose columns are eigenvectors within their span.
//
//   B <- Vᵀ S V;  N <- Vᵀ V;  Q, diagonal <- Jacobi(B);  Q <- Q (Qᵀ N Q)^-½;  P, Λ <- Jacobi(Qᵀ B Q);  U <- V Q P
//
// Jacobi's method is in single precision, and runs twice: what the first rotations are off by, the second find, on a
// matrix that is diagonal up to rounding, where single precision is precise enough. Between them V Q is made
// orthonormal, whatever V and Q lack of it: with d = Qᵀ N Q - 1, which is small, (1 + d)^-½ = 1 - d/2 + 3d²/8.

var<workgroup> spectrum_order: array<u32, N_SPECTRA>;

// B, then Q P, [row][column], where the projector will be once the spectra are known.
fn wide_square(i: u32) -> Double {
    return of_pair(vec2<f32>(projector[2u * i], projector[2u * i + 1u]));
}

fn set_wide_square(i: u32, value: Double) {
    let pair = pair_of(value);
    projector[2u * i] = pair.x;
    projector[2u * i + 1u] = pair.y;
}

// Fills `eigenvalues`, basis <- U. The product, S V, is read, and its room is used for Q.
fn rotate() {
    project_basis();
    diagonalise(FIRST_JACOBI_TOLERANCE);
    take_norm();
    correct_rotation();
    turn_projected();
    diagonalise(LAST_JACOBI_TOLERANCE);
    order_spectra();
    combine_rotations();
    turn_basis();
}

// wide_square <- B; weights, which nobody needs yet, <- N - 1; square <- (B, identity)
fn project_basis() {
    let n = N_SPECTRA * (N_SPECTRA + 1u) / 2u;
    for (var i = lane; i < 2u * n; i += WORKGROUP) {
        let pair = triangle(i % n);
        let at = pair.x * N_SPECTRA + pair.y;
        let mirrored = pair.y * N_SPECTRA + pair.x;
        var sum = double(select(0.0, -1.0, i >= n && pair.x == pair.y));
        for (var slot = 0u; slot < N_SLOTS; slot += 1u) {
            let own = slot * N_SPECTRA + pair.x;
            let other = slot * N_SPECTRA + pair.y;
            var entry = basis[other];
            if i < n {
                entry = product_at(other);
            }
            sum = accumulate(sum, basis[own], entry);
        }
        sum = settled(sum);
        if i < n {
            set_wide_square(at, sum);
            set_wide_square(mirrored, sum);
            square[at] = vec2<f32>(single(sum), select(0.0, 1.0, pair.x == pair.y));
            square[mirrored] = square[at];
        } else {
            weights[at] = single(sum);
            weights[mirrored] = single(sum);
        }
    }
    product_barrier();
}

// The i-th pair (a, b) with b <= a.
fn triangle(i: u32) -> vec2<u32> {
    var a = 0u;
    while (a + 1u) * (a + 2u) / 2u <= i {
        a += 1u;
    }
    return vec2<u32>(a, i - a * (a + 1u) / 2u);
}

// weights <- d
fn take_norm() {
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        var sum = 0.0;
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            sum += weights[i - i % N_SPECTRA + k] * square[k * N_SPECTRA + i % N_SPECTRA].y;
        }
        square_before[i] = vec2<f32>(sum, 0.0);
    }
    workgroupBarrier();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let a = i / N_SPECTRA;
        let b = i % N_SPECTRA;
        var of_rotation = double(select(0.0, -1.0, a == b));
        var of_basis = 0.0;
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            let own = square[k * N_SPECTRA + a].y;
            of_rotation = accumulate(of_rotation, double(own), double(square[k * N_SPECTRA + b].y));
            of_basis += own * square_before[k * N_SPECTRA + b].x;
        }
        weights[i] = single(settled(of_rotation)) + of_basis;
    }
    workgroupBarrier();
}

// product <- Q (1 + d)^-½
fn correct_rotation() {
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        var squared = 0.0;
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            squared += weights[i - i % N_SPECTRA + k] * weights[k * N_SPECTRA + i % N_SPECTRA];
        }
        square_before[i] = vec2<f32>(0.375 * squared - 0.5 * weights[i], 0.0);
    }
    workgroupBarrier();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        var correction = 0.0;
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            correction += square[i - i % N_SPECTRA + k].y * square_before[k * N_SPECTRA + i % N_SPECTRA].x;
        }
        set_product(i, add(double(square[i].y), double(correction)));
    }
    product_barrier();
}

// square <- (Qᵀ B Q, identity)
fn turn_projected() {
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        var sum = double(0.0);
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            sum = accumulate(sum, wide_square(i - i % N_SPECTRA + k), product_at(k * N_SPECTRA + i % N_SPECTRA));
        }
        square_before[i] = pair_of(settled(sum));
    }
    workgroupBarrier();
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        // Of (a, b) and (b, a) the same one is computed: symmetric to the bit.
        let a = max(i / N_SPECTRA, i % N_SPECTRA);
        let b = min(i / N_SPECTRA, i % N_SPECTRA);
        var sum = double(0.0);
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            sum = accumulate(sum, product_at(k * N_SPECTRA + a), of_pair(square_before[k * N_SPECTRA + b]));
        }
        square[i] = vec2<f32>(single(settled(sum)), select(0.0, 1.0, a == b));
    }
    workgroupBarrier();
}

// Eigenvalues, largest first, ties by index; 0 where a spectrum is dropped.
fn order_spectra() {
    if lane < N_SPECTRA {
        let value = square[lane * N_SPECTRA + lane].x;
        var rank = 0u;
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            let other = square[k * N_SPECTRA + k].x;
            rank += select(0u, 1u, other > value || (other == value && k < lane));
        }
        spectrum_order[rank] = lane;
    }
    workgroupBarrier();
    if lane < N_SPECTRA {
        let first = spectrum_order[0];
        let old = spectrum_order[lane];
        let largest = square[first * N_SPECTRA + first].x;
        let value = square[old * N_SPECTRA + old].x;
        eigenvalues[lane] = select(0.0, value, value > DROP * largest && value > 0.0);
    }
    workgroupBarrier();
}

// wide_square <- Q P in the order of the eigenvalues. The direction of a spectrum that is dropped is noise and must not start
// the next position.
fn combine_rotations() {
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let c = i % N_SPECTRA;
        let old = spectrum_order[c];
        var sum = double(0.0);
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            let turn = double(square[k * N_SPECTRA + old].y);
            sum = accumulate(sum, product_at(i - c + k), turn);
        }
        set_wide_square(i, select(double(0.0), settled(sum), eigenvalues[c] > 0.0));
    }
    workgroupBarrier();
}

// basis <- basis Q P
fn turn_basis() {
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        var sum = double(0.0);
        for (var k = 0u; k < N_SPECTRA; k += 1u) {
            sum = accumulate(sum, basis[i - i % N_SPECTRA + k], wide_square(k * N_SPECTRA + i % N_SPECTRA));
        }
        set_product(i, settled(sum));
    }
    take_product();
}
