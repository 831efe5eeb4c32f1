//! The embedding program's say in each call.

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::Tool;
use crate::execution::ExecutionId;

/// Decides about each tool call, after its arguments were found to fit and before anything leaves the host.
///
/// The call waits for the decision, its execution's clock goes on: asking a person is possible, in the time that the
/// execution has.
pub trait ToolPolicy: Send + Sync {
    /// Whether the call may be made.
    fn decide<'a>(&'a self, request: ToolRequest<'a>) -> BoxFuture<'a, Decision>;
}

/// A call that is about to be made.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ToolRequest<'a> {
    /// The execution that makes it.
    pub execution: ExecutionId,
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
