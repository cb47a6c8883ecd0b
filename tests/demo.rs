//! The demo shows what it promises, on the data that ships with the crate.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

use std::convert::Infallible;

use spectrank::config::{Config, Window};
use spectrank::cpu::CpuEngine;
use spectrank::demo::{self, Change, DemoError, DemoReport, Entry, RulesEntry, Style};
use spectrank::prepare::PreparedSlate;
use spectrank::real::Real;
use spectrank::slate::{Placement, RankedSlate};
use unicode_width::UnicodeWidthStr;

fn report<R: Real>() -> DemoReport {
    demo::run(|problem, slates| Ok::<_, Infallible>(CpuEngine::<R>::new(problem).rerank(slates))).unwrap()
}

/// The order by relevance, as an engine that does nothing would return it.
fn by_relevance(slates: &[PreparedSlate], slate_size: usize) -> Vec<RankedSlate> {
    let place = |&candidate: &u32| Placement { candidate, ..Placement::default() };
    let ranked = |slate: &PreparedSlate| RankedSlate {
        placements: slate.candidate.iter().take(slate_size).map(place).collect(),
        ..RankedSlate::default()
    };
    slates.iter().map(ranked).collect()
}

fn titles(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.title.as_str()).collect()
}

#[test]
fn every_slate_keeps_its_relevance_and_gains_variety() {
    let report = report::<f32>();
    assert!((8..=12).contains(&report.slates.len()), "{} slates", report.slates.len());
    for slate in &report.slates {
        let query = &slate.query;
        assert!((0.9..=1.0).contains(&slate.relevance_kept), "{query}: kept {}", slate.relevance_kept);
        assert!(slate.distance.after > slate.distance.before, "{query}: {:?}", slate.distance);
        assert!(slate.sensitive_pairs.after <= slate.sensitive_pairs.before, "{query}: {:?}", slate.sensitive_pairs);
        assert_eq!(slate.entries.before.len(), 12, "{query}");
        assert_eq!(slate.entries.after.len(), 12, "{query}");
        assert_ne!(titles(&slate.entries.before), titles(&slate.entries.after), "{query}");
    }
}

#[test]
fn the_slates_together_tell_the_story() {
    let report = report::<f32>();
    let n = report.slates.len() as f64;
    let kept = report.slates.iter().map(|s| s.relevance_kept).sum::<f64>() / n;
    let gain = report.slates.iter().map(|s| s.distance.after - s.distance.before).sum::<f64>() / n;
    assert!(kept > 0.97, "kept {kept}");
    assert!(gain > 0.05, "gain {gain}");
    let has_sensitive_top = |s: &&demo::SlateReport| s.sensitive_pairs.before >= 3;
    assert!(report.slates.iter().filter(has_sensitive_top).count() >= 2);
    let before: usize = report.slates.iter().map(|s| s.sensitive_pairs.before).sum();
    let after: usize = report.slates.iter().map(|s| s.sensitive_pairs.after).sum();
    assert!(after * 4 <= before, "sensitive pairs {before} → {after}");
}

#[test]
fn the_report_does_not_depend_on_the_precision_or_the_run() {
    let report = report::<f32>();
    assert_eq!(report, self::report::<f32>());
    let reference = self::report::<f64>();
    for (slate, reference) in report.slates.iter().zip(&reference.slates) {
        assert_eq!(titles(&slate.entries.after), titles(&reference.entries.after), "{}", slate.query);
    }
}

#[test]
fn the_text_shows_titles_moves_and_figures() {
    let report = report::<f32>();
    let text = demo::render(&report, Style::Plain);
    for slate in report.slates.iter().take(3) {
        assert!(text.contains(&format!("“{}”", slate.query)), "{}", slate.query);
        for entry in slate.entries.before.iter().chain(&slate.entries.after) {
            assert!(text.contains(&entry.title), "{}", entry.title);
        }
        assert!(text.contains(&format!("relevance kept {:.1} %", slate.relevance_kept * 100.0)));
        assert!(text.contains(&format!("{:.2} → {:.2}", slate.distance.before, slate.distance.after)));
    }
    // The hen comes up from place 12 to place 5.
    let hen = text.lines().find(|line| line.starts_with(" 5 ")).unwrap();
    assert!(hen.contains("hen ") && hen.ends_with("↑7"), "{hen}");
    assert!(text.contains("* infectious disease"));
    assert!(text.contains("all 12 slates"));
    assert!(text.ends_with('\n'));
}

#[test]
fn the_text_fits_a_terminal() {
    let text = demo::render(&report::<f32>(), Style::Plain);
    for line in text.lines() {
        assert!(line.width() <= 100, "{} columns: {line}", line.width());
        assert_eq!(line, line.trim_end());
    }
    assert!(!text.contains('\x1b'));
}

#[test]
fn colour_changes_nothing_else() {
    let report = report::<f32>();
    let coloured = demo::render(&report, Style::Ansi);
    assert!(coloured.contains("\x1b[33m* infectious disease"));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((head, tail)) = rest.split_once('\x1b') {
        plain.push_str(head);
        rest = tail.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
    assert_eq!(trimmed.join("\n") + "\n", demo::render(&report, Style::Plain));
}

#[test]
fn an_engine_that_does_nothing_changes_nothing() {
    let report = demo::run(|_, slates| Ok::<_, Infallible>(by_relevance(slates, 12))).unwrap();
    for slate in &report.slates {
        assert!((slate.relevance_kept - 1.0).abs() < 1e-12, "{}", slate.query);
        assert_eq!(slate.entries.before, slate.entries.after);
        assert_eq!(slate.distance.before.to_bits(), slate.distance.after.to_bits());
    }
    let text = demo::render(&report, Style::Plain);
    let (slates, rules) = text.split_once("Rules on top of variety").unwrap();
    assert!(!slates.contains("↓") && rules.contains("↓"));
}

#[test]
fn rules_keep_apart_what_variety_left_together() {
    let rules = report::<f32>().rules;
    assert!(rules.sensitive_pairs.before >= 2, "{:?}", rules.sensitive_pairs);
    assert_eq!(rules.sensitive_pairs.after, 0);
    assert!(rules.codes_shared.after < 0.75 * rules.codes_shared.before, "{:?}", rules.codes_shared);
    assert!(rules.relevance_kept.after > 0.95 && rules.relevance_kept.after < rules.relevance_kept.before);
    let nearest = |entries: &[RulesEntry]| entries.iter().map(|entry| entry.n_shared).max();
    assert_eq!(nearest(&rules.entries.before), Some(4), "variety alone repeats a whole Semantic ID");
    assert!(nearest(&rules.entries.after) < Some(4));
}

#[test]
fn the_two_lists_of_rules_refer_to_each_other() {
    let Change { before, after } = report::<f32>().rules.entries;
    assert_eq!((before.len(), after.len()), (12, 12));
    for (position, entry) in after.iter().enumerate() {
        match entry.elsewhere {
            Some(there) => assert_eq!(
                (&before[there].title, &before[there].codes, before[there].elsewhere),
                (&entry.title, &entry.codes, Some(position))
            ),
            None => assert!(before.iter().all(|other| other.elsewhere != Some(position))),
        }
    }
    let came = after.iter().filter(|entry| entry.elsewhere.is_none()).count();
    let went = before.iter().filter(|entry| entry.elsewhere.is_none()).count();
    assert!(came > 0 && came == went, "{came} came, {went} went");
}

#[test]
fn the_text_says_what_rules_changed() {
    let report = report::<f32>();
    let text = demo::render(&report, Style::Plain);
    let (_, text) = text.split_once("Rules on top of variety").unwrap();
    let Change { before, after } = &report.rules.entries;
    for entry in before.iter().chain(after) {
        let codes: Vec<String> = entry.codes.iter().map(u32::to_string).collect();
        assert!(text.contains(&entry.title) && text.contains(&codes.join(".")), "{}", entry.title);
    }
    assert!(text.lines().any(|line| line.contains("* infectious disease") && line.ends_with("↑1")));
    assert!(text.lines().any(|line| line.contains("catching") && line.ends_with("new")));
    assert!(text.contains("close sensitive pairs 3 → 0"));
}

#[test]
fn the_rules_are_those_of_the_feed_and_one_more() {
    let feed = Config::from_toml(demo::CONFIG).unwrap();
    let rules = Config::from_toml(demo::RULES_CONFIG).unwrap();
    let sum: f64 = rules.semantic_id.iter().flat_map(|rule| &rule.level_weights).sum();
    assert!((sum - 1.0).abs() < 1e-12, "the comment says that the weights' sum is 1: {sum}");
    assert_eq!(Config { semantic_id: None, ..rules }, feed);
}

#[test]
fn the_engine_s_error_passes_through() {
    let error = demo::run(|_, _| Err::<Vec<RankedSlate>, _>("no GPU here")).unwrap_err();
    assert!(matches!(error, DemoError::Engine("no GPU here")));
    assert_eq!(error.to_string(), "no GPU here");
}

#[test]
fn impossible_results_are_errors() {
    type Damage = fn(&mut Vec<RankedSlate>);
    let cases: [(Damage, &str); 4] = [
        (|ranked| ranked.truncate(3), "3 results for 12 slates"),
        (|ranked| ranked[1].placements.truncate(5), "not one item per position"),
        (|ranked| ranked[1].placements[0].candidate = 4_000_000, "an item that is no candidate"),
        (|ranked| ranked[1].placements[1] = ranked[1].placements[0], "an item at two positions"),
    ];
    for (damage, wanted) in cases {
        let result = demo::run(|_, slates| {
            let mut ranked = by_relevance(slates, 12);
            damage(&mut ranked);
            Ok::<_, Infallible>(ranked)
        });
        let message = result.unwrap_err().to_string();
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn the_configuration_s_comments_are_true() {
    let config = Config::from_toml(demo::CONFIG).unwrap();
    assert_eq!(config.window, Window::default());
    assert_eq!(config.spectral, Config::default().spectral);
    assert_eq!(config.slate_size, 12);
}
