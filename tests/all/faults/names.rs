//! Name lookups that hang because the resolver does not answer.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::executor_under;

const REGISTRY: &str = r#"
[services.up]
url = "http://somewhere.example:8000"
[tools.up.ask]
path = "/ask"
timeout = 1
"#;

const PROGRAM: &str = "
import asyncio, up
[f'{type(e).__name__}: {e}' for e in await asyncio.gather(up.ask(), up.ask(), return_exceptions=True)]
";

/// Returns a name server that receives queries and never answers. Needs root: for the port, and to mount a
/// `resolv.conf`.
fn silent_name_server() -> Option<UdpSocket> {
    let may_mount =
        Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success());
    let server = UdpSocket::bind("127.0.0.77:53").ok().filter(|_| may_mount);
    if server.is_none() {
        println!("skipped: this test needs root, to bind port 53 and to mount");
    }
    server
}

#[test]
fn a_hanging_resolver_affects_only_the_call() {
    let Some(_server) = silent_name_server() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    let resolver = file("resolv.conf", "nameserver 127.0.0.77\noptions timeout:30 attempts:5\n");
    let (registry, program) = (file("tools.toml", REGISTRY), file("program.py", PROGRAM));
    let script = "mount --bind \"$1\" /etc/resolv.conf && exec \"$0\" run --json \"$2\"";
    let mut command = executor_under(&["unshare", "--mount", "sh", "-c", script]);
    command.arg(resolver).arg(program);
    command.env("TOOLS_CONFIG", registry).env("ENABLE_MCP_NETWORK_TOOLS", "true");
    command.env("TOOL_SIGNING_KEY", "k".repeat(32));
    let started = Instant::now();
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let late = "ToolTimeout: Tool 'up.ask' did not answer within 1s";
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("[\"{late}\",\"{late}\"]\n"), "{said}");
    // The system resolver retries for minutes; nothing may wait for it.
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
}
