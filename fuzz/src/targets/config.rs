//! Configurations: read, written, bound to a catalog, and ranked by.

use spectrank::config::Config;
use spectrank::contract::Contract;
use spectrank::io::{CatalogColumns, SlateFields};
use spectrank::slate::{Pin, Slate};

use super::ranking::{catalog, rank_by};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let config = match Config::from_toml(text) {
        Ok(config) => config,
        Err(error) => {
            let line = spectrank::text::one_line(&error);
            assert!(!line.is_empty());
            return;
        }
    };
    check(&config);
}

/// What holds of every configuration that is valid.
pub fn check(config: &Config) {
    let again = Config::from_toml(&config.to_toml()).expect("what is written can be read");
    assert_eq!(again, *config);
    let _ = (CatalogColumns::of(config), SlateFields::of(config), Contract::of(config).to_json());
    rank_by(config, &catalog(), &slates());
}

fn slates() -> [Slate; 2] {
    let all = Slate {
        id: "all".to_owned(),
        candidates: (0..12).collect(),
        scores: (0..12).map(|i| f64::from(i % 5) / 5.0).collect(),
        ..Slate::default()
    };
    let attributes = [("surface".to_owned(), spectrank::catalog::Value::Text("home".to_owned()))];
    let few = Slate {
        id: "few".to_owned(),
        candidates: vec![3, 5, 8, 9],
        scores: vec![0.5, 0.0, 1.0, 0.5],
        recent: vec![1, 2, 2, 3],
        pinned: vec![Pin { position: 0, item: 5 }],
        seen: vec![8],
        attributes: attributes.into(),
        ..Slate::default()
    };
    [all, few]
}
