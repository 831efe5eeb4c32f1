//! Tools that are replaced while programs run: each program has those that it began with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ai_code_executor::{Error, Execution, KeepState, Report, Sandbox, Tool, ToolCall};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::{JoinSet, spawn_blocking};

use crate::support::{cache_dir, value_of};

/// Returns tools of the module `home`. `say` returns the number of the list; `only_N` is only in list N.
fn tools(list: u32) -> Vec<Tool> {
    let say = move |_: ToolCall| async move { Ok(json!(list)) };
    let parameters = json!({"properties": {format!("a{list}"): {"type": "integer"}}});
    vec![
        Tool::new("home", "say", say).describe("Says which list this is."),
        Tool::new("home", format!("only_{list}"), say).parameters(parameters),
    ]
}

fn sandbox() -> Sandbox {
    Sandbox::builder().tools(tools(0)).cache_dir(cache_dir()).build().unwrap()
}

async fn replace(sandbox: &Sandbox, tools: Vec<Tool>) -> Result<(), Error> {
    let sandbox = sandbox.clone();
    spawn_blocking(move || sandbox.replace_tools(tools)).await.unwrap()
}

async fn value(sandbox: &Sandbox, code: &str) -> Value {
    let report = sandbox.run(Execution::new(code)).await.unwrap();
    assert_eq!(report.error, None, "{code}");
    value_of(&report)
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_find_the_tools_that_there_are_when_they_begin() {
    let held = Arc::new(Notify::new());
    let waits = held.clone();
    let wait = move |_: ToolCall| {
        let waits = waits.clone();
        async move {
            waits.notified().await;
            Ok(Value::Null)
        }
    };
    let sandbox = sandbox();
    replace(&sandbox, [tools(1), vec![Tool::new("home", "wait", wait)]].concat()).await.unwrap();
    let code = "import home\nawait home.wait()\nawait home.say(), await home.only_1()";
    let earlier = tokio::spawn({
        let sandbox = sandbox.clone();
        async move { value(&sandbox, code).await }
    });
    assert_eq!(value(&sandbox, "import home\nawait home.only_1()").await, json!(1));
    tokio::time::sleep(Duration::from_millis(100)).await;
    replace(&sandbox, tools(2)).await.unwrap();
    assert_eq!(value(&sandbox, "import home\nawait home.say(), await home.only_2()").await, json!([2, 2]));
    held.notify_one();
    assert_eq!(earlier.await.unwrap(), json!([1, 1]));
    let refused = sandbox.run(Execution::new("import home\nawait home.only_1()")).await.unwrap_err();
    assert!(refused.to_string().contains("only_1"), "{refused}");
    let refused = sandbox.run(Execution::new("1").tools(["home.only_1"])).await.unwrap_err();
    assert!(matches!(refused, Error::UnknownTool { .. }), "{refused}");
    assert_eq!(value(&sandbox, "import tools\nlen(tools.search(''))").await, json!(2));
    let paths: Vec<_> = sandbox.catalogue().tools().iter().map(|tool| tool.path.clone()).collect();
    assert_eq!(paths, ["home.only_2", "home.say"]);
    sandbox.self_test().await.unwrap();
    // There are series for the tools that there are, and for no others.
    let metrics = sandbox.metrics().encode();
    assert!(metrics.contains("home.only_2") && !metrics.contains("home.only_1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_run_while_tools_are_replaced() {
    let sandbox = sandbox();
    let done = Arc::new(AtomicBool::new(false));
    let mut running = JoinSet::new();
    for _ in 0..3 {
        let (sandbox, done) = (sandbox.clone(), done.clone());
        running.spawn(async move {
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let said = value(&sandbox, "import home\n[await home.say() for n in range(3)]").await;
                assert!(said[0] == said[1] && said[1] == said[2], "{said}");
                seen.push(said[0].as_u64().unwrap());
            }
            seen
        });
    }
    for list in 1..4 {
        replace(&sandbox, tools(list)).await.unwrap();
        assert_eq!(value(&sandbox, "import home\nawait home.say()").await, json!(list));
    }
    done.store(true, Ordering::Relaxed);
    for seen in running.join_all().await {
        assert!(seen.is_sorted() && seen.len() > 3, "{seen:?}");
    }
    assert!(sandbox.is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn states_outlive_the_tools_that_they_began_with() {
    let sandbox = sandbox();
    let mut states = Vec::new();
    let keep = async |code: &str, state: KeepState| -> Result<Report, Error> {
        sandbox.run(Execution::new(code).state(state)).await
    };
    for list in 0..4 {
        if list > 0 {
            replace(&sandbox, tools(list)).await.unwrap();
        }
        let code = format!("import home\nx = {list}\nawait home.only_{list}()");
        states.push(keep(&code, KeepState::New).await.unwrap().state.unwrap());
    }
    for (list, state) in states.iter().enumerate() {
        let code = format!(
            "try: await home.only_{list}()\nexcept ToolError as error: x = [x, str(error)]\nx, await home.only_3()"
        );
        let end = keep(&code, KeepState::After(*state)).await.unwrap();
        assert_eq!(end.error, None, "{list}");
        let value = value_of(&end);
        match list {
            3 => assert_eq!(value, json!([3, 3])),
            _ => assert!(
                value[0][0] == list && value[0][1].as_str().unwrap().contains("is not there any more"),
                "{value}"
            ),
        }
    }
    // The tools of an earlier list are no new image.
    replace(&sandbox, tools(2)).await.unwrap();
    assert_eq!(value_of(&keep("x", KeepState::After(states[2])).await.unwrap()), json!(2));
    // The first image stays, and the last ones.
    for list in 4..8 {
        replace(&sandbox, tools(list)).await.unwrap();
    }
    assert_eq!(value_of(&keep("x", KeepState::After(states[0])).await.unwrap()), json!(0));
    for state in &states[1..] {
        assert!(matches!(keep("x", KeepState::After(*state)).await, Err(Error::ImageGone)));
    }
    assert_eq!(value(&sandbox, "import home\nawait home.only_7()").await, json!(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_take_too_much_memory_replace_nothing() {
    let sandbox = sandbox();
    replace(&sandbox, tools(1)).await.unwrap();
    // Each argument is some objects in the interpreter.
    let arguments: serde_json::Map<_, _> = (0..300).map(|n| (format!("argument_{n}"), json!({}))).collect();
    let parameters = json!({"properties": arguments});
    let huge = |list: usize| {
        let large = |n: usize| {
            let tool = Tool::new("home", format!("large_{list}_{n}"), async |_: ToolCall| Ok(json!(1)));
            tool.parameters(parameters.clone())
        };
        (0..800).map(large).collect::<Vec<_>>()
    };
    for list in 0..2 {
        let error = replace(&sandbox, huge(list)).await.unwrap_err();
        assert!(error.chain().contains("take too much memory"), "{}", error.chain());
    }
    // The current image is still there, also for states.
    let code = "import home\nawait home.only_1()";
    let kept = sandbox.run(Execution::new(code).state(KeepState::New)).await.unwrap();
    let again = Execution::new("await home.say()").state(KeepState::After(kept.state.unwrap()));
    assert_eq!(value_of(&sandbox.run(again).await.unwrap()), json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_tools_replace_nothing() {
    let sandbox = sandbox();
    let wrong = Tool::new("home", "say", async |_: ToolCall| Ok(json!(1))).parameters(json!([]));
    let error = replace(&sandbox, vec![wrong]).await.unwrap_err();
    assert!(error.to_string().contains("home.say"), "{error}");
    assert_eq!(value(&sandbox, "import home\nawait home.say()").await, json!(0));
    replace(&sandbox, Vec::new()).await.unwrap();
    let refused = sandbox.run(Execution::new("import home")).await.unwrap_err();
    assert!(refused.to_string().contains("home"), "{refused}");
}
