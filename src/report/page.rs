//! The page: one HTML file with everything inside.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::policy::{LIBRARY, POLICY, SCRIPT, STYLE};
use super::{Chart, ChartKind, Figure, Part, Report, Section};

/// Most series of a chart that are told apart.
const N_SERIES: usize = 8;

impl Report {
    /// The page as one file.
    pub fn to_html(&self) -> String {
        let mut charts = Vec::new();
        let sections: Vec<Markup> = self.sections.iter().enumerate().map(|(i, s)| section(i, s, &mut charts)).collect();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="generator" content=(concat!("spectrank ", env!("CARGO_PKG_VERSION")));
                    title { (self.title) }
                    // Without it a browser asks for /favicon.ico.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a class="skip" href="#content" { "Skip to the content" }
                    header {
                        div class="bar" {
                            p class="brand" { "spectrank " (env!("CARGO_PKG_VERSION")) }
                            button type="button" id="theme" hidden { "Dark" }
                        }
                        h1 { (self.title) }
                        p class="lead" { (self.intro) }
                        @if self.sections.len() > 1 {
                            nav aria-label="Sections" { ul { @for (i, section) in self.sections.iter().enumerate() {
                                li { a href=(format!("#s{i}")) { (section.heading) } }
                            } } }
                        }
                    }
                    main id="content" tabindex="-1" {
                        noscript { p class="note" { "Charts need JavaScript; their numbers are in the tables below them." } }
                        @for section in &sections { (section) }
                    }
                    p id="status" class="unseen" role="status" {}
                    (patterns())
                    script type="application/json" id="report-data" { (PreEscaped(embedded(&charts))) }
                    script { (PreEscaped(LIBRARY)) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string()
    }
}

/// JSON that cannot end the element it stands in, nor begin another: a browser looks for `<` alone.
fn embedded(charts: &[&Chart]) -> String {
    // Structs of numbers and texts: there is nothing in them that serde_json refuses.
    let json = serde_json::to_string(charts).unwrap_or_else(|_| "[]".to_owned());
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn section<'a>(i: usize, section: &'a Section, charts: &mut Vec<&'a Chart>) -> Markup {
    let id = format!("s{i}");
    let parts: Vec<Markup> = section.parts.iter().map(|p| part(p, charts)).collect();
    html! {
        section id=(id) aria-labelledby=(format!("{id}-h")) {
            h2 id=(format!("{id}-h")) { (section.heading) }
            @if !section.intro.is_empty() { p { (section.intro) } }
            @for part in &parts { (part) }
        }
    }
}

fn part<'a>(part: &'a Part, charts: &mut Vec<&'a Chart>) -> Markup {
    match part {
        Part::Text(text) => html! { p { (text) } },
        Part::Code { title, text } => html! {
            details { summary { (title) } pre tabindex="0" role="group" aria-label=(title) { code { (text) } } }
        },
        Part::Figures(list) => figures(list),
        Part::Table(table) => table.html(),
        Part::Chart(chart) => {
            charts.push(chart);
            figure(charts.len() - 1, chart)
        }
    }
}

fn figures(list: &[Figure]) -> Markup {
    html! {
        dl class="figures" { @for figure in list {
            div {
                dt { (figure.name) }
                dd { span class="value" { (figure.value) } span class="note" { (figure.note) } }
            }
        } }
    }
}

fn figure(i: usize, chart: &Chart) -> Markup {
    html! {
        figure {
            figcaption {
                h3 { (chart.title) }
                p id=(format!("c{i}-summary")) { (chart.summary) }
            }
            (legend(chart))
            div class="chart" data-chart=(i) {}
            details {
                summary { "Numbers of this chart" }
                @for table in chart.tables() { (table.html()) }
            }
        }
    }
}

/// Which series is which. Series differ in colour, and in pattern, symbol or dashes.
fn legend(chart: &Chart) -> Markup {
    let entry = |name: &str, swatch: Markup| html! { li { (swatch) (name) } };
    let entries: Vec<Markup> = match &chart.kind {
        ChartKind::StackedBars(bars) => {
            let parts = bars.series.iter().enumerate().map(|(i, s)| {
                let fill = format!("fill:url(#pattern-{})", i % N_SERIES);
                entry(&s.name, html! { svg viewBox="0 0 16 16" aria-hidden="true" { rect width="16" height="16" style=(fill) {} } })
            });
            let total = bars.total.iter().map(|s| {
                entry(&s.name, html! { svg viewBox="0 0 16 16" aria-hidden="true" { rect class="total" y="6" width="16" height="4" {} } })
            });
            parts.chain(total).collect()
        }
        // The script draws the swatches: symbols and dashes are the library's.
        ChartKind::Scatter(chart) => {
            let swatch = |i: usize| html! { svg viewBox="0 0 16 16" aria-hidden="true" data-symbol=(i) {} };
            chart.series.iter().enumerate().map(|(i, s)| entry(&s.name, swatch(i))).collect()
        }
        ChartKind::Lines(chart) => {
            let swatch = |i: usize| html! { svg viewBox="0 0 16 16" aria-hidden="true" data-dash=(i) {} };
            chart.series.iter().enumerate().map(|(i, s)| entry(&s.name, swatch(i))).collect()
        }
        ChartKind::HeatMaps(maps) => {
            let end = |x: f64| maps.scale.format.text(x);
            return html! {
                p class="scale" { (maps.scale.label) ": " (end(maps.range.0)) span class="ramp" {} (end(maps.range.1)) }
            };
        }
        ChartKind::Intervals(chart) => match chart.reference {
            Some(x) => {
                let value = if x == 0.0 { "0".to_owned() } else { chart.x.format.text(x) };
                let text = format!("filled: the interval does not hold {value}; hollow: it does");
                return html! { p class="scale" { (text) } };
            }
            None => Vec::new(),
        },
        ChartKind::Bars(_) => Vec::new(),
    };
    html! { @if !entries.is_empty() { ul class="legend" { @for entry in &entries { (entry) } } } }
}

/// Fills that differ without their colour.
fn patterns() -> Markup {
    let lines: [&str; N_SERIES] = [
        "",
        "M-2 2 L2 -2 M0 8 L8 0 M6 10 L10 6",
        "M0 4 H8",
        "M4 0 V8",
        "M-2 6 L2 10 M0 0 L8 8 M6 -2 L10 2",
        "M0 4 H8 M4 0 V8",
        "M0 0 L8 8 M0 8 L8 0",
        "M2 4 H6",
    ];
    html! {
        svg class="patterns" style="position:absolute" width="0" height="0" aria-hidden="true" { defs {
            @for (i, path) in lines.iter().enumerate() {
                pattern id=(format!("pattern-{i}")) width="8" height="8" patternUnits="userSpaceOnUse" {
                    rect width="8" height="8" style=(format!("fill:var(--series-{i})")) {}
                    path d=(path) class="hatch" {}
                }
            }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Axis, Bars, Column, Format, Table};

    const HOSTILE: &str = "</script><img src=x onerror=alert(1)><!-- & \"'";

    /// A report that has the hostile name everywhere a name can stand.
    fn hostile() -> Report {
        let name = || HOSTILE.to_owned();
        let axis = || Axis::new(name(), Format::Plain(1));
        let bars =
            Bars { x: axis(), y: axis(), categories: vec![name()], details: vec![name()], values: vec![f64::NAN] };
        let table = Table {
            caption: name(),
            columns: vec![Column::text(name()).with_note(name())],
            rows: vec![vec![HOSTILE.into()]],
        };
        let parts = vec![
            Part::Text(name()),
            Part::Code { title: name(), text: name() },
            Part::Figures(vec![Figure::new(name(), name(), name())]),
            Part::Table(table),
            Part::Chart(Chart::new(name(), name(), bars)),
        ];
        let sections =
            vec![Section { heading: name(), intro: name(), parts }, Section { heading: name(), ..Section::default() }];
        Report { title: name(), intro: name(), sections }
    }

    #[test]
    fn names_are_text_wherever_they_stand() {
        let page = hostile().to_html();
        assert!(!page.contains("<img") && !page.contains("</script><img") && !page.contains("<!--"));
        assert_eq!(page.matches("</script>").count(), 3, "data, library, script");
        assert!(page.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"));
        let data = page.split_once("id=\"report-data\">").unwrap().1.split_once("</script>").unwrap().0;
        assert!(!data.contains('<'));
        let charts: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(charts[0]["title"], HOSTILE, "escaped, and still the same name");
        assert!(charts[0]["values"][0].is_null(), "what is no number is null");
    }

    #[test]
    fn a_page_names_nothing_outside_itself() {
        let page = hostile().to_html();
        let own = page.replace(LIBRARY, "").replace(SCRIPT, "").replace(STYLE, "");
        for outside in ["http://", "https://", "src=\"", "@import"] {
            assert!(!own.contains(outside), "{outside}");
        }
        assert!(own.contains("<html lang=\"en\">"));
    }
}
