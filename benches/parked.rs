//! Measures executions that wait for their caller and are written down meanwhile: how long it takes to write one down and
//! to resume it, and requests while thousands wait.

#![allow(clippy::expect_used, missing_docs)]

#[path = "support/client.rs"]
mod client;
#[path = "support/local.rs"]
mod local;

use std::path::Path;
use std::time::{Duration, Instant};

use ai_code_executor::sealed_store::{Embedded, Key, Sealer};
use ai_code_executor::{Answer, CallerTool, Execution, Outcome, Report, Sandbox, WaitLimits};
use client::Client;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::runtime::Runtime;

const PARKED: [usize; 4] = [0, 100, 1000, 10_000];

const STORE_BYTES: u64 = 4 << 30;

/// Returns a sandbox with one slot and a store on disk. An execution that waits gives its slot back at once.
fn sandbox(store: &Path) -> Sandbox {
    let limits = WaitLimits::default().park_after(Duration::ZERO).waiting_max(PARKED[PARKED.len() - 1] + 10);
    let key = Key::derive(b"a-key-of-a-bench-with-32-bytes-..").expect("it is long enough");
    let store = Embedded::open(store, STORE_BYTES).expect("there is room for it");
    let cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-images");
    let builder = Sandbox::builder().cache_dir(cache_dir).concurrency(1).queue(100);
    builder.wait_limits(limits).store(store, Sealer::new(key, None)).build().expect("the image can be made")
}

/// Runs a program until it waits and is written down.
async fn park(sandbox: &Sandbox) -> Report {
    let execution =
        Execution::new("import caller\nawait caller.get() + 1").caller_tools([CallerTool::new("caller.get")]);
    let report = sandbox.run(execution).await.expect("it runs");
    assert_eq!(report.outcome, Outcome::Waiting, "{:?}", report.error);
    // The only slot is free when it has been written down.
    sandbox.run(Execution::new("0")).await.expect("it runs");
    report
}

async fn resume(sandbox: &Sandbox, parked: &Report) {
    let call = &parked.waiting.as_ref().expect("it waits").calls[0];
    let reply = RawValue::from_string("41".into()).expect("it is JSON");
    let answers = vec![(call.call, Answer::Reply(reply))];
    let report = sandbox.resume(parked.id, 1, answers, None).await.expect("it goes on");
    assert_eq!(report.value_as::<u32>().expect("it is a number"), 42);
}

/// Measures one execution that waits, and a request over HTTP while others wait.
fn parked(criterion: &mut Criterion) {
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-store");
    // It may be there from an earlier run.
    let _ = std::fs::remove_dir_all(&store);
    let (sandbox, runtime) = (sandbox(&store), Runtime::new().expect("a runtime"));
    let mut group = criterion.benchmark_group("parked");
    group.bench_function("run_and_write_down", |bencher| {
        bencher.iter_custom(|iterations| {
            runtime.block_on(async {
                let mut time = Duration::ZERO;
                for _ in 0..iterations {
                    let begun = Instant::now();
                    let parked = park(&sandbox).await;
                    time += begun.elapsed();
                    resume(&sandbox, &parked).await;
                }
                time
            })
        });
    });
    group.bench_function("resume", |bencher| {
        bencher.iter_custom(|iterations| {
            runtime.block_on(async {
                let mut time = Duration::ZERO;
                for _ in 0..iterations {
                    let parked = park(&sandbox).await;
                    let begun = Instant::now();
                    resume(&sandbox, &parked).await;
                    time += begun.elapsed();
                }
                time
            })
        });
    });
    group.finish();
    let address = local::serve(&sandbox);
    let mut group = criterion.benchmark_group("while_parked");
    let mut waiting = 0;
    for count in PARKED {
        runtime.block_on(async {
            for _ in waiting..count {
                park(&sandbox).await;
            }
        });
        waiting = count;
        // The service closes connections that are idle for as long as the others take.
        let mut client = Client::new(address, "1 + 1", &json!({}));
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| bencher.iter(|| client.execute()));
    }
    group.finish();
    runtime.block_on(sandbox.shutdown(Duration::ZERO));
    // Best effort: it is in a directory of the build.
    let _ = std::fs::remove_dir_all(&store);
}

criterion_group!(benches, parked);
criterion_main!(benches);
