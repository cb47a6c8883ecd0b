//! Sizes as people write and read them.

use std::str::FromStr;

use bytesize::ByteSize;

/// Most memory to take, in bytes: `4GiB`, `512MB`, `1.5 GB` or a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryLimit(pub u64);

impl FromStr for MemoryLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().parse::<ByteSize>() {
            Ok(size) if size.as_u64() > 0 => Ok(Self(size.as_u64())),
            _ => Err("write a size: 4GiB, 512MB, or a number of bytes".to_owned()),
        }
    }
}

/// A number of bytes, to read: two digits at least, in the unit that suits it.
pub fn size_text(n_bytes: u64) -> String {
    let mib = n_bytes as f64 / f64::from(1 << 20);
    match mib {
        _ if mib < 10.0 => format!("{mib:.1} MiB"),
        _ if mib < 10_240.0 => format!("{mib:.0} MiB"),
        _ => format!("{:.1} GiB", mib / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        let cases = [
            ("4GiB", 4 << 30),
            ("4 gib", 4 << 30),
            ("512MB", 512_000_000),
            ("512 MiB", 512 << 20),
            ("1.5GB", 1_500_000_000),
            ("1048576", 1 << 20),
            ("2T", 2_000_000_000_000),
            (" 1KiB ", 1024),
        ];
        for (text, n_bytes) in cases {
            assert_eq!(text.parse(), Ok(MemoryLimit(n_bytes)), "{text}");
        }
        for text in ["", "0", "-1", "-1GB", "GiB", "4 apples", "4GiBs", "0x10", "nan"] {
            assert!(text.parse::<MemoryLimit>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_with_a_unit_that_suits_them() {
        let shown = [0, 5 << 20, 100 << 20, 9 << 30, 20 << 30].map(size_text);
        assert_eq!(shown, ["0.0 MiB", "5.0 MiB", "100 MiB", "9216 MiB", "20.0 GiB"]);
    }
}
