//! The HTTP service: the only module that knows HTTP, and JSON of answers.

mod auth;
mod body;
mod connections;
mod openapi;
mod places;
mod refusal;
mod request_id;
mod routes;
mod wire;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, Method, header};
use axum::middleware::from_fn;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::hardening::Hardening;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::sandbox::Sandbox;
pub use auth::Token;
use connections::Bounds;
use places::Places;

/// How the service deals with its clients.
#[derive(Clone)]
pub struct Settings {
    /// What callers must send; by default nobody is let in.
    pub token: Token,
    /// Bounds that requests may lower.
    pub ceilings: Limits,
    /// Larger request bodies are refused, and read no further. Default: 2 MiB.
    pub body_bytes_max: usize,
    /// From the request's head to the end of its body; a second if `connections_max` are there. Default: 30 s.
    pub body_time: Duration,
    /// A connection without a request in progress is closed after this time, or after a second if `connections_max` are
    /// there. Default: 30 s.
    pub idle_time: Duration,
    /// Connections at once; further ones wait in the kernel's backlog. Default: 512.
    pub connections_max: usize,
    /// Origins whose pages may call the service from a browser, such as `http://localhost:8030`. Default: none.
    pub allowed_origins: Vec<String>,
    /// What `/metrics` shows: the sandbox's.
    pub metrics: Metrics,
    /// What `/health` shows: what [`restrict`](crate::hardening::restrict) has said. Default: nothing is in force.
    pub hardening: Hardening,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: Token::default(),
            ceilings: Limits::default(),
            body_bytes_max: 2 << 20,
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(30),
            connections_max: 512,
            allowed_origins: Vec::new(),
            metrics: Metrics::default(),
            hardening: Hardening::default(),
        }
    }
}

/// The service's state. It answers before it is ready: making an image takes seconds the first time.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    settings: Settings,
    places: Places,
    sandbox: OnceLock<Arc<Sandbox>>,
}

impl Service {
    /// A service that is not ready yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let places = Places::new(settings.connections_max);
        Self(Arc::new(Inner { settings, places, sandbox: OnceLock::new() }))
    }

    /// Lets executions in; `sandbox` has run one already. The first sandbox stays: further ones are ignored.
    pub fn ready(&self, sandbox: Arc<Sandbox>) {
        self.0.sandbox.get_or_init(|| sandbox);
        self.0.settings.metrics.ready();
    }

    /// The sandbox, once the service is ready.
    #[must_use]
    pub fn sandbox(&self) -> Option<&Arc<Sandbox>> {
        self.0.sandbox.get()
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Serves `listener` with HTTP/1.1 and HTTP/2 (prior knowledge) until `stop` completes, then until the requests
    /// in progress are answered. Dropping the future closes all connections.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) {
        self.serve_across(&[Handle::current()], listener, stop).await;
    }

    /// The same, with each connection served by the one of `runtimes` that has the fewest. With runtimes of one thread,
    /// no thread wakes another for a request, which takes as long as a small program.
    ///
    /// # Panics
    ///
    /// Without any runtime.
    pub async fn serve_across(
        &self,
        runtimes: &[Handle],
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) {
        assert!(!runtimes.is_empty(), "no runtime to serve connections");
        let bounds = Bounds { places: self.0.places.clone(), idle_time: self.0.settings.idle_time };
        connections::serve(listener, self.router(), bounds, runtimes, stop).await;
    }

    /// The answer to a request that needs no connection: its status and body.
    #[cfg(fuzzing)]
    pub async fn answer(&self, request: http::Request<Vec<u8>>) -> (u16, axum::body::Bytes) {
        use tower::ServiceExt;
        let Ok(response) = self.router().oneshot(request.map(axum::body::Body::from)).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        (status, body.unwrap_or_default())
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/execute", post(routes::execute))
            .route("/tools", get(routes::tools))
            .route("/health", get(routes::health))
            .route("/ready", get(routes::ready))
            .route("/metrics", get(routes::metrics))
            .route("/openapi.json", get(openapi::document))
            .route("/docs", get(openapi::to_page))
            .route("/docs/", get(openapi::page))
            .route("/docs/{file}", get(openapi::file))
            .fallback(routes::not_found)
            .method_not_allowed_fallback(routes::method_not_allowed)
            .layer(cors(self.0.settings.allowed_origins.clone()))
            .layer(from_fn(request_id::name))
            .with_state(self.clone())
    }
}

fn cors(allowed_origins: Vec<String>) -> CorsLayer {
    let is_allowed =
        move |origin: &_, _: &_| allowed_origins.iter().any(|allowed| *origin == allowed.as_str());
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, HeaderName::from_static(auth::HEADER), request_id::HEADER])
        .expose_headers([header::RETRY_AFTER, request_id::HEADER])
}
