//! Measures the cost of a tool call in addition to the tool's own time.
//!
//! Calls are made one after another and gathered; tools are functions of this process and an HTTP service on the
//! loopback interface. All figures are for one call, except those of slow services.

#![allow(clippy::expect_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ai_code_executor::tools::{Surroundings, ToolFile};
use ai_code_executor::{Execution, Limits, Sandbox, Tool};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::StreamExt;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use http_signing::{Key, Signer};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// The number of calls in an execution. It is large, so that the cost of the execution itself, which is subtracted, is
/// small.
const CALLS: u32 = 200;

const SEQUENTIAL: &str = "for n in range(calls):\n    await bench.call(n)";
const GATHERED: &str = "import asyncio\nawait asyncio.gather(*(bench.call(n) for n in range(calls)))";

fn builder() -> ai_code_executor::SandboxBuilder {
    let cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-images");
    let limits = Limits::default().tool_calls_max(u32::MAX);
    Sandbox::builder().cache_dir(cache_dir).ceilings(limits)
}

/// Returns the wall-clock time in the sandbox of `program` with `calls` calls.
async fn time(sandbox: &Sandbox, program: &str, calls: u32) -> Duration {
    let code = format!("import bench\n{program}");
    let report = sandbox.run(Execution::new(code).variable("calls", &json!(calls))).await.expect("it runs");
    assert_eq!((report.error, report.usage.tool_calls), (None, calls));
    report.usage.wall_time
}

/// Returns the time per call: the difference between executions with all calls and without any.
async fn time_of_calls(sandbox: &Sandbox, program: &str, iterations: u64) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..iterations {
        let without = time(sandbox, program, 0).await;
        total += time(sandbox, program, CALLS).await.saturating_sub(without) / CALLS;
    }
    total
}

fn calls(criterion: &mut Criterion, group: &str, sandbox: &Sandbox) {
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group(group);
    for (name, program) in [("sequential", SEQUENTIAL), ("gathered", GATHERED)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| runtime.block_on(time_of_calls(sandbox, program, iterations)));
        });
    }
    group.finish();
}

fn functions(criterion: &mut Criterion) {
    let tool = Tool::new("bench", "call", async |call| Ok(json!(call.arguments["n"])));
    let schema = json!({"properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let sandbox = builder().tool(tool.parameters(schema)).build().expect("the image can be made");
    calls(criterion, "function", &sandbox);
}

/// Starts a service in its own threads. Returns its URL.
fn service(router: Router) -> String {
    let runtime = Runtime::new().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || runtime.block_on(async { axum::serve(listener, router).await }));
    url
}

/// Returns a sandbox with the tool `bench.call`, which sends a signed request to the service at `url`.
fn sandbox_of(url: &str) -> Sandbox {
    let text = format!(
        r#"
        services.bench.url = "{url}"
        [tools.bench.call]
        path = "/call"
        parameters = {{ properties.n.type = "integer", required = ["n"] }}
        "#
    );
    let surroundings = Surroundings::new(&|_| None, &|path| std::fs::read(path));
    let file = ToolFile::parse("bench.toml", &text, surroundings).expect("it is valid");
    let key = Key::new("bench", "a key that has at least thirty-two bytes").expect("it is long enough");
    let tools = file.connect(Some(&Signer::new(key).expect("it can sign"))).expect("they can be connected");
    builder().tools(tools).build().expect("the image can be made")
}

fn requests(criterion: &mut Criterion) {
    let url = service(Router::new().route("/call", post(async || Json(json!({"ok": true})))));
    calls(criterion, "http", &sandbox_of(&url));
    alone(criterion, &url);
}

struct Leaves(Arc<Notify>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Measures an execution that gathers twenty calls of 300 ms. Also measures, for an execution that is dropped during a
/// call, the time until the service notices that its caller has gone.
fn slow(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (came, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (comes, leaves) = (came.clone(), left.clone());
    let slow = async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Json(json!({"ok": true}))
    };
    let hung = async move || {
        // axum drops the handler of a request whose caller has gone.
        let _leaves = Leaves(leaves.clone());
        comes.notify_one();
        std::future::pending::<()>().await;
    };
    let mut group = criterion.benchmark_group("slow");
    let sandbox = sandbox_of(&service(Router::new().route("/call", post(slow))));
    group.bench_function("20_gathered_of_300_ms", |bencher| {
        bencher.to_async(&runtime).iter(|| time(&sandbox, GATHERED, 20));
    });
    let sandbox = sandbox_of(&service(Router::new().route("/call", post(hung))));
    group.bench_function("until_a_dropped_call_is_gone", |bencher| {
        bencher.iter_custom(|iterations| {
            runtime.block_on(async {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    tokio::select! {
                        _ = sandbox.run(Execution::new("import bench\nawait bench.call(1)")) => {}
                        () = came.notified() => {}
                    }
                    let dropped = Instant::now();
                    left.notified().await;
                    total += dropped.elapsed();
                }
                total
            })
        });
    });
    group.finish();
}

/// Measures the same requests without the executor: the time of the service and of HTTP itself.
///
/// They are sent one after another on one connection, and as many at once as an execution may have in flight.
fn alone(criterion: &mut Criterion, url: &str) {
    let runtime = Runtime::new().expect("a runtime");
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri: Uri = format!("{url}/call").parse().expect("it is an URL");
    let request = async || {
        let body = Full::from(Bytes::from_static(br#"{"n": 1}"#));
        let request = Request::post(uri.clone()).header("content-type", "application/json").body(body);
        let answer = client.request(request.expect("it is valid")).await.expect("an answer");
        answer.into_body().collect().await.expect("its end");
    };
    let mut group = criterion.benchmark_group("http_without_executor");
    group.bench_function("sequential", |bencher| bencher.to_async(&runtime).iter(&request));
    group.bench_function("gathered", |bencher| {
        let at_once = Limits::default().tool_calls_in_flight_max;
        bencher.iter_custom(|iterations| {
            runtime.block_on(async {
                let started = Instant::now();
                let requests = futures::stream::iter((0..iterations * u64::from(CALLS)).map(|_| request()));
                requests.buffer_unordered(at_once).for_each(async |()| ()).await;
                started.elapsed() / CALLS
            })
        });
    });
    group.finish();
}

criterion_group!(benches, functions, requests, slow);
criterion_main!(benches);
