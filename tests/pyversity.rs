//! The baselines beside pyversity 0.2.0: with parameters matched as SPEC 7 says, the same picks, position by position.
//! The cases come from `fixtures/pyversity/make.py`, which says how clear they are.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::path::Path;

use serde::Deserialize;
use spectrank::catalog::{Catalog, Embedding, EmbeddingData};
use spectrank::config::{Config, Metric, OnMissing, Signal, SsdEviction, Strategy, Transform};
use spectrank::cpu::CpuEngine;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::real::Real;
use spectrank::slate::Slate;

#[derive(Deserialize)]
struct Case {
    diversity: f64,
    k: usize,
    dim: usize,
    n_recent: usize,
    /// Times 4096.
    scores: Vec<i32>,
    /// Times 64; candidates, then recent items.
    rows: Vec<i32>,
    #[serde(default)]
    metric: Option<Metric>,
    #[serde(default)]
    bias: bool,
    #[serde(default)]
    window: usize,
    picks: Vec<u32>,
}

impl Case {
    fn config(&self, strategy: Strategy) -> Config {
        let mut config = Config { strategy, slate_size: self.k, ..Config::default() };
        let metric = self.metric.unwrap_or_default();
        config.signals = vec![Signal { name: "x".to_owned(), weight: 1.0, metric, on_missing: OnMissing::Error }];
        let relevance = 1.0 - self.diversity;
        match strategy {
            Strategy::Mmr => config.mmr.lambda = relevance,
            Strategy::Msd => config.msd.lambda = relevance,
            Strategy::Dpp => config.dpp.theta = relevance,
            _ => {
                config.ssd.gamma = self.diversity / relevance;
                config.ssd.eviction = SsdEviction::Paper;
                (config.ssd.bias, config.ssd.window) = (self.bias, self.window);
            }
        }
        if matches!(strategy, Strategy::Dpp | Strategy::Ssd) {
            config.relevance.transform = Transform::Zscore;
        }
        config
    }

    fn picks<R: Real>(&self, strategy: Strategy) -> Vec<u32> {
        let config = self.config(strategy);
        let mut catalog = Catalog::new();
        let rows = self.rows.iter().map(|&x| x as f32 / 64.0);
        catalog.add_signal(Embedding::new("x", self.dim, EmbeddingData::F32(rows.collect()))).unwrap();
        let problem = Problem::new(&config, &catalog).unwrap();
        let n = self.scores.len() as u32;
        let slate = Slate {
            candidates: (0..n).collect(),
            scores: self.scores.iter().map(|&s| f64::from(s) / 4096.0).collect(),
            recent: (n..n + self.n_recent as u32).collect(),
            ..Slate::default()
        };
        let prepared = [PreparedSlate::new(&problem, &slate).unwrap()];
        let ranked = CpuEngine::<R>::new(&problem).rerank(&prepared).remove(0);
        ranked.placements.iter().map(|p| p.candidate).collect()
    }
}

fn check(strategy: Strategy, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pyversity").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Case> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(cases.len() >= 50, "{} cases", cases.len());
    for (i, case) in cases.iter().enumerate() {
        assert_eq!(case.picks::<f64>(strategy), case.picks, "{file}, line {}", i + 1);
        assert_eq!(case.picks::<f32>(strategy), case.picks, "{file}, line {}, f32", i + 1);
    }
}

#[test]
fn mmr_picks_what_pyversity_picks() {
    check(Strategy::Mmr, "mmr.jsonl");
}

#[test]
fn msd_picks_what_pyversity_picks() {
    check(Strategy::Msd, "msd.jsonl");
}

#[test]
fn dpp_picks_what_pyversity_picks() {
    check(Strategy::Dpp, "dpp.jsonl");
}

/// With recent items and windows that evict, by the published queue.
#[test]
fn ssd_picks_what_pyversity_picks() {
    check(Strategy::Ssd, "ssd.jsonl");
}
