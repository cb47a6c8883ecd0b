//! What it costs to read a wide catalog: the columns a configuration names, against all of them.
//!
//! `cargo bench --bench projection` writes a Parquet file of 20,000 items with 200 columns that nobody asks for, eight
//! embeddings among them, reads it both ways in turn, and checks that both give the same embedding.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use spectrank::config::Config;
use spectrank::io::{CatalogColumns, read_catalog};

const N_ITEMS: usize = 20_000;
const DIM: usize = 128;
const N_EXTRA_EMBEDDINGS: usize = 8;
const N_EXTRA_COLUMNS: usize = 192;
const REPEATS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.parquet");
    write(&path);
    println!("{} items, file of {:.0} MB", N_ITEMS, std::fs::metadata(&path).unwrap().len() as f64 / 1e6);
    let text = "signal = [{ name = \"text\" }]\ncap = [{ column = \"author\", max = 1, window = 4 }]";
    let named = CatalogColumns::of(&Config::from_toml(text).unwrap());
    let mut results = Vec::new();
    for (name, columns) in [("named by the configuration", &named), ("all", &CatalogColumns::All)] {
        let mut times = Vec::new();
        let mut n_bytes = None;
        for _ in 0..REPEATS {
            let before = bytes_read();
            let started = Instant::now();
            let catalog = read_catalog(std::slice::from_ref(&path), columns).unwrap();
            times.push(started.elapsed().as_secs_f64());
            n_bytes = before.zip(bytes_read()).map(|(before, after)| after - before);
            results.push(catalog.signal("text").unwrap().clone());
        }
        times.sort_by(f64::total_cmp);
        let bytes = n_bytes.map_or("bytes unknown here".to_owned(), |n| format!("{:.1} MB read", n as f64 / 1e6));
        println!("{name}: {:.3} s (median of {REPEATS}), {bytes}", times[REPEATS / 2]);
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "the two ways give different embeddings");
}

/// Bytes this process has read so far, where the system counts them.
fn bytes_read() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok())
}

fn write(path: &PathBuf) {
    let number = |i: usize| (i as f32 * 0.618_034).fract();
    let embedding = |salt: usize| -> ArrayRef {
        let values = Float32Array::from_iter_values((0..N_ITEMS * DIM).map(|i| number(i * 7 + salt)));
        let field = Arc::new(Field::new("item", DataType::Float32, true));
        Arc::new(FixedSizeListArray::new(field, DIM as i32, Arc::new(values), None))
    };
    let text = |salt: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..N_ITEMS).map(|i| format!("text {}", (i * 31 + salt) % 5000))))
    };
    let float = |salt: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..N_ITEMS).map(|i| f64::from(number(i + salt)))))
    };
    let ids = StringArray::from_iter_values((0..N_ITEMS).map(|i| format!("item-{i}")));
    let mut columns: Vec<(String, ArrayRef)> = vec![("item_id".to_owned(), Arc::new(ids))];
    for i in 0..N_EXTRA_EMBEDDINGS {
        columns.push((format!("embedding_{i}"), embedding(i + 1)));
    }
    for i in 0..N_EXTRA_COLUMNS {
        columns.push((format!("column_{i}"), if i % 3 == 0 { text(i) } else { float(i) }));
    }
    columns.push(("text".to_owned(), embedding(0)));
    columns.push(("author".to_owned(), text(0)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
