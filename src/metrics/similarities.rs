//! Similarities between the positions of a slate.

use crate::catalog::EmbeddingData;
use crate::problem::Problem;
use crate::real::{BESIDE, Lanes, Real};

/// Similarities between the positions of one slate (SPEC 2), in f64.
///
/// A problem without signals (`strategy = "relevance"`) finds everything unlike everything: all similarities are 0.
#[derive(Debug)]
pub struct Similarities {
    n: usize,
    /// `n × n`, symmetric.
    matrix: Vec<f64>,
}

impl Similarities {
    /// Compares the items at the positions of a slate; their catalog rows are each read once. Rows must be in the catalog.
    pub fn new(problem: &Problem, rows: &[u32]) -> Self {
        let n = rows.len();
        // The concatenation of SPEC 2.
        let mut scaled: Vec<Lanes<f64>> = Vec::new();
        let mut single: Vec<Lanes<f32>> = Vec::new();
        for &row in rows {
            for signal in &problem.signals {
                let factor = f64::from(signal.factors[row as usize]);
                if let EmbeddingData::F64(_) = signal.embedding.data {
                    let start = scaled.len();
                    f64::append_row(signal.embedding, row as usize, &mut scaled);
                    scaled[start..].iter_mut().flat_map(|piece| &mut piece.0).for_each(|x| *x *= factor);
                } else {
                    // Exact as well, and processors widen f16 to f32 many at a time.
                    single.clear();
                    f32::append_row(signal.embedding, row as usize, &mut single);
                    scaled.extend(single.iter().map(|piece| Lanes(piece.0.map(|x| factor * f64::from(x)))));
                }
            }
        }
        let length = scaled.len() / n.max(1);
        let row = |position: usize| &scaled[position * length..(position + 1) * length];
        let mut matrix = vec![0.0; n * n];
        for i in 0..n {
            for first in (0..=i).step_by(BESIDE) {
                let others: [usize; BESIDE] = std::array::from_fn(|k| i.min(first + k));
                for (j, similarity) in others.into_iter().zip(f64::dots_wide(row(i), others.map(row))) {
                    matrix[i * n + j] = similarity;
                    matrix[j * n + i] = similarity;
                }
            }
        }
        Self { n, matrix }
    }

    /// Similarity of the items at two positions.
    pub fn between(&self, i: usize, j: usize) -> f64 {
        self.matrix[i * self.n + j]
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;
    use crate::catalog::{Catalog, Embedding};
    use crate::config::Config;

    #[test]
    fn similarities_blend_unit_rows_by_weight() {
        let mut catalog = Catalog::new();
        let flat = |rows: [[f64; 2]; 3]| EmbeddingData::F64(rows.concat().into());
        catalog.add_signal(Embedding::new("a", 2, flat([[2.0, 0.0], [3.0, 4.0], [0.0, 0.0]]))).unwrap();
        catalog.add_signal(Embedding::new("b", 2, flat([[1.0, 0.0], [0.0, 5.0], [0.0, 1.0]]))).unwrap();
        let config =
            Config::from_toml("signal = [{ name = \"a\", weight = 3 }, { name = \"b\", weight = 1 }]").unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        // Unit length is a factor in single precision.
        const SINGLE: f64 = 1e-7;
        let found = Similarities::new(&problem, &[2, 0, 1]);
        assert_relative_eq!(found.between(1, 2), 0.75 * 0.6, epsilon = SINGLE);
        assert_relative_eq!(found.between(0, 2), 0.25, epsilon = SINGLE);
        assert_relative_eq!(found.between(0, 1), 0.0);
        assert_relative_eq!(found.between(1, 1), 1.0, epsilon = SINGLE);
        // A zero row stays zero: this item is like itself in signal b alone.
        assert_relative_eq!(found.between(0, 0), 0.25, epsilon = SINGLE);
    }

    #[test]
    fn without_signals_nothing_is_alike() {
        let mut catalog = Catalog::new();
        catalog.add_signal(Embedding::new("a", 1, EmbeddingData::F32(vec![1.0, 1.0].into()))).unwrap();
        let config = Config::from_toml("strategy = \"relevance\"").unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        assert_relative_eq!(Similarities::new(&problem, &[0, 1]).between(0, 1), 0.0);
    }
}
