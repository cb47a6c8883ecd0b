//! What `rerank` takes for few slates and for many: peak memory of real processes, as the program itself tells it.
//!
//! `cargo bench --bench memory` ranks 10,000 and 1,000,000 slates in four forms, and `cargo bench --bench memory -- 1000 50000`
//! as many as you say. Files go to a temporary folder, about a gigabyte for a million slates at a time.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{ArrayRef, Float64Array, ListArray, RecordBatch, StringArray, UInt32Array};
use arrow_ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;

const N_ITEMS: usize = 10_000;
const DIM: usize = 16;
const N_CANDIDATES: usize = 40;
const SLATE_SIZE: &str = "30";
/// Slates that are made at a time.
const BLOCK: usize = 1000;

/// How slates come in, and how they go out.
const FORMS: [(&str, &str, &str); 4] = [
    ("Parquet → Parquet", "list.parquet", "parquet"),
    ("Parquet, a row per candidate → Parquet", "long.parquet", "parquet"),
    ("JSON lines → JSON lines", "list.jsonl", "jsonl"),
    ("Arrow stream → Arrow stream", "list.arrows", "arrows"),
];

/// Numbers from 0 to 1 that look random.
fn noise(i: usize) -> f64 {
    let x = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11) as f64 / (1u64 << 53) as f64
}

fn candidates(slate: usize) -> impl Iterator<Item = (u32, f64)> + Clone {
    let first = (noise(slate) * N_ITEMS as f64) as usize;
    (0..N_CANDIDATES).map(move |i| (((first + 131 * i) % N_ITEMS) as u32, noise(slate * N_CANDIDATES + i)))
}

fn id(slate: usize) -> String {
    format!("slate-{slate:07}")
}

fn list_rows(slates: std::ops::Range<usize>) -> Result<RecordBatch, Box<dyn Error>> {
    let rows = slates.clone().map(|s| Some(candidates(s).map(|(row, _)| Some(row))));
    let scores = slates.clone().map(|s| Some(candidates(s).map(|(_, score)| Some(score))));
    let columns: [(&str, ArrayRef); 3] = [
        ("slate_id", Arc::new(StringArray::from_iter_values(slates.clone().map(id)))),
        ("candidates", Arc::new(ListArray::from_iter_primitive::<UInt32Type, _, _>(rows))),
        ("scores", Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(scores))),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn long_rows(slates: std::ops::Range<usize>) -> Result<RecordBatch, Box<dyn Error>> {
    let all = slates.flat_map(|s| candidates(s).map(move |(row, score)| (id(s), row, score)));
    let columns: [(&str, ArrayRef); 3] = [
        ("slate_id", Arc::new(StringArray::from_iter_values(all.clone().map(|(id, ..)| id)))),
        ("item", Arc::new(UInt32Array::from_iter_values(all.clone().map(|(_, row, _)| row)))),
        ("score", Arc::new(Float64Array::from_iter_values(all.map(|(.., score)| score)))),
    ];
    Ok(RecordBatch::try_from_iter(columns)?)
}

fn write_slates(path: &Path, n_slates: usize) -> Result<(), Box<dyn Error>> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let blocks = (0..n_slates).step_by(BLOCK).map(|start| start..n_slates.min(start + BLOCK));
    let mut file = BufWriter::new(File::create(path)?);
    match name {
        "list.jsonl" => {
            for slate in 0..n_slates {
                let (rows, scores): (Vec<u32>, Vec<f64>) = candidates(slate).unzip();
                let (id, candidates) = (id(slate), rows);
                writeln!(file, "{{\"slate_id\":\"{id}\",\"candidates\":{candidates:?},\"scores\":{scores:?}}}")?;
            }
            file.flush()?;
        }
        "list.arrows" => {
            let mut writer = StreamWriter::try_new(file, &list_rows(0..0)?.schema())?;
            blocks.map(list_rows).try_for_each(|batch| Ok::<_, Box<dyn Error>>(writer.write(&batch?)?))?;
            writer.finish()?;
        }
        _ => {
            let rows = if name.starts_with("long") { long_rows } else { list_rows };
            let mut writer = ArrowWriter::try_new(file, rows(0..0)?.schema(), None)?;
            blocks.map(rows).try_for_each(|batch| Ok::<_, Box<dyn Error>>(writer.write(&batch?)?))?;
            writer.close()?;
        }
    }
    Ok(())
}

fn write_catalog(path: &Path) -> Result<(), Box<dyn Error>> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({N_ITEMS}, {DIM}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend((0..N_ITEMS * DIM).flat_map(|i| (noise(i) as f32 - 0.5).to_le_bytes()));
    Ok(std::fs::write(path, bytes)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let counts: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let counts = if counts.is_empty() { vec![10_000, 1_000_000] } else { counts };
    let folder = tempfile::tempdir()?;
    let catalog = folder.path().join("items.npy");
    write_catalog(&catalog)?;
    println!("| slates | number | peak memory, MiB | slates/s |\n|---|---|---|---|");
    for (form, input, format) in FORMS {
        for &n_slates in &counts {
            let (input, output) = (folder.path().join(input), folder.path().join(format!("ranked.{format}")));
            write_slates(&input, n_slates)?;
            let mut program = Command::new(env!("CARGO_BIN_EXE_spectrank"));
            // What an engine takes does not depend on the number of slates, and this one is quick.
            program.args([
                "rerank",
                "--backend",
                "cpu",
                "--strategy",
                "relevance",
                "--json",
                "--slate-size",
                SLATE_SIZE,
            ]);
            program.arg("--catalog").arg(&catalog).arg("--slates").arg(&input).arg("--output").arg(&output);
            let ran = program.output()?;
            if !ran.status.success() {
                return Err(String::from_utf8_lossy(&ran.stderr).into());
            }
            let summary: serde_json::Value = serde_json::from_slice(&ran.stdout)?;
            let peak = summary["peak_memory_bytes"].as_u64().ok_or("this system does not tell the peak")?;
            let rate = summary["slates_per_s"].as_f64().unwrap_or(0.0);
            println!("| {form} | {n_slates} | {:.0} | {rate:.0} |", peak as f64 / f64::from(1 << 20));
            std::fs::remove_file(&input)?;
            std::fs::remove_file(&output)?;
        }
    }
    Ok(())
}
