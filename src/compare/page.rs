//! A comparison as a page to read.

use super::{Comparison, RunSummary};
use crate::evaluate::{Difference, MetricInfo};
use crate::metrics::Better;
use crate::report::{Axis, Cell, Chart, Column, Figure, Format, IntervalRow, Intervals, Part, Report, Section, Table};

/// Digits of means and differences in tables.
const DIGITS: usize = 4;

/// One page about a comparison, with every configuration at its end.
pub fn report(comparison: &Comparison) -> Report {
    let mut sections = vec![glance(comparison), means(comparison)];
    if comparison.runs.len() > 1 {
        sections.push(differences(comparison));
    }
    sections.push(metrics(comparison));
    sections.push(settings(comparison));
    let title = match comparison.runs.as_slice() {
        [one] => format!("{} on {}", one.name, slates(comparison.n_slates)),
        runs => format!("{} configurations on the same {}", runs.len(), slates(comparison.n_slates)),
    };
    let intro =
        "What each configuration keeps of the relevance and gains in variety, and whether the difference is more \
                 than chance. All are judged by one measure."
            .to_owned();
    Report { title, intro, sections }
}

/// What a difference says about a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Better,
    Worse,
    /// The metric describes, it does not judge.
    Other,
    /// The interval holds 0.
    Unclear,
}

impl Verdict {
    fn of(difference: &Difference, better: Better) -> Self {
        let is_more = difference.low > 0.0;
        match better {
            _ if difference.low <= 0.0 && difference.high >= 0.0 => Self::Unclear,
            Better::Higher if is_more => Self::Better,
            Better::Lower if !is_more => Self::Better,
            Better::Neither => Self::Other,
            _ => Self::Worse,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Other => "differs",
            Self::Unclear => "not clear",
        }
    }
}

/// A metric's name with the direction that is better.
pub(crate) fn titled(metric: &MetricInfo) -> String {
    match metric.better {
        Better::Higher => format!("{} ↑", metric.title),
        Better::Lower => format!("{} ↓", metric.title),
        Better::Neither => metric.title.clone(),
    }
}

pub(crate) fn slates(n: usize) -> String {
    if n == 1 { "1 slate".to_owned() } else { format!("{n} slates") }
}

fn first_name(comparison: &Comparison) -> &str {
    comparison.runs.first().map_or("", |run| run.name.as_str())
}

fn glance(comparison: &Comparison) -> Section {
    let figures = vec![
        Figure::new("Slates", comparison.n_slates.to_string(), "each ranked by every configuration"),
        Figure::new(
            "Configurations",
            comparison.runs.len().to_string(),
            format!("the first is {}", first_name(comparison)),
        ),
    ];
    let mut parts = vec![Part::Figures(figures)];
    if comparison.runs.len() > 1 {
        parts.push(Part::Table(verdicts(comparison)));
    }
    Section { heading: "At a glance".to_owned(), intro: String::new(), parts }
}

/// How often each run is better or worse than the first.
fn verdicts(comparison: &Comparison) -> Table {
    let count = |name: &str, note: String| Column::number(name, Format::Plain(0)).with_note(note);
    let columns = vec![
        Column::text("configuration"),
        Column::text("strategy"),
        count("better", "metrics whose interval lies on the better side of 0".to_owned()),
        count("worse", "metrics whose interval lies on the worse side of 0".to_owned()),
        count("not clear", "metrics whose interval holds 0".to_owned()),
        count("short slates", "slates with fewer candidates than positions".to_owned()),
    ];
    let row = |run: &RunSummary| {
        let found = run.figures.iter().zip(&comparison.metrics);
        let found: Vec<Verdict> =
            found.filter_map(|(f, metric)| f.difference.map(|d| Verdict::of(&d, metric.better))).collect();
        let n = |verdict: Verdict| Cell::from(found.iter().filter(|&&v| v == verdict).count() as f64);
        vec![
            run.name.as_str().into(),
            run.strategy.name().into(),
            n(Verdict::Better),
            n(Verdict::Worse),
            n(Verdict::Unclear),
            (run.n_short_slates as f64).into(),
        ]
    };
    let caption = format!("Metrics in which a configuration does better or worse than {}", first_name(comparison));
    Table { caption, columns, rows: comparison.runs.iter().skip(1).map(row).collect() }
}

fn means(comparison: &Comparison) -> Section {
    let mut columns = vec![Column::text("metric"), Column::text("key")];
    columns.extend(comparison.runs.iter().map(|run| Column::number(&run.name, Format::Plain(DIGITS))));
    let row = |(i, metric): (usize, &MetricInfo)| {
        let mut row: Vec<Cell> = vec![titled(metric).into(), metric.key.as_str().into()];
        row.extend(comparison.runs.iter().map(|run| Cell::from(run.figures.get(i).and_then(|figure| figure.mean))));
        row
    };
    let caption = format!("Means over {}", slates(comparison.n_slates));
    let table = Table { caption, columns, rows: comparison.metrics.iter().enumerate().map(row).collect() };
    Section {
        heading: "Means".to_owned(),
        intro: "↑ more is better, ↓ less is better. Every mean is over the slates that have a value.".to_owned(),
        parts: vec![Part::Table(table)],
    }
}

fn differences(comparison: &Comparison) -> Section {
    let first = first_name(comparison);
    let charts = comparison.metrics.iter().enumerate();
    let charts = charts.filter_map(|(i, metric)| intervals(comparison, i, metric)).map(Part::Chart);
    Section {
        heading: format!("Differences to {first}"),
        intro: format!(
            "Slates are drawn anew {} times, with replacement, and the difference is taken slate by slate: 95 % of the \
             results lie in the interval. Where it leaves out 0, the difference is no accident of these slates.",
            comparison.bootstrap.n_resamples
        ),
        parts: charts.chain([Part::Table(differences_table(comparison))]).collect(),
    }
}

fn intervals(comparison: &Comparison, i: usize, metric: &MetricInfo) -> Option<Chart> {
    let found = comparison.runs.iter().filter_map(|run| run.figures[i].difference.map(|d| (run, d)));
    let found: Vec<(&RunSummary, Difference)> = found.collect();
    let most = found.iter().flat_map(|(_, d)| [d.low.abs(), d.high.abs()]).fold(0.0, f64::max);
    // As many digits as tell the ends of an interval apart.
    let digits = match most {
        x if x < 1.0 => DIGITS,
        x if x < 10.0 => DIGITS - 1,
        _ => 2,
    };
    let first = first_name(comparison);
    let axis = Axis::new(format!("difference to {first}"), Format::Signed(digits));
    let said = found.iter().map(|(run, d)| {
        format!("{} {} ({})", run.name, axis.format.text(d.mean), Verdict::of(d, metric.better).name())
    });
    let mean = comparison.runs.first().and_then(|run| run.figures[i].mean);
    let mean = mean.map_or_else(String::new, |mean| format!(" {first}: {}.", Format::Plain(digits).text(mean)));
    let summary = format!("{}.{mean} Against it: {}.", sentence(&metric.meaning), said.collect::<Vec<_>>().join(", "));
    let rows =
        found.iter().map(|(run, d)| IntervalRow { label: run.name.clone(), value: d.mean, low: d.low, high: d.high });
    let chart = Intervals { x: axis.clone(), reference: Some(0.0), rows: rows.collect() };
    (!found.is_empty()).then(|| Chart::new(titled(metric), summary, chart))
}

/// The text with a capital at its start.
pub(crate) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn differences_table(comparison: &Comparison) -> Table {
    let number = |name: &str| Column::number(name, Format::Signed(DIGITS));
    let columns = vec![
        Column::text("metric"),
        Column::text("configuration"),
        Column::number("mean", Format::Plain(DIGITS)),
        number("difference")
            .with_note(format!("to {}, over the slates where both have a value", first_name(comparison))),
        number("from").with_note("lower end of the 95 % interval"),
        number("to").with_note("upper end of the 95 % interval"),
        Column::text("verdict").with_note("not clear: the interval holds 0; differs: the metric does not judge"),
        Column::number("slates", Format::Plain(0)).with_note("slates where both have a value"),
    ];
    let mut rows = Vec::new();
    for (i, metric) in comparison.metrics.iter().enumerate() {
        for run in comparison.runs.iter().skip(1) {
            let figure = &run.figures[i];
            let difference = figure.difference;
            rows.push(vec![
                titled(metric).into(),
                run.name.as_str().into(),
                figure.mean.into(),
                difference.map(|d| d.mean).into(),
                difference.map(|d| d.low).into(),
                difference.map(|d| d.high).into(),
                difference.map(|d| Verdict::of(&d, metric.better).name()).into(),
                difference.map(|d| d.n_slates as f64).into(),
            ]);
        }
    }
    Table { caption: "All differences with their intervals".to_owned(), columns, rows }
}

fn metrics(comparison: &Comparison) -> Section {
    Section {
        heading: "The metrics".to_owned(),
        intro: "What was measured. S is the similarity of two items of a slate, base their score after transform and \
                adjustments."
            .to_owned(),
        parts: vec![Part::Table(metrics_table(&comparison.metrics))],
    }
}

/// Every metric with what it is and how it is computed.
pub(crate) fn metrics_table(metrics: &[MetricInfo]) -> Table {
    let columns = ["metric", "key", "what it is", "how it is computed"].map(Column::text);
    let row = |metric: &MetricInfo| {
        let cells = [titled(metric), metric.key.clone(), metric.meaning.clone(), metric.formula.clone()];
        cells.map(Cell::from).into()
    };
    Table { caption: "Metrics".to_owned(), columns: columns.into(), rows: metrics.iter().map(row).collect() }
}

fn settings(comparison: &Comparison) -> Section {
    let code = |run: &RunSummary| Part::Code { title: format!("{} (TOML)", run.name), text: run.config.clone() };
    Section {
        heading: "Settings".to_owned(),
        intro: "The configurations with every default.".to_owned(),
        parts: comparison.runs.iter().map(code).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_goes_by_the_interval_and_the_direction() {
        let verdict = |low: f64, high: f64, better| {
            Verdict::of(&Difference { mean: (low + high) / 2.0, low, high, n_slates: 3 }, better).name()
        };
        assert_eq!(verdict(0.1, 0.2, Better::Higher), "better");
        assert_eq!(verdict(-0.2, -0.1, Better::Higher), "worse");
        assert_eq!(verdict(0.1, 0.2, Better::Lower), "worse");
        assert_eq!(verdict(-0.2, -0.1, Better::Lower), "better");
        assert_eq!(verdict(-0.2, -0.1, Better::Neither), "differs");
        assert_eq!(verdict(-0.1, 0.2, Better::Higher), "not clear");
        assert_eq!(verdict(0.0, 0.0, Better::Lower), "not clear", "equal runs");
    }
}
