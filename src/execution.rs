//! One execution as plain data: the request, the outcome and the usage.

mod events;
mod file;
mod finding;
mod waiting;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cancel::CancelHandle;
use crate::limits::Limits;
pub(crate) use events::Listener;
pub use events::{Event, EventSink, Events, events};
pub use file::File;
pub use finding::{Finding, Rule};
pub use waiting::{
    Answer, CallerTool, KeepState, NoStateHandle, OnWait, PlannedCall, StateHandle, Waiting, WaitingCall,
    WaitsFor,
};

/// A program to run, with its context, limits and tools.
///
/// ```
/// use ai_code_executor::{Execution, Limits};
/// use serde_json::json;
///
/// let execution = Execution::new("max(readings) - min(readings)")
///     .variable("readings", &json!([19.5, 21.0, 23.5]))
///     .limits(Limits::UNLIMITED.memory_bytes_max(64 << 20))
///     .tools(["weather.now"])
///     .request_id("r-4711");
/// # drop(execution);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Execution {
    /// Python source code, as written.
    pub code: String,
    /// Values that become variables of the program, as JSON. The text is passed to the program unchanged, so numbers
    /// keep all their digits. While the execution waits for a slot, it uses no more memory than the text.
    pub context: BTreeMap<String, Box<RawValue>>,
    /// Limits of this run. The sandbox lowers each to its ceiling, so [`Limits::UNLIMITED`] means the sandbox's
    /// ceilings.
    pub limits: Limits,
    /// Tools that this run may call, as `module` or `module.tool`. `None` grants all tools of the sandbox.
    pub tools: Option<Vec<String>>,
    /// The caller's identifier of this request, for the log and for tools.
    pub request_id: Option<String>,
    /// Handle that cancels this run. With `None`, only dropping the future of [`Sandbox::run`](crate::Sandbox::run)
    /// cancels it.
    pub cancel_handle: Option<CancelHandle>,
    /// Receives events while the program runs.
    pub events: Option<EventSink>,
    /// Tools that the caller answers itself, at most 64. They imply [`OnWait::Return`].
    pub caller_tools: Vec<CallerTool>,
    /// What happens when nothing is left to do but wait for somebody outside.
    pub on_wait: OnWait,
    /// Whether effects are only planned: each call of a tool that is not read-only is recorded in [`Report::plan`] and
    /// gets `None` as its reply. What a plan contains is not permitted by that.
    pub plan: bool,
    /// Where the program begins, and whether its end is kept. `None`: a fresh interpreter, which is gone afterwards.
    pub state: Option<KeepState>,
    /// Files that are put into the program's file system before it runs. Together with the context, their contents count
    /// towards the [policy's](crate::validator::Policy) limit of the context.
    pub files: Vec<File>,
    /// Which files come back in [`Report::files`]: patterns of relative paths such as `out/*.csv`. `?`, `*` and `[…]`
    /// match within a name, `**` matches any number of directories.
    pub return_files: Vec<String>,
}

/// An empty program, which a sandbox rejects: a starting point for setting the fields one by one.
impl Default for Execution {
    fn default() -> Self {
        Self {
            code: String::new(),
            context: BTreeMap::new(),
            limits: Limits::UNLIMITED,
            tools: None,
            request_id: None,
            cancel_handle: None,
            events: None,
            caller_tools: Vec::new(),
            on_wait: OnWait::Hold,
            plan: false,
            state: None,
            files: Vec::new(),
            return_files: Vec::new(),
        }
    }
}

impl Execution {
    /// Returns an execution of `code`, with the sandbox's ceilings as its limits, no context, and all tools.
    #[must_use]
    pub fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), ..Self::default() }
    }

    /// Sets the limits of this run. The sandbox lowers each to its ceiling.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Grants only these tools, each as `module` or `module.tool`. An empty list grants none. If the sandbox does not
    /// have one of the names, [`Sandbox::run`](crate::Sandbox::run) fails with
    /// [`Error::UnknownTool`](crate::Error::UnknownTool).
    #[must_use]
    pub fn tools(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tools = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the caller's identifier of this request, for the log and for tools.
    #[must_use]
    pub fn request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// Sets the handle that cancels this run: see [`CancelHandle`].
    #[must_use]
    pub fn cancel_handle(mut self, handle: CancelHandle) -> Self {
        self.cancel_handle = Some(handle);
        self
    }

    /// Sends events to `sink` while the program runs. [`events`] makes a sink.
    #[must_use]
    pub fn events(mut self, sink: EventSink) -> Self {
        self.events = Some(sink);
        self
    }

    /// Adds tools that the caller answers itself.
    #[must_use]
    pub fn caller_tools(mut self, tools: impl IntoIterator<Item = CallerTool>) -> Self {
        self.caller_tools.extend(tools);
        self
    }

    /// Sets what happens when nothing is left to do but wait for somebody outside.
    #[must_use]
    pub fn on_wait(mut self, on_wait: OnWait) -> Self {
        self.on_wait = on_wait;
        self
    }

    /// Plans effects instead of having them.
    #[must_use]
    pub fn plan(mut self) -> Self {
        self.plan = true;
        self
    }

    /// Sets where the program begins, and keeps its end.
    #[must_use]
    pub fn state(mut self, state: KeepState) -> Self {
        self.state = Some(state);
        self
    }

    /// Puts a file into the program's file system. If the path is not a plain relative one, or two files have the same,
    /// [`Sandbox::run`](crate::Sandbox::run) fails with [`Error::File`](crate::Error::File).
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.files.push(File::new(path, content));
        self
    }

    /// Sets which files come back: see [`Execution::return_files`](field@Execution::return_files).
    #[must_use]
    pub fn return_files(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.return_files = patterns.into_iter().map(Into::into).collect();
        self
    }

    /// Returns whether the program can open files under every policy.
    pub(crate) fn has_files(&self) -> bool {
        !(self.files.is_empty() && self.return_files.is_empty())
    }

    /// Returns whether the execution may outlive the call that started it.
    pub(crate) fn returns_when_waiting(&self) -> bool {
        self.on_wait == OnWait::Return || !self.caller_tools.is_empty()
    }

    /// Sets all variables at once, each as JSON. [`Execution::variable`] adds a single one.
    #[must_use]
    pub fn context(mut self, context: BTreeMap<String, Box<RawValue>>) -> Self {
        self.context = context;
        self
    }

    /// Adds a variable, or replaces it. If the name is not a Python identifier, [`Sandbox::run`](crate::Sandbox::run)
    /// fails with [`Error::Context`](crate::Error::Context).
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: &Value) -> Self {
        self.context.extend(RawValue::from_string(value.to_string()).map(|json| (name.into(), json)));
        self
    }

    /// Returns the approximate number of bytes that must be checked before the program can run.
    pub(crate) fn bytes(&self) -> usize {
        const ITEM_BYTES: usize = 16;
        let context = self.context.iter().map(|(key, value)| ITEM_BYTES + key.len() + value.get().len());
        let tools = self.tools.iter().flatten().map(|name| ITEM_BYTES + name.len());
        let schemas = self.caller_tools.iter().map(|tool| {
            let output = tool.output_schema.as_ref().map_or(0, json_bytes);
            ITEM_BYTES + tool.name.len() + tool.description.len() + json_bytes(&tool.input_schema) + output
        });
        let files = self.files.iter().map(|file| ITEM_BYTES + file.path.len() + file.content.len());
        let small = tools.sum::<usize>() + schemas.sum::<usize>();
        self.code.len() + context.sum::<usize>() + files.sum::<usize>() + small
    }
}

/// Returns the approximate size of a value as JSON, without writing it.
fn json_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| 1 + json_bytes(item)).sum::<usize>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| key.len() + 4 + json_bytes(value)).sum::<usize>() + 2
        }
        _ => 5,
    }
}

/// Identifies one execution in answers, logs and signed tool calls: a random UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExecutionId(uuid::Uuid);

impl ExecutionId {
    pub(crate) fn random() -> Self {
        Self(uuid::Uuid::new_v4())
    }
}

/// The text is not an [`ExecutionId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an execution's id is a UUID")]
pub struct NoExecutionId;

impl FromStr for ExecutionId {
    type Err = NoExecutionId;

    fn from_str(text: &str) -> Result<Self, NoExecutionId> {
        uuid::Uuid::try_parse(text).map(Self).map_err(|_| NoExecutionId)
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The program ran to its end.
    Completed,
    /// The program raised an exception, exited with a status, returned an unusable value, or exhausted its stack.
    Failure,
    /// The wall-clock limit was reached.
    Timeout,
    /// The CPU-time or fuel budget was used up.
    CpuLimit,
    /// The program ended because of the memory limit.
    MemoryLimit,
    /// A [`CancelHandle`] cancelled it, its caller went away, nobody answered a call in time, or the sandbox shut down.
    Cancelled,
    /// It has not ended: it waits for somebody outside. [`Report::waiting`] says for what.
    Waiting,
    /// The host stopped while the program ran, and it cannot continue: an effect may have happened since its latest
    /// wait.
    Lost,
}

impl Outcome {
    pub(crate) const ALL: [Self; 8] = [
        Self::Completed,
        Self::Failure,
        Self::Timeout,
        Self::CpuLimit,
        Self::MemoryLimit,
        Self::Cancelled,
        Self::Waiting,
        Self::Lost,
    ];

    /// Returns the stable name for answers, metrics and logs, such as `cpu_limit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::CpuLimit => "cpu_limit",
            Self::MemoryLimit => "memory_limit",
            Self::Cancelled => "cancelled",
            Self::Waiting => "waiting",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The result of an execution that has ended, whatever its outcome, or that waits for somebody outside.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The execution's identifier.
    pub id: ExecutionId,
    /// How the execution ended.
    pub outcome: Outcome,
    /// The program's value as JSON: the final value of `_` if the program assigned it, otherwise the value of the last
    /// expression. `None` stands for Python's `None`, and for a program that did not complete.
    pub value: Option<Box<RawValue>>,
    /// Whether the value has no JSON form. If so, [`Report::value`] is its `repr()`, cut to 1,000 characters.
    pub value_is_repr: bool,
    /// What the program wrote to standard output, up to the limit.
    pub stdout: Output,
    /// What the program wrote to standard error, up to the limit.
    pub stderr: Output,
    /// Why the program did not complete; `None` if it completed.
    pub error: Option<GuestError>,
    /// The resources that it used.
    pub usage: Usage,
    /// Its wall-clock time by stage.
    pub stages: Stages,
    /// What it waits for, if the outcome is [`Outcome::Waiting`].
    pub waiting: Option<Waiting>,
    /// The interpreter's state after the program, if it was kept: after a completion and after a Python exception.
    pub state: Option<StateHandle>,
    /// Whether the state was to be kept and could not be, because the store is full or the state too large.
    pub state_is_lost: bool,
    /// The calls that were planned instead of made, in order, if effects were only planned.
    pub plan: Option<Vec<PlannedCall>>,
    /// Files of the program: those that match [`Execution::return_files`](field@Execution::return_files), and those by
    /// which the value shows itself with the methods that Jupyter calls, such as `value.png`.
    pub files: Vec<File>,
    /// Paths of files that would have been returned, but did not fit into [`Limits::result_bytes_max`] together with the
    /// others; at most 100.
    pub files_left_out: Vec<String>,
}

impl Report {
    /// Returns a report with nothing in it but the outcome and the error.
    pub(crate) fn bare(id: ExecutionId, outcome: Outcome, error: Option<GuestError>) -> Self {
        Self {
            id,
            outcome,
            value: None,
            value_is_repr: false,
            stdout: Output::default(),
            stderr: Output::default(),
            error,
            usage: Usage::default(),
            stages: Stages::default(),
            waiting: None,
            state: None,
            state_is_lost: false,
            plan: None,
            files: Vec::new(),
            files_left_out: Vec::new(),
        }
    }

    /// Returns the report of an execution that was cancelled before it had a slot.
    pub(crate) fn cancelled_while_queued(id: ExecutionId, queue: Duration) -> Self {
        let stages = Stages { queue, ..Stages::default() };
        Self { stages, ..Self::bare(id, Outcome::Cancelled, Some(GuestError::cancelled())) }
    }

    /// Deserializes the program's value as `T`. Python's `None` is JSON's `null`.
    ///
    /// # Errors
    ///
    /// Fails if the value cannot be deserialized as `T`.
    ///
    /// ```no_run
    /// # async fn example(sandbox: ai_code_executor::Sandbox) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = sandbox.run(ai_code_executor::Execution::new("[n * n for n in range(3)]")).await?;
    /// let squares: Vec<u32> = report.value_as()?;
    /// assert_eq!(squares, [0, 1, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn value_as<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.value.as_ref().map_or("null", |value| value.get()))
    }
}

/// The captured output of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// The text, with invalid UTF-8 replaced.
    pub text: String,
    /// Whether the program wrote more than the limit allows. The excess was dropped.
    pub truncated: bool,
}

/// Why a program did not complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuestError {
    /// Type of the Python exception, such as `ValueError`. Empty if a limit or a cancellation ended the program instead
    /// of an exception; [`Report::outcome`] then says which.
    pub kind: String,
    /// Text of the exception, or of the limit or cancellation that ended the program.
    pub message: String,
    /// Line in the program, counted from 1.
    pub line: Option<u32>,
    /// Column in that line, in characters, counted from 1.
    pub column: Option<u32>,
    /// How to fix it, if known.
    pub hint: Option<String>,
    /// Traceback as Python prints it, with only the program's own frames. Empty if it has none.
    pub traceback: String,
    /// Whether CPython refused to compile the program, so that none of it ran.
    pub before_start: bool,
}

impl GuestError {
    pub(crate) fn cancelled() -> Self {
        Self { message: "Execution was cancelled".into(), ..Self::default() }
    }
}

impl std::error::Error for GuestError {}

/// Writes `kind: message`, or the part that is not empty.
impl fmt::Display for GuestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind.as_str(), self.message.as_str()) {
            ("", message) => f.write_str(message),
            (kind, "") => f.write_str(kind),
            (kind, message) => write!(f, "{kind}: {message}"),
        }
    }
}

/// The resources that an execution used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Amount of work: loop iterations, some calls, and memory that is copied or added. Each counts about its number of
    /// WebAssembly operators, at most 32. It is a count, not a time: the same program burns the same fuel on every run.
    pub fuel: u64,
    /// CPU time of the thread while it ran the guest.
    pub cpu_time: Duration,
    /// Wall-clock time in the sandbox.
    pub wall_time: Duration,
    /// Largest size of the linear memory, in bytes.
    pub memory_bytes_peak: u64,
    /// Number of tool calls started.
    pub tool_calls: u32,
}

impl Usage {
    /// Returns [`Usage::memory_bytes_peak`] in MiB. The value is exact, because memory grows in pages of 64 KiB.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a memory has 4 GiB at most")]
    pub fn memory_mib_peak(&self) -> f64 {
        self.memory_bytes_peak as f64 / f64::from(1 << 20)
    }
}

/// Wall-clock time of each stage of an execution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stages {
    /// Waiting for a slot.
    pub queue: Duration,
    /// Creating the Store, the memory and the stack, until the interpreter is about to run.
    pub instantiate: Duration,
    /// Running the guest, from reading the program to returning its result.
    pub run: Duration,
    /// Dropping the instance and resetting its memory.
    pub teardown: Duration,
}
