//! Bodies of `POST /execute`. Each is answered with a report, or with what is wrong with it.

#![no_main]

mod guest;

use std::sync::LazyLock;
use std::time::Duration;

use ai_code_executor::Limits;
use ai_code_executor::server::{Service, Settings, Token};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const OUTCOMES: [&str; 6] = ["completed", "failure", "timeout", "cpu_limit", "memory_limit", "cancelled"];

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let ceilings = Limits::default().wall_time(Duration::from_millis(10));
    let service = Service::new(Settings::default().token(Token::new("token")).ceilings(ceilings));
    service.ready(guest::sandbox());
    service
});

fuzz_target!(|body: &[u8]| {
    let request = http::Request::post("/execute")
        .header("host", "localhost")
        .header("x-executor-token", "token")
        .header("content-type", "application/json")
        .body(body.to_vec())
        .expect("a request");
    let (status, answer) = guest::RUNTIME.block_on(SERVICE.answer(request));
    let answer: Value = serde_json::from_slice(&answer).expect("answers are JSON");
    match status {
        200 => {
            assert!(OUTCOMES.contains(&answer["outcome"].as_str().unwrap_or_default()), "{answer}");
            assert_eq!(answer["success"] == true, answer["error"].is_null(), "{answer}");
            assert!(answer["memory_used_mb"].as_f64() <= Some(128.0), "{answer}");
        }
        400 | 422 => {
            assert!(answer["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{answer}");
            assert!(answer["code"].is_string() && answer["findings"].is_array(), "{answer}");
        }
        _ => panic!("{status}: {answer}"),
    }
});
