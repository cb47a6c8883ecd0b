//! Guards against a slower CPU engine, which do not judge seconds.
//!
//! ```text
//! benches/instructions.sh                        counts instructions, with valgrind, which runs this bench case by case
//! cargo bench --bench guard -- pace              times slates by the processor's own clock; see `pace.rs`
//! cargo bench --bench guard -- pace --record     stores that
//! ```

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod pace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use spectrank::prepare::PreparedSlate;
use spectrank::run::Run;
use spectrank::slate::RankedSlate;

use crate::cases::{CASES, Case, N_SLATES};
use crate::common::parquet_files::Failable;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Ignored; cargo passes it.
    #[arg(long, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Lists the cases.
    Cases,
    /// Ranks the slates of a case once, for `benches/instructions.sh`.
    Count {
        /// Name of the case.
        case: String,
    },
    /// Holds the time of every case's slates, in units of the processor's clock, against the stored ones.
    Pace {
        /// Stores them instead.
        #[arg(long)]
        record: bool,
    },
}

/// Everything that is counted; valgrind finds it by this name.
#[inline(never)]
fn counted_slates<'a>(run: &mut Run<'a, f32>, slates: &'a [PreparedSlate]) -> Vec<RankedSlate> {
    slates.iter().map(|slate| run.rerank(slate)).collect()
}

fn run(what: &What) -> Failable<bool> {
    match what {
        What::Cases => CASES.iter().for_each(|case| println!("{}", case.name)),
        What::Count { case } => {
            Case::named(case)?.ranked_by(|run, slates| (counted_slates(run, slates), ()))?;
            println!("{N_SLATES} slates");
        }
        What::Pace { record: true } => pace::record()?,
        What::Pace { record: false } => return pace::compare(),
    }
    Ok(true)
}

fn main() -> ExitCode {
    match run(&Arguments::parse().what) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("guard: {error}");
            ExitCode::FAILURE
        }
    }
}
