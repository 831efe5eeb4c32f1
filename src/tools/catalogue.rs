//! Descriptions of the tools for readers: people, models, editors.
//!
//! Names, texts and schemas come from whoever supplied the tools, and end up in prompts and terminals. Everything in
//! this module has therefore been cleaned and bounded.

mod discovery;
mod prompt;
mod search;
mod stubs;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::registry::{Registered, Registry};
use super::{Tool, text};
use crate::error::Error;
use crate::validator::{Policy, ToolModule};
pub(super) use discovery::answer;
use search::Index;

const SUMMARY_CHARS_MAX: usize = 160;

/// Bound for each text inside a schema: a description, a title, a value.
const SCHEMA_TEXT_CHARS_MAX: usize = 1000;

/// Deeper parts of a schema are replaced by `true`, the schema that accepts anything.
const SCHEMA_DEPTH_MAX: usize = 24;

/// Descriptions of a sandbox's tools, sorted by path.
#[derive(Debug, Default)]
pub struct Catalogue {
    tools: Vec<ToolCard>,
    modules: BTreeSet<String>,
    tool_modules: BTreeMap<String, Arc<ToolModule>>,
    index: Index,
}

/// The description of one tool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolCard {
    /// `module.name`, as programs write it.
    pub path: String,
    /// The Python module.
    pub module: String,
    /// The Python function.
    pub name: String,
    /// The first sentence of the description, in one line of at most 160 characters.
    pub summary: String,
    /// The Python signature, such as `async def name(limit: int = 100) -> dict`.
    pub signature: String,
    /// The function with its docstring, as parsable Python.
    pub stub: String,
    /// JSON Schema of the arguments, by the host's names for them.
    pub parameters: Value,
    /// JSON Schema of the reply, if the tool declares one.
    pub output: Option<Value>,
    /// Whether the tool declares that it changes nothing.
    pub read_only: bool,
    /// Whether the tool declares that it may destroy something.
    pub destructive: bool,
    /// Whether a person must approve each call.
    pub needs_approval: bool,
    /// Example values for the required arguments, as a program would write them: `entity_id="..."`.
    example_arguments: String,
    /// The Python type of the reply; empty if unknown.
    returns: String,
}

impl Catalogue {
    /// Returns the catalogue of `tools`. Names are those that a sandbox with the same tools gives them. Needs no image.
    ///
    /// ```
    /// use ai_code_executor::{Catalogue, Tool};
    /// use serde_json::Value;
    ///
    /// # fn example() -> Result<(), ai_code_executor::Error> {
    /// let tool = Tool::new("house", "get-rooms", async |_| Ok(Value::Null)).describe("All rooms. With their sizes.");
    /// let catalogue = Catalogue::new(vec![tool])?;
    /// let found = catalogue.search("rooms");
    /// assert_eq!((found[0].path.as_str(), found[0].summary.as_str()), ("house.get_rooms", "All rooms."));
    /// # Ok(())
    /// # }
    /// # example().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if two tools have the same module and name, if a tool has no name, or if a schema cannot be
    /// used.
    pub fn new(tools: Vec<Tool>) -> Result<Self, Error> {
        Ok(Self::of(&Registry::new(tools)?))
    }

    pub(crate) fn of(registry: &Registry) -> Self {
        let index = Index::new(registry.iter().map(|(_, tool)| search::fields(tool)));
        let tools = registry.iter().map(|(path, tool)| ToolCard::new(path, tool)).collect();
        let modules = registry.modules().into_iter().map(str::to_owned).collect();
        Self { tools, modules, tool_modules: registry.tool_modules(), index }
    }

    /// Returns all tools, sorted by path.
    #[must_use]
    pub fn tools(&self) -> &[ToolCard] {
        &self.tools
    }

    /// Returns the names of the modules that programs can import because of these tools, discovery included.
    #[must_use]
    pub fn modules(&self) -> &BTreeSet<String> {
        &self.modules
    }

    /// Allows `policy` the import of the tools' modules, and lets the validator check their calls.
    pub fn admit_to(&self, policy: &mut Policy) {
        policy.allowed_imports.extend(self.modules.iter().cloned());
        policy
            .tool_modules
            .extend(self.tool_modules.iter().map(|(name, module)| (name.clone(), module.clone())));
    }

    /// Returns the tool that programs call as `path`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&ToolCard> {
        let found = self.tools.binary_search_by(|tool| tool.path.as_str().cmp(path));
        found.ok().and_then(|place| self.tools.get(place))
    }

    /// Returns the content of a module's `__init__.pyi`.
    #[cfg(feature = "server")]
    pub(crate) fn module_stub(&self, module: &str) -> Option<String> {
        let mut modules = self.tools.chunk_by(|a, b| a.module == b.module);
        let tools = modules.find(|tools| tools.first().is_some_and(|tool| tool.module == module))?;
        Some(stubs::module_file(module, tools))
    }

    /// Returns the content of the file of a tool.
    #[cfg(feature = "server")]
    pub(crate) fn tool_stub(&self, path: &str) -> Option<String> {
        self.find(path).map(stubs::tool_file)
    }

    /// Returns the tools that match `query`, the best match first. A query without words matches all tools.
    #[must_use]
    pub fn search(&self, query: &str) -> Vec<&ToolCard> {
        match self.index.rank(query) {
            Some(ranked) => ranked.into_iter().filter_map(|place| self.tools.get(place)).collect(),
            None => self.tools.iter().collect(),
        }
    }

    /// Writes `servers/{module}/__init__.pyi` and `servers/{module}/{tool}.pyi` into `dir`, for editors and for models
    /// that read files. Replaces `servers`. **Blocks**.
    ///
    /// # Errors
    ///
    /// If `dir` is not a directory that only this user can write, if `servers` is a link or holds anything but stubs,
    /// or if writing fails. Each error names the path.
    pub fn write_tree(&self, dir: &Path) -> io::Result<()> {
        tree::write(&self.tools, dir)
    }
}

/// Returns a section for a system prompt, in Markdown: what the executor is, rules, `tools` as stubs (names and
/// summaries if there are many), and an example that calls some of them. `policy` tells what else is importable, without
/// the modules of the tools.
#[must_use]
pub fn prompt(tools: &[&ToolCard], policy: &Policy) -> String {
    prompt::section(tools, policy)
}

/// Returns the stubs of all `tools` as one parsable Python text.
#[must_use]
pub fn stubs(tools: &[&ToolCard]) -> String {
    stubs::all(tools)
}

impl ToolCard {
    fn new(path: &str, registered: &Registered) -> Self {
        let Registered { tool, signature, .. } = registered;
        Self {
            path: path.to_owned(),
            module: registered.module.clone(),
            name: registered.name.clone(),
            summary: summary(&registered.description),
            signature: stubs::signature(registered),
            stub: stubs::stub(registered),
            parameters: shown(&tool.parameters, 0),
            output: tool.output.as_ref().map(|schema| shown(schema, 0)),
            read_only: tool.read_only,
            destructive: tool.destructive,
            needs_approval: tool.needs_approval(),
            example_arguments: stubs::example_arguments(registered),
            returns: signature.returns.clone(),
        }
    }
}

/// Returns the first sentence of the description's first paragraph.
fn summary(description: &str) -> String {
    let paragraph = description.split("\n\n").next().unwrap_or_default();
    let line = text::line(paragraph, usize::MAX);
    let ends = |&(place, _): &(usize, &str)| {
        line.get(place + 2..).is_some_and(|rest| !rest.starts_with(char::is_lowercase))
    };
    let sentence = line.match_indices(". ").find(ends).map_or(line.as_str(), |(place, _)| &line[..=place]);
    text::clean(sentence, SUMMARY_CHARS_MAX)
}

/// Returns `schema` with its texts cleaned, property names included.
fn shown(schema: &Value, depth: usize) -> Value {
    let clean = |text: &str| text::clean(text, SCHEMA_TEXT_CHARS_MAX);
    match schema {
        Value::Object(_) | Value::Array(_) if depth == SCHEMA_DEPTH_MAX => Value::Bool(true),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (clean(key), shown(value, depth + 1)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| shown(item, depth + 1)).collect(),
        Value::String(text) => Value::String(clean(text)),
        plain => plain.clone(),
    }
}
