//! The embedding program's decision about each call.

use std::pin::Pin;

use serde_json::{Map, Value};

use super::Tool;
use crate::execution::ExecutionId;

/// Decides about each tool call, after its arguments were validated and before anything leaves the host.
///
/// The call waits for the decision while the execution's clock runs on. A policy may ask a person, within the time that
/// the execution has. If a policy panics, the call fails.
///
/// ```
/// use std::pin::Pin;
///
/// use ai_code_executor::{Decision, ToolPolicy, ToolRequest};
///
/// struct ReadOnly;
///
/// impl ToolPolicy for ReadOnly {
///     fn decide<'a>(
///         &'a self,
///         request: ToolRequest<'a>,
///     ) -> Pin<Box<dyn Future<Output = Decision> + Send + 'a>> {
///         Box::pin(async move {
///             if request.tool.is_read_only() {
///                 Decision::Allow
///             } else {
///                 Decision::Deny("nothing is changed here".into())
///             }
///         })
///     }
/// }
/// # drop(ReadOnly);
/// ```
pub trait ToolPolicy: Send + Sync {
    /// Decides whether the call may be made: an async block in `Box::pin`.
    fn decide<'a>(&'a self, request: ToolRequest<'a>) -> Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;
}

/// A call that waits for a decision.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ToolRequest<'a> {
    /// The execution that makes the call.
    pub execution: ExecutionId,
    /// The request id that the execution's caller has set.
    pub request_id: Option<&'a str>,
    /// The number of the call within its execution: [`ToolCall::number`](crate::ToolCall::number).
    pub number: u32,
    /// The tool's name as `module.name`, as the program writes it.
    pub path: &'a str,
    /// The tool and its hints.
    pub tool: &'a Tool,
    /// The arguments, by name.
    pub arguments: &'a Map<String, Value>,
}

/// The decision about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// The call is made.
    Allow,
    /// The call is not made: the program gets a `ToolDenied` with this reason.
    Deny(String),
    /// The call is made once somebody approves it: see [`Answer::Approve`](crate::Answer::Approve). The policy is asked
    /// again then, and may still deny it.
    Ask,
}
