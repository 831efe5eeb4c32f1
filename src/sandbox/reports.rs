//! Reports as JSON, for records. The types of reports themselves do not say how they are written.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::execution::{
    ExecutionId, File, GuestError, Outcome, Output, PlannedCall, Report, Stages, Usage, Waiting, WaitingCall,
    WaitsFor,
};

#[derive(Serialize, Deserialize)]
struct ReportRecord {
    id: String,
    outcome: String,
    value: Option<Box<RawValue>>,
    value_is_repr: bool,
    stdout: (String, bool),
    stderr: (String, bool),
    error: Option<ErrorRecord>,
    fuel: u64,
    cpu_time: Duration,
    wall_time: Duration,
    memory_bytes_peak: u64,
    tool_calls: u32,
    stages: [Duration; 4],
    waiting: Option<WaitingRecord>,
    state: Option<String>,
    state_is_lost: bool,
    plan: Option<Vec<PlannedRecord>>,
    /// Paths and contents, as Base64.
    #[serde(default)]
    files: Vec<(String, String)>,
    #[serde(default)]
    files_left_out: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct ErrorRecord {
    kind: String,
    message: String,
    line: Option<u32>,
    column: Option<u32>,
    hint: Option<String>,
    traceback: String,
    before_start: bool,
}

#[derive(Serialize, Deserialize)]
struct WaitingRecord {
    epoch: u32,
    expires_at: SystemTime,
    calls: Vec<CallRecord>,
}

#[derive(Serialize, Deserialize)]
struct CallRecord {
    call: u32,
    tool: String,
    arguments: Box<RawValue>,
    is_for_caller: bool,
    line: Option<u32>,
    prompt: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct PlannedRecord {
    tool: String,
    arguments: Box<RawValue>,
    line: Option<u32>,
}

/// Returns a report as JSON.
pub(super) fn encode(report: &Report) -> Vec<u8> {
    let Report { value, value_is_repr, usage, stages, .. } = report;
    let record = ReportRecord {
        id: report.id.to_string(),
        outcome: report.outcome.name().into(),
        value: value.clone(),
        value_is_repr: *value_is_repr,
        stdout: (report.stdout.text.clone(), report.stdout.truncated),
        stderr: (report.stderr.text.clone(), report.stderr.truncated),
        error: report.error.clone().map(|error| ErrorRecord {
            kind: error.kind,
            message: error.message,
            line: error.line,
            column: error.column,
            hint: error.hint,
            traceback: error.traceback,
            before_start: error.before_start,
        }),
        fuel: usage.fuel,
        cpu_time: usage.cpu_time,
        wall_time: usage.wall_time,
        memory_bytes_peak: usage.memory_bytes_peak,
        tool_calls: usage.tool_calls,
        stages: [stages.queue, stages.instantiate, stages.run, stages.teardown],
        waiting: report.waiting.as_ref().map(|waiting| WaitingRecord {
            epoch: waiting.epoch,
            expires_at: waiting.expires_at,
            calls: waiting.calls.iter().cloned().map(CallRecord::from).collect(),
        }),
        state: report.state.map(|state| state.to_string()),
        state_is_lost: report.state_is_lost,
        plan: report.plan.clone().map(|plan| plan.into_iter().map(PlannedRecord::from).collect()),
        files: report.files.iter().map(|file| (file.path.clone(), BASE64.encode(&file.content))).collect(),
        files_left_out: report.files_left_out.clone(),
    };
    serde_json::to_vec(&record).unwrap_or_default()
}

/// Returns the report that [`encode`] made JSON of, or `None` if this is none.
pub(super) fn decode(json: &[u8]) -> Option<Report> {
    let record: ReportRecord = serde_json::from_slice(json).ok()?;
    let id: ExecutionId = record.id.parse().ok()?;
    let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.name() == record.outcome)?;
    let [queue, instantiate, run, teardown] = record.stages;
    let error = record.error.map(|error| GuestError {
        kind: error.kind,
        message: error.message,
        line: error.line,
        column: error.column,
        hint: error.hint,
        traceback: error.traceback,
        before_start: error.before_start,
    });
    let waiting = record.waiting.map(|waiting| Waiting {
        epoch: waiting.epoch,
        expires_at: waiting.expires_at,
        calls: waiting.calls.into_iter().map(WaitingCall::from).collect(),
    });
    let files = record.files.into_iter();
    let files = files.map(|(path, content)| Some(File::new(path, BASE64.decode(content).ok()?)));
    Some(Report {
        files: files.collect::<Option<_>>()?,
        files_left_out: record.files_left_out,
        value: record.value,
        value_is_repr: record.value_is_repr,
        stdout: Output { text: record.stdout.0, truncated: record.stdout.1 },
        stderr: Output { text: record.stderr.0, truncated: record.stderr.1 },
        usage: Usage {
            fuel: record.fuel,
            cpu_time: record.cpu_time,
            wall_time: record.wall_time,
            memory_bytes_peak: record.memory_bytes_peak,
            tool_calls: record.tool_calls,
        },
        stages: Stages { queue, instantiate, run, teardown },
        waiting,
        state: record.state.and_then(|state| state.parse().ok()),
        state_is_lost: record.state_is_lost,
        plan: record.plan.map(|plan| plan.into_iter().map(PlannedCall::from).collect()),
        ..Report::bare(id, outcome, error)
    })
}

impl From<WaitingCall> for CallRecord {
    fn from(call: WaitingCall) -> Self {
        let WaitingCall { call, tool, arguments, waits_for, line, prompt } = call;
        Self { call, tool, arguments, is_for_caller: waits_for == WaitsFor::Caller, line, prompt }
    }
}

impl From<CallRecord> for WaitingCall {
    fn from(record: CallRecord) -> Self {
        let CallRecord { call, tool, arguments, is_for_caller, line, prompt } = record;
        let waits_for = if is_for_caller { WaitsFor::Caller } else { WaitsFor::Approval };
        Self { call, tool, arguments, waits_for, line, prompt }
    }
}

impl From<PlannedCall> for PlannedRecord {
    fn from(PlannedCall { tool, arguments, line }: PlannedCall) -> Self {
        Self { tool, arguments, line }
    }
}

impl From<PlannedRecord> for PlannedCall {
    fn from(PlannedRecord { tool, arguments, line }: PlannedRecord) -> Self {
        Self { tool, arguments, line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_the_same_after_it_was_written_down() {
        let raw = |text: &str| RawValue::from_string(text.into()).unwrap();
        let report = Report {
            value: Some(raw("[1, 2.50]")),
            stdout: Output { text: "a".into(), truncated: true },
            error: Some(GuestError { kind: "E".into(), line: Some(3), ..GuestError::default() }),
            usage: Usage { fuel: 7, cpu_time: Duration::from_nanos(9), ..Usage::default() },
            waiting: Some(Waiting {
                epoch: 2,
                expires_at: SystemTime::now(),
                calls: vec![WaitingCall {
                    call: 4,
                    tool: "a.b".into(),
                    arguments: raw("{}"),
                    waits_for: WaitsFor::Approval,
                    line: None,
                    prompt: Some("?".into()),
                }],
            }),
            files: vec![File::new("a/b", [0, 255])],
            files_left_out: vec!["c".into()],
            plan: Some(vec![PlannedCall { tool: "c.d".into(), arguments: raw("{\"x\": 1}"), line: Some(1) }]),
            ..Report::bare(ExecutionId::random(), Outcome::Waiting, None)
        };
        let again = decode(&encode(&report)).unwrap();
        assert_eq!(format!("{again:?}"), format!("{report:?}"));
        assert!(decode(b"{}").is_none());
    }
}
