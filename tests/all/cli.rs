//! `run` and its exit status.

use std::io::Write;
use std::process::{Output, Stdio};

use crate::support::executor;

/// Runs `code` from standard input.
fn run(code: &str, arguments: &[&str]) -> Output {
    let mut command = executor();
    command.args(["run", "-"]).args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_exit_status_tells_how_it_ended() {
    let cases: [(&str, &[&str], i32, &str); 7] = [
        ("print('out')", &[], 0, ""),
        ("1 / 0", &[], 1, "ZeroDivisionError: division by zero"),
        ("raise SystemExit(200)", &[], 1, "SystemExit: 200"),
        ("x = = 1", &[], 3, "-:1:5: syntax_error Code failed to parse"),
        ("while True: pass", &["--execution-timeout", "0.3"], 4, "Execution exceeded 0.3s timeout"),
        ("'a' * (1 << 30)", &[], 4, "Memory limit of 128 MB exceeded"),
        ("1", &["--nonsense"], 2, "--nonsense"),
    ];
    for (code, arguments, status, said) in cases {
        let output = run(code, arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{code}: {stderr}");
        assert!(stderr.contains(said), "{code}: {stderr}");
    }
}

#[test]
fn output_passes_through_and_the_value_comes_last() {
    let output = run("async def f(): pass\nf()\nprint('out', end='')\n[1, None]", &["--json"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "out\n[1,null]\n");
    assert!(String::from_utf8(output.stderr).unwrap().contains("was never awaited"));
}

#[test]
fn a_traceback_shows_the_program_only() {
    let output = run("def f():\n    return {}['missing']\n\nf()", &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("line 4, in <module>") && stderr.contains("line 2, in f"), "{stderr}");
    assert!(stderr.contains("return {}['missing']"), "{stderr}");
    assert!(!stderr.contains("guest"), "{stderr}");
}

#[test]
fn a_missing_file_is_a_usage_error() {
    let output = executor().args(["run", "no-such-file.py"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn wrong_settings_stop_the_start() {
    for (name, value) in [
        ("EXECUTION_TIMEOUT", "soon"),
        ("MAX_MEMORY_MB", "1"),
        ("SERVICE_PORT", "99999"),
        ("MAX_CPU_PERCENT", "NaN"),
    ] {
        let output = executor().env(name, value).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(value), "{name}: {said}");
    }
}
