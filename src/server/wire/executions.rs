//! JSON of executions that wait, of their answers, and of states.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{ExecuteResponse, MEMBER_BYTES, Request};
use crate::execution::{Answer, CallerTool, PlannedCall, Waiting, WaitingCall, WaitsFor};
use crate::json;
use crate::sandbox::{ExecutionInfo, ExecutionStatus, StateInfo, WaitingApproval};

const TOOLS_MAX: usize = 64;

/// For the schemas of all tools of a request together, before they are parsed.
const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// Longest time that a request for an execution may wait, in seconds.
const WAIT_SECONDS_MAX: f64 = 60.0;

/// A tool that the caller answers itself
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct CallerToolRequest {
    /// `module.function`, as programs call it
    #[schema(example = "agenda.get_events", pattern = "^[A-Za-z][A-Za-z0-9_]*\\.[A-Za-z][A-Za-z0-9_]*$")]
    name: String,
    /// Becomes the docstring of the function
    #[serde(default)]
    #[schema(required = false)]
    description: String,
    /// JSON Schema of the arguments: an object schema
    #[schema(value_type = Object)]
    input_schema: Box<RawValue>,
    /// JSON Schema of the reply
    #[schema(value_type = Option<Value>)]
    output_schema: Option<Box<RawValue>>,
    /// The tool changes nothing
    #[serde(default)]
    #[schema(required = false)]
    read_only: bool,
}

impl CallerToolRequest {
    pub(super) fn bytes(&self) -> usize {
        MEMBER_BYTES + self.name.len() + self.description.len() + self.schema_bytes()
    }

    fn schema_bytes(&self) -> usize {
        let output = self.output_schema.as_ref().map_or(0, |schema| schema.get().len());
        self.input_schema.get().len() + output
    }
}

/// Converts the caller's tools. An `Err` names the field.
pub(super) fn caller_tools(tools: Vec<CallerToolRequest>) -> Result<Vec<CallerTool>, String> {
    let bytes = tools.iter().map(CallerToolRequest::schema_bytes).sum::<usize>();
    if bytes > SCHEMA_BYTES_MAX {
        return Err(format!(
            "caller_tools: the schemas have {bytes} bytes; limit is {SCHEMA_BYTES_MAX} bytes"
        ));
    }
    let schema = |name: &str, raw: &RawValue| {
        serde_json::from_str::<Value>(raw.get())
            .map_err(|error| format!("caller_tools: schema of '{name}': {error}"))
    };
    let tool = |tool: CallerToolRequest| {
        let output_schema = tool.output_schema.map(|raw| schema(&tool.name, &raw)).transpose()?;
        let input_schema = schema(&tool.name, &tool.input_schema)?;
        let CallerToolRequest { name, description, read_only, .. } = tool;
        let tool = CallerTool::new(name).describe(description).parameters(input_schema);
        Ok(CallerTool { output_schema, read_only, ..tool })
    };
    tools.into_iter().map(tool).collect()
}

/// Answers to calls that wait
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::server) struct ResumeRequest {
    /// The epoch that the calls wait in
    #[schema(example = 1)]
    pub(in crate::server) epoch: u32,
    /// By number of the call, at least one; those that are left out go on waiting
    calls: BTreeMap<u32, AnswerRequest>,
}

/// The answer to one call: one of its fields
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnswerRequest {
    /// Reply of the caller's tool: any JSON
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Value>)]
    reply: Option<Box<RawValue>>,
    /// The caller's tool failed, and why
    error: Option<String>,
    /// `true`: the call may be made
    approve: Option<bool>,
    /// The call may not be made, and why
    deny: Option<String>,
}

/// Reads the caller's tools and stops at the first that is too many: they take more memory than their text.
pub(super) fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<CallerToolRequest>, D::Error> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Vec<CallerToolRequest>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {TOOLS_MAX} tools")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut tools = Vec::new();
            while let Some(tool) = items.next_element()? {
                if tools.len() == TOOLS_MAX {
                    return Err(A::Error::invalid_length(TOOLS_MAX + 1, &self));
                }
                tools.push(tool);
            }
            Ok(tools)
        }
    }
    deserializer.deserialize_seq(Few)
}

/// Reads a field that is there, even if it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl Request for ResumeRequest {
    fn bytes(&self) -> usize {
        let answer = |answer: &AnswerRequest| {
            let texts = answer.error.iter().chain(&answer.deny).map(String::len).sum::<usize>();
            MEMBER_BYTES + texts + answer.reply.as_ref().map_or(0, |reply| reply.get().len())
        };
        self.calls.values().map(answer).sum()
    }
}

impl ResumeRequest {
    /// Converts it to answers. An `Err` names the call.
    pub(in crate::server) fn answers(self) -> Result<Vec<(u32, Answer)>, String> {
        if self.calls.is_empty() {
            return Err("calls: answer at least one call".into());
        }
        let answer = |(call, answer): (u32, AnswerRequest)| {
            let answer = match answer {
                AnswerRequest { reply: Some(reply), error: None, approve: None, deny: None } => {
                    Answer::Reply(reply)
                }
                AnswerRequest { reply: None, error: Some(why), approve: None, deny: None } => {
                    Answer::Error(why)
                }
                AnswerRequest { reply: None, error: None, approve: Some(true), deny: None } => {
                    Answer::Approve
                }
                AnswerRequest { reply: None, error: None, approve: None, deny: Some(why) } => {
                    Answer::Deny(why)
                }
                AnswerRequest { approve: Some(false), .. } => {
                    return Err(format!(
                        "calls.{call}.approve: is `true`; to refuse the call, give a reason as `deny`"
                    ));
                }
                _ => return Err(format!("calls.{call}: has one of `reply`, `error`, `approve` and `deny`")),
            };
            Ok((call, answer))
        };
        self.calls.into_iter().map(answer).collect()
    }
}

/// Query parameters of `/executions/{id}`.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::server) struct WaitQuery {
    /// Seconds to wait until the execution has left the epoch or has ended
    #[serde(default)]
    #[param(required = false, minimum = 0, maximum = 60)]
    wait: f64,
    /// The epoch that is known already
    #[serde(default)]
    #[param(required = false)]
    pub(in crate::server) epoch: u32,
}

impl WaitQuery {
    pub(in crate::server) fn time(&self) -> Result<Duration, String> {
        match Duration::try_from_secs_f64(self.wait) {
            Ok(time) if self.wait <= WAIT_SECONDS_MAX => Ok(time),
            _ => Err(format!("wait: {} is not in 0..={WAIT_SECONDS_MAX} seconds", self.wait)),
        }
    }
}

/// What an execution waits for
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct WaitingDetail {
    /// Counts how often the execution has waited; answers name it
    epoch: u32,
    /// When the execution is cancelled if nobody answers (RFC 3339)
    #[schema(format = "date-time")]
    expires_at: String,
    /// All calls that wait
    calls: Vec<CallDetail>,
}

/// A call that waits
#[derive(Serialize, ToSchema)]
struct CallDetail {
    call: u32,
    #[schema(example = "lock.unlock")]
    tool: String,
    /// Arguments by name
    #[schema(value_type = Object)]
    arguments: Box<RawValue>,
    /// Who answers: the `caller`, whose tool it is, or somebody who may give `approval`
    #[serde(rename = "for")]
    #[schema(value_type = String)]
    waits_for: &'static str,
    /// Line of the program, from 1
    #[schema(required)]
    line: Option<u32>,
    /// Text that asks a person for approval
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    prompt: Option<String>,
}

/// A call that was only planned
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct PlannedDetail {
    tool: String,
    #[schema(value_type = Object)]
    arguments: Box<RawValue>,
    /// Line of the program, from 1
    #[schema(required)]
    line: Option<u32>,
}

impl WaitingDetail {
    pub(super) fn json_bytes_max(&self) -> usize {
        let call = |call: &CallDetail| {
            let texts = json::written_bytes_max(&call.tool)
                + call.prompt.as_deref().map_or(0, json::written_bytes_max);
            MEMBER_BYTES + call.arguments.get().len() + texts
        };
        MEMBER_BYTES + self.calls.iter().map(call).sum::<usize>()
    }
}

impl PlannedDetail {
    pub(super) fn json_bytes_max(&self) -> usize {
        MEMBER_BYTES + self.arguments.get().len() + json::written_bytes_max(&self.tool)
    }
}

impl From<Waiting> for WaitingDetail {
    fn from(waiting: Waiting) -> Self {
        let calls = waiting.calls.into_iter().map(CallDetail::from).collect();
        Self { epoch: waiting.epoch, expires_at: rfc3339(waiting.expires_at), calls }
    }
}

impl From<WaitingCall> for CallDetail {
    fn from(call: WaitingCall) -> Self {
        let WaitingCall { call, tool, arguments, waits_for, line, prompt } = call;
        Self { call, tool, arguments, waits_for: WaitsFor::name(waits_for), line, prompt }
    }
}

impl From<PlannedCall> for PlannedDetail {
    fn from(PlannedCall { tool, arguments, line }: PlannedCall) -> Self {
        Self { tool, arguments, line }
    }
}

/// Returns a time in UTC by RFC 3339, in whole seconds.
pub(in crate::server) fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let timestamp = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.unwrap_or(Timestamp::MAX).to_string()
}

/// How far an execution is
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct ExecutionDetail {
    #[schema(format = "uuid")]
    execution_id: String,
    /// `queued`, `running`, `waiting` or `ended`
    status: &'static str,
    /// Its latest answer, if it waits or has ended
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    answer: Option<ExecuteResponse>,
}

impl ExecutionDetail {
    /// Returns the detail without an answer, for those who may not see it.
    pub(in crate::server) fn bare(id: String, status: &'static str) -> Self {
        Self { execution_id: id, status, answer: None }
    }

    pub(in crate::server) fn new(id: String, status: ExecutionStatus) -> Self {
        let name = status.name();
        Self { execution_id: id, status: name, answer: status.into_report().map(ExecuteResponse::from) }
    }

    pub(in crate::server) fn json_bytes_max(&self) -> usize {
        MEMBER_BYTES + self.answer.as_ref().map_or(0, ExecuteResponse::json_bytes_max)
    }
}

/// Executions that wait or run without a connection, and those that ended lately
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct ExecutionList {
    executions: Vec<ExecutionDetail>,
    /// Calls that wait for approval; only for tokens that may approve
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    approvals: Option<Vec<ApprovalDetail>>,
}

/// A call that waits for approval
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct ApprovalDetail {
    #[schema(format = "uuid")]
    execution_id: String,
    epoch: u32,
    /// Who runs the program
    caller: &'static str,
    #[serde(flatten)]
    call: CallDetail,
}

impl ExecutionList {
    pub(in crate::server) fn new(
        executions: Vec<ExecutionInfo>,
        approvals: Option<Vec<WaitingApproval>>,
    ) -> Self {
        let executions = executions
            .into_iter()
            .map(|info| ExecutionDetail::bare(info.id.to_string(), info.status))
            .collect();
        let detail = |approval: WaitingApproval| ApprovalDetail {
            execution_id: approval.execution.to_string(),
            epoch: approval.epoch,
            caller: "default",
            call: approval.call.into(),
        };
        Self { executions, approvals: approvals.map(|all| all.into_iter().map(detail).collect()) }
    }
}

/// States that were kept
#[derive(Serialize, ToSchema)]
pub(in crate::server) struct StateList {
    states: Vec<StateDetail>,
}

/// A state
#[derive(Serialize, ToSchema)]
struct StateDetail {
    #[schema(example = "st_00112233445566778899aabbccddeeff")]
    handle: String,
    /// State that the program began with
    #[schema(required)]
    parent: Option<String>,
    #[schema(format = "date-time")]
    created: String,
    /// Size in the store
    bytes: u64,
    /// When it is forgotten, unless it is used before
    #[schema(format = "date-time")]
    expires: String,
}

impl StateList {
    pub(in crate::server) fn new(states: Vec<StateInfo>) -> Self {
        let detail = |state: StateInfo| StateDetail {
            handle: state.handle.to_string(),
            parent: state.parent.map(|parent| parent.to_string()),
            created: rfc3339(state.created_at),
            bytes: state.bytes,
            expires: rfc3339(state.expires_at),
        };
        Self { states: states.into_iter().map(detail).collect() }
    }
}
