//! Thrift's compact protocol, in which Parquet's structures are written, and what the header of a page claims.
//!
//! Source: `parquet.thrift` (`PageHeader`) of the Parquet format, and Thrift's compact protocol specification.

use std::io::Read;
use std::ops::RangeInclusive;

/// Longest header that is read; statistics make them long.
const MAX_BYTES: u64 = 16 << 20;
/// Structures and lists inside of each other that are followed; a directory has nine.
pub(super) const MAX_DEPTH: u32 = 16;

/// Type codes of the compact protocol.
pub(super) mod code {
    pub(in crate::io) const TRUE: u8 = 1;
    pub(in crate::io) const FALSE: u8 = 2;
    pub(in crate::io) const BYTE: u8 = 3;
    pub(in crate::io) const I16: u8 = 4;
    pub(in crate::io) const I32: u8 = 5;
    pub(in crate::io) const I64: u8 = 6;
    pub(in crate::io) const DOUBLE: u8 = 7;
    pub(in crate::io) const BINARY: u8 = 8;
    pub(in crate::io) const LIST: u8 = 9;
    pub(in crate::io) const SET: u8 = 10;
    pub(in crate::io) const MAP: u8 = 11;
    pub(in crate::io) const STRUCT: u8 = 12;
}

/// Claims of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Bytes in the file.
    pub(super) n_bytes: u64,
    /// Bytes once they are decompressed.
    pub(super) n_unpacked_bytes: u64,
    /// Values of a page of data, nulls and empty lists included.
    pub(super) n_values: u64,
    /// Values of a dictionary.
    pub(super) n_dictionary_values: u64,
}

impl PageHeader {
    /// The header and its length in bytes; nothing where there is none. Negative sizes read as 0: the reader refuses them.
    pub(super) fn read(reader: impl Read) -> Option<(Self, u64)> {
        let mut input = Compact::new(reader.take(MAX_BYTES));
        let mut header = Self::default();
        let mut id = 0;
        while let Some(kind) = input.field(&mut id)? {
            // What a field is by its number: the reader goes by that, whatever type the field says it has.
            match (id, kind) {
                (2, code::I32) => header.n_unpacked_bytes = input.size()?,
                (3, code::I32) => header.n_bytes = input.size()?,
                (5, code::STRUCT) => header.n_values = input.first_size(1..=4, 5)?,
                (7, code::STRUCT) => header.n_dictionary_values = input.first_size(1..=2, 0)?,
                (8, code::STRUCT) => header.n_values = input.first_size(1..=6, 8)?,
                (1 | 4, code::I32) | (6, code::STRUCT) => input.skip(kind, MAX_DEPTH)?,
                (1..=8, _) => return None,
                _ => input.skip(kind, MAX_DEPTH)?,
            }
        }
        Some((header, input.n_read))
    }
}

/// Thrift's compact protocol; everything is nothing at the end of the input.
pub(super) struct Compact<R> {
    reader: R,
    pub(super) n_read: u64,
}

impl<R: Read> Compact<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, n_read: 0 }
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.reader.read_exact(&mut byte).ok()?;
        self.n_read += 1;
        Some(byte[0])
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn integer(&mut self) -> Option<i64> {
        self.varint().map(|x| (x >> 1) as i64 ^ -((x & 1) as i64))
    }

    /// A 32-bit number as the reader takes it: cut off, and 0 where it is negative.
    pub(super) fn size(&mut self) -> Option<u64> {
        self.integer().map(|x| u64::try_from(x as i32).unwrap_or(0))
    }

    /// The type of the next field, whose number goes to `id`; `Some(None)` at the end of the structure. A number that is written
    /// out is cut off at 16 bits, as the reader does it: 65,541 is field 5.
    pub(super) fn field(&mut self, id: &mut i16) -> Option<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Some(None);
        }
        *id = match byte >> 4 {
            0 => self.integer()? as i16,
            step => id.checked_add(i16::from(step))?,
        };
        Some(Some(byte & 0x0F))
    }

    /// Field 1 of a structure whose fields in `numbers` are 32-bit numbers, and field `statistics` a structure.
    fn first_size(&mut self, numbers: RangeInclusive<i16>, statistics: i16) -> Option<u64> {
        let (mut size, mut id) = (0, 0);
        while let Some(kind) = self.field(&mut id)? {
            let is_number = numbers.contains(&id);
            if (is_number && kind != code::I32) || (id == statistics && kind != code::STRUCT) {
                return None;
            }
            match id {
                1 => size = self.size()?,
                _ => self.skip(kind, MAX_DEPTH)?,
            }
        }
        Some(size)
    }

    /// Length and type of a list.
    pub(super) fn list_head(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let n = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Some((n, head & 0x0F))
    }

    pub(super) fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            code::TRUE | code::FALSE => {}
            code::BYTE => drop(self.byte()?),
            code::I16 | code::I32 | code::I64 => drop(self.varint()?),
            code::DOUBLE => self.skip_bytes(8)?,
            code::BINARY => {
                let n_bytes = self.varint()?;
                self.skip_bytes(n_bytes)?;
            }
            code::LIST | code::SET => {
                let (n, kind) = self.list_head()?;
                self.skip_elements(n, &[kind], depth)?;
            }
            code::MAP => {
                let n = self.varint()?;
                let kinds = if n > 0 { self.byte()? } else { 0 };
                self.skip_elements(n, &[kinds >> 4, kinds & 0x0F], depth)?;
            }
            code::STRUCT => {
                let mut id = 0;
                while let Some(kind) = self.field(&mut id)? {
                    self.skip(kind, depth)?;
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Truth values in lists are refused: the format has none here, and the reader passes over them without taking a byte, so
    /// that a few bytes could claim to be thousands of millions of them.
    fn skip_elements(&mut self, n: u64, kinds: &[u8], depth: u32) -> Option<()> {
        if n > 0 && kinds.iter().any(|kind| [code::TRUE, code::FALSE].contains(kind)) {
            return None;
        }
        for _ in 0..n {
            for &kind in kinds {
                self.skip(kind, depth)?;
            }
        }
        Some(())
    }

    fn skip_bytes(&mut self, n_bytes: u64) -> Option<()> {
        let n_skipped = std::io::copy(&mut (&mut self.reader).take(n_bytes), &mut std::io::sink()).ok()?;
        self.n_read += n_skipped;
        (n_skipped == n_bytes).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_everything_else_is_passed_over() {
        // DATA_PAGE (0), 36 bytes that become 70, a checksum, 18 values with statistics of two texts and a flag.
        let statistics = [0x5C, 0x38, 3, b'a', b'b', b'c', 0x18, 1, b'd', 0x11, 0];
        let mut bytes = vec![0x15, 0, 0x15, 140, 1, 0x15, 72, 0x15, 0xFF, 0xFF, 3, 0x1C, 0x15, 36, 0x15, 0];
        bytes.extend(statistics.iter().chain(&[0, 0]));
        let (header, n_bytes) = PageHeader::read(bytes.as_slice()).unwrap();
        let expected = PageHeader { n_bytes: 36, n_unpacked_bytes: 70, n_values: 18, n_dictionary_values: 0 };
        assert_eq!((header, n_bytes), (expected, bytes.len() as u64));
        for cut in 0..bytes.len() {
            assert!(PageHeader::read(&bytes[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn a_dictionary_has_values_of_its_own_and_field_numbers_may_be_written_out() {
        let bytes = [0x15, 4, 0x15, 0, 0x15, 0, 0x0C, 14, 0x15, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0];
        let (header, _) = PageHeader::read(&bytes[..]).unwrap();
        assert_eq!(header, PageHeader { n_dictionary_values: i32::MAX as u64, ..PageHeader::default() });
    }

    #[test]
    fn lists_maps_and_depth_end() {
        // An unknown field 15 with a list of two bytes, a map of a byte to a number, then the end.
        let bytes = [0xF9, 0x23, 1, 2, 0x1B, 1, 0x35, 7, 2, 0];
        assert_eq!(PageHeader::read(&bytes[..]).unwrap(), (PageHeader::default(), bytes.len() as u64));
        assert!(PageHeader::read([0xFC].iter().chain(&[0x1C; 100]).copied().collect::<Vec<u8>>().as_slice()).is_none());
        assert!(PageHeader::read(&[0xF9, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F][..]).is_none());
        // 2³¹ − 1 truth values in a list, and in a map.
        let endless = [&[0xF9, 0xF1, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0][..], &[0xFB, 0xFF, 0xFF, 0xFF, 0xFF, 7, 0x13, 0]];
        assert!(endless.iter().all(|bytes| PageHeader::read(*bytes).is_none()));
    }

    #[test]
    fn a_header_whose_fields_are_something_else_is_refused() {
        let good = [0x15, 0, 0x15, 2, 0x15, 2, 0x2C, 0x15, 6, 0x15, 0, 0x15, 0, 0x15, 0, 0, 0];
        assert_eq!(PageHeader::read(&good[..]).unwrap().0.n_values, 3);
        // The size, the page of data, its number of values: each a truth value, which takes no byte.
        for at in [2, 6, 7] {
            let mut bad = good;
            bad[at] = bad[at] & 0xF0 | code::TRUE;
            assert!(PageHeader::read(&bad[..]).is_none(), "{at}");
        }
        // The same number of values, in a field whose number wraps around to 1.
        let far = [0x15, 0, 0x15, 2, 0x15, 2, 0x2C, 0x05, 0x82, 0x80, 8, 6, 0x15, 0, 0x15, 0, 0x15, 0, 0, 0];
        assert_eq!(PageHeader::read(&far[..]).unwrap().0.n_values, 3);
        // An index page that is a truth value, before what the reader would take for its fields.
        assert!(PageHeader::read(&[0x15, 0, 0x15, 2, 0x15, 2, 0x31, 0][..]).is_none());
    }
}
