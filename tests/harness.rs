//! The harness against engines that are wrong on purpose: every fault is caught, and the right stage is named.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use std::path::Path;

use common::generate::{Cloud, Items, Recipe, Request, Storage};
use common::gpu;
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::gpu::GpuOptions;
use spectrank::gpu::planted::Planted;
use spectrank::parity::attribution::Stage;
use spectrank::parity::recipe::Scores;
use spectrank::parity::shrink::shrink;
use spectrank::parity::{Bound, Case, CpuSubject, GpuSubject, Harness, Invariance, Report, Subject, SubjectError};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::RankedSlate;

const CONFIG: &str = r#"
slate_size = 8
window = { behind = 2, ahead = 1 }
spectral = { strength = 0.6, spectra = 2 }
spacing = [{ name = "s", column = "class", values = [1, 2], strength = 0.3, window = 4 }]
semantic_id = { column = "sid", strength = 0.3, window = 4 }
balance = { strength = 0.3 }
cap = [{ column = "author", max = 1, window = 3 }]
filter = { seen_bloom = "bloom", drop = [{ column = "class", values = [3] }] }
"#;

/// Small, as a driver compiles the kernel anew for every fault; every penalty, equal copies and equal scores.
fn case() -> Case {
    let request = Request { scores: Scores::Steps, n_seen: 3, n_in_bloom: Some(4), ..Request::new(50, 2, 1) };
    let recipe = Recipe {
        seed: 3,
        items: Items { n_distinct: 25, ..Items::new(50, Cloud::Clusters(3, 0.6), vec![9], Storage::F32) },
        requests: vec![request; 4],
        config: Config::from_toml(CONFIG).unwrap(),
    };
    recipe.build().unwrap()
}

fn report(subject: &dyn Subject) -> Report {
    let mut harness = Harness::new(subject);
    harness.check_cases(&[case()]).unwrap();
    harness.into_report()
}

/// A kernel with one change, and the stage that must be blamed.
struct Plant {
    name: &'static str,
    find: &'static str,
    replace: &'static str,
    stage: Stage,
}

const PLANTS: [Plant; 18] = [
    Plant {
        name: "filter rules that nobody asks",
        find: "if slate.active_filters != 0u && (item_word",
        replace: "if slate.active_filters == 0u && (item_word",
        stage: Stage::Eligibility,
    },
    Plant {
        name: "the first of those excluded stays",
        find: "var low = 0u;\n    var high = slate.n_excluded;",
        replace: "var low = min(1u, slate.n_excluded);\n    var high = slate.n_excluded;",
        stage: Stage::Eligibility,
    },
    Plant {
        name: "another bit of a Bloom filter",
        find: "let bit = 1u << ((hash_low * salts[i]) >> 27u);",
        replace: "let bit = 1u << ((hash_low * salts[i]) >> 28u);",
        stage: Stage::Eligibility,
    },
    Plant {
        name: "a window that looks one item less ahead",
        find: "while n_ahead < params.ahead &&",
        replace: "while n_ahead + 1u < params.ahead &&",
        stage: Stage::Window,
    },
    Plant {
        name: "similarities off by 1e-3",
        find: "return similarity;",
        replace: "return similarity * 1.001;",
        stage: Stage::WindowSimilarity,
    },
    // What candidates are compared by shows in what they are charged.
    Plant {
        name: "similarities of candidates off by 1e-3",
        find: "total += (factor(row_a, s) * factor(row_b, s)) *",
        replace: "total += 1.001 * (factor(row_a, s) * factor(row_b, s)) *",
        stage: Stage::Exposure,
    },
    Plant {
        name: "a lane's part of a comparison left out",
        find: "value += reduce_utility[part];",
        replace: "value += select(reduce_utility[part], 0.0, part % PARTS == 0u);",
        stage: Stage::Exposure,
    },
    Plant {
        name: "one sweep less",
        find: "PHASE_ROTATE, c.sweeps_left <= 1u)",
        replace: "PHASE_ROTATE, c.sweeps_left <= 2u)",
        stage: Stage::Eigensolve,
    },
    Plant {
        name: "eigenvectors swapped",
        find: "let old = spectrum_order[c];",
        replace: "let old = spectrum_order[N_SPECTRA - 1u - c];",
        stage: Stage::Eigensolve,
    },
    Plant {
        name: "eigenvalues off by 1e-3",
        find: "eigenvalues[lane] = select(0.0, value,",
        replace: "eigenvalues[lane] = select(0.0, 1.001 * value,",
        stage: Stage::Eigensolve,
    },
    Plant {
        name: "exposure off by 1e-3",
        find: "weights[i] = weights[i] * (coupled",
        replace: "weights[i] = 1.001 * weights[i] * (coupled",
        stage: Stage::Exposure,
    },
    Plant {
        name: "diversity off by 1e-3",
        find: "return -params.strength * ",
        replace: "return -1.001 * params.strength * ",
        stage: Stage::Exposure,
    },
    Plant {
        name: "no Semantic-ID penalty",
        find: "return params.semantic_strength * sum;",
        replace: "return 0.0 * sum;",
        stage: Stage::Penalty,
    },
    Plant {
        name: "spacing off by 1e-3",
        find: "spacing_load[r] = table(rule + 2u) * load;",
        replace: "spacing_load[r] = 1.001 * table(rule + 2u) * load;",
        stage: Stage::Penalty,
    },
    Plant {
        name: "no caps",
        find: "total += same - min(same, most);",
        replace: "total += 0u * most;",
        stage: Stage::Penalty,
    },
    Plant {
        name: "a scan that ends early",
        find: "return control.best_excess == 0u && utility_bound(control.cursor) <= control.best_utility;",
        replace: "return control.best_excess == 0u;",
        stage: Stage::Select,
    },
    Plant {
        name: "ties to the higher rank",
        find: "return reduce_rank[i] < reduce_rank[j];",
        replace: "return reduce_rank[i] > reduce_rank[j];",
        stage: Stage::Select,
    },
    Plant {
        name: "utilities off by 1e-3",
        find: "= weighted_base(rank) + diversity",
        replace: "= 1.001 * weighted_base(rank) + diversity",
        stage: Stage::Select,
    },
];

fn sabotaged(healthy: &GpuSubject, find: &'static str, replace: &'static str) -> GpuSubject {
    let planted = Planted::in_shader(find, replace);
    healthy.with_options(GpuOptions { planted, ..healthy.options().clone() })
}

#[test]
fn every_planted_fault_is_caught_and_its_stage_named() {
    let Some(device) = gpu::device() else { return };
    let healthy = GpuSubject::new(device, GpuOptions::default());
    let right = report(&healthy);
    assert!(right.holds(), "{right}");
    for Plant { name, find, replace, stage } in PLANTS {
        let report = report(&sabotaged(&healthy, find, replace));
        assert!(!report.holds(), "{name} passes");
        let departures: Vec<_> = report.failures.iter().map(|f| f.departure.as_ref().map(|d| d.stage)).collect();
        assert!(departures.iter().all(|&found| found == Some(stage)), "{name}: {departures:?}\n{report}");
    }
}

#[test]
fn a_stale_nonce_is_caught() {
    let Some(device) = gpu::device() else { return };
    let healthy = GpuSubject::new(device, GpuOptions::default());
    let stale = sabotaged(&healthy, "= dispatch.nonce;", "= dispatch.nonce - 1u;");
    let report = report(&stale);
    assert_eq!(report.failed_slates, 4, "{report}");
}

/// A CPU engine that computes with another configuration than it was given.
struct Bent {
    bend: fn(&mut Config),
}

struct BoundBent<'p> {
    problem: &'p Problem<'p>,
    config: Config,
}

impl Subject for Bent {
    fn name(&self) -> String {
        "bent CPU".to_owned()
    }

    fn bind<'p>(&self, problem: &'p Problem<'p>) -> Result<Box<dyn Bound + 'p>, SubjectError> {
        let mut config = problem.config.clone();
        (self.bend)(&mut config);
        Ok(Box::new(BoundBent { problem, config }))
    }

    fn is_parallel(&self) -> bool {
        true
    }
}

impl Bound for BoundBent<'_> {
    fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, SubjectError> {
        let problem = Problem::new(&self.config, self.problem.catalog).unwrap();
        Ok(CpuEngine::<f64>::new(&problem).rerank(slates))
    }
}

const NO_SPACING: Bent = Bent { bend: |config| config.spacing.iter_mut().for_each(|rule| rule.strength = 0.0) };

#[test]
fn a_dropped_penalty_is_caught_and_shrinks_to_two_items() {
    let report = report(&NO_SPACING);
    assert!(!report.holds());
    for failure in &report.failures {
        let case = failure.case.as_ref().unwrap();
        let shrunk = shrink(&NO_SPACING, case, 500).unwrap();
        let (config, slate) = (&shrunk.case.config, &shrunk.case.slates[0]);
        // One member has been seen, the next one has to pay for it.
        assert_eq!(slate.candidates.len() + slate.recent.len(), 2, "{shrunk:?}");
        assert_eq!(shrunk.case.catalog.n_items(), 2, "{shrunk:?}");
        assert_eq!((config.spacing.len(), config.cap.len(), config.balance.strength), (1, 0, 0.0));
        assert!(config.semantic_id.is_none() && shrunk.case.catalog.columns().len() == 1);
        assert!(shrunk.n_runs <= 500);
    }
}

/// What holds departs nowhere; that the walk compares all stages is shown by the plants above and in tests/stages.rs.
#[test]
fn a_right_engine_departs_nowhere() {
    let case = case();
    let problem = Problem::new(&case.config, &case.catalog).unwrap();
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(CpuSubject::default())];
    if let Some(device) = gpu::device() {
        subjects.push(Box::new(GpuSubject::new(device, GpuOptions::default())));
    }
    for subject in subjects {
        let mut engine = subject.bind(&problem).unwrap();
        for slate in &case.slates {
            let slate = PreparedSlate::new(&problem, slate).unwrap();
            assert_eq!(engine.departure(&slate).unwrap(), None, "{}", subject.name());
        }
    }
}

#[test]
fn shrinking_stops_when_its_runs_are_spent() {
    let report = report(&NO_SPACING);
    let case = report.failures[0].case.as_ref().unwrap();
    let shrunk = shrink(&NO_SPACING, case, 5).unwrap();
    assert_eq!(shrunk.n_runs, 5);
    assert!(shrink(&CpuSubject::default(), case, 500).is_none(), "a case that holds has nothing to shrink");
}

/// Saved, read again, the failure is there on the engine that has it and on no other.
#[test]
fn saved_failures_fail_again_and_hold_on_a_right_engine() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = report(&NO_SPACING);
    report.save_failures(&NO_SPACING, folder.path(), 500).unwrap();
    let saved: Vec<&Path> = report.failures.iter().map(|failure| failure.saved.as_deref().unwrap()).collect();
    assert_eq!(saved.len(), report.failed_slates);
    let cases: Vec<Case> = saved.iter().map(|path| Case::load(path).unwrap()).collect();
    let verdict = |subject: &dyn Subject| {
        let mut harness = Harness::new(subject);
        harness.check_cases(&cases).unwrap();
        harness.into_report().failed_slates
    };
    assert_eq!(verdict(&NO_SPACING), cases.len());
    assert_eq!(verdict(&CpuSubject::default()), 0);
}

#[test]
fn an_engine_that_fails_or_returns_too_few_slates_does_not_pass() {
    struct Lazy(Option<usize>);
    struct BoundLazy<'p>(Option<usize>, CpuEngine<'p, f64>);
    impl Subject for Lazy {
        fn name(&self) -> String {
            "lazy".to_owned()
        }
        fn bind<'p>(&self, problem: &'p Problem<'p>) -> Result<Box<dyn Bound + 'p>, SubjectError> {
            Ok(Box::new(BoundLazy(self.0, CpuEngine::new(problem))))
        }
    }
    impl Bound for BoundLazy<'_> {
        fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, SubjectError> {
            let n = self.0.ok_or_else(|| SubjectError::Failed("tired".to_owned()))?;
            Ok(self.1.rerank(&slates[..n.min(slates.len())]))
        }
    }
    for (n, failed) in [(None, 4), (Some(3), 4), (Some(4), 0)] {
        assert_eq!(report(&Lazy(n)).failed_slates, failed, "{n:?}");
    }
    // Nothing judged is no yes.
    let unsupported = Harness::new(&Lazy(Some(4))).into_report();
    assert!(!unsupported.holds());
    let mut invariance = Invariance::new(&Lazy(Some(3)));
    invariance.add_case(&Lazy(Some(3)), &case(), 1).unwrap();
    assert!(!invariance.holds(), "{invariance}");
}

/// An engine whose answer depends on what it was asked before.
#[test]
fn an_engine_that_remembers_is_not_invariant() {
    struct Drifting;
    struct BoundDrifting<'p>(CpuEngine<'p, f64>, f64);
    impl Subject for Drifting {
        fn name(&self) -> String {
            "drifting".to_owned()
        }
        fn bind<'p>(&self, problem: &'p Problem<'p>) -> Result<Box<dyn Bound + 'p>, SubjectError> {
            Ok(Box::new(BoundDrifting(CpuEngine::new(problem), 0.0)))
        }
    }
    impl Bound for BoundDrifting<'_> {
        fn rerank(&mut self, slates: &[PreparedSlate]) -> Result<Vec<RankedSlate>, SubjectError> {
            self.1 += f64::EPSILON;
            let mut ranked = self.0.rerank(slates);
            ranked[0].placements[0].balance += self.1;
            Ok(ranked)
        }
    }
    assert!(report(&Drifting).holds(), "within the bound");
    let mut invariance = Invariance::new(&Drifting);
    invariance.add_case(&Drifting, &case(), 1).unwrap();
    let differing: Vec<_> = invariance.variations.iter().filter(|v| v.differing > 0).map(|v| &v.name[..]).collect();
    assert_eq!(differing, ["repeated", "one at a time", "in another order"]);
}
