// The leading eigenpairs of the window's similarity matrix, by block power iteration. Twin: src/stage/eigensolve.rs,
// which has the steps and the reasons. Parts: eigensolve/{cholesky,gram_schmidt,ritz,jacobi}.wgsl. Constants come from
// the twin, some by way of src/gpu/shader.rs: ENTRY_SCALE, COLLAPSE, NOTHING, LEAST_SHARE, MOST_MAGNIFIED, DROP,
// JACOBI_SWEEPS, FIRST_JACOBI_TOLERANCE, LAST_JACOBI_TOLERANCE, MAX_WINDOW.
//
// All of it is in doubled precision, except where K x K numbers choose one basis or another of a subspace.

// What a step knows of each spectrum: the square of its column's length (Cholesky's way), what a column has of it,
// negated (Gram-Schmidt), or how it mixes with another (Jacobi).
var<workgroup> by_spectrum: array<vec2<f32>, N_SPECTRA>;

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

// Room for the product has the size of the basis, and of a K x K matrix at least.
fn product_words() -> u32 {
    return max(N_SLOTS, N_SPECTRA) * N_SPECTRA;
}

fn product_at(i: u32) -> Double {
    if PRODUCT_WORDS >= product_words() {
        return product[i];
    }
    return load_double(product_start() + 2u * i);
}

fn set_product(i: u32, value: Double) {
    if PRODUCT_WORDS >= product_words() {
        product[i] = value;
    } else {
        store_double(product_start() + 2u * i, value);
    }
}

// What lanes wrote to the product, others may read.
fn product_barrier() {
    if PRODUCT_WORDS < product_words() {
        storageBarrier();
    }
    workgroupBarrier();
}

fn take_product() {
    product_barrier();
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
            entry = double(0.0);
        } else if eigenvalues[k] == 0.0 {
            entry = double(pseudo_random(slot, k));
        } else if slot_entered[slot] == step {
            for (var row = 0u; row < N_SLOTS; row += 1u) {
                let share = double(ENTRY_SCALE * pseudo_random(MAX_WINDOW + slot, row));
                entry = accumulate(entry, share, basis[row * N_SPECTRA + k]);
            }
            entry = settled(entry);
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
        var sum = double(0.0);
        for (var j = 0u; j < N_SLOTS; j += 1u) {
            sum = accumulate(sum, gram_at(slot, j), basis[j * N_SPECTRA + k]);
        }
        set_product(i, settled(sum));
    }
    product_barrier();
}

// basis <- orthonormal columns that span what the product's do.
fn orthonormalise() {
    if !divide_by_factor() {
        take_product();
        remove_one_by_one();
    }
}
