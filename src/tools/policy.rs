//! The embedding program's say in each call.

use std::pin::Pin;

use serde_json::{Map, Value};

use super::Tool;
use crate::execution::ExecutionId;

/// Decides about each tool call, after its arguments were found to fit and before anything leaves the host.
///
/// The call waits for the decision while its execution's clock goes on: asking a person is possible, in the time that the
/// execution has. A policy that panics fails the call.
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
    /// Whether the call may be made: an async block in `Box::pin`.
    fn decide<'a>(&'a self, request: ToolRequest<'a>) -> Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;
}

/// A call that is about to be made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ToolRequest<'a> {
    /// The execution that makes it.
    pub execution: ExecutionId,
    /// What the execution's caller calls its request.
    pub request_id: Option<&'a str>,
    /// Which call of its execution this is: [`ToolCall::number`](crate::ToolCall::number).
    pub number: u32,
    /// `module.name`, as the program sees it.
    pub path: &'a str,
    /// The tool and its hints.
    pub tool: &'a Tool,
    /// The arguments, by name.
    pub arguments: &'a Map<String, Value>,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// It is made.
    Allow,
    /// It is not: the program gets a `ToolDenied` with this reason.
    Deny(String),
}
