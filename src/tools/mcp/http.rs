//! Streamable HTTP: requests of the library over the client of HTTP tools, with its restricted addresses and without
//! redirects, and answers within their limits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorData, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;
use tokio::time::timeout;

use super::failure::Failure;
use super::stream::{Origin, events};
use super::wire::{self, Expected, Message};
use crate::tools::http::{Client, Failure as Connection, Secrets, Service};
use crate::tools::text;

/// For messages that belong to no call: those that begin a connection, and notifications.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Bounds for the body of an error.
const ERROR_BYTES_MAX: usize = 4 << 10;
const ERROR_CHARS_MAX: usize = 500;
const ERROR_TIME_MAX: Duration = Duration::from_secs(1);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// A client of one server.
#[derive(Clone)]
pub(super) struct HttpClient {
    client: Client,
    service: Arc<Service>,
    secrets: Arc<Secrets>,
}

/// Why there is no response. The slot of the request says it to the program.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoResponse(String);

type Error = StreamableHttpError<NoResponse>;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Expired => Self::SessionExpired,
            failure => Self::Client(NoResponse(failure.why())),
        }
    }
}

impl HttpClient {
    pub(super) fn new(client: Client, service: Arc<Service>) -> Self {
        let secrets = Arc::new(Secrets::of_service(&service.url, &service.headers));
        Self { client, service, secrets }
    }

    /// Sends a request. Returns its response, whatever its status.
    async fn send(
        &self,
        method: Method,
        uri: &str,
        body: Vec<u8>,
        session: Option<&str>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut all = HeaderMap::new();
        all.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("ai-code-executor/", env!("CARGO_PKG_VERSION"))),
        );
        all.extend(self.service.headers.clone());
        all.insert(ACCEPT, BOTH);
        all.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        all.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        // A session's name comes from the server, so it may be no legal header.
        all.extend(session.and_then(|id| HeaderValue::from_str(id).ok()).map(|id| (SESSION_ID, id)));
        all.extend(headers);
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse().map_err(|_| Failure::Unreadable("the URL is not usable"))?;
        *request.headers_mut() = all;
        self.client.request(request).await.map_err(|error| Failure::Connection(Connection::from(&error)))
    }

    async fn post(
        &self,
        uri: &str,
        message: &ClientJsonRpcMessage,
        expected: Option<&Expected>,
        session: Option<&str>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let body = serde_json::to_vec(message).map_err(|_| Failure::Unreadable("the request is not JSON"))?;
        let response = self.send(Method::POST, uri, body, session, headers.clone()).await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && session.is_some() {
            return Err(Failure::Expired);
        }
        let named = response.headers().get(SESSION_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
        let Some(expected) = expected else {
            // Nothing in the answer to a notification matters.
            return if status.is_success() {
                Ok(StreamableHttpPostResponse::Accepted)
            } else {
                Err(self.refusal(response).await)
            };
        };
        if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Failure::Unreadable("the answer is compressed"));
        }
        let kind = kind_of(response.headers());
        let bytes_max =
            expected.slot.as_ref().map_or(MESSAGE_BYTES_MAX, super::slot::Slot::message_bytes_max);
        if !status.is_success() {
            return self.refused(message, expected, response, &kind).await;
        }
        match kind.as_str() {
            JSON => {
                let text = whole(response.into_body(), bytes_max, expected).await?;
                Ok(StreamableHttpPostResponse::Json(answer_in(&text, expected)?, named))
            }
            EVENTS => {
                let origin = Origin::of(self, uri, session, headers);
                let stream = events(response.into_body(), bytes_max, expected, origin);
                Ok(StreamableHttpPostResponse::Sse(stream, named))
            }
            _ => Err(Failure::Unreadable("the answer is neither JSON nor a stream of events")),
        }
    }

    /// Opens a stream again, after the event `last`.
    pub(super) async fn reopen(
        &self,
        uri: &str,
        session: Option<&str>,
        mut headers: HashMap<HeaderName, HeaderValue>,
        last: &str,
    ) -> Result<Incoming, Failure> {
        headers.insert(LAST_EVENT_ID, HeaderValue::from_str(last).map_err(|_| Failure::Closed)?);
        let response = self.send(Method::GET, uri, Vec::new(), session, headers).await;
        let response = response.map_err(|_| Failure::Closed)?;
        let is_stream = response.status().is_success() && kind_of(response.headers()) == EVENTS;
        if is_stream { Ok(response.into_body()) } else { Err(Failure::Closed) }
    }

    /// Reads the answer of a server that does not do what it was asked.
    async fn refused(
        &self,
        message: &ClientJsonRpcMessage,
        expected: &Expected,
        response: Response<Incoming>,
        kind: &str,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let status = response.status();
        let is_about_access = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        let is_probe = matches!(message, ClientJsonRpcMessage::Request(request)
            if matches!(request.request, ClientRequest::DiscoverRequest(_)));
        if kind == JSON && !is_about_access && !status.is_redirection() {
            let text = whole(response.into_body(), MESSAGE_BYTES_MAX, expected).await?;
            if let Ok(Message::Answer { result: Err(error), .. }) = wire::read(&text) {
                // Whoever cannot read a request cannot repeat its id.
                let answer = expected.answer(&text, Err(error));
                let data = match answer {
                    Ok(ServerJsonRpcMessage::Error(answer)) => answer.error,
                    _ => ErrorData::invalid_request(format!("HTTP status {status}"), None),
                };
                let answer = ServerJsonRpcMessage::error(data, Some(expected.id.clone()));
                return Ok(StreamableHttpPostResponse::Json(answer, None));
            }
            let said = self.shown(text.as_bytes());
            return perhaps_old(is_probe, expected, Failure::Status(status.as_u16(), said));
        }
        let failure = self.refusal(response).await;
        perhaps_old(is_probe && status.is_client_error() && !is_about_access, expected, failure)
    }

    /// Returns what a status other than success says.
    async fn refusal(&self, response: Response<Incoming>) -> Failure {
        let status = response.status();
        if status.is_redirection() {
            return Failure::Status(status.as_u16(), "redirects are not followed".into());
        }
        let mut body = response.into_body();
        let mut said = Vec::new();
        let read = async {
            while said.len() < ERROR_BYTES_MAX
                && let Some(Ok(frame)) = body.frame().await
            {
                said.extend_from_slice(&frame.into_data().unwrap_or_default());
            }
        };
        // Of a body that does not end, what has arrived is enough.
        let _ = timeout(ERROR_TIME_MAX, read).await;
        said.truncate(ERROR_BYTES_MAX);
        Failure::Status(status.as_u16(), self.shown(&said))
    }

    /// Returns a server's words without the secrets of its requests.
    fn shown(&self, said: &[u8]) -> String {
        text::clean(&self.secrets.hidden_in(&String::from_utf8_lossy(said)), ERROR_CHARS_MAX)
    }
}

impl StreamableHttpClient for HttpClient {
    type Error = NoResponse;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Error> {
        let expected = Expected::of(&message);
        let posted =
            self.post(&uri, &message, expected.as_ref(), session_id.as_deref(), custom_headers).await;
        posted.map_err(|failure| {
            if let Some(expected) = expected {
                expected.failed(&failure);
            }
            failure.into()
        })
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Error> {
        self.send(Method::DELETE, &uri, Vec::new(), Some(&session_id), custom_headers).await?;
        Ok(())
    }

    /// Opens no stream of its own: the definitions are read again from time to time instead.
    async fn get_stream(
        &self,
        _uri: Arc<str>,
        _session_id: Option<Arc<str>>,
        _last_event_id: Option<String>,
        _auth_header: Option<String>,
        _custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Error> {
        Err(StreamableHttpError::ServerDoesNotSupportSse)
    }
}

/// A server of the earlier protocol does not know the probe, and refuses it in its own way. The library then begins as
/// earlier clients do.
fn perhaps_old(
    is_old: bool,
    expected: &Expected,
    failure: Failure,
) -> Result<StreamableHttpPostResponse, Failure> {
    if !is_old {
        return Err(failure);
    }
    let error = ErrorData::invalid_request(failure.why(), None);
    Ok(StreamableHttpPostResponse::Json(ServerJsonRpcMessage::error(error, Some(expected.id.clone())), None))
}

/// Returns the media type in lower case, without parameters.
fn kind_of(headers: &HeaderMap) -> String {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn answer_in(text: &str, expected: &Expected) -> Result<ServerJsonRpcMessage, Failure> {
    match wire::read(text)? {
        Message::Answer { id, result } if id.as_ref().is_none_or(|id| expected.is(id)) => {
            expected.answer(text, result)
        }
        Message::Answer { .. } => Err(Failure::Unreadable("the answer is to another request")),
        Message::Request | Message::Notification(_) => Err(Failure::Unreadable("the answer is none")),
    }
}

/// Reads a whole body as text.
async fn whole(mut body: Incoming, bytes_max: usize, expected: &Expected) -> Result<String, Failure> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_long(expected, bytes_max));
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Failure::Closed)?.into_data() else { continue };
        if data.len() > bytes_max - bytes.len() {
            return Err(too_long(expected, bytes_max));
        }
        bytes.extend_from_slice(&data);
        hold(expected, bytes.len())?;
    }
    String::from_utf8(bytes).map_err(|_| Failure::Unreadable("the answer is not UTF-8"))
}

pub(super) fn too_long(expected: &Expected, bytes_max: usize) -> Failure {
    expected.slot.as_ref().map_or(Failure::TooLong(bytes_max), super::slot::Slot::too_long)
}

pub(super) fn hold(expected: &Expected, bytes: usize) -> Result<(), Failure> {
    expected.slot.as_ref().map_or(Ok(()), |slot| slot.hold(bytes))
}

/// Returns an error of the library as a reason of this module, for requests without a slot.
pub(super) fn said(error: &Error) -> Cow<'static, str> {
    match error {
        StreamableHttpError::Client(NoResponse(why)) => why.clone().into(),
        StreamableHttpError::SessionExpired => "the server has ended the session".into(),
        _ => "the answer is not one of the protocol".into(),
    }
}
