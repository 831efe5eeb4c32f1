//! The Model Context Protocol on standard input and output, as clients start it.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::executor;

const MODERN: &str = "2026-07-28";

/// A client that has started the executor.
struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    ids: u32,
}

impl Client {
    fn start(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = executor();
        command
            .arg("mcp")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, output, ids: 0 }
    }

    /// Does the handshake.
    fn with_handshake(arguments: &[&str], capabilities: &Value, change: impl FnOnce(&mut Command)) -> Self {
        let mut client = Self::start(arguments, change);
        let info = json!({"name": "test", "version": "1"});
        let params =
            json!({"protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": info});
        let begun = client.ask("initialize", &params);
        assert_eq!(begun["result"]["protocolVersion"], "2025-06-18", "{begun}");
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn read(&mut self) -> Value {
        serde_json::from_str(&self.output.next().unwrap().unwrap()).unwrap()
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.begin(method, params);
        self.read()
    }

    fn begin(&mut self, method: &str, params: &Value) {
        self.ids += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.ids, "method": method, "params": params}));
    }

    /// Runs a program and returns the structured result.
    fn run(&mut self, arguments: &Value) -> Value {
        let answer = self.ask("tools/call", &json!({"name": "execute_python", "arguments": arguments}));
        answer["result"]["structuredContent"].clone()
    }

    /// Closes the input and returns the exit status.
    fn end(mut self) -> Option<i32> {
        drop(self.input.take());
        assert!(self.output.next().is_none());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn both_eras_work_until_the_input_ends() {
    let mut client = Client::with_handshake(&[], &json!({}), |_| {});
    assert_eq!(client.run(&json!({"code": "6 * 7"})), json!({"outcome": "completed", "value": 42}));
    let kept = client.run(&json!({"code": "x = 20", "state": "new"}));
    assert_eq!(client.run(&json!({"code": "x + 1", "state": kept["state"]}))["value"], 21);
    assert_eq!(client.run(&json!({"code": "open('/etc/passwd')"}))["outcome"], "rejected");
    assert_eq!(client.end(), Some(0));

    let mut client = Client::start(&[], |_| {});
    let meta = json!({"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}});
    let found = client.ask("server/discover", &json!({"_meta": meta}));
    assert!(found["result"]["supportedVersions"].as_array().unwrap().contains(&json!(MODERN)), "{found}");
    let call = json!({"name": "execute_python", "arguments": {"code": "6 * 7"}, "_meta": meta});
    assert_eq!(client.ask("tools/call", &call)["result"]["structuredContent"]["value"], 42);
    assert_eq!(client.end(), Some(0));
}

#[test]
fn input_that_ends_at_once_is_no_failure() {
    assert_eq!(Client::start(&[], |_| {}).end(), Some(0));
}

#[test]
fn cancelled_calls_end() {
    let mut client = Client::with_handshake(&[], &json!({}), |command| {
        command.env("MAX_CONCURRENT_EXECUTIONS", "1");
    });
    client.begin("tools/call", &json!({"name": "execute_python", "arguments": {"code": "while True: pass"}}));
    let cancelled = json!({"requestId": client.ids});
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}));
    // The only slot is free again.
    client.begin("tools/call", &json!({"name": "execute_python", "arguments": {"code": "'next'"}}));
    let answer = std::iter::repeat_with(|| client.read()).find(|answer| answer["id"] == 3).unwrap();
    assert_eq!(answer["result"]["structuredContent"]["value"], "next");
}

#[test]
fn broken_lines_do_not_end_the_session() {
    let mut client = Client::with_handshake(&[], &json!({}), |_| {});
    for line in ["nonsense", "{}", "[]", r#"{"jsonrpc":"2.0","id":9,"method":"no/such"}"#, ""] {
        writeln!(client.input.as_mut().unwrap(), "{line}").unwrap();
    }
    client.begin("tools/call", &json!({"name": "execute_python", "arguments": {"code": "'alive'"}}));
    let id = client.ids;
    let answer = std::iter::repeat_with(|| client.read()).find(|answer| answer["id"] == id).unwrap();
    assert_eq!(answer["result"]["structuredContent"]["value"], "alive");
}

#[test]
fn states_survive_in_a_store_that_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let store = |command: &mut Command| {
        command.env("STORE", dir.path()).env("STORE_MB", "16");
    };
    let mut client = Client::with_handshake(&[], &json!({}), store);
    let kept = client.run(&json!({"code": "x = 20", "state": "new"}));
    assert_eq!(client.end(), Some(0));
    let mut client = Client::with_handshake(&[], &json!({}), store);
    assert_eq!(client.run(&json!({"code": "x + 1", "state": kept["state"]}))["value"], 21);
    assert_eq!(client.end(), Some(0));
}

/// Sets a registry file with a tool that needs approval. Nobody listens at its address.
fn with_lock(dir: &Path, command: &mut Command) {
    let file = dir.join("tools.toml");
    let registry = r#"
        [services.lock]
        url = "http://127.0.0.1:9"
        signed = false
        [tools.lock.unlock]
        path = "/unlock"
        approval = "always"
    "#;
    std::fs::write(&file, registry).unwrap();
    command
        .env("ENABLE_MCP_NETWORK_TOOLS", "true")
        .env("TOOLS_CONFIG", file)
        .env("TOOL_SIGNING_KEY", "k".repeat(32));
}

#[test]
fn the_clients_user_is_asked_only_if_the_operator_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let unlock = json!({"code": "import lock\ntry:\n    await lock.unlock()\nexcept ToolError as error:\n    _ = type(error).__name__"});
    let form = json!({"elicitation": {}});
    let mut client = Client::with_handshake(&[], &form, |command| with_lock(dir.path(), command));
    let waiting = client.run(&unlock);
    assert_eq!(waiting["outcome"], "waiting", "{waiting}");

    let mut client =
        Client::with_handshake(&["--approve"], &json!({}), |command| with_lock(dir.path(), command));
    assert_eq!(client.run(&unlock)["outcome"], "waiting");

    let mut client = Client::with_handshake(&["--approve"], &form, |command| with_lock(dir.path(), command));
    for (reply, expected) in [
        (json!({"action": "decline"}), "ToolDenied"),
        (json!({"action": "accept", "content": {"approve": false}}), "ToolDenied"),
        // Approved, and nobody answers at the tool's address.
        (json!({"action": "accept", "content": {"approve": true}}), "ToolError"),
    ] {
        client.begin("tools/call", &json!({"name": "execute_python", "arguments": unlock}));
        let question = client.read();
        assert_eq!(question["method"], "elicitation/create", "{question}");
        assert!(question["params"]["message"].as_str().unwrap().contains("lock.unlock"), "{question}");
        client.send(&json!({"jsonrpc": "2.0", "id": question["id"], "result": reply}));
        assert_eq!(client.read()["result"]["structuredContent"]["value"], expected);
    }
}
