//! Slates shaped like those that the peers are measured on: 40 clusters, rows 0.8 · centre + noise, uniform scores.

use spectrank::catalog::{Catalog, CatalogError, Embedding, EmbeddingData};
use spectrank::slate::Slate;

/// Numbers in 0..1 from a counter (SplitMix64): the same data on every machine.
pub struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform().max(1e-300), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

/// How many of what.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Candidates per slate (N).
    pub candidates: usize,
    /// Numbers per row (d).
    pub dim: usize,
    /// Slates.
    pub slates: usize,
    /// Slates with items of their own. More slates reuse those items with other scores, or the catalog would not fit a test
    /// machine.
    pub own_items: usize,
}

/// A catalog with one signal, `x`, and slates of its items. Scores are single-precision numbers, for the peers compute in it.
pub fn synthetic(shape: Shape) -> Result<(Catalog, Vec<Slate>), CatalogError> {
    let Shape { candidates: n, dim, .. } = shape;
    let n_own = shape.slates.min(shape.own_items).max(1);
    let mut random = Random(1);
    let centres: Vec<f64> = (0..40 * dim).map(|_| random.normal()).collect();
    let mut rows: Vec<f32> = Vec::with_capacity(n * n_own * dim);
    for _ in 0..n * n_own {
        let cluster = (random.uniform() * 40.0) as usize;
        rows.extend((0..dim).map(|i| (0.8 * centres[cluster * dim + i] + random.normal()) as f32));
    }
    let mut catalog = Catalog::new();
    catalog.add_signal(Embedding::new("x", dim, EmbeddingData::F32(rows.into())))?;
    let slates = (0..shape.slates).map(|s| Slate {
        id: s.to_string(),
        candidates: (0..n).map(|i| ((s % n_own) * n + i) as u32).collect(),
        scores: (0..n).map(|_| f64::from(random.uniform() as f32)).collect(),
        ..Slate::default()
    });
    Ok((catalog, slates.collect()))
}
