//! Damaged files: cut anywhere, or with bytes changed, they give an error or other values, never a panic.

use std::path::PathBuf;

use arrow_array::types::{Float32Type, UInt32Type};
use arrow_array::{ListArray, StringArray};
use safetensors::Dtype;
use spectrank::io::{CatalogColumns, read_catalog};

use crate::files::*;

fn catalogs(folder: &Folder) -> Vec<PathBuf> {
    let values: Vec<f32> = (0..40).map(|x| x as f32).collect();
    let lists = values.chunks(4).map(|row| Some(row.iter().map(|&x| Some(x))));
    let ids = col(StringArray::from_iter_values((0..10).map(|i| format!("item{i}"))));
    vec![
        folder.npy("x.npy", &[10, 4], &values),
        folder.safetensors("x.safetensors", &[("x", Dtype::F32, vec![10, 4], f32_bytes(&values))]),
        folder.parquet(
            "x.parquet",
            vec![("item_id", ids), ("x", col(ListArray::from_iter_primitive::<Float32Type, _, _>(lists)))],
        ),
    ]
}

fn slates(folder: &Folder) -> PathBuf {
    let rows = (0..4u32).map(|i| Some((0..=i).map(Some)));
    let scores = (0..4u32).map(|i| Some((0..=i).map(|x| Some(x as f32))));
    folder.parquet(
        "slates.parquet",
        vec![
            ("candidates", col(ListArray::from_iter_primitive::<UInt32Type, _, _>(rows))),
            ("scores", col(ListArray::from_iter_primitive::<Float32Type, _, _>(scores))),
        ],
    )
}

/// Cut points: every one of a short file, else a prime step that meets all residues.
fn cuts(n_bytes: usize) -> impl Iterator<Item = usize> {
    (0..n_bytes).step_by(if n_bytes < 400 { 1 } else { 7 }).chain([n_bytes - 1])
}

#[test]
fn a_catalog_cut_anywhere_is_an_error() {
    let folder = Folder::new();
    for path in catalogs(&folder) {
        let whole = std::fs::read(&path).unwrap();
        for cut in cuts(whole.len()) {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let line = catalog_error(std::slice::from_ref(&path), &CatalogColumns::All);
            assert!(!line.is_empty());
        }
    }
}

#[test]
fn slates_cut_anywhere_are_an_error() {
    let folder = Folder::new();
    let parquet = slates(&folder);
    let whole = std::fs::read(&parquet).unwrap();
    for cut in cuts(whole.len()) {
        std::fs::write(&parquet, &whole[..cut]).unwrap();
        slates_error(std::slice::from_ref(&parquet), &letters(4));
    }
    let rows = folder.npy("c.npy", &[3, 2], &[0, 1, 1, 0, 2, 3]);
    let scores = folder.npy("s.npy", &[3, 2], &[1f32, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let whole = std::fs::read(&scores).unwrap();
    for cut in cuts(whole.len()) {
        std::fs::write(&scores, &whole[..cut]).unwrap();
        slates_error(&[rows.clone(), scores.clone()], &letters(4));
    }
    let line = b"{\"slate_id\":\"q\",\"candidates\":[0,1],\"scores\":[0.5,1.25]}";
    for cut in 1..line.len() {
        let path = folder.bytes("s.jsonl", &line[..cut]);
        slates_error(&[path], &letters(4));
    }
}

#[test]
fn a_header_that_claims_too_much_is_refused_without_allocating() {
    let folder = Folder::new();
    let npy = |shape: &str| {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend([0; 64]);
        catalog_error(&[folder.bytes("x.npy", &bytes)], &CatalogColumns::All)
    };
    assert!(npy("(4611686018427387904, 4)").contains("the size of shape (4611686018427387904, 4) overflows"));
    assert!(
        npy("(2305843009213693951, 1)").contains("overflows") || npy("(2305843009213693951, 1)").contains("truncated")
    );
    assert!(npy("(1000000000000, 100)").starts_with("is truncated (shape (1000000000000, 100) of float64 needs 800"));
    assert!(npy("(99999999999999999999999, 1)").contains("overflows"));
    let safetensors = |header: &str| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        catalog_error(&[folder.bytes("x.safetensors", &bytes)], &CatalogColumns::All)
    };
    let huge = "{\"x\":{\"dtype\":\"F64\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}";
    assert!(safetensors(huge).starts_with("has a bad safetensors header"));
    let long = "{\"x\":{\"dtype\":\"F64\",\"shape\":[1000000000000,1],\"data_offsets\":[0,8000000000000]}}";
    assert!(safetensors(long).starts_with("is truncated (its tensors need 8000000000000 bytes, 0 are there)"));
    let deep = "[".repeat(100_000);
    assert!(safetensors(&deep).starts_with("has a bad safetensors header"));
}

#[test]
fn changed_bytes_never_panic() {
    let folder = Folder::new();
    let mut state = 1u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n
    };
    for path in catalogs(&folder) {
        let whole = std::fs::read(&path).unwrap();
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            std::fs::write(&path, &bytes).unwrap();
            drop(read_catalog(std::slice::from_ref(&path), &CatalogColumns::All));
        }
    }
    let path = slates(&folder);
    let whole = std::fs::read(&path).unwrap();
    for _ in 0..400 {
        let mut bytes = whole.clone();
        let at = random(bytes.len());
        bytes[at] = random(256) as u8;
        std::fs::write(&path, &bytes).unwrap();
        drop(read_slates(std::slice::from_ref(&path), &letters(4), 2));
    }
}
