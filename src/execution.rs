//! One execution as plain data: what is asked, how it ended, what it used.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::limits::Limits;

/// A program to run, and everything it runs with.
#[derive(Clone, Debug)]
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
        }
    }
}

impl Execution {
    /// Runs `code` with the sandbox's ceilings as its limits, no context and all tools.
    #[must_use]
    pub fn new(code: impl Into<String>) -> Self {
        Self { code: code.into(), ..Self::default() }
    }

    /// Sets the bounds of this run.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Grants these tools alone, each as `module` or `module.tool`.
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

    /// Adds a variable.
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

/// Names one execution, in answers, logs and signed tool calls.
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
pub enum Outcome {
    /// Ran to its end.
    Completed,
    /// The program raised, exited with a status, returned something unusable, or exhausted its stack.
    Failure,
    /// The wall-clock limit was reached.
    Timeout,
    /// The CPU-time or fuel budget was used up.
    CpuLimit,
    /// The program died of the memory limit.
    MemoryLimit,
    /// Its caller went away, or the sandbox shut down.
    Cancelled,
}

impl Outcome {
    pub(crate) const ALL: [Self; 6] =
        [Self::Completed, Self::Failure, Self::Timeout, Self::CpuLimit, Self::MemoryLimit, Self::Cancelled];

    /// Its name in answers, metrics and logs.
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

/// Everything there is to know about a finished execution.
#[derive(Clone, Debug)]
pub struct Report {
    /// This execution's name.
    pub id: ExecutionId,
    /// How it ended.
    pub outcome: Outcome,
    /// The program's value as JSON; `None` stands for Python's `None`.
    pub value: Option<Box<RawValue>>,
    /// The value had no JSON form, so (a part of) it is its `repr()`.
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
pub struct Output {
    /// The text, with invalid UTF-8 replaced.
    pub text: String,
    /// More was written than the limit allows, and dropped.
    pub truncated: bool,
}

/// Why a program did not complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestError {
    /// The Python exception's type, or the limit's name.
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
        }
    }

    /// Whether a program that breaks it asks for something that it must not have, in contrast to one that is
    /// unusable.
    #[must_use]
    pub fn is_security(self) -> bool {
        match self {
            Self::Import | Self::RelativeImport | Self::StarImport | Self::Name | Self::Attribute => true,
            Self::Empty | Self::Size | Self::Syntax | Self::Complexity => false,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
