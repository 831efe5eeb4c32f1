//! A service in this process on a real socket, whose settings the test chooses, and a client that can misbehave.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ai_code_executor::server::{Service, Settings, Token};
use ai_code_executor::{Metrics, Sandbox, SandboxBuilder, Tool};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};

use crate::support::{TOKEN, cache_dir};

/// Upper bound for anything on the loopback interface.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running service. Dropping it stops the service.
pub(crate) struct Local {
    pub(crate) address: SocketAddr,
    pub(crate) service: Service,
    pub(crate) metrics: Metrics,
    _runtimes: Vec<Runtime>,
}

impl Local {
    /// Starts a ready service, with one slot and a queue of two unless `change` says otherwise.
    pub(crate) fn start(settings: Settings, change: impl FnOnce(SandboxBuilder) -> SandboxBuilder) -> Self {
        let local = Self::start_unready(settings);
        let builder = Sandbox::builder().concurrency(1).queue(2).cache_dir(cache_dir());
        let sandbox = change(builder).metrics(local.metrics.clone()).build().unwrap();
        local.service.ready(sandbox);
        local
    }

    pub(crate) fn start_unready(settings: Settings) -> Self {
        Self::across(vec![Runtime::new().unwrap()], settings)
    }

    /// Starts a service that is not ready. One runtime accepts the connections, the others serve them.
    pub(crate) fn across(mut runtimes: Vec<Runtime>, settings: Settings) -> Self {
        let serving: Vec<Handle> = runtimes.iter().map(|runtime| runtime.handle().clone()).collect();
        let accepting = Runtime::new().unwrap();
        let listener = accepting.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let metrics = Metrics::default();
        let settings = settings.token(Token::new(TOKEN)).metrics(metrics.clone());
        let service = Service::new(settings);
        let served = service.clone();
        accepting.spawn(async move { served.serve_across(&serving, listener, std::future::pending()).await });
        runtimes.push(accepting);
        Self { address, service, metrics, _runtimes: runtimes }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `request` as it is. Returns everything received until the connection is closed.
    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        Answer::read(stream)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
    }

    /// Sends an execution without waiting for its answer.
    pub(crate) fn begin(&self, body: &Value) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(&execute(&body.to_string(), "")).unwrap();
        stream
    }

    pub(crate) fn execute(&self, body: &Value) -> Answer {
        Answer::read(self.begin(body))
    }

    /// Returns the sample of `/metrics` with this name and these labels.
    pub(crate) fn metric(&self, sample: &str) -> f64 {
        let text = self.get("/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{sample} is not in\n{text}")).parse().unwrap()
    }

    pub(crate) fn assert_metric(&self, sample: &str, value: f64) {
        assert!((self.metric(sample) - value).abs() < f64::EPSILON, "{sample} is {}", self.metric(sample));
    }

    /// Waits until a metric has the value.
    pub(crate) fn await_metric(&self, sample: &str, value: f64) {
        let started = Instant::now();
        while (self.metric(sample) - value).abs() > f64::EPSILON {
            assert!(started.elapsed() < PATIENCE, "{sample} is {}, not {value}", self.metric(sample));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Returns a request to run `body` that closes the connection; `headers` are whole lines.
pub(crate) fn execute(body: &str, headers: &str) -> Vec<u8> {
    let bytes = body.len();
    format!(
        "POST /execute HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         X-Executor-Token: {TOKEN}\r\nContent-Length: {bytes}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

/// A response, as far as it could be parsed.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads a response. Status 0 means that the connection was closed without one.
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A reset ends the response like a regular close.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Returns a tool that never answers. `there` counts its calls in progress.
pub(crate) fn endless(there: &Arc<AtomicUsize>) -> Tool {
    struct Call(Arc<AtomicUsize>);
    impl Drop for Call {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let there = there.clone();
    Tool::new("spy", "wait", move |_| {
        there.fetch_add(1, Ordering::SeqCst);
        let call = Call(there.clone());
        async move {
            let _call = call;
            std::future::pending().await
        }
    })
}

/// Waits until so many calls are in progress.
pub(crate) fn await_count(there: &AtomicUsize, count: usize) {
    let started = Instant::now();
    while there.load(Ordering::SeqCst) != count {
        assert!(started.elapsed() < PATIENCE, "{} calls, not {count}", there.load(Ordering::SeqCst));
        std::thread::sleep(Duration::from_millis(2));
    }
}
