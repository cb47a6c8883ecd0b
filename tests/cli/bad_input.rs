//! Bad input ends in one line that names the file, the slate and the item, and leaves nothing behind.

use std::path::PathBuf;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{Float32Array, ListArray, StringArray};
use safetensors::Dtype;

use crate::data::{Data, N_ITEMS};
use crate::files::{Folder, col, f32_bytes};
use crate::program::*;

/// A folder with a good catalog (with ids) and good slates, and files that are not as they should be.
struct Case {
    folder: Folder,
    data: Data,
}

impl Case {
    fn new() -> Self {
        Self { folder: Folder::new(), data: Data::new() }
    }

    /// Runs over these files and checks all that holds for every refusal. Gives the line without the path of `culprit`.
    fn refused(&self, catalog: &[PathBuf], slates: &[PathBuf], more: &[&str], culprit: &str) -> String {
        let mut line = String::new();
        for output in ["ranked.parquet", "ranked.csv", "ranked.jsonl"] {
            let kept = self.folder.bytes(output, b"the output of the run before");
            let before = listing(&self.folder);
            let ran = Rerank::of(catalog, slates, &kept).on_cpu().with(more).run();
            line = ran.failed(1).to_owned();
            assert_eq!(ran.stdout, "");
            assert_eq!(listing(&self.folder), before, "{line}");
            assert_eq!(std::fs::read(&kept).unwrap(), b"the output of the run before", "{line}");
        }
        let start = format!("{}: ", self.folder.path(culprit).display());
        line.strip_prefix(&start).unwrap_or_else(|| panic!("`{line}` does not start with `{start}`")).to_owned()
    }

    fn catalog(&self, path: PathBuf) -> String {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        self.refused(&[path], &[self.data.slates_jsonl(&self.folder)], &[], &name)
    }

    fn slates(&self, path: PathBuf) -> String {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        self.refused(&[self.data.catalog_parquet(&self.folder)], &[path], &[], &name)
    }

    /// Slates as JSON lines, the bad one last, after more than a batch of good ones.
    fn lines(&self, bad: &str) -> String {
        let good = "{\"candidates\":[0,1],\"scores\":[0.5,0.25]}\n".repeat(1500);
        self.slates(self.folder.bytes("bad.jsonl", (good + bad).as_bytes()))
    }

    /// Slates as Parquet lists, the last of them with these candidates and scores.
    fn lists(&self, candidates: &[u32], scores: &[f32]) -> String {
        let candidates = [vec![0, 1], candidates.to_vec()].map(|list| Some(list.into_iter().map(Some)));
        let scores = [vec![0.5, 0.25], scores.to_vec()].map(|list| Some(list.into_iter().map(Some)));
        self.slates(self.folder.parquet(
            "bad.parquet",
            vec![
                ("slate_id", col(StringArray::from(vec!["good", "bad"]))),
                ("candidates", col(ListArray::from_iter_primitive::<UInt32Type, _, _>(candidates))),
                ("scores", col(ListArray::from_iter_primitive::<Float32Type, _, _>(scores))),
            ],
        ))
    }

    /// The good files with this configuration.
    fn config(&self, text: &str) -> String {
        self.folder.bytes("feed.toml", text.as_bytes());
        let path = self.folder.path("feed.toml").into_os_string().into_string().unwrap();
        let (catalog, slates) = ([self.data.catalog_parquet(&self.folder)], [self.data.slates_jsonl(&self.folder)]);
        self.refused(&catalog, &slates, &["--config", &path], "feed.toml")
    }
}

#[track_caller]
fn says(line: String, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "`{line}` does not say `{part}`");
    }
}

#[test]
fn a_missing_file() {
    let case = Case::new();
    says(case.catalog(case.folder.path("none.parquet")), &["no such file: check the path"]);
    says(case.slates(case.folder.path("none.npy")), &["no such file: check the path"]);
    let (catalog, slates) = ([case.data.catalog_npy(&case.folder)], [case.data.slates_jsonl(&case.folder)]);
    let config = case.folder.path("none.toml").into_os_string().into_string().unwrap();
    says(case.refused(&catalog, &slates, &["--config", &config], "none.toml"), &["cannot be read", "--config"]);
}

#[test]
fn a_file_that_is_cut_or_of_another_kind() {
    let case = Case::new();
    let cut = |path: PathBuf, name: &str, n_bytes: usize| {
        let whole = std::fs::read(path).unwrap();
        case.folder.bytes(name, &whole[..whole.len() - n_bytes])
    };
    for n_bytes in [1, 40, 1000] {
        let npy = cut(case.data.catalog_npy(&case.folder), "cut.npy", n_bytes);
        says(case.catalog(npy), &["is truncated", "copy or export it again"]);
        let parquet = cut(case.data.catalog_parquet(&case.folder), "cut.parquet", n_bytes);
        says(case.catalog(parquet), &["is truncated"]);
    }
    let tensors = cut(case.data.catalog_safetensors(&case.folder), "cut.safetensors", 8);
    says(case.catalog(tensors), &["truncated"]);
    says(case.catalog(case.folder.bytes("items.csv", b"a,b")), &["unknown catalog format", ".safetensors"]);
    says(case.slates(case.folder.bytes("slates.csv", b"a,b")), &["unknown slates format", ".jsonl"]);
    says(case.catalog(case.folder.bytes("text.parquet", b"item_id,text")), &["is not a Parquet file"]);
    says(case.catalog(case.folder.bytes("x.pt", b"PK\x03\x04zip")), &["PyTorch", "safetensors"]);
}

#[test]
fn a_header_that_lies() {
    let case = Case::new();
    let npy = |header: &str| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend([0; 64]);
        case.catalog(case.folder.bytes("lie.npy", &bytes))
    };
    let shaped = |shape: &str| format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    says(npy(&shaped("(4611686018427387904, 4)")), &["overflows"]);
    says(npy(&shaped("(1000000000000, 100)")), &["is truncated", "(1000000000000, 100)"]);
    says(npy("{'descr': '<f8', 'shape'"), &["bad", "header", "export it again"]);
    says(npy("{'descr': '|O', 'fortran_order': False, 'shape': (2, 4), }\n"), &["type object", "convert it"]);
    let tensors = |header: &str| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend([0; 64]);
        case.catalog(case.folder.bytes("lie.safetensors", &bytes))
    };
    says(tensors("{\"x\":{\"dtype\":\"F32\",\"shape\":[4,4],\"data_offsets\":[0,999]}}"), &["header"]);
    says(tensors("{\"x\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,4],\"data_offsets\":[0,64]}}"), &["header"]);
    says(tensors("not json"), &["header"]);
    let huge = [&u64::MAX.to_le_bytes()[..], &[0; 64]].concat();
    says(case.catalog(case.folder.bytes("huge.safetensors", &huge)), &["header"]);
}

#[test]
fn a_candidate_that_is_not_in_the_catalog() {
    let case = Case::new();
    let line = case.lines("{\"slate_id\":\"bad\",\"candidates\":[3,40],\"scores\":[1,2]}");
    says(line, &["slate \"bad\"", "candidate 40 is not in the catalog", "0 to 39", "remove it"]);
    let line = case.lines("{\"slate_id\":\"bad\",\"candidates\":[\"item-03\",\"item-99\"],\"scores\":[1,2]}");
    says(line, &["slate \"bad\"", "candidate \"item-99\" is not in the catalog"]);
    says(case.lists(&[1, 77], &[0.5, 0.25]), &["slate \"bad\"", "candidate 77"]);
    let pair = [case.folder.npy("c.npy", &[1, 2], &[0i64, 40]), case.folder.npy("s.npy", &[1, 2], &[1f32, 2.0])];
    let line = case.refused(&[case.data.catalog_npy(&case.folder)], &pair, &[], "c.npy");
    says(line, &["slate \"0\"", "candidate 40"]);
    let by_id = [case.data.slates_by_id(&case.folder)];
    let line = case.refused(&[case.data.catalog_npy(&case.folder)], &by_id, &[], "slates_by_id.parquet");
    says(line, &["slate \"q0\"", "item-00", "no item_id column"]);
    let long = case.folder.parquet(
        "long.parquet",
        vec![
            ("slate_id", col(StringArray::from(vec!["good", "bad"]))),
            ("item_id", col(StringArray::from(vec!["item-00", "item-77"]))),
            ("score", col(Float32Array::from(vec![1.0, 2.0]))),
        ],
    );
    says(case.slates(long), &["slate \"bad\"", "candidate \"item-77\""]);
}

#[test]
fn lengths_that_differ() {
    let case = Case::new();
    let line = case.lines("{\"slate_id\":\"bad\",\"candidates\":[3,4,5],\"scores\":[1,2]}");
    says(line, &["slate \"bad\"", "3 candidates but 2 scores"]);
    says(case.lists(&[1], &[0.5, 0.25]), &["slate \"bad\"", "1 candidates but 2 scores"]);
    let pair = [case.folder.npy("c.npy", &[1, 2], &[0i64, 1]), case.folder.npy("s.npy", &[1, 3], &[1f32; 3])];
    let line = case.refused(&[case.data.catalog_npy(&case.folder)], &pair, &[], "s.npy");
    says(line, &["(1, 3)", "(1, 2)", "must have the same shape"]);
    let other = case.folder.npy("other.npy", &[3, 1], &[1f32; 3]);
    let catalog = [case.data.catalog_npy(&case.folder), other];
    let line = case.refused(&catalog, &[case.data.slates_jsonl(&case.folder)], &[], "other.npy");
    says(line, &["column \"other\" has 3 rows but the catalog has 40"]);
}

#[test]
fn scores_that_are_not_finite() {
    let case = Case::new();
    for (score, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let line = case.lists(&[1, 7], &[0.5, score]);
        says(line, &["slate bad", "item item-07", &format!("is {name}"), "must be finite"]);
        let pair = [case.folder.npy("c.npy", &[1, 2], &[0i64, 7]), case.folder.npy("s.npy", &[1, 2], &[0.5, score])];
        let catalog = [case.data.catalog_npy(&case.folder)];
        let slates_line = {
            let output = case.folder.path("ranked.csv");
            let ran = Rerank::of(&catalog, &pair, &output).on_cpu().run();
            ran.failed(1).to_owned()
        };
        says(slates_line, &["c.npy", "s.npy", "slate 0", "item 7", name]);
    }
    let line = case.lines("{\"slate_id\":\"bad\",\"candidates\":[3,4],\"scores\":[1,null]}");
    says(line, &["slate \"bad\"", "item 4", "every candidate needs one"]);
    says(case.lines("{\"candidates\":[3],\"scores\":[NaN]}"), &["line 1501", "JSON has no NaN"]);
}

#[test]
fn embeddings_that_are_not_finite() {
    let case = Case::new();
    let mut values = case.data.text.concat();
    values[6 * 11 + 2] = f32::NAN;
    let shape = [N_ITEMS as u64, 6];
    let parts = ["row 11", "dimension 2", "repair or drop that item"];
    says(case.catalog(case.folder.npy("nan.npy", &shape, &values)), &parts);
    let tensors = [("nan", Dtype::F32, vec![N_ITEMS, 6], f32_bytes(&values))];
    says(case.catalog(case.folder.safetensors("nan.safetensors", &tensors)), &parts);
    let ids = StringArray::from_iter_values((0..N_ITEMS as u32).map(Data::id));
    let lists = values.chunks(6).map(|row| Some(row.iter().map(|&x| Some(x))));
    let lists = ListArray::from_iter_primitive::<Float32Type, _, _>(lists);
    let line = case.catalog(case.folder.parquet("nan.parquet", vec![("item_id", col(ids)), ("nan", col(lists))]));
    says(line, &parts);
    values[6 * 11 + 2] = f32::INFINITY;
    says(case.catalog(case.folder.npy("inf.npy", &shape, &values)), &parts);
}

#[test]
fn an_embedding_that_is_not_finite_is_named_by_id() {
    let case = Case::new();
    let mut values = case.data.text.concat();
    values[6 * 11] = f32::NAN;
    let catalog = [case.data.columns_parquet(&case.folder), case.folder.npy("nan.npy", &[N_ITEMS as u64, 6], &values)];
    let line = case.refused(&catalog, &[case.data.slates_jsonl(&case.folder)], &[], "nan.npy");
    says(line, &["\"nan\"", "row 11", "item item-11"]);
}

#[test]
fn a_duplicate_candidate_and_too_many() {
    let case = Case::new();
    let line = case.lines("{\"slate_id\":\"bad\",\"candidates\":[3,4,3],\"scores\":[1,2,3]}");
    says(line, &["slate bad", "item item-03 is listed twice", "candidates 0 and 2", "keep one"]);
    let many = (0..10_001).map(|i| i % 40);
    let line = serde_json::json!({ "slate_id": "bad", "candidates": many.clone().collect::<Vec<_>>(), "scores": many.collect::<Vec<_>>() });
    says(case.lines(&line.to_string()), &["slate bad", "10001 candidates, at most 10000"]);
}

#[test]
fn a_name_with_line_breaks_stays_on_one_line() {
    let line = Case::new().lines("{\"slate_id\":\"b\\na\\u001bd\",\"candidates\":[3,3],\"scores\":[1,2]}");
    says(line, &["slate b\\na\\u{1b}d", "listed twice"]);
}

#[test]
fn a_configuration_that_cannot_be_used() {
    let case = Case::new();
    says(case.config("[spectral]\nstrenght = 0.4\n"), &["line 2", "strenght", "expected one of", "`strength`"]);
    says(case.config("slate_size = 20\ncolour = 3\n"), &["line 2", "colour"]);
    says(case.config("slate_size = 501"), &["slate_size = 501 is out of range", "1 to 500"]);
    says(case.config("slate_size = "), &["line 1"]);
    says(case.config("[mmr]\nlambda = 2.0"), &["mmr.lambda"]);
    says(case.config("strategy = \"mrm\""), &["line 1", "strategy", "mrm", "`mmr`"]);
    says(case.config("[ssd]\neviction = \"never\""), &["line 2", "ssd.eviction", "`exact`"]);
}

#[test]
fn a_configuration_that_does_not_fit_the_catalog() {
    let case = Case::new();
    let (catalog, slates) = ([case.data.catalog_parquet(&case.folder)], [case.data.slates_jsonl(&case.folder)]);
    let refused = |text: &str| {
        let config = case.folder.bytes("feed.toml", text.as_bytes()).into_os_string().into_string().unwrap();
        case.refused(&catalog, &slates, &["--config", &config], "items.parquet")
    };
    says(refused("[[signal]]\nname = \"image\""), &["no column \"image\"", "text", "configuration"]);
    says(refused("[[relevance.adjust]]\ncolumn = \"item_id\"\nweight = 1.0"), &["relevance.adjust[0]", "item_id"]);
    let rule = "[[spacing]]\nname = \"s\"\ncolumn = \"quality\"\nvalues = [1]\nstrength = 1.0\nwindow = 2\n";
    says(refused(&format!("{rule}confidence = \"colour\"")), &["no column \"colour\""]);
}

#[test]
fn a_catalog_that_is_no_file_or_holds_nothing() {
    let case = Case::new();
    let slates = [case.data.slates_jsonl(&case.folder)];
    let ran = Rerank::of(&["-".into()], &slates, &case.folder.path("out.csv")).on_cpu().run();
    assert!(
        ran.failed(1).starts_with("-: the catalog cannot be read from standard input: write it to a file"),
        "{}",
        ran.stderr
    );
    let none = case.folder.npy::<f32>("none.npy", &[0, 2], &[]);
    let ran = Rerank::of(&[none], &slates, &case.folder.path("out.csv")).on_cpu().run();
    assert!(ran.failed(1).contains("candidate 0 is not in the catalog, which has no rows: "), "{}", ran.stderr);
}

#[test]
fn flags_that_cannot_be_used() {
    let (folder, data) = (Folder::new(), Data::new());
    let (catalog, slates) = ([data.catalog_npy(&folder)], [data.slates_jsonl(&folder)]);
    let failed = |flags: &[&str]| {
        let ran = Rerank::of(&catalog, &slates, &folder.path("out.csv")).on_cpu().with(flags).run();
        ran.failed(1).to_owned()
    };
    says(failed(&["--slate-size", "0"]), &["flags: slate_size = 0 is out of range: a whole number from 1 to 500"]);
    says(failed(&["--scope", "window"]), &["flags: window.ahead", "set ahead to 1 or more"]);
    says(failed(&["--strength", "nan"]), &["flags: spectral.strength"]);
    assert_eq!(listing(&folder), ["slates.jsonl", "text.npy"]);
}

/// The memory of a process has nothing at its start, and the system says so as a disk does that fails: EIO.
#[cfg(target_os = "linux")]
#[test]
fn a_read_error_of_the_system_is_told_and_leaves_nothing_behind() {
    let case = Case::new();
    let failing = |name: &str| {
        let path = case.folder.path(name);
        std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
        path
    };
    let line = "cannot be read (Input/output error (os error 5)): check the disk, then copy or export the file again";
    for name in ["failing.jsonl", "failing.parquet", "failing.arrows"] {
        assert_eq!(case.slates(failing(name)), line, "{name}");
    }
    for name in ["failing.npy", "failing.safetensors", "failing_items.parquet", "failing.pt"] {
        assert_eq!(case.catalog(failing(name)), line, "{name}");
    }
    let output = case.folder.path("piped.parquet");
    let command = Rerank::of(&[case.data.catalog_parquet(&case.folder)], &["-".into()], &output).on_cpu();
    // This process lives on, so its memory is there to be read.
    let stdin = std::fs::File::open("/proc/self/mem").unwrap();
    let ran = Ran::of(program().args(&command.0).stdin(stdin).output().unwrap());
    assert_eq!(ran.failed(1), format!("standard input: {line}"));
    assert!(!output.exists());
}
