//! Ordinary programs, `tests/cases/*.py`, and programs as models write them, `tests/corpus/*.py`. The expected results are
//! those of CPython.

use ai_code_executor::{Execution, Report, Sandbox};
use serde_json::{Value, json};

use crate::expectations::{Program, programs};
use crate::support::{open_sandbox, sandbox, value_of};

const KEYS: [&str; 10] = [
    "value",
    "repr",
    "stdout",
    "stderr_contains",
    "outcome",
    "error",
    "line",
    "hint_contains",
    "context",
    "host",
];

#[tokio::test]
async fn programs_give_their_expected_results() {
    let programs = programs("cases");
    assert!(programs.len() >= 30, "only {} programs found", programs.len());
    let mut wrong = Vec::new();
    for program in &programs {
        program.assert_keys(&KEYS);
        wrong.extend(check(sandbox(), program).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn programs_as_models_write_them_run_under_both_policies() {
    let programs = programs("corpus");
    assert!(programs.len() >= 60, "only {} programs found", programs.len());
    let mut wrong = Vec::new();
    for program in &programs {
        program.assert_keys(&KEYS);
        wrong.extend(check(sandbox(), program).await);
        wrong.extend(check(open_sandbox(), program).await.into_iter().map(|why| format!("open: {why}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns one line for each expectation that is not met.
async fn check(sandbox: &Sandbox, program: &Program) -> Vec<String> {
    let context = program.get("context").and_then(Value::as_object).into_iter().flatten();
    let execution = context
        .fold(Execution::new(&program.code), |execution, (name, value)| execution.variable(name, value));
    let report = match sandbox.run(execution).await {
        Ok(report) => report,
        Err(error) => return vec![format!("{}: {error}", program.name)],
    };
    let mut wrong = Vec::new();
    let mut expect = |key: &str, default: Option<Value>, actual: Value| {
        let expected = program.get(key).cloned().or(default);
        if expected.as_ref().is_some_and(|expected| *expected != actual) {
            wrong.push(format!("{}: {key} is {actual}, not {}", program.name, expected.unwrap_or_default()));
        }
    };
    let error = report.error.clone().unwrap_or_default();
    expect("outcome", Some(json!("completed")), report.outcome.name().into());
    expect("value", None, value_of(&report));
    expect("repr", None, report.value_is_repr.into());
    expect("stdout", None, report.stdout.text.clone().into());
    expect(
        "error",
        Some(Value::Null),
        report.error.as_ref().map_or(Value::Null, |error| json!(error.to_string())),
    );
    expect("line", None, error.line.into());
    wrong.extend(check_parts(program, &report));
    wrong
}

fn check_parts(program: &Program, report: &Report) -> Vec<String> {
    let hint = report.error.as_ref().and_then(|error| error.hint.clone()).unwrap_or_default();
    let parts = [("stderr_contains", &report.stderr.text), ("hint_contains", &hint)];
    let missing = parts.iter().filter_map(|(key, text)| {
        let part = program.get(key)?.as_str()?;
        (!text.contains(part)).then(|| format!("{}: {key} {part:?} is not in {text:?}", program.name))
    });
    missing.collect()
}
