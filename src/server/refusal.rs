//! Answers to requests that were refused.

mod code;

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use tracing::error;

use super::wire::RefusalBody;
use crate::error::Error;
use crate::execution::{Finding, Report};
pub(super) use code::Code;

/// Seconds until a client should try again if the service cannot take its request.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Tells clients how to send the token.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");

/// Why a request was refused.
pub(super) struct Refusal {
    code: Code,
    detail: String,
    findings: Vec<Finding>,
    /// What is known of the execution that the request is about.
    answer: Option<Box<Report>>,
}

impl Refusal {
    fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), findings: Vec::new(), answer: None }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// Leaves out what others may not see of the execution.
    pub(super) fn without_answer(self) -> Self {
        Self { answer: None, ..self }
    }

    /// Returns the name of its code, and its text.
    pub(super) fn into_parts(self) -> (&'static str, String) {
        (self.code.name(), self.detail)
    }

    /// Returns it as the last line of an answer that has begun already.
    pub(super) fn as_event(&self) -> serde_json::Value {
        serde_json::json!({"event": "error", "code": self.code.name(), "detail": self.detail})
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(Code::Unauthorized, "Invalid or missing executor token")
    }

    pub(super) fn forbidden(what: &str) -> Self {
        Self::new(Code::Forbidden, format!("This token may not {what}"))
    }

    pub(super) fn no_token_configured() -> Self {
        let detail = "No executor token is configured; set EXECUTOR_API_TOKEN";
        Self::new(Code::NoToken, detail)
    }

    pub(super) fn not_ready() -> Self {
        Self::new(Code::NotReady, "The interpreter image is still being made")
    }

    pub(super) fn shutting_down() -> Self {
        Error::ShuttingDown.into()
    }

    pub(super) fn unsound() -> Self {
        let detail =
            "A memory differed from the image after its reset; restart the executor and report its log";
        Self::new(Code::Unsound, detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(Code::NotFound, "Not Found")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(Code::MethodNotAllowed, "Method Not Allowed")
    }

    pub(super) fn not_json() -> Self {
        let detail = "Content-Type must be application/json";
        Self::new(Code::NotJson, detail)
    }

    pub(super) fn too_large(bytes_max: usize) -> Self {
        let detail = format!("Request body is over the limit of {bytes_max} bytes");
        Self::new(Code::BodyTooLarge, detail)
    }

    pub(super) fn too_slow(time: Duration) -> Self {
        let detail = format!("Request body did not arrive within {}s", time.as_secs_f64());
        Self::new(Code::BodyTimeout, detail)
    }

    pub(super) fn overloaded() -> Self {
        let detail = "The service has no memory left for this request; try again";
        Self::new(Code::Overloaded, detail)
    }

    pub(super) fn bad_host() -> Self {
        let detail = "The request must name one host, as `host` or `host:port`";
        Self::new(Code::BadHost, detail)
    }

    pub(super) fn misdirected_host() -> Self {
        let detail = "Host is not a name of this service; ALLOWED_HOSTS lists the accepted names";
        Self::new(Code::MisdirectedHost, detail)
    }

    pub(super) fn foreign_origin() -> Self {
        let detail = "Pages of this Origin may not call this service; ALLOWED_ORIGINS lists those that may";
        Self::new(Code::ForeignOrigin, detail)
    }

    pub(super) fn unreadable(error: &axum::Error) -> Self {
        Self::new(Code::UnreadableBody, format!("Request body cannot be read: {error}"))
    }

    pub(super) fn unusable(detail: String) -> Self {
        Self::new(Code::InvalidRequest, detail)
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
                let code = findings.first().map_or(Code::Internal, |finding| Code::Rule(finding.rule));
                Self { findings, ..Self::new(code, detail) }
            }
            Error::Context { .. } => Self::new(Code::Context, detail),
            Error::File { .. } => Self::new(Code::File, detail),
            Error::UnknownTool { .. } => Self::new(Code::UnknownTool, detail),
            Error::MemoryBelowImage { .. }
            | Error::CallerTool { .. }
            | Error::Answer { .. }
            | Error::Contradiction { .. } => Self::unusable(detail),
            Error::UnknownState { .. } => Self::new(Code::UnknownState, detail),
            Error::UnknownExecution { .. } => Self::new(Code::UnknownExecution, detail),
            Error::StaleEpoch { current } => Self { answer: current, ..Self::new(Code::StaleEpoch, detail) },
            Error::Expired => Self::new(Code::Expired, detail),
            Error::CallerLimit { .. } => Self::new(Code::CallerLimit, detail),
            Error::ImageGone => Self::new(Code::ImageGone, detail),
            Error::StateDamaged => Self::new(Code::StateDamaged, detail),
            Error::NoStore => Self::new(Code::NoStore, detail),
            Error::StoreFull => Self::new(Code::StoreFull, detail),
            Error::Busy { .. } => Self::new(Code::Busy, detail),
            Error::ShuttingDown => Self::new(Code::ShuttingDown, detail),
            Error::Config { .. } | Error::Image { .. } | Error::Internal { .. } => {
                let detail = error.chain();
                error!(%detail, "execution failed on the host's side");
                let detail = "The executor failed; its log says why";
                Self::new(Code::Internal, detail)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = (self.code.status(), self.code);
        let body = RefusalBody::new(self.detail, code, self.findings, self.answer);
        let mut response = (status, Extension(code), Json(body)).into_response();
        let header = match status {
            StatusCode::UNAUTHORIZED => Some((WWW_AUTHENTICATE, CHALLENGE)),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Some((RETRY_AFTER, RETRY_AFTER_SECONDS))
            }
            _ => None,
        };
        response.headers_mut().extend(header);
        response
    }
}
