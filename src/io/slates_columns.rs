//! The columns of slates in one Parquet batch, as typed arrays.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, LargeBinaryArray, LargeListArray, LargeStringArray, RecordBatch,
};
use arrow_schema::{DataType, Schema};

use super::arrow_values::{Scalar, cast, cast_or_null, list_element, lists_of, range, scalar, scalars};
use super::error::InputProblem;
use super::resolve::{Item, ItemRole, NO_ITEM, PINNED, RECENT, SEEN};
use super::slate_error::SlateFileProblem;
use super::slates::SlateFields;
use super::type_words::type_words;
use crate::bloom::BloomFilter;
use crate::catalog::{Catalog, ColumnData, Value};
use crate::slate::{Pin, Slate};

const ITEMS: &str = "integers (catalog rows) or text (item ids)";
const ITEM_LISTS: &str = "lists of integers (catalog rows) or text (item ids)";
const PIN_LISTS: &str = "lists of {position, item}";

/// Items by row or by id.
pub(crate) enum Items {
    Rows(Int64Array),
    Ids(LargeStringArray),
}

impl Items {
    /// A number that does not fit i64 reads as null, and so as no item.
    fn of(array: &ArrayRef) -> Result<Self, InputProblem> {
        match scalar(array.data_type()) {
            Some(Scalar::Text) => Ok(Self::Ids(cast(array, &DataType::LargeUtf8)?.as_string::<i64>().clone())),
            _ => Ok(Self::Rows(cast_or_null(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())),
        }
    }

    pub(crate) fn get(&self, at: usize) -> Option<Item<'_>> {
        match self {
            Self::Rows(rows) => rows.is_valid(at).then(|| Item::Row(rows.value(at))),
            Self::Ids(ids) => ids.is_valid(at).then(|| Item::Id(ids.value(at))),
        }
    }

    pub(crate) fn resolve(&self, at: usize, index: usize, of: Of<'_>) -> Result<u32, InputProblem> {
        match self.get(at) {
            Some(item) => item.resolve(of.catalog, of.slate, of.role),
            None => Err(InputProblem::Slate(SlateFileProblem::NotAnItem {
                slate: of.slate.to_owned(),
                role: of.role,
                index,
                found: NO_ITEM.to_owned(),
            })),
        }
    }
}

/// Whose items these are, for messages.
#[derive(Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) slate: &'a str,
    pub(crate) role: ItemRole,
}

/// A column of item lists.
pub(crate) struct ItemLists {
    lists: LargeListArray,
    items: Items,
}

impl ItemLists {
    pub(crate) fn of(array: &ArrayRef) -> Result<Self, InputProblem> {
        let element = match list_element(array.data_type()).and_then(scalar) {
            Some(Scalar::Text) => DataType::LargeUtf8,
            _ => DataType::Int64,
        };
        let lists = lists_of(array, element)?;
        let items = Items::of(lists.values())?;
        Ok(Self { lists, items })
    }

    /// The items of one row; nothing for a null list.
    pub(crate) fn resolve(&self, row: usize, of: Of<'_>) -> Result<Option<Vec<u32>>, InputProblem> {
        let Some(at) = range(&self.lists, row) else { return Ok(None) };
        at.enumerate().map(|(index, at)| self.items.resolve(at, index, of)).collect::<Result<_, _>>().map(Some)
    }

    /// Those items of one row that the catalog has: a history outlives the items in it.
    pub(crate) fn resolve_known(&self, row: usize, of: Of<'_>) -> Result<Vec<u32>, InputProblem> {
        let at = range(&self.lists, row).unwrap_or(0..0);
        known(at.enumerate().map(|(index, at)| self.items.resolve(at, index, of)))
    }

    /// The items of one row as the file names them.
    pub(crate) fn item(&self, row: usize, index: usize) -> Option<Item<'_>> {
        self.items.get(range(&self.lists, row)?.nth(index)?)
    }
}

/// A column of score lists.
pub(crate) struct ScoreLists(LargeListArray);

impl ScoreLists {
    pub(crate) fn of(array: &ArrayRef) -> Result<Self, InputProblem> {
        Ok(Self(lists_of(array, DataType::Float64)?))
    }

    /// The scores of one row, null where they are null; nothing for a null list.
    pub(crate) fn get(&self, row: usize) -> Option<impl Iterator<Item = Option<f64>>> {
        let scores = self.0.values().as_primitive::<Float64Type>();
        range(&self.0, row).map(|at| at.map(|i| scores.is_valid(i).then(|| scores.value(i))))
    }
}

struct Pins {
    lists: LargeListArray,
    positions: Int64Array,
    items: Items,
}

impl Pins {
    fn of(array: &ArrayRef) -> Result<Option<Self>, InputProblem> {
        let Some(element) = list_element(array.data_type()) else { return Ok(None) };
        let lists = lists_of(array, element.clone())?;
        let Some(pins) = lists.values().as_struct_opt() else { return Ok(None) };
        let (Some(positions), Some(items)) = (pins.column_by_name("position"), pins.column_by_name("item")) else {
            return Ok(None);
        };
        let positions = cast_or_null(positions, &DataType::Int64)?.as_primitive::<Int64Type>().clone();
        Ok(Some(Self { positions, items: Items::of(items)?, lists: lists.clone() }))
    }

    fn resolve(&self, row: usize, of: Of<'_>) -> Result<Vec<Pin>, InputProblem> {
        let at = range(&self.lists, row).unwrap_or(0..0);
        let pin = |(index, at): (usize, usize)| {
            let position = self.positions.is_valid(at).then(|| u32::try_from(self.positions.value(at)).ok()).flatten();
            let no_position =
                || InputProblem::Slate(SlateFileProblem::PinPosition { slate: of.slate.to_owned(), index });
            Ok(Pin { position: position.ok_or_else(no_position)?, item: self.items.resolve(at, index, of)? })
        };
        at.enumerate().map(pin).collect()
    }
}

/// Everything about a slate but its candidates and scores.
pub(crate) struct SlateColumns {
    ids: Option<ColumnData>,
    recent: Option<ItemLists>,
    seen: Option<ItemLists>,
    blooms: Option<Blooms>,
    pinned: Option<Pins>,
    attributes: Vec<(String, ColumnData)>,
}

impl SlateColumns {
    /// Takes apart a batch whose columns passed [`check_optional`]. `not_attributes` are the form's own columns.
    pub(crate) fn of(batch: &RecordBatch, fields: &SlateFields, not_attributes: &[&str]) -> Result<Self, InputProblem> {
        let mut found =
            Self { ids: None, recent: None, seen: None, blooms: None, pinned: None, attributes: Vec::new() };
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let kind = scalar(field.data_type());
            match (field.name().as_str(), kind) {
                ("slate_id", Some(kind)) => found.ids = Some(scalars(array, kind)?),
                ("recent", _) => found.recent = Some(ItemLists::of(array)?),
                ("seen", _) => found.seen = Some(ItemLists::of(array)?),
                ("pinned", _) => found.pinned = Pins::of(array)?,
                (name, _) if fields.bloom() == Some(name) => found.blooms = Some(Blooms::of(name, array)?),
                (name, Some(kind)) if fields.takes_attribute(name) && !not_attributes.contains(&name) => {
                    found.attributes.push((name.to_owned(), scalars(array, kind)?));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The slate id of a row; nothing where there is none.
    pub(crate) fn id(&self, row: usize) -> Option<String> {
        match self.ids.as_ref()?.value(row) {
            Value::Int(id) => Some(id.to_string()),
            Value::Text(id) => Some(id),
            _ => None,
        }
    }

    /// A slate without candidates, with all else that the row says.
    pub(crate) fn slate(&self, row: usize, id: String, catalog: &Catalog) -> Result<Slate, InputProblem> {
        let of = |role| Of { catalog, slate: &id, role };
        let items = |lists: &Option<ItemLists>, role| match lists {
            Some(lists) => lists.resolve(row, of(role)).map(Option::unwrap_or_default),
            None => Ok(Vec::new()),
        };
        let recent = items(&self.recent, RECENT)?;
        let seen = match &self.seen {
            Some(lists) => lists.resolve_known(row, of(SEEN))?,
            None => Vec::new(),
        };
        let seen_bloom = self.blooms.as_ref().map_or(Ok(None), |blooms| blooms.get(row, &id))?;
        let pinned = self.pinned.as_ref().map_or(Ok(Vec::new()), |pins| pins.resolve(row, of(PINNED)))?;
        let attributes: BTreeMap<_, _> =
            self.attributes.iter().map(|(name, data)| (name.clone(), data.value(row))).collect();
        Ok(Slate { id, recent, seen, seen_bloom, pinned, attributes, ..Slate::default() })
    }
}

/// A column of single items or scores, for the long form.
pub(crate) fn items_of(array: &ArrayRef) -> Result<Items, InputProblem> {
    Items::of(array)
}

/// A column of single scores as f64.
pub(crate) fn scores_of(array: &ArrayRef) -> Result<Float64Array, InputProblem> {
    Ok(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

/// Leaves out ids that the catalog does not have. A row number beyond its end stays an error: such rows are of another catalog.
pub(crate) fn known(items: impl Iterator<Item = Result<u32, InputProblem>>) -> Result<Vec<u32>, InputProblem> {
    items.filter(|item| !matches!(item, Err(InputProblem::Slate(SlateFileProblem::IdNotInCatalog { .. })))).collect()
}

/// A column of Bloom filters.
struct Blooms {
    column: String,
    filters: LargeBinaryArray,
}

impl Blooms {
    fn of(column: &str, array: &ArrayRef) -> Result<Self, InputProblem> {
        let filters = cast(array, &DataType::LargeBinary)?.as_binary::<i64>().clone();
        Ok(Self { column: column.to_owned(), filters })
    }

    /// The filter of one row; nothing where it is null.
    fn get(&self, row: usize, slate: &str) -> Result<Option<Arc<BloomFilter>>, InputProblem> {
        if self.filters.is_null(row) {
            return Ok(None);
        }
        let bad = |problem: crate::bloom::BloomError| {
            InputProblem::Slate(SlateFileProblem::Bloom {
                slate: slate.to_owned(),
                column: self.column.clone(),
                problem: problem.to_string(),
            })
        };
        BloomFilter::from_bytes(self.filters.value(row)).map(|filter| Some(Arc::new(filter))).map_err(bad)
    }
}

fn is_binary(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, FixedSizeBinary, LargeBinary};
    matches!(data_type, Binary | LargeBinary | BinaryView | FixedSizeBinary(_))
}

/// Checks the columns that both forms can have, and those asked for by name.
pub(crate) fn check_optional(schema: &Schema, fields: &SlateFields) -> Result<(), InputProblem> {
    optional_problems(schema, fields).into_iter().next().map_or(Ok(()), Err)
}

/// Everything that is wrong with the columns that both forms can have, and with those asked for by name.
pub(crate) fn optional_problems(schema: &Schema, fields: &SlateFields) -> Vec<InputProblem> {
    let mut problems = Vec::new();
    if let Some(column) = fields.bloom()
        && schema.field_with_name(column).is_err()
    {
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        problems.push(InputProblem::MissingColumn {
            column: column.to_owned(),
            available: names.join(", "),
            cure: "filter.seen_bloom names it: correct the name, or let `spectrank bloom` make the column",
        });
    }
    for field in schema.fields() {
        let data_type = field.data_type();
        // A column of nothing but nulls, written without a type, says that there are none.
        let (is_right, expected) = match field.name().as_str() {
            "slate_id" => (matches!(scalar(data_type), Some(Scalar::Int | Scalar::Text)), "text or integers"),
            "recent" | "seen" => (data_type.is_null() || is_item_list(data_type), ITEM_LISTS),
            "pinned" => (data_type.is_null() || is_pin_list(data_type), PIN_LISTS),
            name if fields.bloom() == Some(name) => {
                (data_type.is_null() || is_binary(data_type), "bytes (a Bloom filter per slate)")
            }
            _ => continue,
        };
        problems.extend(require(field.name(), data_type, is_right, expected).err());
    }
    problems
}

/// Checks one of the columns that make a form.
pub(crate) fn check_column(schema: &Schema, name: &str, is_list: bool) -> Result<(), InputProblem> {
    let is_scores = matches!(name, "score" | "scores");
    let Ok(field) = schema.field_with_name(name) else {
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        return Err(InputProblem::MissingColumn {
            column: name.to_owned(),
            available: names.join(", "),
            cure: "slates need list columns candidates and scores, \
                   or one row per candidate with slate_id, item_id or item, and score",
        });
    };
    let data_type = field.data_type();
    let element = if is_list { list_element(data_type) } else { Some(data_type) }.and_then(scalar);
    match is_scores {
        true => {
            let expected = if is_list { "lists of numbers" } else { "numbers" };
            require(name, data_type, matches!(element, Some(Scalar::Float | Scalar::Int)), expected)
        }
        false => {
            let expected = if is_list { ITEM_LISTS } else { ITEMS };
            require(name, data_type, matches!(element, Some(Scalar::Int | Scalar::Text)), expected)
        }
    }
}

fn require(name: &str, found: &DataType, is_right: bool, expected: &'static str) -> Result<(), InputProblem> {
    if is_right {
        return Ok(());
    }
    Err(InputProblem::ColumnType { column: name.to_owned(), found: type_words(found), expected })
}

fn is_item(data_type: &DataType) -> bool {
    matches!(scalar(data_type), Some(Scalar::Int | Scalar::Text))
}

/// An empty list column that was written without a type has elements of type null.
fn is_item_list(data_type: &DataType) -> bool {
    list_element(data_type).is_some_and(|e| is_item(e) || e.is_null())
}

fn is_pin_list(data_type: &DataType) -> bool {
    let Some(DataType::Struct(fields)) = list_element(data_type) else { return false };
    let of = |name| fields.iter().find(|f| f.name() == name).map(|f| f.data_type());
    of("position").is_some_and(|t| scalar(t) == Some(Scalar::Int)) && of("item").is_some_and(is_item)
}
