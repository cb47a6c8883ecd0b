//! The slate that shows what rules change, as text.

use super::layout::{cut, fit, wrap};
use super::render::{Ink, Style, WIDTH, line, moved};
use super::rules::{RulesEntry, RulesReport};

const TITLE_WIDTH: usize = 22;
/// Four codes of two digits and the dots between them.
const CODES_WIDTH: usize = 11;
const SHARED_WIDTH: usize = 6;

pub(super) fn rules(text: &mut String, report: &RulesReport, style: Style) {
    line(text, &style.paint(Ink::Heading, "Rules on top of variety"));
    line(text, &wrap(&explanation(report), WIDTH));
    text.push('\n');
    line(text, &style.paint(Ink::Heading, &cut(&format!("“{}”", report.query), WIDTH)));
    let head = |title| {
        let codes = fit("Semantic ID", CODES_WIDTH);
        format!("{} {codes} {}", fit(title, TITLE_WIDTH + 2), fit("shared", SHARED_WIDTH))
    };
    let head = format!("    {}   {}", head("variety alone"), head("with both rules"));
    line(text, &style.paint(Ink::Quiet, &head));
    for (position, (before, after)) in report.entries.before.iter().zip(&report.entries.after).enumerate() {
        let move_ = match after.elsewhere {
            Some(place) => moved(place, position, style),
            None => style.paint(Ink::Up, "new"),
        };
        line(text, &format!("{:>2}  {}   {}  {move_}", position + 1, cell(before, style), cell(after, style)));
    }
    let RulesReport { relevance_kept, sensitive_pairs, codes_shared, .. } = report;
    line(
        text,
        &format!(
            "    relevance kept {:.1} → {:.1} %, close sensitive pairs {} → {}, codes shared (mean) {:.1} → {:.1}",
            relevance_kept.before * 100.0,
            relevance_kept.after * 100.0,
            sensitive_pairs.before,
            sensitive_pairs.after,
            codes_shared.before,
            codes_shared.after
        ),
    );
}

fn explanation(report: &RulesReport) -> String {
    format!(
        "Variety knows embeddings only; rules bring in what else you know. Here, once more, is a slate from above: on the \
         left by variety alone, on the right with two rules. One keeps sensitive items (*) apart. The other keeps items apart \
         whose Semantic IDs begin alike: such an ID is a path of codes from broad to narrow, here down the dictionary's tree \
         of meanings (0: no such level). Shared: how many leading codes an item has in common with the closest of the {} \
         before it. New: was not on the page.",
        report.window
    )
}

/// Mark, title, codes and how many of them are shared.
fn cell(entry: &RulesEntry, style: Style) -> String {
    let mark = if entry.is_sensitive { "*" } else { " " };
    let title = fit(&format!("{mark} {}", entry.title), TITLE_WIDTH + 2);
    let title = if entry.is_sensitive { style.paint(Ink::Sensitive, &title) } else { title };
    let codes: Vec<String> = entry.codes.iter().map(u32::to_string).collect();
    let codes = style.paint(Ink::Quiet, &fit(&codes.join("."), CODES_WIDTH));
    let shared = match entry.n_shared {
        0 => "-".to_owned(),
        n => n.to_string(),
    };
    format!("{title} {codes} {}", fit(&format!("  {shared}"), SHARED_WIDTH))
}
