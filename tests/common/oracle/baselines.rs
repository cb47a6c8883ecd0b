//! The baselines (SPEC 7), as plainly: every similarity again, the whole residual matrix again at every position.

use nalgebra::{DMatrix, DVector};
use spectrank::config::{SsdEviction, SsdVariant, Strategy};

use super::Oracle;

impl Oracle<'_> {
    /// What a base score is multiplied by.
    pub(super) fn base_weight(&self) -> f64 {
        match self.config.strategy {
            Strategy::Mmr => self.config.mmr.lambda,
            Strategy::Msd => self.config.msd.lambda,
            Strategy::Dpp => 2.0 * self.config.dpp.theta,
            _ => 1.0,
        }
    }

    /// Diversity terms of all items after `placed`; none for the spectral strategy, which has its own.
    pub(super) fn baseline(&self, placed: &[usize]) -> Option<Vec<f64>> {
        let n = self.items.len();
        let config = self.config;
        let terms = |of: &dyn Fn(usize) -> f64| Some((0..n).map(of).collect());
        match config.strategy {
            Strategy::Spectral => None,
            Strategy::Relevance => terms(&|_| 0.0),
            Strategy::Mmr => terms(&|i| {
                let similar = last(placed, config.mmr.window).iter().map(|&j| self.similarity[(i, j)].max(0.0));
                (config.mmr.lambda - 1.0) * similar.fold(0.0, f64::max)
            }),
            Strategy::Msd => terms(&|i| {
                let distances =
                    last(placed, config.msd.window).iter().map(|&j| 1.0 - self.similarity[(i, j)].clamp(-1.0, 1.0));
                (1.0 - config.msd.lambda) * distances.sum::<f64>()
            }),
            Strategy::Dpp => {
                let (left, _) = exact(&self.similarity, last(placed, config.dpp.window));
                terms(&|i| left[i].max(1e-6).ln())
            }
            Strategy::Ssd => {
                let ssd = &config.ssd;
                let bias = if ssd.bias { 1.0 } else { 0.0 };
                let extended = self.similarity.add_scalar(bias);
                let (left, volume) = match ssd.eviction {
                    SsdEviction::Exact => exact(&extended, last(placed, ssd.window)),
                    // The queue starts with those of the recent items that it has room for.
                    SsdEviction::Paper => {
                        let n_recent = self.slate.recent.len();
                        let dropped = if ssd.window == 0 { 0 } else { n_recent.saturating_sub(ssd.window) };
                        queue(&extended, &placed[dropped..], if ssd.window == 0 { n } else { ssd.window })
                    }
                };
                let volume = if ssd.variant == SsdVariant::Star { 1.0 } else { volume };
                terms(&|i| ssd.gamma * volume * counted(left[i], extended[(i, i)]) * left[i].max(0.0).sqrt())
            }
        }
    }
}

fn last(placed: &[usize], window: usize) -> &[usize] {
    if window == 0 { placed } else { &placed[placed.len().saturating_sub(window)..] }
}

/// Of what is left of an item nothing counts up to 1e-6 of its own energy, all from 1e-5 on.
fn counted(left: f64, energy: f64) -> f64 {
    if energy <= 0.0 {
        return 0.0;
    }
    let x = ((left / energy - 1e-6) / 9e-6).clamp(0.0, 1.0);
    3.0 * x.powi(2) - 2.0 * x.powi(3)
}

/// Column of the residual matrix that an item takes out of it, and its length.
fn direction(residual: &DMatrix<f64>, similarity: &DMatrix<f64>, j: usize) -> (DVector<f64>, f64) {
    let left = residual[(j, j)];
    let share = counted(left, similarity[(j, j)]);
    if share == 0.0 {
        return (DVector::zeros(residual.nrows()), 0.0);
    }
    (residual.column(j) * (share / left).sqrt(), share * left.sqrt())
}

/// Squared distances from the span of `hist`, and its volume.
fn exact(similarity: &DMatrix<f64>, hist: &[usize]) -> (Vec<f64>, f64) {
    let mut residual = similarity.clone();
    let mut volume = 1.0;
    for &j in hist {
        let (column, length) = direction(&residual, similarity, j);
        residual -= &column * column.transpose();
        volume = f64::min(volume * length, 1e18);
    }
    (residual.diagonal().iter().copied().collect(), volume)
}

/// The same for the published circular queue of directions.
fn queue(similarity: &DMatrix<f64>, placed: &[usize], size: usize) -> (Vec<f64>, f64) {
    let mut held: Vec<(DVector<f64>, f64)> = Vec::new();
    let left_by = |held: &[(DVector<f64>, f64)]| {
        let mut residual = similarity.clone();
        for (column, _) in held {
            residual -= column * column.transpose();
        }
        residual
    };
    for &j in placed {
        let found = direction(&left_by(&held), similarity, j);
        held.push(found);
        if held.len() > size {
            held.remove(0);
        }
    }
    let volume = held.iter().fold(1.0, |volume, (_, length)| f64::min(volume * length, 1e18));
    (left_by(&held).diagonal().iter().copied().collect(), volume)
}
