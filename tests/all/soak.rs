//! Many executions in a row, some failing each way: every answer right, and the process does not grow.

use std::process::Command;
use std::time::Duration;

use ai_code_executor::{Execution, Limits, Outcome};

use crate::support::{sandbox, value_of};

const EXECUTIONS: u64 = 10_000;

/// What the allocator may keep beyond what it had after the first tenth.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

/// In a process of its own: what other tests keep of this one's memory is not the sandbox's growth.
#[test]
fn ten_thousand_executions_leave_nothing_behind() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let run = command.args(["--exact", "soak::run", "--ignored"]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

#[tokio::test]
#[ignore = "the other half of a test"]
async fn run() {
    let mut resident = 0;
    for n in 0..EXECUTIONS {
        one(n).await;
        if n == EXECUTIONS / 10 {
            resident = resident_bytes();
        }
    }
    let grown = resident_bytes().saturating_sub(resident);
    assert!(grown < GROWTH_BYTES_MAX, "grew by {grown} bytes");
}

async fn one(n: u64) {
    let short = Limits { wall_time: Duration::from_millis(20), ..Limits::default() };
    let busy = Limits { cpu_time: Duration::from_millis(20), ..Limits::default() };
    let (code, limits, outcome) = match n % 1000 {
        1 | 501 => ("'x' * (1 << 30)".into(), Limits::default(), Outcome::MemoryLimit),
        2 | 502 => ("import asyncio\nawait asyncio.sleep(9)".into(), short, Outcome::Timeout),
        3 | 503 => ("while True: pass".into(), busy, Outcome::CpuLimit),
        4 | 504 => ("def f(): f()\nf()".into(), Limits::default(), Outcome::Failure),
        5 | 505 => {
            ("print('x' * 2_000_000)\nraise SystemExit(3)".into(), Limits::default(), Outcome::Failure)
        }
        _ => (format!("print({n})\n[{n}, {n} * 2]"), Limits::default(), Outcome::Completed),
    };
    let report = sandbox().run(Execution { limits, ..Execution::new(code) }).await.unwrap();
    assert_eq!(report.outcome, outcome, "{n}: {:?}", report.error);
    if outcome == Outcome::Completed {
        assert_eq!(report.stdout.text, format!("{n}\n"));
        assert_eq!(value_of(&report), serde_json::json!([n, n * 2]));
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}
