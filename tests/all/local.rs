//! A service in this process, on a real socket, with its settings in the test's hands; and a client that can be rude.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ai_code_executor::server::{Service, Settings, Token};
use ai_code_executor::{Metrics, Sandbox, SandboxBuilder};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};

use crate::support::{TOKEN, cache_dir};

/// Nothing on the loopback interface takes longer than this.
const PATIENCE: Duration = Duration::from_secs(30);

/// Stopped when dropped.
pub(crate) struct Local {
    pub(crate) address: SocketAddr,
    pub(crate) service: Service,
    pub(crate) metrics: Metrics,
    _runtimes: Vec<Runtime>,
}

impl Local {
    /// Ready, with one slot and a queue of two unless `change` says otherwise.
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

    /// Not ready. Connections are accepted by another runtime than those that serve them.
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

    /// Sends `request` as it is, and returns everything that comes back until the connection is closed.
    pub(crate) fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request).unwrap();
        Answer::read(stream)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
    }

    /// Starts an execution and does not wait for its answer.
    pub(crate) fn begin(&self, body: &Value) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(&execute(&body.to_string(), "")).unwrap();
        stream
    }

    pub(crate) fn execute(&self, body: &Value) -> Answer {
        Answer::read(self.begin(body))
    }

    /// The sample of `/metrics` with this name and these labels.
    pub(crate) fn metric(&self, sample: &str) -> f64 {
        let text = self.get("/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{sample} is not in\n{text}")).parse().unwrap()
    }

    pub(crate) fn assert_metric(&self, sample: &str, value: f64) {
        assert!((self.metric(sample) - value).abs() < f64::EPSILON, "{sample} is {}", self.metric(sample));
    }

    /// Waits until a metric has a value.
    pub(crate) fn await_metric(&self, sample: &str, value: f64) {
        let started = Instant::now();
        while (self.metric(sample) - value).abs() > f64::EPSILON {
            assert!(started.elapsed() < PATIENCE, "{sample} is {}, not {value}", self.metric(sample));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A request to run `body`, on a connection of its own; `headers` are whole lines.
pub(crate) fn execute(body: &str, headers: &str) -> Vec<u8> {
    let bytes = body.len();
    format!(
        "POST /execute HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         X-Executor-Token: {TOKEN}\r\nContent-Length: {bytes}\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

/// What came back, as far as it can be read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Status 0 stands for a connection that was closed without an answer.
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A reset ends an answer as an end does.
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
