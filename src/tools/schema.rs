//! A compiled JSON Schema, and checks against it whose work is bounded.
//!
//! Schemas and values both come from others. What a check costs is bounded in two ways: a [`cost::Cost`], found when the
//! schema is compiled, bounds the work at one place of a value; a [`Meter`] counts how often the check looks at the value,
//! and ends it when the steps are spent. The library remembers what it found out about a recursive reference, so honest
//! recursive schemas take few steps.

mod cost;
mod metered;

use std::fmt::{self, Write};

use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use cost::Cost;
pub(super) use metered::Meter;
use metered::{Metered, MeteredJson};

/// Of an explanation that follows each alternative to each of its ends: the library keeps an error for each.
const ALTERNATIVES_STEPS_MAX: u64 = 50_000;

/// What one level of a check takes of the stack, generously.
const STACK_BYTES_PER_LEVEL: usize = 8 << 10;

/// A check that needs more gets a stack of its own. Guests' calls run on stacks of some megabytes.
const STACK_BYTES_MAX: usize = 256 << 10;

/// The steps of a check are spent, so it says nothing about the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

/// One schema, to check values against.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator<MeteredJson>,
    cost: Cost,
    has_alternatives: bool,
}

impl Schema {
    /// # Errors
    ///
    /// Why the schema cannot be used. References lead nowhere but into the schema: nothing is fetched.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        let cost = Cost::of(schema)?;
        // Patterns come from whoever supplied the schema: no backtracking.
        let patterns = PatternOptions::regex().size_limit(cost::PATTERN_BYTES_MAX);
        let options = jsonschema::options_for::<MeteredJson>().with_pattern_options(patterns).offline();
        let validator = options.build(schema).map_err(|error| error.to_string())?;
        let text = schema.to_string();
        let has_alternatives = ["\"anyOf\"", "\"oneOf\""].iter().any(|word| text.contains(word));
        Ok(Self { validator, cost, has_alternatives })
    }

    /// Whether `value`, nested `depth` deep, fits.
    pub(super) fn fits(&self, value: &Value, depth: usize, meter: &Meter) -> Result<bool, Exhausted> {
        self.on_stack(depth, || {
            let fits = self.validator.is_valid(Metered::new(value, meter, &self.cost));
            if meter.is_spent() { Err(Exhausted) } else { Ok(fits) }
        })
    }

    /// Shows the first reason why `value` does not fit; `None` if it fits after all, or finding out takes too long.
    pub(super) fn explain<T>(
        &self,
        value: &Value,
        depth: usize,
        meter: &Meter,
        show: impl FnOnce(&ValidationError<'_>) -> T,
    ) -> Option<T> {
        let meter = meter.at_most(if self.has_alternatives { ALTERNATIVES_STEPS_MAX } else { u64::MAX });
        self.on_stack(depth, || {
            let error = self.validator.validate(Metered::new(value, &meter, &self.cost)).err()?;
            (!meter.is_spent()).then(|| show(&error))
        })
    }

    /// The keys of members of `value` that do not fit.
    pub(super) fn misfits(
        &self,
        value: &Value,
        depth: usize,
        meter: &Meter,
    ) -> Result<Vec<String>, Exhausted> {
        let key = |error: ValidationError<'_>| match error.instance_path().iter().next() {
            Some(LocationSegment::Property(key)) => Some(key.to_string()),
            // Of the value as a whole.
            _ => None,
        };
        self.on_stack(depth, || {
            let errors = self.validator.iter_errors(Metered::new(value, meter, &self.cost));
            let keys = errors.filter_map(key).collect();
            if meter.is_spent() { Err(Exhausted) } else { Ok(keys) }
        })
    }

    /// How much of the stack a check of a value nested `depth` deep takes, at most.
    fn stack_bytes(&self, depth: usize) -> usize {
        (depth + 1) * self.cost.levels * STACK_BYTES_PER_LEVEL
    }

    /// A guest's call runs on a stack that `stacker` does not know, so it cannot tell how much of it is left.
    fn on_stack<T>(&self, depth: usize, check: impl FnOnce() -> T) -> T {
        match self.stack_bytes(depth) {
            bytes if bytes > STACK_BYTES_MAX => stacker::grow(bytes, check),
            _ => check(),
        }
    }
}

/// The beginning of what `shown` writes, at least `chars_max` characters of it, without making the rest.
pub(super) fn beginning(shown: &impl fmt::Display, chars_max: usize) -> String {
    struct Short {
        text: String,
        bytes_max: usize,
    }
    impl Write for Short {
        fn write_str(&mut self, more: &str) -> fmt::Result {
            self.text.push_str(more);
            if self.text.len() > self.bytes_max { Err(fmt::Error) } else { Ok(()) }
        }
    }
    let mut short = Short { text: String::new(), bytes_max: chars_max * 4 };
    // An error says that it is long enough.
    let _ = write!(short, "{shown}");
    short.text
}

#[cfg(test)]
mod tests;
