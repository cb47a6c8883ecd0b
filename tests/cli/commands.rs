//! The other commands, exit codes, and readers that go away.

use std::path::Path;
use std::process::Stdio;

use crate::data::Data;
use crate::files::Folder;
use crate::program::*;

#[test]
fn help_and_version_are_told() {
    let commands = ["rerank", "compare", "tune", "explain", "devices", "demo", "parity", "schema", "check", "bloom"];
    for arguments in commands.iter().map(|command| vec![*command, "--help"]).chain([vec!["--help"]]) {
        let ran = run(&arguments).ok();
        assert!(ran.stdout.contains("Usage:") && ran.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(run(["--version"]).ok().stdout, concat!("spectrank ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_bad_command_line_is_2() {
    let cases: [&[&str]; 11] = [
        &[],
        &["rank"],
        &["rerank"],
        &["rerank", "--catalog", "a.npy", "--slates", "b.jsonl"],
        &["rerank", "--catalog", "a.npy", "--slates", "b.jsonl", "--output", "c.csv", "--backend", "tpu"],
        &["rerank", "--catalog", "a.npy", "--slates", "b.jsonl", "--output", "c.csv", "--slate-size", "many"],
        &["explain", "--catalog", "a.npy", "--slates", "b.jsonl"],
        &["explain", "--catalog", "a.npy", "--slates", "b.jsonl", "--slate", "u1", "--list"],
        &["demo", "--max-dispatch-ms", "0"],
        &["demo", "--on-gpu-error", "retry"],
        &["devices", "--jason"],
    ];
    for arguments in cases {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("Usage:") || ran.stderr.contains("--help"), "{arguments:?}: {}", ran.stderr);
    }
}

/// A minus before a number is no flag that is unknown.
#[test]
fn numbers_below_a_range_are_answered_with_the_range() {
    let files = ["--catalog", "a.npy", "--slates", "b.jsonl"];
    for (command, flag, part) in [
        ("rerank", "--slate-size", "a whole number from 1 to 500"),
        ("rerank", "--behind", "a whole number from 1 to 128"),
        ("rerank", "--spectra", "a whole number from 1 to 16"),
        ("rerank", "--part-slates", "a whole number from 1 to 1000000000"),
        ("rerank", "--max-dispatch-ms", "a whole number from 1 to 60000"),
        ("rerank", "--strength", "the flags: spectral.strength = -1 is out of range: 0 to 1000000"),
        ("compare", "--slate-size", "a whole number from 1 to 500"),
        ("compare", "--resamples", "a whole number from 100 to 1000000"),
        ("compare", "--at", "a whole number from 1 to 500"),
        ("compare", "--seed", "a whole number from 0 to"),
        ("tune", "--keep", "a share from 0 to 1"),
        ("tune", "--refine", "a whole number from 0 to 30"),
        ("explain", "--position", "a whole number from 0 to 499"),
        ("parity", "--cases", "a whole number from 1 to"),
        ("bloom", "--rate", "a number from 0.000001 to 0.5"),
    ] {
        let command = [command].into_iter().chain(files.into_iter().filter(|_| !matches!(command, "parity" | "bloom")));
        let more: &[&str] = match flag {
            "--strength" | "--max-dispatch-ms" => &["--output", "c.csv"],
            _ => &[],
        };
        let command: Vec<&str> = command.chain(more.iter().copied()).collect();
        let apart = run(command.iter().copied().chain([flag, "-1"]));
        assert!(
            apart.stderr.contains(part) && matches!(apart.code, Some(1 | 2)),
            "{command:?} {flag}: {}",
            apart.stderr
        );
        let together = run(command.iter().copied().chain([format!("{flag}=-1").as_str()]));
        assert_eq!((together.code, together.stderr), (apart.code, apart.stderr));
    }
}

#[test]
fn an_output_that_cannot_be_written_is_3() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = ([data.catalog_npy(&folder)], [data.slates_jsonl(&folder)]);
    let before = listing(&folder);
    for (name, part) in [
        ("none/out.csv", "does not exist: create it first"),
        ("out.xlsx", "unknown output format: the extension must be one of .parquet"),
    ] {
        let path = folder.path(name);
        let ran = Rerank::of(&catalog, &slates, &path).on_cpu().run();
        let line = ran.failed(3);
        assert!(line.starts_with(path.to_str().unwrap()) && line.contains(part), "{line}");
        assert_eq!(listing(&folder), before);
    }
}

/// An input is never the place of the output, however it is named.
#[test]
fn an_input_is_not_written_over() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = (data.catalog_parquet(&folder), data.slates_parquet(&folder));
    let before = [&catalog, &slates].map(|path| std::fs::read(path).unwrap());
    for output in [&catalog, &slates, &folder.path("./slates.parquet")] {
        let ran = Rerank::of(std::slice::from_ref(&catalog), std::slice::from_ref(&slates), output).on_cpu().run();
        assert!(ran.failed(2).ends_with("is an input: name another file as --output"), "{}", ran.stderr);
    }
    assert_eq!([&catalog, &slates].map(|path| std::fs::read(path).unwrap()), before);
}

/// The other end of standard input stays open: what failed is told at once.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_while_more_slates_may_come() {
    let (folder, data) = (Folder::new(), Data::new());
    let command = Rerank::of(&[data.catalog_npy(&folder)], &["-".into()], Path::new("-")).on_cpu();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child =
        program().args(&command.0).stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = std::fs::read(data.slates_jsonl(&folder)).unwrap();
    std::io::Write::write_all(&mut stdin, &lines).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    drop(stdin);
    assert!(ran.failed(3).contains("cannot be written"), "{}", ran.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_3() {
    let (folder, data) = (Folder::new(), Data::new());
    let command = Rerank::of(&[data.catalog_npy(&folder)], &[data.slates_jsonl(&folder)], Path::new("-")).on_cpu();
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let ran = Ran::of(program().args(&command.0).stdout(full()).output().unwrap());
    assert!(ran.failed(3).contains("cannot be written"), "{}", ran.stderr);
    let ran = Ran::of(program().args(["devices", "--json"]).stdout(full()).output().unwrap());
    assert!(ran.failed(3).contains("cannot be written"), "{}", ran.stderr);
}

/// Standard output or error whose reader is gone before the program starts.
#[cfg(unix)]
fn broken() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = ([data.catalog_npy(&folder)], [data.slates_jsonl(&folder)]);
    let rerank = Rerank::of(&catalog, &slates, Path::new("-")).on_cpu();
    let summary = Rerank::of(&catalog, &slates, &folder.path("out.csv")).on_cpu().with(["--json"]);
    let devices = Rerank(vec!["devices".into()]);
    let formats = ["arrow", "arrows", "csv", "jsonl", "parquet"];
    let mut commands = formats.map(|format| rerank.clone().with(["--output-format", format])).to_vec();
    commands.extend([rerank, summary, devices.clone(), devices.with(["--json"])]);
    for command in commands {
        let ran = Ran::of(program().args(&command.0).stdout(broken()).output().unwrap()).ok();
        assert_eq!(ran.stderr, "", "{:?}", command.0);
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_takes_one_line_gets_it() {
    use std::io::BufRead;
    let (folder, data) = (Folder::new(), Data::new());
    let lines = "{\"candidates\":[0,1,2,3,4,5],\"scores\":[6,5,4,3,2,1]}\n".repeat(4000);
    let slates = [folder.bytes("many.jsonl", lines.as_bytes())];
    let command = Rerank::of(&[data.catalog_npy(&folder)], &slates, Path::new("-")).on_cpu();
    let first_line = |format: &str| {
        let command = command.clone().with(["--output-format", format]);
        let mut child = program().args(&command.0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::with_capacity(256, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap()).ok();
        assert_eq!(ran.stderr, "");
        line
    };
    assert_eq!(json_rows(&first_line("jsonl"))[0].candidate, 0);
    assert!(first_line("csv").starts_with("slate_id,position,"));
}

#[cfg(unix)]
#[test]
fn nobody_on_standard_error_is_no_reason_to_panic() {
    let (folder, data) = (Folder::new(), Data::new());
    let output = folder.path("out.csv");
    let command = Rerank::of(&[data.catalog_npy(&folder)], &[data.slates_jsonl(&folder)], &output);
    let status = program().args(&command.0).stderr(broken()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(read_rows(&output).len(), data.n_rows(50));
    let status = program().args(&command.on_cpu().with(["--slate-size", "0"]).0).stderr(broken()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}
