//! Readers fetch what the contract names and nothing else: whatever is not in it may be damaged, whatever is may not.

use std::path::{Path, PathBuf};

use arrow_array::builder::{LargeListBuilder, UInt32Builder};
use arrow_array::types::{Float32Type, Float64Type, UInt32Type};
use arrow_array::{ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use spectrank::catalog::{Catalog, ColumnData, EmbeddingData};
use spectrank::config::{Config, FilterRule, OnMissing, Scalar};
use spectrank::contract::{Contract, InputColumn};
use spectrank::io::{CatalogColumns, InputError, SlateFields, open_slates, read_catalog};
use spectrank::parity::Limits;
use spectrank::parity::generate::recipe;
use spectrank::slate::Slate;

use crate::files::*;

/// Recipes whose configurations are tried.
const N_RECIPES: u64 = 40;

fn catalog_file(folder: &Folder, catalog: &Catalog) -> PathBuf {
    let ids = (0..catalog.n_items()).map(|row| row.to_string());
    let mut columns: Vec<(&str, ArrayRef)> = vec![("item_id", col(StringArray::from_iter_values(ids)))];
    for signal in catalog.signals() {
        let values: Vec<f32> = match &signal.data {
            EmbeddingData::F16(v) => v.iter().map(|x| x.to_f32()).collect(),
            EmbeddingData::F32(v) => v.to_vec(),
            EmbeddingData::F64(v) => v.iter().map(|&x| x as f32).collect(),
        };
        let rows = values.chunks(signal.dim).map(|row| Some(row.iter().copied().map(Some)));
        columns.push((&signal.name, col(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))));
    }
    for column in catalog.columns() {
        let array: ArrayRef = match &column.data {
            ColumnData::Bool(v) => col(BooleanArray::from(v.clone())),
            ColumnData::Int(v) => col(Int64Array::from(v.clone())),
            ColumnData::Float(v) => col(Float64Array::from(v.clone())),
            ColumnData::Text(v) => col(StringArray::from(v.clone())),
            ColumnData::Codes { width, codes } => {
                let mut builder = LargeListBuilder::new(UInt32Builder::new());
                codes.chunks(*width).for_each(|row| builder.append_value(row.iter().copied().map(Some)));
                col(builder.finish())
            }
            ColumnData::Unsupported { .. } => panic!("no generated column is unsupported"),
        };
        columns.push((&column.name, array));
    }
    columns.push(("unused", col(Int64Array::from_iter_values(0..catalog.n_items() as i64))));
    folder.parquet("items.parquet", columns)
}

fn slates_file(folder: &Folder, slates: &[Slate]) -> PathBuf {
    let lists = |of: fn(&Slate) -> &Vec<u32>| -> ArrayRef {
        let rows = slates.iter().map(|slate| Some(of(slate).iter().copied().map(Some)));
        col(ListArray::from_iter_primitive::<UInt32Type, _, _>(rows))
    };
    let scores = slates.iter().map(|slate| Some(slate.scores.iter().copied().map(Some)));
    let text = |value: &'static str| col(StringArray::from_iter_values(slates.iter().map(|_| value))) as ArrayRef;
    let filters = slates.iter().map(|_| Some(vec![0u8; 32]));
    folder.parquet(
        "slates.parquet",
        vec![
            ("slate_id", col(StringArray::from_iter_values(slates.iter().map(|slate| &slate.id)))),
            ("candidates", lists(|slate| &slate.candidates)),
            ("scores", col(ListArray::from_iter_primitive::<Float64Type, _, _>(scores))),
            ("recent", lists(|slate| &slate.recent)),
            ("seen", lists(|slate| &slate.candidates)),
            ("watched", col(BinaryArray::from_iter(filters))),
            ("surface", text("home")),
            ("unused", text("x")),
            ("unused_list", lists(|slate| &slate.candidates)),
        ],
    )
}

/// The same file with every page of one column overwritten.
fn damaged(folder: &Folder, path: &Path, column: &str) -> PathBuf {
    let mut bytes = std::fs::read(path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    let mut n_damaged = 0;
    for group in builder.metadata().row_groups() {
        for chunk in group.columns() {
            if chunk.column_path().parts()[0] == column {
                let (start, n_bytes) = chunk.byte_range();
                bytes[start as usize..(start + n_bytes) as usize].fill(0xff);
                n_damaged += 1;
            }
        }
    }
    assert!(n_damaged > 0, "no column {column}");
    folder.bytes("damaged.parquet", &bytes)
}

fn columns_of(path: &Path) -> Vec<String> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
    builder.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn is_listed(columns: &[InputColumn], name: &str, first_embedding: &str) -> bool {
    columns.iter().any(|column| column.name.as_deref().unwrap_or(first_embedding) == name)
}

/// Generated configurations with filters added, which the generator has none of.
fn config(index: u64, config: &Config) -> Config {
    let mut config = config.clone();
    config.filter.seen = !index.is_multiple_of(3);
    config.filter.seen_bloom = index.is_multiple_of(2).then(|| "watched".to_owned());
    if index.is_multiple_of(4) {
        config.filter.drop.push(FilterRule {
            column: "flag".to_owned(),
            values: Vec::new(),
            on_missing: OnMissing::Zero,
            when: [("surface".to_owned(), Scalar::Text("home".to_owned()))].into(),
        });
    }
    config
}

fn read_all(path: &Path, catalog: &Catalog, fields: &SlateFields) -> Result<usize, InputError> {
    let mut source = open_slates(&[path.to_owned()], catalog, fields)?;
    let mut n_slates = 0;
    while let Some(batch) = source.next_batch(3)? {
        n_slates += batch.len();
    }
    Ok(n_slates)
}

#[test]
fn readers_fetch_exactly_what_the_contract_names() {
    let limits = Limits { candidates: 12, slate_size: 4, long_one_in: 0, ..Limits::USUAL };
    let (mut n_read, mut n_left) = (0, 0);
    for index in 0..N_RECIPES {
        let recipe = recipe(11, index, &limits);
        let case = recipe.build().unwrap();
        let config = config(index, &case.config);
        let inputs = Contract::of(&config).inputs;
        let folder = Folder::new();
        let items = catalog_file(&folder, &case.catalog);
        for name in columns_of(&items) {
            let path = damaged(&folder, &items, &name);
            let is_read = read_catalog(&[path], &CatalogColumns::of(&config)).is_err();
            assert_eq!(is_read, is_listed(&inputs.catalog, &name, "s0"), "recipe {index}, catalog column {name}");
            if is_read { n_read += 1 } else { n_left += 1 }
        }
        let slates = slates_file(&folder, &case.slates);
        let fields = SlateFields::of(&config);
        assert_eq!(read_all(&slates, &case.catalog, &fields).unwrap(), case.slates.len());
        for name in columns_of(&slates) {
            let path = damaged(&folder, &slates, &name);
            let is_read = read_all(&path, &case.catalog, &fields).is_err();
            assert_eq!(is_read, is_listed(&inputs.slates, &name, ""), "recipe {index}, slate column {name}");
        }
        // Every name of the list is one of a table's.
        let names = Contract::of(&config).input_names;
        assert!(names.iter().all(|name| is_listed(&inputs.catalog, name, "") || is_listed(&inputs.slates, name, "")));
    }
    assert!(n_read > 100 && n_left > 100, "{n_read} columns read, {n_left} left: the test has one side only");
}
