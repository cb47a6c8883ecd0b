//! Text in columns of a terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Cuts or pads `text` to `width` terminal columns. What is cut off leaves an ellipsis.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let mut fitted = cut(text, width);
    fitted.extend(std::iter::repeat_n(' ', width.saturating_sub(fitted.width())));
    fitted
}

/// Cuts `text` to at most `width` terminal columns, between characters; marks that combine stay with theirs.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let mut n_columns = 0;
    let fits = |&c: &char| {
        n_columns += c.width().unwrap_or(0);
        n_columns <= room
    };
    let mut head: String = text.chars().take_while(fits).collect();
    head.truncate(head.trim_end().len());
    if width > 0 {
        head.push('…');
    }
    head
}

/// Breaks a paragraph into lines of at most `width` columns. A word longer than that has a line of its own.
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fit_pads_and_cuts_by_columns() {
        assert_eq!(fit("yard", 6), "yard  ");
        assert_eq!(fit("barnyard", 8), "barnyard");
        assert_eq!(fit("barnyard", 6), "barny…");
        assert_eq!(fit("a yard", 3), "a… ", "no blank before the ellipsis");
        assert_eq!(fit("", 2), "  ");
    }

    #[test]
    fn characters_are_never_split() {
        assert_eq!(cut("crème brûlée", 5), "crèm…");
        let combining = "cre\u{300}me";
        assert_eq!(cut(combining, 4), "cre\u{300}…");
        assert_eq!(cut("日本語の本", 6), "日本…", "wide characters take two columns");
        for width in 0..14 {
            for text in ["crème brûlée", combining, "日本語の本", "👩‍🌾 farmer"] {
                assert!(cut(text, width).width() <= width, "{text} in {width}");
            }
        }
    }

    #[test]
    fn wrap_keeps_every_word() {
        assert_eq!(wrap("one two  three", 7), "one two\nthree");
        assert_eq!(wrap("incomprehensible word", 5), "incomprehensible\nword");
        assert_eq!(wrap("", 5), "");
    }
}
