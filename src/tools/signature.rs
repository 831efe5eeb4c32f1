//! Converts a tool's JSON Schemas to a Python signature.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{names, text};
use crate::validator::{ToolFunction, ToolParameter};

/// Annotations do not show the parts of a schema that are nested deeper.
const ANNOTATION_DEPTH_MAX: usize = 3;

/// Annotations do not show longer lists of literals.
const LITERALS_MAX: usize = 12;
const LITERAL_CHARS_MAX: usize = 40;

/// A longer annotation is hard to read, so it is left out.
const ANNOTATION_CHARS_MAX: usize = 600;

/// Maximum number of parts of a schema that are searched for null.
const PARTS_MAX: u32 = 100;

const DESCRIPTION_CHARS_MAX: usize = 500;

/// The Python signature of a tool.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Signature {
    /// Required parameters first, otherwise in the schema's order.
    pub(crate) parameters: Vec<Parameter>,
    /// Whether the tool accepts further keyword arguments.
    pub(crate) takes_more: bool,
    /// Type of the reply; empty if it is not known.
    pub(crate) returns: String,
}

/// One parameter of a tool.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Parameter {
    /// The Python name.
    pub(crate) name: String,
    /// The name in the schema.
    pub(crate) key: String,
    pub(crate) required: bool,
    /// Whether null is a value of the parameter, distinct from leaving it out.
    pub(crate) takes_null: bool,
    /// The schema's default; null if it has none.
    pub(crate) default: Value,
    /// Type of the parameter; empty if it is not known.
    pub(crate) annotation: String,
    /// The description in one line.
    #[serde(skip)]
    pub(crate) description: String,
}

impl Signature {
    pub(super) fn new(parameters: &Value, output: Option<&Value>) -> Self {
        let empty = Map::new();
        let properties = parameters["properties"].as_object().unwrap_or(&empty);
        let is_required = |key: &str| {
            let required = parameters["required"].as_array();
            required.is_some_and(|required| required.iter().any(|name| name == key))
        };
        let mut signature =
            Self { parameters: Vec::new(), takes_more: takes_more(parameters), returns: String::new() };
        let (first, then): (Vec<_>, Vec<_>) = properties.iter().partition(|(key, _)| is_required(key));
        let ordered: Vec<(&String, &Value)> = first.into_iter().chain(then).collect();
        let keys: Vec<&str> = ordered.iter().map(|(key, _)| key.as_str()).collect();
        for ((key, schema), name) in ordered.into_iter().zip(names::all_legal(&keys, names::Kind::Argument)) {
            let mut parts_left = PARTS_MAX;
            let takes_null = allows_null(schema, parameters, &mut parts_left);
            signature.parameters.push(Parameter::new(name, key, schema, is_required(key), takes_null));
        }
        signature.returns = output.map(|schema| annotation(schema, 0)).unwrap_or_default();
        signature
    }

    /// Removes the default of the argument that the schema calls `key`.
    pub(super) fn forget_default(&mut self, key: &str) {
        for parameter in self.parameters.iter_mut().filter(|parameter| parameter.key == key) {
            parameter.default = Value::Null;
            show_null(&mut parameter.annotation);
        }
    }

    /// Returns the signature as the validator needs it.
    pub(super) fn function(&self) -> ToolFunction {
        let parameter = |parameter: &Parameter| ToolParameter {
            name: parameter.name.clone(),
            is_required: parameter.required,
        };
        ToolFunction {
            parameters: self.parameters.iter().map(parameter).collect(),
            takes_more: self.takes_more,
            is_granted: true,
        }
    }

    /// Returns the parameter that the schema calls `key`.
    pub(super) fn find(&self, key: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.key == key)
    }
}

/// Adds `None` to an annotation, for a parameter that may be left out.
fn show_null(annotation: &mut String) {
    let shows = annotation == "None" || annotation.ends_with(" | None");
    if !shows && !annotation.is_empty() {
        annotation.push_str(" | None");
    }
}

impl Parameter {
    fn new(name: String, key: &str, schema: &Value, required: bool, takes_null: bool) -> Self {
        let default = if required { Value::Null } else { schema["default"].clone() };
        let mut annotation = annotation(schema, 0);
        if !required && default.is_null() {
            show_null(&mut annotation);
        }
        let description = schema["description"].as_str().unwrap_or_default();
        let description = text::line(description, DESCRIPTION_CHARS_MAX);
        Self { name, key: key.to_owned(), required, takes_null, default, annotation, description }
    }
}

/// Returns whether `schema`, a part of `root`, names null as a value. A schema that allows anything does not name it.
fn allows_null(schema: &Value, root: &Value, parts_left: &mut u32) -> bool {
    // References can be circular.
    if *parts_left == 0 {
        return false;
    }
    *parts_left -= 1;
    let is_null = |kind: &Value| kind == "null";
    let kinds = &schema["type"];
    let has_null = |key: &str| schema[key].as_array().is_some_and(|values| values.contains(&Value::Null));
    let mut inner = |schema: &Value| allows_null(schema, root, parts_left);
    let alternatives = ["anyOf", "oneOf"].iter().filter_map(|key| schema[key].as_array()).flatten();
    let referred = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.strip_prefix('#')?));
    is_null(kinds)
        || kinds.as_array().is_some_and(|kinds| kinds.iter().any(is_null))
        || has_null("enum")
        || schema.get("const").is_some_and(Value::is_null)
        || alternatives.into_iter().any(&mut inner)
        || referred.is_some_and(inner)
}

/// Returns whether the schema allows arguments that it does not name. If it lists no properties but combines other
/// schemas, it may allow any.
fn takes_more(parameters: &Value) -> bool {
    match &parameters["additionalProperties"] {
        Value::Null => {
            let composed =
                ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| parameters.get(key).is_some());
            composed && parameters.get("properties").is_none()
        }
        Value::Bool(allowed) => *allowed,
        _ => true,
    }
}

/// Returns the Python type for a schema. Empty if the schema allows anything, or if Python has no type for it.
pub(super) fn annotation(schema: &Value, depth: usize) -> String {
    let alternatives = ["anyOf", "oneOf"].iter().find_map(|key| schema[key].as_array());
    let parts = if let Some(literals) = literals(schema) {
        vec![literals]
    } else if let Some(alternatives) = alternatives {
        alternatives.iter().map(|schema| annotation(schema, depth)).collect()
    } else {
        match &schema["type"] {
            Value::String(kind) => vec![type_of(kind, schema, depth)],
            Value::Array(kinds) => {
                kinds.iter().map(|kind| type_of(kind.as_str().unwrap_or_default(), schema, depth)).collect()
            }
            _ => Vec::new(),
        }
    };
    if parts.iter().any(String::is_empty) {
        return String::new();
    }
    let mut unique: Vec<String> = Vec::new();
    for part in parts {
        if !unique.contains(&part) {
            unique.push(part);
        }
    }
    let annotation = unique.join(" | ");
    if annotation.len() > ANNOTATION_CHARS_MAX { String::new() } else { annotation }
}

fn type_of(kind: &str, schema: &Value, depth: usize) -> String {
    let inner = |schema: &Value| {
        if depth < ANNOTATION_DEPTH_MAX { annotation(schema, depth + 1) } else { String::new() }
    };
    match kind {
        "string" => "str".into(),
        "integer" => "int".into(),
        "number" => "float".into(),
        "boolean" => "bool".into(),
        "null" => "None".into(),
        "array" => match inner(&schema["items"]) {
            items if items.is_empty() => "list".into(),
            items => format!("list[{items}]"),
        },
        "object" => match inner(&schema["additionalProperties"]) {
            values if values.is_empty() => "dict".into(),
            values => format!("dict[str, {values}]"),
        },
        _ => String::new(),
    }
}

/// Returns `Literal['a', 'b']` for a short `enum` or a `const` of strings, booleans and integers.
fn literals(schema: &Value) -> Option<String> {
    let values = match (schema.get("const"), schema["enum"].as_array()) {
        (Some(value), _) => vec![value],
        (None, Some(values)) if !values.is_empty() && values.len() <= LITERALS_MAX => values.iter().collect(),
        _ => return None,
    };
    let literals: Option<Vec<String>> = values.into_iter().map(literal).collect();
    Some(format!("Literal[{}]", literals?.join(", ")))
}

fn literal(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let plain = |char: char| char.is_ascii_graphic() && !"'\\".contains(char) || char == ' ';
            (text.len() <= LITERAL_CHARS_MAX && text.chars().all(plain)).then(|| format!("'{text}'"))
        }
        Value::Number(number) => number.as_i64().map(|number| number.to_string()),
        Value::Bool(true) => Some("True".into()),
        Value::Bool(false) => Some("False".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_become_annotations() {
        let cases = [
            (json!({"type": "string"}), "str"),
            (json!({"type": ["integer", "null"]}), "int | None"),
            (json!({"type": "array", "items": {"type": "number"}}), "list[float]"),
            (json!({"type": "object", "additionalProperties": {"type": "boolean"}}), "dict[str, bool]"),
            (json!({"enum": ["a-b", 3, true]}), "Literal['a-b', 3, True]"),
            (json!({"enum": ["it's"], "type": "string"}), "str"),
            (json!({"const": "x"}), "Literal['x']"),
            (json!({"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "string"}]}), "str | None"),
            (json!({"anyOf": [{"type": "string"}, {}]}), ""),
            (
                json!({"type": "array", "items": {"type": "array", "items": {"type": "array", "items":
                {"type": "array", "items": {"type": "array"}}}}}),
                "list[list[list[list]]]",
            ),
            (json!({"anyOf": (0..200).map(|n| json!({"const": n})).collect::<Vec<_>>()}), ""),
            (json!({"type": "whatever"}), ""),
            (json!(true), ""),
            (json!({"type": 3}), ""),
        ];
        for (schema, expected) in cases {
            assert_eq!(annotation(&schema, 0), expected, "{schema}");
        }
    }

    #[test]
    fn null_is_a_value_only_where_the_schema_says_so() {
        let root = json!({"$defs": {"model": {"type": "object"}, "none": {"type": "null"}, "loop": {"$ref": "#/$defs/loop"},
            "fan": {"anyOf": vec![json!({"$ref": "#/$defs/fan"}); 50]}}});
        let cases = [
            (json!({"type": ["string", "null"]}), true),
            (json!({"anyOf": [{"$ref": "#/$defs/model"}, {"type": "null"}]}), true),
            (json!({"anyOf": [{"$ref": "#/$defs/model"}, {"$ref": "#/$defs/none"}]}), true),
            (json!({"enum": ["a", null]}), true),
            (json!({"enum": ["x | None | y"]}), false),
            (json!({"const": null}), true),
            (json!({"$ref": "#/$defs/loop"}), false),
            (json!({"$ref": "#/$defs/fan"}), false),
            (json!({"$ref": "https://example.com/x"}), false),
            (json!({}), false),
            (json!(true), false),
        ];
        for (schema, expected) in cases {
            let mut parts_left = PARTS_MAX;
            assert_eq!(allows_null(&schema, &root, &mut parts_left), expected, "{schema}");
        }
    }

    #[test]
    fn required_arguments_come_first() {
        let schema = json!({"properties": {"limit": {"type": "integer", "default": 5}, "b-c": {"type": "string"},
            "a": {"type": ["string", "null"]}, "b_c": true}, "required": ["b-c"]});
        let signature = Signature::new(&schema, None);
        let shown: Vec<String> = signature
            .parameters
            .iter()
            .map(|p| format!("{}: {} = {} {}", p.name, p.annotation, p.default, p.takes_null))
            .collect();
        let expected = [
            "b_c_2: str = null false",
            "limit: int = 5 false",
            "a: str | None = null true",
            "b_c:  = null false",
        ];
        assert_eq!(shown, expected);
        assert!(!signature.takes_more);
        for (more, schema) in [
            (true, json!({"additionalProperties": {"type": "string"}})),
            (false, json!({"additionalProperties": false, "allOf": []})),
            (true, json!({"oneOf": [{"properties": {"x": {}}}]})),
        ] {
            assert_eq!(Signature::new(&schema, None).takes_more, more, "{schema}");
        }
    }
}
