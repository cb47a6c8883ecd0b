//! Pages of texts in Parquet's delta encodings, which begin with lists of lengths.
//!
//! The reader makes room for as many lengths as such a list claims to have, so the claims are held against the number of values
//! that the page has. And it writes out what a value shares with the one before: a text of a megabyte and a thousand that repeat
//! it are a page of a megabyte. So what a page comes to is added up before it is decoded.
//!
//! Source: `Encodings.md` of the Parquet format (`DELTA_BINARY_PACKED`, `DELTA_LENGTH_BYTE_ARRAY`, `DELTA_BYTE_ARRAY`).

use parquet::basic::Encoding;
use parquet::column::page::Page;

/// Lengths that a page may hold; writers stop at some ten thousand.
const MAX_LENGTHS: u64 = 8 << 20;

/// Checks a page of a column with these largest levels; gives what its texts come to where they share their beginnings, in
/// bytes, or what is wrong with it.
pub(super) fn check(page: &Page, max_rep_level: i16, max_def_level: i16) -> Result<u64, String> {
    if !matches!(page.encoding(), Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BYTE_ARRAY)
        || !page.is_data_page()
    {
        return Ok(0);
    }
    let n_values = u64::from(page.num_values());
    let most = n_values.min(MAX_LENGTHS);
    let lengths = values(page, max_rep_level, max_def_level).and_then(|values| {
        // Nothing but nulls.
        if values.is_empty() {
            return Some(Lengths::default());
        }
        let first = list(values, most)?;
        match page.encoding() {
            // Lengths of what a value shares with the one before, then those of what it has of its own.
            Encoding::DELTA_BYTE_ARRAY if first.n <= most => {
                let own = list(values.get(first.n_bytes..)?, most)?;
                Some(Lengths { n: first.n.max(own.n), sum: first.sum.checked_add(own.sum)?, n_bytes: 0 })
            }
            _ => Some(Lengths { sum: 0, ..first }),
        }
    });
    match lengths {
        Some(lengths) if lengths.n <= most => Ok(lengths.sum),
        Some(lengths) => Err(format!("a page of {n_values} values claims to hold the lengths of {}", lengths.n)),
        None => Err("the lengths in a page are damaged".to_owned()),
    }
}

/// The part of a page that is behind its levels.
fn values(page: &Page, max_rep_level: i16, max_def_level: i16) -> Option<&[u8]> {
    let bytes = page.buffer();
    match page {
        Page::DataPage { rep_level_encoding, def_level_encoding, num_values, .. } => {
            let rest = behind_levels(bytes, *rep_level_encoding, max_rep_level, *num_values)?;
            behind_levels(rest, *def_level_encoding, max_def_level, *num_values)
        }
        Page::DataPageV2 { rep_levels_byte_len, def_levels_byte_len, .. } => {
            bytes.get((*rep_levels_byte_len as usize).checked_add(*def_levels_byte_len as usize)?..)
        }
        Page::DictionaryPage { .. } => None,
    }
}

fn behind_levels(bytes: &[u8], encoding: Encoding, max_level: i16, n_values: u32) -> Option<&[u8]> {
    if max_level == 0 {
        return Some(bytes);
    }
    if encoding == Encoding::RLE {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        return rest.get(u32::from_le_bytes(*length) as usize..);
    }
    // The deprecated encoding: as many bits each as the largest level needs.
    let n_bits = u64::from(n_values) * u64::from(u16::BITS - max_level.unsigned_abs().leading_zeros());
    bytes.get(usize::try_from(n_bits.div_ceil(8)).ok()?..)
}

/// A list of lengths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Lengths {
    /// How many it claims to have.
    n: u64,
    /// What they come to.
    sum: u64,
    /// Bytes of the list.
    n_bytes: usize,
}

/// Reads a list; one that claims more than `n_most` is not followed to its end.
fn list(bytes: &[u8], n_most: u64) -> Option<Lengths> {
    let mut rest = bytes;
    let (n_per_block, n_minis, n) = (varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?);
    let mut length = zigzag(varint(&mut rest)?);
    if n > n_most {
        return Some(Lengths { n, sum: 0, n_bytes: bytes.len() });
    }
    let n_per_mini = n_per_block.checked_div(n_minis)?;
    let mut sum = if n == 0 { 0 } else { u64::try_from(length).ok()? };
    let mut n_left = n.saturating_sub(1);
    while n_left > 0 {
        let least_step = zigzag(varint(&mut rest)?);
        let (widths, miniblocks) = rest.split_at_checked(usize::try_from(n_minis).ok()?)?;
        rest = miniblocks;
        for &n_bits in widths {
            if n_left == 0 {
                break;
            }
            let n_bytes = n_per_mini.checked_mul(u64::from(n_bits))? / 8;
            let (packed, behind) = rest.split_at_checked(usize::try_from(n_bytes).ok()?)?;
            rest = behind;
            let n_here = n_left.min(n_per_mini.max(1));
            for i in 0..n_here {
                let step = least_step.wrapping_add(bits(packed, i * u64::from(n_bits), n_bits)?);
                // Lengths are numbers of 32 bits, and so are the steps between them, which wrap.
                length = i64::from(length.wrapping_add(step) as i32);
                sum = sum.checked_add(u64::try_from(length).ok()?)?;
            }
            n_left -= n_here;
        }
    }
    Some(Lengths { n, sum, n_bytes: bytes.len() - rest.len() })
}

/// The number in so many bits, the lowest first, from a bit on.
fn bits(packed: &[u8], at: u64, n_bits: u8) -> Option<i64> {
    if n_bits == 0 {
        return Some(0);
    }
    if n_bits > 64 {
        return None;
    }
    let bytes = packed.get(usize::try_from(at / 8).ok()?..)?;
    let mut word = [0; 16];
    let n_bytes = bytes.len().min(word.len());
    word[..n_bytes].copy_from_slice(&bytes[..n_bytes]);
    let mask = u128::MAX >> (128 - u32::from(n_bits));
    Some((u128::from_le_bytes(word) >> (at % 8) & mask) as i64)
}

/// Signed numbers as Parquet writes them: 0, −1, 1, −2, …
fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten numbers that rise by 1 in one block of 128 with four miniblocks, as the specification's example has it.
    const RISING: [u8; 9] = [128, 1, 4, 10, 2, 2, 0, 0, 0];

    #[test]
    fn lists_end_where_their_last_miniblock_does() {
        let bytes = [&RISING[..], &[0, 77]].concat();
        assert_eq!(list(&bytes, 10), Some(Lengths { n: 10, sum: 55, n_bytes: 10 }));
        // 40 numbers of two bits, each 2 above the least step of 1: two miniblocks of eight bytes.
        let bytes = [&[128, 1, 4, 40, 2, 2, 2, 2, 9, 9], &[0xAA; 16][..], &[77]].concat();
        let sum = (0..40).map(|i| 1 + 3 * i).sum();
        assert_eq!(list(&bytes, 40), Some(Lengths { n: 40, sum, n_bytes: 26 }));
        assert_eq!(list(&[128, 1, 4, 1, 2], 10), Some(Lengths { n: 1, sum: 1, n_bytes: 5 }));
        // A length below nothing.
        assert_eq!(list(&[128, 1, 4, 1, 1], 10), None);
        assert_eq!(list(&[128, 1, 0, 3, 2], 10), None);
        for cut in 0..9 {
            assert_eq!(list(&RISING[..cut], 10), None);
        }
    }

    #[test]
    fn a_page_cannot_claim_more_lengths_than_values() {
        let page = |buf: Vec<u8>, encoding| Page::DataPage {
            buf: buf.into(),
            num_values: 10,
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let levels = [2, 0, 0, 0, 20, 1];
        let good = [&levels[..], &RISING, &[0], &RISING, &[0]].concat();
        assert_eq!(check(&page(good.clone(), Encoding::DELTA_BYTE_ARRAY), 0, 1), Ok(110));
        let huge = [&levels[..], &[128, 1, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 2]].concat();
        let error = check(&page(huge.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY), 0, 1).unwrap_err();
        assert_eq!(error, "a page of 10 values claims to hold the lengths of 34359738367");
        let second = [&good[..levels.len() + 10], &huge[levels.len()..]].concat();
        assert!(check(&page(second, Encoding::DELTA_BYTE_ARRAY), 0, 1).unwrap_err().contains("34359738367"));
        let nulls = page(levels.to_vec(), Encoding::DELTA_BYTE_ARRAY);
        assert_eq!(check(&nulls, 0, 1), Ok(0));
        let cut = page(good[..levels.len() + 12].to_vec(), Encoding::DELTA_BYTE_ARRAY);
        assert!(check(&cut, 0, 1).unwrap_err().contains("damaged"));
    }
}
