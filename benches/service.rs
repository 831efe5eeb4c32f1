//! Measures the service as a process of its own: its start, its memory, its throughput, and its latency under attack.
//!
//! These figures do not fit criterion. This bench prints them as JSON, for `report.py`.

#![allow(clippy::expect_used, missing_docs)]

#[path = "support/client.rs"]
mod client;
#[path = "service/process.rs"]
mod process;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use process::Process;
use serde_json::{Value, json};

const CLIENTS: [usize; 6] = [1, 2, 4, 8, 16, 64];
const LOAD_TIME: Duration = Duration::from_secs(3);
const WAITING: usize = 200;

/// A few more slots than `WAITING`: each execution waits in its own slot.
const SLOTS: &str = "256";

/// Programs that use as much of a resource as they can, until a limit ends them.
const ATTACKS: [(&str, &str); 9] = [
    ("spins", "while True: pass"),
    (
        "fills memory, again and again",
        "while True:\n    try: kept = [bytearray(1 << 20) for _ in range(1000)]\n    except MemoryError: kept = []",
    ),
    ("floods its output", "while True: print('x' * 100_000)"),
    ("multiplies large integers", "n = 3 ** 100_000\nwhile True: n * n"),
    ("backtracks", "import re\nwhile True: re.match(r'(a+)+$', 'a' * 26 + 'b')"),
    (
        "recurses to the end of its stack",
        "def f(): f()\nwhile True:\n    try: f()\n    except RecursionError: pass",
    ),
    ("yields all the time", "import asyncio\nwhile True: await asyncio.sleep(0)"),
    ("asks for random bytes", "import secrets\nwhile True: secrets.token_bytes(60_000)"),
    ("returns as much as it may", "'x' * 1_000_000"),
];

fn main() {
    // `cargo bench -- NAME` selects a bench by name: do nothing if it is another one.
    if std::env::args().skip(1).any(|argument| !argument.starts_with('-') && argument != "service") {
        return;
    }
    let images = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-images");
    let first_start = median((0..3).map(|_| first_start()));
    drop(Process::start(&images, &[]));
    let start = median((0..20).map(|_| Process::start(&images, &[]).start));
    let service = Process::start(&images, &[]);
    let idle = service.memory();
    let load: Vec<Value> = CLIENTS.iter().map(|&clients| load(service.address, clients)).collect();
    let figures = json!({
        "first_start_s": first_start.as_secs_f64(),
        "start_s": start.as_secs_f64(),
        "idle_bytes": idle.resident,
        "idle_file_bytes": idle.resident_file,
        "after_load_bytes": service.memory().resident,
        "load": load,
        "waiting": WAITING,
        "waiting_bytes_each": waiting(&images),
        "attacked": attacked(&images),
    });
    println!("{figures:#}");
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times[times.len() / 2]
}

/// Measures a start with an empty cache, which makes the image.
fn first_start() -> Duration {
    let empty = tempfile::tempdir().expect("a temporary directory");
    Process::start(empty.path(), &[]).start
}

/// Measures throughput and latency of `1 + 1` with so many clients. Each sends its requests one after another on a kept
/// connection.
fn load(address: SocketAddr, clients: usize) -> Value {
    ask(address, clients, LOAD_TIME / 10);
    let started = Instant::now();
    let latencies = ask(address, clients, LOAD_TIME);
    let elapsed = started.elapsed();
    let answered = u32::try_from(latencies.len()).expect("seconds are few");
    let (p50, p99) = percentiles(latencies);
    let per_second = f64::from(answered) / elapsed.as_secs_f64();
    json!({"clients": clients, "per_second": per_second, "p50_us": p50, "p99_us": p99})
}

/// Returns the median and the 99th percentile, in microseconds.
fn percentiles(mut latencies: Vec<Duration>) -> (f64, f64) {
    latencies.sort();
    let micros = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    (micros(50), micros(99))
}

/// Lets clients send requests for `time`. Returns the latency of each request.
fn ask(address: SocketAddr, clients: usize, time: Duration) -> Vec<Duration> {
    let one = || {
        let mut client = Client::new(address, "1 + 1", &json!({}));
        let (started, mut latencies) = (Instant::now(), Vec::new());
        while started.elapsed() < time {
            let asked = Instant::now();
            client.execute();
            latencies.push(asked.elapsed());
        }
        latencies
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|_| scope.spawn(one)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it ends")).collect()
    })
}

/// Returns the memory, in bytes, of one waiting execution, without the memory that all share. Page tables are included,
/// because each execution has its own address range.
fn waiting(images: &Path) -> u64 {
    let service = Process::start(images, &[("MAX_CONCURRENT_EXECUTIONS", SLOTS)]);
    Client::new(service.address, "1 + 1", &json!({})).execute();
    let before = service.memory();
    let code = "import asyncio\nawait asyncio.sleep(25)";
    let mut clients: Vec<Client> =
        (0..WAITING).map(|_| Client::new(service.address, code, &json!({}))).collect();
    clients.iter_mut().for_each(Client::send);
    while !service.get("/metrics").contains(&format!("code_executions_active {WAITING}\n")) {
        std::thread::sleep(Duration::from_millis(10));
    }
    // The last executions are active, but may not be waiting yet.
    std::thread::sleep(Duration::from_secs(1));
    service.memory().own.saturating_sub(before.own) / WAITING as u64
}

/// Measures the latency of `1 + 1` for one client, for each attack twice: alone, and while a client runs the attack in
/// the other slot again and again.
fn attacked(images: &Path) -> Vec<Value> {
    // Short enough that an attack ends soon after the measurement. Long enough that the attack, and not its start,
    // dominates.
    let service = Process::start(images, &[("EXECUTION_TIMEOUT", "2")]);
    let measure = || {
        ask(service.address, 1, LOAD_TIME / 10);
        percentiles(ask(service.address, 1, LOAD_TIME))
    };
    let attacked = |code| {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut attacker = Client::new(service.address, code, &json!({}));
                while !is_over.load(Ordering::Relaxed) {
                    attacker.ask();
                }
            });
            let measured = measure();
            is_over.store(true, Ordering::Relaxed);
            measured
        })
    };
    let pairs = ATTACKS.map(|(what, code)| (what, measure(), attacked(code)));
    let figures = pairs.map(|(what, (_, alone), (p50, p99))| {
        json!({"attack": what, "alone_p99_us": alone, "p50_us": p50, "p99_us": p99})
    });
    figures.into()
}
