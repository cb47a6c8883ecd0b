//! `--memory-limit`, and what a run takes: real processes, measured (on Linux, whose counts are known).

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder};
use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{ArrayRef, BinaryArray, ListArray, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use safetensors::Dtype;
use serde_json::Value as Json;

use crate::files::{Folder, col, f32_bytes};
use crate::program::*;

/// What a peak may be above its limit: what tests are compiled to is larger than what users run.
const ALLOWANCE_BYTES: u64 = 8 << 20;

fn noise(i: usize) -> f32 {
    let x = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f32 / (1 << 24) as f32 - 0.5
}

fn vectors(n_items: usize, dim: usize) -> Vec<f32> {
    (0..n_items * dim).map(noise).collect()
}

/// A Parquet file as tools write it, one row group after the other.
fn parquet(folder: &Folder, name: &str, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(folder.path(name)).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    folder.path(name)
}

fn ids(n_items: usize) -> ArrayRef {
    col(StringArray::from_iter_values((0..n_items).map(|i| format!("item-{i:08}"))))
}

fn embedding(values: &[f32], dim: usize) -> ArrayRef {
    let mut builder = FixedSizeListBuilder::new(Float32Builder::new(), dim as i32);
    for row in values.chunks(dim) {
        builder.values().append_slice(row);
        builder.append(true);
    }
    col(builder.finish())
}

/// Slates of `n_candidates` each, in list form.
fn slates(n_slates: usize, n_candidates: usize, n_items: usize) -> Vec<(&'static str, ArrayRef)> {
    let candidates = (0..n_slates).map(|s| {
        let candidates = (0..n_candidates).map(move |i| Some(((s * 31 + i * 7) % n_items) as u32));
        Some(candidates)
    });
    let scores = (0..n_slates).map(|s| Some((0..n_candidates).map(move |i| Some(f64::from(noise(s + i))))));
    vec![
        ("slate_id", col(StringArray::from_iter_values((0..n_slates).map(|s| format!("slate-{s:07}"))))),
        ("candidates", col(ListArray::from_iter_primitive::<UInt32Type, _, _>(candidates))),
        ("scores", col(ListArray::from_iter_primitive::<Float64Type, _, _>(scores))),
    ]
}

/// Quick to rank, so that what is measured is the memory of everything around it.
const QUICK: [&str; 4] = ["--strategy", "relevance", "--slate-size", "5"];

fn rerank(catalog: &[PathBuf], slates: &Path, output: &Path) -> Rerank {
    Rerank::of(catalog, &[slates.to_owned()], output).on_cpu().with(["--json"])
}

fn summary(ran: &Ran) -> Json {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ran.stdout, ran.stderr))
}

fn peak(ran: &Ran) -> u64 {
    summary(ran)["peak_memory_bytes"].as_u64().unwrap()
}

fn mib(n_bytes: u64) -> String {
    format!("{}MiB", n_bytes >> 20)
}

/// The limit that `check` says would do.
fn least_limit(catalog: &[PathBuf], slates: &Path, more: &[&str]) -> u64 {
    let mut arguments: Vec<PathBuf> = vec!["check".into(), "--catalog".into()];
    arguments.extend_from_slice(catalog);
    arguments.extend(["--slates".into(), slates.to_owned()]);
    arguments.extend(["--backend", "cpu", "--json"].iter().chain(more).map(PathBuf::from));
    let report: Json = serde_json::from_str(&run(arguments).ok().stdout).unwrap();
    report["estimate"]["least_limit_bytes"].as_u64().unwrap()
}

#[test]
fn the_peak_stays_below_the_limit_whatever_the_slates() {
    const N_ITEMS: usize = 120_000;
    let folder = Folder::new();
    let values = vectors(N_ITEMS, 64);
    let catalog = [parquet(&folder, "items.parquet", vec![("item_id", ids(N_ITEMS)), ("vec", embedding(&values, 64))])];
    let plain = slates(4000, 200, N_ITEMS);
    let mut filtered = slates(1500, 40, N_ITEMS);
    let filter = vec![0x55; 128 << 10];
    filtered.push(("seen_bloom", col(BinaryArray::from_iter_values((0..1500).map(|_| &filter)))));
    let config = folder.bytes("bloom.toml", b"filter.seen_bloom = \"seen_bloom\"");
    let config = config.to_str().unwrap();
    let inputs = [
        ("plain", parquet(&folder, "plain.parquet", plain), QUICK.to_vec()),
        ("wide", parquet(&folder, "wide.parquet", slates(300, 5000, N_ITEMS)), QUICK.to_vec()),
        ("filters", parquet(&folder, "filters.parquet", filtered), [&QUICK[..], &["--config", config]].concat()),
    ];
    let output = folder.path("out.parquet");
    for (name, slates, more) in inputs {
        let unlimited = peak(&rerank(&catalog, &slates, &output).with(&more).run().ok());
        let expected = read_rows(&output);
        let least = least_limit(&catalog, &slates, &more);
        for limit in [least, least + (20 << 20), least + (60 << 20)] {
            let limited = rerank(&catalog, &slates, &output).with(&more).with(["--memory-limit", &mib(limit)]);
            let peak = peak(&limited.run().ok());
            assert!(peak <= limit + ALLOWANCE_BYTES, "{name}: {peak} at a limit of {limit}, {unlimited} without");
            assert!(read_rows(&output) == expected, "{name}: other rows at a limit of {limit}");
        }
        // What is checked must bite: with filters of 128 KiB a thousand slates at a time are far beyond the least limit.
        assert!(name != "filters" || unlimited > least + (60 << 20), "{unlimited} without a limit, {least} at least");
    }
}

#[test]
fn fifteen_times_the_slates_take_no_more_memory() {
    const N_ITEMS: usize = 1000;
    let folder = Folder::new();
    let catalog = [folder.npy("items.npy", &[N_ITEMS as u64, 4], &vectors(N_ITEMS, 4))];
    let write = |n: usize, format: &str| {
        let (name, columns) = (format!("{n}.{format}"), slates(n, 6, N_ITEMS));
        let batch = RecordBatch::try_from_iter(columns.clone()).unwrap();
        match format {
            "parquet" => parquet(&folder, &name, columns),
            "arrows" => {
                let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
                (0..n).step_by(500).for_each(|at| writer.write(&batch.slice(at, 500)).unwrap());
                folder.bytes(&name, &writer.into_inner().unwrap())
            }
            _ => {
                let line = |s: usize| {
                    let candidates: Vec<_> = (0..6).map(|i| (s * 31 + i * 7) % N_ITEMS).collect();
                    format!("{{\"slate_id\":\"s{s}\",\"candidates\":{candidates:?},\"scores\":[6,5,4,3,2,1]}}\n")
                };
                folder.bytes(&name, (0..n).map(line).collect::<String>().as_bytes())
            }
        }
    };
    // Parquet holds a group of 262,144 rows until it is full, which the few do not fill.
    for (format, held) in [("parquet", 24 << 20), ("arrows", 0), ("jsonl", 0)] {
        let output = folder.path(&format!("out.{format}"));
        // Five batches are in memory when there are six.
        let [few, many] = [6000, 90_000].map(|n| {
            let ran = rerank(&catalog, &write(n, format), &output).with(QUICK).run().ok();
            assert_eq!(summary(&ran)["slates"], n);
            peak(&ran)
        });
        assert!(many < few + few / 5 + (4 << 20) + held, "{format}: {few} for 6,000 slates, {many} for 90,000");
    }
}

/// Runs with so much memory of its own and no more; pages of mapped files are not counted by this limit of the system.
fn with_data_limit(n_bytes: u64, command: &Rerank) -> Ran {
    let script = format!("ulimit -d {} && exec \"$@\"", n_bytes >> 10);
    let mut shell = Command::new("sh");
    Ran::of(shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_spectrank")]).args(&command.0).output().unwrap())
}

#[test]
fn embeddings_stay_in_their_files_where_the_limit_asks_for_it() {
    const N_ITEMS: usize = 800_000;
    let folder = Folder::new();
    let values = vectors(N_ITEMS, 64);
    let columns = parquet(&folder, "items.parquet", vec![("item_id", ids(N_ITEMS))]);
    let tensor = ("vec", Dtype::F32, vec![N_ITEMS, 64], f32_bytes(&values));
    let files =
        [folder.npy("vec.npy", &[N_ITEMS as u64, 64], &values), folder.safetensors("vec.safetensors", &[tensor])];
    drop(values);
    let slates = parquet(&folder, "slates.parquet", slates(200, 30, N_ITEMS));
    for file in files {
        let catalog = [columns.clone(), file];
        let [loaded, mapped] = ["loaded.jsonl", "mapped.jsonl"].map(|name| folder.path(name));
        let of = |output: &Path| {
            let command = Rerank::of(&catalog, std::slice::from_ref(&slates), output).on_cpu();
            command.with(["--slate-size", "5", "--json"])
        };
        let ran = of(&loaded).run().ok();
        assert_eq!((&summary(&ran)["mapped_bytes"], peak(&ran) > 195 << 20), (&0.into(), true));
        let limit = mib(least_limit(&catalog, &slates, &["--slate-size", "5"]));
        let limited = of(&mapped).with(["--memory-limit", &limit]);
        // Threads set address space aside that they never use, and this limit counts it.
        let ran = with_data_limit(190 << 20, &limited).ok();
        assert_eq!(summary(&ran)["mapped_bytes"], N_ITEMS * 64 * 4);
        assert!(ran.stderr.contains("195 MiB of embeddings stay in their files: vec\n"), "{}", ran.stderr);
        assert!(std::fs::read(&loaded).unwrap() == std::fs::read(&mapped).unwrap(), "{}", catalog[1].display());
        // The same memory does not do for the embedding.
        assert_ne!(with_data_limit(190 << 20, &of(&loaded)).code, Some(0));
    }
}

#[test]
fn a_limit_that_does_not_do_says_what_would() {
    const N_ITEMS: usize = 50_000;
    let folder = Folder::new();
    let values = vectors(N_ITEMS, 128);
    let table = parquet(&folder, "items.parquet", vec![("item_id", ids(N_ITEMS)), ("vec", embedding(&values, 128))]);
    let columns = parquet(&folder, "columns.parquet", vec![("item_id", ids(N_ITEMS))]);
    let array = folder.npy("vec.npy", &[N_ITEMS as u64, 128], &values);
    let slates = parquet(&folder, "slates.parquet", slates(10, 20, N_ITEMS));
    let output = folder.path("out.csv");
    for (catalog, cure) in [
        (vec![table], ", or keep that embedding as .npy beside the other columns: it can stay in its file then"),
        (vec![columns, array], " MiB"),
    ] {
        let least = least_limit(&catalog, &slates, &QUICK);
        let within =
            |limit: u64| rerank(&catalog, &slates, &output).with(QUICK).with(["--memory-limit", &mib(limit)]).run();
        within(least).ok();
        let ran = within(least - (1 << 20));
        let line = ran.failed(1);
        assert!(
            line.contains(&format!("--memory-limit {} MiB is too little: the catalog takes ", (least >> 20) - 1)),
            "{line}"
        );
        assert!(line.contains(&format!("allow {} MiB", least >> 20)) && line.contains(cure), "{line}");
    }
    assert!(
        run(["rerank", "--memory-limit", "lots"]).stderr.contains("write a size: 4GiB, 512MB, or a number of bytes")
    );
}

#[test]
fn what_is_too_large_for_its_share_is_named() {
    let folder = Folder::new();
    let catalog = [folder.npy("items.npy", &[9000, 8], &vectors(9000, 8))];
    let few = parquet(&folder, "few.parquet", slates(3, 4, 9000));
    let limit = mib(least_limit(&catalog, &few, &[]));
    let fails = |slates: &Path, more: &[&str]| {
        let ran = rerank(&catalog, slates, &folder.path("out.csv")).with(more).with(["--memory-limit", &limit]).run();
        ran.failed(1).to_owned()
    };
    let filter = vec![0; 8 << 20];
    let mut columns = slates(2, 10, 9000);
    columns.push(("f", col(BinaryArray::from_iter_values([&filter, &filter]))));
    let config = folder.bytes("bloom.toml", b"filter.seen_bloom = \"f\"");
    let line = fails(&parquet(&folder, "filter.parquet", columns), &["--config", config.to_str().unwrap()]);
    assert!(
        line.starts_with("--memory-limit: slate \"slate-0000000\" has 10 candidates, it takes 8.0 MiB, and "),
        "{line}"
    );
    assert!(line.ends_with(" are left for that: raise the limit, or send fewer candidates"), "{line}");

    let batch = RecordBatch::try_from_iter(slates(400, 1000, 9000)).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let large = folder.bytes("large.arrows", &writer.into_inner().unwrap());
    let line = fails(&large, &[]);
    assert!(line.contains("message 2 takes more than "), "{line}");
    // `check` has seen that message, and says what it asks for.
    let enough = mib(least_limit(&catalog, &large, &QUICK));
    let ran =
        rerank(&catalog, &large, &folder.path("out.csv")).with(QUICK).with(["--memory-limit", &enough]).run().ok();
    assert_eq!(summary(&ran)["slates"], 400);

    let line =
        fails(&folder.bytes("long.jsonl", format!("{{\"candidates\":[{}0]}}", "0,".repeat(300_000)).as_bytes()), &[]);
    assert!(line.contains("line 1 is longer than "), "{line}");

    let line =
        fails(&parquet(&folder, "wide.parquet", slates(2, 8000, 9000)), &["--strategy", "dpp", "--slate-size", "500"]);
    assert!(
        line.starts_with("--memory-limit: slate \"slate-0000000\" has 8000 candidates, ranking it takes "),
        "{line}"
    );
}

#[test]
fn rows_of_nan_in_a_mapped_file_are_missing_too() {
    const N_ITEMS: usize = 200_000;
    let folder = Folder::new();
    let mut values = vectors(N_ITEMS, 64);
    let columns = parquet(&folder, "items.parquet", vec![("item_id", ids(N_ITEMS))]);
    let slates = parquet(&folder, "slates.parquet", slates(50, 30, N_ITEMS));
    let config = folder.bytes("c.toml", b"signal = [{ name = \"vec\", on_missing = \"zero\" }]");
    let of = |output: &str, more: &[&str]| {
        let catalog = [columns.clone(), folder.path("vec.npy")];
        let command = Rerank::of(&catalog, std::slice::from_ref(&slates), &folder.path(output)).on_cpu();
        command.with(["--json", "--slate-size", "5", "--config", config.to_str().unwrap()]).with(more).run()
    };
    for row in [0, 7, 1000] {
        values[row * 64..(row + 1) * 64].fill(f32::NAN);
    }
    folder.npy("vec.npy", &[N_ITEMS as u64, 64], &values);
    of("loaded.jsonl", &[]).ok();
    let ran = of("mapped.jsonl", &["--memory-limit", "110MiB"]).ok();
    assert_eq!(
        (&summary(&ran)["mapped_bytes"], &summary(&ran)["missing"][0]["n_items"]),
        (&51_200_000.into(), &3.into())
    );
    let [loaded, mapped] = ["loaded.jsonl", "mapped.jsonl"].map(|name| std::fs::read(folder.path(name)).unwrap());
    assert!(loaded == mapped);
    // Every hundredth row: nearly every page would have to be changed.
    (0..N_ITEMS).step_by(100).for_each(|row| values[row * 64..(row + 1) * 64].fill(f32::NAN));
    folder.npy("vec.npy", &[N_ITEMS as u64, 64], &values);
    let ran = of("none.jsonl", &["--memory-limit", "110MiB"]);
    let line = ran.failed(1);
    assert!(line.contains("embedding \"vec\" is mapped from its file, and setting its 200"), "{line}");
    assert!(line.ends_with("raise the limit, or write zeros or no such items"), "{line}");
}

#[test]
fn a_mapped_file_that_changes_halfway_ends_in_an_error() {
    const N_ITEMS: usize = 300_000;
    let folder = Folder::new();
    let file = folder.npy("items.npy", &[N_ITEMS as u64, 32], &vectors(N_ITEMS, 32));
    let command = Rerank::of(std::slice::from_ref(&file), &["-".into()], &folder.path("out.jsonl")).on_cpu();
    let command = command.with(["--memory-limit", "100MiB"]);
    let piped = Stdio::piped;
    let mut child = program().args(&command.0).stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let line = b"{\"candidates\":[0,1,2],\"scores\":[3,2,1]}\n";
    stdin.write_all(&line.repeat(2000)).unwrap();
    // The run has begun when its output has.
    let is_open = || listing(&folder).iter().any(|name| name.ends_with(".part"));
    while !is_open() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let open = std::fs::File::options().write(true).open(&file).unwrap();
    (&open).write_all(b"\x93NUMPY").unwrap();
    // A time of change is as fine as the file system's clock.
    open.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(9)).unwrap();
    drop(stdin);
    let ran = Ran::of(child.wait_with_output().unwrap());
    let line = ran.stderr.lines().last().unwrap();
    assert!(line.contains("items.npy: was changed while its embeddings were read from it"), "{line}");
    assert_eq!((ran.code, listing(&folder)), (Some(1), vec!["items.npy".to_owned()]));
}
