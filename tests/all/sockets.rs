//! Clients that are slow, silent, malformed or disconnected: each holds resources for a bounded time.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ai_code_executor::server::Settings;
use ai_code_executor::{Limits, Sandbox};
use serde_json::{Map, json};
use tokio::runtime::Builder;

use crate::local::{Answer, Local, execute};
use crate::support::{TOKEN, cache_dir};

/// More than twice the timeouts of [`impatient`], less than the default ones.
const SOON: Duration = Duration::from_secs(8);

fn impatient() -> Settings {
    let time = Duration::from_millis(400);
    Settings::default().body_time(time).idle_time(time).body_bytes_max(100_000)
}

/// Sends `bytes` again and again, one by one, until the service closes the connection or answers.
fn drip(local: &Local, beginning: &str, bytes: &[u8]) -> Answer {
    let mut stream = local.connect();
    stream.write_all(beginning.as_bytes()).unwrap();
    let reader = stream.try_clone().unwrap();
    let started = Instant::now();
    for byte in bytes.iter().cycle() {
        assert!(started.elapsed() < SOON, "still open: {beginning}");
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
        reader.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        if reader.peek(&mut [0]).is_ok() {
            break;
        }
    }
    reader.set_read_timeout(Some(SOON)).unwrap();
    Answer::read(reader)
}

#[test]
fn slow_senders_are_disconnected() {
    let local = Local::start_unready(impatient());
    let head = format!(
        "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Executor-Token: {TOKEN}\r\n"
    );
    let cases = [
        // No request at all, the beginning of HTTP/2's preface, and a head without an end.
        (String::new(), &b""[..], 0),
        (String::new(), b"PRI * HTTP/2.0", 0),
        ("GET /health HTTP/1.1\r\nX-Slow: ".into(), b"a", 0),
        (format!("{head}Content-Length: 90000\r\n\r\n"), b" ", 408),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n"), b"1\r\n \r\n", 408),
    ];
    for (beginning, rest, status) in cases {
        let answer =
            if rest.is_empty() { local.raw(beginning.as_bytes()) } else { drip(&local, &beginning, rest) };
        assert_eq!(answer.status, status, "{beginning}: {answer:?}");
    }
    assert_eq!(local.get("/health").status, 200);
}

#[test]
fn idle_connections_are_closed_and_used_ones_kept() {
    let local = Local::start_unready(impatient());
    let mut stream = local.connect();
    let mut buffer = [0; 4096];
    for _ in 0..6 {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let count = stream.read(&mut buffer).unwrap();
        assert!(buffer[..count].starts_with(b"HTTP/1.1 200"));
        std::thread::sleep(Duration::from_millis(100));
    }
    let started = Instant::now();
    assert_eq!(stream.read(&mut buffer).unwrap(), 0);
    assert!(started.elapsed() < SOON);
}

#[test]
fn a_connection_with_an_execution_is_not_idle() {
    let local = Local::start(impatient(), |builder| builder);
    let answer = local.execute(&json!({"code": "import time\ntime.sleep(1.5)\n'awake'"}));
    assert_eq!(answer.json()["return_value"], "awake");
}

#[test]
fn answers_that_nobody_takes_are_dropped() {
    // More than the kernel's buffers on both sides hold.
    let bytes = 32 << 20;
    let ceilings = Limits::default().output_bytes_max(bytes);
    let local = Local::start(impatient().ceilings(ceilings), |builder| builder.ceilings(ceilings));
    let stream = local.begin(&json!({"code": format!("print('x' * {bytes})")}));
    stream.peek(&mut [0]).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let answer = Answer::read(stream);
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() < bytes, "the whole answer of {} bytes came", answer.body.len());
}

#[test]
fn bodies_over_the_cap_are_refused_unread() {
    let local = Local::start_unready(impatient());
    let head = |length: &str| {
        format!(
            "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Executor-Token: {TOKEN}\r\n{length}\r\n\r\n"
        )
    };
    let chunks = format!("{:x}\r\n{}\r\n", 50_000, " ".repeat(50_000)).repeat(3);
    let cases = [
        // Declared and never sent; declared, with more data than the service discards; chunks without an end.
        (head("Content-Length: 100001"), 413),
        (head("Content-Length: 1000000000") + &" ".repeat(90_000), 413),
        (head("Transfer-Encoding: chunked") + &chunks, 413),
        // Fewer bytes than declared: the size is allowed, but the body never completes.
        (head("Content-Length: 100000") + "{}", 408),
    ];
    for (request, status) in cases {
        let started = Instant::now();
        let answer = local.raw(request.as_bytes());
        let shown: String = request.lines().rev().take(2).collect::<String>().chars().take(80).collect();
        assert_eq!(answer.status, status, "{shown}: {answer:?}");
        assert!(answer.json()["detail"].is_string() && started.elapsed() < SOON, "{shown}");
    }
    // A client that sends its whole body before it reads gets the answer too.
    let whole = execute(&" ".repeat(150_000), "");
    assert_eq!(local.raw(&whole).status, 413);
}

#[test]
fn without_the_token_a_body_is_not_read() {
    let local = Local::start_unready(Settings::default().body_time(Duration::from_mins(1)));
    let started = Instant::now();
    let answer = local.raw(
        b"POST /execute HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    );
    assert_eq!(answer.status, 401);
    assert!(started.elapsed() < SOON);
}

#[test]
fn a_client_that_disconnects_frees_its_slot() {
    let local = Local::start(Settings::default(), |builder| builder);
    for code in ["while True: pass", "import time\ntime.sleep(20)", "import asyncio\nawait asyncio.sleep(20)"]
    {
        let stream = local.begin(&json!({"code": code}));
        local.await_metric("code_executions_active", 1.0);
        let started = Instant::now();
        drop(stream);
        assert_eq!(local.execute(&json!({"code": "1"})).json()["return_value"], 1, "{code}");
        assert!(started.elapsed() < SOON, "{code}: {:?}", started.elapsed());
    }
    local.assert_metric("code_execution_outcomes_total{outcome=\"cancelled\"}", 3.0);
    local.assert_metric("code_executions_total{status=\"failure\"}", 3.0);
}

#[test]
fn a_queued_client_that_disconnects_frees_its_place() {
    let local = Local::start(Settings::default(), |builder| builder.queue(1));
    let running = local.begin(&json!({"code": "import time\ntime.sleep(3)\n'done'"}));
    local.await_metric("code_executions_active", 1.0);
    let waiting = local.begin(&json!({"code": "'never'"}));
    local.await_metric("code_executions_queued", 1.0);
    let refused = local.execute(&json!({"code": "'no room'"}));
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    drop(waiting);
    local.await_metric("code_executions_queued", 0.0);
    let next = local.begin(&json!({"code": "'next'"}));
    assert_eq!(Answer::read(next).json()["return_value"], "next");
    assert_eq!(Answer::read(running).json()["return_value"], "done");
    local.assert_metric("code_execution_queue_seconds_count", 2.0);
    local.assert_metric("code_executions_busy_total", 1.0);
}

#[test]
fn the_queue_is_first_come_first_served() {
    let local = Local::start(Settings::default(), |builder| builder.queue(4));
    let code = |wait: f64| json!({"code": format!("import time\ntime.sleep({wait})\ntime.time()")});
    let mut streams = vec![local.begin(&code(1.0))];
    local.await_metric("code_executions_active", 1.0);
    for queued in 1..=4_u32 {
        streams.push(local.begin(&code(0.0)));
        local.await_metric("code_executions_queued", queued.into());
    }
    let ended: Vec<f64> = streams
        .into_iter()
        .map(|stream| Answer::read(stream).json()["return_value"].as_f64().unwrap())
        .collect();
    assert!(ended.is_sorted(), "{ended:?}");
}

const LAST_HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn connections_are_bounded_in_number() {
    let local = Local::start(Settings::default().connections_max(2), |builder| builder.concurrency(2));
    let busy = json!({"code": "import time\ntime.sleep(1.5)\n'done'"});
    let (first, second) = (local.begin(&busy), local.begin(&busy));
    std::thread::sleep(Duration::from_millis(500));
    let mut third = local.connect();
    third.write_all(LAST_HEALTH).unwrap();
    third.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(third.peek(&mut [0]).is_err(), "a third connection is served");
    third.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(Answer::read(third).status, 200);
    // Neither was closed for the third.
    for stream in [first, second] {
        assert_eq!(Answer::read(stream).json()["return_value"], "done");
    }
}

/// A new client is served at once, however many connections others keep open.
#[test]
fn a_crowd_that_does_nothing_keeps_nobody_out() {
    let settings = Settings::default().connections_max(20);
    let local = Local::start(settings, |builder| builder);
    let head = format!(
        "POST /execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Executor-Token: {TOKEN}\r\n\
         Content-Length: 1000\r\n\r\n"
    );
    let executing = local.begin(&json!({"code": "import time\ntime.sleep(3)\n'done'"}));
    local.await_metric("code_executions_active", 1.0);
    for beginning in ["", "GET / HTTP/1.1\r\nX-Slow: ", head.as_str()] {
        let crowd: Vec<_> = (0..60)
            .map(|_| {
                let mut stream = local.connect();
                // The service may have closed it already.
                let _ = stream.write_all(beginning.as_bytes());
                stream
            })
            .collect();
        for _ in 0..3 {
            let started = Instant::now();
            assert_eq!(local.raw(LAST_HEALTH).status, 200, "{beginning}");
            // A missing body is recognised as late after half a second.
            assert!(started.elapsed() < Duration::from_secs(2), "{beginning}: {:?}", started.elapsed());
        }
        drop(crowd);
    }
    assert_eq!(Answer::read(executing).json()["return_value"], "done", "a busy connection was closed");
}

/// Clients that send a request now and then, sooner than their connection counts as idle, must not keep others out
/// either.
#[test]
fn a_crowd_that_does_a_little_keeps_nobody_out() {
    let local = Local::start_unready(Settings::default().connections_max(20));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let mut stream = local.connect();
                    while !is_over.load(Ordering::Relaxed)
                        && stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").is_ok()
                        && stream.read(&mut [0; 4096]).is_ok_and(|bytes| bytes > 0)
                    {
                        std::thread::sleep(Duration::from_millis(30));
                    }
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();
        let answers: Vec<_> = (0..10).map(|_| local.raw(LAST_HEALTH)).collect();
        let elapsed = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let served = answers.iter().filter(|answer| answer.status == 200).count();
        // One connection may be closed like those of the crowd, between connecting and its request.
        assert!(served >= 8, "{answers:?}");
        assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
    });
}

#[test]
fn an_answer_that_is_taken_slowly_is_taken_whole() {
    let bytes = 3 << 20;
    let ceilings = Limits::default().output_bytes_max(bytes);
    let local = Local::start(impatient().ceilings(ceilings), |builder| builder.ceilings(ceilings));
    let mut stream = local.begin(&json!({"code": format!("print('x' * {bytes}, end='')")}));
    let (mut taken, mut buffer) = (0, vec![0; 300_000]);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            count => taken += count,
        }
        // More than ten of these pauses are longer than the idle time.
        std::thread::sleep(Duration::from_millis(50));
        if taken >= bytes {
            break;
        }
    }
    assert!(taken >= bytes, "{taken} of {bytes} bytes");
}

/// Each request holds its body while it waits for the memory to parse it.
#[test]
fn large_requests_do_not_wait_for_each_other() {
    let settings = Settings::default().memory_bytes_max(6 << 20);
    let local = Local::start(settings, |builder| builder.queue(64));
    let context: Map<_, _> = (0..12_000).map(|n| (format!("key{n}"), json!(n))).collect();
    let request = json!({"code": "key7", "context": context});
    let streams: Vec<_> = (0..12).map(|_| local.begin(&request)).collect();
    for stream in streams {
        let answer = Answer::read(stream);
        assert_eq!(answer.json()["return_value"], 7, "{answer:?}");
    }
}

#[test]
fn http_2_with_prior_knowledge_is_served() {
    let local = Local::start_unready(Settings::default());
    let mut stream = local.connect();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    // Empty settings; then a head that ends its stream: GET, http, /health, from HPACK's static table.
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    let head = [&[0x82, 0x86, 0x04, 7][..], b"/health", &[0x01, 9], b"localhost"].concat();
    stream.write_all(&[0, 0, u8::try_from(head.len()).unwrap(), 1, 5, 0, 0, 0, 1]).unwrap();
    stream.write_all(&head).unwrap();
    let (mut status, mut body) = (0, Vec::new());
    while body.is_empty() {
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).unwrap();
        let mut payload = vec![0; usize::from(frame[1]) << 8 | usize::from(frame[2])];
        stream.read_exact(&mut payload).unwrap();
        match frame[3] {
            0 => body = payload,
            1 => status = payload[0],
            _ => {}
        }
    }
    assert_eq!(status, 0x88, "200 in HPACK's static table");
    assert!(String::from_utf8(body).unwrap().contains("healthy"));
}

#[test]
fn malformed_http_is_refused_and_the_service_survives() {
    let local = Local::start_unready(impatient());
    let long = [b"GET /".to_vec(), vec![b'a'; 1 << 20]].concat();
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(10_000));
    for request in [&b"\x16\x03\x01\x02\x00"[..], b"\0\0\0\0", b"GET\r\n\r\n", &long, many.as_bytes()] {
        let mut stream = local.connect();
        // The service may close the connection before everything is sent.
        let _ = stream.write_all(request);
        let answer = Answer::read(stream);
        assert!([0, 400, 414, 431].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(local.get("/health").status, 200);
}

/// In TCP, a client that has disconnected looks like one that only stopped sending: both have sent a FIN.
#[test]
fn a_half_closed_connection_counts_as_disconnected() {
    let local = Local::start(Settings::default(), |builder| builder);
    let stream = local.begin(&json!({"code": "import time\ntime.sleep(20)"}));
    local.await_metric("code_executions_active", 1.0);
    stream.shutdown(Shutdown::Write).unwrap();
    let started = Instant::now();
    assert_eq!(Answer::read(stream).status, 0);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    local.await_metric("code_execution_outcomes_total{outcome=\"cancelled\"}", 1.0);
    local.await_metric("code_executions_active", 0.0);
}

/// A thread checks one program at a time, and handles other events between two programs.
#[test]
fn health_is_answered_beside_a_crowd_of_mistakes() {
    // Like the service's own runtimes, this one checks for events after every few tasks.
    let one_thread = Builder::new_multi_thread().worker_threads(1).event_interval(4).enable_all().build();
    let local = Local::across(vec![one_thread.unwrap()], Settings::default());
    let sandbox = Sandbox::builder().concurrency(1).queue(2).cache_dir(cache_dir()).build().unwrap();
    local.service.ready(sandbox);
    let mistakes = json!({"code": "$".repeat(4000)});
    let crowd: Vec<_> = (0..100).map(|_| local.begin(&mistakes)).collect();
    let is_over = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut answers = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(local.raw(LAST_HEALTH).status, 200);
                answers += 1;
            }
            answers
        });
        assert!(crowd.into_iter().all(|stream| Answer::read(stream).status == 400));
        is_over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    // If the crowd came first, the only answer would be the one after it.
    assert!(answers >= 3, "{answers} answers");
}
