//! The rows of the table, and what all of them are measured with.

use std::sync::Arc;

use spectrank::gpu::{self, AdapterKind, OpenDevice};

use crate::Arguments;
use crate::common::machine::Machine;

/// One row.
#[derive(Debug)]
pub struct Spec {
    /// Its name, for `--only`.
    pub name: &'static str,
    /// What is measured.
    pub what: &'static str,
    /// What it is held against.
    pub against: &'static str,
    /// What it has to reach.
    pub target: Target,
    /// How it is measured.
    pub kind: Kind,
}

/// What a row has to reach.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// So many times what it is held against.
    Times(f64),
    /// This share of it.
    Share(f64),
    /// Slates per second.
    Rate(f64),
    /// Seconds, at most.
    Seconds(f64),
}

/// How a row is measured.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// The CPU engine beside a peer.
    Cpu(Case),
    /// The GPU engine beside PyTorch on the same GPU.
    Gpu(Case),
    /// The GPU engine beside the CPU engine.
    GpuBesideCpu(Case),
    /// `rerank` from file to file beside the CPU engine.
    Program,
    /// `rerank` of a few slates, from start to end.
    Start {
        /// With the GPU engine.
        on_gpu: bool,
    },
}

/// One configuration on one kind of slates.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// TOML text.
    pub config: &'static str,
    /// The slates.
    pub slates: Slates,
    /// Exact pruning on or off.
    pub prunes: bool,
    /// Who else does it.
    pub peer: PeerKind,
}

/// Which slates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slates {
    /// Made up: N = 500, d = 256.
    Synthetic,
    /// Of WordNet: N = 500, d = 384; of the demo N = 200.
    WordNet,
}

/// Who else does it, and how it is asked to.
#[derive(Debug, Clone, Copy)]
pub enum PeerKind {
    /// `peers/torch_spectral.py` with these flags.
    Torch(&'static [&'static str]),
    /// `peers/pyversity_baselines.py` with this strategy.
    Pyversity(&'static str),
}

const POOL: Case = Case {
    config: "slate_size = 100",
    slates: Slates::Synthetic,
    prunes: true,
    peer: PeerKind::Torch(&["--positions", "100"]),
};
const WORDNET: Case = Case {
    config: "slate_size = 50\n[spectral]\nstrength = 0.2\n[[signal]]\nname = \"text\"",
    slates: Slates::WordNet,
    prunes: true,
    peer: PeerKind::Torch(&["--positions", "50", "--strength", "0.2"]),
};
const WINDOW: Case = Case {
    config: "slate_size = 100\n[window]\nahead = 50\nscope = \"window\"\n[spectral]\nspectra = 8",
    slates: Slates::Synthetic,
    prunes: true,
    peer: PeerKind::Torch(&["--positions", "100", "--scope", "window", "--ahead", "50", "--spectra", "8"]),
};

/// Parameters matched as SPEC 7 says, at pyversity's diversity 0.5.
const fn baseline(strategy: &'static str, config: &'static str) -> Case {
    Case { config, slates: Slates::Synthetic, prunes: true, peer: PeerKind::Pyversity(strategy) }
}
const MMR: Case = baseline("mmr", "slate_size = 100\nstrategy = \"mmr\"\n[mmr]\nlambda = 0.5");
const MSD: Case = baseline("msd", "slate_size = 100\nstrategy = \"msd\"\n[msd]\nlambda = 0.5");
const DPP: Case =
    baseline("dpp", "slate_size = 100\nstrategy = \"dpp\"\nrelevance.transform = \"zscore\"\n[dpp]\ntheta = 0.5");
const SSD: Case = baseline(
    "ssd",
    "slate_size = 100\nstrategy = \"ssd\"\nrelevance.transform = \"zscore\"\n[ssd]\ngamma = 1.0\nwindow = 10\neviction = \"paper\"",
);

const fn row(name: &'static str, what: &'static str, against: &'static str, target: Target, kind: Kind) -> Spec {
    Spec { name, what, against, target, kind }
}

/// What rows say where there is none; the head of the table says why.
pub const NO_GPU: &str = "no GPU here";
const TORCH: &str = "PyTorch CPU, best of eigh and power";
const PYVERSITY: &str = "pyversity, one process";
const CUDA: &str = "PyTorch CUDA, best of eager, compiled, eigh, power";
const CPU: &str = "CPU engine, 16 cores";

/// All rows, in the order of the table.
pub const ROWS: [Spec; 19] = [
    row("pool", "CPU, pool scope, N = 500, d = 256, T = 100", TORCH, Target::Times(60.0), Kind::Cpu(POOL)),
    row("wordnet", "CPU, WordNet slates, T = 50, strength 0.2", TORCH, Target::Times(40.0), Kind::Cpu(WORDNET)),
    row(
        "unpruned",
        "CPU, pool scope, pruning off",
        TORCH,
        Target::Times(8.0),
        Kind::Cpu(Case { prunes: false, ..POOL }),
    ),
    row("window", "CPU, window scope 10 / 50, K = 8", TORCH, Target::Times(10.0), Kind::Cpu(WINDOW)),
    row("mmr", "CPU, mmr", PYVERSITY, Target::Times(10.0), Kind::Cpu(MMR)),
    row("msd", "CPU, msd", PYVERSITY, Target::Times(10.0), Kind::Cpu(MSD)),
    row("dpp", "CPU, dpp", PYVERSITY, Target::Times(10.0), Kind::Cpu(DPP)),
    row("ssd", "CPU, ssd, window 10", PYVERSITY, Target::Times(30.0), Kind::Cpu(SSD)),
    row("gpu-pool", "GPU, pool scope, N = 500, d = 256, T = 100", CUDA, Target::Times(50.0), Kind::Gpu(POOL)),
    row("gpu-rate", "the same, slates per second", "a data-centre GPU", Target::Rate(1e6), Kind::Gpu(POOL)),
    row("gpu-wordnet", "GPU, WordNet slates, T = 50, strength 0.2", CUDA, Target::Times(50.0), Kind::Gpu(WORDNET)),
    row("gpu-window", "GPU, window scope 10 / 50, K = 8", CUDA, Target::Times(50.0), Kind::Gpu(WINDOW)),
    row("gpu-mmr", "GPU, mmr", CPU, Target::Times(1.0), Kind::GpuBesideCpu(MMR)),
    row("gpu-msd", "GPU, msd", CPU, Target::Times(1.0), Kind::GpuBesideCpu(MSD)),
    row("gpu-dpp", "GPU, dpp", CPU, Target::Times(1.0), Kind::GpuBesideCpu(DPP)),
    row("gpu-ssd", "GPU, ssd, window 10", CPU, Target::Times(1.0), Kind::GpuBesideCpu(SSD)),
    row("program", "rerank, Parquet to Parquet", "the CPU engine alone", Target::Share(0.7), Kind::Program),
    row("start", "rerank of 40 slates, CPU", "start to end", Target::Seconds(0.3), Kind::Start { on_gpu: false }),
    row("start-gpu", "rerank of 40 slates, GPU", "start to end", Target::Seconds(1.0), Kind::Start { on_gpu: true }),
];

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Slates for the CPU engine.
    pub slates: usize,
    /// The first of them, which peers get too.
    pub peer_slates: usize,
    /// Slates with items of their own.
    pub own_items: usize,
    /// Slates for a GPU, and for a driver that computes on the CPU.
    pub gpu_slates: [usize; 2],
    /// Slates for the whole program.
    pub program_slates: usize,
    /// Rounds of turns.
    pub rounds: usize,
    /// Processes that are started for the time of a start.
    pub starts: usize,
    /// Shortest run of ours, in seconds; the engine goes over its slates as often as that takes.
    pub shortest_run: f64,
}

/// What all rows are measured with.
pub struct Context {
    /// As given.
    pub arguments: Arguments,
    /// How much.
    pub sizes: Sizes,
    /// Where.
    pub machine: Machine,
    /// The GPU, or why there is none.
    pub gpu: Result<Arc<OpenDevice>, String>,
    /// For slates and results.
    pub folder: tempfile::TempDir,
}

impl Context {
    /// Opens the GPU and looks at the machine.
    pub fn new(arguments: &Arguments) -> Result<Self, String> {
        let full = Sizes {
            slates: 512,
            peer_slates: 128,
            own_items: 128,
            gpu_slates: [10_000, 64],
            program_slates: 100_000,
            rounds: 7,
            starts: 15,
            shortest_run: 0.25,
        };
        let quick = Sizes {
            slates: 64,
            peer_slates: 16,
            own_items: 16,
            gpu_slates: [512, 8],
            program_slates: 500,
            rounds: 1,
            starts: 1,
            shortest_run: 0.0,
        };
        let mut sizes = if arguments.quick { quick } else { full };
        sizes.rounds = arguments.rounds.unwrap_or(sizes.rounds).max(1);
        sizes.program_slates = arguments.program_slates.unwrap_or(sizes.program_slates).max(1);
        let machine = Machine::look(arguments.threads);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(machine.threads);
        pool.build_global().map_err(|error| error.to_string())?;
        let gpu = gpu::open(&arguments.adapter).map(Arc::new).map_err(|error| error.to_string());
        let folder =
            tempfile::Builder::new().prefix("spectrank-table-").tempdir().map_err(|error| error.to_string())?;
        Ok(Self { arguments: arguments.clone(), sizes, machine, gpu, folder })
    }

    /// True where the adapter computes on the CPU.
    pub fn is_software(&self) -> bool {
        self.gpu.as_ref().is_ok_and(|gpu| gpu.description.kind == AdapterKind::Cpu)
    }
}
