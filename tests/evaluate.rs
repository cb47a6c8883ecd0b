//! All metrics of a slate at once, worked out by hand; and the same measure for every configuration.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::collections::BTreeMap;

use approx::assert_relative_eq;
use spectrank::catalog::{Catalog, Column, ColumnData, Embedding, EmbeddingData, Value};
use spectrank::compare::{self, Contender};
use spectrank::config::Config;
use spectrank::cpu::CpuEngine;
use spectrank::evaluate::{Bootstrap, EvaluateError, Measure, MeasureRequest};
use spectrank::slate::{Placement, RankedSlate, Slate};

const CONFIG: &str = "
slate_size = 3
signal = [{ name = \"text\" }]
spacing = [{ name = \"near\", column = \"class\", values = [1], strength = 0.0, window = 1,
             when = { surface = \"home\" } }]
[semantic_id]
column = \"sid\"
strength = 0.0
window = 4
";

/// Items 0 and 1 are copies, 2 is at 60° to them, 3 is at right angles to 0, 4 is a zero row.
fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    let rows = vec![2.0, 0.0, 1.0, 0.0, 0.5, 0.75_f64.sqrt(), 0.0, 3.0, 0.0, 0.0];
    catalog.add_signal(Embedding::new("text", 2, EmbeddingData::F64(rows.into()))).unwrap();
    let mut add = |name: &str, data| catalog.add_column(Column { name: name.to_owned(), data }).unwrap();
    add("class", ColumnData::Int(vec![Some(1), Some(1), Some(0), Some(1), None]));
    let text = |x: &str| Some(x.to_owned());
    add("category", ColumnData::Text(vec![text("a"), text("a"), text("b"), text("c"), None]));
    add("sid", ColumnData::Codes { width: 2, codes: vec![1, 1, 1, 2, 1, 1, 2, 0, 2, 0] });
    catalog
}

fn slate(surface: &str) -> Slate {
    Slate {
        id: surface.to_owned(),
        candidates: vec![4, 3, 2, 1, 0],
        scores: vec![1.0, 2.0, 3.0, 4.0, 5.0],
        attributes: BTreeMap::from([("surface".to_owned(), Value::Text(surface.to_owned()))]),
        ..Slate::default()
    }
}

fn ranked(candidates: &[u32]) -> RankedSlate {
    let place = |&candidate: &u32| Placement { candidate, item: 4 - candidate, ..Placement::default() };
    RankedSlate { placements: candidates.iter().map(place).collect(), ..RankedSlate::default() }
}

/// Values of a ranking by key.
fn judged(slate: &Slate, ranking: &RankedSlate) -> BTreeMap<String, f64> {
    let (catalog, config) = (catalog(), Config::from_toml(CONFIG).unwrap());
    let request = MeasureRequest { at: vec![2], category: Some("category".to_owned()), ..MeasureRequest::by(&config) };
    let measuring = request.config(&catalog);
    let measure = Measure::new(&measuring, &request, &catalog).unwrap();
    let values = measure.judge(&measure.refer(slate).unwrap(), ranking).unwrap();
    measure.metrics().iter().map(|metric| metric.key.clone()).zip(values).collect()
}

#[test]
fn every_metric_of_a_slate_is_what_it_is_by_hand() {
    // Items 0, 3, 1 with scores 5, 2, 4: candidates 4, 1, 3.
    let found = judged(&slate("home"), &ranked(&[4, 1, 3]));
    // Unit length is a factor in single precision.
    const SINGLE: f64 = 1e-6;
    let says = |key: &str, wanted: f64| {
        let value = found.get(key).unwrap_or_else(|| panic!("no {key} among {found:?}"));
        assert_relative_eq!(*value, wanted, epsilon = SINGLE);
    };
    // 5 + 2 + 4 of 5 + 4 + 3.
    says("relevance_kept", 11.0 / 12.0);
    // (5 + 2/log2 3) / (5 + 4/log2 3).
    says("ndcg@2", (5.0 + 2.0 / 3_f64.log2()) / (5.0 + 4.0 / 3_f64.log2()));
    // S_01 = 0, S_02 = 1, S_12 = 0 by position.
    says("ilad", 2.0 / 3.0);
    says("ilmd", 0.0);
    // Position 1: 1. Position 2: (1 + 0) / 2.
    says("ild@2", 0.75);
    // Position 1: 0. Position 2: 1.
    says("largest_similarity@2", 0.5);
    // Eigenvalues of S/3: 2/3, 1/3, 0.
    says("vendi", (2.0 / 3.0 * 1.5_f64.ln() + 1.0 / 3.0 * 3_f64.ln()).exp());
    // Categories a, c, a; the candidates have a, b, c.
    says("category_entropy", 2.0 / 3.0 * 1.5_f64.ln() + 1.0 / 3.0 * 3_f64.ln());
    says("category_coverage", 2.0 / 3.0);
    // Counts 0, 1, 2: (−2·0 + 0·1 + 2·2) / (3·3).
    says("category_gini", 4.0 / 9.0);
    // Gains 5, 2; the best are 5 and 3 (a second a would gain 2).
    says("alpha_ndcg@2", (5.0 + 2.0 / 3_f64.log2()) / (5.0 + 3.0 / 3_f64.log2()));
    // All three are members; within one position there are two pairs. Kernel 1/d over one position: the same.
    says("spacing_violations@1:near", 2.0);
    says("spacing_load:near", 2.0);
    // Codes (1,1), (2,·), (1,2). Position 1: 0. Position 2: one of two agrees in one code, none in two.
    says("prefix_overlap@2:1", 0.25);
    says("prefix_overlap@2:2", 0.0);
    // Ranks 0, 3, 1.
    says("displacement", (2.0 + 1.0) / 3.0);
    says("overlap", 2.0 / 3.0);
    assert_eq!(found.len(), 17);
}

#[test]
fn slates_of_one_item_or_none_have_the_figures_that_make_sense() {
    let one = judged(&slate("home"), &ranked(&[4]));
    for key in ["ilad", "ilmd", "ild@2", "largest_similarity@2", "prefix_overlap@2:1"] {
        assert!(one[key].is_nan(), "{key}");
    }
    for (key, wanted) in [("relevance_kept", 1.0), ("vendi", 1.0), ("category_entropy", 0.0), ("overlap", 1.0)] {
        assert_relative_eq!(one[key], wanted, epsilon = 1e-6);
    }
    let none = judged(&slate("home"), &ranked(&[]));
    assert!(
        none.iter().all(|(key, x)| x.is_nan() || key.starts_with("spacing") || key == "category_coverage"),
        "{none:?}"
    );
}

#[test]
fn a_zero_row_is_unlike_everything_and_a_rule_that_does_not_apply_has_no_value() {
    // The zero row and item 0.
    let found = judged(&slate("search"), &ranked(&[0, 4]));
    assert_relative_eq!(found["ild@2"], 1.0);
    assert_relative_eq!(found["vendi"], 1.0, epsilon = 1e-6);
    assert!(found["spacing_load:near"].is_nan() && found["spacing_violations@1:near"].is_nan());
}

#[test]
fn impossible_rankings_are_refused() {
    let (catalog, config) = (catalog(), Config::from_toml(CONFIG).unwrap());
    let request = MeasureRequest::by(&config);
    let measuring = request.config(&catalog);
    let measure = Measure::new(&measuring, &request, &catalog).unwrap();
    let reference = measure.refer(&slate("home")).unwrap();
    assert_eq!(measure.judge(&reference, &ranked(&[1, 1])), Err("an item at two positions"));
    assert_eq!(
        measure.judge(
            &reference,
            &RankedSlate {
                placements: vec![Placement { candidate: 5, ..Placement::default() }],
                ..RankedSlate::default()
            }
        ),
        Err("an item that is no candidate")
    );
    let wrong = measure.judge_all(&[reference.clone(), reference], &[ranked(&[0])]);
    assert_eq!(wrong, Err((1, "not one result per slate")));
}

#[test]
fn everyone_is_judged_by_the_first_ones_scores_and_signals() {
    let catalog = catalog();
    let config = |text: &str| Config::from_toml(text).unwrap();
    let contenders = [
        Contender::new("plain", config("strategy = \"relevance\"\nslate_size = 3")),
        // Scores turned upside down: in its own eyes this one keeps everything.
        Contender::new(
            "reversed",
            config(
                "strategy = \"relevance\"\nslate_size = 3\nrelevance.adjust = [{ column = \"down\", weight = 1.0 }]",
            ),
        ),
    ];
    let mut catalog = catalog;
    let down = ColumnData::Float([-10.0, -8.0, -6.0, -4.0, -2.0].map(Some).to_vec());
    catalog.add_column(Column { name: "down".to_owned(), data: down }).unwrap();
    let request = MeasureRequest::by(&contenders[0].config);
    let measuring = request.config(&catalog);
    let measure = Measure::new(&measuring, &request, &catalog).unwrap();
    let problems = compare::bind::<std::convert::Infallible>(&contenders, &measure).unwrap();
    let mut batches = vec![vec![slate("home"), slate("search")]];
    let comparison = compare::run(
        &contenders,
        &problems,
        &measure,
        &Bootstrap::default(),
        || Ok::<_, std::convert::Infallible>(batches.pop()),
        |run, slates| Ok(CpuEngine::<f64>::new(&problems[run]).rerank(slates)),
    )
    .unwrap();
    let kept = |run: usize| &comparison.runs[run].figures[0];
    assert_eq!((comparison.n_slates, kept(0).mean, kept(0).difference), (2, Some(1.0), None));
    // Scores 1, 2, 3 of 5, 4, 3.
    assert_relative_eq!(kept(1).mean.unwrap(), 0.5);
    let difference = kept(1).difference.unwrap();
    assert_relative_eq!(difference.mean, -0.5);
    assert_eq!(difference.n_slates, 2);
    let text = comparison.to_string();
    assert!(text.contains("relevance kept ↑") && text.contains("-0.5000 [-0.5000, -0.5000]"), "{text}");
}

#[test]
fn nothing_to_compare_is_an_error() {
    let catalog = catalog();
    let contenders = [Contender::new("only", Config::default())];
    let request = MeasureRequest::by(&contenders[0].config);
    let measuring = request.config(&catalog);
    let measure = Measure::new(&measuring, &request, &catalog).unwrap();
    let problems = compare::bind::<()>(&contenders, &measure).unwrap();
    let found =
        compare::run(&contenders, &problems, &measure, &Bootstrap::default(), || Ok::<_, ()>(None), |_, _| Ok(vec![]));
    assert!(matches!(found, Err(EvaluateError::NoSlates(_))));
}

#[test]
fn a_catalog_without_embeddings_has_no_distances() {
    let mut catalog = Catalog::new();
    let data = ColumnData::Int(vec![Some(1), Some(2)]);
    catalog.add_column(Column { name: "class".to_owned(), data }).unwrap();
    let request = MeasureRequest::by(&Config::from_toml("strategy = \"relevance\"").unwrap());
    let measuring = request.config(&catalog);
    let measure = Measure::new(&measuring, &request, &catalog).unwrap();
    let keys: Vec<&str> = measure.metrics().iter().map(|metric| metric.key.as_str()).collect();
    assert_eq!(keys, ["relevance_kept", "ndcg@10", "displacement", "overlap"]);
}

/// An ideal slate has none of the items that the measure's filters take out; a run without filters is judged all the same.
#[test]
fn ideals_are_made_of_what_filters_let_pass() {
    let catalog = catalog();
    let config = Config::from_toml(&format!("{CONFIG}\n[[filter.drop]]\ncolumn = \"class\"\nvalues = [0]")).unwrap();
    let request = MeasureRequest { at: vec![2], category: Some("category".to_owned()), ..MeasureRequest::by(&config) };
    let measuring = request.config(&catalog);
    let measure = Measure::new(&measuring, &request, &catalog).unwrap();
    // Items 4, 3, 2, 1, 0 score 1 to 5; item 2, candidate 2, is taken out: the best three are 5 + 4 + 2.
    let reference = measure.refer(&slate("home")).unwrap();
    let kept = |candidates: &[u32]| {
        let values = measure.judge(&reference, &ranked(candidates)).unwrap();
        [values[measure.index_of("relevance_kept").unwrap()], values[measure.index_of("displacement").unwrap()]]
    };
    assert_eq!(kept(&[4, 3, 1]), [1.0, 0.0]);
    // Who shows what the measure takes out gains nothing by it.
    assert_eq!(kept(&[4, 3, 2])[0], 9.0 / 11.0);
}
