//! Output folders: what they hold, what they refuse, and how a run goes on after a fault.

use std::path::Path;

use crate::data::Data;
use crate::files::Folder;
use crate::many_slates::*;
use crate::program::*;

fn small(folder: &Folder, output: &Path) -> Rerank {
    let data = Data::new();
    let rerank = Rerank::of(&[data.catalog_parquet(folder)], &[data.slates_parquet(folder)], output);
    rerank.on_cpu().with(["--part-slates", "3"])
}

#[test]
fn parts_hold_the_rows_of_one_file() {
    let folder = Folder::new();
    let file = folder.path("out.parquet");
    Rerank::of(&[Data::new().catalog_parquet(&folder)], &[Data::new().slates_parquet(&folder)], &file)
        .on_cpu()
        .run()
        .ok();
    let (metadata, _) = read_parquet(&file);
    for format in ["parquet", "jsonl", "csv"] {
        let output = folder.path(&format!("{format}/"));
        let ran = small(&folder, &output).with(["--output-format", format, "--json"]).run().ok();
        let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((&summary["folder"]["parts"], &summary["folder"]["slates"]), (&2.into(), &4.into()));
        let parts = ["part-000000", "part-000001"].map(|name| output.join(name).with_extension(format));
        assert_eq!(parts.iter().flat_map(|part| read_rows(part)).collect::<Vec<_>>(), read_rows(&file));
        if format == "parquet" {
            assert_eq!(read_parquet(&parts[1]).0, metadata);
        }
    }
}

#[test]
fn a_folder_that_is_there_needs_no_slash_and_a_finished_run_is_checked() {
    let folder = Folder::new();
    let output = folder.path("out");
    std::fs::create_dir(&output).unwrap();
    let rerank = small(&folder, &output);
    rerank.run().ok();
    let whole = content(&output);
    assert!(rerank.run().failed(3).contains("holds a finished run: --resume checks it"));
    let ran = rerank.clone().with(["--resume"]).run().ok();
    let said = format!("{}: complete already: 4 slates in 2 parts, verified in ", output.display());
    assert!(ran.stderr.starts_with(&said) && ran.stderr.lines().count() == 1, "{}", ran.stderr);
    let ran = rerank.clone().with(["--resume", "--json"]).run().ok();
    let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(summary["folder"]["was_complete"] == true && summary["folder"]["verify_seconds"].as_f64() > Some(0.0));
    // A bit that turned on the disk.
    let mut bytes = whole["part-000000.parquet"].clone();
    bytes[100] ^= 4;
    std::fs::write(output.join("part-000000.parquet"), bytes).unwrap();
    let ran = rerank.with(["--resume"]).run().ok();
    let (first, rest) = ran.stderr.split_once('\n').unwrap();
    assert_eq!(first, "spectrank: part-000000.parquet was missing or damaged: it is made again");
    assert!(rest.contains("3 slates, ") && rest.ends_with(", 1 in 1 from before, 1 made again\n"), "{rest}");
    assert_eq!(content(&output), whole);
}

/// As a user who may read everything in a folder and write nothing. Root may write whatever the modes say, so there it is
/// nobody, with a copy of the program where nobody can reach it.
#[cfg(unix)]
fn run_without_writing(command: &Rerank, folder: &Folder, read_only: &Path) -> Ran {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    content(read_only).keys().for_each(|name| mode(&read_only.join(name), 0o444));
    mode(read_only, 0o555);
    let mut program = program();
    if read_only.metadata().unwrap().uid() == 0 {
        let copy = folder.path("spectrank");
        std::fs::copy(env!("CARGO_BIN_EXE_spectrank"), &copy).unwrap();
        mode(folder.0.path(), 0o755);
        program = std::process::Command::new(copy);
        program.uid(NOBODY).gid(NOBODY);
    }
    let ran = Ran::of(program.args(&command.0).output().unwrap());
    mode(read_only, 0o755);
    ran
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_only_be_read_is_checked_all_the_same() {
    let folder = Folder::new();
    let output = folder.path("out/");
    let command = small(&folder, &output).with(["--resume"]);
    command.run().ok();
    let whole = content(&output);
    run_without_writing(&command, &folder, &output).ok();
    std::fs::remove_file(output.join("_SUCCESS")).unwrap();
    let ran = run_without_writing(&command, &folder, &output);
    let line = ran.failed(3);
    assert!(line.contains("_manifest.jsonl cannot be written (Permission denied"), "{line}");
    std::fs::write(output.join("_SUCCESS"), &whole["_SUCCESS"]).unwrap();
    assert_eq!(content(&output), whole);
}

#[test]
fn what_contradicts_itself_is_damage_that_is_said_with_its_cure() {
    let folder = Folder::new();
    let output = folder.path("out/");
    let command = small(&folder, &output).with(["--resume"]);
    command.run().ok();
    let whole = content(&output);
    let text = |name: &str| String::from_utf8(whole[name].clone()).unwrap();
    let manifest = text("_manifest.jsonl").replace("\"rows\":", "\"rows\":1");
    for (name, found, expected) in [
        (
            "_SUCCESS",
            Some(text("_SUCCESS").replace("\"parts\":2", "\"parts\":3")),
            "_SUCCESS does not fit _manifest.jsonl",
        ),
        ("_manifest.jsonl", Some(manifest), "_manifest.jsonl is damaged (line 2: does not fit its checksum)"),
        ("_manifest.jsonl", None, "holds part-000000.parquet and no _manifest.jsonl"),
    ] {
        match found {
            Some(found) => std::fs::write(output.join(name), found).unwrap(),
            None => std::fs::remove_file(output.join(name)).unwrap(),
        }
        let ran = command.run();
        assert!(ran.failed(3).contains(expected), "{}", ran.stderr);
        std::fs::write(output.join(name), &whole[name]).unwrap();
    }
    command.run().ok();
    assert_eq!(content(&output), whole);
}

#[test]
fn a_run_that_is_another_one_is_refused_and_said_which() {
    let folder = Folder::new();
    let output = folder.path("out/");
    small(&folder, &output).run().ok();
    let whole = content(&output);
    let refused = |rerank: Rerank| rerank.with(["--resume"]).run().failed(1).to_owned();
    for (more, expected) in [
        (&["--strength", "0.9"][..], "spectral.strength was 0.3 when it was begun and is 0.9 now"),
        (&["--precision", "f64"], "begun by \"CPU, f32\" and would go on by \"CPU, f64\""),
        (&["--output-format", "csv"], "its parts are parquet and would now be csv: add --output-format parquet"),
    ] {
        let line = refused(small(&folder, &output).with(more));
        assert!(line.contains("out: cannot be resumed: ") && line.contains(expected), "{line}");
    }
    let mut data = Data::new();
    data.slates[2].2[0] += 0.125;
    let other = Folder::new();
    let line = refused(
        Rerank::of(&[Data::new().catalog_parquet(&folder)], &[data.slates_parquet(&other)], &output)
            .on_cpu()
            .with(["--part-slates", "3"]),
    );
    assert!(line.contains("slates.parquet has changed: bring back the slates it was begun with"), "{line}");
    assert_eq!(content(&output), whole);
}

#[test]
fn flags_that_do_not_go_together_are_met_before_any_work() {
    let folder = Folder::new();
    let rerank = |output: &str| Rerank::of(&["no.npy".into()], &["-".into()], &folder.path(output));
    for (rerank, expected) in [
        (rerank("out.csv").with(["--resume"]), "--resume: is for an output folder: end --output with a slash"),
        (rerank("out.csv").with(["--part-slates", "9"]), "--part-slates: is for an output folder"),
        (rerank("out/").with(["--resume"]), "--resume: slates on standard input cannot be read again"),
    ] {
        let ran = rerank.run();
        assert!(ran.failed(2).starts_with(expected), "{}", ran.stderr);
    }
    let ran = rerank("out").run();
    assert!(ran.failed(1).starts_with("no.npy: no such file"), "{}", ran.stderr);
    let ran = rerank("nowhere/out/").run();
    assert!(ran.failed(3).contains("nowhere does not exist: create it first"), "{}", ran.stderr);
    assert_eq!(listing(&folder), [""; 0]);
}

#[test]
fn an_input_that_turns_bad_ends_in_one_line_and_leaves_what_is_committed() {
    let folder = Folder::new();
    let output = folder.path("out/");
    let command = in_parts(&folder, 10, 3, &output);
    let slates = folder.path("many.jsonl");
    let mut text = std::fs::read_to_string(&slates).unwrap();
    text.insert_str(text.match_indices('\n').nth(7).unwrap().0 + 1, "no slate\n");
    std::fs::write(&slates, text).unwrap();
    let line = command.run().failed(1).to_owned();
    assert!(line.contains("line 9 is not a JSON object"), "{line}");
    let kept = ["no part is kept yet", "3 slates in 1 part are kept", "6 slates in 2 parts are kept"];
    let committed = n_committed(&content(&output));
    let expected = format!("; {} for --resume, as long as the files stay as they are", kept[committed]);
    assert!(line.ends_with(&expected), "{line}");
    let names: Vec<String> = content(&output).into_keys().collect();
    assert!(names.iter().all(|name| !name.starts_with(".spectrank-") && name != "_SUCCESS"), "{names:?}");
}

#[test]
fn a_run_goes_on_under_another_memory_limit() {
    const N_SLATES: usize = 2000;
    let folder = in_memory();
    let output = folder.path("out/");
    for format in ["parquet", "arrow"] {
        let command = in_parts(&folder, N_SLATES, 1500, &output).with(["--output-format", format]);
        command.run().ok();
        let whole = content(&output);
        // One part and the manifest's second line with it, as a kill leaves it; the limit makes for batches of fewer slates.
        let lines: Vec<&[u8]> = whole["_manifest.jsonl"].split_inclusive(|&byte| byte == b'\n').collect();
        std::fs::write(output.join("_manifest.jsonl"), lines[..2].concat()).unwrap();
        for name in ["_SUCCESS".to_owned(), format!("part-000000.{format}"), format!("part-000001.{format}")] {
            std::fs::remove_file(output.join(name)).unwrap();
        }
        command.with(["--memory-limit", "90MiB"]).run().ok();
        assert_eq!(content(&output), whole, "{format}");
        std::fs::remove_dir_all(&output).unwrap();
    }
}

/// With no file larger than so many blocks, as where a disk is full.
#[cfg(target_os = "linux")]
fn limited(command: &Rerank, n_blocks: usize) -> Ran {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {n_blocks}; exec \"$@\""), "sh"]);
    Ran::of(shell.arg(env!("CARGO_BIN_EXE_spectrank")).args(&command.0).output().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_ends_in_one_line_and_the_run_goes_on_once_there_is_room() {
    let folder = in_memory();
    let whole = folder.path("whole/");
    let csv = |output: &Path| in_parts(&folder, 60, 2, output).with(["--output-format", "csv"]);
    csv(&whole).run().ok();
    let whole = content(&whole);
    // In blocks of 512 bytes: too little for the manifest's last lines, and too little for the larger parts.
    let manifest_blocks = whole["_manifest.jsonl"].len() / 512;
    for (n_blocks, what, fewest) in
        [(manifest_blocks, "_manifest.jsonl cannot be written", 10), (5, "csv: cannot be written", 1)]
    {
        let output = folder.path("out/");
        let command = csv(&output);
        let ran = limited(&command, n_blocks);
        let line = ran.failed(3);
        assert!(line.contains(what) && line.contains("check the free space"), "{line}");
        let committed = n_committed(&content(&output));
        let kept = match committed {
            1 => "2 slates in 1 part are kept".to_owned(),
            n => format!("{} slates in {n} parts are kept", 2 * n),
        };
        assert!(line.ends_with(&format!("; {kept}, and the same command with --resume goes on from there")), "{line}");
        assert!(committed >= fewest && committed < 30, "{committed}");
        command.run().ok();
        assert_eq!(content(&output), whole);
        std::fs::remove_dir_all(output).unwrap();
    }
}
