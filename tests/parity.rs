//! The f32 CPU engine against the f64 reference by replay, and the comparator itself against planted errors.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::generate::{Cloud, Items, Recipe, Request, Storage};
use common::parity::{self as category, assert_parity};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::parity::recipe::Scores;
use spectrank::parity::{self, Fault, Replay, Term};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::RankedSlate;

fn f32_engine(problem: &Problem, slates: &[PreparedSlate]) -> Vec<RankedSlate> {
    CpuEngine::<f32>::new(problem).rerank(slates)
}

#[test]
fn f32_agrees_over_the_whole_space() {
    assert_parity(&category::WHOLE_SPACE, 500, &f32_engine);
}

#[test]
fn f32_agrees_on_random_cases() {
    assert_parity(&category::RANDOM_CASES, 100, &f32_engine);
}

#[test]
fn f32_agrees_on_near_copies_at_the_defaults() {
    assert_parity(&category::NEAR_COPIES_AT_THE_DEFAULTS, 60, &f32_engine);
}

#[test]
fn f32_agrees_on_wide_windows() {
    assert_parity(&category::WIDE_WINDOWS, 3, &f32_engine);
}

#[test]
fn f32_agrees_on_unit_loadings_and_long_horizons_of_spread_items() {
    assert_parity(&category::UNIT_LOADINGS_AND_LONG_HORIZONS_OF_SPREAD_ITEMS, 60, &f32_engine);
}

fn planted() -> Recipe {
    let config = Config::from_toml(
        "slate_size = 6\nwindow = { behind = 4 }\nspectral = { spectra = 2 }\nbalance = { strength = 0.2 }
        cap = [{ column = \"author\", max = 1, window = 3 }]",
    );
    Recipe {
        seed: 5,
        items: Items::new(40, Cloud::Clusters(3, 0.3), vec![12], Storage::F32),
        requests: vec![Request::new(30, 3, 1)],
        config: config.unwrap(),
    }
}

/// Replays the reference's own result after `damage`; pins are passed on so that damage can spare them.
fn replay_damaged(damage: impl Fn(&mut RankedSlate, &PreparedSlate, &Problem)) -> Replay {
    let case = planted().build().unwrap();
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

/// Two equal copies have the same utility, so that no regret tells which comes first; the rule of ties does.
#[test]
fn copies_in_the_wrong_order_are_caught() {
    let recipe = Recipe {
        items: Items { n_distinct: 10, ..Items::new(40, Cloud::Gaussian, vec![6], Storage::F16) },
        requests: vec![Request { scores: Scores::Equal, ..Request::new(30, 0, 0) }],
        ..planted()
    };
    let case = recipe.build().unwrap();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let slate = PreparedSlate::new(&problem, &case.slates[0]).unwrap();
    let right = CpuEngine::<f64>::new(&problem).rerank(std::slice::from_ref(&slate)).remove(0);
    assert!(parity::replay(&problem, &slate, &right).is_equal());
    // At the first position everything is worth the same; only a copy of the winner must not take its place.
    let first = right.placements[0];
    let is_copy = |&rank: &usize| slate.rows[rank] != first.item && slate.rows[rank] % 10 == first.item % 10;
    let copy = (0..30).find(is_copy).unwrap();
    let another = (0..30).find(|&rank| slate.rows[rank] % 10 != first.item % 10).unwrap();
    let replayed = |rank: usize| {
        let mut ranked = right.clone();
        ranked.placements.truncate(1);
        (ranked.placements[0].candidate, ranked.placements[0].item) = (slate.candidate[rank], slate.rows[rank]);
        parity::replay(&problem, &slate, &ranked)
    };
    let expected = Fault::TieBroken { position: 0, candidate: slate.candidate[copy], lower: first.candidate };
    assert_eq!(replayed(copy).faults[1..], [expected]);
    assert!(matches!(replayed(another).faults[..], [Fault::Length { .. }]));
    let position = replayed(another).positions[0];
    assert!(position.is_near_tie && position.reference_candidate == first.candidate && position.regret == 0.0);
    assert!(!replayed(another).is_equal());
}

#[test]
fn near_ties_are_those_within_the_bound() {
    for (difference, is_near_tie) in [(0.0, true), (1e-5, true), (3e-5, false), (1.0, false)] {
        let mut recipe = planted();
        recipe.config.strategy = spectrank::config::Strategy::Relevance;
        (recipe.config.slate_size, recipe.config.balance.strength) = (1, 0.0);
        recipe.config.cap.clear();
        recipe.requests = vec![Request::new(2, 0, 0)];
        let mut case = recipe.build().unwrap();
        case.slates[0].scores = vec![0.5, 0.5 + difference];
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let slate = PreparedSlate::new(&problem, &case.slates[0]).unwrap();
        let ranked = CpuEngine::<f64>::new(&problem).rerank(std::slice::from_ref(&slate)).remove(0);
        let replay = parity::replay(&problem, &slate, &ranked);
        assert_eq!(replay.positions[0].is_near_tie, is_near_tie, "{difference}");
    }
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
