//! The messages of Arrow IPC, one after the other. What a message claims to take is held against a limit before anything of that
//! size is allocated.

use std::io::Read;

use arrow_buffer::Buffer;
use arrow_ipc::{Message, root_as_message};

use super::arrow_stream::STREAM_MARK;
use super::error::InputProblem;
use super::{arrow_end, unpacked};

/// Most bytes of the part of a message that says what is in it.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// One message: what is in it, and the bytes.
pub(super) struct RawMessage {
    pub(super) header: Vec<u8>,
    pub(super) body: Buffer,
}

impl RawMessage {
    pub(super) fn header(&self) -> Result<Message<'_>, InputProblem> {
        root_as_message(&self.header).map_err(|e| bad_header(e.to_string()))
    }
}

pub(super) fn bad_header(detail: String) -> InputProblem {
    InputProblem::BadHeader { format: "Arrow message", detail }
}

pub(super) fn cut(detail: &str) -> InputProblem {
    InputProblem::Truncated { detail: format!("the Arrow stream ends inside {detail}") }
}

/// The messages of a stream, in order.
pub(super) struct Messages<R> {
    /// Nothing once the end was looked at.
    pub(super) reader: Option<R>,
    /// Messages read so far.
    pub(super) n_read: u64,
    pub(super) max_bytes: u64,
    pub(super) is_file: bool,
    /// The mark that ends all messages was read.
    pub(super) is_over: bool,
}

impl<R: Read> Messages<R> {
    /// The next message; nothing where the stream says that it ends, or just ends between two messages.
    pub(super) fn next_message(&mut self) -> Result<Option<RawMessage>, InputProblem> {
        let mut mark = self.at_most(4)?;
        if mark.is_empty() {
            // A file has an index behind its messages.
            return if self.is_file { Err(cut("its messages")) } else { Ok(None) };
        }
        if mark == STREAM_MARK {
            mark = self.at_most(4)?;
        }
        let length: [u8; 4] = mark.try_into().map_err(|_| cut("the length of a message"))?;
        self.n_read += 1;
        let n_header_bytes = match u64::try_from(i32::from_le_bytes(length)) {
            Ok(0) => {
                self.is_over = true;
                return Ok(None);
            }
            Ok(n) if n <= MAX_HEADER_BYTES => n,
            _ => return Err(bad_header(format!("its length is {}", i32::from_le_bytes(length)))),
        };
        let header = self.bytes(n_header_bytes)?.ok_or_else(|| cut("the header of a message"))?;
        let n_body_bytes = root_as_message(&header).map_err(|e| bad_header(e.to_string()))?.bodyLength();
        let n_body_bytes =
            u64::try_from(n_body_bytes).map_err(|_| bad_header(format!("its body has {n_body_bytes} bytes")))?;
        self.limit(n_body_bytes, u64::MAX)?;
        let body = self.bytes(n_body_bytes)?.ok_or_else(|| cut("the body of a message"))?;
        let message = RawMessage { header, body: Buffer::from_vec(body) };
        self.limit(decompressed_bytes(&message)?, n_body_bytes)?;
        Ok(Some(message))
    }

    /// So many bytes, or nothing where the stream ends before; memory grows with what comes, not with what is claimed.
    fn bytes(&mut self, n_bytes: u64) -> Result<Option<Vec<u8>>, InputProblem> {
        let bytes = self.at_most(n_bytes)?;
        Ok((bytes.len() as u64 == n_bytes).then_some(bytes))
    }

    fn at_most(&mut self, n_bytes: u64) -> Result<Vec<u8>, InputProblem> {
        let mut bytes = Vec::new();
        if let Some(reader) = &mut self.reader {
            reader.take(n_bytes).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    }

    /// Holds bytes against the limits: that of any message, and what may come out of so many bytes.
    pub(super) fn limit(&self, n_bytes: u64, from_bytes: u64) -> Result<(), InputProblem> {
        let limit = self.max_bytes.min(unpacked::limit(from_bytes));
        if n_bytes <= limit {
            return Ok(());
        }
        Err(InputProblem::MessageTooLarge { message: self.n_read, limit_mib: limit >> 20 })
    }
}

impl<R: Read + Send + 'static> Messages<R> {
    /// Looks at what follows the mark at the end, where there was one: in a file an index, else nothing.
    pub(super) fn check_end(&mut self, is_live: bool) -> Result<(), InputProblem> {
        match self.reader.take_if(|_| self.is_over) {
            None => Ok(()),
            Some(reader) if self.is_file => arrow_end::check_index(reader),
            Some(reader) if is_live => arrow_end::check_pipe(reader),
            Some(reader) => arrow_end::check_stream(reader),
        }
    }
}

/// What the buffers of a message claim to hold once they are decompressed, in bytes.
pub(super) fn decompressed_bytes(message: &RawMessage) -> Result<u64, InputProblem> {
    let header = message.header()?;
    let batch = header.header_as_record_batch().or_else(|| header.header_as_dictionary_batch().and_then(|d| d.data()));
    let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else { return Ok(0) };
    let mut n_bytes = 0u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let start = usize::try_from(buffer.offset()).unwrap_or(usize::MAX);
        // A buffer that lies outside the body is refused by the decoder.
        let prefix = message.body.get(start..).and_then(|bytes| bytes.first_chunk::<8>());
        let claimed = prefix.map_or(0, |prefix| i64::from_le_bytes(*prefix));
        // −1 stands for bytes that were not compressed.
        n_bytes = n_bytes.saturating_add(u64::try_from(claimed).unwrap_or(0));
    }
    Ok(n_bytes)
}
