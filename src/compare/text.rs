//! A comparison as text for a terminal.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use super::{Comparison, Figure};
use crate::metrics::Better;

/// Columns of the terminal that a table fills.
const WIDTH: usize = 120;
/// Blanks between columns.
const GAP: usize = 3;

/// A number with as many digits as tell slates apart: 0.7331, 12.43, 1203.
pub fn number(x: f64) -> String {
    let digits = match x.abs() {
        x if x < 9.9995 => 4,
        x if x < 999.95 => 2,
        _ => 0,
    };
    let text = format!("{x:.digits$}");
    // A rounded −0.00004 is 0.
    if text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.')) { text.trim_start_matches('-').to_owned() } else { text }
}

fn signed(x: f64) -> String {
    let text = number(x);
    if text.starts_with('-') || text.bytes().all(|b| matches!(b, b'0' | b'.')) { text } else { format!("+{text}") }
}

fn cells(figure: &Figure) -> [String; 2] {
    let mean = figure.mean.map_or_else(|| "–".to_owned(), number);
    let difference = figure.difference.map(|d| format!("{} [{}, {}]", signed(d.mean), signed(d.low), signed(d.high)));
    [mean, difference.unwrap_or_default()]
}

/// The runs of each table: as many as fit, the first in all of them.
fn blocks(head: usize, widths: &[usize]) -> Vec<Vec<usize>> {
    let Some((&first, rest)) = widths.split_first() else { return Vec::new() };
    let mut blocks = vec![vec![0]];
    let mut used = head + GAP + first;
    for (run, width) in (1..).zip(rest) {
        let is_full = used + GAP + width > WIDTH;
        match blocks.last_mut() {
            // A table has at least one run beside the first, however wide.
            Some(block) if !is_full || block.len() == 1 => block.push(run),
            _ => {
                blocks.push(vec![0, run]);
                used = head + GAP + first;
            }
        }
        used += GAP + width;
    }
    blocks
}

impl fmt::Display for Comparison {
    /// Two lines per metric: means, and differences to the first run with their intervals. Where the runs are too many for one
    /// table, several follow each other.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = |metric: usize| {
            let metric = &self.metrics[metric];
            match metric.better {
                Better::Higher => format!("{} ↑", metric.title),
                Better::Lower => format!("{} ↓", metric.title),
                Better::Neither => metric.title.clone(),
            }
        };
        let titles: Vec<String> = (0..self.metrics.len()).map(title).collect();
        let first = titles.iter().map(|t| t.width()).max().unwrap_or(0);
        let columns: Vec<Vec<[String; 2]>> =
            self.runs.iter().map(|run| run.figures.iter().map(cells).collect()).collect();
        let widths: Vec<usize> = columns
            .iter()
            .zip(&self.runs)
            .map(|(column, run)| column.iter().flatten().map(|c| c.width()).max().unwrap_or(0).max(run.name.width()))
            .collect();
        for block in blocks(first, &widths) {
            let line = |f: &mut fmt::Formatter<'_>, head: &str, cell: &dyn Fn(usize) -> String| {
                let mut text = format!("{head}{}", " ".repeat(first - head.width()));
                for &run in &block {
                    let cell = cell(run);
                    text.push_str(&" ".repeat(GAP + widths[run] - cell.width()));
                    text.push_str(&cell);
                }
                writeln!(f, "{}", text.trim_end())
            };
            line(f, "", &|run| self.runs[run].name.clone())?;
            for (metric, title) in titles.iter().enumerate() {
                line(f, title, &|run| columns[run][metric][0].clone())?;
                if block.iter().any(|&run| !columns[run][metric][1].is_empty()) {
                    line(f, "", &|run| columns[run][metric][1].clone())?;
                }
            }
            writeln!(f)?;
        }
        let against = self.runs.first().map_or("", |run| run.name.as_str());
        let n = self.n_slates;
        write!(f, "{n} {}. ↑ more is better, ↓ less is better.", if n == 1 { "slate" } else { "slates" })?;
        if self.runs.len() > 1 {
            write!(f, " Below the means: difference to {against} and its 95 % interval.")?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_do_not_fit_have_a_table_of_their_own() {
        assert_eq!(blocks(30, &[10]), [[0]]);
        assert_eq!(blocks(30, &[10, 26, 26]), [[0, 1, 2]]);
        assert_eq!(blocks(30, &[10, 26, 26, 26]), [vec![0, 1, 2], vec![0, 3]]);
        assert_eq!(blocks(30, &[10, 200, 200]), [[0, 1], [0, 2]]);
        assert!(blocks(30, &[]).is_empty());
    }

    #[test]
    fn numbers_are_short_and_zero_has_no_sign() {
        assert_eq!(number(0.73314), "0.7331");
        assert_eq!(number(-12.345), "-12.35");
        assert_eq!(number(9.99999), "10.00");
        assert_eq!(number(1203.4), "1203");
        assert_eq!(number(-0.00001), "0.0000");
        assert_eq!(signed(-0.00001), "0.0000");
        assert_eq!(signed(0.5), "+0.5000");
        assert_eq!(signed(-0.5), "-0.5000");
    }
}
