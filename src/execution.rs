//! One execution as plain data: what is asked, how it ended, what it used.

mod events;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cancel::CancelHandle;
use crate::limits::Limits;
pub use events::{Event, EventSink, Events, events};

/// A program to run, and everything it runs with.
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
    /// Python source, as written.
    pub code: String,
    /// Values that become variables of the program, as JSON: the text reaches the program as it is, so numbers keep
    /// all their digits, and waiting for a slot costs no more memory than the text.
    pub context: BTreeMap<String, Box<RawValue>>,
    /// Bounds of this run. The sandbox lowers each to its ceiling, so [`Limits::UNLIMITED`] means its ceilings.
    pub limits: Limits,
    /// Tools that this run may call, as `module` or `module.tool`; `None` grants all that the sandbox has.
    pub tools: Option<Vec<String>>,
    /// What the caller calls this request, for the log.
    pub request_id: Option<String>,
    /// Cancels this run from elsewhere; `None` leaves dropping the future of [`Sandbox::run`](crate::Sandbox::run).
    pub cancel_handle: Option<CancelHandle>,
    /// Receives what happens while the program runs.
    pub events: Option<EventSink>,
}

/// An empty program, which a sandbox rejects: where fields are set one by one.
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
        }
    }
}

impl Execution {
    /// Runs `code` with the sandbox's ceilings as its limits, no context and all tools.
    #[must_use]
    pub fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), ..Self::default() }
    }

    /// Sets the bounds of this run. The sandbox lowers each to its ceiling.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Grants these tools alone, each as `module` or `module.tool`; an empty list grants none. A name that the sandbox does
    /// not have makes [`Sandbox::run`](crate::Sandbox::run) fail with [`Error::UnknownTool`](crate::Error::UnknownTool).
    #[must_use]
    pub fn tools(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tools = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets what the caller calls this request, for the log.
    #[must_use]
    pub fn request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// Lets `handle` cancel this run: see [`CancelHandle`].
    #[must_use]
    pub fn cancel_handle(mut self, handle: CancelHandle) -> Self {
        self.cancel_handle = Some(handle);
        self
    }

    /// Sends what happens while the program runs to `sink`, which [`events`] makes.
    #[must_use]
    pub fn events(mut self, sink: EventSink) -> Self {
        self.events = Some(sink);
        self
    }

    /// Sets all variables at once, each as JSON. [`Execution::variable`] adds one.
    #[must_use]
    pub fn context(mut self, context: BTreeMap<String, Box<RawValue>>) -> Self {
        self.context = context;
        self
    }

    /// Adds a variable, or replaces it. A name that is no Python identifier makes [`Sandbox::run`](crate::Sandbox::run) fail
    /// with [`Error::Context`](crate::Error::Context).
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: &Value) -> Self {
        self.context.extend(RawValue::from_string(value.to_string()).map(|json| (name.into(), json)));
        self
    }

    /// What there is to look at before it can run.
    pub(crate) fn bytes(&self) -> usize {
        const ITEM_BYTES: usize = 16;
        let context = self.context.iter().map(|(key, value)| ITEM_BYTES + key.len() + value.get().len());
        let tools = self.tools.iter().flatten().map(|name| ITEM_BYTES + name.len());
        self.code.len() + context.sum::<usize>() + tools.sum::<usize>()
    }
}

/// Names one execution, in answers, logs and signed tool calls: a random UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExecutionId(uuid::Uuid);

impl ExecutionId {
    pub(crate) fn random() -> Self {
        Self(uuid::Uuid::new_v4())
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
    /// The program raised, exited with a status, returned something unusable, or exhausted its stack.
    Failure,
    /// The wall-clock limit was reached.
    Timeout,
    /// The CPU-time or fuel budget was used up.
    CpuLimit,
    /// The program died of the memory limit.
    MemoryLimit,
    /// It was cancelled by a [`CancelHandle`], its caller went away, or the sandbox shut down.
    Cancelled,
}

impl Outcome {
    pub(crate) const ALL: [Self; 6] =
        [Self::Completed, Self::Failure, Self::Timeout, Self::CpuLimit, Self::MemoryLimit, Self::Cancelled];

    /// Its stable name in answers, metrics and logs, such as `cpu_limit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::CpuLimit => "cpu_limit",
            Self::MemoryLimit => "memory_limit",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Everything there is to know about an execution that has ended, however it ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// This execution's name.
    pub id: ExecutionId,
    /// How it ended.
    pub outcome: Outcome,
    /// The program's value as JSON: the last value of `_`, else that of the last expression. `None` stands for Python's
    /// `None`, and for a program that did not complete.
    pub value: Option<Box<RawValue>>,
    /// The value has no JSON form: [`Report::value`] is its `repr()`, at most the first 1,000 characters.
    pub value_is_repr: bool,
    /// What the program wrote to standard output, up to the limit.
    pub stdout: Output,
    /// What the program wrote to standard error, up to the limit.
    pub stderr: Output,
    /// Why it did not complete; `None` exactly when it did.
    pub error: Option<GuestError>,
    /// What it used.
    pub usage: Usage,
    /// Where its wall-clock time went.
    pub stages: Stages,
}

impl Report {
    /// Of an execution that was cancelled before it had a slot.
    pub(crate) fn cancelled_while_queued(id: ExecutionId, queue: Duration) -> Self {
        Self {
            id,
            outcome: Outcome::Cancelled,
            value: None,
            value_is_repr: false,
            stdout: Output::default(),
            stderr: Output::default(),
            error: Some(GuestError::cancelled()),
            usage: Usage::default(),
            stages: Stages { queue, ..Stages::default() },
        }
    }

    /// The program's value as `T`. Python's `None` is JSON's `null`.
    ///
    /// # Errors
    ///
    /// The value is not what `T` expects.
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

/// Captured output of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// The text, with invalid UTF-8 replaced.
    pub text: String,
    /// More was written than the limit allows, and dropped.
    pub truncated: bool,
}

/// Why a program did not complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuestError {
    /// The Python exception's type, such as `ValueError`. Empty when no exception ended the program but a limit or a
    /// cancellation, which [`Report::outcome`] names.
    pub kind: String,
    /// The exception's text.
    pub message: String,
    /// Line in the program, from 1.
    pub line: Option<u32>,
    /// Column in that line, in characters from 1.
    pub column: Option<u32>,
    /// What would mend it, where that is known.
    pub hint: Option<String>,
    /// The program's frames only, as Python prints them; empty when there are none.
    pub traceback: String,
    /// CPython refused to compile the program: nothing of it ran.
    pub before_start: bool,
}

impl GuestError {
    pub(crate) fn cancelled() -> Self {
        Self { message: "Execution was cancelled".into(), ..Self::default() }
    }
}

impl std::error::Error for GuestError {}

/// `kind: message`, or the one of them that is not empty.
impl fmt::Display for GuestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind.as_str(), self.message.as_str()) {
            ("", message) => f.write_str(message),
            (kind, "") => f.write_str(kind),
            (kind, message) => write!(f, "{kind}: {message}"),
        }
    }
}

/// What an execution used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Work: each round of a loop, some calls, and memory that is copied or new, each at about its number of WebAssembly
    /// operators, at most 32. The same program burns the same fuel: it is a count, not a time.
    pub fuel: u64,
    /// CPU time of the thread while it ran this guest.
    pub cpu_time: Duration,
    /// Wall-clock time in the sandbox.
    pub wall_time: Duration,
    /// Linear memory at its largest.
    pub memory_bytes_peak: u64,
    /// Tool calls started.
    pub tool_calls: u32,
}

impl Usage {
    /// [`Usage::memory_bytes_peak`] in MiB; exact, because memory comes in pages of 64 KiB.
    #[must_use]
    #[expect(clippy::cast_precision_loss)]
    pub fn memory_mib_peak(&self) -> f64 {
        self.memory_bytes_peak as f64 / f64::from(1 << 20)
    }
}

/// The stages of one execution, in wall-clock time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stages {
    /// Waiting for a slot.
    pub queue: Duration,
    /// From nothing to an interpreter that is about to run: Store, memory, stack.
    pub instantiate: Duration,
    /// The guest, from reading the program to handing over its result.
    pub run: Duration,
    /// Taking the instance apart and resetting its memory.
    pub teardown: Duration,
}

/// Something in a program that keeps it from being run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// Which rule it breaks.
    pub rule: Rule,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Line in the program, from 1.
    pub line: u32,
    /// Column in that line, in characters from 1.
    pub column: u32,
    /// What would mend it, where that is known.
    pub hint: Option<String>,
}

/// What the validator demands of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// There must be a program.
    Empty,
    /// Its size is limited.
    Size,
    /// CPython must be able to compile it.
    Syntax,
    /// Its number of AST nodes is limited.
    Complexity,
    /// Only modules on the allow-list are imported.
    Import,
    /// There is no package that a relative import could refer to.
    RelativeImport,
    /// Names are imported one by one.
    StarImport,
    /// Some names are refused.
    Name,
    /// Some attributes are refused.
    Attribute,
    /// A module of tools has the functions that are used.
    UnknownFunction,
    /// Arguments of a tool bind to its parameters.
    WrongArguments,
    /// A tool's result is awaited before it is used.
    MissingAwait,
}

impl Rule {
    pub(crate) const ALL: [Self; 9] = [
        Self::Empty,
        Self::Size,
        Self::Syntax,
        Self::Complexity,
        Self::Import,
        Self::RelativeImport,
        Self::StarImport,
        Self::Name,
        Self::Attribute,
    ];

    /// Its stable code in answers, logs and the output of `check`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Size => "too_large",
            Self::Syntax => "syntax_error",
            Self::Complexity => "too_complex",
            Self::Import => "import_not_permitted",
            Self::RelativeImport => "relative_import",
            Self::StarImport => "star_import",
            Self::Name => "name_not_allowed",
            Self::Attribute => "attribute_not_allowed",
            Self::UnknownFunction => "unknown_function",
            Self::WrongArguments => "wrong_arguments",
            Self::MissingAwait => "missing_await",
        }
    }

    /// Whether a program that breaks it asks for something that it must not have, in contrast to one that is
    /// unusable.
    #[must_use]
    pub fn is_security(self) -> bool {
        match self {
            Self::Import | Self::RelativeImport | Self::StarImport | Self::Name | Self::Attribute => true,
            Self::Empty
            | Self::Size
            | Self::Syntax
            | Self::Complexity
            | Self::UnknownFunction
            | Self::WrongArguments
            | Self::MissingAwait => false,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
