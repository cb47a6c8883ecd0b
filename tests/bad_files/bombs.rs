//! Files of some kilobytes that ask for gigabytes: the program refuses them in one line, within the memory that it is given.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{DictionaryArray, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::files::{Folder, col};

/// Address space of the program, in KiB: its code, its threads, and 256 MiB for what it reads.
const MAX_KIB: u64 = 256 << 10;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bombs").join(name)
}

/// Runs the program with a limit on all memory it may ask for, touched or not; gives its exit code and what it says.
fn run(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let script = format!("ulimit -v {MAX_KIB} && exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_spectrank")]).args(arguments);
    // A thread has a stack and a heap of its own, whether or not it uses them.
    let output = command.env("MALLOC_ARENA_MAX", "1").env("RAYON_NUM_THREADS", "1").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), text.replace(&format!("{}/", folder.0.path().display()), ""))
}

/// Ranks with a cap on a column of texts.
fn rerank(folder: &Folder, catalog: &Path, slates: &Path) -> (Option<i32>, String) {
    let config =
        folder.bytes("feed.toml", b"strategy = \"relevance\"\n[[cap]]\ncolumn = \"title\"\nmax = 1\nwindow = 2\n");
    rerank_by(folder, catalog, slates, &config)
}

fn rerank_by(folder: &Folder, catalog: &Path, slates: &Path, config: &Path) -> (Option<i32>, String) {
    let output = folder.path("out.csv");
    let paths = [catalog, slates, config, &output].map(|path| path.to_str().unwrap());
    let [catalog, slates, config, output] = paths;
    run(
        folder,
        &[
            "rerank",
            "--backend",
            "cpu",
            "--catalog",
            catalog,
            "--slates",
            slates,
            "--config",
            config,
            "--output",
            output,
        ],
    )
}

/// A copy of a bomb in the folder, so that its name is short.
fn bomb(folder: &Folder, name: &str) -> PathBuf {
    folder.bytes(name, &std::fs::read(fixture(name)).unwrap())
}

fn good_catalog(folder: &Folder) -> PathBuf {
    let titles = StringArray::from(vec!["a", "b"]);
    folder.parquet("items.parquet", vec![("title", col(titles))])
}

fn good_slates(folder: &Folder) -> PathBuf {
    folder.bytes("slates.jsonl", b"{\"candidates\":[0,1],\"scores\":[1,2]}\n")
}

/// The limit is no obstacle to a good run.
#[test]
fn good_files_pass() {
    let folder = Folder::new();
    let (code, text) = rerank(&folder, &good_catalog(&folder), &good_slates(&folder));
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn catalogs() {
    let folder = Folder::new();
    for (name, line) in [
        // A text of 1000 MiB in a page of 32 KiB.
        (
            "page_zstd.parquet",
            "spectrank: page_zstd.parquet: cannot be read as Parquet (a page of 32032 bytes claims to hold 1048576010): export it again\n",
        ),
        // A text of 80 MiB in a page of 80 KiB.
        (
            "page_gzip.parquet",
            "spectrank: page_gzip.parquet: cannot be read as Parquet (a page of 81566 bytes claims to hold 83886090): export it again\n",
        ),
        // A text of 60 KiB that half a million items share.
        (
            "dictionary.parquet",
            "spectrank: dictionary.parquet: unpacks to more than 64 MiB, a thousand times its size: check where it comes from, and export it again\n",
        ),
    ] {
        let (code, text) = rerank(&folder, &bomb(&folder, name), &good_slates(&folder));
        assert_eq!((code, text.as_str()), (Some(1), line), "{name}");
    }
}

/// A text of 64 KiB, and thousands that share all of it with the one before: a page not much longer than the text.
#[test]
fn texts_that_share_their_beginnings() {
    const N_ROWS: i32 = 8000;
    let folder = Folder::new();
    let long = StringArray::from(vec!["x".repeat(64 << 10)]);
    let titles = DictionaryArray::<Int32Type>::new(vec![0; N_ROWS as usize].into(), Arc::new(long));
    let batch = RecordBatch::try_from_iter([("title", col(titles))]).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_encoding(Encoding::DELTA_BYTE_ARRAY);
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    assert!(bytes.len() < 100_000, "{}", bytes.len());
    let catalog = folder.bytes("shared.parquet", &bytes);
    let (code, text) = rerank(&folder, &catalog, &good_slates(&folder));
    let line = "spectrank: shared.parquet: cannot be read as Parquet (texts of a few rows, which share their beginnings, \
                claim to hold 500 MiB, more than 64): export it again\n";
    assert_eq!((code, text.as_str()), (Some(1), line));
}

#[test]
fn slates() {
    let folder = Folder::new();
    for (name, line) in [
        // 200 million candidates that are all the same.
        (
            "list.parquet",
            "spectrank: list.parquet: cannot be read as Parquet (a few rows of lists claim to hold 200000000 values): export it again\n",
        ),
        // 250 million candidates in a message of 60 KiB.
        ("zstd.arrows", "spectrank: zstd.arrows: message 2 takes more than 64 MiB: write batches of fewer rows\n"),
    ] {
        let (code, text) = rerank(&folder, &good_catalog(&folder), &bomb(&folder, name));
        assert_eq!((code, text.as_str()), (Some(1), line), "{name}");
    }
    // A line that does not end, in a file that takes no room.
    let path = folder.path("endless.jsonl");
    std::fs::File::create(&path).unwrap().set_len(1 << 34).unwrap();
    let (code, text) = rerank(&folder, &good_catalog(&folder), &path);
    assert_eq!(
        (code, text.as_str()),
        (
            Some(1),
            "spectrank: endless.jsonl: line 1 is longer than 64 MiB: write one slate per line, or raise --memory-limit if there is one\n"
        )
    );
}

/// Filters of histories are made of lists alike.
#[test]
fn histories() {
    let folder = Folder::new();
    let path = bomb(&folder, "list.parquet");
    let output = folder.path("out.parquet");
    let arguments = [
        "bloom",
        "--histories",
        path.to_str().unwrap(),
        "--column",
        "candidates",
        "--output",
        output.to_str().unwrap(),
    ];
    let (code, text) = run(&folder, &arguments);
    assert_eq!(
        (code, text.as_str()),
        (
            Some(1),
            "spectrank: list.parquet: cannot be read as Parquet (a few rows of lists claim to hold 200000000 values): export it again\n"
        )
    );
    assert!(!output.exists());
}

#[test]
fn configurations() {
    let folder = Folder::new();
    let (catalog, slates) = (good_catalog(&folder), good_slates(&folder));
    let refused = |config: &Path| rerank_by(&folder, &catalog, &slates, config);
    let (code, text) = refused(Path::new("/dev/zero"));
    assert_eq!((code, text.as_str()), (Some(1), "spectrank: /dev/zero: is longer than 16 MiB: check --config\n"));
    let (code, text) = refused(&folder.bytes("bytes.toml", b"slate_size = 20 # \xff"));
    assert_eq!(
        (code, text.as_str()),
        (Some(1), "spectrank: bytes.toml: cannot be read (stream did not contain valid UTF-8): check --config\n")
    );
    let (code, text) = refused(folder.0.path());
    let place = folder.0.path().display();
    assert_eq!(
        (code, text),
        (Some(1), format!("spectrank: {place}: cannot be read (Is a directory (os error 21)): check --config\n"))
    );
}
