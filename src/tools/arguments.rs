//! Arguments of calls against their tool's JSON Schema.

use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::signature::Signature;
use super::{ToolError, plain, text};

/// A message shows what was given, which may be large.
const MESSAGE_CHARS_MAX: usize = 500;

const EXPLAINED_BYTES_MAX: usize = 16 << 10;

/// One tool's compiled schema.
#[derive(Debug)]
pub(super) struct Arguments {
    validator: Validator,
    /// An explanation follows each alternative to each of its ends: too long a way for large arguments.
    has_alternatives: bool,
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
        let text = schema.to_string();
        let has_alternatives = ["\"anyOf\"", "\"oneOf\""].iter().any(|word| text.contains(word));
        Ok(Self { validator, has_alternatives })
    }

    /// The keys of defaults that do not fit: each would fail every call that relies on it.
    pub(super) fn misfits(&self, signature: &Signature) -> Vec<String> {
        let defaults = signature.parameters.iter().filter(|parameter| !parameter.default.is_null());
        let given = defaults.map(|parameter| (parameter.key.clone(), parameter.default.clone())).collect();
        let given = Value::Object(given);
        let first = |error: ValidationError<'_>| match error.instance_path().iter().next() {
            Some(LocationSegment::Property(key)) => Some(key.to_string()),
            // Of the object as a whole, because of what is not given here.
            _ => None,
        };
        self.validator.iter_errors(&given).filter_map(first).collect()
    }

    /// The arguments in `text`, which are JSON, with the defaults of what is not given. `path` is the tool's name for
    /// messages.
    ///
    /// # Errors
    ///
    /// Which argument does not fit, and what was expected.
    pub(super) fn read(
        &self,
        path: &str,
        signature: &Signature,
        text: &str,
    ) -> Result<Map<String, Value>, ToolError> {
        let mut arguments = plain::arguments(text)?;
        let unknown = arguments.keys().find(|key| signature.find(key).is_none());
        if let (Some(key), false) = (unknown, signature.takes_more) {
            let key = text::line(key, MESSAGE_CHARS_MAX);
            return Err(ToolError::arguments(format!("{path}() has no argument '{key}'")));
        }
        for parameter in &signature.parameters {
            if !parameter.default.is_null() && !arguments.contains_key(&parameter.key) {
                arguments.insert(parameter.key.clone(), parameter.default.clone());
            }
        }
        let given = Value::Object(arguments);
        match given {
            ref given if !self.validator.is_valid(given) => {
                let error = (!self.has_alternatives || text.len() <= EXPLAINED_BYTES_MAX)
                    .then(|| self.validator.validate(given).err())
                    .flatten();
                Err(error.map_or_else(|| unexplained(path), |error| explain(path, signature, &error)))
            }
            Value::Object(arguments) => Ok(arguments),
            _ => Err(unexplained(path)),
        }
    }
}

fn unexplained(path: &str) -> ToolError {
    ToolError::arguments(format!(
        "The arguments of {path}() do not fit its schema; with less than {EXPLAINED_BYTES_MAX} bytes of them, this would say why"
    ))
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
