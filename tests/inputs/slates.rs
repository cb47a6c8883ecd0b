//! Slates: every form gives the same slates, and every mistake is named.

use std::path::PathBuf;

use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder, StructBuilder};
use arrow_array::types::{Float32Type, Float64Type, Int64Type, UInt32Type};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeListArray, ListArray, StringArray,
};
use arrow_schema::{DataType, Field};
use spectrank::catalog::{Catalog, Value};
use spectrank::slate::{Pin, Slate};

use crate::files::*;

fn rows(lists: &[&[u32]]) -> ArrayRef {
    let lists = lists.iter().map(|l| Some(l.iter().map(|&x| Some(x))));
    col(ListArray::from_iter_primitive::<UInt32Type, _, _>(lists))
}

fn scores(lists: &[&[f64]]) -> ArrayRef {
    let lists = lists.iter().map(|l| Some(l.iter().map(|&x| Some(x))));
    col(LargeListArray::from_iter_primitive::<Float64Type, _, _>(lists))
}

fn ids(lists: &[&[&str]]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in lists {
        builder.append_value(list.iter().map(Some));
    }
    col(builder.finish())
}

fn pins(lists: &[&[(i32, &str)]]) -> ArrayRef {
    let fields = [Field::new("position", DataType::Int32, true), Field::new("item", DataType::Utf8, true)];
    let mut builder = ListBuilder::new(StructBuilder::from_fields(fields.to_vec(), 4));
    for list in lists {
        for (position, item) in *list {
            builder.values().field_builder::<Int32Builder>(0).unwrap().append_value(*position);
            builder.values().field_builder::<StringBuilder>(1).unwrap().append_value(item);
            builder.values().append(true);
        }
        builder.append(true);
    }
    col(builder.finish())
}

/// Five slates of one to three candidates.
fn expected() -> Vec<Slate> {
    let slate = |id: &str, candidates: &[u32], scores: &[f64]| Slate {
        id: id.to_owned(),
        candidates: candidates.to_vec(),
        scores: scores.to_vec(),
        ..Slate::default()
    };
    vec![
        slate("0", &[2, 0], &[0.5, 0.25]),
        slate("1", &[1], &[1.0]),
        slate("2", &[3, 1, 2], &[3.0, 2.0, 1.0]),
        slate("3", &[0, 3], &[-1.0, 0.0]),
        slate("4", &[2], &[4.0]),
    ]
}

fn candidate_lists() -> Vec<Vec<u32>> {
    expected().into_iter().map(|s| s.candidates).collect()
}

fn score_lists() -> Vec<Vec<f64>> {
    expected().into_iter().map(|s| s.scores).collect()
}

fn refs<T>(lists: &[Vec<T>]) -> Vec<&[T]> {
    lists.iter().map(Vec::as_slice).collect()
}

fn long_columns() -> (Vec<i64>, Vec<&'static str>, Vec<u32>, Vec<f64>) {
    let mut columns = (vec![], vec![], vec![], vec![]);
    for slate in expected() {
        for (&row, &score) in slate.candidates.iter().zip(&slate.scores) {
            columns.0.push(slate.id.parse().unwrap());
            columns.1.push(["a", "b", "c", "d"][row as usize]);
            columns.2.push(row);
            columns.3.push(score);
        }
    }
    columns
}

/// The same five slates in every form.
fn every_form(folder: &Folder) -> Vec<Vec<PathBuf>> {
    let (candidates, score_lists) = (candidate_lists(), score_lists());
    let names: Vec<Vec<&str>> =
        candidates.iter().map(|l| l.iter().map(|&r| ["a", "b", "c", "d"][r as usize]).collect()).collect();
    let by_row = ("candidates", rows(&refs(&candidates)));
    let by_id = ("candidates", ids(&refs(&names)));
    let with = || ("scores", scores(&refs(&score_lists)));
    let (slate_ids, item_ids, items, long_scores) = long_columns();
    let slate_id = || ("slate_id", col(Int64Array::from(slate_ids.clone())));
    let slate_text: Vec<String> = slate_ids.iter().map(i64::to_string).collect();
    let score = || ("score", col(Float64Array::from(long_scores.clone())));
    let items: Vec<i32> = items.into_iter().map(|x| x as i32).collect();
    let json: String = expected()
        .iter()
        .map(|s| format!("{{\"candidates\":{:?},\"scores\":{:?}}}\r\n", s.candidates, s.scores))
        .collect();
    let json_ids: String = names
        .iter()
        .zip(&score_lists)
        .enumerate()
        .map(|(i, (names, scores))| {
            format!("{{\"slate_id\":\"{i}\",\"scores\":{scores:?},\"candidates\":{names:?}}}\n\n")
        })
        .collect();
    let padded: Vec<i64> = candidates.iter().flat_map(|l| (0..3).map(|i| l.get(i).map_or(-1, |&x| x.into()))).collect();
    let padded_scores: Vec<f32> =
        score_lists.iter().flat_map(|l| (0..3).map(|i| l.get(i).map_or(0.0, |&x| x as f32))).collect();
    let c = folder.npy("c.npy", &[5, 3], &padded);
    let s = folder.npy("s.npy", &[5, 3], &padded_scores);
    let transposed: Vec<f32> =
        (0..3).flat_map(|k| (0..5).map(move |i| (k, i))).map(|(k, i)| padded_scores[i * 3 + k]).collect();
    let f4 = npyz::DType::new_scalar(">f4".parse().unwrap());
    let fortran = folder.npy_as("f.npy", &[5, 3], npyz::Order::Fortran, f4, &transposed);
    vec![
        vec![folder.parquet("rows.parquet", vec![by_row, with()])],
        vec![folder.parquet("ids.parquet", vec![by_id, with()])],
        vec![folder.parquet("long.parquet", vec![slate_id(), ("item_id", col(StringArray::from(item_ids))), score()])],
        vec![folder.parquet(
            "long_rows.parquet",
            vec![("slate_id", col(StringArray::from(slate_text))), score(), ("item", col(Int32Array::from(items)))],
        )],
        vec![folder.bytes("rows.jsonl", json.as_bytes())],
        vec![folder.bytes("ids.ndjson", json_ids.as_bytes())],
        vec![c.clone(), s.clone()],
        vec![s, c.clone()],
        vec![fortran, c],
    ]
}

#[test]
fn every_form_gives_the_same_slates_in_batches_of_any_size() {
    let folder = Folder::new();
    for paths in every_form(&folder) {
        for max in [1, 2, 3, 100] {
            let found = read_slates(&paths, &letters(4), max).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(found, expected(), "{paths:?} by {max}");
        }
    }
}

#[test]
fn long_slates_cross_the_borders_of_batches() {
    let folder = Folder::new();
    // Batches have 8192 rows: slates of 5000 lie across their borders.
    let n = 20_000;
    let slate_id = col(Int64Array::from_iter_values((0..n).map(|i| 100 - i / 5000)));
    let item = col(Int64Array::from_iter_values((0..n).map(|i| i % 4)));
    let score = col(Float32Array::from_iter_values((0..n).map(|i| i as f32)));
    let path = folder.parquet("long.parquet", vec![("slate_id", slate_id), ("item", item), ("score", score)]);
    let found = read_slates(&[path], &letters(4), 3).unwrap();
    let sizes: Vec<_> = found.iter().map(|s| (s.id.as_str(), s.candidates.len(), s.scores[0])).collect();
    assert_eq!(sizes, [("100", 5000, 0.0), ("99", 5000, 5000.0), ("98", 5000, 10000.0), ("97", 5000, 15000.0)]);
}

#[test]
fn everything_else_a_slate_says_is_kept() {
    let folder = Folder::new();
    let list_form = folder.parquet(
        "s.parquet",
        vec![
            ("slate_id", col(StringArray::from(vec!["q", "r"]))),
            ("candidates", ids(&[&["a", "b"], &[]])),
            ("scores", scores(&[&[f64::NAN, f64::INFINITY], &[]])),
            ("recent", rows(&[&[3, 2], &[]])),
            ("seen", ids(&[&["d"], &[]])),
            ("pinned", pins(&[&[(1, "c")], &[]])),
            ("surface", col(StringArray::from(vec![Some("home"), None]))),
            ("is_test", col(BooleanArray::from(vec![true, false]))),
            ("skipped", scores(&[&[1.0], &[2.0]])),
        ],
    );
    let long_form = folder.parquet(
        "long.parquet",
        vec![
            ("slate_id", col(StringArray::from(vec!["q", "q"]))),
            ("item_id", col(StringArray::from(vec!["a", "b"]))),
            ("score", col(Float32Array::from(vec![f32::NAN, f32::INFINITY]))),
            ("recent", rows(&[&[3, 2], &[]])),
            ("seen", ids(&[&["d"], &["a"]])),
            ("pinned", pins(&[&[(1, "c")], &[]])),
            ("surface", col(StringArray::from(vec!["home", "ignored"]))),
            ("is_test", col(BooleanArray::from(vec![true, false]))),
        ],
    );
    for path in [&list_form, &long_form] {
        let found = read_slates(std::slice::from_ref(path), &letters(4), 10).unwrap();
        let slate = &found[0];
        assert_eq!((slate.id.as_str(), &slate.candidates), ("q", &vec![0, 1]));
        assert!(slate.scores[0].is_nan() && slate.scores[1].is_infinite());
        assert_eq!((&slate.recent, &slate.seen), (&vec![3, 2], &vec![3]));
        assert_eq!(slate.pinned, [Pin { position: 1, item: 2 }]);
        let attributes =
            [("is_test".to_owned(), Value::Bool(true)), ("surface".to_owned(), Value::Text("home".to_owned()))];
        assert_eq!(slate.attributes, attributes.into(), "{path:?}");
    }
    let empty = &read_slates(&[list_form], &letters(4), 10).unwrap()[1];
    assert_eq!((empty.candidates.len(), &empty.attributes["surface"]), (0, &Value::Null));
}

#[test]
fn integer_ids_match_a_catalog_with_integer_ids() {
    let folder = Folder::new();
    let mut catalog = Catalog::new();
    catalog.set_ids(vec!["10".to_owned(), "20".to_owned()]).unwrap();
    let item_id = ("item_id", col(Int64Array::from(vec![20, 10])));
    let score = ("score", col(Int64Array::from(vec![1, 2])));
    let path = folder.parquet("l.parquet", vec![("slate_id", col(Int64Array::from(vec![1, 1]))), item_id, score]);
    assert_eq!(read_slates(std::slice::from_ref(&path), &catalog, 1).unwrap()[0].candidates, [1, 0]);
    let error = slates_error(&[path], &letters(4));
    assert!(error.starts_with("slate \"1\": candidate \"20\" is not in the catalog"), "{error}");
}

fn list_form_error(name: &str, candidates: ArrayRef, scores: ArrayRef) -> String {
    let folder = Folder::new();
    let slate_id = col(StringArray::from_iter_values((0..candidates.len()).map(|i| format!("q{i}"))));
    let columns = vec![("slate_id", slate_id), ("candidates", candidates), ("scores", scores)];
    slates_error(&[folder.parquet(name, columns)], &letters(4))
}

#[test]
fn every_mistake_in_the_list_form_names_slate_and_item() {
    let starts = |found: String, expected: &str| assert!(found.starts_with(expected), "{found}\n{expected}");
    let case = |c: ArrayRef, s: ArrayRef, expected: &str| starts(list_form_error("s.parquet", c, s), expected);
    case(
        rows(&[&[0], &[1, 4]]),
        scores(&[&[1.0], &[1.0, 2.0]]),
        "slate \"q1\": candidate 4 is not in the catalog, whose rows go from 0 to 3: remove it, or pass the catalog",
    );
    case(ids(&[&["a", "z"]]), scores(&[&[1.0, 2.0]]), "slate \"q0\": candidate \"z\" is not in the catalog: remove it");
    case(
        rows(&[&[0, 1]]),
        scores(&[&[1.0]]),
        "slate \"q0\": 2 candidates but 1 scores: every candidate needs one score",
    );
    let hole = [Some(vec![Some(1.0f32), None])];
    let hole = col(ListArray::from_iter_primitive::<Float32Type, _, _>(hole));
    case(rows(&[&[0, 1]]), hole, "slate \"q0\": the score of candidate number 1, item 1, is null");
    let holes = || col(ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(0), None])]));
    case(holes(), scores(&[&[1.0, 2.0]]), "slate \"q0\": candidate number 1 is null, or a number beyond 64 bits");
    let none = col(ListArray::from_iter_primitive::<Int64Type, _, _>([None::<Vec<Option<i64>>>]));
    case(none, scores(&[&[]]), "slate \"q0\": candidates is null or missing: use an empty list");
    case(scores(&[&[1.0]]), scores(&[&[1.0]]), "column \"candidates\" holds lists of floating-point numbers");
    case(rows(&[&[0]]), ids(&[&["a"]]), "column \"scores\" holds lists of text");

    let folder = Folder::new();
    let path = folder.parquet("s.parquet", vec![("candidates", rows(&[&[1]]))]);
    starts(slates_error(&[path], &letters(4)), "has no column \"scores\" (it has: candidates): slates need");
    let candidates = || ("candidates", ids(&[&["a"]]));
    let by_id = folder.parquet("i.parquet", vec![candidates(), ("scores", scores(&[&[1.0]]))]);
    let error = slates_error(&[by_id], &Catalog::new());
    starts(error, "slate \"0\": candidate \"a\" is an item id but the catalog has no item_id column");
    let bad_pin = vec![candidates(), ("scores", scores(&[&[1.0]])), ("pinned", pins(&[&[(-1, "a")]]))];
    starts(
        slates_error(&[folder.parquet("p.parquet", bad_pin)], &letters(4)),
        "slate \"0\": pin number 0 has no position",
    );
    let bad_recent = vec![candidates(), ("scores", scores(&[&[1.0]])), ("recent", ids(&[&["y"]]))];
    let error = slates_error(&[folder.parquet("r.parquet", bad_recent)], &letters(4));
    starts(error, "slate \"0\": recent item \"y\" is not in the catalog");
}

#[test]
fn every_mistake_in_the_long_form_names_slate_and_row() {
    let folder = Folder::new();
    let starts = |found: String, expected: &str| assert!(found.starts_with(expected), "{found}\n{expected}");
    let error = |ids: Vec<Option<&str>>, items: Vec<Option<&str>>, scores: Vec<Option<f32>>| {
        let columns = vec![
            ("slate_id", col(StringArray::from(ids))),
            ("item_id", col(StringArray::from(items))),
            ("score", col(Float32Array::from(scores))),
        ];
        slates_error(&[folder.parquet("l.parquet", columns)], &letters(4))
    };
    let (a, x, one) = (Some("a"), Some("x"), Some(1.0));
    starts(
        error(vec![x, Some("y"), x], vec![a, a, a], vec![one; 3]),
        "slate \"x\" comes back at row 2 after other slates: sort the rows by slate_id",
    );
    starts(
        error(vec![x, None], vec![a, a], vec![one; 2]),
        "row 1 has no slate_id: every row of the long form needs one",
    );
    starts(error(vec![x, x], vec![a, None], vec![one; 2]), "slate \"x\": candidate number 1 is null");
    starts(error(vec![x], vec![Some("z")], vec![one]), "slate \"x\": candidate \"z\" is not in the catalog");
    starts(error(vec![x], vec![a], vec![None]), "slate \"x\": the score of candidate number 0, item \"a\", is null");
    let no_id =
        folder.parquet("n.parquet", vec![("item_id", ids_flat()), ("score", col(Float32Array::from(vec![1.0])))]);
    starts(
        slates_error(&[no_id], &letters(4)),
        "has no column \"slate_id\" (it has: item_id, score): slates need list",
    );
}

fn ids_flat() -> ArrayRef {
    col(StringArray::from(vec!["a"]))
}

#[test]
fn every_mistake_in_a_pair_is_named() {
    let folder = Folder::new();
    let starts = |found: String, expected: &str| assert!(found.starts_with(expected), "{found}\n{expected}");
    let c = folder.npy("c.npy", &[1, 2], &[0i32, 9]);
    let s = folder.npy("s.npy", &[1, 2], &[1f32, 2.0]);
    let wide = folder.npy("w.npy", &[1, 3], &[1f32, 2.0, 3.0]);
    let error =
        |paths: &[&PathBuf]| slates_error(&paths.iter().map(|p| p.to_path_buf()).collect::<Vec<_>>(), &letters(4));
    starts(error(&[&c, &s]), "slate \"0\": candidate 9 is not in the catalog, whose rows go from 0 to 3");
    starts(error(&[&c, &wide]), "has shape (1, 3) but ");
    starts(error(&[&s, &wide]), "has type float32 and so has ");
    starts(error(&[&c]), "1 slate files were given: pass one .parquet, .arrow or .jsonl file, or a pair of .npy files");
    starts(error(&[&c, &s, &wide]), "3 slate files were given");
    starts(error(&[]), "no slates file was given");
    let flat = folder.npy("flat.npy", &[2], &[1f32, 2.0]);
    starts(error(&[&c, &flat]), "the array has shape (2): reshape it to two dimensions, (slates, candidates)");
    let csv = folder.bytes("s.csv", b"slate_id");
    starts(
        error(&[&csv]),
        "unknown slates format: the extension must be one of .parquet, .arrow, .arrows, .jsonl, .ndjson, .npy",
    );
}

#[test]
fn json_lines_name_the_line() {
    let folder = Folder::new();
    let path = folder.bytes("s.jsonl", b"{\"candidates\":[0],\"scores\":[1]}\n\n{\"candidates\":[0],\n");
    let error = slates_error(&[path], &letters(4));
    assert!(error.starts_with("line 3 is not a JSON object (it ends inside a value at column 18)"), "{error}");
}

/// Directories of Parquet files are checked field by field before they are read; see `fixtures/parquet/ORIGIN.md`.
#[test]
fn parquet_of_other_writers() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parquet");
    for writer in ["pyarrow", "polars", "duckdb", "fastparquet"] {
        let slates = read_slates(&[folder.join(format!("{writer}.parquet"))], &letters(4), 2).unwrap();
        let found: Vec<_> =
            slates.iter().map(|slate| (slate.id.as_str(), &slate.candidates[..], &slate.scores[..])).collect();
        assert_eq!(found, [("p", &[0, 2][..], &[2.0, 1.0][..]), ("q", &[3, 1], &[0.5, 0.25])], "{writer}");
    }
}
