//! Parquet files whose headers lie: sizes, counts and places that are not those of the content.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{Int64Array, ListArray, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowWriter, encode_arrow_schema};
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use spectrank::io::CatalogColumns;

use crate::files::{Folder, catalog_error, col, letters, read_slates, slates_error};

/// A catalog of 40 items with ids, numbers and embeddings in one row group, without statistics: every size is where a header has it.
fn catalog(codec: Compression) -> Vec<u8> {
    let rows = (0..40).map(|i| Some([Some(i as f32), Some(1.0)]));
    let batch = arrow_array::RecordBatch::try_from_iter([
        ("item_id", col(StringArray::from_iter_values((0..40).map(|i| format!("item-{i}"))))),
        ("n", col(Int64Array::from_iter_values(0..40))),
        ("x", col(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))),
    ]);
    let batch = batch.unwrap();
    let properties =
        WriterProperties::builder().set_compression(codec).set_statistics_enabled(EnabledStatistics::None).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn refused(bytes: &[u8]) -> String {
    let folder = Folder::new();
    catalog_error(&[folder.bytes("x.parquet", bytes)], &CatalogColumns::All)
}

/// A number as Thrift writes it.
fn varint(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// The bytes with the first header's field in another size: fields follow each other as type, unpacked size, size.
fn with_first_page(bytes: &[u8], unpacked: Option<i64>, packed: Option<i64>, n_values: Option<i64>) -> Vec<u8> {
    let mut at = 4;
    let mut out = bytes[..at].to_vec();
    let mut field = |new: Option<i64>, n_before: usize| {
        out.extend(&bytes[at..at + n_before]);
        at += n_before;
        let n_bytes = bytes[at..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let old = bytes[at..at + n_bytes].to_vec();
        out.extend(new.map_or(old, varint));
        at += n_bytes;
    };
    // The type, then the two sizes, then what is in the header of a dictionary page.
    field(None, 1);
    field(unpacked, 1);
    field(packed, 1);
    field(n_values, 2);
    out.extend(&bytes[at..]);
    out
}

#[test]
fn pages() {
    let good = catalog(Compression::SNAPPY);
    let huge = i64::from(i32::MAX);
    for (bytes, line) in [
        (
            with_first_page(&good, Some(huge), None, None),
            "cannot be read as Parquet (a page of 177 bytes claims to hold 2147483647): export it again",
        ),
        (
            with_first_page(&good, Some(-1), None, None),
            "cannot be read as Parquet (a dictionary of 0 bytes claims to hold 40 values): export it again",
        ),
        (
            with_first_page(&good, Some(0), None, None),
            "cannot be read as Parquet (a dictionary of 0 bytes claims to hold 40 values): export it again",
        ),
        (
            with_first_page(&good, None, Some(huge), None),
            "cannot be read as Parquet (EOF: Invalid page header): export it again",
        ),
        (
            with_first_page(&good, None, Some(-5), None),
            "cannot be read as Parquet (EOF: Invalid page header): export it again",
        ),
        (
            with_first_page(&good, None, None, Some(huge)),
            "cannot be read as Parquet (a dictionary of 430 bytes claims to hold 2147483647 values): export it again",
        ),
        (
            with_first_page(&good, None, None, Some(-1)),
            "cannot be read as Parquet (Integer overflow: out of range integral type conversion attempted): export it again",
        ),
        (
            with_first_page(&good, None, None, Some(3)),
            "cannot be read as Parquet (invalid key=3 for dictionary): export it again",
        ),
    ] {
        assert_eq!(refused(&bytes), line);
    }
}

/// Every codec believes the claim of the header before it looks at the content.
#[test]
fn codecs() {
    for (codec, line) in [
        (
            Compression::UNCOMPRESSED,
            "cannot be read as Parquet (a page of 430 bytes claims to hold 2000000000): export it again",
        ),
        (
            Compression::SNAPPY,
            "cannot be read as Parquet (a page of 177 bytes claims to hold 2000000000): export it again",
        ),
        (
            Compression::GZIP(GzipLevel::default()),
            "cannot be read as Parquet (a page of 110 bytes claims to hold 2000000000): export it again",
        ),
        (
            Compression::ZSTD(ZstdLevel::default()),
            "cannot be read as Parquet (a page of 119 bytes claims to hold 2000000000): export it again",
        ),
        (
            Compression::LZ4_RAW,
            "cannot be read as Parquet (a page of 173 bytes claims to hold 2000000000): export it again",
        ),
    ] {
        let bytes = with_first_page(&catalog(codec), Some(2_000_000_000), None, None);
        assert_eq!(refused(&bytes), line, "{codec}");
    }
}

#[test]
fn directories() {
    let good = catalog(Compression::SNAPPY);
    let with_footer = |length: u32| [&good[..good.len() - 8], &length.to_le_bytes()[..], b"PAR1"].concat();
    for (bytes, line) in [
        (b"PAR1".to_vec(), "is truncated (the closing PAR1 mark is missing): copy or export it again"),
        (b"PAR1PAR1".to_vec(), "is truncated (the closing PAR1 mark is missing): copy or export it again"),
        (
            b"PAR1\0\0\0\0PAR1".to_vec(),
            "cannot be read as Parquet (its content is damaged: its directory is broken): export it again",
        ),
        (
            with_footer(0),
            "cannot be read as Parquet (its content is damaged: its directory is broken): export it again",
        ),
        (
            with_footer(u32::MAX),
            "cannot be read as Parquet (EOF: Parquet file too small. Size is 1533 but need 4294967303): export it again",
        ),
        (
            with_footer(good.len() as u32),
            "cannot be read as Parquet (EOF: Parquet file too small. Size is 1533 but need 1541): export it again",
        ),
        (
            [&good[..good.len() - 4], b"PARE"].concat(),
            "is truncated (the closing PAR1 mark is missing): copy or export it again",
        ),
        (good[..good.len() - 1].to_vec(), "is truncated (the closing PAR1 mark is missing): copy or export it again"),
        (
            [&good[..], b"PAR1"].concat(),
            "cannot be read as Parquet (EOF: Parquet file too small. Size is 1537 but need 827474264): export it again",
        ),
        (
            b"PARE....PARE".to_vec(),
            "is not a Parquet file (it starts with \"PARE....PARE\"): fix the extension or export the file again",
        ),
    ] {
        assert_eq!(refused(&bytes), line, "{} bytes", bytes.len());
    }
}

/// Every byte of the directory is given three other values: never a panic, never all memory, always one line or a catalog.
#[test]
fn a_directory_with_any_byte_changed() {
    let good = catalog(Compression::UNCOMPRESSED);
    let n_directory = u32::from_le_bytes(good[good.len() - 8..good.len() - 4].try_into().unwrap()) as usize;
    let folder = Folder::new();
    let start = good.len() - 8 - n_directory;
    for at in start..good.len() {
        for value in [0, 0xFF, good[at] ^ 0x10] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let path: PathBuf = folder.bytes("x.parquet", &bytes);
            if let Err(error) = spectrank::io::read_catalog(std::slice::from_ref(&path), &CatalogColumns::All) {
                crate::files::without_path(&error.to_string(), &path);
            }
        }
    }
}

/// Writes one row group of these columns: bytes or numbers, and how they nest.
fn written(message: &str, arrow_schema: Option<&Schema>, columns: &[Column]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(message).unwrap());
    let mut properties = WriterProperties::builder();
    if let Some(schema) = arrow_schema {
        let schema = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(schema));
        properties = properties.set_key_value_metadata(Some(vec![schema]));
    }
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in columns {
        let mut out = group.next_column().unwrap().unwrap();
        let (Column::Texts(_, nesting) | Column::Numbers(_, nesting)) = column;
        let (defined, repeated) = nesting.as_ref().map(|(defined, repeated)| (&defined[..], &repeated[..])).unzip();
        match column {
            Column::Texts(texts, _) => {
                let texts: Vec<ByteArray> = texts.iter().map(|text| text.to_vec().into()).collect();
                out.typed::<ByteArrayType>().write_batch(&texts, defined, repeated).unwrap()
            }
            Column::Numbers(numbers, _) => out.typed::<DoubleType>().write_batch(numbers, defined, repeated).unwrap(),
        };
        out.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

/// Values, with definition and repetition levels where they are in lists.
enum Column<'a> {
    Texts(Vec<&'a [u8]>, Option<(Vec<i16>, Vec<i16>)>),
    Numbers(Vec<f64>, Option<(Vec<i16>, Vec<i16>)>),
}

/// What is JSON, or text by an Arrow schema alone, is text to a reader that has not looked at it.
#[test]
fn parquet_text_that_is_not_utf8() {
    let field = |name, data_type| Field::new(name, data_type, false);
    let list_view = |name, data_type| field(name, DataType::ListView(Arc::new(field("element", data_type))));
    let folder = Folder::new();

    // A row per candidate: the slate's id is what is wrong.
    let flat = |annotation: &str| {
        format!(
            "message m {{ required binary slate_id {annotation}; required binary item_id (UTF8); required double score; }}"
        )
    };
    let says_text = Schema::new(vec![
        field("slate_id", DataType::Utf8),
        field("item_id", DataType::Utf8),
        field("score", DataType::Float64),
    ]);
    let by_row = |name: &str, message: &str, schema: Option<&Schema>, id: &[u8]| {
        let columns = [
            Column::Texts(vec![id; 2], None),
            Column::Texts(vec![b"a", b"b"], None),
            Column::Numbers(vec![2.0, 1.0], None),
        ];
        folder.bytes(name, &written(message, schema, &columns))
    };
    // Lists: a candidate is what is wrong.
    let nested = |annotation: &str| {
        let list = |name: &str, element: &str| {
            format!("required group {name} (LIST) {{ repeated group list {{ required {element}; }} }}")
        };
        let candidates = list("candidates", &format!("binary element {annotation}"));
        format!("message m {{ {candidates} {} }}", list("scores", "double element"))
    };
    let says_lists_of_text =
        Schema::new(vec![list_view("candidates", DataType::Utf8), list_view("scores", DataType::Float64)]);
    let by_list = |name: &str, message: &str, schema: Option<&Schema>, item: &[u8]| {
        let nesting = || Some((vec![1, 1], vec![0, 1]));
        let columns = [Column::Texts(vec![b"a", item], nesting()), Column::Numbers(vec![2.0, 1.0], nesting())];
        folder.bytes(name, &written(message, schema, &columns))
    };

    let flat_cases = [("json.parquet", flat("(JSON)"), None), ("schema.parquet", flat(""), Some(&says_text))];
    for (name, message, schema) in flat_cases {
        let line = slates_error(&[by_row(name, &message, schema, b"p\xFF")], &letters(4));
        says_what_is_wrong(&line, "slate_id");
        let slates = read_slates(&[by_row(name, &message, schema, "p\u{e9}".as_bytes())], &letters(4), 2).unwrap();
        assert_eq!(slates[0].id, "p\u{e9}", "{name}");
    }
    let nested_cases =
        [("json_list.parquet", nested("(JSON)"), None), ("view.parquet", nested(""), Some(&says_lists_of_text))];
    for (name, message, schema) in nested_cases {
        let line = slates_error(&[by_list(name, &message, schema, b"\xFF")], &letters(4));
        says_what_is_wrong(&line, "candidates");
        let slates = read_slates(&[by_list(name, &message, schema, b"c")], &letters(4), 2).unwrap();
        assert_eq!(slates[0].candidates, [0, 2], "{name}");
    }
}

#[track_caller]
fn says_what_is_wrong(line: &str, column: &str) {
    let start = format!("cannot be read as Parquet (its content is damaged: column {column}: ");
    assert!(line.starts_with(&start) && line.contains("UTF-8") && line.ends_with("): export it again"), "{line}");
}
