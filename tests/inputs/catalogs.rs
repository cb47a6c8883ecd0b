//! Catalogs: every format gives the same rows, and every mistake is named.

use arrow_array::types::{Float16Type, Float32Type, Int32Type, UInt8Type};
use arrow_array::{
    BooleanArray, Date32Array, DictionaryArray, FixedSizeListArray, Float32Array, Int64Array, LargeStringArray,
    ListArray, StringArray, StringViewArray,
};
use half::{bf16, f16};
use safetensors::Dtype;
use spectrank::catalog::{Catalog, ColumnData, EmbeddingData, Value};
use spectrank::io::CatalogColumns;

use crate::files::*;

const ALL: &CatalogColumns = &CatalogColumns::All;

fn only(signals: Option<&[&str]>, columns: &[&str]) -> CatalogColumns {
    let owned = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
    CatalogColumns::Only { signals: signals.map(owned), columns: owned(columns) }
}

fn lists(rows: &[&[f32]]) -> arrow_array::ArrayRef {
    col(ListArray::from_iter_primitive::<Float32Type, _, _>(rows.iter().map(|r| Some(r.iter().map(|&x| Some(x))))))
}

fn rich(folder: &Folder) -> std::path::PathBuf {
    let halves = [[1.0, 0.5], [0.0, -2.0], [3.0, 4.0], [5.0, 6.0]];
    let halves = halves.map(|row| Some(row.map(|x| Some(f16::from_f32(x)))));
    let codes = [Some(vec![Some(7), Some(1)]), None, Some(vec![Some(9)]), Some(vec![])];
    folder.parquet(
        "items.parquet",
        vec![
            ("item_id", col(StringArray::from(vec!["a", "b", "c", "d"]))),
            ("title", col(StringViewArray::from(vec![Some("A"), None, Some("C"), Some("D")]))),
            ("category", col(DictionaryArray::<Int32Type>::from_iter(["x", "y", "x", "y"]))),
            ("author", col(LargeStringArray::from(vec!["1", "2", "3", "4"]))),
            ("count", col(Int64Array::from(vec![Some(1), None, Some(3), Some(-4)]))),
            ("fresh", col(Float32Array::from(vec![0.5, 1.5, 2.5, 3.5]))),
            ("is_new", col(BooleanArray::from(vec![true, false, true, false]))),
            ("day", col(Date32Array::from(vec![1, 2, 3, 4]))),
            ("sid", col(ListArray::from_iter_primitive::<UInt8Type, _, _>(codes))),
            ("text", col(FixedSizeListArray::from_iter_primitive::<Float16Type, _, _>(halves, 2))),
            ("graph", lists(&[&[1.0], &[2.0], &[3.0], &[4.0]])),
        ],
    )
}

#[test]
fn a_parquet_catalog_keeps_every_column() {
    let folder = Folder::new();
    let catalog = catalog(&[rich(&folder)]);
    assert_eq!((catalog.n_items(), catalog.has_ids(), catalog.row_of("c")), (4, true, Some(2)));
    let text = catalog.signal("text").unwrap();
    let expected = [1.0, 0.5, 0.0, -2.0, 3.0, 4.0, 5.0, 6.0].map(f16::from_f32).to_vec();
    assert_eq!((text.dim, &text.data), (2, &EmbeddingData::F16(expected.into())));
    assert_eq!(catalog.signal("graph").unwrap().data, EmbeddingData::F32(vec![1.0, 2.0, 3.0, 4.0].into()));
    let value = |name: &str, row| catalog.column(name).unwrap().data.value(row);
    assert_eq!(value("title", 0), Value::Text("A".into()));
    assert_eq!(value("title", 1), Value::Null);
    assert_eq!(value("category", 3), Value::Text("y".into()));
    assert_eq!(value("author", 2), Value::Text("3".into()));
    assert_eq!((value("count", 1), value("count", 3)), (Value::Null, Value::Int(-4)));
    assert_eq!(value("fresh", 3), Value::Float(3.5));
    assert_eq!(value("is_new", 2), Value::Bool(true));
    let sid = &catalog.column("sid").unwrap().data;
    assert_eq!(sid, &ColumnData::Codes { width: 2, codes: vec![7, 1, 0, 0, 9, 0, 0, 0] });
    let day = &catalog.column("day").unwrap().data;
    assert!(matches!(day, ColumnData::Unsupported { n_rows: 4, type_name } if type_name == "dates"), "{day:?}");
}

#[test]
fn only_the_wanted_columns_are_read() {
    let folder = Folder::new();
    let path = [rich(&folder)];
    let read = |wanted: &CatalogColumns| spectrank::io::read_catalog(&path, wanted).unwrap();
    let names = |c: &Catalog| {
        let signals: Vec<String> = c.signals().iter().map(|s| s.name.clone()).collect();
        let columns: Vec<String> = c.columns().iter().map(|x| x.name.clone()).collect();
        (c.has_ids(), signals.join(" "), columns.join(" "))
    };
    assert_eq!(names(&read(&only(None, &[]))), (true, "text".into(), "".into()));
    assert_eq!(names(&read(&only(Some(&["graph"]), &["sid", "count"]))), (true, "graph".into(), "count sid".into()));
    assert_eq!(names(&read(&only(Some(&[]), &["day"]))), (true, "".into(), "day".into()));
    let error = catalog_error(&path, &only(Some(&["image"]), &[]));
    assert!(error.starts_with("has no column \"image\" (it has: item_id, title, "), "{error}");
    let error = catalog_error(&path, &only(None, &["colour"]));
    assert!(error.contains("no column \"colour\"") && error.contains("configuration"), "{error}");
    let error = catalog_error(&path, &only(Some(&["title"]), &[]));
    assert!(error.starts_with("column \"title\" holds text: it must hold lists of float16"), "{error}");
    let plain = [folder.parquet("plain.parquet", vec![("day", col(Date32Array::from(vec![1, 2])))])];
    let nothing_decoded = spectrank::io::read_catalog(&plain, &only(None, &["day"])).unwrap();
    assert_eq!(nothing_decoded.n_items(), 2);
    // An embedding where a term wants a column: kept by name, so that the term can say what is wrong.
    let catalog = read(&only(Some(&["text"]), &["graph"]));
    assert_eq!(catalog.column("graph").unwrap().data.type_name(), "an embedding");
}

#[test]
fn npy_and_safetensors_give_the_rows_of_parquet() {
    let folder = Folder::new();
    let rows: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let by_column = [1.0f32, 3.0, 5.0, 2.0, 4.0, 6.0];
    let big: npyz::DType = npyz::DType::new_scalar(">f4".parse().unwrap());
    let little: npyz::DType = npyz::DType::new_scalar("<f4".parse().unwrap());
    let paths = [
        folder.npy("text.npy", &[3, 2], &rows),
        folder.npy_as("big.npy", &[3, 2], npyz::Order::C, big, &rows),
        folder.npy_as("columns.npy", &[3, 2], npyz::Order::Fortran, little, &by_column),
        folder.safetensors("s.safetensors", &[("tensor", Dtype::F32, vec![3, 2], f32_bytes(&rows))]),
        folder.parquet("p.parquet", vec![("list", lists(&[&rows[..2], &rows[2..4], &rows[4..]]))]),
    ];
    let catalog = catalog(&paths);
    let names: Vec<&str> = catalog.signals().iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["text", "big", "columns", "tensor", "list"]);
    for signal in catalog.signals() {
        assert_eq!((signal.dim, &signal.data), (2, &EmbeddingData::F32(rows.to_vec().into())), "{}", signal.name);
    }
    assert_eq!((catalog.n_items(), catalog.has_ids()), (3, false));
}

#[test]
fn every_float_type_keeps_its_precision() {
    let folder = Folder::new();
    let doubles = folder.npy("doubles.npy", &[2, 1], &[0.1f64, 0.2]);
    let halves: Vec<u8> = [f16::ONE, f16::NEG_ONE].iter().flat_map(|x| x.to_le_bytes()).collect();
    let brains: Vec<u8> = [bf16::ONE, bf16::from_f32(3.0)].iter().flat_map(|x| x.to_le_bytes()).collect();
    let tensors = folder.safetensors(
        "t.safetensors",
        &[
            ("half", Dtype::F16, vec![2, 1], halves),
            ("brain", Dtype::BF16, vec![2, 1], brains),
            ("bias", Dtype::F32, vec![1], f32_bytes(&[1.0])),
        ],
    );
    let catalog = catalog(&[doubles, tensors]);
    assert_eq!(catalog.signal("doubles").unwrap().data, EmbeddingData::F64(vec![0.1, 0.2].into()));
    assert_eq!(catalog.signal("half").unwrap().data, EmbeddingData::F16(vec![f16::ONE, f16::NEG_ONE].into()));
    assert_eq!(catalog.signal("brain").unwrap().data, EmbeddingData::F32(vec![1.0, 3.0].into()));
    assert!(catalog.signal("bias").is_none());
}

#[test]
fn integer_ids_are_their_decimal_text() {
    let folder = Folder::new();
    let path = folder.parquet("i.parquet", vec![("item_id", col(Int64Array::from(vec![10, -3])))]);
    let catalog = catalog(&[path]);
    assert_eq!((catalog.row_of("-3"), catalog.id_of(0).as_ref()), (Some(1), "10"));
}

/// Arrays have no null: there, a row that is NaN throughout says that nothing is known.
#[test]
fn items_without_an_embedding_are_missing_in_every_format() {
    let folder = Folder::new();
    let rows = [Some([Some(1.0f32), Some(2.0)]), None, Some([Some(3.0), None])];
    let null = col(ListArray::from_iter_primitive::<Float32Type, _, _>(rows));
    let values = [1.0, 2.0, f32::NAN, f32::NAN, f32::NAN, f32::NAN];
    let files = [
        folder.parquet("null.parquet", vec![("x", null)]),
        folder.npy("x.npy", &[3, 2], &values),
        folder.safetensors("nan.safetensors", &[("x", Dtype::F32, vec![3, 2], f32_bytes(&values))]),
    ];
    for path in files {
        let catalog = catalog(&[path]);
        let signal = catalog.signal("x").unwrap();
        assert_eq!((signal.n_rows(), signal.missing.as_slice()), (3, [1, 2].as_slice()));
        assert_eq!(signal.data, EmbeddingData::F32(vec![1.0, 2.0, 0.0, 0.0, 0.0, 0.0].into()));
    }
}

#[test]
fn every_mistake_in_a_catalog_is_named() {
    let folder = Folder::new();
    let error = |path| catalog_error(&[path], ALL);
    let starts = |found: String, expected: &str| assert!(found.starts_with(expected), "{found}\n{expected}");

    starts(error(folder.path("none.npy")), "no such file: check the path");
    let line = catalog_error(&[folder.bytes("items.csv", b"a,b")], ALL);
    starts(line, "unknown catalog format: the extension must be one of .parquet, .npy, .safetensors");
    starts(error(folder.bytes("x.pt", b"PK\x03\x04zip")), "is a PyTorch (pickle) file, which is not read");
    starts(error(folder.bytes("p.npy", b"\x80\x04pickle")), "is a PyTorch (pickle) file, which is not read");
    starts(error(folder.bytes("x.npz", b"PK\x03\x04zip")), "is a NumPy archive (.npz): save the one array");
    starts(error(folder.bytes("x.parquet", b"item_id,x")), "is not a Parquet file (it starts with \"item_id,x\")");
    starts(error(folder.npy("flat.npy", &[3], &[1f32, 2.0, 3.0])), "the array has shape (3): reshape it to two dim");
    starts(error(folder.npy("ints.npy", &[3, 1], &[1, 2, 3])), "the array has type int32, which cannot be used here");
    let ints = [("x", Dtype::I64, vec![1, 1], vec![0; 8])];
    starts(error(folder.safetensors("i.safetensors", &ints)), "tensor \"x\" has type I64, which cannot be used");

    let ragged = folder.parquet("r.parquet", vec![("text", lists(&[&[1.0], &[2.0], &[3.0], &[4.0, 5.0]]))]);
    starts(
        error(ragged),
        "column \"text\" has 2 values at row 3 but 1 before: all rows of an embedding need one length",
    );
    let codes = col(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)]), Some([Some(-5)])]));
    starts(error(folder.parquet("c.parquet", vec![("sid", codes)])), "column \"sid\" holds the code -5 at row 1");
    let twice = col(StringArray::from(vec!["a", "b", "a"]));
    starts(error(folder.parquet("t.parquet", vec![("item_id", twice)])), "item id \"a\" appears twice (rows 0 and 2)");
    let hole = col(StringArray::from(vec![Some("a"), None]));
    starts(error(folder.parquet("h.parquet", vec![("item_id", hole)])), "row 1 has no item id");
    let odd = col(BooleanArray::from(vec![true]));
    starts(
        error(folder.parquet("o.parquet", vec![("item_id", odd)])),
        "column \"item_id\" holds true and false: it must hold text",
    );
    starts(
        error(folder.npy("nan.npy", &[2, 2], &[1.0, 2.0, f32::NAN, 0.0])),
        "embedding \"nan\" is not finite at row 1 (item 1), dimension 0",
    );
    let join = [folder.npy("a.npy", &[2, 1], &[1f32, 2.0]), folder.npy("b.npy", &[3, 1], &[1f32, 2.0, 3.0])];
    starts(catalog_error(&join, ALL), "column \"b\" has 3 rows but the catalog has 2: files joined by row");
    let (same, twin) = (&join[0], &join[0]);
    starts(catalog_error(&[same.clone(), twin.clone()], ALL), "column \"a\" appears twice: rename one of them");
    starts(catalog_error(&[], ALL), "no catalog file was given: name at least one");
}
