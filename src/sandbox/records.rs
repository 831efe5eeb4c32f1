//! What is written down of an execution, and what is read from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Shared, reports};
use crate::error::Error;
use crate::execution::{CallerTool, Execution, ExecutionId, File, KeepState, OnWait, Report};
use crate::framing;
use crate::instance::Pauses;
use crate::limits::Limits;
use crate::tools::{CallerTools, Grants};

/// The beginning of the names of executions' records.
pub(super) const PREFIX: &str = "execution/";

pub(super) fn name_of(id: ExecutionId) -> String {
    format!("{PREFIX}{id}")
}

/// The beginning of the names of memories of executions that wait.
pub(super) const MEMORIES: &str = "memory/";

/// Returns the name of the memory of an execution that was written down for the `parks`th time, and that began as the
/// image with this id. It is apart from the record, because most readers of the record do not need it.
pub(super) fn name_of_memory(id: ExecutionId, parks: u32, image: &str) -> String {
    format!("{MEMORIES}{id}/{parks}/{image}")
}

/// A memory in the store.
pub(super) struct Memory {
    pub(super) id: ExecutionId,
    pub(super) parks: u32,
    pub(super) image: Arc<str>,
}

impl Memory {
    /// Returns the memory of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let mut fields = name.strip_prefix(MEMORIES)?.splitn(3, '/');
        let (id, parks, image) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self { id: id.parse().ok()?, parks: parks.parse().ok()?, image: image.into() })
    }
}

/// Returns the id of the image that is in this name, if it is a memory's.
pub(super) fn image_of(name: &str) -> Option<&str> {
    name.strip_prefix(MEMORIES)?.splitn(3, '/').nth(2)
}

pub(super) fn name_of_effects(id: ExecutionId) -> String {
    format!("effects/{id}")
}

/// What stays the same for the whole life of an execution.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) id: ExecutionId,
    pub(super) limits: Limits,
    pub(super) grants: Grants,
    pub(super) pauses: Pauses,
    pub(super) state: Option<KeepState>,
    /// Nobody waits for it.
    pub(super) is_detached: bool,
    pub(super) begun: Instant,
    pub(super) code_sha256: Option<String>,
    pub(super) code_bytes: usize,
}

impl Facts {
    pub(super) fn new(id: ExecutionId, execution: &Execution, grants: Grants, pauses: Pauses) -> Self {
        Self {
            id,
            limits: execution.limits,
            grants,
            pauses,
            state: execution.state,
            is_detached: false,
            begun: Instant::now(),
            code_sha256: None,
            code_bytes: 0,
        }
    }

    /// Returns an execution with these facts, without a program.
    pub(super) fn execution(&self) -> Execution {
        let Grants { of_caller, only, request_id, plan_bytes_max, .. } = &self.grants;
        Execution {
            limits: self.limits,
            tools: only.as_deref().map(<[String]>::to_vec),
            request_id: request_id.as_deref().map(str::to_owned),
            caller_tools: of_caller.iter().flat_map(|tools| tools.given()).cloned().collect(),
            on_wait: OnWait::Return,
            plan: plan_bytes_max.is_some(),
            state: self.state,
            ..Execution::default()
        }
    }

    /// Returns whether it gives its stack back when it waits.
    pub(super) fn can_park(&self) -> bool {
        self.pauses != Pauses::Never
    }

    /// Returns when it began, if its wall clock runs on while it waits.
    pub(super) fn began(&self) -> Option<Instant> {
        (self.pauses != Pauses::WhenIdle { naps: true }).then_some(self.begun)
    }

    /// Returns what is left of its wall-clock time, if that runs on while it waits.
    pub(super) fn wall_time_left(&self) -> Option<Duration> {
        self.began().map(|began| self.limits.wall_time.saturating_sub(began.elapsed()))
    }
}

#[derive(Serialize, Deserialize)]
struct FactsRecord {
    limits: LimitsRecord,
    only: Option<Vec<String>>,
    caller_tools: Vec<CallerToolRecord>,
    request_id: Option<String>,
    plan: bool,
    /// `Some("")` for a state that began in a fresh interpreter.
    state: Option<String>,
    is_detached: bool,
    code_sha256: Option<String>,
    code_bytes: usize,
}

#[derive(Serialize, Deserialize)]
struct LimitsRecord {
    wall_time: Duration,
    cpu_time: Duration,
    memory_bytes_max: u64,
    output_bytes_max: usize,
    result_bytes_max: usize,
    tool_time: Duration,
    tool_calls_max: u32,
    tool_calls_in_flight_max: usize,
    tool_reply_bytes_max: usize,
}

#[derive(Clone, Serialize, Deserialize)]
struct CallerToolRecord {
    name: String,
    description: String,
    input_schema: Value,
    output_schema: Option<Value>,
    read_only: bool,
}

#[derive(Serialize, Deserialize)]
enum Head {
    /// It has not begun, or has not waited yet. The program is there.
    Begins {
        facts: FactsRecord,
        code: String,
        context: BTreeMap<String, Box<RawValue>>,
        /// Paths of files and their sizes in bytes. Their contents are one after the other where others have their report.
        files: Vec<(String, usize)>,
        return_files: Vec<String>,
    },
    Waits {
        facts: FactsRecord,
        epoch: u32,
        parks: u32,
        expires_at: SystemTime,
        /// Digests of the definitions of the tools whose calls wait.
        definitions: BTreeMap<String, String>,
    },
    Ended,
}

/// A record of an execution that waits.
pub(super) struct Waiting<'a> {
    pub(super) facts: &'a Facts,
    pub(super) epoch: u32,
    pub(super) parks: u32,
    pub(super) expires_at: SystemTime,
    /// As JSON.
    pub(super) report: &'a [u8],
}

impl Waiting<'_> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { facts, epoch, parks, expires_at, report } = *self;
        let definitions = facts.definitions();
        let head = Head::Waits { facts: facts.record(), epoch, parks, expires_at, definitions };
        framing::join(&head, &[report])
    }
}

/// Returns the record of an execution that nobody waits for and that has not waited yet.
pub(super) fn begins(facts: &Facts, code: &str, execution: &Execution) -> Vec<u8> {
    let head = Head::Begins {
        facts: facts.record(),
        code: code.to_owned(),
        context: execution.context.clone(),
        files: execution.files.iter().map(|file| (file.path.clone(), file.content.len())).collect(),
        return_files: execution.return_files.clone(),
    };
    let contents: Vec<_> = execution.files.iter().map(|file| file.content.as_slice()).collect();
    framing::join(&head, &[&contents.concat()])
}

/// Returns the record of an execution that has ended. `report` is JSON.
pub(super) fn ended(report: &[u8]) -> Vec<u8> {
    framing::join(&Head::Ended, &[report])
}

/// A record that was read.
pub(super) struct Opened {
    head: Head,
    report: Vec<u8>,
}

/// What a record is about.
pub(super) enum Kind {
    /// The program has to be run from its beginning.
    Begins {
        facts: Facts,
        /// Without what is in the facts.
        execution: Box<Execution>,
    },
    Waits {
        facts: Facts,
        epoch: u32,
        parks: u32,
        expires_at: SystemTime,
        definitions: BTreeMap<String, String>,
    },
    Ended,
}

impl Opened {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let (head, [report]) = framing::split(bytes).ok_or(Error::StateDamaged)?;
        Ok(Self { head, report: report.to_vec() })
    }

    /// Returns its report.
    pub(super) fn report(&self) -> Result<Report, Error> {
        reports::decode(&self.report).ok_or(Error::StateDamaged)
    }

    /// Returns the tools that the execution's caller answers itself.
    pub(super) fn caller_tools(self) -> Result<Option<Arc<CallerTools>>, Error> {
        match self.head {
            Head::Begins { facts, .. } | Head::Waits { facts, .. } => facts.of_caller(),
            Head::Ended => Ok(None),
        }
    }

    /// Returns for the how many-eth time it was written down, if it waits.
    pub(super) fn parks(&self) -> Option<u32> {
        match self.head {
            Head::Waits { parks, .. } => Some(parks),
            Head::Begins { .. } | Head::Ended => None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.head, Head::Ended)
    }

    /// Returns what it is about, for the execution of this id in this sandbox.
    pub(super) fn kind(self, id: ExecutionId, shared: &Shared) -> Result<Kind, Error> {
        Ok(match self.head {
            Head::Begins { facts, code, context, files, return_files } => {
                let files = split(&self.report, files).ok_or(Error::StateDamaged)?;
                let execution = Execution { code, context, files, return_files, ..Execution::default() };
                Kind::Begins { facts: facts.facts(id, shared)?, execution: Box::new(execution) }
            }
            Head::Waits { facts, epoch, parks, expires_at, definitions } => {
                Kind::Waits { facts: facts.facts(id, shared)?, epoch, parks, expires_at, definitions }
            }
            Head::Ended => Kind::Ended,
        })
    }
}

impl Facts {
    /// Returns digests of the definitions of the tools whose calls wait for somebody outside.
    pub(super) fn definitions(&self) -> BTreeMap<String, String> {
        let waiting = self.grants.outside.waiting().into_iter();
        waiting
            .filter_map(|call| self.grants.definition(&call.tool).map(|digest| (call.tool, digest)))
            .collect()
    }

    fn record(&self) -> FactsRecord {
        let Grants { of_caller, only, request_id, plan_bytes_max, .. } = &self.grants;
        let caller_tools = of_caller.iter().flat_map(|tools| tools.given()).cloned();
        let state = self.state.map(|state| match state {
            KeepState::New => String::new(),
            KeepState::After(handle) => handle.to_string(),
        });
        FactsRecord {
            limits: self.limits.into(),
            only: only.as_deref().map(<[String]>::to_vec),
            caller_tools: caller_tools.map(CallerToolRecord::from).collect(),
            request_id: request_id.as_deref().map(str::to_owned),
            plan: plan_bytes_max.is_some(),
            state,
            is_detached: self.is_detached,
            code_sha256: self.code_sha256.clone(),
            code_bytes: self.code_bytes,
        }
    }
}

impl FactsRecord {
    fn of_caller(&self) -> Result<Option<Arc<CallerTools>>, Error> {
        CallerTools::of_begun(self.caller_tools.iter().cloned().map(CallerTool::from).collect())
    }

    fn facts(self, id: ExecutionId, shared: &Shared) -> Result<Facts, Error> {
        let (edition, of_caller) = (shared.edition(), self.of_caller()?);
        let state = match self.state.as_deref() {
            None => None,
            Some("") => Some(KeepState::New),
            Some(handle) => Some(KeepState::After(handle.parse().map_err(|_| Error::StateDamaged)?)),
        };
        let mut execution = Execution {
            limits: self.limits.into(),
            tools: self.only,
            request_id: self.request_id,
            plan: self.plan,
            state,
            // Nobody holds a connection for it any more.
            on_wait: OnWait::Return,
            ..Execution::default()
        };
        let grants = shared.grants(&edition, &mut execution, of_caller, Arc::default());
        let facts = Facts::new(id, &execution, grants, edition.pauses_for(&execution));
        let Self { is_detached, code_sha256, code_bytes, .. } = self;
        Ok(Facts { is_detached, code_sha256, code_bytes, ..facts })
    }
}

impl From<Limits> for LimitsRecord {
    fn from(limits: Limits) -> Self {
        Self {
            wall_time: limits.wall_time,
            cpu_time: limits.cpu_time,
            memory_bytes_max: limits.memory_bytes_max,
            output_bytes_max: limits.output_bytes_max,
            result_bytes_max: limits.result_bytes_max,
            tool_time: limits.tool_time,
            tool_calls_max: limits.tool_calls_max,
            tool_calls_in_flight_max: limits.tool_calls_in_flight_max,
            tool_reply_bytes_max: limits.tool_reply_bytes_max,
        }
    }
}

impl From<LimitsRecord> for Limits {
    fn from(record: LimitsRecord) -> Self {
        Self {
            wall_time: record.wall_time,
            cpu_time: record.cpu_time,
            memory_bytes_max: record.memory_bytes_max,
            output_bytes_max: record.output_bytes_max,
            result_bytes_max: record.result_bytes_max,
            tool_time: record.tool_time,
            tool_calls_max: record.tool_calls_max,
            tool_calls_in_flight_max: record.tool_calls_in_flight_max,
            tool_reply_bytes_max: record.tool_reply_bytes_max,
        }
    }
}

impl From<CallerTool> for CallerToolRecord {
    fn from(tool: CallerTool) -> Self {
        let CallerTool { name, description, input_schema, output_schema, read_only } = tool;
        Self { name, description, input_schema, output_schema, read_only }
    }
}

impl From<CallerToolRecord> for CallerTool {
    fn from(record: CallerToolRecord) -> Self {
        let CallerToolRecord { name, description, input_schema, output_schema, read_only } = record;
        Self { name, description, input_schema, output_schema, read_only }
    }
}

/// Returns files whose contents are one after the other in `contents`.
fn split(mut contents: &[u8], files: Vec<(String, usize)>) -> Option<Vec<File>> {
    let split = |(path, bytes)| {
        let (content, others) = contents.split_at_checked(bytes)?;
        contents = others;
        Some(File::new(path, content))
    };
    files.into_iter().map(split).collect()
}
