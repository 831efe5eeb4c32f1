//! The system clock is set forward and back while programs run.

use std::fs;
use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::support::{Service, TOKEN, executor};

/// Replaces libc's function: every 20 ms, the time of day jumps to another of three days.
const STEPPING_CLOCK: &str = "
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *time)
{
    static const long steps[] = {0, 86400, -86400};
    struct timespec since_start;
    int status = syscall(SYS_clock_gettime, id, time);
    if (status == 0 && id == CLOCK_REALTIME) {
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &since_start);
        time->tv_sec += steps[since_start.tv_nsec / 20000000 % 3];
    }
    return status;
}
";

/// Sleeps for half a second in total and returns how many different days it saw.
const PROGRAM: &str = "
import asyncio, time
days = set()
for _ in range(50):
    days.add(int(time.time()) // 86_400)
    await asyncio.sleep(0.01)
len(days)
";

const ENDLESS: &str = "
import asyncio
while True:
    await asyncio.sleep(0.01)
";

#[test]
fn clock_steps_do_not_affect_sleeps_and_timeouts() {
    let dir = tempfile::tempdir().unwrap();
    let (source, library) = (dir.path().join("clock.c"), dir.path().join("clock.so"));
    fs::write(&source, STEPPING_CLOCK).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    let Ok(compiled) = compiled else {
        println!("skipped: this test needs a C compiler");
        return;
    };
    assert!(compiled.success());

    let mut command = executor();
    command.env("EXECUTOR_API_TOKEN", TOKEN).env("SERVICE_PORT", "0").env("LD_PRELOAD", library);
    let mut service = Service::spawn(command).until_ready();
    let (status, answer) = service.execute(&json!({"code": PROGRAM, "timeout": 20}));
    assert_eq!((status, answer["return_value"].as_u64().unwrap_or_default() > 1), (200, true), "{answer}");
    let seconds = answer["execution_time"].as_f64().unwrap();
    assert!((0.5..20.0).contains(&seconds), "{seconds}");

    let started = Instant::now();
    let (_, answer) = service.execute(&json!({"code": ENDLESS, "timeout": 1}));
    assert_eq!(answer["outcome"], "timeout", "{answer}");
    assert!((1..20).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert!(service.is_honest());
}
