//! The library's generator, and the loop over it.

pub use spectrank::parity::generate::{Limits, recipe};
pub use spectrank::parity::random::Random;
pub use spectrank::parity::recipe::{Cloud, Items, Recipe, Request, Storage, add_columns, embedding, rows};

/// Runs `check` on many recipes. A failure is printed with what shows it again: `SPECTRANK_SEED` and `SPECTRANK_FIRST`.
/// `SPECTRANK_CASES` tries more.
pub fn for_many(name: &str, default_cases: u64, limits: Limits, check: impl Fn(&Recipe)) {
    let seed: u64 = setting("SPECTRANK_SEED", 20_260_407);
    let first: u64 = setting("SPECTRANK_FIRST", 0);
    let cases: u64 = setting("SPECTRANK_CASES", default_cases);
    println!("{name}: {cases} recipes, SPECTRANK_SEED={seed}");
    for index in first..first + cases {
        let on_panic = Loud { name, seed, index };
        check(&recipe(seed, index, &limits));
        std::mem::forget(on_panic);
    }
}

/// Says which recipe a panic was about.
struct Loud<'a> {
    name: &'a str,
    seed: u64,
    index: u64,
}

impl Drop for Loud<'_> {
    fn drop(&mut self) {
        let Self { name, seed, index } = self;
        eprintln!("{name}: SPECTRANK_SEED={seed} SPECTRANK_FIRST={index} SPECTRANK_CASES=1 shows this again");
    }
}

fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
