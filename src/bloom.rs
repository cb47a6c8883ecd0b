//! Bloom filters of items already seen, for histories too long to list.
//!
//! The layout is that of Parquet's split-block Bloom filters ([`BloomFilter.md`] of the Parquet format), its bit set alone
//! without the header in front: blocks of 32 bytes, each of eight little-endian 32-bit words. An item is hashed by XXH64
//! (seed 0) over its id as UTF-8 text; items without ids over their row number in decimal digits. The upper half h of the hash chooses
//! block `h · n_blocks >> 32`; the lower half, times a salt per word, chooses one bit in each of the block's words. The
//! item may have been inserted where all eight are set, and has not been where one is not.
//!
//! [`BloomFilter.md`]: https://github.com/apache/parquet-format/blob/master/BloomFilter.md

use twox_hash::XxHash64;

/// Words of a block.
pub const BLOCK_WORDS: usize = 8;
/// Bytes of a block.
pub const BLOCK_BYTES: usize = 4 * BLOCK_WORDS;
/// Largest filter that is read or built: ten million items at one false answer in a hundred.
pub const MAX_BYTES: usize = 16 << 20;
/// Parquet's salts, one per word of a block.
pub const SALTS: [u32; BLOCK_WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

/// Why bytes are no filter, or no filter can be built.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BloomError {
    /// Not whole blocks.
    #[error(
        "a Bloom filter of {n_bytes} bytes: it must be whole blocks of {BLOCK_BYTES} bytes, 1 to {}, as `spectrank bloom` makes",
        MAX_BYTES / BLOCK_BYTES
    )]
    Length {
        /// Bytes found.
        n_bytes: usize,
    },
    /// More items than fit at that rate.
    #[error("{n_items} items at a false-positive rate of {rate} need more than {MAX_BYTES} bytes: allow a higher rate")]
    TooManyItems {
        /// Items to hold.
        n_items: usize,
        /// Rate asked for.
        rate: f64,
    },
}

/// A set of items that never forgets one and now and then claims one it has never met.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BloomFilter {
    words: Vec<u32>,
}

/// What stands for an item in a filter.
pub fn hash_of(item_id: &str) -> u64 {
    XxHash64::oneshot(0, item_id.as_bytes())
}

/// Share of items never inserted that a filter of `n_blocks` blocks claims once `n_items` are in it, on average.
///
/// A block holds a Poisson number of items; i items leave a given bit of a word unset with probability (31/32)^i.
/// Source: Apple, "Split block Bloom filters", arXiv 2101.01719.
pub fn false_positive_rate(n_items: usize, n_blocks: usize) -> f64 {
    let mean = n_items as f64 / n_blocks as f64;
    // Terms beyond ten deviations are below the rounding of the sum.
    let most = (mean + 10.0 * mean.sqrt() + 20.0) as usize;
    let mut probability = (-mean).exp();
    let mut rate = 0.0;
    if probability == 0.0 {
        // So full that every bit is set.
        return 1.0;
    }
    for i in 0..=most {
        rate += probability * (1.0 - (31.0_f64 / 32.0).powi(i as i32)).powi(BLOCK_WORDS as i32);
        probability *= mean / (i + 1) as f64;
    }
    rate.min(1.0)
}

impl BloomFilter {
    /// An empty filter just large enough that `n_items` items give no more than `rate` false positives.
    ///
    /// # Errors
    /// It would be larger than [`MAX_BYTES`].
    pub fn with_capacity(n_items: usize, rate: f64) -> Result<Self, BloomError> {
        let most = MAX_BYTES / BLOCK_BYTES;
        if false_positive_rate(n_items, most) > rate {
            return Err(BloomError::TooManyItems { n_items, rate });
        }
        // The rate falls with the number of blocks: the least that will do lies above `too_few`.
        let (mut too_few, mut enough) = (0, most);
        while enough - too_few > 1 {
            let middle = usize::midpoint(too_few, enough);
            if false_positive_rate(n_items, middle) > rate { too_few = middle } else { enough = middle }
        }
        Ok(Self { words: vec![0; enough * BLOCK_WORDS] })
    }

    /// A filter from its bytes.
    ///
    /// # Errors
    /// They are not whole blocks, none, or too many.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BloomError> {
        let (words, rest) = bytes.as_chunks::<4>();
        let n_bytes = bytes.len();
        if !rest.is_empty() || words.is_empty() || !words.len().is_multiple_of(BLOCK_WORDS) || n_bytes > MAX_BYTES {
            return Err(BloomError::Length { n_bytes });
        }
        Ok(Self { words: words.iter().map(|&word| u32::from_le_bytes(word)).collect() })
    }

    /// The filter as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// All words, block after block.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Number of blocks.
    pub fn n_blocks(&self) -> usize {
        self.words.len() / BLOCK_WORDS
    }

    /// Puts an item in, by its [`hash_of`].
    pub fn insert(&mut self, hash: u64) {
        for (word, bit) in self.block(hash).zip(bits(hash)) {
            self.words[word] |= bit;
        }
    }

    /// True where the item may be in, false where it is not. An empty filter holds nothing.
    pub fn contains(&self, hash: u64) -> bool {
        !self.words.is_empty() && self.block(hash).zip(bits(hash)).all(|(word, bit)| self.words[word] & bit != 0)
    }

    fn block(&self, hash: u64) -> std::ops::Range<usize> {
        let block = ((hash >> 32) * self.n_blocks() as u64) >> 32;
        let start = block as usize * BLOCK_WORDS;
        start..start + BLOCK_WORDS
    }
}

fn bits(hash: u64) -> impl Iterator<Item = u32> {
    SALTS.iter().map(move |salt| 1 << ((hash as u32).wrapping_mul(*salt) >> 27))
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::bloom_filter::Sbbf;

    fn filled(n_items: usize, rate: f64) -> BloomFilter {
        let mut filter = BloomFilter::with_capacity(n_items, rate).unwrap();
        (0..n_items).for_each(|i| filter.insert(hash_of(&format!("item-{i}"))));
        filter
    }

    /// Another implementation of the same layout gives the same answers, right or wrong.
    #[test]
    fn parquet_agrees() {
        let filter = filled(500, 0.05);
        let theirs = Sbbf::new(&filter.to_bytes());
        let mut n_claimed = 0;
        for i in 0..5000 {
            let id = format!("item-{i}");
            assert_eq!(filter.contains(hash_of(&id)), theirs.check(id.as_str()), "{id}");
            n_claimed += usize::from(i >= 500 && filter.contains(hash_of(&id)));
        }
        assert!(n_claimed > 100, "only {n_claimed} false positives: the test would not see a wrong bit");
    }

    #[test]
    fn nothing_is_forgotten_and_the_rate_is_what_was_asked_for() {
        for (n_items, rate) in [(1, 0.01), (100, 0.01), (2000, 0.001), (2000, 0.1)] {
            let filter = filled(n_items, rate);
            assert!((0..n_items).all(|i| filter.contains(hash_of(&format!("item-{i}")))));
            let n_others = 200_000;
            let n_claimed = (0..n_others).filter(|i| filter.contains(hash_of(&format!("other-{i}")))).count();
            // Few blocks vary from one set of items to another; four deviations of the count beside that.
            let most = rate * 1.5 * n_others as f64 + 4.0 * (rate * n_others as f64).sqrt();
            assert!((n_claimed as f64) < most, "{n_items} at {rate}: {n_claimed}");
            let stated = false_positive_rate(n_items, filter.n_blocks());
            assert!(stated <= rate, "{n_items} at {rate}: {stated}");
        }
    }

    #[test]
    fn sizes_are_as_small_as_the_rate_allows() {
        // 10.5 bits an item at 1 %, as arXiv 2101.01719 has it (its figure 2).
        let bits = |rate| BloomFilter::with_capacity(100_000, rate).unwrap().to_bytes().len() as f64 * 8.0 / 1e5;
        assert!((10.0..11.0).contains(&bits(0.01)), "{}", bits(0.01));
        assert!((16.0..18.5).contains(&bits(0.001)), "{}", bits(0.001));
        let error = BloomFilter::with_capacity(100_000_000, 0.01).unwrap_err();
        assert!(matches!(error, BloomError::TooManyItems { .. }));
    }

    #[test]
    fn bytes_that_are_no_filter_are_refused() {
        for n in [0, 31, 33, MAX_BYTES + BLOCK_BYTES] {
            assert_eq!(BloomFilter::from_bytes(&vec![0; n]), Err(BloomError::Length { n_bytes: n }));
        }
        let filter = filled(10, 0.01);
        assert_eq!(BloomFilter::from_bytes(&filter.to_bytes()), Ok(filter));
        assert!(!BloomFilter::default().contains(7));
    }
}
