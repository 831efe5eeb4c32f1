//! Invariants that must hold whatever a program does.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use ai_code_executor::{Layers, PolicyKind};
use serde_json::{Value, json};

use super::target::{Attack, PATIENCE, Target};

/// The service's default limits for stdout and stderr each, and for the value as JSON.
const OUTPUT_BYTES_MAX: usize = 1 << 20;
const RESULT_BYTES_MAX: usize = 1 << 20;

/// An invalid byte becomes a replacement character of three bytes.
const BYTES_PER_BYTE_MAX: usize = 3;

/// Bound for the rest of an answer: the error with its traceback, figures, names.
const REST_BYTES_MAX: usize = 256 << 10;

/// Returns the invariants that an attack has broken.
pub(super) fn broken(target: &Target, attack: &Attack) -> Vec<String> {
    let mut broken = attack.complaints.clone();
    let text = attack.answer.to_string();
    let seen = target.canaries.iter().filter(|canary| text.contains(*canary));
    broken.extend(seen.map(|canary| format!("saw {canary}")));
    broken.extend(oversize(&attack.answer));
    if attack.elapsed > attack.wall_time + PATIENCE {
        broken.push(format!("answered after {:?}", attack.elapsed));
    }
    match target.listener.accept() {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        reached => broken.push(format!("connected to the loopback interface: {reached:?}")),
    }
    let files = std::fs::read_dir(target.working_directory.path()).unwrap().count();
    if files != 1 {
        broken.push(format!("{files} files in the service's working directory"));
    }
    let (_, metrics) = target.service.get("/metrics");
    broken.extend(broken_in_metrics(metrics.as_str().unwrap_or_default()));
    broken
}

/// Returns the parts of an answer that are too long.
fn oversize(answer: &Value) -> Vec<String> {
    let stream =
        |name| ("a stream", answer[name].as_str().map_or(0, str::len), OUTPUT_BYTES_MAX * BYTES_PER_BYTE_MAX);
    let value = answer["return_value"].to_string().len();
    let mut rest = answer.clone();
    if let Some(rest) = rest.as_object_mut() {
        rest.retain(|key, _| !["stdout", "stderr", "return_value"].contains(&key.as_str()));
    }
    let parts = [
        stream("stdout"),
        stream("stderr"),
        ("the value", value, RESULT_BYTES_MAX),
        ("the rest", rest.to_string().len(), REST_BYTES_MAX),
    ];
    let long = parts.iter().filter(|(_, bytes, bytes_max)| bytes > bytes_max);
    long.map(|(part, bytes, _)| format!("{part} of the answer has {bytes} bytes")).collect()
}

/// Checks that every line is a comment or a sample with a number.
fn broken_in_metrics(text: &str) -> Vec<String> {
    let is_sample = |line: &str| {
        let Some((series, value)) = line.rsplit_once(' ') else { return false };
        let name = series.split('{').next().unwrap_or_default();
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.is_empty();
        let is_closed = series.ends_with('}') == series.contains('{');
        is_name && is_closed && value.parse::<f64>().is_ok()
    };
    let is_good = |line: &&str| line.starts_with("# ") || is_sample(line);
    let mut broken: Vec<String> =
        text.lines().filter(|line| !is_good(line)).map(|line| format!("no metric: {line:?}")).collect();
    if !text.ends_with("\n# EOF\n") {
        broken.push("the metrics do not end".into());
    }
    broken
}

/// Checks that every line is one JSON object without control characters or canaries, and that each request has exactly
/// one event.
pub(super) fn broken_in_log(lines: &[String], requests: &[String], canaries: &[String]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut events = Vec::new();
    for line in lines {
        match serde_json::from_str::<Value>(line) {
            Ok(event) if event.is_object() && !line.chars().any(char::is_control) => events.push(event),
            _ => broken.push(format!("no line of a log: {line:?}")),
        }
        let shown = canaries.iter().filter(|canary| line.contains(*canary));
        broken.extend(shown.map(|canary| format!("logged {canary}")));
    }
    for request in requests {
        let is_its = |event: &&Value| event["request_id"] == **request && event["message"] == "execution";
        let count = events.iter().filter(is_its).count();
        if count != 1 {
            broken.push(format!("{request} has {count} events in the log"));
        }
    }
    broken
}

#[test]
fn breaches_are_detected() {
    let target = Target::start(Layers::WallOnly, PolicyKind::Strict);
    let process = Path::new("/proc").join(target.service.child.id().to_string());
    let environment = std::fs::read(process.join("environ")).unwrap();
    assert!(String::from_utf8_lossy(&environment).contains(&target.canaries[0]));
    assert_eq!(std::fs::read_to_string(process.join("cwd/host-canary.txt")).unwrap(), target.canaries[1]);

    let limit = Duration::from_secs(1);
    let attack = |elapsed, answer| Attack {
        status: 200,
        answer,
        elapsed,
        wall_time: limit,
        cpu_time: limit,
        complaints: Vec::new(),
    };
    assert_eq!(broken(&target, &attack(limit, json!({"stdout": "CANARY"}))), Vec::<String>::new());
    let _connection = TcpStream::connect(target.listener.local_addr().unwrap()).unwrap();
    std::fs::write(target.working_directory.path().join("left"), "").unwrap();
    let breach =
        attack(limit + 2 * PATIENCE, json!({"stdout": target.canaries[0], "error": "x".repeat(1 << 20)}));
    let found = broken(&target, &breach);
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn broken_metrics_are_detected() {
    let metrics = "# TYPE a counter\na_total{x=\"1\"} 5\n# EOF\n";
    assert_eq!(broken_in_metrics(metrics), Vec::<String>::new());
    for (was, is) in [("5", "five"), ("\n# EOF", ""), ("a_total", "a total"), ("\"}", "\"")] {
        assert_ne!(broken_in_metrics(&metrics.replace(was, is)), Vec::<String>::new(), "{is}");
    }
}

#[test]
fn broken_logs_are_detected() {
    let event = r#"{"message":"execution","request_id":"one"}"#;
    let broken = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        broken_in_log(&lines, &["one".to_owned()], &["CANARY".to_owned()]).len()
    };
    assert_eq!(broken(&[event]), 0);
    let others = [event, "\u{1b}[2J{}", "5", r#"{"a":"CANARY"}"#, "{\"a\":\"\u{85}\"}", "thread panicked"];
    for other in others {
        assert_eq!(broken(&[event, other]), 1, "{other:?}");
    }
    assert_eq!(broken(&[]), 1);
}
