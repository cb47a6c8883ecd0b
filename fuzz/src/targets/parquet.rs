//! Parquet, in its three roles.

use spectrank::io::SlateFields;

use super::choice;
use super::files::{file, read_as_catalog, read_as_histories, read_as_slates};

pub fn run(data: &[u8]) {
    let (role, content) = choice(data, 4);
    let path = file("x.parquet", content);
    match role {
        0 => read_as_catalog(&path),
        1 => read_as_slates(&[path], &SlateFields::All),
        2 => read_as_slates(&[path], &with_filters()),
        _ => read_as_histories(&path, "parquet"),
    }
}

/// Slates as a configuration with filters asks for them.
pub fn with_filters() -> SlateFields {
    SlateFields::Only { attributes: vec!["surface".to_owned()], seen: true, seen_bloom: Some("filter".to_owned()) }
}
