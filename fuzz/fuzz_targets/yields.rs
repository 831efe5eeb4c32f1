//! Programs of operations that take long in native code, in any order. None may keep a thread for long without
//! yielding, neither at its start nor when its CPU budget is exhausted. Longer times count as coverage, so that the
//! fuzzer searches for the longest.

#![no_main]

use std::fmt::Write;
use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ai_code_executor::{Execution, Layers, Limits, Report, Sandbox};
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

/// The longest CPU time of a thread without a yield. It is generous, because this build is slow and other targets run
/// at the same time: a minute of fuzzing finds 3 ms.
const WITHOUT_YIELD_MAX: Duration = Duration::from_millis(50);

const CPU_TIME: Duration = Duration::from_millis(60);

/// A program is slow only if it is slow in each attempt: a single one may have been disturbed.
const ATTEMPTS: usize = 3;

const STATEMENTS_MAX: usize = 6;

/// Statements with placeholders for two variables, `A` and `B`, and a number, `N`.
const STATEMENTS: [&str; 44] = [
    "A = 'a' * N",
    "A = 'é' * N",
    "A = b'a' * N",
    "A = bytearray(N)",
    "A = [0] * N",
    "A = list(range(N))",
    "A = set(range(N))",
    "A = {n: n for n in range(N)}",
    "A = 7 ** N",
    "A = str(A)",
    "A = repr(A)",
    "A = int('9' * (N % 4000))",
    "A = A + B",
    "A = A * B",
    "A = A * (N % 50)",
    "A = A == B",
    "A = A in B",
    "A = A[::-1]",
    "A[N % 3:N] = B",
    "A = sorted(A)",
    "A.sort(key=lambda n: -n)",
    "A = sum(A)",
    "A = max(A)",
    "A = A.upper()",
    "A = A.find(B)",
    "A = A.count(B)",
    "A = A.split(B)",
    "A = A.replace('a', B)",
    "A = B.join([A] * (N % 1000))",
    "A = A.encode()",
    "A = A.translate({97: B})",
    "A = f'{A:>{N}}'",
    "A = hash(A)",
    "A = tuple(A)",
    "A = dict.fromkeys(A, B)",
    "A = list(zip(A, B))",
    "A = json.dumps(A)",
    "A = json.loads('[' * (N % 900) + ']' * (N % 900))",
    "A = re.search('(a|b)*c', A)",
    "A = re.sub('a', 'bb', A)",
    "A = math.factorial(N % 20000)",
    "A = hashlib.sha512(A).digest()",
    "A = zlib.compress(A)",
    "A = random.randbytes(N)",
];

/// Counters that libFuzzer reads in addition to the compiler's: for each of two times, one for each power of two.
// SAFETY: libFuzzer reads and resets the bytes of this section between two runs. The section contains nothing else.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
#[used]
static TIMES: [AtomicU8; 64] = [const { AtomicU8::new(0) }; 64];

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
    let limits = Limits::default().wall_time(Duration::from_secs(10)).cpu_time(CPU_TIME);
    let cache_dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tmp/images");
    let builder = Sandbox::builder().layers(Layers::WallOnly).ceilings(limits).cache_dir(cache_dir);
    builder.build().expect("a sandbox")
});

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

fuzz_target!(
    init: {
        LazyLock::force(&SANDBOX);
    },
    |bytes: &[u8]| {
        let program = program(bytes);
        let mut shortest = [Duration::MAX; 2];
        for _ in 0..ATTEMPTS {
            let (first, report) = RUNTIME.block_on(run(&program));
            let times = [first, report.usage.cpu_time.saturating_sub(CPU_TIME)];
            shortest = [0, 1].map(|which| shortest[which].min(times[which]));
            if shortest.iter().all(|time| *time <= WITHOUT_YIELD_MAX / 4) {
                break;
            }
        }
        for (time, counters) in shortest.iter().zip(TIMES.chunks(32)) {
            counters[time.as_micros().max(1).ilog2() as usize].store(1, Ordering::Relaxed);
        }
        assert!(shortest.iter().all(|time| *time <= WITHOUT_YIELD_MAX), "{shortest:?}\n{program}");
    }
);

/// Runs a program. Returns the CPU time of this thread until the program first yields, and the report.
async fn run(program: &str) -> (Duration, Report) {
    let mut run = pin!(SANDBOX.run(Execution::new(program)));
    let before = cpu_time();
    let polled = run.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let first = cpu_time().saturating_sub(before);
    let report = match polled {
        Poll::Ready(report) => report,
        Poll::Pending => run.await,
    };
    (first, report.expect("there is a report"))
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("CPU time is not negative")
}

/// Generates a program with three variables. It continues after a statement that fails.
fn program(bytes: &[u8]) -> String {
    let mut choices = Unstructured::new(bytes);
    let mut below = |bound: usize| choices.int_in_range(0..=bound - 1).unwrap_or_default();
    let mut program =
        "import hashlib, json, math, random, re, zlib\nx, y, z = 'a' * 999, b'a' * 999, list(range(999))\n"
            .to_owned();
    for _ in 0..=below(STATEMENTS_MAX) {
        let [a, b] = [0; 2].map(|_| ["x", "y", "z"][below(3)]);
        let number = (1 << below(26)) + below(1000);
        let statement = STATEMENTS[below(STATEMENTS.len())].replace('N', &number.to_string());
        let statement = statement.replace('A', a).replace('B', b);
        let _ = writeln!(program, "try:\n    {statement}\nexcept Exception:\n    pass");
    }
    program
}
