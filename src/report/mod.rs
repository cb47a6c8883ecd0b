//! Reports for people: one HTML file that opens anywhere, without a network.
//!
//! A [`Report`] is sections of text, key figures, tables and charts; [`Report::to_html`] makes one file of it that carries
//! its style, its script and the charting library inside (`assets/report`). Tables sort; charts have a hover and their
//! numbers as a table beside them; colours follow the reader's light or dark setting. A policy inside the file forbids
//! it to load anything and to run any script but its own, and all text is escaped: names may be hostile.
//!
//! ```
//! use spectrank::report::{Axis, Bars, Chart, Column, Figure, Format, Part, Report, Section, Table};
//!
//! let report = Report {
//!     title: "Slate u1".to_owned(),
//!     intro: "What re-ranking changed.".to_owned(),
//!     sections: vec![Section {
//!         heading: "Moves".to_owned(),
//!         intro: "Each bar is an item; up means it came up from further down.".to_owned(),
//!         parts: vec![
//!             Part::Figures(vec![Figure::new("relevance kept", "98.1 %", "of the best possible sum of scores")]),
//!             Part::Chart(Chart::new(
//!                 "Places moved",
//!                 "The second item came up three places.",
//!                 Bars {
//!                     x: Axis::new("position", Format::Plain(0)),
//!                     y: Axis::new("places", Format::Signed(0)),
//!                     categories: vec!["0".to_owned(), "1".to_owned()],
//!                     details: vec!["a".to_owned(), "b".to_owned()],
//!                     values: vec![0.0, 3.0],
//!                 },
//!             )),
//!             Part::Table(Table {
//!                 caption: "Items".to_owned(),
//!                 columns: vec![Column::text("item"), Column::number("score", Format::Plain(2))],
//!                 rows: vec![vec!["a".into(), 0.9.into()], vec!["b".into(), 0.4.into()]],
//!             }),
//!         ],
//!     }],
//! };
//! assert!(report.to_html().starts_with("<!DOCTYPE html>"));
//! ```

mod alternative;
mod chart;
mod format;
mod page;
mod policy;
mod table;

pub use chart::{
    Axis, Bars, Chart, ChartKind, HeatMap, HeatMaps, Highlight, IntervalRow, Intervals, LineSeries, Lines, Point,
    Scatter, ScatterSeries, StackSeries, StackedBars,
};
pub use format::Format;
pub use table::{Cell, Column, Table};

/// One page.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Title of the page.
    pub title: String,
    /// What the page is about, in a sentence or two.
    pub intro: String,
    /// In order.
    pub sections: Vec<Section>,
}

/// A part of the page under a heading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Section {
    /// Heading.
    pub heading: String,
    /// What the section shows and how to read it.
    pub intro: String,
    /// In order.
    pub parts: Vec<Part>,
}

/// One thing in a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// A paragraph.
    Text(String),
    /// Text in a fixed width, as a configuration; folded away behind its title.
    Code {
        /// What it is.
        title: String,
        /// The text.
        text: String,
    },
    /// Figures to be seen first.
    Figures(Vec<Figure>),
    /// A table whose columns sort.
    Table(Table),
    /// A chart with its numbers.
    Chart(Chart),
}

/// A figure to be seen first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// The figure, with its unit.
    pub value: String,
    /// What it means.
    pub note: String,
}

impl Figure {
    /// A figure.
    pub fn new(name: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), note: note.into() }
    }
}
