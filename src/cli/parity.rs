//! `spectrank parity`

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use spectrank::parity::{Case, CpuSubject, Harness, Limits, Report, Subject};

use super::{Exit, Failure, terminal};

/// Flags of `parity`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Parity {
    /// Generated slates to check.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    cases: usize,
    /// Seed of the generated slates: the same seed gives the same slates on every machine.
    #[arg(long, value_name = "SEED", default_value_t = 7)]
    seed: u64,
    /// Save every failing slate in this folder, as a file that `--replay` takes.
    #[arg(long, value_name = "DIR")]
    save_failures: Option<PathBuf>,
    /// Check saved cases instead of generated ones.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    replay: Vec<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Print no progress bar.
    #[arg(long, short)]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  spectrank parity --cases 10000 --seed 7
  spectrank parity --cases 2000 --save-failures failures
  spectrank parity --replay failures/*.json";

/// Checks an engine and says what came of it.
pub fn run(flags: &Parity) -> Result<(), Failure> {
    let subject = CpuSubject;
    let report = check(flags, &subject)?;
    if let Some(folder) = &flags.save_failures {
        save(folder, &report)?;
    }
    if flags.json {
        terminal::print(format_args!("{}\n", serde_json::json!(report)))?;
    } else {
        terminal::print(format_args!("{report}"))?;
    }
    if report.holds() {
        return Ok(());
    }
    Err(Failure::new(Exit::Parity, "the engine does not compute what the reference computes; see the report"))
}

fn check(flags: &Parity, subject: &dyn Subject) -> Result<Report, Failure> {
    let cases = flags.replay.iter().map(|path| Case::load(path)).collect::<Result<Vec<_>, _>>()?;
    let n_slates = if cases.is_empty() { flags.cases } else { cases.iter().map(|case| case.slates.len()).sum() };
    let bar = progress_bar(n_slates as u64, flags.quiet || flags.json);
    let mut harness = Harness::new(subject).with_progress(|n| bar.inc(n as u64));
    let result = if cases.is_empty() {
        harness.check_generated(flags.seed, flags.cases, &Limits::USUAL)
    } else {
        harness.check_cases(&cases)
    };
    bar.finish_and_clear();
    result.map_err(|error| Failure::new(Exit::Input, error))?;
    Ok(harness.into_report())
}

fn save(folder: &std::path::Path, report: &Report) -> Result<(), Failure> {
    for failure in &report.failures {
        if let Some(case) = &failure.case {
            let path = folder.join(format!("{}.json", case.name.replace(", ", "_").replace(' ', "-")));
            case.save(&path, &failure.fault)?;
        }
    }
    Ok(())
}

fn progress_bar(n_slates: u64, is_hidden: bool) -> ProgressBar {
    if is_hidden {
        return ProgressBar::hidden();
    }
    // The template is a constant that parses; the default style stands in should it ever not.
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} slates  {per_sec}  {eta} left");
    ProgressBar::new(n_slates).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
