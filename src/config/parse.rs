//! From TOML text to a validated [`Config`].

use super::{Config, ConfigError};

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
        let document = toml::Deserializer::parse(text).map_err(|e| syntax_error(text, None, &e))?;
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

fn syntax_error(text: &str, path: Option<String>, error: &toml::de::Error) -> ConfigError {
    let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let key = match path {
        Some(path) if path != "." => path,
        _ => "configuration".to_owned(),
    };
    ConfigError::Syntax { line, key, message: error.message().replace('\n', " ") }
}
