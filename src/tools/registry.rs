//! The tools of a sandbox, by the names that programs use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tracing::warn;

use super::arguments::Arguments;
use super::names::Kind;
use super::signature::Signature;
use super::text::NAME_CHARS_MAX;
use super::{DISCOVERY_MODULE, Tool, ToolError, names, text};
use crate::error::Error;
use crate::execution::CallerTool;
use crate::metrics::Metrics;
use crate::validator::ToolModule;

const DESCRIPTION_CHARS_MAX: usize = 4000;

/// Bounds each schema, which becomes part of the image and of prompts.
pub(super) const SCHEMA_BYTES_MAX: usize = 64 << 10;

/// A tool with its Python names, signature and compiled schema.
#[derive(Debug)]
pub(crate) struct Registered {
    /// The Python module.
    pub(crate) module: String,
    /// The Python function.
    pub(crate) name: String,
    /// The description, cleaned and bounded.
    pub(crate) description: String,
    pub(crate) signature: Signature,
    pub(super) tool: Tool,
    pub(super) arguments: Arguments,
}

impl Tool {
    /// Returns the definition of a tool that the caller answers itself.
    pub(super) fn of_caller(tool: &CallerTool) -> Self {
        let (module, name) = tool.name.split_once('.').unwrap_or_default();
        let parameters = tool.input_schema.clone();
        let definition = Self::new(module, name, async |_| Err(ToolError::failed("its caller answers it")));
        let output = tool.output_schema.clone();
        let read_only = tool.read_only;
        Self { parameters, output, read_only, by_caller: true, ..definition.describe(&tool.description) }
    }
}

impl Registered {
    /// Returns a digest of what the definition says.
    pub(super) fn digest(&self) -> String {
        let Tool { description, parameters, output, read_only, destructive, place, .. } = &self.tool;
        sha256(&json!([description, parameters, output, read_only, destructive, place]))
    }

    /// Returns a digest of what a program relies on that calls the tool.
    fn digest_of_use(&self) -> String {
        sha256(&json!([self.tool.parameters, self.tool.output, self.signature]))
    }

    fn definition(&self) -> Value {
        json!({
            "module": self.module,
            "name": self.name,
            "description": self.description,
            "signature": self.signature,
        })
    }

    fn new(module: String, name: String, tool: Tool) -> Result<Self, String> {
        let schemas = [Some(&tool.parameters), tool.output.as_ref()];
        if schemas.into_iter().flatten().any(|schema| schema.to_string().len() > SCHEMA_BYTES_MAX) {
            return Err(format!("a schema has more than {SCHEMA_BYTES_MAX} bytes"));
        }
        let mut signature = Signature::new(&tool.parameters, tool.output.as_ref());
        let arguments = Arguments::new(&tool.parameters)?;
        for key in arguments.misfits(&signature)? {
            warn!(tool = %text::line(&tool.name, NAME_CHARS_MAX), argument = %text::line(&key, NAME_CHARS_MAX), "default does not fit its schema; ignoring the default");
            signature.forget_default(&key);
        }
        let description = text::clean(&tool.description, DESCRIPTION_CHARS_MAX);
        Ok(Self { module, name, description, signature, tool, arguments })
    }
}

/// Tools by `module.name`.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    tools: BTreeMap<String, Registered>,
    /// Of [`Registry::definitions_with_digests`]; empty for tools of a caller.
    digest: String,
}

impl Registry {
    /// Registers `tools` under legal Python names.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if two tools have the same module and name, if a tool has no name, or if a schema cannot be used.
    pub(crate) fn new(tools: Vec<Tool>) -> Result<Self, Error> {
        let registry = Self::of_caller(tools)?;
        let digest = sha256(&registry.definitions_with_digests());
        Ok(Self { digest, ..registry })
    }

    /// Does the same for tools that come with a request, and computes no digest.
    ///
    /// # Errors
    ///
    /// As for [`Registry::new`].
    pub(super) fn of_caller(tools: Vec<Tool>) -> Result<Self, Error> {
        let mut given: BTreeMap<String, Vec<Tool>> = BTreeMap::new();
        for tool in tools {
            let fault = |why: &str| Error::config(format!("tool '{}.{}' {why}", tool.module, tool.name));
            if tool.module.is_empty() || tool.name.is_empty() {
                return Err(fault("has no name that Python could import"));
            }
            let module = given.entry(tool.module.clone()).or_default();
            if module.iter().any(|other| other.name == tool.name) {
                return Err(fault("is defined twice"));
            }
            module.push(tool);
        }
        let modules: Vec<&str> = given.keys().map(String::as_str).collect();
        let modules = names::all_legal(&modules, Kind::Module);
        let mut registry = Self::default();
        for (module, tools) in modules.into_iter().zip(given.into_values()) {
            let functions: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
            let functions = names::all_legal(&functions, Kind::Tool);
            for (name, tool) in functions.into_iter().zip(tools) {
                let called = format!("{}.{}", tool.module, tool.name);
                let registered = Registered::new(module.clone(), name, tool)
                    .map_err(|why| Error::config(format!("tool '{called}' is unusable: {why}")))?;
                registry.tools.insert(format!("{module}.{}", registered.name), registered);
            }
        }
        Ok(registry)
    }

    /// Shows the tools and their services in `metrics` before there are calls.
    pub(crate) fn show_in(&self, metrics: &Metrics) {
        for (path, registered) in self.iter() {
            metrics.tool(path);
            if let Some(service) = &registered.tool.service {
                metrics.service(&service.name, service.is_failing.clone());
            }
        }
    }

    /// Returns whether a call of any of the tools may need approval.
    pub(crate) fn may_ask(&self) -> bool {
        self.tools.values().any(|tool| tool.tool.needs_approval())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }

    /// Returns whether programs import tools from a module of this name.
    pub(crate) fn is_module(&self, name: &str) -> bool {
        self.has_tools_in(name) || (name == DISCOVERY_MODULE && !self.is_empty())
    }

    fn has_tools_in(&self, module: &str) -> bool {
        self.tools.values().any(|tool| tool.module == module)
    }

    /// Returns whether `name` is a module or `module.tool`.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.tools.contains_key(name) || self.has_tools_in(name)
    }

    /// Returns the names of the modules that programs can import.
    pub(crate) fn modules(&self) -> BTreeSet<&str> {
        let discovery = (!self.is_empty()).then_some(DISCOVERY_MODULE);
        self.tools.values().map(|tool| tool.module.as_str()).chain(discovery).collect()
    }

    /// Returns the tools as the validator needs them, by module.
    pub(crate) fn tool_modules(&self) -> BTreeMap<String, Arc<ToolModule>> {
        let mut modules: BTreeMap<String, ToolModule> = BTreeMap::new();
        for tool in self.tools.values() {
            let module = modules.entry(tool.module.clone()).or_insert_with(|| ToolModule {
                functions: BTreeMap::new(),
                other_names: names::in_each_module().map(str::to_owned).collect(),
            });
            module.functions.insert(tool.name.clone(), tool.signature.function());
        }
        modules.into_iter().map(|(name, module)| (name, Arc::new(module))).collect()
    }

    /// Returns the modules without any tool in `granted`, a list of modules and `module.tool`.
    pub(crate) fn modules_without(&self, granted: &[String]) -> BTreeSet<&str> {
        let tools = self.tools.iter().filter(|(path, tool)| is_granted(granted, path, &tool.module));
        let with: BTreeSet<&str> = tools.map(|(_, tool)| tool.module.as_str()).collect();
        // A program that may call any tool may also search and describe tools.
        let discovery = (!with.is_empty()).then_some(DISCOVERY_MODULE);
        self.modules()
            .into_iter()
            .filter(|&module| !with.contains(module) && discovery != Some(module))
            .collect()
    }

    pub(super) fn get(&self, path: &str) -> Option<&Registered> {
        self.tools.get(path)
    }

    /// Returns all tools with their `module.name`, sorted by it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Registered)> {
        self.tools.iter().map(|(path, tool)| (path.as_str(), tool))
    }

    /// Returns the tool definitions for the guest.
    pub(crate) fn definitions(&self) -> Value {
        self.tools.values().map(Registered::definition).collect()
    }

    /// Returns the tool definitions for the image's recipe, and for interpreters that began with others. They tell
    /// which tools take and return the same as before.
    pub(crate) fn definitions_with_digests(&self) -> Value {
        self.definitions_where(|_| true)
    }

    /// Returns the same for tools in the modules that `is_shown` says.
    pub(super) fn definitions_where(&self, is_shown: impl Fn(&str) -> bool) -> Value {
        let definition = |tool: &Registered| {
            let mut definition = tool.definition();
            definition["digest"] = tool.digest_of_use().into();
            definition
        };
        self.tools.values().filter(|tool| is_shown(&tool.module)).map(definition).collect()
    }

    /// Returns a digest of [`Registry::definitions_with_digests`].
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
}

fn sha256(value: &Value) -> String {
    base16ct::lower::encode_string(&Sha256::digest(value.to_string()))
}

/// Returns whether `only`, a list of modules and tools, grants the tool `path` of `module`.
pub(super) fn is_granted(only: &[String], path: &str, module: &str) -> bool {
    only.iter().any(|granted| granted == path || granted == module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_depend_on_the_order_of_tools() {
        let tool = |(module, name): (&str, &str)| Tool::new(module, name, async |_| Ok(Value::Null));
        let mut tools =
            [("d", "a.b"), ("d", "a_b"), ("d.x", "y"), ("d_x", "y"), ("guest_wifi", "y"), ("-", "y")];
        for _ in 0..2 {
            let registry = Registry::new(tools.into_iter().map(tool).collect()).unwrap();
            let given = |path: &str| {
                let tool = &registry.get(path).unwrap().tool;
                (tool.module.clone(), tool.name.clone())
            };
            for (path, module, name) in [
                ("d.a_b", "d", "a_b"),
                ("d.a_b_2", "d", "a.b"),
                ("d_x.y", "d_x", "y"),
                ("d_x_2.y", "d.x", "y"),
                ("t_guest_wifi.y", "guest_wifi", "y"),
                ("t_.y", "-", "y"),
            ] {
                assert_eq!(given(path), (module.into(), name.into()), "{path}");
            }
            tools.reverse();
        }
    }
}
