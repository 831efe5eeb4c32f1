//! Calls tools that are HTTP requests to services.
//!
//! A call passes through `place` (arguments to request), `breaker` (fails fast if the service does not answer),
//! `client` with its `resolver` (restricts the addresses to connect to), and `reply` (answer to JSON) or `failure`
//! (error for the guest).

mod breaker;
mod client;
mod definition;
mod failure;
mod place;
mod reply;
mod resolver;
mod secrets;
mod template;
mod url;

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::request::Parts;
use http_body_util::Full;
use tracing::{debug, warn};

use super::{Reply, Tool, ToolCall, ToolError, ToolFile, ToolService};
use crate::error::{Error, chain};
use http_signing::Signer;

pub(super) use breaker::Breaker;
pub(super) use client::{Client, client};
pub(crate) use definition::{HttpTool, Service};
pub(super) use failure::Failure;
pub(crate) use place::{Places, Query, header_name, takes_body};
pub(super) use secrets::Secrets;
pub(crate) use template::Template;
pub use url::{BaseUrl, BaseUrlError};

const RETRIES_MAX: usize = 2;

/// Delay before the first retry. It doubles for each further retry, and a random jitter of up to the same length is
/// added.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Headers of every request; the service's own headers override them.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (ACCEPT, HeaderValue::from_static("application/json")),
    (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    (USER_AGENT, HeaderValue::from_static(concat!("ai-code-executor/", env!("CARGO_PKG_VERSION")))),
];

/// Names the call, so that a service can tell a repetition (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

type Answer = <Client as tower::Service<Request<Full<Bytes>>>>::Response;

/// A service and its connections.
struct Upstream {
    service: Arc<Service>,
    /// The headers of all its requests.
    headers: HeaderMap,
    /// The header values that programs must not see.
    secrets: Secrets,
    signer: Option<Signer>,
    client: Client,
    breaker: Arc<Breaker>,
}

/// A tool and its service.
struct Connected {
    tool: HttpTool,
    upstream: Arc<Upstream>,
}

impl ToolFile {
    /// Returns the tools, ready for [`SandboxBuilder::tools`](crate::SandboxBuilder::tools). Connections are opened on
    /// demand and shared by all clones of these tools.
    ///
    /// With servers of the Model Context Protocol, **blocks** until each has answered or its time is over: connections
    /// to them last until the last of these tools is dropped. In async code, call it in `spawn_blocking`. The module of a
    /// server that does not answer has one function, which says why. To follow servers whose tools change, use
    /// `ToolFile::source` instead.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if a service wants signed requests and `signer` is `None`, or if TLS or a thread cannot be set
    /// up.
    pub fn connect(&self, signer: Option<&Signer>) -> Result<Vec<Tool>, Error> {
        #[cfg(feature = "mcp-tools")]
        let tools = self.source(signer)?.tools();
        #[cfg(not(feature = "mcp-tools"))]
        let tools = self.http_tools(signer)?;
        Ok(tools)
    }

    pub(super) fn http_tools(&self, signer: Option<&Signer>) -> Result<Vec<Tool>, Error> {
        let mut upstreams: Vec<Arc<Upstream>> = Vec::new();
        let mut tools = Vec::new();
        for tool in &self.tools {
            let known =
                upstreams.iter().find(|upstream| Arc::ptr_eq(&upstream.service, &tool.service)).cloned();
            let upstream = match known {
                Some(upstream) => upstream,
                None => Arc::new(Upstream::new(&tool.service, signer)?),
            };
            upstreams.push(upstream.clone());
            let is_failing = upstream.breaker.is_failing();
            let service = ToolService { name: upstream.service.name.clone(), is_failing };
            let connected = Arc::new(Connected { tool: tool.clone(), upstream });
            let function = move |call| {
                let connected = connected.clone();
                async move { connected.call(call).await }
            };
            tools.push(Tool { service: Some(service), ..tool.with(function) });
        }
        Ok(tools)
    }
}

impl Upstream {
    fn new(service: &Arc<Service>, signer: Option<&Signer>) -> Result<Self, Error> {
        let signer = signer.filter(|_| service.signed).cloned();
        if service.signed && signer.is_none() {
            let name = &service.name;
            return Err(Error::config(format!(
                "requests to service '{name}' must be signed, but there is no key: give one, or set signed = false for it"
            )));
        }
        let client = client(service.roots.as_ref());
        let client = client
            .map_err(|error| Error::config(format!("TLS of service '{}'", service.name)).caused_by(error))?;
        let mut headers = HeaderMap::from_iter(HEADERS);
        headers.extend(service.headers.clone());
        let secrets = Secrets::of_service(&service.url, &service.headers);
        Ok(Self { service: service.clone(), headers, secrets, signer, client, breaker: Arc::default() })
    }
}

impl Connected {
    async fn call(&self, call: ToolCall) -> Reply {
        let (HttpTool { name, method, places, .. }, service) = (&self.tool, &self.upstream.service);
        let request = places.request(&service.url, method, &call.arguments);
        let (head, body) = request.map_err(ToolError::arguments)?;
        let attempt = self.upstream.breaker.start(Instant::now(), call.deadline).map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil();
            ToolError::failed(format!(
                "MCP tool '{name}' connection failed: service is not answering; next attempt in {seconds}s"
            ))
        })?;
        match self.answer(&head, &Bytes::from(body), &call).await {
            Ok((answer, secrets)) => {
                attempt.answered();
                reply::read(name, answer, &secrets, &call).await
            }
            // The request was never sent, so this says nothing about the service.
            Err(failure @ Failure::Unsigned) => Err(failure.error(name)),
            Err(failure @ Failure::Closed) if call.happens_once => {
                attempt.failed(Instant::now());
                let why = format!(
                    "MCP tool '{name}' was sent, but the connection closed before the answer: nobody knows whether it happened"
                );
                Err(ToolError::interrupted(why).caused_by(failure.error(name)))
            }
            Err(failure) => {
                if attempt.failed(Instant::now()) {
                    warn!(service = %service.name, "service does not answer; its tools fail fast until it does");
                }
                Err(failure.error(name))
            }
        }
    }

    /// Sends the request and returns the answer, together with the secrets to remove from it. Idempotent requests are
    /// retried, unless their effect must happen once and may have happened.
    async fn answer(
        &self,
        head: &Parts,
        body: &Bytes,
        call: &ToolCall,
    ) -> Result<(Answer, Secrets), Failure> {
        let pauses = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(RETRY_PAUSE)
            .with_max_times(RETRIES_MAX);
        let is_retried = |failure: &Failure| {
            // What was sent may have had its effect.
            let may_repeat = self.tool.idempotent && !(call.happens_once && *failure == Failure::Closed);
            may_repeat && failure.is_worth_a_retry()
        };
        (|| self.send(head, body, call)).retry(pauses).when(is_retried).await
    }

    async fn send(&self, head: &Parts, body: &Bytes, call: &ToolCall) -> Result<(Answer, Secrets), Failure> {
        let Upstream { service, headers, secrets, signer, client, .. } = &*self.upstream;
        let mut head = head.clone();
        let arguments = std::mem::replace(&mut head.headers, headers.clone());
        head.headers.extend(arguments);
        let key = format!("{}/{}", call.execution, call.number);
        head.headers.extend(HeaderValue::from_str(&key).map(|key| (IDEMPOTENCY_KEY, key)));
        if let Some(signer) = signer {
            signer.sign(&mut head, body, &call.execution.to_string()).map_err(|error| {
                let error = chain(&error);
                warn!(service = %service.name, execution_id = %call.execution, error, "cannot sign");
                Failure::Unsigned
            })?;
        }
        let signature = secrets::signature_of(&head.headers);
        let request = Request::from_parts(head, Full::new(body.clone()));
        let answer = client.request(request).await.map_err(|error| {
            let failure = Failure::from(&error);
            debug!(service = %service.name, execution_id = %call.execution, ?failure, ?error, "no answer");
            failure
        })?;
        let secrets = if answer.status().is_success() {
            Secrets::default()
        } else {
            secrets.with_signature(&signature)
        };
        Ok((answer, secrets))
    }
}
