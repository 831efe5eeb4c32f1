//! HTTP tools against services that behave badly, over real sockets on the loopback interface.

mod hostile;
mod http2;
mod tls;
mod upstream;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use ai_code_executor::tools::{Surroundings, ToolFile};
use ai_code_executor::{Execution, Limits, Outcome, Sandbox};
use http_signing::{Key, Signer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

use crate::support::{cache_dir, executor, value_of};
use upstream::{OK, Upstream, be_well, crowded};

/// Of every service in these tests; no program may ever see it.
const SECRET: &str = "s3cret-of-the-host";

const CLOSED: &str = "connection failed: closed before the answer";

/// Tools `up.ask`, which may be asked twice, and `up.tell`, which may not, of a service at `url`. All sandboxes with
/// them have one image.
fn sandbox(url: &str, service: &str) -> Sandbox {
    sandbox_of(&registry(url, service))
}

fn sandbox_of(text: &str) -> Sandbox {
    static FIRST: Mutex<()> = Mutex::new(());
    let surroundings = Surroundings { variable: &|_| None, read: &|path| std::fs::read(path) };
    let file = ToolFile::parse("tools.toml", text, surroundings).unwrap();
    let signer = Signer::new(Key::new("test", &"k".repeat(32)).unwrap()).unwrap();
    let builder = Sandbox::builder().tools(file.connect(Some(&signer)).unwrap()).cache_dir(cache_dir());
    let _one_makes_the_image = FIRST.lock();
    builder.build().unwrap()
}

fn registry(url: &str, service: &str) -> String {
    format!(
        r#"
        [services.up]
        url = "{url}"
        headers = {{ X-Secret = "{SECRET}" }}
        {service}
        [tools.up.ask]
        path = "/ask/{{what}}"
        method = "GET"
        timeout = 0.5
        parameters = {{ required = ["what"], properties.what = {{}}, properties.more = {{}} }}
        [tools.up.tell]
        path = "/tell"
        timeout = 0.5
        parameters = {{ properties.what = {{}} }}
        "#
    )
}

/// The same, whose calls may take far longer than what is measured.
fn patient_registry(url: &str) -> String {
    registry(url, "").replace("timeout = 0.5", "timeout = 30")
}

/// What the call comes to: its value, or the exception's type and text.
async fn call(sandbox: &Sandbox, call: &str) -> Result<Value, String> {
    let code = format!(
        "import asyncio, up\ntry:\n    _ = [await {call}]\nexcept ToolError as e:\n    _ = type(e).__name__ + ': ' + str(e)"
    );
    let report = sandbox.run(Execution::new(code)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.error);
    match value_of(&report) {
        Value::String(error) => {
            for secret in [SECRET, "127.0.0.1", "http:", "/ask", "kkkk"] {
                assert!(!error.contains(secret), "{error}");
            }
            Err(error)
        }
        value => Ok(value[0].clone()),
    }
}

#[tokio::test]
async fn the_service_gets_what_the_file_says_and_no_more() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let cookie = "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 4\r\n\r\nnull";
    let upstream = Upstream::start(move |mut connection, _| {
        let seen = seen.clone();
        async move {
            while let Some(request) = connection.request().await {
                seen.send(request).unwrap();
                connection.say(cookie).await;
            }
        }
    })
    .await;
    let sandbox = sandbox(&format!("{}/base", upstream.url()), "");
    assert_eq!(call(&sandbox, "up.ask('a b', more=[1, 2])").await, Ok(Value::Null));
    assert_eq!(call(&sandbox, "up.tell(what={'x': None})").await, Ok(Value::Null));
    let (ask, tell) = (requests.recv().await.unwrap(), requests.recv().await.unwrap());
    assert!(ask.starts_with("get /base/ask/a%20b?more=1&more=2 http/1.1\r\n"), "{ask}");
    assert!(tell.starts_with("post /base/tell http/1.1\r\n"), "{tell}");
    assert!(tell.ends_with("\r\n\r\n{\"what\":{\"x\":null}}"), "{tell}");
    for request in [&ask, &tell] {
        let mut names: Vec<_> =
            request.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
        names.retain(|name| !name.starts_with(['{', 'c']));
        names.sort_unstable();
        let expected = [
            "accept",
            "accept-encoding",
            "host",
            "signature",
            "signature-input",
            "user-agent",
            "x-execution-id",
            "x-secret",
        ];
        assert_eq!(names, expected, "{request}");
        assert!(
            request.contains("accept-encoding: identity\r\n") && !request.contains("cookie"),
            "{request}"
        );
        assert!(request.contains(&format!("user-agent: ai-code-executor/{}", env!("CARGO_PKG_VERSION"))));
        assert!(request.contains(&format!("x-secret: {SECRET}")) && request.contains("keyid=\"test\""));
    }
}

#[tokio::test]
async fn arguments_that_do_not_fit_their_place_never_leave() {
    let upstream = Upstream::start(|connection, _| be_well(connection)).await;
    let sandbox = sandbox(&upstream.url(), "");
    let path = "ToolArgumentError: Argument 'what' is part of a path";
    for (what, expected) in [
        ("'..'", "ToolArgumentError: Argument 'what' makes another path"),
        ("'../admin'", path),
        ("'a\\\\b'", path),
        ("'a\\r\\nb'", path),
        ("''", path),
        ("[1]", path),
        ("'x' * 10000", "ToolArgumentError: The arguments make a URL of more than 8192 bytes"),
    ] {
        let error = call(&sandbox, &format!("up.ask({what})")).await.unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn connections_are_kept_and_a_stale_one_is_no_error() {
    let upstream = Upstream::start(|mut connection, number| async move {
        for _ in 0..2 {
            if connection.request().await.is_some() {
                connection.say(OK).await;
            }
        }
        if number > 0 {
            connection.linger().await;
        }
    })
    .await;
    let sandbox = sandbox(&upstream.url(), "");
    for connections in [1, 1, 2, 2] {
        assert_eq!(call(&sandbox, "up.tell()").await, Ok(json!({})));
        assert_eq!(upstream.connections(), connections);
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn only_what_is_harmless_is_tried_again() {
    let upstream = Upstream::start(|mut connection, number| async move {
        connection.request().await;
        // Two fail, one answers.
        if number % 3 == 2 {
            connection.say("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n[1]").await;
        }
    })
    .await;
    let sandbox = sandbox(&upstream.url(), "");
    assert_eq!(call(&sandbox, "up.ask(1)").await, Ok(json!([1])));
    assert_eq!(upstream.connections(), 3);
    let closed = format!("ToolError: MCP tool 'tell' {CLOSED}");
    assert_eq!(call(&sandbox, "up.tell()").await, Err(closed));
    assert_eq!(upstream.connections(), 4);
}

#[tokio::test]
async fn a_service_that_does_not_answer_fails_fast() {
    let dead = Upstream::start(|mut connection, _| async move { drop(connection.request().await) }).await;
    let hung = Upstream::start(|connection, _| connection.linger()).await;
    for (upstream, why) in [(&dead, CLOSED), (&hung, "did not answer within 0.5s")] {
        let sandbox = sandbox(&upstream.url(), "");
        let is_open = |open: u8| {
            let sample = format!("\ncode_executor_service_breaker_open{{service=\"up\"}} {open}\n");
            sandbox.metrics().encode().contains(&sample)
        };
        assert!(is_open(0), "{why}");
        let five =
            call(&sandbox, "asyncio.gather(*[up.tell() for _ in range(5)], return_exceptions=True)").await;
        assert_eq!(five.unwrap().as_array().unwrap().len(), 5, "{why}");
        let asked = Instant::now();
        let error = call(&sandbox, "up.ask(1)").await.unwrap_err();
        assert!(asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
        let words = "ToolError: MCP tool 'ask' connection failed: service is not answering; tried again in ";
        assert!(error.starts_with(words), "{why}: {error}");
        assert_eq!(upstream.connections(), 5, "{why}");
        assert!(is_open(1), "{why}");
    }
}

/// What the request's line with this beginning, and the whole of it as JSON, become in a failure's text.
#[tokio::test]
async fn what_a_service_echoes_of_its_request_comes_without_secrets() {
    let lines = ["signature: ", "signature-input: ", "x-secret: ", "host: "];
    let upstream = Upstream::start(move |mut connection, _| async move {
        for number in 0.. {
            let Some(request) = connection.request().await else { return };
            let line = lines.get(number).and_then(|name| request.lines().find(|line| line.starts_with(name)));
            let body = line.map_or_else(|| json!({"got": request}).to_string(), str::to_owned);
            let head = format!("HTTP/1.1 500 x\r\ncontent-length: {}\r\n\r\n", body.len());
            connection.say(head + &body).await;
        }
    })
    .await;
    let sandbox = sandbox(&upstream.url(), "");
    for line in lines {
        let error = call(&sandbox, "up.tell()").await.unwrap_err();
        assert_eq!(error, format!("ToolError: MCP tool 'tell' failed: 500 - {line}[hidden]"));
    }
    let error = call(&sandbox, "up.tell()").await.unwrap_err();
    assert!(error.contains("post /tell http/1.1") && error.contains("[hidden]"), "{error}");
}

#[tokio::test]
async fn an_execution_that_goes_away_takes_its_calls_along_and_blames_nobody() {
    let (gone, mut left) = tokio::sync::mpsc::unbounded_channel();
    let (came, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::start(move |mut connection, number| {
        let (gone, came) = (gone.clone(), came.clone());
        async move {
            connection.request().await;
            if number >= 6 {
                connection.say(OK).await;
            }
            came.send(()).unwrap();
            connection.linger().await;
            gone.send(Instant::now()).unwrap();
        }
    })
    .await;
    let sandbox = sandbox_of(&patient_registry(&upstream.url()));
    for _ in 0..6 {
        let run = sandbox.run(Execution::new("import up\nawait up.tell()"));
        tokio::select! {
            report = run => panic!("{:?}", report.map(|report| report.outcome)),
            _ = arrived.recv() => {}
        }
        let dropped = Instant::now();
        let aborted = timeout(Duration::from_secs(15), left.recv()).await.unwrap().unwrap();
        assert!(aborted - dropped < Duration::from_secs(3), "{:?}", aborted - dropped);
    }
    assert_eq!(call(&sandbox, "up.tell()").await, Ok(json!({})));
}

/// A service that never answers, and whose calls may take long; it says when a caller has gone.
async fn hung() -> (Upstream, Sandbox, UnboundedReceiver<()>) {
    let (gone, left) = tokio::sync::mpsc::unbounded_channel();
    let upstream = Upstream::start(move |mut connection, _| {
        let gone = gone.clone();
        async move {
            connection.request().await;
            connection.linger().await;
            gone.send(()).unwrap();
        }
    })
    .await;
    let sandbox = sandbox_of(&patient_registry(&upstream.url()));
    (upstream, sandbox, left)
}

#[tokio::test]
async fn a_call_that_its_program_gives_up_leaves_the_service() {
    let (_upstream, sandbox, mut left) = hung().await;
    let code = "import asyncio, up\ntry:\n    async with asyncio.timeout(1): await up.tell()\n\
        except TimeoutError: pass\nawait asyncio.sleep(20)";
    let run = sandbox.run(Execution::new(code));
    tokio::select! {
        report = run => panic!("{:?}", report.map(|report| report.outcome)),
        left = timeout(Duration::from_secs(15), left.recv()) => assert_eq!(left, Ok(Some(()))),
    }
}

#[tokio::test]
async fn a_deadline_that_passes_takes_the_calls_along() {
    let (upstream, sandbox, mut left) = hung().await;
    let limits = Limits { wall_time: Duration::from_millis(500), ..Limits::default() };
    let code = "import asyncio, up\nawait asyncio.gather(up.tell(), up.tell())";
    let report = sandbox.run(Execution { limits, ..Execution::new(code) }).await.unwrap();
    assert_eq!(report.outcome, Outcome::Timeout, "{:?}", report.error);
    assert!(report.usage.wall_time < Duration::from_secs(5), "{:?}", report.usage.wall_time);
    for _ in 0..upstream.connections() {
        assert_eq!(timeout(Duration::from_secs(15), left.recv()).await, Ok(Some(())));
    }
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn nobody_there() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let cases = [
        (format!("http://{free}"), "connection refused"),
        ("http://no-such-host.invalid".into(), "name not found"),
        // The system takes it for 169.254.169.254, where clouds keep their credentials.
        ("http://0xa9fea9fe".into(), "address not allowed"),
    ];
    for (url, why) in cases {
        let error = call(&sandbox(&url, ""), "up.ask(1)").await.unwrap_err();
        assert_eq!(error, format!("ToolError: MCP tool 'ask' connection failed: {why}"));
    }
    let (listener, _waiting) = crowded().await;
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = call(&sandbox(&url, ""), "up.ask(1)").await.unwrap_err();
    assert_eq!(error, "ToolTimeout: Tool 'up.ask' did not answer within 0.5s");
}

#[tokio::test]
async fn the_command_line_calls_what_the_settings_name() {
    let upstream = Upstream::start(|connection, _| be_well(connection)).await;
    drop(sandbox(&upstream.url(), ""));
    let folder = tempfile::tempdir().unwrap();
    let (file, code) = (folder.path().join("tools.toml"), folder.path().join("code.py"));
    std::fs::write(&file, registry("${UP_URL}", "")).unwrap();
    std::fs::write(&code, "import up\nawait up.tell()").unwrap();
    let mut command = executor();
    command.args(["run", "--json"]).arg(code).env("TOOLS_CONFIG", file).env("UP_URL", upstream.url());
    command.env("ENABLE_MCP_NETWORK_TOOLS", "true").env("TOOL_SIGNING_KEY", "k".repeat(32));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "{}",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_example_of_the_documentation_is_a_registry() {
    let text = include_str!("../../docs/tools.md");
    let (_, example) = text.split_once("\n```toml\n").unwrap();
    let example = example.split_once("```").unwrap().0;
    let authority = rcgen::generate_simple_self_signed(["weather.example".to_owned()]).unwrap().cert.pem();
    let variable =
        |name: &str| Some(if name.ends_with("_URL") { "http://homeiq:1" } else { "a-token" }.to_owned());
    let surroundings = Surroundings { variable: &variable, read: &|_| Ok(authority.clone().into_bytes()) };
    let file = ToolFile::parse("docs/tools.md", example, surroundings).unwrap();
    let signer = Signer::new(Key::new("test", &"k".repeat(32)).unwrap()).unwrap();
    assert_eq!(file.connect(Some(&signer)).unwrap().len(), 6);
    let error = file.connect(None).unwrap_err().to_string();
    assert!(error.starts_with("requests to service 'data' are signed, and there is no key"), "{error}");
}
