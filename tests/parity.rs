//! The f32 CPU engine against the f64 reference by replay, and the comparator itself against planted errors.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::cell::RefCell;

use common::generate::{self, Case, Cloud, Items, Limits, Recipe, Request, Storage};
use spectrank::config::{Config, Horizon, Loading};
use spectrank::cpu::CpuEngine;
use spectrank::parity::{self, Fault, Replay, Term};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::RankedSlate;

#[derive(Debug, Default)]
struct Tally {
    positions: usize,
    slates: usize,
    worst_error: f64,
    worst_error_in_bounds: f64,
    worst_regret_in_bounds: f64,
    faults: usize,
}

impl Tally {
    fn add(&mut self, replay: &Replay) {
        self.slates += 1;
        self.positions += replay.positions.len();
        self.faults += replay.faults.len();
        for p in &replay.positions {
            self.worst_error = self.worst_error.max(p.error / p.reference.abs().max(1.0));
            self.worst_error_in_bounds = self.worst_error_in_bounds.max(p.error / p.bound);
            self.worst_regret_in_bounds = self.worst_regret_in_bounds.max(p.regret / p.bound);
        }
    }
}

fn replay_f32(case: &Case, mut see: impl FnMut(&str, &Replay)) {
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let prepared: Vec<_> = case.slates.iter().map(|s| PreparedSlate::new(&problem, s).unwrap()).collect();
    let ranked = CpuEngine::<f32>::new(&problem).rerank(&prepared);
    for ((slate, prepared), ranked) in case.slates.iter().zip(&prepared).zip(&ranked) {
        see(&slate.id, &parity::replay(&problem, prepared, ranked));
    }
}

/// Checks every slate of every recipe; `SPECTRANK_SURVEY=1` prints faults and goes on.
fn assert_parity(name: &str, cases: u32, limits: Limits, adapt: impl Fn(&mut Recipe)) {
    let tally = RefCell::new(Tally::default());
    let is_survey = std::env::var("SPECTRANK_SURVEY").is_ok();
    generate::for_many(name, cases, limits, |recipe| {
        let mut recipe = recipe.clone();
        adapt(&mut recipe);
        replay_f32(&recipe.build(), |id, replay| {
            tally.borrow_mut().add(replay);
            match replay.verdict() {
                Ok(()) => {}
                Err(fault) if is_survey => println!("slate {id}: {fault}\n    {:?}", recipe.config.spectral),
                Err(fault) => panic!("slate {id}: {fault}\n{recipe:?}"),
            }
        });
    });
    println!("{name}: {:?}", tally.borrow());
}

const LIMITS: Limits = Limits { candidates: 60, slate_size: 20, window: 12, spectra: 8 };

/// Energy loadings, `horizon = "window"`, every other setting, on items that are not near-copies: spread ones, clusters,
/// exact copies, low rank, zero rows.
#[test]
fn f32_agrees_on_random_cases() {
    assert_parity("energy", 100, LIMITS, |recipe| {
        recipe.config.spectral.loading = Loading::Energy;
        recipe.config.spectral.horizon = Horizon::Window;
        if let Cloud::Clusters(_, noise) = &mut recipe.items.cloud {
            *noise = noise.max(0.2);
        }
    });
}

/// Windows full of near-copies, at the default ε, decay and horizon. Spectra of every size down to rounding.
#[test]
fn f32_agrees_on_near_copies_at_the_defaults() {
    assert_parity("near copies", 60, Limits { candidates: 80, window: 10, ..LIMITS }, |recipe| {
        let defaults = Config::default();
        let noise = [0.1, 0.03, 1e-2, 3e-3, 1e-3, 1e-4][(recipe.seed % 6) as usize];
        recipe.items.cloud = Cloud::Clusters(1 + (recipe.seed % 5) as usize, noise);
        recipe.config.spectral = defaults.spectral;
        recipe.config.window = defaults.window;
        recipe.config.signals.clear();
    });
}

/// As many spectra and as wide a window as there can usefully be.
#[test]
fn f32_agrees_on_wide_windows() {
    assert_parity("K = 16, window 60", 3, Limits { candidates: 120, slate_size: 70, ..LIMITS }, |recipe| {
        recipe.items.dims = vec![64];
        recipe.config.signals.clear();
        recipe.items.cloud = Cloud::Clusters(20, 0.3);
        recipe.requests = vec![Request { n_candidates: 120, n_recent: 5, n_pins: 1, score_scale: 1.0 }];
        recipe.config.slate_size = 70;
        recipe.config.spectral = Config::default().spectral;
        recipe.config.spectral.spectra = 16;
        (recipe.config.window.behind, recipe.config.window.ahead) = (60, 0);
        recipe.config.window.scope = spectrank::config::Scope::Pool;
    });
}

/// Unit loadings divide by λ, and `horizon = "slate"` puts items into H that weak spectra do not keep small: both agree
/// where the window's spectra are all well above rounding.
#[test]
fn f32_agrees_on_unit_loadings_and_long_horizons_of_spread_items() {
    assert_parity("spread items", 60, LIMITS, |recipe| {
        recipe.config.spectral.loading = if recipe.seed % 2 == 0 { Loading::Unit } else { Loading::Energy };
        recipe.config.spectral.horizon = Horizon::Slate;
        recipe.config.spectral.strength = recipe.config.spectral.strength.min(1.0);
        recipe.config.spectral.epsilon = 0.1;
        recipe.items.cloud = Cloud::Gaussian;
        recipe.items.dims = vec![65];
        recipe.config.signals.clear();
    });
}

fn planted() -> Recipe {
    let config = Config::from_toml(
        "slate_size = 6\nwindow = { behind = 4 }\nspectral = { spectra = 2 }\nbalance = { strength = 0.2 }
        cap = [{ column = \"author\", max = 1, window = 3 }]",
    );
    Recipe {
        seed: 5,
        items: Items { n_items: 40, cloud: Cloud::Clusters(3, 0.3), dims: vec![12], storage: Storage::F32 },
        requests: vec![Request { n_candidates: 30, n_recent: 3, n_pins: 1, score_scale: 1.0 }],
        config: config.unwrap(),
    }
}

/// Replays the reference's own result after `damage`; pins are passed on so that damage can spare them.
fn replay_damaged(damage: impl Fn(&mut RankedSlate, &PreparedSlate, &Problem)) -> Replay {
    let case = planted().build();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let prepared = PreparedSlate::new(&problem, &case.slates[0]).unwrap();
    let mut ranked = CpuEngine::<f64>::new(&problem).rerank(std::slice::from_ref(&prepared)).remove(0);
    damage(&mut ranked, &prepared, &problem);
    parity::replay(&problem, &prepared, &ranked)
}

/// The first position from 1 on that no pin takes.
fn free_position(slate: &PreparedSlate) -> usize {
    (1..6).find(|&p| slate.pins.iter().all(|&(at, _)| at as usize != p)).unwrap()
}

#[test]
fn the_reference_agrees_with_itself() {
    let replay = replay_damaged(|_, _, _| {});
    assert_eq!(replay.verdict(), Ok(()));
    assert_eq!(replay.positions.len(), 6);
    assert_eq!(replay.positions.iter().filter(|p| p.is_pinned).count(), 1);
    assert!(replay.positions.iter().all(|p| p.error == 0.0 && p.regret == 0.0));
}

#[test]
fn a_wrong_utility_is_caught_with_its_term() {
    for error in [1e-3, -1e-3, 3e-5, f64::NAN] {
        let replay = replay_damaged(|ranked, slate, _| {
            let p = free_position(slate);
            ranked.placements[p].utility += error;
            ranked.placements[p].diversity += error;
        });
        let Err(Fault::Utility(at)) = replay.verdict() else { panic!("{error} passed: {:?}", replay.faults) };
        assert_eq!(at.term, Term::Diversity, "{error}");
        assert_eq!(replay.worst_error().unwrap().position, at.position, "{error}");
        assert_eq!(replay.faults.len(), 1, "{error}");
    }
    let replay = replay_damaged(|ranked, slate, _| ranked.placements[free_position(slate)].utility += 1e-5);
    assert_eq!(replay.verdict(), Ok(()), "within the bound");
}

#[test]
fn swapped_picks_are_caught() {
    let replay = replay_damaged(|ranked, _, _| {
        let pin = 0;
        ranked.placements.swap(pin, 5);
    });
    assert!(!replay.faults.is_empty());
    let replay = replay_damaged(|ranked, slate, _| {
        let p = free_position(slate);
        let q = (p + 1..6).find(|&q| slate.pins.iter().all(|&(at, _)| at as usize != q)).unwrap();
        ranked.placements.swap(p, q);
    });
    assert!(replay.faults.iter().any(|f| matches!(f, Fault::Utility(_))), "{:?}", replay.faults);
}

#[test]
fn a_worse_pick_is_caught_even_with_its_true_utility() {
    let replay = replay_damaged(|ranked, slate, problem| {
        let p = free_position(slate);
        ranked.placements.truncate(p);
        let mut run = spectrank::run::Run::<f64>::new(problem, false);
        run.begin(slate);
        for placement in &ranked.placements {
            run.begin_position();
            run.place(slate.candidate.iter().position(|&c| c == placement.candidate).unwrap());
        }
        run.begin_position();
        let best = run.best().unwrap();
        let is_free = |rank: usize| {
            slate.pins.iter().all(|&(_, r)| r as usize != rank)
                && ranked.placements.iter().all(|p| p.candidate != slate.candidate[rank])
        };
        let worse = (0..30).rev().filter(|&rank| is_free(rank)).map(|rank| run.score(rank));
        let worse = worse.into_iter().find(|s| s.excess == best.excess && s.utility < best.utility - 1e-3).unwrap();
        ranked.placements.push(spectrank::slate::Placement {
            candidate: slate.candidate[worse.rank],
            item: slate.rows[worse.rank],
            base: slate.base[worse.rank],
            utility: worse.utility,
            diversity: worse.diversity,
            spacing: worse.spacing,
            semantic: worse.semantic,
            balance: worse.balance,
        });
    });
    assert!(matches!(replay.faults[..], [Fault::Length { .. }, Fault::Regret(_)]), "{:?}", replay.faults);
    assert_eq!(replay.worst_regret().unwrap().position, replay.positions.len() - 1);
}

#[test]
fn broken_structure_is_caught() {
    let faults = replay_damaged(|ranked, _, _| ranked.placements[3] = ranked.placements[1]).faults;
    assert!(matches!(faults.last(), Some(Fault::Repeated { position: 3, first: 1, .. })), "{faults:?}");

    let faults = replay_damaged(|ranked, _, _| ranked.placements.truncate(5)).faults;
    assert_eq!(faults, [Fault::Length { found: 5, expected: 6 }]);

    let faults = replay_damaged(|ranked, _, _| ranked.is_short = true).faults;
    assert_eq!(faults, [Fault::Short { found: true }]);

    let faults = replay_damaged(|ranked, _, _| ranked.placements[2].candidate = 30).faults;
    assert_eq!(faults, [Fault::OutOfRange { position: 2, candidate: 30, n_candidates: 30 }]);

    let faults = replay_damaged(|ranked, _, _| ranked.placements[2].item += 1).faults;
    assert!(matches!(faults[..], [Fault::WrongItem { position: 2, .. }]), "{faults:?}");
}

#[test]
fn broken_pins_and_caps_are_caught() {
    let faults = replay_damaged(|ranked, slate, _| {
        let pinned = slate.pins[0].0 as usize;
        ranked.placements.swap(pinned, (pinned + 1) % 6);
    });
    let n = faults.faults.iter().filter(|f| matches!(f, Fault::PinBroken { .. })).count();
    assert_eq!(n, 2, "at the pin and where the item went: {:?}", faults.faults);

    let replay = replay_damaged(|ranked, slate, problem| {
        // A candidate of the same author right behind another.
        let p = (0..5).find(|&p| slate.pins.iter().all(|&(at, _)| at as usize != p + 1)).unwrap();
        let author = |row: u32| problem.caps[0].values[row as usize];
        let before = (p..5).chain(0..p).find_map(|p| {
            let wanted = author(ranked.placements[p].item);
            let rank = (0..30).find(|&rank| {
                author(slate.rows[rank]) == wanted
                    && wanted != spectrank::problem::NO_VALUE
                    && ranked.placements.iter().all(|other| other.candidate != slate.candidate[rank])
                    && slate.pins.iter().all(|&(at, r)| r as usize != rank && at as usize != p + 1)
            });
            rank.map(|rank| (p, rank))
        });
        let (p, rank) = before.unwrap();
        ranked.placements[p + 1].candidate = slate.candidate[rank];
        ranked.placements[p + 1].item = slate.rows[rank];
    });
    assert!(replay.faults.iter().any(|f| matches!(f, Fault::CapBroken { .. })), "{:?}", replay.faults);
}
