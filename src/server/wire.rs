//! JSON of requests and answers. Conversions are written by hand, so that the core's types do not know JSON.

mod check;
mod executions;
mod files;
mod names;
mod tools;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::refusal::Code;
use crate::execution::{Execution, Finding, GuestError, KeepState, OnWait, Outcome, Report, Usage};
use crate::hardening::Hardening;
use crate::json;
use crate::limits::Limits;
use crate::sandbox::Sandbox;
pub(super) use check::{CheckRequest, CheckResponse};
pub(super) use executions::rfc3339;
use executions::{CallerToolRequest, PlannedDetail};
pub(super) use executions::{
    ExecutionDetail, ExecutionList, ResumeRequest, StateList, WaitQuery, WaitingDetail,
};
use files::{FileDetail, FileRequest};
use names::{CodeName, OutcomeName, RuleName};
pub(super) use tools::{Detail, ToolList, ToolsQuery, search_limit};

/// Smallest `max_memory_mb`: the memory of the interpreter and some for the program.
const MEMORY_MB_MIN: f64 = 48.0;

/// A request with a body.
pub(super) trait Request: DeserializeOwned + Send + 'static {
    /// Returns about how much memory it takes.
    fn bytes(&self) -> usize;
}

/// A request that contains a program.
pub(super) trait ProgramRequest: Request {
    /// Returns whether the answer shall not wait for the program.
    fn is_async(&self) -> bool {
        false
    }

    /// Converts it to an execution. An `Err` names the invalid field.
    fn into_execution(self, ceilings: &Limits) -> Result<Execution, String>;
}

/// A program, its variables and its limits. A limit above the service's own is lowered to it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecuteRequest {
    /// Python source
    #[schema(example = "sum(rooms.values()) / len(rooms)")]
    code: String,
    /// Variables of the program, as JSON values
    #[schema(value_type = Option<BTreeMap<String, Value>>, example = json!({"rooms": {"hall": 19.5, "bath": 23.0}}))]
    context: Option<BTreeMap<String, Box<RawValue>>>,
    /// Wall-clock time in seconds
    #[schema(exclusive_minimum = 0, example = 5.0)]
    timeout: Option<f64>,
    /// Linear memory in MiB, including the interpreter's
    #[schema(minimum = 48, example = 64)]
    max_memory_mb: Option<f64>,
    /// CPU time in seconds
    #[schema(exclusive_minimum = 0, example = 2.5)]
    max_cpu_seconds: Option<f64>,
    /// Tools that the program may call, as `module` or `module.tool`; all tools if absent
    tools: Option<Vec<String>>,
    /// At most 64 tools that the caller answers itself: the execution waits until their replies are sent to
    /// `/executions/{id}/resume`
    #[serde(default, deserialize_with = "executions::few")]
    #[schema(max_items = 64, required = false)]
    caller_tools: Vec<CallerToolRequest>,
    /// What happens when nothing is left to do but wait for somebody outside
    #[serde(default)]
    #[schema(inline, required = false)]
    on_wait: Option<OnWaitName>,
    /// Answer with 202 at once; the execution goes on
    #[serde(default, rename = "async")]
    #[schema(required = false)]
    pub(super) is_async: bool,
    /// Record the calls of tools that are not read-only instead of making them
    #[serde(default)]
    #[schema(required = false)]
    plan: bool,
    /// `new`, or the handle of a state to begin with; the state after the program is kept
    #[schema(example = "new")]
    state: Option<String>,
    /// Files for the program's file system; together with `context`, they may be as large as that
    #[serde(default)]
    #[schema(max_items = 256, required = false)]
    files: Vec<FileRequest>,
    /// Files to return: patterns of relative paths
    #[serde(default)]
    #[schema(max_items = 256, required = false, example = json!(["out/*.csv"]))]
    return_files: Vec<String>,
}

/// What happens when an execution waits for somebody outside
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnWaitName {
    /// The answer comes at once, with the outcome `waiting`
    Return,
    /// The connection is kept
    Hold,
}

/// Memory that a member of an object or an element of a list takes when it is parsed, without its text.
const MEMBER_BYTES: usize = 160;

/// Returns an upper bound of the memory of a body that is parsed as a [`Request`]. What is nested deeper than `depth`
/// stays text.
pub(super) fn parsed_bytes_max(json: &[u8], depth: usize) -> usize {
    json.len() + json::members(json, depth) * MEMBER_BYTES
}

/// Serialises `value`, which takes at most `bytes_max` bytes.
pub(super) fn to_json(value: &impl Serialize, bytes_max: usize) -> serde_json::Result<Vec<u8>> {
    let mut json = Vec::with_capacity(bytes_max);
    serde_json::to_writer(&mut json, value)?;
    json.shrink_to_fit();
    Ok(json)
}

impl Request for ExecuteRequest {
    fn bytes(&self) -> usize {
        let variables = self.context.iter().flatten();
        let variables = variables.map(|(name, value)| name.len() + value.get().len() + MEMBER_BYTES);
        let tools = self.tools.iter().flatten().map(|name| name.len() + MEMBER_BYTES);
        let caller_tools = self.caller_tools.iter().map(CallerToolRequest::bytes);
        let files = files::bytes(&self.files, &self.return_files);
        let tools = tools.sum::<usize>() + caller_tools.sum::<usize>();
        self.code.len() + variables.sum::<usize>() + tools + files
    }
}

impl ProgramRequest for ExecuteRequest {
    fn is_async(&self) -> bool {
        self.is_async
    }

    fn into_execution(self, ceilings: &Limits) -> Result<Execution, String> {
        let mut limits = *ceilings;
        if let Some(timeout) = self.timeout {
            limits.wall_time = seconds("timeout", timeout)?;
        }
        if let Some(cpu) = self.max_cpu_seconds {
            limits.cpu_time = seconds("max_cpu_seconds", cpu)?;
        }
        if let Some(megabytes) = self.max_memory_mb {
            limits.memory_bytes_max = memory(megabytes)?;
        }
        let context = self.context.unwrap_or_default();
        let caller_tools = executions::caller_tools(self.caller_tools)?;
        let on_wait = match self.on_wait {
            Some(OnWaitName::Hold) if !caller_tools.is_empty() => {
                return Err(
                    "on_wait: `hold` and `caller_tools` exclude each other; leave `on_wait` out".into()
                );
            }
            Some(OnWaitName::Return) => OnWait::Return,
            Some(OnWaitName::Hold) | None => OnWait::Hold,
        };
        let state = self.state.as_deref().map(state).transpose()?;
        let (files, return_files) = (files::files(self.files)?, self.return_files);
        let execution =
            Execution { code: self.code, context, limits, tools: self.tools, ..Execution::default() };
        Ok(Execution { caller_tools, on_wait, plan: self.plan, state, files, return_files, ..execution })
    }
}

/// Converts `new` or a handle.
pub(super) fn state(text: &str) -> Result<KeepState, String> {
    match text {
        "new" => Ok(KeepState::New),
        handle => handle.parse().map(KeepState::After).map_err(|error| format!("state: {error}, or `new`")),
    }
}

/// Converts seconds. A number too large for a duration becomes the longest duration: it is lowered to the ceiling
/// anyway.
pub(super) fn seconds(field: &str, seconds: f64) -> Result<Duration, String> {
    if seconds > 0.0 {
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    } else {
        Err(format!("{field}: {seconds} is not a positive number of seconds"))
    }
}

/// Converts MiB to bytes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts saturate, and a value too large is lowered to the ceiling anyway"
)]
fn memory(megabytes: f64) -> Result<u64, String> {
    if megabytes >= MEMORY_MB_MIN {
        Ok((megabytes * f64::from(1 << 20)) as u64)
    } else {
        Err(format!("max_memory_mb: {megabytes} is below {MEMORY_MB_MIN}, the least possible"))
    }
}

/// How a program ended
#[derive(Serialize, ToSchema)]
pub(super) struct ExecuteResponse {
    /// Whether the program ran to its end
    success: bool,
    /// Text that the program printed
    stdout: String,
    stderr: String,
    /// Return value of the program: any JSON
    #[schema(value_type = Value)]
    return_value: Option<Box<RawValue>>,
    /// Whether the value has no JSON form; `return_value` is then its `repr()`, which may be shortened
    return_value_is_repr: bool,
    /// Seconds of wall-clock time in the sandbox
    execution_time: f64,
    /// Peak linear memory in MiB
    memory_used_mb: f64,
    /// `TypeName: message`, or the limit that was reached
    #[schema(required)]
    error: Option<String>,
    #[schema(required)]
    error_detail: Option<ErrorDetail>,
    #[schema(format = "uuid")]
    execution_id: String,
    #[schema(value_type = OutcomeName)]
    outcome: &'static str,
    /// Those of `stdout` and `stderr` that were cut at the limit; `state` if the state could not be kept; paths of files
    /// that did not fit
    truncated: Vec<Cow<'static, str>>,
    usage: UsageDetail,
    /// Handle of the state after the program, if it was kept
    #[schema(required)]
    state: Option<String>,
    /// What the program waits for; only with the outcome `waiting`
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    waiting: Option<WaitingDetail>,
    /// Calls that were not made; only if `plan` was asked for
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    plan: Option<Vec<PlannedDetail>>,
    /// Files that match `return_files`, and those by which the value shows itself, such as `value.png`
    files: Vec<FileDetail>,
}

/// Upper bound of the JSON of an answer without its texts and value.
const FRAME_BYTES: usize = 1 << 10;

impl ExecuteResponse {
    /// Returns an upper bound of its size as JSON.
    pub(super) fn json_bytes_max(&self) -> usize {
        let detail = self.error_detail.as_ref();
        let details = detail.map(|error| [&error.kind, &error.message, &error.traceback]);
        let texts = [&self.stdout, &self.stderr, &self.execution_id].into_iter();
        let texts = texts.chain(self.truncated.iter().filter_map(|name| match name {
            Cow::Owned(path) => Some(path),
            Cow::Borrowed(_) => None,
        }));
        let texts = texts.chain(&self.error).chain(details.into_iter().flatten());
        let texts = texts.chain(detail.and_then(|error| error.hint.as_ref()));
        let value = self.return_value.as_ref().map_or(0, |value| value.get().len());
        let waiting = self.waiting.as_ref().map_or(0, WaitingDetail::json_bytes_max);
        let files = self.files.iter().map(FileDetail::json_bytes_max).sum::<usize>();
        let planned = self.plan.iter().flatten().map(PlannedDetail::json_bytes_max).sum::<usize>();
        FRAME_BYTES
            + value
            + waiting
            + planned
            + files
            + texts.map(|text| json::written_bytes_max(text)).sum::<usize>()
    }
}

/// Reason why a program did not run to its end
#[derive(Serialize, ToSchema)]
struct ErrorDetail {
    #[serde(rename = "type")]
    kind: String,
    message: String,
    #[schema(required)]
    line: Option<u32>,
    #[schema(required)]
    column: Option<u32>,
    /// How to fix it
    #[schema(required)]
    hint: Option<String>,
    /// Traceback with the program's own frames only
    traceback: String,
}

/// Resources that a program used
#[derive(Serialize, ToSchema)]
struct UsageDetail {
    /// Approximate number of WebAssembly operators
    fuel: u64,
    /// CPU time in seconds
    cpu_time: f64,
    /// Wall-clock time in seconds
    wall_time: f64,
    memory_peak_bytes: u64,
    tool_calls: u32,
}

impl From<Report> for ExecuteResponse {
    fn from(report: Report) -> Self {
        let streams = [
            ("stdout", report.stdout.truncated),
            ("stderr", report.stderr.truncated),
            ("state", report.state_is_lost),
        ];
        let truncated = streams.into_iter().filter(|(_, truncated)| *truncated).map(|(name, _)| name.into());
        Self {
            success: report.outcome == Outcome::Completed,
            return_value: report.value,
            return_value_is_repr: report.value_is_repr,
            execution_time: report.usage.wall_time.as_secs_f64(),
            memory_used_mb: report.usage.memory_mib_peak(),
            error: report.error.as_ref().map(ToString::to_string),
            error_detail: report.error.map(ErrorDetail::from),
            execution_id: report.id.to_string(),
            outcome: report.outcome.name(),
            truncated: truncated.chain(report.files_left_out.into_iter().map(Cow::Owned)).collect(),
            usage: report.usage.into(),
            state: report.state.map(|state| state.to_string()),
            waiting: report.waiting.map(WaitingDetail::from),
            plan: report.plan.map(|plan| plan.into_iter().map(PlannedDetail::from).collect()),
            stdout: report.stdout.text,
            stderr: report.stderr.text,
            files: report.files.into_iter().map(FileDetail::from).collect(),
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

/// Reason why a request was refused
#[derive(Serialize, ToSchema)]
pub(super) struct RefusalBody {
    /// Message of the first finding, or the reason if there are no findings
    detail: String,
    #[schema(value_type = CodeName)]
    code: &'static str,
    /// All reasons why the program cannot be run
    findings: Vec<FindingDetail>,
    /// Of an execution that was answered before: its current answer
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    answer: Option<ExecuteResponse>,
}

impl RefusalBody {
    pub(super) fn new(
        detail: String,
        code: Code,
        findings: Vec<Finding>,
        answer: Option<Box<Report>>,
    ) -> Self {
        let findings = findings.into_iter().map(FindingDetail::from).collect();
        let answer = answer.map(|report| ExecuteResponse::from(*report));
        Self { detail, code: code.name(), findings, answer }
    }
}

/// A reason why a program cannot be run
#[derive(Serialize, ToSchema)]
struct FindingDetail {
    #[schema(value_type = RuleName)]
    code: &'static str,
    message: String,
    /// Line, from 1
    line: u32,
    /// Column in characters, from 1
    column: u32,
    /// How to fix it
    #[schema(required)]
    hint: Option<String>,
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

/// Name and state of the service
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy`, or `degraded` if the service works but only a part of the requested hardening is in force
    #[schema(example = "healthy")]
    status: &'static str,
    #[schema(example = "ai-code-executor")]
    service: &'static str,
    version: &'static str,
    /// Whether programs can be run
    mcp_initialized: bool,
    /// Whether states and executions that wait can be kept; null until programs can be run
    #[schema(required)]
    store: Option<bool>,
    /// `strict` or `open`: what programs are refused; null until programs can be run
    #[schema(required, example = "strict")]
    policy: Option<&'static str>,
    hardening: InForce,
}

/// Restrictions of the service's own process, in case a program escapes from the sandbox
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are independent of each other")]
struct InForce {
    /// Programs that it starts cannot gain privileges
    no_new_privileges: bool,
    /// No core dumps; other processes cannot read its memory
    no_dumps: bool,
    /// Landlock: access to the files that it needs only
    filesystem: bool,
    /// Landlock: TCP connections to the ports of tools only
    network: bool,
    /// Landlock: no signals and no abstract Unix sockets to other processes
    scopes: bool,
    /// System calls from an allow-list only
    seccomp: bool,
}

impl Health {
    pub(super) fn new(sandbox: Option<&Sandbox>, hardening: Hardening) -> Self {
        let (mcp_initialized, store) = (sandbox.is_some(), sandbox.map(Sandbox::has_store));
        let policy = sandbox.map(|sandbox| sandbox.policy_kind().name());
        let (service, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        // No restriction is in force: hardening was not requested.
        let is_as_asked = hardening.is_whole() || hardening == Hardening::default();
        let status = if is_as_asked { "healthy" } else { "degraded" };
        Self { status, service, version, mcp_initialized, store, policy, hardening: hardening.into() }
    }
}

impl From<Hardening> for InForce {
    fn from(hardening: Hardening) -> Self {
        let Hardening { no_new_privileges, no_dumps, filesystem, network, scopes, seccomp } = hardening;
        Self { no_new_privileges, no_dumps, filesystem, network, scopes, seccomp }
    }
}

/// Programs can be run
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    #[schema(example = "ready")]
    status: &'static str,
}

impl Ready {
    pub(super) fn new() -> Self {
        Self { status: "ready" }
    }
}
