use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::json::depth_of;

const STEPS_MAX: u64 = 2_000_000;

fn schema(schema: &Value) -> Schema {
    Schema::new(schema).unwrap_or_else(|why| panic!("{schema}: {why}"))
}

fn fits_within(steps: u64, schema: &Schema, value: &Value) -> Result<bool, Exhausted> {
    schema.fits(value, depth_of(value.to_string().as_bytes()), &Meter::new(steps, None))
}

/// A recursive filter schema, as search tools have it.
fn filters() -> Value {
    let list = json!({"type": "array", "items": {"$ref": "#/$defs/filter"}, "minItems": 1});
    json!({"type": "object", "properties": {"where": {"$ref": "#/$defs/filter"}}, "$defs": {"filter": {"anyOf": [
        {"type": "object", "properties": {"and": list}, "required": ["and"], "additionalProperties": false},
        {"type": "object", "properties": {"or": list}, "required": ["or"], "additionalProperties": false},
        {"type": "object", "properties": {"not": {"$ref": "#/$defs/filter"}}, "required": ["not"]},
        {"type": "object", "properties": {"field": {"type": "string"}, "is": {}}, "required": ["field", "is"]},
    ]}}})
}

fn nested(words: &[&str], depth: usize, innermost: Value) -> Value {
    let around = |inner, level: usize| match words[level % words.len()] {
        "not" => json!({"not": inner}),
        word => json!({word: [inner]}),
    };
    json!({"where": (0..depth).fold(innermost, around)})
}

#[test]
fn recursive_filters_are_decided_at_any_depth_in_few_steps() {
    let filters = schema(&filters());
    for depth in [1, 12, 40, 60] {
        for (innermost, fits) in
            [(json!({"field": "a", "is": 1}), true), (json!({"field": 1, "is": 1}), false)]
        {
            for words in [&["and"][..], &["or", "not"], &["and", "or", "not"]] {
                let value = nested(words, depth, innermost.clone());
                assert_eq!(fits_within(20_000, &filters, &value), Ok(fits), "{depth} {words:?} {innermost}");
            }
        }
    }
}

/// Each level matches three alternatives, which differ only at the innermost level.
#[test]
fn explanations_are_bounded() {
    let kind = |n: u32| json!({"properties": {"not": {"$ref": "#/$defs/any"}, "kind": {"const": n}}, "type": "object"});
    let any = json!({"anyOf": [kind(1), kind(2), kind(3), {"type": "integer"}]});
    let any = schema(&json!({"properties": {"where": {"$ref": "#/$defs/any"}}, "$defs": {"any": any}}));
    let explain = |depth| {
        let value = nested(&["not"], depth, json!("leaf"));
        assert_eq!(fits_within(20_000, &any, &value), Ok(false), "{depth}");
        any.explain(&value, depth, &Meter::new(STEPS_MAX, None), |error| error.instance_path().to_string())
    };
    assert_eq!((explain(3).as_deref(), explain(12), explain(40)), (Some("/where"), None, None));
    let numbers = schema(&json!({"items": {"type": "number"}}));
    let mut value = json!(vec![1; 100_000]);
    value[99_999] = json!("x");
    let place =
        numbers.explain(&value, 1, &Meter::new(STEPS_MAX, None), |error| error.instance_path().to_string());
    assert_eq!(place.as_deref(), Some("/99999"));
}

/// Returns `count` definitions, each of which applies the next through `reference`.
fn chain(count: usize, reference: impl Fn(&str) -> Value) -> Value {
    let next = |n: usize| (format!("d{n}"), reference(&format!("#/$defs/d{}", n + 1)));
    let mut definitions: serde_json::Map<String, Value> = (0..count).map(next).collect();
    definitions.insert(format!("d{count}"), json!({}));
    json!({"type": "object", "$ref": "#/$defs/d0", "$defs": definitions})
}

#[test]
fn schemas_without_a_bound_are_refused() {
    let twice = |keyword: &'static str| move |to: &str| json!({keyword: [{"$ref": to}, {"$ref": to}]});
    let cases = [
        (chain(20, twice("allOf")), "more than 20000 times"),
        (chain(20, twice("anyOf")), "more than 20000 times"),
        (chain(30, twice("oneOf")), "more than 20000 times"),
        (chain(30, |to| json!({"not": {"$ref": to}, "if": {"$ref": to}})), "more than 20000 times"),
        (
            chain(30, |to| json!({"dependentSchemas": {"a": {"$ref": to}, "b": {"$ref": to}}})),
            "more than 20000 times",
        ),
        (chain(1000, |to| json!({"$ref": to})), "refer to each other"),
        (chain(100, |to| json!({"not": {"not": {"$ref": to}}})), "refer to each other"),
        (json!({"$ref": "#"}), "refer to each other"),
        (json!({"anyOf": [{"type": "object"}, {"$ref": "#"}]}), "refer to each other"),
        (json!({"$defs": {"a": {"$anchor": "a", "allOf": [{"$ref": "#a"}]}}}), "refer to each other"),
        (
            json!({"$defs": {"a": {"$dynamicAnchor": "a", "not": {"$dynamicRef": "#a"}}}}),
            "refer to each other",
        ),
        (json!({"$defs": {"a b": {"not": {"$ref": "#/$defs/a%20b"}}}}), "refer to each other"),
        (json!({"$defs": {"a": {"$id": "http://x.example/a", "not": {"$ref": "a"}}}}), "refer to each other"),
        (json!({"$ref": "http://127.0.0.1:1/schema.json"}), "127.0.0.1:1"),
        (json!({"$ref": "file:///etc/passwd"}), "file:///etc/passwd"),
        (json!({"properties": {"a": {"pattern": "(a{1000}){1000}"}}}), "regex"),
        (json!({"properties": {"a": {"pattern": "(a)\\1"}}}), "regex"),
    ];
    for (schema, why) in cases {
        let error = Schema::new(&schema).unwrap_err();
        assert!(error.contains(why), "{error}: {schema}");
    }
}

/// Each of these checks would take minutes or for ever without a meter.
#[test]
fn hostile_checks_end_when_their_steps_are_spent() {
    let unevaluated = (0..40).fold(
        json!({"properties": {"a": {}}}),
        |inner, _| json!({"anyOf": [inner, {"required": ["b"]}], "unevaluatedProperties": false}),
    );
    let mut twice = chain(12, |to| json!({"allOf": [{"$ref": to}, {"$ref": to}]}));
    twice["items"] = json!({"$ref": "#/$defs/d0"});
    twice["type"] = json!("array");
    twice.as_object_mut().unwrap().remove("$ref");
    let flat = |count: usize, item: Value| Value::Array(vec![item; count]);
    let long = "a".repeat(300_000);
    let options: Vec<Value> = (0..2000).map(|n| json!({"option": n})).collect();
    let cases = [
        (twice, flat(200_000, json!({}))),
        (unevaluated, json!({"a": 1})),
        (json!({"pattern": "(a|b)*a(a|b){100}c"}), json!(long)),
        (json!({"patternProperties": {"(x+x+){20}y": {}}}), json!({(long.as_str()): 1})),
        (json!({"propertyNames": {"pattern": "([a-z]{1,50}){1,20}1"}}), json!({(long.as_str()): 1})),
        (json!({"items": {"not": {"enum": options}}}), flat(100_000, json!({"option": -1}))),
        (json!({"items": {"multipleOf": 0.1}}), flat(500_000, json!(0.3))),
        (json!({"contains": {"contains": {"const": 1}}, "minContains": 0}), flat(1000, flat(1000, json!(2)))),
    ];
    for (wanted, value) in cases {
        let schema = schema(&wanted);
        let verdict = fits_within(STEPS_MAX, &schema, &value);
        let shown: String = wanted.to_string().chars().take(80).collect();
        if let Ok(fits) = verdict {
            panic!("{shown}: {fits}");
        }
        assert_eq!(schema.explain(&value, 65, &Meter::new(STEPS_MAX, None), |_| ()), None, "{shown}");
        assert_eq!(schema.misfits(&value, 65, &Meter::new(STEPS_MAX, None)), Err(Exhausted), "{shown}");
    }
}

#[test]
fn a_check_ends_once_its_result_is_not_wanted() {
    let numbers = schema(&json!({"items": {"type": "number"}}));
    let value = json!(vec![1; 100_000]);
    let waiting = Arc::new(());
    let fits = |waiting: &Arc<()>| {
        let waiting = Arc::downgrade(waiting);
        move || numbers.fits(&value, 1, &Meter::new(STEPS_MAX, Some(waiting.clone())))
    };
    let fits = fits(&waiting);
    assert_eq!(fits(), Ok(true));
    drop(waiting);
    assert_eq!(fits(), Err(Exhausted));
}

/// The library's hash is the same for all of these.
#[test]
fn unique_items_take_linear_time() {
    let shape = |mut bits: usize| {
        let mut list = json!([]);
        while bits > 0 {
            list = if bits.is_multiple_of(2) { json!([list]) } else { json!([[], list]) };
            bits /= 2;
        }
        list
    };
    let unique = schema(&json!({"uniqueItems": true}));
    let mut items: Vec<Value> = (1 << 13..1 << 14).map(shape).collect();
    assert_eq!(fits_within(2_000_000, &unique, &json!(items)), Ok(true));
    items.push(items[77].clone());
    assert_eq!(fits_within(2_000_000, &unique, &json!(items)), Ok(false));
}

/// The meter changes no verdict.
#[test]
fn verdicts_are_those_of_the_library() {
    let schemas = [
        json!({"type": "integer"}),
        json!({"type": ["string", "null"], "minLength": 2, "maxLength": 3}),
        json!({"multipleOf": 0.5, "minimum": 1, "exclusiveMaximum": 4}),
        json!({"const": {"a": [1.0, 2], "b": null}}),
        json!({"enum": [1, "1", [1], {"a": 1}, null, true, 1e20]}),
        json!({"uniqueItems": true, "maxItems": 20}),
        json!({"contains": {"type": "integer"}, "minContains": 2}),
        json!({"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}),
        json!({"prefixItems": [true], "unevaluatedItems": false}),
        json!({"properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}),
        json!({"patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": {"type": "array"}}),
        json!({"propertyNames": {"maxLength": 1}, "minProperties": 1, "maxProperties": 2}),
        json!({"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"b": {"required": ["a"]}}}),
        json!({"anyOf": [{"required": ["a"]}, {"type": "array"}], "unevaluatedProperties": false}),
        json!({"oneOf": [{"type": "integer"}, {"minimum": 2}], "not": {"const": 3}}),
        json!({"if": {"type": "array"}, "then": {"minItems": 2}, "else": {"type": "object"}}),
        json!({"allOf": [{"pattern": "^[a-z]+$"}, {"pattern": "b"}]}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"format": "date"}], "additionalItems": false}),
        json!({"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": true}),
        json!({"anyOf": [{"type": "integer"}, {"items": {"$ref": "#"}, "type": "array"}, {"additionalProperties": {"$ref": "#"}}]}),
        json!({"$ref": "https://json-schema.org/draft/2020-12/schema"}),
        json!({"$ref": "a", "$defs": {"a": {"$id": "a", "items": {"$ref": "#/$defs/b"}, "$defs": {"b": {"type": "integer"}}}}}),
        json!({"$recursiveAnchor": true, "$schema": "https://json-schema.org/draft/2019-09/schema", "items": {"$recursiveRef": "#"}, "type": ["array", "null"]}),
    ];
    let values = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(1.0),
        json!(-0.0),
        json!(2),
        json!(2.5),
        json!(3),
        json!(1e20),
        json!(u64::MAX),
        json!(18_446_744_073_709_551_615.0),
        json!(""),
        json!("1"),
        json!("ab"),
        json!("äöü"),
        json!("2020-02-30"),
        json!(["2020-02-28"]),
        json!(["2020-02-30"]),
        json!([]),
        json!([1]),
        json!([1.0, 1]),
        json!([[1], [1.0]]),
        json!([[], [[]], [[], []]]),
        json!([0, -0.0, 3]),
        json!([{"a": 1, "b": 2}, {"b": 2, "a": 1}]),
        json!([u64::MAX, 18_446_744_073_709_551_615.0, i64::MIN]),
        json!([1, "x", 2]),
        json!([1, [2, [3, {"a": [4]}]]]),
        json!([null, [null]]),
        json!({}),
        json!({"a": 1}),
        json!({"a": 1.0}),
        json!({"a": "1"}),
        json!({"a": 1, "b": 2}),
        json!({"b": [], "c": []}),
        json!({"b": null, "a": [1, 2]}),
        json!({"type": "object", "properties": {"a": {"type": 1}}}),
        json!({"type": "object", "properties": {"a": {"type": "null"}}}),
        json!((0..16).map(|n| json!({"n": n})).collect::<Vec<_>>()),
        json!([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1.0]),
    ];
    for wanted in &schemas {
        let counted = schema(wanted);
        let library = jsonschema::options().offline().build(wanted).unwrap();
        for value in &values {
            let depth = depth_of(value.to_string().as_bytes());
            assert_eq!(
                fits_within(STEPS_MAX, &counted, value),
                Ok(library.is_valid(value)),
                "{wanted} {value}"
            );
            let explained =
                counted.explain(value, depth, &Meter::new(STEPS_MAX, None), |error| error.to_string());
            let expected = library.validate(value).err().map(|error| error.to_string());
            assert_eq!(explained, expected, "{wanted} {value}");
        }
    }
}

#[test]
fn the_beginning_of_a_text_is_made_without_the_rest() {
    assert_eq!(beginning(&"short", 10), "short");
    let long = beginning(&json!(vec!["ä"; 100_000]), 10);
    assert!((40..60).contains(&long.len()), "{long}");
}
