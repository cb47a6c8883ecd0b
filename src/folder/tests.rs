//! Every state that a folder can be found in, and what becomes of it.

mod damage;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::header::tests::header;
use super::*;
use crate::catalog::Catalog;
use crate::io::{BatchLimit, InputError, OutputFormat, SlateSource};
use crate::slate::{Placement, RankedSlate, Slate};

const PART_SLATES: u64 = 4;
const BATCH_SLATES: usize = 3;
/// The last part holds two.
const N_SLATES: usize = 14;

/// Slates from memory.
struct Memory(std::vec::IntoIter<Slate>);

impl SlateSource for Memory {
    fn next_batch_within(&mut self, limit: BatchLimit) -> Result<Option<Vec<Slate>>, InputError> {
        let batch: Vec<Slate> = self.0.by_ref().take(limit.max_slates).collect();
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn n_slates(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
}

fn slates(n: usize) -> Vec<Slate> {
    let slate = |i: usize| Slate {
        id: format!("q{i}"),
        candidates: vec![0, 1],
        scores: vec![i as f64 / 7.0, 1.0],
        ..Slate::default()
    };
    (0..n).map(slate).collect()
}

fn ranked(slate: &Slate) -> RankedSlate {
    let placement =
        |candidate: u32| Placement { candidate, item: candidate, utility: slate.scores[0], ..Placement::default() };
    RankedSlate { placements: vec![placement(1), placement(0)], ..RankedSlate::default() }
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    catalog.set_ids(vec!["a".to_owned(), "b".to_owned()]).unwrap();
    catalog
}

/// A run in the making.
#[derive(Clone)]
struct Run {
    header: Header,
    n_slates: usize,
    resume: bool,
    /// Ends without a word after so many batches.
    batches: usize,
    engine: String,
    batch_slates: usize,
}

impl Run {
    fn new(format: OutputFormat) -> Self {
        let header = Header { format, part_slates: PART_SLATES, ..header() };
        let engine = header.engine.clone();
        Self { header, n_slates: N_SLATES, resume: false, batches: usize::MAX, engine, batch_slates: BATCH_SLATES }
    }

    fn csv() -> Self {
        Self::new(OutputFormat::Csv)
    }

    fn resumed(&self) -> Self {
        Self { resume: true, batches: usize::MAX, ..self.clone() }
    }

    fn stopped(&self, batches: usize) -> Self {
        Self { batches, ..self.clone() }
    }

    fn run(&self, path: &Path) -> Result<Vec<Part>, FolderError> {
        let catalog = catalog();
        let folder = OutputFolder::open(path, self.header.clone(), self.resume)?;
        let mut source = FolderSource::new(Box::new(Memory(slates(self.n_slates).into_iter())), &folder);
        let mut sink = FolderSink::new(folder, true, &[("key".to_owned(), "value".to_owned())]);
        for _ in 0..self.batches {
            let Some(batch) = source.next_batch(BatchLimit::slates(self.batch_slates)).unwrap() else {
                return sink.finish();
            };
            let ranked: Vec<_> = batch.slates.iter().map(ranked).collect();
            sink.write(&batch, &ranked, &catalog, &self.engine)?;
        }
        Ok(Vec::new())
    }

    fn refused(&self, path: &Path) -> String {
        let before = content(path);
        let error = self.run(path).unwrap_err();
        assert_eq!(content(path), before, "a folder that is refused is left as it is");
        let line = error.to_string();
        assert!(!line.contains('\n'));
        line.strip_prefix(&format!("{}: ", path.display())).unwrap().to_owned()
    }
}

/// Every file with its bytes.
fn content(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(path).into_iter().flatten().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn put(path: &Path, content: &BTreeMap<String, Vec<u8>>) {
    let _ = fs::remove_dir_all(path);
    fs::create_dir(path).unwrap();
    content.iter().for_each(|(name, bytes)| fs::write(path.join(name), bytes).unwrap());
}

/// A folder in memory where there is such a place: these tests wait for the disk thousands of times.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// A folder of a run, undisturbed, and the place it is in.
fn undisturbed(run: &Run) -> (tempfile::TempDir, PathBuf, BTreeMap<String, Vec<u8>>) {
    let folder = place();
    let path = folder.path().join("out");
    run.run(&path).unwrap();
    let whole = content(&path);
    (folder, path, whole)
}

const FORMATS: [OutputFormat; 5] =
    [OutputFormat::Parquet, OutputFormat::Arrow, OutputFormat::Arrows, OutputFormat::Jsonl, OutputFormat::Csv];

#[test]
fn a_run_leaves_parts_a_manifest_and_a_mark() {
    let (_folder, _, whole) = undisturbed(&Run::csv());
    let names: Vec<&str> = whole.keys().map(String::as_str).collect();
    let parts = ["part-000000.csv", "part-000001.csv", "part-000002.csv", "part-000003.csv"];
    assert_eq!(names, [[SUCCESS_NAME, MANIFEST_NAME].as_slice(), &parts].concat());
    let lines = |name: &str| String::from_utf8(whole[name].clone()).unwrap().lines().count();
    // A header and two rows per slate.
    assert_eq!(parts.map(lines), [9, 9, 9, 5]);
    assert_eq!(lines(MANIFEST_NAME), 5);
    let mark: serde_json::Value = serde_json::from_slice(&whole[SUCCESS_NAME]).unwrap();
    assert_eq!((&mark["parts"], &mark["slates"], &mark["rows"]), (&4.into(), &14.into(), &28.into()));
}

#[test]
fn a_run_that_ended_after_any_batch_goes_on_to_the_same_bytes() {
    for format in FORMATS {
        for n_slates in [N_SLATES, 12, 0] {
            let run = Run { n_slates, ..Run::new(format) };
            let (_folder, path, whole) = undisturbed(&run);
            for n_batches in 0..9 {
                fs::remove_dir_all(&path).unwrap();
                run.stopped(n_batches).run(&path).unwrap();
                // And once more in between.
                run.resumed().stopped(1).run(&path).unwrap();
                let parts = run.resumed().run(&path).unwrap();
                assert_eq!(content(&path), whole, "{format:?}, {n_slates} slates, {n_batches} batches");
                assert_eq!(parts.iter().map(|part| part.slates).sum::<u64>(), n_slates as u64);
            }
        }
    }
}

#[test]
fn batches_of_another_size_go_on_to_the_same_bytes() {
    for format in FORMATS {
        let run = Run::new(format);
        let (_folder, path, whole) = undisturbed(&run);
        for (before, after) in [(1, 4), (4, 1), (2, 3)] {
            fs::remove_dir_all(&path).unwrap();
            Run { batch_slates: before, ..run.stopped(5) }.run(&path).unwrap();
            Run { batch_slates: after, ..run.resumed() }.run(&path).unwrap();
            assert_eq!(content(&path), whole, "{format:?}, {before} slates at a time, then {after}");
        }
    }
}

#[test]
fn a_manifest_torn_at_any_byte_goes_on_to_the_same_bytes() {
    let run = Run::csv();
    let (_folder, path, whole) = undisturbed(&run);
    let manifest = &whole[MANIFEST_NAME];
    let header_bytes = manifest.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for n_bytes in 0..=manifest.len() {
        let n_lines = manifest[..n_bytes].iter().filter(|&&byte| byte == b'\n').count();
        // What a kill can leave: the parts that have a line, and one more with its name or without.
        for (n_parts, draft) in
            [(n_lines.saturating_sub(1), None), (n_lines, None), (n_lines, Some(".spectrank-Ab1.part"))]
        {
            if n_bytes < header_bytes && n_parts > 0 {
                continue;
            }
            let mut torn = whole.clone();
            torn.retain(|name, _| !name.starts_with("part-") || *name < part_name(n_parts, OutputFormat::Csv));
            torn.remove(SUCCESS_NAME);
            torn.insert(MANIFEST_NAME.to_owned(), manifest[..n_bytes].to_vec());
            draft.map(|name| torn.insert(name.to_owned(), b"half a par".to_vec()));
            put(&path, &torn);
            run.resumed().run(&path).unwrap();
            assert_eq!(content(&path), whole, "{n_bytes} bytes, {n_parts} parts");
        }
    }
}

#[test]
fn what_is_there_is_not_touched_without_being_asked() {
    let run = Run::csv();
    let (_folder, path, whole) = undisturbed(&run);
    assert!(run.refused(&path).starts_with("holds a finished run: --resume checks it"));
    fs::remove_file(path.join(SUCCESS_NAME)).unwrap();
    assert!(run.refused(&path).starts_with("holds an unfinished run: add --resume"));
    let changed = Run { header: Header { part_slates: 5, ..run.header.clone() }, ..run.resumed() };
    assert!(changed.refused(&path).contains("add --part-slates 4"));
    for (name, run) in [("notes.txt", run.resumed()), ("part-0.csv", run.resumed())] {
        fs::write(path.join(name), "x").unwrap();
        assert!(run.refused(&path).starts_with(&format!("holds {name}, which is no output of spectrank")));
        fs::remove_file(path.join(name)).unwrap();
    }
    // Of a run that lost its manifest, or of another program, by names that we use too.
    for name in ["part-000000.csv", SUCCESS_NAME] {
        put(&path, &whole.clone().into_iter().filter(|(file, _)| file == name).collect());
        for run in [run.clone(), run.resumed()] {
            assert!(run.refused(&path).starts_with(&format!("holds {name} and no _manifest.jsonl, without which")));
        }
    }
}

#[test]
fn hidden_files_are_nobodys_and_what_a_kill_at_the_start_leaves_is_no_run() {
    let run = Run::csv();
    let (_folder, path, mut whole) = undisturbed(&run);
    let left = [(".DS_Store", "x"), (".spectrank-x.part", "y"), (MANIFEST_NAME, "{\"manifest\":1,\"spec")];
    for run in [run.clone(), run.resumed()] {
        put(&path, &left.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into());
        run.run(&path).unwrap();
        whole.insert(".DS_Store".to_owned(), b"x".to_vec());
        assert_eq!(content(&path), whole);
    }
}

#[test]
fn two_runs_in_one_folder_are_one_too_many() {
    let run = Run::csv();
    let (_folder, path, _) = undisturbed(&run);
    let open = OutputFolder::open(&path, run.header.clone(), true).unwrap();
    for error in [OutputFolder::open(&path, run.header.clone(), true).map(drop), look(&path, true)] {
        assert!(matches!(error.unwrap_err().problem, FolderProblem::InUse));
    }
    drop(open);
    look(&path, true).unwrap();
}

#[test]
fn a_part_by_another_engine_says_so_and_is_kept() {
    let run = Run::csv();
    let (_folder, path, whole) = undisturbed(&run);
    fs::remove_dir_all(&path).unwrap();
    // Two batches to a part: the second part is the other engine's.
    run.stopped(2).run(&path).unwrap();
    Run { engine: "CPU, f64".to_owned(), ..run.resumed().stopped(2) }.run(&path).unwrap();
    let parts = run.resumed().run(&path).unwrap();
    let engines: Vec<_> = parts.iter().map(|part| part.engine.as_deref()).collect();
    assert_eq!(engines, [None, Some("CPU, f64"), None, None]);
    assert_ne!(content(&path)[MANIFEST_NAME], whole[MANIFEST_NAME]);
}

#[test]
fn a_folder_needs_one_to_be_in_and_no_file_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::csv();
    fs::write(folder.path().join("file"), "x").unwrap();
    let refused = |name: &str| run.run(&folder.path().join(name)).unwrap_err().problem;
    assert!(matches!(refused("file/"), FolderProblem::IsFile));
    assert!(matches!(refused("nowhere/out/"), FolderProblem::MissingParent(_)));
}
