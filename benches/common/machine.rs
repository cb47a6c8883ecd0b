//! The machine that is measured.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

use super::processor;

/// Others may take this share of the processors before figures are said to be of a busy machine.
const BUSY: f64 = 0.1;

/// The machine that is measured, and what of it others took.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Name of the processor.
    pub cpu: String,
    /// Vector instructions.
    pub vectors: &'static str,
    /// Cores that this process may use.
    pub cores: usize,
    /// Threads, of ours and of peers.
    pub threads: usize,
    /// System and architecture.
    pub system: String,
    /// Commit that is measured, where git tells.
    pub commit: Option<String>,
    /// Compiler on the path, which cargo called.
    pub compiler: Option<String>,
    /// Load average before the first row.
    pub load_average: Option<f64>,
    /// Shares of the processors that others took in the second before the first row: those that do not make way, and those
    /// that do (`nice`).
    pub shares_of_others: Option<[f64; 2]>,
}

impl Machine {
    /// Looks at the machine for a second. Without a number of threads, there are as many as cores.
    pub fn look(threads: Option<usize>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            cpu: processor::model(),
            vectors: processor::vectors(),
            cores,
            threads: threads.unwrap_or(cores).max(1),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            commit: said("git", &["describe", "--always", "--dirty"]),
            compiler: said("rustc", &["--version"]),
            load_average: processor::load_average(),
            shares_of_others: processor::shares_of_others(Duration::from_secs(1)),
        }
    }

    /// True where others took so much that figures say little.
    pub fn is_busy(&self) -> bool {
        self.shares_of_others.is_some_and(|[share, _]| share > BUSY)
    }

    /// In words.
    pub fn text(&self) -> String {
        let unknown = "unknown".to_owned();
        let load = self.load_average.map_or(unknown.clone(), |load| format!("{load:.1}"));
        let others = self.shares_of_others.map_or(unknown, |[others, nice]| {
            format!("{:.0} % (and {:.0} % that makes way)", 100.0 * others, 100.0 * nice)
        });
        let mut text = format!(
            "{}, {} cores, {}, {}; {} threads\nspectrank {}{}; {}\nload average {load}, others took {others} of the \
             processors in the second before\n",
            self.cpu,
            self.cores,
            self.vectors,
            self.system,
            self.threads,
            env!("CARGO_PKG_VERSION"),
            self.commit.as_deref().map(|commit| format!(" ({commit})")).unwrap_or_default(),
            self.compiler.as_deref().unwrap_or("compiler unknown"),
        );
        if self.is_busy() {
            text += "WARNING: the machine is busy with other work. Do not quote these figures; run again when it is quiet.\n";
        }
        text
    }
}

/// First line of what a program says in the project's folder.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(program).args(arguments).current_dir(folder).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().filter(|_| output.status.success()).map(str::to_owned)
}
