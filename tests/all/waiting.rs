//! Executions that wait: for their caller, for approval, for a time. In memory, in a store, and across sandboxes.

use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ai_code_executor::sealed_store::{Embedded, Key, Sealer};
use ai_code_executor::{
    Answer, Approval, CallerTool, Decision, Error, Event, Events, Execution, ExecutionStatus, Limits, OnWait,
    Outcome, Report, Sandbox, SandboxBuilder, Tool, ToolCall, ToolPolicy, ToolRequest, WaitLimits, WaitsFor,
    events,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{cache_dir, value_of};

/// Calls of `lock.unlock` that were made, by the sandbox's tools.
#[derive(Clone, Default)]
struct Made(Arc<AtomicU32>);

impl Made {
    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

fn with_lock(builder: SandboxBuilder, made: &Made) -> SandboxBuilder {
    let unlocks = made.clone();
    let unlock = Tool::new("lock", "unlock", move |call: ToolCall| {
        unlocks.0.fetch_add(1, Ordering::Relaxed);
        async move { Ok(json!({"unlocked": call.arguments["door"]})) }
    });
    let schema = json!({"properties": {"door": {"type": "string"}}, "required": ["door"]});
    let state = Tool::new("lock", "state", async |_| Ok(json!("locked"))).read_only();
    let open = made.clone();
    let free = Tool::new("lock", "count", move |_| {
        open.0.fetch_add(1, Ordering::Relaxed);
        async { Ok(Value::Null) }
    });
    let tools = [unlock.parameters(schema).approval(Approval::Always), state, free];
    builder.cache_dir(cache_dir()).tools(tools)
}

fn sandbox(change: impl FnOnce(SandboxBuilder) -> SandboxBuilder) -> (Sandbox, Made) {
    let made = Made::default();
    (change(with_lock(Sandbox::builder(), &made)).build().unwrap(), made)
}

/// Parks at once.
fn at_once() -> WaitLimits {
    WaitLimits::default().park_after(Duration::ZERO)
}

fn agenda() -> [CallerTool; 2] {
    let day = json!({"properties": {"day": {"type": "string"}}, "required": ["day"]});
    let events = CallerTool::new("agenda.get_events").describe("Events of a day.").parameters(day);
    [events.output(json!({"type": "array"})).read_only(), CallerTool::new("agenda.add")]
}

fn raw(json: &Value) -> Box<RawValue> {
    RawValue::from_string(json.to_string()).unwrap()
}

fn reply(json: &Value) -> Answer {
    Answer::Reply(raw(json))
}

/// What a report waits for: number, tool, arguments, and whether the caller answers.
fn calls(report: &Report) -> Vec<(u32, String, Value, bool)> {
    assert_eq!(report.outcome, Outcome::Waiting, "{report:?}");
    let calls = report.waiting.as_ref().unwrap().calls.iter();
    let call = |call: &ai_code_executor::WaitingCall| {
        let arguments = serde_json::from_str(call.arguments.get()).unwrap();
        (call.call, call.tool.clone(), arguments, call.waits_for == WaitsFor::Caller)
    };
    calls.map(call).collect()
}

fn ended(report: &Report) -> (Outcome, Value) {
    assert_eq!(report.error, None, "{report:?}");
    (report.outcome, value_of(report))
}

const TODAY: &str =
    "import agenda\nprint('asks')\nfound = await agenda.get_events('today')\nprint('got', found)\nlen(found)";

#[tokio::test]
async fn a_caller_answers_its_own_tools() {
    for limits in [WaitLimits::default(), at_once()] {
        let (sandbox, _) = sandbox(|builder| builder.wait_limits(limits));
        let report = sandbox.run(Execution::new(TODAY).caller_tools(agenda())).await.unwrap();
        assert_eq!(calls(&report), [(0, "agenda.get_events".into(), json!({"day": "today"}), true)]);
        assert_eq!(report.stdout.text, "asks\n");
        let waiting = report.waiting.as_ref().unwrap();
        assert_eq!((waiting.epoch, waiting.calls[0].line), (1, Some(3)));
        let found = json!(["breakfast", "dentist"]);
        let report = sandbox.resume(report.id, 1, vec![(0, reply(&found))], None).await.unwrap();
        assert_eq!(ended(&report), (Outcome::Completed, json!(2)));
        assert_eq!(report.stdout.text, "asks\ngot ['breakfast', 'dentist']\n");
        assert_eq!(report.usage.tool_calls, 1);
        let kept = sandbox.status(report.id).await.unwrap();
        assert!(matches!(kept, ExecutionStatus::Ended(kept) if value_of(&kept) == json!(2)));
    }
}

#[tokio::test]
async fn gathered_calls_wait_as_a_set_and_may_be_answered_in_parts() {
    let code = "import agenda, asyncio
async def one(day):
    got = await agenda.get_events(day)
    print(day)
    return got[0]
await asyncio.gather(*map(one, ('a', 'b', 'c')))";
    for limits in [WaitLimits::default(), at_once()] {
        let (sandbox, _) = sandbox(|builder| builder.wait_limits(limits));
        let report = sandbox.run(Execution::new(code).caller_tools(agenda())).await.unwrap();
        assert_eq!(calls(&report).len(), 3);
        let answers = vec![(1, reply(&json!(["B"])))];
        let report = sandbox.resume(report.id, 1, answers, None).await.unwrap();
        let waiting: Vec<u32> = calls(&report).iter().map(|call| call.0).collect();
        assert_eq!((report.waiting.as_ref().unwrap().epoch, waiting), (2, vec![0, 2]));
        assert_eq!(report.stdout.text, "b\n");
        let answers = vec![(0, reply(&json!(["A"]))), (2, Answer::Error("no network".into()))];
        let report = sandbox.resume(report.id, 2, answers, None).await.unwrap();
        assert_eq!(report.outcome, Outcome::Failure);
        let error = report.error.unwrap();
        assert_eq!(
            (error.kind.as_str(), error.message.as_str()),
            ("ToolError", "Tool 'agenda.get_events' failed: no network")
        );
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_taken_does_not_spend_the_epoch() {
    let (sandbox, _) = sandbox(|builder| builder);
    let report = sandbox.run(Execution::new(TODAY).caller_tools(agenda())).await.unwrap();
    let id = report.id;
    let refused = async |epoch, answers: Vec<(u32, Answer)>| {
        sandbox.resume(id, epoch, answers, None).await.unwrap_err()
    };
    assert!(matches!(refused(1, Vec::new()).await, Error::Contradiction { .. }));
    assert!(matches!(refused(1, vec![(7, Answer::Approve)]).await, Error::Answer { call: 7, .. }));
    assert!(matches!(refused(1, vec![(0, Answer::Approve)]).await, Error::Answer { call: 0, .. }));
    let wrong = refused(1, vec![(0, reply(&json!({"not": "a list"})))]).await.to_string();
    assert!(wrong.contains("output schema"), "{wrong}");
    for epoch in [0, 2] {
        let stale = refused(epoch, vec![(0, reply(&json!([])))]).await;
        let Error::StaleEpoch { current: Some(current), .. } = stale else { panic!("{stale:?}") };
        assert_eq!(current.outcome, Outcome::Waiting);
    }
    // Of several, one succeeds.
    let answers = || vec![(0, reply(&json!([1])))];
    let (one, other) =
        tokio::join!(sandbox.resume(id, 1, answers(), None), sandbox.resume(id, 1, answers(), None));
    assert_eq!([one.is_ok(), other.is_ok()].iter().filter(|is_ok| **is_ok).count(), 1);
    let stale = refused(1, answers()).await;
    let Error::StaleEpoch { current: Some(current), .. } = stale else { panic!("{stale:?}") };
    assert_eq!(ended(&current), (Outcome::Completed, json!(1)));
}

#[tokio::test]
async fn a_person_approves_these_arguments_or_denies_them() {
    let code = "import lock\n[await lock.state(), await lock.unlock('front')]";
    for limits in [WaitLimits::default(), at_once()] {
        let (sandbox, made) = sandbox(|builder| builder.wait_limits(limits));
        let execution = || Execution::new(code).on_wait(OnWait::Return);
        let report = sandbox.run(execution()).await.unwrap();
        assert_eq!(calls(&report), [(1, "lock.unlock".into(), json!({"door": "front"}), false)]);
        let prompt = report.waiting.as_ref().unwrap().calls[0].prompt.clone();
        assert_eq!(prompt.as_deref(), Some("Call lock.unlock?\ndoor = \"front\""));
        assert_eq!((sandbox.approvals().len(), made.count()), (1, 0));
        let report = sandbox.resume(report.id, 1, vec![(1, Answer::Approve)], None).await.unwrap();
        assert_eq!(ended(&report), (Outcome::Completed, json!(["locked", {"unlocked": "front"}])));
        assert_eq!((sandbox.approvals().len(), made.count()), (0, 1));
        let report = sandbox.run(execution()).await.unwrap();
        let denied = vec![(1, Answer::Deny("not at night".into()))];
        let report = sandbox.resume(report.id, 1, denied, None).await.unwrap();
        let error = report.error.unwrap();
        assert_eq!(error.to_string(), "ToolDenied: Tool 'lock.unlock' was denied: not at night");
        assert_eq!(made.count(), 1);
    }
}

#[tokio::test]
async fn who_holds_gets_the_answer_when_somebody_approves() {
    let (sandbox, made) = sandbox(|builder| builder.wait_limits(at_once()));
    let running = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { sandbox.run(Execution::new("import lock\nawait lock.unlock('front')")).await.unwrap() }
    });
    let approval = loop {
        match sandbox.approvals().pop() {
            Some(approval) => break approval,
            None => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    };
    sandbox
        .answer(approval.execution, approval.epoch, vec![(approval.call.call, Answer::Approve)])
        .await
        .unwrap();
    assert_eq!(ended(&running.await.unwrap()), (Outcome::Completed, json!({"unlocked": "front"})));
    assert_eq!(made.count(), 1);
    // Nobody answers: the wall clock runs on.
    let limits = Limits::default().wall_time(Duration::from_millis(300));
    let held = Execution::new("import lock\nprint('asks')\nawait lock.unlock('front')").limits(limits);
    let report = sandbox.run(held).await.unwrap();
    assert_eq!((report.outcome, report.stdout.text.as_str()), (Outcome::Timeout, "asks\n"));
    assert_eq!(report.error.unwrap().message, "Execution exceeded 0.3s timeout");
    assert!(sandbox.approvals().is_empty());
}

struct Asks;

impl ToolPolicy for Asks {
    fn decide<'a>(
        &'a self,
        request: ToolRequest<'a>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Decision> + Send + 'a>> {
        let decision = match request.path {
            "lock.count" => Decision::Ask,
            "lock.unlock" => Decision::Deny("never".into()),
            _ => Decision::Allow,
        };
        Box::pin(std::future::ready(decision))
    }
}

#[tokio::test]
async fn a_policy_may_ask_and_still_deny() {
    let (sandbox, made) = sandbox(|builder| builder.tool_policy(Asks));
    let code = "import lock\nawait lock.state()\nawait lock.count()\nawait lock.unlock('front')";
    let report = sandbox.run(Execution::new(code).on_wait(OnWait::Return)).await.unwrap();
    assert_eq!(calls(&report)[0].1, "lock.count");
    let report = sandbox.resume(report.id, 1, vec![(1, Answer::Approve)], None).await.unwrap();
    assert!(report.error.unwrap().message.ends_with("was denied: never"));
    assert_eq!(made.count(), 1);
}

#[tokio::test]
async fn arguments_that_nobody_would_read_are_not_approved() {
    let (sandbox, made) = sandbox(|builder| builder);
    let code = "import lock\nawait lock.unlock('x' * 20_000)";
    let report = sandbox.run(Execution::new(code)).await.unwrap();
    let error = report.error.unwrap();
    assert!(
        error.kind == "ToolDenied" && error.message.contains("cannot be approved; limit is 16384"),
        "{error}"
    );
    assert_eq!(made.count(), 0);
}

#[tokio::test]
async fn a_program_that_cannot_give_its_stack_back_waits_in_its_slot() {
    let (sandbox, made) = sandbox(|builder| builder.wait_limits(at_once()));
    let nested = "import agenda, asyncio\ndef main():\n    print('in')\n    return asyncio.run(agenda.get_events('x'))\nmain()";
    let report = sandbox.run(Execution::new(nested).caller_tools(agenda())).await.unwrap();
    assert_eq!((calls(&report).len(), report.stdout.text.as_str()), (1, "in\n"));
    let report = sandbox.resume(report.id, 1, vec![(0, reply(&json!([5])))], None).await.unwrap();
    assert_eq!(ended(&report), (Outcome::Completed, json!([5])));
    let approval = "import lock, asyncio\ndef main():\n    return asyncio.run(lock.unlock('x'))\nmain()";
    let report = sandbox.run(Execution::new(approval).on_wait(OnWait::Return)).await.unwrap();
    let error = report.error.unwrap();
    assert!(error.kind == "ToolDenied" && error.message.contains("await main()"), "{error}");
    assert_eq!(made.count(), 0);
}

#[tokio::test]
async fn a_program_that_runs_its_main_at_module_level_gives_its_stack_back() {
    let (sandbox, made) = sandbox(|builder| builder.wait_limits(at_once()));
    let code = "import asyncio, lock
async def main():
    return await asyncio.gather(lock.unlock('front'), lock.unlock('back'))
if __name__ == '__main__':
    asyncio.run(main())";
    let report = sandbox.run(Execution::new(code).on_wait(OnWait::Return)).await.unwrap();
    assert_eq!(calls(&report).len(), 2);
    let answers = vec![(0, Answer::Approve), (1, Answer::Approve)];
    let report = sandbox.resume(report.id, 1, answers, None).await.unwrap();
    assert_eq!(ended(&report), (Outcome::Completed, json!([{"unlocked": "front"}, {"unlocked": "back"}])));
    assert_eq!(made.count(), 2);
}

#[tokio::test]
async fn timers_fire_while_a_call_waits() {
    let code = "import agenda, asyncio
try:
    async with asyncio.timeout(0.05):
        await agenda.get_events('x')
except TimeoutError:
    print('late')
await asyncio.sleep(0.01)
(await agenda.get_events('y'))[0]";
    for limits in [WaitLimits::default(), at_once()] {
        let (sandbox, _) = sandbox(|builder| builder.wait_limits(limits));
        let report = sandbox.run(Execution::new(code).caller_tools(agenda())).await.unwrap();
        let first = report.waiting.as_ref().unwrap().calls[0].call;
        let status = sandbox.wait(report.id, 1, Duration::from_secs(20)).await.unwrap();
        let report = status.into_report().unwrap();
        assert_eq!((calls(&report)[0].0, report.stdout.text.as_str()), (first + 1, "late\n"));
        let late = sandbox.resume(report.id, 1, vec![(first, reply(&json!([])))], None).await.unwrap_err();
        assert!(matches!(late, Error::StaleEpoch { .. }));
        let report =
            sandbox.resume(report.id, 2, vec![(first + 1, reply(&json!(["z"])))], None).await.unwrap();
        assert_eq!(ended(&report), (Outcome::Completed, json!("z")));
    }
}

#[tokio::test]
async fn what_waits_gives_its_slot_to_others_and_does_not_count_its_time() {
    let (sandbox, _) = sandbox(|builder| builder.concurrency(1));
    let limits = Limits::default().wall_time(Duration::from_millis(400));
    let execution = Execution::new(TODAY).caller_tools(agenda()).limits(limits);
    let report = sandbox.run(execution).await.unwrap();
    let begun = Instant::now();
    // The one that waits keeps its instance for two seconds, unless another needs the slot.
    let other = sandbox.run(Execution::new("6 * 7")).await.unwrap();
    assert_eq!(value_of(&other), json!(42));
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let report = sandbox.resume(report.id, 1, vec![(0, reply(&json!([1])))], None).await.unwrap();
    assert_eq!(ended(&report), (Outcome::Completed, json!(1)));
    assert!(report.usage.wall_time < Duration::from_millis(400), "{:?}", report.usage.wall_time);
    // Sleeping does not count either; computing does.
    let naps = "import asyncio\nfor n in range(5): await asyncio.sleep(0.15)\n'slept'";
    let execution = Execution::new(naps).on_wait(OnWait::Return).limits(limits);
    assert_eq!(ended(&sandbox.run(execution).await.unwrap()).1, json!("slept"));
    let busy = "import asyncio\nawait asyncio.sleep(0.1)\nwhile True: pass";
    let execution = Execution::new(busy).on_wait(OnWait::Return).limits(limits);
    assert_eq!(sandbox.run(execution).await.unwrap().outcome, Outcome::Timeout);
}

#[tokio::test]
async fn an_execution_that_nobody_answers_expires() {
    for park_after in [Duration::ZERO, Duration::from_mins(1)] {
        let limits = WaitLimits::default().wait_max(Duration::from_millis(100)).park_after(park_after);
        let (sandbox, _) = sandbox(|builder| builder.wait_limits(limits));
        let report = sandbox.run(Execution::new(TODAY).caller_tools(agenda())).await.unwrap();
        let status = sandbox.wait(report.id, 1, Duration::from_secs(20)).await.unwrap();
        let ExecutionStatus::Ended(end) = status else { panic!("{status:?}") };
        assert_eq!((end.outcome, end.stdout.text.as_str()), (Outcome::Cancelled, "asks\n"));
        let answers = vec![(0, reply(&json!([])))];
        // The entry of the end may follow a moment later.
        let refused = loop {
            match sandbox.resume(report.id, 1, answers.clone(), None).await.unwrap_err() {
                Error::StaleEpoch { .. } => tokio::time::sleep(Duration::from_millis(2)).await,
                refused => break refused,
            }
        };
        assert!(matches!(refused, Error::Expired), "{refused:?}");
    }
}

#[tokio::test]
async fn executions_that_wait_are_limited_and_can_be_cancelled() {
    let limits = at_once().waiting_max(2);
    let (sandbox, _) = sandbox(|builder| builder.wait_limits(limits));
    let run = || sandbox.run(Execution::new(TODAY).caller_tools(agenda()));
    let (first, _second) = (run().await.unwrap(), run().await.unwrap());
    let refused = run().await.unwrap_err();
    assert!(matches!(refused, Error::CallerLimit { limit: 2, .. }), "{refused}");
    assert_eq!(sandbox.executions().await.unwrap().len(), 2);
    sandbox.cancel(first.id).await.unwrap();
    let status = sandbox.wait(first.id, 1, Duration::from_secs(20)).await.unwrap();
    assert!(matches!(status, ExecutionStatus::Ended(end) if end.outcome == Outcome::Cancelled));
    while sandbox.executions().await.unwrap().iter().filter(|info| info.status == "waiting").count() > 1 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    run().await.unwrap();
    let unknown = sandbox.status("00000000-0000-4000-8000-000000000000".parse().unwrap()).await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownExecution { .. }));
}

#[tokio::test]
async fn a_caller_that_goes_away_before_the_first_wait_ends_the_execution() {
    let (sandbox, _) = sandbox(|builder| builder);
    let execution = Execution::new("while True: pass").caller_tools(agenda());
    let gone = tokio::time::timeout(Duration::from_millis(200), sandbox.run(execution)).await;
    assert!(gone.is_err());
    let begun = Instant::now();
    while !sandbox.executions().await.unwrap().iter().all(|info| info.status == "ended") {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_plan_has_no_effect() {
    let (sandbox, made) = sandbox(|builder| builder);
    let code = "import lock\nstate = await lock.state()\nif state == 'locked':\n    got = await lock.unlock('front')\n    await lock.count()\n(state, got)";
    let report = sandbox.run(Execution::new(code).plan()).await.unwrap();
    assert_eq!(ended(&report), (Outcome::Completed, json!(["locked", null])));
    let plan = report.plan.unwrap();
    let planned: Vec<_> =
        plan.iter().map(|call| (call.tool.as_str(), call.arguments.get(), call.line)).collect();
    assert_eq!(planned, [("lock.unlock", r#"{"door":"front"}"#, Some(4)), ("lock.count", "{}", Some(5))]);
    assert_eq!(made.count(), 0);
    // Arguments are checked as ever.
    let wrong = sandbox.run(Execution::new("import lock\nawait lock.unlock(7)").plan()).await.unwrap();
    assert_eq!(wrong.error.unwrap().kind, "ToolArgumentError");
    let plan = sandbox.run(Execution::new("1").plan()).await.unwrap().plan;
    assert!(plan.is_some_and(|plan| plan.is_empty()));
    // Of the caller's tools, those that only read are asked.
    let both = "import agenda\nawait agenda.add(title='x')\nawait agenda.get_events('today')";
    let report = sandbox.run(Execution::new(both).plan().caller_tools(agenda())).await.unwrap();
    assert_eq!(calls(&report)[0].1, "agenda.get_events");
    let report = sandbox.resume(report.id, 1, vec![(1, reply(&json!([])))], None).await.unwrap();
    assert_eq!(report.plan.unwrap()[0].tool, "agenda.add");
}

#[tokio::test]
async fn events_tell_about_calls_and_go_to_whoever_answered() {
    let (sandbox, _) = sandbox(|builder| builder.wait_limits(at_once()));
    let listen = |mut events: Events| {
        tokio::spawn(async move {
            let mut told = Vec::new();
            let mut line = String::new();
            while let Some(event) = events.next().await {
                // A line may come in parts.
                if let Event::Stdout(text) = &event {
                    line += text;
                    if !line.ends_with('\n') {
                        continue;
                    }
                }
                told.push(match event {
                    Event::Started(_) => "started".into(),
                    Event::Stdout(_) => mem::take(&mut line).trim_end().to_owned(),
                    Event::ToolBegin { tool, .. } => format!("begin {tool}"),
                    Event::ToolEnd { tool, bytes, .. } => format!("end {tool} {bytes}"),
                    other => format!("{other:?}"),
                });
            }
            told.join(", ")
        })
    };
    let (sink, told) = events();
    let told = listen(told);
    let report = sandbox.run(Execution::new(TODAY).caller_tools(agenda()).events(sink)).await.unwrap();
    assert_eq!(told.await.unwrap(), "started, asks, begin agenda.get_events");
    let (sink, told) = events();
    let told = listen(told);
    sandbox.resume(report.id, 1, vec![(0, reply(&json!([1])))], Some(sink)).await.unwrap();
    assert_eq!(told.await.unwrap(), "end agenda.get_events 3, got [1]");
}

#[tokio::test]
async fn an_execution_that_nobody_waits_for_keeps_its_report() {
    let (sandbox, _) = sandbox(|builder| builder);
    let id = sandbox.start(Execution::new("print('hi')\n6 * 7")).await.unwrap();
    let end = sandbox.wait(id, 0, Duration::from_secs(20)).await.unwrap().into_report().unwrap();
    assert_eq!((ended(&end), end.stdout.text.as_str()), ((Outcome::Completed, json!(42)), "hi\n"));
    let rejected = sandbox.start(Execution::new("import os")).await.unwrap_err();
    assert!(matches!(rejected, Error::Rejected(_)));
}

const FILE_BYTES: u64 = 64 << 20;

fn sealer() -> Sealer {
    Sealer::new(Key::derive(&[7; 32]).unwrap(), None)
}

fn stored(dir: &Path, made: &Made) -> Sandbox {
    let store = Embedded::open(dir, FILE_BYTES).unwrap();
    with_lock(Sandbox::builder(), made).wait_limits(at_once()).store(store, sealer()).build().unwrap()
}

/// Waits until the store can be opened again: the sandbox's last task may still hold it.
async fn again(dir: &Path, made: &Made) -> Sandbox {
    for _ in 0..1000 {
        match Embedded::open(dir, FILE_BYTES) {
            Ok(store) => {
                drop(store);
                return stored(dir, made);
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the store is still in use");
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_outlive_the_sandbox() {
    let (dir, made) = (tempfile::tempdir().unwrap(), Made::default());
    let first = stored(dir.path(), &made);
    let report = first.run(Execution::new(TODAY).caller_tools(agenda())).await.unwrap();
    let code = "import asyncio, lock\nprint('sleeps')\nawait asyncio.sleep(0.3)\nawait lock.state()";
    let sleeper = first.start(Execution::new(code)).await.unwrap();
    let held = tokio::spawn({
        let first = first.clone();
        async move { first.run(Execution::new("import lock\nawait lock.unlock('front')")).await.unwrap() }
    });
    while first.approvals().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::time::sleep(Duration::from_millis(150)).await;
    first.shutdown(Duration::from_secs(10)).await;
    // Who held the connection learns that the execution goes on waiting.
    let held = held.await.unwrap();
    assert_eq!(calls(&held)[0].1, "lock.unlock");
    drop(first);
    let second = again(dir.path(), &made).await;
    assert_eq!((second.approvals().len(), made.count()), (1, 0));
    let status = second.status(report.id).await.unwrap().into_report().unwrap();
    assert_eq!((calls(&status).len(), status.stdout.text.as_str()), (1, "asks\n"));
    let end = second.resume(report.id, 1, vec![(0, reply(&json!([1, 2, 3])))], None).await.unwrap();
    assert_eq!(
        (ended(&end), end.stdout.text.as_str()),
        ((Outcome::Completed, json!(3)), "asks\ngot [1, 2, 3]\n")
    );
    let end = second.wait(sleeper, 0, Duration::from_secs(20)).await.unwrap().into_report().unwrap();
    assert_eq!((ended(&end), end.stdout.text.as_str()), ((Outcome::Completed, json!("locked")), "sleeps\n"));
    let end = second.resume(held.id, 1, vec![(0, Answer::Approve)], None).await.unwrap();
    assert_eq!(ended(&end).1, json!({"unlocked": "front"}));
    assert_eq!(made.count(), 1);
    // Reports are kept too.
    second.shutdown(Duration::from_secs(10)).await;
    drop(second);
    let third = again(dir.path(), &made).await;
    let end = third.status(report.id).await.unwrap().into_report().unwrap();
    assert_eq!(ended(&end), (Outcome::Completed, json!(3)));
}
