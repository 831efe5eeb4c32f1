//! Answers to requests that did not become an execution.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use tracing::error;

use super::wire::RefusalBody;
use crate::error::Error;
use crate::execution::Finding;

/// When to come back while the service cannot take a request, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// The stable name of why a request was refused, as an extension of the response.
#[derive(Clone, Copy)]
pub(super) struct Code(pub(super) &'static str);

/// Why a request was refused.
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    detail: String,
    findings: Vec<Finding>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), findings: Vec::new() }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Invalid or missing executor token")
    }

    pub(super) fn no_token_configured() -> Self {
        let detail = "No executor token is configured; set EXECUTOR_API_TOKEN";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_token", detail)
    }

    pub(super) fn not_ready() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "The interpreter image is still being made")
    }

    pub(super) fn shutting_down() -> Self {
        Error::ShuttingDown.into()
    }

    pub(super) fn unsound() -> Self {
        let detail =
            "A memory was not the image after its reset; restart the executor, and report what its log says";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unsound", detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not Found")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed")
    }

    pub(super) fn not_json() -> Self {
        let detail = "Content-Type must be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail)
    }

    pub(super) fn too_large(bytes_max: usize) -> Self {
        let detail = format!("Request body is over the limit of {bytes_max} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    }

    pub(super) fn too_slow(time: Duration) -> Self {
        let detail = format!("Request body did not arrive within {}s", time.as_secs_f64());
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
    }

    pub(super) fn overloaded() -> Self {
        let detail = "The service holds as much as it can for its callers; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
    }

    pub(super) fn bad_host() -> Self {
        let detail = "The request must name one host, as `host` or `host:port`";
        Self::new(StatusCode::BAD_REQUEST, "bad_host", detail)
    }

    pub(super) fn misdirected_host() -> Self {
        let detail = "The request is for a host that is not this service's; ALLOWED_HOSTS names its hosts";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "misdirected_host", detail)
    }

    pub(super) fn foreign_origin() -> Self {
        let detail = "The request comes from a web page that may not call this service; ALLOWED_ORIGINS names those that may";
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", detail)
    }

    pub(super) fn unreadable(error: &axum::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unreadable_body", format!("Request body cannot be read: {error}"))
    }

    pub(super) fn unusable(detail: String) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail)
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::unusable(rejection.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self::unusable(rejection.body_text())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Rejected(findings) => {
                let code = findings.first().map_or("rejected", |finding| finding.rule.code());
                Self { findings, ..Self::new(StatusCode::BAD_REQUEST, code, detail) }
            }
            Error::Context { .. } => Self::new(StatusCode::BAD_REQUEST, "context", detail),
            Error::UnknownTool { .. } => Self::new(StatusCode::BAD_REQUEST, "unknown_tool", detail),
            Error::MemoryBelowImage { .. } => Self::unusable(detail),
            Error::Busy { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail),
            Error::ShuttingDown => Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail),
            Error::Config { .. } | Error::Image { .. } | Error::Internal { .. } => {
                let detail = error.chain();
                error!(%detail, "execution failed on the host's side");
                let detail = "The executor failed; its log says why";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let retry = matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let body = RefusalBody::new(self.detail, self.code, self.findings);
        let mut response = (self.status, Extension(Code(self.code)), Json(body)).into_response();
        if retry {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}
