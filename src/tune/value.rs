//! Values of a configuration by dotted path.

use toml::Value;

use super::vary::VaryProblem;
use crate::config::Config;

/// A value as the command line writes it: a number, true or false, else text.
pub fn parse(text: &str) -> Value {
    if let Ok(x) = text.parse::<i64>() {
        return Value::Integer(x);
    }
    match text {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        _ => text.parse::<f64>().map_or_else(|_| Value::String(text.to_owned()), Value::Float),
    }
}

/// A value as tables show it.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Float(x) => x.to_string(),
        other => other.to_string(),
    }
}

/// Rounds to four significant digits.
pub fn four_digits(x: f64) -> f64 {
    format!("{x:.3e}").parse().unwrap_or(x)
}

/// The configuration as a tree of values.
pub fn tree(config: &Config) -> Result<Value, VaryProblem> {
    Value::try_from(config).map_err(|e| VaryProblem::Config(e.to_string().replace('\n', " ")))
}

/// The configuration that a tree stands for, checked.
pub fn config(tree: Value) -> Result<Config, VaryProblem> {
    let config = unchecked(tree)?;
    config.validate().map_err(|e| VaryProblem::Config(e.to_string()))?;
    Ok(config)
}

/// The configuration that a tree stands for: keys and types are right, ranges may not be.
pub fn unchecked(tree: Value) -> Result<Config, VaryProblem> {
    serde_path_to_error::deserialize(tree).map_err(|e: serde_path_to_error::Error<toml::de::Error>| {
        let message = e.inner().message().replace('\n', " ");
        VaryProblem::Config(match e.path().to_string().as_str() {
            "." => message,
            path => format!("{path}: {message}"),
        })
    })
}

/// What stands at a path.
pub fn get<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(tree, |at, key| match at {
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        Value::Table(table) => table.get(key),
        _ => None,
    })
}

/// Puts a value at a path. Keys that are not known come to light when the tree becomes a configuration.
pub fn set(tree: &mut Value, path: &str, value: Value) -> Result<(), VaryProblem> {
    let mut at = tree;
    let mut keys = path.split('.').peekable();
    let mut walked = String::new();
    while let Some(key) = keys.next() {
        let is_last = keys.peek().is_none();
        at = match at {
            Value::Array(list) => {
                let n = list.len();
                let entry = key.parse::<usize>().ok().and_then(|index| list.get_mut(index));
                entry.ok_or_else(|| VaryProblem::NoEntry { path: path.to_owned(), list: walked.clone(), n })?
            }
            Value::Table(table) => {
                // The one section that is not always there, and cannot be made from one key.
                if !is_last && walked.is_empty() && key == "semantic_id" && !table.contains_key(key) {
                    return Err(VaryProblem::NoSection { path: path.to_owned(), section: key.to_owned() });
                }
                table.entry(key).or_insert_with(|| Value::Table(toml::Table::new()))
            }
            _ => return Err(VaryProblem::NotATable { path: path.to_owned(), inner: walked }),
        };
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(key);
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
        spacing = [{ name = \"s\", column = \"c\", values = [1], strength = 1.0, window = 3 }]";

    fn with(path: &str, value: &str) -> Result<Config, VaryProblem> {
        let mut tree = tree(&Config::from_toml(TEXT).unwrap())?;
        set(&mut tree, path, parse(value))?;
        config(tree)
    }

    #[test]
    fn every_kind_of_key_can_be_set() {
        assert_eq!(with("spectral.strength", "0.7").unwrap().spectral.strength, 0.7);
        assert_eq!(with("spectral.strength", "1").unwrap().spectral.strength, 1.0, "a whole number is a number");
        assert_eq!(with("window.behind", "5").unwrap().window.behind, 5);
        assert_eq!(with("slate_size", "7").unwrap().slate_size, 7);
        assert_eq!(with("spacing.0.strength", "2.5").unwrap().spacing[0].strength, 2.5);
        assert_eq!(with("spacing.0.confidence", "x").unwrap().spacing[0].confidence.as_deref(), Some("x"));
        assert_eq!(with("spacing.0.values.0", "9").unwrap().spacing[0].values.len(), 1);
        assert_eq!(with("strategy", "mmr").unwrap().strategy, crate::config::Strategy::Mmr);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_explained() {
        let cases = [
            ("spectral.strenght", "1", "spectral.strenght: unknown field `strenght`, expected one of `strength`"),
            ("colour", "1", "colour: unknown field `colour`, expected one of `strategy`"),
            ("feed.strength", "1", "unknown field `feed`"),
            ("spacing.1.strength", "1", "spacing has 1 entries, counted from 0; add [[spacing]]"),
            ("spacing.first.strength", "1", "spacing has 1 entries"),
            ("cap.0.max", "1", "cap has 0 entries"),
            ("semantic_id.strength", "1", "add [semantic_id] to the file"),
            ("spectral.strength.x", "1", "\"spectral.strength\" holds a single value"),
            ("window.behind", "2.5", "window.behind: invalid type"),
            ("window.behind", "0", "window.behind = 0 is out of range"),
            ("spectral.strength", "-1", "spectral.strength = -1 is out of range"),
            ("spectral.loading", "heavy", "spectral.loading: unknown variant `heavy`"),
        ];
        for (path, value, part) in cases {
            let line = with(path, value).unwrap_err().to_string();
            assert!(line.contains(part), "{path}: {line}");
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn numbers_are_rounded_to_four_digits() {
        assert_eq!(four_digits(0.123_456), 0.1235);
        assert_eq!(four_digits(98_765.4), 98_770.0);
        assert_eq!(four_digits(0.0), 0.0);
        assert_eq!(show(&parse("0.1235")), "0.1235");
        assert_eq!(show(&parse("energy")), "energy");
        assert_eq!(show(&parse("12")), "12");
    }
}
