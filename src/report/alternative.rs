//! The numbers of a chart as tables: for those who do not see it, and for those who want the digits.

use super::{Bars, Cell, Chart, ChartKind, Column, HeatMap, HeatMaps, Intervals, Lines, Scatter, StackedBars, Table};

/// Rows and columns beyond which a matrix is no longer written out; its most alike pairs are.
const MAX_MATRIX: usize = 60;
/// Pairs listed per matrix.
const N_PAIRS: usize = 10;

impl Chart {
    /// The chart's numbers.
    pub(super) fn tables(&self) -> Vec<Table> {
        match &self.kind {
            ChartKind::StackedBars(chart) => vec![chart.table(&self.title)],
            ChartKind::Bars(chart) => vec![chart.table(&self.title)],
            ChartKind::HeatMaps(chart) => chart.tables(),
            ChartKind::Scatter(chart) => vec![chart.table(&self.title)],
            ChartKind::Intervals(chart) => vec![chart.table(&self.title)],
            ChartKind::Lines(chart) => vec![chart.table(&self.title)],
        }
    }
}

impl StackedBars {
    fn table(&self, title: &str) -> Table {
        let series = || self.series.iter().chain(&self.total);
        let mut columns = vec![Column::text(&self.x.label), Column::text("name")];
        columns.extend(series().map(|series| Column::number(&series.name, self.y.format)));
        let row = |(i, category): (usize, &String)| {
            let mut row: Vec<Cell> = vec![category.as_str().into(), self.details.get(i).cloned().into()];
            row.extend(series().map(|series| Cell::from(series.values.get(i).copied())));
            row
        };
        Table { caption: title.to_owned(), columns, rows: self.categories.iter().enumerate().map(row).collect() }
    }
}

impl Bars {
    fn table(&self, title: &str) -> Table {
        let columns =
            vec![Column::text(&self.x.label), Column::text("name"), Column::number(&self.y.label, self.y.format)];
        let row = |(i, category): (usize, &String)| {
            vec![category.as_str().into(), self.details.get(i).cloned().into(), self.values.get(i).copied().into()]
        };
        Table { caption: title.to_owned(), columns, rows: self.categories.iter().enumerate().map(row).collect() }
    }
}

impl HeatMaps {
    fn tables(&self) -> Vec<Table> {
        let pairs = self.maps.iter().map(|map| self.pairs(map));
        let matrices = self.maps.iter().filter(|map| map.values.len() <= MAX_MATRIX).map(|map| self.matrix(map));
        pairs.chain(matrices).collect()
    }

    fn pairs(&self, map: &HeatMap) -> Table {
        let mut pairs: Vec<(usize, usize, f64)> = Vec::new();
        for (i, row) in map.values.iter().enumerate() {
            pairs.extend(row.iter().take(i).enumerate().map(|(j, &value)| (j, i, value)));
        }
        pairs.sort_by(|a, b| b.2.total_cmp(&a.2));
        let name = |i: usize| map.names.get(i).cloned().unwrap_or_default();
        let row = |&(i, j, value): &(usize, usize, f64)| vec![name(i).into(), name(j).into(), value.into()];
        Table {
            caption: format!("{}: the pairs that are most alike", map.title),
            columns: vec![
                Column::text("first"),
                Column::text("second"),
                Column::number(&self.scale.label, self.scale.format),
            ],
            rows: pairs.iter().take(N_PAIRS).map(row).collect(),
        }
    }

    fn matrix(&self, map: &HeatMap) -> Table {
        let mut columns = vec![Column::text(&self.axis.label)];
        columns.extend((0..map.values.len()).map(|i| Column::number(i.to_string(), self.scale.format)));
        let row = |(name, values): (&String, &Vec<f64>)| {
            std::iter::once(name.as_str().into()).chain(values.iter().map(|&x| x.into())).collect()
        };
        let caption = format!("{}: {}", map.title, self.scale.label);
        Table { caption, columns, rows: map.names.iter().zip(&map.values).map(row).collect() }
    }
}

impl Scatter {
    fn table(&self, title: &str) -> Table {
        let mut rows = Vec::new();
        for (s, series) in self.series.iter().enumerate() {
            for (p, point) in series.points.iter().enumerate() {
                let highlight = self.highlights.iter().find(|h| (h.series, h.point) == (s, p));
                let front = if series.front.contains(&p) { "yes" } else { "no" };
                let label = highlight.map_or_else(|| point.label.clone(), |h| format!("{} ({})", point.label, h.label));
                rows.push(vec![
                    series.name.as_str().into(),
                    label.into(),
                    point.x.into(),
                    point.y.into(),
                    front.into(),
                ]);
            }
        }
        let columns = vec![
            Column::text("series"),
            Column::text("point"),
            Column::number(&self.x.label, self.x.format),
            Column::number(&self.y.label, self.y.format),
            Column::text("on the front"),
        ];
        Table { caption: title.to_owned(), columns, rows }
    }
}

impl Intervals {
    fn table(&self, title: &str) -> Table {
        let number = |name: &str| Column::number(name, self.x.format);
        let columns = vec![Column::text("name"), number(&self.x.label), number("from"), number("to")];
        let rows = self.rows.iter();
        let rows = rows.map(|r| vec![r.label.as_str().into(), r.value.into(), r.low.into(), r.high.into()]).collect();
        Table { caption: title.to_owned(), columns, rows }
    }
}

impl Lines {
    fn table(&self, title: &str) -> Table {
        let mut xs: Vec<f64> = self.series.iter().flat_map(|s| s.points.iter().map(|point| point.0)).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let mut columns = vec![Column::number(&self.x.label, self.x.format)];
        columns.extend(self.series.iter().map(|series| Column::number(&series.name, self.y.format)));
        let at = |x: f64| {
            let y = self.series.iter().map(move |series| series.points.iter().find(|point| point.0 == x));
            std::iter::once(Cell::from(x)).chain(y.map(|point| Cell::from(point.map(|point| point.1)))).collect()
        };
        Table { caption: format!("{title}: {}", self.y.label), columns, rows: xs.into_iter().map(at).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Axis, Format, LineSeries};

    #[test]
    fn lines_meet_in_rows_of_one_x() {
        let axis = || Axis::new("x", Format::Plain(0));
        let lines = Lines {
            x: axis(),
            y: axis(),
            series: vec![
                LineSeries { name: "a".to_owned(), points: vec![(0.0, 1.0), (2.0, 3.0)] },
                LineSeries { name: "b".to_owned(), points: vec![(1.0, 5.0), (2.0, 6.0)] },
            ],
        };
        let wanted: Vec<Vec<Cell>> = vec![
            vec![0.0.into(), 1.0.into(), Cell::Missing],
            vec![1.0.into(), Cell::Missing, 5.0.into()],
            vec![2.0.into(), 3.0.into(), 6.0.into()],
        ];
        assert_eq!(lines.table("t").rows, wanted);
    }

    #[test]
    fn heat_maps_list_their_most_alike_pairs_first() {
        let maps = HeatMaps {
            axis: Axis::new("position", Format::Plain(0)),
            scale: Axis::new("similarity", Format::Plain(2)),
            range: (0.0, 1.0),
            maps: vec![HeatMap {
                title: "before".to_owned(),
                names: ["p", "q", "r"].map(str::to_owned).to_vec(),
                values: vec![vec![1.0, 0.2, 0.7], vec![0.2, 1.0, 0.9], vec![0.7, 0.9, 1.0]],
            }],
        };
        let tables = maps.tables();
        assert_eq!(tables.len(), 2);
        let wanted: Vec<Vec<Cell>> = vec![
            vec!["q".into(), "r".into(), 0.9.into()],
            vec!["p".into(), "r".into(), 0.7.into()],
            vec!["p".into(), "q".into(), 0.2.into()],
        ];
        assert_eq!(tables[0].rows, wanted);
        assert_eq!(tables[1].rows[1], vec!["q".into(), 0.2.into(), 1.0.into(), Cell::from(0.9)]);
    }
}
