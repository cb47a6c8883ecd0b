//! The demo as text for a terminal, at most 100 columns wide.

use std::fmt::Write;

use super::compare::{Change, DemoReport, Entry, SlateReport};
use super::layout::{cut, fit, wrap};
use super::render_rules::rules;

/// Columns of the text.
pub(super) const WIDTH: usize = 100;
/// Slates shown position by position.
const N_SHOWN: usize = 3;
const TITLE_WIDTH: usize = 25;
const CATEGORY_WIDTH: usize = 13;
const QUERY_WIDTH: usize = 50;

/// Whether the text may carry terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    Plain,
    /// With ANSI colours, for a terminal.
    Ansi,
}

#[derive(Clone, Copy)]
pub(super) enum Ink {
    Heading,
    Sensitive,
    Up,
    Quiet,
}

impl Style {
    pub(super) fn paint(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Heading => "1",
            Ink::Sensitive => "33",
            Ink::Up => "32",
            Ink::Quiet => "2",
        };
        match self {
            Self::Ansi if !text.trim().is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// Draws the demo: what it is about, a few slates before and after, what changed in all of them, and
/// what rules change.
pub fn render(report: &DemoReport, style: Style) -> String {
    let mut text = wrap(&explanation(report), WIDTH);
    text.push('\n');
    for slate in report.slates.iter().take(N_SHOWN) {
        text.push('\n');
        side_by_side(&mut text, slate, report, style);
    }
    text.push('\n');
    summary(&mut text, report, style);
    text.push('\n');
    rules(&mut text, &report.rules, style);
    text
}

fn explanation(report: &DemoReport) -> String {
    format!(
        "A feed or a page of results is mostly sorted by one score per item, and so look-alikes crowd together: each \
         of them is relevant, and the page is dull. spectrank fills the page place by place. For each place it looks \
         at the {} items before, finds the few themes they share, and holds back candidates that would repeat those \
         themes; relevance still has the first word. Sensitive items (marked *: illness, weapons, drugs, crime) are \
         kept apart from each other. The data is real: entries of the WordNet dictionary, asked for by a definition \
         and scored by how near their meaning is to it. A word with several meanings has several entries.",
        report.n_before
    )
}

fn side_by_side(text: &mut String, slate: &SlateReport, report: &DemoReport, style: Style) {
    let column = TITLE_WIDTH + 3 + CATEGORY_WIDTH;
    line(text, &style.paint(Ink::Heading, &cut(&format!("“{}”", slate.query), WIDTH)));
    let head = format!("    {}   re-ranked", fit("by relevance alone", column));
    line(text, &style.paint(Ink::Quiet, &head));
    let Change { before, after } = &slate.entries;
    for (position, (before, after)) in before.iter().zip(after).enumerate() {
        let cells = [cell(before, style), cell(after, style), moved(after.rank, position, style)];
        line(text, &format!("{:>2}  {}   {}  {}", position + 1, cells[0], cells[1], cells[2]));
    }
    let Change { before, after } = slate.distance;
    let mut figures = format!(
        "    relevance kept {:.1} %, distance to the {} before {before:.2} → {after:.2}",
        slate.relevance_kept * 100.0,
        report.n_before
    );
    if slate.sensitive_pairs != Change::default() {
        let Change { before, after } = slate.sensitive_pairs;
        // Writing to a String does not fail.
        let _ = write!(figures, ", close sensitive pairs {before} → {after}");
    }
    line(text, &figures);
}

/// Mark, title and category.
fn cell(entry: &Entry, style: Style) -> String {
    let mark = if entry.is_sensitive { "*" } else { " " };
    let title = fit(&format!("{mark} {}", entry.title), TITLE_WIDTH + 2);
    let title = if entry.is_sensitive { style.paint(Ink::Sensitive, &title) } else { title };
    let category = entry.category.strip_prefix("noun.").unwrap_or(&entry.category);
    format!("{title} {}", style.paint(Ink::Quiet, &fit(category, CATEGORY_WIDTH)))
}

/// How far an item came, from its rank or its place in another list.
pub(super) fn moved(rank: usize, position: usize, style: Style) -> String {
    match rank.cmp(&position) {
        std::cmp::Ordering::Greater => style.paint(Ink::Up, &format!("↑{}", rank - position)),
        std::cmp::Ordering::Less => format!("↓{}", position - rank),
        std::cmp::Ordering::Equal => "=".to_owned(),
    }
}

fn summary(text: &mut String, report: &DemoReport, style: Style) {
    let head = format!("{} {:>9}  {:^18}  {:^16}", fit("", QUERY_WIDTH), "relevance", "distance to", "sensitive pairs");
    line(text, &style.paint(Ink::Quiet, &head));
    let before = format!("the {} before", report.n_before);
    let within = format!("within {}", report.spacing_window);
    let head = format!("{} {:>9}  {before:^18}  {within:^16}", fit("What changed in each slate", QUERY_WIDTH), "kept");
    line(text, &style.paint(Ink::Heading, &head));
    for slate in &report.slates {
        line(text, &summary_line(&slate.query, slate.relevance_kept, slate.distance, slate.sensitive_pairs));
    }
    let n = report.slates.len().max(1) as f64;
    let mean = |figure: fn(&SlateReport) -> f64| report.slates.iter().map(figure).sum::<f64>() / n;
    let sum = |figure: fn(&SlateReport) -> usize| report.slates.iter().map(figure).sum();
    let all = summary_line(
        &format!("all {} slates (mean; of pairs, the sum)", report.slates.len()),
        mean(|slate| slate.relevance_kept),
        Change { before: mean(|slate| slate.distance.before), after: mean(|slate| slate.distance.after) },
        Change { before: sum(|slate| slate.sensitive_pairs.before), after: sum(|slate| slate.sensitive_pairs.after) },
    );
    line(text, &style.paint(Ink::Heading, &all));
    let legend = format!(
        "Relevance kept: the sum of the scores on the page, against the best possible. Distance: how unlike the {} \
         items before it an item is, 0 = the same, 1 = unrelated. Sensitive pairs: two that stand at most {} places \
         apart. ↑7: came up seven places.",
        report.n_before, report.spacing_window
    );
    text.push('\n');
    line(text, &style.paint(Ink::Quiet, &wrap(&legend, WIDTH)));
}

fn summary_line(name: &str, relevance_kept: f64, distance: Change<f64>, pairs: Change<usize>) -> String {
    let distance = format!("{:.2} → {:.2}", distance.before, distance.after);
    let pairs = match pairs {
        Change { before: 0, after: 0 } => "none".to_owned(),
        Change { before, after } => format!("{before} → {after}"),
    };
    format!("{} {:>7.1} %  {distance:^18}  {pairs:^16}", fit(name, QUERY_WIDTH), relevance_kept * 100.0)
}

pub(super) fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}
