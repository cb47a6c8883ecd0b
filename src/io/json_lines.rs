//! Lines of a JSON-lines file, none longer than a limit.

use std::io::{BufRead, Read};

use super::error::InputProblem;
use crate::text::in_plain_words;

/// What some editors put before the first line: the order of bytes, of which UTF-8 has one.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Longest line that is read.
pub(crate) const MAX_LINE_BYTES: usize = 64 << 20;

/// The stream of lines; empty ones are skipped.
pub(crate) struct JsonLines<R> {
    pub(crate) reader: R,
    buffer: Vec<u8>,
    /// 1-based number of the line read last.
    pub(crate) line: u64,
    pub(crate) max_line_bytes: usize,
}

impl<R: BufRead> JsonLines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), line: 0, max_line_bytes: MAX_LINE_BYTES }
    }

    /// The next line that is not empty; nothing at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, InputProblem> {
        loop {
            self.buffer.clear();
            let mut limited = (&mut self.reader).take(self.max_line_bytes as u64 + 1);
            if limited.read_until(b'\n', &mut self.buffer)? == 0 {
                return Ok(None);
            }
            self.line += 1;
            if self.buffer.len() > self.max_line_bytes {
                let max_bytes = self.max_line_bytes as u64;
                return Err(InputProblem::LineTooLong { line: self.line, max_bytes });
            }
            let mark = if self.line == 1 { BYTE_ORDER_MARK } else { &[] };
            let start = if self.buffer.starts_with(mark) { mark.len() } else { 0 };
            if !self.buffer[start..].trim_ascii().is_empty() {
                // The end of the line is no part of it, nor of what is said of a place in it.
                return Ok(Some(self.buffer[start..].trim_ascii_end()));
            }
        }
    }
}

/// What is wrong with a line. Its number is told beside: to the parser every line is the first.
pub(crate) fn detail(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.strip_suffix(&format!(" at line {} column {}", error.line(), error.column())) {
        // What is wrong with the whole has no place.
        Some(problem) if error.column() == 0 => in_plain_words(problem, "an object"),
        Some(problem) => format!("{} at column {}", in_plain_words(problem, "an object"), error.column()),
        None => text,
    }
}
