//! Executions that wait for somebody outside the sandbox: what they wait for, and the answers.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::value::RawValue;

/// A tool that the caller of one execution answers itself: programs call it as `module.function`, and the execution
/// waits until the caller passes the reply to [`Sandbox::resume`](crate::Sandbox::resume).
///
/// ```
/// use ai_code_executor::CallerTool;
/// use serde_json::json;
///
/// let tool = CallerTool::new("agenda.get_events")
///     .describe("The events of a day.")
///     .parameters(json!({"properties": {"day": {"type": "string"}}, "required": ["day"]}))
///     .output(json!({"type": "array"}))
///     .read_only();
/// # drop(tool);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallerTool {
    /// `module.function`, both legal Python names. The module must be neither importable nor one of the sandbox's own.
    pub name: String,
    /// Becomes the function's docstring.
    pub description: String,
    /// JSON Schema of the arguments: an object schema.
    pub input_schema: Value,
    /// JSON Schema of the reply. A reply that does not fit it is refused, and the execution goes on waiting.
    pub output_schema: Option<Value>,
    /// Whether the tool changes nothing.
    pub read_only: bool,
}

impl CallerTool {
    /// Returns a tool that accepts any arguments by name and has no description.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            input_schema: serde_json::json!({"type": "object", "additionalProperties": true}),
            output_schema: None,
            read_only: false,
        }
    }

    /// Sets the description.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the JSON Schema of the arguments.
    #[must_use]
    pub fn parameters(mut self, schema: Value) -> Self {
        self.input_schema = schema;
        self
    }

    /// Sets the JSON Schema of the reply.
    #[must_use]
    pub fn output(mut self, schema: Value) -> Self {
        self.output_schema = Some(schema);
        self
    }

    /// Marks the tool as one that changes nothing.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}

/// What [`Sandbox::run`](crate::Sandbox::run) does when nothing is left to do but wait for somebody outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnWait {
    /// It waits too. The wall clock runs on, and the limit ends the execution. Not for executions with tools of their
    /// caller, because only the caller could answer.
    #[default]
    Hold,
    /// It returns a report with [`Outcome::Waiting`](crate::Outcome::Waiting). Limits count the time that the program
    /// uses, not the time that it waits or sleeps.
    Return,
}

/// What an execution waits for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waiting {
    /// Counts how often the execution has waited, from 1. An answer names the epoch that it belongs to.
    pub epoch: u32,
    /// When the execution is cancelled if nobody answers.
    pub expires_at: SystemTime,
    /// All calls that wait, by number.
    pub calls: Vec<WaitingCall>,
}

/// A call that waits for somebody outside.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WaitingCall {
    /// The number of the call within its execution.
    pub call: u32,
    /// The tool as `module.function`.
    pub tool: String,
    /// The arguments as JSON of an object, checked against the tool's schema, with defaults filled in.
    pub arguments: Box<RawValue>,
    /// Who has to answer.
    pub waits_for: WaitsFor,
    /// Line of the program that makes the call, counted from 1, if known.
    pub line: Option<u32>,
    /// For an approval: a text that asks a person. It names the tool and its arguments and is bounded; if it leaves
    /// something out, it says how much.
    pub prompt: Option<String>,
}

/// Who has to answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitsFor {
    /// The execution's caller, whose tool it is.
    Caller,
    /// Somebody who may approve calls.
    Approval,
}

impl WaitsFor {
    /// Returns the stable name for answers: `caller` or `approval`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Approval => "approval",
        }
    }
}

/// The answer to a call that waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// The reply of the caller's tool, as JSON.
    Reply(Box<RawValue>),
    /// The caller's tool failed: the program gets a `ToolError` with this text.
    Error(String),
    /// The call may be made.
    Approve,
    /// The call may not be made: the program gets a `ToolDenied` with this reason.
    Deny(String),
}

impl Answer {
    /// Returns who may give this answer.
    #[must_use]
    pub const fn is_from(&self) -> WaitsFor {
        match self {
            Self::Reply(_) | Self::Error(_) => WaitsFor::Caller,
            Self::Approve | Self::Deny(_) => WaitsFor::Approval,
        }
    }
}

/// A call that a program made while it was only planned ([`Execution::plan`](crate::Execution::plan)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlannedCall {
    /// The tool as `module.function`.
    pub tool: String,
    /// The arguments as JSON of an object.
    pub arguments: Box<RawValue>,
    /// Line of the program that makes the call, counted from 1, if known.
    pub line: Option<u32>,
}

/// Identifies the state of an interpreter after a program: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateHandle([u8; 16]);

impl StateHandle {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map(|()| Self(bits))
    }
}

impl fmt::Display for StateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("st_")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a [`StateHandle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a state handle is `st_` and 32 hexadecimal digits")]
pub struct NoStateHandle;

impl FromStr for StateHandle {
    type Err = NoStateHandle;

    fn from_str(text: &str) -> Result<Self, NoStateHandle> {
        let mut bits = [0; 16];
        let digits = text.strip_prefix("st_").ok_or(NoStateHandle)?;
        let decoded = base16ct::lower::decode(digits, &mut bits).map_err(|_| NoStateHandle)?.len();
        if decoded == 16 { Ok(Self(bits)) } else { Err(NoStateHandle) }
    }
}

/// Where a program begins, and that its end is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepState {
    /// Begin in a fresh interpreter.
    New,
    /// Begin where an earlier program ended, with its variables, functions and classes.
    After(StateHandle),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_texts() {
        let handle = StateHandle::random().unwrap();
        assert_eq!(handle.to_string().parse(), Ok(handle));
        assert_ne!(handle, StateHandle::random().unwrap());
        for wrong in
            ["", "st_", "st_12", "12345678901234567890123456789012", "st_1234567890123456789012345678901G"]
        {
            assert_eq!(wrong.parse::<StateHandle>(), Err(NoStateHandle), "{wrong}");
        }
        assert!(format!("{handle}0").parse::<StateHandle>().is_err());
    }
}
