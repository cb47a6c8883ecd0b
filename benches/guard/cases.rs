//! What is guarded: a few slates of each case, N = 500, d = 256, T = 100, on one thread in single precision.

use spectrank::config::Config;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::run::Run;
use spectrank::slate::RankedSlate;

use crate::common;
use crate::common::parquet_files::Failable;
use crate::common::synthetic::{Shape, synthetic};

/// Slates of a case.
pub const N_SLATES: usize = 2;

/// One configuration.
pub struct Case {
    /// As it is called in the tables.
    pub name: &'static str,
    config: &'static str,
    prunes: bool,
}

const fn pruned(name: &'static str, config: &'static str) -> Case {
    Case { name, config, prunes: true }
}

/// All of them.
pub const CASES: [Case; 8] = [
    pruned("pool", ""),
    Case { name: "unpruned", config: "", prunes: false },
    pruned("window", "[window]\nahead = 50\nscope = \"window\"\n[spectral]\nspectra = 8"),
    pruned("mmr", "strategy = \"mmr\"\nmmr.lambda = 0.5"),
    pruned("msd", "strategy = \"msd\"\nmsd.lambda = 0.5"),
    pruned("dpp", "strategy = \"dpp\"\nrelevance.transform = \"zscore\"\ndpp.theta = 0.5"),
    pruned("dpp-window", "strategy = \"dpp\"\nrelevance.transform = \"zscore\"\ndpp = { theta = 0.5, window = 10 }"),
    pruned("ssd", "strategy = \"ssd\"\nrelevance.transform = \"zscore\"\nssd = { gamma = 1.0, eviction = \"paper\" }"),
];

impl Case {
    /// That of a name.
    pub fn named(name: &str) -> Failable<&'static Self> {
        let case = CASES.iter().find(|case| case.name == name);
        Ok(case.ok_or_else(|| format!("no case {name}: `cases` lists them"))?)
    }

    /// Has the case's slates ranked by `rank` and checks what comes of it. Returns what else `rank` found.
    pub fn ranked_by<T>(
        &self,
        rank: impl for<'a> FnOnce(&mut Run<'a, f32>, &'a [PreparedSlate]) -> (Vec<RankedSlate>, T),
    ) -> Failable<T> {
        let config = Config::from_toml(&format!("slate_size = 100\n{}", self.config))?;
        let shape = Shape { candidates: 500, dim: 256, slates: N_SLATES, own_items: N_SLATES };
        let (catalog, slates) = synthetic(shape)?;
        let problem = Problem::new(&config, &catalog)?;
        let slates = common::prepare(&problem, &slates)?;
        let (ranked, found) = rank(&mut Run::new(&problem, self.prunes), &slates);
        common::check(&problem, &slates, &ranked, self.name)?;
        Ok(found)
    }
}
