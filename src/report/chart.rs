//! Charts: what they hold. `assets/report/report.js` draws them, with one function per kind.

use serde::Serialize;

use super::Format;

/// A chart with its title and its message in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// Title.
    pub title: String,
    /// What is to be seen, for everyone and instead of the picture for those who do not see it.
    pub summary: String,
    /// What is drawn.
    #[serde(flatten)]
    pub kind: ChartKind,
}

impl Chart {
    /// A chart.
    pub fn new(title: impl Into<String>, summary: impl Into<String>, kind: impl Into<ChartKind>) -> Self {
        Self { title: title.into(), summary: summary.into(), kind: kind.into() }
    }
}

/// The kinds of chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChartKind {
    /// Parts that add up, by category.
    StackedBars(StackedBars),
    /// One value per category.
    Bars(Bars),
    /// Square matrices on one colour scale.
    HeatMaps(HeatMaps),
    /// Points of several series, with their fronts.
    Scatter(Scatter),
    /// Values with intervals, one below the other.
    Intervals(Intervals),
    /// Lines over a number.
    Lines(Lines),
}

macro_rules! kind_from {
    ($($kind:ident),+ $(,)?) => {$(
        impl From<$kind> for ChartKind {
            fn from(kind: $kind) -> Self {
                Self::$kind(kind)
            }
        }
    )+};
}

kind_from!(StackedBars, Bars, HeatMaps, Scatter, Intervals, Lines);

/// What an axis shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Axis {
    /// Name, with the unit where there is one.
    pub label: String,
    /// How its numbers are written.
    pub format: Format,
}

impl Axis {
    /// An axis.
    pub fn new(label: impl Into<String>, format: Format) -> Self {
        Self { label: label.into(), format }
    }
}

/// Parts that add up, one bar per category: positive parts above zero, negative ones below.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StackedBars {
    /// The categories' axis.
    pub x: Axis,
    /// The values' axis.
    pub y: Axis,
    /// Names of the bars, short.
    pub categories: Vec<String>,
    /// What the hover says first about each bar.
    pub details: Vec<String>,
    /// The parts, at most eight.
    pub series: Vec<StackSeries>,
    /// A mark across each bar, as their sum.
    pub total: Option<StackSeries>,
}

/// One part of stacked bars.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StackSeries {
    /// Its name.
    pub name: String,
    /// One value per category.
    pub values: Vec<f64>,
}

/// One value per category.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bars {
    /// The categories' axis.
    pub x: Axis,
    /// The values' axis.
    pub y: Axis,
    /// Names of the bars, short.
    pub categories: Vec<String>,
    /// What the hover says first about each bar.
    pub details: Vec<String>,
    /// One value per category.
    pub values: Vec<f64>,
}

/// Matrices side by side on one colour scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeatMaps {
    /// What rows and columns are.
    pub axis: Axis,
    /// What the colour says.
    pub scale: Axis,
    /// Values at the ends of the colour scale.
    pub range: (f64, f64),
    /// The matrices.
    pub maps: Vec<HeatMap>,
}

/// A square matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeatMap {
    /// Which one it is.
    pub title: String,
    /// Name of every row, and of the column of that number.
    pub names: Vec<String>,
    /// `[row][column]`
    pub values: Vec<Vec<f64>>,
}

/// Points of several series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scatter {
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// A value of the horizontal axis to look at, as a limit: a dashed line.
    pub x_reference: Option<f64>,
    /// The series. From the ninth on colours come again, with other symbols and dashes.
    pub series: Vec<ScatterSeries>,
    /// Points to be seen first. All have a ring; the first has its label beside it, the others only in the table.
    pub highlights: Vec<Highlight>,
}

/// One series of points.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScatterSeries {
    /// Its name.
    pub name: String,
    /// Its points.
    pub points: Vec<Point>,
    /// Points (by index, in the order of the line) that are joined by a line: the Pareto front. Empty for none.
    pub front: Vec<usize>,
}

/// A point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Horizontal.
    pub x: f64,
    /// Vertical.
    pub y: f64,
    /// What the hover says about it; line breaks are kept.
    pub label: String,
}

/// A point to be seen first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Highlight {
    /// Index of its series.
    pub series: usize,
    /// Index of the point.
    pub point: usize,
    /// What it is, short.
    pub label: String,
}

/// Values with intervals, one below the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Intervals {
    /// The values' axis.
    pub x: Axis,
    /// A value to compare with, as 0 for a difference: intervals that hold it are drawn hollow.
    pub reference: Option<f64>,
    /// From top to bottom.
    pub rows: Vec<IntervalRow>,
}

/// A value with its interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IntervalRow {
    /// What it is about.
    pub label: String,
    /// The value.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Lines over a number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lines {
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// The lines, at most eight.
    pub series: Vec<LineSeries>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineSeries {
    /// Its name.
    pub name: String,
    /// (x, y) by rising x.
    pub points: Vec<(f64, f64)>,
}
