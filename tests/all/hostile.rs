//! Hostile programs, `tests/hostile/*.py`, twice: against the service with all its layers, and against one that has the
//! wall alone. Both are processes of their own. Whatever the programs do, it is an outcome, and the next honest request
//! is answered right.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ai_code_executor::server::{Service as Server, Settings, Token};
use ai_code_executor::{Layers, Limits, Sandbox};
use serde_json::{Value, json};

use crate::expectations::{Program, programs};
use crate::support::{Service, TOKEN, cache_dir};

/// What holds behind the wall alone; and, if a program says so, with the guards in front of it.
const KEYS: [&str; 7] =
    ["outcome", "error_type", "value", "stdout_starts", "limits", "guarded_error", "guarded_value"];
const OUTCOMES: [&str; 6] = ["completed", "failure", "timeout", "cpu_limit", "memory_limit", "cancelled"];
const WALL_TIME: Duration = Duration::from_secs(20);
const CPU_TIME: Duration = Duration::from_secs(3);
const SERVE: &str = "SERVE_THE_WALL_ALONE";

#[test]
fn the_wall_alone_withstands_hostile_programs() {
    run_all(start_wall_alone, strict);
}

#[test]
fn all_layers_withstand_hostile_programs() {
    let settings = [("EXECUTION_TIMEOUT", "20"), ("MAX_CPU_PERCENT", "15")];
    run_all(|| Service::start(&settings), guarded);
}

/// Runs the programs one after the other; `check` says what is wrong with an answer.
fn run_all(start: impl Fn() -> Service, check: fn(&Program, u16, &Value) -> Vec<String>) {
    // One after the other: what they do to the machine would be the other's time.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut service = start();
    let programs = programs("hostile");
    assert!(programs.len() >= 30, "only {} programs found", programs.len());
    let mut wrong = Vec::new();
    for program in &programs {
        program.assert_keys(&KEYS);
        let mut body = program.get("limits").cloned().unwrap_or_else(|| json!({}));
        body["code"] = json!(program.code);
        let (status, answer) = service.execute(&body);
        let shown: String = answer.to_string().chars().take(600).collect();
        let complaints = check(program, status, &answer);
        wrong.extend(complaints.iter().map(|why| format!("{}: {why}: HTTP {status}: {shown}", program.name)));
        if !service.is_honest() {
            wrong.push(format!("{}: the service did not survive it", program.name));
            service = start();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything that the program says of itself.
fn strict(program: &Program, status: u16, answer: &Value) -> Vec<String> {
    let stdout = answer["stdout"].as_str().unwrap_or_default();
    let starts = program.get("stdout_starts").is_none_or(|text| stdout.starts_with(text.as_str().unwrap()));
    let checks = [
        ("status", status == 200),
        ("outcome", one_of(program.get("outcome"), &answer["outcome"])),
        ("error_type", one_of(program.get("error_type"), &answer["error_detail"]["type"])),
        ("value", program.get("value").is_none_or(|value| *value == answer["return_value"])),
        ("stdout_starts", starts),
    ];
    complaints(program, &checks)
}

/// An answer, of whatever kind; and what the program says of the guards.
fn guarded(program: &Program, status: u16, answer: &Value) -> Vec<String> {
    let (error, value) = (program.get("guarded_error"), program.get("guarded_value"));
    let outcome = answer["outcome"].as_str().unwrap_or_default();
    let is_rejection = answer["findings"].is_array() && error.is_none() && value.is_none();
    let checks = [
        ("answer", (status == 200 && OUTCOMES.contains(&outcome)) || (status == 400 && is_rejection)),
        ("guarded_error", error.is_none_or(|error| *error == answer["error"])),
        ("guarded_value", value.is_none_or(|value| *value == answer["return_value"])),
    ];
    complaints(program, &checks)
}

fn one_of(allowed: Option<&Value>, actual: &Value) -> bool {
    allowed.and_then(Value::as_array).is_none_or(|allowed| allowed.contains(actual))
}

fn complaints(program: &Program, checks: &[(&str, bool)]) -> Vec<String> {
    let failed = checks.iter().filter(|(_, met)| !met);
    failed.map(|(key, _)| format!("{key} should be {:?}", program.get(key))).collect()
}

/// This test binary again, as a service: no setting of the product switches its layers off.
fn start_wall_alone() -> Service {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "hostile::serve_the_wall_alone", "--ignored", "--nocapture"]).env(SERVE, "1");
    Service::spawn(command).until_ready()
}

#[tokio::test]
#[ignore = "the other half of a test"]
async fn serve_the_wall_alone() {
    if std::env::var_os(SERVE).is_none() {
        return;
    }
    let ceilings = Limits { wall_time: WALL_TIME, cpu_time: CPU_TIME, ..Limits::default() };
    let builder = Sandbox::builder().layers(Layers::WallOnly).ceilings(ceilings);
    let server = Server::new(Settings {
        token: Token::new(TOKEN),
        ceilings,
        body_bytes_max: 4 << 20,
        ..Settings::default()
    });
    server.ready(Arc::new(builder.cache_dir(cache_dir()).build().unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    eprintln!("listening address={}", listener.local_addr().unwrap());
    server.serve(listener, std::future::pending()).await;
}
