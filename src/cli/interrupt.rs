//! Ctrl-C: the first asks for an end, the second is one.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Exit, terminal};

static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// From here on, Ctrl-C is heard instead of ending the program. Where it is ignored (a script's background job), it stays so.
pub fn listen() {
    let heard = || {
        if IS_ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(Exit::Interrupted as u8));
        }
        if stderr().is_terminal() {
            terminal::tell(format_args!("finishing what is at hand; Ctrl-C again stops at once"));
        }
    };
    // Where nothing can be installed, Ctrl-C does what it did before.
    let _ = ctrlc::try_set_handler(heard);
}

/// True after a first Ctrl-C.
pub fn is_asked() -> bool {
    IS_ASKED.load(Ordering::SeqCst)
}
