//! A sweep as a page to read.

use super::front::{Place, front};
use super::result::{Choice, FamilyResult, Point, TuneResult};
use crate::compare::{metrics_table, sentence, slates, titled};
use crate::evaluate::MetricInfo;
use crate::metrics::Better;
use crate::report::{
    self, Axis, Cell, Chart, Column, Figure, Format, Highlight, Part, Report, Scatter, ScatterSeries, Section, Table,
};

/// Digits of means in tables.
const DIGITS: usize = 4;
/// Most settings on the page: a browser gets slow with more.
const MAX_SHOWN: usize = 2000;
/// The closer look begins so many times the share that may be lost below the wanted relevance.
const CLOSE: f64 = 2.0;

/// One page about a sweep, with the chosen configurations at its end.
pub fn report(result: &TuneResult) -> Report {
    let page = Page::new(result);
    let n = result.points.len();
    Report {
        title: format!("{n} {} over {}", if n == 1 { "setting" } else { "settings" }, slates(result.n_slates)),
        intro: format!(
            "Every setting by the relevance that it keeps and its {}, and for every strategy or sweep the best one that keeps {} \
             of the relevance.",
            page.metric.title,
            percent(result.keep)
        ),
        sections: vec![page.glance(), page.scatters(), page.choices(), page.all(), page.metrics(), page.settings()],
    }
}

fn percent(share: f64) -> String {
    Format::Percent(2).text(share)
}

struct Page<'r> {
    result: &'r TuneResult,
    metric: &'r MetricInfo,
    /// Per family: its own front by rising relevance, as indices of points.
    fronts: Vec<Vec<usize>>,
    /// Points that the page shows, in order.
    shown: Vec<usize>,
}

impl<'r> Page<'r> {
    fn new(result: &'r TuneResult) -> Self {
        let sign = result.sign();
        let kept = |i: usize| result.points[i].relevance_kept.unwrap_or(f64::NAN);
        let front_of = |family: usize| {
            let place = |point: &Point| point.place(sign).filter(|_| point.family == family);
            let places: Vec<Place> = result.points.iter().map(place).collect();
            let on: Vec<bool> = front(&places);
            let mut on: Vec<usize> = (0..on.len()).filter(|&i| on[i]).collect();
            on.sort_by(|&a, &b| kept(a).total_cmp(&kept(b)));
            on
        };
        let fronts: Vec<Vec<usize>> = (0..result.families.len()).map(front_of).collect();
        let chosen = result.families.iter().filter_map(|family| family.choice.as_ref()).map(|choice| choice.point);
        let first: Vec<usize> = chosen.chain(fronts.iter().flatten().copied()).collect();
        Self {
            result,
            metric: &result.metrics[result.metric_index()],
            shown: shown(result.points.len(), first),
            fronts,
        }
    }

    fn name(&self, family: usize) -> &'r str {
        &self.result.families[family].name
    }

    /// The metric's key with the direction that is better.
    fn short(&self) -> String {
        format!("{} {}", self.metric.key, if self.metric.better == Better::Lower { '↓' } else { '↑' })
    }

    fn glance(&self) -> Section {
        let result = self.result;
        let held_out = match result.n_holdout_slates {
            0 => "none held out".to_owned(),
            n => format!("{n} more held out"),
        };
        let n_refined = result.points.iter().filter(|point| point.is_refined).count();
        let mut figures = vec![
            Figure::new("Settings", result.points.len().to_string(), format!("{n_refined} of them by the refinement")),
            Figure::new("Slates", result.n_slates.to_string(), held_out),
            Figure::new("Relevance to keep", percent(result.keep), "sum of base scores, against the best possible"),
        ];
        if let Some((best, point)) = result.best.and_then(|best| result.chosen(best).map(|point| (best, point))) {
            let value = point.diversity.map_or_else(String::new, |x| Format::Plain(DIGITS).text(x));
            let name = format!("Best {}", self.metric.key);
            figures.push(Figure::new(name, value, format!("{}: {}", self.name(best), said(point))));
        }
        Section { heading: "At a glance".to_owned(), intro: String::new(), parts: vec![Part::Figures(figures)] }
    }

    fn scatters(&self) -> Section {
        let result = self.result;
        let up = if self.metric.better == Better::Lower { "down" } else { "up" };
        let kept = |&i: &usize| result.points[i].relevance_kept;
        let from = result.keep - CLOSE * (1.0 - result.keep);
        let close: Vec<usize> =
            self.shown.iter().copied().filter(|i| kept(i).is_some_and(|kept| kept >= from)).collect();
        let reached = result.families.iter().enumerate().filter_map(|(index, family)| {
            let x = result.chosen(index)?.diversity?;
            Some(format!("{} {}", family.name, Format::Plain(DIGITS).text(x)))
        });
        let reached = reached.collect::<Vec<_>>().join(", ");
        let summary = match reached.is_empty() {
            true => format!("No setting keeps {} of the relevance.", percent(result.keep)),
            false => format!("With {} of the relevance kept (dashed line): {reached}.", percent(result.keep)),
        };
        let (mut parts, mut all) = (Vec::new(), summary.clone());
        // Where everything is close, one picture is enough.
        if close.len() > 1 && close.len() < self.shown.len() {
            let title = format!("Around {} of the relevance", percent(result.keep));
            parts.push(Part::Chart(Chart::new(title, summary, self.scatter(&close))));
            all = "The same with everything that was tried.".to_owned();
        }
        parts.push(Part::Chart(Chart::new("All settings", all, self.scatter(&self.shown))));
        let mut intro = format!(
            "Every point is a setting: {up} and to the right is better. Lines join what no other setting of the same name \
             beats in both. Rings are the chosen settings. {}: {}.",
            sentence(&self.metric.title),
            self.metric.meaning
        );
        if self.shown.len() < result.points.len() {
            let (n_shown, n) = (self.shown.len(), result.points.len());
            intro += &format!(" {n_shown} of {n} settings are shown, all of the lines among them; --json has all.");
        }
        Section { heading: "Relevance against variety".to_owned(), intro, parts }
    }

    fn scatter(&self, points: &[usize]) -> Scatter {
        let result = self.result;
        let mut highlights: Vec<(bool, Highlight)> = Vec::new();
        let mut series = Vec::new();
        for (index, family) in result.families.iter().enumerate() {
            let drawn = points.iter().copied().filter(|&i| result.points[i].family == index);
            let drawn: Vec<(usize, f64, f64)> = drawn
                .filter_map(|i| result.points[i].relevance_kept.zip(result.points[i].diversity).map(|(x, y)| (i, x, y)))
                .collect();
            let place_of = |point: usize| drawn.iter().position(|&(i, ..)| i == point);
            if let Some(point) = family.choice.as_ref().and_then(|choice| place_of(choice.point)) {
                let label = format!("chosen: {}", family.name);
                highlights.push((result.best == Some(index), Highlight { series: series.len(), point, label }));
            }
            series.push(ScatterSeries {
                name: family.name.clone(),
                front: self.fronts[index].iter().filter_map(|&point| place_of(point)).collect(),
                points: drawn
                    .iter()
                    .map(|&(i, x, y)| report::Point { x, y, label: said(&result.points[i]).to_owned() })
                    .collect(),
            });
        }
        highlights.sort_by_key(|(is_best, _)| !is_best);
        Scatter {
            x: Axis::new("relevance kept", Format::Percent(1)),
            y: Axis::new(titled(self.metric), Format::Plain(3)),
            x_reference: Some(result.keep),
            series,
            highlights: highlights.into_iter().map(|(_, highlight)| highlight).collect(),
        }
    }

    fn choices(&self) -> Section {
        let result = self.result;
        let mut parts = vec![Part::Table(self.choices_table())];
        for family in &result.families {
            match &family.choice {
                None => {
                    let most = family.most_kept.map_or_else(|| "none".to_owned(), percent);
                    let text = format!("{}: no setting keeps enough; the most that one keeps is {most}.", family.name);
                    parts.push(Part::Text(text));
                }
                Some(choice) => parts.extend(choice.ends_range_of.iter().map(|parameter| {
                    let name = &family.name;
                    Part::Text(format!("{name}: the range of {parameter} ends here; a wider one may find more."))
                })),
            }
        }
        parts.push(Part::Table(self.chosen_metrics()));
        let held_out = match result.n_holdout_slates {
            0 => "No slates were held out: on others the choice may keep less.".to_owned(),
            n => format!("Held out: the same setting on {} that had no part in the choice.", slates(n)),
        };
        Section { heading: "Chosen settings".to_owned(), intro: held_out, parts }
    }

    fn choices_table(&self) -> Table {
        let result = self.result;
        let (kept, metric) = (result.kept_index(), result.metric_index());
        let relevance = |name: &str| Column::number(name, Format::Percent(2));
        let number = |name: String| Column::number(name, Format::Plain(DIGITS));
        let mut columns =
            vec![Column::text("name"), Column::text("strategy"), relevance("relevance kept"), number(self.short())];
        if result.n_holdout_slates > 0 {
            columns.push(relevance("held out: kept"));
            columns.push(number(format!("held out: {}", self.short())));
        }
        columns.push(Column::text("setting"));
        let row = |(index, choice, family): (usize, &Choice, &FamilyResult)| {
            let point = &result.points[choice.point];
            let star = if result.best == Some(index) && result.families.len() > 1 { " ★" } else { "" };
            let name = format!("{}{star}", family.name);
            let mut row: Vec<Cell> =
                vec![name.into(), family.strategy.name().into(), point.relevance_kept.into(), point.diversity.into()];
            if result.n_holdout_slates > 0 {
                let at = |i: usize| Cell::from(choice.holdout.as_ref().and_then(|means| means[i]));
                row.extend([at(kept), at(metric)]);
            }
            row.push(said(point).into());
            row
        };
        let caption = format!("The best {} with {} of the relevance kept", self.metric.key, percent(result.keep));
        Table { caption, columns, rows: self.chosen().map(row).collect() }
    }

    fn chosen(&self) -> impl Iterator<Item = (usize, &'r Choice, &'r FamilyResult)> {
        let families = self.result.families.iter().enumerate();
        families.filter_map(|(index, family)| family.choice.as_ref().map(|choice| (index, choice, family)))
    }

    /// All metrics of the chosen settings, on the slates held out where there are any.
    fn chosen_metrics(&self) -> Table {
        let result = self.result;
        let mut columns = vec![Column::text("metric")];
        columns.extend(self.chosen().map(|(.., family)| Column::number(&family.name, Format::Plain(DIGITS))));
        let means = |choice: &'r Choice| choice.holdout.as_ref().unwrap_or(&result.points[choice.point].means);
        let row = |(i, metric): (usize, &MetricInfo)| {
            let cells = self.chosen().map(|(_, choice, _)| Cell::from(means(choice)[i]));
            std::iter::once(titled(metric).into()).chain(cells).collect()
        };
        let caption = match result.n_holdout_slates {
            0 => format!("The chosen settings in all metrics, over the {} tuned on", slates(result.n_slates)),
            n => format!("The chosen settings in all metrics, over the {} held out", slates(n)),
        };
        Table { caption, columns, rows: result.metrics.iter().enumerate().map(row).collect() }
    }

    fn all(&self) -> Section {
        let result = self.result;
        let mut columns = vec![
            Column::text("name"),
            Column::text("setting"),
            Column::text("front").with_note("yes: of all settings none has more of both; own: of those of its name"),
            Column::text("refined").with_note("yes: added between two settings of the grid"),
        ];
        columns.extend(result.metrics.iter().map(|m| Column::number(titled(m), Format::Plain(DIGITS))));
        let row = |&i: &usize| {
            let point = &result.points[i];
            let is_own = self.fronts[point.family].contains(&i);
            let front = if point.is_on_front {
                "yes"
            } else if is_own {
                "own"
            } else {
                "no"
            };
            let mut row: Vec<Cell> = vec![
                self.name(point.family).into(),
                said(point).into(),
                front.into(),
                if point.is_refined { "yes" } else { "no" }.into(),
            ];
            row.extend(point.means.iter().map(|&mean| Cell::from(mean)));
            row
        };
        let caption = format!("Means over the {} tuned on", slates(result.n_slates));
        let rows = self.shown.iter().map(row).collect();
        Section {
            heading: "Every setting".to_owned(),
            intro: "Click a heading to sort. ↑ more is better, ↓ less is better.".to_owned(),
            parts: vec![Part::Table(Table { caption, columns, rows })],
        }
    }

    fn metrics(&self) -> Section {
        Section {
            heading: "The metrics".to_owned(),
            intro:
                "What was measured. S is the similarity of two items of a slate, base their score after transform and \
                    adjustments."
                    .to_owned(),
            parts: vec![Part::Table(metrics_table(&self.result.metrics))],
        }
    }

    fn settings(&self) -> Section {
        let code = |(_, choice, family): (usize, &Choice, &FamilyResult)| Part::Code {
            title: format!("{} (TOML)", family.name),
            text: choice.config.clone(),
        };
        Section {
            heading: "Settings".to_owned(),
            intro: "The chosen configurations with every default.".to_owned(),
            parts: self.chosen().map(code).collect(),
        }
    }
}

/// A setting in words.
fn said(point: &Point) -> &str {
    if point.label.is_empty() { "as configured" } else { &point.label }
}

/// Which of `n` points are shown, in order: those of `first`, and of the others as many as there is room for, evenly.
fn shown(n: usize, first: Vec<usize>) -> Vec<usize> {
    let mut is_first = vec![false; n];
    for i in first {
        is_first[i] = true;
    }
    let n_first = is_first.iter().filter(|&&is| is).count();
    let (n_others, room) = (n - n_first, MAX_SHOWN.saturating_sub(n_first));
    let mut nth = 0;
    let mut is_shown = |i: usize| {
        if is_first[i] || n_others <= room {
            return true;
        }
        nth += 1;
        nth * room / n_others > (nth - 1) * room / n_others
    };
    (0..n).filter(|&i| is_shown(i)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_what_a_browser_can_carry() {
        assert_eq!(shown(5, vec![3, 3]), [0, 1, 2, 3, 4]);
        let first: Vec<usize> = (0..300).map(|i| i * 7).collect();
        let found = shown(50_000, first.clone());
        assert_eq!(found.len(), MAX_SHOWN);
        assert!(first.iter().all(|i| found.binary_search(i).is_ok()));
        assert!(found.is_sorted() && found.last() > Some(&49_000), "evenly, to the end");
    }
}
