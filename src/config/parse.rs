//! From TOML text to a validated [`Config`].

use super::{Config, ConfigError};
use crate::text::in_plain_words;

impl Config {
    /// Reads and validates a configuration.
    ///
    /// # Errors
    /// Names the line and key of the first problem, and what is allowed there.
    ///
    /// ```
    /// let config = spectrank::config::Config::from_toml("slate_size = 20")?;
    /// assert_eq!(config.slate_size, 20);
    /// let error = spectrank::config::Config::from_toml("slatesize = 20").unwrap_err();
    /// assert!(error.to_string().contains("slatesize"));
    /// # Ok::<(), spectrank::config::ConfigError>(())
    /// ```
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let document =
            toml::Deserializer::parse(text).map_err(|e| syntax_error(text, key_there_twice(text, &e), &e))?;
        let config: Self = serde_path_to_error::deserialize(document).map_err(|e| {
            let path = e.path().to_string();
            syntax_error(text, Some(path), e.inner())
        })?;
        config.validate()?;
        Ok(config)
    }

    /// The configuration as TOML, every key written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|e| format!("# not representable: {e}"))
    }
}

/// The key that a document has twice, where that is what is wrong with it.
fn key_there_twice(text: &str, error: &toml::de::Error) -> Option<String> {
    let key = error.span().filter(|_| error.message().starts_with("duplicate key")).and_then(|span| text.get(span))?;
    Some(key.trim().to_owned())
}

fn syntax_error(text: &str, path: Option<String>, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let key = match path {
        Some(path) if path != "." => path,
        _ => "configuration".to_owned(),
    };
    ConfigError::Syntax { line, key, message: in_plain_words(&error.message().replace('\n', " "), "a table") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_twice_is_named_with_its_line() {
        for (text, line, key) in [
            ("slate_size = 3\nslate_size = 4\n", 2, "slate_size"),
            ("[window]\nbehind = 1\n\n[spectral]\nspectra = 2\n\n[window]\nahead = 1\n", 7, "window"),
            ("[window]\nbehind = 1\nbehind = 2\n", 3, "behind"),
        ] {
            let Err(ConfigError::Syntax { line: found_line, key: found_key, message }) = Config::from_toml(text) else {
                panic!("{text}")
            };
            assert_eq!((found_line, found_key.as_str(), message.as_str()), (line, key, "duplicate key"));
        }
    }
}
