//! `spectrank parity` as its users run it.

use std::path::PathBuf;

use crate::data::Data;
use crate::files::Folder;
use crate::gpu::adapter;
use crate::program::*;

pub fn parity(arguments: &[&str]) -> Ran {
    run(["parity", "--engine", "cpu-f32"].iter().chain(arguments))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A utility that is the difference of two numbers of size 1e4, which single precision holds to 5e-4: no engine in
/// single precision can be right about the second position.
pub fn beyond_single_precision(folder: &Folder) -> PathBuf {
    let config = "slate_size = 3
        spacing = [{ name = \"s\", column = \"class\", values = [1], strength = 10000.0, window = 1 }]";
    let case = serde_json::json!({
        "name": "too fine",
        "config": config,
        "items": { "signals": { "s": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]] }, "columns": { "class": [1, 1, 0] } },
        "slates": [{ "slate_id": "a", "candidates": [0, 1, 2], "scores": [20000.0, 10000.123456789, -1.0] }],
    });
    folder.bytes("case.json", case.to_string().as_bytes())
}

#[test]
fn a_right_engine_is_0_and_says_yes_with_figures() {
    let ran = parity(&["--cases", "20", "--seed", "7"]).ok();
    assert!(ran.stdout.starts_with("CPU, f32, ") && ran.stdout.contains(": yes\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("    20 slates, ") && ran.stdout.contains("near ties"), "{}", ran.stdout);
    assert!(ran.stderr.is_empty(), "{}", ran.stderr);
    let report = json(&parity(&["--cases", "20", "--seed", "7", "--json"]).ok().stdout);
    assert_eq!((&report["holds"], report["engines"][0]["slates"].as_u64()), (&true.into(), Some(20)));
    let again = json(&parity(&["--cases", "20", "--seed", "7", "--json"]).ok().stdout);
    assert_eq!(report["engines"][0]["worst_error"], again["engines"][0]["worst_error"], "a seed means one thing");
    let (slate, position) =
        (&again["engines"][0]["worst_error"]["slate"], &again["engines"][0]["worst_error"]["position"]);
    let number = slate.as_str().unwrap().rsplit(' ').next().unwrap();
    let alone = json(&parity(&["--first", number, "--cases", "1", "--json"]).ok().stdout);
    assert_eq!(alone["engines"][0]["slates"], 1);
    assert_eq!(
        (&alone["engines"][0]["worst_error"]["slate"], &alone["engines"][0]["worst_error"]["position"]),
        (slate, position)
    );
    let other = json(&parity(&["--cases", "20", "--seed", "8", "--json"]).ok().stdout);
    assert_ne!(report["engines"][0]["worst_error"], other["engines"][0]["worst_error"]);
}

#[test]
fn a_wrong_engine_is_5_and_names_slate_position_and_stage() {
    let folder = Folder::new();
    let case = beyond_single_precision(&folder);
    let ran = parity(&["--replay", case.to_str().unwrap()]);
    assert!(ran.failed(5).contains("--save-failures"), "{}", ran.stderr);
    for part in ["NO, 1 of 1 slates", "too fine, slate a: position 1: utility", "stage select departs first"] {
        assert!(ran.stdout.contains(part), "no `{part}`: {}", ran.stdout);
    }
    let report = json(&parity(&["--json", "--replay", case.to_str().unwrap()]).stdout);
    let failure = &report["engines"][0]["failures"][0];
    assert_eq!((&report["holds"], &failure["position"]), (&false.into(), &1.into()));
    assert_eq!(failure["departure"]["stage"], "select");
}

#[test]
fn a_failure_is_saved_small_and_fails_again() {
    let folder = Folder::new();
    let (case, saved) = (beyond_single_precision(&folder), folder.path("saved"));
    let flags = ["--replay", case.to_str().unwrap(), "--save-failures", saved.to_str().unwrap()];
    let ran = parity(&flags);
    assert!(!ran.failed(5).contains("--save-failures"));
    let path = saved.join("01-too-fine-slate-a.json");
    assert!(ran.stdout.contains(path.to_str().unwrap()), "{}", ran.stdout);
    let text = json(&std::fs::read_to_string(&path).unwrap());
    assert_eq!(text["slates"][0]["candidates"].as_array().unwrap().len(), 2, "{text}");
    parity(&["--replay", path.to_str().unwrap()]).failed(5);
}

#[test]
fn files_of_the_users_own_are_checked() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = (data.catalog_parquet(&folder), data.slates_by_id(&folder));
    let config = folder.bytes("feed.toml", b"slate_size = 6\n[[signal]]\nname = \"graph\"");
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let missing = path(&folder.bytes("missing.toml", b"strategy = \"mrm\""));
    let (catalog, slates, config) = (path(&catalog), path(&slates), path(&config));
    let line = parity(&["--catalog", &catalog, "--slates", &slates, "--config", &missing]);
    assert!(line.failed(1).starts_with(&missing), "{}", line.stderr);
    let files = ["--catalog", &catalog, "--slates", &slates, "--config", &config, "--json"];
    let report = json(&parity(&files).ok().stdout);
    assert_eq!(report["engines"][0]["positions"].as_u64(), Some(data.n_rows(6) as u64));
    let some = json(&parity(&[&files[..], &["--cases", "2"]].concat()).ok().stdout);
    assert_eq!(some["engines"][0]["slates"], 2);
    let invariance = json(&parity(&[&files[..], &["--invariance"]].concat()).ok().stdout);
    assert_eq!(invariance["engines"][0]["slates"], 4);
}

#[test]
fn invariance_is_checked_in_every_way_there_is() {
    let ran = parity(&["--invariance", "--cases", "50"]).ok();
    for way in ["repeated", "one at a time", "in another order", "by a new engine", "without pruning", "on one thread"]
    {
        assert!(ran.stdout.contains(&format!("{way}: equal")), "{}", ran.stdout);
    }
}

#[test]
fn nothing_to_judge_is_no_yes() {
    let folder = Folder::new();
    let text = r#"{"name": "n", "config": "", "items": {"signals": {"s": [[1.0]]}, "columns": {}}, "slates": []}"#;
    let case = folder.bytes("empty.json", text.as_bytes());
    let ran = parity(&["--replay", case.to_str().unwrap()]);
    assert_eq!(ran.code, Some(5));
    assert!(ran.stdout.contains("NOTHING JUDGED"), "{}", ran.stdout);
}

#[test]
fn bad_flags_and_files_end_in_one_line() {
    for arguments in [
        &["--cases", "few"][..],
        &["--catalog", "a.npy"],
        &["--config", "a.toml"],
        &["--replay", "a.json", "--cases", "3"],
        &["--invariance", "--save-failures", "x"],
    ] {
        assert_eq!(parity(arguments).code, Some(2), "{arguments:?}");
    }
    let none = parity(&["--cases", "0"]);
    assert!(none.code == Some(2) && none.stderr.contains("a whole number from 1 to 1000000000"), "{}", none.stderr);
    assert!(parity(&["--replay", "none.json"]).failed(1).starts_with("none.json: "));
    assert!(parity(&["--adapter", "0"]).failed(2).contains("drop one of them"));
    let line = run(["parity", "--adapter", "no such card"]);
    assert!(line.failed(4).contains("--engine cpu-f32"), "{}", line.stderr);
}

#[test]
fn an_adapter_is_checked_by_name() {
    let Some(adapter) = adapter() else { return };
    let ran = run(["parity", "--cases", "8", "--adapter", &adapter.name]).ok();
    assert!(ran.stdout.starts_with("GPU, ") && ran.stdout.contains(&adapter.name), "{}", ran.stdout);
    let all = json(&run(["parity", "--cases", "4", "--adapter", "all", "--json"]).ok().stdout);
    assert_eq!(all["engines"].as_array().unwrap().len(), spectrank::gpu::list().len());
}
