//! What the strategies beside the spectral one need of a device.

use super::Plan;
use crate::config::{SsdEviction, SsdVariant, Strategy};
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::strategy::dpp;

impl Plan {
    /// What the strategies beside the spectral one are told.
    pub(super) fn set_baseline(&mut self, problem: &Problem) {
        let config = problem.config;
        let p = &mut self.params;
        p.base_weight = 1.0;
        let rounded_up = |x: f64| (x + 1e-5 * (1.0 + x.abs())) as f32;
        match config.strategy {
            Strategy::Spectral | Strategy::Relevance => {}
            Strategy::Mmr => {
                (p.history_window, p.base_weight) = (config.mmr.window as u32, config.mmr.lambda as f32);
                p.diversity_weight = (1.0 - config.mmr.lambda) as f32;
            }
            Strategy::Msd => {
                (p.history_window, p.base_weight) = (config.msd.window as u32, config.msd.lambda as f32);
                p.diversity_weight = (1.0 - config.msd.lambda) as f32;
            }
            Strategy::Dpp => {
                (p.history_window, p.base_weight) = (config.dpp.window as u32, (2.0 * config.dpp.theta) as f32);
                p.most_diversity = rounded_up(problem.most_similarity().max(dpp::FLOOR).ln());
            }
            Strategy::Ssd => {
                let ssd = &config.ssd;
                (p.history_window, p.diversity_weight) = (ssd.window as u32, ssd.gamma as f32);
                p.is_queue = u32::from(ssd.eviction == SsdEviction::Paper);
                p.is_product = u32::from(ssd.variant == SsdVariant::Product);
                p.bias = if ssd.bias { 1.0 } else { 0.0 };
                p.most_diversity = rounded_up((problem.most_similarity() + f64::from(p.bias)).sqrt());
            }
        }
    }

    /// Placed items whose similarities or directions are kept, at most, when `most_placed` are placed in the end.
    pub(super) fn n_columns(&self, most_placed: usize) -> usize {
        match self.params.history_window as usize {
            0 => most_placed,
            window => window.min(most_placed),
        }
    }

    /// Words of what a slate's items keep of the placed ones; the offsets are in the shaders named.
    pub(super) fn placed_words(&self, slate: &PreparedSlate) -> usize {
        let n_local = slate.rows.len();
        let most_placed = slate.n_recent() + slate.n_positions(self.params.slate_size as usize);
        match self.strategy {
            Strategy::Spectral => self.n_slots * n_local,
            Strategy::Relevance => 0,
            // placed_similarity.wgsl
            Strategy::Mmr | Strategy::Msd => (self.params.history_window as usize).max(1) * n_local,
            // residual.wgsl
            Strategy::Dpp | Strategy::Ssd => {
                let n_columns = self.n_columns(most_placed);
                let is_solved = n_columns < most_placed && self.params.is_queue == 0;
                2 * (2 + n_columns * (1 + usize::from(is_solved))) * n_local + 3 * most_placed
            }
        }
    }
}
