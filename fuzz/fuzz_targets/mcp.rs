//! Bodies of `POST /mcp`, of both eras of the protocol: a first byte chooses the header of the revision. Each is answered
//! with a message of JSON-RPC, or accepted without one.

#![no_main]

mod guest;

use std::sync::LazyLock;
use std::time::Duration;

use ai_code_executor::Limits;
use ai_code_executor::server::{Service, Settings, Token};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let ceilings = Limits::default().wall_time(Duration::from_millis(10));
    let service = Service::new(Settings::default().token(Token::new("token")).ceilings(ceilings));
    service.ready(guest::sandbox());
    service
});

fuzz_target!(|input: &[u8]| {
    let Some((revision, body)) = input.split_first() else { return };
    let mut request = http::Request::post("/mcp")
        .header("host", "localhost")
        .header("authorization", "Bearer token")
        .header("content-type", "application/json");
    if revision % 2 == 1 {
        request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/call");
        request = request.header("mcp-name", "execute_python");
    }
    let request = request.body(body.to_vec()).expect("a request");
    let (status, answer) = guest::RUNTIME.block_on(SERVICE.answer(request));
    if status == 202 {
        assert!(answer.is_empty());
        return;
    }
    assert!(matches!(status, 200 | 400 | 404), "{status}: {answer:?}");
    let answer = String::from_utf8(answer.to_vec()).expect("answers are text");
    // A program with a progress token may be answered with a stream.
    let last = answer.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap_or(&answer);
    // What the protocol's library says of a header is no JSON.
    if let Ok(message) = serde_json::from_str::<Value>(last) {
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        assert!(message["result"].is_object() != message["error"].is_object(), "{message}");
    } else {
        assert_eq!(status, 400, "{answer}");
    }
});
