//! What follows the mark that ends the messages of Arrow IPC: nothing in a stream, an index in a file.
//!
//! Bytes that are passed over are slates that are lost: of a second stream behind the first, or of a file that was written over.

use std::io::{ErrorKind, Read};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use super::error::InputProblem;

/// How long a pipe is watched after the end of its stream. Whoever writes another stream behind it does so at once; whoever
/// keeps the pipe open and waits for the answer gets it.
const PATIENCE: Duration = Duration::from_millis(250);

/// How a file ends, after the index and its length of four bytes.
const END_MARK: &[u8] = b"ARROW1";
/// Most bytes before the index that only fill up.
const MAX_PADDING_BYTES: u64 = 64;

/// A stream in a file ends with it.
pub(super) fn check_stream(reader: impl Read) -> Result<(), InputProblem> {
    let mut next = Vec::new();
    reader.take(1).read_to_end(&mut next)?;
    if next.is_empty() { Ok(()) } else { Err(InputProblem::AfterEnd) }
}

/// A pipe may stay open, and no more comes.
pub(super) fn check_pipe(reader: impl Read + Send + 'static) -> Result<(), InputProblem> {
    let (sender, receiver) = sync_channel(1);
    // It may wait for as long as the pipe is open.
    thread::spawn(move || drop(sender.send(check_stream(reader))));
    receiver.recv_timeout(PATIENCE).unwrap_or(Ok(()))
}

/// An index, its length and a mark.
pub(super) fn check_index(mut reader: impl Read) -> Result<(), InputProblem> {
    const TAIL_BYTES: usize = 4 + END_MARK.len();
    let (mut block, mut tail, mut n_bytes) = (vec![0; 1 << 16], Vec::new(), 0u64);
    loop {
        match reader.read(&mut block) {
            Ok(0) => break,
            Ok(n) => {
                n_bytes += n as u64;
                tail.extend_from_slice(&block[..n]);
                tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let length = tail.strip_suffix(END_MARK).and_then(|length| <[u8; 4]>::try_from(length).ok());
    let Some(length) = length.map(u32::from_le_bytes) else {
        let detail = "the index at the end of the Arrow file is cut off, or other bytes follow it".to_owned();
        return Err(InputProblem::Truncated { detail });
    };
    match n_bytes.checked_sub(TAIL_BYTES as u64 + u64::from(length)) {
        Some(n_before) if n_before <= MAX_PADDING_BYTES => Ok(()),
        _ => Err(InputProblem::AfterEnd),
    }
}
