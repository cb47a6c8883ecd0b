//! What a configuration needs of the data and what comes out, as one document.
//!
//! [`Contract::of`] says it of a configuration; [`metadata`] is what a ranked file carries of it; [`against`] compares
//! it with what a model says it makes. The names come from where the readers and the writer have theirs:
//! [`Config::catalog_needs`], [`Config::slate_needs`] and [`OUTPUT_COLUMNS`].

pub mod against;
mod inputs;

use serde::Serialize;

use crate::config::Config;
use crate::io::OUTPUT_COLUMNS;

pub use inputs::{InputColumn, Inputs, Use};

/// Key of a Parquet output's metadata that holds the contract as JSON.
pub const MODULE_INFO_KEY: &str = "spectrank.module_info";

/// Input and output of a configuration. As JSON it starts with the two lists that model archives carry as
/// `module_info.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contract {
    /// Every column that is read where it is present, each once: the catalog's, then those of the slates.
    pub input_names: Vec<String>,
    /// Every column of the output, in order.
    pub output_names: Vec<String>,
    /// Version of this program.
    pub version: &'static str,
    /// The columns that are read.
    pub inputs: Inputs,
    /// The columns that are written, one row per position.
    pub outputs: Vec<Output>,
    /// The configuration with every default written out.
    pub configuration: Config,
}

/// One column of the output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// Its name.
    pub name: &'static str,
    /// Its type in Parquet.
    #[serde(rename = "type")]
    pub type_name: &'static str,
    /// Its unit; empty where it has none.
    pub unit: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

impl Contract {
    /// The contract of a configuration.
    ///
    /// ```
    /// use spectrank::{config::Config, contract::Contract};
    ///
    /// let config = Config::from_toml("[[signal]]\nname = \"text\"").unwrap();
    /// let contract = Contract::of(&config);
    /// assert!(contract.input_names.contains(&"text".to_owned()));
    /// assert!(contract.to_json().starts_with("{\n  \"input_names\": ["));
    /// ```
    pub fn of(config: &Config) -> Self {
        let inputs = Inputs::of(config);
        let mut input_names: Vec<String> = Vec::new();
        for column in inputs.catalog.iter().chain(&inputs.slates) {
            // A column without a name is the first embedding of the files, whatever it is called.
            if let Some(name) = column.name.as_ref().filter(|name| !input_names.contains(name)) {
                input_names.push(name.clone());
            }
        }
        let outputs: Vec<Output> = OUTPUT_COLUMNS.iter().map(Output::of).collect();
        Self {
            input_names,
            output_names: outputs.iter().map(|column| column.name.to_owned()).collect(),
            version: env!("CARGO_PKG_VERSION"),
            inputs,
            outputs,
            configuration: config.clone(),
        }
    }

    /// The contract as JSON, for people to read.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_else(|e| format!("\"not representable: {e}\""))
    }
}

impl Output {
    fn of(column: &crate::io::OutputColumn) -> Self {
        Self { name: column.name, type_name: column.holds.name(), unit: column.unit, meaning: column.meaning }
    }
}

/// What a ranked file says about its making: version, configuration and contract, by key.
pub fn metadata(config: &Config) -> [(String, String); 3] {
    // Not by way of a JSON value, which would sort the keys.
    let info = serde_json::to_string(&Contract::of(config)).unwrap_or_else(|e| format!("\"not representable: {e}\""));
    [
        ("spectrank.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("spectrank.config".to_owned(), config.to_toml()),
        (MODULE_INFO_KEY.to_owned(), info),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(text: &str) -> Contract {
        Contract::of(&Config::from_toml(text).unwrap())
    }

    #[test]
    fn the_two_lists_come_first() {
        let text = contract("").to_json();
        let at = |key: &str| text.find(&format!("\n  \"{key}\"")).unwrap();
        let keys = ["input_names", "output_names", "version", "inputs", "outputs", "configuration"];
        assert!(keys.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{text}");
        assert_eq!(at("input_names"), 1);
    }

    #[test]
    fn a_column_of_both_tables_is_listed_once() {
        let text = "[[cap]]\ncolumn = \"surface\"\nmax = 1\nwindow = 2\n[[filter.drop]]\ncolumn = \"surface\"\n\
                    when = { surface = true }";
        let names = contract(text).input_names;
        assert_eq!(names.iter().filter(|name| *name == "surface").count(), 1, "{names:?}");
    }

    #[test]
    fn the_metadata_is_the_contract() {
        let config = Config::from_toml("slate_size = 7").unwrap();
        let [.., (key, value)] = metadata(&config);
        assert_eq!(key, MODULE_INFO_KEY);
        let expected: serde_json::Value = serde_json::from_str(&Contract::of(&config).to_json()).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&value).unwrap(), expected);
        assert!(value.starts_with("{\"input_names\":[") && !value.contains('\n'));
    }
}
