//! Columns of the output: names, types and meanings, said once.

/// What a column of the output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputType {
    /// Text.
    Text,
    /// An item: its id, or its catalog row where the catalog has no ids.
    Item,
    /// A whole number of 32 bits.
    Count,
    /// A floating-point number of 64 bits.
    Number,
}

impl OutputType {
    /// The type as Parquet has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Item => "text; u32 where the catalog has no ids",
            Self::Count => "u32",
            Self::Number => "f64",
        }
    }
}

/// One column of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub holds: OutputType,
    /// Its unit; empty where it has none.
    pub unit: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

const fn column(name: &'static str, holds: OutputType, unit: &'static str, meaning: &'static str) -> OutputColumn {
    OutputColumn { name, holds, unit, meaning }
}

/// Unit of utilities and their terms.
const SCORE: &str = "base score";

/// Every column of the output, in order; one row per position.
pub const OUTPUT_COLUMNS: [OutputColumn; 11] = [
    column("slate_id", OutputType::Text, "", "the slate, as given"),
    column("position", OutputType::Count, "positions", "place in the slate, from 0"),
    column("item_id", OutputType::Item, "", "the item, or its catalog row where the catalog has no ids"),
    column("candidate", OutputType::Count, "", "index into the slate's candidates"),
    column("score", OutputType::Number, "as given", "relevance score, as given"),
    column("base", OutputType::Number, SCORE, "score after transform and adjustments"),
    column("utility", OutputType::Number, SCORE, "what was maximised at this position"),
    column("diversity", OutputType::Number, SCORE, "share of the utility, 0 or negative"),
    column("spacing", OutputType::Number, SCORE, "penalty of the spacing rules, 0 or positive"),
    column("semantic", OutputType::Number, SCORE, "penalty of the Semantic-ID rule, 0 or positive"),
    column("balance", OutputType::Number, SCORE, "penalty of the balance over the whole slate, 0 or positive"),
];
