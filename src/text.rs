//! Text for messages.

use std::fmt::Display;
use std::path::PathBuf;

use crate::io::STANDARD_INPUT;

/// A text on one line: ids and names come from files, so they may hold line breaks and what steers terminals; these are
/// escaped.
///
/// ```
/// assert_eq!(spectrank::text::one_line("a\nb"), "a\\nb");
/// ```
pub fn one_line(text: impl Display) -> String {
    let text = text.to_string();
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Files as a message names them.
pub fn names(files: &[PathBuf]) -> String {
    let name =
        |path: &PathBuf| if path.as_os_str() == "-" { STANDARD_INPUT.to_owned() } else { path.display().to_string() };
    files.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// How many there are of something: "1 slate", "2 slates".
///
/// ```
/// assert_eq!(spectrank::text::counted(1, "slate"), "1 slate");
/// assert_eq!(spectrank::text::counted(0, "slate"), "0 slates");
/// ```
pub fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
