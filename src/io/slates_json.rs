//! Slates as JSON lines: one object per line.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json};

use super::error::{AtPath, InputError, InputProblem};
use super::json_lines::{JsonLines, detail};
use super::live_input::LiveInput;
use super::resolve::{CANDIDATE, Item, ItemRole, PINNED, RECENT, SEEN, check_lengths};
use super::slate_error::SlateFileProblem;
use super::slates::{BatchLimit, DecodeLimits, SlateFields, SlateSource, batch_of};
use super::slates_columns::known;
use crate::bloom::BloomFilter;
use crate::catalog::{Catalog, Value};
use crate::slate::{Pin, Slate};

/// The stream of lines; empty ones are skipped.
pub(crate) struct JsonSlates<'a, R> {
    path: PathBuf,
    lines: JsonLines<R>,
    catalog: &'a Catalog,
    fields: SlateFields,
    n_read: u64,
    /// Whether another line can be had without waiting long; a batch ends where not.
    has_line: fn(&mut R) -> bool,
}

impl<'a> JsonSlates<'a, LiveInput> {
    /// Slates that come as someone writes them, who may wait for answers before there are more.
    pub(crate) fn live(
        path: &Path,
        input: LiveInput,
        catalog: &'a Catalog,
        fields: SlateFields,
        limits: DecodeLimits,
    ) -> Self {
        Self { has_line: LiveInput::has_line, ..Self::from_reader(path, input, catalog, fields, limits) }
    }
}

impl<'a, R: BufRead> JsonSlates<'a, R> {
    pub(crate) fn from_reader(
        path: &Path,
        reader: R,
        catalog: &'a Catalog,
        fields: SlateFields,
        limits: DecodeLimits,
    ) -> Self {
        let mut lines = JsonLines::new(reader);
        lines.max_line_bytes = limits.line_bytes;
        Self { path: path.to_owned(), lines, catalog, fields, n_read: 0, has_line: |_| true }
    }

    fn next_slate(&mut self) -> Result<Option<Slate>, InputProblem> {
        let Some(text) = self.lines.next_line()? else { return Ok(None) };
        let object = serde_json::from_slice::<Map<String, Json>>(text).map_err(|e| detail(&e));
        let object = object.map_err(|detail| InputProblem::Json { line: self.lines.line, detail });
        let slate = object.and_then(|object| self.slate(object));
        // A slate that cannot be read counts all the same: those after it keep their numbers.
        self.n_read += 1;
        slate.map(Some)
    }

    fn slate(&self, mut object: Map<String, Json>) -> Result<Slate, InputProblem> {
        let id = match object.remove("slate_id") {
            None | Some(Json::Null) => self.n_read.to_string(),
            Some(Json::String(id)) => id,
            Some(Json::Number(id)) if !id.is_f64() => id.to_string(),
            Some(_) => {
                return Err(self.kind(
                    &self.n_read.to_string(),
                    "slate_id",
                    "text, or a whole number of at most 64 bits",
                ));
            }
        };
        let Some(listed) = self.list(&mut object, &id, "candidates")? else {
            return Err(InputProblem::Slate(SlateFileProblem::NoList { slate: id, column: "candidates" }));
        };
        let Some(scores) = self.list(&mut object, &id, "scores")? else {
            return Err(InputProblem::Slate(SlateFileProblem::NoList { slate: id, column: "scores" }));
        };
        check_lengths(&id, listed.len(), scores.len())?;
        let candidates = self.items(&listed, &id, CANDIDATE)?;
        let score = |(index, score): (usize, &Json)| {
            score.as_f64().ok_or_else(|| {
                let item = item(&listed[index]).map(|x| x.to_string()).unwrap_or_default();
                InputProblem::Slate(SlateFileProblem::NotAScore { slate: id.clone(), index, item })
            })
        };
        let scores = scores.iter().enumerate().map(score).collect::<Result<_, _>>()?;
        let recent = self.list(&mut object, &id, "recent")?.unwrap_or_default();
        let seen = self.list(&mut object, &id, "seen")?.filter(|_| self.fields.takes_seen()).unwrap_or_default();
        let seen_bloom = self.fields.bloom().map_or(Ok(None), |key| self.bloom(object.remove(key), &id, key))?;
        let pinned = self.list(&mut object, &id, "pinned")?.unwrap_or_default();
        Ok(Slate {
            recent: self.items(&recent, &id, RECENT)?,
            seen: known(self.resolved(&seen, &id, SEEN))?,
            seen_bloom,
            pinned: pinned.iter().enumerate().map(|(i, pin)| self.pin(pin, &id, i)).collect::<Result<_, _>>()?,
            attributes: object
                .into_iter()
                .filter(|(key, _)| self.fields.takes_attribute(key))
                .filter_map(|(k, v)| Some((k, attribute(v)?)))
                .collect(),
            candidates,
            scores,
            id,
        })
    }

    fn kind(&self, slate: &str, key: &'static str, expected: &'static str) -> InputProblem {
        InputProblem::Slate(SlateFileProblem::JsonKind {
            line: self.lines.line,
            slate: slate.to_owned(),
            key,
            expected,
        })
    }

    /// A list; nothing where the key is absent or null.
    fn list(
        &self,
        object: &mut Map<String, Json>,
        slate: &str,
        key: &'static str,
    ) -> Result<Option<Vec<Json>>, InputProblem> {
        match object.remove(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Array(list)) => Ok(Some(list)),
            Some(_) => Err(self.kind(slate, key, "a list")),
        }
    }

    fn items(&self, list: &[Json], slate: &str, role: ItemRole) -> Result<Vec<u32>, InputProblem> {
        self.resolved(list, slate, role).collect()
    }

    fn resolved(&self, list: &[Json], slate: &str, role: ItemRole) -> impl Iterator<Item = Result<u32, InputProblem>> {
        list.iter().enumerate().map(move |(index, value)| match item(value) {
            Some(item) => item.resolve(self.catalog, slate, role),
            None => Err(InputProblem::Slate(SlateFileProblem::NotAnItem {
                slate: slate.to_owned(),
                role,
                index,
                found: found(Some(value)),
            })),
        })
    }

    /// A Bloom filter as base64 text; nothing where it is null. A key that is absent may be a key with another name.
    fn bloom(&self, value: Option<Json>, slate: &str, key: &str) -> Result<Option<Arc<BloomFilter>>, InputProblem> {
        let bad = |problem: String| {
            InputProblem::Slate(SlateFileProblem::Bloom { slate: slate.to_owned(), column: key.to_owned(), problem })
        };
        let text = match value {
            None => {
                return Err(bad(
                    "missing, and filter.seen_bloom names it: write null where a slate has none".to_owned()
                ));
            }
            Some(Json::Null) => return Ok(None),
            Some(Json::String(text)) => text,
            Some(_) => return Err(bad("not text: write the filter's bytes in base64".to_owned())),
        };
        let bytes =
            BASE64.decode(text).map_err(|e| bad(format!("not base64 ({e}): write the filter's bytes in base64")))?;
        BloomFilter::from_bytes(&bytes).map(|filter| Some(Arc::new(filter))).map_err(|e| bad(e.to_string()))
    }

    fn pin(&self, pin: &Json, slate: &str, index: usize) -> Result<Pin, InputProblem> {
        let position = pin.get("position").and_then(Json::as_u64).and_then(|p| u32::try_from(p).ok());
        let position = position
            .ok_or_else(|| InputProblem::Slate(SlateFileProblem::PinPosition { slate: slate.to_owned(), index }))?;
        let role = PINNED;
        let value = pin.get("item");
        let item = value.and_then(item).ok_or_else(|| {
            let slate = slate.to_owned();
            InputProblem::Slate(SlateFileProblem::NotAnItem { slate, role, index, found: found(value) })
        })?;
        Ok(Pin { position, item: item.resolve(self.catalog, slate, role)? })
    }
}

/// A whole number is a row, text an id.
fn item(value: &Json) -> Option<Item<'_>> {
    match value {
        Json::String(id) => Some(Item::Id(id)),
        Json::Number(n) => n.as_i64().map(Item::Row),
        _ => None,
    }
}

/// What stands in the place of an item.
fn found(value: Option<&Json>) -> String {
    match value {
        None => "missing".to_owned(),
        Some(Json::Array(_)) => "a list".to_owned(),
        Some(Json::Object(_)) => "an object".to_owned(),
        Some(Json::Number(n)) if n.is_u64() => format!("{n}, beyond any row"),
        Some(single) => single.to_string(),
    }
}

/// Single values are attributes; lists and objects are left out.
fn attribute(value: Json) -> Option<Value> {
    match value {
        Json::Null => Some(Value::Null),
        Json::Bool(x) => Some(Value::Bool(x)),
        Json::Number(n) => n.as_i64().map(Value::Int).or_else(|| n.as_f64().map(Value::Float)),
        Json::String(x) => Some(Value::Text(x)),
        Json::Array(_) | Json::Object(_) => None,
    }
}

impl<R: BufRead + Send> SlateSource for JsonSlates<'_, R> {
    fn next_batch_within(&mut self, limit: BatchLimit) -> Result<Option<Vec<Slate>>, InputError> {
        let mut is_first = true;
        batch_of(limit, || {
            if !std::mem::take(&mut is_first) && !(self.has_line)(&mut self.lines.reader) {
                return Ok(None);
            }
            self.next_slate().at(&self.path)
        })
    }

    fn skip(&mut self, n_slates: u64) -> Result<u64, InputError> {
        let mut n_skipped = 0;
        while n_skipped < n_slates && self.lines.next_line().at(&self.path)?.is_some() {
            n_skipped += 1;
        }
        self.n_read += n_skipped;
        Ok(n_skipped)
    }

    fn n_slates(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Slate>, String> {
        read_fields(text, SlateFields::All)
    }

    fn read_fields(text: &str, fields: SlateFields) -> Result<Option<Slate>, String> {
        let mut catalog = Catalog::new();
        catalog.set_ids(["a", "b", "c"].map(str::to_owned).to_vec()).unwrap();
        let limits = DecodeLimits { message_bytes: 0, line_bytes: 200, rows_bytes: 0 };
        let mut source = JsonSlates::from_reader(Path::new("s.jsonl"), text.as_bytes(), &catalog, fields, limits);
        source.next_slate().map_err(|e| e.to_string())
    }

    #[test]
    fn a_line_with_everything_becomes_a_slate() {
        let slate = read(
            "\n{\"slate_id\":7,\"candidates\":[\"b\",0],\"scores\":[1,0.1],\"recent\":[\"c\"],\"seen\":null,\
             \"pinned\":[{\"position\":3,\"item\":\"a\"}],\"surface\":\"home\",\"n\":2,\"skip\":[1]}",
        );
        let slate = slate.unwrap().unwrap();
        assert_eq!((slate.id.as_str(), slate.candidates, slate.scores), ("7", vec![1, 0], vec![1.0, 0.1]));
        assert_eq!((slate.recent, slate.seen), (vec![2], vec![]));
        assert_eq!(slate.pinned, [Pin { position: 3, item: 0 }]);
        let attributes = [("n".to_owned(), Value::Int(2)), ("surface".to_owned(), Value::Text("home".into()))];
        assert_eq!(slate.attributes, attributes.into());
    }

    #[test]
    fn what_a_configuration_does_not_use_is_left_out() {
        let only = |seen, bloom: Option<&str>| SlateFields::Only {
            attributes: vec!["surface".to_owned()],
            seen,
            seen_bloom: bloom.map(str::to_owned),
        };
        let line =
            "{\"candidates\":[],\"scores\":[],\"seen\":[\"b\",\"gone\"],\"surface\":\"home\",\"n\":2,\"f\":null}";
        let slate = read_fields(line, only(true, Some("f"))).unwrap().unwrap();
        assert_eq!((slate.seen, slate.seen_bloom), (vec![1], None));
        assert_eq!(slate.attributes, [("surface".to_owned(), Value::Text("home".into()))].into());
        assert!(read_fields(line, only(false, None)).unwrap().unwrap().seen.is_empty());
    }

    #[test]
    fn a_bloom_filter_is_read_and_a_bad_one_named() {
        let fields = SlateFields::Only { attributes: Vec::new(), seen: true, seen_bloom: Some("f".to_owned()) };
        let with = |f: &str| read_fields(&format!("{{\"candidates\":[],\"scores\":[]{f}}}"), fields.clone());
        let mut filter = BloomFilter::with_capacity(3, 0.01).unwrap();
        filter.insert(crate::bloom::hash_of("a"));
        let text = BASE64.encode(filter.to_bytes());
        let slate = with(&format!(",\"f\":\"{text}\"")).unwrap().unwrap();
        assert_eq!(slate.seen_bloom.as_deref(), Some(&filter));
        for (value, expected) in [
            ("", "slate \"0\": f is missing, and filter.seen_bloom names it"),
            (",\"f\":3", "slate \"0\": f is not text"),
            (",\"f\":\"?\"", "slate \"0\": f is not base64"),
            (",\"f\":\"AAAA\"", "slate \"0\": f is a Bloom filter of 3 bytes"),
        ] {
            let found = with(value).unwrap_err();
            assert!(found.starts_with(expected), "{value}: {found}");
        }
    }

    #[test]
    fn every_mistake_is_named() {
        let cases = [
            ("[]", "line 1 is not a JSON object"),
            ("{\"candidates\":[0],\"scores\":[NaN]}", "line 1 is not a JSON object"),
            ("{\"slate_id\":\"q\"}", "slate \"q\": candidates is null or missing"),
            ("{\"candidates\":[],\"scores\":3}", "line 1, slate \"0\": \"scores\" must be a list"),
            ("{\"candidates\":[0],\"scores\":[]}", "slate \"0\": 1 candidates but 0 scores"),
            (
                "{\"candidates\":[\"b\"],\"scores\":[null]}",
                "slate \"0\": the score of candidate number 0, item \"b\", is null",
            ),
            ("{\"candidates\":[2.0],\"scores\":[1]}", "slate \"0\": candidate number 0 is 2.0: use row numbers (whole"),
            (
                "{\"candidates\":[18446744073709551615],\"scores\":[1]}",
                "slate \"0\": candidate number 0 is 18446744073709551615, beyond any row: use",
            ),
            (
                "{\"slate_id\":18446744073709551616}",
                "line 1, slate \"0\": \"slate_id\" must be text, or a whole number of at most 64 bits",
            ),
            ("{\"candidates\":[1\n", "line 1 is not a JSON object (it ends inside a list at column 16)"),
            ("[1]", "line 1 is not a JSON object (invalid type: list, expected an object): write"),
            ("{\"candidates\":[3],\"scores\":[1]}", "slate \"0\": candidate 3 is not in the catalog"),
            (
                "{\"candidates\":[],\"scores\":[],\"pinned\":[{\"item\":1}]}",
                "slate \"0\": pin number 0 has no position",
            ),
            ("{\"candidates\":[],\"scores\":[],\"slate_id\":[]}", "line 1, slate \"0\": \"slate_id\" must be text"),
        ];
        for (line, expected) in cases {
            let found = read(line).unwrap_err();
            assert!(found.starts_with(expected), "{line}: {found}");
        }
        assert!(read(&" ".repeat(300)).unwrap_err().starts_with("line 1 is longer than"));
        assert!(read(&"[".repeat(190)).unwrap_err().starts_with("line 1 is not"));
    }
}
