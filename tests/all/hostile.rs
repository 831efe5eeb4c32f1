//! Hostile programs, `tests/hostile/*.py`, against a service in a process of its own: whatever they do, it is an
//! outcome, and the next honest request is answered right.

use serde_json::{Value, json};

use crate::expectations::{Program, programs};
use crate::support::Service;

const KEYS: [&str; 5] = ["outcome", "error_type", "value", "stdout_starts", "limits"];

const SETTINGS: [(&str, &str); 2] = [("EXECUTION_TIMEOUT", "5"), ("MAX_CPU_PERCENT", "60")];

#[test]
fn hostile_programs_end_as_outcomes() {
    let mut service = Service::start(&SETTINGS);
    let programs = programs("hostile");
    assert!(programs.len() >= 30, "only {} programs found", programs.len());
    let mut wrong = Vec::new();
    for program in &programs {
        program.assert_keys(&KEYS);
        wrong.extend(check(program, &service));
        if !service.is_honest() {
            wrong.push(format!("{}: the service did not survive it", program.name));
            service = Service::start(&SETTINGS);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(program: &Program, service: &Service) -> Vec<String> {
    let mut body = program.get("limits").cloned().unwrap_or_else(|| json!({}));
    body["code"] = json!(program.code);
    let (status, answer) = service.execute(&body);
    let (status, answer) = match status {
        400 => (200, json!({"outcome": "rejected", "error_detail": {"message": answer["detail"]}})),
        status => (status, answer),
    };
    if status != 200 {
        return vec![format!("{}: HTTP {status}: {answer}", program.name)];
    }
    let stdout = answer["stdout"].as_str().unwrap_or_default();
    let checks = [
        ("outcome", one_of(program.get("outcome"), &answer["outcome"])),
        ("error_type", one_of(program.get("error_type"), &answer["error_detail"]["type"])),
        ("value", program.get("value").is_none_or(|value| *value == answer["return_value"])),
        (
            "stdout_starts",
            program.get("stdout_starts").is_none_or(|text| stdout.starts_with(text.as_str().unwrap())),
        ),
    ];
    let failed = checks.iter().filter(|(_, met)| !met).map(|(key, _)| {
        let shown: String = answer.to_string().chars().take(600).collect();
        format!("{}: {key} should be {:?}: {shown}", program.name, program.get(key))
    });
    failed.collect()
}

fn one_of(allowed: Option<&Value>, actual: &Value) -> bool {
    allowed.and_then(Value::as_array).is_none_or(|allowed| allowed.contains(actual))
}
