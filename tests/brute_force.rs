//! The f64 CPU engine against an independent, naive implementation of the definition, position by position.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::cell::RefCell;

use common::generate::{self, Cloud, Items, Limits, Recipe, Request, Storage};
use common::oracle::{Oracle, Position, Terms};
use spectrank::config::{Config, Coupling, Horizon, Loading, Scope};
use spectrank::cpu::CpuEngine;
use spectrank::parity::Case;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::Placement;

/// Sweeps per position: enough for the exact decomposition where [`MAX_RATIO`] holds.
const ITERATIONS: usize = 200;
/// A sweep shrinks what is outside the leading subspace by λ_{K+1}/λ_K: 0.91^200 = 6e-9.
const MAX_RATIO: f64 = 0.91;
/// Of utilities and terms, relative above 1.
const TOLERANCE: f64 = 1e-6;

/// What was compared.
#[derive(Debug, Default)]
struct Tally {
    positions: usize,
    /// Positions whose spectra are ill-defined: the diversity term and the pick are not compared there.
    skipped: usize,
    /// Positions where the best two are too close to say who must win.
    tied: usize,
    worst: f64,
}

impl Tally {
    fn assert_few_skipped(&self, name: &str, most: f64) {
        let share = self.skipped as f64 / self.positions as f64;
        println!(
            "{name}: {} positions, {} ill-defined ({:.1} %), {} tied, worst difference {:.1e}",
            self.positions,
            self.skipped,
            100.0 * share,
            self.tied,
            self.worst
        );
        assert!(share <= most, "{name}: {:.1} % of the positions say nothing", 100.0 * share);
    }
}

fn check(case: &Case, name: &str, tally: &mut Tally) {
    let mut config = case.config.clone();
    config.spectral.iterations = ITERATIONS;
    let problem = Problem::new(&config, &case.catalog).unwrap();
    let prepared: Vec<_> = case.slates.iter().map(|s| PreparedSlate::new(&problem, s).unwrap()).collect();
    let ranked = CpuEngine::<f64>::new(&problem).rerank(&prepared);
    for (slate, ranked) in case.slates.iter().zip(&ranked) {
        let oracle = Oracle::new(&config, &case.catalog, slate);
        assert_eq!(ranked.placements.len(), oracle.n_positions(), "{name}, slate {}", slate.id);
        assert_eq!(ranked.n_filtered as usize, oracle.n_filtered(), "{name}, slate {}", slate.id);
        assert_eq!(ranked.is_short, oracle.n_positions() < config.slate_size, "{name}, slate {}", slate.id);
        let mut picks: Vec<usize> = Vec::new();
        for placement in &ranked.placements {
            let at = format!("{name}, slate {}, position {}", slate.id, picks.len());
            let pick = placement.candidate as usize;
            assert_eq!(placement.item, slate.candidates[pick], "{at}");
            let position = oracle.position(&picks);
            let terms = position.terms[pick].unwrap_or_else(|| panic!("{at}: candidate {pick} is placed twice"));
            tally.positions += 1;
            let is_ill_defined = position.ratio > MAX_RATIO || position.is_at_threshold;
            let at = format!("{at}, spectrum {:?}", position.spectrum);
            check_terms(placement, &terms, is_ill_defined, &at, tally);
            check_pick(&position, pick, is_ill_defined, &at, tally);
            picks.push(pick);
        }
    }
}

fn check_terms(found: &Placement, wanted: &Terms, is_ill_defined: bool, at: &str, tally: &mut Tally) {
    let mut compared = vec![
        ("base", found.base, wanted.base),
        ("spacing", found.spacing, wanted.spacing),
        ("semantic", found.semantic, wanted.semantic),
        ("balance", found.balance, wanted.balance),
    ];
    if !is_ill_defined {
        compared.extend([("diversity", found.diversity, wanted.diversity), ("utility", found.utility, wanted.utility)]);
    }
    for (term, found, wanted) in compared {
        let difference = (found - wanted).abs() / wanted.abs().max(1.0);
        assert!(difference <= TOLERANCE, "{at}: {term} is {found}, not {wanted}");
        tally.worst = tally.worst.max(difference);
    }
}

fn check_pick(position: &Position, pick: usize, is_ill_defined: bool, at: &str, tally: &mut Tally) {
    if let Some(pinned) = position.pinned {
        assert_eq!(pick, pinned, "{at}: a pin was ignored");
        return;
    }
    // Caps and scope are decided without spectra, so they hold everywhere.
    assert!(position.ranking.contains(&pick), "{at}: candidate {pick} does not compete");
    if is_ill_defined {
        tally.skipped += 1;
        return;
    }
    let utility = |c: usize| position.terms[c].unwrap().utility;
    let best = position.ranking[0];
    let scale = TOLERANCE * utility(best).abs().max(1.0);
    let gap = position.ranking.get(1).map_or(f64::INFINITY, |&second| utility(best) - utility(second));
    if gap > scale {
        assert_eq!(pick, best, "{at}: gap {gap}");
    } else {
        tally.tied += 1;
        assert!(utility(best) - utility(pick) <= scale, "{at}: {pick} is not among the best");
    }
}

/// Every way of the spectral strategy, each with and without the penalties, on clustered items.
#[test]
fn every_setting_agrees_with_the_definition() {
    let mut tally = Tally::default();
    let mut seed = 0;
    for loading in [Loading::Energy, Loading::Unit] {
        for coupling in [Coupling::Full, Coupling::Diagonal] {
            for horizon in [Horizon::Window, Horizon::Slate] {
                for (ahead, scope) in [(0, Scope::Pool), (4, Scope::Pool), (4, Scope::Window)] {
                    for penalties in [false, true] {
                        seed += 1;
                        let mut config = Config::from_toml(if penalties { WITH_PENALTIES } else { PLAIN }).unwrap();
                        config.spectral.loading = loading;
                        config.spectral.coupling = coupling;
                        config.spectral.horizon = horizon;
                        (config.window.ahead, config.window.scope) = (ahead, scope);
                        let recipe = Recipe {
                            seed,
                            items: Items::new(40, Cloud::Clusters(3, 0.25), vec![16, 9], Storage::F32),
                            requests: [(30, 0, 0), (25, 9, 2), (6, 3, 1)]
                                .map(|(n, n_recent, n_pins)| Request {
                                    score_scale: 0.5,
                                    ..Request::new(n, n_recent, n_pins)
                                })
                                .to_vec(),
                            config,
                        };
                        let name = format!("seed {seed}: {:?} {:?}", recipe.config.spectral, recipe.config.window);
                        check(&recipe.build().unwrap(), &name, &mut tally);
                    }
                }
            }
        }
    }
    tally.assert_few_skipped("settings", 0.05);
}

/// Every baseline with every setting of its own, on clustered items and on those that run out of rank, with near-copies.
#[test]
fn every_baseline_agrees_with_the_definition() {
    let mut tally = Tally::default();
    let mut seed = 0;
    let mut add = |text: &str, window: usize| {
        for (cloud, dims) in [
            (Cloud::Clusters(3, 0.4), vec![16, 9]),
            (Cloud::Clusters(2, 1e-3), vec![3, 2]),
            (Cloud::LowRank(3), vec![9, 4]),
        ] {
            for penalties in [PLAIN, WITH_PENALTIES] {
                seed += 1;
                let config = format!("{text}\nwindow = {window}\n");
                let strategy = text.split(['[', ']']).nth(1).unwrap();
                let config = Config::from_toml(&format!("strategy = \"{strategy}\"\n{penalties}\n{config}")).unwrap();
                let recipe = Recipe {
                    seed,
                    items: Items::new(40, cloud, dims.clone(), Storage::F32),
                    requests: [(30, 0, 0), (25, 9, 2), (6, 3, 1)]
                        .map(|(n, n_recent, n_pins)| Request::new(n, n_recent, n_pins))
                        .to_vec(),
                    config,
                };
                check(&recipe.build().unwrap(), &format!("seed {seed}: {text}, window {window}"), &mut tally);
            }
        }
    };
    for window in [0, 1, 4, 12] {
        for lambda in [0.0, 0.6, 1.0] {
            add(&format!("[mmr]\nlambda = {lambda:?}"), window);
            add(&format!("[msd]\nlambda = {lambda:?}"), window);
        }
        for theta in [0.0, 0.7] {
            add(&format!("[dpp]\ntheta = {theta:?}"), window);
        }
        for variant in ["star", "product"] {
            for eviction in ["exact", "paper"] {
                for bias in [false, true] {
                    let text = format!("[ssd]\nvariant = \"{variant}\"\neviction = \"{eviction}\"\nbias = {bias}");
                    add(&text, window);
                }
            }
        }
    }
    tally.assert_few_skipped("baselines", 0.0);
}

const PLAIN: &str = "slate_size = 8
window = { behind = 6 }
spectral = { spectra = 3, strength = 0.4, decay = 0.9 }";

const WITH_PENALTIES: &str = r#"slate_size = 8
window = { behind = 6 }
spectral = { spectra = 3, strength = 0.4 }
signal = [{ name = "s0", weight = 0.7 }, { name = "s1", weight = 2.0, metric = "dot" }]
relevance = { transform = "zscore", adjust = [{ column = "freshness", weight = 0.2 }] }
spacing = [
    { name = "a", column = "class", values = [1, 2], strength = 0.4, window = 6 },
    { name = "b", column = "author", values = ["ada"], confidence = "confidence", strength = 0.3, window = 3, kernel = "linear", when = { surface = "home" } },
]
semantic_id = { column = "sid", strength = 0.3, window = 5, kernel = "exponential", half_life = 2.0 }
balance = { strength = 0.2 }
cap = [{ column = "author", max = 1, window = 4 }]
"#;

/// Settings and items at random, hostile shapes included: zero rows, copies, low rank.
#[test]
fn random_cases_agree_with_the_definition() {
    let tally = RefCell::new(Tally::default());
    let limits = Limits { candidates: 24, slate_size: 9, window: 7, spectra: 8, long_one_in: 0 };
    generate::for_many("brute force", 120, limits, |recipe| {
        let mut recipe = recipe.clone();
        // The oracle solves exactly, the engine iterates: where 1/(ε + λ) magnifies a weak spectrum, what is left of the
        // iteration's error is magnified as well.
        recipe.config.spectral.epsilon = recipe.config.spectral.epsilon.max(0.03);
        check(&recipe.build().unwrap(), &format!("{recipe:?}"), &mut tally.borrow_mut());
    });
    tally.borrow().assert_few_skipped("random", 0.15);
}
