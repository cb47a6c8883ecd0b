//! Arrow streams and files.

use spectrank::io::SlateFields;

use super::choice;
use super::files::{file, read_as_slates};
use super::parquet::with_filters;

pub fn run(data: &[u8]) {
    let (role, content) = choice(data, 2);
    let path = file("x.arrow", content);
    let fields = if role == 0 { SlateFields::All } else { with_filters() };
    read_as_slates(&[path], &fields);
}
