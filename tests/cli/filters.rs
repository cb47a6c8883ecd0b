//! Filters and missing data from end to end: read, applied, counted, said.

use arrow_array::types::Float32Type;
use arrow_array::{BooleanArray, ListArray, StringArray};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use spectrank::bloom::{BloomFilter, hash_of};

use crate::files::{Folder, col};
use crate::program::*;

const CONFIG: &str = "
slate_size = 3
[[signal]]
name = \"text\"
on_missing = \"drop\"
[filter]
recent = true
seen_bloom = \"history\"
[[filter.drop]]
column = \"blocked\"
";

/// Six items: d has no embedding, e is blocked, and whether f is blocked nobody knows.
fn catalog(folder: &Folder) -> std::path::PathBuf {
    let rows = [Some([1.0, 0.0]), Some([0.9, 0.1]), Some([0.0, 1.0]), None, Some([0.5, 0.5]), Some([0.1, 0.9])];
    let rows = rows.map(|row| row.map(|row: [f32; 2]| row.map(Some)));
    folder.parquet(
        "items.parquet",
        vec![
            ("item_id", col(StringArray::from_iter_values(["a", "b", "c", "d", "e", "f"]))),
            ("text", col(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))),
            ("blocked", col(BooleanArray::from(vec![Some(false), Some(false), Some(false), None, Some(true), None]))),
        ],
    )
}

fn line(id: &str, more: Value) -> String {
    let mut slate =
        json!({ "slate_id": id, "candidates": ["a", "b", "c", "d", "e", "f"], "scores": [6, 5, 4, 3, 2, 1] });
    slate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("{slate}\n")
}

#[test]
fn what_is_left_out_is_counted_and_said() {
    let folder = Folder::new();
    let mut history = BloomFilter::with_capacity(2, 1e-6).unwrap();
    ["b", "an item of last year"].iter().for_each(|id| history.insert(hash_of(id)));
    let lines = line("plain", json!({ "history": null }))
        + &line(
            "seen",
            json!({ "history": null, "seen": ["a", "gone"], "recent": ["c"], "pinned": [{ "position": 1, "item": "a" }] }),
        )
        + &line("long", json!({ "history": BASE64.encode(history.to_bytes()), "seen": ["a"], "recent": ["c"] }));
    let slates = folder.bytes("slates.jsonl", lines.as_bytes());
    let config = folder.bytes("feed.toml", CONFIG.as_bytes());
    let output = folder.path("ranked.jsonl");
    let command =
        Rerank::of(&[catalog(&folder)], &[slates], &output).on_cpu().with(["--config".as_ref(), config.as_os_str()]);
    let ran = command.clone().run().ok();
    let items = |id: &str| -> String {
        let rows = read_rows(&output);
        rows.iter().filter(|row| row.slate_id == id).map(|row| row.item_id.as_str()).collect()
    };
    assert_eq!([items("plain").len(), items("seen").len()], [3, 2]);
    assert!(items("plain").starts_with('a') && items("seen").starts_with('b'), "{} {}", items("plain"), items("seen"));
    assert_eq!(items("long"), "f");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines[0], "spectrank: 1 item lacks \"text\" (signal[0]), taken out");
    assert_eq!(lines[1], "spectrank: 2 items lack \"blocked\" (filter.drop[0].column), counted as zero");
    let expected =
        "3 slates, 6 positions, 11 candidates filtered, 2 short of candidates (first: \"seen\"), pins not kept: 1 in ";
    assert!(lines[2].starts_with(expected), "{}", lines[2]);
    let summary: Value = serde_json::from_str(&command.with(["--json"]).run().ok().stdout).unwrap();
    assert_eq!((&summary["filtered_candidates"], &summary["pins_not_kept"]), (&json!(11), &json!(1)));
    assert_eq!((&summary["short_slates"], &summary["first_short"]), (&json!(2), &json!("seen")));
    let missing = json!({ "key": "signal[0]", "column": "text", "n_items": 1, "are_dropped": true });
    assert_eq!(summary["missing"][0], missing);
}

#[test]
fn items_without_an_embedding_are_refused_by_name() {
    let folder = Folder::new();
    let slates = folder.bytes("slates.jsonl", line("s", json!({})).as_bytes());
    let ran = Rerank::of(&[catalog(&folder)], &[slates], &folder.path("out.csv")).on_cpu().run();
    let message = ran.failed(1);
    let expected =
        "items.parquet: signal: item d has no \"text\": fill it in, or say on_missing = \"zero\" or \"drop\" there";
    assert!(message.ends_with(expected), "{message}");
}
