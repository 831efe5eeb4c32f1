//! Arguments of calls against their tool's JSON Schema.

use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::ToolError;
use super::signature::Signature;
use super::text;

/// A message shows what was given, which may be large.
const MESSAGE_CHARS_MAX: usize = 500;

/// One tool's compiled schema.
#[derive(Debug)]
pub(super) struct Arguments {
    validator: Validator,
}

impl Arguments {
    /// # Errors
    ///
    /// Why the schema cannot be used.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        if !schema.is_object() || schema.get("type").is_some_and(|kind| kind != "object") {
            return Err("the schema of its arguments is not one of an object".into());
        }
        // Patterns come from whoever supplied the schema: no backtracking. References lead nowhere but into the schema.
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex()).offline();
        let validator =
            options.build(schema).map_err(|error| format!("the schema of its arguments: {error}"))?;
        Ok(Self { validator })
    }

    /// Adds the defaults of what is not given, and checks the result. `path` is the tool's name for messages.
    pub(super) fn check(
        &self,
        path: &str,
        signature: &Signature,
        arguments: &mut Map<String, Value>,
    ) -> Result<(), ToolError> {
        let unknown = arguments.keys().find(|key| signature.find(key).is_none());
        if let (Some(key), false) = (unknown, signature.takes_more) {
            let key = text::clean(key, MESSAGE_CHARS_MAX);
            return Err(ToolError::arguments(format!("{path}() has no argument '{key}'")));
        }
        for parameter in &signature.parameters {
            if !parameter.default.is_null() && !arguments.contains_key(&parameter.key) {
                arguments.insert(parameter.key.clone(), parameter.default.clone());
            }
        }
        let given = Value::Object(std::mem::take(arguments));
        let checked = self.validator.validate(&given).map_err(|error| explain(path, signature, &error));
        if let Value::Object(given) = given {
            *arguments = given;
        }
        checked
    }
}

/// Names the argument as the program does, the place in it, and what was expected.
fn explain(path: &str, signature: &Signature, error: &ValidationError<'_>) -> ToolError {
    let named = |(depth, segment): (usize, LocationSegment<'_>)| match segment {
        LocationSegment::Property(key) if depth == 0 => {
            signature.find(&key).map_or_else(|| key.to_string(), |parameter| parameter.name.clone())
        }
        LocationSegment::Property(key) => format!("[{key:?}]"),
        LocationSegment::Index(index) => format!("[{index}]"),
    };
    let place: String = error.instance_path().iter().enumerate().map(named).collect();
    let message = if place.is_empty() {
        format!("{path}(): {error}")
    } else {
        format!("Argument '{place}' of {path}(): {error}")
    };
    ToolError::arguments(text::clean(&message, MESSAGE_CHARS_MAX))
}
