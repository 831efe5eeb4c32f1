//! `POST /check`: findings without an execution.

use std::io::Write;
use std::net::TcpStream;

use ai_code_executor::server::Settings;
use serde_json::{Value, json};

use crate::local::{Answer, Local, execute};
use crate::tools::with_tools;

fn local() -> Local {
    Local::start(Settings::default(), |builder| with_tools(builder).queue(1))
}

/// Builds a request to check `body`, on a connection of its own.
fn request(body: &str) -> Vec<u8> {
    String::from_utf8(execute(body, "")).unwrap().replacen("/execute", "/check", 1).into_bytes()
}

fn begin(local: &Local, body: &Value) -> TcpStream {
    let mut stream = local.connect();
    stream.write_all(&request(&body.to_string())).unwrap();
    stream
}

fn check(local: &Local, body: &Value) -> Answer {
    Answer::read(begin(local, body))
}

/// A program so large that another thread than the connection's checks it.
fn large(value: u32) -> String {
    format!("x = {value}\n") + &"yyyyyyyy = 1\n".repeat(500) + "x"
}

#[test]
fn findings_equal_those_of_execute_and_nothing_runs() {
    let local = local();
    let programs = [
        "1",
        "while True: pass",
        "",
        "x = = 1\ny = = 2",
        "import os\nimport sys\neval('1')",
        "from . import x",
        &"x\n".repeat(2000),
        &"x".repeat(10_001),
        &large(1),
        &(large(1) + "\nimport os"),
        "import home\nawait home.echo(1)",
    ];
    for code in programs {
        let answer = check(&local, &json!({"code": code}));
        let shown: String = code.chars().take(40).collect();
        assert_eq!(answer.status, 200, "{shown}: {answer:?}");
        let checked = answer.json();
        assert_eq!(checked.as_object().unwrap().len(), 2, "{shown}: {checked}");
        let findings = checked["findings"].as_array().unwrap();
        assert_eq!(checked["ok"], findings.is_empty(), "{shown}: {checked}");
        let executed = local.execute(&json!({"code": code, "timeout": 0.2})).json();
        let expected = executed.get("findings").cloned().unwrap_or_else(|| json!([]));
        assert_eq!(checked["findings"], expected, "{shown}");
    }
}

#[test]
fn a_check_is_not_counted_as_an_execution() {
    let local = local();
    for code in ["while True: pass", "import os", &large(1)] {
        assert_eq!(check(&local, &json!({"code": code})).status, 200, "{code}");
    }
    for status in ["success", "failure", "timeout", "security_blocked"] {
        local.assert_metric(&format!("code_executions_total{{status=\"{status}\"}}"), 0.0);
    }
}

#[test]
fn tools_are_granted_as_by_execute() {
    let local = local();
    let code = "import home\nawait home.echo(1)";
    // The interpreter refuses a module that is not granted; the validator does not.
    for tools in [Value::Null, json!(["home"]), json!(["home.echo"]), json!(["garden"]), json!([])] {
        let answer = check(&local, &json!({"code": code, "tools": tools}));
        assert_eq!(answer.json(), json!({"ok": true, "findings": []}), "{tools}");
    }
    let unknown = check(&local, &json!({"code": code, "tools": ["nonsense"]}));
    assert_eq!((unknown.status, &unknown.json()["code"]), (400, &json!("unknown_tool")));
}

#[test]
fn invalid_requests_are_refused_as_by_execute() {
    let settings = Settings::default().body_bytes_max(10_000);
    let local = Local::start(settings, |builder| builder);
    let rows = [
        ("", 422, "invalid_request"),
        ("{}", 422, "invalid_request"),
        ("[]", 422, "invalid_request"),
        (r#"{"code": 1}"#, 422, "invalid_request"),
        (r#"{"code": "1", "context": {}}"#, 422, "invalid_request"),
        (r#"{"code": "1", "timeout": 1}"#, 422, "invalid_request"),
        (r#"{"code": "1", "caller_tools": [1]}"#, 422, "invalid_request"),
        (r#"{"code": "1", "caller_tools": [{"name": "x", "input_schema": {}}]}"#, 422, "invalid_request"),
        (r#"{"code": "1", "state": "new"}"#, 422, "invalid_request"),
        (r#"{"code": "1", "tools": "home"}"#, 422, "invalid_request"),
        (&format!("{{\"code\": {}", "[".repeat(9000)), 422, "invalid_request"),
        (&" ".repeat(10_001), 413, "body_too_large"),
    ];
    for (body, status, code) in rows {
        let answer = local.raw(&request(body));
        let shown: String = body.chars().take(40).collect();
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{shown}: {answer:?}");
    }
    let text =
        |from: &str, to: &str| String::from_utf8(request(r#"{"code": "1"}"#)).unwrap().replace(from, to);
    assert_eq!(local.raw(text(crate::support::TOKEN, "a-wrong-token").as_bytes()).status, 401);
    assert_eq!(local.raw(text("application/json", "text/plain").as_bytes()).status, 415);
    assert_eq!(local.raw(text("POST", "GET").as_bytes()).status, 405);
    let unready = Local::start_unready(Settings::default());
    assert_eq!(check(&unready, &json!({"code": "1"})).json()["code"], "not_ready");
}

/// Checks of small programs need no slot. Those of large ones run one at a time and wait in a bounded queue.
#[test]
fn checks_do_not_wait_for_executions() {
    let local = local();
    let running = local.begin(&json!({"code": "import time\ntime.sleep(2)\n'done'"}));
    local.await_metric("code_executions_active", 1.0);
    let waiting = local.begin(&json!({"code": "'waited'"}));
    local.await_metric("code_executions_queued", 1.0);
    for code in ["1".to_owned(), large(1)] {
        assert_eq!(check(&local, &json!({"code": code})).json()["ok"], true);
    }
    local.assert_metric("code_executions_active", 1.0);
    assert_eq!(Answer::read(running).json()["return_value"], "done");
    assert_eq!(Answer::read(waiting).json()["return_value"], "waited");
}
