//! Bounds the work of a check that the meter cannot see.
//!
//! A validator accesses the value whenever it descends into it. At one place it may follow references as often as the
//! schema has them: `{"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]}` visits `b` twice, and twenty such
//! definitions in a row make a million visits. Schemas with too many visits at one place are refused, so that counting
//! accesses bounds the whole check.

use std::collections::HashMap;

use jsonschema::PatternOptions;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// How many subschemas may be visited at one place of a value, repeated visits included.
const VISITS_MAX: u64 = 20_000;

/// Visits that take about as long as one step.
const VISITS_PER_STEP: u64 = 8;

/// How deep subschemas may be nested at one place of a value, by reference or as parts.
const LEVELS_MAX: usize = 128;

/// A pattern that compiles to more is refused.
pub(super) const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Bytes of a compiled pattern for which matching one byte of the worst text takes about one step.
const PATTERN_BYTES_PER_STEP: u64 = 128;

/// `multipleOf` divides numbers as fractions of large integers.
const STEPS_PER_DIVISION: u64 = 256;

/// Step counts that depend on the schema.
#[derive(Debug)]
pub(super) struct Cost {
    /// The deepest nesting of subschemas at one place of a value.
    pub(super) levels: usize,
    pub(super) steps_per_place: u64,
    pub(super) steps_per_matched_byte: u64,
    pub(super) steps_per_number: u64,
}

impl Default for Cost {
    fn default() -> Self {
        Self { levels: 1, steps_per_place: 1, steps_per_matched_byte: 1, steps_per_number: 1 }
    }
}

impl Cost {
    /// Computes the costs of `schema`.
    ///
    /// # Errors
    ///
    /// If checks against it cannot be bounded; the message says why.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let parts = parts(schema);
        let mut references = References::new(schema, &parts);
        let mut cost = Self::default();
        for part in parts {
            let visits = references.visit(part, 0)?;
            cost.levels = cost.levels.max(visits.levels);
            cost.steps_per_place = cost.steps_per_place.max(1 + visits.count / VISITS_PER_STEP);
            if part.get("multipleOf").is_some() {
                cost.steps_per_number = STEPS_PER_DIVISION;
            }
            for pattern in patterns(part) {
                let steps = compiled_bytes(pattern) as u64 / PATTERN_BYTES_PER_STEP;
                cost.steps_per_matched_byte = cost.steps_per_matched_byte.max(steps);
            }
        }
        Ok(cost)
    }
}

/// Returns all objects in `schema`, whether they are schemas or not.
fn parts(schema: &Value) -> Vec<&Value> {
    let mut all = vec![schema];
    let mut next = 0;
    while let Some(&part) = all.get(next) {
        next += 1;
        match part {
            Value::Array(parts) => all.extend(parts),
            Value::Object(parts) => all.extend(parts.values()),
            _ => {}
        }
    }
    all.retain(|part| part.is_object());
    all
}

fn patterns(part: &Value) -> impl Iterator<Item = &str> {
    let names = part["patternProperties"].as_object().into_iter().flat_map(|map| map.keys());
    part["pattern"].as_str().into_iter().chain(names.map(String::as_str))
}

/// The visits at one place of a value.
#[derive(Clone, Copy)]
struct Visits {
    count: u64,
    levels: usize,
}

/// Resolves references to the parts of a schema.
struct References<'a> {
    schema: &'a Value,
    /// Parts with an `$id`, within which `#` refers to the part itself.
    named: Vec<&'a Value>,
    anchors: HashMap<&'a str, Vec<&'a Value>>,
    /// Visits that are already computed, by the address of the part.
    known: HashMap<*const Value, Visits>,
}

impl<'a> References<'a> {
    fn new(schema: &'a Value, parts: &[&'a Value]) -> Self {
        let is_named = |part: &&Value| ["$id", "id"].iter().any(|key| part[key].is_string());
        let named = parts.iter().copied().filter(is_named).collect();
        let mut references = Self { schema, named, anchors: HashMap::new(), known: HashMap::new() };
        for &part in parts {
            for anchor in ["$anchor", "$dynamicAnchor"].iter().filter_map(|key| part[key].as_str()) {
                references.anchors.entry(anchor).or_default().push(part);
            }
        }
        references
    }

    /// Returns the visits of `schema` and of all schemas that it applies to the same place.
    fn visit(&mut self, schema: &'a Value, level: usize) -> Result<Visits, String> {
        if let Some(visits) = self.known.get(&std::ptr::from_ref(schema)) {
            return Ok(*visits);
        }
        if level == LEVELS_MAX {
            return Err(format!(
                "more than {LEVELS_MAX} of its parts refer to each other at one place of a value; remove the cycle"
            ));
        }
        let mut visits = Visits { count: 1, levels: 1 };
        for part in self.applied_by(schema) {
            let more = self.visit(part, level + 1)?;
            visits.count += more.count;
            visits.levels = visits.levels.max(1 + more.levels);
            if visits.count > VISITS_MAX {
                return Err(format!(
                    "its parts apply to one place of a value more than {VISITS_MAX} times, so checks would have no bound"
                ));
            }
        }
        if visits.levels > LEVELS_MAX {
            return Err(format!("its parts are nested more than {LEVELS_MAX} deep at one place of a value"));
        }
        self.known.insert(std::ptr::from_ref(schema), visits);
        Ok(visits)
    }

    /// Returns the schemas that `schema` applies to the same place as itself.
    fn applied_by(&self, schema: &'a Value) -> Vec<&'a Value> {
        let one = ["not", "if", "then", "else"].iter().filter_map(|key| schema.get(key));
        let list = ["allOf", "anyOf", "oneOf"].iter().filter_map(|key| schema[key].as_array()).flatten();
        let by_member = ["dependentSchemas", "dependencies"].iter().filter_map(|key| schema[key].as_object());
        let references =
            ["$ref", "$dynamicRef", "$recursiveRef"].iter().filter_map(|key| schema[key].as_str());
        one.chain(list)
            .chain(by_member.flat_map(|map| map.values()))
            .chain(references.flat_map(|reference| self.referred(reference)))
            .collect()
    }

    /// Returns every part that a reference may resolve to. If parts have an `$id`, this is a superset of the real
    /// target.
    fn referred(&self, reference: &str) -> Vec<&'a Value> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        // The meta-schemas are built into the library and cannot be in a cycle with the schema.
        if ["http://json-schema.org/", "https://json-schema.org/"].iter().any(|draft| base.starts_with(draft))
        {
            return Vec::new();
        }
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        if fragment.is_empty() || fragment.starts_with('/') {
            let is_unnamed = !self.named.iter().any(|part| std::ptr::eq(*part, self.schema));
            let here = (base.is_empty() && is_unnamed).then_some(self.schema);
            here.iter().chain(&self.named).filter_map(|part| part.pointer(&fragment)).collect()
        } else {
            self.anchors.get(&*fragment).cloned().unwrap_or_default()
        }
    }
}

/// Returns the compiled size of a pattern, up to a factor of four.
fn compiled_bytes(pattern: &str) -> usize {
    let schema = json!({ "pattern": pattern });
    let compiles = |bytes: &usize| {
        let patterns = PatternOptions::regex().size_limit(*bytes);
        jsonschema::options().with_pattern_options(patterns).offline().build(&schema).is_ok()
    };
    let sizes = std::iter::successors(Some(1 << 10), |bytes| Some(bytes * 4));
    sizes.take_while(|&bytes| bytes < PATTERN_BYTES_MAX).find(compiles).unwrap_or(PATTERN_BYTES_MAX)
}
