//! Measures programs that compute (`programs/*.py`): the guest's CPU time, from the program's text to its value.
//!
//! `native.py` runs the same programs in an installed Python. Both measure CPU time, because other processes on the
//! machine would distort wall-clock times, and the ratio of the two.

#![allow(clippy::expect_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use ai_code_executor::{Execution, Outcome, Sandbox};
use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use tokio::runtime::Runtime;

/// Returns the name and code of each program, sorted by name.
fn programs() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/programs");
    let mut programs: Vec<_> = fs::read_dir(folder)
        .expect("the directory is part of the repository")
        .map(|entry| {
            let path = entry.expect("the directory can be listed").path();
            let name = path.file_stem().expect("the file has a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("the file can be read"))
        })
        .collect();
    programs.sort();
    programs
}

async fn run(sandbox: &Sandbox, code: &str) -> Duration {
    let report = sandbox.run(Execution::new(code)).await.expect("it runs");
    assert_eq!(report.outcome, Outcome::Completed, "{:?}", report.error);
    report.usage.cpu_time
}

fn cpu(criterion: &mut Criterion) {
    let cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-images");
    let sandbox = Sandbox::builder().cache_dir(cache_dir).build().expect("the image can be made");
    let runtime = Runtime::new().expect("a runtime");
    let mut group = criterion.benchmark_group("cpu");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, code) in programs() {
        group.bench_function(&name, |bencher| {
            bencher.iter_custom(|iterations| {
                runtime.block_on(async {
                    let mut total = Duration::ZERO;
                    for _ in 0..iterations {
                        total += run(&sandbox, &code).await;
                    }
                    total
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, cpu);
criterion_main!(benches);
