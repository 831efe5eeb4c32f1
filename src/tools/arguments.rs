//! Validates the arguments of calls against their tool's JSON Schema.

use std::collections::HashSet;
use std::sync::Weak;

use jsonschema::ValidationError;
use jsonschema::paths::LocationSegment;
use serde_json::{Map, Value};

use super::schema::{self, Exhausted, Meter, Schema};
use super::signature::Signature;
use super::{ToolError, plain, text};
use crate::json;

/// Error messages quote the given values, which may be large.
const MESSAGE_CHARS_MAX: usize = 500;

/// Bounds for arguments that are validated on the guest's own thread: about 1 ms of work.
const BRIEF_BYTES_MAX: usize = 32 << 10;
const BRIEF_STEPS_MAX: u64 = 50_000;

/// Bound for arguments that are validated on other threads: about 0.5 s of work. Ordinary arguments need a hundredth of
/// it.
const STEPS_MAX: u64 = 50_000_000;

/// How much work the validation of one call's arguments may take.
#[derive(Clone, Debug)]
pub(crate) enum Effort {
    /// Runs on the guest's thread, which is blocked meanwhile.
    Brief,
    /// Runs on another thread. Validation stops early once the `Weak` reference is dead, because nobody waits for the
    /// result any more.
    Full(Weak<()>),
}

/// The work exceeds [`Effort::Brief`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// The compiled schema of one tool's arguments.
#[derive(Debug)]
pub(super) struct Arguments {
    schema: Schema,
    /// Upper bound for the nesting depth of defaults.
    schema_depth: usize,
}

impl Arguments {
    /// Compiles `schema`.
    ///
    /// # Errors
    ///
    /// If the schema cannot be used; the message says why.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        if !schema.is_object() || schema.get("type").is_some_and(|kind| kind != "object") {
            return Err("the schema of its arguments must be an object schema".into());
        }
        let schema_depth = json::depth_of(schema.to_string().as_bytes());
        let schema = Schema::new(schema).map_err(|why| format!("the schema of its arguments: {why}"))?;
        Ok(Self { schema, schema_depth })
    }

    /// Returns the keys of the defaults that do not fit the schema. Every call that relies on one of them would fail.
    ///
    /// # Errors
    ///
    /// If the check exceeds the bound for short work.
    pub(super) fn misfits(&self, signature: &Signature) -> Result<Vec<String>, String> {
        let defaults = signature.parameters.iter().filter(|parameter| !parameter.default.is_null());
        let given = defaults.map(|parameter| (parameter.key.clone(), parameter.default.clone())).collect();
        let meter = Meter::new(BRIEF_STEPS_MAX, None);
        let misfits = self.schema.misfits(&Value::Object(given), self.schema_depth, &meter);
        misfits.map_err(|Exhausted| "checking its defaults takes too long".into())
    }

    /// Returns the arguments in `text`, a JSON object, with defaults for those that are missing. `path` is the tool's
    /// name for messages.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if `effort` does not suffice. The inner error names the argument that does not fit and what was
    /// expected.
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

/// Returns the arguments with their defaults, and the nesting depth of those that were given.
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

/// Returns an argument that the tool does not declare.
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
        "Argument '{name}' of {path}() is too large or too deeply nested to be checked against its schema; pass less"
    ))
}

fn unexplained(path: &str) -> ToolError {
    ToolError::arguments(format!(
        "The arguments of {path}() do not fit its schema; they are too large or too deeply nested to find out why"
    ))
}

fn name_of(signature: &Signature, key: &str) -> String {
    signature.find(key).map_or_else(|| key.to_owned(), |parameter| parameter.name.clone())
}

/// Describes an error: the argument by its Python name, the place in it, and what was expected.
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
