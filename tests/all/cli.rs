//! The commands and their exit statuses.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::homeiq::SEED;
use crate::support::{Service, cache_dir, executor};

/// `run` with `code` as standard input.
fn run(code: &str, arguments: &[&str]) -> Output {
    with_input(code, &[&["run", "-"], arguments].concat())
}

fn with_input(code: &str, arguments: &[&str]) -> Output {
    let mut command = executor();
    command.args(arguments);
    fed(command, code)
}

fn fed(mut command: Command, code: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn too_little_address_space_is_said_at_the_start_with_what_fits() {
    let run = |kilobytes: u64, slots: &str| {
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -v {kilobytes}; exec \"$0\" run -")]);
        limited
            .arg(executor().get_program())
            .env("MAX_CONCURRENT_EXECUTIONS", slots)
            .env("CACHE_DIR", cache_dir());
        let output = fed(limited, "1");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let cases = [
        (
            6_000_000,
            "2",
            "9 GiB of addresses for 2 concurrent executions",
            "(ulimit -v), or run at most 1 at once\n",
        ),
        (6_000_000, "1000", "1000 concurrent executions", "(ulimit -v), or run at most 1 at once\n"),
        (3_000_000, "2", "9 GiB of addresses for 2 concurrent executions", "allow more (ulimit -v)\n"),
    ];
    for (kilobytes, slots, what, way_out) in cases {
        let (status, said) = run(kilobytes, slots);
        assert_eq!(status, Some(70), "{said}");
        assert!(said.contains(what) && said.ends_with(way_out), "{said}");
    }
    assert_eq!(run(6_000_000, "1").0, Some(0), "what is offered works");
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
fn check_reports_each_finding_in_each_format() {
    let broken = "x = 1\nx = = 2";
    let message = "Code failed to parse: Expected an expression";
    let cases = [
        ("text", format!("-:2:5: syntax_error {message}\n")),
        ("github", format!("::error file=-,line=2,col=5,title=syntax_error::{message}\n")),
    ];
    for (format, expected) in cases {
        let output = with_input(broken, &["check", "-", "--format", format]);
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!((output.status.code(), stdout), (Some(3), expected), "{format}");
    }
    let output = with_input(broken, &["check", "-", "--format", "json"]);
    let found = json!([{"file": "-", "line": 2, "column": 5, "code": "syntax_error", "message": message, "hint": null}]);
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), found);
    assert_eq!(with_input("print(1)", &["check", "-"]).stdout, b"");
    assert_eq!(with_input("", &["check", "-", "--format", "json"]).status.code(), Some(3));
    assert_eq!(with_input("1", &["check", "-", "--format", "json"]).stdout, b"[]\n");
}

#[test]
fn check_knows_the_modules_of_tools() {
    let indented = SEED.trim().replace('\n', "\n    ");
    let tried = format!("try:\n    {indented}\nexcept Exception as e:\n    {{\"error\": str(e)}}\n");
    for program in [SEED, tried.as_str(), "import tools\ntools.search()"] {
        // Of those that are switched off, the guest says that they are.
        for enabled in ["true", "false"] {
            let mut command = executor();
            command.args(["check", "-"]).env("ENABLE_MCP_NETWORK_TOOLS", enabled);
            command.env("TOOL_SIGNING_KEY", "k".repeat(32));
            let output = fed(command, program);
            assert_eq!(output.status.code(), Some(0), "{enabled} {program}: {output:?}");
        }
    }
}

#[test]
fn check_takes_many_files_and_goes_on_after_an_unreadable_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.py", b"import json");
    let bad = file("b,a:d%.py", b"x = = 1");
    let binary = file("binary.py", b"\xff\xfe");
    let deep = file("deep.py", "-".repeat(9_000).as_bytes());
    let missing = dir.path().join("missing.py").to_str().unwrap().to_owned();
    let cases: [(&[&String], i32, usize, &str); 6] = [
        (&[&good], 0, 0, ""),
        (&[&good, &bad], 3, 1, ""),
        (&[&bad, &bad, &deep], 3, 3, ""),
        (&[&missing, &bad], 2, 1, "missing.py: No such file"),
        (&[&binary, &good], 2, 0, "binary.py: stream did not contain valid UTF-8"),
        (&[], 2, 0, "<FILE>"),
    ];
    for (files, status, findings, said) in cases {
        let output = executor().args(["check", "--format", "github"]).args(files).output().unwrap();
        let (stdout, stderr) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(status), "{files:?}: {stderr}");
        assert_eq!(stdout.lines().count(), findings, "{files:?}: {stdout}");
        assert!(stderr.contains(said), "{files:?}: {stderr}");
        assert_eq!(stdout.contains("b%2Ca%3Ad%25.py,line=1,col=5,"), files.contains(&&bad), "{stdout}");
    }
}

#[test]
fn health_tells_a_ready_service_from_any_other() {
    let service = Service::start(&[]);
    let (_, port) = service.address.rsplit_once(':').unwrap();
    let health = |host: &str, port: &str| {
        executor().args(["health", "--host", host, "--service-port", port]).output().unwrap().status.code()
    };
    assert_eq!(health("127.0.0.1", port), Some(0));
    assert_eq!(health("0.0.0.0", port), Some(0), "a service on every address is asked on the loopback one");
    let empty = tempfile::tempdir().unwrap();
    let unready = Service::start_unready(&[("CACHE_DIR", empty.path().to_str().unwrap())]);
    let (_, port) = unready.address.rsplit_once(':').unwrap();
    assert_eq!(health("127.0.0.1", port), Some(1), "it is still making its image");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    assert_eq!(health("127.0.0.1", &free), Some(1), "nobody listens");
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port().to_string();
    assert_eq!(health("127.0.0.1", &port), Some(1), "it takes the question and says nothing");
}
