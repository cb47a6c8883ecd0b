//! `spectrank schema`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use spectrank::config::Config;
use spectrank::contract::Contract;
use spectrank::contract::against::Comparison;
use spectrank::io;

use super::settings::{ConfigFlags, names};
use super::{Exit, Failure, terminal};

/// Flags of `schema`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Schema {
    #[command(flatten)]
    config: ConfigFlags,
    /// Print the JSON Schema of configurations instead, for editors.
    #[arg(long, conflicts_with = "against")]
    json_schema: bool,
    /// Compare what the configuration needs with what these PyTorch archives say they make, in their
    /// extra/module_info.json. Nothing in them is run.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    against: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  spectrank schema --config feed.toml                        columns that are needed, columns that come out
  spectrank schema --json-schema > spectrank.schema.json     then, as the first line of feed.toml:
                                                             #:schema ./spectrank.schema.json
  spectrank schema --config feed.toml --against model.pt     does the model make the embeddings that are needed?

Exit code with --against: 0 where the archives make every embedding that the configuration needs, else 1.";

/// Prints the contract, the JSON Schema, or a comparison.
pub fn run(flags: &Schema) -> Result<(), Failure> {
    if flags.json_schema {
        return terminal::print(format_args!("{:#}\n", Config::json_schema()));
    }
    let config = flags.config.load()?;
    if flags.against.is_empty() {
        return terminal::print(format_args!("{}\n", Contract::of(&config).to_json()));
    }
    let models = flags.against.iter().map(|path| io::read_module_info(path)).collect::<Result<Vec<_>, _>>()?;
    let found = Comparison::of(&config, &models);
    terminal::print(format_args!("{:#}\n", json!(found)))?;
    if found.ok {
        return Ok(());
    }
    let missing = found.missing.join(", ");
    let cure = "name what the model makes in [[signal]], or pass the model that makes it too";
    Err(Failure::new(Exit::Input, format_args!("{}: does not make {missing}: {cure}", names(&flags.against))))
}
