//! Ranges and contradictions, one line per rule.

use super::{
    Config, ConfigError, MAX_CANDIDATES, MAX_FILTER_RULES, MAX_SLATE_SIZE, MAX_SPECTRA, MAX_STRENGTH, MAX_WINDOW,
    Scope, Strategy,
};
use crate::text::short_number;

/// Columns of slates that have a meaning of their own.
const RESERVED: [&str; 9] =
    ["slate_id", "candidates", "scores", "recent", "pinned", "seen", "item", "item_id", "score"];

impl Config {
    /// Checks every value, also of strategies that are not chosen.
    ///
    /// # Errors
    /// The first key that is out of range or contradicts another.
    pub fn validate(&self) -> Result<(), ConfigError> {
        count("slate_size", self.slate_size, 1, MAX_SLATE_SIZE)?;
        self.validate_relevance()?;
        self.validate_signals()?;
        self.validate_spectral()?;
        self.validate_penalties()?;
        self.validate_filter()?;
        self.validate_baselines()
    }

    fn validate_relevance(&self) -> Result<(), ConfigError> {
        number("relevance.power", self.relevance.power, 1e-6, 100.0)?;
        for (i, adjust) in self.relevance.adjust.iter().enumerate() {
            number(&format!("relevance.adjust[{i}].weight"), adjust.weight, -MAX_STRENGTH, MAX_STRENGTH)?;
        }
        Ok(())
    }

    fn validate_signals(&self) -> Result<(), ConfigError> {
        for (i, signal) in self.signals.iter().enumerate() {
            number(&format!("signal[{i}].weight"), signal.weight, 0.0, MAX_STRENGTH)?;
            if self.signals[..i].iter().any(|s| s.name == signal.name) {
                return Err(conflict(
                    &format!("signal[{i}].name"),
                    &format!("\"{}\" appears twice: give each signal one table", signal.name),
                ));
            }
        }
        if !self.signals.is_empty() && self.signals.iter().all(|s| s.weight == 0.0) {
            return Err(conflict("signal", "all weights are 0: give at least one signal a weight above 0"));
        }
        Ok(())
    }

    fn validate_spectral(&self) -> Result<(), ConfigError> {
        let window = &self.window;
        count("window.behind", window.behind, 1, MAX_WINDOW)?;
        count("window.ahead", window.ahead, 0, MAX_WINDOW)?;
        if window.size() > MAX_WINDOW {
            return Err(conflict(
                "window.ahead",
                &format!("behind + ahead is {}, at most {MAX_WINDOW}", window.size()),
            ));
        }
        if self.strategy == Strategy::Spectral && window.scope == Scope::Window && window.ahead == 0 {
            return Err(conflict(
                "window.ahead",
                "scope = \"window\" lets only the ahead items compete: set ahead to 1 or more",
            ));
        }
        let spectral = &self.spectral;
        number("spectral.strength", spectral.strength, 0.0, MAX_STRENGTH)?;
        count("spectral.spectra", spectral.spectra, 1, MAX_SPECTRA)?;
        number("spectral.decay", spectral.decay, 0.0, 1.0)?;
        number("spectral.epsilon", spectral.epsilon, 1e-9, 1e6)?;
        count("spectral.iterations", spectral.iterations, 1, 1000)
    }

    fn validate_penalties(&self) -> Result<(), ConfigError> {
        for (i, rule) in self.spacing.iter().enumerate() {
            let key = |field: &str| format!("spacing[{i}].{field}");
            number(&key("strength"), rule.strength, 0.0, MAX_STRENGTH)?;
            count(&key("window"), rule.window, 1, MAX_SLATE_SIZE)?;
            number(&key("half_life"), rule.half_life, 1e-3, 1e6)?;
            if rule.values.is_empty() {
                return Err(conflict(&key("values"), "is empty: list the column's values that count as members"));
            }
        }
        if self.spacing.len() > 32 {
            return Err(conflict("spacing", &format!("{} rules, at most 32", self.spacing.len())));
        }
        if let Some(rule) = &self.semantic_id {
            number("semantic_id.strength", rule.strength, 0.0, MAX_STRENGTH)?;
            count("semantic_id.window", rule.window, 1, MAX_SLATE_SIZE)?;
            number("semantic_id.half_life", rule.half_life, 1e-3, 1e6)?;
            for (i, &weight) in rule.level_weights.iter().enumerate() {
                number(&format!("semantic_id.level_weights[{i}]"), weight, 0.0, MAX_STRENGTH)?;
            }
        }
        number("balance.strength", self.balance.strength, 0.0, MAX_STRENGTH)?;
        for (i, cap) in self.cap.iter().enumerate() {
            count(&format!("cap[{i}].max"), cap.max, 0, MAX_CANDIDATES)?;
            count(&format!("cap[{i}].window"), cap.window, 1, MAX_SLATE_SIZE)?;
        }
        Ok(())
    }

    fn validate_filter(&self) -> Result<(), ConfigError> {
        let spacing = self.spacing.iter().enumerate().map(|(i, rule)| (format!("spacing[{i}]"), &rule.when));
        let conditions = spacing.chain(self.filter.rules().map(|(key, rule, _)| (key, &rule.when)));
        for (key, when) in conditions {
            if let Some(name) = when.keys().find(|name| RESERVED.contains(&name.as_str())) {
                let reason = "is a column of its own and no attribute: ask for another column of the slates";
                return Err(conflict(&format!("{key}.when.{name}"), reason));
            }
        }
        match self.filter.rules().nth(MAX_FILTER_RULES) {
            None => Ok(()),
            Some((key, ..)) => {
                Err(conflict(&key, &format!("is one rule too many: drop and keep have at most {MAX_FILTER_RULES}")))
            }
        }
    }

    fn validate_baselines(&self) -> Result<(), ConfigError> {
        number("mmr.lambda", self.mmr.lambda, 0.0, 1.0)?;
        count("mmr.window", self.mmr.window, 0, MAX_SLATE_SIZE)?;
        number("msd.lambda", self.msd.lambda, 0.0, 1.0)?;
        count("msd.window", self.msd.window, 0, MAX_SLATE_SIZE)?;
        number("dpp.theta", self.dpp.theta, 0.0, MAX_STRENGTH)?;
        count("dpp.window", self.dpp.window, 0, MAX_SLATE_SIZE)?;
        number("ssd.gamma", self.ssd.gamma, 0.0, MAX_STRENGTH)?;
        count("ssd.window", self.ssd.window, 0, MAX_SLATE_SIZE)
    }
}

fn number(key: &str, value: f64, low: f64, high: f64) -> Result<(), ConfigError> {
    if value.is_finite() && (low..=high).contains(&value) {
        return Ok(());
    }
    let allowed = format!("{low} to {high}");
    Err(ConfigError::OutOfRange { key: key.to_owned(), value: short_number(value), allowed })
}

fn count(key: &str, value: usize, low: usize, high: usize) -> Result<(), ConfigError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let allowed = format!("a whole number from {low} to {high}");
    Err(ConfigError::OutOfRange { key: key.to_owned(), value: value.to_string(), allowed })
}

fn conflict(key: &str, reason: &str) -> ConfigError {
    ConfigError::Conflict { key: key.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_value_names_its_key() {
        let cases = [
            ("slate_size = 0", "slate_size"),
            ("slate_size = 501", "slate_size"),
            ("[relevance]\npower = -2.0", "relevance.power"),
            ("[[relevance.adjust]]\ncolumn = \"x\"\nweight = nan", "relevance.adjust[0].weight"),
            ("[[signal]]\nname = \"a\"\nweight = -1.0", "signal[0].weight"),
            ("[[signal]]\nname = \"a\"\n[[signal]]\nname = \"a\"", "signal[1].name"),
            ("[[signal]]\nname = \"a\"\nweight = 0.0", "signal"),
            ("[window]\nbehind = 0", "window.behind"),
            ("[window]\nbehind = 100\nahead = 100", "window.ahead"),
            ("[window]\nscope = \"window\"", "window.ahead"),
            ("[spectral]\nstrength = -0.1", "spectral.strength"),
            ("[spectral]\nstrength = inf", "spectral.strength"),
            ("[spectral]\nspectra = 17", "spectral.spectra"),
            ("[spectral]\ndecay = 1.1", "spectral.decay"),
            ("[spectral]\nepsilon = 0.0", "spectral.epsilon"),
            ("[spectral]\niterations = 0", "spectral.iterations"),
            ("[spectral]\nloading = \"enrgy\"", "spectral.loading"),
            ("[spectral]\nstrenght = 1.0", "strenght"),
            ("[mmr]\nlambda = 1.5", "mmr.lambda"),
            ("[mmr]\nwindow = \"all\"", "mmr.window"),
            ("[dpp]\ntheta = -1.0", "dpp.theta"),
            ("[ssd]\ngamma = nan", "ssd.gamma"),
            ("[[cap]]\ncolumn = \"a\"\nmax = 1\nwindow = 0", "cap[0].window"),
            ("[balance]\nstrength = -1.0", "balance.strength"),
            ("[[spacing]]\nname = \"s\"\ncolumn = \"c\"\nvalues = []\nstrength = 1.0\nwindow = 2", "spacing[0].values"),
            (
                "[[spacing]]\nname = \"s\"\ncolumn = \"c\"\nvalues = [1]\nstrength = 1.0\nwindow = 2\nhalf_life = 0.0",
                "spacing[0].half_life",
            ),
            ("[semantic_id]\ncolumn = \"s\"\nstrength = 1.0\nwindow = 0", "semantic_id.window"),
            ("[[filter.drop]]\ncolumn = \"c\"\nwhen = { slate_id = 1 }", "filter.drop[0].when.slate_id"),
            ("[filter]\nrecents = true", "recents"),
            ("[[filter.drop]]\nvalues = [1]", "filter.drop"),
            ("[[filter.keep]]\ncolumn = \"c\"\non_missing = \"keep\"", "filter.keep[0].on_missing"),
            ("colour = \"red\"", "colour"),
            ("slate_size = ", "line 1"),
        ];
        for (text, key) in cases {
            let error = Config::from_toml(text).unwrap_err().to_string();
            assert!(error.contains(key), "{text:?} gave {error:?}");
            assert!(!error.contains('\n'), "{error:?} is more than one line");
        }
    }

    #[test]
    fn an_unknown_key_says_what_is_known() {
        let error = Config::from_toml("[spectral]\nstrenght = 1.0").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("`strength`"), "{error}");
    }

    #[test]
    fn defaults_survive_a_round_trip() {
        let config = Config::default();
        assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
        assert_eq!(Config::from_toml("").unwrap(), config);
    }
}
