//! Slates as Arrow IPC: what pyarrow writes reads alike in every layout, and damage is an error or other values.

use std::path::PathBuf;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use spectrank::catalog::Value;
use spectrank::slate::Slate;

use crate::files::*;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arrow").join(name)
}

/// The slates of `make.py`.
fn expected() -> Vec<Slate> {
    let slate = |id: &str, candidates: &[u32], scores: &[f64], surface: Option<&str>, recent: &[u32]| Slate {
        id: id.to_owned(),
        candidates: candidates.to_vec(),
        scores: scores.to_vec(),
        recent: recent.to_vec(),
        attributes: [("surface".to_owned(), surface.map_or(Value::Null, |s| Value::Text(s.to_owned())))].into(),
        ..Slate::default()
    };
    vec![
        slate("q0", &[0, 1, 2], &[0.5, 0.25, 0.125], Some("home"), &[3]),
        slate("q1", &[4], &[1.0], Some("search"), &[]),
        slate("q2", &[2, 0], &[0.75, 0.5], Some("home"), &[]),
        slate("q3", &[1, 3, 4, 0], &[4.0, 3.0, 2.0, 1.0], None, &[0, 2]),
    ]
}

fn read(name: &str, max: usize) -> Vec<Slate> {
    read_slates(&[fixture(name)], &letters(5), max).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn pyarrow_s_layouts_read_alike() {
    for name in ["lists.arrows", "file.arrow", "lz4.arrow", "zstd.arrows", "views.arrows"] {
        for max in [1, 3, 100] {
            assert_eq!(read(name, max), expected(), "{name}");
        }
    }
    let plain = |slate: Slate| Slate { recent: Vec::new(), attributes: Default::default(), ..slate };
    let expected: Vec<Slate> = expected().into_iter().map(plain).collect();
    assert_eq!(read("long.arrows", 2), expected);
    assert_eq!(read("none.arrows", 2), []);
}

#[test]
fn the_extension_does_not_say_which_of_the_two_it_is() {
    let folder = Folder::new();
    for (from, name) in [("lists.arrows", "a.arrow"), ("file.arrow", "b.arrows")] {
        let path = folder.bytes(name, &std::fs::read(fixture(from)).unwrap());
        assert_eq!(read_slates(&[path], &letters(5), 10).unwrap(), expected());
    }
}

#[test]
fn a_stream_cut_anywhere_is_an_error_or_ends_between_messages() {
    let folder = Folder::new();
    for name in ["lists.arrows", "file.arrow", "zstd.arrows", "long.arrows"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        let (all, mut n_errors) = (read(name, 100), 0);
        for cut in 0..whole.len() {
            let path = folder.bytes("cut.arrow", &whole[..cut]);
            match read_slates(&[path], &letters(5), 2) {
                // The format lets a stream end with its last message. In the long form the last slate may be short.
                Ok(slates) if name == "long.arrows" => assert!(slates.len() <= all.len()),
                Ok(slates) => assert!(all.starts_with(&slates)),
                Err(error) => {
                    let line = without_path(&error.to_string(), &error.path);
                    assert!(line.starts_with("is truncated"), "{line}");
                    n_errors += 1;
                }
            }
        }
        assert!(n_errors * 2 > whole.len(), "{name}: {n_errors} of {}", whole.len());
    }
}

#[test]
fn changed_bytes_never_panic() {
    // The decoder panics on some of them; that is caught, and need not be printed each time.
    spectrank::panics::silence_caught();
    let folder = Folder::new();
    let mut n_errors = 0;
    for name in ["lists.arrows", "lz4.arrow", "zstd.arrows", "views.arrows", "long.arrows"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        for at in (0..whole.len()).step_by(3) {
            for change in [0x80, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                let path = folder.bytes("changed.arrows", &bytes);
                if let Err(error) = read_slates(&[path], &letters(5), 2) {
                    let line = error.to_string();
                    assert!(!line.contains('\n'), "{line}");
                    n_errors += 1;
                }
            }
        }
    }
    assert!(n_errors > 500, "{n_errors}");
}

/// A stream of one batch.
fn stream(folder: &Folder, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    folder.bytes("s.arrows", &writer.into_inner().unwrap())
}

#[test]
fn columns_are_held_against_what_they_must_be() {
    let folder = Folder::new();
    let text = || col(StringArray::from(vec!["q"]));
    let number = || col(Float32Array::from(vec![1.0]));
    for (columns, expected) in [
        (vec![("candidates", text()), ("scores", number())], "column \"candidates\" holds text: it must hold lists"),
        (
            vec![("slate_id", text()), ("item", number()), ("score", number())],
            "column \"item\" holds floating-point numbers",
        ),
        (
            vec![("slate_id", number()), ("item_id", text()), ("score", number())],
            "column \"slate_id\" holds floating-point numbers",
        ),
        (vec![("slate_id", text())], "has no column \"candidates\" (it has: slate_id)"),
        (
            vec![("slate_id", text()), ("item_id", text()), ("score", number())],
            "slate \"q\": candidate \"q\" is not in",
        ),
    ] {
        let line = slates_error(&[stream(&folder, columns)], &letters(5));
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn what_is_no_arrow_is_named() {
    let folder = Folder::new();
    let error = |name: &str, content: &[u8]| slates_error(&[folder.bytes(name, content)], &letters(2));
    assert!(error("a.arrow", b"{\"candidates\"").starts_with("is not a binary Arrow file"));
    assert!(error("a.arrow", b"PAR1PAR1PAR1").starts_with("is not a binary Arrow file"));
    assert!(error("a.arrows", b"").starts_with("is truncated (only 0 bytes)"));
    assert!(error("a.arrows", &[0xFF; 8]).starts_with("has a bad Arrow message header (its length is -1)"));
    assert!(error("a.arrows", b"\xFF\xFF\xFF\xFF\0\0\0\0").starts_with("is truncated"));
}

#[test]
fn what_comes_after_the_end_is_not_passed_over() {
    let folder = Folder::new();
    let [stream, file] = ["lists.arrows", "file.arrow"].map(|name| std::fs::read(fixture(name)).unwrap());
    let error = |bytes: &[u8]| slates_error(&[folder.bytes("s.arrow", bytes)], &letters(5));
    for bytes in [[&stream[..], b"\0"].concat(), [&stream[..], &stream].concat(), [&file[..], &file].concat()] {
        assert!(error(&bytes).starts_with("goes on after the mark that ends its Arrow stream: "), "{}", error(&bytes));
    }
    for bytes in [[&file[..], b"\0"].concat(), file[..file.len() - 1].to_vec(), file[..file.len() - 20].to_vec()] {
        let line = error(&bytes);
        assert!(line.starts_with("is truncated (the index at the end of the Arrow file is cut off"), "{line}");
    }
}

#[test]
fn a_file_that_ends_before_its_index_is_truncated() {
    let file = std::fs::read(fixture("file.arrow")).unwrap();
    let end = file.windows(8).rposition(|bytes| bytes == b"\xFF\xFF\xFF\xFF\0\0\0\0").unwrap();
    let folder = Folder::new();
    let line = slates_error(&[folder.bytes("s.arrow", &file[..end])], &letters(5));
    assert!(line.starts_with("is truncated (the Arrow stream ends inside its messages)"), "{line}");
}
