//! One call, from the guest's words to the reply: granted, understood, fitting, allowed, made in time, and on record.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::timeout_at;
use tracing::info;

use super::grants::PATH_CHARS_MAX;
use super::{Decision, Grants, Reply, ToolCall, ToolError, ToolErrorKind, ToolRequest, catalogue, text};
use crate::execution::ExecutionId;
use crate::limits::Limits;

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

    /// Calls the tool `path` with `arguments`, which are JSON of an object. The guest wrote both: they are untrusted.
    pub(crate) async fn call(&self, path: &str, arguments: &str) -> Reply {
        let mut record = Record::new(self.execution, path, arguments);
        // A tool that panics fails its own call, not the execution.
        let reply = AssertUnwindSafe(self.call_unrecorded(path, arguments)).catch_unwind().await;
        let reply = reply.unwrap_or_else(|_| {
            record.crashed = true;
            Err(ToolError::failed("Tool crashed"))
        });
        record.end(&reply);
        reply
    }

    async fn call_unrecorded(&self, path: &str, arguments: &str) -> Reply {
        if let Some(answer) = catalogue::answer(&self.grants, path, arguments) {
            return within(answer?, self.reply_bytes_max);
        }
        // Before the arguments are parsed: without a tool to call, they are not worth their memory.
        let tool = self.grants.find(path)?;
        let mut arguments: Map<String, Value> = serde_json::from_str(arguments)
            .map_err(|error| ToolError::arguments(format!("The arguments cannot be read: {error}")))?;
        tool.arguments.check(path, &tool.signature, &mut arguments)?;
        if let Some(policy) = &self.grants.policy {
            let request =
                ToolRequest { execution: self.execution, path, tool: &tool.tool, arguments: &arguments };
            if let Decision::Deny(reason) = policy.decide(request).await {
                return Err(ToolError::denied(format!("Tool '{path}' was denied: {reason}")));
            }
        }
        let time_max = tool.tool.time_max.map_or(self.time_max, |time| time.min(self.time_max));
        let reply_bytes_max =
            tool.tool.reply_bytes_max.map_or(self.reply_bytes_max, |bytes| bytes.min(self.reply_bytes_max));
        let deadline = Instant::now() + time_max;
        let call = ToolCall { execution: self.execution, arguments, deadline, reply_bytes_max };
        let reply = timeout_at(deadline.into(), (tool.tool.function)(call)).await.unwrap_or_else(|_| {
            let seconds = time_max.as_secs_f64();
            Err(ToolError::timeout(format!("Tool '{path}' did not answer within {seconds}s")))
        })?;
        within(reply, reply_bytes_max)
    }
}

fn within(reply: Box<RawValue>, bytes_max: usize) -> Reply {
    match reply.get().len() {
        bytes if bytes > bytes_max => {
            Err(ToolError::failed(format!("Tool reply is {bytes} bytes; limit is {bytes_max} bytes")))
        }
        _ => Ok(reply),
    }
}

/// The trace of one call in the log: what was called and what came of it, never the arguments or the reply. Dropped
/// without an end, the call was aborted with its execution.
struct Record {
    execution: ExecutionId,
    path: String,
    arguments_sha256: String,
    started: Instant,
    crashed: bool,
    ended: bool,
}

impl Record {
    fn new(execution: ExecutionId, path: &str, arguments: &str) -> Self {
        let path = text::clean(path, PATH_CHARS_MAX);
        let arguments_sha256 = base16ct::lower::encode_string(&Sha256::digest(arguments));
        Self { execution, path, arguments_sha256, started: Instant::now(), crashed: false, ended: false }
    }

    fn end(mut self, reply: &Reply) {
        self.ended = true;
        let status = match reply {
            Ok(_) => "ok",
            Err(_) if self.crashed => "crashed",
            Err(error) => match error.kind {
                ToolErrorKind::Failed => "failed",
                ToolErrorKind::Timeout => "timeout",
                ToolErrorKind::Denied => "denied",
                ToolErrorKind::Arguments => "arguments",
            },
        };
        self.log(status, reply.as_ref().map_or(0, |reply| reply.get().len()));
    }

    fn log(&self, status: &str, bytes: usize) {
        info!(
            execution_id = %self.execution,
            tool = %self.path,
            arguments_sha256 = %self.arguments_sha256,
            status,
            bytes,
            ms = self.started.elapsed().as_secs_f64() * 1e3,
            "tool call"
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.log("aborted", 0);
        }
    }
}
