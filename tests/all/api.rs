//! Tests of the library as an embedding program uses it: handles, tools that know their caller, errors that keep their
//! sources.

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ai_code_executor::{
    CancelHandle, EndSignal, Error, Execution, Limits, Outcome, Policy, Report, Sandbox, Tool, ToolCall,
    ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::support::{cache_dir, value_of};

fn one_slot() -> Sandbox {
    let hang = Tool::new("tool", "hang", |_| std::future::pending());
    Sandbox::builder().concurrency(1).threads(1).tool(hang).cache_dir(cache_dir()).build().unwrap()
}

#[test]
fn handles_are_clone_send_sync_and_static() {
    fn goes_everywhere<T: Clone + Send + Sync + 'static>() {}
    goes_everywhere::<Sandbox>();
    goes_everywhere::<CancelHandle>();
    goes_everywhere::<EndSignal>();
    goes_everywhere::<Execution>();
    goes_everywhere::<Tool>();
}

/// Runs `code` and cancels it after `patience`, from a thread outside of any runtime.
async fn cancelled_after(sandbox: &Sandbox, code: &str, patience: Duration) -> Report {
    let handle = CancelHandle::new();
    let execution = Execution::new(code).cancel_handle(handle.clone());
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(patience);
        handle.cancel();
    });
    let report = timeout(Duration::from_secs(20), sandbox.run(execution)).await.expect(code).unwrap();
    canceller.join().unwrap();
    report
}

async fn executions_are_cancelled() {
    let sandbox = one_slot();
    let large = format!("print('so far')\n{}while True: pass", "x = 1\n".repeat(1000));
    let programs = [
        "print('so far')\nwhile True: pass",
        "print('so far')\nimport time\ntime.sleep(100)",
        "print('so far')\nimport tool\nawait tool.hang()",
        &large,
    ];
    for code in programs {
        let report = cancelled_after(&sandbox, code, Duration::from_millis(300)).await;
        assert_eq!((report.outcome, report.stdout.text.as_str()), (Outcome::Cancelled, "so far\n"), "{code}");
        let error = report.error.unwrap();
        assert_eq!((error.kind.as_str(), error.to_string().as_str()), ("", "Execution was cancelled"));
        // The slot is free again.
        assert_eq!(sandbox.run(Execution::new("1")).await.unwrap().outcome, Outcome::Completed);
    }
    let metrics = sandbox.metrics().encode();
    assert!(metrics.contains("code_execution_outcomes_total{outcome=\"cancelled\"} 4\n"), "{metrics}");
}

#[tokio::test]
async fn executions_are_cancelled_on_one_thread() {
    executions_are_cancelled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_are_cancelled_on_many_threads() {
    executions_are_cancelled().await;
}

#[tokio::test]
async fn an_execution_is_cancelled_in_the_queue_and_before_it_begins() {
    let sandbox = one_slot();
    let (clone, blocker) = (sandbox.clone(), CancelHandle::new());
    let blocking = Execution::new("while True: pass").cancel_handle(blocker.clone());
    let blocking = tokio::spawn(async move { clone.run(blocking).await });
    sleep(Duration::from_millis(100)).await;
    for patience in [0, 100] {
        let queued = cancelled_after(&sandbox, "1", Duration::from_millis(patience)).await;
        assert_eq!((queued.outcome, queued.usage.fuel), (Outcome::Cancelled, 0));
        assert_eq!(queued.error.unwrap().to_string(), "Execution was cancelled");
        assert!(sandbox.metrics().encode().contains("code_executions_queued 0\n"));
    }
    blocker.cancel();
    assert_eq!(blocking.await.unwrap().unwrap().outcome, Outcome::Cancelled);

    // A handle stays cancelled.
    let execution = Execution::new("1").cancel_handle(blocker.clone());
    assert_eq!(sandbox.run(execution).await.unwrap().outcome, Outcome::Cancelled);
    assert!(blocker.is_cancelled());
    // An execution that ended before the handle was used is not affected.
    let late = CancelHandle::new();
    let report = sandbox.run(Execution::new("1").cancel_handle(late.clone())).await.unwrap();
    late.cancel();
    assert_eq!(report.outcome, Outcome::Completed);
}

#[derive(Deserialize, JsonSchema)]
struct Question {
    of: String,
}

#[tokio::test]
async fn a_tool_call_names_its_execution_and_request() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = calls.clone();
    let ask = Tool::typed("tool", "ask", move |call: ToolCall<Question>| {
        let left = call.deadline.saturating_duration_since(std::time::Instant::now());
        assert!(left <= Duration::from_secs(5) && left > Duration::from_secs(3), "{left:?}");
        assert!(!call.call_end.has_ended() && !call.execution_end.has_ended());
        seen.lock().unwrap().push((call.execution, call.request_id.clone(), call.number));
        async move { Ok(call.arguments.of) }
    });
    let sandbox = Sandbox::builder().tool(ask).cache_dir(cache_dir()).build().unwrap();
    let code = "import tool\n[await tool.ask(of='a'), await tool.ask(of='b')]";
    let limits = Limits::default().tool_time(Duration::from_secs(5));
    let report = sandbox.run(Execution::new(code).limits(limits).request_id("r-7")).await.unwrap();
    assert_eq!(value_of(&report), json!(["a", "b"]), "{report:?}");
    let expected = [0, 1].map(|number| (report.id, Some(Arc::from("r-7")), number));
    assert_eq!(*calls.lock().unwrap(), expected);
}

/// A blocking tool sees that its call has ended, and a session sees that its execution has ended.
#[tokio::test]
async fn a_tool_learns_that_its_call_and_its_execution_have_ended() {
    let (stopped, sessions) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (stops, opened) = (stopped.clone(), sessions.clone());
    let block = Tool::new("tool", "block", move |call: ToolCall| {
        let stops = stops.clone();
        async move {
            let blocking = spawn_blocking(move || {
                while !call.call_end.has_ended() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                stops.store(!call.execution_end.has_ended(), Ordering::Relaxed);
            });
            blocking.await.map(|()| Value::Null).map_err(|_| ToolError::failed("it panicked"))
        }
    });
    let begin = Tool::new("tool", "begin", move |call: ToolCall| {
        let opened = opened.clone();
        opened.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            call.execution_end.ended().await;
            opened.fetch_sub(1, Ordering::Relaxed);
        });
        async { Ok(Value::Null) }
    });
    let sandbox = Sandbox::builder().tools([block, begin]).cache_dir(cache_dir()).build().unwrap();
    let code = "import tool, asyncio
await tool.begin()
try: await asyncio.wait_for(tool.block(), 0.05)
except TimeoutError: pass
await asyncio.sleep(0.2)";
    let report = sandbox.run(Execution::new(code)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed, "{report:?}");
    assert!(stopped.load(Ordering::Relaxed), "the call had ended before its execution");
    let closed = timeout(Duration::from_secs(10), async {
        while sessions.load(Ordering::Relaxed) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    });
    closed.await.expect("the session learns of the end");
}

#[tokio::test]
async fn two_sandboxes_have_their_own_tools_and_metrics() {
    let answering = |answer: u32| {
        let tool = Tool::new("tool", "answer", move |_| async move { Ok(json!(answer)) });
        Sandbox::builder().tool(tool).cache_dir(cache_dir()).build().unwrap()
    };
    let sandboxes = [1, 2].map(answering);
    for (sandbox, answer) in sandboxes.iter().zip([1, 2]) {
        let report = sandbox.run(Execution::new("import tool\nawait tool.answer()")).await.unwrap();
        assert_eq!(value_of(&report), json!(answer));
        assert!(sandbox.metrics().encode().contains("code_executions_total{status=\"success\"} 1\n"));
    }
}

#[test]
fn errors_keep_their_sources() {
    let error = ToolError::failed("the boiler is cold").caused_by(std::io::Error::other("192.0.2.1 is down"));
    assert_eq!(error.to_string(), "the boiler is cold");
    assert_eq!(error.source().unwrap().to_string(), "192.0.2.1 is down");
    let none = Sandbox::builder().threads(0).build().err().unwrap();
    assert!(matches!(&none, Error::Config { .. }) && none.source().is_none(), "{none}");
    assert_eq!(none.chain(), "a sandbox needs at least one thread");
}

#[test]
fn modules_of_the_sandbox_cannot_be_allowed() {
    for name in ["_executor", "guest_runner", "guest_runner.submodule", "__main__"] {
        let policy = Policy::default().allowed_imports(["json", name]);
        let refused = Sandbox::builder().policy(policy).build().err().unwrap();
        let what = format!("ALLOWED_IMPORTS names '{name}', which is a part of the sandbox; remove it");
        assert_eq!(refused.chain(), what);
    }
}
