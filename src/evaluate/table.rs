//! The metrics of many slates.

use serde::Serialize;

/// One row of values per slate, one column per metric; NaN where a slate has no value. 8 bytes per value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    n_metrics: usize,
    values: Vec<f64>,
}

/// The mean of a metric over the slates that have a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    /// The mean; none where no slate has a value.
    pub mean: Option<f64>,
    /// Slates with a value.
    pub n_slates: usize,
}

impl Table {
    /// A table without slates.
    pub fn new(n_metrics: usize) -> Self {
        Self { n_metrics, values: Vec::new() }
    }

    /// Adds slates.
    pub fn extend(&mut self, rows: impl IntoIterator<Item = Vec<f64>>) {
        for row in rows {
            debug_assert_eq!(row.len(), self.n_metrics);
            self.values.extend(row);
        }
    }

    /// Columns.
    pub fn n_metrics(&self) -> usize {
        self.n_metrics
    }

    /// Rows.
    pub fn n_slates(&self) -> usize {
        self.values.len().checked_div(self.n_metrics).unwrap_or(0)
    }

    /// The values of one slate.
    pub fn row(&self, slate: usize) -> &[f64] {
        &self.values[slate * self.n_metrics..(slate + 1) * self.n_metrics]
    }

    /// The mean of every metric.
    pub fn means(&self) -> Vec<Mean> {
        let mean = |metric: usize| {
            let column = self.values.iter().skip(metric).step_by(self.n_metrics).filter(|x| !x.is_nan());
            let (n_slates, sum) = column.fold((0_usize, 0.0), |(n, sum), x| (n + 1, sum + x));
            Mean { mean: (n_slates > 0).then(|| sum / n_slates as f64), n_slates }
        };
        (0..self.n_metrics).map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_leave_out_what_has_no_value() {
        let mut table = Table::new(2);
        table.extend([vec![1.0, f64::NAN], vec![2.0, 5.0], vec![6.0, f64::NAN]]);
        assert_eq!(table.n_slates(), 3);
        assert_eq!(table.row(1), [2.0, 5.0]);
        let means = table.means();
        assert_eq!(means[0], Mean { mean: Some(3.0), n_slates: 3 });
        assert_eq!(means[1], Mean { mean: Some(5.0), n_slates: 1 });
        assert_eq!(Table::new(1).means(), [Mean { mean: None, n_slates: 0 }]);
        assert_eq!(Table::new(0).n_slates(), 0);
    }
}
