//! Products of rows against plain sums.

use super::*;

/// A row of `n` numbers in pieces.
fn row<R: Real>(n: usize, f: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<Lanes<R>>) {
    let values: Vec<f64> = (0..n).map(|i| R::of(f(i as f64)).to_f64()).collect();
    let embedding = Embedding::new("x", n, EmbeddingData::F64(values.clone().into()));
    let mut pieces = Vec::new();
    R::append_row(&embedding, 0, &mut pieces);
    (values, pieces)
}

fn products_agree<R: Real>(n: usize, tolerance: f64) {
    let (a, a_pieces) = row::<R>(n, |i| (i * 0.7).sin());
    let others: [_; BESIDE] = std::array::from_fn(|k| row::<R>(n, move |i| (i * 1.3 + k as f64).cos()));
    let pieces = [0, 1, 2, 3].map(|k| others[k].1.as_slice());
    let wide = R::dots_wide(&a_pieces, pieces);
    for (k, (values, pieces)) in others.iter().enumerate() {
        let plain: f64 = a.iter().zip(values).map(|(x, y)| x * y).sum();
        let product = R::dot(&a_pieces, pieces);
        assert!((product.to_f64() - plain).abs() < tolerance, "n = {n}");
        assert!((wide[k] - plain).abs() < 1e-12, "n = {n}");
        assert_eq!(wide[k], R::dot_wide(&a_pieces, pieces), "n = {n}");
        let as_wide: Vec<Lanes<f64>> = pieces.iter().map(|piece| Lanes(piece.0.map(|x| Real::to_f64(x)))).collect();
        assert_eq!(R::dot_with_wide(&a_pieces, &as_wide), wide[k], "n = {n}");
    }
}

fn products_with_many_are_those_with_one<R: Real>() {
    // Rows of three pieces, compared from the second piece on.
    let rows: Vec<Lanes<R>> = (0..40).flat_map(|k| row::<R>(96, move |i| (i * 0.9 + k as f64).sin()).1).collect();
    let a = &rows[3 * 7 + 1..3 * 8];
    for n in 0..9 {
        let numbers: Vec<u32> = (0..n).map(|i| 37 - 4 * i).collect();
        let mut products = vec![R::nan(); numbers.len()];
        R::products(a, &rows[1..], 3, &numbers, &mut products);
        let expected = numbers.iter().map(|&i| R::dot(a, &rows[3 * i as usize + 1..3 * i as usize + 3]));
        assert_eq!(products, expected.collect::<Vec<_>>());
    }
}

#[test]
fn products_with_many_rows_are_those_with_one() {
    products_with_many_are_those_with_one::<f32>();
    products_with_many_are_those_with_one::<f64>();
}

#[test]
fn products_agree_with_plain_sums_at_every_length() {
    for n in 1..130 {
        products_agree::<f32>(n, 1e-5);
        products_agree::<f64>(n, 1e-12);
    }
}

#[test]
fn products_of_columns_agree_with_plain_sums() {
    for n in 0..80 {
        let column = |k: usize| -> Vec<f64> { (0..n).map(|i| ((i * k) as f64 * 0.3).sin()).collect() };
        let (a, other) = (column(1), column(3));
        let plain: f64 = a.iter().zip(&other).map(|(x, y)| x * y).sum();
        assert!((dot_columns(&a, &other) - plain).abs() < 1e-12, "n = {n}");
    }
}
