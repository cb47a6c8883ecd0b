//! Digests of files: they tell a file that is another one, or that was damaged, not one that someone forged.

use std::fmt;
use std::fs::File;
use std::io::Read;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

/// Bytes read at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Length and XXH3 (128 bits) of some bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How many there are.
    pub bytes: u64,
    /// The hash as 32 hexadecimal digits.
    pub xxh3: String,
}

impl Digest {
    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        let mut digester = Digester::default();
        digester.add(bytes);
        digester.finish()
    }

    /// Of the rest of a file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of_file(file: &mut File) -> std::io::Result<Self> {
        let mut digester = Digester::default();
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            match file.read(&mut block) {
                Ok(0) => return Ok(digester.finish()),
                Ok(n_bytes) => digester.add(&block[..n_bytes]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Bytes as they come.
#[derive(Clone)]
pub(crate) struct Digester {
    n_bytes: u64,
    hasher: XxHash3_128,
}

impl Default for Digester {
    fn default() -> Self {
        Self { n_bytes: 0, hasher: XxHash3_128::new() }
    }
}

impl Digester {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.n_bytes += bytes.len() as u64;
        self.hasher.write(bytes);
    }

    pub(crate) fn finish(&self) -> Digest {
        Digest { bytes: self.n_bytes, xxh3: format!("{:032x}", self.hasher.finish_128()) }
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digester({:?})", self.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_xxh3_of_128_bits_however_the_bytes_come() {
        // From the reference implementation: `xxh128sum` of nothing, and of "abc".
        assert_eq!(Digest::of(b"").xxh3, "99aa06d3014798d86001c324468d497f");
        assert_eq!(Digest::of(b"abc").xxh3, "06b05ab6733a618578af5f94892f3950");
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(i) >> 3) as u8).collect();
        let mut digester = Digester::default();
        bytes.chunks(777).for_each(|chunk| digester.add(chunk));
        assert_eq!(digester.finish(), Digest::of(&bytes));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x"), &bytes).unwrap();
        let mut file = File::open(folder.path().join("x")).unwrap();
        assert_eq!(Digest::of_file(&mut file).unwrap(), Digest::of(&bytes));
        assert_eq!(Digest::of(&bytes).bytes, 100_000);
    }
}
