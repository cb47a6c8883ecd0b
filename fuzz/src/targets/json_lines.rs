//! JSON lines: slates and histories.

use spectrank::io::SlateFields;

use super::choice;
use super::files::{file, read_as_histories, read_as_slates};
use super::parquet::with_filters;

pub fn run(data: &[u8]) {
    let (role, content) = choice(data, 3);
    let path = file("x.jsonl", content);
    match role {
        0 => read_as_slates(&[path], &SlateFields::All),
        1 => read_as_slates(&[path], &with_filters()),
        _ => read_as_histories(&path, "jsonl"),
    }
}
