//! NumPy arrays.

use spectrank::io::CatalogColumns;

use crate::files::{Folder, catalog_error, letters, slates_error};
use crate::{Bad, catalogs_are_refused};

fn npy(header: &str, n_bytes: usize) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &vec![0; n_bytes]].concat()
}

fn array(kind: &str, shape: &str, n_bytes: usize) -> Vec<u8> {
    npy(&format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n"), n_bytes)
}

#[test]
fn catalogs() {
    let bad: Vec<Bad> = vec![
        ("empty.npy", vec![], "is truncated (only 0 bytes): copy or export it again"),
        ("mark.npy", b"\x93NUM".to_vec(), "is truncated (only 4 bytes): copy or export it again"),
        (
            "csv.npy",
            b"1.0,2.0\n".to_vec(),
            "is not a NumPy .npy file (it starts with \"1.0,2.0\\n\"): fix the extension or export the file again",
        ),
        (
            "version.npy",
            b"\x93NUMPY\x09\x00\x04\x00{}  ".to_vec(),
            "has a bad NumPy .npy header (version 9 is unknown): export it again",
        ),
        (
            "header.npy",
            b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(),
            "is truncated (its header of 4294967295 bytes goes past the end): copy or export it again",
        ),
        ("no_dict.npy", npy("[1, 2]\n", 8), "has a bad NumPy .npy header ('{' expected): export it again"),
        (
            "no_shape.npy",
            npy("{'descr': '<f4', 'fortran_order': False, }\n", 8),
            "has a bad NumPy .npy header (one of descr, fortran_order and shape is missing): export it again",
        ),
        (
            "utf8.npy",
            [&npy("", 0)[..8], b"\x04\x00{'\xff'"].concat(),
            "has a bad NumPy .npy header (it is not text): export it again",
        ),
        ("nested.npy", npy(&"(".repeat(60_000), 0), "has a bad NumPy .npy header ('{' expected): export it again"),
        (
            "negative.npy",
            array("<f4", "(-1, 4)", 16),
            "has a bad NumPy .npy header (a size in shape is not a whole number): export it again",
        ),
        ("float.npy", array("<f4", "(2.0, 2)", 16), "has a bad NumPy .npy header (')' expected): export it again"),
        (
            "huge.npy",
            array("<f4", "(18446744073709551615, 1)", 16),
            "has a bad header: the size of shape (18446744073709551615, 1) overflows; export it again",
        ),
        (
            "beyond.npy",
            array("<f4", "(99999999999999999999999999, 1)", 16),
            "has a bad header: the size of shape (99999999999999999999999999, …) overflows; export it again",
        ),
        (
            "overflow.npy",
            array("<f8", "(4294967296, 4294967296)", 16),
            "has a bad header: the size of shape (4294967296, 4294967296) overflows; export it again",
        ),
        (
            "claims.npy",
            array("<f8", "(1000000000, 1000)", 16),
            "is truncated (shape (1000000000, 1000) of float64 needs 8000000000000 bytes, 16 are there): copy or export it again",
        ),
        (
            "one_short.npy",
            array("<f4", "(2, 2)", 15),
            "is truncated (shape (2, 2) of float32 needs 16 bytes, 15 are there): copy or export it again",
        ),
        (
            "one_more.npy",
            array("<f4", "(2, 2)", 17),
            "has 1 bytes after the end of its data: the header does not fit the file, export it again",
        ),
        (
            "flat.npy",
            array("<f4", "(4,)", 16),
            "the array has shape (4): reshape it to two dimensions, (items, dimension)",
        ),
        (
            "scalar.npy",
            array("<f4", "()", 4),
            "the array has shape (): reshape it to two dimensions, (items, dimension)",
        ),
        (
            "cube.npy",
            array("<f4", "(1, 2, 2)", 16),
            "the array has shape (1, 2, 2): reshape it to two dimensions, (items, dimension)",
        ),
        (
            "no_columns.npy",
            array("<f4", "(4, 0)", 0),
            "the array has shape (4, 0): reshape it to two dimensions, (items, dimension)",
        ),
        (
            "objects.npy",
            array("|O", "(2, 2)", 16),
            "the array has type object (pickled values), which cannot be used here: convert it to a matrix of float16, float32 or float64",
        ),
        (
            "text.npy",
            array("<U4", "(2, 2)", 64),
            "the array has type \"<U4\", which cannot be used here: convert it to float16, float32 or float64 (integers for candidates)",
        ),
        (
            "complex.npy",
            array("<c8", "(2, 2)", 32),
            "the array has type \"<c8\", which cannot be used here: convert it to float16, float32 or float64 (integers for candidates)",
        ),
        (
            "dates.npy",
            array("<M8[s]", "(2, 2)", 32),
            "the array has type \"<M8[s]\", which cannot be used here: convert it to float16, float32 or float64 (integers for candidates)",
        ),
        (
            "integers.npy",
            array("<i4", "(2, 2)", 16),
            "the array has type int32, which cannot be used here: convert it to float16, 32 or 64",
        ),
        (
            "records.npy",
            npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 2), }\n", 16),
            "the array has type \"a structured type\", which cannot be used here: convert it to float16, float32 or float64 (integers for candidates)",
        ),
        (
            "archive.npz",
            b"PK\x03\x04................".to_vec(),
            "is a NumPy archive (.npz): save the one array you need with numpy.save('x.npy', archive['name'])",
        ),
    ];
    catalogs_are_refused(bad);
}

/// NaN throughout is an item without an embedding; NaN here and there, or an infinity, is an error.
#[test]
fn values() {
    let mut nan = array("<f4", "(2, 2)", 16);
    let at = nan.len() - 4;
    nan[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut infinite = array(">f8", "(2, 1)", 16);
    let at = infinite.len() - 8;
    infinite[at..].copy_from_slice(&f64::NEG_INFINITY.to_be_bytes());
    catalogs_are_refused(vec![
        ("nan.npy", nan, "embedding \"nan\" is not finite at row 1 (item 1), dimension 1: repair or drop that item"),
        (
            "infinite.npy",
            infinite,
            "embedding \"infinite\" is not finite at row 1 (item 1), dimension 0: repair or drop that item",
        ),
    ]);
}

#[test]
fn pairs() {
    let folder = Folder::new();
    let refused = |a: &[u8], b: &[u8], line: &str| {
        let paths = [folder.bytes("a.npy", a), folder.bytes("b.npy", b)];
        let found = slates_error(&paths, &letters(4)).replace(&folder.path("").display().to_string(), "");
        assert_eq!(found, line);
    };
    let (rows, scores) = (array("<i8", "(1, 2)", 16), array("<f4", "(1, 2)", 8));
    refused(
        &rows,
        &rows,
        "has type int64 and so has a.npy (int64): a pair is one integer array (candidates) and one float array (scores)",
    );
    refused(
        &scores,
        &scores,
        "has type float32 and so has a.npy (float32): a pair is one integer array (candidates) and one float array (scores)",
    );
    refused(
        &rows,
        &array("<f4", "(2, 1)", 8),
        "has shape (2, 1) but a.npy has shape (1, 2): candidates and scores must have the same shape (slates, candidates)",
    );
    refused(
        &array("|O", "(1, 2)", 16),
        &scores,
        "the array has type object (pickled values), which cannot be used here: convert it to a matrix of float16, float32 or float64",
    );
    let mut beyond = array("<u8", "(1, 2)", 16);
    let at = beyond.len() - 8;
    beyond[at..].copy_from_slice(&u64::MAX.to_le_bytes());
    refused(
        &beyond,
        &scores,
        "slate \"0\": candidate 9223372036854775807 is not in the catalog, whose rows go from 0 to 3: remove it, or pass the catalog these slates were made for",
    );
}

#[test]
fn files_of_different_lengths() {
    let folder = Folder::new();
    let paths =
        [folder.bytes("a.npy", &array("<f4", "(2, 2)", 16)), folder.bytes("b.npy", &array("<f4", "(3, 2)", 24))];
    assert_eq!(
        catalog_error(&paths, &CatalogColumns::All),
        "column \"b\" has 3 rows but the catalog has 2: files joined by row need the same rows in the same order"
    );
    let none = folder.bytes("c.npy", &array("<f4", "(0, 2)", 0));
    assert_eq!(
        catalog_error(&[paths[0].clone(), none], &CatalogColumns::All),
        "column \"c\" has 0 rows but the catalog has 2: files joined by row need the same rows in the same order"
    );
    assert_eq!(
        catalog_error(&[paths[0].clone(), paths[0].clone()], &CatalogColumns::All),
        "column \"a\" appears twice: rename one of them"
    );
}
