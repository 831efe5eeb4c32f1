//! Discovery of tools: by programs through the module `tools`, and by clients through `GET /tools`.

use std::sync::OnceLock;

use ai_code_executor::server::Settings;
use ai_code_executor::{Error, Execution, Outcome, Report, Sandbox, SandboxBuilder, Tool};
use serde_json::{Value, json};

use crate::catalogue::{assert_clean, hostile_tools, tool};
use crate::local::Local;
use crate::support::{cache_dir, executor, run as run_without_tools, value_of};

fn home() -> &'static Sandbox {
    static HOME: OnceLock<Sandbox> = OnceLock::new();
    HOME.get_or_init(|| with_tools(Sandbox::builder().cache_dir(cache_dir())).build().unwrap())
}

/// Adds the tools of these tests. Sandboxes with the same tools share one image.
fn with_tools(builder: SandboxBuilder) -> SandboxBuilder {
    let limit = json!({"limit": {"type": "integer", "default": 10}});
    let slow = Tool::new("data", "slow", async |_| {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        Ok(json!("slow"))
    });
    builder
        .tool(tool("data.get_devices", "All devices. With their areas.", &json!({})).read_only())
        .tool(tool("data.query_device_history", "Values of a sensor over time.", &limit).read_only())
        .tool(tool("garden.water", "Waters the garden.", &json!({})).destructive())
        .tool(slow)
        .tools(hostile_tools())
}

async fn run(code: &str, tools: Option<&[&str]>) -> Report {
    let mut execution = Execution::new(format!("import tools\n{code}"));
    if let Some(tools) = tools {
        execution = execution.tools(tools.iter().copied());
    }
    home().run(execution).await.unwrap()
}

async fn value(code: &str) -> Value {
    let report = run(code, None).await;
    assert_eq!(report.outcome, Outcome::Completed, "{code}: {:?}", report.error);
    value_of(&report)
}

#[tokio::test]
async fn programs_search_and_describe_tools() {
    let found = value("tools.search('history')").await;
    let expected = json!([{"name": "data.query_device_history", "summary": "Values of a sensor over time."}]);
    assert_eq!(found, expected);
    let stub = value("tools.describe('data.query_device_history')").await;
    assert_eq!(stub, home().catalogue().find("data.query_device_history").unwrap().stub);
    assert!(stub.as_str().unwrap().starts_with("async def query_device_history(limit: int = 10):\n"));
    let code =
        "from tools import describe, search\nlen(search()), describe(search('devices')[0]['name'])[:22]";
    assert_eq!(value(code).await, json!([home().catalogue().tools().len(), "async def get_devices("]));
}

#[tokio::test]
async fn discovery_does_not_disturb_calls_in_flight() {
    let code = "import asyncio, data\ncalls = [asyncio.create_task(data.slow()) for _ in range(40)]\n\
        await asyncio.sleep(0)\nfound = [len(tools.search('device')) for _ in range(5)]\n\
        [found, await asyncio.gather(*calls)]";
    let count = home().catalogue().search("device").len();
    assert_eq!(value(code).await, json!([vec![count; 5], vec!["slow"; 40]]));
}

#[tokio::test]
async fn only_granted_tools_are_visible() {
    let everything = "[[found['name'] for found in tools.search()], len(tools.search('device'))]";
    let cases: [(&[&str], Value); 3] = [
        (&["garden"], json!([["garden.water"], 0])),
        (&["data.slow", "garden.water"], json!([["data.slow", "garden.water"], 0])),
        (&["data"], json!([["data.get_devices", "data.query_device_history", "data.slow"], 2])),
    ];
    for (granted, expected) in cases {
        assert_eq!(value_of(&run(everything, Some(granted)).await), expected, "{granted:?}");
    }
    let error = run("tools.describe('data.get_devices')", Some(&["garden"])).await.error.unwrap();
    assert_eq!(error.to_string(), "ToolError: There is no tool 'data.get_devices'; tools.search() lists all");
    let error = run("tools.search()", Some(&[])).await.error.unwrap();
    assert_eq!(error.to_string(), "ImportError: Import of 'tools' is not permitted");
}

#[tokio::test]
async fn discovery_errors_name_a_way_out() {
    let cases = [
        (
            "tools.describe('data.get_device')",
            "ToolError: There is no tool 'data.get_device'; similar: data.get_devices, ",
        ),
        ("tools.describe('\\x1b\\u202e[q]')", "ToolError: There is no tool ' [q]'; tools.search() lists all"),
        ("tools.describe('x' * 900_000)", "ToolError: There is no tool 'xxx"),
        ("tools.describe('')", "ToolError: There is no tool ''; similar: "),
        (
            "tools.describe(7)",
            "ToolArgumentError: tools.describe(): invalid type: integer `7`, expected a string",
        ),
        ("tools.search(None)", "ToolArgumentError: tools.search(): invalid type: null, expected a string"),
        ("tools.list()", "AttributeError: module 'tools' has no attribute 'list'"),
    ];
    for (code, expected) in cases {
        let error = run(code, None).await.error.unwrap();
        let text = error.to_string();
        assert_clean(&text);
        assert!(text.starts_with(expected) && text.len() < 600, "{code}: {text}");
    }
}

#[tokio::test]
async fn a_module_is_described_by_its_tools() {
    let text = value_of(&run("tools.describe('data')", None).await);
    let text = text.as_str().unwrap();
    for name in ["get_devices", "query_device_history", "slow"] {
        assert!(text.contains(&format!("async def {name}(")), "{text}");
    }
    assert!(text.starts_with("# import data\n") && !text.contains("water"), "{text}");
    let granted = run("tools.describe('data')", Some(&["data.slow"])).await;
    assert!(value_of(&granted).as_str().unwrap().starts_with("async def slow("));
    let error = run("tools.describe('data')", Some(&["garden"])).await.error.unwrap().to_string();
    assert!(error.starts_with("ToolError: There is no tool 'data'"), "{error}");
}

#[tokio::test]
async fn discovery_counts_as_calls() {
    let report = run("[tools.search(), tools.search()] and None", None).await;
    assert_eq!(report.usage.tool_calls, 2);
    let mut execution = Execution::new("import tools\ntools.search()");
    execution.limits.tool_calls_max = 0;
    let error = home().run(execution).await.unwrap().error.unwrap().to_string();
    assert!(error.starts_with("ToolDenied: 'tools.search' was not called: the budget"), "{error}");
    let mut execution = Execution::new("import tools\ntools.search()");
    execution.limits.tool_reply_bytes_max = 10;
    let error = home().run(execution).await.unwrap().error.unwrap().to_string();
    assert!(error.contains("limit is 10 bytes"), "{error}");
}

#[tokio::test]
async fn hostile_texts_are_cleaned() {
    let code = "[[found, tools.describe(found['name'])] for found in tools.search()]";
    let all = value(code).await;
    assert_eq!(all.as_array().unwrap().len(), home().catalogue().tools().len());
    for text in
        all.as_array().unwrap().iter().flat_map(|pair| {
            [&pair[0]["name"], &pair[0]["summary"], &pair[1]].map(|text| text.as_str().unwrap())
        })
    {
        assert_clean(text);
        assert!(text.len() < 40_000);
    }
}

#[tokio::test]
async fn hints_name_tools() {
    let cases = [
        ("import data\nif True: await data.get_device()", "Did you mean: 'get_devices'?"),
        ("if True: from data import get_device", "Did you mean: 'get_devices'?"),
        ("import garden\nif True: garden.rake()", "There are: garden.water"),
        ("await garden.water()", "Add `import garden` before it."),
    ];
    for (code, expected) in cases {
        let error = home().run(Execution::new(code)).await.unwrap().error.unwrap();
        assert_eq!(error.hint.as_deref(), Some(expected), "{code}: {error}");
    }
    let refused = async |code: &str| match home().run(Execution::new(code)).await {
        Err(Error::Rejected(findings)) => findings[0].hint.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(refused("help(1)").await.contains("tools.describe('module.tool')"));
    let importable = refused("import dat").await;
    assert!(importable.contains(" data, ") && importable.ends_with(" tools."), "{importable}");
}

#[tokio::test]
async fn without_tools_the_module_is_not_importable() {
    let execution = Execution::new("import tools");
    let error = crate::support::sandbox().run(execution).await.unwrap_err();
    assert_eq!(error.to_string(), "Import of 'tools' is not permitted");
    assert_eq!(value_of(&run_without_tools("tools = 1\ntools").await), json!(1));
}

#[test]
fn the_service_lists_tools() {
    let local = Local::start(Settings::default(), with_tools);
    let get = |query: &str| {
        let answer = local.get(&format!("/tools{query}"));
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.json()
    };
    let all = get("?detail=full&limit=200");
    let count = all["tools"].as_array().unwrap().len();
    assert_eq!((all["total"].as_u64(), count > 20), (Some(count as u64), true));
    assert_eq!(get("")["tools"].as_array().unwrap().len(), count);
    assert_eq!(
        get("?query=sensor+history&detail=name&limit=1"),
        json!({"tools": [{"name": "data.query_device_history"}], "total": 1})
    );
    assert_eq!(
        get("?query=device&limit=1"),
        json!({"tools": [{"name": "data.get_devices", "summary": "All devices."}], "total": 2})
    );
    let history = &get("?query=history&detail=full")["tools"][0];
    let keys: Vec<&str> = history.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        ["name", "summary", "signature", "stub", "parameters", "output", "read_only", "destructive"];
    assert_eq!(keys, expected);
    assert_eq!(history["parameters"]["properties"]["limit"], json!({"type": "integer", "default": 10}));
    assert_eq!((&history["output"], &history["read_only"]), (&Value::Null, &json!(true)));
    assert_eq!(get("?query=%00%1b%5b&detail=name")["total"].as_u64(), Some(count as u64));
    for tool in all["tools"].as_array().unwrap() {
        assert_clean(tool["stub"].as_str().unwrap());
    }
}

#[test]
fn invalid_queries_are_422() {
    let local = Local::start(Settings::default(), |builder| builder);
    assert_eq!(local.get("/tools?query=x").json(), json!({"tools": [], "total": 0}));
    let cases = [
        ("limit=0", "limit: 0 is not in 1..=200"),
        ("limit=201", "limit: 201 is not in 1..=200"),
        ("limit=", "limit"),
        ("limit=-1", "limit"),
        ("limit=99999999999", "limit"),
        ("limit=1&limit=2", "duplicate field `limit`"),
        ("detail=all", "unknown variant `all`"),
        ("detail=", "unknown variant ``"),
        ("q=devices", "unknown field `q`"),
    ];
    for (query, detail) in cases {
        let answer = local.get(&format!("/tools?{query}"));
        let json = answer.json();
        assert_eq!((answer.status, &json["code"]), (422, &json!("invalid_request")), "{query}: {json}");
        assert!(json["detail"].as_str().unwrap().contains(detail), "{query}: {json}");
    }
    let unready = Local::start_unready(Settings::default()).get("/tools");
    assert_eq!((unready.status, unready.header("retry-after")), (503, Some("1")));
}

#[test]
fn the_tools_command_needs_no_image() {
    let cases = [
        ("text", "There are no tools: set ENABLE_MCP_NETWORK_TOOLS=true to switch them on.\n"),
        ("json", "[]\n"),
        ("pyi", ""),
    ];
    let command = |arguments: &[&str]| {
        // An unusable cache: if the command needed an image, it would have to make one, which takes long.
        let output = executor().env("CACHE_DIR", "/dev/null").arg("tools").args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for (format, expected) in cases {
        assert_eq!(command(&["--format", format]), (Some(0), expected.to_owned()));
    }
    assert_eq!(command(&["history"]), command(&[]));
    let (status, prompt) = command(&["--format", "prompt"]);
    assert!(status == Some(0) && prompt.starts_with("# Running Python\n"), "{prompt}");
    assert_eq!(command(&["--format", "yaml"]).0, Some(2));
}
