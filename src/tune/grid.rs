//! From `--vary` and `--sweep` to settings.

use toml::Value;

use super::value;
use super::vary::{Parameter, VaryError, VaryProblem};
use crate::config::{Config, Strategy};

/// Most settings of one sweep.
pub const MAX_SETTINGS: usize = 100_000;

/// Settings that belong together: one strategy, or one `--sweep`.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Name in tables.
    pub name: String,
    /// What its parameters do not set.
    pub base: Config,
    /// What varies.
    pub parameters: Vec<Parameter>,
    flag: &'static str,
}

/// One point of the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Index of its family.
    pub family: usize,
    /// One value per parameter of the family.
    pub values: Vec<Value>,
    /// The whole configuration.
    pub config: Config,
}

/// The families of a sweep. Every `--sweep "NAME: PATH=VALUES …"` is one; where NAME is a strategy, it has that strategy.
/// Without sweeps there is one per value of `strategy=…`. What `--vary` names varies in all families, except that the tables of
/// strategies (`[spectral]` with `[window]`, `[mmr]`, …) vary only where that strategy is chosen.
///
/// # Errors
/// Names the flag, what was written, and what to do.
pub fn families(base: &Config, vary: &[String], sweeps: &[String]) -> Result<Vec<Family>, VaryError> {
    let mut shared = Vec::new();
    let mut strategies: Option<Vec<Value>> = None;
    for text in vary {
        let parameter = Parameter::parse(text).map_err(at("--vary", text))?;
        if parameter.paths == ["strategy"] {
            if !sweeps.is_empty() {
                return Err(at("--vary", text)(VaryProblem::SeveralStrategies));
            }
            if strategies.replace(parameter.values).is_some() {
                return Err(at("--vary", text)(VaryProblem::PathTwice("strategy".to_owned())));
            }
        } else {
            shared.push((text, parameter));
        }
    }
    let mut families = Vec::new();
    for text in sweeps {
        let family = sweep(base, text).map_err(at("--sweep", text))?;
        if families.iter().any(|f: &Family| f.file_name() == family.file_name()) {
            return Err(at("--sweep", text)(VaryProblem::NameTwice(family.name)));
        }
        families.push(family);
    }
    if sweeps.is_empty() {
        let strategies = strategies.unwrap_or_else(|| vec![Value::String(base.strategy.name().to_owned())]);
        for strategy in strategies {
            let text = format!("strategy={}", value::show(&strategy));
            let base = with(base, &["strategy".to_owned()], &strategy).map_err(at("--vary", &text))?;
            families.push(Family {
                name: base.strategy.name().to_owned(),
                base,
                parameters: Vec::new(),
                flag: "--vary",
            });
        }
    }
    for (text, parameter) in shared {
        let owner = parameter.paths.iter().find_map(|path| owner(path));
        let mut is_used = false;
        for family in families.iter_mut().filter(|f| owner.is_none_or(|owner| owner == f.base.strategy)) {
            family.add(parameter.clone()).map_err(at("--vary", text))?;
            is_used = true;
        }
        if let (false, Some(owner)) = (is_used, owner) {
            return Err(at("--vary", text)(VaryProblem::UnusedStrategy(owner.name())));
        }
    }
    Ok(families)
}

/// Adds flag and text to a problem.
fn at(flag: &'static str, text: &str) -> impl FnOnce(VaryProblem) -> VaryError {
    let text = text.to_owned();
    move |problem| VaryError { flag, text, problem }
}

/// The strategy that alone reads a key.
fn owner(path: &str) -> Option<Strategy> {
    Some(match path.split('.').next()? {
        "spectral" | "window" => Strategy::Spectral,
        "mmr" => Strategy::Mmr,
        "msd" => Strategy::Msd,
        "dpp" => Strategy::Dpp,
        "ssd" => Strategy::Ssd,
        _ => return None,
    })
}

/// `NAME: PATH=VALUES PATH=VALUES …`
fn sweep(base: &Config, text: &str) -> Result<Family, VaryProblem> {
    let (name, rest) = text.split_once(':').ok_or(VaryProblem::NoName)?;
    let name = name.trim();
    if name.is_empty() || name.contains('=') {
        return Err(VaryProblem::NoName);
    }
    let named = Value::String(name.to_owned());
    let base = with(base, &["strategy".to_owned()], &named).unwrap_or_else(|_| base.clone());
    let mut family = Family { name: name.to_owned(), base, parameters: Vec::new(), flag: "--sweep" };
    for part in rest.split_whitespace() {
        let parameter = Parameter::parse(part)?;
        match (parameter.paths == ["strategy"], parameter.values.as_slice()) {
            (true, [strategy]) => family.base = with(&family.base, &parameter.paths, strategy)?,
            (true, _) => return Err(VaryProblem::SeveralStrategies),
            (false, _) => family.add(parameter)?,
        }
    }
    Ok(family)
}

/// A configuration with a value at some paths, checked.
fn with(base: &Config, paths: &[String], value: &Value) -> Result<Config, VaryProblem> {
    let mut tree = value::tree(base)?;
    for path in paths {
        value::set(&mut tree, path, value.clone())?;
    }
    value::config(tree)
}

impl Family {
    /// Adds a parameter. Keys that are not known and values of a wrong type are met here; ranges and contradictions only with
    /// all parameters together.
    fn add(&mut self, mut parameter: Parameter) -> Result<(), VaryProblem> {
        for (i, path) in parameter.paths.iter().enumerate() {
            if parameter.paths[..i].contains(path) || self.parameters.iter().any(|p| p.paths.contains(path)) {
                return Err(VaryProblem::PathTwice(path.clone()));
            }
        }
        let tree = value::tree(&self.base)?;
        if parameter.scale.is_some() && parameter.paths.iter().any(|path| is_whole(&tree, path)) {
            for value in &mut parameter.values {
                *value = whole(value);
            }
            parameter.values.dedup();
        }
        for value in &parameter.values {
            let mut tree = tree.clone();
            for path in &parameter.paths {
                value::set(&mut tree, path, value.clone())?;
            }
            value::unchecked(tree)?;
        }
        self.parameters.push(parameter);
        Ok(())
    }

    /// The configuration with these values, one per parameter.
    ///
    /// # Errors
    /// Names the key that is out of range or contradicts another.
    pub fn config(&self, values: &[Value]) -> Result<Config, VaryError> {
        let make = || {
            let mut tree = value::tree(&self.base)?;
            for (parameter, value) in self.parameters.iter().zip(values) {
                for path in &parameter.paths {
                    value::set(&mut tree, path, value.clone())?;
                }
            }
            value::config(tree)
        };
        make().map_err(at(self.flag, &self.describe(values)))
    }

    /// A file name: the family's name with what file systems dislike replaced, and `.toml`.
    pub fn file_name(&self) -> String {
        let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
        format!("{}.toml", self.name.chars().map(plain).collect::<String>().trim_start_matches('.'))
    }

    /// A setting in words: `spectral.strength=0.3 window.behind=10`.
    pub fn describe(&self, values: &[Value]) -> String {
        let pairs = self.parameters.iter().zip(values);
        pairs.map(|(p, v)| format!("{}={}", p.name(), value::show(v))).collect::<Vec<_>>().join(" ")
    }

    /// Every value of every parameter with every other, the last parameter fastest.
    ///
    /// # Errors
    /// A setting that is no valid configuration, or too many of them. `family` is this family's index.
    pub fn settings(&self, family: usize) -> Result<Vec<Setting>, VaryError> {
        let n = self.parameters.iter().try_fold(1_usize, |n, p| n.checked_mul(p.values.len())).unwrap_or(usize::MAX);
        if n > MAX_SETTINGS {
            let text = self.parameters.iter().map(Parameter::name).collect::<Vec<_>>().join(" ");
            return Err(at(self.flag, &text)(VaryProblem::TooMany { n, most: MAX_SETTINGS }));
        }
        let values = |index: usize| {
            let mut rest = index;
            let mut values: Vec<Value> = Vec::with_capacity(self.parameters.len());
            for parameter in self.parameters.iter().rev() {
                values.push(parameter.values[rest % parameter.values.len()].clone());
                rest /= parameter.values.len();
            }
            values.reverse();
            values
        };
        (0..n)
            .map(|index| {
                let values = values(index);
                Ok(Setting { family, config: self.config(&values)?, values })
            })
            .collect()
    }
}

/// True where the configuration counts in whole numbers.
pub(super) fn is_whole(tree: &Value, path: &str) -> bool {
    matches!(value::get(tree, path), Some(Value::Integer(_)))
}

/// The nearest whole number.
pub(super) fn whole(value: &Value) -> Value {
    value.as_float().map_or_else(|| value.clone(), |x| Value::Integer(x.round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn made(vary: &[&str], sweeps: &[&str]) -> Result<Vec<(String, Vec<Setting>)>, VaryError> {
        let families = families(&Config::default(), &texts(vary), &texts(sweeps))?;
        families.iter().enumerate().map(|(i, f)| Ok((f.name.clone(), f.settings(i)?))).collect()
    }

    #[test]
    fn a_grid_is_the_product_of_all_values() {
        let found = made(&["spectral.strength=0.1,0.2", "window.behind=5..7:3"], &[]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "spectral");
        let pairs: Vec<_> = found[0].1.iter().map(|s| (s.config.spectral.strength, s.config.window.behind)).collect();
        assert_eq!(pairs, [(0.1, 5), (0.1, 6), (0.1, 7), (0.2, 5), (0.2, 6), (0.2, 7)]);
    }

    #[test]
    fn ranges_of_counts_hold_whole_numbers_each_once() {
        let found = made(&["window.behind=1..3:5"], &[]).unwrap();
        let behind: Vec<_> = found[0].1.iter().map(|s| s.config.window.behind).collect();
        assert_eq!(behind, [1, 2, 3]);
    }

    #[test]
    fn strategies_vary_their_own_tables_only() {
        let vary = ["strategy=spectral,mmr", "mmr.lambda=0.5..0.9:3", "spectral.strength=0.1,0.2", "slate_size=5,6"];
        let found = made(&vary, &[]).unwrap();
        assert_eq!((found[0].0.as_str(), found[0].1.len()), ("spectral", 4));
        assert_eq!((found[1].0.as_str(), found[1].1.len()), ("mmr", 6));
        assert!(found[1].1.iter().all(|s| s.config.strategy == Strategy::Mmr && s.config.spectral.strength == 0.3));
    }

    #[test]
    fn sweeps_have_names_and_may_move_keys_together() {
        let sweeps = ["mmr: mmr.lambda=0.5,0.6", "balanced: spectral.strength+balance.strength=0.1..0.3:3"];
        let found = made(&["slate_size=9"], &sweeps).unwrap();
        assert_eq!((found[0].0.as_str(), found[0].1.len()), ("mmr", 2));
        assert!(found[0].1.iter().all(|s| s.config.strategy == Strategy::Mmr && s.config.slate_size == 9));
        assert_eq!((found[1].0.as_str(), found[1].1.len()), ("balanced", 3));
        let config = &found[1].1[2].config;
        assert_eq!(
            (config.strategy, config.spectral.strength, config.balance.strength),
            (Strategy::Spectral, 0.3, 0.3)
        );
        let found = made(&[], &["relevance:"]).unwrap();
        assert_eq!((found[0].1.len(), found[0].1[0].config.strategy), (1, Strategy::Relevance));
        let found = made(&[], &["plain: strategy=relevance slate_size=3,4"]).unwrap();
        assert!(found[0].1.iter().all(|s| s.config.strategy == Strategy::Relevance));
    }

    #[test]
    fn what_makes_no_sense_names_flag_and_cure() {
        let says = |vary: &[&str], sweeps: &[&str], parts: &[&str]| {
            let line = made(vary, sweeps).unwrap_err().to_string();
            for part in parts {
                assert!(line.contains(part), "`{line}` does not say `{part}`");
            }
        };
        says(&["spectral.strenght=1"], &[], &["--vary \"spectral.strenght=1\"", "expected one of `strength`"]);
        says(&["mmr.lambda=0.5"], &[], &["no setting has strategy \"mmr\"", "strategy=mmr"]);
        says(&["slate_size=3", "slate_size=4"], &[], &["\"slate_size\" is varied twice"]);
        says(&["slate_size+slate_size=3"], &[], &["\"slate_size\" is varied twice"]);
        says(&["strategy=mmr", "strategy=msd"], &[], &["\"strategy\" is varied twice"]);
        says(&["strategy=best"], &[], &["--vary \"strategy=best\"", "unknown variant `best`"]);
        says(&["slate_size=0..1000:3"], &[], &["slate_size = 0 is out of range"]);
        says(&["spectral.strength=0..1:400", "spectral.decay=0..1:400"], &[], &["160000 settings, at most 100000"]);
        says(
            &["window.behind=60,120", "window.ahead=5,60"],
            &[],
            &["--vary \"window.behind=120 window.ahead=60\"", "at most 128"],
        );
        says(&[], &["mmr.lambda=0.5"], &["--sweep", "write NAME: PATH=VALUES"]);
        says(&[], &[": mmr.lambda=0.5"], &["write NAME: PATH=VALUES"]);
        says(&[], &["mmr.lambda=0.5..0.9:3"], &["write NAME: PATH=VALUES"]);
        says(&[], &["mmr: mmr.lambda=0.5", "mmr: mmr.lambda=0.6"], &["the name \"mmr\" is used twice"]);
        says(&[], &["both: strategy=mmr,msd"], &["one strategy per sweep"]);
        says(&["strategy=mmr,msd"], &["mmr: mmr.lambda=0.5"], &["one strategy per sweep"]);
        says(&[], &["mmr: mmr.lambda=2"], &["--sweep \"mmr.lambda=2\"", "mmr.lambda = 2 is out of range: 0 to 1"]);
    }
}
