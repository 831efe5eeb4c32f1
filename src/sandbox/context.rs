//! Checks a context, the values that become a program's variables.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::error::Error;
use crate::json;
use crate::tools::{CallerTools, Registry};
use crate::validator::{self, Policy};

/// A key can be as long as the whole context; error messages show only this many characters of it.
const KEY_CHARS_SHOWN: usize = 64;

/// Bytes of JSON around the entries, `{}`, and around the key and value of each entry, `"":,`.
const BRACES_BYTES: usize = 2;
const ENTRY_BYTES: usize = 4;

/// Checks the total size, then each key and the nesting depth of its value.
///
/// # Errors
///
/// [`Error::Context`]. It names the largest entry if the context is too large, otherwise the first invalid entry.
pub(super) fn check(
    context: &BTreeMap<String, Box<RawValue>>,
    policy: &Policy,
    registry: &Registry,
    of_caller: Option<&CallerTools>,
) -> Result<(), Error> {
    let sizes = context.iter().map(|(key, value)| (key.len() + value.get().len() + ENTRY_BYTES, key));
    let bytes = BRACES_BYTES + sizes.clone().map(|(bytes, _)| bytes).sum::<usize>();
    let limit = policy.context_bytes_max;
    if let Some((largest, key)) = sizes.max()
        && bytes > limit
    {
        let why = format!("takes {largest} bytes of a context of {bytes} bytes; limit is {limit} bytes");
        return Err(fault(key, why));
    }
    for (key, value) in context {
        check_key(key, registry, of_caller).map_err(|why| fault(key, why))?;
        let (depth, limit) = (json::depth_of(value.get().as_bytes()), policy.context_depth_max);
        if depth > limit {
            return Err(fault(key, format!("is nested {depth} levels deep; limit is {limit}")));
        }
    }
    Ok(())
}

fn check_key(key: &str, registry: &Registry, of_caller: Option<&CallerTools>) -> Result<(), &'static str> {
    if !validator::is_identifier(key) {
        Err("is not a Python identifier")
    } else if key.starts_with("__") {
        Err("starts with two underscores")
    } else if registry.is_module(key) || of_caller.is_some_and(|tools| tools.is_module(key)) {
        Err("is the name of a tool module")
    } else {
        Ok(())
    }
}

fn fault(key: &str, why: impl Into<String>) -> Error {
    Error::Context { key: key.chars().take(KEY_CHARS_SHOWN).collect(), why: why.into() }
}
