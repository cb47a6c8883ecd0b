//! The f32 CPU engine against the f64 reference by replay, and the comparator itself against planted errors.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::cell::RefCell;

use common::generate::{self, Case, Cloud, Items, Limits, Random, Recipe, Request, Storage};
use common::oracle::Oracle;
use spectrank::config::{Config, Loading};
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

const SURVEY: Limits = Limits { candidates: 60, slate_size: 20, window: 12, spectra: 8 };

#[test]
fn f32_agrees_with_the_reference_on_random_cases() {
    let tally = RefCell::new(Tally::default());
    generate::for_many("f32 parity", 150, SURVEY, |recipe| {
        let case = recipe.build();
        replay_f32(&case, |id, replay| {
            tally.borrow_mut().add(replay);
            if std::env::var("SURVEY").is_err() {
                assert_eq!(replay.verdict(), Ok(()), "{}", replay.faults[0]);
            } else if let Some(fault) = replay.faults.first() {
                let c = &recipe.config;
                let slate = case.slates.iter().find(|s| s.id == id).unwrap();
                let oracle = Oracle::new(c, &case.catalog, slate);
                let mut picks = vec![];
                for p in &replay.positions {
                    if !p.is_utility_right() {
                        let o = oracle.position(&picks);
                        println!(
                            "at {} err {:.1e} bound {:.1e} {:?} K={} spectrum {:?}",
                            p.position, p.error, p.bound, c.spectral.loading, c.spectral.spectra, o.spectrum
                        );
                    }
                    picks.push(p.candidate as usize);
                }
                println!("{fault} | {:?} {:?} {:?} {:?}", c.spectral, c.window, recipe.items, c.signals);
            }
        });
    });
    println!("{:?}", tally.borrow());
}
