//! The known-answer test: before a device is trusted with a problem, it composes a few slates whose answers are known.
//!
//! The slates, their items and every setting are fixed and well-conditioned, with all terms of the utility in play. Only
//! what decides the kernel is taken from the problem: window, spectra, lanes, storage, bindings. So the very kernel that
//! will do the work is tested, with the very budget of loop iterations it will get: a driver that cuts loops off shows
//! here. The f64 reference judges, as it judges every engine.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use half::f16;

use super::device::OpenDevice;
use super::engine::{self, FULL_DISPATCH, GpuEngine, GpuOptions};
use super::error::GpuError;
use super::kernel::KernelKey;
use super::lanes;
use super::layout::Phase;
use super::plan::{DeviceLimits, Plan, PlanError};
use super::planted::Planted;
use crate::bloom::{BloomFilter, hash_of};
use crate::catalog::{Catalog, CatalogError, Column, ColumnData, Embedding, EmbeddingData, Value};
use crate::config::{
    Balance, Cap, Config, Dpp, Filter, FilterRule, Kernel, Metric, Mmr, Msd, OnMissing, Scalar, SemanticId, Signal,
    Spacing, Spectral, Ssd, Strategy,
};
use crate::parity;
use crate::prepare::PreparedSlate;
use crate::problem::Problem;
use crate::slate::{Pin, Slate};

/// Positions even where one takes several dispatches.
const LEAST_POSITIONS: usize = 4;

/// What decides whether two problems are tested alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape {
    kernel: KernelKey,
    behind: u32,
    is_window_scope: u32,
    /// Window, eviction, volume and bias of the other strategies.
    baseline: [u32; 4],
}

/// Verdicts of a device, by shape.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Mutex<HashMap<Shape, Result<(), GpuError>>>);

/// A test that was passed.
#[derive(Debug, Clone, Copy)]
pub struct Passed {
    /// Dispatches it took.
    pub n_dispatches: u32,
    /// From the first upload to the verdict, the compilation of the kernel included where it is the first of its shape.
    pub took: Duration,
}

/// Tests the kernel of a plan, once per device and shape.
pub(super) fn check(
    device: &Arc<OpenDevice>,
    config: &Config,
    plan: &Plan,
    options: &GpuOptions,
) -> Result<(), GpuError> {
    let GpuOptions { shader_checks, product_errors, doubles, kernel_cache, planted, .. } = options;
    let shape = Shape {
        kernel: KernelKey::new(plan, device, options),
        behind: plan.params.behind,
        is_window_scope: plan.params.is_window_scope,
        baseline: [
            plan.params.history_window,
            plan.params.is_queue,
            plan.params.is_product,
            plan.params.bias.to_bits(),
        ],
    };
    let verdicts = || device.verdicts.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(verdict) = verdicts().get(&shape) {
        return verdict.clone();
    }
    // Of the problem's settings those that choose the kernel. The faults of the device are for the problem alone.
    let planted = Planted { shader: planted.shader.clone(), ..Planted::default() };
    let like = GpuOptions {
        shader_checks: *shader_checks,
        product_errors: *product_errors,
        doubles: *doubles,
        kernel_cache: kernel_cache.clone(),
        planted,
        ..GpuOptions::default()
    };
    let verdict = ask(device, config, plan.is_f16, Some(plan), like).map(|_| ());
    // A lost device or a full memory is no verdict on what it computes.
    if matches!(verdict, Ok(()) | Err(GpuError::KnownAnswer { .. })) {
        verdicts().insert(shape, verdict.clone());
    }
    verdict
}

/// Tests the kernel that a configuration and a storage call for, whether it was tested before or not.
///
/// # Errors
/// [`GpuError::KnownAnswer`] says which answer is wrong; any other says why there is none.
pub fn run(device: &Arc<OpenDevice>, config: &Config, is_f16: bool) -> Result<Passed, GpuError> {
    ask(device, config, is_f16, None, GpuOptions::default())
}

fn ask(
    device: &Arc<OpenDevice>,
    of: &Config,
    is_f16: bool,
    like: Option<&Plan>,
    options: GpuOptions,
) -> Result<Passed, GpuError> {
    let started = Instant::now();
    let wrong = |what: String| GpuError::KnownAnswer { adapter: device.description.to_string(), what };
    let impossible = |error: &dyn std::fmt::Display| wrong(error.to_string());
    let catalog = catalog(n_items(of), is_f16).map_err(|e| impossible(&e))?;
    let plan = |problem: &Problem| match like {
        Some(like) => plan_like(like, &device.limits(), problem),
        None => lanes::plan(problem, &device.limits(), None, device.description.kind),
    };
    let mut config = config(of);
    let longest = Problem::new(&config, &catalog).map_err(|e| impossible(&e))?;
    config.slate_size = slate_size(of, &plan(&longest)?);
    let problem = Problem::new(&config, &catalog).map_err(|e| impossible(&e))?;
    let slates = slates(n_items(of), config.slate_size);
    let slates = slates.iter().map(|slate| PreparedSlate::new(&problem, slate).map_err(|e| impossible(&e)));
    let slates = slates.collect::<Result<Vec<_>, _>>()?;
    let options = GpuOptions {
        known_answer: false,
        // All at once: what a dispatch is given in the end, it must be able to do.
        max_dispatch: None,
        ..options
    };
    let mut engine = GpuEngine::with_plan(Arc::clone(device), &problem, plan(&problem)?, options)?;
    let ranked = engine.rerank(&slates).map_err(|error| match error {
        GpuError::BadOutput { slate, what } => wrong(format!("slate {slate}: {what}")),
        other => other,
    })?;
    if let Some(reason) = device.lost_reason() {
        return Err(GpuError::Lost { reason: reason.to_owned() });
    }
    for (i, (slate, ranked)) in slates.iter().zip(&ranked).enumerate() {
        parity::replay(&problem, slate, ranked).verdict().map_err(|fault| wrong(format!("slate {i}: {fault}")))?;
    }
    Ok(Passed { n_dispatches: engine.n_dispatches(), took: started.elapsed() })
}

/// A plan for this small problem that needs the same kernel as another's.
fn plan_like(like: &Plan, limits: &DeviceLimits, problem: &Problem) -> Result<Plan, PlanError> {
    // Rows of 29 dimensions; where the other's steps fit a dispatch these do, give or take a few iterations.
    let mut plan = Plan::new(problem, limits, like.workgroup, usize::MAX)?;
    engine::spread(&mut plan, problem, like.n_shards);
    Ok(plan)
}

/// Positions that take two or three full dispatches, no more: every start waits for them.
fn slate_size(of: &Config, plan: &Plan) -> usize {
    // Sweeps are several to a position, so that this is less than a position takes.
    let mut position = plan.params.cost.iter().flatten().sum::<u32>() as usize;
    if !matches!(of.strategy, Strategy::Spectral | Strategy::Relevance) {
        // What is new of a placed item is worked out for every candidate, chunk by chunk.
        let cost = |phase: Phase| plan.params.cost[phase as usize / 4][phase as usize % 4] as usize;
        position += (n_items(of) * 7 / 8).div_ceil(plan.workgroup) * (cost(Phase::CatchUp) + cost(Phase::Scan));
    }
    (5 * FULL_DISPATCH / 2 / position.max(1)).clamp(LEAST_POSITIONS, plan.params.slate_size as usize)
}

/// Enough to need more than one dispatch: without much to decompose a position is cheap.
fn n_items(of: &Config) -> usize {
    let is_cheap = of.strategy != Strategy::Spectral || of.window.size() * of.spectral.spectra < 20;
    if is_cheap { 256 } else { 64 }
}

fn config(of: &Config) -> Config {
    let signal =
        |name: &str, weight, metric| Signal { name: name.to_owned(), weight, metric, on_missing: OnMissing::Error };
    Config {
        strategy: of.strategy,
        slate_size: n_items(of) * 3 / 4,
        signals: vec![signal("cosine", 0.6, Metric::Cosine), signal("dot", 0.4, Metric::Dot)],
        window: of.window.clone(),
        spectral: Spectral { spectra: of.spectral.spectra, ..Spectral::default() },
        spacing: vec![Spacing {
            name: "class".to_owned(),
            column: "class".to_owned(),
            values: vec![Scalar::Int(1)],
            confidence: Some("confidence".to_owned()),
            strength: 0.3,
            window: 4,
            kernel: Kernel::Inverse,
            half_life: 1.0,
            on_missing: None,
            when: at_home(),
        }],
        semantic_id: Some(SemanticId {
            column: "codes".to_owned(),
            strength: 0.15,
            window: 3,
            kernel: Kernel::Linear,
            half_life: 1.0,
            level_weights: Vec::new(),
            on_missing: OnMissing::Zero,
        }),
        balance: Balance { strength: 0.2 },
        cap: vec![Cap { column: "owner".to_owned(), max: 1, window: 3, on_missing: OnMissing::Zero }],
        filter: Filter {
            seen_bloom: Some("seen_bloom".to_owned()),
            drop: vec![FilterRule {
                column: "blocked".to_owned(),
                values: Vec::new(),
                on_missing: OnMissing::Zero,
                when: at_home(),
            }],
            ..Filter::default()
        },
        mmr: Mmr { lambda: 0.5, window: of.mmr.window },
        msd: Msd { lambda: 0.7, window: of.msd.window },
        dpp: Dpp { theta: 1.0, window: of.dpp.window },
        ssd: Ssd { gamma: 0.4, ..of.ssd.clone() },
        ..Config::default()
    }
}

fn at_home() -> BTreeMap<String, Scalar> {
    BTreeMap::from([("surface".to_owned(), Scalar::Text("home".to_owned()))])
}

/// A number in −1..1 that depends on nothing but its index (SplitMix64).
fn noise(index: usize) -> f64 {
    let mut z = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Rows in all directions, about as long as one.
pub(super) fn embedding(name: &str, n_items: usize, dim: usize, first: usize, is_f16: bool) -> Embedding {
    let scale = (3.0 / dim as f64).sqrt();
    let values = (0..n_items * dim).map(|i| scale * noise(first + i));
    let data = if is_f16 {
        EmbeddingData::F16(values.map(f16::from_f64).collect())
    } else {
        EmbeddingData::F32(values.map(|x| x as f32).collect())
    };
    Embedding::new(name, dim, data)
}

fn catalog(n_items: usize, is_f16: bool) -> Result<Catalog, CatalogError> {
    let mut catalog = Catalog::new();
    // Neither fills its octets.
    catalog.add_signal(embedding("cosine", n_items, 20, 0, is_f16))?;
    catalog.add_signal(embedding("dot", n_items, 9, 1 << 20, is_f16))?;
    let columns = [
        ("class", ColumnData::Int((0..n_items).map(|i| Some((i % 3) as i64)).collect())),
        ("confidence", ColumnData::Float((0..n_items).map(|i| Some(0.5 + 0.4 * noise(i))).collect())),
        ("owner", ColumnData::Int((0..n_items).map(|i| (i % 11 > 0).then_some((i % 5) as i64)).collect())),
        ("blocked", ColumnData::Bool((0..n_items).map(|i| Some(i % 16 == 5)).collect())),
        ("codes", ColumnData::Codes { width: 3, codes: (0..n_items).flat_map(codes).collect() }),
    ];
    for (name, data) in columns {
        catalog.add_column(Column { name: name.to_owned(), data })?;
    }
    Ok(catalog)
}

/// Two halves of two quarters each, and a last level that is sometimes missing.
fn codes(item: usize) -> [u32; 3] {
    [1 + item % 2, 1 + item / 2 % 2, item / 4 % 3].map(|code| code as u32)
}

/// One that has everything, a short one, an empty one, and one with nothing but candidates and a history in a filter.
fn slates(n_items: usize, slate_size: usize) -> [Slate; 4] {
    let slate = |id: usize, n: usize, n_recent: usize, surface: &str| Slate {
        id: id.to_string(),
        // 37 has no factor in common with the number of items: nobody comes twice.
        candidates: (0..n).map(|i| ((i * 37 + id) % n_items) as u32).collect(),
        // Close together, so that every scan is long: what a dispatch may take is what this one takes, or nearly.
        scores: (0..n).map(|i| 0.1 * noise((2 << 20) + 1000 * id + i)).collect(),
        recent: (0..n_recent).map(|i| ((i * 11 + id) % n_items) as u32).collect(),
        attributes: BTreeMap::from([("surface".to_owned(), Value::Text(surface.to_owned()))]),
        ..Slate::default()
    };
    let mut first = slate(0, n_items * 7 / 8, 6, "home");
    let pins = [(2, 40), (slate_size - 1, 7)];
    first.pinned = pins.map(|(position, c)| Pin { position: position as u32, item: first.candidates[c] }).to_vec();
    first.seen = [11, 12].map(|c| first.candidates[c]).to_vec();
    first.seen.sort_unstable();
    let mut last = slate(3, n_items * 5 / 8, 0, "search");
    let mut seen = BloomFilter::with_capacity(8, 0.01).unwrap_or_default();
    last.candidates.iter().step_by(7).take(8).for_each(|row| seen.insert(hash_of(&row.to_string())));
    last.seen_bloom = Some(Arc::new(seen));
    [first, slate(1, 5, 13, "home"), slate(2, 0, 3, "home"), last]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{MAX_SPECTRA, MAX_WINDOW, Scope};
    use crate::cpu::CpuEngine;
    use crate::gpu::ShaderChecks;

    fn of(behind: usize, ahead: usize, scope: Scope, spectra: usize, strategy: Strategy) -> Config {
        let mut config = Config { strategy, ..Config::default() };
        (config.window.behind, config.window.ahead, config.window.scope) = (behind, ahead, scope);
        config.spectral.spectra = spectra;
        config
    }

    /// Every term has a say, so that none can be wrong unseen.
    #[test]
    fn every_term_is_in_play() {
        for config_of in [
            Config::default(),
            of(3, 20, Scope::Window, 2, Strategy::Spectral),
            of(10, 0, Scope::Pool, 4, Strategy::Relevance),
            of(10, 0, Scope::Pool, 4, Strategy::Mmr),
            of(10, 0, Scope::Pool, 4, Strategy::Msd),
            of(10, 0, Scope::Pool, 4, Strategy::Dpp),
            of(10, 0, Scope::Pool, 4, Strategy::Ssd),
        ] {
            let config = config(&config_of);
            assert_eq!(config.validate(), Ok(()));
            let catalog = catalog(n_items(&config_of), true).unwrap();
            let problem = Problem::new(&config, &catalog).unwrap();
            let slates: Vec<_> = slates(n_items(&config_of), config.slate_size)
                .iter()
                .map(|s| PreparedSlate::new(&problem, s).unwrap())
                .collect();
            let ranked = CpuEngine::<f64>::new(&problem).rerank(&slates);
            let lengths: Vec<usize> = ranked.iter().map(|r| r.placements.len()).collect();
            let n = n_items(&config_of);
            let n_filtered: Vec<usize> = ranked.iter().map(|r| r.n_filtered as usize).collect();
            assert_eq!(lengths, [n * 3 / 4, 4, 0, n * 5 / 8 - n_filtered[3]]);
            assert!(n_filtered[0] > 4 && n_filtered[1] == 1 && (6..=10).contains(&n_filtered[3]), "{n_filtered:?}");
            assert_eq!(ranked[0].placements[2].item, (40 * 37 % n) as u32);
            let n_with = |term: fn(&crate::slate::Placement) -> f64| {
                ranked.iter().flat_map(|r| &r.placements).filter(|p| term(p).abs() > 1e-3).count()
            };
            let has_diversity = config_of.strategy != Strategy::Relevance;
            assert_eq!(n_with(|p| p.diversity) > 20, has_diversity, "{:?}", config_of.strategy);
            assert!(n_with(|p| p.spacing) > 5 && n_with(|p| p.semantic) > 5 && n_with(|p| p.balance) > 5);
            // Pinned items go where they go; all others heed the cap while anybody else is left.
            let owner = |item: u32| (!item.is_multiple_of(11)).then_some(item % 5);
            let early: Vec<_> = ranked[0].placements[..20].iter().map(|p| owner(p.item)).collect();
            let repeats = early.windows(2).filter(|pair| pair[0].is_some() && pair[0] == pair[1]).count();
            assert!(repeats <= 2, "{early:?}");
        }
    }

    /// Whatever the problem, the test runs on the problem's own kernel.
    #[test]
    fn the_kernel_is_that_of_the_problem() {
        for (behind, ahead) in [(1, 0), (10, 0), (20, 7), (60, 68), (MAX_WINDOW, 0)] {
            for spectra in [1, 4, MAX_SPECTRA] {
                for strategy in [Strategy::Spectral, Strategy::Relevance, Strategy::Mmr, Strategy::Dpp] {
                    let config = of(behind, ahead, Scope::Pool, spectra, strategy);
                    check_kernel(&config, true, 64, 1);
                    check_kernel(&config, false, 8, 4);
                }
            }
        }
    }

    fn check_kernel(config_of: &Config, is_f16: bool, lanes: usize, n_shards: usize) {
        let mut rows = Catalog::new();
        rows.add_signal(embedding("x", 40, 32, 0, is_f16)).unwrap();
        // Without it, the relevance strategy would have no use for the rows.
        let with_rows = Config { balance: Balance { strength: 0.1 }, ..config_of.clone() };
        let problem = Problem::new(&with_rows, &rows).unwrap();
        let limits = DeviceLimits {
            binding_bytes: 1 << 27,
            workgroup_bytes: 48 << 10,
            workgroup_invocations: 256,
            groups_per_dimension: 65_535,
            catalog_bytes: u64::MAX,
        };
        let mut plan = Plan::new(&problem, &limits, lanes, usize::MAX).unwrap();
        // As of a catalog too large for one binding.
        plan.n_shards = n_shards;
        let config = config(config_of);
        let catalog = catalog(n_items(config_of), is_f16).unwrap();
        let own_problem = Problem::new(&config, &catalog).unwrap();
        let own = plan_like(&plan, &limits, &own_problem).unwrap();
        let key = |plan| KernelKey::with(plan, &[], ShaderChecks::default(), false, false);
        assert_eq!(key(&own), key(&plan));
        // Every binding holds some of the rows.
        let n_used = catalog.n_items().div_ceil(own.params.rows_per_shard as usize);
        assert_eq!(n_used, n_shards);
    }
}
