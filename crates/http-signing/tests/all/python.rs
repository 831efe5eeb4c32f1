//! Interoperability with Python: an independent implementation of RFC 9421, and the service of the README.
//!
//! `SIGNING_PYTHON` names a Python with the packages that `tests/python.sh` installs. Without it, these tests print a
//! note and pass.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use http_signing::{Key, Signer, Verifier};
use serde_json::{Value, json};

use super::{OTHER_SECRET, PRIVATE_KEY, PUBLIC_KEY, SECRET, key};

/// Algorithm, the executor's key, the service's key.
const KEYS: [(&str, &str, &str); 2] = [("hmac-sha256", SECRET, SECRET), ("ed25519", PRIVATE_KEY, PUBLIC_KEY)];

const REQUESTS: [(&str, &str, Option<&str>, &str); 5] = [
    ("GET", "http://data-api", None, ""),
    ("GET", "http://Data-API:80/devices?", None, ""),
    ("GET", "https://data-api:8443/a%2Fb;c/?q=%C3%BC+x&q=&=", None, ""),
    ("POST", "http://data-api:8006/devices?limit=5", Some("application/json"), "{\"größe\": 1}"),
    ("DELETE", "http://[::1]:8006/x", Some("text/plain; charset=utf-8"), " "),
];

fn python() -> Option<String> {
    let python = std::env::var("SIGNING_PYTHON").ok();
    if python.is_none() {
        eprintln!(
            "skipped: set SIGNING_PYTHON to a Python with http-message-signatures; see tests/python.sh"
        );
    }
    python
}

fn head((method, url, content_type, _): (&str, &str, Option<&str>, &str)) -> Parts {
    let request = Request::builder().method(method).uri(url);
    let request =
        content_type.into_iter().fold(request, |request, kind| request.header("content-type", kind));
    request.body(()).unwrap().into_parts().0
}

/// Returns the answer of `tests/peer.py`.
fn ask_peer(python: &str, asked: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer.py");
    let mut peer = Command::new(python);
    let peer = peer.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut peer = peer.spawn().unwrap();
    peer.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = peer.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns a request in the form that the script reads.
fn as_json(head: &Parts, body: &str, (algorithm, private, public): (&str, &str, &str)) -> Value {
    let headers = head.headers.iter().map(|(name, value)| json!([name.as_str(), value.to_str().unwrap()]));
    json!({
        "method": head.method.as_str(), "url": head.uri.to_string(), "headers": headers.collect::<Vec<_>>(),
        "body": body, "algorithm": algorithm, "key_id": "executor-1", "private_key": private, "public_key": public,
    })
}

#[test]
fn an_independent_implementation_accepts_our_signatures() {
    let Some(python) = python() else { return };
    let (mut asked, mut expected) = (Vec::new(), Vec::new());
    for keys in KEYS {
        let signer = Signer::new(key("executor-1", keys.1)).unwrap();
        for request in REQUESTS {
            let mut head = head(request);
            signer.sign(&mut head, request.3.as_bytes(), "execution-7").unwrap();
            asked.push(as_json(&head, request.3, keys));
            asked.push(as_json(&head, "another body", keys));
            head.headers.insert("x-execution-id", HeaderValue::from_static("execution-8"));
            asked.push(as_json(&head, request.3, keys));
            expected.extend([true, false, false]);
        }
    }
    let answer = ask_peer(&python, &json!({"verify": asked, "sign": []}));
    let accepted: Vec<_> = answer["verified"].as_array().unwrap().iter().map(Value::is_null).collect();
    assert_eq!(accepted, expected, "{answer}");
}

#[test]
fn signatures_of_an_independent_implementation_are_accepted() {
    let Some(python) = python() else { return };
    let mut asked = Vec::new();
    let cases: Vec<_> = KEYS
        .into_iter()
        .flat_map(|keys| REQUESTS.map(|request| (keys, request)))
        .flat_map(|(keys, request)| [true, false].map(|names_algorithm| (keys, request, names_algorithm)))
        .collect();
    for (number, (keys, request, names_algorithm)) in cases.iter().enumerate() {
        let mut head = head(*request);
        head.headers.insert("x-execution-id", HeaderValue::from_static("execution-7"));
        let mut request = as_json(&head, request.3, *keys);
        request["nonce"] = json!(format!("nonce {number}"));
        request["include_alg"] = json!(names_algorithm);
        asked.push(request);
    }
    let answer = ask_peer(&python, &json!({"verify": [], "sign": asked}));
    for ((keys, request, _), headers) in cases.into_iter().zip(answer["signed"].as_array().unwrap()) {
        let mut head = head(request);
        for (name, value) in headers.as_object().unwrap() {
            let name: HeaderName = name.parse().unwrap();
            head.headers.insert(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
        }
        let accept = |key: Key| Verifier::new().key(key).verify(&head, request.3.as_bytes());
        let accepted = accept(key("executor-1", keys.2)).unwrap();
        assert_eq!(accepted.execution, "execution-7", "{request:?}");
        assert!(accept(key("executor-1", OTHER_SECRET)).is_err(), "{request:?}");
    }
}

/// The README's service in a process of its own, which is killed on drop.
struct Example {
    child: Child,
    address: String,
}

impl Example {
    fn start(python: &str, algorithm: &str, secret: &str) -> Self {
        let page = include_str!("../../README.md");
        let (_, code) = page.split_once("```python\n").unwrap();
        let code = code.split("```").next().unwrap().replace("HMAC_SHA256", algorithm);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("signing-{algorithm}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("service.py"), code).unwrap();
        let mut command = Command::new(python);
        command.args(["-m", "uvicorn", "service:app", "--port", "0", "--no-use-colors"]);
        command.current_dir(folder).env("EXECUTOR_KEY", secret).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = log.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("running on http://")?;
            Some(address.split(' ').next().unwrap().to_owned())
        });
        std::thread::spawn(move || log.for_each(drop));
        Self { child, address: address.expect("the service logs its address") }
    }

    fn head(&self, method: &str, path: &str) -> Parts {
        let url = format!("http://{}{path}", self.address);
        let request = Request::builder().method(method).uri(url).header("content-type", "application/json");
        request.body(()).unwrap().into_parts().0
    }

    fn send(head: &Parts, body: &str) -> (u16, Value) {
        let timeout = Some(Duration::from_mins(1));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent = agent.timeout_global(timeout).build();
        let request = Request::from_parts(head.clone(), body.to_owned());
        let mut answer = ureq::Agent::from(agent).run(request).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_documented_service_accepts_signed_requests_once() {
    let Some(python) = python() else { return };
    for ((_, private, public), algorithm) in KEYS.into_iter().zip(["HMAC_SHA256", "ED25519"]) {
        let service = Example::start(&python, algorithm, public);
        let signer = Signer::new(key("ai-code-executor", private)).unwrap();
        let by = |signer: &Signer, path: &str, body: &str| {
            let mut head = service.head("POST", path);
            signer.sign(&mut head, body.as_bytes(), "execution-7").unwrap();
            head
        };
        for path in ["/devices/hall", "/devices/a%20b%2Fc?limit=5&x=%C3%BC", "/devices/x?"] {
            let head = by(&signer, path, "{}");
            let (status, answer) = Example::send(&head, "{}");
            assert_eq!(
                (status, answer["execution"].as_str()),
                (200, Some("execution-7")),
                "{path}: {answer}"
            );
            assert_eq!(Example::send(&head, "{}").0, 401, "again: {path}");
        }
        let mut changed = by(&signer, "/devices/hall", "{}");
        changed.headers.insert("x-execution-id", HeaderValue::from_static("execution-8"));
        let mut plain = by(&signer, "/devices/hall", "{}");
        plain.headers.remove("signature");
        let stranger = Signer::new(key("ai-code-executor", OTHER_SECRET)).unwrap();
        let unknown = Signer::new(key("another", private)).unwrap();
        let cases = [
            (changed, "{}"),
            (plain, "{}"),
            (service.head("POST", "/devices/hall"), "{}"),
            (by(&signer, "/devices/hall", "{}"), "{} "),
            (by(&stranger, "/devices/hall", "{}"), "{}"),
            (by(&unknown, "/devices/hall", "{}"), "{}"),
            (by(&signer.clone().lifetime(Duration::from_mins(6)), "/devices/hall", "{}"), "{}"),
        ];
        for (number, (head, body)) in cases.iter().enumerate() {
            let (status, answer) = Example::send(head, body);
            let refused = (401, json!({"detail": "Invalid or missing request signature"}));
            assert_eq!((status, answer), refused, "{algorithm}, case {number}");
        }
    }
}
