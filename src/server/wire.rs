//! JSON of requests and answers, converted by hand: the core's types know nothing of it.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header::RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tracing::error;

use crate::error::Error;
use crate::execution::{Execution, Finding, GuestError, Outcome, Report, Usage};
use crate::limits::Limits;

/// When to come back while the service cannot take a request.
const RETRY_AFTER_SECONDS: &str = "1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecuteRequest {
    code: String,
    #[serde(default)]
    context: Option<Map<String, Value>>,
    /// Seconds.
    timeout: Option<f64>,
    max_memory_mb: Option<u64>,
    max_cpu_seconds: Option<f64>,
}

impl ExecuteRequest {
    pub(super) fn into_execution(self, ceilings: &Limits) -> Result<Execution, Refusal> {
        let mut limits = *ceilings;
        if let Some(timeout) = self.timeout {
            limits.wall_time = seconds("timeout", timeout)?;
        }
        if let Some(cpu) = self.max_cpu_seconds {
            limits.cpu_time = seconds("max_cpu_seconds", cpu)?;
        }
        if let Some(megabytes) = self.max_memory_mb {
            limits.memory_bytes_max = megabytes.saturating_mul(1 << 20);
        }
        Ok(Execution { code: self.code, context: self.context.unwrap_or_default(), limits, tools: None })
    }
}

fn seconds(field: &str, seconds: f64) -> Result<Duration, Refusal> {
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| Refusal::unusable(format!("{field}: {seconds} is not a positive number of seconds")))
}

#[derive(Serialize)]
pub(super) struct ExecuteResponse {
    success: bool,
    stdout: String,
    stderr: String,
    return_value: Option<Box<RawValue>>,
    return_value_is_repr: bool,
    execution_time: f64,
    memory_used_mb: f64,
    error: Option<String>,
    error_detail: Option<ErrorDetail>,
    execution_id: String,
    outcome: &'static str,
    truncated: Vec<&'static str>,
    usage: UsageDetail,
}

#[derive(Serialize)]
struct ErrorDetail {
    #[serde(rename = "type")]
    kind: String,
    message: String,
    line: Option<u32>,
    column: Option<u32>,
    hint: Option<String>,
    traceback: String,
}

#[derive(Serialize)]
struct UsageDetail {
    fuel: u64,
    cpu_time: f64,
    wall_time: f64,
    memory_peak_bytes: u64,
    tool_calls: u32,
}

impl From<Report> for ExecuteResponse {
    fn from(report: Report) -> Self {
        let streams = [("stdout", report.stdout.truncated), ("stderr", report.stderr.truncated)];
        Self {
            success: report.outcome == Outcome::Completed,
            return_value: report.value,
            return_value_is_repr: report.value_is_repr,
            execution_time: report.usage.wall_time.as_secs_f64(),
            memory_used_mb: megabytes(report.usage.memory_bytes_peak),
            error: report.error.as_ref().map(ToString::to_string),
            error_detail: report.error.map(ErrorDetail::from),
            execution_id: report.id.to_string(),
            outcome: report.outcome.name(),
            truncated: streams.iter().filter(|(_, truncated)| *truncated).map(|(name, _)| *name).collect(),
            usage: report.usage.into(),
            stdout: report.stdout.text,
            stderr: report.stderr.text,
        }
    }
}

impl From<GuestError> for ErrorDetail {
    fn from(error: GuestError) -> Self {
        Self {
            kind: error.kind,
            message: error.message,
            line: error.line,
            column: error.column,
            hint: error.hint,
            traceback: error.traceback,
        }
    }
}

impl From<Usage> for UsageDetail {
    fn from(usage: Usage) -> Self {
        Self {
            fuel: usage.fuel,
            cpu_time: usage.cpu_time.as_secs_f64(),
            wall_time: usage.wall_time.as_secs_f64(),
            memory_peak_bytes: usage.memory_bytes_peak,
            tool_calls: usage.tool_calls,
        }
    }
}

/// Memory comes in pages of 64 KiB, so this is exact to four digits.
#[expect(clippy::cast_precision_loss)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// An answer to a request that did not become an execution.
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    detail: String,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct RefusalBody {
    detail: String,
    code: &'static str,
    findings: Vec<FindingDetail>,
}

#[derive(Serialize)]
struct FindingDetail {
    code: &'static str,
    message: String,
    line: u32,
    column: u32,
    hint: Option<String>,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), findings: Vec::new() }
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

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not Found")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method Not Allowed")
    }

    fn unusable(detail: String) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail)
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        let detail = rejection.body_text();
        match rejection {
            JsonRejection::MissingJsonContentType(_) => {
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail)
            }
            JsonRejection::BytesRejection(bytes) => Self::new(bytes.status(), "unreadable_body", detail),
            // Syntax and shape; the type is open to further kinds.
            _ => Self::unusable(detail),
        }
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
            Error::MemoryBelowImage { .. } => Self::unusable(detail),
            Error::Busy { .. } => Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail),
            Error::ShuttingDown => Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail),
            Error::Config(_) | Error::Image(_) | Error::Internal(_) => {
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
        let findings = self.findings.into_iter().map(FindingDetail::from).collect();
        let body = RefusalBody { detail: self.detail, code: self.code, findings };
        let mut response = (self.status, Json(body)).into_response();
        if retry {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS.parse().unwrap_or(0.into()));
        }
        response
    }
}

impl From<Finding> for FindingDetail {
    fn from(finding: Finding) -> Self {
        Self {
            code: finding.rule.code(),
            message: finding.message,
            line: finding.line,
            column: finding.column,
            hint: finding.hint,
        }
    }
}
