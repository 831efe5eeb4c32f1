//! The service as a process of its own, over real sockets.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Service, executor, signal};

/// Counts page faults, which are exact where times are not: a program that requests its pages from the kernel anew has
/// dozens.
#[test]
fn a_small_program_requests_no_memory_from_the_kernel() {
    let service = Service::start(&[]);
    let execute = |times: u32| (0..times).for_each(|_| drop(service.execute(&json!({"code": "1 + 1"}))));
    let faults = || faults_of(service.child.id());
    execute(100);
    let before = faults();
    execute(200);
    let each = (faults() - before) / 200;
    assert!(each < 4, "{each} page faults for each request");
}

/// Returns the page faults of all threads except the one that inspects a whole memory once a second.
fn faults_of(process: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    // A thread may have ended meanwhile.
    let stats =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let others = stats.filter(|stat| !stat.contains("(reset-check)"));
    // proc_pid_stat(5): minflt is the eighth field after the name in parentheses.
    let faults = |stat: String| -> u64 {
        stat.rsplit(')').next().unwrap().split_whitespace().nth(7).unwrap().parse().unwrap()
    };
    others.map(faults).sum()
}

#[test]
fn answers_have_the_documented_shape() {
    let service = Service::start(&[]);
    let seeds =
        [("result = [n*n for n in range(5)]\n_ = result", json!([0, 1, 4, 9, 16])), ("_ = 42", json!(42))];
    for (code, value) in seeds {
        let (status, answer) = service.execute(&json!({"code": code, "context": null}));
        assert_eq!((status, &answer["return_value"]), (200, &value), "{answer}");
        assert_eq!(answer["success"], true);
        assert_eq!(
            (&answer["stdout"], &answer["stderr"], &answer["error"]),
            (&json!(""), &json!(""), &Value::Null)
        );
        assert_eq!(
            (&answer["outcome"], &answer["error_detail"], &answer["truncated"]),
            (&json!("completed"), &Value::Null, &json!([]))
        );
        assert!(answer["execution_time"].as_f64().unwrap() > 0.0);
        assert!(answer["memory_used_mb"].as_f64().unwrap() > 1.0);
        assert!(answer["usage"]["fuel"].as_u64().unwrap() > 1000);
    }
    let code = "print('before')\nprint('wörld')\n1 / 0";
    let (status, answer) = service.execute(&json!({"code": code, "context": {"x": 1}}));
    assert_eq!((status, &answer["success"]), (200, &json!(false)));
    assert_eq!(answer["error"], "ZeroDivisionError: division by zero");
    assert_eq!(answer["stdout"], "before\nwörld\n");
    assert_eq!(
        (&answer["error_detail"]["type"], &answer["error_detail"]["line"]),
        (&json!("ZeroDivisionError"), &json!(3))
    );
    let (status, refused) = service.execute(&json!({"code": "1", "tools": ["data", "nothing.there"]}));
    assert_eq!((status, &refused["code"]), (400, &json!("unknown_tool")), "{refused}");
    let (status, mut health) = service.get("/health");
    // The values are tested in hardening.rs.
    assert!(health["hardening"].take().is_object() && health["status"].take().is_string());
    let expected = json!({"status": null, "service": "ai-code-executor", "version": "1.0.0", "mcp_initialized": true, "store": false, "policy": "strict", "hardening": null});
    assert_eq!((status, health), (200, expected));
}

#[test]
fn a_service_without_a_token_refuses_everyone() {
    let service = Service::start(&[("EXECUTOR_API_TOKEN", "")]);
    assert_eq!(service.execute(&json!({"code": "1"})).0, 503);
}

#[test]
fn health_is_answered_while_every_slot_spins() {
    let service = Service::start(&[("MAX_CONCURRENT_EXECUTIONS", "8"), ("EXECUTION_TIMEOUT", "2")]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| service.execute(&json!({"code": "while True: pass"})));
        }
        std::thread::sleep(Duration::from_millis(300));
        for _ in 0..10 {
            assert_eq!(service.get("/health").0, 200);
        }
    });
}

#[test]
fn signals_let_executions_finish_and_exit_cleanly() {
    for kind in [Signal::TERM, Signal::INT] {
        let mut service = Service::start(&[]);
        std::thread::scope(|scope| {
            let running =
                scope.spawn(|| service.execute(&json!({"code": "import time\ntime.sleep(2)\n'finished'"})));
            std::thread::sleep(Duration::from_millis(700));
            signal(&service, kind);
            assert_eq!(running.join().unwrap().1["return_value"], "finished");
        });
        assert!(service.child.wait().unwrap().success());
    }
}

#[test]
fn executions_that_exceed_the_grace_period_are_cancelled() {
    let mut service = Service::start(&[("SHUTDOWN_GRACE", "0.2")]);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| service.execute(&json!({"code": "print(1)\nwhile True: pass"})));
        std::thread::sleep(Duration::from_millis(700));
        signal(&service, Signal::TERM);
        let (_, answer) = running.join().unwrap();
        assert_eq!((&answer["outcome"], &answer["stdout"]), (&json!("cancelled"), &json!("1\n")));
    });
    assert!(service.child.wait().unwrap().success());
}

#[test]
fn a_signal_during_the_first_start_ends_it_cleanly() {
    let empty = tempfile::tempdir().unwrap();
    let mut service = Service::start_unready(&[("CACHE_DIR", empty.path().to_str().unwrap())]);
    assert_eq!(service.get("/health").1["mcp_initialized"], false);
    assert_eq!(service.get("/ready").0, 503);
    assert_eq!(service.execute(&json!({"code": "1"})).0, 503);
    signal(&service, Signal::TERM);
    assert!(service.child.wait().unwrap().success());
}

/// The compiler frees more memory than a program may use. The allocator must return it: the container's memory is for
/// programs.
#[test]
fn a_first_start_returns_the_compilers_memory() {
    let cache = tempfile::tempdir().unwrap();
    let settings = [("CACHE_DIR", cache.path().to_str().unwrap())];
    let anonymous_after_start = || -> u64 {
        let service = Service::start(&settings);
        let status = std::fs::read_to_string(format!("/proc/{}/status", service.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    };
    let (first, later) = (anonymous_after_start(), anonymous_after_start());
    assert!(first < later + 64 * 1024, "{first} kB after a first start, {later} kB after the next");
}

#[test]
fn a_port_in_use_is_reported_in_one_line() {
    let first = Service::start(&[]);
    let (_, port) = first.address.rsplit_once(':').unwrap();
    let started = Instant::now();
    let second = executor().env("SERVICE_PORT", port).output().unwrap();
    assert!(!second.status.success());
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(port) && said.contains("in use"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(30));
}
