//! Configuration, flags over it, and what a run says about itself.

use std::path::Path;

use spectrank::config::{Config, Scope, Strategy};

use crate::data::Data;
use crate::files::Folder;
use crate::program::*;

const FEED: &str = "
slate_size = 9
[spectral]
strength = 0.2
spectra = 3
[[spacing]]
name = \"sensitive\"
column = \"quality\"
values = [1]
strength = 0.4
window = 6
when = { surface = \"home\" }
[balance]
strength = 0.1
[[relevance.adjust]]
column = \"fresh\"
weight = 0.5
";

fn rerank(folder: &Folder, more: &[&str]) -> (Vec<Row>, Config) {
    let data = Data::new();
    let config = folder.bytes("feed.toml", FEED.as_bytes());
    let output = folder.path("ranked.parquet");
    Rerank::of(&[data.catalog_parquet(folder)], &[data.slates_parquet(folder)], &output)
        .on_cpu()
        .with(["--config".as_ref(), config.as_os_str()])
        .with(more)
        .run()
        .ok();
    let (pairs, _) = read_parquet(&output);
    let text = &pairs.iter().find(|(key, _)| key == "spectrank.config").unwrap().1;
    (read_rows(&output), Config::from_toml(text).unwrap())
}

#[test]
fn the_file_is_obeyed_and_every_term_is_in_the_output() {
    let folder = Folder::new();
    let (rows, config) = rerank(&folder, &["--precision", "f64"]);
    assert_eq!(config, Config::from_toml(FEED).unwrap());
    assert_eq!(rows.len(), Data::new().n_rows(9));
    for row in &rows {
        let utility = row.base + row.diversity - row.spacing - row.semantic - row.balance;
        assert!((row.utility - utility).abs() < 1e-12, "{row:?}");
        let fresh = f64::from(row.item_id["item-".len()..].parse::<u32>().unwrap()) / 100.0;
        assert!((row.base - row.score - 0.5 * fresh).abs() < 1e-12, "{row:?}");
        assert!(row.position == 0 || row.balance > 0.0, "{row:?}");
        // The rule is for surface "home"; q1 is a search.
        assert!(row.slate_id != "q1" || row.spacing == 0.0, "{row:?}");
    }
    assert!(rows.iter().any(|row| row.spacing > 0.0));
}

#[test]
fn flags_go_over_the_file() {
    let folder = Folder::new();
    let flags = ["--slate-size", "4", "--strength", "0.7", "--behind", "5", "--ahead", "3", "--scope", "window"];
    let (rows, config) = rerank(&folder, &[&flags[..], &["--spectra", "2"]].concat());
    assert_eq!(rows.len(), Data::new().n_rows(4));
    let mut expected = Config::from_toml(FEED).unwrap();
    expected.slate_size = 4;
    (expected.spectral.strength, expected.spectral.spectra) = (0.7, 2);
    (expected.window.behind, expected.window.ahead, expected.window.scope) = (5, 3, Scope::Window);
    assert_eq!(config, expected);
    let (rows, config) = rerank(&folder, &["--strategy", "relevance"]);
    assert_eq!(config.strategy, Strategy::Relevance);
    assert!(rows.iter().all(|row| row.diversity == 0.0));
}

#[test]
fn without_strength_the_order_is_that_of_the_scores() {
    let (folder, data) = (Folder::new(), Data::new());
    let output = folder.path("out.csv");
    let command = Rerank::of(&[data.catalog_npy(&folder)], &[data.slates_jsonl(&folder)], &output).on_cpu();
    command.with(["--strength", "0"]).run().ok();
    for pair in read_rows(&output).windows(2) {
        assert!(pair[0].slate_id != pair[1].slate_id || pair[0].score >= pair[1].score, "{pair:?}");
    }
}

#[test]
fn the_summary_is_one_line_and_quiet_is_quiet() {
    let (folder, data) = (Folder::new(), Data::new());
    let command = Rerank::of(&[data.catalog_npy(&folder)], &[data.slates_jsonl(&folder)], &folder.path("out.csv"));
    let ran = command.clone().on_cpu().with(["--slate-size", "10"]).run().ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1));
    assert!(ran.stderr.starts_with("4 slates, 29 positions, 2 short of candidates (first: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("slates/s") && ran.stderr.contains("CPU, f32"), "{}", ran.stderr);
    let ran = command.clone().with(["--quiet"]).run().ok();
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let ran = command.on_cpu().with(["--precision", "f64"]).run().ok();
    assert!(ran.stderr.contains("CPU, f64"), "{}", ran.stderr);
}

/// The items of these tests have few dimensions: every longer slate uses them up.
#[test]
fn the_summary_counts_slates_that_ran_out_of_rank() {
    let (folder, data) = (Folder::new(), Data::new());
    let command = Rerank::of(&[data.catalog_npy(&folder)], &[data.slates_jsonl(&folder)], &folder.path("out.csv"));
    let ran = command.clone().on_cpu().with(["--strategy", "dpp"]).run().ok();
    assert!(ran.stderr.contains(" ran out of rank in "), "{}", ran.stderr);
    let ran = command.clone().on_cpu().with(["--strategy", "mmr"]).run().ok();
    assert!(!ran.stderr.contains("rank"), "{}", ran.stderr);
    let ran = command.on_cpu().with(["--strategy", "ssd", "--json"]).run().ok();
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(summary["rank_exhausted_slates"].is_u64(), "{summary}");
}

#[test]
fn the_json_summary_keeps_out_of_the_way_of_the_slates() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = ([data.catalog_npy(&folder)], [data.slates_jsonl(&folder)]);
    let check = |text: &str| {
        let summary: serde_json::Value = serde_json::from_str(text).unwrap();
        let number = |key: &str| summary[key].as_f64().unwrap();
        assert_eq!((number("slates"), number("positions"), number("short_slates")), (4.0, 62.0, 4.0));
        assert!(number("seconds") > 0.0 && number("slates_per_s") > 0.0 && number("engine_slates_per_s") > 0.0);
        assert!(summary["engine"].as_str().unwrap().starts_with("CPU, f32"));
    };
    let ran = Rerank::of(&catalog, &slates, &folder.path("out.csv")).on_cpu().with(["--json"]).run().ok();
    assert_eq!(ran.stderr, "");
    check(&ran.stdout);
    let ran = Rerank::of(&catalog, &slates, Path::new("-")).on_cpu().with(["--json"]).run().ok();
    assert_eq!(json_rows(&ran.stdout).len(), 62);
    check(&ran.stderr);
}

#[test]
fn the_readme_explains_the_configuration_as_it_is() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "the README shows no configuration");
    for block in &blocks {
        Config::from_toml(block).unwrap_or_else(|e| panic!("{e}\n{block}"));
    }
    // Every key of every section this version uses is explained.
    let rest = "[[signal]]\nname = \"text\"\n[[cap]]\ncolumn = \"author\"\nmax = 1\nwindow = 4\n\
                [semantic_id]\ncolumn = \"sid\"\nstrength = 0.2\nwindow = 6\nlevel_weights = [0.5]\n";
    let full = Config::from_toml(&format!("{FEED}{rest}")).unwrap().to_toml();
    let is_baseline = |name: &str| ["mmr", "msd", "dpp", "ssd"].contains(&name);
    let mut in_baseline = false;
    for line in full.lines() {
        if let Some(section) = line.strip_prefix('[') {
            in_baseline = is_baseline(section.trim_matches(['[', ']']));
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !in_baseline) {
            assert!(key == "surface" || readme.contains(&format!("`{key}`")), "`{key}` is not explained");
        }
    }
}
