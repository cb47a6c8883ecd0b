//! No command writes over what it reads, nor two results into one file.

use std::path::{Path, PathBuf};

use crate::data::Data;
use crate::files::Folder;
use crate::parity::beyond_single_precision;
use crate::program::*;

/// Inputs of every kind, and what was in them.
struct Inputs {
    folder: Folder,
    before: Vec<(PathBuf, Vec<u8>)>,
}

impl Inputs {
    fn new() -> Self {
        let (folder, data) = (Folder::new(), Data::new());
        let config = folder.bytes("feed.toml", b"# Worth keeping.\nslate_size = 5\n");
        let config_twin = folder.bytes("judge.toml", b"slate_size = 5\n");
        let histories = folder.bytes("h.jsonl", b"{\"seen\": [1, 2]}\n");
        let files =
            [data.catalog_parquet(&folder), data.slates_parquet(&folder), config, config_twin, histories].map(|path| {
                let content = std::fs::read(&path).unwrap();
                (path, content)
            });
        Self { folder, before: files.into() }
    }

    /// Runs a command in which `{}/` stands for the folder, and checks that it is refused and changes nothing.
    fn refused(&self, command: &str) -> String {
        let listed = listing(&self.folder);
        let root = format!("{}/", self.folder.0.path().display());
        let ran = run(command.split(' ').map(|word| word.replace("{}/", &root)));
        let line = ran.failed(2).replace(&root, "");
        for (path, content) in &self.before {
            assert!(std::fs::read(path).unwrap() == *content, "{command} wrote over {}", path.display());
        }
        assert_eq!(listing(&self.folder), listed, "{command}");
        line
    }
}

const FILES: &str = "--catalog {}/items.parquet --slates {}/slates.parquet";

#[test]
fn an_input_is_never_an_output() {
    let inputs = Inputs::new();
    #[cfg(unix)]
    std::os::unix::fs::symlink(inputs.folder.path("slates.parquet"), inputs.folder.path("link.parquet")).unwrap();
    let bloom = "bloom --histories {}/slates.parquet --column candidates";
    let explain = format!("explain {FILES} --config {{}}/feed.toml --slate q0");
    let compare = format!("compare {FILES} --backend cpu");
    let tune =
        format!("tune {FILES} --backend cpu --vary spectral.strength=0.1,0.2 --keep 0.1 --config {{}}/feed.toml");
    for (command, flag, input) in [
        (format!("rerank {FILES}"), "--output", "items.parquet"),
        (format!("rerank {FILES} --config {{}}/feed.toml"), "--output", "feed.toml"),
        (explain.clone(), "--html", "items.parquet"),
        (explain.clone(), "--html", "slates.parquet"),
        (explain, "--html", "feed.toml"),
        (compare.clone(), "--html", "slates.parquet"),
        (format!("{compare} --config {{}}/judge.toml {{}}/feed.toml"), "--html", "feed.toml"),
        (format!("{compare} --measure {{}}/judge.toml"), "--html", "judge.toml"),
        (tune.clone(), "--write", "slates.parquet"),
        (tune.clone(), "--write", "feed.toml"),
        (tune.clone(), "--html", "items.parquet"),
        (format!("{tune} --measure {{}}/judge.toml"), "--html", "judge.toml"),
        (bloom.to_owned(), "--output", "slates.parquet"),
        (format!("{bloom} --catalog {{}}/items.parquet"), "--output", "items.parquet"),
        ("bloom --histories {}/h.jsonl".to_owned(), "--output", "h.jsonl"),
    ] {
        let line = inputs.refused(&format!("{command} {flag} {{}}/{input}"));
        assert_eq!(line, format!("{input}: is an input: name another file as {flag}"), "{command}");
    }
    // By other names of it.
    let others = if cfg!(unix) { vec!["./slates.parquet", "link.parquet"] } else { vec!["./slates.parquet"] };
    for name in others {
        let line = inputs.refused(&format!("{compare} --html {{}}/{name}"));
        assert_eq!(line, "slates.parquet: is an input: name another file as --html");
    }
    // What would be written into a folder is known by name before.
    let chosen = format!("tune {FILES} --backend cpu --sweep feed:spectral.strength=0.1,0.2 --config {{}}/feed.toml");
    let line = inputs.refused(&format!("{chosen} --write-each {{}}/."));
    assert_eq!(line, "feed.toml: is an input: name another file as --write-each");
}

#[test]
fn two_results_are_two_files() {
    let inputs = Inputs::new();
    let tune = format!("tune {FILES} --backend cpu --keep 0.1");
    let line =
        inputs.refused(&format!("{tune} --vary spectral.strength=0.1,0.2 --write {{}}/x.out --html {{}}/./x.out"));
    assert_eq!(line, "x.out: both --html and --write would write it: name two files");
    let line =
        inputs.refused(&format!("{tune} --sweep a:spectral.strength=0.1 --write {{}}/a.toml --write-each {{}}/."));
    assert_eq!(line, "./a.toml: both --write and --write-each would write it: name two files");
}

#[test]
fn cases_that_are_replayed_are_not_saved_over() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("saved")).unwrap();
    let case = beyond_single_precision(&folder);
    let saved = folder.path("saved/01-too-fine-slate-a.json");
    std::fs::rename(case, &saved).unwrap();
    let before = std::fs::read(&saved).unwrap();
    let parity = |into: &Path| {
        let flags = ["parity", "--engine", "cpu-f32", "--replay"].map(PathBuf::from).into_iter();
        run(flags.chain([saved.clone(), "--save-failures".into(), into.to_owned()]))
    };
    let line = parity(&folder.path("saved")).failed(2).to_owned();
    assert_eq!(line, format!("{}: is an input: name another folder as --save-failures", saved.display()));
    assert!(std::fs::read(&saved).unwrap() == before);
    assert_eq!(parity(&folder.path("again")).code, Some(5));
}
