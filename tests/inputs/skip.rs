//! Slates that are passed over: what comes after them is the same.

use arrow_array::types::{Float64Type, UInt32Type};
use arrow_array::{Float64Array, ListArray, StringArray, UInt32Array};
use spectrank::catalog::Catalog;
use spectrank::io::{SlateFields, SlateSource, open_slates};

use crate::files::*;

const N_SLATES: usize = 11;
const N_CANDIDATES: usize = 2;

/// The same slates in every form, without ids where the form can do without.
fn every_form(folder: &Folder) -> Vec<Vec<std::path::PathBuf>> {
    let item = |i: usize| (i * 3 % 4) as u32;
    let numbers = 0..N_SLATES * N_CANDIDATES;
    let items: Vec<u32> = numbers.clone().map(item).collect();
    let scores: Vec<f64> = numbers.clone().map(|i| i as f64).collect();
    let lists = items.chunks(N_CANDIDATES).map(|list| Some(list.iter().copied().map(Some)));
    let score_lists = scores.chunks(N_CANDIDATES).map(|list| Some(list.iter().copied().map(Some)));
    let list_form = vec![
        ("candidates", col(ListArray::from_iter_primitive::<UInt32Type, _, _>(lists))),
        ("scores", col(ListArray::from_iter_primitive::<Float64Type, _, _>(score_lists))),
    ];
    let long_form = vec![
        ("slate_id", col(StringArray::from_iter_values(numbers.map(|i| (i / N_CANDIDATES).to_string())))),
        ("item", col(UInt32Array::from(items.clone()))),
        ("score", col(Float64Array::from(scores.clone()))),
    ];
    let lines = items.chunks(N_CANDIDATES).zip(scores.chunks(N_CANDIDATES));
    let lines: String = lines.map(|(c, s)| format!("{{\"candidates\":{c:?},\"scores\":{s:?}}}\n\n")).collect();
    let shape = [N_SLATES as u64, N_CANDIDATES as u64];
    let parquet = folder.parquet("list.parquet", list_form);
    let arrow = arrow_of(folder, &parquet);
    vec![
        vec![parquet],
        vec![arrow],
        vec![folder.parquet("long.parquet", long_form)],
        vec![folder.bytes("slates.jsonl", lines.as_bytes())],
        vec![
            folder.npy("c.npy", &shape, &items.iter().map(|&item| i64::from(item)).collect::<Vec<_>>()),
            folder.npy("s.npy", &shape, &scores),
        ],
    ]
}

/// As an Arrow file, four rows to a message.
fn arrow_of(folder: &Folder, parquet: &std::path::Path) -> std::path::PathBuf {
    let file = std::fs::File::open(parquet).unwrap();
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let path = folder.path("list.arrow");
    let schema = builder.schema().clone();
    let mut writer = arrow_ipc::writer::FileWriter::try_new(std::fs::File::create(&path).unwrap(), &schema).unwrap();
    builder.with_batch_size(4).build().unwrap().for_each(|batch| writer.write(&batch.unwrap()).unwrap());
    writer.finish().unwrap();
    path
}

fn open<'a>(paths: &[std::path::PathBuf], catalog: &'a Catalog) -> Box<dyn SlateSource + Send + 'a> {
    open_slates(paths, catalog, &SlateFields::All).unwrap()
}

#[test]
fn slates_after_those_passed_over_are_the_same() {
    let (folder, catalog) = (Folder::new(), letters(4));
    let expected = read_slates(&every_form(&folder)[0], &catalog, 5).unwrap();
    assert_eq!(expected.len(), N_SLATES);
    for paths in every_form(&folder) {
        assert_eq!(read_slates(&paths, &catalog, 3).unwrap(), expected, "{paths:?}");
        for (n_before, n_skipped, n_between, n_more) in
            (0..4).flat_map(|a| (0..7).flat_map(move |b| [(a, b, 0, 0), (a, b, 1, 2), (a, b, 2, 3)]))
        {
            let mut source = open(&paths, &catalog);
            for slate in &expected[..n_before] {
                assert_eq!(&source.next_batch(1).unwrap().unwrap()[0], slate, "{paths:?}");
            }
            assert_eq!(source.skip(n_skipped as u64).unwrap(), n_skipped as u64);
            let start = n_before + n_skipped;
            for slate in &expected[start..start + n_between.min(N_SLATES - start)] {
                assert_eq!(&source.next_batch(1).unwrap().unwrap()[0], slate, "{paths:?}");
            }
            let start = start + n_between;
            // Past the end there is nothing to pass over.
            let n_left = N_SLATES.saturating_sub(start);
            assert_eq!(source.skip(n_more as u64).unwrap(), n_more.min(n_left) as u64);
            let rest = expected.get(start + n_more..).unwrap_or_default();
            let mut found = Vec::new();
            while let Some(batch) = source.next_batch(4).unwrap() {
                found.extend(batch);
            }
            assert_eq!(found, rest, "{paths:?} {n_before} {n_skipped} {n_between} {n_more}");
            assert_eq!(source.skip(9).unwrap(), 0);
        }
    }
}
