//! Ctrl-C and SIGTERM: they end the program at once and leave no unfinished file; while `rerank` finishes its batches, the
//! first asks for an end and the second is one.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use spectrank::io::{Abandoned, abandon_drafts};

use super::{Exit, Failure, exit, terminal};

static IS_ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// True where it was SIGTERM that came first.
static IS_TERMINATED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// True where the run itself looks whether it is to end.
static IS_LOOKED_AT: AtomicBool = AtomicBool::new(false);

/// What asked for an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM: what schedulers and `kill` send.
    Terminate,
}

impl Signal {
    /// The code that shells give to programs which it ends.
    pub fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }

    /// What it did to a run.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "interrupted",
            Self::Terminate => "terminated",
        }
    }
}

/// From here on, a signal takes away the files in the making and ends the program with a line and its exit code. Where Ctrl-C
/// is ignored (a script's background job), it stays so.
pub fn listen() {
    let heard = || {
        if IS_ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(Exit::Interrupted as u8));
        }
        if !IS_LOOKED_AT.load(Ordering::SeqCst) {
            end_at_once(Signal::Interrupt);
        }
        if stderr().is_terminal() {
            terminal::tell(format_args!("finishing what is at hand; Ctrl-C again stops at once"));
        }
    };
    // Where nothing can be installed, signals do what they did before.
    let _ = ctrlc::try_set_handler(heard);
    #[cfg(unix)]
    let _ = listen_to_termination();
}

/// From here on, a first signal only asks for an end: the run looks at [`asked`] after every batch.
pub fn finish_batches() {
    IS_LOOKED_AT.store(true, Ordering::SeqCst);
}

/// The thread may do what a handler may not; without it, the signal does what it did before. Handlers run in this order: an end that was asked
/// for before comes at once, then the asking is noted.
#[cfg(unix)]
fn listen_to_termination() -> std::io::Result<()> {
    use signal_hook::consts::SIGTERM;
    use signal_hook::flag;
    use signal_hook::iterator::Signals;
    let mut signals = Signals::new([SIGTERM])?;
    let wait = move || {
        for _ in signals.forever() {
            if !IS_LOOKED_AT.load(Ordering::SeqCst) {
                end_at_once(Signal::Terminate);
            }
        }
    };
    std::thread::Builder::new().name("SIGTERM".to_owned()).spawn(wait)?;
    flag::register_conditional_shutdown(SIGTERM, i32::from(Exit::Terminated as u8), IS_ASKED.clone())?;
    flag::register(SIGTERM, IS_TERMINATED.clone())?;
    flag::register(SIGTERM, IS_ASKED.clone()).map(drop)
}

/// Ends the program from the thread of a signal, whatever the others are at.
fn end_at_once(signal: Signal) -> ! {
    let Abandoned { n_removed, n_kept } = abandon_drafts();
    if stderr().is_terminal() {
        // Below a progress bar, and what the terminal shows for the keys.
        terminal::tell(format_args!(""));
    }
    let left = match (n_removed, n_kept) {
        (0, _) => "",
        (_, 0) => ": nothing was kept",
        _ => ": not all files were completed",
    };
    exit::leave_at_once(Failure::new(signal.exit(), format_args!("{}{left}", signal.name())))
}

/// The signal that asked for an end.
pub fn asked() -> Option<Signal> {
    let signal = || if IS_TERMINATED.load(Ordering::SeqCst) { Signal::Terminate } else { Signal::Interrupt };
    IS_ASKED.load(Ordering::SeqCst).then(signal)
}
