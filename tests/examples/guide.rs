//! The guide shows the examples as they are, and the examples say truly how to run them.

use std::process::Command;

use spectrank::config::Config;
use spectrank::io::{SlateFields, open_slates};

use crate::NAMES;
use crate::data::{CATALOG, example_file, rank, root};

fn guide() -> String {
    std::fs::read_to_string(root().join("docs/guide.md")).unwrap()
}

/// Fenced blocks of a language, each with the example that was linked last before it.
fn blocks(guide: &str, language: &str) -> Vec<(Option<String>, String)> {
    let mut found = Vec::new();
    let mut linked = None;
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        if let Some((_, rest)) = line.split_once("(../assets/examples/") {
            linked = rest.split_once(".toml)").map(|(name, _)| name.to_owned());
        }
        if let Some(opened) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if opened == language {
                found.push((linked.clone(), block.join("\n") + "\n"));
            }
        }
    }
    found
}

fn files(extension: &str) -> Vec<String> {
    let entries = std::fs::read_dir(example_file("")).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_file_has_its_test() {
    let mut tested: Vec<&str> = NAMES.to_vec();
    tested.sort_unstable();
    assert_eq!(files("toml"), tested);
    for slates in files("jsonl") {
        assert!(NAMES.contains(&slates.as_str()), "{slates}.jsonl belongs to no example");
    }
    let n_files = std::fs::read_dir(example_file("")).unwrap().count();
    assert_eq!(n_files, files("toml").len() + files("jsonl").len(), "a file that is neither .toml nor .jsonl");
}

#[test]
fn every_toml_block_of_the_guide_is_in_its_example() {
    let blocks = blocks(&guide(), "toml");
    for (name, block) in &blocks {
        let name = name.as_ref().unwrap_or_else(|| panic!("no example is linked before:\n{block}"));
        let file = std::fs::read_to_string(example_file(&format!("{name}.toml"))).unwrap();
        assert!(file.contains(block), "not in {name}.toml:\n{block}");
    }
    for name in NAMES {
        assert!(blocks.iter().any(|(shown, _)| shown.as_deref() == Some(name)), "the guide does not show {name}.toml");
    }
}

#[test]
fn every_json_block_of_the_guide_is_a_slate_of_the_demo_s_items() {
    let blocks = blocks(&guide(), "json");
    assert!(!blocks.is_empty());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slates.jsonl");
    for (_, block) in blocks {
        std::fs::write(&path, &block).unwrap();
        let mut source = open_slates(std::slice::from_ref(&path), &CATALOG, &SlateFields::All).unwrap();
        let slates = source.next_batch(9).unwrap().unwrap();
        assert_eq!(rank(&Config::default(), &slates).len(), 1, "{block}");
    }
}

#[test]
fn every_example_runs_as_its_first_lines_say() {
    for name in NAMES {
        let file = std::fs::read_to_string(example_file(&format!("{name}.toml"))).unwrap();
        let head: Vec<&str> = file.lines().take_while(|line| line.starts_with('#')).skip(2).collect();
        let command = head.iter().map(|line| line.trim_start_matches('#').trim().trim_end_matches('\\'));
        let command: Vec<String> = command.flat_map(str::split_whitespace).map(str::to_owned).collect();
        assert_eq!(command[..2], ["spectrank", "rerank"], "{name}");
        let own_slates = format!("assets/examples/{name}.jsonl");
        assert_eq!(command.contains(&own_slates), root().join(&own_slates).exists(), "{name}");
        assert!(command.contains(&format!("assets/examples/{name}.toml")), "{name}");
        let output = Command::new(env!("CARGO_BIN_EXE_spectrank"))
            .args(&command[1..])
            .args(["--backend", "cpu"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let n_lines = output.stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count();
        assert!(n_lines > 0 && n_lines % 12 == 0, "{name}: {n_lines} positions");
    }
}
