//! How numbers are written.

use serde::Serialize;

/// How the numbers of a column or an axis are written, with digits after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "digits", rename_all = "lowercase")]
pub enum Format {
    /// `0.731`
    Plain(usize),
    /// `+0.004`
    Signed(usize),
    /// A share as per cent: `98.1 %`
    Percent(usize),
}

impl Format {
    /// A number in this format; a dash where it is not finite.
    pub fn text(self, x: f64) -> String {
        if !x.is_finite() {
            return "–".to_owned();
        }
        let text = match self {
            Self::Plain(digits) => format!("{x:.digits$}"),
            Self::Signed(digits) => format!("{x:+.digits$}"),
            Self::Percent(digits) => format!("{:.digits$}\u{a0}%", x * 100.0),
        };
        // Neither −0.00 nor +0.00 says anything.
        let is_zero = !text.contains(|c: char| matches!(c, '1'..='9'));
        let text = if is_zero { text.trim_start_matches(['-', '+']).to_owned() } else { text };
        text.replace('-', "−")
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn numbers_have_their_sign_digits_and_unit() {
        assert_eq!(Format::Plain(2).text(-1.005), "−1.00");
        assert_eq!(Format::Signed(1).text(0.25), "+0.2");
        assert_eq!(Format::Percent(1).text(0.9814), "98.1\u{a0}%");
        assert_eq!(Format::Signed(2).text(-0.001), "0.00");
        assert_eq!(Format::Plain(0).text(f64::NAN), "–");
    }
}
