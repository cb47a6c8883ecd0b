//! Examples about similarity, scores and who competes.

use approx::assert_relative_eq;
use spectrank::config::{Config, Relevance, Scope, Signal, Window};
use spectrank::metrics::{Similarities, distance_to_before, mean_distance};
use spectrank::problem::Problem;
use spectrank::slate::{RankedSlate, Slate};

use crate::data::{CATALOG, example, items, number, rank, slates};

/// Mean over pages of a distance between items, by the similarity of a configuration.
fn mean_over(config: &Config, ranked: &[RankedSlate], distance: impl Fn(usize, &Similarities) -> Option<f64>) -> f64 {
    let problem = Problem::new(config, &CATALOG).unwrap();
    let of = |ranked: &RankedSlate| {
        let rows = items(ranked);
        distance(rows.len(), &Similarities::new(&problem, &rows)).unwrap()
    };
    ranked.iter().map(of).sum::<f64>() / ranked.len() as f64
}

pub fn both_similarities_count() {
    let config = example("blend");
    let slates = slates("blend", &config);
    let alone = |signal: &Signal| Config { signals: vec![signal.clone()], ..config.clone() };
    let [text, graph] = &config.signals[..] else { panic!("two signals") };
    let (text, graph) = (alone(text), alone(graph));
    let blended = rank(&config, &slates);
    let near = |by: &Config, ranked: &[RankedSlate]| {
        mean_over(by, ranked, |n, similarity| distance_to_before(n, 10, |i, j| similarity.between(i, j)))
    };
    // Beside the one alone, the blend gains in what that one does not see.
    let gain = |by: &Config, alone: &Config| near(by, &blended) - near(by, &rank(alone, &slates));
    let gains = [gain(&graph, &text), gain(&text, &graph)];
    assert!(gains.iter().all(|&gain| gain > 0.01), "{gains:?}");
}

pub fn the_page_as_a_whole_is_varied() {
    let config = example("balance");
    let slates = slates("balance", &config);
    let with = rank(&config, &slates);
    let mut unbalanced = config.clone();
    unbalanced.balance.strength = 0.0;
    let without = rank(&unbalanced, &slates);
    let page = |ranked: &[RankedSlate]| {
        mean_over(&config, ranked, |n, similarity| mean_distance(n, |i, j| similarity.between(i, j)))
    };
    assert!(page(&with) > page(&without) + 0.01, "{} → {}", page(&without), page(&with));
    assert!(with.iter().all(|ranked| ranked.placements[1].balance > 0.0));
}

pub fn adjusted_items_come_up() {
    let config = example("fresh");
    let slates = slates("fresh", &config);
    let with = rank(&config, &slates);
    let without = rank(&Config { relevance: Relevance::default(), ..config }, &slates);
    let popularity = |ranked: &RankedSlate| items(ranked).iter().map(|&row| number("popularity", row)).sum::<f64>();
    for (with, without) in with.iter().zip(&without) {
        assert!(popularity(with) >= popularity(without));
    }
    let all = |ranked: &[RankedSlate]| ranked.iter().map(popularity).sum::<f64>();
    assert!(all(&with) > 1.5 * all(&without), "{} → {}", all(&without), all(&with));
    for (slate, ranked) in slates.iter().zip(&with) {
        for placed in &ranked.placements {
            let score = slate.scores[placed.candidate as usize];
            assert_relative_eq!(placed.base, score + 0.0005 * number("popularity", placed.item), epsilon = 1e-9);
        }
    }
}

pub fn the_scale_of_scores_does_not_matter() {
    let config = example("scale");
    let slates = slates("scale", &config);
    let rescaled: Vec<Slate> = slates
        .iter()
        .map(|slate| Slate { scores: slate.scores.iter().map(|x| 1000.0 * x - 300.0).collect(), ..slate.clone() })
        .collect();
    let all = |config: &Config, slates: &[Slate]| rank(config, slates).iter().map(items).collect::<Vec<_>>();
    assert_eq!(all(&config, &slates), all(&config, &rescaled));
    // Without the transform 0.3 is nothing against scores in the hundreds: the page is plain relevance order.
    let plain = Config { relevance: Relevance::default(), ..config.clone() };
    assert_ne!(all(&plain, &slates), all(&plain, &rescaled));
    let mut flat = plain.clone();
    flat.spectral.strength = 0.0;
    assert_eq!(all(&plain, &rescaled), all(&flat, &rescaled));
    assert_ne!(all(&config, &rescaled), all(&flat, &rescaled));
}

pub fn only_the_next_in_line_compete() {
    let config = example("ahead");
    let slates = slates("ahead", &config);
    let ahead = config.window.ahead;
    // The demo's slates list their candidates best first: a candidate's index is its rank.
    let farthest = |config: &Config| {
        let placed = rank(config, &slates).into_iter().flat_map(|ranked| ranked.placements.into_iter().enumerate());
        placed.map(|(t, placement)| (placement.candidate as usize).saturating_sub(t)).max().unwrap()
    };
    assert!(slates.iter().all(|slate| slate.scores.is_sorted_by(|a, b| a >= b)));
    assert!(farthest(&config) < ahead, "{}", farthest(&config));
    let everyone = Config { window: Window { scope: Scope::Pool, ..config.window.clone() }, ..config.clone() };
    assert!(farthest(&everyone) > ahead, "{}", farthest(&everyone));
    // Candidates ahead count for the themes even where everyone competes.
    assert_ne!(rank(&everyone, &slates), rank(&Config { window: Window::default(), ..config }, &slates));
}
