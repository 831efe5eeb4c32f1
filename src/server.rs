//! The HTTP service. No other module knows HTTP or the JSON of answers.

mod answer;
mod audience;
mod auth;
mod body;
mod budget;
mod connections;
mod executions;
mod mcp;
mod metrics;
mod openapi;
mod refusal;
mod refusals;
mod request_id;
mod routes;
mod stream;
mod wire;

use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, Method, header};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::warn;

use crate::hardening::Hardening;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::sandbox::Sandbox;
use audience::Audience;
pub use auth::Token;
use auth::{Doorkeeper, Proof};
use budget::{Account, Budget};
pub use mcp::serve_stdio;
use metrics::ServerMetrics;
use refusals::Refusals;

/// Settings of a [`Service`].
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Token that callers must send. By default, every caller is refused.
    pub token: Token,
    /// Token of whoever may approve tool calls. It may not run programs. By default, nobody may approve.
    pub approver_token: Token,
    /// Upper bounds of the limits of an execution. Requests may lower them.
    pub ceilings: Limits,
    /// Maximum size of a request body. A larger one is refused and not read further. Default: 2 MiB.
    pub body_bytes_max: usize,
    /// Time to receive a body, from the end of the request's head. Default: 30 s.
    pub body_time: Duration,
    /// A connection is closed if it is idle for this time (no request and no answer in progress), or if its peer
    /// takes or sends less than 64 KiB/s for this time. Default: 30 s.
    pub idle_time: Duration,
    /// Maximum number of open connections. If all are in use, a new connection replaces the one that has been idle
    /// longest, or one whose peer is slow. If all are busy, the new one waits. Default: 512.
    pub connections_max: usize,
    /// Maximum memory that all peers together can make the service hold, in addition to 32 KiB for each of
    /// `connections_max`. If a request or answer would exceed it, it waits, is answered with 503, or closes the slow
    /// connection that holds the most. Peers without the token share one sixth of it.
    ///
    /// A request counts twice the size of its body while it is read, and 160 bytes for each member of its `context`.
    /// Queued programs and answers that a peer does not take count too. One third must hold twice the largest body,
    /// two thirds must hold the same and its parsed form, and the whole must hold the largest answer. Default: 48
    /// MiB.
    pub memory_bytes_max: usize,
    /// Hosts that requests may address, such as `house.example`, in addition to the address that the service listens
    /// on and the names of the loopback interface. Ports are ignored. Default: none. If it is empty and the service
    /// listens on another interface than loopback, requests for any host are answered.
    pub allowed_hosts: Vec<String>,
    /// Origins whose web pages may call the service from a browser, such as `http://localhost:8030`, in addition to
    /// the service's own pages. Requests from other origins are refused. Default: none.
    pub allowed_origins: Vec<String>,
    /// Metrics that `/metrics` shows. Pass those of the sandbox.
    pub metrics: Metrics,
    /// State that `/health` shows: the result of [`restrict`](crate::hardening::restrict). Default: nothing is in
    /// force.
    pub hardening: Hardening,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: Token::default(),
            approver_token: Token::default(),
            ceilings: Limits::default(),
            body_bytes_max: 2 << 20,
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(30),
            connections_max: 512,
            memory_bytes_max: 48 << 20,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            metrics: Metrics::default(),
            hardening: Hardening::default(),
        }
    }
}

impl Settings {
    /// Sets [`Settings::token`](field@Settings::token).
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// Sets [`Settings::approver_token`](field@Settings::approver_token).
    #[must_use]
    pub fn approver_token(mut self, token: Token) -> Self {
        self.approver_token = token;
        self
    }

    /// Sets [`Settings::ceilings`](field@Settings::ceilings).
    #[must_use]
    pub fn ceilings(mut self, ceilings: Limits) -> Self {
        self.ceilings = ceilings;
        self
    }

    /// Sets [`Settings::body_bytes_max`](field@Settings::body_bytes_max).
    #[must_use]
    pub fn body_bytes_max(mut self, body_bytes_max: usize) -> Self {
        self.body_bytes_max = body_bytes_max;
        self
    }

    /// Sets [`Settings::body_time`](field@Settings::body_time).
    #[must_use]
    pub fn body_time(mut self, body_time: Duration) -> Self {
        self.body_time = body_time;
        self
    }

    /// Sets [`Settings::idle_time`](field@Settings::idle_time).
    #[must_use]
    pub fn idle_time(mut self, idle_time: Duration) -> Self {
        self.idle_time = idle_time;
        self
    }

    /// Sets [`Settings::connections_max`](field@Settings::connections_max).
    #[must_use]
    pub fn connections_max(mut self, connections_max: usize) -> Self {
        self.connections_max = connections_max;
        self
    }

    /// Sets [`Settings::memory_bytes_max`](field@Settings::memory_bytes_max).
    #[must_use]
    pub fn memory_bytes_max(mut self, memory_bytes_max: usize) -> Self {
        self.memory_bytes_max = memory_bytes_max;
        self
    }

    /// Sets [`Settings::allowed_hosts`](field@Settings::allowed_hosts).
    #[must_use]
    pub fn allowed_hosts(mut self, allowed_hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allowed_hosts = allowed_hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Settings::allowed_origins`](field@Settings::allowed_origins).
    #[must_use]
    pub fn allowed_origins(mut self, allowed_origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.allowed_origins = allowed_origins.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Settings::metrics`](field@Settings::metrics).
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Sets [`Settings::hardening`](field@Settings::hardening).
    #[must_use]
    pub fn hardening(mut self, hardening: Hardening) -> Self {
        self.hardening = hardening;
        self
    }
}

/// The HTTP service. A handle: its clones are one service.
///
/// It answers requests before it is ready, because making an image for the first time takes seconds. Until
/// [`Service::ready`] is called, requests about programs and tools get 503.
///
/// Its interface contains no type of an HTTP framework. To add `/execute` to an existing service, call
/// [`Sandbox::run`](crate::Sandbox::run) in one of its handlers, as `examples/embed_axum.rs` does.
///
/// ```no_run
/// use ai_code_executor::Sandbox;
/// use ai_code_executor::server::{Service, Settings, Token};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = Settings::default().token(Token::new("a token of 16 bytes or more"));
/// let metrics = settings.metrics.clone();
/// let service = Service::new(settings);
/// let sandbox = tokio::task::spawn_blocking(|| Sandbox::builder().metrics(metrics).build()).await??;
/// sandbox.self_test().await?;
/// service.ready(sandbox);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8030").await?;
/// service.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    settings: Settings,
    metrics: ServerMetrics,
    budget: Budget,
    doorkeeper: Doorkeeper,
    refusals: Refusals,
    /// Bounds how many requests wait for an execution to go on, so that they do not take all connections.
    lookers: Semaphore,
    /// Bounds how many refused bodies are discarded at the same time.
    discards: Arc<Semaphore>,
    sandbox: OnceLock<Sandbox>,
    agents: OnceLock<mcp::Endpoint>,
}

impl Service {
    /// Creates a service that is not ready yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let metrics = ServerMetrics::default();
        let budget = Budget::new(settings.memory_bytes_max, metrics.clone());
        let (token, approver) = (settings.token.clone(), settings.approver_token.clone());
        let doorkeeper = Doorkeeper::new(token, approver, metrics.clone());
        let refusals = Refusals::new(metrics.clone());
        let (sandbox, agents) = (OnceLock::new(), OnceLock::new());
        let discards = Arc::new(Semaphore::new(body::DISCARDS_MAX));
        let lookers = Semaphore::new(settings.connections_max / 4);
        Self(Arc::new(Inner {
            settings,
            metrics,
            budget,
            doorkeeper,
            refusals,
            lookers,
            discards,
            sandbox,
            agents,
        }))
    }

    /// Makes the service ready: executions run in `sandbox` from now on, and `/ready` answers 200. Call
    /// [`Sandbox::self_test`] first: callers of `/ready` rely on it that a program has run in this process. Only the
    /// first sandbox is kept; further ones are ignored.
    pub fn ready(&self, sandbox: Sandbox) {
        self.0.sandbox.get_or_init(|| sandbox);
    }

    /// Returns the sandbox, or `None` if the service is not ready.
    #[must_use]
    pub fn sandbox(&self) -> Option<&Sandbox> {
        self.0.sandbox.get()
    }

    /// Returns the settings of this service.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Completes when a large part of the memory that peers made the service hold is free again. This is the time to
    /// return memory to the kernel, if the allocator does not do it by itself.
    pub async fn relieved(&self) {
        self.0.budget.relieved().await;
    }

    /// Serves `listener` with HTTP/1.1 and HTTP/2 (prior knowledge) until `stop` completes and the requests in
    /// progress are answered. Dropping the future closes all connections.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) {
        self.serve_across(&[Handle::current()], listener, stop).await;
    }

    /// Like [`Service::serve`], but distributes connections over `runtimes`: each connection goes to the runtime that
    /// has the fewest. Use runtimes of one thread, so that no request wakes another thread: a wake-up takes as long
    /// as a small program.
    ///
    /// # Panics
    ///
    /// If `runtimes` is empty.
    pub async fn serve_across(
        &self,
        runtimes: &[Handle],
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) {
        assert!(!runtimes.is_empty(), "no runtime to serve connections");
        // If the listener does not know its address, other machines cannot reach it by a name.
        let bound = listener.local_addr().map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip());
        let settings = &self.0.settings;
        let audience = Audience::new(bound, &settings.allowed_hosts, &settings.allowed_origins);
        if audience.is_open() {
            warn!(
                "requests for any host are answered, because ALLOWED_HOSTS is empty: a web page may reach this service by \
                 DNS rebinding"
            );
        }
        connections::serve(listener, self.router(audience), self, runtimes, stop).await;
    }

    /// Answers a request without a connection; returns the status and the body.
    #[cfg(fuzzing)]
    pub async fn answer(&self, request: http::Request<Vec<u8>>) -> (u16, axum::body::Bytes) {
        use tower::ServiceExt;
        let mut request = request.map(axum::body::Body::from);
        self.admit(&mut request, &self.0.budget.open(None));
        let router = self.router(Audience::new(Ipv4Addr::LOCALHOST.into(), &[], &[]));
        let Ok(response) = router.oneshot(request).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        (status, body.unwrap_or_default())
    }

    /// Adds the account of the connection and the result of the token check to the extensions of `request`.
    fn admit<B>(&self, request: &mut http::Request<B>, account: &Arc<Account>) {
        let proof = self.0.doorkeeper.examine(request.headers());
        if matches!(proof, Proof::Right(_)) {
            account.has_token();
        }
        request.extensions_mut().insert(account.clone());
        request.extensions_mut().insert(proof);
    }

    fn router(&self, audience: Audience) -> Router {
        let audience = Arc::new(audience);
        let front = move |request, next| front(audience.clone(), request, next);
        let docs = Router::new()
            .route("/docs", get(openapi::to_page))
            .route("/docs/", get(openapi::page))
            .route("/docs/{file}", get(openapi::file))
            .layer(map_response(openapi::secured));
        Router::new()
            .route("/", get(openapi::from_root))
            .route("/execute", post(routes::execute))
            .route("/check", post(routes::check))
            .route("/executions", get(executions::list))
            .route("/executions/{id}", get(executions::status).delete(executions::cancel))
            .route("/executions/{id}/resume", post(executions::resume))
            .route("/states", get(executions::states))
            .route("/states/{handle}", delete(executions::forget_state))
            .route("/mcp", post(mcp::handle))
            .route("/tools", get(routes::tools))
            .route("/health", get(routes::health))
            .route("/ready", get(routes::ready))
            .route("/metrics", get(routes::metrics))
            .route("/openapi.json", get(openapi::document))
            .merge(docs)
            .fallback(routes::not_found)
            .method_not_allowed_fallback(routes::method_not_allowed)
            .layer(cors())
            .layer(from_fn(front))
            .with_state(self.clone())
    }
}

/// Assigns a request ID and checks host and origin, for every path and before any handler.
async fn front(audience: Arc<Audience>, mut request: Request, next: Next) -> Response {
    let id = request_id::name(&mut request);
    let mut response = match audience.check(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    response.headers_mut().insert(request_id::HEADER, id);
    response
}

/// CORS headers for allowed pages. `front` has refused requests from other pages.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static(auth::HEADER),
            request_id::HEADER,
            HeaderName::from_static("mcp-protocol-version"),
            HeaderName::from_static("mcp-method"),
            HeaderName::from_static("mcp-name"),
        ])
        .expose_headers([header::LOCATION, header::RETRY_AFTER, request_id::HEADER])
}
