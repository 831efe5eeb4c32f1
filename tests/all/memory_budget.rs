//! Clients that make the service hold as much memory as possible, all at once. The service must stay within a
//! container's 384 MB, answer ordinary clients, and release the memory afterwards.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ai_code_executor::server::Settings;
use http::Request;
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::local::{Local, execute};
use crate::support::{Service, TOKEN};

const MB: u64 = 1 << 20;

/// The container's limit, with two executions of 128 MB each.
const LIMIT_BYTES: u64 = 384 * MB;

/// Upper bound for each wait, on a machine that is also busy with other work.
const PATIENCE: Duration = Duration::from_mins(1);

/// A large file that is embedded in the service.
const LARGE_FILE: &str = "/docs/swagger-ui-bundle.js";

/// Keeps memory of the service occupied until dropped.
enum Hold {
    Http1(#[expect(dead_code)] TcpStream),
    Http2(#[expect(dead_code)] Runtime),
}

fn open(address: &str, bytes: &[u8]) -> Hold {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // The connection may be closed, or not be read, before everything is sent.
    let _ = stream.write_all(bytes);
    Hold::Http1(stream)
}

/// Sends a head that does not end.
fn head(address: &str) -> Hold {
    open(address, format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}", "a".repeat(400_000)).as_bytes())
}

/// Sends a body that does not end.
fn body(address: &str) -> Hold {
    let request = execute(&" ".repeat(1_900_000), "");
    open(address, &request[..request.len() - 1])
}

/// Requests an answer and does not read it.
fn answer(address: &str) -> Hold {
    open(address, &execute(&json!({"code": "print('\\n' * 1_000_000)\n'x' * 1_000_000"}).to_string(), ""))
}

/// Requests `streams` answers on each of `connections` HTTP/2 connections whose flow-control window is empty.
fn streams(address: &str, path: &str, token: bool, connections: usize, streams: usize) -> Hold {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let uri = format!("http://localhost{path}");
    let request = || {
        let request = Request::get(&uri).header("x-executor-token", if token { TOKEN } else { "" });
        request.body(()).unwrap()
    };
    runtime.block_on(async {
        for _ in 0..connections {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut builder = h2::client::Builder::new();
            let (sender, connection) =
                builder.initial_window_size(0).handshake::<_, bytes::Bytes>(stream).await.unwrap();
            tokio::spawn(connection);
            let mut answers = Vec::new();
            for _ in 0..streams {
                // The connection may be closed before all requests are sent.
                let Ok(mut ready) = sender.clone().ready().await else { break };
                answers.extend(ready.send_request(request(), true));
            }
            // Keep the streams alive, or the service could discard the answers.
            tokio::spawn(async move {
                let _peer = (sender, answers);
                std::future::pending::<()>().await;
            });
        }
    });
    Hold::Http2(runtime)
}

/// Returns a line of `/proc/<pid>/status` in bytes.
fn memory(service: &Service, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.child.id())).unwrap();
    let line = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn assert_honest(service: &Service) {
    for _ in 0..3 {
        let begun = Instant::now();
        let (status, answer) = service.execute(&json!({"code": "6 * 7"}));
        assert_eq!((status, &answer["return_value"]), (200, &json!(42)), "{answer}");
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
        assert_eq!(service.get("/health").0, 200);
    }
}

#[test]
fn combined_attacks_stay_within_a_containers_memory() {
    // This process holds the other ends of the connections.
    let most = getrlimit(Resource::Nofile).maximum;
    prlimit(None, Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let mut service = Service::start(&[("MAX_CONCURRENT_EXECUTIONS", "3")]);
    let greedy = || service.execute(&json!({"code": "x = bytearray(80 << 20)\nlen(x)"})).1;
    assert_eq!(greedy()["return_value"], 80 << 20);
    let before = memory(&service, "RssAnon");
    let code = "import time\nx = bytearray(80 << 20)\ntime.sleep(8)\nlen(x)";
    std::thread::scope(|scope| {
        let executions = [(); 2].map(|()| scope.spawn(|| service.execute(&json!({"code": code})).1));
        service.await_metric("code_executions_active 2\n");
        let address = service.address.as_str();
        let mut held = vec![streams(address, LARGE_FILE, false, 1, 100)];
        held.extend(
            [LARGE_FILE, "/metrics", "/openapi.json"].map(|path| streams(address, path, false, 20, 100)),
        );
        held.push(streams(address, "/metrics", true, 5, 100));
        held.extend((0..150).map(|_| head(address)));
        let senders = [body, answer]
            .map(|kind| scope.spawn(move || (0..50).map(|_| kind(address)).collect::<Vec<_>>()));
        assert_honest(&service);
        for sender in senders {
            held.extend(sender.join().unwrap());
        }
        assert_honest(&service);
        for execution in executions {
            assert_eq!(execution.join().unwrap()["return_value"], 80 << 20);
        }
        drop(held);
    });
    let peak = memory(&service, "VmHWM");
    assert!(peak < LIMIT_BYTES, "{} MB", peak / MB);
    // Anonymous memory only: the service has loaded more of its own code meanwhile.
    let (begun, allowed) = (Instant::now(), before + before / 10 + 16 * MB);
    while memory(&service, "RssAnon") > allowed {
        let now = memory(&service, "RssAnon") / MB;
        assert!(begun.elapsed() < PATIENCE, "{now} MB after {} MB, at most {} MB", before / MB, peak / MB);
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("{} MB before, {} after, at most {}", before / MB, memory(&service, "RssAnon") / MB, peak / MB);
    assert!(service.is_honest());
}

/// The budget is a fraction of what these clients would take. Requests that do not fit are refused, or their
/// connections closed; others are answered.
#[test]
fn requests_beyond_the_budget_are_refused_and_stalled_ones_closed() {
    let local = Local::start(Settings::default().memory_bytes_max(11 << 20), |builder| builder);
    let address = local.address.to_string();
    let held: Vec<Hold> = (0..4).map(|_| body(&address)).collect();
    // The budget has room for one of them. A smaller request gets its share once the slow one is closed.
    let large = json!({"code": "len(text)", "context": {"text": "x".repeat(400_000)}});
    let answer = local.execute(&large);
    assert_eq!(answer.json()["return_value"], 400_000, "{answer:?}");
    assert!(local.metric("code_executor_connections_closed_for_memory_total") >= 1.0);
    drop(held);
    // A request that can never fit is refused.
    let answer = local.raw(&execute(&" ".repeat(2_000_000), ""));
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("overloaded")), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(local.execute(&json!({"code": "6 * 7"})).json()["return_value"], 42);
}

/// A request with a body of HTTP/2 takes memory before its body is read: of those who show the token, if it does so.
#[test]
fn strangers_take_no_memory_of_those_who_show_the_token() {
    // The strangers' part is less than one such request takes.
    let local = Local::start(Settings::default().memory_bytes_max(200_000), |builder| builder);
    let (runtime, address) = (Runtime::new().unwrap(), local.address.to_string());
    std::thread::scope(|scope| {
        let stranger = scope.spawn(|| runtime.block_on(execute_by_http_2(&address, "wrong")));
        for _ in 0..20 {
            assert_eq!(runtime.block_on(execute_by_http_2(&address, TOKEN)).unwrap(), 200);
        }
        assert_eq!(stranger.join().unwrap().unwrap_err().reason(), Some(h2::Reason::REFUSED_STREAM));
    });
    local.assert_metric("code_executor_refusals_total{code=\"overloaded\"}", 1.0);
}

/// The status, on a connection of its own; `Err` if the stream was refused.
async fn execute_by_http_2(address: &str, token: &str) -> Result<u16, h2::Error> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(connection);
    let request = Request::post("http://localhost/execute").header("content-type", "application/json");
    let request = request.header("x-executor-token", token).body(()).unwrap();
    let (answer, mut body) = sender.ready().await?.send_request(request, false)?;
    body.send_data(bytes::Bytes::from_static(br#"{"code": "6 * 7"}"#), true)?;
    Ok(answer.await?.status().as_u16())
}
