//! How much the CPU engine does, counted: the same on every machine, however busy. A change that makes it do more is caught
//! here; one that makes it do less lowers the numbers.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::convert::Infallible;

use spectrank::config::{Config, Scope, Strategy};
use spectrank::cpu::CpuEngine;
use spectrank::demo;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::run::Run;

/// Share by which counts may differ: a tie that falls the other way moves them a little.
const SLACK: f64 = 0.02;

/// Candidates scored, and pairs of items compared or items with sums of rows, for all slates, in single precision with pruning.
fn work(problem: &Problem, slates: &[PreparedSlate]) -> [u64; 2] {
    let mut run = Run::<f32>::new(problem, true);
    for slate in slates {
        run.rerank(slate);
    }
    [run.n_scored(), run.n_compared() + run.n_summed()]
}

fn configured(like: &Config, strategy: Strategy) -> Config {
    Config { strategy, ..like.clone() }
}

#[test]
fn no_strategy_does_more_than_it_did() {
    demo::run(|problem, slates| {
        let mut window = configured(problem.config, Strategy::Spectral);
        (window.window.scope, window.window.ahead) = (Scope::Window, 20);
        let cases = [
            ("spectral", configured(problem.config, Strategy::Spectral), [2737, 6149]),
            ("spectral, window scope", window, [944, 13584]),
            ("mmr", configured(problem.config, Strategy::Mmr), [2859, 10779]),
            ("msd", configured(problem.config, Strategy::Msd), [386, 26978]),
            ("dpp", configured(problem.config, Strategy::Dpp), [154, 22064]),
            ("ssd", configured(problem.config, Strategy::Ssd), [22551, 28008]),
        ];
        let counted: Vec<_> =
            cases.iter().map(|(_, config, _)| work(&Problem::new(config, problem.catalog).unwrap(), slates)).collect();
        let found: Vec<_> = cases.iter().map(|case| case.0).zip(&counted).collect();
        for ((name, _, stored), counted) in cases.iter().zip(&counted) {
            for (&stored, &counted) in stored.iter().zip(counted) {
                let change = counted as f64 / stored as f64 - 1.0;
                assert!(change.abs() <= SLACK, "{name}: {counted} where {stored} are stored; all: {found:?}");
            }
        }
        Ok::<_, Infallible>(CpuEngine::<f32>::new(problem).rerank(slates))
    })
    .unwrap();
}
