//! A corpus of bad files, each with its one line; and what no file may do: panic, hang, or take the memory it claims.
//!
//! Every table is `(file, content, line)`; the line is the whole message after the file's name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so and stop")]

mod arrays;
#[cfg(target_os = "linux")]
mod bombs;
mod config;
#[path = "../inputs/files.rs"]
#[allow(dead_code, reason = "shared with the tests of the formats; each uses its own part")]
mod files;
mod json;
mod parquet_headers;
mod places;
mod tables;
mod tensors;

use files::{Folder, catalog_error, letters, slates_error};
use spectrank::io::CatalogColumns;

/// A file and the line it is refused with.
type Bad = (&'static str, Vec<u8>, &'static str);

/// Reads each file as a catalog.
#[track_caller]
fn catalogs_are_refused(bad: Vec<Bad>) {
    let folder = Folder::new();
    for (name, content, line) in bad {
        let path = folder.bytes(name, &content);
        assert_eq!(catalog_error(&[path], &CatalogColumns::All), line, "{name}: {}", content.escape_ascii());
    }
}

/// Reads each file as slates, on a catalog of the items a, b, c, d.
#[track_caller]
fn slates_are_refused(bad: Vec<Bad>) {
    let folder = Folder::new();
    for (name, content, line) in bad {
        let path = folder.bytes(name, &content);
        assert_eq!(slates_error(&[path], &letters(4)), line, "{name}: {}", content.escape_ascii());
    }
}
