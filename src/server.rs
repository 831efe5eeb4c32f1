//! The HTTP service: the only module that knows HTTP, and JSON of answers.

mod auth;
mod routes;
mod wire;

use std::io;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;

use crate::limits::Limits;
use crate::sandbox::Sandbox;
pub use auth::Token;

/// The service's state. It answers before it is ready: making an image takes seconds the first time.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    token: Token,
    ceilings: Limits,
    body_bytes_max: usize,
    sandbox: OnceLock<Arc<Sandbox>>,
}

impl Service {
    /// A service that is not ready yet.
    #[must_use]
    pub fn new(token: Token, ceilings: Limits, body_bytes_max: usize) -> Self {
        Self(Arc::new(Inner { token, ceilings, body_bytes_max, sandbox: OnceLock::new() }))
    }

    /// Lets executions in. The first sandbox stays: further ones are ignored.
    pub fn ready(&self, sandbox: Arc<Sandbox>) {
        self.0.sandbox.get_or_init(|| sandbox);
    }

    /// The sandbox, once the service is ready.
    #[must_use]
    pub fn sandbox(&self) -> Option<&Arc<Sandbox>> {
        self.0.sandbox.get()
    }

    /// Serves `listener` until `stop` completes, then until the requests under way are answered.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(stop).await
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/execute", post(routes::execute))
            .layer(DefaultBodyLimit::max(self.0.body_bytes_max))
            // Unlike `layer`, this leaves paths that do not exist without a token's protection.
            .route_layer(from_fn_with_state(self.clone(), auth::require_token))
            .route("/health", get(routes::health))
            .route("/ready", get(routes::ready))
            .fallback(routes::not_found)
            .method_not_allowed_fallback(routes::method_not_allowed)
            .with_state(self.clone())
    }
}
