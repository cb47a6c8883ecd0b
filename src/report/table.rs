//! Tables whose columns sort.

use maud::{Markup, html};

use super::Format;

/// A table; its first column names the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows of one cell per column.
    pub rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// What it means, for the list under the table; empty where the heading says it all.
    pub note: String,
    /// How its numbers are written; none for text.
    pub format: Option<Format>,
}

impl Column {
    /// A column of text.
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), note: String::new(), format: None }
    }

    /// A column of numbers.
    pub fn number(name: impl Into<String>, format: Format) -> Self {
        Self { name: name.into(), note: String::new(), format: Some(format) }
    }

    /// Says what the column means.
    pub fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number, written as its column says.
    Number(f64),
    /// Nothing; sorts to the end.
    Missing,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(x: f64) -> Self {
        if x.is_finite() { Self::Number(x) } else { Self::Missing }
    }
}

impl<T: Into<Self>> From<Option<T>> for Cell {
    fn from(cell: Option<T>) -> Self {
        cell.map_or(Self::Missing, Into::into)
    }
}

impl Table {
    /// The table in a frame that scrolls where it is wider than the screen, and what its columns mean.
    pub(super) fn html(&self) -> Markup {
        html! {
            // Whoever has no pointer must be able to scroll, so the frame takes the focus.
            div class="frame" tabindex="0" role="group" aria-label=(self.caption) {
                table class="sortable" {
                    caption { (self.caption) }
                    thead { tr { @for column in &self.columns {
                        th scope="col" class=[column.format.map(|_| "number")] { (column.name) }
                    } } }
                    tbody { @for row in &self.rows { tr { @for (i, cell) in row.iter().enumerate() {
                        (self.cell(i, cell))
                    } } } }
                }
            }
            @if self.columns.iter().any(|column| !column.note.is_empty()) {
                details {
                    summary { "What the columns mean" }
                    dl { @for column in self.columns.iter().filter(|column| !column.note.is_empty()) {
                        dt { (column.name) }
                        dd { (column.note) }
                    } }
                }
            }
        }
    }

    fn cell(&self, i: usize, cell: &Cell) -> Markup {
        let format = self.columns.get(i).and_then(|column| column.format);
        let (text, value) = match cell {
            Cell::Text(text) => (text.clone(), None),
            // Rows of 0.0000 would hide the numbers that are there.
            Cell::Number(0.0) => ("0".to_owned(), Some("0".to_owned())),
            Cell::Number(x) => (format.unwrap_or(Format::Plain(3)).text(*x), Some(x.to_string())),
            Cell::Missing => ("–".to_owned(), Some(String::new())),
        };
        let class = format.map(|_| "number");
        html! {
            @if i == 0 {
                th scope="row" class=[class] data-v=[value] { (text) }
            } @else {
                td class=[class] data-v=[value] { (text) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_carry_what_they_sort_by() {
        let table = Table {
            caption: "Means".to_owned(),
            columns: vec![
                Column::text("metric"),
                Column::number("mean", Format::Percent(1)).with_note("over all slates"),
            ],
            rows: vec![vec!["kept".into(), 0.98123.into()], vec!["<b>".into(), Cell::from(f64::NAN)]],
        };
        let html = table.html().into_string();
        assert!(html.contains("<td class=\"number\" data-v=\"0.98123\">98.1\u{a0}%</td>"), "{html}");
        assert!(html.contains("<td class=\"number\" data-v=\"\">–</td>"), "{html}");
        assert!(html.contains("<th scope=\"row\">&lt;b&gt;</th>"), "{html}");
        assert!(html.contains("<dd>over all slates</dd>"), "{html}");
    }
}
