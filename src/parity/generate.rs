//! Random recipes over the whole space of configurations, catalogs and slates.
//!
//! Recipe `index` of a `seed` depends on these two numbers alone. What an engine has to be compiled for (size of the
//! window, number of spectra, half or full rows) comes from a palette that grows slowly with the index: a GPU driver
//! can take seconds for each, while everything else is free to differ from recipe to recipe.

use crate::config::{
    self, Adjust, Balance, Cap, Config, Coupling, Filter, FilterRule, Horizon, Kernel, Loading, Metric, OnMissing,
    Relevance, Scalar, Scope, SemanticId, Signal, Spacing, Spectral, SsdEviction, SsdVariant, Strategy, Transform,
    Window,
};
use crate::parity::random::Random;
use crate::parity::recipe::{Cloud, Items, Recipe, Request, Scores, Storage};

/// Slates of one recipe.
pub const SLATES_PER_RECIPE: usize = 4;

/// Bounds of what is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most candidates of a usual slate.
    pub candidates: usize,
    /// Most positions of a usual slate.
    pub slate_size: usize,
    /// Largest window.
    pub window: usize,
    /// Most spectra.
    pub spectra: usize,
    /// One recipe in so many has slates four times as long; 0: none.
    pub long_one_in: usize,
}

impl Limits {
    /// What `spectrank parity` draws from.
    pub const USUAL: Self = Self { candidates: 100, slate_size: 24, window: 128, spectra: 16, long_one_in: 40 };
}

/// What a GPU engine is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    window: usize,
    spectra: usize,
    is_half: bool,
}

impl Shape {
    const fn new(window: usize, spectra: usize, is_half: bool) -> Self {
        Self { window, spectra, is_half }
    }

    /// The palette, most telling shapes first: the defaults, K above and at the size of the window, a window of one, odd
    /// numbers, then large ones, then anything.
    fn nth(n: usize) -> Self {
        const FIRST: [Shape; 11] = [
            Shape::new(10, 4, false),
            Shape::new(4, 3, true),
            Shape::new(12, 8, false),
            Shape::new(3, 8, false),
            Shape::new(7, 5, true),
            Shape::new(1, 1, false),
            Shape::new(24, 6, true),
            Shape::new(5, 2, false),
            Shape::new(16, 16, false),
            Shape::new(60, 12, true),
            Shape::new(128, 16, false),
        ];
        FIRST.get(n).copied().unwrap_or_else(|| {
            let mut random = Random::of(0, n as u64);
            Self { window: 1 + random.below(40), spectra: 1 + random.below(16), is_half: random.one_in(3) }
        })
    }

    /// A shape for recipe `index`: one of the first few of the palette, more of them as indices grow.
    fn of(random: &mut Random, index: u64, limits: &Limits) -> Self {
        let n_shapes = 2 + (index as f64).cbrt() as usize;
        let shape = Self::nth(random.below(n_shapes));
        Self { window: shape.window.min(limits.window), spectra: shape.spectra.min(limits.spectra), ..shape }
    }
}

/// Recipe `index` under `seed`, of [`SLATES_PER_RECIPE`] slates.
pub fn recipe(seed: u64, index: u64, limits: &Limits) -> Recipe {
    recipe_of(seed, index, limits, SLATES_PER_RECIPE)
}

/// The same configuration and items with another number of slates.
pub fn recipe_of(seed: u64, index: u64, limits: &Limits, n_slates: usize) -> Recipe {
    let mut random = Random::of(seed, index);
    let shape = Shape::of(&mut random, index, limits);
    let is_long = limits.long_one_in > 0 && random.one_in(limits.long_one_in);
    let growth = if is_long { 4 } else { 1 };
    let n_candidates = growth * limits.candidates;
    let mut items = items(&mut random, n_candidates + 10, shape);
    let mut config = config(&mut random, growth * limits.slate_size, shape, items.dims.len());
    // A stream of its own: what filters take out changes nothing else of a recipe.
    let mut filters = Random::of(!seed, index);
    add_filters(&mut filters, &mut config);
    add_missing(&mut filters, &mut config, &mut items);
    let seed = random.next_u64();
    let requests = (0..n_slates)
        .map(|_| Request {
            n_seen: filters.pick(&[0, 0, 3, 30]),
            n_in_bloom: config.filter.seen_bloom.as_ref().and_then(|_| filters.pick(&[None, Some(2), Some(40)])),
            ..request(&mut random, n_candidates, limits)
        })
        .collect();
    Recipe { seed, items, requests, config }
}

fn items(random: &mut Random, n_items: usize, shape: Shape) -> Items {
    let cloud = match random.below(12) {
        0..2 => Cloud::Gaussian,
        2..5 => Cloud::Clusters(2 + random.below(6), random.pick(&[0.5, 0.2, 0.05])),
        5..7 => Cloud::Clusters(1 + random.below(4), random.pick(&[1e-2, 1e-3, 1e-4, 1e-5])),
        7 => Cloud::LowRank(1 + random.below(4)),
        8 => Cloud::SomeZero,
        9 => Cloud::Identical,
        10 => Cloud::Axes,
        _ => Cloud::Opposed(random.pick(&[0.5, 0.05])),
    };
    let n_signals = random.pick(&[1, 1, 1, 2, 2, 3]);
    let dims = (0..n_signals).map(|_| random.pick(&[1, 2, 3, 8, 17, 32, 33, 65, 130])).collect();
    let storage = if shape.is_half { Storage::F16 } else { random.pick(&[Storage::F32, Storage::F64]) };
    let n_distinct = if random.one_in(3) { 1 + random.below(n_items) } else { n_items };
    Items {
        n_items,
        n_distinct,
        cloud,
        dims,
        length: random.pick(&[1.0, 1.0, 1.0, 3.0, 0.05]),
        storage,
        missing_one_in: 0,
    }
}

fn request(random: &mut Random, n_candidates: usize, limits: &Limits) -> Request {
    let n_candidates = if random.one_in(8) { random.below(4) } else { random.below(n_candidates + 1) };
    Request {
        n_candidates,
        n_seen: 0,
        n_in_bloom: None,
        n_recent: match random.below(3) {
            0 => 0,
            1 => random.below(4),
            _ => random.below(limits.window.min(20) + 4),
        },
        n_pins: random.pick(&[0, 0, 1, 2, 3]),
        scores: random.pick(&[
            Scores::Spread,
            Scores::Spread,
            Scores::Spread,
            Scores::Steps,
            Scores::NearTies,
            Scores::Equal,
        ]),
        score_scale: random.pick(&[1.0, 1.0, 1.0, 1.0, 1e-3, 20.0, 1e4, 1e-6, 1e6]),
    }
}

fn config(random: &mut Random, most_positions: usize, shape: Shape, n_signals: usize) -> Config {
    use Strategy::{Dpp, Mmr, Msd, Relevance, Spectral, Ssd};
    let strategy = match random.below(16) {
        0 => Relevance,
        1..8 => random.pick(&[Mmr, Msd, Dpp, Dpp, Ssd, Ssd, Ssd]),
        _ => Spectral,
    };
    let some = |random: &mut Random, n: usize| if random.one_in(3) { random.below(n + 1) } else { 0 };
    let (n_spacing, n_caps) = (some(random, 3), some(random, 2));
    Config {
        strategy,
        slate_size: 1 + random.below(most_positions),
        relevance: relevance(random),
        signals: signals(random, n_signals),
        window: window(random, shape),
        spectral: spectral(random, shape),
        spacing: (0..n_spacing).map(|_| spacing(random)).collect(),
        semantic_id: random.one_in(3).then(|| semantic_id(random)),
        balance: Balance { strength: random.pick(&[0.0, 0.0, 0.05, 0.3, 1.0]) },
        cap: (0..n_caps).map(|_| cap(random)).collect(),
        filter: Filter::default(),
        mmr: config::Mmr { lambda: lambda(random), window: history(random) },
        msd: config::Msd { lambda: lambda(random), window: history(random) },
        dpp: config::Dpp { theta: random.pick(&[0.0, 0.1, 0.5, 0.5, 1.0, 3.0]), window: history(random) },
        ssd: ssd(random),
    }
}

/// Both ends too: variety alone, relevance alone.
fn lambda(random: &mut Random) -> f64 {
    let between = random.unit();
    random.pick(&[0.0, 1.0, between, between, between, between])
}

/// The window of a strategy that has its own: all, one, a few, more than there are positions.
fn history(random: &mut Random) -> usize {
    let few = 2 + random.below(9);
    random.pick(&[0, 0, 1, few, few, few, 40])
}

fn ssd(random: &mut Random) -> config::Ssd {
    let between = random.between(0.05, 2.0);
    config::Ssd {
        gamma: random.pick(&[0.0, between, between, between]),
        window: history(random),
        bias: random.one_in(2),
        variant: random.pick(&[SsdVariant::Star, SsdVariant::Star, SsdVariant::Product]),
        eviction: random.pick(&[SsdEviction::Exact, SsdEviction::Paper]),
    }
}

fn relevance(random: &mut Random) -> Relevance {
    use Transform::{Identity, Log, Minmax, Power, Sigmoid, Zscore};
    let adjust = |random: &mut Random| Adjust {
        column: random.pick(&["freshness", "flag"]).to_owned(),
        weight: random.between(-0.5, 0.5),
        on_missing: OnMissing::Error,
    };
    Relevance {
        transform: random.pick(&[Identity, Identity, Identity, Log, Sigmoid, Power, Minmax, Zscore]),
        power: random.between(0.3, 2.0),
        adjust: if random.one_in(4) { vec![adjust(random)] } else { Vec::new() },
    }
}

fn signals(random: &mut Random, n: usize) -> Vec<Signal> {
    if random.one_in(3) {
        return Vec::new();
    }
    let signals: Vec<Signal> = (0..1 + random.below(n))
        .map(|s| Signal {
            name: format!("s{s}"),
            weight: if random.one_in(6) { 0.0 } else { random.between(0.1, 2.0) },
            metric: random.pick(&[Metric::Cosine, Metric::Cosine, Metric::Dot]),
            on_missing: OnMissing::Error,
        })
        .collect();
    // All weights 0 is an error; no table means the first embedding.
    if signals.iter().all(|signal| signal.weight == 0.0) { Vec::new() } else { signals }
}

fn window(random: &mut Random, shape: Shape) -> Window {
    let ahead = if random.one_in(2) { random.below(shape.window) } else { 0 };
    let scope = if ahead > 0 && random.one_in(2) { Scope::Window } else { Scope::Pool };
    Window { behind: shape.window - ahead, ahead, scope }
}

/// Strengths are not scaled along with the scores. Single precision holds a number of size 1e4 to 6e-4, so a utility
/// near 0 that is the difference of two such numbers is beyond the bound whoever computes it.
fn spectral(random: &mut Random, shape: Shape) -> Spectral {
    let strength = match random.below(16) {
        0 => 0.0,
        1 => 1e-3,
        _ => random.between(0.05, 2.0),
    };
    Spectral {
        strength,
        spectra: shape.spectra,
        loading: random.pick(&[Loading::Energy, Loading::Energy, Loading::Unit]),
        coupling: random.pick(&[Coupling::Full, Coupling::Diagonal]),
        decay: match random.below(8) {
            0..4 => 1.0,
            4 => 0.0,
            _ => random.between(0.3, 1.0),
        },
        horizon: random.pick(&[Horizon::Window, Horizon::Slate]),
        epsilon: if random.one_in(4) {
            10.0_f64.powf(random.between(-6.0, 1.0))
        } else {
            random.pick(&[0.1, 0.03, 0.3])
        },
        iterations: random.pick(&[2, 2, 2, 1, 3, 6]),
    }
}

fn add_filters(random: &mut Random, config: &mut Config) {
    if !random.one_in(3) {
        return;
    }
    let rule = |random: &mut Random| {
        let (column, values) = random.pick(&[
            ("flag", vec![]),
            ("class", vec![Scalar::Int(2), Scalar::Int(3)]),
            ("author", vec![Scalar::Text("ada".to_owned()), Scalar::Text("bo".to_owned())]),
            ("freshness", vec![Scalar::Float(0.5)]),
        ]);
        let at_home = random.one_in(2).then(|| ("surface".to_owned(), Scalar::Text("home".to_owned())));
        let on_missing = random.pick(&[OnMissing::Zero, OnMissing::Zero, OnMissing::Drop]);
        FilterRule { column: column.to_owned(), values, on_missing, when: at_home.into_iter().collect() }
    };
    config.filter = Filter {
        recent: random.one_in(2),
        seen: !random.one_in(4),
        seen_bloom: random.one_in(2).then(|| "bloom".to_owned()),
        drop: (0..random.below(3)).map(|_| rule(random)).collect(),
        keep: (0..random.below(2)).map(|_| rule(random)).collect(),
    };
}

/// Items without what a term needs, and terms that do without.
fn add_missing(random: &mut Random, config: &mut Config, items: &mut Items) {
    if !random.one_in(4) {
        return;
    }
    let on_missing = |random: &mut Random| random.pick(&[OnMissing::Zero, OnMissing::Drop]);
    if !config.signals.is_empty() {
        items.missing_one_in = random.pick(&[0, 2, 7]);
        config.signals.iter_mut().for_each(|signal| signal.on_missing = on_missing(random));
    }
    config.spacing.iter_mut().for_each(|rule| rule.on_missing = Some(on_missing(random)));
    config.cap.iter_mut().for_each(|cap| cap.on_missing = on_missing(random));
    if let Some(rule) = &mut config.semantic_id {
        rule.on_missing = on_missing(random);
    }
}

fn kernel(random: &mut Random) -> Kernel {
    random.pick(&[Kernel::Inverse, Kernel::Exponential, Kernel::Linear, Kernel::Step])
}

fn spacing(random: &mut Random) -> Spacing {
    let at_home = random.one_in(2).then(|| ("surface".to_owned(), Scalar::Text("home".to_owned())));
    Spacing {
        name: "rule".to_owned(),
        column: "class".to_owned(),
        values: vec![Scalar::Int(1), Scalar::Float(2.0)],
        confidence: random.one_in(2).then(|| "confidence".to_owned()),
        strength: random.unit(),
        window: 1 + random.below(12),
        kernel: kernel(random),
        half_life: random.between(0.5, 4.0),
        on_missing: None,
        when: at_home.into_iter().collect(),
    }
}

fn semantic_id(random: &mut Random) -> SemanticId {
    SemanticId {
        column: "sid".to_owned(),
        strength: random.unit(),
        window: 1 + random.below(12),
        kernel: kernel(random),
        half_life: random.between(0.5, 4.0),
        level_weights: random.pick(&[vec![], vec![0.5, 0.3, 0.2], vec![0.7]]),
        on_missing: OnMissing::Zero,
    }
}

fn cap(random: &mut Random) -> Cap {
    let column = random.pick(&["author", "class", "flag"]).to_owned();
    Cap { column, max: random.below(3), window: 1 + random.below(12), on_missing: OnMissing::Zero }
}

#[cfg(test)]
mod tests {
    use super::{Limits, recipe};
    use crate::parity::recipe::Recipe;

    fn many() -> Vec<Recipe> {
        (0..400).map(|i| recipe(7, i, &Limits::USUAL)).collect()
    }

    #[test]
    fn every_recipe_is_a_valid_problem() {
        for (i, recipe) in many().iter().enumerate() {
            recipe.config.validate().unwrap();
            let case = recipe.build().unwrap();
            let problem = crate::problem::Problem::new(&case.config, &case.catalog).unwrap();
            for slate in &case.slates {
                crate::prepare::PreparedSlate::new(&problem, slate).unwrap_or_else(|e| panic!("recipe {i}: {e}"));
            }
        }
    }

    #[test]
    fn a_recipe_depends_on_seed_and_index_alone() {
        let text = |recipe: Recipe| format!("{recipe:?}");
        assert_eq!(text(recipe(7, 3, &Limits::USUAL)), text(recipe(7, 3, &Limits::USUAL)));
        assert_ne!(text(recipe(7, 3, &Limits::USUAL)), text(recipe(8, 3, &Limits::USUAL)));
        let (a, b) = (recipe(7, 3, &Limits::USUAL).build().unwrap(), recipe(7, 3, &Limits::USUAL).build().unwrap());
        assert_eq!(a.slates, b.slates);
        assert_eq!(a.catalog.signals(), b.catalog.signals());
    }

    /// Few shapes, or a GPU driver would compile all day; and not one alone.
    #[test]
    fn shapes_are_few_and_grow_slowly() {
        let mut shapes: Vec<_> = many().iter().map(|r| (r.config.window.size(), r.config.spectral.spectra)).collect();
        shapes.sort_unstable();
        shapes.dedup();
        assert!((8..=10).contains(&shapes.len()), "{shapes:?}");
    }
}
