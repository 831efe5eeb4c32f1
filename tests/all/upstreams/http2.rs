//! Misbehaving HTTP/2 services, frame by frame (RFC 9113).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::tls::acceptor;
use super::upstream::Upstream;
use super::{CLOSED, call, sandbox};

type Connection = TlsStream<BufReader<TcpStream>>;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// `:status: 200` in HPACK's static table (RFC 7541, appendix A).
const STATUS_200: &[u8] = &[0x88];

/// The same, with `content-length: 1000000000`; the header's name is entry 28 of the static table.
const A_GIGABYTE: &[u8] = b"\x88\x0f\x0d\x0a1000000000";

const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
const MAX_CONCURRENT_STREAMS: [u8; 2] = [0, 3];

fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn headers(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, STATUS_200)
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, code.to_be_bytes())
}

fn goaway(last_stream: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, [last_stream.to_be_bytes(), code.to_be_bytes()].concat())
}

/// Returns a SETTINGS frame with one setting.
fn setting(id: [u8; 2], value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, [&id[..], &value.to_be_bytes()].concat())
}

/// Returns a valid answer.
fn well(stream: u32) -> Vec<u8> {
    [headers(stream), frame(DATA, END_STREAM, stream, "{}")].concat()
}

/// The frames sent in answer to a request, optionally followed by frames sent again and again, and the expected result.
struct Case {
    /// Sent first on the connection.
    settings: Vec<u8>,
    says: fn(u32) -> Vec<u8>,
    repeated: Option<fn(u32) -> Vec<u8>>,
    expected: Result<Value, String>,
}

fn case(says: fn(u32) -> Vec<u8>, expected: Result<Value, String>) -> Case {
    Case { settings: frame(SETTINGS, 0, 0, ""), says, repeated: None, expected }
}

fn on_and_on(
    says: fn(u32) -> Vec<u8>,
    repeated: fn(u32) -> Vec<u8>,
    expected: Result<Value, String>,
) -> Case {
    Case { repeated: Some(repeated), ..case(says, expected) }
}

fn failed(words: &str) -> Result<Value, String> {
    Err(format!("ToolError: MCP tool 'ask' {words}"))
}

fn timed_out() -> Result<Value, String> {
    Err("ToolTimeout: Tool 'up.ask' did not answer within 0.5s".into())
}

fn cases() -> Vec<Case> {
    let closed = || failed(CLOSED);
    let cut = || failed("connection failed: closed in the middle of the answer");
    let too_large = || Err("ToolError: Tool reply is larger than its limit of 8388608 bytes".to_owned());
    vec![
        // Resets, by code: PROTOCOL_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM,
        // HTTP_1_1_REQUIRED.
        case(|stream| reset(stream, 1), closed()),
        case(|stream| reset(stream, 2), closed()),
        case(|stream| reset(stream, 7), closed()),
        case(|stream| reset(stream, 8), closed()),
        case(|stream| reset(stream, 11), closed()),
        case(|stream| reset(stream, 13), closed()),
        case(|stream| [headers(stream), reset(stream, 8)].concat(), cut()),
        case(|stream| [headers(stream), frame(DATA, 0, stream, "[1"), reset(stream, 2)].concat(), cut()),
        // GOAWAY: with or without having processed the request, with or without an error, before or during the answer.
        case(|_| goaway(0, 0), closed()),
        case(|_| goaway(0, 11), closed()),
        case(|stream| [headers(stream), goaway(0, 1)].concat(), cut()),
        case(
            |stream| [headers(stream), goaway(stream, 0), frame(DATA, END_STREAM, stream, "[1]")].concat(),
            Ok(json!([1])),
        ),
        case(|stream| [goaway(u32::MAX >> 1, 0), goaway(stream, 0), well(stream)].concat(), Ok(json!({}))),
        // Not HTTP/2.
        case(|_| b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), closed()),
        case(|_| vec![0xff; 4096], closed()),
        case(|stream| frame(DATA, END_STREAM, stream, "{}"), closed()),
        case(|stream| frame(HEADERS, END_HEADERS, stream, [0xff; 64]), closed()),
        case(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, ""), closed()),
        case(|stream| frame(HEADERS, END_HEADERS | PADDED, stream, [200, 0x88]), closed()),
        case(|stream| frame(HEADERS, END_HEADERS, stream + 1, STATUS_200), closed()),
        case(|stream| [frame(HEADERS, 0, stream, STATUS_200), frame(PING, 0, 0, [0; 8])].concat(), closed()),
        case(|_| frame(SETTINGS, 0, 0, [0; 5]), closed()),
        case(|_| frame(PING, 0, 0, [0; 7]), closed()),
        case(|_| frame(WINDOW_UPDATE, 0, 0, [0; 4]), closed()),
        case(|_| frame(DATA, 0, 0, "{}"), closed()),
        case(|stream| frame(PUSH_PROMISE, END_HEADERS, stream, [0, 0, 0, 2, 0x82]), closed()),
        case(|stream| [headers(stream), frame(DATA, PADDED, stream, [9, 1])].concat(), cut()),
        // Silence.
        case(|stream| goaway(stream, 2), timed_out()),
        case(|_| Vec::new(), timed_out()),
        case(headers, timed_out()),
        case(|stream| frame(HEADERS, 0, stream, STATUS_200), timed_out()),
        Case { settings: Vec::new(), ..case(|_| Vec::new(), timed_out()) },
        Case { settings: setting(MAX_CONCURRENT_STREAMS, 0), ..case(|_| Vec::new(), timed_out()) },
        // Too much.
        case(|stream| frame(HEADERS, END_HEADERS, stream, A_GIGABYTE), too_large()),
        on_and_on(headers, |stream| frame(DATA, 0, stream, [b' '; 16384]), cut()),
        on_and_on(headers, |stream| frame(DATA, 0, stream, ""), cut()),
        on_and_on(
            |stream| frame(HEADERS, 0, stream, STATUS_200),
            |stream| frame(CONTINUATION, 0, stream, [0x88; 16384]),
            closed(),
        ),
        on_and_on(|_| Vec::new(), |_| frame(PING, 0, 0, [0; 8]), timed_out()),
        on_and_on(|_| Vec::new(), |_| frame(SETTINGS, 0, 0, ""), timed_out()),
        on_and_on(|_| Vec::new(), |_| frame(0xaa, 0, 0, [0; 16384]), timed_out()),
        on_and_on(|_| Vec::new(), |stream| frame(HEADERS, END_HEADERS, stream, b"\x08\x03100"), timed_out()),
        // Unusual, but valid.
        case(well, Ok(json!({}))),
        case(|stream| [frame(0xaa, 0xff, stream, "?"), well(stream)].concat(), Ok(json!({}))),
        case(|stream| frame(HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200), Ok(Value::Null)),
        case(
            |stream| {
                [
                    headers(stream),
                    frame(DATA, 0, stream, "[2]"),
                    frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\0\x01x\x01y"),
                ]
                .concat()
            },
            Ok(json!([2])),
        ),
        Case { settings: setting(INITIAL_WINDOW_SIZE, 0), ..case(well, Ok(json!({}))) },
    ]
}

/// Returns the stream of the next request, or `None` once the caller has disconnected.
async fn request(connection: &mut Connection) -> Option<u32> {
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).await.ok()?;
        let [high, middle, low, kind, _, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        connection.read_exact(&mut payload).await.ok()?;
        if kind == HEADERS {
            return Some(u32::from_be_bytes(id));
        }
    }
}

/// Runs `case`, and counts the bytes that could be sent repeatedly.
async fn misbehave(mut connection: Connection, case: &Case, written: &AtomicUsize) -> Option<()> {
    let mut preface = [0; 24];
    connection.read_exact(&mut preface).await.ok()?;
    connection.write_all(&case.settings).await.ok()?;
    while let Some(stream) = request(&mut connection).await {
        connection.write_all(&(case.says)(stream)).await.ok()?;
        while let Some(repeated) = case.repeated {
            let bytes = repeated(stream);
            connection.write_all(&bytes).await.ok()?;
            written.fetch_add(bytes.len(), Ordering::SeqCst);
        }
    }
    None
}

#[tokio::test]
async fn frames_of_hostile_services_are_clear_exceptions() {
    let (acceptor, pem) = acceptor("localhost", b"h2");
    for (number, case) in cases().into_iter().enumerate() {
        let (case, written) = (Arc::new(case), Arc::new(AtomicUsize::new(0)));
        let (acceptor, served, counter) = (acceptor.clone(), case.clone(), written.clone());
        let upstream = Upstream::start(move |connection, _| {
            let (acceptor, served, counter) = (acceptor.clone(), served.clone(), counter.clone());
            async move {
                if let Ok(connection) = acceptor.accept(connection.0).await {
                    misbehave(connection, &served, &counter).await;
                }
            }
        });
        let port = upstream.await.address.port();
        let sandbox = sandbox(&format!("https://localhost:{port}"), &format!("ca_file = {:?}", pem.path()));
        let asked = Instant::now();
        assert_eq!(call(&sandbox, "up.ask(1)").await, case.expected, "{number}");
        assert!(asked.elapsed() < Duration::from_secs(3), "{number} took {:?}", asked.elapsed());
        // Frames without effect are discarded for as long as the call may take. Frames that are stored or refused have
        // a bound: three times the window, and socket buffers.
        let (taken, is_kept) = (written.load(Ordering::SeqCst), case.expected != timed_out());
        assert!(!is_kept || taken < 32 << 20, "{number}: {taken} bytes");
    }
}
