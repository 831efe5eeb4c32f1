//! The embedding program's decision about each call.

use futures::future::BoxFuture;
use serde_json::{Map, Value};

use super::Tool;
use crate::execution::ExecutionId;

/// Decides about each tool call, after its arguments were validated and before anything leaves the host.
///
/// The call waits for the decision while the execution's clock runs on. A policy may ask a person, within the time that
/// the execution has.
pub trait ToolPolicy: Send + Sync {
    /// Decides whether the call may be made.
    fn decide<'a>(&'a self, request: ToolRequest<'a>) -> BoxFuture<'a, Decision>;
}

/// A call that waits for a decision.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ToolRequest<'a> {
    /// The execution that makes the call.
    pub execution: ExecutionId,
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
}
