//! Commands and their exit statuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::homeiq::SEED;
use crate::support::{Service, cache_dir, executor};

/// Executes `run` with `code` as standard input.
fn run(code: &str, arguments: &[&str]) -> Output {
    with_input(code, &[&["run", "-"], arguments].concat())
}

/// Makes the image before a test that compares standard error, since making one writes to it.
fn make_image() {
    assert_eq!(run("1", &[]).status.code(), Some(0));
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
fn too_little_address_space_fails_at_the_start_and_the_error_names_what_fits() {
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
            "(ulimit -v), or run at most 1 at once: Cannot allocate memory (os error 12)\n",
        ),
        (
            6_000_000,
            "1000",
            "1000 concurrent executions",
            "(ulimit -v), or run at most 1 at once: Cannot allocate memory (os error 12)\n",
        ),
        (
            3_000_000,
            "2",
            "9 GiB of addresses for 2 concurrent executions",
            "allow more (ulimit -v): Cannot allocate memory (os error 12)\n",
        ),
    ];
    for (kilobytes, slots, what, way_out) in cases {
        let (status, said) = run(kilobytes, slots);
        assert_eq!(status, Some(70), "{said}");
        assert!(said.contains(what) && said.ends_with(way_out), "{said}");
    }
    assert_eq!(run(6_000_000, "1").0, Some(0), "what is offered works");
}

#[test]
fn the_exit_status_depends_on_the_outcome() {
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

/// The program takes four seconds; its first line must arrive long before its end.
#[test]
fn output_passes_through_while_the_program_runs() {
    let code = "import asyncio\nprint('first')\nprint('é', end='')\nawait asyncio.sleep(4)\nprint('last')";
    let mut command = executor();
    command.args(["run", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(code.as_bytes()).unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    let came = Instant::now();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((first.as_str(), rest.as_str()), ("first\n", "élast\n"));
    assert!(came.elapsed() > Duration::from_secs(2), "it came at the end, {:?} before", came.elapsed());
    assert!(child.wait().unwrap().success());
}

#[test]
fn output_over_the_limit_is_dropped_with_a_message() {
    make_image();
    let output = run("print('x' * 3000)\n'value'", &["--max-output-bytes", "1KiB", "--json"]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout, format!("{}\n\"value\"\n", "x".repeat(1024)));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "ai-code-executor: the rest of stdout was dropped (MAX_OUTPUT_BYTES)\n");
}

#[test]
fn a_context_file_becomes_variables() {
    let dir = tempfile::tempdir().unwrap();
    let context = |text: &str| {
        let path = dir.path().join("context.json");
        std::fs::write(&path, text).unwrap();
        let output = run("[place, level]", &["--json", "--context", path.to_str().unwrap()]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (status, stdout, _) = context(r#"{"place": "höll", "level": 12345678901234567890}"#);
    assert_eq!((status, stdout.as_str()), (Some(0), "[\"höll\",12345678901234567890]\n"));
    for (text, words) in [
        ("[1]", "context.json: not a JSON object: "),
        ("{", "context.json: not a JSON object: "),
        (r#"{"a-b": 1}"#, "Context key 'a-b' is not a Python identifier"),
    ] {
        let (status, stdout, stderr) = context(text);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{text}: {stderr}");
        assert!(stderr.contains(words), "{text}: {stderr}");
    }
    let missing = run("1", &["--context", "no-such-file.json"]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn limits_have_units() {
    let cases: [(&str, &[&str], &str); 3] = [
        ("while True: pass", &["--timeout", "300ms"], "Execution exceeded 0.3s timeout"),
        ("'a' * (1 << 30)", &["--memory", "64MiB"], "Memory limit of 64 MB exceeded"),
        ("'a' * (1 << 30)", &["--memory", "64"], "Memory limit of 64 MB exceeded"),
    ];
    for (code, arguments, said) in cases {
        let output = run(code, arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
    }
}

/// Runs a line of shell in which `$0` is the executor.
fn shell(line: &str) -> Output {
    let executor = executor();
    let mut command = Command::new("bash");
    command.args(["-c", line]).arg(executor.get_program());
    command.envs(executor.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.output().unwrap()
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    make_image();
    let endless = "i = 0\nwhile True: print(i := i + 1)";
    let cases = [
        (format!("\"$0\" run --timeout 60 <(echo '{endless}') | head -1"), "1\n"),
        ("\"$0\" run <(echo 1/0) 2>&1 >/dev/null | true".to_owned(), ""),
        ("\"$0\" run --json <(echo 7) | true".to_owned(), ""),
        ("\"$0\" check <(echo 'import os') | true".to_owned(), ""),
        ("\"$0\" run no-such-file 2>&1 >/dev/null | true".to_owned(), ""),
        ("\"$0\" --max-memory-mb 1 run x 2>&1 >/dev/null | true".to_owned(), ""),
        ("\"$0\" config | true; \"$0\" man | true; \"$0\" completions bash | true".to_owned(), ""),
    ];
    for (line, stdout) in cases {
        let started = Instant::now();
        let output = shell(&line.replace("\\n", "\n"));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{line}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), stdout, "{line}");
        assert!(started.elapsed() < Duration::from_secs(30), "{line}: {:?}", started.elapsed());
    }
    let status = |line: &str| shell(&format!("{line}; echo ${{PIPESTATUS[0]}}")).stdout;
    assert_eq!(status("\"$0\" run <(echo 'while True: print(1)') | true"), b"141\n");
    assert_eq!(status("\"$0\" check <(echo 'import os') | true"), b"3\n");
}

#[test]
fn a_terminal_shows_source_lines_of_findings() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("program.py");
    std::fs::write(&path, "x = 1\nimport os\n").unwrap();
    let shown = |command: &str, setting: (&str, &str)| {
        let executor = executor();
        let mut terminal = Command::new("python3");
        terminal.args([
            "-c",
            "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))",
        ]);
        terminal.arg(executor.get_program()).arg(command).arg(&path).stdin(Stdio::null());
        terminal.envs(executor.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = terminal.env("TERM", "xterm").env(setting.0, setting.1).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for command in ["check", "run"] {
        let coloured = shown(command, ("NO_COLOR", ""));
        assert!(coloured.contains("\u{1b}[") && coloured.contains("import os"), "{coloured}");
        for setting in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let plain = shown(command, setting);
            assert!(!plain.contains('\u{1b}') && plain.contains("2 | import os"), "{plain}");
            assert!(
                plain.contains("error[import_not_permitted]: Import of 'os' is not permitted"),
                "{plain}"
            );
        }
    }
}

#[test]
fn version_completions_and_manual_page_are_printed() {
    let said = |arguments: &[&str]| {
        // Invalid settings must not prevent reading the help.
        let output = executor().env("MAX_MEMORY_MB", "1").args(arguments).output().unwrap();
        assert_eq!(output.status.into_raw(), 0, "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let version = said(&["--version"]);
    let (python, wasmtime) = (ai_code_executor::PYTHON_VERSION, ai_code_executor::WASMTIME_VERSION);
    let expected = format!("{} (CPython {python}, wasmtime {wasmtime})\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(version, format!("ai-code-executor {expected}"));
    for shell in ["bash", "zsh", "fish"] {
        let script = said(&["completions", shell]);
        for word in ["ai-code-executor", "max-memory-mb", "prepare", "context"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = said(&["man"]);
    assert!(page.contains(".TH ai-code-executor 1") && page.contains("EXECUTION_TIMEOUT"), "{page}");
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
fn check_allows_imports_of_tool_modules() {
    let indented = SEED.trim().replace('\n', "\n    ");
    let tried = format!("try:\n    {indented}\nexcept Exception as e:\n    {{\"error\": str(e)}}\n");
    for program in [SEED, tried.as_str(), "import tools\ntools.search()"] {
        // The guest reports modules that are switched off; the validator accepts them.
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
fn check_continues_after_an_unreadable_file() {
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
fn health_succeeds_only_for_a_ready_service() {
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
