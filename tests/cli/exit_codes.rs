//! Every exit code is given for what the help says.

use std::process::Stdio;

use crate::data::Data;
use crate::files::Folder;
use crate::parity::{beyond_single_precision, parity};
use crate::program::*;

/// The codes in the help, with what they mean.
fn told() -> Vec<(i32, String)> {
    let help = run(["--help"]).ok().stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let list = help.split_once("Exit codes: ").unwrap().1.trim_end_matches('.');
    let code = |entry: &str| entry.split_once(' ').map(|(code, meaning)| (code.parse().unwrap(), meaning.to_owned()));
    list.split("; ").map(|entry| code(entry).unwrap()).collect()
}

#[test]
fn each_code_is_given_for_what_the_help_says() {
    let folder = Folder::new();
    let data = Data::new();
    let rerank =
        |output: &str| Rerank::of(&[data.catalog_npy(&folder)], &[data.slates_jsonl(&folder)], &folder.path(output));
    let too_fine = beyond_single_precision(&folder);
    for (code, meaning) in told() {
        let found = match code {
            0 => rerank("out.csv").on_cpu().run().code,
            1 => rerank("out.csv").with(["--slate-size", "0"]).run().code,
            2 => run(["rerank", "--no-such-flag"]).code,
            3 => rerank("nowhere/out.csv").on_cpu().run().code,
            4 => rerank("out.csv").with(["--adapter", "no such adapter"]).run().code,
            5 => parity(&["--replay", too_fine.to_str().unwrap()]).code,
            // With real signals, in the tests of interruptions.
            130 | 143 => continue,
            _ => panic!("{code} ({meaning}) has no test"),
        };
        assert_eq!(found, Some(code), "{meaning}");
    }
    assert_eq!(told().iter().map(|(code, _)| *code).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 130, 143]);
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_is_full_is_an_output_that_cannot_be_written() {
    let folder = Folder::new();
    let data = Data::new();
    for format in ["jsonl", "arrow", "csv", "parquet"] {
        let command = Rerank::of(&[data.catalog_npy(&folder)], &[data.slates_jsonl(&folder)], "-".as_ref());
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let command = command.on_cpu().with(["--output-format", format]);
        let ran = Ran::of(program().args(&command.0).stdout(Stdio::from(full)).output().unwrap());
        let line = ran.failed(3);
        assert!(line.starts_with("-: cannot be written ") && line.contains("No space left on device"), "{line}");
        assert!(line.ends_with("check the free space; the output ends there"), "{line}");
    }
}

/// Rust opens the null device where a standard stream is closed, so nothing fails by itself.
#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_is_closed_is_an_output_that_cannot_be_written() {
    let folder = Folder::new();
    let data = Data::new();
    let (catalog, slates) = ([data.catalog_npy(&folder)], [data.slates_jsonl(&folder)]);
    let rerank = |output: &str| Rerank::of(&catalog, &slates, output.as_ref()).on_cpu().with(["--quiet"]);
    let file = folder.path("out.csv");
    let file = file.to_str().unwrap();
    let closed = |arguments: &[std::path::PathBuf]| {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "exec \"$@\" >&-", "sh", env!("CARGO_BIN_EXE_spectrank")]);
        Ran::of(shell.args(arguments).output().unwrap())
    };
    let parts = folder.path("parts");
    let json = |output: &str| rerank(output).with(["--json"]).0;
    let outputs = [json(file), json(&format!("{}/", parts.display()))];
    for arguments in [rerank("-").0, vec!["man".into()], vec!["demo".into()]].iter().chain(&outputs) {
        let ran = closed(arguments);
        assert!(ran.code == Some(3) && ran.stderr.contains("spectrank: standard output is closed: "), "{arguments:?}");
    }
    // It is said before the work, not where the summary is due.
    assert!(!std::path::Path::new(file).exists() && !parts.exists());
    // Who does not need it does not miss it, and the null device is as good as any.
    closed(&rerank(file).0).ok();
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").unwrap();
    for null in [Stdio::null(), Stdio::from(null)] {
        Ran::of(program().args(&rerank("-").0).stdout(null).output().unwrap()).ok();
    }
}

#[test]
fn flags_that_do_not_go_together_are_a_bad_command_line() {
    let folder = Folder::new();
    let data = Data::new();
    std::fs::create_dir(folder.path("folder.csv")).unwrap();
    let rerank = |output: &str, more: &[&str]| {
        Rerank::of(&[data.catalog_npy(&folder)], &[data.slates_jsonl(&folder)], &folder.path(output)).with(more).run()
    };
    for (ran, part) in [
        (rerank("out.csv", &["--resume"]), "is for an output folder"),
        (rerank("out.csv", &["--output-format", "csv"]), "is for --output - and for folders"),
        (rerank("out.csv", &["--backend", "cpu", "--adapter", "0"]), "names a GPU but --backend cpu was asked for"),
        (rerank("out.csv", &["--backend", "gpu", "--precision", "f64"]), "runs on the CPU only"),
        (rerank("folder.csv", &[]), "folder.csv/ for parts in it, or name a file as --output"),
        (rerank("slates.jsonl", &[]), "is an input: name another file as --output"),
    ] {
        assert!(ran.failed(2).contains(part), "{}", ran.stderr);
    }
    assert_eq!(std::fs::read_dir(folder.path("folder.csv")).unwrap().count(), 0);
}
