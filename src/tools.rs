//! Tools: host functions that guest programs import and await.
//!
//! No WebAssembly and no HTTP in here: a [`Tool`] is a description and an async function, whoever supplies it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::execution::ExecutionId;

/// One call as the host sees it. The guest wrote the arguments: they are untrusted.
#[derive(Clone, Debug)]
pub struct ToolCall {
    /// The execution that makes the call.
    pub execution: ExecutionId,
    /// Arguments by name.
    pub arguments: Map<String, Value>,
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
}

type ToolFunction = dyn Fn(ToolCall) -> BoxFuture<'static, Result<Value, ToolError>> + Send + Sync;

/// A function that guest code imports as `module` and awaits as `module.name(...)`.
#[derive(Clone)]
pub struct Tool {
    /// The Python module it appears in.
    pub module: String,
    /// Its name in that module.
    pub name: String,
    /// What it does, for its docstring.
    pub description: String,
    /// JSON Schema of its arguments: an object schema.
    pub parameters: Value,
    function: Arc<ToolFunction>,
}

impl Tool {
    /// A tool without a description that takes any arguments.
    pub fn new<F, R>(module: impl Into<String>, name: impl Into<String>, function: F) -> Self
    where
        F: Fn(ToolCall) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, ToolError>> + Send + 'static,
    {
        Self {
            module: module.into(),
            name: name.into(),
            description: String::new(),
            parameters: json!({"type": "object"}),
            function: Arc::new(move |call| Box::pin(function(call))),
        }
    }

    /// The same tool with a description.
    #[must_use]
    pub fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// The same tool with a JSON Schema for its arguments.
    #[must_use]
    pub fn parameters(mut self, schema: Value) -> Self {
        self.parameters = schema;
        self
    }

    pub(crate) fn call(&self, call: ToolCall) -> BoxFuture<'static, Result<Value, ToolError>> {
        (self.function)(call)
    }

    fn path(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tool").field(&self.path()).finish()
    }
}

/// The tools of a sandbox, by `module.name`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry(BTreeMap<String, Tool>);

impl Registry {
    /// # Errors
    ///
    /// [`Error::Config`] when two tools share a module and name, or one is not a Python name.
    pub(crate) fn new(tools: Vec<Tool>) -> Result<Self, Error> {
        let mut registry = BTreeMap::new();
        for tool in tools {
            let path = tool.path();
            if !is_name(&tool.module) || !is_name(&tool.name) {
                return Err(Error::Config(format!("tool '{path}' has no name that Python could import")));
            }
            if registry.insert(path.clone(), tool).is_some() {
                return Err(Error::Config(format!("tool '{path}' is defined twice")));
            }
        }
        Ok(Self(registry))
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Tool> {
        self.0.get(path)
    }

    pub(crate) fn is_module(&self, name: &str) -> bool {
        self.0.values().any(|tool| tool.module == name)
    }

    /// The names of its modules, repeated for each tool.
    pub(crate) fn modules(&self) -> impl Iterator<Item = String> {
        self.0.values().map(|tool| tool.module.clone())
    }

    /// The tools as the guest's recipe wants them.
    pub(crate) fn definitions(&self) -> Value {
        self.0
            .values()
            .map(|tool| {
                json!({
                    "module": tool.module,
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.parameters,
                })
            })
            .collect()
    }
}

fn is_name(text: &str) -> bool {
    let legal = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    legal && !text.starts_with("__") && text.starts_with(|first: char| !first.is_ascii_digit())
}

/// Which tools one execution may call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grants {
    pub(crate) registry: Arc<Registry>,
    /// `module` or `module.tool`; `None` grants all.
    pub(crate) only: Option<Vec<String>>,
}

impl Grants {
    /// The tool behind `path`, if this execution may call it.
    pub(crate) fn find(&self, path: &str) -> Result<&Tool, ToolError> {
        let tool = self.registry.get(path).filter(|tool| self.allows(path, tool));
        tool.ok_or_else(|| ToolError {
            kind: ToolErrorKind::Denied,
            message: format!("Tool '{path}' is not granted to this execution"),
        })
    }

    fn allows(&self, path: &str, tool: &Tool) -> bool {
        let Some(only) = &self.only else { return true };
        only.iter().any(|granted| granted == path || *granted == tool.module)
    }
}
