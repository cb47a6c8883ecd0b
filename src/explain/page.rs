//! Explanations as a page to read.

use super::text::out_of_rank;
use super::{Contender, Explanation, Listing, NamedItem, PositionExplanation, Term};
use crate::report::{
    Axis, Bars, Chart, Column, Figure, Format, HeatMap, HeatMaps, LineSeries, Lines, Part, Report, Section,
    StackSeries, StackedBars, Table,
};

/// Digits of terms and utilities.
const TERM: usize = 4;

/// One page about these slates, with the configuration (as TOML) at its end.
pub fn report(explanations: &[Explanation], config: &str) -> Report {
    let title = match explanations {
        [one] => format!("Why slate {} looks as it does", one.slate_id),
        many => format!("Why {} slates look as they do", many.len()),
    };
    let mut sections: Vec<Section> = Vec::new();
    for explanation in explanations {
        let suffix = if explanations.len() > 1 { format!(", slate {}", explanation.slate_id) } else { String::new() };
        sections.extend(slate(explanation).into_iter().map(|section| {
            let heading = section.heading + &suffix;
            Section { heading, ..section }
        }));
    }
    sections.push(Section {
        heading: "Settings".to_owned(),
        intro: "The page was computed in double precision, as rerank --precision f64 does.".to_owned(),
        parts: vec![Part::Code { title: "Configuration (TOML)".to_owned(), text: config.to_owned() }],
    });
    let intro = "Every position goes to the candidate with the highest utility: its base score, less what it costs to \
                 repeat what was just seen. This page shows that sum for each position, and what would stand there \
                 otherwise. Positions count from 0."
        .to_owned();
    Report { title, intro, sections }
}

fn slate(explanation: &Explanation) -> Vec<Section> {
    let mut sections = vec![glance(explanation), utility(explanation), similarity(explanation)];
    if explanation.positions.iter().any(|at| !at.spectra.is_empty()) {
        sections.push(themes(explanation));
    }
    sections.push(moves(explanation));
    sections.retain(|section| !section.parts.is_empty());
    sections
}

fn glance(explanation: &Explanation) -> Section {
    let n = explanation.positions.len();
    let mut figures = Vec::new();
    if let Some(kept) = explanation.relevance_kept {
        let note = "sum of the base scores on the slate, against the best possible";
        figures.push(Figure::new("Relevance kept", Format::Percent(1).text(kept), note));
    }
    let change = |before: Option<f64>, after: Option<f64>| {
        let text = |x| Format::Plain(3).text(x);
        before.zip(after).map(|(before, after)| format!("{} → {}", text(before), text(after)))
    };
    let (before, after) = (&explanation.before, &explanation.after);
    if let Some(change) = change(before.distance_to_before, after.distance_to_before) {
        let name = format!("Distance to the {} before", explanation.n_behind);
        figures.push(Figure::new(name, change, "mean of 1 − similarity, by relevance alone and as composed"));
    }
    if let Some(change) = change(before.mean_distance, after.mean_distance) {
        figures.push(Figure::new("Distance over all pairs", change, "0 = the same, 1 = unrelated"));
    }
    let n_moved = explanation.positions.iter().filter(|at| at.chosen.rank != at.position).count();
    figures.push(Figure::new(
        "Moved",
        format!("{n_moved} of {n}"),
        "items that stand elsewhere than by relevance alone",
    ));
    let mut intro = format!(
        "{n} of {} candidates were placed by the {} strategy.",
        explanation.n_candidates,
        explanation.strategy_name()
    );
    if explanation.n_filtered > 0 {
        intro += &format!(" Filters took out {} before.", explanation.n_filtered);
    }
    let mut parts = vec![Part::Figures(figures)];
    parts.extend(explanation.rank_exhausted_at.map(|position| Part::Text(out_of_rank(position))));
    Section { heading: "At a glance".to_owned(), intro, parts }
}

fn utility(explanation: &Explanation) -> Section {
    let positions = &explanation.positions;
    let axis = |label: &str| Axis::new(label, Format::Plain(3));
    let series = |name: &str, value: &dyn Fn(&Contender) -> f64| StackSeries {
        name: name.to_owned(),
        values: positions.iter().map(|at| value(&at.chosen)).collect(),
    };
    let weight = explanation.base_weight;
    let base = if weight == 1.0 { "base".to_owned() } else { format!("{} · base", Format::Plain(3).text(weight)) };
    let mut parts = vec![series(&base, &|chosen| weight * chosen.base)];
    parts.extend(numbers(explanation).map(|term| series(term.name(), &|chosen| chosen.signed(term))));
    let bars = StackedBars {
        x: position_axis(),
        y: axis("utility"),
        categories: categories(positions),
        details: details(positions),
        series: parts,
        total: Some(series("utility", &|chosen| chosen.utility)),
    };
    let summary = "Bars above zero add to an item's utility, bars below take from it; the line across each bar is what \
                   is left.";
    Section {
        heading: "Position by position".to_owned(),
        intro: "Who stands where, with the terms of the utility, in units of the base score.".to_owned(),
        parts: vec![
            Part::Chart(Chart::new("Terms of the utility", summary, bars)),
            Part::Table(positions_table(explanation)),
            Part::Table(runners_up(explanation)),
        ],
    }
}

fn positions_table(explanation: &Explanation) -> Table {
    let number = |name: &str| Column::number(name, Format::Plain(TERM));
    let mut columns = vec![
        Column::number("position", Format::Plain(0)),
        Column::text("item"),
        Column::number("moved", Format::Signed(0)).with_note("places up from the order of relevance; negative is down"),
        number("base"),
    ];
    columns.extend(numbers(explanation).map(|term| number(term.name())));
    columns.push(number("utility"));
    columns.push(Column::text("runner-up").with_note("the best of the others who competed"));
    columns.push(number("lead").with_note("utility ahead of the runner-up; negative where a cap or a pin decided"));
    let without = explanation.terms.iter().filter(|term| is_ever_decisive(explanation, **term));
    columns.extend(without.clone().map(|term| {
        let note =
            format!("who would stand here if {} did not count at this position; – is the same item", term.name());
        Column::text(format!("without {}", term.name())).with_note(note)
    }));
    let row = |at: &PositionExplanation| {
        let chosen = &at.chosen;
        let mut row =
            vec![(at.position as f64).into(), name(&chosen.item).into(), moved(at).into(), chosen.base.into()];
        row.extend(numbers(explanation).map(|term| chosen.signed(term).into()));
        row.push(chosen.utility.into());
        row.push(at.runner_up.as_ref().map(|runner_up| name(&runner_up.item)).into());
        row.push(at.lead.into());
        row.extend(without.clone().map(|term| {
            let found = at.without.iter().find(|without| without.term == *term);
            found.map(|without| name(&without.winner.item)).into()
        }));
        row
    };
    let rows = explanation.positions.iter().map(row).collect();
    Table { caption: "Every position: who stands there, and who else might".to_owned(), columns, rows }
}

fn runners_up(explanation: &Explanation) -> Table {
    let number = |name: &str| Column::number(name, Format::Plain(TERM));
    let mut columns = vec![
        Column::number("position", Format::Plain(0)),
        Column::text("runner-up"),
        Column::number("by relevance", Format::Plain(0)).with_note("its place in the order of relevance"),
        number("base"),
    ];
    columns.extend(numbers(explanation).map(|term| number(term.name())));
    columns.push(number("utility"));
    let row = |(position, contender): (usize, &Contender)| {
        let mut row = vec![
            (position as f64).into(),
            name(&contender.item).into(),
            (contender.rank as f64).into(),
            contender.base.into(),
        ];
        row.extend(numbers(explanation).map(|term| contender.signed(term).into()));
        row.push(contender.utility.into());
        row
    };
    let found = explanation.positions.iter().filter_map(|at| at.runner_up.as_ref().map(|found| (at.position, found)));
    Table { caption: "Runners-up with their terms".to_owned(), columns, rows: found.map(row).collect() }
}

fn is_ever_decisive(explanation: &Explanation, term: Term) -> bool {
    explanation.positions.iter().any(|at| at.without.iter().any(|without| without.term == term))
}

fn similarity(explanation: &Explanation) -> Section {
    let (before, after) = (&explanation.before, &explanation.after);
    let mut parts = Vec::new();
    if !after.similarity.is_empty() {
        let least = before.similarity.iter().chain(&after.similarity).flatten().copied().fold(0.0, f64::min);
        let most = before.similarity.iter().chain(&after.similarity).flatten().copied().fold(1.0, f64::max);
        let maps = HeatMaps {
            axis: position_axis(),
            scale: Axis::new("similarity", Format::Plain(2)),
            range: (least, most),
            maps: vec![heat_map("By relevance alone", before), heat_map("As composed", after)],
        };
        let summary = "Each square compares two positions. Blocks along the diagonal are runs of look-alikes: fewer of \
                       them after re-ranking is what variety means.";
        parts.push(Part::Chart(Chart::new("Similarity of the items", summary, maps)));
    }
    Section {
        heading: "Before and after".to_owned(),
        intro: "How alike the items are, in the order of relevance and as composed.".to_owned(),
        parts,
    }
}

fn heat_map(title: &str, listing: &Listing) -> HeatMap {
    let names = listing.items.iter().enumerate().map(|(i, item)| format!("{i} {}", name(item))).collect();
    // Four digits: colours show two, and 500 positions make a quarter of a million numbers.
    let rounded = |row: &Vec<f64>| row.iter().map(|x| (x * 1e4).round() / 1e4).collect();
    HeatMap { title: title.to_owned(), names, values: listing.similarity.iter().map(rounded).collect() }
}

fn themes(explanation: &Explanation) -> Section {
    let positions = &explanation.positions;
    let n_spectra = positions.iter().map(|at| at.spectra.len()).max().unwrap_or(0);
    let lines = (0..n_spectra.min(8)).map(|k| LineSeries {
        name: format!("theme {}", k + 1),
        points: positions
            .iter()
            .filter_map(|at| at.spectra.get(k).map(|spectrum| (at.position as f64, spectrum.exposure)))
            .collect(),
    });
    let lines = Lines { x: position_axis(), y: Axis::new("exposure E", Format::Plain(2)), series: lines.collect() };
    let summary = "How much of each theme had been shown when a position was filled. Themes are numbered anew at every \
                   position, the largest first, so a line is a rank, not one theme.";
    Section {
        heading: "Themes (spectra)".to_owned(),
        intro: "A theme is a leading eigenvector of the similarities among the items just seen. A candidate pays for \
                lying in themes that were shown much."
            .to_owned(),
        parts: vec![Part::Chart(Chart::new("Exposure", summary, lines)), Part::Table(themes_table(positions))],
    }
}

fn themes_table(positions: &[PositionExplanation]) -> Table {
    let columns = vec![
        Column::number("position", Format::Plain(0)),
        Column::number("theme", Format::Plain(0)),
        Column::number("share", Format::Percent(1)).with_note("of the window that the theme stands for, λ / trace"),
        Column::number("λ", Format::Plain(3)).with_note("eigenvalue of the window's similarity matrix"),
        Column::number("shown", Format::Plain(3)).with_note("exposure E: how much of the theme had been seen"),
        Column::number("takes", Format::Plain(TERM))
            .with_note("what the theme took from the utility of the item placed"),
        Column::text("items that lie most in it").with_note("window items with their loadings, by size"),
    ];
    let rows = positions.iter().flat_map(|at| {
        at.spectra.iter().enumerate().map(move |(k, spectrum)| {
            let items = spectrum.items.iter();
            let items: Vec<String> = items.map(|item| format!("{} {:.2}", name(&item.item), item.loading)).collect();
            vec![
                (at.position as f64).into(),
                (k as f64 + 1.0).into(),
                spectrum.share.into(),
                spectrum.eigenvalue.into(),
                spectrum.exposure.into(),
                at.chosen.spectra.get(k).map(|share| share.cost).into(),
                items.join(", ").into(),
            ]
        })
    });
    Table { caption: "The themes of the window at every position".to_owned(), columns, rows: rows.collect() }
}

fn moves(explanation: &Explanation) -> Section {
    let positions = &explanation.positions;
    let bars = Bars {
        x: position_axis(),
        y: Axis::new("places moved", Format::Signed(0)),
        categories: categories(positions),
        details: details(positions),
        values: positions.iter().map(moved).collect(),
    };
    let summary = "Up: the item came from further down the order of relevance. Down: others were put before it.";
    let mut parts = vec![Part::Chart(Chart::new("Displacement", summary, bars))];
    let table = decisions(positions);
    if !table.rows.is_empty() {
        parts.push(Part::Table(table));
    }
    Section {
        heading: "What moved".to_owned(),
        intro: "How far each item came from its place by relevance, and which term decided a position.".to_owned(),
        parts,
    }
}

fn decisions(positions: &[PositionExplanation]) -> Table {
    let number = |name: &str| Column::number(name, Format::Plain(TERM));
    let columns = vec![
        Column::number("position", Format::Plain(0)),
        Column::text("term"),
        Column::text("stands here"),
        Column::text("would stand here").with_note("if the term did not count, for anyone, at this position"),
        number("its base"),
        number("term takes").with_note("what the term took from the one who would stand here; – for caps and pins"),
        number("its utility"),
    ];
    let rows = positions.iter().flat_map(|at| {
        at.without.iter().map(move |without| {
            let winner = &without.winner;
            let taken = Term::OF_UTILITY.contains(&without.term).then(|| 0.0 - winner.signed(without.term));
            vec![
                (at.position as f64).into(),
                without.term.name().into(),
                name(&at.chosen.item).into(),
                name(&winner.item).into(),
                winner.base.into(),
                taken.into(),
                winner.utility.into(),
            ]
        })
    });
    Table { caption: "Positions that one term decided".to_owned(), columns, rows: rows.collect() }
}

fn position_axis() -> Axis {
    Axis::new("position", Format::Plain(0))
}

fn categories(positions: &[PositionExplanation]) -> Vec<String> {
    positions.iter().map(|at| at.position.to_string()).collect()
}

fn details(positions: &[PositionExplanation]) -> Vec<String> {
    positions.iter().map(|at| name(&at.chosen.item)).collect()
}

fn moved(at: &PositionExplanation) -> f64 {
    at.chosen.rank as f64 - at.position as f64
}

fn numbers(explanation: &Explanation) -> impl Iterator<Item = Term> {
    explanation.terms.iter().copied().filter(|term| Term::OF_UTILITY.contains(term))
}

fn name(item: &NamedItem) -> String {
    item.name().to_owned()
}
