//! The result of a sweep as text for a terminal.

use std::fmt::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::plot::plot;
use super::result::TuneResult;
use crate::compare::number;
use crate::metrics::Better;

/// Most points of the front that are listed; more are thinned out evenly.
const MAX_LISTED: usize = 24;

impl fmt::Display for TuneResult {
    /// The plot, the front, and what each family chose.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = &self.metrics[self.metric_index()];
        let arrow = if metric.better == Better::Lower { '↓' } else { '↑' };
        let title = format!("{} {arrow}", metric.key);
        f.write_str(&self.scatter(&title))?;
        writeln!(f, "Pareto front: no setting has more of both")?;
        f.write_str(&self.front_table(&title))?;
        writeln!(f, "\nChosen: the best {} with {} of the relevance kept", metric.key, percent(self.keep))?;
        f.write_str(&self.choice_table(&title))?;
        for family in &self.families {
            match &family.choice {
                None => {
                    let most = family.most_kept.map_or_else(|| "none".to_owned(), percent);
                    let keep = percent(self.keep);
                    writeln!(f, "{}: no setting keeps {keep}; the most that one keeps is {most}", family.name)?;
                }
                Some(choice) => {
                    for parameter in &choice.ends_range_of {
                        writeln!(f, "{}: the range of {parameter} ends here; a wider one may find more", family.name)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Letter of a family in the plot: the front in capitals.
fn letter(family: usize, is_on_front: bool) -> char {
    let letter = char::from(b'a' + (family % 26) as u8);
    if is_on_front { letter.to_ascii_uppercase() } else { letter }
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

impl TuneResult {
    fn scatter(&self, title: &str) -> String {
        let mut points: Vec<_> = self.points.iter().collect();
        // What is on the front is drawn last, over the rest.
        points.sort_by_key(|point| point.is_on_front);
        let marks: Vec<_> = points
            .iter()
            .filter_map(|p| Some((p.relevance_kept?, p.diversity?, letter(p.family, p.is_on_front))))
            .collect();
        let mut text = plot(&marks, "relevance kept", title);
        if !text.is_empty() {
            let names = self.families.iter().enumerate().map(|(i, f)| format!("{} {}", letter(i, false), f.name));
            let names = names.collect::<Vec<_>>().join(", ");
            let _ = write!(text, "{:>10}{names}; capitals are on the front\n\n", "");
        }
        text
    }

    fn front_table(&self, title: &str) -> String {
        let mut front: Vec<_> = self.points.iter().filter(|point| point.is_on_front).collect();
        front.sort_by(|a, b| b.relevance_kept.unwrap_or(0.0).total_cmp(&a.relevance_kept.unwrap_or(0.0)));
        let n_front = front.len();
        let n_listed = n_front.min(MAX_LISTED);
        let mut rows = vec![["relevance kept", title, "", "setting"].map(str::to_owned).to_vec()];
        for i in 0..n_listed {
            let point = front[if n_listed < n_front { i * (n_front - 1) / (n_listed - 1) } else { i }];
            let name = self.families[point.family].name.clone();
            rows.push(vec![cell(point.relevance_kept), cell(point.diversity), name, point.label.clone()]);
        }
        let mut text = table(&rows, 2);
        if n_listed < n_front {
            let _ = writeln!(text, "({n_listed} of {n_front} points; --json has all)");
        }
        text
    }

    fn choice_table(&self, title: &str) -> String {
        let has_holdout = self.n_holdout_slates > 0;
        let mut head = vec![String::new(), "relevance kept".to_owned(), title.to_owned()];
        if has_holdout {
            head.extend(["held out: kept".to_owned(), title.to_owned()]);
        }
        head.push("setting".to_owned());
        let mut rows = vec![head];
        let metric = self.metric_index();
        let kept = self.kept_index();
        for (index, family) in self.families.iter().enumerate() {
            let (Some(point), Some(choice)) = (self.chosen(index), &family.choice) else { continue };
            let star = if self.best == Some(index) && self.families.len() > 1 { " *" } else { "" };
            let mut row = vec![format!("{}{star}", family.name), cell(point.relevance_kept), cell(point.diversity)];
            if has_holdout {
                let at = |i: usize| cell(choice.holdout.as_ref().and_then(|means| means[i]));
                row.extend([at(kept), at(metric)]);
            }
            row.push(point.label.clone());
            rows.push(row);
        }
        let mut text = table(&rows, rows[0].len() - 1);
        if has_holdout {
            let _ = writeln!(text, "tuned on {} slates, {} held out", self.n_slates, self.n_holdout_slates);
        } else {
            let _ = writeln!(text, "tuned on {} slates", self.n_slates);
        }
        text
    }
}

/// Columns with two blanks between them. Text, which is the first column where it has no head and those from `n_numbers` on, is
/// set left, numbers right.
fn table(rows: &[Vec<String>], n_numbers: usize) -> String {
    let n_columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..n_columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.width());
            let is_text = column >= n_numbers || (column == 0 && rows[0][0].is_empty());
            line.push_str(&if is_text { format!("{cell}{pad}  ") } else { format!("{pad}{cell}  ") });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
