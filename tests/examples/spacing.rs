//! Examples that keep items apart.

use approx::assert_relative_eq;
use spectrank::config::Config;

use crate::data::{
    all_sensitive_pairs, codes_shared, example, is_sensitive, items, most_of_a_value, number, rank, sensitive_pairs,
    slates,
};

pub fn sensitive_items_keep_apart() {
    let config = example("spacing");
    let slates = slates("spacing", &config);
    let with = rank(&config, &slates);
    let without = rank(&Config { spacing: Vec::new(), ..config }, &slates);
    for (with, without) in with.iter().zip(&without) {
        assert!(sensitive_pairs(&items(with), 6) <= sensitive_pairs(&items(without), 6));
    }
    assert!(all_sensitive_pairs(&without, 6) >= 8, "{}", all_sensitive_pairs(&without, 6));
    assert_eq!(all_sensitive_pairs(&with, 6), 0);
}

pub fn unsure_items_are_held_back_less() {
    let config = example("confidence");
    let slates = slates("confidence", &config);
    let with = rank(&config, &slates);
    // What the guide says a penalty is, item by item.
    let mut n_penalties = 0;
    for ranked in &with {
        let rows = items(ranked);
        let member = |row: u32| f64::from(u8::from(is_sensitive(row))) * number("quality_confidence", row);
        for (t, placement) in ranked.placements.iter().enumerate() {
            let load: f64 = (1..=t.min(6)).map(|d| member(rows[t - d]) / d as f64).sum();
            assert_relative_eq!(placement.spacing, 0.3 * member(rows[t]) * load, epsilon = 1e-6);
            n_penalties += usize::from(placement.spacing > 0.0);
        }
    }
    assert!(n_penalties > 0);
    let sure = rank(&example("spacing"), &slates);
    let without = rank(&Config { spacing: Vec::new(), ..config }, &slates);
    let pairs = [&sure, &with, &without].map(|ranked| all_sensitive_pairs(ranked, 6));
    assert!(pairs.is_sorted_by(|a, b| a < b), "{pairs:?}");
}

pub fn each_surface_has_its_rule() {
    let config = example("surfaces");
    let slates = slates("surfaces", &config);
    assert_eq!(slates[0].candidates, slates[1].candidates);
    let with = rank(&config, &slates);
    let without = rank(&Config { spacing: Vec::new(), ..config.clone() }, &slates);
    assert_eq!(without[0], without[1], "nothing but the rules tells the surfaces apart");
    let first_pair = |rows: &[u32]| (1..12).find(|&window| sensitive_pairs(rows, window) > 0);
    let [home, search, none] = [&with[0], &with[1], &without[0]].map(|ranked| first_pair(&items(ranked)));
    assert_eq!(home, None, "strict: none within the window of 10");
    assert!(search > none && none.is_some(), "mild: farther apart, {none:?} → {search:?}");
    let mut elsewhere = slates[..1].to_vec();
    elsewhere[0].attributes.clear();
    assert_eq!(rank(&config, &elsewhere), without[..1], "no rule applies where the surface is not named");
}

pub fn shared_prefixes_keep_apart() {
    let config = example("semantic_id");
    let slates = slates("semantic_id", &config);
    let with = rank(&config, &slates);
    let without = rank(&Config { semantic_id: None, ..config }, &slates);
    let shared = |ranked: &[_]| ranked.iter().map(|ranked| codes_shared(&items(ranked))).sum::<usize>();
    let (with, without) = (shared(&with), shared(&without));
    assert!(with * 5 < without * 4, "{without} → {with}");
}

pub fn no_value_twice_in_five() {
    let config = example("cap");
    let slates = slates("cap", &config);
    let with = rank(&config, &slates);
    let without = rank(&Config { cap: Vec::new(), ..config }, &slates);
    for (with, without) in with.iter().zip(&without) {
        assert_eq!(most_of_a_value(&items(with), "category", 5), 1);
        assert!(most_of_a_value(&items(without), "category", 5) > 1);
        assert_eq!(with.placements.len(), 12, "a cap leaves no position empty");
    }
}

pub fn caps_hold_and_spacing_gives_way() {
    let config = example("hard_and_soft");
    let slates = slates("hard_and_soft", &config);
    let with = rank(&config, &slates);
    for ranked in &with {
        assert!(most_of_a_value(&items(ranked), "category", 5) <= 2);
    }
    let uncapped = rank(&Config { cap: Vec::new(), ..config.clone() }, &slates);
    assert!(uncapped.iter().all(|ranked| most_of_a_value(&items(ranked), "category", 5) > 2));
    let unspaced = rank(&Config { spacing: Vec::new(), ..config }, &slates);
    let [with, unspaced] = [&with, &unspaced].map(|ranked| all_sensitive_pairs(ranked, 6));
    assert!(0 < with && with < unspaced, "{unspaced} → {with}");
}

pub fn the_next_page_goes_on() {
    let config = example("recent");
    let slates = slates("recent", &config);
    let [first, next] = &slates[..] else { panic!("two slates") };
    assert_eq!(first.candidates, next.candidates);
    let page = |config: &Config| items(&rank(config, std::slice::from_ref(next))[0]);
    let is_shown = |row: &u32| next.recent.contains(row);
    assert!(!page(&config).iter().any(is_shown));
    let mut repeats = config.clone();
    repeats.filter.recent = false;
    assert!(page(&repeats).iter().any(is_shown));
    // The rule looks back over the edge of the page.
    let over_the_edge = |page: Vec<u32>| sensitive_pairs(&[next.recent.clone(), page].concat(), 6);
    let unspaced = over_the_edge(page(&Config { spacing: Vec::new(), ..config.clone() }));
    assert!(is_sensitive(*next.recent.last().unwrap()));
    assert!(over_the_edge(page(&config)) < unspaced, "{unspaced} without the rule");
    // So does variety.
    let opening = &rank(&config, std::slice::from_ref(next))[0].placements[0];
    assert!(opening.diversity < 0.0);
    assert_eq!(rank(&config, std::slice::from_ref(first))[0].placements[0].diversity, 0.0);
}
