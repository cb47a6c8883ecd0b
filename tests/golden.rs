//! The golden cases on the f64 CPU engine: the same picks, every number within 1e-6.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use common::golden::{self, Golden};
use spectrank::cpu::CpuEngine;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::Placement;

/// The files print nine decimals; the rest is the eigensolver's convergence.
const TOLERANCE: f64 = 1e-6;

#[test]
fn every_golden_case_is_met() {
    let cases = golden::all();
    assert!(cases.len() >= 22, "only {} golden files found", cases.len());
    for case in &cases {
        check(case);
    }
}

fn check(case: &Golden) {
    let (config, catalog) = (case.config(), case.catalog());
    let problem = Problem::new(&config, &catalog).unwrap();
    let slates = case.slates();
    let prepared: Vec<_> = slates.iter().map(|s| PreparedSlate::new(&problem, s).unwrap()).collect();
    let ranked = CpuEngine::<f64>::new(&problem).rerank(&prepared);
    assert_eq!(ranked.len(), case.expected.len(), "{}", case.name);
    for ((slate, ranked), expected) in slates.iter().zip(&ranked).zip(&case.expected) {
        let at = format!("{}, slate {}", case.name, slate.id);
        let picks: Vec<u32> = ranked.placements.iter().map(|p| p.candidate).collect();
        assert_eq!(picks, expected.picks, "{at}");
        type Term = (&'static str, fn(&Placement) -> f64);
        let terms: [(Term, &[f64]); 6] = [
            (("utility", |p| p.utility), &expected.utility),
            (("base", |p| p.base), &expected.base),
            (("diversity", |p| p.diversity), &expected.diversity),
            (("spacing", |p| p.spacing), &expected.spacing),
            (("semantic", |p| p.semantic), &expected.semantic),
            (("balance", |p| p.balance), &expected.balance),
        ];
        for ((name, term), wanted) in terms {
            assert_eq!(ranked.placements.len(), wanted.len(), "{at}");
            for (position, (p, &w)) in ranked.placements.iter().zip(wanted).enumerate() {
                let found = term(p);
                assert!((found - w).abs() <= TOLERANCE, "{at}, position {position}: {name} is {found}, not {w}");
            }
        }
    }
}
