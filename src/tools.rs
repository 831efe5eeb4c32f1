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
pub(crate) use arguments::Effort;
pub(crate) use caller::{Begun, Caller, UNREADABLE};
pub use catalogue::{Catalogue, ToolCard};
#[cfg(feature = "http-tools")]
pub use file::{Surroundings, ToolFile, ToolFileError};
pub(crate) use grants::Grants;
pub use policy::{Decision, ToolPolicy, ToolRequest};
pub(crate) use registry::Registry;
pub(crate) use reply_budget::{ReplyBudget, ReplyShare};

/// One call as the host sees it, after its arguments were found to fit the tool's schema.
///
/// `A` is what the arguments are: a map for [`Tool::new`], a type of your own for [`Tool::typed`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolCall<A = Map<String, Value>> {
    /// The execution that makes the call.
    pub execution: ExecutionId,
    /// What the execution's caller calls its request: [`Execution::request_id`](crate::Execution::request_id).
    pub request_id: Option<Arc<str>>,
    /// Which call of its execution this is, from 0. Together with `execution` it names the call, as a key for idempotency
    /// does. Numbers of calls that were refused before they were made are left out.
    pub number: u32,
    /// Arguments by name. Those that were not given have their schema's default, if it has one.
    pub arguments: A,
    /// When the call is given up: its future is dropped then.
    pub deadline: Instant,
    /// The call has ended: it has its reply, was given up, or its execution has ended. The future of the call is dropped
    /// then.
    pub call_end: EndSignal,
    /// The execution has ended, however. For what is kept from one call to the next.
    pub execution_end: EndSignal,
    /// A reply that is larger, as JSON, fails the call: there is no point in reading on.
    pub reply_bytes_max: usize,
    /// What the reply takes of the execution's budget.
    pub(crate) share: Arc<ReplyShare>,
}

/// Which exception a failed call becomes in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl ToolErrorKind {
    pub(crate) const ALL: [Self; 4] = [Self::Failed, Self::Timeout, Self::Denied, Self::Arguments];

    /// The name of the exception's class.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "ToolError",
            Self::Timeout => "ToolTimeout",
            Self::Denied => "ToolDenied",
            Self::Arguments => "ToolArgumentError",
        }
    }
}

impl ToolCall {
    /// The same call with its arguments as a type of their own.
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
            share: self.share,
        })
    }
}

/// A failed call. Its message reaches the guest; its [`source`](StdError::source) does not.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ToolError {
    /// The exception's class.
    pub kind: ToolErrorKind,
    /// The exception's text. Must not hold what the guest may not know: addresses, secrets.
    pub message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl ToolError {
    /// The tool failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Failed, message)
    }

    /// There was no reply in time.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Timeout, message)
    }

    /// This execution may not make this call.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Denied, message)
    }

    /// The arguments do not fit.
    pub fn arguments(message: impl Into<String>) -> Self {
        Self::new(ToolErrorKind::Arguments, message)
    }

    fn new(kind: ToolErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The same error with the one behind it, for the host's log: the guest learns nothing of it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
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
    /// A tool without a description that takes any arguments, by name. [`Tool::parameters`] says which there are.
    ///
    /// The function runs on the sandbox's threads: it must not block them. It is dropped when the call or its execution
    /// ends. A panic fails the call alone, as `ToolError: Tool crashed`.
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
