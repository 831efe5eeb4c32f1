//! The HTTP contract: statuses, bodies, headers. Tests are rows of requests.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ai_code_executor::Limits;
use ai_code_executor::server::Settings;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::local::{Local, execute};

fn settings() -> Settings {
    let allowed_origins = ["http://localhost:8030", "https://home.example"];
    Settings::default().allowed_origins(allowed_origins)
}

fn local() -> Local {
    Local::start(settings(), |builder| {
        let ceilings = Limits::default().wall_time(Duration::from_secs(2));
        builder.ceilings(ceilings)
    })
}

#[test]
fn connections_go_to_the_runtime_that_has_the_fewest() {
    let one = || Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let runtimes: Vec<Runtime> = (0..2).map(|_| one()).collect();
    let first = runtimes[0].handle().clone();
    let local = Local::across(runtimes, settings());
    let mut kept = local.connect();
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_ne!(kept.read(&mut [0; 1000]).unwrap(), 0);
    // The first runtime now has a connection, and its thread is kept busy until this test ends.
    let (end, ended) = mpsc::channel::<()>();
    let (busy, is_busy) = mpsc::channel();
    first.spawn(async move {
        busy.send(()).unwrap();
        let _ = ended.recv();
    });
    is_busy.recv().unwrap();
    assert_eq!(local.get("/health").status, 200);
    drop(end);
}

/// The body of a request; the status, the code, and a part of the detail of its answer.
type Row = (String, u16, &'static str, &'static str);

fn check(local: &Local, (body, status, code, detail): &Row) {
    let answer = local.raw(&execute(body, ""));
    let shown: String = body.chars().take(80).collect();
    assert_eq!(answer.status, *status, "{shown}: {answer:?}");
    let json = answer.json();
    assert_eq!(json["code"], *code, "{shown}: {json}");
    assert!(json["detail"].as_str().unwrap().contains(detail), "{shown}: {json}");
    assert!(json["findings"].is_array() && json.as_object().unwrap().len() == 3, "{shown}: {json}");
    assert!(answer.body.len() < 2000, "{shown}: an answer of {} bytes", answer.body.len());
}

#[test]
fn invalid_requests_get_422_and_the_detail_names_the_field() {
    let local = local();
    let field = |text: &str| format!(r#"{{"code": "1", {text}}}"#);
    let invalid = |body: String, detail| (body, 422, "invalid_request", detail);
    let rows = [
        invalid(String::new(), ""),
        invalid("{".into(), ""),
        invalid("[]".into(), ""),
        invalid("null".into(), ""),
        invalid("{}".into(), "code"),
        invalid("{\"code\": \"\\ud800\"}".into(), "code"),
        invalid(r#"{"code": 1}"#.into(), "code: invalid type"),
        invalid(r#"{"code": null}"#.into(), "code: invalid type"),
        invalid(field(r#""code": "2""#), "duplicate field `code`"),
        invalid(field(r#""nonsense": 1"#), "unknown field `nonsense`"),
        invalid(field(r#""context": []"#), "context: invalid type"),
        invalid(field(r#""context": {"x": NaN}"#), "context"),
        invalid(field(r#""timeout": "1""#), "timeout: invalid type"),
        invalid(field(r#""timeout": NaN"#), "timeout"),
        invalid(field(r#""timeout": 0"#), "timeout: 0"),
        invalid(field(r#""timeout": -1"#), "timeout: -1"),
        invalid(field(r#""timeout": 1e400"#), "timeout: number out of range"),
        invalid(field(r#""max_cpu_seconds": 0.0"#), "max_cpu_seconds: 0"),
        invalid(field(r#""max_memory_mb": 1"#), "max_memory_mb: 1 is below 48"),
        invalid(field(r#""max_memory_mb": -1"#), "max_memory_mb: -1 is below 48"),
        invalid(field(r#""max_memory_mb": "64""#), "max_memory_mb: invalid type"),
        invalid("[".repeat(100_000), ""),
        invalid(format!("{{\"code\": {}", "[".repeat(100_000)), "code"),
    ];
    for row in &rows {
        check(&local, row);
    }
}

#[test]
fn an_invalid_context_gets_400_and_the_detail_names_the_key() {
    let local = local();
    let context = |text: &str| format!(r#"{{"code": "1", "context": {{"fine": 1, {text}}}}}"#);
    let refused = |text: &str, detail| (context(text), 400, "context", detail);
    let deep = format!(r#""deep": {}1{}"#, "[".repeat(5), "]".repeat(5));
    let abyss = format!(r#""abyss": {}{}"#, "[".repeat(100_000), "]".repeat(100_000));
    let large = format!(r#""small": 1, "large": "{}""#, "x".repeat(1 << 20));
    let rows = [
        refused(r#""a b": 1"#, "'a b' is not a Python identifier"),
        refused(r#""": 1"#, "'' is not a Python identifier"),
        refused(r#""1a": 1"#, "'1a' is not"),
        refused(r#""__builtins__": 1"#, "'__builtins__' starts with two underscores"),
        refused(&deep, "'deep' is nested 5 levels deep; limit is 4"),
        refused(&abyss, "'abyss' is nested 100000 levels deep; limit is 4"),
        refused(&large, "'large' takes"),
        refused(&format!(r#""{} ": 1"#, "k".repeat(500_000)), "kkkkkkkk' is not a Python identifier"),
    ];
    for row in &rows {
        check(&local, row);
    }
}

#[test]
fn context_values_reach_the_program_unchanged() {
    let local = local();
    let rows = [
        (r#"{"x": 123456789012345678901234567890}"#, "x % 1000", json!(890)),
        (
            r#"{"x": {"a": [1, {"b": [null, true]}]}, "größe": 1.5}"#,
            "[x['a'][1]['b'], größe]",
            json!([[null, true], 1.5]),
        ),
        (r#"{"x": "\u00e9\n\"[[[[[["}"#, "x", json!("é\n\"[[[[[[")),
        ("null", "1", json!(1)),
        ("{}", "1", json!(1)),
    ];
    for (context, code, value) in rows {
        let answer = local.raw(&execute(&format!(r#"{{"code": "{code}", "context": {context}}}"#), ""));
        assert_eq!(answer.json()["return_value"], value, "{context}");
    }
}

#[test]
fn limits_are_lowered_and_never_raised() {
    let local = local();
    let rows = [
        (json!({"timeout": 0.1}), "Execution exceeded 0.1s timeout"),
        (
            json!({"timeout": 1e300, "max_cpu_seconds": 1e300, "max_memory_mb": 1e300}),
            "Execution exceeded 2s timeout",
        ),
        (json!({"timeout": null, "max_cpu_seconds": 0.1}), "CPU budget of 0.1s exhausted"),
        (json!({"timeout": 1e-300}), "Execution exceeded 0s timeout"),
    ];
    for (limits, error) in rows {
        let mut body = json!({"code": "while True: pass"});
        body.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        assert_eq!(local.execute(&body).json()["error"], error, "{limits}");
    }
    let greedy = json!({"code": "x = bytearray(50 << 20)", "max_memory_mb": 64.0});
    assert_eq!(local.execute(&greedy).json()["error"], "Memory limit of 64 MB exceeded");
}

#[test]
fn every_refusal_has_the_same_shape() {
    let unready = Local::start_unready(settings());
    let request = |start: &str, headers: &str| {
        format!(
            "{start} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
        )
    };
    let token = format!("X-Executor-Token: {}\r\n", crate::support::TOKEN);
    let bearer = format!("Authorization: Bearer {}", crate::support::TOKEN);
    let rows = [
        (request("GET /nothing", ""), 404, "not_found", None),
        (request("GET /docs/nothing", ""), 404, "not_found", None),
        (request("GET /docs/%ff", ""), 404, "not_found", None),
        (request("GET /execute", ""), 405, "method_not_allowed", Some(("allow", "post"))),
        (request("POST /health", ""), 405, "method_not_allowed", Some(("allow", "get,head"))),
        (request("POST /execute", ""), 401, "unauthorized", None),
        (request("POST /execute", "X-Executor-Token: wrong\r\n"), 401, "unauthorized", None),
        (request("POST /execute", "X-Executor-Token: \u{e9}\r\n"), 401, "unauthorized", None),
        (request("POST /execute", &format!("{bearer}x\r\n")), 401, "unauthorized", None),
        (request("POST /execute", &format!("{token}{bearer}x\r\n")), 415, "not_json", None),
        (request("POST /execute", &token), 415, "not_json", None),
        (request("POST /execute", &format!("{bearer}\r\n")), 415, "not_json", None),
        (request("POST /check", &format!("{token}{bearer}\r\n")), 415, "not_json", None),
        (request("POST /check", ""), 401, "unauthorized", None),
        (request("POST /execute", &format!("{token}Content-Type: text/plain\r\n")), 415, "not_json", None),
        (request("GET /ready", ""), 503, "not_ready", Some(("retry-after", "1"))),
    ];
    for (request, status, code, header) in rows {
        let answer = unready.raw(request.as_bytes());
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{request}");
        assert!(answer.json()["findings"].is_array() && answer.header("x-request-id").is_some(), "{request}");
        if let Some((name, value)) = header {
            assert_eq!(answer.header(name), Some(value), "{request}");
        }
        assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("bearer"), "{request}");
    }
    let answer = unready.execute(&json!({"code": "1"}));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
}

#[test]
fn a_refused_program_gets_400_with_the_contracts_detail() {
    let local = local();
    let code = |code: &str| json!({"code": code}).to_string();
    let rows = [
        (code(""), 400, "empty", "Code payload is empty"),
        (code(&"x".repeat(10_001)), 400, "too_large", "Code payload is 10001 bytes; limit is 10000 bytes"),
        (code("x = = 1"), 400, "syntax_error", "Code failed to parse: "),
        (
            code(&"x\n".repeat(2000)),
            400,
            "too_complex",
            "Code is too complex (6001 AST nodes); limit is 5000",
        ),
        // The character is newer than CPython's Unicode data, so only CPython refuses it.
        (
            code("\u{14000} = 1"),
            400,
            "syntax_error",
            "Code failed to parse: SyntaxError: invalid non-printable",
        ),
        (code("import os.path"), 400, "import_not_permitted", "Import of 'os' is not permitted"),
        (code("from . import x"), 400, "relative_import", "Relative imports are not permitted"),
        (code("eval('1')"), 400, "name_not_allowed", "Use of 'eval' is not allowed in sandbox"),
        (
            code("x.__class__"),
            400,
            "attribute_not_allowed",
            "Attribute '__class__' is not allowed in sandbox",
        ),
    ];
    for row in &rows {
        check(&local, row);
    }
}

#[test]
fn all_findings_of_a_program_are_reported_with_hints() {
    let answer = local().execute(&json!({"code": "x = = 1\ny = = 2"}));
    assert_eq!(answer.status, 400);
    let findings = answer.json()["findings"].clone();
    assert_eq!(findings.as_array().unwrap().len(), 2, "{findings}");
    for key in ["code", "message", "line", "column", "hint"] {
        assert!(findings[1].get(key).is_some(), "{key}: {findings}");
    }
    assert_eq!(answer.json()["detail"], findings[0]["message"]);
}

#[test]
fn media_types_of_json_are_accepted() {
    let local = local();
    for media_type in ["application/json", "Application/JSON; charset=utf-8", "application/problem+json"] {
        let body = r#"{"code": "1"}"#;
        let request = String::from_utf8(execute(body, "")).unwrap().replace("application/json", media_type);
        assert_eq!(local.raw(request.as_bytes()).status, 200, "{media_type}");
    }
}

#[test]
fn valid_request_ids_are_kept() {
    let local = Local::start_unready(settings());
    let longest = "a".repeat(128);
    let rows = [
        ("abc-123", Some("abc-123")),
        (longest.as_str(), Some(longest.as_str())),
        (&"a".repeat(129), None),
        ("a b", None),
        ("\u{e9}", None),
        ("", None),
    ];
    for (sent, kept) in rows {
        let request = format!(
            "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: {sent}\r\n\r\n"
        );
        let answer = local.raw(request.as_bytes());
        let id = answer.header("x-request-id").unwrap();
        assert!(kept.map_or(id.len() == 36, |kept| id == kept), "{sent}: {id}");
    }
}

#[test]
fn cors_allows_configured_origins_and_the_services_own() {
    let local = Local::start_unready(settings());
    let own = format!("http://localhost:{}", local.address.port());
    for (origin, allowed) in [
        ("http://localhost:8030", true),
        ("https://home.example", true),
        (own.as_str(), true),
        ("https://home.example.evil", false),
        ("http://home.example", false),
        ("http://localhost:1", false),
        ("null", false),
    ] {
        let host = local.address.port();
        let request = format!(
            "OPTIONS /execute HTTP/1.1\r\nHost: localhost:{host}\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-executor-token\r\n\r\n"
        );
        let answer = local.raw(request.as_bytes());
        assert_eq!(answer.status, if allowed { 200 } else { 403 }, "{origin}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin), "{origin}");
        let headers = answer.header("access-control-allow-headers").unwrap_or_default();
        for header in ["x-executor-token", "authorization", "mcp-protocol-version", "mcp-method", "mcp-name"]
        {
            assert_eq!(headers.contains(header), allowed, "{answer:?}");
        }
    }
}

/// One page has a DNS name that resolves to this machine, the other is on another host.
#[test]
fn foreign_hosts_and_origins_are_refused_on_every_path() {
    let local = local();
    let paths = [
        "/",
        "/execute",
        "/mcp",
        "/check",
        "/tools",
        "/health",
        "/ready",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs/",
        "/no",
    ];
    let token = format!("X-Executor-Token: {}\r\nContent-Type: application/json\r\n", crate::support::TOKEN);
    let body = json!({"code": "1"}).to_string();
    let refusals = [
        ("Host: attacker.example\r\n", 421, "misdirected_host"),
        ("Host: attacker.example\r\nOrigin: http://attacker.example\r\n", 421, "misdirected_host"),
        ("Host: localhost\r\nOrigin: http://attacker.example\r\n", 403, "foreign_origin"),
        ("Host: localhost\r\nOrigin: null\r\n", 403, "foreign_origin"),
        ("", 400, "bad_host"),
        ("Host: localhost\r\nHost: localhost\r\n", 400, "bad_host"),
    ];
    for path in paths {
        for method in ["GET", "POST", "OPTIONS", "TRACE"] {
            for (headers, status, code) in refusals {
                let length = body.len();
                let request = format!(
                    "{method} {path} HTTP/1.1\r\n{headers}{token}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                let answer = local.raw(request.as_bytes());
                assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{request}");
                assert!(
                    answer.header("x-request-id").is_some()
                        && answer.header("access-control-allow-origin").is_none()
                );
            }
        }
    }
    let each = f64::from(u32::try_from(paths.len() * 4).unwrap());
    for (code, count) in [("misdirected_host", 2.0), ("foreign_origin", 2.0), ("bad_host", 2.0)] {
        local.assert_metric(&format!("code_executor_refusals_total{{code=\"{code}\"}}"), count * each);
    }
    local.assert_metric("code_executions_total{status=\"success\"}", 0.0);
    // HTTP/1.0 does not require a host, and no browser uses it.
    assert_eq!(local.raw(b"GET /health HTTP/1.0\r\n\r\n").status, 200);
}

#[test]
fn requests_for_allowed_hosts_are_answered() {
    let allowed_hosts = ["house.example"];
    let local = Local::start_unready(settings().allowed_hosts(allowed_hosts));
    for (host, status) in
        [("house.example", 200), ("House.example:443", 200), ("127.0.0.1", 200), ("x.example", 421)]
    {
        let request = format!("GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(local.raw(request.as_bytes()).status, status, "{host}");
    }
    let own = b"GET /health HTTP/1.1\r\nHost: house.example\r\nOrigin: https://house.example\r\nConnection: close\r\n\r\n";
    assert_eq!(local.raw(own).header("access-control-allow-origin"), Some("https://house.example"));
}

/// Guessing is slow even if it is spread over connections, and callers with the right token are not delayed.
#[test]
fn answers_to_wrong_tokens_are_delayed_and_others_are_not() {
    let local = local();
    let guess = || {
        let request =
            String::from_utf8(execute("{}", "")).unwrap().replace(crate::support::TOKEN, "a-wrong-token");
        local.raw(request.as_bytes()).status
    };
    let begun = Instant::now();
    assert!((0..5).all(|_| guess() == 401));
    let free = begun.elapsed();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let begun = Instant::now();
                assert_eq!(guess(), 401);
                assert!(begun.elapsed() >= Duration::from_secs(1), "{:?} after {free:?}", begun.elapsed());
                is_over.store(true, Ordering::Relaxed);
            });
        }
        let mut answered = 0;
        while !is_over.load(Ordering::Relaxed) {
            assert_eq!(local.execute(&json!({"code": "6 * 7"})).json()["return_value"], 42);
            answered += 1;
        }
        assert!(answered >= 2, "{answered} answers while others guess");
    });
    local.assert_metric("code_executor_wrong_tokens_total", 13.0);
    local.assert_metric("code_executor_refusals_total{code=\"unauthorized\"}", 13.0);
}

#[test]
fn reads_need_no_token_and_reveal_no_secrets() {
    let local = local();
    let health = json!({
        "status": "healthy", "service": "ai-code-executor", "version": "1.0.0", "mcp_initialized": true, "store": true, "policy": "strict",
        "hardening": {
            "no_new_privileges": false, "no_dumps": false, "filesystem": false, "network": false, "scopes": false,
            "seccomp": false,
        },
    });
    assert_eq!(local.get("/health").json(), health);
    assert_eq!(local.get("/ready").json(), json!({"status": "ready"}));
    local.execute(&json!({"code": "secret_of_the_program = 1"}));
    for path in ["/health", "/ready", "/metrics", "/openapi.json", "/docs/", "/docs/swagger-initializer.js"] {
        let answer = local.get(path);
        assert_eq!(answer.status, 200, "{path}");
        let cache = crate::support::cache_dir();
        for secret in [crate::support::TOKEN, "secret_of_the_program", cache.to_str().unwrap()] {
            assert!(!answer.body.contains(secret), "{path} tells {secret}");
        }
    }
}
