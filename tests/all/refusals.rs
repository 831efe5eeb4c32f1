//! Refused requests are counted by code and logged with their peer, but without any part of the request.

use std::collections::BTreeSet;
use std::io::Write;

use ai_code_executor::server::Settings;
use serde_json::{Value, json};

use crate::local::{Answer, Local, execute};
use crate::log::{collect, events};
use crate::support::TOKEN;

const SECRET: &str = "a-secret-of-the-caller";

fn local() -> Local {
    Local::start(Settings::default().body_bytes_max(10_000), |builder| builder.queue(0))
}

fn count(local: &Local, code: &str) -> u64 {
    let sample = format!("code_executor_refusals_total{{code=\"{code}\"}} ");
    let text = local.get("/metrics").body;
    let count = text.lines().find_map(|line| line.strip_prefix(&sample));
    count.unwrap_or_else(|| panic!("{sample}is not in\n{text}")).parse().unwrap()
}

/// Returns the codes listed in the `OpenAPI` document, each with its count.
fn counts(local: &Local) -> Vec<(String, u64)> {
    let document = local.get("/openapi.json").json();
    let codes = document["components"]["schemas"]["Code"]["enum"].as_array().unwrap();
    codes
        .iter()
        .map(|code| code.as_str().unwrap())
        .map(|code| (code.to_owned(), count(local, code)))
        .collect()
}

#[test]
fn every_code_has_a_series_from_the_start() {
    let local = Local::start_unready(Settings::default());
    let counts = counts(&local);
    assert!(counts.len() >= 30 && counts.iter().all(|(_, count)| *count == 0), "{counts:?}");
    let text = local.get("/metrics").body;
    let series = text.lines().filter(|line| line.starts_with("code_executor_refusals_total")).count();
    assert_eq!(series, counts.len(), "{text}");
}

/// Requests, each with the code of its refusal.
fn refused_requests() -> Vec<(Vec<u8>, &'static str)> {
    let edit = |from: &str, to: &str| {
        let body = json!({"code": format!("'{SECRET}'")}).to_string();
        String::from_utf8(execute(&body, "X-Request-Id: refused-request\r\n"))
            .unwrap()
            .replace(from, to)
            .into_bytes()
    };
    let body = |body: &str| execute(body, "X-Request-Id: refused-request\r\n");
    vec![
        (edit("Host: localhost\r\n", ""), "bad_host"),
        (edit("Host: localhost", &format!("Host: {SECRET}")), "misdirected_host"),
        (edit("Host: localhost", &format!("Host: localhost\r\nOrigin: http://{SECRET}")), "foreign_origin"),
        (edit(TOKEN, SECRET), "unauthorized"),
        (edit("POST /execute", &format!("GET /{SECRET}")), "not_found"),
        (edit("POST", "DELETE"), "method_not_allowed"),
        (edit("application/json", "text/plain"), "not_json"),
        (body(&format!("{{\"{SECRET}\": 1}}")), "invalid_request"),
        (body(&SECRET.repeat(1000)), "body_too_large"),
        (body(&json!({"code": "1", "context": {(format!("{SECRET} ")): 1}}).to_string()), "context"),
        (body(&json!({"code": "1", "tools": [SECRET]}).to_string()), "unknown_tool"),
        (
            body(&json!({"code": format!("import {}", SECRET.replace('-', "_"))}).to_string()),
            "import_not_permitted",
        ),
        (body(r#"{"code": ""}"#), "empty"),
    ]
}

#[test]
fn refusals_are_counted_and_logged_without_request_data() {
    collect();
    let local = local();
    for (request, code) in refused_requests() {
        let before = count(&local, code);
        let mut stream = local.connect();
        let peer = stream.local_addr().unwrap().to_string();
        stream.write_all(&request).unwrap();
        let answer = Answer::read(stream);
        assert_eq!(answer.json()["code"], code, "{answer:?}");
        assert_eq!(count(&local, code), before + 1, "{code}");
        let events = events(&peer);
        assert_eq!(events.len(), 1, "{code}: {events:?}");
        let fields = &events[0]["fields"];
        assert_eq!((&events[0]["level"], &fields["message"]), (&json!("INFO"), &json!("request refused")));
        assert_eq!((&fields["code"], &fields["status"]), (&json!(code), &json!(answer.status)), "{code}");
        assert_eq!(
            (&fields["peer"], &fields["request_id"]),
            (&json!(peer), &json!("refused-request")),
            "{code}"
        );
        assert!(
            !events[0].to_string().contains(SECRET) && !events[0].to_string().contains(TOKEN),
            "{events:?}"
        );
    }
    let counted: u64 = counts(&local).iter().map(|(_, count)| count).sum();
    assert_eq!(counted, refused_requests().len() as u64);
}

#[test]
fn a_full_queue_and_malformed_http_count_as_refusals() {
    let local = local();
    let running = local.begin(&json!({"code": "import time\ntime.sleep(1)"}));
    local.await_metric("code_executions_active", 1.0);
    let answer = local.execute(&json!({"code": "1"}));
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json()["detail"], "The queue is full: 0 programs are waiting");
    drop(running);
    assert_eq!(
        local.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03TLS to a port without TLS\r\n\r\n").status,
        400
    );
    local.await_metric("code_executor_refusals_total{code=\"not_http\"}", 1.0);
    assert_eq!(count(&local, "busy"), 1);
}

/// Refused clients decide how many refusals there are.
#[test]
fn the_number_of_log_lines_is_bounded() {
    collect();
    let local = local();
    let id = |n: usize| format!("X-Request-Id: refused-flood-{n}-end\r\n");
    let mut stream = local.connect();
    let flood = |n| format!("GET /nothing HTTP/1.1\r\nHost: localhost\r\n{}\r\n", id(n));
    let last = format!("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n", id(300));
    stream.write_all(((0..300).map(flood).collect::<String>() + &last).as_bytes()).unwrap();
    Answer::read(stream);
    assert_eq!(count(&local, "not_found"), 301);
    let shown = events("refused-flood-").len();
    assert!((10..=100).contains(&shown), "{shown} lines");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    local.raw(
        format!("GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}\r\n", id(301))
            .as_bytes(),
    );
    let last: Vec<Value> = events("refused-flood-301-end");
    let suppressed = last[0]["fields"]["suppressed"].as_u64().unwrap();
    assert!(suppressed >= 200, "{last:?}");
    // All shown lines have different IDs. The last request adds one line.
    let ids: BTreeSet<String> =
        events("refused-flood-").iter().map(|event| event["fields"]["request_id"].to_string()).collect();
    assert_eq!(ids.len(), shown + 1);
}
