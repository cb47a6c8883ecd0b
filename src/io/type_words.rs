//! Arrow's types in plain words.

use arrow_schema::DataType;

use super::arrow_values::list_element;

/// What a column of a type holds: `text`, `lists of integers`, `lists of {position, item}`.
pub(crate) fn type_words(data_type: &DataType) -> String {
    use DataType::*;
    if let Some(element) = list_element(data_type) {
        return format!("lists of {}", type_words(element));
    }
    match data_type {
        Null => "nothing but nulls".to_owned(),
        Boolean => "true and false".to_owned(),
        Utf8 | LargeUtf8 | Utf8View => "text".to_owned(),
        Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => "bytes".to_owned(),
        Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => "decimal numbers".to_owned(),
        Date32 | Date64 => "dates".to_owned(),
        Timestamp(..) | Time32(_) | Time64(_) => "times".to_owned(),
        Duration(_) | Interval(_) => "spans of time".to_owned(),
        Map(..) => "maps".to_owned(),
        Struct(fields) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            format!("{{{}}}", names.join(", "))
        }
        Dictionary(_, values) => type_words(values),
        t if t.is_integer() => "integers".to_owned(),
        t if t.is_floating() => "floating-point numbers".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{Field, TimeUnit};

    use super::*;

    #[test]
    fn types_are_told_without_the_names_of_arrow() {
        let list = |of: DataType| DataType::LargeList(Arc::new(Field::new("element", of, true)));
        let field = |name: &str| Field::new(name, DataType::Int64, true);
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        for (data_type, words) in [
            (DataType::Utf8View, "text"),
            (list(list(DataType::UInt8)), "lists of lists of integers"),
            (list(DataType::Decimal128(10, 2)), "lists of decimal numbers"),
            (list(DataType::Float16), "lists of floating-point numbers"),
            (list(DataType::Struct(vec![field("position"), field("item")].into())), "lists of {position, item}"),
            (dictionary, "text"),
            (DataType::Timestamp(TimeUnit::Second, None), "times"),
            (DataType::Null, "nothing but nulls"),
        ] {
            assert_eq!(type_words(&data_type), words);
        }
    }
}
