//! Ctrl-C and SIGTERM: the first asks for an end, the second is one.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use super::{Exit, terminal};

static IS_ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
/// True where it was SIGTERM that came first.
static IS_TERMINATED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

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

/// From here on, signals are heard instead of ending the program. Where Ctrl-C is ignored (a script's background job), it
/// stays so.
pub fn listen() {
    let heard = || {
        if IS_ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(Exit::Interrupted as u8));
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

/// Handlers run in this order: an end that was asked for before comes at once, then the asking is noted.
#[cfg(unix)]
fn listen_to_termination() -> std::io::Result<()> {
    use signal_hook::consts::SIGTERM;
    use signal_hook::flag;
    flag::register_conditional_shutdown(SIGTERM, i32::from(Exit::Terminated as u8), IS_ASKED.clone())?;
    flag::register(SIGTERM, IS_TERMINATED.clone())?;
    flag::register(SIGTERM, IS_ASKED.clone())?;
    Ok(())
}

/// The signal that asked for an end.
pub fn asked() -> Option<Signal> {
    let signal = || if IS_TERMINATED.load(Ordering::SeqCst) { Signal::Terminate } else { Signal::Interrupt };
    IS_ASKED.load(Ordering::SeqCst).then(signal)
}
