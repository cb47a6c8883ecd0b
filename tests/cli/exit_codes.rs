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
    }
}
