//! Ranked slates: every format holds the same numbers, and nothing is left of an output that was not finished.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, UInt32Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use spectrank::catalog::Catalog;
use spectrank::io::create_output;
use spectrank::slate::{Placement, RankedSlate, Slate};

use crate::files::*;

const COLUMNS: &str = "slate_id,position,item_id,candidate,score,base,utility,diversity,spacing,semantic,balance";

fn slates() -> (Vec<Slate>, Vec<RankedSlate>) {
    let slate = |id: &str| Slate {
        id: id.to_owned(),
        candidates: vec![0, 1],
        scores: vec![0.1 + 0.2, 1e-300],
        ..Slate::default()
    };
    let placement =
        |candidate: u32, utility| Placement { candidate, item: candidate, utility, base: 0.1, ..Placement::default() };
    let ranked =
        RankedSlate { placements: vec![placement(1, 1e22), placement(0, -1.0 / 3.0)], ..RankedSlate::default() };
    (vec![slate("q,1"), slate("r\"2")], vec![ranked.clone(), ranked])
}

fn write(folder: &Folder, name: &str, catalog: &Catalog) -> std::path::PathBuf {
    let path = folder.path(name);
    let metadata = [("config".to_owned(), "strength = 0.3".to_owned())];
    let mut sink = create_output(&path, catalog.has_ids(), &metadata).unwrap();
    let (slates, ranked) = slates();
    sink.write(&slates[..1], &ranked[..1], catalog).unwrap();
    assert!(!path.exists(), "the file has its name only when it is complete");
    sink.write(&slates[1..], &ranked[1..], catalog).unwrap();
    sink.finish().unwrap();
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 1);
    path
}

/// A file that is gone from its folder.
fn in_memory(bytes: Vec<u8>) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
    file
}

fn without_ids() -> Catalog {
    let folder = Folder::new();
    catalog(&[folder.npy("x.npy", &[2, 1], &[1f32, 2.0])])
}

#[test]
fn arrow_holds_what_parquet_holds() {
    use arrow_ipc::reader::{FileReader, StreamReader};
    for catalog in [letters(2), without_ids()] {
        let folder = Folder::new();
        let bytes = |name: &str| {
            let path = write(&folder, name, &catalog);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::remove_file(path).unwrap();
            bytes
        };
        let parquet = ParquetRecordBatchReaderBuilder::try_new(in_memory(bytes("out.parquet"))).unwrap();
        let whole = parquet.build().unwrap().next().unwrap().unwrap();
        let stream = StreamReader::try_new(std::io::Cursor::new(bytes("out.arrows")), None).unwrap();
        assert_eq!(stream.schema().metadata()["config"], "strength = 0.3");
        let file = FileReader::try_new(std::io::Cursor::new(bytes("out.arrow")), None).unwrap();
        assert_eq!(file.schema().metadata()["config"], "strength = 0.3");
        let batches: [Vec<_>; 2] = [stream.map(Result::unwrap).collect(), file.map(Result::unwrap).collect()];
        for batches in batches {
            // Rows are gathered: two calls of `write` need no two messages.
            let [batch] = batches.as_slice() else { panic!("{} batches", batches.len()) };
            assert_eq!(batch.columns(), whole.columns());
        }
    }
}

#[test]
fn parquet_holds_every_column_and_the_metadata() {
    for (catalog, ids) in [(letters(2), true), (without_ids(), false)] {
        let folder = Folder::new();
        let file = std::fs::File::open(write(&folder, "out.parquet", &catalog)).unwrap();
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let names: Vec<&str> = builder.schema().fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(names.join(","), COLUMNS);
        let pairs = builder.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(pairs.iter().any(|p| p.key == "config" && p.value.as_deref() == Some("strength = 0.3")));
        let batch = builder.build().unwrap().next().unwrap().unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let texts: Vec<_> = column("slate_id").as_string::<i32>().iter().flatten().collect();
        assert_eq!(texts, ["q,1", "q,1", "r\"2", "r\"2"]);
        assert_eq!(column("position").as_primitive::<UInt32Type>().values(), &[0, 1, 0, 1]);
        assert_eq!(column("candidate").as_primitive::<UInt32Type>().values(), &[1, 0, 1, 0]);
        assert_eq!(column("score").as_primitive::<Float64Type>().values()[..2], [1e-300, 0.1 + 0.2]);
        match ids {
            true => assert_eq!(column("item_id").as_string::<i32>().value(0), "b"),
            false => assert_eq!(column("item_id").as_primitive::<UInt32Type>().value(0), 1),
        }
    }
}

#[test]
fn text_formats_round_trip_their_numbers() {
    let folder = Folder::new();
    let text = std::fs::read_to_string(write(&folder, "out.csv", &letters(2))).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), COLUMNS);
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!((&records[0][0], &records[2][0], &records[0][2]), ("q,1", "r\"2", "b"));
    let number = |row: usize, column: usize| records[row][column].parse::<f64>().unwrap();
    assert_eq!((number(1, 4), number(0, 4), number(0, 6), number(1, 6)), (0.1 + 0.2, 1e-300, 1e22, -1.0 / 3.0));

    for name in ["out.jsonl", "out.ndjson"] {
        let folder = Folder::new();
        let text = std::fs::read_to_string(write(&folder, name, &without_ids())).unwrap();
        let rows: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!((rows.len(), &rows[1]["slate_id"], &rows[0]["item_id"]), (4, &"q,1".into(), &1.into()));
        assert_eq!((rows[1]["score"].as_f64(), rows[1]["utility"].as_f64()), (Some(0.1 + 0.2), Some(-1.0 / 3.0)));
    }
}

#[test]
fn nothing_is_left_of_an_output_that_was_not_finished() {
    for name in ["out.parquet", "out.csv", "out.jsonl"] {
        let folder = Folder::new();
        let kept = folder.bytes(name, b"the output of the run before");
        let (slates, ranked) = slates();
        let mut sink = create_output(&kept, true, &[]).unwrap();
        sink.write(&slates, &ranked, &letters(2)).unwrap();
        drop(sink);
        assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read(&kept).unwrap(), b"the output of the run before");
    }
}

#[test]
fn an_output_without_rows_still_has_its_columns() {
    let folder = Folder::new();
    create_output(&folder.path("out.csv"), true, &[]).unwrap().finish().unwrap();
    assert_eq!(std::fs::read_to_string(folder.path("out.csv")).unwrap().trim_end(), COLUMNS);
    create_output(&folder.path("out.parquet"), true, &[]).unwrap().finish().unwrap();
    let file = std::fs::File::open(folder.path("out.parquet")).unwrap();
    assert_eq!(ParquetRecordBatchReaderBuilder::try_new(file).unwrap().schema().fields().len(), 11);
}

#[test]
fn what_cannot_be_written_is_said_before_any_work() {
    let folder = Folder::new();
    let error = |name: &str| {
        let error = create_output(&folder.path(name), true, &[]).map(drop).unwrap_err();
        without_path(&error.to_string(), &error.path)
    };
    assert!(error("out.xlsx").starts_with("unknown output format: the extension must be one of .parquet, .arrow"));
    assert!(error("none/out.csv").contains("does not exist: create it first"));
    std::fs::create_dir(folder.path("dir.csv")).unwrap();
    assert_eq!(error("dir.csv"), "is a folder: name a file");
}

#[cfg(unix)]
#[test]
fn others_may_read_the_output_as_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    let plain = Folder::new().bytes("plain", b"").with_file_name("other");
    std::fs::create_dir_all(plain.parent().unwrap()).unwrap();
    std::fs::write(&plain, b"").unwrap();
    assert_eq!(mode(&write(&folder, "out.csv", &letters(2))), mode(&plain));
    std::fs::remove_dir_all(plain.parent().unwrap()).unwrap();
}

#[test]
fn rankings_of_other_slates_are_refused() {
    let folder = Folder::new();
    let mut sink = create_output(&folder.path("out.csv"), true, &[]).unwrap();
    let (slates, mut ranked) = slates();
    ranked[0].placements[0].candidate = 7;
    let error = sink.write(&slates, &ranked, &letters(2)).unwrap_err();
    assert!(error.to_string().contains("slate \"q,1\": its ranking does not fit it"), "{error}");
}

/// Only regular files are replaced, a link stays a link, and nobody may read more than before.
#[cfg(unix)]
#[test]
fn what_had_the_name_is_respected() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let folder = Folder::new();
    let error = |name: &str| create_output(&folder.path(name), true, &[]).map(drop).unwrap_err().to_string();

    let fifo = folder.path("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    symlink(&fifo, folder.path("to_pipe.csv")).unwrap();
    for name in ["pipe.csv", "to_pipe.csv"] {
        let text = error(name);
        assert!(text.contains("is a device, a pipe or a socket") && text.ends_with("or use - for a stream"), "{text}");
    }
    assert!(fifo.symlink_metadata().unwrap().file_type().is_fifo());
    symlink(folder.path("nowhere.csv"), folder.path("lost.csv")).unwrap();
    assert!(error("lost.csv").contains("is a link that leads nowhere"));

    std::fs::create_dir(folder.path("deep")).unwrap();
    for (name, mode) in [("deep/a.csv", 0o600), ("deep/b.csv", 0o666), ("deep/c.parquet", 0o640)] {
        let target = folder.bytes(name, b"before");
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode)).unwrap();
        let link = folder.path(name.trim_start_matches("deep/"));
        symlink(name, &link).unwrap();
        for path in [&target, &link] {
            let mut sink = create_output(path, true, &[]).unwrap();
            let (slates, ranked) = slates();
            sink.write(&slates, &ranked, &letters(2)).unwrap();
            sink.finish().unwrap();
            assert_ne!(std::fs::read(&target).unwrap(), b"before");
            assert_eq!(target.metadata().unwrap().permissions().mode() & 0o777, mode, "{name}");
            assert!(link.symlink_metadata().unwrap().is_symlink());
            std::fs::write(&target, b"before").unwrap();
        }
    }
    assert_eq!(std::fs::read_dir(folder.path("deep")).unwrap().count(), 3);
}
