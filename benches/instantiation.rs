//! Measures the cost of a fresh interpreter: without an artifact, with a cached one, and in a running process by
//! stages.

#![allow(clippy::expect_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ai_code_executor::{Execution, Report, Sandbox, Stages};
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use tokio::runtime::Runtime;

/// The smallest program that computes something.
const PROGRAM: &str = "1 + 1";

/// Selects the time of one stage of an execution.
type Stage = fn(&Stages) -> Duration;

fn cache_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-images")
}

fn sandbox(cache_dir: &Path) -> Sandbox {
    Sandbox::builder().cache_dir(cache_dir).build().expect("the image can be made")
}

/// Measures making the image with an empty cache: compile, start the interpreter, snapshot, write, map. Takes seconds.
fn cold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cold");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_mins(1));
    group.bench_function("build_without_artifact", |bencher| {
        bencher.iter_custom(|iterations| (0..iterations).map(|_| build_in_empty_cache()).sum());
    });
    group.finish();
}

fn build_in_empty_cache() -> Duration {
    let empty = tempfile::tempdir().expect("a temporary directory");
    let started = Instant::now();
    drop(sandbox(empty.path()));
    started.elapsed()
}

/// Measures mapping the image from its artifact: in this process, and in a process that runs one program and exits.
fn cached(criterion: &mut Criterion) {
    drop(sandbox(&cache_dir()));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-program.py");
    std::fs::write(&program, PROGRAM).expect("the temporary directory can be written");
    let mut group = criterion.benchmark_group("cached");
    group.sample_size(20);
    group.bench_function("build_with_artifact", |bencher| bencher.iter(|| sandbox(&cache_dir())));
    group.bench_function("process_start_run_exit", |bencher| {
        bencher.iter(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ai-code-executor"));
            let status = command.arg("run").arg(&program).env("CACHE_DIR", cache_dir()).status();
            assert!(status.expect("the executor starts").success());
        });
    });
    group.finish();
}

/// Measures a fresh interpreter in a running process: the whole of `Sandbox::run`, and then each stage.
fn warm(criterion: &mut Criterion) {
    let sandbox = sandbox(&cache_dir());
    let runtime = Runtime::new().expect("a runtime");
    let run = async || -> Report {
        let report = sandbox.run(Execution::new(PROGRAM)).await.expect("it runs");
        assert_eq!(report.value.as_ref().map(|value| value.get()), Some("2"));
        report
    };
    let mut group = criterion.benchmark_group("warm");
    group.bench_function("sandbox_run", |bencher| bencher.to_async(&runtime).iter(&run));
    let stages: [(&str, Stage); 3] =
        [("instantiate", |s| s.instantiate), ("run", |s| s.run), ("teardown", |s| s.teardown)];
    for (name, stage) in stages {
        group.bench_function(format!("stage_{name}"), |bencher| {
            bencher.iter_custom(|iterations| {
                runtime.block_on(async {
                    let mut total = Duration::ZERO;
                    for _ in 0..iterations {
                        total += stage(&run().await.stages);
                    }
                    total
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, warm, cached, cold);
criterion_main!(benches);
