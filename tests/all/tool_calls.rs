//! Compares the validator's findings about calls of tools with executions of the same programs.

use std::sync::OnceLock;

use ai_code_executor::validator::validate;
use ai_code_executor::{Catalogue, Error, Execution, Finding, Layers, Outcome, Policy, Sandbox, Tool};
use serde_json::{Value, json};

use crate::expectations::programs;
use crate::support::{cache_dir, value_of};

fn tools() -> Vec<Tool> {
    let history = json!({
        "properties": {"entity_id": {"type": "string"}, "start": {}, "fields": {"type": "array"}},
        "required": ["entity_id", "start"],
    });
    let tool = |name: &str| Tool::new("data", name, async |_| Ok(json!({"devices": [{"id": 1}]})));
    vec![
        tool("get_devices").parameters(json!({})),
        tool("query_history").parameters(history),
        tool("find").parameters(json!({"additionalProperties": true})),
        tool("run").parameters(json!({})),
        tool("list").parameters(json!({})),
        Tool::new("mail", "send", async |_| Ok(Value::Null)).parameters(json!({})),
    ]
}

/// A sandbox that also runs programs that the validator would refuse.
fn unchecked() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let builder = Sandbox::builder().cache_dir(cache_dir()).tools(tools());
        builder.layers(Layers::NoValidator).build().unwrap()
    })
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    Catalogue::new(tools()).unwrap().admit_to(&mut policy);
    policy
}

fn findings(program: &str) -> Vec<Finding> {
    validate(program.into(), &policy()).err().unwrap_or_default()
}

/// Formats findings as `line:column code`.
fn places(program: &str) -> String {
    let place = |finding: &Finding| format!("{}:{} {}", finding.line, finding.column, finding.rule.code());
    findings(program).iter().map(place).collect::<Vec<_>>().join(", ")
}

const REFUSED: [(&str, &str); 36] = [
    ("import data\nawait data.get_device()", "2:12 unknown_function"),
    ("import data as d\nx = [d.get_device]", "2:8 unknown_function"),
    ("from data import get_device", "1:18 unknown_function"),
    ("import data, asyncio\nawait asyncio.gather(data.run(), data.stop())", "2:39 unknown_function"),
    ("import data\ndef f(x=data.stop): pass", "2:14 unknown_function"),
    ("import data\nf'{data.stop:{data.go}}'", "2:9 unknown_function, 2:20 unknown_function"),
    ("import data\nfor x in data.stop(): pass", "2:15 unknown_function"),
    ("import data\n[x for x in data.stop()]", "2:18 unknown_function"),
    ("import data\nif data.stop: pass", "2:9 unknown_function"),
    ("import data\nwith data.stop: pass", "2:11 unknown_function"),
    ("import data\n1 < data.stop < 3", "2:10 unknown_function"),
    ("import data\nraise data.stop", "2:12 unknown_function"),
    ("import data\nasync def main():\n    return await data.stop()\nawait main()", "3:23 unknown_function"),
    (
        "import asyncio\nasync def main():\n    import data\n    await data.stop()\nasyncio.run(main())",
        "4:16 unknown_function",
    ),
    ("import data\ndef a(): data.stop\ndef b(): a()\nb()", "2:15 unknown_function"),
    ("import data\nawait data.query_history()", "2:7 wrong_arguments"),
    ("import data\nawait data.query_history('a')", "2:7 wrong_arguments"),
    ("import data\nawait data.query_history('a', 1, [], 4)", "2:7 wrong_arguments"),
    ("import data\nawait data.query_history('a', entity_id='b', start=1)", "2:7 wrong_arguments"),
    ("import data\nawait data.query_history('a', 1, field=[])", "2:7 wrong_arguments"),
    ("from data import query_history as q\n(await q(start=1))['a']", "2:8 wrong_arguments"),
    ("import data\nx = len(await data.get_devices(1))", "2:15 wrong_arguments"),
    ("import data\ndata.get_devices()", "2:1 missing_await"),
    ("import data\ndata.get_devices()['devices']", "2:1 missing_await"),
    ("import data\ndata.get_devices().get('devices')", "2:1 missing_await"),
    ("import data\nfor d in data.get_devices(): pass", "2:10 missing_await"),
    ("import data\n[d for d in data.get_devices()]", "2:13 missing_await"),
    ("import data\nprint(data.get_devices())", "2:7 missing_await"),
    ("import data\nlen(data.get_devices())", "2:5 missing_await"),
    ("import data\nf'{data.get_devices()}'", "2:4 missing_await"),
    ("import data\nif data.get_devices(): pass", "2:4 missing_await"),
    ("import data\nx = data.get_devices()\nfor d in x['devices']: print(d)", "2:5 missing_await"),
    (
        "import data\nx: dict = data.get_devices()\nprint(x, [d for d in x], f'{x}', x.y)",
        "2:11 missing_await",
    ),
    ("from mail import send\nsend()\n'sent'", "2:1 missing_await"),
    ("import data\nx = 1\ndata.run(x)\ndata.stop()", "3:1 missing_await, 4:6 unknown_function"),
    ("import data, os\ndata.stop()", "1:14 import_not_permitted, 2:6 unknown_function"),
];

#[tokio::test]
async fn refused_programs_fail_when_they_run() {
    for (program, expected) in REFUSED {
        assert_eq!(places(program), expected, "{program}");
        let report = unchecked().run(Execution::new(program)).await.unwrap();
        assert_eq!(report.outcome, Outcome::Failure, "{program}");
    }
}

/// Programs that work although they look as if they would fail.
const WORKING: [&str; 45] = [
    "import data\n(await data.get_devices())['devices']",
    "import data\nawait data.query_history('a', start=1, fields=None)",
    "import data\nawait data.find(x=1, y=2)",
    "import data\nawait data.query_history(*['a', 1])\nawait data.query_history(**{'entity_id': 'a', 'start': 1})",
    "import data\ntry:\n    await data.stop()\nexcept AttributeError: pass",
    "import data\ntry: await data.query_history()\nexcept ToolArgumentError: pass",
    "try:\n    import data\n    data.stop\nexcept Exception: pass",
    "import contextlib, data\nwith contextlib.suppress(AttributeError): data.stop",
    "import contextlib, data\nwith contextlib.suppress(AttributeError), data.stop: pass",
    "import data\nif False: data.stop()",
    "import data\nfor _ in (): await data.query_history()",
    "import data\nwhile False: data.stop()",
    "import data\nFalse and data.stop()\nTrue or data.stop()\n1 if True else data.stop\n1 > 2 > data.stop",
    "import data\n[data.stop for _ in ()], [0 for _ in () if data.stop], [0 for x in () for y in data.stop]",
    "import data\n(data.stop for _ in [1])\nlambda: data.stop()\nNone",
    "import data\nassert True, data.stop",
    "import data\ndef f(): data.stop()\nasync def g(): await data.query_history()\nNone",
    "import data\nasync def g(): await data.stop()\ng().close()",
    "import data\ndef f():\n    if True: return 1\n    data.stop()\nf()",
    "import data\ndef f():\n    yield\n    data.stop()\nf()\nNone",
    "import data, functools\ndef never(f): return lambda: 1\n@never\ndef f(): data.stop()\nf()",
    "import data\ndef f(): data.stop()\nf = int\nf()",
    "import data\ndef f(): data.stop()\ndef g(f): return f()\ng(int)",
    "import data\ndata.stop = len\ndata.stop([])",
    "import data\nsetattr(data, 'stop', len)\ndata.stop([])",
    "import data as d\nother = d\nother.stop = len\nimport data\ndata.stop([])",
    "import data\ndata = 'data'\ndata.upper()",
    "import data\ndef f(data): return data.upper()\nf('x')",
    "import data\n[data.upper() for data in 'x']",
    "import data\nmatch 'x':\n    case data: data.upper()",
    "try: data.stop\nexcept NameError: pass\nimport data",
    "from data import run\nrun = len\nrun([1])",
    "import data\nhasattr(data, 'stop') and data.stop()",
    "import data\nx = data.get_devices()\ny = await x",
    "import data, asyncio\nx = data.get_devices()\nawait asyncio.gather(x)",
    "import data\nx = data.get_devices()\nx.close()",
    "import data\nkept = []\nprint = kept.append\nprint(data.get_devices())\nx = kept[0]\nawait x",
    "import data\ndata.get_devices().close()\ndata.__name__, data.ToolError.__name__",
    "import data\nif True: raise SystemExit\ndata.stop()",
    "import mail\nawait mail.send()",
    // What a function imports is not known outside of it.
    "async def f():\n    from data import list\n    return await list()\nx = await f()\nprint(list(x))\n[n for n in list(x)]",
    "async def f():\n    from data import get_devices as print\n    await print()\nawait f()\nprint('x')",
    "async def f():\n    import data as api\n    await api.get_devices()\nasync def g():\n    import mail as api\n    await api.send()\nawait f()\nawait g()",
    "import data as api\nawait api.get_devices()\nimport mail as api\nawait api.send()\nimport data as api\nawait api.get_devices()",
    "from data import get_devices as f\nawait f()\nfrom math import sqrt as f\nf(4)",
];

#[tokio::test]
async fn working_programs_are_not_refused() {
    for program in WORKING {
        assert_eq!(findings(program), [], "{program}");
        let report = unchecked().run(Execution::new(program)).await.unwrap();
        assert_eq!(report.outcome, Outcome::Completed, "{program}: {:?}", report.error);
    }
}

/// The tools have names that are frequent in programs.
#[test]
fn programs_without_tools_get_no_findings_about_tools() {
    let mut policy = Policy::default().code_bytes_max(64 << 10);
    let names = ["data", "result", "x", "value", "items", "asyncio_", "name", "device"];
    let tools = names.map(|name| Tool::new(name, "t", async |_| Ok(Value::Null)));
    Catalogue::new(tools.into()).unwrap().admit_to(&mut policy);
    for folder in ["cases", "survive"] {
        for program in programs(folder) {
            let found = validate(program.code.clone(), &policy).err().unwrap_or_default();
            let about_tools = |finding: &&Finding| {
                ["unknown_function", "wrong_arguments", "missing_await"].contains(&finding.rule.code())
            };
            assert_eq!(found.iter().find(about_tools), None, "{}", program.name);
        }
    }
}

#[test]
fn messages_match_the_guests_and_hints_suggest_a_fix() {
    let cases = [
        (
            "import data\nawait data.get_device()",
            "Module 'data' has no function 'get_device'",
            "Did you mean 'get_devices'? Functions of data: find, get_devices, list, query_history, run.",
        ),
        (
            "import data\nawait data.query_history('a')",
            "data.query_history() needs argument 'start'",
            "It is called as `await data.query_history(entity_id, start, fields=…)`.",
        ),
        (
            "import data\ndata.run()",
            "data.run() is not awaited, so the tool is not called",
            "To call an async function, add `await` before it; to use its result at once: `(await f(x))['key']`.",
        ),
    ];
    for (program, message, hint) in cases {
        let first = findings(program).remove(0);
        assert_eq!((first.message.as_str(), first.hint.as_deref()), (message, Some(hint)));
    }
}

#[tokio::test]
async fn ungranted_tools_are_neither_checked_nor_named() {
    let sandbox = Sandbox::builder().cache_dir(cache_dir()).tools(tools()).build().unwrap();
    let run = async |code: &str, tools: &[&str]| {
        let execution = Execution::new(format!("import data\n{code}")).tools(tools.iter().copied());
        match sandbox.run(execution).await {
            Ok(report) => report.error.map(|error| error.to_string()).unwrap_or_default(),
            Err(Error::Rejected(findings)) => findings[0].hint.clone().unwrap_or_default(),
            Err(error) => panic!("{error}"),
        }
    };
    let hint = run("data.stop()", &["data.run", "data.find"]).await;
    assert_eq!(hint, "Functions of data: find, run.");
    let denied = run("await data.query_history('a', 1)", &["data.run"]).await;
    assert_eq!(denied, "ToolDenied: Tool 'data.query_history' is not granted to this execution");
    let refused = run("await data.query_history('a')", &["data.run"]).await;
    assert_eq!(refused, "ToolDenied: Tool 'data.query_history' is not granted to this execution");
    let module = run("data.stop()", &["mail"]).await;
    assert_eq!(module, "ImportError: Import of 'data' is not permitted");
    let whole = run("data.stop()", &["data"]).await;
    assert_eq!(whole, "Functions of data: find, get_devices, list, query_history, run.");
    assert_eq!(value_of(&sandbox.run(Execution::new("6 * 7")).await.unwrap()), 42);
}

#[test]
fn hostile_programs_are_checked_in_bounded_time() {
    let policy = policy().code_bytes_max(64 << 10).ast_nodes_max(usize::MAX);
    let lines = |line: &dyn Fn(u32) -> String| (0..2500).map(line).collect::<Vec<_>>().concat();
    let chain = lines(&|n| format!("def f{}(): f{}()\n", 2500 - n, 2499 - n));
    let programs = [
        format!("import data\n{}", "data.stop\n".repeat(6000)),
        format!("import data\ndata.{}", "stop".repeat(16_000)),
        format!("import data\n{}", "data.run()\n".repeat(5800)),
        format!("import data\ndef f0(): data.stop\n{chain}f2500()"),
        format!("import data\nawait data.get_devices({})", lines(&|n| format!("a{n}=1,"))),
    ];
    for program in programs {
        let started = std::time::Instant::now();
        let found = validate(program, &policy).err().unwrap_or_default();
        assert!((1..=200).contains(&found.len()), "{}", found.len());
        assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    }
}
