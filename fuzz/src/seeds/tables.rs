//! Parquet and Arrow, in several encodings and with every codec.

use std::sync::Arc;

use arrow_array::types::{Float32Type, Int32Type, Int64Type, UInt16Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int64Array, ListArray,
    RecordBatch, StringArray, StructArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};

use super::{Add, chosen};

fn col<A: Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).expect("equal lengths")
}

fn floats(rows: &[&[f32]]) -> ArrayRef {
    let rows = rows.iter().map(|row| Some(row.iter().map(|&x| Some(x))));
    col(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
}

fn integers(rows: &[Option<&[i64]>]) -> ArrayRef {
    let rows = rows.iter().map(|row| row.map(|row| row.iter().map(|&x| Some(x))));
    col(ListArray::from_iter_primitive::<Int64Type, _, _>(rows))
}

fn catalog() -> RecordBatch {
    let codes: [Option<Vec<Option<u16>>>; 4] = [1, 2, 3, 4].map(|i| Some(vec![Some(i), Some(i % 2)]));
    let color: DictionaryArray<Int32Type> = ["red", "blue", "red", "red"].into_iter().collect();
    batch(vec![
        ("item_id", col(StringArray::from(vec!["a", "b", "c", "d"]))),
        ("text", floats(&[&[1.0, 0.5], &[0.0, 1.0], &[0.5, 0.5], &[-1.0, 0.25]])),
        ("x", col(Float64Array::from(vec![Some(1.0), None, Some(-2.5), Some(0.0)]))),
        ("color", col(color)),
        ("fresh", col(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]))),
        ("sid", col(ListArray::from_iter_primitive::<UInt16Type, _, _>(codes))),
    ])
}

fn pins() -> ArrayRef {
    let position = Arc::new(Field::new("position", DataType::Int64, true));
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    let pin = StructArray::from(vec![
        (position, col(Int64Array::from(vec![0, 2]))),
        (item, col(StringArray::from(vec!["b", "a"]))),
    ]);
    let field = Arc::new(Field::new("item", pin.data_type().clone(), true));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([1, 0, 1]);
    col(ListArray::new(field, offsets, Arc::new(pin), None))
}

fn lists() -> RecordBatch {
    let filter = [7u8; 32];
    batch(vec![
        ("slate_id", col(StringArray::from(vec![Some("home"), None, Some("q")]))),
        ("candidates", integers(&[Some(&[0, 3, 5]), Some(&[]), Some(&[11, 2])])),
        ("scores", floats(&[&[0.5, 1.0, 0.25], &[], &[3.0, -1.0]])),
        ("recent", integers(&[Some(&[1]), None, Some(&[])])),
        ("seen", integers(&[None, Some(&[1, 2]), Some(&[5])])),
        ("pinned", pins()),
        ("filter", col(BinaryArray::from(vec![Some(&filter[..]), None, Some(&filter[..])]))),
        ("surface", col(StringArray::from(vec![Some("home"), Some("home"), None]))),
    ])
}

fn plain_lists() -> RecordBatch {
    batch(vec![("candidates", integers(&[Some(&[0, 3]), Some(&[1])])), ("scores", floats(&[&[0.5, 1.0], &[0.25]]))])
}

fn long() -> RecordBatch {
    batch(vec![
        ("slate_id", col(StringArray::from(vec!["p", "p", "q", "q"]))),
        ("item_id", col(StringArray::from(vec!["a", "c", "l", "b"]))),
        ("score", col(Float32Array::from(vec![0.5, 0.25, 1.0, 2.0]))),
        ("surface", col(StringArray::from(vec!["home", "home", "search", "search"]))),
    ])
}

fn histories() -> RecordBatch {
    batch(vec![
        ("user", col(StringArray::from(vec!["u", "v", "w"]))),
        ("items", integers(&[Some(&[3, 4, 5]), None, Some(&[0])])),
    ])
}

fn written(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("a sound schema");
    writer.write(batch).and_then(|()| writer.close().map(drop)).expect("room in memory");
    bytes
}

pub(super) fn parquet(add: &mut Add<'_>) {
    let small = || WriterProperties::builder().set_statistics_enabled(EnabledStatistics::None);
    let properties = |codec| small().set_compression(codec).build();
    let codecs = [
        ("plain", properties(Compression::UNCOMPRESSED)),
        ("snappy", properties(Compression::SNAPPY)),
        ("gzip", properties(Compression::GZIP(GzipLevel::default()))),
        ("zstd", properties(Compression::ZSTD(ZstdLevel::default()))),
        ("lz4", properties(Compression::LZ4_RAW)),
        ("version2", small().set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false).build()),
        (
            "split",
            small()
                .set_dictionary_enabled(false)
                .set_encoding(Encoding::PLAIN)
                .set_max_row_group_row_count(Some(2))
                .build(),
        ),
        ("statistics", WriterProperties::default()),
    ];
    let roles =
        [(0, "catalog", catalog()), (1, "lists", lists()), (2, "filters", lists()), (3, "histories", histories())];
    for (name, properties) in codecs {
        for (choice, role, batch) in &roles {
            add("parquet", &format!("{role}_{name}"), chosen(*choice, &written(batch, properties.clone())));
        }
    }
    add("parquet", "long", chosen(1, &written(&long(), properties(Compression::SNAPPY))));
    add("parquet", "small", chosen(1, &written(&plain_lists(), properties(Compression::UNCOMPRESSED))));
}

pub(super) fn arrow(add: &mut Add<'_>) {
    let options = |codec| IpcWriteOptions::default().try_with_compression(codec).expect("codecs of this version");
    let codecs = [("plain", None), ("lz4", Some(CompressionType::LZ4_FRAME)), ("zstd", Some(CompressionType::ZSTD))];
    for (name, codec) in codecs {
        for (form, batch) in [("lists", lists()), ("long", long()), ("small", plain_lists())] {
            let mut stream =
                StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options(codec)).expect("a schema");
            stream.write(&batch).expect("room in memory");
            add("arrow", &format!("{form}_{name}"), chosen(0, &stream.into_inner().expect("room in memory")));
        }
    }
    let mut file = FileWriter::try_new(Vec::new(), &lists().schema()).expect("a schema");
    file.write(&lists()).expect("room in memory");
    add("arrow", "file", chosen(1, &file.into_inner().expect("room in memory")));
    for (name, content) in [
        ("views", &include_bytes!("../../../tests/fixtures/arrow/views.arrows")[..]),
        ("python_lists", include_bytes!("../../../tests/fixtures/arrow/lists.arrows")),
        ("python_long", include_bytes!("../../../tests/fixtures/arrow/long.arrows")),
        ("python_lz4", include_bytes!("../../../tests/fixtures/arrow/lz4.arrow")),
        ("empty", include_bytes!("../../../tests/fixtures/arrow/none.arrows")),
    ] {
        add("arrow", name, chosen(0, content));
    }
}
