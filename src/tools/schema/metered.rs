//! A JSON value that counts how often a validator accesses it.
//!
//! Once the steps are spent, arrays and objects look empty. The validator then ends soon, and its verdict is discarded.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Weak;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object};
use serde_json::{Map, Number, Value};

use super::cost::Cost;

/// Bytes of text that can be compared, counted or hashed in about one step.
const BYTES_PER_STEP: usize = 32;

/// An error stores its locations in the value and the schema.
const STEPS_PER_ERROR: u64 = 64;

/// Steps between two checks whether the result is still wanted.
const STEPS_PER_LOOK: u64 = 4096;

/// The remaining steps of a check. One step takes about ten nanoseconds.
#[derive(Debug)]
pub(in crate::tools) struct Meter {
    left: Cell<u64>,
    /// Dead once nobody waits for the result.
    waiting: Option<Weak<()>>,
}

impl Meter {
    pub(in crate::tools) fn new(steps: u64, waiting: Option<Weak<()>>) -> Self {
        Self { left: Cell::new(steps), waiting }
    }

    /// Returns a meter with the remaining steps of this one, but at most `steps`.
    pub(super) fn at_most(&self, steps: u64) -> Self {
        Self::new(self.left.get().min(steps), self.waiting.clone())
    }

    pub(super) fn is_spent(&self) -> bool {
        self.left.get() == 0
    }

    fn spend(&self, steps: u64) {
        let before = self.left.get();
        let mut after = before.saturating_sub(steps);
        let is_due = before / STEPS_PER_LOOK != after / STEPS_PER_LOOK;
        if is_due && self.waiting.as_ref().is_some_and(|waiting| waiting.strong_count() == 0) {
            after = 0;
        }
        self.left.set(after);
    }
}

/// The JSON representation whose nodes are [`Metered`] values.
pub(in crate::tools) struct MeteredJson;

impl Json for MeteredJson {
    type Node<'a> = Metered<'a>;
    type PreparedKey = String;
    type StringBuffer = ();

    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    /// Not metered: the names of members go through [`Members::try_for_each_name_node`], which is.
    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Metered<'_>) -> T) -> T {
        let (value, meter) = (Value::String(string.to_owned()), Meter::new(u64::MAX, None));
        f(Metered::new(&value, &meter, &Cost::default()))
    }
}

/// A value with the meter that counts accesses to it.
#[derive(Clone, Copy)]
pub(in crate::tools) struct Metered<'a> {
    value: &'a Value,
    meter: &'a Meter,
    cost: &'a Cost,
}

impl<'a> Metered<'a> {
    pub(super) fn new(value: &'a Value, meter: &'a Meter, cost: &'a Cost) -> Self {
        Self { value, meter, cost }
    }

    /// Descends to a value inside this one; `None` once the steps are spent.
    fn enter(&self, value: &'a Value) -> Option<Self> {
        self.meter.spend(self.cost.steps_per_place);
        (!self.meter.is_spent()).then_some(Self { value, ..*self })
    }

    fn spend_bytes(&self, bytes: usize) {
        self.meter.spend(1 + (bytes / BYTES_PER_STEP) as u64);
    }

    /// Spends the steps of matching `text`: each of a pattern's states may be visited for each byte.
    fn spend_matching(&self, text: &str) {
        self.meter.spend(1 + text.len() as u64 * self.cost.steps_per_matched_byte);
    }

    /// Returns `inside`, or `None` once the steps are spent.
    fn look<T>(&self, inside: Option<T>) -> Option<T> {
        self.meter.spend(1);
        inside.filter(|_| !self.meter.is_spent())
    }

    /// Returns an encoding in which equal values have equal bytes.
    fn canonical(&self, value: &Value) -> Vec<u8> {
        let mut text = Vec::new();
        canonicalize(value, &mut text);
        self.meter.spend(text.len() as u64);
        text
    }
}

impl<'a> Node<'a, MeteredJson> for Metered<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Members<'a>> {
        self.look(self.value.as_object()).map(|members| Members { members, node: *self })
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        self.look(self.value.as_array()).map(|elements| Elements { elements, node: *self })
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        let text = self.value.as_str()?;
        self.spend_matching(text);
        (!self.meter.is_spent()).then_some(Cow::Borrowed(text))
    }

    fn as_number(&self) -> Option<&'a Number> {
        let number = self.value.as_number()?;
        self.meter.spend(self.cost.steps_per_number);
        Some(number)
    }

    fn as_boolean(&self) -> Option<bool> {
        self.meter.spend(1);
        self.value.as_bool()
    }

    fn is_null(&self) -> bool {
        self.meter.spend(1);
        self.value.is_null()
    }

    fn is_number(&self) -> bool {
        self.json_type() == JsonType::Number
    }

    fn json_type(&self) -> JsonType {
        self.meter.spend(1);
        JsonType::from(self.value)
    }

    fn string_length(&self) -> Option<u64> {
        let text = self.value.as_str()?;
        self.spend_bytes(text.len());
        Some(text.chars().count() as u64)
    }

    fn equals_value(&self, expected: &Value) -> bool {
        match (self.value, expected) {
            _ if self.meter.is_spent() => false,
            (Value::String(text), Value::String(expected)) => {
                self.spend_bytes(text.len());
                text == expected
            }
            (Value::Array(_), Value::Array(_)) | (Value::Object(_), Value::Object(_)) => {
                self.canonical(self.value) == self.canonical(expected)
            }
            (value, expected) => {
                self.meter.spend(1);
                jsonschema::json::cmp::equal(value, expected)
            }
        }
    }

    /// Called when the library creates an error.
    fn to_value(&self) -> Cow<'a, Value> {
        self.meter.spend(STEPS_PER_ERROR);
        Cow::Borrowed(self.value)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        self.meter.spend(1);
        Some(NodeIdentity::new(std::ptr::from_ref(self.value) as usize))
    }
}

/// The members of an object.
pub(in crate::tools) struct Members<'a> {
    members: &'a Map<String, Value>,
    node: Metered<'a>,
}

impl<'a> Object<'a, MeteredJson> for Members<'a> {
    type Node = Metered<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        self.members.len()
    }

    fn get(&self, key: &String) -> Option<Metered<'a>> {
        self.node.enter(self.members.get(key)?)
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter { members: self.members.iter(), node: self.node }
    }

    fn try_for_each_name_node<B>(
        &self,
        (): &mut (),
        mut f: impl FnMut(Metered<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for (name, _) in self.members() {
            let name = Value::String(name.to_owned());
            f(Metered::new(&name, self.node.meter, self.node.cost))?;
        }
        ControlFlow::Continue(())
    }
}

/// Iterates over the members of an object.
pub(in crate::tools) struct MembersIter<'a> {
    members: serde_json::map::Iter<'a>,
    node: Metered<'a>,
}

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, Metered<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.members.next()?;
        self.node.spend_matching(name);
        self.node.enter(value).map(|node| (name.as_str(), node))
    }
}

/// The elements of an array.
pub(in crate::tools) struct Elements<'a> {
    elements: &'a [Value],
    node: Metered<'a>,
}

impl<'a> Array<'a, MeteredJson> for Elements<'a> {
    type Node = Metered<'a>;
    type ElementsIter = ElementsIter<'a>;

    fn len(&self) -> usize {
        self.elements.len()
    }

    fn elements(&self) -> ElementsIter<'a> {
        ElementsIter { elements: self.elements.iter(), node: self.node }
    }

    /// Replaces the library's implementation, which can take quadratic time: it gives empty arrays of any nesting the
    /// same hash.
    fn is_unique(&self) -> bool {
        let mut seen = HashSet::new();
        self.elements().all(|element| seen.insert(element.canonical(element.value)))
    }
}

/// Iterates over the elements of an array.
pub(in crate::tools) struct ElementsIter<'a> {
    elements: std::slice::Iter<'a, Value>,
    node: Metered<'a>,
}

impl<'a> Iterator for ElementsIter<'a> {
    type Item = Metered<'a>;

    fn next(&mut self) -> Option<Metered<'a>> {
        self.node.enter(self.elements.next()?)
    }
}

fn canonicalize(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Number(number) => text.extend(canonical_number(number).into_bytes()),
        Value::Array(elements) => {
            text.push(b'[');
            for element in elements {
                canonicalize(element, text);
                text.push(b',');
            }
            text.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push(b'{');
            for (name, value) in members {
                canonicalize_text(name, text);
                canonicalize(value, text);
            }
            text.push(b'}');
        }
        Value::String(string) => canonicalize_text(string, text),
        Value::Bool(_) | Value::Null => text.extend(value.to_string().into_bytes()),
    }
}

fn canonicalize_text(string: &str, text: &mut Vec<u8>) {
    text.push(b'"');
    text.extend(string.len().to_le_bytes());
    text.extend(string.as_bytes());
}

/// Writes integral floats as integers: in JSON Schema, `1.0` equals 1.
fn canonical_number(number: &Number) -> String {
    /// Integers have 64 bits, so from here on a float has no integer counterpart.
    const INTEGERS_END: f64 = 18_446_744_073_709_551_616.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < INTEGERS_END => {
            // Adding zero turns -0.0 into 0.0.
            format!("{:.0}", float + 0.0)
        }
        _ => number.to_string(),
    }
}
