//! `spectrank explain` as its users run it.

use std::path::PathBuf;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::data::Data;
use crate::files::Folder;
use crate::program::*;

/// Settings that use every term.
const CONFIG: &str = "slate_size = 12
[spectral]
strength = 0.4
[[spacing]]
name = \"fifth\"
column = \"quality\"
values = [1]
strength = 0.2
window = 4
[balance]
strength = 0.1
[[cap]]
column = \"quality\"
max = 2
window = 5
";

struct Case {
    folder: Folder,
    catalog: PathBuf,
    slates: PathBuf,
    config: PathBuf,
}

impl Case {
    fn new() -> Self {
        let (folder, data) = (Folder::new(), Data::new());
        let (catalog, slates) = (data.catalog_parquet(&folder), data.slates_parquet(&folder));
        let config = folder.bytes("feed.toml", CONFIG.as_bytes());
        Self { folder, catalog, slates, config }
    }

    fn explain(&self, more: &[&str]) -> Ran {
        let paths = ["--catalog", self.catalog.to_str().unwrap(), "--slates", self.slates.to_str().unwrap()];
        run(["explain", "--config", self.config.to_str().unwrap()].iter().chain(&paths).chain(more))
    }

    fn json(&self, slate: &str, more: &[&str]) -> Value {
        let ran = self.explain(&[&["--slate", slate, "--json"], more].concat()).ok();
        assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
        serde_json::from_str(&ran.stdout).unwrap()
    }
}

#[test]
fn numbers_are_those_of_rerank_in_double_precision() {
    let case = Case::new();
    let output = case.folder.path("ranked.jsonl");
    let rerank = Rerank::of(std::slice::from_ref(&case.catalog), std::slice::from_ref(&case.slates), &output);
    let [relevance, mmr, msd, dpp, ssd] = ["relevance", "mmr", "msd", "dpp", "ssd"].map(|name| ["--strategy", name]);
    for more in [&[][..], &["--strength", "1.5", "--ahead", "3"], &relevance, &mmr, &msd, &dpp, &ssd] {
        let config = ["--config", case.config.to_str().unwrap(), "--precision", "f64", "--json"];
        let summary = rerank.clone().on_cpu().with(config).with(more).run().ok();
        let summary: Value = serde_json::from_str(&summary.stdout).unwrap();
        let mut n_out_of_rank = 0;
        let rows = read_rows(&output);
        for slate in ["q0", "q1", "q2", "q3"] {
            let wanted: Vec<&Row> = rows.iter().filter(|row| row.slate_id == slate).collect();
            let found = case.json(slate, more);
            let positions = found["positions"].as_array().unwrap();
            assert_eq!(positions.len(), wanted.len(), "{slate}");
            n_out_of_rank += u64::from(!found["rank_exhausted_at"].is_null());
            for (at, row) in positions.iter().zip(wanted) {
                let chosen = &at["chosen"];
                assert_eq!(
                    (&at["position"], &chosen["item"]["id"]),
                    (&row.position.into(), &row.item_id.clone().into())
                );
                assert_eq!(chosen["candidate"], row.candidate);
                for (name, number) in [
                    ("score", row.score),
                    ("base", row.base),
                    ("utility", row.utility),
                    ("diversity", row.diversity),
                    ("spacing", row.spacing),
                    ("semantic", row.semantic),
                    ("balance", row.balance),
                ] {
                    assert_eq!(chosen[name].as_f64(), Some(number), "{slate}, position {}, {name}", row.position);
                }
            }
        }
        assert_eq!(summary["rank_exhausted_slates"].as_u64(), Some(n_out_of_rank), "{more:?}");
    }
}

#[test]
fn strategies_without_spectra_have_no_part_about_them() {
    let case = Case::new();
    let page = case.folder.path("why.html");
    for (name, sum, exhausted) in [
        ("mmr", "utility = 0.7000 · base + diversity", None),
        ("msd", "utility = 0.7000 · base + diversity", None),
        // Six dimensions; for ssd the constant that extends the rows is one more.
        ("dpp", "utility = 1.4000 · base + diversity", Some(6)),
        ("ssd", "utility = base + diversity", Some(7)),
    ] {
        let found = case.json("q1", &["--strategy", name]);
        let positions = found["positions"].as_array().unwrap();
        assert_eq!((&found["strategy"], positions.len()), (&name.into(), 12));
        assert!(positions.iter().all(|at| at["spectra"].as_array().unwrap().is_empty()), "{name}");
        let text = case.explain(&["--slate", "q1", "--strategy", name]).ok().stdout;
        assert!(text.contains(&format!("by the {name} strategy")) && text.contains(sum), "{text}");
        let detail = case.explain(&["--slate", "q1", "--strategy", name, "--position", "5"]).ok().stdout;
        assert!(!text.contains("theme") && !detail.contains("Themes"), "{text}\n{detail}");
        case.explain(&["--slate", "q1", "--strategy", name, "--html", page.to_str().unwrap()]).ok();
        let html = std::fs::read_to_string(&page).unwrap();
        assert!(html.contains("Terms of the utility") && !html.contains("Themes (spectra)"), "{name}");
        assert_eq!(found["rank_exhausted_at"].as_u64(), exhausted, "{name}");
        for text in [text, html] {
            let sentence = exhausted.map(|position| format!("Out of rank at position {position}:"));
            assert!(sentence.is_none_or(|sentence| text.contains(&sentence)), "{name}");
            assert_eq!(text.contains("Out of rank"), exhausted.is_some(), "{name}");
        }
    }
}

#[test]
fn text_names_items_by_label_and_fits_a_terminal() {
    let case = Case::new();
    let ran = case.explain(&["--slate", "q1", "--slate", "q0", "--label-column", "fresh"]).ok();
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    let (first, second) = (ran.stdout.find("Slate q1: 12 of 33"), ran.stdout.find("Slate q0: 12 of 20"));
    assert!(first.is_some() && first < second, "in the order asked for: {}", ran.stdout);
    assert!(ran.stdout.contains("utility = base + diversity + spacing + balance"), "{}", ran.stdout);
    assert!(ran.stdout.contains("0.23") && !ran.stdout.contains("item-"), "{}", ran.stdout);
    let ids = case.explain(&["--slate", "q1"]).ok().stdout;
    assert!(ids.contains("item-23"), "{ids}");
    for line in ran.stdout.lines().chain(ids.lines()) {
        assert!(line.width() <= 100, "{line}");
    }
}

#[test]
fn a_position_is_shown_in_full() {
    let case = Case::new();
    let text = case.explain(&["--slate", "q1", "--position", "5", "--position", "0"]).ok().stdout;
    assert!(text.starts_with("Position 5 in detail: 28 candidates compete\n"), "{text}");
    assert!(
        text.contains("Themes of the items in the window") && text.contains("runner-up; by relevance at"),
        "{text}"
    );
    let (_, first) = text.split_once("Position 0 in detail: 33 candidates compete").unwrap();
    assert!(!first.contains("Themes"), "nothing was seen before position 0: {first}");
    let ran = case.explain(&["--slate", "q1", "--position", "12"]);
    assert_eq!(ran.failed(1), "--position: 12 is not in slate q1, which has 12 positions, from 0");
}

#[test]
fn an_unknown_slate_is_named_with_its_file_and_the_way_to_the_ids() {
    let case = Case::new();
    let ran = case.explain(&["--slate", "q0", "--slate", "q9"]);
    let wanted = format!(
        "{}: there is no slate \"q9\": it has 4 slates (\"q0\", \"q1\", \"q2\", …); --list prints the ids of all",
        case.slates.display()
    );
    assert_eq!((ran.failed(1), ran.stdout.as_str()), (wanted.as_str(), ""));
    assert_eq!(case.explain(&["--list"]).ok().stdout, "q0\nq1\nq2\nq3\n");
}

#[test]
fn a_label_column_that_is_not_there_is_named() {
    let case = Case::new();
    let ran = case.explain(&["--slate", "q0", "--label-column", "title"]);
    let line = ran.failed(1);
    assert!(line.starts_with(case.catalog.to_str().unwrap()) && line.contains("\"title\""), "{line}");
    let ran = case.explain(&["--slate", "q0", "--label-column", "text"]);
    assert!(ran.failed(1).starts_with("--label-column text: is an embedding"), "{}", ran.stderr);
}

#[test]
fn a_page_is_one_file_and_holds_the_slate() {
    let case = Case::new();
    let page = case.folder.path("why.html");
    let ran = case.explain(&["--slate", "q1", "--html", page.to_str().unwrap()]).ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "the page says it all");
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"));
    for wanted in ["Why slate q1 looks as it does", "item-23", "Terms of the utility", "strength = 0.4", "Exposure"] {
        assert!(html.contains(wanted), "{wanted}");
    }
    let page_of_two = ["--slate", "q1", "--slate", "q0", "--position", "1", "--html", page.to_str().unwrap()];
    assert_eq!(case.explain(&page_of_two).ok().stdout.matches("Position 1 in detail").count(), 2);
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("Why 2 slates look as they do") && html.contains("What moved, slate q0"));
    let before = listing(&case.folder);
    let ran = case.explain(&["--slate", "q1", "--html", "none/why.html"]);
    assert!(ran.failed(3).starts_with("none/why.html: "), "{}", ran.stderr);
    assert_eq!(listing(&case.folder), before);
}

#[test]
fn a_page_goes_to_standard_output_where_nothing_else_does() {
    let case = Case::new();
    let page = case.folder.path("why.html");
    case.explain(&["--slate", "q1", "--html", page.to_str().unwrap()]).ok();
    let ran = case.explain(&["--slate", "q1", "--html", "-"]).ok();
    assert!(ran.stdout == std::fs::read_to_string(&page).unwrap() && ran.stderr.is_empty());
    for more in [&["--json"][..], &["--position", "1"]] {
        let ran = case.explain(&[&["--slate", "q1", "--html", "-"], more].concat());
        let line = "-: cannot be standard output, which is for what the command prints: name a file";
        assert_eq!((ran.failed(2), ran.stdout.as_str()), (line, ""));
    }
    assert!(!std::path::Path::new("-").exists());
}

#[test]
fn the_readme_shows_what_the_program_prints() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let (_, section) = readme.split_once("## Explain one slate").unwrap();
    let block = |kind: &str| section.split_once(&format!("```{kind}\n")).unwrap().1.split_once("```").unwrap().0;
    let command = block("bash").replace("\\\n", " ");
    let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
    let ran = Ran::of(program().current_dir(folder).args(&arguments).output().unwrap()).ok();
    let (header, excerpt) = block("text").split_once('\n').unwrap();
    assert!(ran.stdout.lines().any(|line| line == header), "{}", ran.stdout);
    assert!(ran.stdout.contains(excerpt), "{}", ran.stdout);
}
