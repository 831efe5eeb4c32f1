//! Tools: host functions that guest programs import and await.
//!
//! No WebAssembly and no HTTP server in here: a [`Tool`] is a description and an async function, whoever supplies it.

mod arguments;
mod caller;
pub mod catalogue;
#[cfg(feature = "http-tools")]
mod file;
mod grants;
#[cfg(feature = "http-tools")]
mod http;
mod names;
mod plain;
mod policy;
mod registry;
mod reply_budget;
mod schema;
mod signature;
mod text;

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

use crate::execution::ExecutionId;

#[cfg(feature = "http-tools")]
pub use self::http::BaseUrl;
pub(crate) use arguments::Effort;
pub(crate) use caller::{Begun, Caller, UNREADABLE};
pub use catalogue::{Catalogue, ToolCard};
#[cfg(feature = "http-tools")]
pub use file::{Surroundings, ToolFile};
pub(crate) use grants::Grants;
pub use policy::{Decision, ToolPolicy, ToolRequest};
pub(crate) use registry::Registry;
pub(crate) use reply_budget::{ReplyBudget, ReplyShare};

/// One call as the host sees it, after its arguments were found to fit the tool's schema.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolCall {
    /// The execution that makes the call.
    pub execution: ExecutionId,
    /// Arguments by name. Those that were not given have their schema's default, if it has one.
    pub arguments: Map<String, Value>,
    /// When the call is given up: its future is dropped then.
    pub deadline: Instant,
    /// A reply that is larger, as JSON, fails the call: there is no point in reading on.
    pub reply_bytes_max: usize,
    /// What the reply takes of the execution's budget.
    #[cfg_attr(
        not(feature = "http-tools"),
        expect(dead_code, reason = "tools in Rust have their replies whole")
    )]
    pub(crate) share: Arc<ReplyShare>,
}

/// Which exception a failed call becomes in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolErrorKind {
    /// `ToolError`: the tool failed.
    Failed,
    /// `ToolTimeout`: no reply in time.
    Timeout,
    /// `ToolDenied`: this execution may not make this call.
    Denied,
    /// `ToolArgumentError`: the arguments do not fit.
    Arguments,
}

/// A failed call; its text reaches the guest.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ToolError {
    /// The exception's class.
    pub kind: ToolErrorKind,
    /// The exception's text. Must not hold what the guest may not know: addresses, secrets.
    pub message: String,
}

impl ToolError {
    /// The tool failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: ToolErrorKind::Failed, message: message.into() }
    }

    /// There was no reply in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self { kind: ToolErrorKind::Timeout, message: message.into() }
    }

    /// This execution may not make this call.
    pub fn denied(message: impl Into<String>) -> Self {
        Self { kind: ToolErrorKind::Denied, message: message.into() }
    }

    /// The arguments do not fit.
    pub fn arguments(message: impl Into<String>) -> Self {
        Self { kind: ToolErrorKind::Arguments, message: message.into() }
    }
}

/// The module in which programs find out about tools; it has none itself.
pub(crate) const DISCOVERY_MODULE: &str = "tools";

/// What a call comes to: JSON text, handed to the guest as it is.
pub(crate) type Reply = Result<Box<RawValue>, ToolError>;

/// The service behind a tool.
#[derive(Clone, Debug)]
struct ToolService {
    name: String,
    /// Calls fail at once, because it did not answer.
    is_failing: Arc<AtomicBool>,
}

type ToolFunction = dyn Fn(ToolCall) -> BoxFuture<'static, Reply> + Send + Sync;

/// A function that guest code imports as `module` and awaits as `module.name(...)`.
///
/// Module, name and argument names may be any text: programs see legal Python names made of them, `get-all` as
/// `get_all`, and if that is taken, as `get_all_2`.
#[derive(Clone)]
pub struct Tool {
    module: String,
    name: String,
    description: String,
    parameters: Value,
    output: Option<Value>,
    read_only: bool,
    destructive: bool,
    time_max: Option<Duration>,
    reply_bytes_max: Option<usize>,
    service: Option<ToolService>,
    function: Arc<ToolFunction>,
}

impl Tool {
    /// A tool without a description that takes any arguments, by name.
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

    /// The same for a function whose replies are JSON text already.
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
            time_max: None,
            reply_bytes_max: None,
            service: None,
            function: Arc::new(move |call| Box::pin(function(call))),
        }
    }

    /// A tool whose arguments are the fields of `A`, and whose reply is an `R`: their schemas are the tool's.
    pub fn typed<A, F, Fut, R>(module: impl Into<String>, name: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(A) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
        R: Serialize + JsonSchema,
    {
        let settings = || SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let parameters = settings().for_deserialize().into_generator().into_root_schema_for::<A>();
        let output = settings().for_serialize().into_generator().into_root_schema_for::<R>();
        let typed = move |call: ToolCall| {
            let arguments = serde_json::from_value(Value::Object(call.arguments));
            let function = function.clone();
            async move {
                let arguments = arguments.map_err(|error| ToolError::arguments(error.to_string()))?;
                to_json(&function(arguments).await?)
            }
        };
        Self::raw(module, name, typed).parameters(parameters.into()).output(output.into())
    }

    /// The same tool with a description: its docstring, and what a model reads of it.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// The same tool with a JSON Schema for its arguments: an object schema. Arguments that it does not name are
    /// refused unless `additionalProperties` is set.
    #[must_use]
    pub fn parameters(mut self, schema: Value) -> Self {
        self.parameters = schema;
        self
    }

    /// The same tool with a JSON Schema that describes its reply: for signatures and stubs. Replies are not checked.
    #[must_use]
    pub fn output(mut self, schema: Value) -> Self {
        self.output = Some(schema);
        self
    }

    /// The same tool, which changes nothing: a hint for policies and models.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The same tool, which may destroy something: a hint for policies and models.
    #[must_use]
    pub fn destructive(mut self) -> Self {
        self.destructive = true;
        self
    }

    /// The same tool, whose calls may take this long; an execution's own limit may be lower.
    #[must_use]
    pub fn time_max(mut self, time: Duration) -> Self {
        self.time_max = Some(time);
        self
    }

    /// The same tool, whose replies may be this large, as JSON; an execution's own limit may be lower.
    #[must_use]
    pub fn reply_bytes_max(mut self, bytes: usize) -> Self {
        self.reply_bytes_max = Some(bytes);
        self
    }

    /// Whether it says of itself that it changes nothing.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether it says of itself that it may destroy something.
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
