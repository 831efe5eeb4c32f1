//! Parses JSON from the guest into plain values.
//!
//! `serde_json::Value` treats one reserved key as raw JSON and parses its content without a depth limit. Here it is an
//! ordinary key.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::ToolError;
use crate::json;

/// No sensible schema accepts deeper arguments, and validation is recursive.
const DEPTH_MAX: usize = 64;

/// Returns the arguments of a call and their nesting depth.
///
/// # Errors
///
/// If the text is not a JSON object, is nested too deeply, or has an integer that would lose precision.
pub(super) fn arguments(text: &str) -> Result<(Map<String, Value>, usize), ToolError> {
    match value(text)? {
        (Value::Object(arguments), depth) => Ok((arguments, depth)),
        _ => Err(ToolError::arguments("The arguments are not an object")),
    }
}

/// Returns a value and its nesting depth.
///
/// # Errors
///
/// If the text is not JSON, is nested too deeply, or has an integer that would lose precision.
pub(super) fn value(text: &str) -> Result<(Value, usize), ToolError> {
    let depth = json::depth_of(text.as_bytes());
    if depth > DEPTH_MAX {
        return Err(ToolError::arguments(format!("The arguments are nested more than {DEPTH_MAX} deep")));
    }
    if let Some(number) = json::large_integer(text) {
        let shown: String = number.chars().take(40).collect();
        return Err(ToolError::arguments(format!(
            "{shown} does not fit into 64 bits; send it as a string or a float"
        )));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Plain.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok((value, depth)),
        Err(error) => Err(ToolError::arguments(format!("The arguments are not valid JSON: {error}"))),
    }
}

struct Plain;

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Plain {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Plain)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key()? {
            map.insert(key, entries.next_value_seed(Plain)?);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_parsed_without_special_keys() {
        let read = |text: &str| {
            arguments(text).map(|(arguments, _)| Value::Object(arguments)).map_err(|error| error.message)
        };
        let value = json!({"a": [1, -1, 1.5, "x", null, true, {}], "b": 18_446_744_073_709_551_615_u64});
        assert_eq!(read(&value.to_string()), Ok(value));
        let raw = r#"{"x": {"$serde_json::private::RawValue": "[[1]]"}}"#;
        assert_eq!(read(raw).unwrap()["x"]["$serde_json::private::RawValue"], "[[1]]");
        let deep = format!("{{\"x\": {}1{}}}", "[".repeat(64), "]".repeat(64));
        for (text, why) in [
            ("[]", "not an object"),
            ("{", "not valid JSON"),
            ("{} {}", "not valid JSON"),
            (r#"{"n": 18446744073709551616}"#, "18446744073709551616 does not fit"),
            (deep.as_str(), "more than 64 deep"),
        ] {
            assert!(read(text).unwrap_err().contains(why), "{text}");
        }
    }
}
