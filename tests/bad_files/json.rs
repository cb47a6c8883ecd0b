//! JSON lines.

use crate::{Bad, slates_are_refused};

#[test]
fn slates() {
    let line = |line: &str| line.as_bytes().to_vec();
    let slate = |candidates: &str, scores: &str, more: &str| {
        format!("{{\"candidates\":{candidates},\"scores\":{scores}{more}}}").into_bytes()
    };
    let good = "{\"candidates\":[0],\"scores\":[1]}";
    let bad: Vec<Bad> = vec![
        (
            "utf16.jsonl",
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "line 1 is not a JSON object (key must be a string at column 2): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "utf8.jsonl",
            b"{\"candidates\":[\"\xff\"],\"scores\":[1]}".to_vec(),
            "line 1 is not a JSON object (invalid unicode code point at column 17): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "surrogate.jsonl",
            slate("[\"\\ud800\"]", "[1]", ""),
            "line 1 is not a JSON object (unexpected end of hex escape at column 23): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "zero.jsonl",
            line("\0"),
            "line 1 is not a JSON object (expected value at column 1): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "cut.jsonl",
            line(&good[..20]),
            "line 1 is not a JSON object (it ends inside a string at column 20): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "second.jsonl",
            format!("{good}\r\n\r\n{good},\r\n").into_bytes(),
            "line 3 is not a JSON object (trailing characters at column 32): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "list.jsonl",
            line("[1,2]"),
            "line 1 is not a JSON object (invalid type: list, expected an object): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "pretty.jsonl",
            line("{\n\"candidates\":[0],\n\"scores\":[1]}"),
            "line 1 is not a JSON object (it ends inside an object at column 1): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "two.jsonl",
            format!("{good}{good}").into_bytes(),
            "line 1 is not a JSON object (trailing characters at column 32): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "deep.jsonl",
            format!("{{\"x\":{}", "[".repeat(100_000)).into_bytes(),
            "line 1 is not a JSON object (recursion limit exceeded at column 132): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "deep_objects.jsonl",
            "{\"x\":".repeat(100_000).into_bytes(),
            "line 1 is not a JSON object (recursion limit exceeded at column 636): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "nan.jsonl",
            slate("[0]", "[NaN]", ""),
            "line 1 is not a JSON object (expected value at column 29): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "huge_score.jsonl",
            slate("[0]", "[1e999]", ""),
            "line 1 is not a JSON object (number out of range at column 33): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "huge_row.jsonl",
            slate("[99999999999999999999]", "[1]", ""),
            "slate \"0\": candidate number 0 is 1e+20: use row numbers (whole numbers) or item ids (text)",
        ),
        (
            "digits.jsonl",
            slate(&format!("[{}]", "9".repeat(10_000)), "[1]", ""),
            "line 1 is not a JSON object (number out of range at column 10015): write one slate per line (JSON has no NaN or Infinity)",
        ),
        (
            "fraction.jsonl",
            slate("[0.0]", "[1]", ""),
            "slate \"0\": candidate number 0 is 0.0: use row numbers (whole numbers) or item ids (text)",
        ),
        (
            "negative.jsonl",
            slate("[-1]", "[1]", ""),
            "slate \"0\": candidate -1 is not in the catalog, whose rows go from 0 to 3: remove it, or pass the catalog these slates were made for",
        ),
        (
            "null.jsonl",
            slate("[null]", "[1]", ""),
            "slate \"0\": candidate number 0 is null: use row numbers (whole numbers) or item ids (text)",
        ),
        (
            "nested.jsonl",
            slate("[[0]]", "[1]", ""),
            "slate \"0\": candidate number 0 is a list: use row numbers (whole numbers) or item ids (text)",
        ),
        (
            "text_score.jsonl",
            slate("[0]", "[\"1\"]", ""),
            "slate \"0\": the score of candidate number 0, item 0, is null or not a number: every candidate needs one",
        ),
        ("no_list.jsonl", slate("0", "[1]", ""), "line 1, slate \"0\": \"candidates\" must be a list"),
        (
            "missing.jsonl",
            line("{\"scores\":[1]}"),
            "slate \"0\": candidates is null or missing: use an empty list where a slate has no candidates",
        ),
        (
            "lengths.jsonl",
            slate("[0,1]", "[1]", ""),
            "slate \"0\": 2 candidates but 1 scores: every candidate needs one score",
        ),
        (
            "id.jsonl",
            slate("[0]", "[1]", ",\"slate_id\":{}"),
            "line 1, slate \"0\": \"slate_id\" must be text, or a whole number of at most 64 bits",
        ),
        (
            "recent.jsonl",
            slate("[0]", "[1]", ",\"recent\":[9]"),
            "slate \"0\": recent item 9 is not in the catalog, whose rows go from 0 to 3: remove it, or pass the catalog these slates were made for",
        ),
        (
            "pin.jsonl",
            slate("[0]", "[1]", ",\"pinned\":[{\"position\":-1,\"item\":0}]"),
            "slate \"0\": pin number 0 has no position from 0 to 499: write {position, item}",
        ),
        (
            "pin_item.jsonl",
            slate("[0]", "[1]", ",\"pinned\":[{\"position\":0}]"),
            "slate \"0\": pinned item number 0 is missing: use row numbers (whole numbers) or item ids (text)",
        ),
        ("pins.jsonl", slate("[0]", "[1]", ",\"pinned\":{\"a\":0}"), "line 1, slate \"0\": \"pinned\" must be a list"),
        (
            "unknown.jsonl",
            slate("[\"z\"]", "[1]", ",\"slate_id\":\"a\\nb\""),
            "slate \"a\\nb\": candidate \"z\" is not in the catalog: remove it, or pass the catalog these slates were made for",
        ),
        (
            "slates.csv",
            line("candidates,scores\n"),
            "unknown slates format: the extension must be one of .parquet, .arrow, .arrows, .jsonl, .ndjson, .npy (a pair)",
        ),
    ];
    slates_are_refused(bad);
}

/// A byte order mark, CRLF, blank lines and a last line without an end are no fault; keys given twice count once, the last.
#[test]
fn what_is_only_odd_is_read() {
    let folder = crate::files::Folder::new();
    let text =
        "\u{feff}{\"candidates\":[0],\"scores\":[1]}\r\n \r\n{\"scores\":[5],\"scores\":[2],\"candidates\":[\"b\"]}";
    let path = folder.bytes("odd.jsonl", text.as_bytes());
    let slates = crate::files::read_slates(&[path], &crate::files::letters(4), 10).unwrap();
    let read: Vec<_> = slates.iter().map(|slate| (slate.candidates.clone(), slate.scores.clone())).collect();
    assert_eq!(read, [(vec![0], vec![1.0]), (vec![1], vec![2.0])]);
}
