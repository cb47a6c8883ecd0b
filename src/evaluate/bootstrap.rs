//! How sure a difference of means is: the paired bootstrap.

use rayon::prelude::*;
use serde::Serialize;

use super::table::Table;
use crate::parity::random::Random;

/// Most units that are drawn from. More slates than these share units, slate i in unit i mod 4096, which changes an interval
/// by less than its own noise and keeps the cost apart from the number of slates.
const MAX_UNITS: usize = 4096;
/// Tails left out of the interval on each side: it covers 95 %.
const TAIL: f64 = 0.025;

/// Draws slates anew, with replacement, and looks how far the mean difference moves (Efron & Tibshirani 1993, percentile
/// interval). The same seed gives the same interval on every machine and any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bootstrap {
    /// Resamples.
    pub n_resamples: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { n_resamples: 2000, seed: 7 }
    }
}

/// The mean difference of a metric over the slates where both have a value, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The mean difference.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Slates where both have a value.
    pub n_slates: usize,
}

impl Bootstrap {
    /// `to − from` for every metric; none where no slate has both values. The tables hold the same slates in the same order.
    pub fn differences(&self, from: &Table, to: &Table) -> Vec<Option<Difference>> {
        let n_metrics = from.n_metrics();
        let units = Units::new(from, to);
        let whole = units.means(0..units.n);
        let resample = |index: usize| {
            let mut random = Random::of(self.seed, index as u64);
            units.means((0..units.n).map(|_| random.below(units.n)))
        };
        let resampled: Vec<Vec<f64>> = (0..self.n_resamples).into_par_iter().map(resample).collect();
        let difference = |metric: usize| {
            let mean = whole[metric];
            if mean.is_nan() {
                return None;
            }
            let mut means: Vec<f64> = resampled.iter().map(|means| means[metric]).filter(|x| !x.is_nan()).collect();
            means.sort_unstable_by(f64::total_cmp);
            let at = |share: f64| means.get((share * means.len().saturating_sub(1) as f64).round() as usize).copied();
            let (low, high) = (at(TAIL).unwrap_or(mean), at(1.0 - TAIL).unwrap_or(mean));
            Some(Difference { mean, low, high, n_slates: units.n_slates[metric] })
        };
        (0..n_metrics).map(difference).collect()
    }
}

/// Sums and counts of differences, `[unit][metric]`.
struct Units {
    n: usize,
    n_metrics: usize,
    sums: Vec<f64>,
    counts: Vec<f64>,
    n_slates: Vec<usize>,
}

impl Units {
    fn new(from: &Table, to: &Table) -> Self {
        let n_metrics = from.n_metrics();
        let n_all = from.n_slates().min(to.n_slates());
        let n = n_all.min(MAX_UNITS);
        let mut units = Self {
            n,
            n_metrics,
            sums: vec![0.0; n * n_metrics],
            counts: vec![0.0; n * n_metrics],
            n_slates: vec![0; n_metrics],
        };
        for slate in 0..n_all {
            let start = slate % n * n_metrics;
            for (metric, (a, b)) in from.row(slate).iter().zip(to.row(slate)).enumerate() {
                let difference = b - a;
                if !difference.is_nan() {
                    units.sums[start + metric] += difference;
                    units.counts[start + metric] += 1.0;
                    units.n_slates[metric] += 1;
                }
            }
        }
        units
    }

    /// The mean of every metric over some units; NaN where none of them has a value.
    fn means(&self, drawn: impl Iterator<Item = usize>) -> Vec<f64> {
        let (mut sums, mut counts) = (vec![0.0; self.n_metrics], vec![0.0; self.n_metrics]);
        for unit in drawn {
            let range = unit * self.n_metrics..(unit + 1) * self.n_metrics;
            sums.iter_mut().zip(&self.sums[range.clone()]).for_each(|(to, x)| *to += x);
            counts.iter_mut().zip(&self.counts[range]).for_each(|(to, x)| *to += x);
        }
        sums.iter().zip(counts).map(|(sum, count)| sum / count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(values: impl IntoIterator<Item = f64>) -> Table {
        let mut table = Table::new(1);
        table.extend(values.into_iter().map(|x| vec![x]));
        table
    }

    #[test]
    fn equal_runs_differ_by_nothing() {
        let same = table((0..50).map(|i| f64::from(i).sin()));
        let found = Bootstrap::default().differences(&same, &same)[0].unwrap();
        assert_eq!(found, Difference { mean: 0.0, low: 0.0, high: 0.0, n_slates: 50 });
    }

    #[test]
    fn a_constant_gain_is_certain() {
        let from = table((0..50).map(f64::from));
        let to = table((0..50).map(|i| f64::from(i) + 0.5));
        let found = Bootstrap::default().differences(&from, &to)[0].unwrap();
        assert_eq!((found.mean, found.low, found.high), (0.5, 0.5, 0.5), "pairing removes what slates have in common");
    }

    #[test]
    fn slates_without_a_value_are_left_out() {
        let from = table([1.0, f64::NAN, 3.0, f64::NAN]);
        let to = table([2.0, 5.0, f64::NAN, f64::NAN]);
        let found = Bootstrap::default().differences(&from, &to)[0].unwrap();
        assert_eq!((found.mean, found.n_slates), (1.0, 1));
        let none = table([f64::NAN; 4]);
        assert_eq!(Bootstrap::default().differences(&from, &none), [None]);
        assert_eq!(Bootstrap::default().differences(&table([]), &table([])), [None]);
    }

    /// 95 % intervals hold the truth in 95 % of many experiments: 1000 of them have a standard error of 0.7 points, and the
    /// percentile interval is known to be a little narrow at 60 slates.
    #[test]
    fn intervals_cover_the_truth_as_often_as_they_say() {
        let bootstrap = Bootstrap { n_resamples: 400, seed: 3 };
        const TRUTH: f64 = 0.25;
        let covers = |experiment: u64| {
            let mut random = Random::of(11, experiment);
            let zeros = table([0.0; 60]);
            let gains = table((0..60).map(|_| TRUTH + random.normal()));
            let found = bootstrap.differences(&zeros, &gains)[0].unwrap();
            found.low <= TRUTH && TRUTH <= found.high
        };
        let covered = (0..1000).filter(|&experiment| covers(experiment)).count();
        assert!((920..=970).contains(&covered), "{covered} of 1000");
    }

    #[test]
    fn units_of_several_slates_give_the_same_interval_nearly() {
        let mut random = Random(5);
        let n = 3 * MAX_UNITS + 17;
        let gains: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let found = Bootstrap::default().differences(&table(vec![0.0; n]), &table(gains.clone()))[0].unwrap();
        let mean = gains.iter().sum::<f64>() / n as f64;
        assert!((found.mean - mean).abs() < 1e-12 && found.n_slates == n);
        // 1.96 standard errors each way; 2000 resamples know the ends to some percent.
        let half = 1.96 / (n as f64).sqrt();
        for end in [found.high - mean, mean - found.low] {
            assert!((end / half - 1.0).abs() < 0.1, "{end} against {half}");
        }
    }
}
