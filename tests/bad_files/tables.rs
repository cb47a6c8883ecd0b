//! Parquet and Arrow files that are sound and hold what cannot be used.

use std::path::PathBuf;

use arrow_array::types::{Float32Type, Int64Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, Float32Array, Int64Array, ListArray, NullArray, RecordBatch, StringArray,
    StructArray, UInt64Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};
use spectrank::io::CatalogColumns;

use crate::files::{Folder, catalog_error, col, letters, slates_error};

type Columns = Vec<(&'static str, ArrayRef)>;

fn floats(rows: &[Option<&[Option<f32>]>]) -> ArrayRef {
    col(ListArray::from_iter_primitive::<Float32Type, _, _>(rows.iter().map(|row| row.map(|row| row.to_vec()))))
}

fn items(rows: &[Option<&[Option<i64>]>]) -> ArrayRef {
    col(ListArray::from_iter_primitive::<Int64Type, _, _>(rows.iter().map(|row| row.map(|row| row.to_vec()))))
}

fn text(values: &[Option<&str>]) -> ArrayRef {
    col(StringArray::from(values.to_vec()))
}

/// A list of these values as one row.
fn list(values: ArrayRef) -> ArrayRef {
    let field = Field::new("item", values.data_type().clone(), true);
    col(ListArray::new(field.into(), OffsetBuffer::from_lengths([values.len()]), values, None))
}

/// Every one as Parquet and, where they are slates, as Arrow: the line is the same.
#[track_caller]
fn refused(
    read: impl Fn(&[PathBuf]) -> String,
    write: impl Fn(&Folder, Columns) -> PathBuf,
    bad: Vec<(Columns, &str)>,
) {
    let folder = Folder::new();
    for (columns, line) in bad {
        let names: Vec<_> = columns.iter().map(|(name, array)| format!("{name}: {}", array.data_type())).collect();
        assert_eq!(read(&[write(&folder, columns)]), line, "{}", names.join(", "));
    }
}

fn parquet(folder: &Folder, columns: Columns) -> PathBuf {
    folder.parquet("x.parquet", columns)
}

fn arrow(folder: &Folder, columns: Columns) -> PathBuf {
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Schema::new(fields).into(), arrays).unwrap();
    let mut stream = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    stream.write(&batch).unwrap();
    folder.bytes("x.arrows", &stream.into_inner().unwrap())
}

#[test]
fn catalogs() {
    let one: &[Option<f32>] = &[Some(1.0), Some(2.0)];
    let large = ListArray::from_iter_primitive::<UInt64Type, _, _>([Some(vec![Some(u64::MAX)])]);
    refused(
        |paths| catalog_error(paths, &CatalogColumns::All),
        parquet,
        vec![
            (
                vec![("x", floats(&[Some(one), Some(&one[..1])]))],
                "column \"x\" has 1 values at row 1 but 2 before: all rows of an embedding need one length",
            ),
            (
                vec![("x", floats(&[Some(one), Some(&[Some(1.0), Some(f32::NAN)])]))],
                "embedding \"x\" is not finite at row 1 (item 1), dimension 1: repair or drop that item",
            ),
            (
                vec![("x", floats(&[Some(&[Some(f32::INFINITY)])]))],
                "embedding \"x\" is not finite at row 0 (item 0), dimension 0: repair or drop that item",
            ),
            (
                vec![("x", floats(&[Some(&[])]))],
                "embedding \"x\" has 0 values of dimension 0: rows must have one length, 1 or more",
            ),
            (
                vec![("x", floats(&[]))],
                "has no rows, so embedding \"x\" has no dimension: export the catalog again, with its items",
            ),
            (
                vec![("item_id", text(&[Some("a"), None]))],
                "row 1 has no item id: fill the item_id column, or leave it out to use row numbers",
            ),
            (
                vec![("item_id", text(&[Some("a"), Some("b"), Some("a")]))],
                "item id \"a\" appears twice (rows 0 and 2): ids must be unique",
            ),
            (
                vec![("item_id", floats(&[Some(one)]))],
                "column \"item_id\" holds lists of floating-point numbers: it must hold text or integers",
            ),
            (
                vec![("item_id", col(Float32Array::from(vec![1.0])))],
                "column \"item_id\" holds floating-point numbers: it must hold text or integers",
            ),
            (
                vec![("item_id", col(UInt64Array::from(vec![u64::MAX])))],
                "holds values that cannot be used (column \"item_id\": Cast error: Can't cast value 18446744073709551615 to type Int64): correct them and export it again",
            ),
            (
                vec![("n", col(UInt64Array::from(vec![u64::MAX])))],
                "holds values that cannot be used (column \"n\": Cast error: Can't cast value 18446744073709551615 to type Int64): correct them and export it again",
            ),
            (
                vec![("x", floats(&[Some(one)])), ("x", floats(&[Some(one)]))],
                "column \"x\" appears twice: rename one of them",
            ),
            (
                vec![("codes", items(&[Some(&[Some(-1)])]))],
                "column \"codes\" holds the code -1 at row 0: codes go from 0 (missing) to 4294967295",
            ),
            (
                vec![("codes", col(large))],
                "column \"codes\" holds the code an integer beyond 64 bits at row 0: codes go from 0 (missing) to 4294967295",
            ),
            (
                vec![("codes", items(&[Some(&[Some(1); 600])]))],
                "column \"codes\" holds 600 codes at row 0: at most 64 are supported, shorten the lists",
            ),
        ],
    );
}

#[test]
fn slates() {
    let row: &[Option<i64>] = &[Some(0), Some(3)];
    let score: &[Option<f32>] = &[Some(1.0), Some(2.0)];
    let scores = || ("scores", floats(&[Some(score)]));
    let good = || vec![("candidates", items(&[Some(row)])), scores()];
    let with = |name, array| [good(), vec![(name, array)]].concat();
    let pin = |name| {
        let position = Field::new(name, arrow_schema::DataType::Int64, true);
        let item = Field::new("item", arrow_schema::DataType::Int64, true);
        let fields =
            vec![(position.into(), col(Int64Array::from(vec![-1]))), (item.into(), col(Int64Array::from(vec![0])))];
        list(col(StructArray::from(fields)))
    };
    let bad = || {
        vec![
            (
                vec![("candidates", items(&[Some(row)]))],
                "has no column \"scores\" (it has: candidates): slates need list columns candidates and scores, or one row per candidate with slate_id, item_id or item, and score",
            ),
            (
                vec![("candidates", items(&[Some(&row[..1])])), scores()],
                "slate \"0\": 1 candidates but 2 scores: every candidate needs one score",
            ),
            (
                vec![("candidates", items(&[None])), scores()],
                "slate \"0\": candidates is null or missing: use an empty list where a slate has no candidates",
            ),
            (
                vec![("candidates", items(&[Some(row)])), ("scores", floats(&[None]))],
                "slate \"0\": scores is null or missing: use an empty list where a slate has no candidates",
            ),
            (
                vec![("candidates", items(&[Some(&[Some(0), None])])), scores()],
                "slate \"0\": candidate number 1 is null, or a number beyond 64 bits: use row numbers (whole numbers) or item ids (text)",
            ),
            (
                vec![("candidates", items(&[Some(row)])), ("scores", floats(&[Some(&[Some(1.0), None])]))],
                "slate \"0\": the score of candidate number 1, item 3, is null or not a number: every candidate needs one",
            ),
            (
                vec![("candidates", items(&[Some(&[Some(-1), Some(0)])])), scores()],
                "slate \"0\": candidate -1 is not in the catalog, whose rows go from 0 to 3: remove it, or pass the catalog these slates were made for",
            ),
            (
                vec![("candidates", items(&[Some(&[Some(1 << 40), Some(0)])])), scores()],
                "slate \"0\": candidate 1099511627776 is not in the catalog, whose rows go from 0 to 3: remove it, or pass the catalog these slates were made for",
            ),
            (
                vec![("candidates", list(items(&[Some(row)]))), scores()],
                "column \"candidates\" holds lists of lists of integers: it must hold lists of integers (catalog rows) or text (item ids)",
            ),
            (
                vec![("candidates", floats(&[Some(score)])), scores()],
                "column \"candidates\" holds lists of floating-point numbers: it must hold lists of integers (catalog rows) or text (item ids)",
            ),
            (
                vec![("candidates", list(text(&[Some("a"), Some("z\n")]))), scores()],
                "slate \"0\": candidate \"z\\n\" is not in the catalog: remove it, or pass the catalog these slates were made for",
            ),
            (
                vec![("candidates", list(col(BinaryArray::from(vec![&b"a"[..], b"b"])))), scores()],
                "column \"candidates\" holds lists of bytes: it must hold lists of integers (catalog rows) or text (item ids)",
            ),
            (
                vec![("candidates", list(col(NullArray::new(2)))), scores()],
                "column \"candidates\" holds lists of nothing but nulls: it must hold lists of integers (catalog rows) or text (item ids)",
            ),
            (
                vec![("candidates", items(&[Some(row)])), ("scores", list(text(&[Some("1"), Some("2")])))],
                "column \"scores\" holds lists of text: it must hold lists of numbers",
            ),
            (
                with("slate_id", floats(&[Some(score)])),
                "column \"slate_id\" holds lists of floating-point numbers: it must hold text or integers",
            ),
            (
                with("recent", items(&[Some(&[Some(4)])])),
                "slate \"0\": recent item 4 is not in the catalog, whose rows go from 0 to 3: remove it, or pass the catalog these slates were made for",
            ),
            (
                with("recent", col(Int64Array::from(vec![1]))),
                "column \"recent\" holds integers: it must hold lists of integers (catalog rows) or text (item ids)",
            ),
            (
                with("pinned", pin("position")),
                "slate \"0\": pin number 0 has no position from 0 to 499: write {position, item}",
            ),
            (
                with("pinned", pin("place")),
                "column \"pinned\" holds lists of {place, item}: it must hold lists of {position, item}",
            ),
            (
                with("seen", list(col(Float32Array::from(vec![1.0])))),
                "column \"seen\" holds lists of floating-point numbers: it must hold lists of integers (catalog rows) or text (item ids)",
            ),
        ]
    };
    let read = |paths: &[PathBuf]| slates_error(paths, &letters(4));
    refused(read, parquet, bad());
    // Arrow has lists of nothing but nulls; Parquet writes them as integers.
    refused(read, arrow, bad());
}

#[test]
fn slates_with_a_row_per_candidate() {
    let long = |ids: ArrayRef, slate_ids: ArrayRef, scores: ArrayRef| {
        vec![("slate_id", slate_ids), ("item_id", ids), ("score", scores)]
    };
    let (ids, slate_ids) = (|| text(&[Some("a"), Some("b")]), || text(&[Some("p"), Some("p")]));
    let scores = || col(Float32Array::from(vec![1.0, 2.0]));
    let bad = || {
        vec![
            (
                long(text(&[Some("a"), None]), slate_ids(), scores()),
                "slate \"p\": candidate number 1 is null, or a number beyond 64 bits: use row numbers (whole numbers) or item ids (text)",
            ),
            (
                long(ids(), text(&[Some("p"), None]), scores()),
                "row 1 has no slate_id: every row of the long form needs one",
            ),
            (
                long(ids(), slate_ids(), col(Float32Array::from(vec![Some(1.0), None]))),
                "slate \"p\": the score of candidate number 1, item \"b\", is null or not a number: every candidate needs one",
            ),
            (
                long(ids(), slate_ids(), text(&[Some("1"), Some("2")])),
                "column \"score\" holds text: it must hold numbers",
            ),
            (
                long(text(&[Some("a"), Some("z")]), slate_ids(), scores()),
                "slate \"p\": candidate \"z\" is not in the catalog: remove it, or pass the catalog these slates were made for",
            ),
            (
                long(ids(), floats(&[None, None]), scores()),
                "column \"slate_id\" holds lists of floating-point numbers: it must hold text or integers",
            ),
            (
                vec![("item_id", ids()), ("score", scores())],
                "has no column \"slate_id\" (it has: item_id, score): slates need list columns candidates and scores, or one row per candidate with slate_id, item_id or item, and score",
            ),
        ]
    };
    let read = |paths: &[PathBuf]| slates_error(paths, &letters(4));
    refused(read, parquet, bad());
    refused(read, arrow, bad());
}
