//! A hostile guest that calls host functions in any order with any arguments. Each execution must give a report within
//! the limits, and must not affect the next guest.

#![no_main]

mod guest;
#[path = "../../src/hostcall/tests/script.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod script;

use std::sync::LazyLock;
use std::time::Duration;

use ai_code_executor::{Execution, Limits, Outcome, Report, Sandbox};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use script::{Function, MEMORY_BYTES, Operation, store};

const FUNCTIONS: [Function; 18] = [
    Function::ExpectResult,
    Function::ExpectMemory,
    Function::Store,
    Function::Grow,
    Function::Spin,
    Function::Recurse,
    Function::Call,
    Function::Wait,
    Function::Finish,
    Function::ClockResGet,
    Function::ClockTimeGet,
    Function::FdRead,
    Function::FdWrite,
    Function::PollOneoff,
    Function::ProcExit,
    Function::RandomGet,
    Function::SchedYield,
    Function::Refuel,
];

const RESULT: &str = r#"{"value":42,"value_is_repr":false,"error":null}"#;

const MESSAGES: [&str; 11] = [
    RESULT,
    r#"{"value":1,"value_is_repr":false,"error":null,"files":[{"path":"a/b","base64":"AP8="},{"path":"../c","text":"x"}],"left_out":["d","/e"]}"#,
    r#"{"value":[[1.5,"x"],null],"value_is_repr":true,"error":{"type":"E","message":"m","line":1,"column":2,"hint":null,"traceback":"","compiled":true}}"#,
    r#"{"value":null,"value_is_repr":false,"error":{"type":"MemoryError","message":"","line":null,"column":null,"hint":"h","traceback":"t","compiled":false}}"#,
    r#"{"tool":"tool.quick","arguments":{"number":1,"text":"x"}}"#,
    r#"{"tool":"tool.never","arguments":{}}"#,
    r#"{"tool":"tool.large","arguments":{}}"#,
    r#"{"tool":"tool.fails","refused":"no number"}"#,
    r#"{"tool":"tools.search","arguments":{"query":"quick"}}"#,
    r#"{"tool":"tools.describe","arguments":{"name":"tool.quick"}}"#,
    r#"{"cancel":0}"#,
];

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(guest::sandbox);

fuzz_target!(|bytes: &[u8]| {
    let mut choices = Unstructured::new(bytes);
    // The program ends where the bytes end.
    let mut operations = Vec::new();
    while operations.len() < 400 && step(&mut choices, &mut operations).is_ok() {}
    let limits = Limits::default()
        .wall_time(Duration::from_millis(10))
        .memory_bytes_max(1 << 20)
        .output_bytes_max(4096)
        .result_bytes_max(4096)
        .tool_calls_max(20)
        .tool_calls_in_flight_max(3)
        .tool_reply_bytes_max(200_000);
    check(&run(&operations, limits), &limits);
    let mut honest = store(0, RESULT.as_bytes());
    honest.push(Function::Finish.with([0, RESULT.len() as u64]));
    let report = run(&honest, Limits::default());
    assert_eq!(
        report.value.as_ref().map(|value| value.get()),
        Some("42"),
        "{operations:x?}, then {report:?}"
    );
});

fn run(operations: &[Operation], limits: Limits) -> Report {
    let execution = Execution::new(script::text(operations)).limits(limits);
    guest::RUNTIME.block_on(SANDBOX.run(execution)).expect("the host does not fail")
}

fn check(report: &Report, limits: &Limits) {
    assert_eq!(report.outcome == Outcome::Completed, report.error.is_none(), "{report:?}");
    assert_eq!(report.usage.tool_calls.min(limits.tool_calls_max), report.usage.tool_calls);
    assert!(report.usage.memory_bytes_peak <= limits.memory_bytes_max, "{report:?}");
    assert!(report.value.as_ref().map_or(0, |value| value.get().len()) <= limits.result_bytes_max);
    for output in [&report.stdout, &report.stderr] {
        assert!(output.text.len() <= limits.output_bytes_max);
    }
}

/// Adds an operation, or operations that prepare memory for one.
fn step(choices: &mut Unstructured<'_>, operations: &mut Vec<Operation>) -> Result<()> {
    if choices.is_empty() {
        return Err(libfuzzer_sys::arbitrary::Error::NotEnoughData);
    }
    match choices.int_in_range(0..=9)? {
        0 => message(choices, operations, Function::Call)?,
        1 => message(choices, operations, Function::Finish)?,
        2 => {
            // A buffer, or an entry of a list of buffers.
            let (at, ptr, len) = (choices.int_in_range(0..=8)? * 8, number(choices)?, number(choices)?);
            operations.extend(store(at, &(ptr & 0xffff_ffff | len << 32).to_le_bytes()));
        }
        3 => operations.extend(store(choices.int_in_range(0..=6)? * 8, &number(choices)?.to_le_bytes())),
        _ => {
            let function = *choices.choose(&FUNCTIONS)?;
            let arguments = [number(choices)?, number(choices)?, number(choices)?, number(choices)?];
            operations.push(function.with(arguments));
        }
    }
    Ok(())
}

/// Adds a call with a message that is valid or nearly valid.
fn message(
    choices: &mut Unstructured<'_>,
    operations: &mut Vec<Operation>,
    function: Function,
) -> Result<()> {
    const AT: u64 = 0x1000;
    let mut message = choices.choose(&MESSAGES)?.as_bytes().to_vec();
    for _ in 0..choices.int_in_range(0..=3)? {
        let place = choices.choose_index(message.len())?;
        message[place] = choices.arbitrary()?;
    }
    operations.extend(store(AT, &message));
    operations.push(function.with([AT, message.len() as u64]));
    Ok(())
}

/// Chooses a small number, a number at or just below a limit, or any number.
fn number(choices: &mut Unstructured<'_>) -> Result<u64> {
    const ENDS: [u64; 12] =
        [0, 1, 8, 64, 1024, 1 << 16, MEMORY_BYTES, 1 << 20, 1 << 31, u32::MAX as u64, 1 << 63, u64::MAX];
    Ok(match choices.int_in_range(0..=3)? {
        0 => choices.int_in_range(0..=255_u64)?,
        1 => *choices.choose(&ENDS)?,
        2 => choices.choose(&ENDS)?.wrapping_sub(choices.int_in_range(0..=64)?),
        _ => choices.arbitrary()?,
    })
}
