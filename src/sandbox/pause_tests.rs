//! Programs that are parked at each wait and continued in another instance. They end as programs that are never parked.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use futures::future::BoxFuture;
use serde_json::json;
use serde_json::value::RawValue;

use super::isolation_tests::cache_dir;
use super::*;
use crate::execution::{Answer, CallerTool, OnWait, WaitingCall};
use crate::instance::{Frozen, Thaw};
use crate::tools::{Outside, Tool, ToolCall};

/// Maximum size of a parked execution.
const BYTES_MAX: usize = 16 << 20;

fn sandbox() -> Sandbox {
    let value = json!({"properties": {"value": {}}});
    let echo = Tool::new("spy", "echo", async |call: ToolCall| Ok(json!(call.arguments.get("value"))));
    let slow = Tool::new("spy", "slow", |call: ToolCall| -> BoxFuture<'static, _> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(call.arguments["value"].as_u64().unwrap())).await;
            Ok(json!(call.arguments["value"]))
        })
    });
    let never = Tool::new("spy", "never", |_| std::future::pending());
    let tools = [echo.parameters(value.clone()), slow.parameters(value), never];
    Sandbox::builder().concurrency(1).cache_dir(cache_dir()).tools(tools).build().unwrap()
}

/// Returns the tools of [`sandbox`] as those of the caller.
fn of_caller() -> [CallerTool; 3] {
    let value = json!({"properties": {"value": {}}});
    let tool = |name: &str| CallerTool::new(format!("spy.{name}")).parameters(value.clone());
    [tool("echo"), tool("slow"), CallerTool::new("spy.never")]
}

/// Runs an execution whose tools are those of its caller, and writes it down whenever it waits. Returns the report and how
/// often it was written down.
async fn run_parked(sandbox: &Sandbox, execution: Execution) -> (Report, usize) {
    let execution = execution.on_wait(OnWait::Return);
    let shared = &sandbox.0.shared;
    let Accepted { source, mut execution, of_caller, edition } =
        shared.accept(shared.edition(), execution).unwrap();
    let grants = shared.grants(&edition, &mut execution, of_caller, Arc::default());
    let (id, outside, pauses) =
        (ExecutionId::random(), grants.outside.clone(), Pauses::WhenIdle { naps: true });
    let run = Run {
        id,
        base: &edition.base,
        source: &source,
        execution: &execution,
        grants: grants.clone(),
        in_callers_thread: false,
        pauses,
        after: None,
    };
    let cancel = Cancel::new(shared.cancel.clone(), None);
    let (mut progress, mut parks) = (answered_inside(shared.template.run(run, &cancel), &outside).await, 0);
    loop {
        match progress {
            Progress::Ended(report, _) => return (report, parks),
            Progress::Paused(waiting) => {
                parks += 1;
                let wakes_after = waiting.wakes_after;
                let frozen = Template::freeze(*waiting, BYTES_MAX).map_err(|(_, error)| error).unwrap();
                answer(&outside, wakes_after).await;
                let frozen = Frozen::decode(&frozen.encode()).unwrap();
                let limits = execution.limits;
                let thaw = Thaw {
                    id,
                    limits,
                    grants: grants.clone(),
                    pauses,
                    keeps: false,
                    began: None,
                    base: edition.base.clone(),
                };
                let thawed = shared.template.thaw(frozen, thaw).await.unwrap();
                progress = answered_inside(shared.template.go_on(thawed, &cancel), &outside).await;
            }
        }
    }
}

/// Runs a guest, and answers its calls if it waits for them without giving its stack back.
async fn answered_inside(
    running: impl Future<Output = Result<Progress, Error>>,
    outside: &Outside,
) -> Progress {
    let mut running = std::pin::pin!(running);
    loop {
        tokio::select! {
            progress = &mut running => return progress.unwrap(),
            _ = outside.stuck() => answer(outside, None).await,
        }
    }
}

/// Answers as the tools of [`sandbox`] do: echoes first, then the one that takes the shortest time.
async fn answer(outside: &Outside, wakes_after: Option<Duration>) {
    let waiting = outside.waiting();
    let value = |call: &WaitingCall| {
        let arguments: serde_json::Value = serde_json::from_str(call.arguments.get()).unwrap();
        arguments.get("value").cloned().unwrap_or_default()
    };
    let reply = |call: &WaitingCall| {
        let reply = RawValue::from_string(value(call).to_string()).unwrap();
        (call.call, Answer::Reply(reply))
    };
    let echoes: Vec<_> = waiting.iter().filter(|call| call.tool == "spy.echo").map(reply).collect();
    let slow = waiting.iter().filter(|call| call.tool == "spy.slow");
    let slow = slow.min_by_key(|call| value(call).as_u64()).map(reply);
    if !echoes.is_empty() {
        outside.answer(echoes);
    } else if let Some(slow) = slow {
        outside.answer([slow]);
    } else {
        tokio::time::sleep(wakes_after.unwrap()).await;
    }
}

/// Formats the parts of a report that must not depend on parking, without the addresses of objects.
fn seen(report: &Report) -> String {
    let value = report.value.as_ref().map(|value| value.get());
    let (repr, error) = (report.value_is_repr, &report.error);
    let all =
        format!("{:?} {value:?} {repr} {:?} {:?} {error:?}", report.outcome, report.stdout, report.stderr);
    let parts: Vec<_> = all
        .split(" at 0x")
        .map(|part| part.trim_start_matches(|each: char| each.is_ascii_hexdigit()))
        .collect();
    parts.join(" at ")
}

/// Returns the programs in `tests/cases`, with their names and contexts.
fn cases() -> Vec<(String, Execution)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let case = |path: &std::path::PathBuf| {
        let code = fs::read_to_string(path).unwrap();
        let context = code.lines().find_map(|line| line.strip_prefix("#> context: ")).unwrap_or("{}");
        let context: serde_json::Map<String, serde_json::Value> = serde_json::from_str(context).unwrap();
        let execution =
            context.iter().fold(Execution::new(&code), |made, (name, value)| made.variable(name, value));
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), execution)
    };
    cases.iter().map(case).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_parked_at_each_wait_end_as_others() {
    let (both, mut parks_in_all) = (sandbox(), 0);
    for (name, execution) in cases() {
        let expected = seen(&both.run(execution.clone()).await.unwrap());
        let (report, parks) = run_parked(&both, execution).await;
        assert_eq!(seen(&report), expected, "{name}, parked {parks} times");
        parks_in_all += parks;
    }
    assert!(parks_in_all > 5, "parked only {parks_in_all} times");
}

/// Programs that wait, and whether they can be parked then.
const WAITING: [(&str, bool); 17] = [
    ("import spy\n[await spy.echo(n) for n in range(5)]", true),
    ("import spy, asyncio\nawait asyncio.gather(*(spy.echo(n) for n in range(40)))", true),
    (
        "import spy, asyncio\nasync def twice(n): return [await spy.slow(n), await spy.slow(n)]\n
async with asyncio.TaskGroup() as group: tasks = [group.create_task(twice(n)) for n in (30, 10, 20)]
[task.result() for task in tasks]",
        true,
    ),
    (
        "import spy, asyncio\ntry:\n    await asyncio.wait_for(spy.never(), 0.02)\nexcept TimeoutError:\n    _ = 'gave up'",
        true,
    ),
    (
        "import spy, asyncio\nasync with asyncio.timeout(5):\n    print(await spy.echo('x'))\nawait asyncio.sleep(0.01, 'slept')",
        true,
    ),
    (
        "import spy\nasync def numbers():\n    for n in range(3): yield await spy.echo(n)\n[n async for n in numbers()]",
        true,
    ),
    (
        "import spy, asyncio\nlock, order = asyncio.Lock(), []
async def turn(n):\n    async with lock:\n        order.append(await spy.slow(n))
await asyncio.gather(*map(turn, (9, 1, 5)))\norder",
        true,
    ),
    (
        "import spy, random\nrandom.seed(7)\nbefore = random.random()\nawait spy.echo(1)\n[before, random.random()]",
        true,
    ),
    (
        "import spy\nprint('a', await spy.echo(1))\nprint('b', await spy.echo(2))\nraise ValueError(await spy.echo('no'))",
        true,
    ),
    (
        "import spy\nclass Kept:\n    def __del__(self): print('destroyed')\nkept = Kept()\nawait spy.echo(1)\nprint('end')",
        true,
    ),
    ("import spy\n1 + 1\nawait spy.echo(None)\nNone", true),
    ("import spy\n_ = await spy.echo(3)\n'another'", true),
    ("import spy\nawait spy.echo(1)\nraise SystemExit(0)", true),
    ("import spy\nawait spy.echo(1)\nif True: spy.echo(2)", true),
    ("import spy, asyncio\nasync def main():\n    return await spy.echo(1)\nasyncio.run(main())", true),
    // A wait inside a function keeps its frames on the stack, so it cannot be parked.
    ("import spy, asyncio\ndef main():\n    return asyncio.run(spy.echo(1))\nmain()", false),
    ("import time\ntime.sleep(0.01)\n'slept'", false),
];

#[tokio::test(flavor = "multi_thread")]
async fn parked_programs_continue_where_they_wait() {
    let (whole, parked) = (sandbox(), Sandbox::builder().cache_dir(cache_dir()).build().unwrap());
    for (code, can_park) in WAITING {
        let expected = whole.run(Execution::new(code)).await.unwrap();
        let (report, parks) = run_parked(&parked, Execution::new(code).caller_tools(of_caller())).await;
        assert_eq!(seen(&report), seen(&expected), "{code}");
        assert_eq!(report.usage.tool_calls, expected.usage.tool_calls, "{code}");
        assert_eq!(parks > 0, can_park, "{code}: parked {parks} times");
    }
}
