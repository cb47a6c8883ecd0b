//! A peer: a process of its own that does one timed run for each line it is sent (`benches/peers/serve.py`).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::rows::{Context, PeerKind};

/// Who a peer is.
#[derive(Debug, Deserialize)]
pub struct Hello {
    /// Name.
    pub peer: String,
    /// Version.
    pub version: String,
    /// What it computes on.
    pub device: String,
    /// What it can be asked for.
    pub variants: Vec<Variant>,
}

/// One way in which a peer does the work.
#[derive(Debug, Deserialize)]
pub struct Variant {
    /// In words.
    pub name: String,
    /// Slates at once.
    pub batch: usize,
    /// Whether the target is about it.
    #[serde(default = "yes")]
    pub is_judged: bool,
    /// Whether it decomposes windows exactly, and not in a few sweeps.
    #[serde(default)]
    pub is_exact: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FirstLine {
    Hello(Hello),
    Missing { missing: String, cure: String },
}

#[derive(Serialize)]
struct Request {
    variant: usize,
    slates: usize,
    picks: bool,
}

/// One run.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// By the clock.
    pub seconds: f64,
    /// Processor time of the peer's own process.
    pub cpu_seconds: f64,
    /// Indices into the candidates, where they were asked for.
    #[serde(default)]
    pub picks: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Answer(Answer),
    Error { error: String },
}

/// A peer that is running.
pub struct Peer {
    child: Child,
    /// None once it was told to end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Who it is.
    pub hello: Hello,
}

impl Peer {
    /// Starts a peer on the slates in a folder; on a GPU with `on_cuda`.
    ///
    /// # Errors
    /// It cannot be measured here: what is missing, and the cure.
    pub fn start(context: &Context, kind: PeerKind, on_cuda: bool, folder: &Path) -> Result<Self, String> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
        let threads = context.machine.threads.to_string();
        let mut command = Command::new(&context.arguments.python);
        match kind {
            PeerKind::Torch(flags) => {
                command.arg(scripts.join("torch_spectral.py")).args(flags);
                if on_cuda {
                    command.args(["--device", "cuda", "--compiled"]);
                }
            }
            PeerKind::Pyversity(strategy) => {
                command.arg(scripts.join("pyversity_baselines.py"));
                command.args(["--positions", "100", "--strategy", strategy]);
            }
        }
        command.arg("--folder").arg(folder).args(["--threads", &threads]);
        for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
            command.env(name, &threads);
        }
        // Some machines set these for old versions of OpenBLAS; they slow a new one.
        command.env_remove("OPENBLAS_CORETYPE").env_remove("OPENBLAS_L2_SIZE");
        // No folders with compiled scripts among the sources.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        let python = context.arguments.python.display();
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("{python} cannot be started ({error}): see --python"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a pipe to the peer is missing".to_owned());
        };
        let mut output = BufReader::new(output);
        let first = read(&mut output).and_then(|line| serde_json::from_str(&line).map_err(|error| error.to_string()));
        match first {
            Ok(FirstLine::Hello(hello)) => Ok(Self { child, input: Some(input), output, hello }),
            Ok(FirstLine::Missing { missing, cure }) => {
                let _ = child.wait();
                Err(format!("{missing} for {python}: {cure}"))
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("the peer did not start: {error}"))
            }
        }
    }

    /// One timed run of a variant over the first slates.
    ///
    /// # Errors
    /// What the peer says went wrong, or that it ended.
    pub fn run(&mut self, variant: usize, slates: usize, picks: bool) -> Result<Answer, String> {
        let request = serde_json::to_string(&Request { variant, slates, picks }).map_err(|error| error.to_string())?;
        let input = self.input.as_mut().ok_or("the peer has ended")?;
        writeln!(input, "{request}")
            .and_then(|()| input.flush())
            .map_err(|error| format!("the peer ended: {error}"))?;
        match serde_json::from_str(&read(&mut self.output)?) {
            Ok(Line::Answer(answer)) => Ok(answer),
            Ok(Line::Error { error }) => Err(error),
            Err(error) => Err(format!("the peer's answer is none: {error}")),
        }
    }
}

fn read(output: &mut BufReader<ChildStdout>) -> Result<String, String> {
    let mut line = String::new();
    match output.read_line(&mut line) {
        Ok(0) => Err("it ended; what it said is above".to_owned()),
        Ok(_) => Ok(line),
        Err(error) => Err(error.to_string()),
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        let _ = self.child.wait();
    }
}
