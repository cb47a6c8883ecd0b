//! The columns that a configuration reads, each with everything that is asked of it.

use serde::Serialize;

use crate::config::{Config, Holds, Need, OnMissing};

/// The columns of both tables.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inputs {
    /// Columns of the catalog, one row per item.
    pub catalog: Vec<InputColumn>,
    /// Columns of the slates, one row per slate.
    pub slates: Vec<InputColumn>,
}

/// One column, and what asks for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InputColumn {
    /// Its name; null is the first embedding of the files.
    pub name: Option<String>,
    /// Types of its values, or of the elements of its lists, that serve every use.
    #[serde(rename = "type")]
    pub types: Vec<&'static str>,
    /// Shape of one row: `[]` is a single value.
    pub shape: &'static str,
    /// True where there is an error without it.
    pub required: bool,
    /// Its name where slates have one row per candidate, if that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long_form: Option<&'static str>,
    /// What asks for it.
    pub uses: Vec<Use>,
}

/// Why a column is read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Use {
    /// Key of the configuration that asks for it; null where it is read whatever the configuration says.
    pub key: Option<String>,
    /// What it is for.
    pub purpose: &'static str,
    /// What becomes of items without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_missing: Option<OnMissing>,
}

/// Columns that slates have whatever the configuration says: name, types, shape, required, name in the long form, purpose.
type Fixed = (&'static str, &'static [&'static str], &'static str, bool, Option<&'static str>, &'static str);

const ITEM: &[&str] = &["integer", "text"];
const SLATE_COLUMNS: [Fixed; 5] = [
    ("slate_id", ITEM, "[]", false, None, "names the slate; without it slates are numbered from 0"),
    ("candidates", ITEM, "[candidates]", true, Some("item_id, or item"), "items to rank: catalog rows, or ids as text"),
    ("scores", &["number"], "[candidates]", true, Some("score"), "relevance, one score per candidate"),
    ("recent", ITEM, "[items]", false, None, "items shown just before, oldest first"),
    (
        "pinned",
        &["{position: integer, item: integer or text}"],
        "[pins]",
        false,
        None,
        "items that stand at a position",
    ),
];

impl Inputs {
    /// What a configuration reads.
    pub fn of(config: &Config) -> Self {
        let purpose = "names the items; without it they are known by row";
        let mut catalog = vec![InputColumn::fixed(("item_id", ITEM, "[]", false, None, purpose))];
        for need in config.catalog_needs() {
            // Without an embedding named, one is read where there is one, and missed where items are compared.
            let is_required = need.column.is_some() || config.compares_items();
            add(&mut catalog, need, is_required);
        }
        let mut slates: Vec<InputColumn> = SLATE_COLUMNS.map(InputColumn::fixed).into();
        for need in config.slate_needs() {
            let is_required = need.holds == Holds::Bloom;
            add(&mut slates, need, is_required);
        }
        Self { catalog, slates }
    }
}

impl InputColumn {
    fn fixed((name, types, shape, required, long_form, purpose): Fixed) -> Self {
        let uses = vec![Use { key: None, purpose, on_missing: None }];
        Self { name: Some(name.to_owned()), types: types.to_vec(), shape, required, long_form, uses }
    }
}

/// Adds a column, or what asks for it where it is there already.
fn add(columns: &mut Vec<InputColumn>, need: Need, required: bool) {
    let (types, shape) = form(need.holds);
    let asked = Use { key: Some(need.key), purpose: need.purpose, on_missing: need.on_missing };
    match columns.iter_mut().find(|column| column.name == need.column) {
        Some(column) => {
            column.types.retain(|name| types.contains(name) && column.shape == shape);
            column.required |= required;
            column.uses.push(asked);
        }
        None => {
            let (name, types, uses) = (need.column, types.to_vec(), vec![asked]);
            columns.push(InputColumn { name, types, shape, required, long_form: None, uses });
        }
    }
}

/// Types and shape of what a column must hold.
fn form(holds: Holds) -> (&'static [&'static str], &'static str) {
    match holds {
        Holds::Embedding => (&["float16", "float32", "float64"], "[dimension]"),
        Holds::Codes => (&["integer"], "[levels]"),
        Holds::Value => (&["boolean", "integer", "number", "text"], "[]"),
        Holds::Class => (&["boolean", "integer", "text"], "[]"),
        Holds::Number => (&["boolean", "integer", "number"], "[]"),
        Holds::Flag => (&["boolean"], "[]"),
        Holds::Items => (ITEM, "[items]"),
        Holds::Bloom => (&["bytes"], "[32 * blocks]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(text: &str) -> Inputs {
        Inputs::of(&Config::from_toml(text).unwrap())
    }

    fn names(columns: &[InputColumn]) -> Vec<Option<&str>> {
        columns.iter().map(|column| column.name.as_deref()).collect()
    }

    #[test]
    fn an_empty_configuration_needs_an_embedding_and_slates() {
        let found = inputs("");
        assert_eq!(names(&found.catalog), [Some("item_id"), None]);
        assert!(found.catalog[1].required && found.catalog[1].shape == "[dimension]");
        let slates = ["slate_id", "candidates", "scores", "recent", "pinned", "seen"];
        assert_eq!(names(&found.slates), slates.map(Some));
        assert!(!inputs("strategy = \"relevance\"").catalog[1].required);
        assert!(inputs("strategy = \"relevance\"\nbalance = { strength = 1.0 }").catalog[1].required);
    }

    #[test]
    fn every_use_of_a_column_is_told_and_narrows_its_type() {
        let text = "relevance.adjust = [{ column = \"c\", weight = 1.0 }]\n[[cap]]\ncolumn = \"c\"\nmax = 1\n\
                    window = 2\non_missing = \"drop\"\n[[filter.keep]]\ncolumn = \"c\"";
        let found = inputs(text);
        let column = found.catalog.iter().find(|column| column.name.as_deref() == Some("c")).unwrap();
        assert_eq!(column.types, ["boolean"]);
        let uses: Vec<_> = column.uses.iter().map(|x| (x.key.as_deref().unwrap(), x.on_missing.unwrap())).collect();
        let expected = [
            ("relevance.adjust[0].column", OnMissing::Error),
            ("cap[0].column", OnMissing::Drop),
            ("filter.keep[0].column", OnMissing::Zero),
        ];
        assert_eq!(uses, expected);
    }

    /// As the catalog is read: where nothing is asked of an item, nothing can be missing.
    #[test]
    fn what_is_not_asked_for_cannot_be_missing() {
        let told = |text: &str| inputs(text).catalog.iter().flat_map(|c| &c.uses).filter_map(|u| u.on_missing).count();
        let codes = |strength: &str| {
            let rule =
                format!("[semantic_id]\ncolumn = \"c\"\nwindow = 2\non_missing = \"error\"\nstrength = {strength}");
            format!("[[signal]]\nname = \"x\"\n{rule}")
        };
        assert_eq!((told(&codes("1.0")), told(&codes("0.0"))), (2, 1));
        let weights = |weight: &str| format!("signal = [{{ name = \"x\" }}, {{ name = \"y\", weight = {weight} }}]");
        assert_eq!((told(&weights("1.0")), told(&weights("0.0"))), (2, 1));
        assert_eq!((told(""), told("strategy = \"relevance\"")), (1, 0));
    }

    #[test]
    fn slates_need_what_rules_and_filters_ask_for() {
        let text = "[filter]\nseen = false\nseen_bloom = \"b\"\n[[spacing]]\nname = \"s\"\ncolumn = \"c\"\nvalues = [1]\n\
                    strength = 1.0\nwindow = 2\nconfidence = \"p\"\nwhen = { surface = \"home\" }";
        let found = inputs(text);
        let slates = ["slate_id", "candidates", "scores", "recent", "pinned", "surface", "b"];
        assert_eq!(names(&found.slates), slates.map(Some));
        assert!(!found.slates[5].required && found.slates[6].required);
        let missing: Vec<_> = found.catalog.iter().flat_map(|c| &c.uses).filter_map(|u| u.on_missing).collect();
        assert_eq!(missing, [OnMissing::Error, OnMissing::Zero, OnMissing::Error]);
    }
}
