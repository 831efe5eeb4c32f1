//! The built-in tools end to end: from a real service over signed HTTP to the stand-in services of `examples/homeiq`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http_signing::{Key, Verifier};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

use crate::services::{Behaviour, Fault, services};
use crate::support::{Service, TOKEN};

const KEY: &str = "a key of the tests that has at least 32 bytes";

/// The program that HomeIQ's callers send, unchanged.
pub(crate) const SEED: &str = r#"
import data
import automation

# Get power sensors
devices = await data.get_devices()
power_sensors = [d for d in devices['devices']
                 if 'power' in d['entity_id']]

print(f"Analyzing {len(power_sensors)} power sensors")

# Get history for first sensor
history = await data.query_device_history(
    entity_id=power_sensors[0]['entity_id'],
    start_time="-7d",
    end_time="now"
)

# Process locally (data doesn't go through LLM!)
high_usage = [h for h in history['data'] if h.get('value', 0) > 1000]

# Detect patterns
patterns = await automation.detect_patterns(
    start_time="-7d",
    end_time="now",
    pattern_types=["time-based"]
)

# Return concise summary
{
    "power_sensors": len(power_sensors),
    "data_points": history['data_points'],
    "high_usage_events": len(high_usage),
    "patterns_found": len(patterns.get('patterns', []))
}
"#;

/// The stand-in services in this process, the requests that they saw, and an executor that knows their addresses.
struct House {
    executor: Service,
    seen: Arc<Seen>,
    _runtime: Runtime,
}

/// Counts of requests at the services.
#[derive(Default)]
struct Seen {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
    /// If set, requests are answered once that many have arrived.
    together: OnceLock<Barrier>,
}

/// Counts a request as present until it is answered or cancelled.
struct Present(Arc<Seen>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl House {
    fn start(behaviour: &Behaviour, settings: &[(&str, &str)]) -> Self {
        let runtime = Runtime::new().unwrap();
        let verifier = Verifier::new().key(Key::new("ai-code-executor", KEY).unwrap());
        let behaviour = Behaviour { verifier: Some(Arc::new(verifier)), ..behaviour.clone() };
        let seen = Arc::new(Seen::default());
        let urls = services(&behaviour).map(|(_, _, router)| {
            let seen = seen.clone();
            let router = router.layer(from_fn(move |request, next| count(seen.clone(), request, next)));
            let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            runtime.spawn(async move { axum::serve(listener, router).await });
            url
        });
        let names = ["DATA_API_URL", "AI_AUTOMATION_URL", "DEVICE_INTELLIGENCE_URL"];
        let mut all: Vec<(&str, &str)> = names.into_iter().zip(urls.iter().map(String::as_str)).collect();
        all.extend([("ENABLE_MCP_NETWORK_TOOLS", "true"), ("TOOL_SIGNING_KEY", KEY)]);
        all.extend(settings);
        Self { executor: Service::start(&all), seen, _runtime: runtime }
    }

    fn run(&self, code: &str) -> Value {
        let (status, answer) = self.executor.execute(&json!({"code": code}));
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Waits until `count` requests are at the services.
    fn until_present(&self, count: usize) {
        for _ in 0..3000 {
            if self.seen.now.load(Ordering::SeqCst) == count {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} requests at the services, not {count}", self.seen.now.load(Ordering::SeqCst));
    }
}

async fn count(seen: Arc<Seen>, request: Request, next: Next) -> Response {
    let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
    let _present = Present(seen.clone());
    seen.most.fetch_max(now, Ordering::SeqCst);
    seen.all.fetch_add(1, Ordering::SeqCst);
    if let Some(together) = seen.together.get() {
        together.wait().await;
    }
    next.run(request).await
}

#[test]
fn homeiqs_programs_run_unchanged() {
    let house = House::start(&Behaviour::default(), &[]);
    let answer = house.run(SEED);
    assert_eq!(answer["stdout"], "Analyzing 9 power sensors\n");
    assert_eq!(answer["error"], Value::Null);
    let value = &answer["return_value"];
    assert_eq!((&value["power_sensors"], &value["data_points"]), (&json!(9), &json!(2016)));
    assert_eq!(value["patterns_found"], 3);
    assert!(value["high_usage_events"].as_u64().unwrap() > 0, "{value}");
    assert_eq!(answer["usage"]["tool_calls"], 3);

    let indented = SEED.trim().replace('\n', "\n    ");
    let tried = format!("try:\n    {indented}\nexcept Exception as e:\n    {{\"error\": str(e)}}\n");
    assert_eq!(house.run(&tried)["return_value"], *value);
    let typo = tried.replace("\"time-based\"", "\"timebased\"");
    let error = "Argument 'pattern_types[0]' of automation.detect_patterns(): \"timebased\" is not one of";
    let value = &house.run(&typo)["return_value"]["error"];
    assert!(value.as_str().unwrap().starts_with(error), "{value}");

    let rest = "import data, device\n\
        events = await data.search_events(event_type='motion_detected', limit=5)\n\
        lamp = await device.get_device_capabilities('light.hall_lamp')\n\
        [len(events['events']), lamp['capabilities'][0]['name']]";
    assert_eq!(house.run(rest)["return_value"], json!([5, "on_off"]));
    let default = "import data\n(await data.search_events(start_time='-31d'))['count']";
    assert_eq!(house.run(default)["return_value"], 100);
    let missing = house.run("import device\nawait device.get_device_capabilities('light.moon')");
    let error = "ToolError: MCP tool 'get_device_capabilities' failed: 404 - {\"detail\":\"There is no entity 'light.moon'\"}";
    assert_eq!(missing["error"], error);
}

#[test]
fn gathered_calls_are_concurrent() {
    let house = House::start(&Behaviour { delay: Duration::from_millis(300), ..Behaviour::default() }, &[]);
    let code = "import asyncio, data\nreplies = await asyncio.gather(*(data.get_devices() for _ in range(20)))\n\
        {reply['count'] for reply in replies}";
    assert_eq!(house.run(code)["return_value"], json!([99]));
    assert_eq!(house.seen.most.load(Ordering::SeqCst), 20);
}

#[test]
fn two_hundred_executions_await_tools_concurrently() {
    let settings =
        [("MAX_CONCURRENT_EXECUTIONS", "200"), ("TOOL_TIMEOUT", "50"), ("EXECUTION_TIMEOUT", "50")];
    let house = House::start(&Behaviour::default(), &settings);
    house.seen.together.set(Barrier::new(200)).unwrap();
    let code = "import device\n(await device.get_device_capabilities('light.hall_lamp'))['model']";
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..200).map(|_| scope.spawn(|| house.run(code))).collect();
        for answer in running {
            assert_eq!(answer.join().unwrap()["return_value"], "TRADFRI LED bulb");
        }
    });
    assert_eq!(house.seen.most.load(Ordering::SeqCst), 200);
}

#[test]
fn calls_are_cancelled_when_the_client_disconnects() {
    let settings = [("MAX_CONCURRENT_EXECUTIONS", "1"), ("TOOL_TIMEOUT", "60"), ("EXECUTION_TIMEOUT", "60")];
    let house = House::start(&Behaviour { fault: Fault::Hang, ..Behaviour::default() }, &settings);
    let code = "import asyncio, data\nawait asyncio.gather(*(data.get_devices() for _ in range(3)))";
    let body = json!({ "code": code }).to_string();
    let mut client = std::net::TcpStream::connect(&house.executor.address).unwrap();
    std::io::Write::write_all(&mut client, &crate::local::execute(&body, "")).unwrap();
    house.until_present(3);
    drop(client);
    house.until_present(0);
    assert_eq!(house.run("'the slot is free'")["return_value"], "the slot is free");
}

#[test]
fn failures_of_services_are_exceptions() {
    let cases = [
        (Fault::Error, "ToolError: MCP tool 'get_devices' failed: 500 - database is locked"),
        (Fault::Hang, "ToolTimeout: "),
        (Fault::Garbage, "ToolError: MCP tool 'get_devices' failed: 200 - "),
    ];
    for (fault, error) in cases {
        let house = House::start(&Behaviour { fault, ..Behaviour::default() }, &[("TOOL_TIMEOUT", "0.5")]);
        let answer = house.run("import data\nawait data.get_devices()");
        assert!(answer["error"].as_str().unwrap().starts_with(error), "{answer}");
    }
}

#[test]
fn services_refuse_requests_signed_with_another_key() {
    let other = [("TOOL_SIGNING_KEY", "another key that has at least thirty-two bytes")];
    let house = House::start(&Behaviour::default(), &other);
    let answer = house.run("import data\nawait data.get_devices()");
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with("ToolError: MCP tool 'get_devices' failed: 401 - "), "{error}");
    assert!(!answer.to_string().contains("127.0.0.1") && !answer.to_string().contains(TOKEN), "{answer}");
}
