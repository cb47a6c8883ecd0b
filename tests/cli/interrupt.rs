//! Ctrl-C, sent to a real process.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::data::Data;
use crate::files::Folder;
use crate::many_slates::*;
use crate::program::*;

/// Slates of runs in parts: enough for a signal to come in the middle.
const N_SLATES: usize = 600;
const LINE: &str = "{\"candidates\":[0,1,2,3,4,5],\"scores\":[6,5,4,3,2,1]}\n";

/// The program as a shell starts it: tests may run where Ctrl-C is ignored.
fn started(arguments: &[PathBuf]) -> Child {
    let mut shell = Command::new("env");
    shell.args(["--default-signal=INT,TERM", env!("CARGO_BIN_EXE_spectrank")]).args(arguments);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The program with slates from a pipe.
fn spawn(folder: &Folder, output: &Path) -> Child {
    started(&Rerank::of(&[Data::new().catalog_npy(folder)], &["-".into()], output).on_cpu().0)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

fn ctrl_c(child: &Child) {
    signal(child, "INT");
}

/// How the program ended, while the other end of its standard input stays open.
fn ended(child: &mut Child) -> (Option<i32>, String) {
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), err)
}

fn wait_for(what: impl Fn() -> bool) {
    let started = Instant::now();
    while !what() {
        assert!(started.elapsed() < Duration::from_secs(60), "it did not come");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_first_ctrl_c_ends_a_run_that_waits_and_leaves_no_file() {
    let folder = Folder::new();
    for name in ["out.parquet", "out.csv", "out.arrow"] {
        let kept = folder.bytes(name, b"the output of the run before");
        let mut child = spawn(&folder, &kept);
        let stdin = child.stdin.as_mut().unwrap();
        stdin.write_all(LINE.repeat(1024).as_bytes()).unwrap();
        let before = ["out.arrow", "out.csv", "out.parquet", "text.npy"];
        let is_open = || listing(&folder).iter().any(|name| name.ends_with(".part"));
        wait_for(is_open);
        ctrl_c(&child);
        let (code, err) = ended(&mut child);
        assert_eq!(code, Some(130), "{err}");
        assert!(err.starts_with("spectrank: interrupted after ") && err.ends_with(": nothing was kept\n"), "{err}");
        assert_eq!(std::fs::read(&kept).unwrap(), b"the output of the run before");
        assert!(listing(&folder).iter().all(|name| before.contains(&name.as_str())), "{:?}", listing(&folder));
    }
}

#[test]
fn what_is_at_hand_is_written_to_standard_output() {
    let folder = Folder::new();
    let mut child = spawn(&folder, Path::new("-"));
    // Enough for some batches, which fill the pipe, and then no more.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(LINE.repeat(3000).as_bytes()).unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    ctrl_c(&child);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    let (code, err) = ended(&mut child);
    drop(stdin);
    assert_eq!(code, Some(130), "{err}");
    // Whole slates, six positions each, and the message says how many.
    let n_rows = json_rows(&(first + &rest)).len();
    assert!(n_rows > 0 && n_rows.is_multiple_of(6), "{n_rows}");
    let slates = spectrank::text::counted(n_rows as u64 / 6, "slate");
    assert_eq!(err, format!("spectrank: interrupted after {slates}: the output ends there\n"));
}

fn stops_at_once(first_signal: &str, second_signal: &str, code: i32) {
    let folder = Folder::new();
    let mut child = spawn(&folder, Path::new("-"));
    let mut stdin = child.stdin.take().unwrap();
    // Nobody reads the output: the open batch cannot be finished.
    let writer = std::thread::spawn(move || drop(stdin.write_all(LINE.repeat(20_000).as_bytes())));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    signal(&child, first_signal);
    sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it waits for its reader");
    signal(&child, second_signal);
    assert_eq!(ended(&mut child), (Some(code), String::new()));
    writer.join().unwrap();
}

#[test]
fn a_second_signal_stops_at_once() {
    for (first, second, code) in
        [("INT", "INT", 130), ("TERM", "TERM", 143), ("TERM", "INT", 130), ("INT", "TERM", 143)]
    {
        stops_at_once(first, second, code);
    }
}

/// What is begun and not finished is taken away, and what was there before stays.
fn ends_and_leaves_no_file(folder: &Folder, arguments: &[PathBuf], output: &Path) {
    std::fs::write(output, "the output of the run before").unwrap();
    let before = listing(folder);
    for (name, code, said) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let mut child = started(arguments);
        wait_for(|| listing(folder).iter().any(|name| name.ends_with(".part")));
        signal(&child, name);
        assert_eq!(ended(&mut child), (Some(code), format!("spectrank: {said}: nothing was kept\n")), "{arguments:?}");
        assert_eq!(listing(folder), before, "{arguments:?}");
        assert_eq!(std::fs::read(output).unwrap(), b"the output of the run before");
    }
}

#[test]
fn commands_that_write_a_page_or_a_choice_end_at_once_and_leave_no_file() {
    let (folder, data) = (Folder::new(), Data::new());
    let files = [data.catalog_parquet(&folder), "--slates".into(), data.slates_parquet(&folder)];
    // Nobody ever writes to it: whoever reads it waits.
    let fifo = folder.path("judge.toml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let output = folder.path("out.html");
    for (command, flag) in [
        ("compare", "--html"),
        ("tune --vary spectral.strength=0.1,0.2", "--html"),
        ("tune --vary spectral.strength=0.1,0.2", "--write"),
    ] {
        let words = format!("{command} --backend cpu --catalog");
        let mut arguments: Vec<PathBuf> = words.split(' ').map(PathBuf::from).collect();
        arguments.extend(files.iter().cloned());
        arguments.extend(["--measure".into(), fifo.clone(), flag.into(), output.clone()]);
        ends_and_leaves_no_file(&folder, &arguments, &output);
    }
}

#[test]
fn what_has_nothing_in_the_making_ends_with_a_line_and_the_same_codes() {
    let folder = Folder::new();
    let fifo = folder.path("feed.toml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Held open, and nothing comes: the program waits at a place that the test knows of.
    let rerank = Rerank::of(&["no.npy".into()], &["no.jsonl".into()], &folder.path("out.csv"));
    for (name, code, said) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let mut child = started(&rerank.clone().with(["--config".as_ref(), fifo.as_os_str()]).0);
        let writer = std::fs::File::options().write(true).open(&fifo).unwrap();
        signal(&child, name);
        assert_eq!(ended(&mut child), (Some(code), format!("spectrank: {said}\n")));
        drop(writer);
    }
}

#[test]
fn bloom_and_explain_end_at_once_and_leave_no_file() {
    let folder = Folder::new();
    let slates = many_slates(&folder, 200_000);
    let output = folder.path("out.jsonl");
    let bloom = ["bloom", "--column", "candidates", "--histories"].map(PathBuf::from).into_iter();
    let bloom: Vec<PathBuf> = bloom.chain([slates.clone(), "--output".into(), output.clone()]).collect();
    ends_and_leaves_no_file(&folder, &bloom, &output);
    let explain = ["explain", "--slate", "199999", "--catalog"].map(PathBuf::from).into_iter();
    let files = [Data::new().catalog_npy(&folder), "--slates".into(), slates, "--html".into(), output.clone()];
    ends_and_leaves_no_file(&folder, &explain.chain(files).collect::<Vec<_>>(), &output);
}

#[test]
fn a_run_in_parts_that_a_signal_ends_goes_on_to_the_same_bytes() {
    let folder = in_memory();
    let output = folder.path("whole/");
    in_parts(&folder, N_SLATES, 2, &output).run().ok();
    let whole = content(&output);
    for (name, code, what) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        // On a disk, where a part takes its time.
        let disk = Folder::new();
        let output = disk.path("out/");
        let command = in_parts(&folder, N_SLATES, 2, &output);
        let mut child = started(&command.0);
        wait_for(|| n_committed(&content(&output)) > 2);
        signal(&child, name);
        let (ended_with, err) = ended(&mut child);
        let found = content(&output);
        let n_parts = n_committed(&found);
        assert_eq!(ended_with, Some(code), "{err}");
        assert!(n_parts < N_SLATES / 2 && !found.keys().any(|name| name.starts_with(".spectrank-")), "{n_parts}");
        assert!(err.starts_with(&format!("spectrank: {what} after ")), "{err}");
        let kept = format!(" slates: {} slates in {n_parts} parts are kept, ", 2 * n_parts);
        assert!(err.ends_with(&format!("{kept}and the same command with --resume goes on from there\n")), "{err}");
        command.run().ok();
        assert_eq!(content(&output), whole);
    }
}

#[test]
fn parts_from_a_pipe_are_kept_and_cannot_be_resumed() {
    let folder = Folder::new();
    let output = folder.path("out/");
    let mut child = spawn(&folder, &output);
    child.stdin.as_mut().unwrap().write_all(LINE.repeat(1024).as_bytes()).unwrap();
    wait_for(|| n_committed(&content(&output)) > 0 || content(&output).keys().any(|name| name.ends_with(".part")));
    ctrl_c(&child);
    let (code, err) = ended(&mut child);
    assert_eq!(code, Some(130), "{err}");
    assert!(err.ends_with(": no part is kept yet, but slates from a pipe cannot be resumed\n"), "{err}");
}
