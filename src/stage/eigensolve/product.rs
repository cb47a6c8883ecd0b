//! Products of columns with the rows of a matrix, several columns at a time and values of a row side by side, so that no sum goes across
//! a register. Sums run over rows in their order, whatever the instruction set.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

use super::columns::LANES;

/// Columns that share a read of the matrix.
pub const BLOCK: usize = 4;
/// Groups of [`LANES`] values of a row whose sums fit the registers of AVX-512 together with those of [`BLOCK`] columns.
const WIDE: usize = 4;
/// Items that are compared with others side by side: [`compare`].
pub const SIDE: usize = 2 * LANES;

/// `product ← S basis` by columns: S has rows of the columns' length and is symmetric, so a row is a column.
#[multiversion(targets = "simd")]
pub fn multiply(symmetric: &[f64], basis: &[f64], product: &mut [f64], length: usize) {
    let n_side_by_side = if target_cfg_f!(target_feature = "avx512f") { length / (WIDE * LANES) } else { 0 };
    for (columns, product) in basis.chunks(BLOCK * length).zip(product.chunks_mut(BLOCK * length)) {
        match columns.len() / length {
            1 => tiles::<1>(symmetric, columns, product, length, 0),
            2 => tiles::<2>(symmetric, columns, product, length, 0),
            3 => tiles::<3>(symmetric, columns, product, length, 0),
            _ => tiles::<BLOCK>(symmetric, columns, product, length, n_side_by_side),
        }
    }
}

#[inline(always)]
fn tiles<const N: usize>(symmetric: &[f64], basis: &[f64], product: &mut [f64], length: usize, n_wide: usize) {
    for start in (0..n_wide).map(|i| i * WIDE * LANES) {
        tile::<N, WIDE>(symmetric, basis, product, (length, length), start);
    }
    for start in (n_wide * WIDE * LANES..length).step_by(LANES) {
        tile::<N, 1>(symmetric, basis, product, (length, length), start);
    }
}

/// Inner products of rows with [`SIDE`] others, whose values lie side by side in `spread`: `products` is `[row][SIDE]`. The number of rows
/// is a multiple of [`BLOCK`].
#[multiversion(targets = "simd")]
pub fn compare(spread: &[[f64; SIDE]], rows: &[f64], products: &mut [[f64; SIDE]]) {
    let length = spread.len();
    let products = products.as_flattened_mut();
    // Not as a constant: a compiler that sees one takes the registers apart.
    let n_rows = rows.len().checked_div(length).unwrap_or(0);
    let Some(width) = products.len().checked_div(n_rows) else { return };
    for (rows, products) in rows.chunks_exact(BLOCK * length).zip(products.chunks_exact_mut(BLOCK * width)) {
        tile::<BLOCK, { SIDE / LANES }>(spread.as_flattened(), rows, products, (width, length), 0);
    }
}

/// Products of `N` columns with `GROUPS` groups (1, 2 or 4) of values of each row, from `start` on. Rows lie `width` apart, columns `stride`.
#[inline(always)]
fn tile<const N: usize, const GROUPS: usize>(
    rows: &[f64],
    columns: &[f64],
    product: &mut [f64],
    (width, stride): (usize, usize),
    start: usize,
) {
    let n_rows = rows.len() / width;
    // By loops: closures of `core::array` may stay calls, which lose the registers.
    let mut starts: [&[f64]; N] = [&[]; N];
    for c in 0..N {
        starts[c] = &columns[c * stride..c * stride + n_rows];
    }
    let mut sums = [[[0.0; LANES]; N]; GROUPS];
    for (j, row) in rows.chunks_exact(width).enumerate() {
        let groups = row[start..start + GROUPS * LANES].as_chunks::<LANES>().0;
        let mut values = [0.0; N];
        for c in 0..N {
            values[c] = starts[c][j];
        }
        // No loop over groups: one that the compiler does not unroll keeps the sums in memory, and takes ten times as long.
        add(&mut sums[0], &groups[0], &values);
        if GROUPS >= 2 {
            add(&mut sums[1], &groups[1], &values);
        }
        if GROUPS == 4 {
            add(&mut sums[2], &groups[2], &values);
            add(&mut sums[3], &groups[3], &values);
        }
    }
    for (group, sums) in sums.iter().enumerate() {
        for (column, sums) in sums.iter().enumerate() {
            product[column * width + start + group * LANES..][..LANES].copy_from_slice(sums);
        }
    }
}

/// Adds multiples of a group of values to sums, one multiple to each.
#[inline(always)]
fn add<const N: usize>(sums: &mut [[f64; LANES]; N], group: &[f64; LANES], values: &[f64; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        for lane in 0..LANES {
            sum[lane] += group[lane] * value;
        }
    }
}

/// `product ← B A` for small symmetric matrices: whole blocks of rows, whole groups of values.
#[multiversion(targets = "simd")]
pub fn times(a: &[f64], b: &[f64], product: &mut [f64], length: usize) {
    // Where the compiler knows no length it divides, which takes as long as a row.
    let whole = (length == LANES).then(|| (a.first_chunk(), b.first_chunk(), product.first_chunk_mut()));
    match whole {
        Some((Some(a), Some(b), Some(product))) if target_cfg_f!(target_feature = "avx512f") => {
            let (a, b): (&[f64; WHOLE], &[f64; WHOLE]) = (a, b);
            let product: &mut [f64; WHOLE] = product;
            tile::<LANES, 1>(a, b, product, (LANES, LANES), 0);
        }
        Some(_) => blocks(a, b, product, LANES),
        None => blocks(a, b, product, length),
    }
}

/// Numbers of a matrix of one group of rows.
const WHOLE: usize = LANES * LANES;

#[inline(always)]
fn blocks(a: &[f64], b: &[f64], product: &mut [f64], length: usize) {
    for (b, product) in b.chunks_exact(BLOCK * length).zip(product.chunks_exact_mut(BLOCK * length)) {
        for start in (0..length).step_by(LANES) {
            tile::<BLOCK, 1>(a, b, product, (length, length), start);
        }
    }
}
