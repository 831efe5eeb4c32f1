//! `/mcp`: streamable HTTP. Everything that the service demands of requests is checked before the protocol's library
//! sees them.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::Full;
use http_body_util::combinators::BoxBody;
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;

use super::arguments::OnTheWay;
use super::message::{self, Fault, METHOD_NOT_FOUND};
use super::{Agents, is_stateless};
use crate::server::Service;
use crate::server::answer::Memory;
use crate::server::auth::{Proof, Roles};
use crate::server::body::Incoming;
use crate::server::budget::Account;
use crate::server::refusal::Refusal;
use crate::server::routes::{apart_if_large, read_json};

/// How deep the values of a request are parsed: the variables of a program stay text.
const DEPTH: usize = 4;

/// The header that names the revision of the protocol.
const REVISION: &str = "mcp-protocol-version";

/// What clients accept. Clients that name no media types accept both.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

type Answer =
    dyn Fn(Request<Full<Bytes>>) -> BoxFuture<'static, Response<BoxBody<Bytes, Infallible>>> + Send + Sync;

/// The endpoint. A handle.
#[derive(Clone)]
pub(in crate::server) struct Endpoint {
    answer: Arc<Answer>,
    /// Whether the arguments of calls stay text, beside the message.
    has_arguments_apart: bool,
}

impl Endpoint {
    pub(in crate::server) fn new(agents: Agents) -> Self {
        Self { answer: answer(agents), has_arguments_apart: true }
    }
}

fn answer(handler: impl ServerHandler + Clone) -> Arc<Answer> {
    // Host and origin are checked for all paths. Without sessions, a client that goes away leaves nothing behind.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_sse_retry(None)
        .with_max_request_body_bytes(usize::MAX);
    let sessions = Arc::new(NeverSessionManager::default());
    let library = StreamableHttpService::new(move || Ok(handler.clone()), sessions, config);
    Arc::new(move |request| {
        let library = library.clone();
        async move { library.handle(request).await }.boxed()
    })
}

pub(in crate::server) async fn handle(
    State(service): State<Service>,
    Extension(account): Extension<Arc<Account>>,
    Extension(proof): Extension<Proof>,
    request: Request,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let (mut body, bytes_max) = (Incoming::new(body), service.0.settings.body_bytes_max);
    let accepted = async {
        let roles = service.0.doorkeeper.roles(proof).await?;
        if !roles.executes {
            return Err(Refusal::forbidden("run programs"));
        }
        let endpoint = service.agents()?;
        let read = read_json(&service, &parts.headers, &mut body, bytes_max, DEPTH, &account).await?;
        Ok((roles, endpoint, read))
    };
    let (roles, endpoint, (bytes, held)) = match accepted.await {
        Ok(accepted) => accepted,
        Err(refusal) => {
            body.discard(bytes_max, &service.0.discards);
            return Err(refusal);
        }
    };
    let bytes_count = bytes.len();
    let revision = parts.headers.get(REVISION).and_then(|value| value.to_str().ok());
    let is_stateless = revision.is_some_and(is_stateless);
    let has_arguments_apart = endpoint.has_arguments_apart;
    let read = move || message::read(bytes, is_stateless, has_arguments_apart);
    let read = apart_if_large(bytes_count, read).await?;
    let (bytes, arguments) = match read {
        Ok(message) => message,
        Err(fault) => return Ok(refused(fault)),
    };
    accept_both(&mut parts.headers);
    parts.extensions.insert::<Roles>(roles);
    parts.extensions.insert(OnTheWay::new(arguments));
    // The memory of the request counts until its program has ended.
    parts.extensions.insert(Arc::new(held));
    let response = (endpoint.answer)(Request::from_parts(parts, Full::new(Bytes::from(bytes)))).await;
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        return Ok(refused(Fault::no_message("This is not a message of the protocol")));
    }
    let mut response = response.map(Body::new);
    let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if media_type.is_some_and(|media_type| media_type.starts_with("text/event-stream")) {
        response.extensions_mut().insert(Memory::Stream);
    }
    Ok(response)
}

fn refused(Fault { id, code, why }: Fault) -> Response {
    let status = if code == METHOD_NOT_FOUND { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
    let body = json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": why}});
    (status, axum::Json(body)).into_response()
}

/// Lets clients in that accept anything.
fn accept_both(headers: &mut HeaderMap) {
    let accepts_all = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("*/*"));
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    if accepted.peek().is_none() || accepted.any(accepts_all) {
        headers.insert(header::ACCEPT, BOTH);
    }
}

impl Service {
    /// Returns the endpoint, which the first request makes.
    fn agents(&self) -> Result<Endpoint, Refusal> {
        if let Some(endpoint) = self.0.agents.get() {
            return Ok(endpoint.clone());
        }
        let sandbox = self.sandbox().ok_or_else(Refusal::not_ready)?;
        let nobody = Roles { executes: false, approves: false };
        let agents = Agents::new(sandbox.clone(), self.0.settings.ceilings, nobody).map_err(Refusal::from)?;
        Ok(self.0.agents.get_or_init(|| Endpoint::new(agents)).clone())
    }
}

#[cfg(feature = "test-layers")]
impl Service {
    /// Answers `/mcp` with another server, behind everything that is before this crate's own. Does nothing after the
    /// first request.
    #[doc(hidden)]
    pub fn answer_mcp_with(&self, handler: impl ServerHandler + Clone) {
        self.0.agents.get_or_init(|| Endpoint { answer: answer(handler), has_arguments_apart: false });
    }

    /// Returns how this crate's own server refuses what is no request of the protocol.
    #[doc(hidden)]
    #[must_use]
    pub fn refused_by_mcp(request: rmcp::model::CustomRequest) -> rmcp::ErrorData {
        super::refused(request)
    }
}
