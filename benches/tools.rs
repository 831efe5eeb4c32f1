//! What a tool call costs beyond the tool's own time: one after the other, and many gathered; functions of this process
//! and an HTTP service on the loopback interface. All figures are for one call.

#![allow(clippy::expect_used, missing_docs)]

use std::path::Path;
use std::time::Duration;

use ai_code_executor::{Execution, Limits, Sandbox, Tool};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use tokio::runtime::Runtime;

/// Calls in one execution: enough to make what the execution itself costs small, which is subtracted all the same.
const CALLS: u32 = 200;

const SEQUENTIAL: &str = "for n in range(calls):\n    await bench.call(n)";
const GATHERED: &str = "import asyncio\nawait asyncio.gather(*(bench.call(n) for n in range(calls)))";

fn builder() -> ai_code_executor::Builder {
    let cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-images");
    let limits = Limits { tool_calls_max: u32::MAX, ..Limits::default() };
    Sandbox::builder().cache_dir(cache_dir).ceilings(limits)
}

/// Wall-clock time in the sandbox of `program` with so many calls.
async fn time(sandbox: &Sandbox, program: &str, calls: u32) -> Duration {
    let code = format!("import bench\n{program}");
    let report = sandbox.run(Execution::new(code).variable("calls", &json!(calls))).await.expect("it runs");
    assert_eq!((report.error, report.usage.tool_calls), (None, calls));
    report.usage.wall_time
}

/// Per call: with all calls, less without any.
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

criterion_group!(benches, functions);
criterion_main!(benches);
