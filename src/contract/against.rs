//! What a configuration needs, against what models say they make.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Holds};

/// What a model archive says about itself in its `module_info.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// What the model takes.
    #[serde(default)]
    pub input_names: Vec<String>,
    /// What it makes.
    pub output_names: Vec<String>,
}

/// Names that a model's relevance score may have.
const SCORES: [&str; 2] = ["scores", "score"];

/// Which needed columns some models make. Only embeddings have to come from them; other columns can come from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// True where every embedding that the configuration needs is among the outputs.
    pub ok: bool,
    /// Needed columns among the outputs.
    pub provided: Vec<String>,
    /// Embeddings that are needed and that no model makes.
    pub missing: Vec<String>,
    /// Other columns that are needed and have to come from elsewhere.
    pub from_elsewhere: Vec<String>,
    /// Outputs that the configuration has no use for.
    pub unused: Vec<String>,
}

impl Comparison {
    /// Compares the outputs of all models together with what a configuration needs.
    ///
    /// A configuration that names no embedding takes the first one it finds, so any output will do.
    pub fn of(config: &Config, models: &[ModuleInfo]) -> Self {
        let mut outputs: Vec<&str> = models.iter().flat_map(|m| &m.output_names).map(String::as_str).collect();
        outputs.sort_unstable();
        outputs.dedup();
        let mut found = Self { ok: true, provided: vec![], missing: vec![], from_elsewhere: vec![], unused: vec![] };
        let needs = config.catalog_needs();
        for need in &needs {
            match (&need.column, need.holds) {
                (Some(name), _) if outputs.contains(&name.as_str()) => found.provided.push(name.clone()),
                (Some(name), Holds::Embedding) => found.missing.push(name.clone()),
                (Some(name), _) => found.from_elsewhere.push(name.clone()),
                (None, _) => {
                    let mut embeddings = outputs.iter().filter(|name| !SCORES.contains(name));
                    let is_used = config.compares_items();
                    match embeddings.next().filter(|_| is_used) {
                        Some(first) => found.provided.push((*first).to_owned()),
                        None if is_used => found.missing.push("an embedding of any name".to_owned()),
                        None => {}
                    }
                }
            }
        }
        match SCORES.iter().find(|name| outputs.contains(name)) {
            Some(name) => found.provided.push((*name).to_owned()),
            None => found.from_elsewhere.push("scores".to_owned()),
        }
        for list in [&mut found.provided, &mut found.missing, &mut found.from_elsewhere] {
            list.sort();
            list.dedup();
        }
        let is_unused = |name: &&&str| !found.provided.iter().any(|provided| provided == **name);
        found.unused = outputs.iter().filter(is_unused).map(|name| (*name).to_owned()).collect();
        found.ok = found.missing.is_empty();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(text: &str, outputs: &[&[&str]]) -> Comparison {
        let model = |names: &&[&str]| ModuleInfo {
            input_names: Vec::new(),
            output_names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        Comparison::of(&Config::from_toml(text).unwrap(), &outputs.iter().map(model).collect::<Vec<_>>())
    }

    const TWO: &str =
        "signal = [{ name = \"text\" }, { name = \"image\" }]\ncap = [{ column = \"author\", max = 1, window = 3 }]";

    #[test]
    fn embeddings_must_come_from_the_models() {
        let found = compare(TWO, &[&["text", "score", "logits"]]);
        assert!(!found.ok);
        assert_eq!(found.provided, ["score", "text"]);
        assert_eq!(found.missing, ["image"]);
        assert_eq!(found.from_elsewhere, ["author"]);
        assert_eq!(found.unused, ["logits"]);
    }

    #[test]
    fn several_models_add_up() {
        let found = compare(TWO, &[&["text"], &["image", "author"]]);
        assert!(found.ok);
        assert_eq!(found.provided, ["author", "image", "text"]);
        assert_eq!(found.from_elsewhere, ["scores"]);
    }

    #[test]
    fn without_a_signal_any_output_but_the_score_will_do() {
        assert_eq!(compare("", &[&["pooled", "score"]]).provided, ["pooled", "score"]);
        assert_eq!(compare("", &[&["score"]]).missing, ["an embedding of any name"]);
        assert!(compare("strategy = \"relevance\"", &[&["score"]]).ok);
    }
}
