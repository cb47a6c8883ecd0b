//! Standard input that comes as someone writes it: whether more is at hand can be told without waiting for it.

use std::io::{BufRead, Error, ErrorKind, Read, Result};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes read at a time: what a pipe holds.
const BLOCK_BYTES: usize = 1 << 16;
/// Blocks that wait to be taken.
const WAITING_BLOCKS: usize = 4;
/// How long a line may be on its way before whoever waits for answers is served first.
const LINGER: Duration = Duration::from_millis(5);
/// What begins as long as this is not waited for as a whole.
const LONG_LINE_BYTES: usize = 1 << 20;

/// Input that a thread of its own reads ahead.
pub(crate) struct LiveInput {
    blocks: Receiver<Result<Vec<u8>>>,
    bytes: Vec<u8>,
    next: usize,
    /// A failure that was met while looking ahead.
    failed: Option<Error>,
}

impl LiveInput {
    /// Starts to read. The thread ends with the input, or with its next block once nobody takes them.
    pub(crate) fn new(mut reader: impl Read + Send + 'static) -> Self {
        let (sender, blocks) = sync_channel(WAITING_BLOCKS);
        thread::spawn(move || {
            loop {
                let mut block = vec![0; BLOCK_BYTES];
                let read = match reader.read(&mut block) {
                    Ok(0) => return,
                    Ok(n_bytes) => {
                        block.truncate(n_bytes);
                        Ok(block)
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let is_over = read.is_err();
                if sender.send(read).is_err() || is_over {
                    return;
                }
            }
        });
        Self { blocks, bytes: Vec::new(), next: 0, failed: None }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.next..]
    }

    /// False where the next line is not there yet, nor soon; true at the end of the input.
    pub(crate) fn has_line(&mut self) -> bool {
        let deadline = Instant::now() + LINGER;
        loop {
            // Empty lines are none.
            if self.rest().trim_ascii_start().contains(&b'\n') || self.rest().len() > LONG_LINE_BYTES {
                return true;
            }
            match self.blocks.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Ok(block)) => {
                    self.bytes.drain(..self.next);
                    self.next = 0;
                    self.bytes.extend_from_slice(&block);
                }
                Ok(Err(error)) => {
                    self.failed = Some(error);
                    return true;
                }
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }
}

impl BufRead for LiveInput {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.rest().is_empty() {
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            // Where the thread has ended, nothing comes any more.
            (self.bytes, self.next) = (self.blocks.recv().unwrap_or_else(|_| Ok(Vec::new()))?, 0);
        }
        Ok(self.rest())
    }

    fn consume(&mut self, n_bytes: usize) {
        self.next += n_bytes;
    }
}

impl Read for LiveInput {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let n_bytes = self.fill_buf()?.read(buffer)?;
        self.consume(n_bytes);
        Ok(n_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// A reader that gives what it is sent.
    struct Sent(Receiver<&'static str>);

    impl Read for Sent {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            match self.0.recv() {
                Ok("") => Err(Error::other("unplugged")),
                Ok(text) => text.as_bytes().read(buffer),
                Err(_) => Ok(0),
            }
        }
    }

    fn input() -> (Sender<&'static str>, LiveInput) {
        let (sender, receiver) = channel();
        (sender, LiveInput::new(Sent(receiver)))
    }

    fn line(input: &mut LiveInput) -> Result<String> {
        let mut line = String::new();
        input.read_line(&mut line).map(|_| line)
    }

    #[test]
    fn a_line_is_there_once_it_is_whole() {
        let (sender, mut input) = input();
        assert!(!input.has_line());
        sender.send("one").unwrap();
        assert!(!input.has_line());
        sender.send("\ntwo\n\n").unwrap();
        // It takes its time through the thread.
        while !input.has_line() {}
        assert_eq!(line(&mut input).unwrap(), "one\n");
        assert!(input.has_line());
        assert_eq!(line(&mut input).unwrap(), "two\n");
        assert!(!input.has_line(), "an empty line is none");
        sender.send("three").unwrap();
        drop(sender);
        while !input.has_line() {}
        assert_eq!((line(&mut input).unwrap(), line(&mut input).unwrap()), ("\n".to_owned(), "three".to_owned()));
        assert!(input.has_line(), "there is nothing to wait for");
        assert_eq!(line(&mut input).unwrap(), "");
    }

    #[test]
    fn a_failure_comes_after_what_was_read_before() {
        let (sender, mut input) = input();
        sender.send("one\n").unwrap();
        sender.send("").unwrap();
        assert_eq!(line(&mut input).unwrap(), "one\n");
        while !input.has_line() {}
        assert_eq!(line(&mut input).unwrap_err().to_string(), "unplugged");
    }
}
