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

/// A number that is no longer than it has to be: `0.3`, `1e300`.
pub(crate) fn short_number(value: f64) -> String {
    if value.abs() >= 1e16 || value != 0.0 && value.abs() < 1e-9 { format!("{value:e}") } else { value.to_string() }
}

/// What a parser says of a value of the wrong kind, without the names of types of this language. `object` is what the format
/// calls pairs of keys and values, with its article.
pub(crate) fn in_plain_words(message: &str, object: &str) -> String {
    if let Some(rest) = message.strip_prefix("EOF while parsing ") {
        return format!("it ends inside {rest}");
    }
    if message == "wanted string or table" {
        return "expected text or a table".to_owned();
    }
    let Some((found, expected)) = message.rsplit_once(", expected ") else { return message.to_owned() };
    let (kind, value) = found.split_once(": ").unwrap_or(("", found));
    let value = match value {
        "sequence" => "list".to_owned(),
        "map" => object.split(' ').next_back().unwrap_or(object).to_owned(),
        value => match value.strip_prefix("floating point `").and_then(|rest| rest.strip_suffix('`')) {
            Some(number) => format!("number `{}`", number.parse().map_or(number.to_owned(), short_number)),
            None => value.trim_end_matches(" as i128").trim_end_matches(" as u128").to_owned(),
        },
    };
    let expected = match expected {
        "usize" | "u8" | "u16" | "u32" | "u64" => "a whole number, 0 or more",
        "isize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => object,
        other if other.starts_with("struct ") => object,
        other => other,
    };
    let kind = if kind.is_empty() { String::new() } else { format!("{kind}: ") };
    format!("{kind}{value}, expected {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (value, text) in [(0.3, "0.3"), (-1.0, "-1"), (1e300, "1e300"), (-2.5e99, "-2.5e99"), (0.0, "0")] {
            assert_eq!(short_number(value), text);
        }
        assert_eq!((short_number(1e-300), short_number(f64::NAN)), ("1e-300".to_owned(), "NaN".to_owned()));
    }

    #[test]
    fn names_of_types_are_put_in_words() {
        let long = format!("invalid type: floating point `{:?}`, expected usize", 1e300);
        for (message, words) in [
            (
                "invalid type: string \"x\", expected usize",
                "invalid type: string \"x\", expected a whole number, 0 or more",
            ),
            (
                "invalid type: integer `99999999999999999999` as i128, expected f64",
                "invalid type: integer `99999999999999999999`, expected a number",
            ),
            ("invalid type: integer `3`, expected struct Spectral", "invalid type: integer `3`, expected a table"),
            ("invalid type: map, expected a sequence", "invalid type: table, expected a list"),
            (&long, "invalid type: number `1e300`, expected a whole number, 0 or more"),
            ("unknown variant `q`, expected one of `a`, `b`", "unknown variant `q`, expected one of `a`, `b`"),
            ("wanted string or table", "expected text or a table"),
            ("EOF while parsing a list", "it ends inside a list"),
            ("duplicate key", "duplicate key"),
        ] {
            assert_eq!(in_plain_words(message, "a table"), words);
        }
    }
}
