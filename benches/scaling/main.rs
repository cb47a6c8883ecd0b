//! How cost grows with the slates, the candidates, the dimension, the positions, the spectra and the cores: the curves of
//! docs/speed.md.
//!
//! ```text
//! cargo bench --bench scaling -- --json docs/speed/curves.json --plots docs/speed      measures and draws them, about 4 minutes
//! cargo bench --bench scaling -- --from docs/speed/curves.json --plots docs/speed      draws what was measured
//! cargo bench --bench scaling -- --only slates --seconds 300                           up to a million slates
//! cargo bench --bench scaling -- --adapter auto …                                      with lines for a GPU
//! ```

#[path = "../common/mod.rs"]
mod common;
mod curves;
mod measure;
mod plots;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use serde::{Deserialize, Serialize};
use spectrank::gpu::{self, AdapterChoice};

use crate::common::machine::Machine;
use crate::common::parquet_files::Failable;
use crate::curves::{CURVES, Curve, Settings};

/// Measures how cost grows, and draws it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Write the figures here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw a picture of each curve into this folder.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Draw these figures and measure none.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Measure this curve alone; several are possible.
    #[arg(long, value_name = "CURVE", value_parser = CURVES.map(|(name, _)| name))]
    only: Vec<String>,
    /// Longest time for a point, in seconds: points that would take more are left out.
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    seconds: f64,
    /// GPU to measure as well, as in `spectrank rerank`: ms per slate of 4,096, and slates per second.
    #[arg(long, value_name = "ADAPTER")]
    adapter: Option<AdapterChoice>,
    /// Ignored; cargo passes it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Everything that was measured.
#[derive(Serialize, Deserialize)]
struct Curves {
    /// The machine, in words.
    machine: String,
    curves: Vec<Curve>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scaling: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Failable<()> {
    let curves = match &arguments.from {
        Some(path) => serde_json::from_str(&std::fs::read_to_string(path)?)?,
        None => measure_all(arguments)?,
    };
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&curves)? + "\n")?;
    }
    if let Some(folder) = &arguments.plots {
        std::fs::create_dir_all(folder)?;
        curves.curves.iter().try_for_each(|curve| plots::draw(curve, &folder.join(format!("{}.svg", curve.name))))?;
    }
    Ok(())
}

fn measure_all(arguments: &Arguments) -> Failable<Curves> {
    let machine = Machine::look(None).text();
    print!("{machine}");
    let is_wanted = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let gpu = arguments.adapter.as_ref().map(gpu::open).transpose()?.map(Arc::new);
    let settings = Settings { seconds: arguments.seconds, gpu };
    let mut curves = Vec::new();
    for (name, measure) in CURVES {
        if is_wanted(name) {
            let curve = measure(&settings)?;
            print!("\n{}", curve.text());
            curves.push(curve);
        }
    }
    Ok(Curves { machine, curves })
}
