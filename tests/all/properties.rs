//! Property tests over arbitrary values and limits. `PROPTEST_CASES` sets the number of cases, 256 by default; the seed
//! is fixed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use ai_code_executor::limits::cpu_time_of;
use ai_code_executor::{Error, Execution, Limits, Outcome, Policy, Report, Sandbox, Tool};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::support::cache_dir;

fn holds<T: Debug>(strategy: impl Strategy<Value = T>, check: impl Fn(T)) {
    let config = Config { failure_persistence: None, rng_seed: RngSeed::Fixed(9421), ..Config::default() };
    let checked = TestRunner::new(config).run(&strategy, |value| {
        check(value);
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}

/// A Python value whose JSON is known from the rules of conversion.
#[derive(Clone, Debug)]
enum Python {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Decimal(i64),
    Seconds(i32),
    Slice(i32),
    Set(BTreeSet<i32>),
    /// A sequence type, constructed from a list.
    Sequence(&'static str, Vec<Self>),
    Dict(BTreeMap<String, Self>),
    Numbered(BTreeMap<i64, Self>),
    Record(Box<Self>),
}

const IMPORTS: &str = "import collections, dataclasses, datetime, decimal
@dataclasses.dataclass
class Record:
    field: object
";

impl Python {
    fn source(&self) -> String {
        let all = |items: &[Self]| items.iter().map(Self::source).collect::<Vec<_>>().join(", ");
        match self {
            Self::None => "None".into(),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) if number.is_finite() => format!("{number:e}"),
            Self::Float(number) => format!("float('{number}')"),
            Self::Text(text) => literal(text),
            Self::Bytes(bytes) => format!("bytes({bytes:?})"),
            Self::Decimal(number) => format!("decimal.Decimal('{number}.50')"),
            Self::Seconds(seconds) => format!("datetime.timedelta(seconds={seconds})"),
            Self::Slice(end) => format!("slice({end})"),
            Self::Set(numbers) => format!("set({:?})", numbers.iter().rev().collect::<Vec<_>>()),
            Self::Sequence(class, items) => format!("{class}([{}])", all(items)),
            Self::Dict(items) => {
                let items = items.iter().map(|(key, value)| format!("{}: {}", literal(key), value.source()));
                format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
            }
            Self::Numbered(items) => {
                let items = items.iter().map(|(key, value)| format!("{key}: {}", value.source()));
                format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
            }
            Self::Record(field) => format!("Record({})", field.source()),
        }
    }

    /// Returns the JSON that the rules of conversion prescribe.
    fn json(&self) -> String {
        let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(",");
        match self {
            Self::None => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Int(number) => number.to_string(),
            Self::Float(number) => float(*number),
            Self::Text(text) => quoted(text),
            Self::Bytes(bytes) => quoted(&text_of(bytes)),
            Self::Decimal(number) => format!("\"{number}.50\""),
            Self::Seconds(seconds) => float(f64::from(*seconds)),
            Self::Slice(end) => format!("\"slice(None, {end}, None)\""),
            Self::Set(numbers) => format!("[{}]", list(&mut numbers.iter().map(ToString::to_string))),
            Self::Sequence(_, items) => format!("[{}]", list(&mut items.iter().map(Self::json))),
            Self::Dict(items) => {
                let pair = |(key, value): (&String, &Self)| format!("{}:{}", quoted(key), value.json());
                format!("{{{}}}", list(&mut items.iter().map(pair)))
            }
            Self::Numbered(items) => {
                let pair = |(key, value): (&i64, &Self)| format!("\"{key}\":{}", value.json());
                format!("{{{}}}", list(&mut items.iter().map(pair)))
            }
            Self::Record(field) => format!("{{\"field\":{}}}", field.json()),
        }
    }

    fn has_repr(&self) -> bool {
        match self {
            Self::Slice(_) => true,
            Self::Sequence(_, items) => items.iter().any(Self::has_repr),
            Self::Dict(items) => items.values().any(Self::has_repr),
            Self::Numbered(items) => items.values().any(Self::has_repr),
            Self::Record(field) => field.has_repr(),
            _ => false,
        }
    }
}

fn literal(text: &str) -> String {
    let escaped: Vec<_> = text.chars().map(|char| format!("\\U{:08x}", u32::from(char))).collect();
    format!("'{}'", escaped.concat())
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Decodes bytes as UTF-8; invalid ones become `\xff`.
fn text_of(bytes: &[u8]) -> String {
    let chunk = |chunk: std::str::Utf8Chunk<'_>| {
        let invalid: Vec<_> = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        chunk.valid().to_owned() + &invalid.concat()
    };
    bytes.utf8_chunks().map(chunk).collect()
}

/// Formats a float as Python does: `1e+16` where Rust writes `1e16`.
fn float(number: f64) -> String {
    let text = format!("{number:?}");
    match text.split_once('e') {
        _ if !number.is_finite() => "null".into(),
        None => text,
        Some((digits, exponent)) => {
            let exponent: i32 = exponent.parse().unwrap();
            format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
    }
}

fn python() -> impl Strategy<Value = Python> {
    let leaf = prop_oneof![
        Just(Python::None),
        any::<bool>().prop_map(Python::Bool),
        prop_oneof![any::<i128>(), any::<i8>().prop_map(i128::from)].prop_map(Python::Int),
        any::<f64>().prop_map(Python::Float),
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(-0.0), Just(1e16), Just(1e-5)]
            .prop_map(Python::Float),
        any::<String>().prop_map(Python::Text),
        vec(any::<u8>(), 0..9).prop_map(Python::Bytes),
        any::<i64>().prop_map(Python::Decimal),
        any::<i32>().prop_map(Python::Seconds),
        any::<i32>().prop_map(Python::Slice),
        btree_set(any::<i32>(), 0..5).prop_map(Python::Set),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        let class = prop_oneof![Just("list"), Just("tuple"), Just("collections.deque")];
        prop_oneof![
            (class, vec(inner.clone(), 0..5)).prop_map(|(class, items)| Python::Sequence(class, items)),
            btree_map(any::<String>(), inner.clone(), 0..5).prop_map(Python::Dict),
            btree_map(any::<i64>(), inner.clone(), 0..5).prop_map(Python::Numbered),
            inner.prop_map(|field| Python::Record(Box::new(field))),
        ]
    })
}

fn run(sandbox: &Sandbox, execution: Execution) -> Result<Report, Error> {
    futures::executor::block_on(sandbox.run(execution))
}

fn value_of(report: &Report) -> &str {
    report.value.as_ref().map_or("null", |value| value.get())
}

fn sandbox_for_large_programs() -> Sandbox {
    let policy = Policy::default().code_bytes_max(64 << 10).context_depth_max(100);
    Sandbox::builder().policy(policy).cache_dir(cache_dir()).build().unwrap()
}

#[test]
fn values_are_converted_by_the_rules() {
    let sandbox = sandbox_for_large_programs();
    holds(python(), |value| {
        let program = format!("{IMPORTS}_ = {}", value.source());
        let report = run(&sandbox, Execution::new(&program)).unwrap();
        assert_eq!(
            (value_of(&report), report.value_is_repr),
            (&*value.json(), value.has_repr()),
            "{program}"
        );
    });
}

#[test]
fn context_values_are_returned_unchanged() {
    let sandbox = sandbox_for_large_programs();
    holds(python(), |value| {
        let json = value.json();
        let context = BTreeMap::from([("value".to_owned(), RawValue::from_string(json.clone()).unwrap())]);
        let report = run(&sandbox, Execution::new("_ = value").context(context)).unwrap();
        assert_eq!((value_of(&report), report.value_is_repr), (&*json, false));
    });
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::from_nanos(1)),
        Just(Duration::MAX),
        any::<Duration>(),
        (0..100_u64).prop_map(Duration::from_millis),
    ]
}

/// A size: zero, small, large or the maximum.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), Just(1), 0..1000_usize, 0..1_usize << 30, Just(usize::MAX)]
}

fn limits() -> impl Strategy<Value = Limits> {
    let times = (time(), time(), time());
    let sizes = (size(), size(), size(), size());
    let memory =
        prop_oneof![any::<u64>(), Just(u64::MAX), (25_u64..40).prop_map(|megabytes| megabytes << 20)];
    let calls = prop_oneof![Just(0), Just(1), any::<u32>(), Just(u32::MAX)];
    (times, sizes, memory, calls).prop_map(|(times, sizes, memory_bytes_max, tool_calls_max)| {
        Limits::UNLIMITED
            .wall_time(times.0)
            .cpu_time(times.1)
            .memory_bytes_max(memory_bytes_max)
            .output_bytes_max(sizes.0)
            .result_bytes_max(sizes.1)
            .tool_time(times.2)
            .tool_calls_max(tool_calls_max)
            .tool_calls_in_flight_max(sizes.2)
            .tool_reply_bytes_max(sizes.3)
    })
}

const CALLER: &str = "import tool\nprint('x' * 100)\n_ = await tool.echo(text='reply')";

fn sandbox_without_ceilings() -> Sandbox {
    let echo = Tool::new("tool", "echo", async |call| Ok(Value::Object(Map::from_iter(call.arguments))));
    Sandbox::builder().ceilings(Limits::UNLIMITED).tool(echo).cache_dir(cache_dir()).build().unwrap()
}

#[test]
fn any_limits_have_an_outcome_within_them() {
    let sandbox = sandbox_without_ceilings();
    holds(limits(), |limits| {
        let report = match run(&sandbox, Execution::new(CALLER).limits(limits)) {
            Ok(report) => report,
            Err(Error::MemoryBelowImage { asked_bytes, .. }) => {
                return assert_eq!(asked_bytes, limits.memory_bytes_max);
            }
            Err(error) => panic!("{error}"),
        };
        assert!(report.usage.memory_bytes_peak <= limits.memory_bytes_max);
        assert!(report.usage.tool_calls <= limits.tool_calls_max);
        assert!(report.stdout.text.len() <= limits.output_bytes_max);
        assert!(value_of(&report).len() <= limits.result_bytes_max.max("null".len()));
        assert_eq!(report.outcome == Outcome::Completed, report.error.is_none());
    });
}

#[test]
fn unlimited_limits_restrict_nothing() {
    let report = run(&sandbox_without_ceilings(), Execution::new(CALLER).limits(Limits::UNLIMITED)).unwrap();
    assert_eq!(
        (report.outcome, value_of(&report)),
        (Outcome::Completed, r#"{"text":"reply"}"#),
        "{:?}",
        report.error
    );
}

#[test]
fn a_ceiling_is_never_exceeded() {
    holds((limits(), limits()), |(asked, ceiling)| {
        let granted = asked.clamped_to(&ceiling);
        assert_eq!(granted, ceiling.clamped_to(&asked));
        assert_eq!((granted.clamped_to(&asked), granted.clamped_to(&ceiling)), (granted, granted));
    });
}

#[test]
fn cpu_time_is_a_share_of_the_wall_time() {
    let percent = prop_oneof![any::<f64>(), 0.0..200.0, Just(f64::NAN), Just(f64::INFINITY)];
    holds((time(), percent), |(wall_time, percent)| {
        let cpu_time = cpu_time_of(wall_time, percent);
        let second = Duration::from_secs(1);
        assert!((second..=wall_time.max(second)).contains(&cpu_time), "{cpu_time:?}");
    });
}
