//! Tools as Python modules: calls and replies, concurrency, limits.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ai_code_executor::{
    Decision, Error, Execution, Limits, Outcome, Report, Sandbox, SandboxBuilder, Tool, ToolCall, ToolError,
    ToolPolicy, ToolRequest,
};
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{cache_dir, sandbox, value_of};

/// Calls of `home.slow` in progress, and their maximum so far.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn home() -> &'static Sandbox {
    static HOME: OnceLock<Sandbox> = OnceLock::new();
    HOME.get_or_init(|| with_tools(Sandbox::builder().cache_dir(cache_dir())).build().unwrap())
}

/// Adds the tools of these tests. Sandboxes with the same tools share one image.
pub(crate) fn with_tools(builder: SandboxBuilder) -> SandboxBuilder {
    let schema = json!({"type": "object", "properties": {"value": {}}, "required": ["value"]});
    let many = (0..40).map(|n| Tool::new("many", format!("tool_{n}"), async |_| Ok(Value::Null)));
    let echo = Tool::new("home", "echo", async |call: ToolCall| Ok(json!(call.arguments)));
    builder
        .tools(many)
        .tool(echo.parameters(schema))
        .tool(Tool::new("home", "slow", |_| slow()).describe("Takes a while."))
        .tool(Tool::new("home", "hang", |_| std::future::pending()))
        .tool(Tool::new("home", "connect", |_| connect()))
        .tool(Tool::new("home", "fail", async |_| Err(ToolError::failed("the boiler is cold"))))
        .tool(Tool::new("home", "large", async |_| Ok(json!("x".repeat(300_000)))))
        .tool(Tool::new("home", "huge", |_| huge()))
        .tool(Tool::new("home", "crash", async |_| panic!("a bug in a tool")))
        .tool(Tool::new("garden", "count", async |_| Ok(json!(3))))
        .tool(
            Tool::typed("garden", "water", async |call: ToolCall<Hose>| Ok(call.arguments.water()))
                .describe("Waters the garden."),
        )
        .tool(Tool::new("garden", "sow", async |_| Ok(Value::Null)).parameters(json!({
            "properties": {"numbers": {"anyOf": [{"items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}, {"type": "null"}]}},
        })))
        .tool(Tool::new("garden", "weed", async |call| Ok(json!(call.arguments))).parameters(json!({
            "properties": {"bed": {"type": "integer", "default": "no"}, "deep": {"type": "boolean", "default": true}},
        })))
        .tool(Tool::new("my-garden", "get.all", async |call| Ok(json!(call.arguments))))
}

/// Where to water.
#[derive(Deserialize, JsonSchema)]
struct Hose {
    /// Which bed
    bed: Bed,
    /// For how long
    #[serde(default = "quarter")]
    #[schemars(range(min = 1, max = 60))]
    minutes: u32,
    #[serde(rename = "from")]
    tap: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Bed {
    Roses,
    Herbs,
}

#[derive(Serialize, JsonSchema)]
struct Watered {
    litres: u32,
    from: String,
}

fn quarter() -> u32 {
    15
}

impl Hose {
    fn water(self) -> Watered {
        let litres = self.minutes * if matches!(self.bed, Bed::Roses) { 10 } else { 2 };
        Watered { litres, from: self.tap.unwrap_or_else(|| "barrel".into()) }
    }
}

/// Returns a reply so large that 32 MiB hold only some of them. All are ready at the same time.
async fn huge() -> Result<Value, ToolError> {
    sleep(Duration::from_millis(300)).await;
    Ok(json!("x".repeat(6 << 20)))
}

async fn slow() -> Result<Value, ToolError> {
    MOST.fetch_max(UNDER_WAY.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    sleep(Duration::from_millis(100)).await;
    UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    Ok(json!("done"))
}

/// A tool that does real network I/O.
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
async fn tools_get_arguments_and_return_replies() {
    let code = "import home\nawait home.echo(value={'größe': [1, None, 2.5]})";
    assert_eq!(value(code).await, json!({"value": {"größe": [1, null, 2.5]}}));
    assert_eq!(value("from home import echo\nawait echo(7)").await, json!({"value": 7}));
    assert_eq!(value("import home\nawait home.connect()").await, json!("connected"));
}

#[tokio::test]
async fn typed_tools_use_rust_types() {
    let code =
        "import garden\n[await garden.water('roses'), await garden.water('herbs', minutes=2, from_='well')]";
    let watered = json!([{"litres": 150, "from": "barrel"}, {"litres": 4, "from": "well"}]);
    assert_eq!(value(code).await, watered);
    let shown = "import garden\n[str(garden.water.__doc__), garden.water.__annotations__]";
    let annotations = json!({"bed": "Literal['roses', 'herbs']", "minutes": "int", "from_": "str | None", "return": "dict"});
    assert_eq!(value(shown).await, json!(["Waters the garden.", annotations]));
}

#[tokio::test]
async fn a_default_that_does_not_fit_its_schema_is_ignored() {
    let code = "import garden\n[await garden.weed(), garden.weed.__annotations__['bed']]";
    assert_eq!(value(code).await, json!([{"deep": true}, "int | None"]));
}

#[tokio::test]
async fn arguments_arrive_unchanged_or_are_refused() {
    let raw = "{'$serde_json::private::RawValue': '[[1]]'}";
    let echoed = value(&format!("import home\nstr(await home.echo({raw}))")).await;
    assert_eq!(echoed, format!("{{'value': {raw}}}"));
    let refused = async |argument: &str| {
        run(&format!("import home\nawait home.echo({argument})"), |_| {}).await.error.unwrap().to_string()
    };
    let large =
        "ToolArgumentError: 18446744073709551616 does not fit into 64 bits; send it as a string or a float";
    assert_eq!(refused("[2**64]").await, large);
    let nested = run("import home\nx = []\nfor _ in range(70): x = [x]\nawait home.echo(x)", |_| {}).await;
    let error = nested.error.unwrap().to_string();
    assert_eq!(error, "ToolArgumentError: The arguments are nested more than 64 deep");
}

#[tokio::test]
async fn uncollected_replies_are_bounded_together() {
    // The program starts its calls and does not collect their replies for a while.
    let code = "import asyncio, home, time\n\
        calls = asyncio.gather(*(home.huge() for _ in range(8)), return_exceptions=True)\n\
        await asyncio.sleep(0)\n\
        time.sleep(2)\n\
        replies = await calls\n\
        [type(reply).__name__ for reply in replies].count('ToolError')";
    let report = run(code, |_| {}).await;
    let failed = value_of(&report).as_u64().unwrap();
    assert!(failed > 0 && failed < 8, "{failed} of 8 calls failed");
}

#[tokio::test]
async fn illegal_names_are_made_legal() {
    let code = "import my_garden\n[await my_garden.get_all(**{'x-y': 1}), my_garden.__all__]";
    assert_eq!(value(code).await, json!([{"x-y": 1}, ["get_all"]]));
}

#[tokio::test]
async fn argument_errors_name_argument_and_expectation() {
    let cases = [
        (
            "water('weeds')",
            "Argument 'bed' of garden.water(): \"weeds\" is not one of \"roses\" or \"herbs\"",
        ),
        ("water('roses', 0)", "Argument 'minutes' of garden.water(): 0 is less than the minimum of 1"),
        ("water('roses', '5')", "Argument 'minutes' of garden.water(): \"5\" is not of type \"integer\""),
        (
            "water('roses', from_=[1])",
            "Argument 'from_' of garden.water(): [1] is not of types \"null\", \"string\"",
        ),
        ("water()", "garden.water() needs argument 'bed'"),
        ("water('roses', depth=1)", "garden.water() has no argument 'depth' (it has: bed, minutes, from_)"),
    ];
    for (call, message) in cases {
        // In a branch: else the validator refuses some of them first.
        let report = run(&format!("import garden\nif True: await garden.{call}"), |_| {}).await;
        let error = report.error.unwrap();
        assert_eq!((error.kind.as_str(), error.message.as_str()), ("ToolArgumentError", message));
    }
    let pieces = "[None] * 100 + ['x'] * 20_000";
    let error = run(&format!("import garden\nawait garden.sow({pieces})"), |_| {}).await.error.unwrap();
    assert!(error.message.starts_with("The arguments of garden.sow() do not fit its schema"), "{error}");
    let long = run("import garden\nawait garden.water('x' * 100_000)", |_| {}).await.error.unwrap().message;
    assert!(long.chars().count() <= 500 && long.starts_with("Argument 'bed'"), "{long}");
}

/// Tools with hard schemas. `where` of `find` is a recursive filter whose alternatives differ late or never; `maze` has
/// more ways to fail than can be explored.
fn searchable() -> &'static Sandbox {
    static SEARCHABLE: OnceLock<Sandbox> = OnceLock::new();
    let kind = |n: u32| json!({"type": "object", "properties": {"not": {"$ref": "#/$defs/filter"}, "kind": {"const": n}}});
    let filter = json!({"anyOf": [kind(1), kind(2), kind(3), {"type": "integer"}]});
    let maze = (0..40).fold(
        json!({"properties": {"a": {}}}),
        |inner, _| json!({"anyOf": [inner, {"required": ["b"]}], "unevaluatedProperties": false}),
    );
    let find = |name: &str| Tool::new("search", name, async |_| Ok(json!("found")));
    let schema = json!({"type": "object", "properties": {"where": {"$ref": "#/$defs/filter"}}, "$defs": {"filter": filter}});
    let tools = [
        find("find").parameters(schema),
        find("maze").parameters(json!({"type": "object", "properties": {"where": maze}})),
        find("any")
            .parameters(json!({"type": "object", "properties": {"where": {"items": {"type": "integer"}}}})),
    ];
    SEARCHABLE.get_or_init(|| Sandbox::builder().cache_dir(cache_dir()).tools(tools).build().unwrap())
}

#[tokio::test]
async fn recursive_schemas_are_checked_quickly() {
    let code = "import asyncio, search\n\
        def nest(filter):\n    for level in range(60): filter = {'not': filter}\n    return filter\n\
        calls = [search.find(where=nest(n)) for n in [1, 'x'] * 16]\n\
        [type(reply).__name__ for reply in await asyncio.gather(*calls, return_exceptions=True)]";
    let report = searchable().run(Execution::new(code)).await.unwrap();
    assert_eq!(value_of(&report), json!(["str", "ToolArgumentError"].repeat(16)), "{report:?}");
}

#[tokio::test]
async fn checks_that_take_too_long_are_refused() {
    let run = async |code: &str| {
        let limits = Limits::default().cpu_time(Duration::from_secs(20)).wall_time(Duration::from_mins(1));
        searchable().run(Execution::new(code).limits(limits)).await.unwrap()
    };
    let error = run("import search\nawait search.maze(where={'a': 1})").await.error.unwrap().to_string();
    let words = "ToolArgumentError: Argument 'where' of search.maze() is too large or too deeply nested to be checked";
    assert!(error.starts_with(words), "{error}");
    // Too large to be checked on the guest's thread, and valid.
    let report = run("import search\nawait search.any(where=[1] * 100_000)").await;
    assert_eq!(value_of(&report), "found", "{report:?}");
    let error = run("import search\nawait search.any(where=[1] * 100_000 + ['x'])").await.error.unwrap();
    assert_eq!(error.message, "Argument 'where[100000]' of search.any(): \"x\" is not of type \"integer\"");
}

#[tokio::test]
async fn checks_count_against_the_executions_limits() {
    let code =
        "import search\nwhile True:\n    try: await search.maze(where={'a': 1})\n    except Exception: pass";
    let seconds = Duration::from_secs;
    for (cpu_time, wall_time, outcome) in
        [(seconds(1), seconds(60), Outcome::CpuLimit), (seconds(60), seconds(1), Outcome::Timeout)]
    {
        let limits = Limits::default().cpu_time(cpu_time).wall_time(wall_time);
        let report = searchable().run(Execution::new(code).limits(limits)).await.unwrap();
        assert_eq!(report.outcome, outcome, "{report:?}");
    }
}

#[tokio::test]
async fn schemas_with_unbounded_checks_are_refused() {
    let tool = Tool::new("search", "loop", async |_| Ok(Value::Null));
    let loops = json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}});
    let error = Sandbox::builder().tool(tool.parameters(loops)).build().err().unwrap().to_string();
    assert!(
        error.contains("tool 'search.loop' is unusable: the schema of its arguments: more than 128"),
        "{error}"
    );
}

#[tokio::test]
async fn unused_tools_cost_nothing() {
    let run = async |sandbox: &Sandbox| sandbox.run(Execution::new("1 + 1")).await.unwrap().usage.fuel;
    let (with, without) = (run(home()).await, run(sandbox()).await);
    assert!(with < without + without / 100, "{with} units of fuel with fifty tools, {without} with none");
}

/// Denies calls that would water the roses, after a short delay.
struct Gardener;

impl ToolPolicy for Gardener {
    fn decide<'a>(&'a self, request: ToolRequest<'a>) -> BoxFuture<'a, Decision> {
        Box::pin(async move {
            sleep(Duration::from_millis(1)).await;
            match request.arguments.get("bed") {
                Some(bed) if bed == "roses" => Decision::Deny(format!("{} may not get wet", request.path)),
                _ => Decision::Allow,
            }
        })
    }
}

#[tokio::test]
async fn a_policy_decides_about_each_call() {
    let guarded =
        with_tools(Sandbox::builder().cache_dir(cache_dir())).tool_policy(Gardener).build().unwrap();
    let code = "import garden\nlitres = (await garden.water('herbs'))['litres']\nawait garden.water('roses')";
    let error = guarded.run(Execution::new(code)).await.unwrap().error.unwrap();
    let denied = "ToolDenied: Tool 'garden.water' was denied: garden.water may not get wet";
    assert_eq!((error.to_string().as_str(), error.line), (denied, Some(3)));
}

#[tokio::test]
async fn a_call_that_is_not_awaited_fails_the_program() {
    let cases = [
        (
            "if True: x = home.slow()\n'done'",
            "home.slow() in line 2 was never awaited, so the tool was not called",
        ),
        (
            "if True: print(home.slow())\nasyncio.gather(home.slow(), home.slow())",
            "home.slow() in line 2 was never awaited, so the tool was not called, and 2 more",
        ),
        ("[home.slow]", "Return value contains the tool home.slow itself: it was not called"),
    ];
    for (code, message) in cases {
        let report = run(&format!("import asyncio, home\n{code}"), |_| {}).await;
        let error = report.error.unwrap();
        assert_eq!((report.outcome, error.kind.as_str()), (Outcome::Failure, "UnawaitedCoroutineError"));
        assert_eq!((error.message.as_str(), report.usage.tool_calls), (message, 0), "{}", report.stderr.text);
        assert!(error.hint.unwrap().contains("await"), "{code}");
    }
    assert_eq!(value("import asyncio, home\nasyncio.iscoroutinefunction(home.slow)").await, json!(true));
    let warned = run("async def main(): pass\n\ndef f(): main()\nf()", |_| {}).await.stderr.text;
    assert!(warned.starts_with("main.py:3: RuntimeWarning: coroutine 'main' was never awaited"), "{warned}");
}

#[tokio::test]
async fn gathered_calls_run_concurrently() {
    let code = "import asyncio, home\nawait asyncio.gather(*[home.slow() for _ in range(50)])";
    let report = run(code, |_| {}).await;
    assert_eq!(value_of(&report), json!(vec!["done"; 50]));
    assert_eq!(report.usage.tool_calls, 50);
    let most = MOST.load(Ordering::SeqCst);
    assert!((20..=Limits::default().tool_calls_in_flight_max).contains(&most), "{most} at once");
}

#[tokio::test]
async fn a_reply_larger_than_the_guests_buffer_is_complete() {
    let code = "import asyncio, home\nlist(map(len, await asyncio.gather(home.large(), home.large())))";
    assert_eq!(value(code).await, json!([300_000, 300_000]));
}

#[tokio::test]
async fn failures_are_catchable_exceptions() {
    let caught = |call: &str| {
        format!("import home\ntry:\n    await {call}\nexcept ToolError as e:\n    [type(e).__name__, str(e)]")
    };
    assert_eq!(value(&caught("home.fail()")).await, json!(["ToolError", "the boiler is cold"]));
    assert_eq!(value(&caught("home.crash()")).await, json!(["ToolError", "Tool crashed"]));
    let report = run("import home\nawait home.fail()", |_| {}).await;
    assert_eq!(report.error.unwrap().to_string(), "ToolError: the boiler is cold");
}

#[tokio::test]
async fn limits_of_calls_are_enforced() {
    let hang = "import home\nawait home.hang()";
    let report = run(hang, |execution| execution.limits.tool_time = Duration::from_millis(10)).await;
    assert_eq!(report.error.unwrap().kind, "ToolTimeout");
    let report = run(hang, |execution| execution.limits.tool_calls_max = 0).await;
    let error = report.error.unwrap().to_string();
    assert_eq!(error, "ToolDenied: 'home.hang' was not called: the budget of 0 tool calls is exhausted");
    let many = "import asyncio, home\n\
        replies = await asyncio.gather(*(home.echo(n) for n in range(200)), return_exceptions=True)\n\
        [sum(type(reply) is dict for reply in replies), str(replies[5]), str(replies[-1])]";
    let report = run(many, |execution| execution.limits.tool_calls_max = 5).await;
    let told = "'home.echo' was not called: the budget of 5 tool calls is exhausted";
    let beyond = "'home.echo' was not called: too many calls exceed the budget: make fewer calls";
    assert_eq!((value_of(&report), report.usage.tool_calls), (json!([5, told, beyond]), 5));
    let large = "import asyncio, home\nx = 'x' * 600_000\nawait asyncio.gather(home.echo(x), home.echo(x))";
    let error = run(large, |_| {}).await.error.unwrap().to_string();
    assert!(
        error.starts_with("ToolDenied: 'home.echo' was not called: the budget of 1048576 bytes"),
        "{error}"
    );
    let report =
        run("import home\nawait home.large()", |execution| execution.limits.tool_reply_bytes_max = 1000)
            .await;
    let error = report.error.unwrap();
    assert!(error.message.contains("limit is 1000 bytes"), "{error}");
}

#[tokio::test]
async fn cancelled_calls_free_their_place() {
    let code = "import asyncio, home\n\
        try:\n    async with asyncio.timeout(0.05):\n        await asyncio.gather(*(home.hang() for _ in range(3)))\n\
        except TimeoutError: pass\n\
        task = asyncio.create_task(home.hang())\nawait asyncio.sleep(0)\ntask.cancel()\n\
        await home.echo('in time')";
    let report = run(code, |execution| {
        execution.limits.tool_calls_in_flight_max = 1;
        execution.limits.tool_time = Duration::from_mins(1);
        execution.limits.wall_time = Duration::from_secs(20);
    })
    .await;
    assert_eq!((value_of(&report), report.usage.tool_calls), (json!({"value": "in time"}), 5), "{report:?}");
}

#[tokio::test]
async fn hints_do_not_name_tools_that_are_not_granted() {
    let execution = Execution::new("import shelve").tools(["garden.count"]);
    let Err(Error::Rejected(findings)) = home().run(execution).await else { panic!("it ran") };
    let hint = findings[0].hint.clone().unwrap();
    assert!(hint.ends_with(" Modules of tools: garden, tools."), "{hint}");
    let report = run("import home", |execution| execution.tools = Some(vec!["garden.count".into()])).await;
    let error = report.error.unwrap();
    assert_eq!(error.to_string(), "ImportError: Import of 'home' is not permitted");
    let hint = error.hint.unwrap();
    assert!(hint.ends_with(" Modules of tools: garden, tools."), "{hint}");
}

#[tokio::test]
async fn grants_restrict_calls() {
    let code = "import home\n[await home.echo(value=1), await home.fail()]";
    let report = run(code, |execution| execution.tools = Some(vec!["home.echo".into()])).await;
    assert_eq!(report.error.unwrap().kind, "ToolDenied");
    let report =
        run("import garden\nawait garden.count()", |execution| execution.tools = Some(vec!["garden".into()]))
            .await;
    assert_eq!(value_of(&report), json!(3));
    let unknown = Execution::new("1").tools(["garden", "home.ech"]);
    let error = home().run(unknown).await.unwrap_err();
    assert_eq!(error.to_string(), "There is no tool 'home.ech', and no module of tools by this name");
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
        (schema(json!({"type": "string"})), "must be an object schema"),
        (schema(json!(true)), "must be an object schema"),
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
fn duplicate_tools_are_refused() {
    let twice = || Tool::new("home", "echo", async |_| Ok(Value::Null));
    let error = Sandbox::builder().tool(twice()).tool(twice()).build().err().unwrap();
    assert_eq!(error.to_string(), "tool 'home.echo' is defined twice");
}
