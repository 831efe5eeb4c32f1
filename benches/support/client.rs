//! A minimal client, so that benches measure the service. It blocks, and sends one request repeatedly on one
//! connection.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

pub(crate) const TOKEN: &str = "a-token-for-benches";

/// A kept connection, and the request that is sent on it.
pub(crate) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Part of each answer to a program that has completed.
    success: &'static str,
}

impl Client {
    /// Connects to a service. The request will execute `code` with `context`.
    pub(crate) fn new(address: SocketAddr, code: &str, context: &Value) -> Self {
        let body = json!({"code": code, "context": context});
        Self::post(address, "/execute", &body, r#""success":true"#)
    }

    /// Connects to a service. The request will execute `code` as a tool of the Model Context Protocol.
    #[allow(dead_code, reason = "not every bench needs it")]
    pub(crate) fn of_model(address: SocketAddr, code: &str) -> Self {
        let params = json!({"name": "execute_python", "arguments": {"code": code}});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        Self::post(address, "/mcp", &body, r#""isError":false"#)
    }

    fn post(address: SocketAddr, path: &str, body: &Value, success: &'static str) -> Self {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nX-Executor-Token: {TOKEN}\r\n\
             Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let stream = TcpStream::connect(address).expect("the service listens");
        stream.set_nodelay(true).expect("the stream is a TCP socket");
        Self { stream, request: (head + &body).into_bytes(), answer: Vec::new(), success }
    }

    /// Sends the request without waiting for the answer.
    pub(crate) fn send(&mut self) {
        self.stream.write_all(&self.request).expect("the service reads");
    }

    /// Executes the program, and reads the whole answer.
    ///
    /// # Panics
    ///
    /// Panics if the execution has not succeeded.
    pub(crate) fn execute(&mut self) {
        let success = self.success;
        let answer = self.ask();
        assert!(answer.contains(success), "{answer}");
    }

    /// Executes the program. Returns the answer, whatever the outcome.
    pub(crate) fn ask(&mut self) -> Cow<'_, str> {
        self.send();
        self.answer.clear();
        let mut buffer = [0; 8192];
        while !is_whole(&self.answer) {
            let bytes = self.stream.read(&mut buffer).expect("the service answers");
            assert!(bytes > 0, "the service hung up: {}", String::from_utf8_lossy(&self.answer));
            self.answer.extend_from_slice(&buffer[..bytes]);
        }
        String::from_utf8_lossy(&self.answer)
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head_bytes) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..head_bytes]);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| answer.len() >= head_bytes + 4 + length)
}
