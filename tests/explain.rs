//! Explanations: small cases by hand, and every golden case held against the engine it explains.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]

mod common;

use approx::assert_relative_eq;
use common::golden;
use spectrank::catalog::{Catalog, Column, ColumnData, Embedding, EmbeddingData};
use spectrank::config::{Config, Strategy};
use spectrank::cpu::CpuEngine;
use spectrank::explain::{Contender, Explanation, Term, detail, explain, overview, report};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::{Pin, Placement, Slate};
use unicode_width::UnicodeWidthStr;

/// What the eigensolver and sums of a few terms leave of double precision.
const ROUNDING: f64 = 1e-12;

/// Rows as they are (`metric = "dot"`), one text column of values.
fn catalog(rows: &[[f64; 2]], column: &[&str]) -> Catalog {
    let mut catalog = Catalog::new();
    catalog.add_signal(Embedding::new("x", 2, EmbeddingData::F64(rows.concat().into()))).unwrap();
    let values = column.iter().map(|text| Some((*text).to_owned())).collect();
    catalog.add_column(Column { name: "kind".to_owned(), data: ColumnData::Text(values) }).unwrap();
    catalog
}

fn slate(scores: &[f64]) -> Slate {
    Slate {
        id: "s".to_owned(),
        candidates: (0..scores.len() as u32).collect(),
        scores: scores.to_vec(),
        ..Slate::default()
    }
}

fn explained(config: &str, catalog: &Catalog, slate: &Slate) -> Explanation {
    let config = Config::from_toml(config).unwrap();
    let problem = Problem::new(&config, catalog).unwrap();
    explain(&problem, slate, &PreparedSlate::new(&problem, slate).unwrap(), catalog.column("kind"))
}

fn rows<'a>(contenders: impl IntoIterator<Item = &'a Contender>) -> Vec<u32> {
    contenders.into_iter().map(|contender| contender.item.row).collect()
}

#[test]
fn a_copy_gives_way_and_the_spectrum_says_why() {
    let catalog = catalog(&[[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], &["a", "copy of a", "b", "c"]);
    let config = "slate_size = 2
        signal = [{ name = \"x\", metric = \"dot\" }]
        window = { behind = 1 }
        spectral = { strength = 0.5, spectra = 1, epsilon = 0.1 }";
    let found = explained(config, &catalog, &slate(&[1.0, 0.9, 0.8, 0.1]));
    assert_eq!((found.n_candidates, found.terms.as_slice()), (4, &[Term::Diversity][..]));

    let [first, second] = found.positions.as_slice() else { panic!("{} positions", found.positions.len()) };
    assert_eq!((first.chosen.item.row, rows(&first.runner_up), first.n_competing), (0, vec![1], 4));
    assert_relative_eq!(first.lead.unwrap(), 0.1, epsilon = ROUNDING);
    assert!(first.spectra.is_empty() && first.without.is_empty() && first.chosen.spectra.is_empty());

    // The window holds item 0 alone: λ = 1, E = 1, w = 1 / (0.1 + 1), and an item loses 0.5 · S² / 1.1.
    let taken = |similarity: f64| 0.5 * similarity * similarity / 1.1;
    let spectrum = &second.spectra[0];
    assert_eq!((second.spectra.len(), spectrum.items.len()), (1, 1));
    for (found, wanted) in [
        (spectrum.eigenvalue, 1.0),
        (spectrum.share, 1.0),
        (spectrum.exposure, 1.0),
        (spectrum.weight, 1.0 / 1.1),
        (spectrum.items[0].loading, 1.0),
        (second.chosen.spectra[0].loading, 0.6),
        (second.chosen.spectra[0].cost, taken(0.6)),
        (second.chosen.diversity, -taken(0.6)),
        (second.lead.unwrap(), (0.8 - taken(0.6)) - (0.9 - taken(1.0))),
    ] {
        assert_relative_eq!(found, wanted, epsilon = ROUNDING);
    }
    assert_eq!((second.chosen.item.row, second.chosen.rank, rows(&second.runner_up)), (2, 2, vec![1]));
    assert_eq!(spectrum.items[0].item.label.as_deref(), Some("a"));
    let [without] = second.without.as_slice() else { panic!("{:?}", second.without) };
    assert_eq!((without.term, without.winner.item.row), (Term::Diversity, 1));
    assert_relative_eq!(without.winner.spectra[0].cost, taken(1.0), epsilon = ROUNDING);

    assert_relative_eq!(found.relevance_kept.unwrap(), 1.8 / 1.9, epsilon = ROUNDING);
    assert_relative_eq!(found.before.mean_distance.unwrap(), 0.0, epsilon = ROUNDING);
    assert_relative_eq!(found.after.distance_to_before.unwrap(), 0.4, epsilon = ROUNDING);
    assert_relative_eq!(found.after.similarity[0][1], 0.6, epsilon = ROUNDING);
    let names = |listing: &spectrank::explain::Listing| listing.items.iter().map(|i| i.id.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&found.before), names(&found.after)),
        (vec!["0".into(), "1".into()], vec!["0".into(), "2".into()])
    );
}

#[test]
fn spacing_is_named_where_it_decides() {
    let catalog = catalog(&[[1.0, 0.0]; 3], &["hot", "hot", "cold"]);
    let config = "strategy = \"relevance\"
        slate_size = 3
        spacing = [{ name = \"s\", column = \"kind\", values = [\"hot\"], strength = 1.0, window = 1 }]";
    let found = explained(config, &catalog, &slate(&[3.0, 2.0, 1.5]));
    assert_eq!(rows(found.positions.iter().map(|at| &at.chosen)), [0, 2, 1]);
    let without: Vec<_> =
        found.positions.iter().map(|at| at.without.iter().map(|w| (w.term, w.winner.item.row))).collect();
    let without: Vec<Vec<_>> = without.into_iter().map(Iterator::collect).collect();
    assert_eq!(without, [vec![], vec![(Term::Spacing, 1)], vec![]]);
    assert_eq!(found.positions[1].without[0].winner.spacing, 1.0);
    assert_eq!(found.terms, [Term::Spacing]);
    assert!(found.after.similarity.is_empty() && found.positions.iter().all(|at| at.spectra.is_empty()));
    assert_eq!(found.after.distance_to_before, None, "a configuration without signals knows no distance");
    assert_eq!((found.positions[2].runner_up.as_ref(), found.positions[2].lead), (None, None));
}

#[test]
fn caps_and_pins_are_named_where_they_decide() {
    let catalog = catalog(&[[1.0, 0.0]; 3], &["a", "a", "b"]);
    let relevance = "strategy = \"relevance\"\nslate_size = 2\n";
    let cap = format!("{relevance}cap = [{{ column = \"kind\", max = 1, window = 3 }}]");
    let found = explained(&cap, &catalog, &slate(&[3.0, 2.0, 1.0]));
    let second = &found.positions[1];
    assert_eq!((second.chosen.item.row, second.lead, second.without[0].term), (2, Some(-1.0), Term::Cap));
    assert_eq!((second.without[0].winner.item.row, second.without[0].winner.cap_excess), (1, 1));
    assert!(overview(&found).contains("without cap: a (1 above its cap)"), "{}", overview(&found));

    let pinned = Slate { pinned: vec![Pin { position: 0, item: 2 }], ..slate(&[3.0, 2.0, 1.0]) };
    let found = explained(relevance, &catalog, &pinned);
    assert!(overview(&found).contains("pinned here"), "{}", overview(&found));
    let first = &found.positions[0];
    assert_eq!((first.chosen.item.row, first.lead, first.n_competing), (2, Some(-2.0), 2));
    assert_eq!((first.without[0].term, rows([&first.without[0].winner])), (Term::Pin, vec![0]));
    assert_eq!(rows(found.positions.iter().map(|at| &at.chosen)), [2, 0]);
    assert_eq!(found.terms, [Term::Pin]);
    let needless = Slate { pinned: vec![Pin { position: 0, item: 0 }], ..slate(&[3.0, 2.0, 1.0]) };
    let first = &explained(relevance, &catalog, &needless).positions[0];
    assert_eq!((first.chosen.item.row, first.lead, first.without.len()), (0, Some(1.0), 0), "it would have won anyway");
}

#[test]
fn an_empty_slate_is_explained_by_nothing() {
    let catalog = catalog(&[[1.0, 0.0]], &["a"]);
    let found = explained("", &catalog, &slate(&[]));
    assert!(found.positions.is_empty() && found.relevance_kept.is_none());
    assert!(overview(&found).starts_with("Slate s: 0 of 0 candidates placed by the spectral strategy\n"));
    assert_eq!(detail(&found, 0), None);
    assert!(report(&[found], "").to_html().contains("0 of 0 candidates were placed by the spectral strategy."));
}

#[test]
fn every_golden_case_is_explained_as_the_reference_composes_it() {
    let (mut n_with_spectra, mut n_by_strategy) = (0, [0; 6]);
    for case in golden::all() {
        let (config, catalog) = (case.config(), case.catalog());
        let problem = Problem::new(&config, &catalog).unwrap();
        for slate in case.slates() {
            let prepared = PreparedSlate::new(&problem, &slate).unwrap();
            let wanted = CpuEngine::<f64>::new(&problem).rerank(std::slice::from_ref(&prepared)).remove(0);
            let found = explain(&problem, &slate, &prepared, None);
            let placements: Vec<Placement> = found.positions.iter().map(|at| placement(&at.chosen)).collect();
            assert_eq!(placements, wanted.placements, "{}: to the last bit", case.name);
            assert_eq!(found.rank_exhausted_at, wanted.rank_exhausted_at, "{}", case.name);
            n_by_strategy[config.strategy as usize] += 1;
            for at in &found.positions {
                check_position(&case.name, at, config.spectral.strength);
                n_with_spectra += usize::from(!at.spectra.is_empty());
            }
            check_text(&case.name, &found);
        }
    }
    assert!(n_with_spectra > 500, "only {n_with_spectra} positions with spectra");
    for strategy in [Strategy::Spectral, Strategy::Mmr, Strategy::Msd, Strategy::Dpp, Strategy::Ssd] {
        assert!(n_by_strategy[strategy as usize] > 0, "no slate of {strategy:?}");
    }
}

#[test]
fn what_a_strategy_weighs_runs_out_where_the_reference_says() {
    let catalog = catalog(&[[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]], &["a", "b", "c", "d"]);
    let slate = slate(&[0.9, 0.8, 0.7, 0.6]);
    for (strategy, wanted) in [
        ("strategy = \"dpp\"", Some(2)),
        // The constant that extends the rows is a dimension of its own.
        ("strategy = \"ssd\"", Some(3)),
        ("strategy = \"ssd\"\nssd = { bias = false }", Some(2)),
        ("strategy = \"mmr\"", None),
        ("strategy = \"msd\"", None),
        ("", None),
    ] {
        let found = explained(&format!("{strategy}\nslate_size = 4"), &catalog, &slate);
        assert_eq!(found.rank_exhausted_at, wanted, "{strategy}");
        let sentence = "Out of rank at position";
        let texts = [overview(&found), report(std::slice::from_ref(&found), "").to_html()];
        assert!(texts.iter().all(|text| text.contains(sentence) == wanted.is_some()), "{strategy}");
        check_text(strategy, &found);
    }
    // Two placed items span the plane, whoever put the first one there.
    let pinned = Slate { pinned: vec![Pin { position: 2, item: 3 }], ..slate };
    let found = explained("strategy = \"dpp\"\nslate_size = 4", &catalog, &pinned);
    assert_eq!(found.rank_exhausted_at, Some(3), "a pinned position has no choice that could run out");
}

fn placement(contender: &Contender) -> Placement {
    Placement {
        candidate: contender.candidate,
        item: contender.item.row,
        base: contender.base,
        utility: contender.utility,
        diversity: contender.diversity,
        spacing: contender.spacing,
        semantic: contender.semantic,
        balance: contender.balance,
    }
}

fn check_position(name: &str, at: &spectrank::explain::PositionExplanation, strength: f64) {
    let place = format!("{name}, position {}", at.position);
    let rest = at.runner_up.iter().chain(at.without.iter().map(|without| &without.winner));
    for contender in std::iter::once(&at.chosen).chain(rest) {
        assert_eq!(contender.spectra.len(), at.spectra.len(), "{place}");
        if !at.spectra.is_empty() {
            let cost: f64 = contender.spectra.iter().map(|share| share.cost).sum();
            assert_relative_eq!(cost, -contender.diversity, epsilon = ROUNDING * strength.max(1.0));
        }
    }
    let is_free = at.without.iter().all(|without| !matches!(without.term, Term::Cap | Term::Pin));
    if is_free && at.chosen.cap_excess == 0 {
        assert!(at.lead.is_none_or(|lead| lead >= 0.0), "{place}: {:?}", at.lead);
    }
    for without in &at.without {
        assert_ne!(without.winner.item.row, at.chosen.item.row, "{place}");
        let without_term = |contender: &Contender| contender.utility - contender.signed(without.term);
        if Term::OF_UTILITY.contains(&without.term) && without.winner.cap_excess == at.chosen.cap_excess {
            assert!(without_term(&without.winner) >= without_term(&at.chosen) - ROUNDING, "{place}");
        }
    }
    assert!(at.spectra.is_sorted_by(|a, b| a.eigenvalue >= b.eigenvalue), "{place}");
    assert!(at.spectra.iter().map(|spectrum| spectrum.share).sum::<f64>() <= 1.0 + ROUNDING, "{place}");
    for spectrum in &at.spectra {
        assert!(spectrum.items[0].loading > 0.0 && spectrum.exposure >= 0.0, "{place}");
        assert!(spectrum.items.is_sorted_by(|a, b| a.loading.abs() >= b.loading.abs()), "{place}");
    }
}

fn check_text(name: &str, found: &Explanation) {
    let details = (0..found.positions.len()).map(|position| detail(found, position).unwrap());
    for line in std::iter::once(overview(found))
        .chain(details)
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
    {
        assert!(line.width() <= 100, "{name}: {} columns: {line}", line.width());
        assert_eq!(line, line.trim_end(), "{name}");
    }
}

#[test]
fn names_cannot_drive_a_terminal() {
    let catalog = catalog(&[[1.0, 0.0], [0.0, 1.0]], &["\u{1b}[2Jred\u{7}", "line\nbreak"]);
    let mut slate = slate(&[2.0, 1.0]);
    slate.id = "id\u{1b}]0;title\u{7}".to_owned();
    let found = explained("", &catalog, &slate);
    for text in [overview(&found), detail(&found, 1).unwrap()] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.contains("\\u{1b}[2Jred"), "{text}");
    }
}

/// Who is out from the start was never before anybody: nothing has moved where all that happened is a filter.
#[test]
fn filtered_candidates_move_nobody() {
    let catalog = catalog(&[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 1.0]], &["out", "a", "out", "b"]);
    let config = "strategy = \"relevance\"\nslate_size = 3\n[[filter.drop]]\ncolumn = \"kind\"\nvalues = [\"out\"]";
    let found = explained(config, &catalog, &slate(&[1.0, 0.9, 0.8, 0.1]));
    assert_eq!((found.n_filtered, rows(found.positions.iter().map(|at| &at.chosen))), (2, vec![1, 3]));
    assert!(found.positions.iter().all(|at| at.chosen.rank == at.position), "{:?}", found.positions);
    assert!(
        overview(&found).contains("2 candidates filtered") && !overview(&found).contains('↑'),
        "{}",
        overview(&found)
    );
}
