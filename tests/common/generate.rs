//! Random configurations, catalogs and slates, all from seeds that failures print.
//!
//! A [`Recipe`] is small and printable; [`Recipe::build`] makes the data from it, always the same. Recipes come from a
//! proptest strategy, so that a failing one shrinks. `SPECTRANK_SEED` and `SPECTRANK_CASES` try others and more.

use std::collections::BTreeMap;

use half::f16;
use proptest::prelude::*;
use proptest::test_runner::{Config as RunnerConfig, RngAlgorithm, TestRng, TestRunner};
use spectrank::catalog::{Catalog, Column, ColumnData, Embedding, EmbeddingData, Value};
use spectrank::config::{
    Adjust, Balance, Cap, Config, Coupling, Horizon, Kernel, Loading, Metric, Relevance, Scalar, Scope, SemanticId,
    Signal, Spacing, Spectral, Transform, Window,
};
use spectrank::slate::{Pin, Slate};

/// How an item's rows are spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cloud {
    /// No structure.
    Gaussian,
    /// Some centres, and this much noise around them, relative to their length.
    Clusters(usize, f64),
    /// All rows in a subspace of this dimension.
    LowRank(usize),
    /// Two centres, every third row zero.
    SomeZero,
    /// One row, repeated.
    Identical,
}

/// Precision in which rows are stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Storage {
    F16,
    F32,
    F64,
}

/// The items of a catalog.
#[derive(Debug, Clone)]
pub struct Items {
    pub n_items: usize,
    pub cloud: Cloud,
    /// One signal per entry: "s0", "s1", …
    pub dims: Vec<usize>,
    pub storage: Storage,
}

/// What one slate asks for.
#[derive(Debug, Clone)]
pub struct Request {
    pub n_candidates: usize,
    pub n_recent: usize,
    pub n_pins: usize,
    pub score_scale: f64,
}

/// Everything a case is made from.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub seed: u64,
    pub items: Items,
    pub requests: Vec<Request>,
    pub config: Config,
}

/// A case, ready to be bound and run.
pub struct Case {
    pub config: Config,
    pub catalog: Catalog,
    pub slates: Vec<Slate>,
}

/// Bounds of what is generated.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub candidates: usize,
    pub slate_size: usize,
    pub window: usize,
    pub spectra: usize,
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Near enough to a normal number.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

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

/// Stores rows in the precision asked for.
pub fn embedding(name: &str, dim: usize, rows: &[f64], storage: Storage) -> Embedding {
    let data = match storage {
        Storage::F16 => EmbeddingData::F16(rows.iter().map(|&x| f16::from_f64(x)).collect()),
        Storage::F32 => EmbeddingData::F32(rows.iter().map(|&x| x as f32).collect()),
        Storage::F64 => EmbeddingData::F64(rows.to_vec()),
    };
    Embedding::new(name, dim, data)
}

/// Rows of one signal, `n × dim`.
pub fn rows(random: &mut Random, n: usize, dim: usize, cloud: Cloud) -> Vec<f64> {
    let n_centres = match cloud {
        Cloud::Gaussian => 0,
        Cloud::Clusters(n, _) | Cloud::LowRank(n) => n,
        Cloud::SomeZero => 2,
        Cloud::Identical => 1,
    };
    let centres: Vec<Vec<f64>> = (0..n_centres).map(|_| random.normals(dim)).collect();
    let mut all = Vec::with_capacity(n * dim);
    for i in 0..n {
        let row: Vec<f64> = match cloud {
            Cloud::Gaussian => random.normals(dim),
            Cloud::Clusters(n, noise) => {
                let centre = random.below(n);
                centres[centre].iter().map(|x| x + noise * random.normal()).collect()
            }
            Cloud::LowRank(n) => {
                let mix = random.normals(n);
                (0..dim).map(|d| (0..n).map(|c| mix[c] * centres[c][d]).sum()).collect()
            }
            Cloud::SomeZero if i % 3 == 0 => vec![0.0; dim],
            Cloud::SomeZero => centres[i % 2].iter().map(|x| x + 0.3 * random.normal()).collect(),
            Cloud::Identical => centres[0].clone(),
        };
        all.extend(row);
    }
    all
}

impl Recipe {
    /// Makes the data. The same recipe always gives the same data.
    pub fn build(&self) -> Case {
        let mut random = Random(self.seed);
        let n = self.items.n_items;
        let mut catalog = Catalog::new();
        for (s, &dim) in self.items.dims.iter().enumerate() {
            let rows = rows(&mut random, n, dim, self.items.cloud);
            catalog.add_signal(embedding(&format!("s{s}"), dim, &rows, self.items.storage)).unwrap();
        }
        add_columns(&mut catalog, &mut random, n);
        let slates = self.requests.iter().enumerate();
        let slates = slates.map(|(i, request)| slate(&mut random, i, request, n, &self.config)).collect();
        self.config.validate().unwrap();
        Case { config: self.config.clone(), catalog, slates }
    }
}

/// The columns that generated configurations name.
pub fn add_columns(catalog: &mut Catalog, random: &mut Random, n: usize) {
    let mut add = |name: &str, data| catalog.add_column(Column { name: name.to_owned(), data }).unwrap();
    add("freshness", ColumnData::Float((0..n).map(|_| Some(random.unit())).collect()));
    add("confidence", ColumnData::Float((0..n).map(|_| Some(random.unit())).collect()));
    add("class", ColumnData::Int((0..n).map(|_| Some(random.below(5) as i64).filter(|&c| c > 0)).collect()));
    add("flag", ColumnData::Bool((0..n).map(|_| Some(random.below(2) == 1)).collect()));
    let authors = ["ada", "bo", "cy", "dee", "eve"];
    add("author", ColumnData::Text((0..n).map(|_| authors.get(random.below(6)).map(|&a| a.to_owned())).collect()));
    add("sid", ColumnData::Codes { width: 3, codes: (0..n * 3).map(|_| random.below(3) as u32).collect() });
}

fn slate(random: &mut Random, index: usize, request: &Request, n_items: usize, config: &Config) -> Slate {
    let n = request.n_candidates.min(n_items);
    let candidates = random.distinct(n, n_items);
    let positive = matches!(config.relevance.transform, Transform::Log | Transform::Power);
    let scores = (0..n).map(|_| {
        let score = if positive { 0.05 + random.unit() } else { random.normal() };
        request.score_scale * score
    });
    let scores = scores.collect();
    let n_pins = request.n_pins.min(n).min(config.slate_size);
    let positions = random.distinct(n_pins, config.slate_size);
    let pinned = random.distinct(n_pins, n).into_iter().zip(positions);
    let pinned = pinned.map(|(c, position)| Pin { position, item: candidates[c as usize] }).collect();
    // Any item, candidates included: what was shown before may come up again.
    let recent = (0..request.n_recent).map(|_| random.below(n_items) as u32).collect();
    let surface = if index.is_multiple_of(2) { "home" } else { "search" };
    let attributes = BTreeMap::from([("surface".to_owned(), Value::Text(surface.to_owned()))]);
    Slate { id: index.to_string(), candidates, scores, recent, pinned, seen: Vec::new(), attributes }
}

/// Recipes over every setting of the spectral strategy and every penalty.
pub fn recipes(limits: Limits) -> impl Strategy<Value = Recipe> {
    let requests = prop::collection::vec(request(limits), 1..=3);
    (any::<u64>(), items(limits), requests, config(limits)).prop_map(|(seed, items, requests, mut config)| {
        config.signals.truncate(items.dims.len());
        if config.signals.iter().all(|s| s.weight == 0.0) {
            config.signals.clear();
        }
        Recipe { seed, items, requests, config }
    })
}

fn items(limits: Limits) -> impl Strategy<Value = Items> {
    let cloud = prop_oneof![
        2 => Just(Cloud::Gaussian),
        4 => (2_usize..8, prop::sample::select(vec![0.5, 0.2, 0.05])).prop_map(|(n, noise)| Cloud::Clusters(n, noise)),
        1 => (1_usize..4, prop::sample::select(vec![1e-2, 1e-3, 1e-4])).prop_map(|(n, noise)| Cloud::Clusters(n, noise)),
        1 => (1_usize..5).prop_map(Cloud::LowRank),
        1 => Just(Cloud::SomeZero),
        1 => Just(Cloud::Identical),
    ];
    let dim = prop::sample::select(vec![1_usize, 2, 3, 8, 17, 32, 33, 65]);
    let storage = prop::sample::select(vec![Storage::F16, Storage::F32, Storage::F64]);
    (cloud, prop::collection::vec(dim, 1..=2), storage).prop_map(move |(cloud, dims, storage)| Items {
        n_items: limits.candidates + 10,
        cloud,
        dims,
        storage,
    })
}

fn request(limits: Limits) -> impl Strategy<Value = Request> {
    let scale = prop_oneof![6 => Just(1.0), 1 => Just(20.0), 1 => Just(1e-3)];
    (0..=limits.candidates, 0..=limits.window + 3, 0_usize..3, scale).prop_map(
        |(n_candidates, n_recent, n_pins, score_scale)| Request { n_candidates, n_recent, n_pins, score_scale },
    )
}

fn config(limits: Limits) -> impl Strategy<Value = Config> {
    let penalties = (
        prop::collection::vec(spacing(limits), 0..3),
        prop::option::of(semantic_id(limits)),
        prop_oneof![2 => Just(0.0), 1 => 0.05..1.0],
        prop::collection::vec(cap(limits), 0..3),
    );
    let what = (1..=limits.slate_size, relevance(), signals(), window(limits), spectral(limits));
    (what, penalties).prop_map(|((slate_size, relevance, signals, window, spectral), penalties)| {
        let (spacing, semantic_id, balance, cap) = penalties;
        let balance = Balance { strength: balance };
        Config {
            slate_size,
            relevance,
            signals,
            window,
            spectral,
            spacing,
            semantic_id,
            balance,
            cap,
            ..Config::default()
        }
    })
}

fn relevance() -> impl Strategy<Value = Relevance> {
    use Transform::{Identity, Log, Minmax, Power, Sigmoid, Zscore};
    let transform = prop::sample::select(vec![Identity, Log, Sigmoid, Power, Minmax, Zscore]);
    let adjust = prop::collection::vec((prop::sample::select(vec!["freshness", "flag"]), -0.5..0.5), 0..2);
    (transform, 0.3..2.0, adjust).prop_map(|(transform, power, adjust)| {
        let adjust = adjust.into_iter().map(|(column, weight)| Adjust { column: column.to_owned(), weight }).collect();
        Relevance { transform, power, adjust }
    })
}

fn signals() -> impl Strategy<Value = Vec<Signal>> {
    let metric = prop_oneof![3 => Just(Metric::Cosine), 1 => Just(Metric::Dot)];
    let signal = (prop_oneof![4 => 0.1..2.0, 1 => Just(0.0)], metric);
    prop::collection::vec(signal, 0..=2).prop_map(|signals| {
        let named = signals.into_iter().enumerate();
        named.map(|(s, (weight, metric))| Signal { name: format!("s{s}"), weight, metric }).collect()
    })
}

fn window(limits: Limits) -> impl Strategy<Value = Window> {
    let scope = prop_oneof![3 => Just(Scope::Pool), 1 => Just(Scope::Window)];
    (1..=limits.window, prop_oneof![1 => Just(0), 1 => 0..=limits.window], scope).prop_map(|(behind, ahead, scope)| {
        let scope = if ahead == 0 { Scope::Pool } else { scope };
        Window { behind, ahead, scope }
    })
}

fn spectral(limits: Limits) -> impl Strategy<Value = Spectral> {
    (
        prop_oneof![1 => Just(0.0), 12 => 0.05..2.0],
        1..=limits.spectra,
        prop_oneof![2 => Just(Loading::Energy), 1 => Just(Loading::Unit)],
        prop::sample::select(vec![Coupling::Full, Coupling::Diagonal]),
        prop_oneof![Just(1.0), 0.3..1.0],
        prop::sample::select(vec![Horizon::Window, Horizon::Slate]),
        prop::sample::select(vec![0.1, 0.03, 0.3]),
    )
        .prop_map(|(strength, spectra, loading, coupling, decay, horizon, epsilon)| Spectral {
            strength,
            spectra,
            loading,
            coupling,
            decay,
            horizon,
            epsilon,
            iterations: 2,
        })
}

fn kernel() -> impl Strategy<Value = Kernel> {
    prop::sample::select(vec![Kernel::Inverse, Kernel::Exponential, Kernel::Linear, Kernel::Step])
}

fn spacing(limits: Limits) -> impl Strategy<Value = Spacing> {
    let confidence = prop::option::of(Just("confidence".to_owned()));
    (confidence, 0.0..1.0, 1..=limits.window, kernel(), 0.5..4.0, any::<bool>()).prop_map(
        |(confidence, strength, window, kernel, half_life, at_home)| Spacing {
            name: "rule".to_owned(),
            column: "class".to_owned(),
            values: vec![Scalar::Int(1), Scalar::Float(2.0)],
            confidence,
            strength,
            window,
            kernel,
            half_life,
            when: at_home.then(|| ("surface".to_owned(), Scalar::Text("home".to_owned()))).into_iter().collect(),
        },
    )
}

fn semantic_id(limits: Limits) -> impl Strategy<Value = SemanticId> {
    let level_weights = prop::sample::select(vec![vec![], vec![0.5, 0.3, 0.2], vec![0.7]]);
    (0.0..1.0, 1..=limits.window, kernel(), 0.5..4.0, level_weights).prop_map(
        |(strength, window, kernel, half_life, level_weights)| SemanticId {
            column: "sid".to_owned(),
            strength,
            window,
            kernel,
            half_life,
            level_weights,
        },
    )
}

fn cap(limits: Limits) -> impl Strategy<Value = Cap> {
    (prop::sample::select(vec!["author", "class", "flag"]), 0_usize..3, 1..=limits.window)
        .prop_map(|(column, max, window)| Cap { column: column.to_owned(), max, window })
}

/// Runs `check` on many recipes; the first failure shrinks and is printed with its seed.
pub fn for_many(name: &str, default_cases: u32, limits: Limits, check: impl Fn(&Recipe)) {
    let seed: u64 = setting("SPECTRANK_SEED", 20_260_407);
    let cases: u32 = setting("SPECTRANK_CASES", default_cases);
    println!("{name}: {cases} cases, SPECTRANK_SEED={seed}");
    let mut bytes = [0_u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let settings = RunnerConfig { cases, failure_persistence: None, max_shrink_iters: 200, ..RunnerConfig::default() };
    let mut runner = TestRunner::new_with_rng(settings, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let result = runner.run(&recipes(limits), |recipe| {
        check(&recipe);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{name} with SPECTRANK_SEED={seed}: {error}");
    }
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
