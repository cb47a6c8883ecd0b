//! Candidates between which no engine can tell a difference.

use crate::catalog::{Embedding, EmbeddingData};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;

/// True where two candidates (by rank) are equal in base score and in everything the problem reads of an item.
pub fn are_copies(problem: &Problem, slate: &PreparedSlate, a: usize, b: usize) -> bool {
    if slate.base[a].to_bits() != slate.base[b].to_bits() {
        return false;
    }
    let (a, b) = (slate.rows[a] as usize, slate.rows[b] as usize);
    problem.signals.iter().all(|signal| has_equal_rows(signal.embedding, a, b))
        && problem.spacing.iter().all(|rule| rule.membership[a].to_bits() == rule.membership[b].to_bits())
        && problem.caps.iter().all(|cap| cap.values[a] == cap.values[b])
        && problem.semantic_id.as_ref().is_none_or(|rule| {
            let codes = |row: usize| &rule.codes[row * rule.n_levels..(row + 1) * rule.n_levels];
            codes(a) == codes(b)
        })
}

fn has_equal_rows(embedding: &Embedding, a: usize, b: usize) -> bool {
    fn row<T>(values: &[T], row: usize, dim: usize) -> &[T] {
        &values[row * dim..(row + 1) * dim]
    }
    let dim = embedding.dim;
    match &embedding.data {
        EmbeddingData::F16(v) => row(v, a, dim) == row(v, b, dim),
        EmbeddingData::F32(v) => row(v, a, dim) == row(v, b, dim),
        EmbeddingData::F64(v) => row(v, a, dim) == row(v, b, dim),
    }
}
