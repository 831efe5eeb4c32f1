//! The tools of a sandbox, by the names that programs know.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tracing::warn;

use super::arguments::Arguments;
use super::signature::Signature;
use super::text::NAME_CHARS_MAX;
use super::{DISCOVERY_MODULE, Tool, names, text};
use crate::error::Error;

const DESCRIPTION_CHARS_MAX: usize = 4000;

/// A schema is part of the image and of what a model may read.
const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// A tool that has its place.
#[derive(Debug)]
pub(crate) struct Registered {
    /// The Python module.
    pub(crate) module: String,
    /// The Python function.
    pub(crate) name: String,
    /// Cleaned.
    pub(crate) description: String,
    pub(crate) signature: Signature,
    pub(super) tool: Tool,
    pub(super) arguments: Arguments,
}

/// By `module.name`.
#[derive(Debug, Default)]
pub(crate) struct Registry(BTreeMap<String, Registered>);

impl Registry {
    /// # Errors
    ///
    /// [`Error::Config`] when two tools share a module and name, one has no name, or a schema that cannot be used.
    pub(crate) fn new(tools: Vec<Tool>) -> Result<Self, Error> {
        let mut modules: BTreeMap<String, String> = BTreeMap::new();
        let mut given = BTreeSet::new();
        let mut registry = Self::default();
        for tool in tools {
            let called = format!("{}.{}", tool.module, tool.name);
            let fault = |why: &str| Error::Config(format!("tool '{called}' {why}"));
            if tool.module.is_empty() || tool.name.is_empty() {
                return Err(fault("has no name that Python could import"));
            }
            if !given.insert(called.clone()) {
                return Err(fault("is defined twice"));
            }
            let module = modules.get(&tool.module).cloned().unwrap_or_else(|| {
                let is_used = |name: &str| modules.values().any(|used| used == name);
                names::legal(&tool.module, |name| names::is_module_taken(name) || is_used(name))
            });
            modules.insert(tool.module.clone(), module.clone());
            let registered =
                registry.register(module, tool).map_err(|why| fault(&format!("is unusable: {why}")))?;
            registry.0.insert(format!("{}.{}", registered.module, registered.name), registered);
        }
        Ok(registry)
    }

    fn register(&self, module: String, tool: Tool) -> Result<Registered, String> {
        let schemas = [Some(&tool.parameters), tool.output.as_ref()];
        if schemas.into_iter().flatten().any(|schema| schema.to_string().len() > SCHEMA_BYTES_MAX) {
            return Err(format!("a schema of more than {SCHEMA_BYTES_MAX} bytes"));
        }
        let is_used = |name: &str| self.0.contains_key(&format!("{module}.{name}"));
        let name = names::legal(&tool.name, |name| names::is_tool_taken(name) || is_used(name));
        let mut signature = Signature::new(&tool.parameters, tool.output.as_ref());
        let arguments = Arguments::new(&tool.parameters)?;
        for key in arguments.misfits(&signature) {
            warn!(tool = %text::line(&tool.name, NAME_CHARS_MAX), argument = %text::line(&key, NAME_CHARS_MAX), "its default does not fit its schema: it has none");
            signature.forget_default(&key);
        }
        Ok(Registered {
            module,
            name,
            description: text::clean(&tool.description, DESCRIPTION_CHARS_MAX),
            arguments,
            signature,
            tool,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether programs import tools by this name.
    pub(crate) fn is_module(&self, name: &str) -> bool {
        self.has_tools_in(name) || (name == DISCOVERY_MODULE && !self.is_empty())
    }

    fn has_tools_in(&self, module: &str) -> bool {
        self.0.values().any(|tool| tool.module == module)
    }

    /// Whether `name` is a module or `module.tool`.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name) || self.has_tools_in(name)
    }

    /// The names of the modules that programs can import.
    pub(crate) fn modules(&self) -> BTreeSet<&str> {
        let discovery = (!self.is_empty()).then_some(DISCOVERY_MODULE);
        self.0.values().map(|tool| tool.module.as_str()).chain(discovery).collect()
    }

    pub(super) fn get(&self, path: &str) -> Option<&Registered> {
        self.0.get(path)
    }

    /// All tools with their `module.name`, in its order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Registered)> {
        self.0.iter().map(|(path, tool)| (path.as_str(), tool))
    }

    /// The tools as the guest's recipe wants them.
    pub(crate) fn definitions(&self) -> Value {
        let definition = |tool: &Registered| {
            json!({
                "module": tool.module,
                "name": tool.name,
                "description": tool.description,
                "signature": tool.signature,
            })
        };
        self.0.values().map(definition).collect()
    }
}
