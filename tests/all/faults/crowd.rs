//! Many clients: slow peers on every connection, clients that disconnect halfway, more connections than descriptors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ai_code_executor::Limits;
use ai_code_executor::server::Settings;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;

use crate::local::{Local, await_count, endless, execute};
use crate::support::{Service, TOKEN, executor_under};

/// Much shorter than the time that the service allows a slow peer.
const SOON: Duration = Duration::from_secs(15);

const CONNECTIONS_MAX: usize = 8;

/// The requests of slow peers. Each peer sends the rest byte by byte, or does not read the answer.
fn beginnings() -> [String; 4] {
    let head = format!(
        "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Executor-Token: {TOKEN}\r\n"
    );
    let large = json!({"code": "print('x' * 1_000_000)"}).to_string();
    [
        "GET /health HTTP/1.1\r\nX-Slow: ".into(),
        format!("{head}Content-Length: 90000\r\n\r\n"),
        "PRI * HTTP/2.0".into(),
        format!("{head}Content-Length: {}\r\n\r\n{large}", large.len()),
    ]
}

/// Holds as many connections as it can get until `is_over`, and sends a byte on each from time to time.
fn crowd(local: &Local, beginning: &str, is_over: &AtomicBool) {
    let mut streams: Vec<TcpStream> = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        streams.retain_mut(|stream| stream.write_all(b"a").is_ok());
        while streams.len() < 2 * CONNECTIONS_MAX {
            let mut stream = local.connect();
            let _ = stream.write_all(beginning.as_bytes());
            streams.push(stream);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn slow_peers_do_not_block_other_clients() {
    for beginning in beginnings() {
        let settings = Settings::default().connections_max(CONNECTIONS_MAX);
        let local = Local::start(settings, |builder| builder.queue(64));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| crowd(&local, &beginning, &is_over));
            std::thread::sleep(Duration::from_millis(500));
            for _ in 0..3 {
                let started = Instant::now();
                let answer = local.execute(&json!({"code": "6 * 7"}));
                let elapsed = started.elapsed();
                // End the crowd before an assertion fails: the scope waits for it.
                if answer.status != 200 || elapsed > SOON {
                    is_over.store(true, Ordering::Relaxed);
                }
                assert_eq!(answer.status, 200, "{beginning}: {answer:?} after {elapsed:?}");
                assert!(elapsed < SOON, "{beginning}: {elapsed:?}");
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn resources_of_disconnected_clients_are_released() {
    let there = Arc::new(AtomicUsize::new(0));
    let long = Limits::default().tool_time(Duration::from_mins(5));
    let settings = Settings::default().ceilings(long);
    let local = Local::start(settings, |builder| builder.ceilings(long).tool(endless(&there)));
    let body = json!({"code": "import asyncio, spy\nawait asyncio.gather(*[spy.wait() for _ in range(10)])"});
    let request = execute(&body.to_string(), "");
    let print = execute(&json!({"code": "print('x' * 1_000_000)"}).to_string(), "");
    for _ in 0..5 {
        // Disconnect in the head, and in the body.
        for bytes in [request.len() / 4, request.len() - 10] {
            local.connect().write_all(&request[..bytes]).unwrap();
        }
        // Disconnect during the execution, with calls in progress.
        let mut stream = local.connect();
        stream.write_all(&request).unwrap();
        await_count(&there, 10);
        drop(stream);
        await_count(&there, 0);
        // Disconnect during the answer.
        let mut stream = local.connect();
        stream.write_all(&print).unwrap();
        stream.read_exact(&mut [0; 100]).unwrap();
        drop(stream);
    }
    assert_eq!(local.execute(&json!({"code": "6 * 7"})).json()["return_value"], 42);
    local.await_metric("code_executions_active", 0.0);
    local.await_metric("code_executions_queued", 0.0);
    local.assert_metric("code_execution_outcomes_total{outcome=\"cancelled\"}", 5.0);
}

#[test]
fn waiting_requests_do_not_use_up_connections() {
    // This process holds the other ends of the connections.
    let most = getrlimit(Resource::Nofile).maximum;
    prlimit(None, Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let mut command = executor_under(&["sh", "-c", "ulimit -S -n 256 && exec \"$0\""]);
    command.env("EXECUTOR_API_TOKEN", TOKEN).env("SERVICE_PORT", "0");
    // More than the descriptor limit of the shell, and more connections than the service accepts by default.
    let many = Settings::default().connections_max + 100;
    command.env("MAX_CONCURRENT_EXECUTIONS", (many + 1).to_string());
    let service = Service::spawn(command).until_ready();
    let request = execute(&json!({"code": "import asyncio\nawait asyncio.sleep(25)"}).to_string(), "");
    let crowd: Vec<TcpStream> = (0..many)
        .map(|_| {
            let mut stream = TcpStream::connect(&service.address).unwrap();
            stream.write_all(&request).unwrap();
            stream
        })
        .collect();
    service.await_metric(&format!("code_executions_active {many}\n"));
    assert_eq!(service.execute(&json!({"code": "6 * 7"})).1["return_value"], 42);
    drop(crowd);
}

#[test]
fn without_descriptors_running_executions_continue() {
    let service = Service::start(&[]);
    let pid = Pid::from_child(&service.child);
    let answers = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let slow = service.execute(&json!({"code": "import time\ntime.sleep(4)\n'awake'"}));
            answers.lock().unwrap().push(slow);
        });
        std::thread::sleep(Duration::from_millis(300));
        let open = std::fs::read_dir(format!("/proc/{}/fd", service.child.id())).unwrap().count() as u64;
        let few = Rlimit { current: Some(open + 3), maximum: Some(open + 1000) };
        prlimit(Some(pid), Resource::Nofile, few).unwrap();
        let crowd: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&service.address).unwrap()).collect();
        let (before, begun) = (cpu_time(&service), Instant::now());
        std::thread::sleep(Duration::from_secs(2));
        let (spent, elapsed) = (cpu_time(&service).saturating_sub(before), begun.elapsed());
        assert!(spent < elapsed / 4, "the service spins: {spent:?} of CPU time in {elapsed:?}");
        drop(crowd);
        assert_eq!(service.execute(&json!({"code": "6 * 7"})).1["return_value"], 42);
    });
    assert_eq!(answers.into_inner().unwrap()[0].1["return_value"], "awake");
}

/// Returns the CPU time that a service has used.
fn cpu_time(service: &Service) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", service.child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}
