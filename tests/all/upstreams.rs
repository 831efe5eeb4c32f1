//! HTTP tools against misbehaving services, over real sockets on the loopback interface.

mod hostile;
mod http2;
mod tls;
mod upstream;

use std::path::Path;
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

/// A header value of every service in these tests. No program may ever see it.
const SECRET: &str = "s3cret-of-the-host";

const CLOSED: &str = "connection failed: closed before the answer";

/// Returns a sandbox with the tools `up.ask`, which is idempotent, and `up.tell`, which is not, of a service at `url`.
/// All such sandboxes share one image.
fn sandbox(url: &str, service: &str) -> Sandbox {
    sandbox_of(&registry(url, service))
}

fn sandbox_of(text: &str) -> Sandbox {
    static FIRST: Mutex<()> = Mutex::new(());
    let surroundings = Surroundings::new(&|_| None, &|path| std::fs::read(path));
    let file = ToolFile::parse("tools.toml", text, surroundings).unwrap();
    let signer = Signer::new(Key::new("test", &"k".repeat(32)).unwrap()).unwrap();
    let builder = Sandbox::builder().tools(file.connect(Some(&signer)).unwrap()).cache_dir(cache_dir());
    let _image_is_made_once = FIRST.lock();
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

/// Returns the registry with timeouts far longer than what is measured.
fn patient_registry(url: &str) -> String {
    registry(url, "").replace("timeout = 0.5", "timeout = 30")
}

/// Returns the result of a call: its value, or the exception's type and message.
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
async fn requests_are_as_the_registry_says() {
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
            "idempotency-key",
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
async fn arguments_that_do_not_fit_their_place_are_not_sent() {
    let upstream = Upstream::start(|connection, _| be_well(connection)).await;
    let sandbox = sandbox(&upstream.url(), "");
    let path = "ToolArgumentError: Argument 'what' is part of a path";
    for (what, expected) in [
        ("'..'", "ToolArgumentError: Argument 'what' would change the structure of the path"),
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
async fn connections_are_reused_and_stale_ones_are_no_error() {
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
async fn only_idempotent_calls_are_retried() {
    let upstream = Upstream::start(|mut connection, number| async move {
        connection.request().await;
        // Two connections fail, the third answers.
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
        let words = "ToolError: MCP tool 'ask' connection failed: service is not answering; next attempt in ";
        assert!(error.starts_with(words), "{why}: {error}");
        assert_eq!(upstream.connections(), 5, "{why}");
        assert!(is_open(1), "{why}");
    }
}

/// The service echoes a header line, or the whole request, in an error. Secrets in it must be hidden.
#[tokio::test]
async fn secrets_echoed_by_a_service_are_hidden() {
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
async fn cancelled_executions_abort_their_calls_and_do_not_count_as_failures() {
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

/// Returns a service that never answers, whose calls may take long; the receiver reports when a caller has
/// disconnected.
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
async fn a_cancelled_call_is_aborted() {
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
async fn a_timeout_aborts_the_calls() {
    let (upstream, sandbox, mut left) = hung().await;
    let limits = Limits::default().wall_time(Duration::from_millis(500));
    let code = "import asyncio, up\nawait asyncio.gather(up.tell(), up.tell())";
    let report = sandbox.run(Execution::new(code).limits(limits)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Timeout, "{:?}", report.error);
    assert!(report.usage.wall_time < Duration::from_secs(5), "{:?}", report.usage.wall_time);
    for _ in 0..upstream.connections() {
        assert_eq!(timeout(Duration::from_secs(15), left.recv()).await, Ok(Some(())));
    }
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn unreachable_services_are_exceptions() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let cases = [
        (format!("http://{free}"), "connection refused"),
        ("http://no-such-host.invalid".into(), "name not found"),
        // The system resolver reads this as 169.254.169.254, the address of cloud metadata services.
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
async fn the_command_line_uses_the_registry_of_the_settings() {
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
fn the_documented_registry_is_valid() {
    let text = include_str!("../../docs/tools.md");
    let (_, example) = text.split_once("\n```toml\n").unwrap();
    let example = example.split_once("```").unwrap().0;
    let authority = rcgen::generate_simple_self_signed(["weather.example".to_owned()]).unwrap().cert.pem();
    let variable =
        |name: &str| Some(if name.ends_with("_URL") { "http://homeiq:1" } else { "a-token" }.to_owned());
    let read = |_: &Path| Ok(authority.clone().into_bytes());
    let surroundings = Surroundings::new(&variable, &read);
    let file = ToolFile::parse("docs/tools.md", example, surroundings).unwrap();
    let signer = Signer::new(Key::new("test", &"k".repeat(32)).unwrap()).unwrap();
    assert_eq!(file.connect(Some(&signer)).unwrap().len(), 6);
    let error = file.connect(None).unwrap_err().to_string();
    assert!(error.starts_with("requests to service 'data' must be signed, but there is no key"), "{error}");
}
