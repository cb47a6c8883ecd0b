//! How much one dispatch is given to do, so that it stays short: watchdogs kill long ones, and screens freeze.
//!
//! A dispatch works on every slate of its batch for a budget of loop iterations. Measured times go in, the budget of
//! the next dispatch and the size of the next batch come out. Too long: first the budget is halved, down to what the
//! dearest step needs, then the batch. Short enough: the other way round, at most doubled at a time.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Slates of the first batch: enough to measure, few enough for the slowest GPU.
const FIRST_SLATES: usize = 64;
/// Iterations of the first dispatch, a quarter of the most there can be.
const FIRST_BUDGET: usize = 16_000;

/// What one dispatch did.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// Slates of the batch.
    pub n_slates: usize,
    /// True for the batch's first dispatch.
    pub is_first: bool,
    /// Slates not done when it ended; each of them spent its whole budget.
    pub n_left: usize,
    /// Wall time it had the device for.
    pub took: Duration,
}

/// The pace of one engine.
#[derive(Debug, Clone)]
pub struct Pace {
    target: Option<Duration>,
    least_budget: usize,
    most_budget: usize,
    most_slates: usize,
    budget: usize,
    slates: usize,
}

impl Pace {
    /// Keeps dispatches near `target`; without one, each gets all it can. A budget below the dearest step's cost would
    /// change nothing, so the range starts there.
    pub fn new(target: Option<Duration>, budgets: RangeInclusive<usize>, most_slates: usize) -> Self {
        let (least_budget, most_budget) = budgets.into_inner();
        let (budget, slates) = match target {
            None => (most_budget, most_slates),
            Some(_) => (FIRST_BUDGET.max(least_budget).min(most_budget), FIRST_SLATES.min(most_slates)),
        };
        Self { target, least_budget, most_budget, most_slates, budget, slates }
    }

    /// Loop iterations for the next dispatch.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// Most slates for the next batch.
    pub fn slates(&self) -> usize {
        self.slates
    }

    /// Learns from a dispatch.
    pub fn record(&mut self, measured: Measured) {
        let Some(target) = self.target else { return };
        let Measured { n_slates, is_first, n_left, took } = measured;
        if took > target {
            if self.budget > self.least_budget {
                self.budget = (self.budget / 2).max(self.least_budget);
            } else {
                self.slates = (n_slates / 2).max(1);
            }
            return;
        }
        let full_cost = match n_left {
            // All slates from start to end: that is what such a batch takes.
            0 if is_first => took,
            // The rest of a batch says nothing of a whole one.
            0 => return,
            // As if every slate had spent its budget.
            _ => took.mul_f64(n_slates as f64 / n_left as f64),
        };
        if full_cost * 2 > target {
            return;
        }
        if n_left > 0 && self.budget < self.most_budget {
            self.budget = (self.budget * 2).min(self.most_budget);
        } else if n_slates >= self.slates {
            self.slates = (n_slates * 2).min(self.most_slates);
        }
    }

    /// Memory does not hold `n_slates`: never again as many.
    pub fn limit_slates(&mut self, n_slates: usize) {
        self.most_slates = (n_slates / 2).max(1).min(self.most_slates);
        self.slates = self.slates.min(self.most_slates);
    }

    /// The device was lost over a batch of `n_slates`: half as many, for half as long.
    pub fn back_off(&mut self, n_slates: usize) {
        self.slates = (n_slates / 2).max(1).min(self.slates);
        self.budget = (self.budget / 2).max(self.least_budget);
    }
}

#[cfg(test)]
mod tests {
    use super::{FIRST_BUDGET, FIRST_SLATES, Measured, Pace};
    use std::time::Duration;

    const TARGET: Duration = Duration::from_millis(200);
    const BUDGETS: std::ops::RangeInclusive<usize> = 2_000..=60_000;

    fn pace() -> Pace {
        Pace::new(Some(TARGET), BUDGETS, 4096)
    }

    fn full(n_slates: usize, took: Duration) -> Measured {
        Measured { n_slates, is_first: false, n_left: n_slates, took }
    }

    /// A GPU that does `at_once` slates at a time, an iteration in `iteration`.
    struct Device {
        at_once: usize,
        iteration: Duration,
    }

    impl Device {
        /// Runs slates that need `work` iterations each; every dispatch with its time and what it was given.
        fn run(&self, pace: &mut Pace, mut n_to_do: usize, work: usize) -> Vec<(Duration, usize, usize)> {
            let mut dispatches = Vec::new();
            while n_to_do > 0 {
                let n_slates = pace.slates().min(n_to_do);
                let mut left = work;
                while left > 0 {
                    let budget = pace.budget();
                    let spent = budget.min(left);
                    let took = self.iteration * (spent * n_slates.div_ceil(self.at_once)) as u32;
                    let is_first = left == work;
                    left -= spent;
                    let n_left = if left == 0 { 0 } else { n_slates };
                    pace.record(Measured { n_slates, is_first, n_left, took });
                    dispatches.push((took, budget, n_slates));
                }
                n_to_do -= n_slates;
            }
            dispatches
        }
    }

    #[test]
    fn it_starts_small_and_grows_to_the_target() {
        let mut pace = pace();
        assert_eq!((pace.budget(), pace.slates()), (FIRST_BUDGET, FIRST_SLATES));
        let device = Device { at_once: 256, iteration: Duration::from_nanos(400) };
        let dispatches = device.run(&mut pace, 60_000, 200_000);
        for pair in dispatches.windows(2) {
            assert!(pair[1].1 <= 2 * pair[0].1 && pair[1].2 <= 2 * pair[0].2, "{pair:?}");
        }
        assert!(dispatches.iter().all(|d| d.0 <= TARGET), "{dispatches:?}");
        // 2,048 slates are 8 rounds of 24 ms; as many again would be above the target.
        assert_eq!((pace.budget(), pace.slates()), (60_000, 2048));
    }

    #[test]
    fn a_fast_device_gets_all_there_is() {
        let mut pace = pace();
        Device { at_once: 4096, iteration: Duration::from_nanos(10) }.run(&mut pace, 20_000, 100_000);
        assert_eq!((pace.budget(), pace.slates()), (60_000, 4096));
    }

    #[test]
    fn a_slow_device_gets_a_smaller_budget_first_then_fewer_slates() {
        let mut pace = pace();
        let device = Device { at_once: 1, iteration: Duration::from_micros(3) };
        let dispatches = device.run(&mut pace, 3_000, 100_000);
        let first_smaller = dispatches.iter().position(|d| d.2 < FIRST_SLATES).unwrap();
        assert_eq!(dispatches[first_smaller - 1].1, 2_000);
        // 32 slates · 2,000 iterations · 3 µs.
        assert_eq!((pace.budget(), pace.slates()), (2_000, 32));
        let n = dispatches.len();
        assert!(dispatches[n - 50..].iter().all(|d| d.0 <= TARGET), "{:?}", &dispatches[n - 50..]);
    }

    #[test]
    fn where_one_step_of_one_slate_is_too_long_it_goes_on() {
        let mut pace = pace();
        Device { at_once: 1, iteration: Duration::from_millis(1) }.run(&mut pace, 2_000, 4_000);
        assert_eq!((pace.budget(), pace.slates()), (2_000, 1));
    }

    #[test]
    fn the_end_of_a_batch_says_nothing() {
        let mut pace = pace();
        let took = Duration::from_millis(1);
        pace.record(Measured { n_slates: 64, is_first: false, n_left: 0, took });
        assert_eq!((pace.budget(), pace.slates()), (FIRST_BUDGET, FIRST_SLATES));
        // One of 64 is still busy: 4 ms are 256 for all of them.
        pace.record(Measured { n_slates: 64, is_first: true, n_left: 1, took: 4 * took });
        assert_eq!(pace.budget(), FIRST_BUDGET);
        pace.record(Measured { n_slates: 64, is_first: false, n_left: 32, took: 4 * took });
        assert_eq!(pace.budget(), 2 * FIRST_BUDGET);
    }

    #[test]
    fn slates_done_in_one_dispatch_make_larger_batches() {
        let mut pace = pace();
        pace.record(Measured { n_slates: 64, is_first: true, n_left: 0, took: Duration::from_millis(3) });
        assert_eq!((pace.budget(), pace.slates()), (FIRST_BUDGET, 128));
        // A batch smaller than it might be proves nothing of larger ones.
        pace.record(Measured { n_slates: 10, is_first: true, n_left: 0, took: Duration::from_millis(3) });
        assert_eq!(pace.slates(), 128);
    }

    #[test]
    fn memory_that_ran_out_is_remembered() {
        let mut pace = pace();
        pace.limit_slates(64);
        assert_eq!(pace.slates(), 32);
        for _ in 0..9 {
            pace.record(full(32, Duration::from_millis(1)));
        }
        assert_eq!((pace.budget(), pace.slates()), (60_000, 32));
        pace.limit_slates(1);
        assert_eq!(pace.slates(), 1);
        // Of a batch that was larger than any is by now.
        pace.limit_slates(64);
        assert_eq!(pace.slates(), 1);
    }

    #[test]
    fn after_a_loss_half_of_both() {
        let mut pace = pace();
        pace.back_off(50);
        assert_eq!((pace.budget(), pace.slates()), (FIRST_BUDGET / 2, 25));
        pace.back_off(1);
        assert_eq!((pace.budget(), pace.slates()), (FIRST_BUDGET / 4, 1));
        pace.back_off(50);
        assert_eq!(pace.slates(), 1);
    }

    #[test]
    fn without_a_target_everything_at_once() {
        let mut pace = Pace::new(None, BUDGETS, 100);
        pace.record(full(100, Duration::from_secs(50)));
        assert_eq!((pace.budget(), pace.slates()), (60_000, 100));
        pace.limit_slates(100);
        assert_eq!(pace.slates(), 50);
    }

    #[test]
    fn a_budget_below_the_dearest_step_is_kept() {
        let pace = Pace::new(Some(TARGET), 1..=1, 4096);
        assert_eq!(pace.budget(), 1);
    }
}
