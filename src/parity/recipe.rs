//! What a generated case is made from, and the making.
//!
//! A [`Recipe`] is small and printable; [`Recipe::build`] makes catalog and slates from it, always the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use half::f16;

use crate::bloom::{BloomFilter, hash_of};
use crate::catalog::{Catalog, CatalogError, Column, ColumnData, Embedding, EmbeddingData, Value};
use crate::config::{Config, Transform};
use crate::parity::case::Case;
use crate::parity::random::Random;
use crate::slate::{Pin, Slate};

/// How an item's rows are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cloud {
    /// No structure.
    Gaussian,
    /// Some centres, and this much noise around them, relative to their length. Little noise makes near copies.
    Clusters(usize, f64),
    /// All rows in a subspace of this dimension.
    LowRank(usize),
    /// Two centres, every third row zero.
    SomeZero,
    /// One row, repeated.
    Identical,
    /// Unit vectors along the axes: spectra of equal weight.
    Axes,
    /// Two rows that point away from each other, with this much noise.
    Opposed(f64),
}

/// Precision in which rows are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// The items of a catalog.
#[derive(Debug, Clone)]
pub struct Items {
    /// Rows.
    pub n_items: usize,
    /// From this item on, items repeat the first ones in every signal and column: exact copies.
    pub n_distinct: usize,
    /// How rows are spread.
    pub cloud: Cloud,
    /// Dimensions of the signals "s0", "s1", …
    pub dims: Vec<usize>,
    /// Length of a usual row.
    pub length: f64,
    /// Precision of the rows.
    pub storage: Storage,
    /// One item in so many has no embedding; 0: none.
    pub missing_one_in: usize,
}

impl Items {
    /// Items without exact copies, of rows as long as normal numbers make them.
    pub fn new(n_items: usize, cloud: Cloud, dims: Vec<usize>, storage: Storage) -> Self {
        let length = (dims.iter().copied().max().unwrap_or(1) as f64).sqrt();
        Self { n_items, n_distinct: n_items, cloud, dims, length, storage, missing_one_in: 0 }
    }
}

/// How scores are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scores {
    /// All different.
    Spread,
    /// A few values: exact ties.
    Steps,
    /// Neighbours differ by a few units of single precision.
    NearTies,
    /// One value.
    Equal,
}

/// What one slate asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Candidates; not more than there are items.
    pub n_candidates: usize,
    /// Items shown before.
    pub n_recent: usize,
    /// Pinned items.
    pub n_pins: usize,
    /// Items already seen, listed.
    pub n_seen: usize,
    /// Items already seen, in a Bloom filter; none: no filter.
    pub n_in_bloom: Option<usize>,
    /// How scores are spread.
    pub scores: Scores,
    /// What scores are multiplied by.
    pub score_scale: f64,
}

impl Request {
    /// A slate of that many candidates with scores about 1, all different.
    pub fn new(n_candidates: usize, n_recent: usize, n_pins: usize) -> Self {
        Self { n_candidates, n_recent, n_pins, n_seen: 0, n_in_bloom: None, scores: Scores::Spread, score_scale: 1.0 }
    }
}

/// Everything a case is made from.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Of the numbers in rows, columns and slates.
    pub seed: u64,
    /// The catalog.
    pub items: Items,
    /// The slates.
    pub requests: Vec<Request>,
    /// The configuration.
    pub config: Config,
}

impl Recipe {
    /// Makes the data. The same recipe always gives the same data.
    ///
    /// # Errors
    /// Rows that the storage cannot hold, or an impossible shape.
    pub fn build(&self) -> Result<Case, CatalogError> {
        let mut random = Random(self.seed);
        let Items { n_items, n_distinct, cloud, dims, length, storage, missing_one_in } = &self.items;
        let n_distinct = (*n_distinct).clamp(1, (*n_items).max(1));
        let mut catalog = Catalog::new();
        for (s, &dim) in dims.iter().enumerate() {
            let scale = length / (dim as f64).sqrt();
            let mut rows = rows(&mut random, n_distinct.min(*n_items), dim, *cloud);
            rows.iter_mut().for_each(|x| *x *= scale);
            let mut rows: Vec<f64> = rows.into_iter().cycle().take(n_items * dim).collect();
            if *missing_one_in > 0 {
                // The signals lack different items; copies lack what the first lacks.
                let lacks = |row: usize| (row % n_distinct + s).is_multiple_of(*missing_one_in);
                (0..*n_items).filter(|&row| lacks(row)).for_each(|row| rows[row * dim..][..dim].fill(f64::NAN));
            }
            catalog.add_signal(embedding(&format!("s{s}"), dim, &rows, *storage))?;
        }
        add_columns(&mut catalog, &mut random, *n_items, n_distinct)?;
        let slates = self.requests.iter().enumerate();
        let slates = slates.map(|(i, request)| slate(&mut random, i, request, *n_items, &self.config)).collect();
        Ok(Case { name: format!("seed {}", self.seed), config: self.config.clone(), catalog, slates })
    }
}

/// Stores rows in the precision asked for.
pub fn embedding(name: &str, dim: usize, rows: &[f64], storage: Storage) -> Embedding {
    let data = match storage {
        Storage::F16 => EmbeddingData::F16(rows.iter().map(|&x| f16::from_f64(x)).collect()),
        Storage::F32 => EmbeddingData::F32(rows.iter().map(|&x| x as f32).collect()),
        Storage::F64 => EmbeddingData::F64(rows.to_vec().into()),
    };
    Embedding::new(name, dim, data)
}

/// No generated row is shorter, but for those of nothing.
const SHORTEST: f64 = 1e-4;

/// Rows of one signal, `n × dim`, of normal numbers.
pub fn rows(random: &mut Random, n: usize, dim: usize, cloud: Cloud) -> Vec<f64> {
    let n_centres = match cloud {
        Cloud::Gaussian | Cloud::Axes => 0,
        Cloud::Clusters(n, _) | Cloud::LowRank(n) => n,
        Cloud::SomeZero => 2,
        Cloud::Identical | Cloud::Opposed(_) => 1,
    };
    let centres: Vec<Vec<f64>> = (0..n_centres).map(|_| random.normals(dim)).collect();
    let near = |random: &mut Random, centre: &[f64], noise: f64| -> Vec<f64> {
        centre.iter().map(|x| x + noise * random.normal()).collect()
    };
    let mut all = Vec::with_capacity(n * dim);
    for i in 0..n {
        let row: Vec<f64> = match cloud {
            Cloud::Gaussian => random.normals(dim),
            Cloud::Clusters(n, noise) => {
                let centre = random.below(n);
                near(random, &centres[centre], noise)
            }
            Cloud::LowRank(n) => {
                let mix = random.normals(n);
                (0..dim).map(|d| (0..n).map(|c| mix[c] * centres[c][d]).sum()).collect()
            }
            Cloud::SomeZero if i % 3 == 0 => vec![0.0; dim],
            Cloud::SomeZero => near(random, &centres[i % 2], 0.3),
            Cloud::Identical => centres[0].clone(),
            Cloud::Axes => (0..dim).map(|d| if d == i % dim { (dim as f64).sqrt() } else { 0.0 }).collect(),
            Cloud::Opposed(noise) => {
                let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
                near(random, &centres[0], noise).into_iter().map(|x| sign * x).collect()
            }
        };
        // As good as nothing by chance: products of rows so short are refused, and nothing is not.
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
        all.extend(row.into_iter().map(|x| if length < SHORTEST { 0.0 } else { x }));
    }
    all
}

/// The columns that generated configurations name; items from `n_distinct` on repeat the first ones.
///
/// # Errors
/// A column of that name is there already.
pub fn add_columns(
    catalog: &mut Catalog,
    random: &mut Random,
    n: usize,
    n_distinct: usize,
) -> Result<(), CatalogError> {
    let authors = ["ada", "bo", "cy", "dee", "eve"];
    let d = n_distinct.min(n);
    let mut add = |name: &str, data| catalog.add_column(Column { name: name.to_owned(), data });
    let unit = |random: &mut Random| repeated((0..d).map(|_| Some(random.unit())).collect(), n);
    add("freshness", ColumnData::Float(unit(random)))?;
    add("confidence", ColumnData::Float(unit(random)))?;
    let classes = (0..d).map(|_| Some(random.below(5) as i64).filter(|&c| c > 0)).collect();
    add("class", ColumnData::Int(repeated(classes, n)))?;
    add("flag", ColumnData::Bool(repeated((0..d).map(|_| Some(random.below(2) == 1)).collect(), n)))?;
    let names = (0..d).map(|_| authors.get(random.below(6)).map(|&a| a.to_owned())).collect();
    add("author", ColumnData::Text(repeated(names, n)))?;
    let codes = (0..d * 3).map(|_| random.below(3) as u32).collect();
    add("sid", ColumnData::Codes { width: 3, codes: repeated(codes, n * 3) })
}

fn repeated<T: Clone>(values: Vec<T>, n: usize) -> Vec<T> {
    values.into_iter().cycle().take(n).collect()
}

/// A filter that holds these rows, known by their numbers, and by mistake one in twenty of the others.
fn bloom(rows: &[u32]) -> Arc<BloomFilter> {
    let mut filter = BloomFilter::with_capacity(rows.len(), 0.05).unwrap_or_default();
    rows.iter().for_each(|row| filter.insert(hash_of(&row.to_string())));
    Arc::new(filter)
}

fn slate(random: &mut Random, index: usize, request: &Request, n_items: usize, config: &Config) -> Slate {
    let n = request.n_candidates.min(n_items);
    let candidates = random.distinct(n, n_items);
    let is_positive = matches!(config.relevance.transform, Transform::Log | Transform::Power);
    let mut score = || {
        let score = match request.scores {
            Scores::Spread => random.normal(),
            Scores::Steps => (4.0 * random.normal()).round() / 4.0,
            // 2^-23 is the distance of neighbours in single precision.
            Scores::NearTies => 1.0 + 2.0_f64.powi(-24) * random.below(8) as f64,
            Scores::Equal => 0.5,
        };
        request.score_scale * if is_positive { 0.05 + score.abs() } else { score }
    };
    let scores = (0..n).map(|_| score()).collect();
    let n_pins = request.n_pins.min(n).min(config.slate_size);
    let positions = random.distinct(n_pins, config.slate_size);
    let pinned = random.distinct(n_pins, n).into_iter().zip(positions);
    let pinned = pinned.map(|(c, position)| Pin { position, item: candidates[c as usize] }).collect();
    // Any item, candidates included: what was shown before may come up again.
    let recent = (0..request.n_recent).map(|_| random.below(n_items) as u32).collect();
    let any = |random: &mut Random, n: usize| (0..n).map(|_| random.below(n_items) as u32).collect::<Vec<u32>>();
    let seen = any(random, request.n_seen);
    let seen_bloom = request.n_in_bloom.map(|n| bloom(&any(random, n)));
    let surface = if index.is_multiple_of(2) { "home" } else { "search" };
    let attributes = BTreeMap::from([("surface".to_owned(), Value::Text(surface.to_owned()))]);
    Slate { id: index.to_string(), candidates, scores, recent, pinned, seen, seen_bloom, attributes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_nearly_nothing() {
        let rows = rows(&mut Random(1), 100_000, 1, Cloud::Gaussian);
        assert!(rows.contains(&0.0) && rows.iter().all(|x| *x == 0.0 || x.abs() >= SHORTEST));
    }
}
