//! Measures an execution in a running process, as its caller sees it: as a function call, as one of several at once,
//! and over HTTP on a kept connection.

#![allow(clippy::expect_used, missing_docs)]

#[path = "support/client.rs"]
mod client;
#[path = "support/local.rs"]
mod local;

use std::path::Path;
use std::time::{Duration, Instant};

use ai_code_executor::{Execution, Outcome, Sandbox};
use client::Client;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The readings of six meters in a day, one each half hour.
const READINGS: u32 = 6 * 48;

/// Returns the smallest program that computes something, and a program of the kind that agents write.
fn programs() -> [(&'static str, &'static str, Value); 2] {
    let reading = |n: u32| {
        let (hour, minute) = (n / 12 % 24, n / 6 % 2 * 30);
        let time = format!("2026-01-05T{hour:02}:{minute:02}:00");
        json!({"room": format!("room {}", n % 6), "time": time, "watts": n * 37 % 1201})
    };
    let readings: Vec<Value> = (0..READINGS).map(reading).collect();
    [
        ("smallest", "1 + 1", json!({})),
        ("household", include_str!("household.py"), json!({"readings": readings})),
    ]
}

/// Returns a sandbox with the service's defaults: two slots.
fn sandbox() -> Sandbox {
    let cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-images");
    Sandbox::builder().cache_dir(cache_dir).build().expect("the image can be made")
}

fn execution(code: &str, context: &Value) -> Execution {
    let variables = context.as_object().into_iter().flatten();
    variables.fold(Execution::new(code), |execution, (name, value)| execution.variable(name, value))
}

async fn run(sandbox: &Sandbox, execution: Execution) {
    let report = sandbox.run(execution).await.expect("it runs");
    assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.error);
}

fn calls(criterion: &mut Criterion) {
    let (sandbox, runtime) = (sandbox(), Runtime::new().expect("a runtime"));
    let mut group = criterion.benchmark_group("execute");
    for (name, code, context) in programs() {
        let execution = execution(code, &context);
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| run(&sandbox, execution.clone()));
        });
    }
    group.finish();
}

/// Measures throughput: the elapsed time, divided by the number of executions.
fn at_once(criterion: &mut Criterion) {
    let (sandbox, runtime) = (sandbox(), Runtime::new().expect("a runtime"));
    let mut group = criterion.benchmark_group("execute_at_once");
    group.throughput(Throughput::Elements(1));
    for tasks in [1, 2, 4, 8] {
        group.bench_function(BenchmarkId::from_parameter(tasks), |bencher| {
            bencher.iter_custom(|iterations| runtime.block_on(shared_out(&sandbox, tasks, iterations)));
        });
    }
    group.finish();
}

/// Runs `iterations` executions in `tasks` tasks. Each task runs its share one after another.
async fn shared_out(sandbox: &Sandbox, tasks: u64, iterations: u64) -> Duration {
    let started = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let sandbox = sandbox.clone();
            let share = iterations / tasks + u64::from(task < iterations % tasks);
            tokio::spawn(async move {
                for _ in 0..share {
                    run(&sandbox, Execution::new("1 + 1")).await;
                }
            })
        })
        .collect();
    for task in running {
        task.await.expect("it ends");
    }
    started.elapsed()
}

fn http(criterion: &mut Criterion) {
    let address = local::serve(&sandbox());
    let mut group = criterion.benchmark_group("execute_http");
    for (name, code, context) in programs() {
        let mut client = Client::new(address, code, &context);
        group.bench_function(name, |bencher| bencher.iter(|| client.execute()));
    }
    let mut client = Client::of_model(address, "1 + 1");
    group.bench_function("smallest_by_mcp", |bencher| bencher.iter(|| client.execute()));
    group.finish();
}

criterion_group!(benches, calls, at_once, http);
criterion_main!(benches);
