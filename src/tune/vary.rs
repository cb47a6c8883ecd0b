//! `PATH=VALUES`: one parameter and the values it takes.

use toml::Value;

use super::value;

/// Why a sweep cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{flag} \"{text}\": {problem}")]
pub struct VaryError {
    /// The flag.
    pub flag: &'static str,
    /// What the user wrote.
    pub text: String,
    /// What is wrong, and what to do.
    pub problem: VaryProblem,
}

/// The ways a sweep can be wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VaryProblem {
    /// No `=`.
    #[error("write PATH=VALUES, as in spectral.strength=0.05..1:12:log or window.behind=5,10,20")]
    NoEquals,
    /// Nothing before or after the `=`, or an empty entry of a list.
    #[error("a path or a value is empty: write PATH=VALUES, with values as 5,10,20 or 0.05..1:12:log")]
    Empty,
    /// Something with `..` that is no range.
    #[error("\"{0}\" is not a range: write LOW..HIGH:N, or LOW..HIGH:N:log for even steps of the logarithm")]
    NotARange(String),
    /// No room between the ends.
    #[error("the range is empty: LOW must be below HIGH, both finite")]
    EmptyRange,
    /// Logarithms of nothing.
    #[error("a log range needs LOW above 0")]
    LogOfNothing,
    /// A number of steps that makes no range.
    #[error("N must be a whole number from 2 to 1000")]
    Steps,
    /// A name with `:` is missing.
    #[error("write NAME: PATH=VALUES …, as in \"mmr: mmr.lambda=0.5..0.99:20\"")]
    NoName,
    /// Two sweeps of one name.
    #[error("the name \"{0}\" is used twice: give each sweep its own")]
    NameTwice(String),
    /// Several strategies in one sweep.
    #[error("one strategy per sweep: use --vary strategy=…, or one --sweep for each")]
    SeveralStrategies,
    /// A path varied twice in one family.
    #[error("\"{0}\" is varied twice: name all its values in one place")]
    PathTwice(String),
    /// A parameter that no setting uses.
    #[error("no setting has strategy \"{0}\": add it with strategy={0}, or leave the parameter out")]
    UnusedStrategy(&'static str),
    /// A path into a list that is too short.
    #[error(
        "\"{path}\" is not in the configuration: {list} has {n} entries, counted from 0; add [[{list}]] to the file"
    )]
    NoEntry {
        /// The path.
        path: String,
        /// The list.
        list: String,
        /// Its length.
        n: usize,
    },
    /// A path into a section that is not there.
    #[error("\"{path}\" is not in the configuration: add [{section}] to the file")]
    NoSection {
        /// The path.
        path: String,
        /// The section.
        section: String,
    },
    /// A path through something that has no keys.
    #[error("\"{path}\" is not in the configuration: \"{inner}\" holds a single value")]
    NotATable {
        /// The path.
        path: String,
        /// The part that is no table.
        inner: String,
    },
    /// A configuration that is not valid.
    #[error("{0}")]
    Config(String),
    /// More settings than anyone waits for.
    #[error("{n} settings, at most {most}: use fewer values")]
    TooMany {
        /// Settings asked for.
        n: usize,
        /// Most settings.
        most: usize,
    },
}

/// How the steps of a range are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// Evenly in the logarithm.
    Log,
}

impl Scale {
    /// The value at a share of the way from `low` to `high`.
    pub fn between(self, low: f64, high: f64, share: f64) -> f64 {
        match self {
            Self::Linear => low + (high - low) * share,
            Self::Log => (low.ln() + (high.ln() - low.ln()) * share).exp(),
        }
    }
}

/// One parameter with the values it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Dotted paths that all take the value (`A+B=…` moves two together).
    pub paths: Vec<String>,
    /// The values, in order.
    pub values: Vec<Value>,
    /// Spacing, where the values are a range; only then is there something between them.
    pub scale: Option<Scale>,
}

impl Parameter {
    /// Reads `PATH=VALUES` or `PATH+PATH=VALUES`. Values are a list, `5,10,20`, or a range, `LOW..HIGH:N` with `:log` for even
    /// steps of the logarithm. Steps are rounded to four digits.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, VaryProblem> {
        let (paths, values) = text.split_once('=').ok_or(VaryProblem::NoEquals)?;
        let paths: Vec<String> = paths.split('+').map(|path| path.trim().to_owned()).collect();
        let values = values.trim();
        if values.is_empty() || paths.iter().any(|path| path.split('.').any(str::is_empty)) {
            return Err(VaryProblem::Empty);
        }
        let (values, scale) = match values.contains("..") {
            true => range(values).map(|(values, scale)| (values, Some(scale)))?,
            false => (list(values)?, None),
        };
        Ok(Self { paths, values, scale })
    }

    /// The name in tables: the paths as they were written.
    pub fn name(&self) -> String {
        self.paths.join("+")
    }
}

fn list(text: &str) -> Result<Vec<Value>, VaryProblem> {
    let mut values: Vec<Value> = Vec::new();
    for entry in text.split(',').map(str::trim) {
        if entry.is_empty() {
            return Err(VaryProblem::Empty);
        }
        let value = value::parse(entry);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(values)
}

fn range(text: &str) -> Result<(Vec<Value>, Scale), VaryProblem> {
    let not_a_range = || VaryProblem::NotARange(text.to_owned());
    let (ends, rest) = text.split_once(':').ok_or_else(not_a_range)?;
    let (n, scale) = match rest.split_once(':') {
        None => (rest, Scale::Linear),
        Some((n, "log")) => (n, Scale::Log),
        Some((n, "linear")) => (n, Scale::Linear),
        Some(_) => return Err(not_a_range()),
    };
    let (low, high) = ends.split_once("..").ok_or_else(not_a_range)?;
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| not_a_range());
    let (low, high) = (number(low)?, number(high)?);
    let n: usize = n.trim().parse().map_err(|_| VaryProblem::Steps)?;
    if !(2..=1000).contains(&n) {
        return Err(VaryProblem::Steps);
    }
    if !(low < high && low.is_finite() && high.is_finite()) {
        return Err(VaryProblem::EmptyRange);
    }
    if scale == Scale::Log && low <= 0.0 {
        return Err(VaryProblem::LogOfNothing);
    }
    let step = |i: usize| match i {
        0 => low,
        i if i == n - 1 => high,
        i => value::four_digits(scale.between(low, high, i as f64 / (n - 1) as f64)),
    };
    let mut values: Vec<Value> = (0..n).map(|i| Value::Float(step(i))).collect();
    values.dedup();
    Ok((values, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(text: &str) -> Vec<f64> {
        Parameter::parse(text).unwrap().values.iter().map(|v| v.as_float().unwrap()).collect()
    }

    #[test]
    fn ranges_step_evenly_or_by_factors() {
        assert_eq!(floats("a=0..1:5"), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(floats("a = -2 .. 2 : 3 : linear".replace(' ', "").as_str()), [-2.0, 0.0, 2.0]);
        assert_eq!(floats("a=0.01..1:3:log"), [0.01, 0.1, 1.0]);
        assert_eq!(floats("a=0.05..1:4:log"), [0.05, 0.1357, 0.3684, 1.0], "four digits");
        assert_eq!(floats("a=1e-3..1e-1:2:log"), [0.001, 0.1]);
        assert_eq!(Parameter::parse("a=0..1:2").unwrap().scale, Some(Scale::Linear));
    }

    #[test]
    fn lists_hold_values_of_any_type_each_once() {
        let found = Parameter::parse("window.behind = 5, 10,5").unwrap();
        assert_eq!(found.paths, ["window.behind"]);
        assert_eq!(found.values, [Value::Integer(5), Value::Integer(10)]);
        assert_eq!(found.scale, None);
        let found = Parameter::parse("spectral.loading=energy,unit").unwrap();
        assert_eq!(found.values, [Value::String("energy".to_owned()), Value::String("unit".to_owned())]);
        assert_eq!(
            Parameter::parse("ssd.bias=true,false").unwrap().values,
            [Value::Boolean(true), Value::Boolean(false)]
        );
        assert_eq!(Parameter::parse("a+b.c=0.5").unwrap().paths, ["a", "b.c"]);
    }

    #[test]
    fn what_cannot_be_read_says_how_to_write_it() {
        let cases = [
            ("spectral.strength", "write PATH=VALUES"),
            ("=1", "is empty"),
            ("a=", "is empty"),
            ("a..b=1", "is empty"),
            ("a=1,,2", "is empty"),
            ("a+=1", "is empty"),
            ("a=1..2", "is not a range: write LOW..HIGH:N"),
            ("a=1..x:3", "is not a range"),
            ("a=1..2:3:cubic", "is not a range"),
            ("a=1..2:three", "from 2 to 1000"),
            ("a=1..2:1", "from 2 to 1000"),
            ("a=1..2:1001", "from 2 to 1000"),
            ("a=2..1:3", "LOW must be below HIGH"),
            ("a=1..1:3", "LOW must be below HIGH"),
            ("a=0..inf:3", "LOW must be below HIGH"),
            ("a=nan..1:3", "LOW must be below HIGH"),
            ("a=0..1:3:log", "LOW above 0"),
        ];
        for (text, part) in cases {
            let problem = Parameter::parse(text).unwrap_err();
            let line = VaryError { flag: "--vary", text: text.to_owned(), problem }.to_string();
            assert!(line.starts_with(&format!("--vary \"{text}\": ")) && line.contains(part), "{line}");
        }
    }
}
