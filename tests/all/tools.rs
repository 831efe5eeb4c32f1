//! Tools as Python modules: the bridge, its parallelism, its bounds.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ai_code_executor::{Builder, Execution, Limits, Outcome, Report, Sandbox, Tool, ToolCall, ToolError};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{cache_dir, value_of};

/// Calls of `home.slow` under way now, and the most there ever were.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn home() -> &'static Sandbox {
    static HOME: OnceLock<Sandbox> = OnceLock::new();
    HOME.get_or_init(|| with_tools(Sandbox::builder().cache_dir(cache_dir())).build().unwrap())
}

/// The tools of these tests; sandboxes that have them share one image.
pub(crate) fn with_tools(builder: Builder) -> Builder {
    let schema = json!({"type": "object", "properties": {"value": {}}, "required": ["value"]});
    let echo = Tool::new("home", "echo", async |call: ToolCall| Ok(json!(call.arguments)));
    builder
        .tool(echo.parameters(schema))
        .tool(Tool::new("home", "slow", |_| slow()).describe("Takes a while."))
        .tool(Tool::new("home", "hang", |_| std::future::pending()))
        .tool(Tool::new("home", "connect", |_| connect()))
        .tool(Tool::new("home", "fail", async |_| Err(ToolError::failed("the boiler is cold"))))
        .tool(Tool::new("home", "large", async |_| Ok(json!("x".repeat(300_000)))))
        .tool(Tool::new("home", "crash", async |_| panic!("a bug in a tool")))
        .tool(Tool::new("garden", "count", async |_| Ok(json!(3))))
}

async fn slow() -> Result<Value, ToolError> {
    MOST.fetch_max(UNDER_WAY.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    sleep(Duration::from_millis(100)).await;
    UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    Ok(json!("done"))
}

/// A tool that does real input and output.
async fn connect() -> Result<Value, ToolError> {
    let failed = |error: std::io::Error| ToolError::failed(error.to_string());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tokio::net::TcpStream::connect(address).await.map_err(failed)?;
    Ok(json!("connected"))
}

async fn run(code: &str, change: impl FnOnce(&mut Execution)) -> Report {
    let mut execution = Execution::new(code);
    change(&mut execution);
    home().run(execution).await.unwrap()
}

async fn value(code: &str) -> Value {
    let report = run(code, |_| {}).await;
    assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.error);
    value_of(&report)
}

#[tokio::test]
async fn arguments_go_out_and_replies_come_back() {
    let code = "import home\nawait home.echo(value={'größe': [1, None, 2.5]})";
    assert_eq!(value(code).await, json!({"value": {"größe": [1, null, 2.5]}}));
    assert_eq!(value("from home import echo\nawait echo(7)").await, json!({"value": 7}));
    assert_eq!(value("import home\nawait home.connect()").await, json!("connected"));
}

#[tokio::test]
async fn gathered_calls_run_at_the_same_time() {
    let code = "import asyncio, home\nawait asyncio.gather(*[home.slow() for _ in range(50)])";
    let report = run(code, |_| {}).await;
    assert_eq!(value_of(&report), json!(vec!["done"; 50]));
    assert_eq!(report.usage.tool_calls, 50);
    let most = MOST.load(Ordering::SeqCst);
    assert!((20..=Limits::default().tool_calls_in_flight_max).contains(&most), "{most} at once");
}

#[tokio::test]
async fn a_reply_larger_than_the_guests_buffer_arrives_whole() {
    let code = "import asyncio, home\nlist(map(len, await asyncio.gather(home.large(), home.large())))";
    assert_eq!(value(code).await, json!([300_000, 300_000]));
}

#[tokio::test]
async fn failures_are_exceptions_that_a_program_can_catch() {
    let caught = |call: &str| {
        format!("import home\ntry:\n    await {call}\nexcept ToolError as e:\n    [type(e).__name__, str(e)]")
    };
    assert_eq!(value(&caught("home.fail()")).await, json!(["ToolError", "the boiler is cold"]));
    assert_eq!(value(&caught("home.crash()")).await, json!(["ToolError", "Tool crashed"]));
    let report = run("import home\nawait home.fail()", |_| {}).await;
    assert_eq!(report.error.unwrap().to_string(), "ToolError: the boiler is cold");
}

#[tokio::test]
async fn budgets_hold() {
    let hang = "import home\nawait home.hang()";
    let report = run(hang, |execution| execution.limits.tool_time = Duration::from_millis(10)).await;
    assert_eq!(report.error.unwrap().kind, "ToolTimeout");
    let report = run(hang, |execution| execution.limits.tool_calls_max = 0).await;
    let error = report.error.unwrap().to_string();
    assert!(error.starts_with("ToolDenied: 'home.hang' was not called: the budget"), "{error}");
    let report =
        run("import home\nawait home.large()", |execution| execution.limits.tool_reply_bytes_max = 1000)
            .await;
    let error = report.error.unwrap();
    assert!(error.message.contains("limit is 1000 bytes"), "{error}");
}

#[tokio::test]
async fn grants_narrow_what_a_run_may_call() {
    let code = "import home\n[await home.echo(value=1), await home.fail()]";
    let report = run(code, |execution| execution.tools = Some(vec!["home.echo".into()])).await;
    assert_eq!(report.error.unwrap().kind, "ToolDenied");
    let report =
        run("import garden\nawait garden.count()", |execution| execution.tools = Some(vec!["garden".into()]))
            .await;
    assert_eq!(value_of(&report), json!(3));
}

#[tokio::test]
async fn context_cannot_replace_a_tool() {
    let execution = Execution::new("1").variable("home", &json!(1));
    let error = home().run(execution).await.unwrap_err();
    assert_eq!(error.to_string(), "Context key 'home' is the name of a tool module");
}

#[test]
fn tools_without_a_name_or_with_an_unusable_schema_are_refused() {
    let tool = |module: &str, name: &str| Tool::new(module, name, async |_| Ok(Value::Null));
    let schema = |schema: Value| tool("home", "x").parameters(schema);
    let large = "x".repeat(70_000);
    let cases = [
        (tool("", "x"), "no name that Python could import"),
        (tool("home", ""), "no name that Python could import"),
        (schema(json!({"type": "string"})), "not one of an object"),
        (schema(json!(true)), "not one of an object"),
        (schema(json!({"properties": {"a": {"type": "strnig"}}})), "the schema of its arguments"),
        (
            schema(json!({"properties": {"a": {"$ref": "https://example.com/a.json"}}})),
            "the schema of its arguments",
        ),
        (schema(json!({"properties": {"a": {"pattern": "(?=x)(.*)\\1"}}})), "the schema of its arguments"),
        (schema(json!({"description": large})), "more than 65536 bytes"),
    ];
    for (tool, why) in cases {
        let error = Sandbox::builder().tool(tool).build().err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn two_tools_of_one_name_are_refused() {
    let twice = || Tool::new("home", "echo", async |_| Ok(Value::Null));
    let error = Sandbox::builder().tool(twice()).tool(twice()).build().err().unwrap();
    assert_eq!(error.to_string(), "tool 'home.echo' is defined twice");
}
