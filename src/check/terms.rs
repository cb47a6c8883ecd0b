//! One configuration per term, so that a term that does not fit the catalog hides no other.

use crate::config::{Config, Filter, Need, OnMissing, Relevance, Strategy};

/// A configuration with one term of another, and what stands for it in messages.
pub(super) struct Term {
    pub(super) config: Config,
    /// How messages name the term, and how they should.
    pub(super) key: (String, String),
    /// The columns it reads.
    pub(super) columns: Vec<Option<String>>,
}

/// Every term of a configuration by itself, and all signals together.
pub(super) fn terms(config: &Config) -> Vec<Term> {
    let needs = config.catalog_needs();
    let plain = without_terms(config);
    let mut terms = Vec::new();
    let mut add = |from: String, to: String, config: Config| {
        let is_of = |need: &&Need| need.key.starts_with(&format!("{to}."));
        let columns = needs.iter().filter(is_of).map(|need| need.column.clone()).collect();
        terms.push(Term { config, key: (from, to), columns });
    };
    for (i, adjust) in config.relevance.adjust.iter().enumerate() {
        let mut one = plain.clone();
        one.relevance.adjust.push(adjust.clone());
        add("relevance.adjust[0]".to_owned(), format!("relevance.adjust[{i}]"), one);
    }
    for (i, rule) in config.spacing.iter().enumerate() {
        let one = Config { spacing: vec![rule.clone()], ..plain.clone() };
        add("spacing[0]".to_owned(), format!("spacing[{i}]"), one);
    }
    if config.semantic_id.is_some() {
        let one = Config { semantic_id: config.semantic_id.clone(), ..plain.clone() };
        add("semantic_id".to_owned(), "semantic_id".to_owned(), one);
    }
    for (i, cap) in config.cap.iter().enumerate() {
        let one = Config { cap: vec![cap.clone()], ..plain.clone() };
        add("cap[0]".to_owned(), format!("cap[{i}]"), one);
    }
    for (key, rule, is_keep) in config.filter.rules() {
        let mut one = plain.clone();
        let (list, name) = match is_keep {
            true => (&mut one.filter.keep, "filter.keep[0]"),
            false => (&mut one.filter.drop, "filter.drop[0]"),
        };
        list.push(rule.clone());
        add(name.to_owned(), key, one);
    }
    let columns = match config.signals.is_empty() {
        true if !config.compares_items() => return terms,
        true => vec![None],
        false => config.signals.iter().map(|signal| Some(signal.name.clone())).collect(),
    };
    // Without comparisons, signals still take out the items that they say on_missing = "drop" for.
    let strategy = if config.compares_items() { Strategy::Spectral } else { Strategy::Relevance };
    let one = Config { strategy, signals: config.signals.clone(), ..plain };
    terms.push(Term { config: one, key: (String::new(), String::new()), columns });
    terms
}

/// The same configuration, but for items that lack something: they are taken out, so that binding counts all of them
/// where it would stop at the first. What is not asked for stays so.
pub(super) fn lenient(mut config: Config) -> Config {
    let drop = OnMissing::Drop;
    config.relevance.adjust.iter_mut().for_each(|adjust| adjust.on_missing = drop);
    if config.compares_items() {
        config.signals.iter_mut().for_each(|signal| signal.on_missing = drop);
    }
    config.spacing.iter_mut().for_each(|rule| rule.on_missing = Some(drop));
    config.semantic_id.iter_mut().for_each(|rule| rule.on_missing = drop);
    config.cap.iter_mut().for_each(|cap| cap.on_missing = drop);
    config.filter.keep.iter_mut().chain(&mut config.filter.drop).for_each(|rule| rule.on_missing = drop);
    config
}

/// A configuration that asks nothing of the catalog; what it asks of slates and their scores is left.
pub(super) fn without_terms(config: &Config) -> Config {
    Config {
        strategy: Strategy::Relevance,
        slate_size: config.slate_size,
        relevance: Relevance { adjust: Vec::new(), ..config.relevance.clone() },
        filter: Filter { drop: Vec::new(), keep: Vec::new(), ..config.filter.clone() },
        ..Config::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_term_stands_alone() {
        let config = Config::from_toml(
            "signal = [{ name = \"x\" }]\ncap = [{ column = \"a\", max = 1, window = 1 }, { column = \"b\", max = 1, window = 1 }]
            [[filter.keep]]\ncolumn = \"k\"\n[semantic_id]\ncolumn = \"s\"\nstrength = 1.0\nwindow = 2",
        )
        .unwrap();
        let terms = terms(&config);
        let keys: Vec<&str> = terms.iter().map(|term| term.key.1.as_str()).collect();
        assert_eq!(keys, ["semantic_id", "cap[0]", "cap[1]", "filter.keep[0]", ""]);
        let columns: Vec<&str> = terms.iter().map(|term| term.columns[0].as_deref().unwrap()).collect();
        assert_eq!(columns, ["s", "a", "b", "k", "x"]);
        for term in &terms {
            assert!(term.config.validate().is_ok());
            let n_needs = term.config.catalog_needs().iter().filter(|need| need.column.is_some()).count();
            assert_eq!(n_needs, term.columns.len());
        }
    }
}
