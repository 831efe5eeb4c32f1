//! MCP servers over HTTP that do what a test tells them, each connection in a thread of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

/// Which protocol a server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// With a handshake and sessions.
    Old,
    /// With a handshake, without sessions, and with an empty result for all that it does not know.
    Lax,
    /// Without.
    New,
}

/// A request: its head in lower case, and its JSON.
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Value,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn tool(&self) -> &str {
        self.body["params"]["name"].as_str().unwrap_or_default()
    }
}

/// Answers a call, or a GET, on the bare connection. Returns whether the connection goes on.
pub(super) type Call = dyn Fn(&Request, &mut TcpStream) -> bool + Send + Sync;

/// A server.
pub(super) struct Fake {
    pub(super) url: String,
    /// The list of tools, or the error that the server answers in its place.
    pub(super) tools: Arc<Mutex<Value>>,
    pub(super) seen: Arc<Mutex<Vec<Request>>>,
    /// The session that the server knows.
    pub(super) session: Arc<Mutex<String>>,
}

/// The tool that every fake server has, unless its test says otherwise.
pub(super) fn ask() -> Value {
    json!([{"name": "ask", "description": "Asks.", "inputSchema": {"type": "object", "properties": {"what": {}}}}])
}

impl Fake {
    pub(super) fn start(
        era: Era,
        tools: Value,
        call: impl Fn(&Request, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let fake = Self {
            url,
            tools: Arc::new(Mutex::new(tools)),
            seen: Arc::default(),
            session: Arc::new(Mutex::new("session-1".into())),
        };
        let (tools, seen, session) = (fake.tools.clone(), fake.seen.clone(), fake.session.clone());
        let call: Arc<Call> = Arc::new(call);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (tools, seen, session, call) =
                    (tools.clone(), seen.clone(), session.clone(), call.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let mut stream = stream;
                    while let Some(request) = read(&mut reader) {
                        let goes_on = answer(era, &request, &mut stream, &tools, &session, &*call);
                        seen.lock().unwrap().push(request);
                        if !goes_on {
                            return;
                        }
                    }
                });
            }
        });
        fake
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let head = head.replace("\r\n", "\n").to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { head, body: serde_json::from_slice(&body).unwrap_or_default() })
}

fn answer(
    era: Era,
    request: &Request,
    stream: &mut TcpStream,
    tools: &Mutex<Value>,
    session: &Mutex<String>,
    call: &Call,
) -> bool {
    let id = &request.body["id"];
    let result = |result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result});
    let known = session.lock().unwrap().clone();
    let method = request.body["method"].as_str().unwrap_or_default();
    if era == Era::Old && !["server/discover", "initialize"].contains(&method) {
        if request.header("mcp-session-id") != Some(known.as_str()) {
            return say(stream, 404, "", "");
        }
        assert_eq!(request.header("mcp-protocol-version"), Some("2025-11-25"));
    }
    if era == Era::New {
        assert_eq!(request.header("mcp-protocol-version"), Some("2026-07-28"), "{}", request.head);
        assert_eq!(request.header("mcp-method"), Some(method));
    }
    if request.head.starts_with("get ") {
        return call(request, stream);
    }
    match (era, method) {
        (Era::Old, "server/discover") => {
            let error = json!({"code": -32000, "message": "Bad Request: Server not initialized"});
            let body = json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string();
            say(stream, 400, "content-type: application/json\r\n", &body)
        }
        (Era::Lax, "server/discover") => json_body(stream, &result(json!({}))),
        (Era::Old | Era::Lax, "initialize") => {
            let body = result(json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "fake", "version": "1"}}));
            let head = format!("content-type: text/event-stream\r\nmcp-session-id: {known}\r\n");
            say(stream, 200, &head, &format!("event: message\ndata: {body}\n\n"))
        }
        (Era::New, "server/discover") => {
            let body = result(json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
                "capabilities": {"tools": {}}, "ttlMs": 1000, "cacheScope": "private"}));
            json_body(stream, &body)
        }
        (_, "tools/list") => {
            let error = tools.lock().unwrap().clone();
            if error.is_object() {
                return json_body(stream, &json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
            let listed = json!({"resultType": "complete", "tools": *tools.lock().unwrap(), "ttlMs": 3_600_000, "cacheScope": "private"});
            json_body(stream, &result(listed))
        }
        (_, "tools/call") => {
            assert!(era != Era::New || request.header("mcp-name") == Some(&request.tool().to_lowercase()));
            call(request, stream)
        }
        _ => say(stream, 202, "", ""),
    }
}

pub(super) fn json_body(stream: &mut TcpStream, body: &Value) -> bool {
    say(stream, 200, "content-type: application/json\r\n", &body.to_string())
}

/// Answers a call with this result.
pub(super) fn result(request: &Request, stream: &mut TcpStream, result: &Value) -> bool {
    json_body(stream, &json!({"jsonrpc": "2.0", "id": request.body["id"], "result": result}))
}

pub(super) fn say(stream: &mut TcpStream, status: u16, head: &str, body: &str) -> bool {
    let length = body.len();
    write(stream, format!("HTTP/1.1 {status} X\r\n{head}content-length: {length}\r\n\r\n{body}"))
}

pub(super) fn write(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) -> bool {
    stream.write_all(bytes.as_ref()).is_ok()
}

/// Begins a stream of events.
pub(super) fn events(stream: &mut TcpStream) -> bool {
    write(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
}

/// Writes the same again and again, until nobody reads it.
pub(super) fn on_and_on(stream: &mut TcpStream, bytes: &[u8], pause: Duration) -> bool {
    while write(stream, bytes) {
        std::thread::sleep(pause);
    }
    false
}
