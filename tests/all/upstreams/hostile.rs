//! Invalid and hostile answers: each must become a clear exception, in bounded time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use super::upstream::{Connection, OK, Upstream};
use super::{CLOSED, call, sandbox};

/// What a hostile service does after its answer.
#[derive(Clone)]
enum Then {
    Close,
    Hang,
    /// Closes only its sending side.
    HalfClose,
    /// Sends these bytes again and again, with this pause.
    Repeat(Vec<u8>, Duration),
}

/// The answer of a service, what it does afterwards, and the expected result of the call.
struct Case(Vec<u8>, Then, Result<Value, String>);

fn failed(words: &str) -> Result<Value, String> {
    Err(format!("ToolError: MCP tool 'ask' {words}"))
}

fn timed_out() -> Result<Value, String> {
    Err("ToolTimeout: Tool 'up.ask' did not answer within 0.5s".into())
}

fn with_body(status: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn on_and_on(bytes: impl AsRef<[u8]>) -> Then {
    Then::Repeat(bytes.as_ref().into(), Duration::ZERO)
}

fn cases() -> Vec<Case> {
    use Then::{Close, HalfClose, Hang, Repeat};
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into_bytes();
    let text = |text: &str| text.as_bytes().to_vec();
    let closed = || failed(CLOSED);
    let cut = || failed("connection failed: closed in the middle of the answer");
    let not_http = || failed("connection failed: the answer's head is not HTTP, or too large");
    let too_large = || Err("ToolError: Tool reply is larger than its limit of 8388608 bytes".to_owned());
    let ok = |value: Value| Ok(value);
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    let angry = [b"\x1b[2J\x1b[31mboom\r\n\x07".to_vec(), vec![b'x'; 1 << 20]].concat();
    let said = format!("failed: 500 -  [2J [31mboom\n {}…", "x".repeat(484));
    vec![
        // Silence.
        Case(text(""), Hang, timed_out()),
        Case(text("HTTP/1.1 200 OK\r\n"), Hang, timed_out()),
        Case(head("content-length: 10\r\n"), Hang, timed_out()),
        Case(head("content-length: 10\r\n"), Repeat(b"1".into(), Duration::from_millis(100)), timed_out()),
        Case(text("H"), Repeat(b"T".into(), Duration::from_millis(100)), timed_out()),
        // Ends too early.
        Case(text(""), Close, closed()),
        Case(text(""), HalfClose, closed()),
        Case(text("HTTP/1.1 200"), Close, closed()),
        Case(head("content-length: 100\r\n"), Close, cut()),
        Case([head("content-length: 100\r\n"), b"{}".into()].concat(), HalfClose, cut()),
        Case([head("transfer-encoding: chunked\r\n"), b"5\r\n[1".into()].concat(), Close, cut()),
        Case([head("transfer-encoding: chunked\r\n"), b"zz\r\n[1".into()].concat(), Close, cut()),
        // Not HTTP.
        Case(text("\0\u{1}garbage\r\n\r\n"), Hang, not_http()),
        Case(text("SSH-2.0-OpenSSH_9.2\r\n"), Hang, not_http()),
        Case(text("<html></html>"), Close, not_http()),
        Case(head("content-length: 1\r\ncontent-length: 2\r\n"), Hang, not_http()),
        Case(head("content-length: -1\r\n"), Hang, not_http()),
        // Too much.
        Case(head(&format!("x: {}\r\n", "y".repeat(1 << 20))), Hang, not_http()),
        Case(head(&"x: y\r\n".repeat(1000)), Hang, not_http()),
        Case(text("HTTP/1.1 200 OK\r\n"), on_and_on("x: y\r\n".repeat(1000)), not_http()),
        Case(text(""), on_and_on("HTTP/1.1 100 Continue\r\n\r\n".repeat(100)), timed_out()),
        Case(head("transfer-encoding: chunked\r\n"), on_and_on(chunk), too_large()),
        Case(head("connection: close\r\n"), on_and_on([b' '; 0x10000]), too_large()),
        Case(head("content-length: 1000000000000\r\n"), Hang, too_large()),
        // Not an answer.
        Case(with_body("500 Oops", angry), Close, failed(&said)),
        Case(with_body("503 x", ""), Close, failed("failed: 503 - Service Unavailable")),
        Case(text("HTTP/1.1 500 x\r\ncontent-length: 9\r\n\r\nhalf"), Close, failed("failed: 500 - half")),
        Case(text("HTTP/1.1 500 x\r\ncontent-length: 9\r\n\r\nslow"), Hang, failed("failed: 500 - slow")),
        Case(
            text("HTTP/1.1 503 x\r\ncontent-length: 9\r\n\r\n"),
            Hang,
            failed("failed: 503 - Service Unavailable"),
        ),
        Case(text("HTTP/1.1 304 x\r\n\r\n"), Close, failed("failed: 304 - Not Modified")),
        Case(with_body("200 OK", "\u{feff}[3]"), Close, ok(json!([3]))),
        Case(
            with_body("200 OK", "9".repeat(5000)),
            Close,
            Err(
                "ToolError: The reply of 'up.ask' cannot be read: it has an integer of more than 4300 digits"
                    .into(),
            ),
        ),
        Case(
            text("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n"),
            Close,
            failed("failed: 302 - redirects are not followed"),
        ),
        Case(
            text("HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
            Close,
            failed("failed: 101 - Switching Protocols"),
        ),
        // Not JSON.
        Case(
            with_body("200 OK", "{\"a\": }"),
            Close,
            failed("failed: 200 - the answer is not JSON: expected value at line 1 column 7"),
        ),
        Case(with_body("200 OK", b"\"\xff\""), Close, failed("failed: 200 - the answer is not UTF-8")),
        Case(
            with_body("200 OK", "[".repeat(100_000) + &"]".repeat(100_000)),
            Close,
            failed("failed: 200 - the answer is nested more than 200 deep"),
        ),
        Case(
            with_body("200 OK\r\ncontent-encoding: gzip", b"\x1f\x8b\x08"),
            Close,
            failed("failed: 200 - the answer is compressed"),
        ),
        // Unusual, but valid.
        Case(text("HTTP/1.1 204 No Content\r\n\r\n"), Close, ok(Value::Null)),
        Case(with_body("200 OK", ""), Close, ok(Value::Null)),
        Case([head("connection: close\r\n"), b"[1]".into()].concat(), Close, ok(json!([1]))),
        Case(text("HTTP/1.0 200 OK\r\n\r\n[2]"), Close, ok(json!([2]))),
        Case([text("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"), text(OK)].concat(), Close, ok(json!({}))),
        Case([text(OK), text(OK)].concat(), Close, ok(json!({}))),
        Case(with_body("200 OK", "[".repeat(90) + &"]".repeat(90)), Close, ok(nested(90))),
    ]
}

fn nested(depth: usize) -> Value {
    (1..depth).fold(json!([]), |inner, _| json!([inner]))
}

/// Runs the case whose number is in the request's path; counts the bytes that could be sent repeatedly.
async fn misbehave(mut connection: Connection, cases: Arc<Vec<Case>>, written: Arc<AtomicUsize>) {
    let Some(request) = connection.request().await else { return };
    let number =
        request.strip_prefix("get /ask/").and_then(|path| path.split(' ').next()?.parse::<usize>().ok());
    let Some(number) = number else {
        connection.say(OK).await;
        return;
    };
    let Case(says, then, _): &Case = &cases[number];
    connection.say(says).await;
    match then {
        Then::Close => {}
        Then::Hang => connection.linger().await,
        Then::HalfClose => {
            connection.0.get_mut().shutdown().await.unwrap();
            connection.linger().await;
        }
        Then::Repeat(bytes, pause) => {
            while connection.say(bytes).await {
                written.fetch_add(bytes.len(), Ordering::SeqCst);
                sleep(*pause).await;
            }
        }
    }
}

#[tokio::test]
async fn answers_of_hostile_services_are_clear_exceptions() {
    let (cases, written) = (Arc::new(cases()), Arc::new(AtomicUsize::new(0)));
    let (served, counter) = (cases.clone(), written.clone());
    let upstream =
        Upstream::start(move |connection, _| misbehave(connection, served.clone(), counter.clone())).await;
    let sandbox = sandbox(&upstream.url(), "");
    for (number, Case(says, _, expected)) in cases.iter().enumerate() {
        let (asked, before) = (Instant::now(), written.load(Ordering::SeqCst));
        let found = call(&sandbox, &format!("up.ask({number})")).await;
        let says = String::from_utf8_lossy(&says[..says.len().min(60)]).into_owned();
        assert_eq!(&found, expected, "{number}: {says:?}");
        assert!(asked.elapsed() < Duration::from_secs(3), "{number}: {says:?} took {:?}", asked.elapsed());
        // The limit of 8 MiB, and socket buffers.
        let taken = written.load(Ordering::SeqCst) - before;
        assert!(taken < 32 << 20, "{number}: {taken} bytes");
        // A valid answer in between, or the circuit breaker would open.
        assert_eq!(call(&sandbox, "up.ask('well')").await, Ok(json!({})), "after {number}");
    }
}
