//! `bloom`: histories in, Bloom filters out, and back in as `seen_bloom`.

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Int64Array, LargeListArray, ListArray, StringArray};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use spectrank::bloom::{BloomFilter, hash_of};
use spectrank::catalog::Catalog;
use spectrank::config::Config;
use spectrank::io::{SlateFields, open_slates};

use crate::files::{Folder, col, without_path};
use crate::program::*;

fn text_lists(rows: &[Option<&[&str]>]) -> ListArray {
    let mut builder = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
    for row in rows {
        match row {
            Some(items) => builder.append_value(items.iter().map(Some)),
            None => builder.append_null(),
        }
    }
    builder.finish()
}

fn bloom(histories: &Path, output: &Path, more: &[&str]) -> Ran {
    let mut arguments: Vec<PathBuf> = vec!["bloom".into(), "--histories".into(), histories.into()];
    arguments.extend(["--output".into(), output.to_owned()]);
    arguments.extend(more.iter().map(PathBuf::from));
    run(arguments)
}

fn slates_file(folder: &Folder, name: &str, seen: ArrayRef) -> PathBuf {
    let candidates = text_lists(&[Some(&["a", "b", "c"]), Some(&["c", "d"]), Some(&["a"])]);
    let scores = [vec![0.9, 0.8, 0.7], vec![0.5, 0.4], vec![0.1]];
    let scores = scores.map(|row| Some(row.into_iter().map(Some).collect::<Vec<_>>()));
    folder.parquet(
        name,
        vec![
            ("slate_id", col(StringArray::from(vec!["q", "r", "s"]))),
            ("candidates", col(candidates)),
            ("seen", seen),
            ("scores", col(ListArray::from_iter_primitive::<Float64Type, _, _>(scores))),
            ("day", col(Int64Array::from(vec![Some(3), None, Some(5)]))),
        ],
    )
}

/// Slates with a column of histories: the filters take its place, and the reader finds in them what was there.
#[test]
fn histories_become_filters_that_slates_can_carry() {
    let folder = Folder::new();
    let input = slates_file(&folder, "in.parquet", col(text_lists(&[Some(&["b", "zzz", "b"]), None, Some(&[])])));
    let output = folder.path("out.parquet");
    let ran = bloom(&input, &output, &[]).ok();
    let summary = "3 rows, 2 filters of 32 bytes on average, 2 items, at most ";
    assert!(ran.stderr.starts_with(summary) && ran.stderr.ends_with(" % false positives\n"), "{}", ran.stderr);

    let (metadata, batches) = read_parquet(&output);
    assert!(metadata.contains(&("spectrank.bloom.rate".to_owned(), "0.01".to_owned())));
    let (_, before) = read_parquet(&input);
    for (position, name) in ["slate_id", "candidates", "seen_bloom", "scores", "day"].iter().enumerate() {
        assert_eq!(batches[0].schema().field(position).name(), name);
        if *name != "seen_bloom" {
            let whole = |batches: &[arrow_array::RecordBatch]| {
                batches.iter().map(|b| format!("{:?}", b.column_by_name(name).unwrap())).collect::<String>()
            };
            assert_eq!(whole(&batches), whole(&before), "{name}");
        }
    }

    let mut catalog = Catalog::new();
    catalog.set_ids(["a", "b", "c", "d"].map(str::to_owned).to_vec()).unwrap();
    let config = Config::from_toml("[filter]\nseen_bloom = \"seen_bloom\"").unwrap();
    let mut source = open_slates(&[output], &catalog, &SlateFields::of(&config)).unwrap();
    let slates = source.next_batch(10).unwrap().unwrap();
    let filter = slates[0].seen_bloom.as_ref().unwrap();
    assert!(filter.contains(hash_of("b")) && filter.contains(hash_of("zzz")) && !filter.contains(hash_of("a")));
    assert!(slates[1].seen_bloom.is_none());
    assert!(!slates[2].seen_bloom.as_ref().unwrap().contains(hash_of("a")));
    assert!(slates.iter().all(|slate| slate.seen.is_empty()));
}

#[test]
fn items_by_number_are_hashed_as_decimal_text() {
    let folder = Folder::new();
    let rows = [Some(vec![Some(7i64), Some(1 << 40)])];
    let lists = LargeListArray::from_iter_primitive::<arrow_array::types::Int64Type, _, _>(rows);
    let input = folder.parquet("in.parquet", vec![("watched", col(lists))]);
    let output = folder.path("out.parquet");
    bloom(&input, &output, &["--column", "watched", "--name", "watched", "--quiet"]).ok();
    let filter = filters(&output, "watched").remove(0);
    assert!(filter.contains(hash_of("7")) && filter.contains(hash_of("1099511627776")));
}

/// Rows of a catalog with ids stand for these; without the catalog nothing can tell, and that is said.
#[test]
fn rows_become_ids_where_the_catalog_is_given() {
    let folder = Folder::new();
    let catalog = folder.parquet("items.parquet", vec![("item_id", col(StringArray::from(vec!["a", "b", "c"])))]);
    let rows = [Some(vec![Some(0i64), Some(2)])];
    let lists = ListArray::from_iter_primitive::<arrow_array::types::Int64Type, _, _>(rows);
    let parquet = folder.parquet("in.parquet", vec![("seen", col(lists))]);
    let lines = folder.bytes("in.jsonl", b"{\"seen\":[0,2]}\n");
    let with = ["--catalog", catalog.to_str().unwrap()];
    let (output, json) = (folder.path("out.parquet"), folder.path("out.jsonl"));
    let ran = bloom(&parquet, &output, &with).ok();
    assert!(!ran.stderr.contains("--catalog"), "{}", ran.stderr);
    let filter = filters(&output, "seen_bloom").remove(0);
    assert!(["a", "c"].iter().all(|id| filter.contains(hash_of(id))));
    bloom(&lines, &json, &with).ok();
    let written = std::fs::read_to_string(&json).unwrap();
    assert!(written.contains(&BASE64.encode(filter.to_bytes())), "{written}");
    for (input, output) in [(&parquet, &output), (&lines, &json)] {
        let ran = bloom(input, output, &[]).ok();
        assert!(ran.stderr.contains("taken for item ids") && ran.stderr.contains("--catalog"), "{}", ran.stderr);
    }
    let beyond = folder.bytes("beyond.jsonl", b"{\"seen\":[3]}\n");
    let ran = bloom(&beyond, &json, &with);
    assert!(ran.failed(1).contains("row 0: the catalog has no row 3, only 0 to 2"), "{}", ran.stderr);
}

fn filters(path: &Path, name: &str) -> Vec<BloomFilter> {
    let (_, batches) = read_parquet(path);
    let filters = batches.iter().flat_map(|batch| {
        let column = batch.column_by_name(name).unwrap().as_binary::<i32>().clone();
        (0..column.len()).map(move |row| BloomFilter::from_bytes(column.value(row)).unwrap())
    });
    filters.collect()
}

/// Another implementation in another language: same bytes.
#[test]
fn python_builds_the_same_bytes() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bloom");
    let text = std::fs::read_to_string(fixtures.join("python.json")).unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let sizes = rows.iter().map(|row| {
        let theirs = BASE64.decode(row["filter"].as_str().unwrap()).unwrap();
        let mut ours = BloomFilter::from_bytes(&vec![0; theirs.len()]).unwrap();
        row["items"].as_array().unwrap().iter().for_each(|item| ours.insert(hash_of(item.as_str().unwrap())));
        assert_eq!(ours.to_bytes(), theirs, "{}", row["items"]);
        ours.n_blocks()
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [1, 1, 1, 1, 9]);

    let folder = Folder::new();
    let line = |row: &serde_json::Value| serde_json::json!({ "seen": row["items"] }).to_string() + "\n";
    let input = folder.bytes("in.jsonl", rows[..4].iter().map(line).collect::<String>().as_bytes());
    let output = folder.path("out.jsonl");
    // High enough for one block each, as the Python has it.
    bloom(&input, &output, &["--rate", "0.3"]).ok();
    let written = std::fs::read_to_string(&output).unwrap();
    assert_eq!(written.lines().count(), 4);
    for (line, row) in written.lines().zip(&rows) {
        let found: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(found["seen_bloom"], row["filter"], "{}", row["items"]);
    }
}

/// A file by another writer, thousands of items, at two rates: nothing is forgotten, and the rate is as stated.
#[test]
fn long_histories_keep_the_rate() {
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bloom/histories.parquet");
    let folder = Folder::new();
    for rate in [0.01, 0.001] {
        let output = folder.path("out.parquet");
        let ran = bloom(&input, &output, &["--rate", &rate.to_string(), "--json"]).ok();
        let summary: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((&summary["n_rows"], &summary["n_items"]), (&2.into(), &5100.into()));
        let worst = summary["worst_rate"].as_f64().unwrap();
        assert!(worst <= rate && worst > 0.5 * rate, "{worst}");
        let filters = filters(&output, "seen_bloom");
        assert!((0..5000).all(|i| filters[0].contains(hash_of(&format!("item-{i}")))));
        let n_claimed = (0..100_000).filter(|i| filters[0].contains(hash_of(&format!("other-{i}")))).count();
        assert!((n_claimed as f64) < 1.3 * rate * 1e5, "{n_claimed}");
        assert!(filters[1].n_blocks() < filters[0].n_blocks() / 30);
    }
}

#[test]
fn json_lines_keep_what_is_not_replaced_as_it_is() {
    let folder = Folder::new();
    let line = "{\"slate_id\": 7, \"big\":123456789012345678901234567890, \"seen\": [\"b\", 3], \"x\" : [1.50, {\"é\":null}]}\n";
    let input = folder.bytes("in.jsonl", [line, "\n{\"seen\":null}\n"].concat().as_bytes());
    let output = folder.path("out.ndjson");
    bloom(&input, &output, &["--name", "f"]).ok();
    let written = std::fs::read_to_string(&output).unwrap();
    let mut filter = BloomFilter::with_capacity(2, 0.01).unwrap();
    ["b", "3"].iter().for_each(|id| filter.insert(hash_of(id)));
    let text = BASE64.encode(filter.to_bytes());
    let expected = format!(
        "{{\"slate_id\":7,\"big\":123456789012345678901234567890,\"f\":\"{text}\",\"x\":[1.50, {{\"é\":null}}]}}\n{{\"f\":null}}\n"
    );
    assert_eq!(written, expected);
}

#[test]
fn what_cannot_be_built_is_told() {
    let folder = Folder::new();
    let parquet = slates_file(&folder, "in.parquet", col(text_lists(&[Some(&["b"]), None, Some(&[])])));
    let out = folder.path("out.parquet");
    let says = |ran: Ran, path: &Path, part: &str| {
        let line = ran.failed(1);
        assert!(without_path(line, path).starts_with(part), "{line}");
    };
    says(
        bloom(&parquet, &out, &["--column", "history"]),
        &parquet,
        "has no column \"history\" (it has: slate_id, cand",
    );
    says(
        bloom(&parquet, &out, &["--column", "day"]),
        &parquet,
        "column \"day\" holds integers: it must hold lists of item ids",
    );
    says(bloom(&parquet, &out, &["--name", "day"]), &parquet, "has \"day\" already: choose another --name");
    let lists = ListArray::from_iter_primitive::<arrow_array::types::Int64Type, _, _>([
        Some(vec![Some(1)]),
        Some(vec![Some(1), None]),
    ]);
    let holes = folder.parquet("holes.parquet", vec![("seen", col(lists))]);
    says(bloom(&holes, &out, &[]), &holes, "row 1: \"seen\" must be a list of item ids");
    let lines = folder.bytes("in.jsonl", b"{\"seen\":[1]}\n{\"seen\":[1.5]}\n");
    says(bloom(&lines, &folder.path("o.jsonl"), &[]), &lines, "row 1: \"seen\" must be a list of item ids");
    says(bloom(&lines, &folder.path("o.jsonl"), &["--column", "x"]), &lines, "row 0: \"x\" must be a list");
    let broken = folder.bytes("broken.jsonl", b"{\"seen\":[1]\n");
    says(bloom(&broken, &folder.path("o.jsonl"), &[]), &broken, "line 1 is not a JSON object");
    let npy = folder.npy("x.npy", &[2, 2], &[1i64, 2, 3, 4]);
    says(
        bloom(&npy, &out, &[]),
        &npy,
        "unknown histories format: the extension must be one of .parquet, .jsonl, .ndjson",
    );
    let ran = bloom(&lines, &out, &[]);
    let line = ran.failed(2);
    assert!(line.contains("must have the format of the histories: give it the extension .jsonl"), "{line}");
    for (histories, name) in [(&lines, "name a .jsonl file"), (&holes, "name a .parquet file")] {
        let ran = bloom(histories, Path::new("-"), &[]);
        assert_eq!(
            ran.failed(2),
            format!("-: cannot be standard output, which is for what the command prints: {name}")
        );
    }
    assert!(
        !listing(&folder)
            .iter()
            .any(|name| name.starts_with("out") || name.starts_with("o.") || name.contains(".part"))
    );
    for rate in ["0", "0.9", "x"] {
        assert_eq!(bloom(&lines, &out, &["--rate", rate]).code, Some(2), "{rate}");
    }
}
