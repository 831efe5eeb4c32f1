//! One call, from the guest's words to the reply: granted, understood, fitting, allowed, made in time, and on record.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::timeout_at;
use tracing::info;

use super::arguments::{Effort, TooLarge};
use super::text::NAME_CHARS_MAX;
use super::{
    Decision, Grants, Reply, ReplyShare, ToolCall, ToolError, ToolErrorKind, ToolRequest, catalogue, text,
};
use crate::execution::ExecutionId;
use crate::limits::{Limits, TIME_MAX};
use crate::metrics::Metrics;

/// What a call is on record as whose message does not say which tool it wants.
pub(crate) const UNREADABLE: &str = "?";

/// What all calls of an execution share.
pub(crate) struct Caller {
    execution: ExecutionId,
    grants: Grants,
    time_max: Duration,
    reply_bytes_max: usize,
}

impl Caller {
    pub(crate) fn new(execution: ExecutionId, limits: &Limits, grants: Grants) -> Self {
        Self { execution, grants, time_max: limits.tool_time, reply_bytes_max: limits.tool_reply_bytes_max }
    }

    /// What can be said of a call of the tool `path` with `arguments`, JSON of an object, before it is made. The guest
    /// wrote both: they are untrusted.
    ///
    /// # Errors
    ///
    /// It takes more than a brief effort. (Full effort always does.)
    pub(crate) fn begin(&self, path: &str, arguments: &str, effort: &Effort) -> Result<Begun, TooLarge> {
        let ready = catch_unwind(AssertUnwindSafe(|| self.check(path, arguments, effort)));
        let ready = ready.unwrap_or_else(|_| Ok(Err(Err(crashed()))))?;
        let record = Record::new(self, path, arguments);
        Ok(Begun { record, path: path.to_owned(), ready })
    }

    /// A call whose arguments nobody could look at.
    pub(crate) fn not_begun(&self, path: &str) -> Begun {
        self.answered(path, crashed())
    }

    /// A call of the tool `path` whose arguments did not even become JSON of the tool's, and why.
    pub(crate) fn refuse(&self, path: &str, why: &str) -> Begun {
        self.answered(path, self.grants.find(path).err().unwrap_or_else(|| ToolError::arguments(why)))
    }

    /// A call that cannot be read.
    pub(crate) fn unreadable(&self, why: &str) -> Begun {
        self.answered(UNREADABLE, ToolError::arguments(format!("The call cannot be read: {why}")))
    }

    fn answered(&self, path: &str, error: ToolError) -> Begun {
        Begun { record: Record::new(self, path, ""), path: String::new(), ready: Err(Err(error)) }
    }

    /// What is said of a call for which there is no budget; `on_record`: in the log too.
    pub(crate) fn deny(&self, path: &str, why: &str, on_record: bool) -> ToolError {
        let error =
            ToolError::denied(format!("'{}' was not called: {why}", text::line(path, NAME_CHARS_MAX)));
        if on_record {
            Record::new(self, path, "").end(&Err(error.clone()));
        }
        error
    }

    /// The arguments, complete and fitting; or the answer, if there is one already.
    fn check(
        &self,
        path: &str,
        arguments: &str,
        effort: &Effort,
    ) -> Result<Result<Map<String, Value>, Reply>, TooLarge> {
        if let Some(answer) = catalogue::answer(&self.grants, path, arguments) {
            return Ok(Err(answer.and_then(|answer| within(answer, self.reply_bytes_max))));
        }
        // Before the arguments are parsed: without a tool to call, they are not worth their memory.
        match self.grants.find(path) {
            Ok(tool) => Ok(tool.arguments.read(path, &tool.signature, arguments, effort)?.map_err(Err)),
            Err(error) => Ok(Err(Err(error))),
        }
    }

    /// Makes the call; `share` holds its reply.
    pub(crate) async fn finish(&self, begun: Begun, share: Arc<ReplyShare>) -> Reply {
        let Begun { record, path, ready } = begun;
        let reply = match ready {
            // A tool that panics fails its own call, not the execution.
            Ok(arguments) => {
                let made = AssertUnwindSafe(self.make(&path, arguments, share.clone())).catch_unwind().await;
                made.unwrap_or_else(|_| Err(crashed()))
            }
            Err(answer) => answer,
        };
        let reply = reply.and_then(|reply| share.hold(reply.get().len()).map(|()| reply));
        record.end(&reply);
        reply
    }

    async fn make(&self, path: &str, arguments: Map<String, Value>, share: Arc<ReplyShare>) -> Reply {
        let tool = &self.grants.find(path)?.tool;
        let execution = self.execution;
        if let Some(policy) = &self.grants.policy {
            let request = ToolRequest { execution, path, tool, arguments: &arguments };
            if let Decision::Deny(reason) = policy.decide(request).await {
                return Err(ToolError::denied(format!("Tool '{path}' was denied: {reason}")));
            }
        }
        let time_max = tool.time_max.map_or(self.time_max, |time| time.min(self.time_max));
        let reply_bytes_max =
            tool.reply_bytes_max.map_or(self.reply_bytes_max, |bytes| bytes.min(self.reply_bytes_max));
        let deadline = Instant::now() + time_max.min(TIME_MAX);
        let call = ToolCall { execution, arguments, deadline, reply_bytes_max, share };
        let reply = timeout_at(deadline.into(), (tool.function)(call)).await.unwrap_or_else(|_| {
            let seconds = time_max.as_secs_f64();
            Err(ToolError::timeout(format!("Tool '{path}' did not answer within {seconds}s")))
        })?;
        within(reply, reply_bytes_max)
    }
}

/// A call that is granted and understood, or has its answer.
pub(crate) struct Begun {
    record: Record,
    path: String,
    ready: Result<Map<String, Value>, Reply>,
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

/// The trace of one call in the log and the metrics: what was called and what came of it, never the arguments or the reply.
/// Dropped without an end, the call was aborted with its execution.
struct Record {
    execution: ExecutionId,
    path: String,
    /// For tools that are registered: programs make up names.
    metrics: Option<Metrics>,
    arguments_sha256: String,
    started: Instant,
    ended: bool,
}

impl Record {
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
        self.write(status, reply.as_ref().map_or(0, |reply| reply.get().len()));
    }

    fn write(&self, status: &'static str, bytes: usize) {
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
            ms = elapsed.as_secs_f64() * 1e3,
            "tool call"
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.write("aborted", 0);
        }
    }
}
