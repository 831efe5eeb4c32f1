//! Handles one tool call from the guest's request to the reply: checks the grant, validates the arguments, asks the
//! policy and a person, calls the function within its deadline, and writes the audit line.

use std::error::Error as StdError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::timeout_at;
use tracing::{Span, info, info_span};

use super::arguments::{Effort, TooLarge};
use super::text::NAME_CHARS_MAX;
use super::{
    Decision, Grants, Reply, ReplyShare, ToolCall, ToolError, ToolErrorKind, ToolRequest, approval,
    catalogue, text,
};
use crate::SPANS;
use crate::cancel::EndSignal;
use crate::error;
use crate::execution::{Answer, Event, ExecutionId, Listener, PlannedCall, WaitingCall, WaitsFor};
use crate::limits::{Limits, TIME_MAX};
use crate::metrics::Metrics;

/// The tool name in the log for a call whose message cannot be parsed.
pub(crate) const UNREADABLE: &str = "?";

/// How much the guest sees of why somebody outside denied a call, or why a caller's tool failed.
const REASON_CHARS_MAX: usize = 2000;

/// State shared by all calls of one execution.
pub(crate) struct Caller {
    execution: ExecutionId,
    grants: Grants,
    end: EndSignal,
    time_max: Duration,
    reply_bytes_max: usize,
    plan: Mutex<Plan>,
}

/// The calls that were planned instead of made.
#[derive(Default)]
struct Plan {
    calls: Vec<PlannedCall>,
    bytes: usize,
}

/// A call as the guest sends it. Its texts are untrusted.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    /// `module.tool`.
    pub(crate) path: &'a str,
    /// JSON of an object.
    pub(crate) arguments: &'a str,
    /// The line of the program that makes the call.
    pub(crate) line: Option<u32>,
}

impl Caller {
    /// `end` says that the execution has ended.
    pub(crate) fn new(execution: ExecutionId, limits: &Limits, grants: Grants, end: EndSignal) -> Self {
        let (time_max, reply_bytes_max) = (limits.tool_time, limits.tool_reply_bytes_max);
        Self { execution, grants, end, time_max, reply_bytes_max, plan: Mutex::default() }
    }

    /// Returns the sandbox's tools.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Checks a call before it is made.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if the check needs more than [`Effort::Brief`]. Never with [`Effort::Full`].
    pub(crate) fn begin(&self, given: Given<'_>, effort: &Effort) -> Result<Begun, TooLarge> {
        let Given { path, arguments, line } = given;
        let ready = catch_unwind(AssertUnwindSafe(|| self.check(path, arguments, effort)));
        let ready = ready.unwrap_or_else(|_| Ok(Err(Err(crashed()))))?;
        let mut audit = AuditLine::new(self, path, arguments);
        let ready = match ready {
            Ok(arguments) if self.is_only_planned(path) => {
                audit.is_planned = true;
                Err(self.plan(path, &arguments, line))
            }
            ready => ready,
        };
        Ok(Begun {
            audit,
            path: path.to_owned(),
            line,
            arguments_bytes: arguments.len(),
            ready,
            is_approved: false,
        })
    }

    /// Returns a call that waits, as it was before its execution was written down.
    pub(crate) fn begin_again(&self, number: u32, given: Given<'_>) -> Begun {
        let Given { path, arguments, line } = given;
        let ready = serde_json::from_str(arguments).map_err(|_| Err(crashed()));
        let (mut audit, arguments_bytes) = (AuditLine::new(self, path, arguments), arguments.len());
        audit.told = self.grants.listener.clone().map(|listener| (number, listener));
        Begun { audit, path: path.to_owned(), line, arguments_bytes, ready, is_approved: false }
    }

    /// Records that a call of the caller's tool may have an effect from now on. If that is not possible, the call gets the
    /// error as its reply.
    pub(crate) async fn begin_effect(&self, begun: &mut Begun) {
        let is_effectful = self.grants.find(&begun.path).is_ok_and(|found| !found.tool.read_only);
        if let Some(effects) = self.grants.effects.as_ref().filter(|_| is_effectful)
            && let Err(error) = effects.begin().await
        {
            begun.ready = Err(Err(error));
        }
    }

    fn is_only_planned(&self, path: &str) -> bool {
        self.grants.plan_bytes_max.is_some()
            && self.grants.find(path).is_ok_and(|found| !found.tool.read_only)
    }

    /// Records a call instead of making it, and returns its reply.
    fn plan(&self, path: &str, arguments: &Map<String, Value>, line: Option<u32>) -> Reply {
        let arguments = to_raw_value(arguments).map_err(|_| crashed())?;
        let mut plan = self.planned();
        plan.bytes += path.len() + arguments.get().len();
        if let Some(bytes_max) = self.grants.plan_bytes_max.filter(|bytes_max| plan.bytes > *bytes_max) {
            return Err(ToolError::denied(format!("The plan has more than {bytes_max} bytes")));
        }
        plan.calls.push(PlannedCall { tool: path.to_owned(), arguments, line });
        Ok(RawValue::NULL.to_owned())
    }

    /// Takes the calls that were planned, if effects are only planned.
    pub(crate) fn take_plan(&self) -> Option<Vec<PlannedCall>> {
        self.grants.plan_bytes_max?;
        Some(std::mem::take(&mut self.planned().calls))
    }

    /// Sets the calls that were planned before the execution was written down.
    pub(crate) fn set_plan(&self, calls: impl Iterator<Item = PlannedCall>) {
        let calls: Vec<_> = calls.collect();
        let bytes = calls.iter().map(|call| call.tool.len() + call.arguments.get().len()).sum();
        *self.planned() = Plan { calls, bytes };
    }

    fn planned(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the execution's caller answers call `number`. It begins then.
    pub(crate) fn is_for_caller(&self, number: u32, begun: &mut Begun) -> bool {
        let is = begun.ready.is_ok() && self.grants.find(&begun.path).is_ok_and(|found| found.tool.by_caller);
        if is {
            begun.audit.tell(number, self.grants.listener.as_ref());
        }
        is
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
        let audit = AuditLine::new(self, path, "");
        Begun {
            audit,
            path: String::new(),
            line: None,
            arguments_bytes: 0,
            ready: Err(Err(error)),
            is_approved: false,
        }
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

    /// Makes call `number` of the execution, unless somebody must approve it first. `share` accounts for the bytes of
    /// the reply.
    pub(crate) async fn finish(&self, number: u32, mut begun: Begun, share: Arc<ReplyShare>) -> Made {
        begun.audit.tell(number, self.grants.listener.as_ref());
        let reply = match std::mem::replace(&mut begun.ready, Err(Err(crashed()))) {
            // A panic in the tool fails this call, not the execution.
            Ok(arguments) => {
                let asks = AssertUnwindSafe(self.asks(number, &begun, &arguments)).catch_unwind().await;
                match asks.unwrap_or_else(|_| Err(crashed())) {
                    Ok(true) => return Made::Asks(Begun { ready: Ok(arguments), ..begun }),
                    Ok(false) => {
                        let made = AssertUnwindSafe(self.make(number, &begun.path, arguments, share.clone()));
                        made.catch_unwind().await.unwrap_or_else(|_| Err(crashed()))
                    }
                    Err(error) => Err(error),
                }
            }
            Err(answer) => answer,
        };
        Made::Replied(end(begun.audit, reply, &share))
    }

    /// Ends a call that waited, or returns it because it may be made now.
    pub(crate) fn answer(&self, mut begun: Begun, answer: Answer, share: &ReplyShare) -> Answered {
        let reply = match answer {
            Answer::Approve => {
                begun.is_approved = true;
                return Answered::MayBeMade(begun);
            }
            Answer::Reply(reply) => within(reply, self.reply_bytes_max),
            Answer::Error(why) => Err(ToolError::failed(format!(
                "Tool '{}' failed: {}",
                begun.path,
                text::clean(&why, REASON_CHARS_MAX)
            ))),
            Answer::Deny(why) => Err(denied(&begun.path, &text::clean(&why, REASON_CHARS_MAX))),
        };
        Answered::Replied(end(begun.audit, reply, share))
    }

    /// Returns whether somebody must approve the call first.
    ///
    /// # Errors
    ///
    /// The policy does not allow the call, or nobody could approve it.
    async fn asks(
        &self,
        number: u32,
        begun: &Begun,
        arguments: &Map<String, Value>,
    ) -> Result<bool, ToolError> {
        let path = begun.path.as_str();
        let tool = &self.grants.find(path)?.tool;
        let mut asks = tool.needs_approval();
        if let Some(policy) = &self.grants.policy {
            let (execution, request_id) = (self.execution, self.grants.request_id.as_deref());
            let request = ToolRequest { execution, request_id, number, path, tool, arguments };
            match policy.decide(request).await {
                Decision::Allow => {}
                Decision::Ask => asks = true,
                Decision::Deny(reason) => return Err(denied(path, &reason)),
            }
        }
        let bytes = begun.arguments_bytes;
        if asks && bytes > approval::ARGUMENT_BYTES_MAX {
            let most = approval::ARGUMENT_BYTES_MAX;
            let why = format!(
                "it needs approval, and arguments of {bytes} bytes cannot be approved; limit is {most} bytes"
            );
            return Err(denied(path, &why));
        }
        Ok(asks && !begun.is_approved)
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
        let effects = self.grants.effects.as_ref().filter(|_| !tool.read_only);
        let happens_once = match effects {
            Some(effects) => effects.begin().await?,
            None => false,
        };
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
            happens_once,
            share,
        };
        let reply = timeout_at(deadline.into(), (tool.function)(call)).await.unwrap_or_else(|_| {
            let seconds = time_max.as_secs_f64();
            let message = format!("Tool '{path}' did not answer within {seconds}s");
            Err(if happens_once { ToolError::interrupted(message) } else { ToolError::timeout(message) })
        })?;
        within(reply, reply_bytes_max)
    }
}

/// What became of a call.
pub(crate) enum Made {
    Replied(Reply),
    /// Somebody must approve it first.
    Asks(Begun),
}

/// What became of a call that waited.
pub(crate) enum Answered {
    Replied(Reply),
    MayBeMade(Begun),
}

/// A checked call: its validated arguments, or its reply if it already has one.
pub(crate) struct Begun {
    audit: AuditLine,
    path: String,
    line: Option<u32>,
    arguments_bytes: usize,
    ready: Result<Map<String, Value>, Reply>,
    is_approved: bool,
}

impl Begun {
    /// Says that the call goes on in another instance, which writes its audit line.
    pub(crate) fn leave(&mut self) {
        self.audit.ended = true;
    }

    /// Returns the call as somebody sees it who has to answer it. `None` if it has its reply already.
    pub(crate) fn waiting(&self, number: u32, waits_for: WaitsFor) -> Option<WaitingCall> {
        let arguments = self.ready.as_ref().ok()?;
        Some(WaitingCall {
            call: number,
            tool: self.path.clone(),
            arguments: to_raw_value(arguments).ok()?,
            waits_for,
            line: self.line,
            prompt: (waits_for == WaitsFor::Approval).then(|| approval::prompt(&self.path, arguments)),
        })
    }

    /// The span in which the call of this `number` is made, below the current one.
    pub(crate) fn span(&self, number: u32) -> Span {
        info_span!(target: SPANS, "tool_call", call = number, tool = %self.audit.path)
    }
}

fn crashed() -> ToolError {
    ToolError::failed("Tool crashed")
}

fn denied(path: &str, reason: &str) -> ToolError {
    ToolError::denied(format!("Tool '{path}' was denied: {reason}"))
}

fn end(audit: AuditLine, reply: Reply, share: &ReplyShare) -> Reply {
    let reply = reply.and_then(|reply| share.hold(reply.get().len()).map(|()| reply));
    audit.end(&reply);
    reply
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
    is_planned: bool,
    ended: bool,
    /// The number of the call, and who is told about it, once that has begun.
    told: Option<(u32, Listener)>,
}

impl AuditLine {
    fn new(caller: &Caller, path: &str, arguments: &str) -> Self {
        let grants = &caller.grants;
        let metrics = grants.registry.get(path).map(|_| grants.metrics.clone());
        let path = text::line(path, NAME_CHARS_MAX);
        let arguments_sha256 = base16ct::lower::encode_string(&Sha256::digest(arguments));
        let execution = caller.execution;
        let started = Instant::now();
        Self {
            execution,
            path,
            metrics,
            arguments_sha256,
            started,
            is_planned: false,
            ended: false,
            told: None,
        }
    }

    /// Tells the listener that the call begins, once.
    fn tell(&mut self, number: u32, listener: Option<&Listener>) {
        if let (None, Some(listener)) = (&self.told, listener) {
            listener.send(Event::ToolBegin { call: number, tool: self.path.clone() });
            self.told = Some((number, listener.clone()));
        }
    }

    fn end(mut self, reply: &Reply) {
        self.ended = true;
        let status = match reply {
            Ok(_) if self.is_planned => "planned",
            Ok(_) => "ok",
            Err(error) => match error.kind {
                ToolErrorKind::Failed => "failed",
                ToolErrorKind::Timeout => "timeout",
                ToolErrorKind::Denied => "denied",
                ToolErrorKind::Arguments => "arguments",
                ToolErrorKind::Interrupted => "interrupted",
            },
        };
        let cause = reply.as_ref().err().and_then(StdError::source).map(error::chain);
        self.write(status, reply.as_ref().map_or(0, |reply| reply.get().len()), cause.as_deref());
    }

    fn write(&self, status: &'static str, bytes: usize, cause: Option<&str>) {
        let elapsed = self.started.elapsed();
        if let Some((call, listener)) = &self.told {
            let tool = self.path.clone();
            listener.send(Event::ToolEnd { call: *call, tool, time: elapsed, bytes });
        }
        if let Some(metrics) = &self.metrics {
            let was_made = matches!(status, "ok" | "failed" | "interrupted" | "timeout");
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
