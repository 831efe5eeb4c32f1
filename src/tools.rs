//! Tools: host functions that guest programs import and await.
//!
//! This module knows neither WebAssembly nor the HTTP server. A [`Tool`] is a description and an async function, from
//! any source.

mod approval;
mod arguments;
mod caller;
mod caller_tools;
pub mod catalogue;
#[cfg(feature = "http-tools")]
mod file;
mod grants;
#[cfg(feature = "http-tools")]
mod http;
#[cfg(feature = "mcp-tools")]
mod mcp;
mod names;
mod outside;
mod plain;
mod policy;
mod registry;
mod reply_budget;
mod schema;
mod signature;
#[cfg(feature = "mcp-tools")]
mod source;
mod text;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::cancel::EndSignal;
use crate::execution::ExecutionId;

#[cfg(feature = "http-tools")]
pub use self::http::{BaseUrl, BaseUrlError};
pub use approval::Approval;
pub(crate) use arguments::Effort;
pub(crate) use caller::{Answered, Begun, Caller, Given, Made, UNREADABLE};
pub(crate) use caller_tools::{CallerTools, ReplyChecks};
pub use catalogue::{Catalogue, ToolCard};
#[cfg(feature = "http-tools")]
pub use file::{Surroundings, ToolFile, ToolFileError};
pub(crate) use grants::{EffectLog, Grants};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use mcp::listed_in;
#[cfg(feature = "mcp-tools")]
pub use mcp::{Launch, ServerCommand, ServerPipes};
pub(crate) use outside::Outside;
pub use policy::{Decision, ToolPolicy, ToolRequest};
pub(crate) use registry::Registry;
pub(crate) use reply_budget::{ReplyBudget, ReplyShare};
#[cfg(feature = "mcp-tools")]
pub use source::ToolSource;

/// A tool call as the host sees it, after its arguments were validated against the tool's schema.
///
/// `A` is the type of the arguments: a map for [`Tool::new`], your own type for [`Tool::typed`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolCall<A = Map<String, Value>> {
    /// The execution that makes the call.
    pub execution: ExecutionId,
    /// The caller's identifier of its request: [`Execution::request_id`](crate::Execution::request_id).
    pub request_id: Option<Arc<str>>,
    /// Number of the call within its execution, from 0. Together with `execution` it identifies the call, for example
    /// as an idempotency key. The numbers of calls that were refused before they were made are skipped.
    pub number: u32,
    /// Arguments by name. Omitted arguments have the default of their schema, if it has one.
    pub arguments: A,
    /// When the call times out. The call's future is dropped then.
    pub deadline: Instant,
    /// Signals that the call has ended: it has its reply, it was abandoned, or its execution has ended. The call's
    /// future is dropped then.
    pub call_end: EndSignal,
    /// Signals that the execution has ended, whatever its outcome. Use it for state that is kept from one call to the
    /// next.
    pub execution_end: EndSignal,
    /// Largest reply as JSON, in bytes. A larger reply fails the call, so a tool can stop reading beyond this size.
    pub reply_bytes_max: usize,
    /// Whether the call must not be made twice: its tool is not read-only, and its execution goes on after a crash of
    /// the process. If nobody knows whether it happened, the function returns [`ToolError::interrupted`].
    pub happens_once: bool,
    /// The reply's share of the execution's memory budget for replies.
    pub(crate) share: Arc<ReplyShare>,
}

/// The kind of a failed call: which exception it raises in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolErrorKind {
    /// Raises `ToolError`: the tool failed.
    Failed,
    /// Raises `ToolTimeout`: there was no reply in time.
    Timeout,
    /// Raises `ToolDenied`: this execution may not make this call.
    Denied,
    /// Raises `ToolArgumentError`: the arguments are invalid.
    Arguments,
    /// Raises `ToolInterrupted`: nobody knows whether the call had its effect.
    Interrupted,
}

impl ToolErrorKind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Failed, Self::Timeout, Self::Denied, Self::Arguments, Self::Interrupted];

    /// Returns the name of the exception's class.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "ToolError",
            Self::Timeout => "ToolTimeout",
            Self::Denied => "ToolDenied",
            Self::Arguments => "ToolArgumentError",
            Self::Interrupted => "ToolInterrupted",
        }
    }
}

impl ToolCall {
    /// Converts the arguments to `A`.
    ///
    /// # Errors
    ///
    /// [`ToolErrorKind::Arguments`] if they do not fit `A`.
    fn typed<A: DeserializeOwned>(self) -> Result<ToolCall<A>, ToolError> {
        let arguments = serde_json::from_value(Value::Object(self.arguments));
        Ok(ToolCall {
            execution: self.execution,
            request_id: self.request_id,
            number: self.number,
            arguments: arguments.map_err(|error| ToolError::arguments(error.to_string()))?,
            deadline: self.deadline,
            call_end: self.call_end,
            execution_end: self.execution_end,
            reply_bytes_max: self.reply_bytes_max,
            happens_once: self.happens_once,
            share: self.share,
        })
    }
}

/// A failed tool call. The guest sees its message, but not its [`source`](StdError::source).
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ToolError {
    /// Which exception the call raises.
    pub kind: ToolErrorKind,
    /// Text of the exception. The guest sees it, so it must not contain addresses or secrets.
    pub message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl ToolError {
    /// Returns the error for a tool that failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Failed, message)
    }

    /// Returns the error for a call without a reply in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Timeout, message)
    }

    /// Returns the error for a call that the execution may not make.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Denied, message)
    }

    /// Returns the error for a call of which nobody knows whether it had its effect.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Interrupted, message)
    }

    /// Returns the error for invalid arguments.
    pub fn arguments(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Arguments, message)
    }

    fn new(kind: ToolErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Sets the cause, for the host's log. The guest does not see it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }
}

/// The module with which programs look up tools. It contains none of the host's tools.
pub(crate) const DISCOVERY_MODULE: &str = "tools";

/// The result of a call: JSON text, which is passed to the guest unchanged.
pub(crate) type Reply = Result<Box<RawValue>, ToolError>;

/// The network service that a tool calls.
#[derive(Clone, Debug)]
struct ToolService {
    name: String,
    /// Whether calls fail at once because the service did not answer.
    is_failing: Arc<AtomicBool>,
}

type ToolFunction = dyn Fn(ToolCall) -> BoxFuture<'static, Reply> + Send + Sync;

/// A host function that guest code imports as `module` and awaits as `module.name(...)`.
///
/// The names of the module, the tool and the arguments may be any text. Programs see legal Python names derived from
/// them: `get-all` becomes `get_all`, or `get_all_2` if `get_all` is taken.
#[derive(Clone)]
pub struct Tool {
    module: String,
    name: String,
    description: String,
    parameters: Value,
    output: Option<Value>,
    read_only: bool,
    destructive: bool,
    approval: Approval,
    /// Whether the execution's caller answers the calls; `function` is not called then.
    by_caller: bool,
    time_max: Option<Duration>,
    reply_bytes_max: Option<usize>,
    service: Option<ToolService>,
    /// Where its calls go, as text; empty for a function of the embedding program.
    place: String,
    function: Arc<ToolFunction>,
}

impl Tool {
    /// Returns a tool that accepts any arguments by name and has no description. [`Tool::parameters`] sets a schema for
    /// the arguments.
    ///
    /// The function runs on the sandbox's threads, so it must not block. Its future is dropped when the call or the
    /// execution ends. A panic fails only the call, as `ToolError: Tool crashed`.
    ///
    /// ```
    /// use ai_code_executor::{Tool, ToolCall, ToolError};
    /// use serde_json::json;
    ///
    /// let temperature = Tool::new("house", "temperature", async |call: ToolCall| {
    ///     match call.arguments["room"].as_str() {
    ///         Some("hall") => Ok(json!(19.5)),
    ///         _ => Err(ToolError::failed("no such room")),
    ///     }
    /// });
    /// let schema = json!({"properties": {"room": {"type": "string"}}, "required": ["room"]});
    /// let temperature = temperature.describe("Degrees Celsius in a room.").parameters(schema).read_only();
    /// # drop(temperature);
    /// ```
    pub fn new<F, Fut>(module: impl Into<String>, name: impl Into<String>, function: F) -> Self
    where
        F: Fn(ToolCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, ToolError>> + Send + 'static,
    {
        Self::raw(module, name, move |call| {
            let reply = function(call);
            async move { to_json(&reply.await?) }
        })
    }

    /// Like [`Tool::new`], for a function that returns its reply as JSON text.
    pub(crate) fn raw<F, Fut>(module: impl Into<String>, name: impl Into<String>, function: F) -> Self
    where
        F: Fn(ToolCall) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Reply> + Send + 'static,
    {
        Self {
            module: module.into(),
            name: name.into(),
            description: String::new(),
            parameters: json!({"type": "object", "additionalProperties": true}),
            output: None,
            read_only: false,
            destructive: false,
            approval: Approval::Never,
            by_caller: false,
            time_max: None,
            reply_bytes_max: None,
            service: None,
            place: String::new(),
            function: Arc::new(move |call| Box::pin(function(call))),
        }
    }

    /// Returns a tool whose arguments are the fields of `A`, and whose reply is an `R`. The tool's schemas are those of
    /// the two types.
    ///
    /// ```
    /// use ai_code_executor::{Tool, ToolCall, ToolError};
    /// use schemars::JsonSchema;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// struct Question {
    ///     /// The room's name
    ///     room: String,
    /// }
    ///
    /// #[derive(Serialize, JsonSchema)]
    /// struct Climate {
    ///     degrees: f64,
    /// }
    ///
    /// let climate = Tool::typed("house", "climate", async |call: ToolCall<Question>| {
    ///     match call.arguments.room.as_str() {
    ///         "hall" => Ok(Climate { degrees: 19.5 }),
    ///         room => Err(ToolError::failed(format!("there is no room '{room}'"))),
    ///     }
    /// });
    /// # drop(climate);
    /// ```
    pub fn typed<A, F, Fut, R>(module: impl Into<String>, name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(ToolCall<A>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
        R: Serialize + JsonSchema,
    {
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let parameters = settings().for_deserialize().into_generator().into_root_schema_for::<A>();
        let output = settings().for_serialize().into_generator().into_root_schema_for::<R>();
        let function = Arc::new(function);
        let typed = move |call: ToolCall| {
            let function = function.clone();
            async move { to_json(&function(call.typed()?).await?) }
        };
        Self::raw(module, name, typed).parameters(parameters.into()).output(output.into())
    }

    /// Sets the description. It becomes the tool's docstring, and models read it.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Sets the JSON Schema of the arguments: an object schema. Arguments that it does not name are refused unless it
    /// sets `additionalProperties`.
    #[must_use]
    pub fn parameters(mut self, schema: Value) -> Self {
        self.parameters = schema;
        self
    }

    /// Sets the JSON Schema of the reply, for signatures and stubs. Replies are not validated against it.
    #[must_use]
    pub fn output(mut self, schema: Value) -> Self {
        self.output = Some(schema);
        self
    }

    /// Marks the tool as one that changes nothing: a hint for policies and models.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Marks the tool as one that may destroy something: a hint for policies and models.
    #[must_use]
    pub fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }

    /// Sets which calls a person must approve before they are made. Default: none.
    #[must_use]
    pub fn approval(mut self, approval: Approval) -> Self {
        self.approval = approval;
        self
    }

    /// Sets the time limit of a call. The execution's own limit applies if it is lower.
    #[must_use]
    pub fn time_max(mut self, time: Duration) -> Self {
        self.time_max = Some(time);
        self
    }

    /// Sets the largest reply as JSON, in bytes. The execution's own limit applies if it is lower.
    #[must_use]
    pub fn reply_bytes_max(mut self, bytes: usize) -> Self {
        self.reply_bytes_max = Some(bytes);
        self
    }

    /// Returns whether the tool is marked as one that changes nothing.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Returns whether each call must be approved.
    pub(crate) fn needs_approval(&self) -> bool {
        self.approval.asks_for(self.read_only)
    }

    /// Returns whether the tool is marked as one that may destroy something.
    #[must_use]
    pub fn is_destructive(&self) -> bool {
        self.destructive
    }
}

fn to_json(reply: &impl Serialize) -> Reply {
    to_raw_value(reply).map_err(|error| ToolError::failed(format!("The reply is not JSON: {error}")))
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tool").field(&format!("{}.{}", self.module, self.name)).finish()
    }
}
