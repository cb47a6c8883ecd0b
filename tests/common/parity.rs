//! One runner for every engine: random cases by category, each slate judged by replay on the reference.

use std::cell::RefCell;

use spectrank::config::{Config, Horizon, Loading};
use spectrank::parity::{self, Replay};
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::slate::RankedSlate;

use super::generate::{self, Cloud, Limits, Recipe, Request};

/// An engine under test.
pub type Rerank<'e> = &'e dyn Fn(&Problem, &[PreparedSlate]) -> Vec<RankedSlate>;

#[derive(Debug, Default)]
struct Tally {
    positions: usize,
    slates: usize,
    worst_error: f64,
    worst_error_in_bounds: f64,
    worst_regret_in_bounds: f64,
    faults: usize,
}

impl Tally {
    fn add(&mut self, replay: &Replay) {
        self.slates += 1;
        self.positions += replay.positions.len();
        self.faults += replay.faults.len();
        for p in &replay.positions {
            self.worst_error = self.worst_error.max(p.error / p.reference.abs().max(1.0));
            self.worst_error_in_bounds = self.worst_error_in_bounds.max(p.error / p.bound);
            self.worst_regret_in_bounds = self.worst_regret_in_bounds.max(p.regret / p.bound);
        }
    }
}

/// A kind of case that every engine must get right, and how recipes are bent to it.
pub struct Category {
    pub name: &'static str,
    pub limits: Limits,
    pub adapt: fn(&mut Recipe),
}

/// Checks every slate of every recipe; `SPECTRANK_SURVEY=1` prints faults and goes on.
pub fn assert_parity(category: &Category, cases: u64, rerank: Rerank) {
    let tally = RefCell::new(Tally::default());
    let is_survey = std::env::var("SPECTRANK_SURVEY").is_ok();
    generate::for_many(category.name, cases, category.limits, |recipe| {
        let mut recipe = recipe.clone();
        (category.adapt)(&mut recipe);
        let case = recipe.build().unwrap();
        let problem = Problem::new(&case.config, &case.catalog).unwrap();
        let prepared: Vec<_> = case.slates.iter().map(|s| PreparedSlate::new(&problem, s).unwrap()).collect();
        let ranked = rerank(&problem, &prepared);
        assert_eq!(ranked.len(), prepared.len());
        for ((slate, prepared), ranked) in case.slates.iter().zip(&prepared).zip(&ranked) {
            let replay = parity::replay(&problem, prepared, ranked);
            tally.borrow_mut().add(&replay);
            match replay.verdict() {
                Ok(()) => {}
                Err(fault) if is_survey => println!("slate {}: {fault}\n    {:?}", slate.id, recipe.config.spectral),
                Err(fault) => panic!("slate {}: {fault}\n{recipe:?}", slate.id),
            }
        }
    });
    println!("{}: {:?}", category.name, tally.borrow());
}

const LIMITS: Limits = Limits { candidates: 60, slate_size: 20, window: 12, spectra: 8, long_one_in: 0 };

/// Everything there is, as `spectrank parity` draws it.
pub const WHOLE_SPACE: Category = Category { name: "everything", limits: Limits::USUAL, adapt: |_| {} };

/// Energy loadings, `horizon = "window"`, every other setting, on items that are not near-copies: spread ones, clusters,
/// exact copies, low rank, zero rows.
pub const RANDOM_CASES: Category = Category {
    name: "energy",
    limits: LIMITS,
    adapt: |recipe| {
        let spectral = &mut recipe.config.spectral;
        spectral.loading = Loading::Energy;
        spectral.horizon = Horizon::Window;
        spectral.epsilon = spectral.epsilon.max(0.03);
        match &mut recipe.items.cloud {
            Cloud::Clusters(_, noise) | Cloud::Opposed(noise) => *noise = noise.max(0.2),
            cloud @ Cloud::Axes => *cloud = Cloud::Gaussian,
            _ => {}
        }
    },
};

/// Windows full of near-copies, at the default ε, decay and horizon. Spectra of every size down to rounding.
pub const NEAR_COPIES_AT_THE_DEFAULTS: Category = Category {
    name: "near copies",
    limits: Limits { candidates: 80, window: 10, ..LIMITS },
    adapt: |recipe| {
        let defaults = Config::default();
        let noise = [0.1, 0.03, 1e-2, 3e-3, 1e-3, 1e-4][(recipe.seed % 6) as usize];
        recipe.items.cloud = Cloud::Clusters(1 + (recipe.seed % 5) as usize, noise);
        recipe.config.spectral = defaults.spectral;
        recipe.config.window = defaults.window;
        recipe.config.signals.clear();
        // Without a table of signals, no item may lack the first.
        recipe.items.missing_one_in = 0;
    },
};

/// As many spectra and as wide a window as there can usefully be.
pub const WIDE_WINDOWS: Category = Category {
    name: "K = 16, window 60",
    limits: Limits { candidates: 120, slate_size: 70, ..LIMITS },
    adapt: |recipe| {
        recipe.items.dims = vec![64];
        recipe.config.signals.clear();
        // Without a table of signals, no item may lack the first.
        recipe.items.missing_one_in = 0;
        recipe.items.cloud = Cloud::Clusters(20, 0.3);
        recipe.requests = vec![Request::new(120, 5, 1)];
        recipe.config.slate_size = 70;
        recipe.config.spectral = Config::default().spectral;
        recipe.config.spectral.spectra = 16;
        (recipe.config.window.behind, recipe.config.window.ahead) = (60, 0);
        recipe.config.window.scope = spectrank::config::Scope::Pool;
    },
};

/// Unit loadings divide by λ, and `horizon = "slate"` puts items into H that weak spectra do not keep small: both agree
/// where the window's spectra are all well above rounding.
pub const UNIT_LOADINGS_AND_LONG_HORIZONS_OF_SPREAD_ITEMS: Category = Category {
    name: "spread items",
    limits: LIMITS,
    adapt: |recipe| {
        recipe.config.spectral.loading = if recipe.seed % 2 == 0 { Loading::Unit } else { Loading::Energy };
        recipe.config.spectral.horizon = Horizon::Slate;
        recipe.config.spectral.strength = recipe.config.spectral.strength.min(1.0);
        recipe.config.spectral.epsilon = 0.1;
        recipe.items.cloud = Cloud::Gaussian;
        recipe.items.dims = vec![65];
        recipe.config.signals.clear();
        // Without a table of signals, no item may lack the first.
        recipe.items.missing_one_in = 0;
    },
};
