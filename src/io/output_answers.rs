//! Arrow messages that say how many slates they answer: whoever waits for answers can tell when one is whole, also where it
//! comes in several batches or a slate fills no position.

use std::io::Write;

use arrow_array::RecordBatch;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message};
use arrow_ipc::{KeyValue, KeyValueArgs, Message, MessageArgs, RecordBatchArgs, root_as_message};
use arrow_schema::ArrowError;
use flatbuffers::FlatBufferBuilder;

/// Key of the message's metadata; the value is a decimal number.
pub(crate) const SLATES_KEY: &str = "spectrank.slates";

/// Writes batches of one stream behind its schema.
pub(crate) struct AnswerWriter {
    generator: IpcDataGenerator,
    options: IpcWriteOptions,
    dictionaries: DictionaryTracker,
    context: IpcWriteContext,
}

impl AnswerWriter {
    pub(crate) fn new() -> Self {
        Self {
            generator: IpcDataGenerator::default(),
            options: IpcWriteOptions::default(),
            dictionaries: DictionaryTracker::new(false),
            context: IpcWriteContext::default(),
        }
    }

    /// Writes a batch, which holds no dictionaries; with it the answers to so many slates are whole.
    pub(crate) fn write(&mut self, to: impl Write, batch: &RecordBatch, n_slates: usize) -> Result<(), ArrowError> {
        let Self { generator, options, dictionaries, context } = self;
        let (_, mut encoded) = generator.encode(batch, dictionaries, options, context)?;
        encoded.ipc_message = with_metadata(&encoded.ipc_message, SLATES_KEY, &n_slates.to_string())?;
        write_message(to, encoded, options).map(drop)
    }
}

/// The header of a record batch again, with an entry of metadata, for which the writer has no place.
fn with_metadata(header: &[u8], key: &str, value: &str) -> Result<Vec<u8>, ArrowError> {
    let bad = |what: &dyn std::fmt::Display| ArrowError::IpcError(format!("the header of an answer: {what}"));
    let message = root_as_message(header).map_err(|error| bad(&error))?;
    let batch = message.header_as_record_batch().ok_or_else(|| bad(&"it has no record batch"))?;
    let mut builder = FlatBufferBuilder::new();
    let nodes = batch.nodes().map(|all| builder.create_vector(&all.iter().copied().collect::<Vec<_>>()));
    let buffers = batch.buffers().map(|all| builder.create_vector(&all.iter().copied().collect::<Vec<_>>()));
    let fields = RecordBatchArgs { length: batch.length(), nodes, buffers, ..RecordBatchArgs::default() };
    let batch = arrow_ipc::RecordBatch::create(&mut builder, &fields);
    let (key, value) = (Some(builder.create_string(key)), Some(builder.create_string(value)));
    let entry = KeyValue::create(&mut builder, &KeyValueArgs { key, value });
    let custom_metadata = Some(builder.create_vector(&[entry]));
    let fields = MessageArgs {
        version: message.version(),
        header_type: message.header_type(),
        header: Some(batch.as_union_value()),
        bodyLength: message.bodyLength(),
        custom_metadata,
    };
    let message = Message::create(&mut builder, &fields);
    builder.finish(message, None);
    Ok(builder.finished_data().to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, StringArray};
    use arrow_ipc::reader::StreamReader;
    use arrow_ipc::writer::StreamWriter;

    use super::*;

    /// The number that each message of a stream says.
    fn told(mut stream: &[u8]) -> Vec<Option<String>> {
        let mut found = Vec::new();
        while let Some((size, rest)) = stream[4..].split_first_chunk::<4>() {
            let size = u32::from_le_bytes(*size) as usize;
            if size == 0 {
                break;
            }
            let message = root_as_message(&rest[..size]).unwrap();
            let entry = message.custom_metadata().map(|all| all.get(0));
            assert!(entry.is_none_or(|entry| entry.key() == Some(SLATES_KEY)));
            found.push(entry.and_then(|entry| entry.value()).map(str::to_owned));
            stream = &rest[size + message.bodyLength() as usize..];
        }
        found
    }

    #[test]
    fn batches_say_how_many_slates_they_answer_and_stay_what_they_are() {
        let batch = |ids: &[&str]| {
            let ids: ArrayRef = Arc::new(StringArray::from(ids.to_vec()));
            let values: ArrayRef = Arc::new(Float64Array::from_iter_values((0..ids.len()).map(|i| i as f64)));
            RecordBatch::try_from_iter([("id", ids), ("value", values)]).unwrap()
        };
        let batches = [batch(&["a", "bcd", ""]), batch(&[]), batch(&["e"])];
        let mut stream = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
        let mut answers = AnswerWriter::new();
        for (batch, n_slates) in batches.iter().zip([0, 7, 1024]) {
            answers.write(stream.get_mut(), batch, n_slates).unwrap();
        }
        let bytes = stream.into_inner().unwrap();
        assert_eq!(told(&bytes), [None, Some("0".into()), Some("7".into()), Some("1024".into())]);
        let found: Vec<_> = StreamReader::try_new(bytes.as_slice(), None).unwrap().map(Result::unwrap).collect();
        assert_eq!(found, batches);
    }
}
