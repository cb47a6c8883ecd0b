//! The configuration as JSON Schema, for editors that check and complete TOML.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;

use super::Config;

impl Config {
    /// The JSON Schema (draft 7, which TOML editors know) of the configuration. Descriptions, defaults and ranges are
    /// those of the fields of [`Config`].
    pub fn json_schema() -> serde_json::Value {
        let settings = SchemaSettings::draft07().with_transform(RecursiveTransform(plain));
        let mut schema = settings.into_generator().into_root_schema_for::<Self>();
        schema.insert("title".to_owned(), "Configuration of spectrank".into());
        schema.to_value()
    }
}

/// Takes out what editors do not know (`"format": "uint"`) and puts a description on one line.
fn plain(schema: &mut Schema) {
    schema.remove("format");
    if let Some(serde_json::Value::String(text)) = schema.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Every number of the schema: path of keys, the schema of the number.
    fn numbers(root: &Value, schema: &Value, path: &str, found: &mut Vec<(String, Value)>) {
        if let Some(name) = schema["$ref"].as_str() {
            return numbers(root, &root["definitions"][name.rsplit('/').next().unwrap()], path, found);
        }
        for parts in ["allOf", "anyOf"] {
            // A value of any kind, as in `values`, has no range.
            let parts = schema[parts].as_array().filter(|parts| !parts.iter().any(|p| p["type"] == "boolean"));
            parts.into_iter().flatten().for_each(|part| numbers(root, part, path, found));
        }
        if schema["type"] == "integer" || schema["type"] == "number" {
            found.push((path.to_owned(), schema.clone()));
        }
        if let Some(items) = schema.get("items") {
            numbers(root, items, &format!("{path}[]"), found);
        }
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            numbers(root, inner, &format!("{path}.{key}"), found);
        }
    }

    /// A configuration with this value there and whatever else its table needs; `behind` leaves room for `ahead`.
    fn with(path: &str, value: &Value) -> Result<Config, crate::config::ConfigError> {
        let rule = |name: &str| match name {
            "adjust[]" => json!({ "column": "c", "weight": 1.0 }),
            "signal[]" => json!({ "name": "s" }),
            "spacing[]" => json!({ "name": "s", "column": "c", "values": [1], "strength": 1.0, "window": 2 }),
            "semantic_id" => json!({ "column": "c", "strength": 1.0, "window": 2 }),
            "cap[]" => json!({ "column": "c", "max": 1, "window": 2 }),
            _ => json!({}),
        };
        let keys: Vec<&str> = path.trim_start_matches('.').split('.').collect();
        let mut document = value.clone();
        for (depth, key) in keys.iter().enumerate().rev() {
            if let Some(name) = key.strip_suffix("[]") {
                document = json!({ name: [document] });
            } else {
                document = json!({ *key: document });
            }
            if depth > 0
                && let (Value::Object(rest), Some(table)) = (rule(keys[depth - 1]), document.as_object_mut())
            {
                for (key, value) in rest {
                    table.entry(key).or_insert(value);
                }
            }
        }
        if path == ".signal[].weight" {
            // All weights 0 is an error of its own.
            document["signal"].as_array_mut().unwrap().push(json!({ "name": "other" }));
        }
        if path == ".window.ahead" || path == ".window.behind" {
            let other = if path.ends_with("ahead") { "behind" } else { "ahead" };
            document["window"][other] = json!(i32::from(other == "behind"));
        }
        Config::from_toml(&toml::to_string(&document).unwrap())
    }

    /// Both ways: every bound of the schema is one of `validate`, and no number is without bounds.
    #[test]
    fn the_ranges_are_those_that_are_checked() {
        let root = Config::json_schema();
        let mut found = Vec::new();
        numbers(&root, &root, "", &mut found);
        assert!(found.len() >= 29, "only {} numbers: {found:?}", found.len());
        for (path, schema) in found {
            let is_integer = schema["type"] == "integer";
            let bound = |key: &str| schema[key].as_f64().unwrap_or_else(|| panic!("{path} has no {key}: {schema}"));
            let (low, high) = (bound("minimum"), bound("maximum"));
            let value = |x: f64| if is_integer { json!(x as i64) } else { json!(x) };
            let step = |x: f64| if is_integer { 1.0 } else { (x.abs() * 1e-6).max(1e-12) };
            // Window sizes share one limit, so the largest `ahead` goes with no room for `behind`.
            let highest = if path == ".window.ahead" { high - 1.0 } else { high };
            for inside in [low, highest] {
                with(&path, &value(inside)).unwrap_or_else(|e| panic!("{path} = {inside}: {e}"));
            }
            for outside in [low - step(low), high + step(high)] {
                let error = with(&path, &value(outside)).err().map(|e| e.to_string());
                assert!(error.is_some(), "{path} = {outside} is accepted");
            }
        }
    }

    #[test]
    fn unknown_keys_are_refused_and_everything_is_described() {
        let root = Config::json_schema();
        let tables = root["definitions"].as_object().unwrap().values().chain([&root]);
        for table in tables.filter(|t| t["type"] == "object") {
            assert_eq!(table["additionalProperties"], json!(false), "{table}");
            for (key, field) in table["properties"].as_object().unwrap() {
                let text = field["description"].as_str().unwrap_or_else(|| panic!("{key} has no description"));
                assert!(!text.contains('\n'), "{text}");
            }
        }
        assert!(!root.to_string().contains("\"format\""));
        assert_eq!(root["properties"]["slate_size"]["default"], json!(50));
    }
}
