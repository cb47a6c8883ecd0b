//! SplitMix64: the same numbers on every machine, so that a seed in a report is all it takes to see a case again.

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The stream of item `index` under `seed`; neighbours have nothing in common.
    pub fn of(seed: u64, index: u64) -> Self {
        let mut random = Self(seed);
        let start = random.next_u64() ^ index.wrapping_mul(0xd134_2543_de82_ef95);
        Self(Self(start).next_u64())
    }

    /// 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From `low` to below `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number below `n`; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next_u64() % n.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of `choices`, all equally likely; write one twice to have it twice as often.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// Near enough to a normal number.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// `n` normal numbers.
    pub fn normals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.normal()).collect()
    }

    /// `n` different numbers below `limit`, in random order.
    pub fn distinct(&mut self, n: usize, limit: usize) -> Vec<u32> {
        let mut all: Vec<u32> = (0..limit as u32).collect();
        for i in 0..n {
            let j = i + self.below(limit - i);
            all.swap(i, j);
        }
        all.truncate(n);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    /// Seeds must mean the same everywhere and always.
    #[test]
    fn the_stream_is_splitmix64() {
        let mut random = Random(1);
        assert_eq!(random.next_u64(), 0x910a_2dec_8902_5cc1);
    }

    #[test]
    fn neighbours_have_nothing_in_common() {
        let first: Vec<u64> = (0..100).map(|i| Random::of(7, i).next_u64()).collect();
        let mut unique = first.clone();
        unique.extend((0..100).map(|i| Random::of(8, i).next_u64()));
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 200);
        assert_eq!(first[3], Random::of(7, 3).next_u64());
    }
}
