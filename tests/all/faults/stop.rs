//! Shutdown: running executions finish, new requests are refused, and a second signal stops at once.

use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Service, TOKEN, executor, executor_under, signal};

const SLEEPER: &str = "import time\ntime.sleep(3)\n'finished'";

#[test]
fn shutdown_finishes_running_executions_and_refuses_others() {
    let mut service = Service::start(&[]);
    let (finished, told) = std::thread::scope(|scope| {
        let run = || scope.spawn(|| service.execute(&json!({"code": SLEEPER})));
        let running: Vec<_> = (0..2).map(|_| run()).collect();
        service.await_metric("code_executions_active 2\n");
        let waiting: Vec<_> = (0..5).map(|_| run()).collect();
        service.await_metric("code_executions_queued 5\n");
        signal(&service, Signal::TERM);
        service.await_metric("code_executions_queued 0\n");
        let late = service.execute(&json!({"code": "1"}));
        assert_eq!((service.get("/health").0, service.get("/ready").0), (200, 503));
        let told: Vec<_> = waiting.into_iter().map(|run| run.join().unwrap()).chain([late]).collect();
        (running.into_iter().map(|run| run.join().unwrap()).collect::<Vec<_>>(), told)
    });
    assert!(finished.iter().all(|(_, answer)| answer["return_value"] == "finished"), "{finished:?}");
    let is_told = |(status, answer): &(u16, Value)| *status == 503 && answer["code"] == "shutting_down";
    assert!(told.iter().all(is_told), "{told:?}");
    assert!(service.child.wait().unwrap().success());
    assert!(TcpStream::connect(&service.address).is_err());
}

#[test]
fn a_second_signal_stops_at_once() {
    for second in [Signal::TERM, Signal::INT] {
        let mut service = Service::start(&[("EXECUTION_TIMEOUT", "300"), ("SHUTDOWN_GRACE", "300")]);
        std::thread::scope(|scope| {
            let running = scope.spawn(|| service.execute(&json!({"code": "import time\ntime.sleep(200)"})));
            service.await_metric("code_executions_active 1\n");
            signal(&service, Signal::TERM);
            let started = Instant::now();
            while service.get("/ready").0 != 503 {
                assert!(started.elapsed() < Duration::from_secs(30), "/ready does not report the shutdown");
                std::thread::sleep(Duration::from_millis(5));
            }
            signal(&service, second);
            assert_eq!(running.join().unwrap().0, 0, "the execution is aborted");
        });
        assert!(service.child.wait().unwrap().success());
    }
}

#[test]
fn a_hangup_shuts_down_except_under_nohup() {
    // The tests may run under nohup themselves.
    let mut service = started_by(&["env", "--default-signal=HUP"]);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| service.execute(&json!({"code": SLEEPER})));
        service.await_metric("code_executions_active 1\n");
        signal(&service, Signal::HUP);
        assert_eq!(running.join().unwrap().1["return_value"], "finished");
    });
    assert!(service.child.wait().unwrap().success());

    let mut service = started_by(&["nohup"]);
    signal(&service, Signal::HUP);
    assert!(service.is_honest());
}

/// Returns a ready service that was started by a wrapper such as `nohup`, which execs it.
fn started_by(starter: &[&str]) -> Service {
    let mut command = executor_under(starter);
    command.env("EXECUTOR_API_TOKEN", TOKEN).env("SERVICE_PORT", "0").stdout(Stdio::null());
    Service::spawn(command).until_ready()
}

/// A pipe holds 64 KiB; these executions log more than that.
#[test]
fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    let mut command = executor();
    command.envs([("EXECUTOR_API_TOKEN", TOKEN), ("SERVICE_PORT", "0"), ("SHUTDOWN_GRACE", "1")]);
    let (service, _unread) = Service::spawn_unread(command);
    let mut service = service.until_ready();
    for _ in 0..400 {
        assert_eq!(service.execute(&json!({"code": "1"})).0, 200);
    }
    signal(&service, Signal::TERM);
    let stopped = Instant::now();
    assert!(service.child.wait().unwrap().success());
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
}
