//! Slates as a pair of `.npy` matrices of one shape (slates, candidates): row numbers and scores.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::error::{AtPath, InputError, InputProblem};
use super::npy::Matrix;
use super::resolve::{CANDIDATE, Item};
use super::slate_error::SlateFileProblem;
use super::slates::{BatchLimit, SlateSource};
use crate::catalog::Catalog;
use crate::config::MAX_CANDIDATES;
use crate::memory::slate_bytes;
use crate::slate::Slate;

/// The pair, read in blocks of rows.
pub(crate) struct NpySlates<'a> {
    candidates: (PathBuf, Matrix),
    scores: (PathBuf, Matrix),
    catalog: &'a Catalog,
    next: usize,
}

impl<'a> NpySlates<'a> {
    /// Opens the pair; which array is which follows from their types.
    pub(crate) fn open(a: (&Path, File), b: (&Path, File), catalog: &'a Catalog) -> Result<Self, InputError> {
        let open = |(path, file): (&Path, File)| {
            Matrix::open(file, "(slates, candidates)").at(path).map(|matrix| (path.to_owned(), matrix))
        };
        let (a, b) = (open(a)?, open(b)?);
        let is_float = |m: &Matrix| m.number().float_bytes().is_some();
        let (candidates, scores) = match (is_float(&a.1), is_float(&b.1)) {
            (false, true) => (a, b),
            (true, false) => (b, a),
            _ => {
                let (found, other_found) = (b.1.number().to_string(), a.1.number().to_string());
                return Err(InputProblem::Slate(SlateFileProblem::PairKind { found, other: a.0, other_found }))
                    .at(&b.0);
            }
        };
        if (candidates.1.n_rows(), candidates.1.dim()) != (scores.1.n_rows(), scores.1.dim()) {
            let (shape, other_shape) = (scores.1.shape_text(), candidates.1.shape_text());
            return Err(InputProblem::Slate(SlateFileProblem::PairShape { shape, other: candidates.0, other_shape }))
                .at(&scores.0);
        }
        Ok(Self { candidates, scores, catalog, next: 0 })
    }

    /// A negative row is padding and ends the slate.
    fn slate(&self, at: usize, rows: &[i64], scores: &[f64]) -> Result<Slate, InputProblem> {
        let id = at.to_string();
        let n_candidates = rows.iter().position(|&row| row < 0).unwrap_or(rows.len());
        let resolve = |&row: &i64| Item::Row(row).resolve(self.catalog, &id, CANDIDATE);
        let candidates = rows[..n_candidates].iter().map(resolve).collect::<Result<_, _>>()?;
        Ok(Slate { id, candidates, scores: scores[..n_candidates].to_vec(), ..Slate::default() })
    }
}

impl SlateSource for NpySlates<'_> {
    fn next_batch_within(&mut self, limit: BatchLimit) -> Result<Option<Vec<Slate>>, InputError> {
        let n_left = self.candidates.1.n_rows() - self.next;
        // Every slate is as wide as the matrix, at most.
        let width = self.candidates.1.dim();
        let widest = Slate { candidates: vec![0; width.min(MAX_CANDIDATES)], ..Slate::default() };
        let most = limit.max_bytes / slate_bytes(&widest, limit.n_positions).max(1);
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(limit.max_slates).max(1);
        let n_slates = n_left.min(most).min(self.candidates.1.rows_per_block());
        if n_slates == 0 {
            return Ok(None);
        }
        let (start, dim) = (self.next, self.candidates.1.dim());
        let rows = self.candidates.1.integers(start, n_slates).at(&self.candidates.0)?;
        let scores = self.scores.1.floats(start, n_slates).at(&self.scores.0)?;
        self.next += n_slates;
        let pairs = rows.chunks_exact(dim).zip(scores.chunks_exact(dim)).enumerate();
        let slates = pairs.map(|(i, (rows, scores))| self.slate(start + i, rows, scores));
        slates.collect::<Result<Vec<_>, _>>().map(Some).at(&self.candidates.0)
    }

    fn skip(&mut self, n_slates: u64) -> Result<u64, InputError> {
        let n_left = self.candidates.1.n_rows() - self.next;
        let n_skipped = usize::try_from(n_slates).unwrap_or(usize::MAX).min(n_left);
        self.next += n_skipped;
        Ok(n_skipped as u64)
    }

    fn n_slates(&self) -> Option<u64> {
        Some(self.candidates.1.n_rows() as u64)
    }
}
