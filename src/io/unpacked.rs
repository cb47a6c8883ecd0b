//! How much may come out of how little.
//!
//! Compression and repeated values are why formats are small, and how a file of some bytes can ask for all memory. Tables of
//! items and slates hold embeddings, ids and scores, which do not repeat a thousand times.

/// What may come out of any file, in bytes.
const FREE_BYTES: u64 = 64 << 20;
/// Beyond that, bytes that may come out of every byte in the file.
const MAX_RATIO: u64 = 1000;

/// Most bytes that may come out of so many.
pub(super) fn limit(n_bytes: u64) -> u64 {
    FREE_BYTES.max(n_bytes.saturating_mul(MAX_RATIO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_are_free_and_large_ones_have_their_share() {
        assert_eq!((limit(0), limit(1000)), (FREE_BYTES, FREE_BYTES));
        assert_eq!(limit(1 << 20), MAX_RATIO << 20);
        assert_eq!(limit(u64::MAX), u64::MAX);
    }
}
