//! The executor as a server of the Model Context Protocol over HTTP: both eras, hostile clients, approvals.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ai_code_executor::server::{Settings, Token};
use ai_code_executor::tools::Approval;
use ai_code_executor::{Limits, Tool};
use serde_json::{Value, json};

use crate::local::{Answer, Local, await_count, endless};
use crate::support::TOKEN;

const MODERN: &str = "2026-07-28";

/// A client of one of the two eras.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Era {
    /// With a handshake, which a server without sessions forgets.
    Handshake,
    /// Each request says everything.
    Stateless,
}

const ERAS: [Era; 2] = [Era::Handshake, Era::Stateless];

fn start(change: impl FnOnce(ai_code_executor::SandboxBuilder) -> ai_code_executor::SandboxBuilder) -> Local {
    Local::start(Settings::default(), change)
}

/// Returns a request as it is sent. `meta` is added to its `_meta`.
fn request(era: Era, method: &str, mut params: Value, meta: &Value, headers: &str) -> Vec<u8> {
    let mut lines = String::new();
    params["_meta"] = meta.clone();
    if era == Era::Stateless {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
        if params["_meta"]["io.modelcontextprotocol/clientCapabilities"].is_null() {
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        lines = format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n");
        if let Some(name) = params.get("name").or(params.get("uri")).and_then(Value::as_str) {
            lines.extend(["Mcp-Name: ", name, "\r\n"]);
        }
    }
    let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).to_string();
    raw(&body, &format!("{lines}{headers}"))
}

fn raw(body: &str, headers: &str) -> Vec<u8> {
    let bytes = body.len();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {bytes}\r\n\
         {headers}\r\n{body}"
    )
    .into_bytes()
}

/// Returns the last message of an answer, which may be a stream.
fn last(answer: &Answer) -> Value {
    if !answer.head.contains("text/event-stream") {
        return answer.json();
    }
    let mut data = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(data.next_back().unwrap()).unwrap()
}

fn ask(local: &Local, era: Era, method: &str, params: Value) -> Value {
    last(&local.raw(&request(era, method, params, &json!({}), "")))
}

/// Calls `execute_python` and returns its result.
fn run(local: &Local, era: Era, arguments: &Value) -> Value {
    let params = json!({"name": "execute_python", "arguments": arguments});
    let answer = ask(local, era, "tools/call", params);
    answer.get("result").unwrap_or_else(|| panic!("{answer}")).clone()
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[test]
fn both_eras_begin() {
    let local = start(|builder| builder);
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let client = json!({"name": "test", "version": "1"});
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
        let answer = local.raw(&request(Era::Handshake, "initialize", params, &json!({}), ""));
        assert_eq!(answer.header("mcp-session-id"), None, "nothing is kept for a client");
        let result = last(&answer)["result"].clone();
        assert_eq!(result["protocolVersion"], version);
        assert_eq!(result["serverInfo"]["name"], "ai-code-executor");
        let done = raw(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "");
        assert_eq!(local.raw(&done).status, 202);
    }
    let found = ask(&local, Era::Stateless, "server/discover", json!({}))["result"].clone();
    assert!(found["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)), "{found}");
    for era in ERAS {
        let listed = ask(&local, era, "tools/list", json!({}));
        let tools = listed["result"]["tools"].as_array().unwrap();
        let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["execute_python", "search_tools", "check_python"], "{era:?}");
        for tool in tools {
            assert_eq!(
                (&tool["inputSchema"]["type"], &tool["outputSchema"]["type"]),
                (&json!("object"), &json!("object"))
            );
            assert!(tool["description"].as_str().unwrap().len() < 2000);
        }
    }
}

#[test]
fn programs_run_and_both_answers_agree() {
    let local = start(|builder| builder);
    for era in ERAS {
        let result = run(&local, era, &json!({"code": "print('hi')\n[n, 2.5]", "context": {"n": 41}}));
        assert_eq!(
            result["structuredContent"],
            json!({"outcome": "completed", "value": [41, 2.5], "stdout": "hi\n"})
        );
        assert_eq!(serde_json::from_str::<Value>(text(&result)).unwrap(), result["structuredContent"]);
        assert_eq!(result["isError"], false);
        let context = json!({"many": vec![0; 400_000]});
        let result = run(&local, era, &json!({"code": "len(many)", "context": context}));
        assert_eq!(result["structuredContent"]["value"], 400_000);
        let result = run(&local, era, &json!({"code": "x = 1"}));
        assert_eq!(result["structuredContent"], json!({"outcome": "completed"}));
        let result = run(&local, era, &json!({"code": "1/0"}));
        assert_eq!(result["isError"], true);
        assert!(text(&result).contains("line 1") && text(&result).contains("ZeroDivisionError"), "{result}");
        assert_eq!(result["structuredContent"]["outcome"], "failure");
        let result = run(&local, era, &json!({"code": "import os\nimport subprocess"}));
        assert_eq!(result["structuredContent"]["outcome"], "rejected");
        assert!(text(&result).contains("line 1") && text(&result).contains("line 2"), "{result}");
        let result = run(&local, era, &json!({"code": "while True: pass", "timeout": 0.2}));
        assert_eq!(result["structuredContent"]["outcome"], "timeout");
    }
}

#[test]
fn states_go_on() {
    let local = start(|builder| builder);
    let first = run(&local, Era::Handshake, &json!({"code": "x = 20", "state": "new"}));
    let handle = first["structuredContent"]["state"].as_str().unwrap();
    for era in ERAS {
        let result = run(&local, era, &json!({"code": "x += 1\nx * 2", "state": handle}));
        assert_eq!(result["structuredContent"]["value"], 42);
    }
    let result =
        run(&local, Era::Stateless, &json!({"code": "x", "state": format!("st_{}", "0".repeat(32))}));
    assert_eq!(result["structuredContent"]["outcome"], "unknown_state");
    assert_eq!(result["isError"], true);
}

#[test]
fn bad_arguments_are_for_the_model_to_read() {
    let local = start(|builder| builder);
    let cases = [
        ("execute_python", json!({}), "code: the program is missing"),
        ("execute_python", json!({"code": 1}), "code: invalid type"),
        ("execute_python", json!({"code": "1", "context": [1]}), "context: invalid type"),
        ("execute_python", json!({"code": "1", "timeout": -1}), "timeout: -1 is not a positive number"),
        ("execute_python", json!({"code": "1", "state": "old"}), "state: a state handle is"),
        ("execute_python", json!({"code": "1", "tools": "data"}), "tools: invalid type"),
        ("execute_python", json!({"code": "1", "tools": ["nope"]}), "nope"),
        ("execute_python", json!({"code": "1", "cwd": "/"}), "There is no argument \"cwd\""),
        ("execute_python", json!({"execution": "x"}), "execution: an execution's id is a UUID"),
        ("execute_python", json!({"execution": "x", "code": "1"}), "exclude each other"),
        ("execute_python", json!({"code": "1", "context": {"not a name": 1}}), "not a name"),
        ("search_tools", json!({"limit": 0}), "limit: 0 is not in 1..=200"),
        ("search_tools", json!({"detail": "all"}), "detail: unknown variant `all`"),
        ("search_tools", json!({"queries": ""}), "There is no argument \"queries\""),
        ("check_python", json!({}), "code: the program is missing"),
    ];
    for era in ERAS {
        for (tool, arguments, expected) in &cases {
            let answer = ask(&local, era, "tools/call", json!({"name": tool, "arguments": arguments}));
            assert_eq!(answer["result"]["isError"], true, "{answer}");
            assert!(text(&answer["result"]).contains(expected), "{answer}");
        }
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let local = start(|builder| builder);
    let error = |answer: &Answer| last(answer)["error"]["code"].as_i64().unwrap();
    let cases: [(&str, u16, i64); 8] = [
        ("", 400, -32700),
        ("{", 400, -32700),
        ("nonsense", 400, -32700),
        ("[]", 400, -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, -32600),
        (r#"{"id":1,"method":"ping"}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, 400, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":3}"#, 400, -32602),
    ];
    for (body, status, code) in cases {
        let answer = local.raw(&raw(body, ""));
        assert_eq!((answer.status, error(&answer)), (status, code), "{body}: {answer:?}");
    }
    for era in ERAS {
        let answer = local.raw(&request(era, "no/such", json!({}), &json!({}), ""));
        assert_eq!(error(&answer), -32601, "{answer:?}");
        let answer = local.raw(&request(era, "tools/call", json!({"name": "no_such"}), &json!({}), ""));
        assert_eq!(error(&answer), -32602, "{answer:?}");
        let answer = local.raw(&request(era, "tools/call", json!({"nom": "no_such"}), &json!({}), ""));
        assert_eq!(error(&answer), -32602, "{answer:?}");
        let answer = local.raw(&request(era, "prompts/get", json!({"name": "no_such"}), &json!({}), ""));
        assert_eq!(error(&answer), -32602, "{answer:?}");
    }
    let client = json!({"name": "test", "version": "1"});
    let params = json!({"protocolVersion": MODERN, "capabilities": {}, "clientInfo": client});
    let answer = local.raw(&request(Era::Stateless, "initialize", params, &json!({}), ""));
    assert_eq!((answer.status, error(&answer)), (404, -32601), "{answer:?}");
    let unsupported =
        request(Era::Handshake, "tools/list", json!({}), &json!({}), "MCP-Protocol-Version: 1999-01-01\r\n");
    assert_eq!(local.raw(&unsupported).status, 400);
}

#[test]
fn the_services_rules_hold_here_too() {
    let local = start(|builder| builder);
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let head = |token: &str, more: &str| {
        let bytes = body.len();
        format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {bytes}\r\n{token}{more}\r\n{body}"
        )
    };
    let (json, token) = ("Content-Type: application/json\r\n", format!("X-Executor-Token: {TOKEN}\r\n"));
    let missing = local.raw(head("", json).as_bytes());
    assert_eq!((missing.status, missing.header("www-authenticate")), (401, Some("bearer")));
    assert_eq!(local.raw(head("Authorization: Bearer wrong\r\n", json).as_bytes()).status, 401);
    assert_eq!(local.raw(head(&token, "").as_bytes()).status, 415);
    // Clients that name no media types accept all.
    assert_eq!(local.raw(head(&token, json).as_bytes()).status, 200);
    assert_eq!(local.raw(head(&token, &format!("{json}Accept: */*\r\n")).as_bytes()).status, 200);
    assert_eq!(
        local.raw(head(&token, &format!("{json}Origin: http://attacker.example\r\n")).as_bytes()).status,
        403
    );
    let rebound = head(&token, json).replace("Host: localhost", "Host: attacker.example");
    assert_eq!(local.raw(rebound.as_bytes()).status, 421);
    let large = raw(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(3 << 20)), "");
    assert_eq!(local.raw(&large).status, 413);
    assert_eq!(local.get("/mcp").status, 405);
}

#[test]
fn results_fit_a_models_budget() {
    let local = start(|builder| builder);
    for (code, part) in [
        ("print('x' * 100_000)\n'value'", "stdout"),
        ("['y'] * 20_000", "value"),
        ("print('\\u0001' * 50_000)\nprint('z' * 50_000)", "stdout"),
    ] {
        let result = run(&local, Era::Stateless, &json!({"code": code}));
        assert!(text(&result).chars().count() <= 24_000, "{}", text(&result).len());
        let shown = result["structuredContent"][part].as_str().unwrap();
        assert!(shown.contains("characters in all"), "{shown}");
        assert_eq!(result["isError"], false);
    }
    let result =
        run(&local, Era::Handshake, &json!({"code": "print('x' * 100_000)\nraise ValueError('y' * 50_000)"}));
    assert!(text(&result).chars().count() <= 10_000);
    assert!(text(&result).contains("ValueError") && text(&result).contains("stdout"));
}

#[test]
fn clients_that_go_away_free_their_slots() {
    let there = Arc::new(AtomicUsize::new(0));
    let long = Limits::default().tool_time(Duration::from_mins(5)).wall_time(Duration::from_mins(5));
    let local = Local::start(Settings::default().ceilings(long), |builder| {
        builder.ceilings(long).tool(endless(&there))
    });
    let arguments = json!({"code": "import spy\nawait spy.wait()"});
    let params = json!({"name": "execute_python", "arguments": arguments});
    for era in ERAS {
        for meta in [json!({}), json!({"progressToken": 1})] {
            let mut stream = local.connect();
            stream.write_all(&request(era, "tools/call", params.clone(), &meta, "")).unwrap();
            await_count(&there, 1);
            if !meta["progressToken"].is_null() {
                // In the middle of the stream.
                stream.read_exact(&mut [0; 16]).unwrap();
            }
            drop(stream);
            await_count(&there, 0);
            local.await_metric("code_executions_active", 0.0);
        }
    }
    assert_eq!(run(&local, Era::Stateless, &json!({"code": "6 * 7"}))["structuredContent"]["value"], 42);
}

#[test]
fn progress_is_told_to_those_who_ask() {
    let short = Tool::new("spy", "call", async |_| Ok(json!(1))).read_only();
    let local = start(|builder| builder.tool(short));
    let code =
        "import asyncio, spy\nfor n in range(4):\n    await spy.call()\n    await asyncio.sleep(0.4)\n'done'";
    let params = json!({"name": "execute_python", "arguments": {"code": code}});
    for era in ERAS {
        let answer =
            local.raw(&request(era, "tools/call", params.clone(), &json!({"progressToken": "t"}), ""));
        let data = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
        let messages: Vec<Value> = data.map(|json| serde_json::from_str(json).unwrap()).collect();
        let (end, progress) = messages.split_last().unwrap();
        assert_eq!(end["result"]["structuredContent"]["value"], "done");
        assert!(!progress.is_empty(), "{answer:?}");
        let values: Vec<f64> =
            progress.iter().map(|each| each["params"]["progress"].as_f64().unwrap()).collect();
        assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
        assert!(progress.iter().all(|each| each["params"]["progressToken"] == "t"));
        let silent = local.raw(&request(era, "tools/call", params.clone(), &json!({}), ""));
        assert!(!silent.head.contains("text/event-stream"), "{silent:?}");
    }
}

/// A service whose token may approve if `approves`, with a tool that needs approval.
fn with_lock(approves: bool) -> (Local, Arc<AtomicUsize>) {
    let opened = Arc::<AtomicUsize>::default();
    let count = opened.clone();
    let unlock = Tool::new("lock", "unlock", move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok(json!("open")) }
    });
    let unlock =
        unlock.approval(Approval::Always).parameters(json!({"properties": {"door": {"type": "string"}}}));
    let person = if approves { Token::new(TOKEN) } else { Token::new("a-token-of-a-person") };
    let local = Local::start(Settings::default().approver_token(person), |builder| builder.tool(unlock));
    (local, opened)
}

const UNLOCK: &str = "import lock\nawait lock.unlock(door='front')";

fn can_ask() -> Value {
    json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}}})
}

fn answered(local: &Local, asked: &Value, reply: &Value) -> Value {
    let calls = asked["inputRequests"].as_object().unwrap().keys();
    let replies: serde_json::Map<_, _> = calls.map(|call| (call.clone(), reply.clone())).collect();
    let params = json!({"name": "execute_python", "arguments": {"code": UNLOCK}, "inputResponses": replies,
        "requestState": asked["requestState"]});
    last(&local.raw(&request(Era::Stateless, "tools/call", params, &can_ask(), "")))
}

#[test]
fn people_are_asked_where_their_token_may_approve() {
    let (local, opened) = with_lock(true);
    let params = json!({"name": "execute_python", "arguments": {"code": UNLOCK}});
    let ask = || {
        last(&local.raw(&request(Era::Stateless, "tools/call", params.clone(), &can_ask(), "")))["result"]
            .clone()
    };
    let asked = ask();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let question = &asked["inputRequests"].as_object().unwrap().values().next().unwrap()["params"];
    assert!(question["message"].as_str().unwrap().contains("front"), "{question}");
    let yes = json!({"action": "accept", "content": {"approve": true}});
    let done = answered(&local, &asked, &yes);
    assert_eq!(done["result"]["structuredContent"]["value"], "open", "{done}");
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    // The answer counts once.
    let again = answered(&local, &asked, &yes);
    assert_eq!(again["result"]["structuredContent"]["outcome"], "stale_epoch", "{again}");
    for no in [
        json!({"action": "decline"}),
        json!({"action": "accept", "content": {"approve": false}}),
        json!({"action": "accept"}),
    ] {
        let denied = answered(&local, &ask(), &no);
        assert!(text(&denied["result"]).contains("ToolDenied"), "{denied}");
    }
    // Nobody has answered: it waits on.
    let dismissed = answered(&local, &ask(), &json!({"action": "cancel"}));
    assert_eq!(dismissed["result"]["structuredContent"]["outcome"], "waiting", "{dismissed}");
    assert_eq!(opened.load(Ordering::SeqCst), 1);
    let mut forged = ask();
    forged["requestState"] = json!("rs1.AAAA.AAAA");
    assert_eq!(answered(&local, &forged, &yes)["error"]["code"], -32602);
    assert_eq!(opened.load(Ordering::SeqCst), 1);
}

#[test]
fn others_wait_and_can_look_later() {
    let (local, opened) = with_lock(false);
    for (era, meta) in [(Era::Handshake, json!({})), (Era::Stateless, can_ask()), (Era::Stateless, json!({}))]
    {
        let params = json!({"name": "execute_python", "arguments": {"code": UNLOCK}});
        let answer = last(&local.raw(&request(era, "tools/call", params, &meta, "")));
        let shown = &answer["result"]["structuredContent"];
        assert_eq!(
            (&shown["outcome"], &answer["result"]["isError"]),
            (&json!("waiting"), &json!(false)),
            "{answer}"
        );
        let call = &shown["waiting"]["calls"][0];
        assert_eq!((&call["tool"], &call["for"]), (&json!("lock.unlock"), &json!("approval")));
        assert_eq!(call["arguments"], json!({"door": "front"}));
        let id = shown["waiting"]["execution"].as_str().unwrap();
        let look = || run(&local, era, &json!({"execution": id}))["structuredContent"].clone();
        assert_eq!(look()["outcome"], "waiting");
        let before = opened.load(Ordering::SeqCst);
        let body = json!({"epoch": 1, "calls": {call["call"].to_string(): {"approve": true}}}).to_string();
        let resume = format!(
            "POST /executions/{id}/resume HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             X-Executor-Token: a-token-of-a-person\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(local.raw(resume.as_bytes()).status, 200);
        let begun = Instant::now();
        while look()["outcome"] != "completed" {
            assert!(begun.elapsed() < Duration::from_secs(10), "{}", look());
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!((look()["value"].clone(), opened.load(Ordering::SeqCst)), (json!("open"), before + 1));
    }
    let unknown = run(&local, Era::Stateless, &json!({"execution": "00000000-0000-4000-8000-000000000000"}));
    assert_eq!(unknown["structuredContent"]["outcome"], "unknown_execution");
}

#[test]
fn stubs_and_the_prompt_can_be_read() {
    let many = (0..150).map(|n| {
        Tool::new("many", format!("tool_{n}"), async |_| Ok(Value::Null)).describe("Does \"\"\" it.")
    });
    let local = start(|builder| {
        builder.tools(many).tool(Tool::new("house", "rooms", async |_| Ok(Value::Null)).read_only())
    });
    for era in ERAS {
        let (mut cursor, mut uris) = (Value::Null, Vec::new());
        loop {
            let params = if cursor.is_null() { json!({}) } else { json!({"cursor": cursor}) };
            let page = ask(&local, era, "resources/list", params)["result"].clone();
            uris.extend(
                page["resources"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|each| each["uri"].as_str().unwrap().to_owned()),
            );
            cursor = page["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        assert_eq!(uris.len(), 153);
        for uri in ["stubs:///house/__init__.pyi", "stubs:///house/rooms.pyi", "stubs:///many/tool_149.pyi"] {
            assert!(uris.contains(&uri.to_owned()));
            let read = ask(&local, era, "resources/read", json!({"uri": uri}))["result"].clone();
            assert_eq!(read["contents"][0]["mimeType"], "text/x-python", "{read}");
            assert!(!read["contents"][0]["text"].as_str().unwrap().is_empty());
        }
        for uri in
            ["stubs:///house/no.pyi", "stubs:///../etc/passwd", "file:///etc/passwd", "stubs:///house", ""]
        {
            assert!(
                ask(&local, era, "resources/read", json!({"uri": uri}))["error"]["code"].is_i64(),
                "{uri}"
            );
        }
        assert!(ask(&local, era, "resources/list", json!({"cursor": "x"}))["error"]["code"].is_i64());
        let prompts = ask(&local, era, "prompts/list", json!({}))["result"].clone();
        let name = &prompts["prompts"][0]["name"];
        let prompt = ask(&local, era, "prompts/get", json!({"name": name}))["result"].clone();
        assert!(
            prompt["messages"][0]["content"]["text"].as_str().unwrap().contains("house.rooms"),
            "{prompt}"
        );
    }
}

#[test]
fn functions_are_found() {
    let many = (0..300).map(|n| {
        let schema = json!({"properties": {"text": {"type": "string", "description": "long ".repeat(100)}}});
        Tool::new("many", format!("tool_{n}"), async |_| Ok(Value::Null))
            .describe("Counts sheep.")
            .parameters(schema)
    });
    let local = start(|builder| builder.tools(many));
    let search = |arguments: Value| {
        let answer = ask(
            &local,
            Era::Stateless,
            "tools/call",
            json!({"name": "search_tools", "arguments": arguments}),
        );
        let result = answer["result"].clone();
        assert!(text(&result).len() <= 24_000);
        assert_eq!(serde_json::from_str::<Value>(text(&result)).unwrap(), result["structuredContent"]);
        result["structuredContent"].clone()
    };
    let found = search(json!({"query": "sheep"}));
    assert_eq!((&found["total"], found["tools"].as_array().unwrap().len()), (&json!(300), 20));
    let names = search(json!({"query": "tool_7", "detail": "name", "limit": 1}));
    assert_eq!(names["tools"], json!([{"name": "many.tool_7"}]));
    let full = search(json!({"query": "sheep", "detail": "full", "limit": 200}));
    assert!(!full["tools"].as_array().unwrap().is_empty() && full["tools"][0]["stub"].is_string());
    let ok = ask(
        &local,
        Era::Handshake,
        "tools/call",
        json!({"name": "check_python", "arguments": {"code": "1 + 1"}}),
    );
    assert_eq!(ok["result"]["structuredContent"], json!({"ok": true, "findings": []}));
    let bad = ask(
        &local,
        Era::Handshake,
        "tools/call",
        json!({"name": "check_python", "arguments": {"code": "import os"}}),
    );
    assert_eq!(
        (&bad["result"]["isError"], &bad["result"]["structuredContent"]["ok"]),
        (&json!(false), &json!(false))
    );
}

#[test]
fn a_stream_is_not_idle_while_its_program_runs() {
    let settings = Settings::default().idle_time(Duration::from_secs(1));
    let local = Local::start(settings, |builder| builder);
    let body = json!({"code": "import asyncio\nawait asyncio.sleep(3)\n'awake'"}).to_string();
    let mut stream: TcpStream = local.connect();
    stream.write_all(&crate::local::execute(&body, "Accept: application/x-ndjson\r\n")).unwrap();
    let answer = Answer::read(stream);
    assert!(answer.body.contains("awake"), "{answer:?}");
}
