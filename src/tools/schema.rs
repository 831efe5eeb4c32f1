//! Compiled JSON Schemas, and validation whose work is bounded.
//!
//! Schemas and values are both untrusted. The work of a check is bounded in two ways. A [`cost::Cost`], computed when
//! the schema is compiled, bounds the work at one place of a value. A [`Meter`] counts how often the validator accesses
//! the value, and ends the check when its steps are spent. The library memoises recursive references, so ordinary
//! recursive schemas need few steps.

mod cost;
mod metered;

use std::fmt::{self, Write};

use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use cost::Cost;
pub(super) use metered::Meter;
use metered::{Metered, MeteredJson};

/// Bound for explaining a failure of `anyOf` or `oneOf`. The library follows every alternative to its end and keeps an
/// error for each.
const ALTERNATIVES_STEPS_MAX: u64 = 50_000;

/// Upper bound for the stack that one level of a check uses.
const STACK_BYTES_PER_LEVEL: usize = 8 << 10;

/// A check that needs more runs on a stack of its own. Guests' calls run on stacks of a few megabytes.
const STACK_BYTES_MAX: usize = 256 << 10;

/// The check ran out of steps, so there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

/// A compiled schema.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator<MeteredJson>,
    cost: Cost,
    has_alternatives: bool,
}

impl Schema {
    /// Compiles `schema`. References must stay within it: nothing is fetched.
    ///
    /// # Errors
    ///
    /// If the schema cannot be used; the message says why.
    pub(super) fn new(schema: &Value) -> Result<Self, String> {
        let cost = Cost::of(schema)?;
        // Patterns are untrusted, so use an engine without backtracking.
        let patterns = PatternOptions::regex().size_limit(cost::PATTERN_BYTES_MAX);
        let options = jsonschema::options_for::<MeteredJson>().with_pattern_options(patterns).offline();
        let validator = options.build(schema).map_err(|error| error.to_string())?;
        let text = schema.to_string();
        let has_alternatives = ["\"anyOf\"", "\"oneOf\""].iter().any(|word| text.contains(word));
        Ok(Self { validator, cost, has_alternatives })
    }

    /// Returns whether `value`, nested `depth` deep, fits the schema.
    pub(super) fn fits(&self, value: &Value, depth: usize, meter: &Meter) -> Result<bool, Exhausted> {
        self.on_stack(depth, || {
            let fits = self.validator.is_valid(Metered::new(value, meter, &self.cost));
            if meter.is_spent() { Err(Exhausted) } else { Ok(fits) }
        })
    }

    /// Passes the first error of `value` to `show`. Returns `None` if the value fits, or if the steps do not suffice.
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

    /// Returns the keys of the members of `value` that do not fit.
    pub(super) fn misfits(
        &self,
        value: &Value,
        depth: usize,
        meter: &Meter,
    ) -> Result<Vec<String>, Exhausted> {
        let key = |error: ValidationError<'_>| match error.instance_path().iter().next() {
            Some(LocationSegment::Property(key)) => Some(key.to_string()),
            // The error concerns the value as a whole.
            _ => None,
        };
        self.on_stack(depth, || {
            let errors = self.validator.iter_errors(Metered::new(value, meter, &self.cost));
            let keys = errors.filter_map(key).collect();
            if meter.is_spent() { Err(Exhausted) } else { Ok(keys) }
        })
    }

    /// Returns an upper bound for the stack that a check of a value nested `depth` deep uses.
    fn stack_bytes(&self, depth: usize) -> usize {
        (depth + 1) * self.cost.levels * STACK_BYTES_PER_LEVEL
    }

    /// Runs `check` on a stack that is large enough. The stacks of guests' calls are unknown to `stacker`, which
    /// therefore cannot tell how much is left.
    fn on_stack<T>(&self, depth: usize, check: impl FnOnce() -> T) -> T {
        match self.stack_bytes(depth) {
            bytes if bytes > STACK_BYTES_MAX => stacker::grow(bytes, check),
            _ => check(),
        }
    }
}

/// Formats `shown` until at least `chars_max` characters are written, and stops there.
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
    // The error only means that the text is long enough.
    let _ = write!(short, "{shown}");
    short.text
}

#[cfg(test)]
mod tests;
