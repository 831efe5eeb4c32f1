//! Many executions in a row, every hundredth with a fault and every hundredth written down and continued: every answer must be
//! correct, no slot may be lost, and the process must not grow.

use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ai_code_executor::{Answer, CallerTool, Execution, KeepState, Limits, Outcome, Sandbox, WaitLimits};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::support::{cache_dir, value_of};

/// Accepted growth after the first tenth, for memory that the allocator keeps.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

/// The number of concurrent executions, the service's default.
const SLOTS: usize = 2;

/// Writes executions down as soon as they wait.
fn sandbox() -> &'static Sandbox {
    static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| {
        let limits = WaitLimits::default().park_after(Duration::ZERO);
        Sandbox::builder().cache_dir(cache_dir()).wait_limits(limits).build().unwrap()
    });
    &SANDBOX
}

/// The number of executions: 10,000, or `SOAK_EXECUTIONS`.
fn executions() -> u64 {
    std::env::var("SOAK_EXECUTIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(10_000)
}

/// Runs in a process of its own, so that memory kept by other tests does not count as growth.
#[test]
fn many_executions_leave_nothing_behind() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let run = command.args(["--exact", "soak::run", "--ignored", "--nocapture"]).output().unwrap();
    println!("{}", String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[tokio::test]
#[ignore = "the child process of another test"]
async fn run() {
    let (tenth, mut resident) = (executions() / 10, 0);
    for part in 0..10 {
        let mut times = Vec::new();
        for n in part * tenth..(part + 1) * tenth {
            let started = Instant::now();
            if !fault(n).await && !continued(n).await {
                honest(n).await;
                times.push(started.elapsed());
            }
        }
        times.sort();
        let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!(
            "{:>9}: {} KiB resident, p50 {p50:?}, p99 {p99:?}",
            (part + 1) * tenth,
            resident_bytes() >> 10
        );
        if part == 0 {
            resident = resident_bytes();
        }
    }
    let grown = resident_bytes().saturating_sub(resident);
    assert!(grown < GROWTH_BYTES_MAX, "grew by {grown} bytes");
    assert_no_slot_is_lost().await;
}

/// Runs an ordinary program and checks its result.
async fn honest(n: u64) {
    let (code, value) = match n % 4 {
        0 => ("print(n)\n[n, n * 2]", json!([n, n * 2])),
        1 => ("print(n)\nimport json\njson.loads(json.dumps({'n': n}))", json!({"n": n})),
        2 => (
            "print(n)\nimport asyncio\nawait asyncio.sleep(0)\nawait asyncio.gather(asyncio.sleep(0, n))",
            json!([n]),
        ),
        _ => ("print(n)\nclass Twice:\n    def of(self, x): return x * 2\nTwice().of(n)", json!(n * 2)),
    };
    let report = sandbox().run(Execution::new(code).variable("n", &json!(n))).await.unwrap();
    assert_eq!(report.outcome, Outcome::Completed, "{n}: {:?}", report.error);
    assert_eq!((report.stdout.text.as_str(), value_of(&report)), (format!("{n}\n").as_str(), value), "{n}");
}

/// Runs a failing program for every hundredth `n`, each in a different way; returns whether it did.
async fn fault(n: u64) -> bool {
    if n % 100 != 1 {
        return false;
    }
    let all = Limits::default();
    let short = all.wall_time(Duration::from_millis(20));
    let busy = all.cpu_time(Duration::from_millis(20));
    let (code, limits, outcome) = match n / 100 % 7 {
        0 => ("'x' * (1 << 30)", all, Outcome::MemoryLimit),
        1 => ("import asyncio\nawait asyncio.sleep(9)", short, Outcome::Timeout),
        2 => ("while True: pass", busy, Outcome::CpuLimit),
        3 => ("def f(): f()\nf()", all, Outcome::Failure),
        4 => ("print('x' * 2_000_000)\nraise SystemExit(3)", all, Outcome::Failure),
        kind => {
            let code = if kind == 5 { "while True: pass" } else { "import time\ntime.sleep(9)" };
            let given_up = timeout(Duration::from_millis(5), sandbox().run(Execution::new(code))).await;
            assert!(given_up.is_err(), "{n}");
            return true;
        }
    };
    let report = sandbox().run(Execution::new(code).limits(limits)).await.unwrap();
    assert_eq!(report.outcome, outcome, "{n}: {:?}", report.error);
    true
}

/// For every hundredth `n`, runs a program that is written down while it waits for its caller, and another one in the
/// interpreter that it leaves; returns whether it did.
async fn continued(n: u64) -> bool {
    if n % 100 != 51 {
        return false;
    }
    let of_caller = || [CallerTool::new("gate.enter")];
    let program =
        Execution::new("import gate\nkept = [n, await gate.enter()]\nkept").variable("n", &json!(n));
    let waiting = sandbox().run(program.caller_tools(of_caller()).state(KeepState::New)).await.unwrap();
    assert_eq!(waiting.outcome, Outcome::Waiting, "{n}: {:?}", waiting.error);
    let reply = Answer::Reply(RawValue::from_string(format!("\"{n}\"")).unwrap());
    let end = sandbox().resume(waiting.id, 1, vec![(0, reply)], None).await.unwrap();
    assert_eq!(value_of(&end), json!([n, n.to_string()]));
    let first = end.state.unwrap();
    let after = Execution::new("kept.append(len(kept))\nkept").state(KeepState::After(first));
    let after = sandbox().run(after).await.unwrap();
    assert_eq!(value_of(&after), json!([n, n.to_string(), 2]));
    for state in [first, after.state.unwrap()] {
        sandbox().forget_state(state).await.unwrap();
    }
    true
}

/// Checks that all slots are usable: as many executions as slots run at the same time.
async fn assert_no_slot_is_lost() {
    let sleep = || sandbox().run(Execution::new("import time\ntime.sleep(20)"));
    let asleep: Vec<_> = (0..SLOTS).map(|_| Box::pin(sleep())).collect();
    let all = timeout(Duration::from_secs(5), futures::future::select_all(asleep));
    let active = async {
        while !sandbox().metrics().encode().contains(&format!("code_executions_active {SLOTS}\n")) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        ended = all => panic!("a slot is lost: {:?}", ended.map(|(report, ..)| report.map(|report| report.outcome))),
        () = active => {}
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}
