//! What a limit does: the outcome, its text, and that output so far is kept.

use std::time::Duration;

use ai_code_executor::{Execution, Limits, Outcome, Sandbox};

use crate::support::{cache_dir, sandbox};

fn short() -> Limits {
    Limits { wall_time: Duration::from_millis(300), ..Limits::default() }
}

#[tokio::test]
async fn each_limit_has_its_outcome_and_text_and_keeps_the_output() {
    let cpu = Limits { cpu_time: Duration::from_millis(200), ..Limits::default() };
    let fuel_only_sleep = "import time\nprint('so far')\ntime.sleep(100)";
    let spin = "print('so far')\nwhile True: pass";
    let asleep = "import asyncio\nprint('so far')\nawait asyncio.sleep(100)";
    let greedy = "print('so far')\nx = 'a' * (1 << 30)";
    let cases = [
        (fuel_only_sleep, short(), Outcome::Timeout, "Execution exceeded 0.3s timeout"),
        (asleep, short(), Outcome::Timeout, "Execution exceeded 0.3s timeout"),
        (spin, short(), Outcome::Timeout, "Execution exceeded 0.3s timeout"),
        (spin, cpu, Outcome::CpuLimit, "CPU budget of 0.2s exhausted"),
        (greedy, Limits::default(), Outcome::MemoryLimit, "Memory limit of 128 MB exceeded"),
    ];
    for (code, limits, outcome, error) in cases {
        let report = sandbox().run(Execution { limits, ..Execution::new(code) }).await.unwrap();
        assert_eq!(report.outcome, outcome, "{code}");
        assert_eq!(report.error.unwrap().to_string(), error, "{code}");
        assert_eq!(report.stdout.text, "so far\n", "{code}");
    }
}

#[tokio::test]
async fn a_limit_without_end_is_no_failure() {
    let ceilings = Limits { wall_time: Duration::MAX, ..Limits::default() };
    let unlimited = Sandbox::builder().ceilings(ceilings).cache_dir(cache_dir()).build().unwrap();
    let report = unlimited.run(Execution { limits: ceilings, ..Execution::new("1") }).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_caught_memory_error_is_no_outcome() {
    let code = "try:\n    'a' * (1 << 30)\nexcept MemoryError:\n    'caught'";
    let report = sandbox().run(Execution::new(code)).await.unwrap();
    assert_eq!((report.outcome, report.value.unwrap().get()), (Outcome::Completed, "\"caught\""));
    assert!(report.usage.memory_bytes_peak < 128 << 20, "refused growth is not used memory");
}

#[tokio::test]
async fn sleeping_burns_no_cpu() {
    let report = sandbox().run(Execution::new("import time\ntime.sleep(0.3)")).await.unwrap();
    assert!(report.usage.wall_time >= Duration::from_millis(300));
    assert!(report.usage.cpu_time < Duration::from_millis(150), "{:?}", report.usage);
}

#[tokio::test]
async fn output_beyond_its_limit_is_dropped_and_flagged() {
    let limits = Limits { output_bytes_max: 1000, ..Limits::default() };
    let code = "print('x' * 10_000_000)\nclass Noisy:\n    def __del__(self): raise ValueError('e' * 5000)\nx = Noisy()\ndel x";
    let report = sandbox().run(Execution { limits, ..Execution::new(code) }).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed);
    for output in [report.stdout, report.stderr] {
        assert_eq!((output.text.len(), output.truncated), (1000, true));
    }
}

#[tokio::test]
async fn a_result_beyond_its_limit_is_a_failure() {
    let limits = Limits { result_bytes_max: 1000, ..Limits::default() };
    let report = sandbox().run(Execution { limits, ..Execution::new("print(1)\n'x' * 1000") }).await.unwrap();
    assert_eq!((report.outcome, report.stdout.text.as_str()), (Outcome::Failure, "1\n"));
    assert!(report.error.unwrap().message.contains("limit is 1000 bytes"));
}

#[tokio::test]
async fn the_same_program_burns_the_same_fuel() {
    let fuel =
        async || sandbox().run(Execution::new("sum(i * i for i in range(10_000))")).await.unwrap().usage.fuel;
    let (first, second) = (fuel().await, fuel().await);
    assert!(first > 100_000, "{first}");
    assert!(first.abs_diff(second) < first / 50, "{first} {second}");
}
