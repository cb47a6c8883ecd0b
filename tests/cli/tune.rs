//! `tune` end to end: what is printed, what is written, and what is refused.

use std::path::PathBuf;

use serde_json::Value;
use spectrank::config::{Config, Strategy};

use crate::data::Data;
use crate::files::Folder;
use crate::program::*;

const STRENGTH: [&str; 2] = ["--vary", "spectral.strength=0.02..2:5:log"];

fn arguments(folder: &Folder, flags: &[&str]) -> Vec<PathBuf> {
    let data = Data::new();
    let mut arguments: Vec<PathBuf> =
        ["tune", "--backend", "cpu", "--slate-size", "6", "--catalog"].map(PathBuf::from).into();
    arguments.extend([data.catalog_parquet(folder), "--slates".into(), data.slates_parquet(folder)]);
    arguments.extend(flags.iter().map(PathBuf::from));
    arguments
}

fn tune(folder: &Folder, flags: &[&str]) -> Ran {
    run(arguments(folder, flags))
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap()
}

#[test]
fn a_sweep_prints_its_front_and_writes_its_choice() {
    let folder = Folder::new();
    let best = text(folder.path("best.toml"));
    let ran = tune(&folder, &[&STRENGTH[..], &["--keep", "0.9", "--write", &best]].concat()).ok();
    for part in ["Pareto front", "Chosen: the best ild@10 with 90.00 %", "spectral.strength=", "tuned on 4 slates"] {
        assert!(ran.stdout.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    assert!(ran.stderr.contains(" settings (") && ran.stderr.contains("× 4 slates in "), "{}", ran.stderr);
    let written = std::fs::read_to_string(&best).unwrap();
    assert!(written.starts_with("# Chosen by spectrank tune: keeps 0.9"), "{written}");
    let config = Config::from_toml(&written).unwrap();
    assert_eq!((config.strategy, config.slate_size), (Strategy::Spectral, 6));
    assert!(ran.stdout.contains(&format!("spectral.strength={}", config.spectral.strength)));
    // It runs as it is.
    let output = folder.path("out.csv");
    let (catalog, slates) = (Data::new().catalog_parquet(&folder), Data::new().slates_parquet(&folder));
    Rerank::of(&[catalog], &[slates], &output).on_cpu().with(["--config", &best]).run().ok();
    assert_eq!(tune(&folder, &[&STRENGTH[..], &["--quiet"]].concat()).ok().stderr, "");
}

#[test]
fn json_has_every_setting_and_the_choices_of_all_sweeps() {
    let folder = Folder::new();
    let chosen = text(folder.path("chosen"));
    let flags = [
        "--sweep",
        "relevance:",
        "--sweep",
        "near/far: window.behind=2,4 spectral.strength=0.02..2:3:log",
        "--keep",
        "0.9",
        "--holdout",
        "0.25",
        "--refine",
        "2",
        "--metric",
        "ild@3",
        "--json",
        "--write-each",
        &chosen,
    ];
    let ran = tune(&folder, &flags).ok();
    assert_eq!(ran.stderr, "");
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found["n_slates"], &found["n_holdout_slates"]), (&Value::from(3), &Value::from(1)));
    let points = found["points"].as_array().unwrap();
    let of_grid = points.iter().filter(|point| point["is_refined"] == false).count();
    assert_eq!(of_grid, 1 + 6);
    assert_eq!(points[1]["setting"]["window.behind"], 2);
    assert_eq!(points[1]["setting"]["spectral.strength"], 0.02);
    let n_metrics = found["metrics"].as_array().unwrap().len();
    assert!(points.iter().all(|point| point["means"].as_array().unwrap().len() == n_metrics));
    assert!(found["metrics"].as_array().unwrap().iter().any(|metric| metric["key"] == "ild@3"));
    for family in found["families"].as_array().unwrap() {
        let choice = &family["choice"];
        assert_eq!(choice["holdout"].as_array().unwrap().len(), n_metrics, "{family}");
        Config::from_toml(choice["config"].as_str().unwrap()).unwrap();
    }
    assert_eq!(found["best"], 1);
    let relevance = std::fs::read_to_string(folder.path("chosen/relevance.toml")).unwrap();
    assert_eq!(Config::from_toml(&relevance).unwrap().strategy, Strategy::Relevance);
    Config::from_toml(&std::fs::read_to_string(folder.path("chosen/near-far.toml")).unwrap()).unwrap();
}

#[test]
fn a_page_holds_every_setting_and_the_choices() {
    let folder = Folder::new();
    let page = text(folder.path("tune.html"));
    let flags = [
        "--sweep",
        "relevance:",
        "--sweep",
        "spectral: spectral.strength=0.02..2:5:log",
        "--sweep",
        "mmr: mmr.lambda=0.5,0.8",
        "--sweep",
        "far: spectral.strength=50,60",
        "--keep",
        "0.9",
        "--holdout",
        "0.25",
        "--json",
        "--html",
        &page,
    ];
    let found: Value = serde_json::from_str(&tune(&folder, &flags).ok().stdout).unwrap();
    let html = std::fs::read_to_string(&page).unwrap();
    let points = found["points"].as_array().unwrap();
    let title = format!("<title>{} settings over 3 slates</title>", points.len());
    for part in [&title, "as configured", "Held out: the same setting on 1 slate that", "far: no setting keeps enough"]
    {
        assert!(html.contains(part), "{part}");
    }
    let data = html.split_once("id=\"report-data\">").unwrap().1.split_once("</script>").unwrap().0;
    let charts: Vec<Value> = serde_json::from_str(data).unwrap();
    let all = charts.last().unwrap();
    assert_eq!(
        (&all["kind"], &all["title"], &all["x_reference"]),
        (&"scatter".into(), &"All settings".into(), &0.9.into())
    );
    let drawn: Vec<&Value> =
        all["series"].as_array().unwrap().iter().flat_map(|s| s["points"].as_array().unwrap()).collect();
    assert_eq!(drawn.len(), points.len());
    for point in points {
        let label = point["label"].as_str().unwrap();
        let is_here = |p: &&Value| p["x"] == point["relevance_kept"] && p["y"] == point["diversity"];
        assert!(drawn.iter().any(|p| is_here(p) && (label.is_empty() || p["label"] == label)), "{label}");
        assert!(html.contains(&format!("data-v=\"{}\"", point["diversity"].as_f64().unwrap())), "{label}");
    }
    // The choices have rings, the best one's first.
    let ringed = all["highlights"].as_array().unwrap();
    let families = found["families"].as_array().unwrap();
    assert_eq!(ringed.len(), families.iter().filter(|family| !family["choice"].is_null()).count());
    assert_eq!(ringed[0]["series"], found["best"]);
    for ring in ringed {
        let index = |key: &str| ring[key].as_u64().unwrap() as usize;
        let point = &all["series"][index("series")]["points"][index("point")];
        let chosen = &points[families[index("series")]["choice"]["point"].as_u64().unwrap() as usize];
        assert_eq!((&point["x"], &point["y"]), (&chosen["relevance_kept"], &chosen["diversity"]));
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let folder = Folder::new();
    let arguments = arguments(&folder, &[&STRENGTH[..], &["--json", "--holdout", "0.5", "--keep", "0.9"]].concat());
    let with = |threads: &str| {
        let output = program().env("RAYON_NUM_THREADS", threads).args(&arguments).output().unwrap();
        let mut found: Value = serde_json::from_str(&Ran::of(output).ok().stdout).unwrap();
        let object = found.as_object_mut().unwrap();
        object.remove("seconds");
        object.remove("engine");
        found
    };
    assert_eq!(with("1"), with("4"));
}

#[test]
fn a_relevance_that_nothing_keeps_is_told_and_no_file_is_written() {
    let folder = Folder::new();
    let best = text(folder.path("best.toml"));
    let strong = ["--vary", "spectral.strength=50,60", "--keep", "1"];
    let ran = tune(&folder, &strong).ok();
    assert!(ran.stdout.contains("spectral: no setting keeps 100.00 %; the most that one keeps is "), "{}", ran.stdout);
    let ran = tune(&folder, &[&strong[..], &["--write", &best]].concat());
    assert_eq!(ran.code, Some(1));
    let line = ran.stderr.lines().last().unwrap();
    assert!(line.contains("--write: no setting keeps 1 of the relevance, nothing was written: lower --keep"), "{line}");
    let each = folder.path("each");
    let ran = tune(&folder, &[&strong[..], &["--write-each", each.to_str().unwrap()]].concat());
    let line = ran.stderr.lines().last().unwrap();
    assert!(ran.code == Some(1) && line.contains("--write-each: no setting of spectral keeps 1"), "{line}");
    assert_eq!(listing(&folder), ["each", "items.parquet", "slates.parquet"]);
    assert_eq!(std::fs::read_dir(each).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_swept_ends_in_one_line_that_names_the_flag() {
    let folder = Folder::new();
    let says = |flags: &[&str], code: i32, parts: &[&str]| {
        let ran = tune(&folder, flags);
        let line = ran.failed(code);
        for part in parts {
            assert!(line.contains(part), "`{line}` does not say `{part}`");
        }
        assert_eq!(ran.stdout, "");
        assert_eq!(listing(&folder), ["items.parquet", "slates.parquet"]);
    };
    says(&["--vary", "spectral.strenght=1"], 1, &["--vary \"spectral.strenght=1\"", "expected one of", "`strength`"]);
    says(&["--vary", "spectral.strength"], 1, &["--vary \"spectral.strength\"", "write PATH=VALUES"]);
    says(&["--vary", "spectral.strength=1..0:3"], 1, &["the range is empty", "LOW must be below HIGH"]);
    says(&["--vary", "spectral.strength=0.1..1"], 1, &["is not a range", "LOW..HIGH:N"]);
    says(&["--vary", "spacing.0.strength=1"], 1, &["spacing has 0 entries", "add [[spacing]]"]);
    says(&["--vary", "window.behind=0"], 1, &["--vary", "window.behind = 0 is out of range"]);
    says(&["--vary", "spectral.strength=-1..1:3"], 1, &["--vary", "spectral.strength = -1 is out of range"]);
    says(&["--sweep", "spectral.strength=1"], 1, &["--sweep", "write NAME: PATH=VALUES"]);
    says(&[&STRENGTH[..], &["--metric", "joy"]].concat(), 1, &["--metric \"joy\"", "ild@10"]);
    says(&[&STRENGTH[..], &["--holdout", "1"]].concat(), 1, &["--holdout 1: of 4 slates none is left"]);
    says(&["--vary", "signal=image"], 1, &["--vary \"signal=image\"", "invalid type"]);
    let into = text(folder.path("none/best.toml"));
    says(&[&STRENGTH[..], &["--write", &into]].concat(), 3, &["none", "does not exist: create it first"]);
    for flag in ["--write", "--html"] {
        says(&[&STRENGTH[..], &[flag, "-"]].concat(), 2, &["-: cannot be standard output, ", ": name a file"]);
    }
    says(&[&STRENGTH[..], &["--html", &into]].concat(), 3, &["none", "does not exist: create it first"]);
    let into = text(folder.path("items.parquet"));
    says(&[&STRENGTH[..], &["--write-each", &into]].concat(), 3, &["items.parquet", "check --write-each"]);
}

#[test]
fn a_setting_that_does_not_suit_a_slate_is_named() {
    let folder = Folder::new();
    let slates = folder.bytes("negative.jsonl", b"{\"candidates\":[1,2],\"scores\":[0.5,-0.5]}\n");
    let catalog = Data::new().catalog_parquet(&folder);
    let flags = ["--backend", "cpu", "--vary", "relevance.transform=identity,log"].map(PathBuf::from);
    let files = ["tune".into(), "--catalog".into(), catalog, "--slates".into(), slates];
    let ran = run(files.into_iter().chain(flags));
    let line = ran.failed(1);
    for part in ["negative.jsonl: slate 0", "transform \"log\" needs scores above 0", "(relevance.transform=log)"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn flags_out_of_range_are_2() {
    let folder = Folder::new();
    for flags in [&["--keep", "2"][..], &["--keep", "most"], &["--holdout", "-1"], &["--refine", "31"]] {
        assert_eq!(tune(&folder, &[&STRENGTH[..], flags].concat()).code, Some(2), "{flags:?}");
    }
    assert_eq!(tune(&folder, &[]).code, Some(2), "nothing to vary");
}
