//! Files: those of requests and answers, and the file system in the program's memory.

use ai_code_executor::{Error, Execution, KeepState, Limits, Outcome, Report, Sandbox};
use serde_json::{Value, json};

use crate::support::{Service, cache_dir, open_sandbox, sandbox, value_of};

async fn run(execution: Execution) -> Report {
    sandbox().run(execution).await.unwrap()
}

fn contents(report: &Report) -> Vec<(&str, &[u8])> {
    report.files.iter().map(|file| (file.path.as_str(), file.content.as_slice())).collect()
}

#[tokio::test]
async fn files_go_in_and_come_out() {
    let code = "
import csv
with open('rooms.csv') as file:
    rows = list(csv.DictReader(file))
with open('out/warm.txt', 'w') as file:
    file.write(', '.join(row['room'] for row in rows if float(row['celsius']) > 20))
with open('out/raw.bin', 'wb') as file:
    file.write(open('a/b/c.bin', 'rb').read()[::-1])
unclosed = open('left.txt', 'w')
unclosed.write('é')
len(rows)";
    let execution = Execution::new(code)
        .file("rooms.csv", "room,celsius\nhall,19.5\nbath,23\n")
        .file("a/b/c.bin", [0, 159, 255])
        .return_files(["out/*", "*.txt", "nothing/here"]);
    let report = run(execution).await;
    assert_eq!(value_of(&report), json!(2), "{:?}", report.error);
    let expected: [(&str, &[u8]); 3] =
        [("left.txt", "é".as_bytes()), ("out/raw.bin", &[255, 159, 0]), ("out/warm.txt", b"bath")];
    assert_eq!(contents(&report), expected);
    assert!(report.files_left_out.is_empty());
}

#[tokio::test]
async fn a_strict_program_opens_only_what_its_request_names() {
    let attempts = [
        ("open('given.txt').read()", json!("given")),
        ("open('out/../given.txt').read()", json!("given")),
        ("open('given.txt', 'a')", json!("PermissionError")),
        ("open('given.txt', 'r+')", json!("PermissionError")),
        ("open('other.txt')", json!("PermissionError")),
        ("open('other.txt', 'w')", json!("PermissionError")),
        ("open('/tmp/x', 'w')", json!("PermissionError")),
        ("open('/packages/x', 'w')", json!("PermissionError")),
        ("open('out/x.csv/y', 'w')", json!("FileNotFoundError")),
        ("open('out/x.txt', 'w')", json!("PermissionError")),
        ("open('out/deep/x.csv', 'w')", json!("FileNotFoundError")),
        ("open('../work/out/x.csv', 'x').write('12')", json!(2)),
        ("open('out/x.csv').read()", json!("12")),
        ("open('out/x.csv', 'r+').write('3')", json!(1)),
        ("open('both.txt', 'a').write('!')", json!(1)),
        ("open('any/a/b/c/d.log', 'w')", json!("FileNotFoundError")),
        ("open('any/d.log', 'w').write('')", json!(0)),
        ("open('no.csv\\0')", json!("ValueError")),
        ("type(open('given.txt').buffer.raw)('/tmp/x', 'w')", json!("PermissionError")),
        ("type(open('given.txt').buffer.raw)('other')", json!("PermissionError")),
        ("open(1, 'w', closefd=False).write('')", json!(0)),
    ];
    let code: String = attempts.iter().fold("seen = []\n".into(), |code, (attempt, _)| {
        code + &format!(
            "try: seen.append({attempt})\nexcept Exception as error: seen.append(type(error).__name__)\n"
        )
    });
    let execution = Execution::new(code + "seen")
        .file("given.txt", "given")
        .file("both.txt", "")
        .return_files(["out/*.csv", "both.txt", "any/**/*.log"]);
    let report = run(execution).await;
    let expected: Vec<&Value> = attempts.iter().map(|(_, expected)| expected).collect();
    assert_eq!(value_of(&report), json!(expected), "{:?}", report.error);
    let returned: [(&str, &[u8]); 3] = [("any/d.log", b""), ("both.txt", b"!"), ("out/x.csv", b"32")];
    assert_eq!(contents(&report), returned);
}

#[tokio::test]
async fn without_files_in_the_request_open_is_refused() {
    let refused = sandbox().run(Execution::new("open('x')")).await;
    assert!(matches!(refused, Err(Error::Rejected(_))), "{refused:?}");
    let denied = run(Execution::new("open('x')").file("y", "")).await.error.unwrap();
    assert_eq!(denied.to_string(), "PermissionError: [Errno 2] Permission denied: 'x'");
    assert!(denied.hint.unwrap().starts_with("Open only the files that came with the request"));
    // No other execution sees a file.
    let missing = run(Execution::new("open('y')").return_files(["y"])).await.error.unwrap();
    assert_eq!(missing.kind, "FileNotFoundError");
    assert!(missing.hint.unwrap().starts_with("Only files that came with the request"));
}

#[tokio::test]
async fn unusable_files_are_refused_by_name() {
    let large = vec![0; 1 << 20];
    let many = |count| Execution::new("1").return_files(vec!["a"; count]);
    let cases = [
        (Execution::new("1").file("../x", ""), "File '../x' has an empty name, `.` or `..` in it"),
        (
            Execution::new("1").file("/x", ""),
            "File '/x' is absolute; it must be relative to the program's directory",
        ),
        (Execution::new("1").return_files(["a//*"]), "File 'a//*' has an empty name, `.` or `..` in it"),
        (Execution::new("1").file("x", "").file("x", ""), "File 'x' is there twice"),
        (Execution::new("1").file("a/b", "").file("a", ""), "File 'a' is also the directory of 'a/b'"),
        (
            Execution::new("1").file("s", "1").file("large", large).variable("a", &json!(5)),
            "File 'large' has 1048576 bytes of 1048585 in files and context; limit is 1048576 bytes",
        ),
        (many(257), "File 'a' is one of 257; limit is 256"),
    ];
    for (execution, expected) in cases {
        let error = sandbox().run(execution).await.unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn files_that_do_not_fit_are_named() {
    let code = "
for name, size in [('a', 600_000), ('b', 600_000), ('c', 10)]:
    with open(f'{name}.txt', 'w') as file:
        file.write(name * size)
open('control\\n.txt', 'w').close()
'v' * 900_000";
    let report = run(Execution::new(code).return_files(["*.txt"])).await;
    assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.error);
    assert_eq!(report.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["a.txt", "c.txt"]);
    assert_eq!(report.files_left_out, ["b.txt"]);
}

#[tokio::test]
async fn files_come_back_after_an_exception_too() {
    let code = "open('log.txt', 'w').write('so far')\n1 / 0";
    let report = run(Execution::new(code).return_files(["log.txt"])).await;
    assert_eq!(report.error.as_ref().unwrap().kind, "ZeroDivisionError");
    assert_eq!(contents(&report), [("log.txt", b"so far".as_slice())]);
}

#[tokio::test]
async fn a_value_that_shows_itself_comes_as_files() {
    let code = r#"
class Plot:
    def _repr_png_(self): return b"\x89PNG", {"width": 1}
    def _repr_svg_(self): return "<svg/>"
    def _repr_html_(self): raise ValueError
    def _repr_markdown_(self): return None
Plot()"#;
    let report = run(Execution::new(code)).await;
    assert_eq!((report.outcome, report.value_is_repr), (Outcome::Completed, true));
    assert_eq!(contents(&report), [("value.png", b"\x89PNG".as_slice()), ("value.svg", b"<svg/>")]);
    assert!(run(Execution::new("class Plain: pass\nPlain()")).await.files.is_empty());
}

#[tokio::test]
async fn files_stay_in_a_state_and_fork_with_it() {
    let sandbox = Sandbox::builder().cache_dir(cache_dir()).build().unwrap();
    let follow = async |execution: Execution, state| sandbox.run(execution.state(state)).await.unwrap();
    let code = "file = open('log.txt', 'w+')\nfile.write('one')";
    let first = follow(Execution::new(code).return_files(["log.txt"]).file("in", "x"), KeepState::New).await;
    let after = KeepState::After(first.state.unwrap());
    assert_eq!(contents(&first), [("log.txt", b"one".as_slice())]);
    for word in [" two", " three"] {
        // The open file goes on where it was.
        let code = format!("file.write({word:?})\nfile.seek(0)\nfile.read() + open('in').read()");
        let second = follow(Execution::new(code).return_files(["log.txt"]), after).await;
        assert_eq!(value_of(&second), json!(format!("one{word}x")), "{:?}", second.error);
        assert_eq!(contents(&second), [("log.txt", format!("one{word}").as_bytes())]);
    }
    let clash = follow(Execution::new("1").file("log.txt/x", ""), after).await;
    assert_eq!((clash.outcome, clash.error.unwrap().kind.as_str()), (Outcome::Failure, "FileExistsError"));
}

/// A program of ordinary Python uses the file system in every way that Python has.
#[tokio::test]
async fn the_file_system_is_a_file_system() {
    let report = open_sandbox().run(Execution::new(include_str!("files/program.py"))).await.unwrap();
    assert_eq!(value_of(&report), json!("done"), "{:?}", report.error);
}

#[tokio::test]
async fn files_count_towards_the_memory_limit() {
    let code = "
with open('/tmp/large', 'wb') as file:
    while True:
        file.write(bytes(1 << 20))";
    let limits = Limits::default().memory_bytes_max(64 << 20);
    let report = open_sandbox().run(Execution::new(code).limits(limits)).await.unwrap();
    let error = report.error.unwrap();
    assert_eq!(error.to_string(), "OSError: [Errno 51] No space left on device");
    assert!(error.hint.unwrap().starts_with("Files are in the program's own memory"));
    assert!(report.usage.memory_bytes_peak <= 64 << 20);
}

#[test]
fn files_go_over_http() {
    let service = Service::start(&[]).until_ready();
    let body = json!({
        "code": "open('b.png', 'wb').write(open('a.bin', 'rb').read())\nopen('t', 'w').write(open('a.txt').read())",
        "files": [{"path": "a.bin", "base64": "gAD/"}, {"path": "a.txt", "text": "ä"}],
        "return_files": ["*.png", "t"],
    });
    let (status, answer) = service.execute(&body);
    assert_eq!(status, 200, "{answer}");
    let expected = json!([
        {"path": "b.png", "media_type": "image/png", "bytes": 3, "base64": "gAD/"},
        {"path": "t", "media_type": "text/plain", "bytes": 2, "text": "ä"},
    ]);
    assert_eq!(answer["files"], expected);
    let (_, answer) = service.execute(&json!({"code": "1 + 1"}));
    assert_eq!(answer["files"], json!([]));

    for (file, code, detail) in [
        (json!({"path": "x"}), 422, "files[0]: needs either `text` or `base64`"),
        (json!({"path": "x", "text": "", "base64": ""}), 422, "files[0]: needs either `text` or `base64`"),
        (json!({"path": "x", "base64": "?"}), 422, "files[0].base64: Invalid symbol 63, offset 0."),
        (json!({"path": "..", "text": ""}), 400, "File '..' has an empty name, `.` or `..` in it"),
    ] {
        let (status, answer) = service.execute(&json!({"code": "1", "files": [file]}));
        assert_eq!((status, answer["detail"].as_str()), (code, Some(detail)), "{answer}");
    }
}

/// What the module imports is all that a program can reach of the host.
#[test]
fn the_interpreter_imports_no_function_of_files() {
    let module = zstd::decode_all(include_bytes!("../../python-wasm/python.wasm.zst").as_slice()).unwrap();
    let mut imports = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&module) {
        if let wasmparser::Payload::ImportSection(section) = payload.unwrap() {
            for import in section.into_imports() {
                let import = import.unwrap();
                imports.push(format!("{}.{}", import.module, import.name));
            }
        }
    }
    imports.sort();
    let listed: Vec<&str> = include_str!("../../python-wasm/imports.txt").lines().collect();
    assert_eq!(imports, listed);
    assert!(listed.len() == 12 && !listed.iter().any(|name| name.contains("path_")), "{listed:?}");
}
