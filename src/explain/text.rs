//! An explanation as text, at most 100 columns wide, for a terminal or a pager.

use std::fmt::Write;

use unicode_width::UnicodeWidthStr;

use super::{Contender, Explanation, NamedItem, PositionExplanation, Term, Without};
use crate::demo::layout::{cut, fit, wrap};

/// Columns of the text.
const WIDTH: usize = 100;
/// Columns of a number.
const NUMBER: usize = 9;
/// Columns of the second lines' indent.
const INDENT: usize = 10;

/// The whole slate: what was kept and gained, and per position who stands there and why.
pub fn overview(explanation: &Explanation) -> String {
    let mut text = head(explanation);
    text.push('\n');
    let terms = numbers(explanation);
    let columns = 3 + terms.len();
    let item_width = (WIDTH - 8 - 2 - 6 - columns * (NUMBER + 1)).min(40);
    let mut header = format!("position  {} {:>5}", fit("item", item_width), "moved");
    header.push_str(&heading("base"));
    terms.iter().for_each(|term| header.push_str(&heading(term.name())));
    header.push_str(&heading("utility"));
    header.push_str(&heading("lead"));
    line(&mut text, &header);
    let row = |first: &str, contender: &Contender, moved: &str| {
        let item = fit(&name(&contender.item), item_width);
        format!("{first:>8}  {item} {moved:>5}{}", cells(contender, &terms))
    };
    for at in &explanation.positions {
        let lead = at.lead.map_or_else(|| heading("–"), cell);
        line(&mut text, &(row(&at.position.to_string(), &at.chosen, &moved(at)) + &lead));
        if let Some(runner_up) = &at.runner_up {
            line(&mut text, &row("over", runner_up, ""));
        }
        paragraph(&mut text, &reason(at));
    }
    text
}

fn head(explanation: &Explanation) -> String {
    let n = explanation.positions.len();
    let mut text = String::new();
    let title =
        format!("Slate {}: {n} of {} candidates placed", clean(&explanation.slate_id), explanation.n_candidates);
    let strategy = format!(" by the {} strategy", explanation.strategy_name());
    line(&mut text, &(cut(&title, WIDTH - strategy.width()) + &strategy));
    let mut figures: Vec<String> = Vec::new();
    if explanation.n_filtered > 0 {
        figures.push(format!("{} candidates filtered", explanation.n_filtered));
    }
    if let Some(kept) = explanation.relevance_kept {
        figures.push(format!("relevance kept {:.1} %", kept * 100.0));
    }
    let change = |before: Option<f64>, after: Option<f64>| {
        before.zip(after).map(|(before, after)| format!("{before:.3} → {after:.3}"))
    };
    let (before, after) = (&explanation.before, &explanation.after);
    if let Some(change) = change(before.distance_to_before, after.distance_to_before) {
        figures.push(format!("distance to the {} before {change}", explanation.n_behind));
    }
    if let Some(change) = change(before.mean_distance, after.mean_distance) {
        figures.push(format!("over all pairs {change}"));
    }
    if !figures.is_empty() {
        line(&mut text, &figures.join(", "));
    }
    let n_moved = explanation.positions.iter().filter(|at| at.chosen.rank != at.position).count();
    line(&mut text, &format!("{n_moved} of {n} items stand elsewhere than by relevance alone"));
    if let Some(position) = explanation.rank_exhausted_at {
        line(&mut text, &wrap(&out_of_rank(position), WIDTH));
    }
    let mut sum = match explanation.base_weight {
        1.0 => "utility = base".to_owned(),
        weight => format!("utility = {} · base", number(weight)),
    };
    for term in numbers(explanation) {
        sum.push_str(" + ");
        sum.push_str(term.name());
    }
    let legend = format!(
        "{sum}; what takes from it is negative here. At each position the candidate with the highest utility is \
         placed; under it stands the runner-up, and lead is how far it is ahead of that. “Without” names who would stand there if that term did not count at this position. Moved: from the \
         place by relevance. Distance: 0 = the same, 1 = unrelated. Positions count from 0, as in the output."
    );
    text.push('\n');
    line(&mut text, &wrap(&legend, WIDTH));
    text
}

/// What it means that a strategy ran out of rank.
pub(super) fn out_of_rank(position: u32) -> String {
    format!(
        "Out of rank at position {position}: there, for the first time, every candidate left lies in what the placed items \
         span, so the strategy sees no variety to gain, and base scores and penalties alone decide."
    )
}

/// What decided.
fn reason(at: &PositionExplanation) -> String {
    let part = |without: &Without| match without.term {
        Term::Pin => "pinned here".to_owned(),
        term => format!("without {}: {}{}", term.name(), name(&without.winner.item), loss(without, at)),
    };
    at.without.iter().map(part).collect::<Vec<_>>().join("; ")
}

/// What a term took from the one who would have won without it.
fn loss(without: &Without, at: &PositionExplanation) -> String {
    let taken = -without.winner.signed(without.term);
    match without.term {
        Term::Cap => format!(" ({} above its cap)", without.winner.cap_excess),
        Term::Diversity if taken < 0.0 => format!(" (gains only {})", number(-taken)),
        Term::Diversity => match theme(&without.winner, at) {
            Some((_, items)) if at.spectra.len() == 1 => format!(" (loses {} to {items})", number(taken)),
            Some((cost, items)) => format!(" (loses {}, {} of it to {items})", number(taken), number(cost)),
            None => format!(" (loses {})", number(taken)),
        },
        _ => format!(" (loses {})", number(taken)),
    }
}

/// The spectrum that costs a candidate most, by the items that stand for it.
fn theme(contender: &Contender, at: &PositionExplanation) -> Option<(f64, String)> {
    let costs = contender.spectra.iter().map(|share| share.cost).zip(&at.spectra);
    let (cost, spectrum) = costs.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(cost, _)| *cost > 0.0)?;
    let items: Vec<String> = spectrum.items.iter().map(|item| name(&item.item)).collect();
    Some((cost, format!("the theme of {}", items.join(", "))))
}

/// One position in full: the contenders and the spectra. None where the slate has no such position.
pub fn detail(explanation: &Explanation, position: usize) -> Option<String> {
    let at = explanation.positions.get(position)?;
    let mut text = String::new();
    let others = match at.n_competing {
        1 => "1 candidate competes".to_owned(),
        n => format!("{n} candidates compete"),
    };
    line(&mut text, &format!("Position {position} in detail: {others}"));
    text.push('\n');
    contenders(&mut text, explanation, at);
    if !at.spectra.is_empty() {
        text.push('\n');
        spectra(&mut text, at);
    }
    Some(text)
}

/// The contenders of a position, each once, with the parts they play.
fn parts(at: &PositionExplanation) -> Vec<(String, &Contender)> {
    let mut parts: Vec<(String, &Contender)> = vec![("placed".to_owned(), &at.chosen)];
    let runner_up = at.runner_up.iter().map(|runner_up| ("runner-up".to_owned(), runner_up));
    let without = at.without.iter().map(|w| (format!("without {}", w.term.name()), &w.winner));
    for (part, contender) in runner_up.chain(without) {
        match parts.iter_mut().find(|(_, known)| known.item.row == contender.item.row) {
            Some((known, _)) => {
                known.push_str(", ");
                known.push_str(&part);
            }
            None => parts.push((part, contender)),
        }
    }
    parts
}

fn contenders(text: &mut String, explanation: &Explanation, at: &PositionExplanation) {
    let terms = numbers(explanation);
    let item_width = (WIDTH - 3 - (2 + terms.len()) * (NUMBER + 1)).min(46);
    let mut header = format!("   {}{}", fit("candidate", item_width), heading("base"));
    terms.iter().for_each(|term| header.push_str(&heading(term.name())));
    header.push_str(&heading("utility"));
    line(text, &header);
    for (letter, (part, contender)) in ('A'..).zip(parts(at)) {
        line(text, &format!("{letter}  {}{}", fit(&name(&contender.item), item_width), cells(contender, &terms)));
        paragraph(text, &format!("{part}; by relevance at {}", contender.rank));
    }
}

fn spectra(text: &mut String, at: &PositionExplanation) {
    let parts = parts(at);
    let letters: String = ('A'..).take(parts.len()).collect();
    let legend = format!(
        "Themes of the items in the window (spectra). Share: of the window; λ: eigenvalue; shown: exposure E, how much of \
         the theme has been seen; {}: what the theme takes from that candidate. With a theme stand the items that lie most \
         in it, with their loadings.",
        letters.chars().map(String::from).collect::<Vec<_>>().join(", ")
    );
    line(text, &wrap(&legend, WIDTH));
    let mut header = format!("theme{}{}{}", heading("share"), heading("λ"), heading("shown"));
    letters.chars().for_each(|letter| header.push_str(&heading(&format!("takes {letter}"))));
    line(text, &header);
    for (k, spectrum) in at.spectra.iter().enumerate() {
        let share = format!("{:.1} %", spectrum.share * 100.0);
        let mut row =
            format!("{:>5}{}{}{}", k + 1, heading(&share), cell(spectrum.eigenvalue), cell(spectrum.exposure));
        for (_, contender) in &parts {
            row.push_str(&contender.spectra.get(k).map_or_else(|| heading("–"), |share| cell(share.cost)));
        }
        line(text, &row);
        let items = spectrum.items.iter().map(|item| format!("{} {:.2}", name(&item.item), item.loading));
        paragraph(text, &items.collect::<Vec<_>>().join(", "));
    }
}

fn numbers(explanation: &Explanation) -> Vec<Term> {
    explanation.terms.iter().copied().filter(|term| Term::OF_UTILITY.contains(term)).collect()
}

fn cells(contender: &Contender, terms: &[Term]) -> String {
    let mut cells = cell(contender.base);
    terms.iter().for_each(|&term| cells.push_str(&cell(contender.signed(term))));
    cells.push_str(&cell(contender.utility));
    cells
}

fn heading(text: &str) -> String {
    format!(" {text:>NUMBER$}")
}

fn cell(x: f64) -> String {
    heading(&number(x))
}

/// Four digits after the point where the size allows it.
fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-4..1e6).contains(&size) => format!("{x:.1e}"),
        size if size >= 100.0 => format!("{x:.1}"),
        _ => format!("{x:.4}"),
    }
}

/// How far an item came, from its place by relevance.
fn moved(at: &PositionExplanation) -> String {
    match at.chosen.rank.cmp(&at.position) {
        std::cmp::Ordering::Greater => format!("↑{}", at.chosen.rank - at.position),
        std::cmp::Ordering::Less => format!("↓{}", at.position - at.chosen.rank),
        std::cmp::Ordering::Equal => "=".to_owned(),
    }
}

fn name(item: &NamedItem) -> String {
    cut(&clean(item.name()), 40)
}

/// Names come from files: control characters must not reach a terminal.
fn clean(text: &str) -> String {
    crate::text::one_line(text)
}

fn paragraph(text: &mut String, paragraph: &str) {
    for broken in wrap(paragraph, WIDTH - INDENT).lines() {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{:INDENT$}{broken}", "");
    }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}
