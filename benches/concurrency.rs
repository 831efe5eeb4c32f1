//! Measures how long `1 + 1` takes over HTTP under load: with other clients, and with executions that wait for a tool.

#![allow(clippy::expect_used, missing_docs)]

#[path = "support/client.rs"]
mod client;
#[path = "support/local.rs"]
mod local;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ai_code_executor::{Execution, Limits, Sandbox, SandboxBuilder, Tool};
use client::Client;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const CLIENTS: [usize; 6] = [1, 2, 4, 8, 16, 64];
const WAITING: [usize; 5] = [0, 10, 100, 1000, 10_000];

fn builder() -> SandboxBuilder {
    Sandbox::builder().cache_dir(Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-images"))
}

fn client(address: std::net::SocketAddr) -> Client {
    Client::new(address, "1 + 1", &json!({}))
}

/// Measures the latency of a request with the service's defaults: two executions run at a time, and the others queue.
fn clients(criterion: &mut Criterion) {
    let address = local::serve(&builder().build().expect("the image can be made"));
    let mut group = criterion.benchmark_group("clients");
    for count in CLIENTS {
        let mut clients: Vec<Client> = (0..count).map(|_| client(address)).collect();
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_custom(|iterations| mean_of(&mut clients, iterations));
        });
    }
    group.finish();
}

/// Lets each client make `iterations` requests, one after another. Returns the mean time of a client.
fn mean_of(clients: &mut [Client], iterations: u64) -> Duration {
    let count = u32::try_from(clients.len()).expect("they are few");
    let one = |client: &mut Client| {
        let started = Instant::now();
        (0..iterations).for_each(|_| client.execute());
        started.elapsed()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = clients.iter_mut().map(|client| scope.spawn(move || one(client))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).sum::<Duration>() / count
    })
}

/// Returns a tool that never answers, and that counts its calls in `calls`.
fn endless(calls: &Arc<AtomicUsize>) -> Tool {
    let calls = calls.clone();
    Tool::new("bench", "wait", move |_| {
        calls.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<Result<Value, _>>()
    })
}

/// Measures the latency of a request while executions wait for a tool, each in its own slot.
fn waiting(criterion: &mut Criterion) {
    let hour = Duration::from_hours(1);
    let limits = Limits::default().wall_time(hour).tool_time(hour);
    let calls = Arc::new(AtomicUsize::new(0));
    let slots = u32::try_from(WAITING[WAITING.len() - 1] + 2).expect("they are few");
    let sandbox = builder().concurrency(slots).ceilings(limits).tool(endless(&calls)).build();
    let sandbox = sandbox.expect("the image can be made");
    let mut client = client(local::serve(&sandbox));
    let runtime = Runtime::new().expect("a runtime");
    let mut crowd = JoinSet::new();
    let mut group = criterion.benchmark_group("waiting");
    for count in WAITING {
        for _ in crowd.len()..count {
            let sandbox = sandbox.clone();
            let execution = Execution::new("import bench\nawait bench.wait()").limits(limits);
            crowd.spawn_on(async move { sandbox.run(execution).await }, runtime.handle());
        }
        while calls.load(Ordering::Relaxed) < count {
            std::thread::sleep(Duration::from_millis(10));
        }
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| client.execute());
        });
    }
    group.finish();
}

criterion_group!(benches, clients, waiting);
criterion_main!(benches);
