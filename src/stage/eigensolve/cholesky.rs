//! Columns made orthonormal by way of their products with each other.
//!
//! ```text
//! G ← Yᵀ Y;  G = Rᵀ R (Cholesky);  V ← Y R⁻¹
//! ```
//! It is what Gram–Schmidt gives, but for rounding: all products come first, and few numbers wait for each other. What is rounded in G is
//! magnified as much as columns are alike, so that only columns that are not are treated so.

use super::NOTHING;
use super::columns::{LANES, dots};
use crate::config::MAX_SPECTRA;

/// Of the square of each column's length at least so much has to be beside the columns before it: what is rounded is then, as a rule,
/// magnified by no more than the inverse of this times the number of columns. It is the columns' angles that suffer, not their span.
pub const LEAST_SHARE: f64 = 0.01;

/// Makes `k` columns orthonormal, at most `N`. False where some are too much alike, and nothing was changed.
#[inline(always)]
pub fn orthonormalise<const N: usize>(columns: &mut [f64], k: usize, length: usize) -> bool {
    let mut products = [[0.0; N]; N];
    let mut sums = [0.0; MAX_SPECTRA];
    for c in 0..k {
        dots(&columns[c * length..k * length], &columns[c * length..(c + 1) * length], &mut sums);
        products[c][c..k].copy_from_slice(&sums[..k - c]);
    }
    let Some((factor, inverse)) = factorise(&mut products, k) else { return false };
    for group in 0..length / LANES {
        let mut done = [[0.0; LANES]; N];
        for c in 0..k {
            let at = c * length + group * LANES;
            let mut left = [0.0; LANES];
            left.copy_from_slice(&columns[at..at + LANES]);
            for (earlier, factors) in done[..c].iter().zip(&factor) {
                for lane in 0..LANES {
                    left[lane] -= factors[c] * earlier[lane];
                }
            }
            left.iter_mut().for_each(|x| *x *= inverse[c]);
            columns[at..at + LANES].copy_from_slice(&left);
            done[c] = left;
        }
    }
    true
}

/// Rows of R, and the inverse of its diagonal.
type Factor<const N: usize> = ([[f64; N]; N], [f64; N]);

/// R of the upper half of a matrix of products; none where columns are too much alike.
#[inline(always)]
fn factorise<const N: usize>(products: &mut [[f64; N]; N], k: usize) -> Option<Factor<N>> {
    let (mut factor, mut inverse) = ([[0.0; N]; N], [0.0; N]);
    let lengths: [f64; N] = std::array::from_fn(|c| products[c][c]);
    for c in 0..k {
        let left = products[c][c];
        // True of a NaN, too.
        if !(left > LEAST_SHARE * lengths[c] && left > NOTHING * NOTHING * lengths[0]) {
            return None;
        }
        inverse[c] = 1.0 / left.sqrt();
        let row = products[c].map(|product| product * inverse[c]);
        for i in c + 1..k {
            for j in 0..N {
                products[i][j] -= row[i] * row[j];
            }
        }
        factor[c] = row;
    }
    Some((factor, inverse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parity::random::Random;

    #[test]
    fn columns_become_orthonormal_and_span_what_they_did() {
        let mut random = Random(9);
        for k in 1..=MAX_SPECTRA {
            let length = 5 * LANES;
            let before = random.normals(k * length);
            let mut after = before.clone();
            assert!(orthonormalise::<MAX_SPECTRA>(&mut after, k, length));
            let column = |columns: &[f64], c: usize| columns[c * length..(c + 1) * length].to_vec();
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
            for a in 0..k {
                let mut left = column(&before, a);
                for b in 0..k {
                    let product = dot(&column(&after, a), &column(&after, b));
                    assert!((product - f64::from(a == b)).abs() < 1e-13, "k = {k}: {product}");
                    // A triangle: of the columns up to its own, each with a share that is not negative of its own.
                    let share = dot(&column(&before, a), &column(&after, b));
                    assert!(b < a || (b == a && share > 0.0) || (b > a && share.abs() < 1e-12), "k = {k}: {share}");
                    left.iter_mut().zip(column(&after, b)).for_each(|(x, y)| *x -= share * y);
                }
                assert!(left.iter().all(|x| x.abs() < 1e-12), "k = {k}: {left:?}");
            }
        }
    }

    #[test]
    fn columns_that_are_alike_are_left_as_they_are() {
        let length = LANES;
        let plain = |i: usize| (i as f64).sin();
        let off = |i: usize, far: f64| plain(i) + far * (i as f64).cos();
        for (far, is_done) in [(0.0, false), (1e-9, false), (0.05, false), (0.5, true)] {
            let before: Vec<f64> = (0..length).map(plain).chain((0..length).map(|i| off(i, far))).collect();
            let mut after = before.clone();
            assert_eq!(orthonormalise::<4>(&mut after, 2, length), is_done, "{far}");
            assert_eq!(after == before, !is_done, "{far}");
        }
        // Nothing at all, and next to nothing beside the first.
        for scale in [0.0, 1e-13] {
            let mut columns: Vec<f64> =
                (0..length).map(plain).chain((0..length).map(|i| scale * (i as f64).cos())).collect();
            assert!(!orthonormalise::<4>(&mut columns, 2, length));
        }
        assert!(!orthonormalise::<4>(&mut vec![0.0; 2 * length], 2, length));
    }
}
