//! Ctrl-C, sent to a real process.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::data::Data;
use crate::files::Folder;
use crate::program::*;

const LINE: &str = "{\"candidates\":[0,1,2,3,4,5],\"scores\":[6,5,4,3,2,1]}\n";

/// The program with slates from a pipe, as a shell starts it: tests may run where Ctrl-C is ignored.
fn spawn(folder: &Folder, output: &Path) -> Child {
    let command = Rerank::of(&[Data::new().catalog_npy(folder)], &["-".into()], output).on_cpu();
    let mut shell = Command::new("env");
    shell.args(["--default-signal=INT", env!("CARGO_BIN_EXE_spectrank")]).args(&command.0);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ctrl_c(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
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
        assert!(
            err.starts_with("spectrank: interrupted after ") && err.ends_with(" slates: nothing was kept\n"),
            "{err}"
        );
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
    // Whole batches of whole slates, six positions each, and the message says how many.
    let n_slates = json_rows(&(first + &rest)).len() / 6;
    assert!(n_slates >= 1024 && n_slates.is_multiple_of(1024), "{n_slates}");
    assert_eq!(err, format!("spectrank: interrupted after {n_slates} slates: the output ends there\n"));
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let folder = Folder::new();
    let mut child = spawn(&folder, Path::new("-"));
    let mut stdin = child.stdin.take().unwrap();
    // Nobody reads the output: the open batch cannot be finished.
    let writer = std::thread::spawn(move || drop(stdin.write_all(LINE.repeat(20_000).as_bytes())));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    ctrl_c(&child);
    sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it waits for its reader");
    ctrl_c(&child);
    assert_eq!(ended(&mut child), (Some(130), String::new()));
    writer.join().unwrap();
}
