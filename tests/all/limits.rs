//! What happens at each limit: the outcome, its message, and that the output so far is kept.

use std::time::{Duration, Instant};

use ai_code_executor::{Execution, Limits, Outcome, Sandbox};
use futures::future::join_all;

use crate::support::{cache_dir, sandbox};

fn short() -> Limits {
    Limits::default().wall_time(Duration::from_millis(300))
}

/// Runs `code` after a `print`; checks outcome and error, and that the output is kept.
async fn check((code, limits, outcome, error): (&str, Limits, Outcome, &str)) {
    let code = format!("print('so far')\n{code}");
    let report = sandbox().run(Execution::new(&code).limits(limits)).await.unwrap();
    assert_eq!(report.outcome, outcome, "{code}");
    let actual = report.error.map(|error| error.to_string()).unwrap_or_default();
    assert!(actual.starts_with(error), "{code}: {actual}");
    assert_eq!(report.stdout.text, "so far\n", "{code}");
}

#[tokio::test]
async fn each_outcome_has_its_message_and_keeps_the_output() {
    let all = Limits::default();
    let cpu = all.cpu_time(Duration::from_millis(200));
    let small = all.result_bytes_max(1000);
    let rows = [
        ("'end'", all, Outcome::Completed, ""),
        ("raise SystemExit", all, Outcome::Completed, ""),
        ("import time\ntime.sleep(100)", short(), Outcome::Timeout, "Execution exceeded 0.3s timeout"),
        (
            "import asyncio\nawait asyncio.sleep(100)",
            short(),
            Outcome::Timeout,
            "Execution exceeded 0.3s timeout",
        ),
        ("while True: pass", short(), Outcome::Timeout, "Execution exceeded 0.3s timeout"),
        ("while True: pass", cpu, Outcome::CpuLimit, "CPU budget of 0.2s exhausted"),
        ("x = 'a' * (1 << 30)", all, Outcome::MemoryLimit, "Memory limit of 128 MB exceeded"),
        ("1 / 0", all, Outcome::Failure, "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", all, Outcome::Failure, "SystemExit: 3"),
        ("def f(): f()\nf()", all, Outcome::Failure, "RecursionError: "),
        ("x = []\nx.append(x)\nx", all, Outcome::Failure, ""),
        ("'x' * 1000", small, Outcome::Failure, ""),
    ];
    for row in rows {
        check(row).await;
    }
}

/// Guests that are busy in different ways, or asleep. Each kind runs in all slots at once.
const RESTLESS: [&str; 10] = [
    "while True: pass",
    "x = 3\nwhile True: x = x * x",
    "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",
    "sorted(range(10_000_000), key=lambda n: -n)",
    "import zlib\nx = bytes(1 << 20)\nwhile True: zlib.compress(x, 9)",
    "while True: print('x' * 10_000)",
    "import time\nwhile True: time.time()",
    "import time\ntime.sleep(100)",
    "import asyncio\nawait asyncio.sleep(100)",
    "import asyncio\nwhile True: await asyncio.sleep(0)",
];

#[tokio::test]
async fn no_guest_exceeds_its_deadline() {
    const SLOTS: u32 = 4;
    let wall_time = Duration::from_millis(300);
    let limits = Limits::default().wall_time(wall_time);
    let sandbox = Sandbox::builder().concurrency(SLOTS).cache_dir(cache_dir()).build().unwrap();
    for code in RESTLESS {
        let run = async || {
            let started = Instant::now();
            let report = sandbox.run(Execution::new(code).limits(limits)).await.unwrap();
            assert!(matches!(report.outcome, Outcome::Timeout | Outcome::MemoryLimit), "{code}: {report:?}");
            started.elapsed()
        };
        let overshoot =
            join_all((0..SLOTS).map(|_| run())).await.into_iter().max().unwrap().saturating_sub(wall_time);
        println!("{overshoot:>12.1?} after the deadline: {code}");
        assert!(overshoot < Duration::from_secs(1), "{code}: {overshoot:?}");
    }
}

#[tokio::test]
async fn an_unlimited_wall_time_works() {
    let ceilings = Limits::default().wall_time(Duration::MAX);
    let unlimited = Sandbox::builder().ceilings(ceilings).cache_dir(cache_dir()).build().unwrap();
    let report = unlimited.run(Execution::new("1").limits(ceilings)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_caught_memory_error_does_not_change_the_outcome() {
    let code = "try:\n    'a' * (1 << 30)\nexcept MemoryError:\n    'caught'";
    let report = sandbox().run(Execution::new(code)).await.unwrap();
    assert_eq!((report.outcome, report.value.unwrap().get()), (Outcome::Completed, "\"caught\""));
    assert!(report.usage.memory_bytes_peak < 128 << 20, "refused growth does not count as used memory");
}

#[tokio::test]
async fn sleeping_uses_no_cpu_time() {
    let report = sandbox().run(Execution::new("import time\ntime.sleep(0.3)")).await.unwrap();
    assert!(report.usage.wall_time >= Duration::from_millis(300));
    assert!(report.usage.cpu_time < Duration::from_millis(150), "{:?}", report.usage);
}

#[tokio::test]
async fn output_beyond_its_limit_is_dropped_and_flagged() {
    let limits = Limits::default().output_bytes_max(1000);
    let code = "print('x' * 10_000_000)\nclass Noisy:\n    def __del__(self): raise ValueError('e' * 5000)\nx = Noisy()\ndel x";
    let report = sandbox().run(Execution::new(code).limits(limits)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed);
    for output in [report.stdout, report.stderr] {
        assert_eq!((output.text.len(), output.truncated), (1000, true));
    }
}

#[tokio::test]
async fn a_result_beyond_its_limit_is_a_failure() {
    let limits = Limits::default().result_bytes_max(1000);
    let report = sandbox().run(Execution::new("print(1)\n'x' * 1000").limits(limits)).await.unwrap();
    assert_eq!((report.outcome, report.stdout.text.as_str()), (Outcome::Failure, "1\n"));
    assert!(report.error.unwrap().message.contains("limit is 1000 bytes"));
}

#[tokio::test]
async fn the_same_program_consumes_the_same_fuel() {
    let fuel =
        async || sandbox().run(Execution::new("sum(i * i for i in range(10_000))")).await.unwrap().usage.fuel;
    let (first, second) = (fuel().await, fuel().await);
    assert!(first > 100_000, "{first}");
    assert!(first.abs_diff(second) < first / 50, "{first} {second}");
}
