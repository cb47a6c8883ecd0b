//! `check`: everything that is wrong at once, and estimates.

use std::path::{Path, PathBuf};
use std::slice::from_ref;

use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt32Type};
use arrow_array::{Float64Array, Int64Array, ListArray, StringArray};
use serde_json::Value as Json;

use crate::data::Data;
use crate::files::{Folder, col};
use crate::program::*;

fn check(catalog: &[PathBuf], slates: &[PathBuf], more: &[&str]) -> Ran {
    let mut arguments: Vec<PathBuf> = vec!["check".into(), "--catalog".into()];
    arguments.extend_from_slice(catalog);
    arguments.push("--slates".into());
    arguments.extend_from_slice(slates);
    arguments.extend(["--backend", "cpu"].iter().chain(more).map(PathBuf::from));
    run(arguments)
}

fn json(ran: &Ran) -> Json {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.stdout))
}

/// Every line of `expected` is the start of one problem's text after the file's name, and there are no others.
fn assert_problems(ran: &Ran, folder: &Folder, expected: &[&str]) {
    let report = json(ran);
    let problems: Vec<String> =
        report["problems"].as_array().unwrap().iter().map(|p| p.as_str().unwrap().to_owned()).collect();
    let root = format!("{}/", folder.0.path().display());
    let mut texts: Vec<String> = problems.iter().map(|p| p.replace(&root, "")).collect();
    for line in expected {
        let at = texts.iter().position(|text| text.starts_with(line));
        texts.remove(at.unwrap_or_else(|| panic!("no problem starts with {line:?}: {problems:#?}")));
    }
    assert!(texts.is_empty(), "more than expected: {texts:#?}");
    assert_eq!(ran.code, Some(1));
    assert_eq!(report["ok"], false);
}

#[test]
fn sound_files_pass_in_every_format_and_nothing_is_written() {
    let (folder, data) = (Folder::new(), Data::new());
    let parquet = data.catalog_parquet(&folder);
    let npy = data.catalog_npy(&folder);
    let cases: [(&[PathBuf], Vec<PathBuf>, u64); 5] = [
        (from_ref(&parquet), vec![data.slates_parquet(&folder)], 4),
        (from_ref(&parquet), vec![data.slates_by_id(&folder)], 4),
        (from_ref(&parquet), vec![data.slates_long(&folder)], 4),
        (from_ref(&npy), vec![data.slates_jsonl(&folder)], 4),
        (&[npy.clone(), data.catalog_safetensors(&folder)], data.slates_npy(&folder).into(), 4),
    ];
    let before = listing(&folder);
    for (catalog, slates, n_slates) in cases {
        let ran = check(catalog, &slates, &["--json"]).ok();
        let report = json(&ran);
        assert_eq!((&report["ok"], &report["problems"]), (&true.into(), &serde_json::json!([])));
        assert_eq!((&report["n_items"], &report["n_items_read"]), (&40.into(), &40.into()));
        assert_eq!((&report["n_slates"], &report["n_slates_read"]), (&n_slates.into(), &n_slates.into()), "{slates:?}");
        let estimate = &report["estimate"];
        assert!(estimate["engine_slates_per_s"].as_f64().unwrap() > 0.0, "{report}");
        assert!(estimate["catalog_bytes"].as_u64().unwrap() >= 40 * 6 * 4, "{report}");
        assert!(estimate["engine"].as_str().unwrap().starts_with("CPU, f32"), "{report}");
        assert!(
            report["notes"][0].as_str().unwrap().contains("have fewer candidates than the 50 positions"),
            "{report}"
        );
    }
    assert_eq!(listing(&folder), before);
    let text = check(&[parquet], &[folder.path("slates.parquet")], &[]).ok();
    for part in [
        "looked at 40 of 40 items and 4 of 4 slates\n",
        "memory, about: ",
        "time, about: ",
        "nothing wrong was found\n",
    ] {
        assert!(text.stdout.contains(part), "{}", text.stdout);
    }
    assert!(text.stderr.is_empty(), "{}", text.stderr);
}

const BROKEN: &str = r#"
slate_size = 3
[relevance]
transform = "log"
adjust = [{ column = "title", weight = 1.0 }, { column = "fresh", weight = 1.0 }]
[[signal]]
name = "text"
[[signal]]
name = "image"
[[signal]]
name = "ragged"
[[spacing]]
name = "s"
column = "class"
values = [1]
strength = 1.0
window = 2
when = { surface = "home" }
[[cap]]
column = "class"
max = 1
window = 2
on_missing = "drop"
[[cap]]
column = "fresh"
max = 1
window = 2
[semantic_id]
column = "title"
strength = 1.0
window = 2
[filter]
seen_bloom = "watched"
"#;

#[test]
fn every_mismatch_is_told_at_once() {
    let folder = Folder::new();
    let text = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 1.0]].map(|row| Some(row.map(Some)));
    let ragged = [vec![Some(1.0)], vec![Some(1.0)], vec![Some(1.0), Some(2.0)], vec![Some(1.0)]].map(Some);
    let catalog = folder.parquet(
        "items.parquet",
        vec![
            ("item_id", col(StringArray::from(vec!["a", "b", "c", "d"]))),
            ("text", col(ListArray::from_iter_primitive::<Float32Type, _, _>(text))),
            ("ragged", col(ListArray::from_iter_primitive::<Float32Type, _, _>(ragged))),
            ("class", col(Int64Array::from(vec![Some(1), None, None, Some(2)]))),
            ("fresh", col(Float64Array::from(vec![Some(0.5), None, Some(0.1), Some(0.2)]))),
            ("title", col(StringArray::from(vec!["x", "y", "z", "w"]))),
        ],
    );
    let candidates = [vec![0, 1, 9], vec![0, 0], vec![1, 2], vec![2, 3], vec![3, 9], vec![2]];
    let scores = [vec![0.9, 0.8, 0.7], vec![0.9, 0.8], vec![0.5, f64::NAN], vec![0.5, -1.0], vec![1.0, 1.0], vec![1.0]];
    let lists = |rows: [Vec<i64>; 6]| {
        col(ListArray::from_iter_primitive::<Int64Type, _, _>(rows.map(|row| Some(row.into_iter().map(Some)))))
    };
    let slates = folder.parquet(
        "slates.parquet",
        vec![
            ("candidates", lists(candidates.map(|row| row.into_iter().map(i64::from).collect()))),
            (
                "scores",
                col(ListArray::from_iter_primitive::<Float64Type, _, _>(
                    scores.map(|row| Some(row.into_iter().map(Some))),
                )),
            ),
            ("surface", lists([vec![], vec![], vec![], vec![], vec![], vec![]])),
        ],
    );
    let config = folder.bytes("feed.toml", BROKEN.as_bytes());
    let ran = check(&[catalog], &[slates], &["--json", "--config", config.to_str().unwrap()]);
    assert_problems(
        &ran,
        &folder,
        &[
            "items.parquet: no column \"image\", which signal[1].name names (there are: item_id, text, ragged, class",
            "items.parquet: column \"ragged\" has 2 values at row 2 but 1 before: all rows of an embedding need one length",
            "items.parquet: relevance.adjust[0].column: column \"title\" holds text, needed are",
            "items.parquet: cap[1].column: column \"fresh\" holds numbers, needed are",
            "items.parquet: semantic_id.column: column \"title\" holds text, needed are lists of integers",
            "items.parquet: column \"fresh\" is null for 1 of 4 items (25.0 %), and relevance.adjust[1].column needs one: fill",
            "slates.parquet: has no column \"watched\" (it has: candidates, scores, surface): filter.seen_bloom names it",
            "slates.parquet: spacing[0].when.surface: no slate has \"surface\", so the rule never applies",
            "slates.parquet: slate \"0\": candidate 9 is not in the catalog, whose rows go from 0 to 3: remove it, or pass \
             the catalog these slates were made for (and 1 more slate like it)",
            "slates.parquet: slate 1: item a is listed twice (candidates 0 and 1): keep one of them",
            "slates.parquet: slate 2: the score of item c is NaN: scores must be finite numbers",
            "slates.parquet: slate 3: the score of item d is -1: transform \"log\" needs scores above 0",
        ],
    );
    let report = json(&ran);
    let notes = report["notes"].to_string();
    for part in [
        "column \\\"class\\\" is null for 2 of 4 items (50.0 %); they stay, and spacing[0].column counts nothing for them",
        "(50.0 %); cap[0].column takes them out of every slate (on_missing)",
        "1 of 1 slates have fewer candidates than the 3 positions",
    ] {
        assert!(notes.contains(part), "{notes}");
    }
    assert_eq!(report["estimate"], Json::Null);
    assert!(ran.failed(1).ends_with("12 problems were found"));
}

#[test]
fn slates_of_one_id_are_noted() {
    let (folder, data) = (Folder::new(), Data::new());
    let line = |id: &str| format!("{{\"slate_id\": {id}, \"candidates\": [1], \"scores\": [1]}}");
    // The last has no id: its number is one that another has.
    let lines =
        [line("\"a\""), line("\"b\""), line("\"a\""), line("4"), "{\"candidates\": [1], \"scores\": [1]}".to_owned()];
    let slates = folder.bytes("s.jsonl", lines.join("\n").as_bytes());
    let report = json(&check(&[data.catalog_npy(&folder)], &[slates], &["--json", "--slate-size", "1"]).ok());
    let notes = report["notes"].to_string();
    assert!(notes.contains("2 slates have the id of one before, the first is \\\"a\\\""), "{notes}");
}

#[test]
fn slates_beyond_the_limits_and_bad_lines_are_told() {
    let (folder, data) = (Folder::new(), Data::new());
    let rows: Vec<f32> = (0..10_002).flat_map(|i| [(i % 7) as f32, 1.0]).collect();
    let catalog = folder.npy("x.npy", &[10_002, 2], &rows);
    let large: Vec<u32> = (0..10_001).collect();
    let lines = [
        serde_json::json!({ "candidates": large, "scores": vec![0.5; large.len()], "surface": "home" }).to_string(),
        "{\"candidates\": [1]".to_owned(),
        "{\"candidates\": [1], \"scores\": [1, 2]}".to_owned(),
        "{\"candidates\": [10001, 5], \"scores\": [1, 2]}".to_owned(),
    ];
    let slates = folder.bytes("s.jsonl", lines.join("\n").as_bytes());
    let config = folder.bytes(
        "feed.toml",
        b"[[filter.drop]]\ncolumn = \"x\"\nwhen = { surface = \"home\", place = 1 }\n[window]\nbehind = 3",
    );
    let ran = check(from_ref(&catalog), from_ref(&slates), &["--json", "--config", config.to_str().unwrap()]);
    assert_problems(
        &ran,
        &folder,
        &[
            "x.npy: column \"x\" holds an embedding: it must hold single values",
            "s.jsonl: filter.drop[0].when.place: no slate has \"place\"",
            "s.jsonl: line 2 is not a JSON object",
            "s.jsonl: slate \"2\": 1 candidates but 2 scores",
            "s.jsonl: slate 0: 10001 candidates, at most 10000: send the best ones only",
        ],
    );
    // The sound one is timed, its items moved into the sample.
    let ran = check(from_ref(&catalog), &[folder.bytes("t.jsonl", lines[3].as_bytes())], &["--json"]).ok();
    assert_eq!((&json(&ran)["n_items"], &json(&ran)["n_items_read"]), (&10_002.into(), &10_000.into()));
    let pair = data.slates_npy(&folder);
    let ran = check(&[catalog, folder.path("none.npy")], &pair[..1], &["--json"]);
    assert_problems(&ran, &folder, &["none.npy: no such file", "candidates.npy: 1 slate files were given"]);
}

/// What slates need has the same name everywhere; without slates of the right form there is still a report.
#[test]
fn wrong_columns_of_slates_are_told_together() {
    let (folder, data) = (Folder::new(), Data::new());
    let lists = ListArray::from_iter_primitive::<UInt32Type, _, _>([Some(vec![Some(1)])]);
    let slates = folder.parquet(
        "s.parquet",
        vec![
            ("candidates", col(Int64Array::from(vec![1]))),
            ("scores", col(StringArray::from(vec!["x"]))),
            ("recent", col(Float64Array::from(vec![1.0]))),
            ("pinned", col(lists)),
        ],
    );
    let ran = check(&[data.catalog_parquet(&folder)], &[slates], &["--json"]);
    assert_problems(
        &ran,
        &folder,
        &[
            "s.parquet: column \"recent\" holds floating-point numbers",
            "s.parquet: column \"pinned\" holds lists of ",
            "s.parquet: column \"candidates\" holds integers",
            "s.parquet: column \"scores\" holds text",
        ],
    );
    let ran = run([Path::new("check"), Path::new("--catalog"), &folder.path("items.parquet")]);
    assert_eq!(ran.code, Some(2));
}

#[test]
fn rules_that_do_nothing_or_take_out_everybody_are_told() {
    let (folder, data) = (Folder::new(), Data::new());
    let config = folder.bytes(
        "feed.toml",
        b"[[spacing]]\nname = \"s\"\ncolumn = \"quality\"\nvalues = [9]\nstrength = 1.0\nwindow = 2\n\
          [[filter.drop]]\ncolumn = \"quality\"\nvalues = [9]\n[[filter.keep]]\ncolumn = \"quality\"\nvalues = [9]\n\
          [[filter.drop]]\ncolumn = \"quality\"\nvalues = [1]",
    );
    let files = (data.catalog_parquet(&folder), data.slates_parquet(&folder));
    let ran = check(&[files.0], &[files.1], &["--json", "--config", config.to_str().unwrap()]).ok();
    let report = json(&ran);
    let notes: Vec<&str> = report["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    let rules: Vec<&str> = notes.into_iter().filter(|n| n.starts_with("spacing") || n.starts_with("filter")).collect();
    let expected = [
        "spacing[0]: no item that was looked at is a member, so the rule does nothing there",
        "filter.drop[0]: takes out no item that was looked at",
        "filter.keep[0]: takes out every item that was looked at",
    ];
    assert_eq!(rules, expected);
}
