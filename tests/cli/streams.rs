//! In a pipe: slates on standard input, rankings on standard output, in kind and batch by batch.

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{BinaryArray, ListArray, RecordBatch, StringArray};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;

use crate::data::Data;
use crate::files::{Folder, col};
use crate::program::*;

/// The slates of `data` as an Arrow stream, some rows to a message.
fn arrow_stream(parquet: &Path, rows_per_batch: usize) -> Vec<u8> {
    let (_, batches) = read_parquet(parquet);
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in &batches {
        for start in (0..batch.num_rows()).step_by(rows_per_batch) {
            writer.write(&batch.slice(start, rows_per_batch.min(batch.num_rows() - start))).unwrap();
        }
    }
    writer.into_inner().unwrap()
}

fn spawn(catalog: PathBuf, more: &[&str]) -> Child {
    let command = Rerank::of(&[catalog], &["-".into()], Path::new("-")).on_cpu();
    let command = command.with(["--slate-size", "12", "--precision", "f64"]).with(more);
    let piped = Stdio::piped;
    program().args(&command.0).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap()
}

/// Feeds all of it, and gives what comes out: exit code, standard output, standard error.
fn feed(catalog: PathBuf, more: &[&str], input: &[u8]) -> (Option<i32>, Vec<u8>, String) {
    let mut child = spawn(catalog, more);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that refuses its input may be gone before it has taken all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    (output.status.code(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

fn rows(batches: &[RecordBatch]) -> Vec<Row> {
    batches.iter().flat_map(batch_rows).collect()
}

fn batches(bytes: Vec<u8>) -> Vec<RecordBatch> {
    StreamReader::try_new(Cursor::new(bytes), None).unwrap().map(Result::unwrap).collect()
}

/// The rows that files give.
fn from_files(folder: &Folder, data: &Data) -> Vec<Row> {
    let output = folder.path("expected.parquet");
    let command = Rerank::of(&[data.catalog_parquet(folder)], &[data.slates_parquet(folder)], &output).on_cpu();
    command.with(["--slate-size", "12", "--precision", "f64"]).run().ok();
    read_rows(&output)
}

#[test]
fn an_arrow_stream_is_answered_in_kind() {
    let (folder, data) = (Folder::new(), Data::new());
    let expected = from_files(&folder, &data);
    for slates in [data.slates_parquet(&folder), data.slates_by_id(&folder), data.slates_long(&folder)] {
        for rows_per_batch in [1, 3, 100] {
            let input = arrow_stream(&slates, rows_per_batch);
            let (code, out, err) = feed(data.catalog_parquet(&folder), &[], &input);
            assert_eq!(code, Some(0), "{err}");
            let reader = StreamReader::try_new(Cursor::new(out.clone()), None).unwrap();
            let metadata = reader.schema().metadata().clone();
            for key in ["spectrank.version", "spectrank.config", "spectrank.module_info"] {
                assert!(metadata.contains_key(key), "{key}");
            }
            assert_eq!(rows(&batches(out)), expected);
        }
    }
}

#[test]
fn json_lines_are_answered_in_kind_and_either_can_be_asked_for() {
    let (folder, data) = (Folder::new(), Data::new());
    let expected = from_files(&folder, &data);
    let json = std::fs::read(data.slates_jsonl(&folder)).unwrap();
    let arrow = arrow_stream(&data.slates_parquet(&folder), 2);
    let text = |bytes: Vec<u8>| json_rows(&String::from_utf8(bytes).unwrap());
    let run = |input: &[u8], more: &[&str]| feed(data.catalog_parquet(&folder), more, input).1;
    assert_eq!(text(run(&json, &[])), expected);
    assert_eq!(text(run(&arrow, &["--output-format", "jsonl"])), expected);
    assert_eq!(rows(&batches(run(&json, &["--output-format", "arrow"]))), expected);
}

#[test]
fn every_batch_is_answered_before_the_next_one_is_sent() {
    let (folder, data) = (Folder::new(), Data::new());
    let expected = from_files(&folder, &data);
    let (_, parts) = read_parquet(&data.slates_parquet(&folder));
    let mut child = spawn(data.catalog_parquet(&folder), &["--quiet"]);
    let mut writer = StreamWriter::try_new(child.stdin.take().unwrap(), &parts[0].schema()).unwrap();
    writer.flush().unwrap();
    // The schema comes before any slate was sent.
    let mut reader = StreamReader::try_new(child.stdout.take().unwrap(), None).unwrap();
    let mut answers = Vec::new();
    for part in &parts {
        for row in 0..part.num_rows() {
            writer.write(&part.slice(row, 1)).unwrap();
            writer.flush().unwrap();
            answers.push(reader.next().unwrap().unwrap());
        }
    }
    writer.finish().unwrap();
    drop(writer);
    assert!(reader.next().is_none());
    assert_eq!(rows(&answers), expected);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Filters of a quarter of a mebibyte: 600 slates are beyond what a batch of a file may take.
#[test]
fn a_message_is_answered_by_one_batch_whatever_it_takes() {
    const N: usize = 600;
    let folder = Folder::new();
    let catalog = Data::new().catalog_parquet(&folder);
    let config = folder.bytes("bloom.toml", b"filter.seen_bloom = \"seen_bloom\"");
    let ids = StringArray::from_iter_values((0..N).map(|i| format!("s{i}")));
    let candidates = ListArray::from_iter_primitive::<UInt32Type, _, _>((0..N).map(|i| Some([Some(i as u32 % 40)])));
    let scores = ListArray::from_iter_primitive::<Float64Type, _, _>((0..N).map(|_| Some([Some(1.0)])));
    let filter = vec![0; 256 << 10];
    let filters = BinaryArray::from_iter_values((0..N).map(|_| &filter));
    let columns = [("slate_id", col(ids)), ("candidates", col(candidates)), ("scores", col(scores))];
    let batch = RecordBatch::try_from_iter(columns.into_iter().chain([("seen_bloom", col(filters))])).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let input = writer.into_inner().unwrap();
    let (code, out, err) = feed(catalog, &["--config", config.to_str().unwrap()], &input);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(batches(out).iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [N]);
}

/// What each message of an answer says of slates, where it is not the schema.
fn said(mut bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    while let [_, _, _, _, a, b, c, d, rest @ ..] = bytes
        && let n_header @ 1.. = u32::from_le_bytes([*a, *b, *c, *d]) as usize
    {
        let message = arrow_ipc::root_as_message(&rest[..n_header]).unwrap();
        for entry in message.custom_metadata().iter().flatten() {
            assert_eq!(entry.key(), Some("spectrank.slates"));
            found.push(entry.value().unwrap().parse().unwrap());
        }
        bytes = &rest[n_header + message.bodyLength() as usize..];
    }
    found
}

/// Slates in one message, of which every third has no candidates.
#[test]
fn answers_say_how_many_slates_they_answer() {
    let folder = Folder::new();
    let catalog = Data::new().catalog_parquet(&folder);
    let items = || (0..40u32).map(Some);
    let input = |n: usize| {
        let ids = StringArray::from_iter_values((0..n).map(|_| "the same"));
        let candidates = |slate: usize| items().take(if slate % 3 == 2 { 0 } else { 40 });
        let lists = ListArray::from_iter_primitive::<UInt32Type, _, _>((0..n).map(|i| Some(candidates(i))));
        let scores = (0..n).map(|i| Some(candidates(i).map(|item| item.map(f64::from))));
        let scores = ListArray::from_iter_primitive::<Float64Type, _, _>(scores);
        let recent = ListArray::from_iter_primitive::<UInt32Type, _, _>((0..n).map(|_| Some(items())));
        let columns = [("slate_id", col(ids)), ("candidates", col(lists)), ("scores", col(scores))];
        let batch = RecordBatch::try_from_iter(columns.into_iter().chain([("recent", col(recent))])).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        for part in [batch.clone(), batch.slice(0, 0), batch.slice(2, 1)] {
            writer.write(&part).unwrap();
        }
        writer.into_inner().unwrap()
    };
    let answer = |n: usize, more: &[&str]| {
        let (code, out, err) = feed(catalog.clone(), more, &input(n));
        assert_eq!(code, Some(0), "{err}");
        (said(&out), rows(&batches(out)))
    };
    // The last slate of either message has no rows, and a message without slates has no answer.
    let (told, whole) = answer(1023, &[]);
    assert_eq!((told, whole.len()), (vec![1023, 1], 682 * 12));
    assert_eq!(answer(1025, &[]).0, [1024, 1, 1]);
    // As little as there has to be for a catalog of a few items.
    let (told, limited) = answer(1023, &["--memory-limit", "90MiB"]);
    assert!(told.len() > 2, "{told:?}");
    assert_eq!((told[..told.len() - 1].iter().sum::<usize>(), told.last()), (1023, Some(&1)));
    assert!(limited == whole);
}

#[test]
fn every_json_line_is_answered_before_the_next_one_is_sent() {
    let (folder, data) = (Folder::new(), Data::new());
    let expected = from_files(&folder, &data);
    let lines = std::fs::read_to_string(data.slates_jsonl(&folder)).unwrap();
    let mut child = spawn(data.catalog_parquet(&folder), &["--quiet"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut found = Vec::new();
    for (line, (_, candidates, _)) in lines.lines().zip(&data.slates) {
        stdin.write_all(format!("{line}\n\n").as_bytes()).unwrap();
        for _ in 0..candidates.len().min(12) {
            let mut answer = String::new();
            answers.read_line(&mut answer).unwrap();
            found.extend(json_rows(&answer));
        }
    }
    drop(stdin);
    assert_eq!(found, expected);
    assert_eq!((answers.read(&mut [0]).unwrap(), child.wait().unwrap().code()), (0, Some(0)));
}

#[test]
fn a_bad_stream_ends_in_one_line() {
    let (folder, data) = (Folder::new(), Data::new());
    let whole = arrow_stream(&data.slates_parquet(&folder), 2);
    let parquet = std::fs::read(data.slates_parquet(&folder)).unwrap();
    for (input, expected) in [
        (&whole[..whole.len() - 20], "standard input: is truncated (the Arrow stream ends inside"),
        (&whole[..100], "standard input: is truncated (the Arrow stream ends inside the header of a message)"),
        (&parquet[..], "standard input: is Parquet, which cannot be read from a pipe: name the file"),
        (
            b"\x1F\x8B\x08\0\0\0\0\0\0\0",
            "standard input: is compressed with gzip: unpack it to a file, or slates on the way (gunzip -c ",
        ),
        (b"\x93NUMPY\x01\x00v", "standard input: line 1 is not a JSON object"),
        (b"{\"candidates\":[99],\"scores\":[1]}", "standard input: slate \"0\": candidate 99 is not in the catalog"),
    ] {
        let (code, _, err) = feed(data.catalog_parquet(&folder), &["--quiet"], input);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.starts_with(&format!("spectrank: {expected}")) && err.lines().count() == 1, "{err}");
    }
    // What is wrong with a slate itself is found after it was read.
    let (code, _, err) = feed(data.catalog_npy(&folder), &[], b"{\"candidates\":[1,1],\"scores\":[1,2]}");
    assert!(code == Some(1) && err.starts_with("spectrank: standard input: slate"), "{err}");
}

#[test]
fn a_second_stream_behind_the_first_is_not_passed_over() {
    let (folder, data) = (Folder::new(), Data::new());
    let stream = arrow_stream(&data.slates_parquet(&folder), 2);
    let (code, out, err) = feed(data.catalog_parquet(&folder), &["--quiet"], &[&stream[..], &stream].concat());
    assert_eq!(code, Some(1), "{err}");
    let line = "spectrank: standard input: goes on after the mark that ends its Arrow stream: write all batches into one stream";
    assert!(err.starts_with(line) && err.lines().count() == 1, "{err}");
    // What came before the end was ranked, and the answer does not claim to be whole.
    assert!(!out.is_empty() && !out.ends_with(&[0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]));
}

#[test]
fn who_keeps_the_pipe_open_after_the_end_of_the_stream_is_answered() {
    let (folder, data) = (Folder::new(), Data::new());
    let expected = from_files(&folder, &data);
    let mut child = spawn(data.catalog_parquet(&folder), &["--quiet"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&arrow_stream(&data.slates_parquet(&folder), 2)).unwrap();
    stdin.flush().unwrap();
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    assert_eq!((rows(&batches(out)), child.wait().unwrap().code()), (expected, Some(0)));
    drop(stdin);
}

#[test]
fn a_reader_that_goes_away_ends_the_stream_quietly() {
    let (folder, data) = (Folder::new(), Data::new());
    let input = arrow_stream(&data.slates_parquet(&folder), 1);
    let mut child = spawn(data.catalog_parquet(&folder), &[]);
    drop(child.stdout.take());
    let written = child.stdin.take().unwrap().write_all(&input);
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""), "{written:?}");
}

#[test]
fn a_file_has_the_format_of_its_extension() {
    let (folder, data) = (Folder::new(), Data::new());
    let rerank = Rerank::of(&[data.catalog_npy(&folder)], &[data.slates_jsonl(&folder)], &folder.path("out.csv"));
    let ran = rerank.on_cpu().with(["--output-format", "arrow"]).run();
    assert!(ran.failed(2).starts_with("--output-format: is for --output - and for folders"), "{}", ran.stderr);
}
