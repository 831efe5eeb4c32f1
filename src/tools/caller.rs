//! Handles one tool call from the guest's request to the reply: checks the grant, validates the arguments, asks the
//! policy, calls the function within its deadline, and writes the audit line.

use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::timeout_at;
use tracing::{Span, info, info_span};

use super::arguments::{Effort, TooLarge};
use super::text::NAME_CHARS_MAX;
use super::{
    Decision, Grants, Reply, ReplyShare, ToolCall, ToolError, ToolErrorKind, ToolRequest, catalogue, text,
};
use crate::SPANS;
use crate::cancel::EndSignal;
use crate::error;
use crate::execution::ExecutionId;
use crate::limits::{Limits, TIME_MAX};
use crate::metrics::Metrics;

/// The tool name in the log for a call whose message cannot be parsed.
pub(crate) const UNREADABLE: &str = "?";

/// State shared by all calls of one execution.
pub(crate) struct Caller {
    execution: ExecutionId,
    grants: Grants,
    end: EndSignal,
    time_max: Duration,
    reply_bytes_max: usize,
}

impl Caller {
    /// `end` says that the execution has ended.
    pub(crate) fn new(execution: ExecutionId, limits: &Limits, grants: Grants, end: EndSignal) -> Self {
        let (time_max, reply_bytes_max) = (limits.tool_time, limits.tool_reply_bytes_max);
        Self { execution, grants, end, time_max, reply_bytes_max }
    }

    /// Checks a call of the tool `path` with `arguments` (JSON of an object) before it is made. Both strings come from
    /// the guest and are untrusted.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if the check needs more than [`Effort::Brief`]. Never with [`Effort::Full`].
    pub(crate) fn begin(&self, path: &str, arguments: &str, effort: &Effort) -> Result<Begun, TooLarge> {
        let ready = catch_unwind(AssertUnwindSafe(|| self.check(path, arguments, effort)));
        let ready = ready.unwrap_or_else(|_| Ok(Err(Err(crashed()))))?;
        let audit = AuditLine::new(self, path, arguments);
        Ok(Begun { audit, path: path.to_owned(), ready })
    }

    /// Returns a failed call, for when the check did not complete.
    pub(crate) fn not_begun(&self, path: &str) -> Begun {
        self.answered(path, crashed())
    }

    /// Returns a failed call of the tool `path` whose arguments could not be converted to JSON; `why` is the reason.
    pub(crate) fn refuse(&self, path: &str, why: &str) -> Begun {
        self.answered(path, self.grants.find(path).err().unwrap_or_else(|| ToolError::arguments(why)))
    }

    /// Returns a failed call whose message could not be parsed.
    pub(crate) fn unreadable(&self, why: &str) -> Begun {
        self.answered(UNREADABLE, ToolError::arguments(format!("The call cannot be read: {why}")))
    }

    fn answered(&self, path: &str, error: ToolError) -> Begun {
        Begun { audit: AuditLine::new(self, path, ""), path: String::new(), ready: Err(Err(error)) }
    }

    /// Returns the error for a call that exceeds the execution's budget of calls. If `is_logged` is set, logs the call
    /// too.
    pub(crate) fn deny(&self, path: &str, why: &str, is_logged: bool) -> ToolError {
        let error =
            ToolError::denied(format!("'{}' was not called: {why}", text::line(path, NAME_CHARS_MAX)));
        if is_logged {
            AuditLine::new(self, path, "").end(&Err(error.clone()));
        }
        error
    }

    /// Returns the validated arguments with defaults filled in, or the reply if the call needs none.
    fn check(
        &self,
        path: &str,
        arguments: &str,
        effort: &Effort,
    ) -> Result<Result<Map<String, Value>, Reply>, TooLarge> {
        if let Some(answer) = catalogue::answer(&self.grants, path, arguments) {
            return Ok(Err(answer.and_then(|answer| within(answer, self.reply_bytes_max))));
        }
        // Checked before the arguments are parsed: a call that is not granted must not cost their memory.
        match self.grants.find(path) {
            Ok(tool) => Ok(tool.arguments.read(path, &tool.signature, arguments, effort)?.map_err(Err)),
            Err(error) => Ok(Err(Err(error))),
        }
    }

    /// Makes call `number` of the execution and returns its reply. `share` accounts for the bytes of the reply.
    pub(crate) async fn finish(&self, number: u32, begun: Begun, share: Arc<ReplyShare>) -> Reply {
        let Begun { audit, path, ready } = begun;
        let reply = match ready {
            // A panic in the tool fails this call, not the execution.
            Ok(arguments) => {
                let made = AssertUnwindSafe(self.make(number, &path, arguments, share.clone()));
                let made = made.catch_unwind().await;
                made.unwrap_or_else(|_| Err(crashed()))
            }
            Err(answer) => answer,
        };
        let reply = reply.and_then(|reply| share.hold(reply.get().len()).map(|()| reply));
        audit.end(&reply);
        reply
    }

    async fn make(
        &self,
        number: u32,
        path: &str,
        arguments: Map<String, Value>,
        share: Arc<ReplyShare>,
    ) -> Reply {
        let tool = &self.grants.find(path)?.tool;
        let execution = self.execution;
        if let Some(policy) = &self.grants.policy {
            let request_id = self.grants.request_id.as_deref();
            let request = ToolRequest { execution, request_id, number, path, tool, arguments: &arguments };
            if let Decision::Deny(reason) = policy.decide(request).await {
                return Err(ToolError::denied(format!("Tool '{path}' was denied: {reason}")));
            }
        }
        let time_max = tool.time_max.map_or(self.time_max, |time| time.min(self.time_max));
        let reply_bytes_max =
            tool.reply_bytes_max.map_or(self.reply_bytes_max, |bytes| bytes.min(self.reply_bytes_max));
        let deadline = Instant::now() + time_max.min(TIME_MAX);
        let (call_end, _ends) = self.end.child();
        let (request_id, execution_end) = (self.grants.request_id.clone(), self.end.clone());
        let call = ToolCall {
            execution,
            request_id,
            number,
            arguments,
            deadline,
            call_end,
            execution_end,
            reply_bytes_max,
            share,
        };
        let reply = timeout_at(deadline.into(), (tool.function)(call)).await.unwrap_or_else(|_| {
            let seconds = time_max.as_secs_f64();
            Err(ToolError::timeout(format!("Tool '{path}' did not answer within {seconds}s")))
        })?;
        within(reply, reply_bytes_max)
    }
}

/// A checked call: its validated arguments, or its reply if it already has one.
pub(crate) struct Begun {
    audit: AuditLine,
    path: String,
    ready: Result<Map<String, Value>, Reply>,
}

impl Begun {
    /// The span in which the call of this `number` is made, below the current one.
    pub(crate) fn span(&self, number: u32) -> Span {
        info_span!(target: SPANS, "tool_call", call = number, tool = %self.audit.path)
    }
}

fn crashed() -> ToolError {
    ToolError::failed("Tool crashed")
}

fn within(reply: Box<RawValue>, bytes_max: usize) -> Reply {
    match reply.get().len() {
        bytes if bytes > bytes_max => {
            Err(ToolError::failed(format!("Tool reply is {bytes} bytes; limit is {bytes_max} bytes")))
        }
        _ => Ok(reply),
    }
}

/// The audit line of one call, and its share of the metrics: tool and status, never arguments or reply. If it is dropped
/// before `end`, the call was aborted together with its execution.
struct AuditLine {
    execution: ExecutionId,
    path: String,
    /// Only for registered tools, because programs can invent names.
    metrics: Option<Metrics>,
    arguments_sha256: String,
    started: Instant,
    ended: bool,
}

impl AuditLine {
    fn new(caller: &Caller, path: &str, arguments: &str) -> Self {
        let grants = &caller.grants;
        let metrics = grants.registry.get(path).map(|_| grants.metrics.clone());
        let path = text::line(path, NAME_CHARS_MAX);
        let arguments_sha256 = base16ct::lower::encode_string(&Sha256::digest(arguments));
        let execution = caller.execution;
        Self { execution, path, metrics, arguments_sha256, started: Instant::now(), ended: false }
    }

    fn end(mut self, reply: &Reply) {
        self.ended = true;
        let status = match reply {
            Ok(_) => "ok",
            Err(error) => match error.kind {
                ToolErrorKind::Failed => "failed",
                ToolErrorKind::Timeout => "timeout",
                ToolErrorKind::Denied => "denied",
                ToolErrorKind::Arguments => "arguments",
            },
        };
        let cause = reply.as_ref().err().and_then(StdError::source).map(error::chain);
        self.write(status, reply.as_ref().map_or(0, |reply| reply.get().len()), cause.as_deref());
    }

    fn write(&self, status: &'static str, bytes: usize, cause: Option<&str>) {
        let elapsed = self.started.elapsed();
        if let Some(metrics) = &self.metrics {
            let was_made = matches!(status, "ok" | "failed" | "timeout");
            metrics.tool_called(&self.path, status, was_made.then_some(elapsed));
        }
        info!(
            execution_id = %self.execution,
            tool = %self.path,
            arguments_sha256 = %self.arguments_sha256,
            status,
            bytes,
            cause,
            ms = elapsed.as_secs_f64() * 1e3,
            "tool call"
        );
    }
}

impl Drop for AuditLine {
    fn drop(&mut self) {
        if !self.ended {
            self.write("aborted", 0, None);
        }
    }
}
