//! The work that `benches/instructions.sh` counts the instructions of: a few slates of one case, on one thread, in a function
//! that valgrind can find by its name.

#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;

use spectrank::config::Config;
use spectrank::prepare::PreparedSlate;
use spectrank::problem::Problem;
use spectrank::run::Run;
use spectrank::slate::RankedSlate;

use crate::common::check;
use crate::common::parquet_files::Failable;
use crate::common::synthetic::{Shape, synthetic};

/// Slates of a case.
const N_SLATES: usize = 2;

/// Name, configuration, and whether pruning is on; N = 500, d = 256, T = 100.
const CASES: [(&str, &str, bool); 8] = [
    ("pool", "", true),
    ("unpruned", "", false),
    ("window", "[window]\nahead = 50\nscope = \"window\"\n[spectral]\nspectra = 8", true),
    ("mmr", "strategy = \"mmr\"\nmmr.lambda = 0.5", true),
    ("msd", "strategy = \"msd\"\nmsd.lambda = 0.5", true),
    ("dpp", "strategy = \"dpp\"\nrelevance.transform = \"zscore\"\ndpp.theta = 0.5", true),
    ("dpp-window", "strategy = \"dpp\"\nrelevance.transform = \"zscore\"\ndpp = { theta = 0.5, window = 10 }", true),
    ("ssd", "strategy = \"ssd\"\nrelevance.transform = \"zscore\"\nssd = { gamma = 1.0, eviction = \"paper\" }", true),
];

/// Everything that is counted.
#[inline(never)]
fn counted_slates<'a>(run: &mut Run<'a, f32>, slates: &'a [PreparedSlate]) -> Vec<RankedSlate> {
    slates.iter().map(|slate| run.rerank(slate)).collect()
}

fn measure(name: &str) -> Failable<()> {
    let case = CASES.iter().find(|case| case.0 == name);
    let (_, config, prunes) = case.ok_or_else(|| format!("no case {name}; without one, all are listed"))?;
    let config = Config::from_toml(&format!("slate_size = 100\n{config}"))?;
    let shape = Shape { candidates: 500, dim: 256, slates: N_SLATES, own_items: N_SLATES };
    let (catalog, slates) = synthetic(shape)?;
    let problem = Problem::new(&config, &catalog)?;
    let slates = common::prepare(&problem, &slates)?;
    let ranked = counted_slates(&mut Run::new(&problem, *prunes), &slates);
    check(&problem, &slates, &ranked, name)?;
    println!("{N_SLATES} slates");
    Ok(())
}

fn main() -> ExitCode {
    // Cargo passes --bench.
    let Some(name) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) else {
        CASES.iter().for_each(|(name, ..)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    match measure(&name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}
