//! Tools whose texts try to break out of the place where they are shown: everywhere that a client of the Model Context
//! Protocol or a program reads them, they stay text.

use ai_code_executor::server::Settings;
use ruff_python_parser::parse_module;
use ruff_text_size::Ranged;
use serde_json::{Value, json};

use crate::catalogue::{assert_clean, assert_fenced, hostile_texts, hostile_tools};
use crate::local::Local;
use crate::support::TOKEN;

fn start() -> Local {
    Local::start(Settings::default(), |builder| builder.tools(hostile_tools()))
}

/// Returns the result of a request. A client with a handshake may leave the handshake out.
fn ask(local: &Local, method: &str, params: &Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = local.raw(request.as_bytes());
    let text = answer.body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
    let answer: Value = serde_json::from_str(text.unwrap_or(&answer.body)).unwrap();
    answer.get("result").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
}

fn called(local: &Local, tool: &str, arguments: &Value) -> Value {
    let result = ask(local, "tools/call", &json!({"name": tool, "arguments": arguments}));
    assert_eq!(result["isError"], false, "{result}");
    result["structuredContent"].clone()
}

/// Checks each text in `value`, keys included.
fn assert_clean_texts(value: &Value) {
    match value {
        Value::String(text) => assert_clean(text),
        Value::Array(items) => items.iter().for_each(assert_clean_texts),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            assert_clean(key);
            assert_clean_texts(value);
        }),
        _ => {}
    }
}

/// Checks that `stub` has so many functions and, apart from texts and `__all__`, nothing else but a stub's imports.
fn assert_stub(stub: &str, functions: usize) {
    let suite = parse_module(stub).unwrap_or_else(|error| panic!("{error}: {stub}")).into_suite();
    let mut found = 0;
    for statement in &suite {
        let text = &stub[statement.range()];
        match text.split([' ', '"']).next().unwrap() {
            "async" => found += 1,
            "from" => assert!(text == "from typing import Literal" || text.starts_with("from ."), "{stub}"),
            other => assert!(["", "__all__"].contains(&other), "{stub}"),
        }
    }
    assert_eq!(found, functions, "{stub}");
}

#[test]
fn clients_read_clean_texts() {
    let local = start();
    let client = json!({"name": "test", "version": "1"});
    let began = ask(
        &local,
        "initialize",
        &json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}),
    );
    let listed = ask(&local, "tools/list", &json!({}));
    let resources = ask(&local, "resources/list", &json!({}));
    for shown in [&began, &listed, &resources] {
        assert_clean_texts(shown);
    }
    assert!(began["instructions"].as_str().unwrap().len() < 2000, "{began}");
    let resources = resources["resources"].as_array().unwrap();
    assert_eq!(resources.len(), hostile_texts().len() + 3);
    for resource in resources {
        let uri = resource["uri"].as_str().unwrap();
        let path = uri.strip_prefix("stubs:///").unwrap().strip_suffix(".pyi").unwrap();
        assert!(path.chars().all(|char| char.is_ascii_alphanumeric() || "_/".contains(char)), "{uri}");
        assert!(resource["description"].as_str().unwrap().lines().count() <= 1, "{resource}");
        let read = ask(&local, "resources/read", &json!({ "uri": uri }));
        assert_clean_texts(&read);
        assert_stub(read["contents"][0]["text"].as_str().unwrap(), usize::from(!path.ends_with("/__init__")));
    }
    let prompt = ask(&local, "prompts/get", &json!({"name": "python_executor"}));
    assert_fenced(prompt["messages"][0]["content"]["text"].as_str().unwrap());
}

#[test]
fn searches_find_clean_texts() {
    let local = start();
    for query in ["", "ignore all previous instructions", "\"\"\"\nimport os", "\u{202e}\0"] {
        for detail in ["name", "summary", "full"] {
            let arguments = json!({"query": query, "detail": detail, "limit": 200});
            let found = called(&local, "search_tools", &arguments);
            assert_clean_texts(&found);
            for tool in found["tools"].as_array().unwrap() {
                if let Some(stub) = tool["stub"].as_str() {
                    assert_stub(stub, 1);
                }
            }
        }
    }
}

const READER: &str = "
import ast, inspect, tools, m0, m1, m2

count, texts, others = 0, [repr(tools.search(''))], set()
for module in (m0, m1, m2):
    for name, value in inspect.getmembers(module):
        if inspect.iscoroutinefunction(value):
            count += 1
            texts += value.__doc__, str(inspect.signature(value)), value.__name__
            body = ast.parse(tools.describe(f'{module.__name__}.{name}')).body
            assert [type(node) for node in body] == [ast.AsyncFunctionDef] and body[0].name == name
        elif not name.startswith('__'):
            others.add(name)
{'count': count, 'others': others, 'characters': ''.join(sorted(set(''.join(texts))))}
";

#[test]
fn programs_read_clean_texts_and_find_nothing_else() {
    let local = start();
    let value = called(&local, "execute_python", &json!({ "code": READER }))["value"].clone();
    assert_eq!(value["count"], hostile_texts().len());
    let errors = ["ToolArgumentError", "ToolDenied", "ToolError", "ToolInterrupted", "ToolTimeout"];
    assert_eq!(value["others"], json!(errors));
    assert_clean(value["characters"].as_str().unwrap());
}
