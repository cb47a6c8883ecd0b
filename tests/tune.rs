//! Sweeps over made-up slates: what is run, what is chosen, and that the choice is what it says.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::cell::RefCell;
use std::convert::Infallible;

use spectrank::catalog::{Catalog, Embedding, EmbeddingData};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::evaluate::{EvaluateError, Measure, MeasureRequest};
use spectrank::parity::random::Random;
use spectrank::slate::Slate;
use spectrank::tune::{self, TuneError, TuneRequest, TuneResult};

const BASE: &str = "slate_size = 8";

fn catalog() -> Catalog {
    let mut random = Random(5);
    let centres: Vec<Vec<f64>> = (0..6).map(|_| random.normals(8)).collect();
    let row = |i: usize, random: &mut Random| -> Vec<f64> {
        centres[i % 6].iter().zip(random.normals(8)).map(|(c, noise)| c + 0.4 * noise).collect()
    };
    let rows = (0..120).flat_map(|i| row(i, &mut random));
    let mut catalog = Catalog::new();
    catalog.add_signal(Embedding::new("text", 8, EmbeddingData::F64(rows.collect()))).unwrap();
    catalog
}

fn slates(n: usize) -> Vec<Slate> {
    let mut random = Random(6);
    let slate = |i: usize, random: &mut Random| {
        let candidates = random.distinct(40, 120);
        let scores = candidates.iter().map(|&c| random.unit() + if c % 6 == 0 { 0.5 } else { 0.0 }).collect();
        Slate { id: format!("s{i}"), candidates, scores, ..Slate::default() }
    };
    (0..n).map(|i| slate(i, &mut random)).collect()
}

/// Runs a sweep; gives also the number of slates of every run.
fn swept(
    vary: &[&str],
    sweeps: &[&str],
    request: &TuneRequest,
) -> Result<(TuneResult, Vec<usize>), TuneError<Infallible>> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let (catalog, base) = (catalog(), Config::from_toml(BASE).unwrap());
    let families = tune::families(&base, &owned(vary), &owned(sweeps)).unwrap();
    let settings = families.iter().enumerate().flat_map(|(i, family)| family.settings(i).unwrap()).collect();
    let measured = MeasureRequest::by(&base);
    let measuring = measured.config(&catalog);
    let measure = Measure::new(&measuring, &measured, &catalog).unwrap();
    let runs = RefCell::new(Vec::new());
    let result = tune::run(&families, settings, request, &measure, slates(30), |problem, slates| {
        runs.borrow_mut().push(slates.len());
        Ok(CpuEngine::<f64>::new(problem).rerank(slates))
    })?;
    Ok((result, runs.into_inner()))
}

const STRENGTH: &str = "spectral.strength=0.01..2:6:log";

#[test]
fn the_choice_is_the_most_diverse_point_that_keeps_enough() {
    let request = TuneRequest { keep: 0.95, ..TuneRequest::default() };
    let (result, runs) = swept(&[STRENGTH, "window.behind=3,6"], &[], &request).unwrap();
    let n_refined = result.points.iter().filter(|p| p.is_refined).count();
    assert_eq!((n_refined, result.points.len(), runs), (8, 20, vec![30; 20]), "one range, refined for both windows");
    let chosen = result.chosen(0).unwrap();
    let kept = |p: &tune::Point| p.relevance_kept.unwrap();
    let better = result.points.iter().find(|p| kept(p) >= 0.95 && p.diversity > chosen.diversity);
    assert!(kept(chosen) >= 0.95 && better.is_none(), "{chosen:?} or {better:?}");
    // The refinement came nearer than the grid did.
    let of_grid = result.points.iter().filter(|p| !p.is_refined && kept(p) >= 0.95);
    let of_grid = of_grid.map(|p| p.diversity.unwrap()).fold(0.0, f64::max);
    assert!(chosen.is_refined && chosen.diversity.unwrap() > of_grid);
    assert!(kept(chosen) < 0.96, "{}", kept(chosen));
    assert!(chosen.is_on_front);
    // Not from the grid's best alone: every window is followed to where it keeps about as much as is wanted.
    for behind in [3, 6] {
        let own =
            result.points.iter().filter(|p| p.is_refined && p.setting["window.behind"].as_integer() == Some(behind));
        assert!(own.clone().count() == 4 && own.clone().any(|p| (kept(p) - 0.95).abs() < 0.005), "window {behind}");
    }
    // The choice is a configuration that gives those figures again.
    let config = Config::from_toml(&result.configuration(0).unwrap()).unwrap();
    let again =
        [format!("spectral.strength={}", config.spectral.strength), format!("window.behind={}", config.window.behind)];
    let (again, _) = swept(&[&again[0], &again[1]], &[], &request).unwrap();
    assert_eq!(again.points[0].means, chosen.means);
}

#[test]
fn refinement_can_be_left_out_and_steps_of_counts_are_whole() {
    let request = TuneRequest { keep: 0.95, n_refine: 0, ..TuneRequest::default() };
    let (result, _) = swept(&[STRENGTH], &[], &request).unwrap();
    assert_eq!(result.points.len(), 6);
    let request = TuneRequest { keep: 0.95, n_refine: 10, ..TuneRequest::default() };
    let (result, _) = swept(&["spectral.strength=0.6", "window.behind=1..15:2"], &[], &request).unwrap();
    for point in &result.points {
        assert!(point.setting["window.behind"].is_integer(), "{}", point.label);
    }
    assert!(result.points.len() <= 2 + 4, "there are no more whole numbers to halve");
}

#[test]
fn relevance_falls_and_diversity_grows_with_strength() {
    let (result, _) = swept(&[STRENGTH], &[], &TuneRequest { n_refine: 0, ..TuneRequest::default() }).unwrap();
    for pair in result.points.windows(2) {
        assert!(pair[1].relevance_kept <= pair[0].relevance_kept, "{} {}", pair[0].label, pair[1].label);
        assert!(pair[1].diversity >= pair[0].diversity, "{} {}", pair[0].label, pair[1].label);
    }
}

#[test]
fn slates_held_out_are_not_tuned_on() {
    let request = TuneRequest { keep: 0.95, holdout: 0.3, n_refine: 0, ..TuneRequest::default() };
    let (result, runs) = swept(&[STRENGTH], &[], &request).unwrap();
    assert_eq!((result.n_slates, result.n_holdout_slates), (21, 9));
    assert_eq!(runs, [21, 21, 21, 21, 21, 21, 9]);
    let held_out = result.families[0].choice.as_ref().unwrap().holdout.as_ref().unwrap();
    assert_ne!(held_out[0], result.chosen(0).unwrap().relevance_kept, "other slates give other figures");
    let (again, _) = swept(&[STRENGTH], &[], &request).unwrap();
    assert_eq!(again, result, "the same seed draws the same slates");
    let (other, _) = swept(&[STRENGTH], &[], &TuneRequest { seed: 8, ..request }).unwrap();
    assert_ne!(other.points[0].means, result.points[0].means);
}

#[test]
fn every_family_has_its_choice_and_one_is_the_best() {
    let request = TuneRequest { keep: 0.95, ..TuneRequest::default() };
    let sweeps =
        ["plain: strategy=relevance", "spectral: spectral.strength=0.01..2:6:log", "strong: spectral.strength=9"];
    let (result, _) = swept(&[], &sweeps, &request).unwrap();
    assert_eq!(result.chosen(0).unwrap().relevance_kept, Some(1.0));
    assert_eq!(result.best, Some(1));
    assert!(result.families[2].choice.is_none() && result.families[2].most_kept.unwrap() < 0.95);
    let text = result.to_string();
    for part in ["spectral *", "strong: no setting keeps 95.00 %", "b spectral", "tuned on 30 slates"] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

#[test]
fn an_open_end_of_a_range_is_told() {
    let request = TuneRequest { keep: 0.5, ..TuneRequest::default() };
    let (result, _) = swept(&["spectral.strength=0.01..0.2:3"], &[], &request).unwrap();
    assert_eq!(result.families[0].choice.as_ref().unwrap().ends_range_of, ["spectral.strength"]);
    assert!(result.to_string().contains("the range of spectral.strength ends here"));
}

#[test]
fn less_is_better_where_the_metric_says_so() {
    let request = TuneRequest { metric: "largest_similarity@10".to_owned(), keep: 0.95, ..TuneRequest::default() };
    let (result, _) = swept(&[STRENGTH], &[], &request).unwrap();
    let chosen = result.chosen(0).unwrap();
    let kept = result.points.iter().filter(|p| p.relevance_kept.unwrap() >= 0.95);
    let least = kept.map(|p| p.diversity.unwrap()).fold(f64::INFINITY, f64::min);
    assert_eq!(chosen.diversity, Some(least));
}

#[test]
fn what_cannot_be_run_says_why() {
    let failed = |request: TuneRequest| swept(&[STRENGTH], &[], &request).unwrap_err();
    for metric in ["colour", "overlap", "relevance_kept", "ild@7"] {
        let line = failed(TuneRequest { metric: metric.to_owned(), ..TuneRequest::default() }).to_string();
        assert!(
            line.contains(&format!("--metric \"{metric}\"")) && line.contains("ild@10, largest_similarity@10"),
            "{line}"
        );
    }
    let line = failed(TuneRequest { holdout: 1.0, ..TuneRequest::default() }).to_string();
    assert!(line.contains("--holdout 1: of 30 slates none is left"), "{line}");
}

#[test]
fn an_engine_that_returns_nonsense_is_named() {
    let (catalog, base) = (catalog(), Config::from_toml(BASE).unwrap());
    let families = tune::families(&base, &["spectral.strength=0.5".to_owned()], &[]).unwrap();
    let measured = MeasureRequest::by(&base);
    let measuring = measured.config(&catalog);
    let measure = Measure::new(&measuring, &measured, &catalog).unwrap();
    let settings = families[0].settings(0).unwrap();
    let found = tune::run(&families, settings, &TuneRequest::default(), &measure, slates(3), |problem, slates| {
        let mut ranked = CpuEngine::<f64>::new(problem).rerank(slates);
        ranked[1].placements[0] = ranked[1].placements[1];
        Ok::<_, Infallible>(ranked)
    });
    let line = found.unwrap_err().to_string();
    assert!(line.contains("slate s1 (spectral.strength=0.5): an item at two positions"), "{line}");
    let settings = families[0].settings(0).unwrap();
    let none =
        tune::run(&families, settings, &TuneRequest::default(), &measure, vec![], |_, _| Ok::<_, Infallible>(vec![]));
    assert!(matches!(none, Err(TuneError::Evaluate(EvaluateError::NoSlates(_)))));
}
