//! The small texts: saved cases, sweeps, Bloom filters.

use spectrank::bloom::BloomFilter;
use spectrank::config::Config;
use spectrank::parity::Case;
use spectrank::tune::families;

use super::files::file;
use super::ranking::rank_by;
use super::{choice, config};

/// Settings of a sweep that are made; each is a configuration to check.
const MAX_SETTINGS: usize = 40;

pub fn run(data: &[u8]) {
    match choice(data, 3) {
        (0, content) => case(content),
        (1, content) => sweep(content),
        (_, content) => bloom(content),
    }
}

/// A case that can be read is written as it is, and ranked.
fn case(content: &[u8]) {
    let path = file("case.json", content);
    let case = match Case::load(&path) {
        Ok(case) => case,
        Err(error) => return assert!(error.to_string().starts_with(&path.display().to_string()), "{error}"),
    };
    let text = case.to_json("why");
    let again = Case::load(&file("again.json", text.as_bytes())).expect("what is written can be read");
    assert_eq!(again.to_json("why"), text);
    if case.config.slate_size * case.slates.len() < 2000 {
        rank_by(&case.config, &case.catalog, &case.slates);
    }
}

/// Lines of `PATH=VALUES`; those with `: ` are sweeps with a name.
fn sweep(content: &[u8]) {
    let Ok(text) = std::str::from_utf8(content) else { return };
    let lines = |is_sweep: bool| text.lines().filter(move |line| line.contains(": ") == is_sweep).map(str::to_owned);
    let (vary, sweeps): (Vec<_>, Vec<_>) = (lines(false).collect(), lines(true).collect());
    let Ok(families) = families(&Config::default(), &vary, &sweeps) else { return };
    for (index, family) in families.iter().enumerate() {
        let n = family.parameters.iter().map(|parameter| parameter.values.len()).fold(1, usize::saturating_mul);
        if let Some(settings) = (n <= MAX_SETTINGS).then(|| family.settings(index).ok()).flatten() {
            assert_eq!(settings.len(), n);
            settings.iter().for_each(|setting| config::check(&setting.config));
        }
    }
}

fn bloom(content: &[u8]) {
    let Ok(mut filter) = BloomFilter::from_bytes(content) else { return };
    assert_eq!(filter.to_bytes(), content);
    let hash = spectrank::bloom::hash_of("a");
    filter.insert(hash);
    assert!(filter.contains(hash));
}
