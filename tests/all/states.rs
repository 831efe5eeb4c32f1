//! States: programs that follow each other in the same interpreter.

use std::time::Duration;

use ai_code_executor::sealed_store::{Embedded, Key, Sealer};
use ai_code_executor::{
    CallerTool, Error, Execution, KeepState, Limits, Outcome, Report, Sandbox, StateHandle, WaitLimits,
};
use serde_json::json;

use crate::support::{cache_dir, value_of};

fn sandbox(limits: WaitLimits) -> Sandbox {
    Sandbox::builder().cache_dir(cache_dir()).wait_limits(limits).build().unwrap()
}

async fn follow(sandbox: &Sandbox, state: KeepState, code: &str) -> Report {
    sandbox.run(Execution::new(code).state(state)).await.unwrap()
}

fn after(report: &Report) -> KeepState {
    KeepState::After(report.state.unwrap_or_else(|| panic!("no state: {report:?}")))
}

#[tokio::test]
async fn a_program_begins_where_another_ended() {
    let sandbox = sandbox(WaitLimits::default());
    let code = "import json\nclass Room:\n    def __init__(self, name): self.name = name\nrooms = [Room('hall')]\nprint('one')";
    let first = follow(&sandbox, KeepState::New, code).await;
    assert_eq!((first.outcome, first.stdout.text.as_str()), (Outcome::Completed, "one\n"));
    let second =
        follow(&sandbox, after(&first), "rooms.append(Room('bath'))\n[room.name for room in rooms]").await;
    assert_eq!((value_of(&second), second.stdout.text.as_str()), (json!(["hall", "bath"]), ""));
    // A handle is immutable: using it twice forks, using an older one goes back.
    let fork = follow(&sandbox, after(&first), "len(rooms)").await;
    assert_eq!(value_of(&fork), json!(1));
    let third = follow(&sandbox, after(&second), "json.dumps(len(rooms))").await;
    assert_eq!(value_of(&third), json!("2"));
    let parents: Vec<_> = sandbox.states().await.unwrap().iter().map(|state| state.parent).collect();
    assert_eq!(parents.iter().filter(|parent| **parent == first.state).count(), 2);
    assert_eq!(parents.len(), 4);
    // Without `state`, nothing is kept and nothing is found.
    let fresh = sandbox.run(Execution::new("rooms")).await.unwrap();
    assert_eq!((fresh.error.unwrap().kind.as_str(), fresh.state), ("NameError", None));
}

/// The validator does not know what an earlier program has bound.
#[tokio::test]
async fn names_that_an_earlier_program_bound_may_be_used() {
    let sandbox = sandbox(WaitLimits::default());
    let first = follow(&sandbox, KeepState::New, "import sys\ndef open(path): return path").await;
    let second = follow(&sandbox, after(&first), "sys.maxsize > 0, open('x')").await;
    assert_eq!(value_of(&second), json!([true, "x"]), "{:?}", second.error);
    let error = follow(&sandbox, after(&first), "input('x')").await.error.unwrap();
    assert_eq!(error.to_string(), "NameError: name 'input' is not defined");
    assert!(error.hint.unwrap().starts_with("There is no terminal"));
}

#[tokio::test]
async fn a_state_is_kept_after_an_exception_and_not_after_a_limit() {
    let sandbox = sandbox(WaitLimits::default());
    let first = follow(&sandbox, KeepState::New, "x = 1\n1 / 0").await;
    assert_eq!(first.error.as_ref().unwrap().kind, "ZeroDivisionError");
    let limits = Limits::default().wall_time(Duration::from_millis(200));
    let endless = Execution::new("x = 2\nwhile True: pass").state(after(&first)).limits(limits);
    let over = sandbox.run(endless).await.unwrap();
    assert_eq!((over.outcome, over.state), (Outcome::Timeout, None));
    let memory = follow(&sandbox, after(&first), "x = 3\ny = bytearray(500_000_000)").await;
    assert_eq!((memory.outcome, memory.state), (Outcome::MemoryLimit, None));
    assert_eq!(value_of(&follow(&sandbox, after(&first), "x").await), json!(1));
    let refused = sandbox.run(Execution::new("import os").state(after(&first))).await;
    assert!(matches!(refused, Err(Error::Rejected(_))));
}

#[tokio::test]
async fn memory_grows_from_one_program_to_the_next_within_each_ones_limit() {
    let sandbox = sandbox(WaitLimits::default());
    let first = follow(&sandbox, KeepState::New, "data = bytearray(range(256)) * 100_000").await;
    let second = follow(&sandbox, after(&first), "data[-1], len(data)").await;
    assert_eq!(value_of(&second), json!([255, 25_600_000]));
    let small = Limits::default().memory_bytes_max(48 << 20);
    let refused = sandbox.run(Execution::new("1").state(after(&first)).limits(small)).await;
    assert!(matches!(refused, Err(Error::MemoryBelowImage { .. })), "{refused:?}");
    // Numbers that do not compress are over the largest size.
    let limits = WaitLimits::default().state_bytes_max(1 << 20);
    let sandbox = self::sandbox(limits);
    let code = "import random\nnoise = random.randbytes(4_000_000)\nlen(noise)";
    let large = follow(&sandbox, KeepState::New, code).await;
    assert_eq!((value_of(&large), large.state, large.state_is_lost), (json!(4_000_000), None, true));
}

#[tokio::test]
async fn handles_that_are_gone_are_unknown() {
    let sandbox = sandbox(WaitLimits::default().states_max(2).state_ttl(Duration::from_secs(1)));
    let first = follow(&sandbox, KeepState::New, "x = 1").await;
    let handle = first.state.unwrap();
    let unknown: StateHandle = "st_00000000000000000000000000000000".parse().unwrap();
    for handle in [unknown, handle] {
        if handle != unknown {
            sandbox.forget_state(handle).await.unwrap();
        }
        let refused = sandbox.run(Execution::new("x").state(KeepState::After(handle))).await;
        assert!(matches!(refused, Err(Error::UnknownState { .. })), "{refused:?}");
        assert!(matches!(sandbox.forget_state(handle).await, Err(Error::UnknownState { .. })));
    }
    let kept = follow(&sandbox, KeepState::New, "x = 1").await;
    follow(&sandbox, KeepState::New, "x = 2").await;
    let refused = sandbox.run(Execution::new("x = 3").state(KeepState::New)).await;
    assert!(matches!(refused, Err(Error::CallerLimit { what: "states", limit: 2, .. })), "{refused:?}");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let refused = sandbox.run(Execution::new("x").state(after(&kept))).await;
    assert!(matches!(refused, Err(Error::UnknownState { .. })), "{refused:?}");
    follow(&sandbox, KeepState::New, "x = 3").await;
}

#[tokio::test]
async fn functions_of_tools_that_are_gone_are_denied() {
    let sandbox = sandbox(WaitLimits::default());
    let tool = CallerTool::new("agenda.add");
    let code = "from agenda import add\nx = 1";
    let first = sandbox.run(Execution::new(code).state(KeepState::New).caller_tools([tool])).await.unwrap();
    let second = follow(&sandbox, after(&first), "await add(title='x')").await;
    assert_eq!(second.error.as_ref().unwrap().kind, "ToolDenied", "{second:?}");
    assert_eq!(value_of(&follow(&sandbox, after(&second), "x").await), json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn states_outlive_the_sandbox() {
    let dir = tempfile::tempdir().unwrap();
    let open = |key: u8| {
        let sealer = Sealer::new(Key::derive(&[key; 32]).unwrap(), None);
        let store = Embedded::open(dir.path(), 64 << 20).unwrap();
        Sandbox::builder().cache_dir(cache_dir()).store(store, sealer).build().unwrap()
    };
    let first = open(1);
    let kept = follow(&first, KeepState::New, "x = [1, 2]").await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = open(1);
    assert_eq!(value_of(&follow(&second, after(&kept), "x").await), json!([1, 2]));
    drop(second);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let other = open(2);
    let refused = other.run(Execution::new("x").state(after(&kept))).await;
    assert!(matches!(refused, Err(Error::StateDamaged)), "{refused:?}");
}
