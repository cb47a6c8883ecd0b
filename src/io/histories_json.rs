//! Histories as JSON lines. Every key but the one that is replaced keeps its place and its text.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::error::{AtPath, InputProblem};
use super::histories::{BloomSummary, Builder, HistoriesError, HistoryProblem};
use super::json_lines::{JsonLines, detail};
use super::output_error::{OutputProblem, output_at};
use super::output_target::Target;
use crate::bloom::hash_of;

/// Reads, replaces and writes line by line.
pub(super) fn build(
    (input, file): (&Path, File),
    output: &Path,
    mut builder: Builder<'_>,
) -> Result<BloomSummary, HistoriesError> {
    let mut lines = JsonLines::new(BufReader::with_capacity(1 << 18, file));
    let mut target = Target::file(output)?;
    let mut text = Vec::new();
    while convert(&mut lines, &mut builder, &mut text).at(input)? {
        output_at(output, target.write_all(&text).map_err(OutputProblem::from))?;
    }
    target.finish()?;
    Ok(builder.summary)
}

/// The next line as it is to be written; false at the end.
fn convert(
    lines: &mut JsonLines<impl std::io::BufRead>,
    builder: &mut Builder<'_>,
    text: &mut Vec<u8>,
) -> Result<bool, InputProblem> {
    let (column, name) = (builder.request.column.clone(), builder.request.name.clone());
    let line = lines.line + 1;
    let Some(read) = lines.next_line()? else { return Ok(false) };
    let Object(fields) = serde_json::from_slice(read).map_err(|e| InputProblem::Json { line, detail: detail(&e) })?;
    if column != name && fields.iter().any(|(key, _)| *key == name) {
        return Err(HistoryProblem::NameTaken { column: name }.into());
    }
    if !fields.iter().any(|(key, _)| *key == column) {
        return Err(builder.no_history());
    }
    text.clear();
    for (i, (key, value)) in fields.into_iter().enumerate() {
        text.push(if i == 0 { b'{' } else { b',' });
        if key == column {
            let hashes = hashes(&value, builder)?;
            let filter = builder.filter(hashes)?.map(|bytes| BASE64.encode(bytes));
            text.extend(serde_json::json!(name).to_string().bytes());
            text.push(b':');
            text.extend(serde_json::json!(filter).to_string().bytes());
        } else {
            text.extend(serde_json::json!(key).to_string().bytes());
            text.push(b':');
            text.extend(value.get().bytes());
        }
    }
    text.extend(b"}\n");
    Ok(true)
}

/// The hashes of a list of items, none for null.
fn hashes(value: &RawValue, builder: &mut Builder<'_>) -> Result<Option<Vec<u64>>, InputProblem> {
    let items = match serde_json::from_str(value.get()) {
        Ok(Json::Null) => return Ok(None),
        Ok(Json::Array(items)) => items,
        _ => return Err(builder.no_history()),
    };
    let hash = |item: &Json| match item {
        Json::String(id) => Ok(hash_of(id)),
        Json::Number(number) if !number.is_f64() => builder.hash_of_integer(&number.to_string()),
        _ => Err(builder.no_history()),
    };
    items.iter().map(hash).collect::<Result<_, _>>().map(Some)
}

/// The keys of an object with the text of their values, in order.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
