//! Writing to standard output and error, where the reader may have gone away.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write, stderr, stdout};

use super::{Exit, Failure};

/// Writes to standard output. A reader that went away (`spectrank … | head`) is no failure.
pub fn print(text: Arguments<'_>) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Output, format_args!("standard output cannot be written ({error})")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error. Where that is closed there is nobody left to tell.
pub fn tell(line: Arguments<'_>) {
    let _ = stderr().lock().write_fmt(format_args!("{line}\n"));
}
