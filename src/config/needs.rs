//! What a configuration asks of its inputs: one entry per key that names a column. Readers and the contract are made from it.

use std::collections::BTreeMap;

use super::{Config, OnMissing, Scalar, Strategy};

/// What a column must hold to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A list of floats per item, all of one length.
    Embedding,
    /// A list of whole numbers per item: the codes of a Semantic ID.
    Codes,
    /// A single value of any kind.
    Value,
    /// A single value that can be counted: anything but a floating-point number.
    Class,
    /// A number; booleans count as 0 and 1.
    Number,
    /// A boolean.
    Flag,
    /// A list of items.
    Items,
    /// The bytes of a Bloom filter.
    Bloom,
}

/// One key of the configuration and the column it asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// Dotted path of the key.
    pub key: String,
    /// The column; `None` is the first embedding of the catalog.
    pub column: Option<String>,
    /// What it must hold.
    pub holds: Holds,
    /// What becomes of items without a value; `None` where the question does not arise.
    pub on_missing: Option<OnMissing>,
    /// What the column is for, in words.
    pub purpose: &'static str,
}

impl Config {
    /// True where items are compared, so that an embedding is needed.
    pub fn compares_items(&self) -> bool {
        self.strategy != Strategy::Relevance || self.balance.strength > 0.0
    }

    /// What is asked of the catalog, in the order of the file.
    pub fn catalog_needs(&self) -> Vec<Need> {
        let need = |key: String, column: &str, holds, on_missing, purpose| {
            let (column, on_missing) = (Some(column.to_owned()), Some(on_missing));
            Need { key, column, holds, on_missing, purpose }
        };
        let mut needs = Vec::new();
        for (i, adjust) in self.relevance.adjust.iter().enumerate() {
            let key = format!("relevance.adjust[{i}].column");
            needs.push(need(key, &adjust.column, Holds::Number, adjust.on_missing, "a term of the base score"));
        }
        for (i, signal) in self.signals.iter().enumerate() {
            let key = format!("signal[{i}].name");
            let (name, missing) = (&signal.name, signal.on_missing);
            let is_asked = signal.weight > 0.0 && (self.compares_items() || missing == OnMissing::Drop);
            let asked = need(key, name, Holds::Embedding, missing, "says which items are alike");
            needs.push(Need { on_missing: is_asked.then_some(missing), ..asked });
        }
        if self.signals.is_empty() {
            let (holds, on_missing) = (Holds::Embedding, self.compares_items().then(OnMissing::error));
            let purpose = "says which items are alike: without a [[signal]], the first embedding of the files";
            needs.push(Need { key: "signal".to_owned(), column: None, holds, on_missing, purpose });
        }
        for (i, rule) in self.spacing.iter().enumerate() {
            let key = |field: &str| format!("spacing[{i}].{field}");
            let missing = rule.on_missing.unwrap_or(OnMissing::Zero);
            needs.push(need(key("column"), &rule.column, Holds::Value, missing, "says which items keep apart"));
            if let Some(column) = &rule.confidence {
                let missing = rule.on_missing.unwrap_or(OnMissing::Error);
                needs.push(need(
                    key("confidence"),
                    column,
                    Holds::Number,
                    missing,
                    "scales membership, 0 or more; only members need one",
                ));
            }
        }
        if let Some(rule) = &self.semantic_id {
            let purpose = "the codes whose leading ones keep items apart";
            let asked = need("semantic_id.column".to_owned(), &rule.column, Holds::Codes, rule.on_missing, purpose);
            needs.push(Need { on_missing: asked.on_missing.filter(|_| rule.strength > 0.0), ..asked });
        }
        for (i, cap) in self.cap.iter().enumerate() {
            let key = format!("cap[{i}].column");
            needs.push(need(key, &cap.column, Holds::Class, cap.on_missing, "whose values are counted"));
        }
        for (key, rule, is_keep) in self.filter.rules() {
            let holds = if rule.values.is_empty() { Holds::Flag } else { Holds::Value };
            let purpose = if is_keep { "says which items stay" } else { "says which items are taken out" };
            needs.push(need(format!("{key}.column"), &rule.column, holds, rule.on_missing, purpose));
        }
        needs
    }

    /// What is asked of the slates beside candidates and scores, in the order of the file.
    pub fn slate_needs(&self) -> Vec<Need> {
        let need = |key: String, column: &str, holds, purpose| Need {
            key,
            column: Some(column.to_owned()),
            holds,
            on_missing: None,
            purpose,
        };
        let when = |key: String, when: &BTreeMap<String, Scalar>| -> Vec<Need> {
            let purpose = "the rule applies where it is equal";
            when.keys().map(|name| need(format!("{key}.when.{name}"), name, Holds::Value, purpose)).collect()
        };
        let spacing = self.spacing.iter().enumerate();
        let mut needs: Vec<Need> = spacing.flat_map(|(i, rule)| when(format!("spacing[{i}]"), &rule.when)).collect();
        needs.extend(self.filter.rules().flat_map(|(key, rule, _)| when(key, &rule.when)));
        if self.filter.seen {
            let purpose = "items already seen, which are taken out";
            needs.push(need("filter.seen".to_owned(), "seen", Holds::Items, purpose));
        }
        if let Some(column) = &self.filter.seen_bloom {
            let purpose = "a Bloom filter of items already seen, which are taken out";
            needs.push(need("filter.seen_bloom".to_owned(), column, Holds::Bloom, purpose));
        }
        needs
    }

    /// Catalog columns that are read, by name, each once. Embeddings are not among them.
    pub fn columns(&self) -> Vec<String> {
        names(self.catalog_needs(), |holds| holds != Holds::Embedding)
    }

    /// Slate attributes that `when` conditions ask for, by name, each once.
    pub fn attributes(&self) -> Vec<String> {
        names(self.slate_needs(), |holds| holds == Holds::Value)
    }
}

fn names(needs: Vec<Need>, is_wanted: impl Fn(Holds) -> bool) -> Vec<String> {
    let mut names: Vec<String> = needs.into_iter().filter(|n| is_wanted(n.holds)).filter_map(|n| n.column).collect();
    names.sort();
    names.dedup();
    names
}
