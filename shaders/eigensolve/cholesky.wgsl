// Columns made orthonormal by way of their products with each other: G = YᵀY = L D Lᵀ, V = Y (L D^½)⁻ᵀ. Twin:
// src/stage/eigensolve/cholesky.rs.
//
// G and its factor are in single precision, and what they are off by makes V no worse a basis of the span of Y: the columns are
// combined in doubled precision. How far V is from orthonormal, a thousandth at most, ritz.wgsl finds out, and makes good.

// Where a column has to be refilled or is too much like those before it for single precision, nothing is changed.
var<workgroup> is_divided: u32;

// basis <- product (L D^½)⁻ᵀ; false where that cannot be.
fn divide_by_factor() -> bool {
    multiply_columns();
    for (var c = 0u; c + 1u < N_SPECTRA; c += 1u) {
        eliminate(c);
    }
    if lane == 0u {
        is_divided = select(0u, 1u, are_unlike());
    }
    if workgroupUniformLoad(&is_divided) == 0u {
        return false;
    }
    for (var i = lane; i < N_SLOTS * N_SPECTRA; i += WORKGROUP) {
        let row = i - i % N_SPECTRA;
        let c = i % N_SPECTRA;
        let inverse = 1.0 / sqrt(square[c * N_SPECTRA + c].x);
        var sum = double(0.0);
        for (var k = 0u; k <= c; k += 1u) {
            let share = inverse * square[c * N_SPECTRA + k].y;
            sum = accumulate(sum, product_at(row + k), double(share));
        }
        basis[i] = settled(sum);
    }
    workgroupBarrier();
    return true;
}

// square <- (G, identity)
fn multiply_columns() {
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        let a = i / N_SPECTRA;
        let b = i % N_SPECTRA;
        var sum = 0.0;
        for (var slot = 0u; slot < N_SLOTS; slot += 1u) {
            sum += single(product_at(slot * N_SPECTRA + a)) * single(product_at(slot * N_SPECTRA + b));
        }
        square[i] = vec2<f32>(sum, select(0.0, 1.0, a == b));
        if a == b {
            by_spectrum[a] = vec2<f32>(sum, 0.0);
        }
    }
    workgroupBarrier();
}

// Takes row `c` out of those after it, of G and of what was the identity, which becomes L⁻¹: what is left of G is D Lᵀ.
fn eliminate(c: u32) {
    let row_c = c * N_SPECTRA;
    for (var i = lane; i < N_SPECTRA * N_SPECTRA; i += WORKGROUP) {
        if i >= row_c + N_SPECTRA {
            // Entry (c, row), which is that of (row, c): no lane changes row c.
            let share = square[row_c + i / N_SPECTRA].x / square[row_c + c].x;
            square[i] -= share * square[row_c + i % N_SPECTRA];
        }
    }
    workgroupBarrier();
}

// True where each column has enough beside those before it, and is made of no more of them than single precision takes
// apart. One that is not a number was one of inf before, which fails.
fn are_unlike() -> bool {
    var are = true;
    for (var c = 0u; c < N_SPECTRA; c += 1u) {
        let left = square[c * N_SPECTRA + c].x;
        are = are && left > LEAST_SHARE * by_spectrum[c].x && left > NOTHING * NOTHING * by_spectrum[0].x;
        // Rounding of the products is magnified by the square of this beside what is left.
        var made_of = 0.0;
        for (var k = 0u; k <= c; k += 1u) {
            made_of += abs(square[c * N_SPECTRA + k].y) * sqrt(by_spectrum[k].x);
        }
        are = are && made_of * made_of <= MOST_MAGNIFIED * left;
    }
    return are;
}
