//! `compare` end to end: the table, the JSON, and what is refused.

use std::path::PathBuf;

use serde_json::Value;

use crate::data::Data;
use crate::files::Folder;
use crate::program::*;

const RULES: &str = "
[[signal]]
name = \"text\"
[[spacing]]
name = \"sensitive\"
column = \"quality\"
values = [1]
strength = 0.4
window = 6
when = { surface = \"home\" }
";

/// Runs `compare` over the small catalog with these flags.
fn compare(folder: &Folder, flags: &[&str]) -> Ran {
    let data = Data::new();
    let mut arguments: Vec<PathBuf> = vec!["compare".into(), "--backend".into(), "cpu".into(), "--catalog".into()];
    arguments.extend([data.catalog_parquet(folder), "--slates".into(), data.slates_parquet(folder)]);
    arguments.extend(flags.iter().map(PathBuf::from));
    run(arguments)
}

fn config(folder: &Folder, name: &str, text: &str) -> String {
    folder.bytes(name, text.as_bytes()).into_os_string().into_string().unwrap()
}

fn json(folder: &Folder, flags: &[&str]) -> Value {
    let ran = compare(folder, &[flags, &["--json"]].concat()).ok();
    assert_eq!(ran.stderr, "");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn figure<'a>(comparison: &'a Value, run: usize, key: &str) -> &'a Value {
    let figures = comparison["runs"][run]["figures"].as_array().unwrap();
    figures.iter().find(|figure| figure["key"] == key).unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn strategies_stand_side_by_side() {
    let folder = Folder::new();
    let ran = compare(&folder, &["--slate-size", "8"]).ok();
    let head = ran.stdout.lines().next().unwrap();
    assert_eq!(head.split_whitespace().collect::<Vec<_>>(), ["relevance", "spectral"], "the default comparison");
    for part in
        ["relevance kept ↑", "distance to 10 before (ILD@10) ↑", "Vendi score ↑", "4 slates.", "to relevance and"]
    {
        assert!(ran.stdout.contains(part), "no `{part}` in:\n{}", ran.stdout);
    }
    assert!(ran.stderr.starts_with("4 slates × 2 configurations in "), "{}", ran.stderr);
    assert_eq!(compare(&folder, &["--quiet"]).ok().stderr, "");
}

#[test]
fn json_has_means_differences_and_configurations() {
    let folder = Folder::new();
    let feed = config(&folder, "feed.toml", RULES);
    let flags = [
        "--config",
        &feed,
        "--strategy",
        "relevance,spectral",
        "--category",
        "quality",
        "--at",
        "3,5",
        "--slate-size",
        "6",
    ];
    let found = json(&folder, &flags);
    assert_eq!(found["n_slates"], 4);
    assert!(found["engine"].as_str().unwrap().starts_with("CPU") && found["seconds"].as_f64().unwrap() > 0.0);
    let keys: Vec<&str> = found["metrics"].as_array().unwrap().iter().map(|m| m["key"].as_str().unwrap()).collect();
    for key in ["ild@3", "ild@5", "ndcg@3", "alpha_ndcg@5", "category_gini", "spacing_violations@6:sensitive"] {
        assert!(keys.contains(&key), "{keys:?}");
    }
    assert_eq!(figure(&found, 0, "relevance_kept")["difference"], Value::Null);
    let difference = &figure(&found, 1, "ild@3")["difference"];
    let [low, mean, high] = ["low", "mean", "high"].map(|end| difference[end].as_f64().unwrap());
    assert!(low <= mean && mean <= high && mean > 0.0, "{difference}");
    // One slate has a single item, which has no distance.
    assert_eq!(figure(&found, 0, "ild@3")["n_slates"], 3);
    // q1 is a search, where the rule does not apply.
    assert_eq!(figure(&found, 0, "spacing_load:sensitive")["n_slates"], 3);
    assert_eq!(found["runs"][1]["name"], "spectral");
    let text = found["runs"][1]["config"].as_str().unwrap();
    assert_eq!(spectrank::config::Config::from_toml(text).unwrap().spacing.len(), 1);
}

#[test]
fn a_page_does_not_mix_with_the_table() {
    let folder = Folder::new();
    let ran = compare(&folder, &["--html", "-"]);
    let line = "-: cannot be standard output, which is for what the command prints: name a file";
    assert_eq!((ran.failed(2), ran.stdout.as_str()), (line, ""));
}

#[test]
fn a_page_holds_means_differences_and_what_metrics_mean() {
    let folder = Folder::new();
    let feed = config(&folder, "feed.toml", RULES);
    let page = folder.path("compare.html").into_os_string().into_string().unwrap();
    let flags = ["--config", &feed, "--strategy", "relevance,spectral,mmr", "--slate-size", "6"];
    let found = json(&folder, &[&flags[..], &["--html", &page]].concat());
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"));
    for part in
        ["3 configurations on the same 4 slates", "Differences to relevance", "load of sensitive ↓", "violations of"]
    {
        assert!(html.contains(part), "{part}");
    }
    assert!(html.contains("How new an item looks after what stands just before it"), "what a metric is");
    assert!(html.contains("spectral (TOML)") && html.contains("surface = &quot;home&quot;"), "the configurations");
    // Every mean of the JSON stands in the table, to the last digit, for sorting.
    for run in found["runs"].as_array().unwrap() {
        for figure in run["figures"].as_array().unwrap().iter().filter_map(|figure| figure["mean"].as_f64()) {
            assert!(html.contains(&format!("data-v=\"{figure}\"")), "{figure}");
        }
    }
    let data = html.split_once("id=\"report-data\">").unwrap().1.split_once("</script>").unwrap().0;
    let charts: Vec<Value> = serde_json::from_str(data).unwrap();
    let differing = found["runs"][1]["figures"].as_array().unwrap().iter().filter(|f| !f["difference"].is_null());
    assert_eq!(charts.len(), differing.count(), "one chart per metric");
    for (chart, figure) in charts.iter().zip(found["runs"][2]["figures"].as_array().unwrap()) {
        assert_eq!((&chart["kind"], &chart["rows"][1]["label"]), (&"intervals".into(), &"mmr".into()));
        assert_eq!(chart["rows"][1]["value"], figure["difference"]["mean"]);
    }
    // One configuration has nothing to be held against, and a page all the same.
    let ran = compare(&folder, &["--config", &feed, "--html", &page]).ok();
    assert!(ran.stdout.contains("relevance kept"), "the table is printed as well: {}", ran.stdout);
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<title>feed on 4 slates</title>") && !html.contains("Differences to"), "one alone");
}

#[test]
fn files_are_compared_under_their_names_and_equal_ones_do_not_differ() {
    let folder = Folder::new();
    let [a, b] = ["today.toml", "copy.toml"].map(|name| config(&folder, name, RULES));
    let other = config(&folder, "graph.toml", "[[signal]]\nname = \"graph\"\n[spectral]\nstrength = 0.9\n");
    let found = json(&folder, &["--config", &a, &b, "--config", &other, "--slate-size", "6"]);
    let names: Vec<&str> = (0..3).map(|i| found["runs"][i]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["today", "copy", "graph"]);
    for same in found["runs"][1]["figures"].as_array().unwrap() {
        let difference = &same["difference"];
        assert!(difference.is_null() || ["mean", "low", "high"].iter().all(|end| difference[end] == 0.0), "{same}");
    }
    assert_ne!(figure(&found, 2, "relevance_kept")["difference"]["mean"], 0.0);
    // Judged by the signals of another file, distances are others.
    let by_graph = json(&folder, &["--config", &a, &b, "--measure", &other, "--slate-size", "6"]);
    assert_ne!(figure(&by_graph, 0, "ild@10")["mean"], figure(&found, 0, "ild@10")["mean"]);
    assert_eq!(figure(&by_graph, 0, "relevance_kept")["mean"], figure(&found, 0, "relevance_kept")["mean"]);
    // Where one takes the first embedding and another names one, all are read.
    let first = config(&folder, "first.toml", "slate_size = 5");
    json(&folder, &["--config", &first, &other]);
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = (data.catalog_parquet(&folder), data.slates_parquet(&folder));
    let with = |threads: &str| {
        let mut command = program();
        command.env("RAYON_NUM_THREADS", threads).args(["compare", "--json", "--backend", "cpu", "--catalog"]);
        let output = command.arg(&catalog).arg("--slates").arg(&slates).output().unwrap();
        let mut found: Value = serde_json::from_str(&Ran::of(output).ok().stdout).unwrap();
        let object = found.as_object_mut().unwrap();
        object.remove("seconds");
        object.remove("engine");
        found
    };
    assert_eq!(with("1"), with("4"));
}

#[test]
fn a_gpu_ranks_for_all_configurations_and_says_so_once() {
    let (folder, data) = (Folder::new(), Data::new());
    let files = ["compare".into(), "--catalog".into(), data.catalog_parquet(&folder), "--slates".into()];
    let files: Vec<PathBuf> = files.into_iter().chain([data.slates_parquet(&folder)]).collect();
    let with = |flags: &[&str]| run(files.iter().cloned().chain(flags.iter().map(PathBuf::from))).ok();
    let auto = with(&["--strategy", "relevance,spectral,spectral"]);
    assert!(auto.stderr.matches("using the CPU engine").count() <= 1, "{}", auto.stderr);
    let Some(adapter) = crate::gpu::adapter() else { return };
    let [on_gpu, on_cpu]: [Value; 2] = [&["--json", "--adapter", &adapter.name][..], &["--json", "--backend", "cpu"]]
        .map(|flags| serde_json::from_str(&with(flags).stdout).unwrap());
    assert!(on_gpu["engine"].as_str().unwrap().starts_with("GPU, "));
    // These slates are well separated: every engine picks the same.
    assert_eq!(on_gpu["runs"], on_cpu["runs"]);
}

#[test]
fn what_cannot_be_compared_ends_in_one_line() {
    let folder = Folder::new();
    let feed = config(&folder, "feed.toml", RULES);
    let bad = config(&folder, "bad.toml", "[spectral]\nstrenght = 1\n");
    let said = |code: i32, flags: &[&str], parts: &[&str]| {
        let ran = compare(&folder, flags);
        let line = ran.failed(code);
        for part in parts {
            assert!(line.contains(part), "`{line}` does not say `{part}`");
        }
        assert_eq!(ran.stdout, "");
    };
    let says = |flags: &[&str], parts: &[&str]| said(1, flags, parts);
    says(&["--config", &bad], &["bad.toml: line 2", "strenght"]);
    says(&["--config", "none.toml"], &["none.toml: cannot be read", "check --config"]);
    says(&["--measure", "none.toml"], &["none.toml: cannot be read", "check --measure"]);
    said(
        2,
        &["--config", &feed, &feed, "--strategy", "spectral,relevance"],
        &["--config", "--strategy", "one or the other"],
    );
    let ran = compare(&folder, &["--html", "none/compare.html"]);
    assert!(ran.failed(3).starts_with("none/compare.html: "), "{}", ran.stderr);
    says(&["--slate-size", "0"], &["relevance: slate_size = 0 is out of range"]);
    says(&["--category", "colour"], &["items.parquet", "no column \"colour\""]);
    says(&["--category", "fresh"], &["items.parquet: --category: column \"fresh\" holds numbers"]);
    let signal = config(&folder, "signal.toml", "[[signal]]\nname = \"image\"\n");
    says(&["--config", &signal], &["items.parquet", "no column \"image\""]);
    let log = config(
        &folder,
        "log.toml",
        "[relevance]\ntransform = \"log\"\nadjust = [{ column = \"fresh\", weight = -1e6 }]\n",
    );
    compare(&folder, &["--config", &log]).ok();
    let empty = folder.bytes("empty.jsonl", b"");
    let catalog = Data::new().catalog_parquet(&folder);
    let ran = run(["compare".into(), "--catalog".into(), catalog, "--slates".into(), empty]);
    assert!(ran.failed(1).contains("empty.jsonl: there are no slates to compare"), "{}", ran.stderr);
}

#[test]
fn flags_out_of_range_are_2() {
    let folder = Folder::new();
    for flags in [["--at", "0"], ["--at", "501"], ["--resamples", "1"], ["--strategy", "best"], ["--at", ""]] {
        assert_eq!(compare(&folder, &flags).code, Some(2), "{flags:?}");
    }
}

/// A slate is read with one Bloom filter, so that two columns of them would be ranked as one.
#[test]
fn two_columns_of_bloom_filters_are_refused() {
    let folder = Folder::new();
    let [a, b] =
        ["a", "b"].map(|name| config(&folder, &format!("{name}.toml"), &format!("filter.seen_bloom = \"{name}\"")));
    let ran = compare(&folder, &["--config", &a, &b]);
    let expected = "filter.seen_bloom is \"a\" and \"b\" in different configurations: a slate carries one Bloom filter";
    assert!(ran.failed(1).starts_with(expected), "{}", ran.stderr);
}

#[test]
fn namesakes_are_numbered() {
    let folder = Folder::new();
    let found = json(&folder, &["--strategy", "relevance,mmr,mmr"]);
    let names: Vec<&str> = found["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["relevance", "mmr", "mmr (2)"]);
}
