//! What checking a value against a schema can cost where the validator does not look at the value.
//!
//! A validator looks at the value whenever it goes from a place in it to one further inside. At one place it may follow
//! references as often as the schema has them: `{"allOf": [{"$ref": "#/$defs/b"}, {"$ref": "#/$defs/b"}]}` visits `b` twice,
//! and twenty such definitions in a row a million times. Schemas in which one place has more visits than a check should
//! take are refused, so that a count of looks bounds the whole check.

use std::collections::HashMap;

use jsonschema::PatternOptions;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// Subschemas that one place of a value may be checked against, counted as often as they are visited.
const VISITS_MAX: u64 = 20_000;

/// Visits that take about the time of a step.
const VISITS_PER_STEP: u64 = 8;

/// How many subschemas may stand for each other, by reference or as parts, at one place of a value.
const LEVELS_MAX: usize = 128;

/// A compiled pattern that is larger is refused.
pub(super) const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Bytes of a compiled pattern that its worst text is matched with in about the time of a step.
const PATTERN_BYTES_PER_STEP: u64 = 128;

/// A number is divided as a fraction of large integers.
const STEPS_PER_DIVISION: u64 = 256;

/// Steps of a check that depend on the schema.
#[derive(Debug)]
pub(super) struct Cost {
    /// The most subschemas that stand for each other at one place of a value.
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
    /// # Errors
    ///
    /// Why checks against `schema` would have no bound.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let parts = parts(schema);
        let mut places = Places::new(schema, &parts);
        let mut cost = Self::default();
        for part in parts {
            let visits = places.visit(part, 0)?;
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

/// All objects in `schema`, whether they are schemas or not.
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

/// What is visited at one place of a value.
#[derive(Clone, Copy)]
struct Visits {
    count: u64,
    levels: usize,
}

/// A schema's parts, by how references name them.
struct Places<'a> {
    schema: &'a Value,
    /// Those with names of their own, within which `#` stands for them.
    named: Vec<&'a Value>,
    anchors: HashMap<&'a str, Vec<&'a Value>>,
    /// Parts whose visits are known, by their address.
    known: HashMap<*const Value, Visits>,
}

impl<'a> Places<'a> {
    fn new(schema: &'a Value, parts: &[&'a Value]) -> Self {
        let is_named = |part: &&Value| ["$id", "id"].iter().any(|key| part[key].is_string());
        let named = parts.iter().copied().filter(is_named).collect();
        let mut places = Self { schema, named, anchors: HashMap::new(), known: HashMap::new() };
        for &part in parts {
            for anchor in ["$anchor", "$dynamicAnchor"].iter().filter_map(|key| part[key].as_str()) {
                places.anchors.entry(anchor).or_default().push(part);
            }
        }
        places
    }

    /// The visits of `schema` and of all that it applies to the same place.
    fn visit(&mut self, schema: &'a Value, level: usize) -> Result<Visits, String> {
        if let Some(visits) = self.known.get(&std::ptr::from_ref(schema)) {
            return Ok(*visits);
        }
        if level == LEVELS_MAX {
            return Err(format!(
                "more than {LEVELS_MAX} of its parts apply to one place of a value because they refer to each other"
            ));
        }
        let mut visits = Visits { count: 1, levels: 1 };
        for part in self.applied_by(schema) {
            let more = self.visit(part, level + 1)?;
            visits.count += more.count;
            visits.levels = visits.levels.max(1 + more.levels);
            if visits.count > VISITS_MAX {
                return Err(format!(
                    "its parts apply to one place of a value more than {VISITS_MAX} times: checks could take for ever"
                ));
            }
        }
        if visits.levels > LEVELS_MAX {
            return Err(format!(
                "more than {LEVELS_MAX} of its parts within each other apply to one place of a value"
            ));
        }
        self.known.insert(std::ptr::from_ref(schema), visits);
        Ok(visits)
    }

    /// The schemas that `schema` applies to the place that it is itself applied to.
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

    /// Everything in the schema that a reference may lead to, wherever it stands; more than it does lead to, if parts
    /// have names of their own.
    fn referred(&self, reference: &str) -> Vec<&'a Value> {
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        // The drafts themselves, which the library has with it. They are part of no cycle with the schema.
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

/// The size of a pattern once it is compiled, to a factor of four.
fn compiled_bytes(pattern: &str) -> usize {
    let schema = json!({ "pattern": pattern });
    let compiles = |bytes: &usize| {
        let patterns = PatternOptions::regex().size_limit(*bytes);
        jsonschema::options().with_pattern_options(patterns).offline().build(&schema).is_ok()
    };
    let sizes = std::iter::successors(Some(1 << 10), |bytes| Some(bytes * 4));
    sizes.take_while(|&bytes| bytes < PATTERN_BYTES_MAX).find(compiles).unwrap_or(PATTERN_BYTES_MAX)
}
