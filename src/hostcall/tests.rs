//! A hostile guest calls every host function with arguments out of range and in any order. Each call ends the guest or
//! returns an error, and the next guest of the same sandbox is not affected.

mod script;

use std::time::Duration;

use serde_json::json;

use crate::{Execution, Layers, Limits, Outcome, Policy, Report, Sandbox, Tool, ToolError, validator};
use script::Function::{
    Call, ClockResGet, ClockTimeGet, ExpectMemory, ExpectResult, FdRead, FdWrite, Finish, Grow, PollOneoff,
    ProcExit, RandomGet, Recurse, Refuel, SchedYield, Spin, Wait,
};
use script::{MEMORY_BYTES as END, Operation, store};

const EBADF: u64 = 8;
const EINVAL: u64 = 28;
const ENOTSUP: u64 = 58;

/// The largest pointer, length, count or number there is.
const MAX: u64 = u32::MAX as u64;
const FOR_EVER: u64 = u64::MAX;
const HALF: u64 = 1 << 31;

const RESULT: &[u8] = br#"{"value":42,"value_is_repr":false,"error":null}"#;
/// Size of the rest of standard input: more than the guest reads on its own.
const REST_BYTES: usize = 70_000;

const RESULT_AT: u64 = 0x8000;
const MESSAGE_AT: u64 = 0x9000;

/// How a guest ends.
enum End {
    /// Its last operation returns this, and its result is accepted.
    Gives(u64),
    /// It fails, and the message contains this.
    Fails(&'static str),
    Is(Outcome),
}
use End::{Fails, Gives, Is};

const NOWHERE: End = Fails("a pointer is outside the guest's memory");

fn sandbox() -> Sandbox {
    let wasm = wat::parse_str(include_str!("tests/guest.wat")).unwrap();
    let interpreter = zstd::encode_all(&wasm[..], 1).unwrap();
    let policy = Policy { code_bytes_max: validator::CODE_BYTES_CEILING, ..Policy::default() };
    let never = Tool::new("tool", "never", async |_| std::future::pending().await);
    let large = Tool::new("tool", "large", async |_| Ok(json!("x".repeat(100_000))));
    let fails = Tool::new("tool", "fails", async |_| Err(ToolError::failed("no")));
    Sandbox::builder()
        .interpreter(interpreter)
        .policy(policy)
        .layers(Layers::NoValidator)
        .tools([never, large, fails])
        .build()
        .unwrap()
}

/// Small limits. A guest that does not end by itself reaches the wall-clock limit first.
fn small() -> Limits {
    Limits {
        wall_time: Duration::from_millis(300),
        memory_bytes_max: 1 << 20,
        output_bytes_max: 1000,
        result_bytes_max: 1000,
        tool_calls_max: 8,
        tool_calls_in_flight_max: 4,
        ..Limits::default()
    }
}

async fn run(sandbox: &Sandbox, operations: &[Operation]) -> Report {
    let execution = Execution::new(script::text(operations)).variable("rest", &json!("x".repeat(REST_BYTES)));
    sandbox.run(Execution { limits: small(), ..execution }).await.unwrap()
}

fn finish() -> Vec<Operation> {
    let mut operations = store(RESULT_AT, RESULT);
    operations.push(Finish.with([RESULT_AT, RESULT.len() as u64]));
    operations
}

/// Returns operations that call `executor.call` with this message.
fn call(message: &str) -> Vec<Operation> {
    let mut operations = store(MESSAGE_AT, message.as_bytes());
    operations.push(Call.with([MESSAGE_AT, message.len() as u64]));
    operations
}

/// Runs a guest that does `before` and then `last`, then an honest guest.
///
/// # Errors
///
/// The guest does not end with `end`, or the honest guest fails.
async fn check(sandbox: &Sandbox, before: &[Operation], last: Operation, end: End) -> Result<(), String> {
    let mut operations = before.to_vec();
    operations.push(last);
    if let Gives(result) = end {
        operations.push(ExpectResult.with([result]));
        operations.extend(finish());
    }
    let report = run(sandbox, &operations).await;
    let message = report.error.as_ref().map(ToString::to_string).unwrap_or_default();
    let (limits, memory, stdout) = (small(), report.usage.memory_bytes_peak, report.stdout.text.len());
    assert!(memory <= limits.memory_bytes_max && stdout <= limits.output_bytes_max, "{last:x?}: {report:?}");
    let is_right = match end {
        Gives(_) => report.outcome == Outcome::Completed && report.value.is_some(),
        Fails(why) => report.outcome == Outcome::Failure && message.contains(why),
        Is(outcome) => report.outcome == outcome,
    };
    let next = run(sandbox, &finish()).await;
    let next_is_right = next.value.as_ref().map(|value| value.get()) == Some("42");
    match (is_right, next_is_right) {
        (true, true) => Ok(()),
        (true, false) => Err(format!("after {last:x?}: {next:?}")),
        (false, _) => Err(format!("{last:x?}: {report:?}")),
    }
}

/// Checks each operation in its own guest, after `before`.
async fn check_all(before: &[Operation], cases: Vec<(Operation, End)>) {
    let sandbox = sandbox();
    let mut wrong = Vec::new();
    for (last, end) in cases {
        wrong.extend(check(&sandbox, before, last, end).await.err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn pointers_outside_memory_end_the_guest() {
    let cases: Vec<(Operation, End)> = vec![
        (Call.with([END, 0]), Gives(0)),
        (Call.with([0, END]), Gives(0)),
        (Call.with([END, 1]), NOWHERE),
        (Call.with([END - 1, 2]), NOWHERE),
        (Call.with([0, MAX]), NOWHERE),
        (Call.with([HALF, HALF]), NOWHERE),
        (Call.with([MAX, 0]), NOWHERE),
        (Call.with([MAX, MAX]), NOWHERE),
        (Wait.with([0, END, 0]), Gives(0)),
        (Wait.with([0, 0, END]), Gives(0)),
        (Wait.with([0, 1, END]), NOWHERE),
        (Wait.with([0, MAX, MAX]), NOWHERE),
        (Wait.with([FOR_EVER, END, 1]), NOWHERE),
        (Finish.with([END, 1]), NOWHERE),
        (Finish.with([1, END]), NOWHERE),
        (Finish.with([0, MAX]), NOWHERE),
        (Finish.with([MAX, 1]), NOWHERE),
        (ClockResGet.with([0, END - 8]), Gives(0)),
        (ClockResGet.with([1, END - 7]), NOWHERE),
        (ClockTimeGet.with([1, 0, END - 8]), Gives(0)),
        (ClockTimeGet.with([0, u64::MAX, END - 7]), NOWHERE),
        (ClockTimeGet.with([0, 0, MAX]), NOWHERE),
        (RandomGet.with([END, 0]), Gives(0)),
        (RandomGet.with([END - 1, 2]), NOWHERE),
        (RandomGet.with([MAX, 1]), NOWHERE),
    ];
    check_all(&[], cases).await;
}

#[tokio::test]
async fn invalid_numbers_are_refused() {
    let cases: Vec<(Operation, End)> = vec![
        (ClockResGet.with([2, MAX]), Gives(EINVAL)),
        (ClockResGet.with([MAX, 0]), Gives(EINVAL)),
        (ClockTimeGet.with([3, 0, MAX]), Gives(EINVAL)),
        (RandomGet.with([0, 1 << 16]), Gives(0)),
        (RandomGet.with([0, (1 << 16) + 1]), Gives(EINVAL)),
        (RandomGet.with([MAX, MAX]), Gives(EINVAL)),
        (SchedYield.with([]), Gives(0)),
        (Refuel.with([]), Gives(0)),
        (ProcExit.with([0]), Fails("exit status 0")),
        (ProcExit.with([MAX]), Fails("exit status -1")),
        (ProcExit.with([HALF]), Fails("exit status -2147483648")),
        (Grow.with([14]), Gives(2)),
        (Grow.with([15]), Gives(MAX)),
        (Grow.with([1 << 16]), Gives(MAX)),
        (Grow.with([MAX]), Gives(MAX)),
        (Recurse.with([]), Fails("RecursionError")),
        (Spin.with([u64::MAX >> 1]), Is(Outcome::Timeout)),
    ];
    check_all(&[], cases).await;
}

/// Returns operations that store one buffer of `fd_read` or `fd_write` at the address `at`.
fn vector(at: u64, ptr: u64, len: u64) -> Vec<Operation> {
    store(at, &(ptr | len << 32).to_le_bytes())
}

#[tokio::test]
async fn buffers_must_be_inside_memory() {
    const GOOD: u64 = 0x100;
    const LAST: u64 = 0x108;
    const EMPTY: u64 = 0x110;
    const UNALIGNED: u64 = 0x203;
    const BEYOND: u64 = 0x300;
    const HUGE: u64 = 0x310;
    const ITSELF: u64 = 0x400;
    let vectors = [
        vector(GOOD, 0x1000, 8),
        vector(LAST, END - 1, 1),
        vector(EMPTY, END, 0),
        vector(UNALIGNED, 0x1000, 8),
        vector(BEYOND, END - 1, 2),
        vector(HUGE, MAX, MAX),
        vector(ITSELF, ITSELF, 8),
    ]
    .concat();
    for (function, fd, other) in [(FdRead, 0, 1), (FdWrite, 1, 0), (FdWrite, 2, 0)] {
        let cases: Vec<(Operation, End)> = vec![
            (function.with([fd, GOOD, 3, 0]), Gives(0)),
            (function.with([fd, UNALIGNED, 1, 1]), Gives(0)),
            (function.with([fd, END, 0, END - 4]), Gives(0)),
            (function.with([fd, ITSELF, 1, ITSELF]), Gives(0)),
            (function.with([fd, 0x2000, 1024, 0]), Gives(0)),
            (function.with([fd, 0x2000, 1025, 0]), Gives(EINVAL)),
            (function.with([fd, GOOD, HALF, 0]), Gives(EINVAL)),
            (function.with([fd, GOOD, MAX, 0]), Gives(EINVAL)),
            (function.with([other, MAX, 1, MAX]), Gives(EBADF)),
            (function.with([3, MAX, 1, MAX]), Gives(EBADF)),
            (function.with([MAX, GOOD, 1, 0]), Gives(EBADF)),
            (function.with([fd, END - 7, 1, 0]), NOWHERE),
            (function.with([fd, MAX, 1, 0]), NOWHERE),
            (function.with([fd, BEYOND, 1, 0]), NOWHERE),
            (function.with([fd, HUGE, 1, 0]), NOWHERE),
            (function.with([fd, GOOD, 1, END - 3]), NOWHERE),
            (function.with([fd, GOOD, 1, MAX]), NOWHERE),
        ];
        check_all(&vectors, cases).await;
    }
}

/// Returns operations that store one subscription of `poll_oneoff` at the address `at`. The kind 0 is a clock.
fn subscription(at: u64, kind: u8, clock: u8, timeout: u64, flags: u8) -> Vec<Operation> {
    let mut bytes = [0; 48];
    (bytes[8], bytes[16], bytes[40]) = (kind, clock, flags);
    bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
    store(at, &bytes)
}

#[tokio::test]
async fn subscriptions_other_than_to_clocks_are_refused() {
    const NOW: u64 = 0x100;
    const NEVER: u64 = 0x200;
    const STREAM: u64 = 0x300;
    const CPU_CLOCK: u64 = 0x400;
    let subscriptions = [
        subscription(NOW, 0, 1, 0, 0),
        subscription(NOW + 48, 0, 0, u64::MAX, 0),
        subscription(NEVER, 0, 0, u64::MAX, 1),
        subscription(STREAM, 1, 0, 0, 0),
        subscription(CPU_CLOCK, 0, 3, 0, 0),
    ]
    .concat();
    let cases: Vec<(Operation, End)> = vec![
        (PollOneoff.with([NOW, 0x1000, 2, 0x2000]), Gives(0)),
        (PollOneoff.with([NOW, NOW, 1, NOW]), Gives(0)),
        (PollOneoff.with([NOW, END - 32, 1, 0]), Gives(0)),
        (PollOneoff.with([0x3000, 0x1000, 64, 0]), Gives(0)),
        (PollOneoff.with([NOW, 0x1000, 0, 0]), Gives(EINVAL)),
        (PollOneoff.with([NOW, 0x1000, 65, 0]), Gives(EINVAL)),
        (PollOneoff.with([NOW, 0x1000, HALF, 0]), Gives(EINVAL)),
        (PollOneoff.with([NOW, 0x1000, MAX, 0]), Gives(EINVAL)),
        (PollOneoff.with([STREAM, 0x1000, 1, 0]), Gives(ENOTSUP)),
        (PollOneoff.with([CPU_CLOCK, 0x1000, 1, 0]), Gives(ENOTSUP)),
        (PollOneoff.with([NEVER, 0x1000, 1, 0]), Is(Outcome::Timeout)),
        (PollOneoff.with([END - 47, 0x1000, 1, 0]), NOWHERE),
        (PollOneoff.with([MAX, 0x1000, 1, 0]), NOWHERE),
        (PollOneoff.with([NOW, END - 31, 1, 0]), NOWHERE),
        (PollOneoff.with([NOW, MAX, 1, 0]), NOWHERE),
        (PollOneoff.with([NOW, 0x1000, 1, END - 3]), NOWHERE),
    ];
    check_all(&subscriptions, cases).await;
}

#[tokio::test]
async fn a_wait_without_end_ends_at_the_timeout() {
    let cases: Vec<(Operation, End)> = vec![
        (Wait.with([FOR_EVER, 0, 0]), Is(Outcome::Timeout)),
        (Wait.with([1 << 63, 0, 100]), Is(Outcome::Timeout)),
        (Wait.with([u64::MAX >> 1, 0, 100]), Is(Outcome::Timeout)),
    ];
    check_all(&call(r#"{"tool": "tool.never", "arguments": {}}"#), cases).await;
}

#[tokio::test]
async fn calls_in_any_order_are_answered() {
    const REPLY: u64 = 8 + 100_000 + br#"{"ok":""}"#.len() as u64;
    let large = call(r#"{"tool": "tool.large", "arguments": {}}"#);
    let too_small = Wait.with([FOR_EVER, 0, 8]);
    let is_too_small = ExpectResult.with([MAX + 1 - REPLY]);
    let header = ExpectMemory.with([END, (REPLY - 8) << 32]);
    let grow = Grow.with([2]);
    let fetch = Wait.with([FOR_EVER, END, END]);
    let unreadable = Call.with([0, 0]);
    let cases: Vec<(Vec<Operation>, Operation, End)> = vec![
        (large.clone(), Wait.with([FOR_EVER, 0, 0]), Gives(MAX + 1 - REPLY)),
        ([&large[..], &[too_small, is_too_small, grow]].concat(), Wait.with([0, END, END]), Gives(REPLY)),
        ([&large[..], &[grow, fetch, header]].concat(), Wait.with([0, 0, END]), Gives(0)),
        (call(r#"{"cancel": 4294967295}"#), SchedYield.with([]), Gives(0)),
        (
            [call(r#"{"cancel": 0}"#), large.clone(), call(r#"{"cancel": 0}"#)].concat(),
            Wait.with([0, 0, 0]),
            Gives(0),
        ),
        // Eight calls are within the budget, 64 beyond it get a reply, and the next one gets no id.
        (vec![unreadable; 8 + 63], Call.with([0, 0]), Gives(8 + 63)),
        (vec![unreadable; 8 + 64], Call.with([0, 0]), Gives(MAX)),
    ];
    let sandbox = sandbox();
    for (before, last, end) in cases {
        check(&sandbox, &before, last, end).await.unwrap();
    }
}

/// If each wait took a millisecond, the execution would reach its timeout.
#[tokio::test]
async fn waits_of_zero_duration_take_no_time() {
    let call = call(r#"{"tool": "tool.never", "arguments": {}}"#);
    let sandbox = sandbox();
    for (before, wait) in [
        (call, Wait.with([0, 0, 100])),
        (subscription(0x100, 0, 1, 0, 0), PollOneoff.with([0x100, 0x1000, 1, 0x2000])),
    ] {
        let before = [before, vec![wait; 900]].concat();
        check(&sandbox, &before, wait, Gives(0)).await.unwrap();
    }
}

#[tokio::test]
async fn a_result_is_handed_over_once_and_within_its_limit() {
    let unreadable = "without a readable result";
    let grow = Grow.with([1]);
    let beyond = 2 * small().result_bytes_max as u64 + super::RESULT_OVERHEAD_BYTES as u64 + 1;
    let cases: Vec<(Vec<Operation>, Operation, End)> = vec![
        (vec![], SchedYield.with([]), Fails(unreadable)),
        (vec![], Finish.with([0, 0]), Fails(unreadable)),
        (vec![], Finish.with([END, 0]), Fails(unreadable)),
        (vec![], Finish.with([0, END]), Fails(unreadable)),
        (vec![grow], Finish.with([0, beyond]), Fails("over the limit")),
        (vec![grow], Finish.with([0, beyond - 1]), Fails(unreadable)),
        (finish(), Finish.with([RESULT_AT, RESULT.len() as u64]), Fails("a second result")),
        (finish(), Finish.with([0, 0]), Fails("a second result")),
        (finish(), Call.with([0, 0]), Is(Outcome::Completed)),
        (finish(), Wait.with([0, 0, 0]), Is(Outcome::Completed)),
        (finish(), Call.with([END, 1]), NOWHERE),
        (finish(), ProcExit.with([0]), Fails("exit status 0")),
        (finish(), Wait.with([FOR_EVER, 0, 0]), Is(Outcome::Timeout)),
    ];
    let sandbox = sandbox();
    for (before, last, end) in cases {
        check(&sandbox, &before, last, end).await.unwrap();
    }
}
