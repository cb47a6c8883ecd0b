//! What the directory of a Parquet file may look like, field by field, so that the reader does not take one thing for another.
//!
//! The reader goes by the number of a field, whatever type the field says it has: a text in place of a list becomes a list of as
//! many things as the text has bytes, and a flag, which takes no byte, can stand for numbers without end. So a directory is
//! walked once by the types that the format gives its fields before the reader sees it.
//!
//! Source: `parquet.thrift` (`FileMetaData`) of the Parquet format; fields that the reader passes over are left out.

use std::io::Read;

use Field::{Children, Flag, List, Number, Struct, Value};

use super::parquet_thrift::{Compact, MAX_DEPTH, code};

/// What a field, or an element of a list, holds.
enum Field {
    /// A byte, a floating number or a text, of a type of the compact protocol.
    Value(u8),
    /// A whole number, which the protocol writes in the same way whether it has 16, 32 or 64 bits: writers differ.
    Number,
    Flag,
    List(&'static Field),
    Struct(Fields),
    /// Number of elements of the list around it that belong to a group: the reader makes room for as many as are claimed.
    Children,
}

/// Fields of a structure with their numbers. Unions are structures of which one field is there.
type Fields = &'static [(i16, Field)];

const I8: Field = Value(code::BYTE);
const I16: Field = Number;
const I32: Field = Number;
const I64: Field = Number;
const DOUBLE: Field = Value(code::DOUBLE);
/// A text or bytes.
const BINARY: Field = Value(code::BINARY);
const EMPTY: Field = Struct(&[]);

const FILE_META_DATA: Fields = &[
    (1, I32),
    (2, List(&Struct(SCHEMA_ELEMENT))),
    (3, I64),
    (4, List(&Struct(ROW_GROUP))),
    (5, List(&Struct(&[(1, BINARY), (2, BINARY)]))),
    (6, BINARY),
    // Orders of columns.
    (7, List(&Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))),
];

const SCHEMA_ELEMENT: Fields = &[
    (1, I32),
    (2, I32),
    (3, I32),
    (4, BINARY),
    (5, Children),
    (6, I32),
    (7, I32),
    (8, I32),
    (9, I32),
    (10, Struct(LOGICAL_TYPE)),
];

const LOGICAL_TYPE: Fields = &[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    // A decimal number.
    (5, Struct(&[(1, I32), (2, I32)])),
    (6, EMPTY),
    (7, Struct(TIME)),
    (8, Struct(TIME)),
    // A whole number.
    (10, Struct(&[(1, I8), (2, Flag)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    // Variants, geometry, geography.
    (16, Struct(&[(1, I8)])),
    (17, Struct(&[(1, BINARY)])),
    (18, Struct(&[(1, BINARY), (2, I32)])),
    (19, EMPTY),
];

/// A time of day or a moment, and its unit.
const TIME: Fields = &[(1, Flag), (2, Struct(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]))];

const ROW_GROUP: Fields = &[
    (1, List(&Struct(COLUMN_CHUNK))),
    (2, I64),
    (3, I64),
    // Sorting columns.
    (4, List(&Struct(&[(1, I32), (2, Flag), (3, Flag)]))),
    (5, I64),
    (7, I16),
];

const COLUMN_CHUNK: Fields =
    &[(1, BINARY), (2, I64), (3, Struct(COLUMN_META_DATA)), (4, I64), (5, I32), (6, I64), (7, I32)];

const COLUMN_META_DATA: Fields = &[
    (1, I32),
    (2, List(&I32)),
    (4, I32),
    (5, I64),
    (6, I64),
    (7, I64),
    (9, I64),
    (10, I64),
    (11, I64),
    (12, Struct(STATISTICS)),
    // How many pages have which encoding.
    (13, List(&Struct(&[(1, I32), (2, I32), (3, I32)]))),
    (14, I64),
    (15, I32),
    // Sizes and histograms of levels.
    (16, Struct(&[(1, I64), (2, List(&I64)), (3, List(&I64))])),
    // Where things lie on the globe.
    (17, Struct(&[(1, Struct(BOUNDING_BOX)), (2, List(&I32))])),
];

const STATISTICS: Fields =
    &[(1, BINARY), (2, BINARY), (3, I64), (4, I64), (5, BINARY), (6, BINARY), (7, Flag), (8, Flag), (9, I64)];

const BOUNDING_BOX: Fields =
    &[(1, DOUBLE), (2, DOUBLE), (3, DOUBLE), (4, DOUBLE), (5, DOUBLE), (6, DOUBLE), (7, DOUBLE), (8, DOUBLE)];

/// True for a directory (`FileMetaData`) that ends where the bytes do, whose fields are what the format says, and in whose schema
/// no group has more children than there are columns and groups.
pub(super) fn is_sound_directory(directory: &[u8]) -> bool {
    let mut input = Compact::new(directory);
    input.follow(code::STRUCT, &Struct(FILE_META_DATA), 0).is_some() && input.n_read == directory.len() as u64
}

impl<R: Read> Compact<R> {
    /// Passes over something of type `kind`; nothing where it is not what it should be. `n_around` is the length of the list
    /// around it.
    fn follow(&mut self, kind: u8, expected: &Field, n_around: u64) -> Option<()> {
        match (expected, kind) {
            (Value(expected), _) if *expected == kind => self.skip(kind, MAX_DEPTH)?,
            (Number, code::I16 | code::I32 | code::I64) => self.skip(kind, MAX_DEPTH)?,
            (Flag, code::TRUE | code::FALSE) => {}
            (Children, code::I16 | code::I32 | code::I64) if self.size()? <= n_around => {}
            (List(element), code::LIST) => {
                let (n_elements, kind) = self.list_head()?;
                for _ in 0..n_elements {
                    self.follow(kind, element, n_elements)?;
                }
            }
            (Struct(fields), code::STRUCT) => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    match fields.iter().find(|field| field.0 == id) {
                        Some((_, field)) => self.follow(kind, field, n_around)?,
                        // A field of a later version of the format.
                        None => self.skip(kind, MAX_DEPTH)?,
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn what_the_format_has_not_got_is_passed_over_and_everything_ends() {
        // An unknown field 15 with a list of two bytes, a map of a byte to a number, then the end.
        let bytes = [0xF9, 0x23, 1, 2, 0x1B, 1, 0x35, 7, 2, 0];
        assert!(is_sound_directory(&bytes) && !is_sound_directory(&bytes[..bytes.len() - 1]));
        assert!(!is_sound_directory(&[bytes.as_slice(), &[0]].concat()));
        // 2³¹ − 1 truth values in a list, and in a map.
        let endless = [&[0xF9, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0][..], &[0xFB, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0x13, 0]];
        assert!(endless.iter().all(|bytes| !is_sound_directory(bytes)));
    }

    #[test]
    fn a_group_has_no_more_children_than_the_schema_has_elements() {
        // Version 2, then a schema of two elements, the first of which has as many children as is said.
        let directory = |n_children: u8, kind: u8| {
            let first = [0x48, 1, b'a', 0x10 | kind, n_children << 1, 0];
            [&[0x15, 4, 0x19, 0x2C], &first[..], &[0x48, 1, b'b', 0, 0]].concat()
        };
        assert!([1, 2].iter().all(|&n| is_sound_directory(&directory(n, code::I32))));
        assert!(!is_sound_directory(&directory(3, code::I32)) && !is_sound_directory(&directory(3, code::I64)));
        // A schema that is a set of structures, or a list of texts.
        assert!(
            !is_sound_directory(&[0x15, 4, 0x1A, 0x0C, 0]) && !is_sound_directory(&[0x15, 4, 0x19, 0x18, 1, b'a', 0])
        );
    }

    /// The directory of a file with texts, moments and nulls, in two row groups.
    fn directory() -> Vec<u8> {
        let columns: [(&str, ArrayRef); 3] = [
            ("id", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
            ("moment", Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 3]).with_timezone("UTC"))),
            ("number", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
        ];
        let rows =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, values)| (name, values, true))).unwrap();
        let mut file = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
        for _ in 0..2 {
            file.write(&rows).unwrap();
            file.flush().unwrap();
        }
        let bytes = file.into_inner().unwrap();
        let end = bytes.len() - 8;
        let n_bytes = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        bytes[end - n_bytes..end].to_vec()
    }

    #[test]
    fn a_field_of_another_type_is_refused_wherever_it_is() {
        let sound = directory();
        assert!(is_sound_directory(&sound));
        // Types of fields, and of elements of lists, as the walk meets them, each replaced by every other one.
        let mut types = Vec::new();
        mark_types(&mut Compact::new(sound.as_slice()), FILE_META_DATA, &mut types).unwrap();
        assert!(types.len() > 150, "{}", types.len());
        for (at, field) in types {
            let allowed: &[u8] = match field {
                Flag => &[code::TRUE, code::FALSE],
                Number | Children => &[code::I16, code::I32, code::I64],
                _ => &[sound[at] & 0x0F],
            };
            for kind in 1..=15 {
                let mut other = sound.clone();
                other[at] = other[at] & 0xF0 | kind;
                assert_eq!(
                    is_sound_directory(&other),
                    allowed.contains(&kind),
                    "{} as {kind}, byte {at}",
                    sound[at] & 0x0F
                );
            }
        }
    }

    /// Positions of the bytes that say what type a field, or an element, has.
    fn mark_types(input: &mut Compact<&[u8]>, fields: Fields, types: &mut Vec<(usize, &'static Field)>) -> Option<()> {
        let mut id = 0;
        loop {
            let at = input.n_read as usize;
            let Some(kind) = input.field(&mut id)? else { return Some(()) };
            let Some((_, field)) = fields.iter().find(|field| field.0 == id) else {
                input.skip(kind, MAX_DEPTH)?;
                continue;
            };
            types.push((at, field));
            match field {
                Struct(fields) => mark_types(input, fields, types)?,
                List(element) => {
                    let at = input.n_read as usize;
                    let (n_elements, kind) = input.list_head()?;
                    if n_elements > 0 {
                        types.push((at, element));
                    }
                    for _ in 0..n_elements {
                        match element {
                            Struct(fields) => mark_types(input, fields, types)?,
                            _ => input.skip(kind, MAX_DEPTH)?,
                        }
                    }
                }
                _ => input.skip(kind, MAX_DEPTH)?,
            }
        }
    }

    #[test]
    fn a_number_of_children_hidden_behind_a_field_that_wraps_around_is_seen() {
        // Field 65,541 is field 5 to the reader: 100 children in a schema of one element.
        let directory =
            |n_children: u8| [0x15, 4, 0x19, 0x1C, 0x48, 1, b'a', 0x05, 0x8A, 0x80, 8, n_children << 1, 0, 0];
        assert!(is_sound_directory(&directory(1)) && !is_sound_directory(&directory(60)));
    }
}
