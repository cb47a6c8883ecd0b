//! Examples about who is a candidate, and where.

use half::f16;
use spectrank::bloom::{BloomFilter, hash_of};
use spectrank::catalog::{Catalog, Column, ColumnData, Embedding, EmbeddingData, Value};
use spectrank::config::{Config, Filter, FilterRule, OnMissing, Scalar};
use spectrank::problem::{Problem, ProblemError};

use crate::data::{CATALOG, example, items, number, rank, rank_with, slates, value};

pub fn the_pinned_item_stands_at_its_position() {
    let config = example("pins");
    let pinned = slates("pins", &config);
    let item = pinned[0].pinned[0].item;
    assert_eq!(rank(&config, &pinned)[0].placements[4].item, item);
    let mut unpinned = pinned.clone();
    unpinned[0].pinned.clear();
    assert!(!items(&rank(&config, &unpinned)[0]).contains(&item));
    // A filter goes before a pin, and leaves no hole.
    let of_its_category = FilterRule {
        column: "category".to_owned(),
        values: vec![text(value("category", item))],
        on_missing: OnMissing::Zero,
        when: Default::default(),
    };
    let filter = Filter { drop: vec![of_its_category], ..Filter::default() };
    let filtered = rank(&Config { filter, ..config }, &pinned);
    assert!(!items(&filtered[0]).contains(&item));
    assert_eq!(filtered[0].placements.len(), 12);
}

fn text(value: Value) -> Scalar {
    let Value::Text(text) = value else { panic!("not text") };
    Scalar::Text(text)
}

pub fn seen_items_are_gone() {
    let config = example("seen");
    let slates = slates("seen", &config);
    let [new, back] = &slates[..] else { panic!("two slates") };
    assert_eq!((new.candidates.as_slice(), new.seen.len()), (back.candidates.as_slice(), 0));
    let ranked = rank(&config, &slates);
    let is_seen = |row: &u32| back.seen.contains(row);
    assert!(!items(&ranked[1]).iter().any(is_seen));
    assert_eq!(ranked[1].n_filtered as usize, back.seen.len());
    assert!(items(&ranked[0]).iter().filter(|row| is_seen(row)).count() >= 4, "they are good candidates");
    let mut ignored = config;
    ignored.filter.seen = false;
    assert_eq!(rank(&ignored, &slates)[1], ranked[0]);
    // The list in the file has one more item, which the catalog does not know.
    let file = std::fs::read_to_string(crate::data::example_file("seen.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(file.lines().nth(1).unwrap()).unwrap();
    assert_eq!(line["seen"].as_array().unwrap().len(), back.seen.len() + 1);
}

pub fn a_bloom_filter_does_what_the_list_does() {
    let (config, by_list) = (example("seen_bloom"), example("seen"));
    let (blooms, lists) = (slates("seen_bloom", &config), slates("seen", &by_list));
    assert!(blooms.iter().all(|slate| slate.seen.is_empty()));
    assert_eq!(rank(&config, &blooms), rank(&by_list, &lists));
    let unread = rank(&Config { filter: Filter::default(), ..config }, &blooms);
    assert_eq!(unread[0], unread[1]);
    // The file's filter is the one that its list makes, to the last bit.
    let file = std::fs::read_to_string(crate::data::example_file("seen.jsonl")).unwrap();
    let line: serde_json::Value = serde_json::from_str(file.lines().nth(1).unwrap()).unwrap();
    let seen = line["seen"].as_array().unwrap();
    let mut filter = BloomFilter::with_capacity(seen.len(), 0.01).unwrap();
    seen.iter().for_each(|id| filter.insert(hash_of(id.as_str().unwrap())));
    assert_eq!(blooms[1].seen_bloom.as_deref(), Some(&filter));
}

pub fn only_items_that_pass_are_shown() {
    let config = example("stock");
    let slates = slates("stock", &config);
    let filter = &config.filter;
    let is_kept = |row: u32| filter.keep[0].values.iter().any(|v| v.matches(&value("category", row)));
    let is_dropped = |row: u32| number("quality_class", row) >= 2.0;
    for (slate, ranked) in slates.iter().zip(rank(&config, &slates)) {
        let is_search = slate.attributes["surface"] == Value::Text("search".to_owned());
        assert!(items(&ranked).iter().all(|&row| is_kept(row) && !(is_search && is_dropped(row))));
        assert!(ranked.n_filtered > 0 && !ranked.is_short);
    }
    let without = |filter: Filter| rank(&Config { filter, ..config.clone() }, &slates);
    let no_keep = without(Filter { keep: Vec::new(), ..filter.clone() });
    assert!(no_keep.iter().flat_map(items).any(|row| !is_kept(row)));
    let no_drop = without(Filter { drop: Vec::new(), ..filter.clone() });
    assert!(no_drop.iter().flat_map(items).any(is_dropped));
    // Too hard a filter leaves the page short, and says so.
    let mut hard = config.clone();
    hard.filter.keep[0].values = vec![Scalar::Text("noun.motive".to_owned())];
    assert!(rank(&hard, &slates).iter().all(|ranked| ranked.is_short));
}

/// The demo's catalog without the text embedding of some items, and without class and confidence of others.
fn with_gaps(no_text: &[u32], no_class: &[u32], no_confidence: &[u32]) -> Catalog {
    let mut catalog = Catalog::new();
    for signal in CATALOG.signals() {
        let mut data = signal.data.clone();
        if let (EmbeddingData::F16(values), "text") = (&mut data, signal.name.as_str()) {
            let mut rows = values.to_vec();
            for &row in no_text {
                rows[row as usize * signal.dim..(row as usize + 1) * signal.dim].fill(f16::NAN);
            }
            *values = rows.into();
        }
        catalog.add_signal(Embedding::new(&signal.name, signal.dim, data)).unwrap();
    }
    for column in CATALOG.columns() {
        let mut data = column.data.clone();
        match (&mut data, column.name.as_str()) {
            (ColumnData::Int(values), "quality_class") => no_class.iter().for_each(|&row| values[row as usize] = None),
            (ColumnData::Float(values), "quality_confidence") => {
                no_confidence.iter().for_each(|&row| values[row as usize] = None);
            }
            _ => {}
        }
        catalog.add_column(Column { name: column.name.clone(), data }).unwrap();
    }
    catalog
}

pub fn items_that_lack_something_go_or_count_as_nothing() {
    let config = example("missing");
    let slates = slates("missing", &config);
    let complete = rank(&config, &slates);
    let sensitive: Vec<u32> =
        complete.iter().flat_map(items).filter(|&row| number("quality_class", row) > 0.0).collect();
    let no_text: Vec<u32> = complete.iter().map(|ranked| ranked.placements[0].item).collect();
    let (no_class, no_confidence) = sensitive.split_at(1);
    assert!(!no_confidence.is_empty() && !sensitive.iter().any(|row| no_text.contains(row)));
    let catalog = with_gaps(&no_text, no_class, no_confidence);

    let ranked = rank_with(&catalog, &config, &slates);
    let placed = |row: &u32| ranked.iter().flat_map(|ranked| &ranked.placements).find(|p| p.item == *row);
    assert!(no_text.iter().all(|row| placed(row).is_none()), "on_missing = \"drop\"");
    for row in &sensitive {
        assert!(placed(row).is_none_or(|placement| placement.spacing == 0.0), "on_missing = \"zero\"");
    }
    assert!(sensitive.iter().any(|row| placed(row).is_some()));
    let counts = Problem::new(&config, &catalog).unwrap().missing;
    let count =
        |key: &str| counts.iter().find(|count| count.key == key).map(|count| (count.n_items, count.are_dropped));
    assert_eq!(count("signal[0]"), Some((no_text.len(), true)));
    assert_eq!(count("spacing[0].column"), Some((1, false)));
    assert_eq!(count("spacing[0].confidence"), Some((no_confidence.len(), false)));
    assert!(matches!(count("semantic_id.column"), Some((1.., false))));

    // The defaults of the other two refuse such a catalog.
    let refuses = |config: &Config, wanted: &str| {
        let error = Problem::new(config, &catalog).unwrap_err();
        assert!(matches!(&error, ProblemError::Missing { key, .. } if key == wanted), "{error}");
    };
    let mut strict = config.clone();
    strict.signals[0].on_missing = OnMissing::Error;
    refuses(&strict, "signal[0]");
    let mut strict = config;
    strict.spacing[0].on_missing = None;
    refuses(&strict, "spacing[0].confidence");
}
