//! Strategies: what a candidate's variety is worth at a position.

mod spectral;

pub use spectral::Spectral;

use crate::real::Real;
use crate::run::Slots;

/// One rule for the strategy's part of the utility.
pub trait Strategy<R: Real>: Send {
    /// Forgets the last slate.
    fn reset(&mut self, slots: &Slots<R>);
    /// Called once per position, before any candidate is scored.
    fn begin_position(&mut self, slots: &mut Slots<R>);
    /// Diversity term of a candidate by local index.
    fn diversity(&mut self, slots: &mut Slots<R>, local: usize) -> R;
}
