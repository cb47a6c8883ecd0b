//! Arrow IPC from any reader: streams, and files, which are a stream between two marks.
//!
//! The decoder believes the sizes that a message claims. So messages are taken apart before it sees them (`arrow_messages`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::MessageHeader;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_schema::{ArrowError, SchemaRef};

use super::arrow_expansion::expanded_bytes;
use super::arrow_messages::{Messages, RawMessage, bad_header, cut, decompressed_bytes};
use super::error::InputProblem;
use super::slates_table::{Rows, Table};
use crate::panics::caught;

/// How a stream starts: the mark before the length of the schema.
pub(crate) const STREAM_MARK: &[u8] = &[0xFF; 4];
/// How a file starts; a stream follows, and then an index that is not needed to read it in order.
pub(crate) const FILE_MARK: &[u8] = b"ARROW1\0\0";

/// Most bytes of a message: as it comes, decompressed, or with repeated values written out.
pub(crate) const MAX_MESSAGE_BYTES: u64 = 2 << 30;

/// True where these are the first bytes of Arrow.
pub(crate) fn is_arrow(head: &[u8]) -> bool {
    head.starts_with(STREAM_MARK) || head.starts_with(FILE_MARK)
}

/// Runs the decoder; a panic inside it becomes an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, ArrowError>) -> Result<T, InputProblem> {
    match caught(work) {
        Ok(result) => result.map_err(|error| InputProblem::Arrow(error.to_string())),
        Err(message) => Err(InputProblem::Arrow(format!("its content is damaged: {message}"))),
    }
}

/// A stream whose schema has been read.
pub(crate) struct ArrowStream<R> {
    messages: Messages<R>,
    schema: SchemaRef,
    is_live: bool,
}

impl<R: Read> ArrowStream<R> {
    /// Reads the schema. `is_live` says that rows are wanted as they come, message by message; none may take more than
    /// `max_bytes`.
    pub(crate) fn open(mut reader: R, is_live: bool, max_bytes: u64) -> Result<Self, InputProblem> {
        let mut mark = Vec::with_capacity(FILE_MARK.len());
        (&mut reader).take(FILE_MARK.len() as u64).read_to_end(&mut mark)?;
        // What was read to tell a file from a stream is the start of the first message in a stream.
        let is_file = mark == FILE_MARK;
        let start = if is_file { after_padding(&mut reader)? } else { mark };
        let reader = Some(std::io::Cursor::new(start).chain(reader));
        let mut messages = Messages { reader, n_read: 0, max_bytes, is_file, is_over: false };
        let Some(message) = messages.next_message()? else { return Err(cut("the schema")) };
        let header = message.header()?;
        let Some(schema) = header.header_as_schema() else {
            return Err(bad_header("the first one is not a schema".to_owned()));
        };
        let schema = guarded(|| arrow_ipc::convert::try_fb_to_schema(schema))?;
        // The start has been read: from here on it is the reader alone.
        let Messages { reader, n_read, .. } = messages;
        let reader = reader.map(|reader| reader.into_inner().1);
        let messages = Messages { reader, n_read, max_bytes, is_file, is_over: false };
        Ok(Self { messages, schema: schema.into(), is_live })
    }
}

/// The first word of a file's first message. Some writers fill up the mark to 64 bytes.
fn after_padding(reader: &mut impl Read) -> Result<Vec<u8>, InputProblem> {
    let mut word = Vec::with_capacity(4);
    for _ in FILE_MARK.len() / 4..=64 / 4 {
        word.clear();
        reader.take(4).read_to_end(&mut word)?;
        if word != [0; 4] {
            break;
        }
    }
    Ok(word)
}

/// What the start of a file tells.
pub(crate) struct Counted {
    pub(crate) schema: SchemaRef,
    pub(crate) n_rows: u64,
    /// The rest of the file is taken to be like what was counted.
    pub(crate) is_estimate: bool,
    /// Bytes of the largest message that was seen, decompressed.
    pub(crate) largest_bytes: u64,
}

/// Counts rows in about the first `n_bytes` of a file.
pub(crate) fn count_rows(file: File, n_bytes: u64) -> Result<Counted, InputProblem> {
    let n_file_bytes = file.metadata()?.len();
    let mut stream = ArrowStream::open(BufReader::new(file), false, MAX_MESSAGE_BYTES)?;
    let (mut n_rows, mut n_read, mut largest_bytes) = (0u64, 0u64, 0u64);
    while let Some(message) = stream.messages.next_message()? {
        let batch = message.header()?.header_as_record_batch();
        n_rows = n_rows.saturating_add(batch.map_or(0, |batch| u64::try_from(batch.length()).unwrap_or(0)));
        largest_bytes = largest_bytes.max(message.body.len() as u64).max(decompressed_bytes(&message)?);
        n_read += (message.header.len() + message.body.len()) as u64;
        if n_read >= n_bytes {
            let n_rows = (n_rows as f64 * n_file_bytes as f64 / n_read as f64) as u64;
            return Ok(Counted { schema: stream.schema, n_rows, is_estimate: true, largest_bytes });
        }
    }
    stream.messages.check_end(false)?;
    Ok(Counted { schema: stream.schema, n_rows, is_estimate: false, largest_bytes })
}

impl<R: Read + Send + 'static> Table for ArrowStream<R> {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn n_rows(&self) -> Option<u64> {
        None
    }

    /// Rows come in the messages that they were written in.
    fn row_bytes(&self, _: &[usize]) -> u64 {
        0
    }

    /// Rows come as they were written, whole messages at a time.
    fn rows(self, columns: Vec<usize>, _: usize) -> Result<Box<dyn Rows>, InputProblem> {
        let dictionaries = HashMap::new();
        Ok(Box::new(ArrowRows {
            stream: self,
            columns,
            dictionaries,
            dictionary_bytes: HashMap::new(),
            is_over: false,
        }))
    }
}

/// Batches of rows; over at the first error.
struct ArrowRows<R> {
    stream: ArrowStream<R>,
    columns: Vec<usize>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Bytes of every dictionary: they can grow from message to message.
    dictionary_bytes: HashMap<i64, u64>,
    is_over: bool,
}

impl<R: Read + Send + 'static> ArrowRows<R> {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, InputProblem> {
        while let Some(message) = self.stream.messages.next_message()? {
            let header = message.header()?;
            match header.header_type() {
                MessageHeader::DictionaryBatch => self.add_dictionary(&message)?,
                MessageHeader::RecordBatch => return self.decode(&message).map(Some),
                other => return Err(bad_header(format!("{other:?} after the schema"))),
            }
        }
        self.stream.messages.check_end(self.stream.is_live)?;
        Ok(None)
    }

    fn add_dictionary(&mut self, message: &RawMessage) -> Result<(), InputProblem> {
        let header = message.header()?;
        let Some(batch) = header.header_as_dictionary_batch() else { return Ok(()) };
        let bytes = self.dictionary_bytes.entry(batch.id()).or_default();
        *bytes =
            if batch.isDelta() { *bytes } else { 0 } + (message.body.len() as u64).max(decompressed_bytes(message)?);
        self.stream.messages.limit(self.dictionary_bytes.values().sum(), u64::MAX)?;
        let (schema, version) = (&self.stream.schema, header.version());
        guarded(|| read_dictionary(&message.body, batch, schema, &mut self.dictionaries, &version))
    }

    fn decode(&self, message: &RawMessage) -> Result<RecordBatch, InputProblem> {
        let header = message.header()?;
        let missing = || bad_header("it has no record batch".to_owned());
        let batch = header.header_as_record_batch().ok_or_else(missing)?;
        if batch.length() < 0 {
            return Err(bad_header(format!("it has {} rows", batch.length())));
        }
        let (schema, version) = (self.stream.schema.clone(), header.version());
        let rows = guarded(|| {
            RecordBatchDecoder::try_new(&message.body, batch, schema, &self.dictionaries, &version)?
                .with_projection(Some(&self.columns))
                .read_record_batch()
        })?;
        let n_bytes = rows.columns().iter().map(expanded_bytes).fold(0u64, u64::saturating_add);
        let from_bytes = message.body.len() as u64 + self.dictionary_bytes.values().sum::<u64>();
        self.stream.messages.limit(n_bytes, from_bytes)?;
        Ok(rows)
    }
}

impl<R: Read + Send + 'static> Rows for ArrowRows<R> {
    fn next_rows(&mut self) -> Option<Result<RecordBatch, InputProblem>> {
        if self.is_over {
            return None;
        }
        let batch = self.next_batch().transpose();
        self.is_over = !matches!(batch, Some(Ok(_)));
        batch
    }

    fn is_live(&self) -> bool {
        self.stream.is_live
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use arrow_array::types::Int8Type;
    use arrow_array::{DictionaryArray, Int64Array};
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{DictionaryHandling, IpcWriteOptions, StreamWriter};

    use super::*;

    /// A stream of batches of one column `x`.
    fn written(columns: Vec<ArrayRef>, options: IpcWriteOptions) -> Vec<u8> {
        let batches = columns.into_iter().map(|column| RecordBatch::try_from_iter([("x", column)]).unwrap());
        let batches: Vec<_> = batches.collect();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
        batches.iter().for_each(|batch| writer.write(batch).unwrap());
        writer.into_inner().unwrap()
    }

    fn read(bytes: Vec<u8>, max_bytes: u64) -> Result<usize, InputProblem> {
        let mut rows = ArrowStream::open(Cursor::new(bytes), false, max_bytes)?.rows(vec![0], 0)?;
        let mut n_rows = 0;
        while let Some(batch) = rows.next_rows() {
            n_rows += batch?.num_rows();
        }
        assert!(rows.next_rows().is_none());
        Ok(n_rows)
    }

    fn zeros() -> Vec<ArrayRef> {
        vec![Arc::new(Int64Array::from(vec![0; 1 << 17]))]
    }

    #[test]
    fn what_a_compressed_message_becomes_is_limited() {
        for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
            let options = IpcWriteOptions::default().try_with_compression(Some(codec)).unwrap();
            let bytes = written(zeros(), options);
            assert!(bytes.len() < 1 << 16);
            assert_eq!(read(bytes.clone(), 2 << 20).unwrap(), 1 << 17);
            let error = read(bytes, (1 << 20) - 1).unwrap_err();
            assert!(matches!(error, InputProblem::MessageTooLarge { message: 2, .. }), "{error}");
        }
    }

    #[test]
    fn what_repeated_values_become_is_limited() {
        let long = "x".repeat(10_000);
        let column: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::from_iter(vec![Some(long.as_str()); 100]));
        let bytes = written(vec![column], IpcWriteOptions::default());
        assert_eq!(read(bytes.clone(), 2 << 20).unwrap(), 100);
        assert!(matches!(read(bytes, 1 << 19), Err(InputProblem::MessageTooLarge { message: 3, .. })));
    }

    #[test]
    fn dictionaries_that_grow_are_limited_together() {
        let names: Vec<String> = (0..100).map(|i| format!("{i:0>1000}")).collect();
        let column = |n: usize| {
            Arc::new(DictionaryArray::<Int8Type>::from_iter(names[..n].iter().map(|name| Some(name.as_str()))))
                as ArrayRef
        };
        let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
        let bytes = written(vec![column(40), column(80), column(100)], options);
        assert_eq!(read(bytes.clone(), 1 << 18).unwrap(), 220);
        assert!(matches!(read(bytes, 90_000), Err(InputProblem::MessageTooLarge { .. })));
    }

    #[test]
    fn a_claim_costs_nothing_before_its_bytes_come() {
        let mut bytes = written(zeros(), IpcWriteOptions::default());
        bytes.truncate(1000);
        // The body ends after some hundred bytes; the memory it would take is within the limit.
        assert!(matches!(read(bytes, u64::MAX), Err(InputProblem::Truncated { .. })));
    }

    #[test]
    fn a_panic_becomes_an_error() {
        let found = guarded(|| -> Result<(), ArrowError> { panic!("index {}", 3) }).unwrap_err();
        assert!(found.to_string().contains("its content is damaged: index 3"), "{found}");
    }
}
