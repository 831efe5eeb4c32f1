//! The log: one event for each execution, read from JSON as a log collector does.

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use ai_code_executor::Limits;
use ai_code_executor::server::Settings;
use serde_json::{Value, json};

use sha2::{Digest, Sha256};

use crate::local::{Answer, Local, execute};
use crate::tools::with_tools;

const SECRET: &str = "what_nobody_else_should_read";

/// Collects the events of all tests in this process.
struct Collector;

static COLLECTED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

impl Write for Collector {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        COLLECTED.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn collect() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| tracing_subscriber::fmt().json().with_writer(|| Collector).init());
}

/// Returns the events that mention a text, such as a request's id.
pub(crate) fn events(text: &str) -> Vec<Value> {
    let collected = COLLECTED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let lines = String::from_utf8(collected).unwrap();
    let mentioning = lines.lines().filter(|line| line.contains(text));
    mentioning.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn send(local: &Local, request_id: &str, body: &Value) -> Answer {
    local.raw(&execute(&body.to_string(), &format!("X-Request-Id: {request_id}\r\n")))
}

#[test]
fn each_execution_is_one_event_without_code_or_values() {
    collect();
    let local = Local::start(Settings::default(), |builder| builder);
    let rows = [
        ("log-completed", format!("print('{SECRET}')\n'{SECRET}'"), "completed", ""),
        ("log-failure", format!("raise ValueError('{SECRET}')"), "failure", ""),
        ("log-timeout", format!("{SECRET} = 1\nwhile True: pass"), "timeout", ""),
        ("log-rejected", format!("{SECRET} = = 1"), "rejected", "syntax_error"),
    ];
    for (id, code, outcome, rules) in rows {
        let answer = send(&local, id, &json!({"code": code, "timeout": 1, "context": {"x": SECRET}}));
        let mut events = events(id);
        // That its request was refused is another matter.
        events.retain(|event| event["fields"]["message"] != "request refused");
        assert_eq!(events.len(), 1, "{events:?}");
        let (event, fields) = (&events[0], &events[0]["fields"]);
        assert_eq!((&event["level"], &fields["message"]), (&json!("INFO"), &json!("execution")), "{event}");
        assert_eq!((&fields["outcome"], &fields["request_id"]), (&json!(outcome), &json!(id)), "{event}");
        assert_eq!(fields["rules"].as_str().unwrap_or_default(), rules, "{event}");
        assert_eq!((&fields["code_bytes"], &fields["code"]), (&json!(code.len()), &Value::Null), "{event}");
        assert_eq!(fields["code_sha256"].as_str().unwrap().len(), 64, "{event}");
        assert!(!event.to_string().contains(SECRET), "{event}");
        if outcome != "rejected" {
            assert_eq!(fields["execution_id"], answer.json()["execution_id"]);
            assert_eq!(fields["fuel"], answer.json()["usage"]["fuel"]);
            for key in ["queue_us", "instantiate_us", "run_us", "teardown_us", "cpu_us", "memory_bytes_peak"]
            {
                assert!(fields[key].is_u64(), "{key}: {event}");
            }
        }
    }
}

#[test]
fn an_abandoned_execution_is_logged() {
    collect();
    let local = Local::start(Settings::default(), |builder| builder);
    let mut stream = local.connect();
    let body = json!({"code": "while True: pass"}).to_string();
    stream.write_all(&execute(&body, "X-Request-Id: log-left\r\n")).unwrap();
    local.await_metric("code_executions_active", 1.0);
    drop(stream);
    local.await_metric("code_execution_outcomes_total{outcome=\"cancelled\"}", 1.0);
    local.execute(&json!({"code": "1"}));
    let events = events("log-left");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["fields"]["outcome"], "cancelled");
}

#[test]
fn code_is_logged_only_on_demand_and_values_never() {
    collect();
    let local = Local::start(Settings::default(), |builder| builder.log_code(true));
    send(&local, "log-code", &json!({"code": "x + x", "context": {"x": SECRET}}));
    let events = events("log-code");
    assert_eq!((events.len(), &events[0]["fields"]["code"]), (1, &json!("x + x")));
    assert!(!events[0].to_string().contains(SECRET));
}

#[test]
fn each_tool_call_is_one_event_without_arguments_or_reply() {
    collect();
    let local = Local::start(Settings::default(), with_tools);
    let code = format!(
        "import home\nawait home.echo('{SECRET}')\ntry: await home.fail(why='{SECRET}')\nexcept ToolError: pass\nfor _ in 'x': await home.echo(1, 2)"
    );
    let answer = send(&local, "log-tools", &json!({"code": code}));
    let id = answer.json()["execution_id"].as_str().unwrap().to_owned();
    let events = events(&id);
    assert_eq!(events.len(), 4, "{events:?}");
    let fields: Vec<&Value> = events.iter().map(|event| &event["fields"]).collect();
    let echoed = format!(r#"{{"value":"{SECRET}"}}"#);
    assert_eq!((&fields[0]["message"], &fields[0]["tool"]), (&json!("tool call"), &json!("home.echo")));
    assert_eq!((&fields[0]["status"], &fields[0]["bytes"]), (&json!("ok"), &json!(echoed.len())));
    assert_eq!(fields[0]["arguments_sha256"], base16ct::lower::encode_string(&Sha256::digest(&echoed)));
    assert!(fields[0]["ms"].as_f64().unwrap() >= 0.0);
    assert_eq!((&fields[1]["tool"], &fields[1]["status"]), (&json!("home.fail"), &json!("failed")));
    assert_eq!((&fields[2]["tool"], &fields[2]["status"]), (&json!("home.echo"), &json!("arguments")));
    assert_eq!(fields[3]["message"], "execution");
    assert!(events.iter().all(|event| !event.to_string().contains(SECRET)), "{events:?}");
}

#[test]
fn refused_calls_are_logged() {
    collect();
    let settings = Settings::default().ceilings(Limits::default().tool_calls_max(3));
    let local = Local::start(settings, with_tools);
    let code = "import home\nfor call in [home.fail] + [home.echo] * 9:\n    try: await call(1)\n    except ToolError: pass";
    let answer = send(&local, "log-refused", &json!({"code": code, "tools": ["home.echo"]}));
    let id = answer.json()["execution_id"].as_str().unwrap().to_owned();
    let statuses: Vec<_> = events(&id)
        .iter()
        .map(|event| format!("{} {}", event["fields"]["tool"], event["fields"]["status"]).replace('"', ""))
        .collect();
    let expected = ["home.fail denied", "home.echo ok", "home.echo ok", "home.echo denied", "null null"];
    assert_eq!(statuses, expected, "an exhausted budget is logged once, however many calls it refuses");
}
