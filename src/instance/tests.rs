//! Guests that do not end by themselves. Each is ended soon after its limit, whatever it does, and its slot can be used
//! again. Also guests that do not yield in their caller's thread.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::{Execution, Layers, Limits, Outcome, Report, Sandbox, Tool};

/// The CPU time after its limit within which a guest is ended. It does not depend on other load on the machine.
const GRACE: Duration = Duration::from_millis(250);

const LIMIT: Duration = Duration::from_millis(200);

/// The end of a guest that completes with the value 42.
const HONEST: &str = "(call $finish (i32.const 0) (i32.const 47))";

/// Guests that never end: name and code. Each has 90 MiB of memory.
const ENDLESS: [(&str, &str); 17] = [
    ("a loop", "(loop (br 0))"),
    (
        "a loop that reads",
        "(loop $l (global.set $i (i32.and (i32.load (global.get $i)) (i32.const 65532))) (br $l))",
    ),
    (
        "a loop through all of memory",
        "(loop $l (global.set $i (i32.rem_u (i32.add (global.get $i) (i32.const 4096)) (i32.const 94000000)))
           (i32.store8 offset=65536 (global.get $i) (i32.const 1)) (br $l))",
    ),
    (
        "a loop behind a loop",
        "(loop $l (br_if $l (i32.ne (global.get $i) (i32.const 0)))) (loop $l (br_if $l (i32.eqz (global.get $i))))",
    ),
    ("calls", "(loop (call $nop) (br 0))"),
    ("recursion", "(loop (call $descend (i32.const 1000)) (br 0))"),
    ("copies", "(loop (memory.copy (i32.const 65536) (i32.const 40000000) (i32.const 40000000)) (br 0))"),
    (
        "copies that overlap",
        "(loop (memory.copy (i32.const 70000) (i32.const 65536) (i32.const 90000000)) (br 0))",
    ),
    ("fills", "(loop (memory.fill (i32.const 65536) (i32.const 1) (i32.const 90000000)) (br 0))"),
    ("asks for memory", "(loop (drop (memory.grow (i32.const 1))) (br 0))"),
    (
        "writes",
        "(i32.store (i32.const 1024) (i32.const 65536)) (i32.store (i32.const 1028) (i32.const 90000000))
         (loop (drop (call $fd_write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 1040))) (br 0))",
    ),
    (
        "reads",
        "(i32.store (i32.const 1024) (i32.const 65536)) (i32.store (i32.const 1028) (i32.const 90000000))
         (loop (drop (call $fd_read (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 1040))) (br 0))",
    ),
    ("random bytes", "(loop (drop (call $random_get (i32.const 65536) (i32.const 65536))) (br 0))"),
    ("tool calls", "(loop (drop (call $call (i32.const 65536) (i32.const 80000000))) (br 0))"),
    (
        "waits of no time",
        "(loop (drop (call $wait (i64.const 0) (i32.const 65536) (i32.const 90000000))) (br 0))",
    ),
    ("a wait without an end", "(drop (call $wait (i64.const -1) (i32.const 65536) (i32.const 90000000)))"),
    ("a result, and then a loop", "(call $finish (i32.const 65536) (i32.const 1000000)) (loop (br 0))"),
];

/// Returns a guest with this `run` function.
fn guest(run: &str) -> Vec<u8> {
    let wat = format!(
        r#"(module
          (import "executor" "refuel" (func $host_refuel))
          (import "executor" "finish" (func $finish (param i32 i32)))
          (import "executor" "call" (func $call (param i32 i32) (result i32)))
          (import "executor" "wait" (func $wait (param i64 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
          (memory (export "memory") 2)
          (global $i (mut i32) (i32.const 0))
          (data (i32.const 0) "{{\"value\":42,\"value_is_repr\":false,\"error\":null}}")
          (data (i32.const 256) "{{\"tool\":\"tool.count\",\"arguments\":{{}}}}")
          (data (i32.const 512) "once")
          (func $nop)
          (func $descend (param i32)
            (if (local.get 0) (then (call $descend (i32.sub (local.get 0) (i32.const 1))))))
          (func $print
            (i32.store (i32.const 1024) (i32.const 512)) (i32.store (i32.const 1028) (i32.const 4))
            (drop (call $fd_write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 1040))))
          (func $count (drop (call $call (i32.const 256) (i32.const 36))))
          (func (export "refuel") (call $host_refuel))
          (func (export "_initialize"))
          (func (export "initialize"))
          (func (export "run")
            (if (i32.eq (memory.grow (i32.const 1440)) (i32.const -1)) (then (unreachable)))
            {run}))"#
    );
    zstd::encode_all(&wat::parse_str(wat).unwrap()[..], 1).unwrap()
}

fn sandbox(run: &str, counted: &Arc<AtomicU32>) -> Sandbox {
    let counted = counted.clone();
    let count = Tool::new("tool", "count", move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok(json!(null)) }
    });
    let builder = Sandbox::builder().interpreter(guest(run)).layers(Layers::NoValidator);
    builder.concurrency(1).tool(count).build().unwrap()
}

async fn run(sandbox: &Sandbox, limits: Limits) -> Report {
    sandbox.run(Execution { limits, ..Execution::new("") }).await.unwrap()
}

#[tokio::test]
async fn endless_guests_are_ended_soon_after_their_limit() {
    let (wall, cpu) = (
        Limits { wall_time: LIMIT, ..Limits::default() },
        Limits { cpu_time: LIMIT, wall_time: Duration::from_secs(2), ..Limits::default() },
    );
    for (name, endless) in ENDLESS {
        let sandbox = sandbox(endless, &Arc::default());
        for (limits, limit, outcome, said) in [
            (wall, "wall", Outcome::Timeout, "Execution exceeded 0.2s timeout"),
            (cpu, "cpu", Outcome::CpuLimit, "CPU budget of 0.2s exhausted"),
        ] {
            let report = run(&sandbox, limits).await;
            if name == "a wait without an end" && limit == "cpu" {
                assert_eq!(report.outcome, Outcome::Timeout, "a guest that waits uses no CPU time");
                continue;
            }
            let error = report.error.as_ref().map(ToString::to_string).unwrap_or_default();
            assert_eq!((report.outcome, &error[..]), (outcome, said), "{name}, {limit}");
            assert!(report.usage.cpu_time < LIMIT + GRACE, "{name}, {limit}: {:?}", report.usage);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_guests_are_ended_when_their_caller_has_gone() {
    for (name, endless) in ENDLESS {
        let sandbox = sandbox(endless, &Arc::default());
        timeout(Duration::from_millis(30), run(&sandbox, Limits::default())).await.unwrap_err();
        let free = async {
            while !sandbox.metrics().encode().contains("code_executions_active 0\n") {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(5), free)
            .await
            .unwrap_or_else(|_| panic!("{name}: its slot is still in use"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_ends_endless_guests() {
    for (name, endless) in ENDLESS {
        let sandbox = Arc::new(sandbox(endless, &Arc::default()));
        let running = tokio::spawn({
            let sandbox = sandbox.clone();
            async move { run(&sandbox, Limits::default()).await }
        });
        while sandbox.metrics().encode().contains("code_executions_active 0\n") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sandbox.shutdown(Duration::from_millis(20)).await;
        let report = timeout(Duration::from_secs(5), running)
            .await
            .unwrap_or_else(|_| panic!("{name}: still running"));
        assert_eq!(report.unwrap().outcome, Outcome::Cancelled, "{name}");
    }
}

#[tokio::test]
async fn a_slot_is_reset_after_a_guest_was_ended_by_force() {
    // Each execution marks memory and then loops. One that found the mark of an earlier one would return instead.
    let run_of = "(if (i32.eqz (i32.load (i32.const 2048)))
        (then (i32.store (i32.const 2048) (i32.const 1)) (loop (br 0))))";
    let limits = Limits { wall_time: Duration::from_millis(100), ..Limits::default() };
    let sandbox = sandbox(run_of, &Arc::default());
    for _ in 0..20 {
        assert_eq!(run(&sandbox, limits).await.outcome, Outcome::Timeout, "its memory was not reset");
    }
    let honest = self::sandbox(HONEST, &Arc::default());
    assert_eq!(run(&honest, limits).await.value.unwrap().get(), "42");
}

/// A loop of a few hundred milliseconds that does not yield.
const LONG: &str = "(loop $l (global.set $i (i32.add (global.get $i) (i32.const 1)))
    (br_if $l (i32.lt_u (global.get $i) (i32.const 200000000))))";

#[tokio::test]
async fn restarting_in_another_thread_repeats_no_effects() {
    for before in ["(call $print)", "(call $count)", "(call $print) (call $count) (call $print)"] {
        let counted = Arc::<AtomicU32>::default();
        let wait = "(drop (call $wait (i64.const 1000000000) (i32.const 65536) (i32.const 1000)))";
        let wait = if before.contains("count") { wait } else { "" };
        let sandbox = sandbox(&format!("{before} {LONG} {wait} {HONEST}"), &counted);
        for execution in 1..3u32 {
            let report = run(&sandbox, Limits::default()).await;
            assert_eq!(report.value.as_ref().map(|value| value.get()), Some("42"), "{before}: {report:?}");
            assert_eq!(report.stdout.text, "once".repeat(before.matches("print").count()), "{before}");
            let calls = u32::from(before.contains("count"));
            assert_eq!(
                (report.usage.tool_calls, counted.load(Ordering::Relaxed)),
                (calls, calls * execution)
            );
            // The wall time includes the attempt in the caller's thread.
            assert!(report.usage.wall_time >= report.stages.run, "{report:?}");
        }
    }
}
