//! Arguments of calls against their tool's JSON Schema.

use std::collections::HashSet;
use std::sync::Weak;

use jsonschema::ValidationError;
use jsonschema::paths::LocationSegment;
use serde_json::{Map, Value};

use super::schema::{self, Exhausted, Meter, Schema};
use super::signature::Signature;
use super::{ToolError, plain, text};
use crate::json;

/// A message shows what was given, which may be large.
const MESSAGE_CHARS_MAX: usize = 500;

/// What is read where the guest runs: about a millisecond's worth.
const BRIEF_BYTES_MAX: usize = 32 << 10;
const BRIEF_STEPS_MAX: u64 = 50_000;

/// What is read elsewhere: half a second's worth, of which ordinary arguments take a hundredth.
const STEPS_MAX: u64 = 50_000_000;

/// How much may be done to read a call's arguments.
#[derive(Clone, Debug)]
pub(crate) enum Effort {
    /// The guest's thread is kept meanwhile.
    Brief,
    /// As much as is reasonable, while the other end is there.
    Full(Weak<()>),
}

/// More effort is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// One tool's compiled schema.
#[derive(Debug)]
pub(super) struct Arguments {
    schema: Schema,
    /// How deep defaults may be nested.
    schema_depth: usize,
}

impl Arguments {
    /// # Errors
    ///
    /// Why the schema cannot be used.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        if !schema.is_object() || schema.get("type").is_some_and(|kind| kind != "object") {
            return Err("the schema of its arguments is not one of an object".into());
        }
        let schema_depth = json::depth_of(schema.to_string().as_bytes());
        let schema = Schema::new(schema).map_err(|why| format!("the schema of its arguments: {why}"))?;
        Ok(Self { schema, schema_depth })
    }

    /// The keys of defaults that do not fit: each would fail every call that relies on it.
    ///
    /// # Errors
    ///
    /// They cannot be checked with reasonable effort.
    pub(super) fn misfits(&self, signature: &Signature) -> Result<Vec<String>, String> {
        let defaults = signature.parameters.iter().filter(|parameter| !parameter.default.is_null());
        let given = defaults.map(|parameter| (parameter.key.clone(), parameter.default.clone())).collect();
        let meter = Meter::new(BRIEF_STEPS_MAX, None);
        let misfits = self.schema.misfits(&Value::Object(given), self.schema_depth, &meter);
        misfits.map_err(|Exhausted| "checking its defaults takes too long".into())
    }

    /// The arguments in `text`, which are JSON, with the defaults of what is not given. `path` is the tool's name for
    /// messages.
    ///
    /// # Errors
    ///
    /// The inner one says which argument does not fit, and what was expected.
    pub(super) fn read(
        &self,
        path: &str,
        signature: &Signature,
        text: &str,
        effort: &Effort,
    ) -> Result<Result<Map<String, Value>, ToolError>, TooLarge> {
        let meter = match effort {
            Effort::Brief if text.len() > BRIEF_BYTES_MAX => return Err(TooLarge),
            Effort::Brief => Meter::new(BRIEF_STEPS_MAX, None),
            Effort::Full(waiting) => Meter::new(STEPS_MAX, Some(waiting.clone())),
        };
        let (given, depth) = match parse(path, signature, text) {
            Ok((arguments, depth)) => (Value::Object(arguments), depth.max(self.schema_depth)),
            Err(error) => return Ok(Err(error)),
        };
        let is_brief = matches!(effort, Effort::Brief);
        let show = |error: &ValidationError<'_>| explain(path, signature, error);
        let error = match (self.schema.fits(&given, depth, &meter), given) {
            (Ok(true), Value::Object(arguments)) => return Ok(Ok(arguments)),
            (Ok(_), given) => match self.schema.explain(&given, depth, &meter, show) {
                None if is_brief => return Err(TooLarge),
                explained => explained.unwrap_or_else(|| unexplained(path)),
            },
            (Err(Exhausted), _) if is_brief => return Err(TooLarge),
            (Err(Exhausted), given) => exhausted(path, signature, &given),
        };
        Ok(Err(error))
    }
}

/// The arguments with their defaults, and how deep those that were given are nested.
fn parse(path: &str, signature: &Signature, text: &str) -> Result<(Map<String, Value>, usize), ToolError> {
    let (mut arguments, depth) = plain::arguments(text)?;
    if let Some(key) = unknown(&arguments, signature) {
        let key = text::line(key, MESSAGE_CHARS_MAX);
        return Err(ToolError::arguments(format!("{path}() has no argument '{key}'")));
    }
    for parameter in &signature.parameters {
        if !parameter.default.is_null() && !arguments.contains_key(&parameter.key) {
            arguments.insert(parameter.key.clone(), parameter.default.clone());
        }
    }
    Ok((arguments, depth))
}

/// An argument that the tool does not have.
fn unknown<'a>(arguments: &'a Map<String, Value>, signature: &Signature) -> Option<&'a str> {
    let known = signature.parameters.iter().filter(|parameter| arguments.contains_key(&parameter.key));
    if signature.takes_more || known.count() == arguments.len() {
        return None;
    }
    let keys: HashSet<&str> = signature.parameters.iter().map(|parameter| parameter.key.as_str()).collect();
    arguments.keys().map(String::as_str).find(|key| !keys.contains(key))
}

fn exhausted(path: &str, signature: &Signature, given: &Value) -> ToolError {
    let size = |value: &Value| value.to_string().len();
    let largest = given.as_object().and_then(|given| given.iter().max_by_key(|(_, value)| size(value)));
    let name = largest.map_or(String::new(), |(key, _)| name_of(signature, key));
    let name = text::line(&name, MESSAGE_CHARS_MAX);
    ToolError::arguments(format!(
        "Argument '{name}' of {path}() is too large, or nested too deeply, to be checked against its schema: pass less"
    ))
}

fn unexplained(path: &str) -> ToolError {
    ToolError::arguments(format!(
        "The arguments of {path}() do not fit its schema; they are too many, or nested too deeply, for this to say why"
    ))
}

fn name_of(signature: &Signature, key: &str) -> String {
    signature.find(key).map_or_else(|| key.to_owned(), |parameter| parameter.name.clone())
}

/// Names the argument as the program does, the place in it, and what was expected.
fn explain(path: &str, signature: &Signature, error: &ValidationError<'_>) -> ToolError {
    let named = |(depth, segment): (usize, LocationSegment<'_>)| match segment {
        LocationSegment::Property(key) if depth == 0 => name_of(signature, &key),
        LocationSegment::Property(key) => format!("[{key:?}]"),
        LocationSegment::Index(index) => format!("[{index}]"),
    };
    let place: String = error.instance_path().iter().enumerate().map(named).collect();
    let error = schema::beginning(error, MESSAGE_CHARS_MAX);
    let message = if place.is_empty() {
        format!("{path}(): {error}")
    } else {
        format!("Argument '{place}' of {path}(): {error}")
    };
    ToolError::arguments(text::clean(&message, MESSAGE_CHARS_MAX))
}
