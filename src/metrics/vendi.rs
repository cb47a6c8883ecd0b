//! The Vendi score: how many different items a slate is worth.

use nalgebra::DMatrix;

/// Vendi score `exp(−Σ_k p_k ln p_k)`, `p_k = λ_k / Σ λ`, λ the eigenvalues of the slate's similarity matrix (`n × n`).
///
/// 1 where all items are the same, n where none has anything in common with another. With unit rows `Σ λ = n`, which makes it
/// the published score of S/n; where rows have other lengths (`metric = "dot"`, zero rows) the division by the trace keeps its
/// meaning, and a zero row counts for nothing. Eigenvalues below 0 are rounding and count as 0. `None` for an empty slate
/// and where all rows are zero.
///
/// Takes O(n³): 0.1 ms for 50 positions, some 50 ms for 500.
///
/// Source: Friedman & Dieng, TMLR 2023.
pub fn vendi(n: usize, similarity: impl Fn(usize, usize) -> f64) -> Option<f64> {
    let trace: f64 = (0..n).map(|i| similarity(i, i)).sum();
    if trace <= 0.0 {
        return None;
    }
    let matrix = DMatrix::from_fn(n, n, |i, j| similarity(i, j) / trace);
    let eigenvalues = matrix.symmetric_eigenvalues();
    let entropy: f64 = eigenvalues.iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum();
    Some(entropy.exp())
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    #[test]
    fn it_counts_different_items() {
        assert_relative_eq!(vendi(5, |i, j| f64::from(u8::from(i == j))).unwrap(), 5.0, epsilon = 1e-12);
        assert_relative_eq!(vendi(5, |_, _| 1.0).unwrap(), 1.0, epsilon = 1e-6);
        // Two pairs of copies are two items: eigenvalues 2, 2, 0, 0 of 4.
        assert_relative_eq!(vendi(4, |i, j| f64::from(u8::from(i / 2 == j / 2))).unwrap(), 2.0, epsilon = 1e-6);
    }

    #[test]
    fn two_items_half_alike() {
        // Eigenvalues of [[1, 0.5], [0.5, 1]] / 2: 0.75 and 0.25. exp(−0.75 ln 0.75 − 0.25 ln 0.25) = exp(0.562335).
        let half = |i: usize, j: usize| if i == j { 1.0 } else { 0.5 };
        assert_relative_eq!(vendi(2, half).unwrap(), 0.562335_f64.exp(), epsilon = 1e-6);
    }

    #[test]
    fn lengths_divide_out_and_nothing_has_no_score() {
        let long = |i: usize, j: usize| if i == j { 9.0 } else { 4.5 };
        assert_relative_eq!(vendi(2, long).unwrap(), 0.562335_f64.exp(), epsilon = 1e-6);
        // A zero row beside a unit row: one item.
        assert_relative_eq!(vendi(2, |i, j| f64::from(u8::from(i == 0 && j == 0))).unwrap(), 1.0, epsilon = 1e-12);
        assert_relative_eq!(vendi(1, |_, _| 1.0).unwrap(), 1.0);
        assert_eq!(vendi(0, |_, _| 1.0), None);
        assert_eq!(vendi(2, |_, _| 0.0), None);
    }
}
