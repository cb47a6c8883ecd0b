//! The catalog: one row per item, with embedding columns (signals) and any other columns.

mod embedding;
mod ids;
mod mapped;
mod values;

use embedding::Damage;
pub use embedding::{Embedding, EmbeddingData};
pub use ids::ItemIds;
pub use mapped::{MappedFile, MappedValues, ZeroError};
pub use values::Values;

/// A single value of a catalog column or of a slate attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Missing.
    Null,
    /// Boolean.
    Bool(bool),
    /// Any integer type that fits i64.
    Int(i64),
    /// Any floating-point type.
    Float(f64),
    /// Text.
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(x) => write!(f, "{x}"),
            Self::Int(x) => write!(f, "{x}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(x) => write!(f, "\"{x}\""),
        }
    }
}

/// Values of a non-embedding column, one entry per item. `None` is a null.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnData {
    /// Booleans.
    Bool(Vec<Option<bool>>),
    /// Integers of any width.
    Int(Vec<Option<i64>>),
    /// Floating-point numbers of any width.
    Float(Vec<Option<f64>>),
    /// Text.
    Text(Vec<Option<String>>),
    /// Integer lists of one length (Semantic IDs): `n_items × width` codes, row-major, 0 where missing.
    Codes {
        /// Codes per item.
        width: usize,
        /// `n_items × width` values.
        codes: Vec<u32>,
    },
    /// A type no term can use; kept so that an error can name it if a configuration asks for it.
    Unsupported {
        /// The stored type as its file names it.
        type_name: String,
        /// Number of rows.
        n_rows: usize,
    },
}

impl ColumnData {
    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        match self {
            Self::Bool(v) => v.len(),
            Self::Int(v) => v.len(),
            Self::Float(v) => v.len(),
            Self::Text(v) => v.len(),
            Self::Codes { width, codes } => codes.len().checked_div(*width).unwrap_or(0),
            Self::Unsupported { n_rows, .. } => *n_rows,
        }
    }

    /// What the column holds, as messages show it.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Bool(_) => "booleans",
            Self::Int(_) => "integers",
            Self::Float(_) => "numbers",
            Self::Text(_) => "text",
            Self::Codes { .. } => "integer lists",
            Self::Unsupported { type_name, .. } => type_name,
        }
    }

    /// The value of one row; lists and unsupported types read as null.
    pub fn value(&self, row: usize) -> Value {
        match self {
            Self::Bool(v) => v[row].map_or(Value::Null, Value::Bool),
            Self::Int(v) => v[row].map_or(Value::Null, Value::Int),
            Self::Float(v) => v[row].map_or(Value::Null, Value::Float),
            Self::Text(v) => v[row].clone().map_or(Value::Null, Value::Text),
            Self::Codes { .. } | Self::Unsupported { .. } => Value::Null,
        }
    }

    /// True where a row has no value. Lists and unsupported types have one in every row.
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Bool(v) => v[row].is_none(),
            Self::Int(v) => v[row].is_none(),
            Self::Float(v) => v[row].is_none(),
            Self::Text(v) => v[row].is_none(),
            Self::Codes { .. } | Self::Unsupported { .. } => false,
        }
    }

    /// The value of one row as a number, where the column is numeric (booleans count 0 and 1).
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Bool(v) => v[row].map(|x| f64::from(u8::from(x))),
            Self::Int(v) => v[row].map(|x| x as f64),
            Self::Float(v) => v[row],
            Self::Text(_) | Self::Codes { .. } | Self::Unsupported { .. } => None,
        }
    }
}

/// A named non-embedding column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name in the file.
    pub name: String,
    /// One entry per item.
    pub data: ColumnData,
}

/// Why tables cannot form one catalog.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CatalogError {
    /// Two columns disagree on the number of items.
    #[error(
        "column \"{name}\" has {n_rows} rows but the catalog has {n_items}: files joined by row need the same rows in the same order"
    )]
    RowsDiffer {
        /// The column that differs.
        name: String,
        /// Its rows.
        n_rows: usize,
        /// Rows of the catalog so far.
        n_items: usize,
    },
    /// A column name appears twice.
    #[error("column \"{name}\" appears twice: rename one of them")]
    DuplicateColumn {
        /// The repeated name.
        name: String,
    },
    /// An item id appears twice.
    #[error("item id \"{id}\" appears twice (rows {first} and {second}): ids must be unique")]
    DuplicateId {
        /// The repeated id.
        id: String,
        /// First row.
        first: usize,
        /// Second row.
        second: usize,
    },
    /// An item has no id.
    #[error("row {row} has no item id: fill the item_id column, or leave it out to use row numbers")]
    MissingId {
        /// The row.
        row: usize,
    },
    /// An embedding holds a NaN or an infinity.
    #[error(
        "embedding \"{name}\" is not finite at row {row} (item {item}), dimension {dimension}: repair or drop that item"
    )]
    NonFinite {
        /// The signal.
        name: String,
        /// The item's row.
        row: usize,
        /// The item's id; the row where the catalog has no ids yet.
        item: String,
        /// Index inside the row.
        dimension: usize,
    },
    /// Rows of a mapped file are NaN, and zeroing them takes more memory than there is.
    #[error(
        "embedding \"{name}\" is mapped from its file, and setting its {n_rows} rows of NaN to zero in memory takes {}, more \
         than --memory-limit leaves: raise the limit, or write zeros or no such items",
        crate::memory::size_text(*n_bytes)
    )]
    TooManyMissing {
        /// The signal.
        name: String,
        /// Rows that are NaN throughout.
        n_rows: usize,
        /// Bytes it takes.
        n_bytes: u64,
    },
    /// Rows of a mapped file are NaN, and the system does not let them be zeroed in memory.
    #[error(
        "embedding \"{name}\" is mapped from its file, and its {n_rows} rows of NaN cannot be set to zero ({detail})"
    )]
    CannotZero {
        /// The signal.
        name: String,
        /// Rows that are NaN throughout.
        n_rows: usize,
        /// What the system says.
        detail: String,
    },
    /// An embedding with no dimensions or whose length is not a multiple of its dimension.
    #[error("embedding \"{name}\" has {n_values} values of dimension {dim}: rows must have one length, 1 or more")]
    Shape {
        /// The signal.
        name: String,
        /// Stored values.
        n_values: usize,
        /// Claimed dimension.
        dim: usize,
    },
}

/// A table of items: ids, signals and columns, all with one row per item in the same order.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    n_items: usize,
    signals: Vec<Embedding>,
    columns: Vec<Column>,
    ids: Option<ItemIds>,
}

impl Catalog {
    /// An empty catalog; the first column added fixes the number of items.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a signal.
    ///
    /// # Errors
    /// Row counts that differ, a repeated name, an impossible shape, or a value that is not finite in a row that is not NaN
    /// throughout; such a row counts as missing.
    pub fn add_signal(&mut self, mut signal: Embedding) -> Result<(), CatalogError> {
        if signal.dim == 0 || !signal.data.len().is_multiple_of(signal.dim) {
            return Err(CatalogError::Shape { name: signal.name, n_values: signal.data.len(), dim: signal.dim });
        }
        self.admit(&signal.name, signal.n_rows())?;
        match signal.take_missing_rows() {
            Ok(()) => {
                self.signals.push(signal);
                Ok(())
            }
            Err(Damage::NonFinite { row, dimension }) => {
                let item = self.id_of(row as u32).into_owned();
                Err(CatalogError::NonFinite { name: signal.name, row, item, dimension })
            }
            Err(Damage::CannotZero { n_rows, error: ZeroError::TooMany { n_bytes } }) => {
                Err(CatalogError::TooManyMissing { name: signal.name, n_rows, n_bytes })
            }
            Err(Damage::CannotZero { n_rows, error: ZeroError::System(error) }) => {
                Err(CatalogError::CannotZero { name: signal.name, n_rows, detail: error.to_string() })
            }
        }
    }

    /// Adds a column that is not an embedding.
    ///
    /// # Errors
    /// Row counts that differ or a repeated name.
    pub fn add_column(&mut self, column: Column) -> Result<(), CatalogError> {
        self.admit(&column.name, column.data.n_rows())?;
        self.columns.push(column);
        Ok(())
    }

    /// Gives every item its id. Without ids, items are known by row number.
    ///
    /// # Errors
    /// Row counts that differ, or an id that appears twice.
    pub fn set_ids(&mut self, by_row: Vec<String>) -> Result<(), CatalogError> {
        self.set_item_ids(by_row.into_iter().collect())
    }

    /// As [`Self::set_ids`], from ids that are together already.
    ///
    /// # Errors
    /// As [`Self::set_ids`].
    pub fn set_item_ids(&mut self, mut ids: ItemIds) -> Result<(), CatalogError> {
        if self.ids.is_some() {
            return Err(CatalogError::DuplicateColumn { name: "item_id".to_owned() });
        }
        self.admit("item_id", ids.len())?;
        if let Err((first, second)) = ids.index() {
            return Err(CatalogError::DuplicateId { id: ids.get(first).to_owned(), first, second });
        }
        self.ids = Some(ids);
        Ok(())
    }

    fn admit(&mut self, name: &str, n_rows: usize) -> Result<(), CatalogError> {
        if self.signal(name).is_some() || self.column(name).is_some() {
            return Err(CatalogError::DuplicateColumn { name: name.to_owned() });
        }
        let is_first = self.signals.is_empty() && self.columns.is_empty() && self.ids.is_none();
        if is_first {
            self.n_items = n_rows;
        } else if n_rows != self.n_items {
            return Err(CatalogError::RowsDiffer { name: name.to_owned(), n_rows, n_items: self.n_items });
        }
        Ok(())
    }

    /// Number of items.
    pub fn n_items(&self) -> usize {
        self.n_items
    }

    /// All signals, in file order.
    pub fn signals(&self) -> &[Embedding] {
        &self.signals
    }

    /// All other columns, in file order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Bytes of this program's own memory: what is mapped from files is none of it.
    pub fn memory_bytes(&self) -> u64 {
        let signals = self.signals.iter().map(|signal| signal.memory_bytes() + 4 * signal.missing.len() as u64);
        let columns = self.columns.iter().map(|column| crate::memory::column_bytes(&column.data));
        signals.sum::<u64>() + columns.sum::<u64>() + self.ids.as_ref().map_or(0, ItemIds::memory_bytes)
    }

    /// Files that signals are mapped from.
    pub fn mapped_files(&self) -> impl Iterator<Item = &MappedFile> {
        self.signals.iter().filter_map(|signal| signal.mapped_file().map(std::sync::Arc::as_ref))
    }

    /// Says that rows will be read in no order from here on, where that makes a difference.
    pub fn expect_no_order(&self) {
        self.signals.iter().for_each(Embedding::expect_no_order);
    }

    /// A signal by name.
    pub fn signal(&self, name: &str) -> Option<&Embedding> {
        self.signals.iter().find(|s| s.name == name)
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// True where the catalog has an `item_id` column of text.
    pub fn has_ids(&self) -> bool {
        self.ids.is_some()
    }

    /// The row of an item id.
    pub fn row_of(&self, id: &str) -> Option<u32> {
        self.ids.as_ref()?.row_of(id)
    }

    /// The id of a row, or the row number where the catalog has no ids.
    pub fn id_of(&self, row: u32) -> std::borrow::Cow<'_, str> {
        match &self.ids {
            Some(ids) => std::borrow::Cow::Borrowed(ids.get(row as usize)),
            None => std::borrow::Cow::Owned(row.to_string()),
        }
    }
}
