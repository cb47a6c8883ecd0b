//! The pages that are tested: one of every command that writes a report, and one with hostile names.

use std::path::{Path, PathBuf};
use std::process::Command;

use spectrank::report::{
    Axis, Bars, Chart, Column, Figure, Format, HeatMap, HeatMaps, Highlight, IntervalRow, Intervals, LineSeries, Lines,
    Part, Point, Report, Scatter, ScatterSeries, Section, StackSeries, StackedBars, Table,
};

/// What a file may hold as an item's title.
pub const HOSTILE: &str = "</script><img src=x onerror=alert(1)>";

/// What a command writes about the demo's data.
fn written(folder: &Path, command: &str, flags: &[&str]) -> PathBuf {
    let path = folder.join(format!("{command}.html"));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    let ran = Command::new(env!("CARGO_BIN_EXE_spectrank"))
        .arg(command)
        .args(flags)
        .arg("--catalog")
        .arg(data.join("items.parquet"))
        .arg("--slates")
        .arg(data.join("slates.parquet"))
        .arg("--config")
        .arg(data.join("feed.toml"))
        .arg("--html")
        .arg(&path)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    path
}

/// A slate of the demo, explained by the program.
pub fn explanation(folder: &Path) -> PathBuf {
    written(folder, "explain", &["--slate", "q0240", "--label-column", "title"])
}

/// Strategies on the slates of the demo, compared by the program.
pub fn compared(folder: &Path) -> PathBuf {
    let flags = ["--backend", "cpu", "--strategy", "relevance,spectral,mmr,dpp", "--category", "category"];
    written(folder, "compare", &flags)
}

/// More sweeps than there are colours, one of which keeps too little, by the program.
pub fn tuned(folder: &Path) -> PathBuf {
    let sweeps = [
        "relevance:",
        "spectral: spectral.strength=0.05..2:7:log window.behind=5,10",
        "spectral + balance: strategy=spectral spectral.strength+balance.strength=0.05..1:5:log",
        "mmr: mmr.lambda=0.3..0.98:6",
        "msd: msd.lambda=0.8..0.99:5",
        "dpp: dpp.theta=1..8:5:log",
        "ssd: ssd.gamma=0.02..1:6:log",
        "ssd, all placed: strategy=ssd ssd.window=0 ssd.gamma=0.02..1:6:log",
        "window of two: strategy=spectral window.behind=2 spectral.strength=0.1..1:4:log",
        "too far: strategy=spectral spectral.strength=20,40",
    ];
    let sweeps = sweeps.iter().flat_map(|sweep| ["--sweep", sweep]);
    let flags = ["--backend", "cpu", "--keep", "0.97", "--holdout", "0.25", "--refine", "2"].into_iter();
    written(folder, "tune", &flags.chain(sweeps).collect::<Vec<_>>())
}

/// Saves a report.
pub fn save(folder: &Path, name: &str, report: &Report) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, report.to_html()).unwrap();
    path
}

/// A small comparison, with numbers that tests name: configurations held against the first of them: means, differences with their intervals.
pub fn comparison() -> Report {
    let metrics = [("relevance kept", [0.981, 0.979]), ("distance to the 10 before", [0.707, 0.733])];
    let mut rows = Vec::new();
    let mut intervals = Vec::new();
    for (metric, [mmr, spectral]) in metrics {
        rows.push(vec![
            format!("{metric}, mmr").into(),
            mmr.into(),
            None::<f64>.into(),
            None::<f64>.into(),
            None::<f64>.into(),
        ]);
        let (difference, half) = (spectral - mmr, 0.004);
        let label = format!("{metric}, spectral");
        let (low, high) = (difference - half, difference + half);
        rows.push(vec![label.clone().into(), spectral.into(), difference.into(), low.into(), high.into()]);
        intervals.push(IntervalRow { label, value: difference, low, high });
    }
    let difference = |name: &str| Column::number(name, Format::Signed(4));
    let table = Table {
        caption: "Means over 800 slates".to_owned(),
        columns: vec![
            Column::text("metric and configuration"),
            Column::number("mean", Format::Plain(3)).with_note("over all slates"),
            difference("difference").with_note("to the first configuration, slate by slate"),
            difference("low").with_note("lower end of the 95 % bootstrap interval"),
            difference("high"),
        ],
        rows,
    };
    let forest =
        Intervals { x: Axis::new("difference to mmr", Format::Signed(3)), reference: Some(0.0), rows: intervals };
    let summary = "The distance is larger by 0.026; the relevance kept does not differ beyond chance.";
    let figures = vec![
        Figure::new("Slates", "800", "each re-ranked with both configurations"),
        Figure::new("Positions", "50", "per slate"),
    ];
    Report {
        title: "Two configurations on the same slates".to_owned(),
        intro: "What each configuration keeps and gains, and whether the difference is more than chance.".to_owned(),
        sections: vec![Section {
            heading: "Means".to_owned(),
            intro: "Differences are to the first configuration.".to_owned(),
            parts: vec![
                Part::Figures(figures),
                Part::Chart(Chart::new("Differences with 95 % intervals", summary, forest)),
                Part::Table(table),
            ],
        }],
    }
}

/// A small sweep, with numbers that tests name: settings of three strategies with their fronts, and the one chosen.
pub fn tuning() -> Report {
    let series = |name: &str, gain: f64| {
        let points = (0..12).map(|i| {
            let strength = f64::from(i) / 12.0;
            let dip = if i % 4 == 3 { 0.02 } else { 0.0 };
            Point {
                x: 0.6 + gain * strength - dip,
                y: 1.0 - 0.05 * strength * strength,
                label: format!("strength = {strength:.2}"),
            }
        });
        let front = (0..12).filter(|i| i % 4 != 3).collect();
        ScatterSeries { name: name.to_owned(), points: points.collect(), front }
    };
    let scatter = Scatter {
        x: Axis::new("distance to the 10 before (0 = the same, 1 = unrelated)", Format::Plain(3)),
        y: Axis::new("relevance kept", Format::Percent(1)),
        series: vec![series("spectral", 0.2), series("mmr", 0.15), series("dpp", 0.1)],
        x_reference: None,
        highlights: vec![Highlight { series: 0, point: 8, label: "chosen".to_owned() }],
    };
    let lines = Lines {
        x: Axis::new("strength", Format::Plain(2)),
        y: Axis::new("relevance kept", Format::Percent(1)),
        series: ["spectral", "mmr"]
            .iter()
            .enumerate()
            .map(|(s, name)| LineSeries {
                name: (*name).to_owned(),
                points: (0..10)
                    .map(|i| (f64::from(i) / 10.0, 1.0 - f64::from(i) * (0.004 + 0.002 * s as f64)))
                    .collect(),
            })
            .collect(),
    };
    let summary = "At every relevance kept, spectral has more variety than mmr, and mmr more than dpp.";
    Report {
        title: "36 settings over 800 slates".to_owned(),
        intro: "Each point is a setting; lines join those that no other setting beats in both directions.".to_owned(),
        sections: vec![
            Section {
                heading: "Relevance against variety".to_owned(),
                intro: "Up and to the right is better.".to_owned(),
                parts: vec![Part::Chart(Chart::new("Pareto fronts", summary, scatter))],
            },
            Section {
                heading: "By strength".to_owned(),
                intro: "The more variety counts, the less relevance is kept.".to_owned(),
                parts: vec![Part::Chart(Chart::new("Relevance kept", "Both fall; mmr falls faster.", lines))],
            },
        ],
    }
}

/// Every kind of chart, with a hostile name wherever a name can stand.
pub fn hostile() -> Report {
    let name = || HOSTILE.to_owned();
    let axis = || Axis::new(name(), Format::Plain(2));
    let names = || vec![name(), name(), name()];
    let values = || vec![0.5, -0.25, f64::NAN];
    let series = |values| StackSeries { name: name(), values };
    let stacked = StackedBars {
        x: axis(),
        y: axis(),
        categories: names(),
        details: names(),
        series: vec![series(values()), series(vec![-0.1, -0.2, 0.3])],
        total: Some(series(values())),
    };
    let bars = Bars { x: axis(), y: axis(), categories: names(), details: names(), values: values() };
    let matrix = vec![vec![1.0, 0.5, 0.1], vec![0.5, 1.0, 0.2], vec![0.1, 0.2, 1.0]];
    let map = || HeatMap { title: name(), names: names(), values: matrix.clone() };
    let maps = HeatMaps { axis: axis(), scale: axis(), range: (0.0, 1.0), maps: vec![map(), map()] };
    let points = vec![Point { x: 0.0, y: 1.0, label: name() }, Point { x: 1.0, y: 2.0, label: name() }];
    let scatter = Scatter {
        x: axis(),
        y: axis(),
        series: vec![ScatterSeries { name: name(), points, front: vec![0, 1] }],
        x_reference: Some(0.5),
        highlights: vec![Highlight { series: 0, point: 1, label: name() }],
    };
    let row = IntervalRow { label: name(), value: 0.1, low: -0.1, high: 0.3 };
    let intervals = Intervals { x: axis(), reference: None, rows: vec![row.clone(), row] };
    let lines =
        Lines { x: axis(), y: axis(), series: vec![LineSeries { name: name(), points: vec![(0.0, 1.0), (1.0, 0.5)] }] };
    let chart = |kind: spectrank::report::ChartKind| Part::Chart(Chart::new(name(), name(), kind));
    let parts = vec![
        Part::Text(name()),
        Part::Code { title: name(), text: name() },
        Part::Figures(vec![Figure::new(name(), name(), name())]),
        Part::Table(Table {
            caption: name(),
            columns: vec![Column::text(name()).with_note(name()), Column::number(name(), Format::Plain(1))],
            rows: vec![vec![HOSTILE.into(), 1.0.into()], vec![HOSTILE.into(), f64::NAN.into()]],
        }),
        chart(stacked.into()),
        chart(bars.into()),
        chart(maps.into()),
        chart(scatter.into()),
        chart(intervals.into()),
        chart(lines.into()),
    ];
    let sections = vec![
        Section { heading: name(), intro: name(), parts },
        Section { heading: format!("{HOSTILE} 2"), ..Section::default() },
    ];
    Report { title: name(), intro: name(), sections }
}
