//! What a reader may know of the tools: a person, a model, an editor.
//!
//! Everything in here has been cleaned and bounded: names, texts and schemas come from whoever supplied the tools, and
//! end up in prompts and terminals.

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

/// A text inside a schema: a description, a title, a value.
const SCHEMA_TEXT_CHARS_MAX: usize = 1000;

/// What is nested deeper in a schema is shown as `true`, the schema of anything.
const SCHEMA_DEPTH_MAX: usize = 24;

/// The tools of a sandbox, described, in the order of their paths.
#[derive(Debug, Default)]
pub struct Catalogue {
    tools: Vec<ToolCard>,
    modules: BTreeSet<String>,
    tool_modules: BTreeMap<String, Arc<ToolModule>>,
    index: Index,
}

/// One tool as a reader may know it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolCard {
    /// `module.name`, as programs write it.
    pub path: String,
    /// The Python module.
    pub module: String,
    /// The Python function.
    pub name: String,
    /// The description's first sentence, in one line of at most 160 characters.
    pub summary: String,
    /// `async def name(limit: int = 100) -> dict`.
    pub signature: String,
    /// The function with its docstring: Python that can be parsed.
    pub stub: String,
    /// JSON Schema of its arguments, by the names that the host knows.
    pub parameters: Value,
    /// JSON Schema of its reply.
    pub output: Option<Value>,
    /// Whether it says of itself that it changes nothing.
    pub read_only: bool,
    /// Whether it says of itself that it may destroy something.
    pub destructive: bool,
    /// Values for its required arguments, as a program could write them: `entity_id="..."`.
    example_arguments: String,
    /// The reply's type; empty if nothing is known of it.
    returns: String,
}

impl Catalogue {
    /// The catalogue of `tools`, by the names that a sandbox with the same tools gives them. Needs no image.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when two tools share a module and name, one has no name, or a schema that cannot be used.
    pub fn new(tools: Vec<Tool>) -> Result<Self, Error> {
        Ok(Self::of(&Registry::new(tools)?))
    }

    pub(crate) fn of(registry: &Registry) -> Self {
        let index = Index::new(registry.iter().map(|(_, tool)| search::fields(tool)));
        let tools = registry.iter().map(|(path, tool)| ToolCard::new(path, tool)).collect();
        let modules = registry.modules().into_iter().map(str::to_owned).collect();
        Self { tools, modules, tool_modules: registry.tool_modules(), index }
    }

    /// All tools, in the order of their paths.
    #[must_use]
    pub fn tools(&self) -> &[ToolCard] {
        &self.tools
    }

    /// The names of the modules that programs can import because of them.
    #[must_use]
    pub fn modules(&self) -> &BTreeSet<String> {
        &self.modules
    }

    /// Lets programs import the modules of these tools, and the validator check their calls.
    pub fn admit_to(&self, policy: &mut Policy) {
        policy.allowed_imports.extend(self.modules.iter().cloned());
        policy
            .tool_modules
            .extend(self.tool_modules.iter().map(|(name, module)| (name.clone(), module.clone())));
    }

    /// The tool that programs call as `path`.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&ToolCard> {
        let found = self.tools.binary_search_by(|tool| tool.path.as_str().cmp(path));
        found.ok().and_then(|place| self.tools.get(place))
    }

    /// The tools that have to do with `query`, the best match first; all of them for a query without words.
    #[must_use]
    pub fn search(&self, query: &str) -> Vec<&ToolCard> {
        match self.index.rank(query) {
            Some(ranked) => ranked.into_iter().filter_map(|place| self.tools.get(place)).collect(),
            None => self.tools.iter().collect(),
        }
    }

    /// Writes `servers/{module}/__init__.pyi` and `servers/{module}/{tool}.pyi` into `dir`, for editors and for models
    /// that look around. What was in `servers` goes, unless it is anything but stubs. **Blocks**.
    ///
    /// # Errors
    ///
    /// When `dir` is not a folder that this user alone can write, when `servers` is a link or holds anything but
    /// stubs, and when writing fails. Each error names the place.
    pub fn write_tree(&self, dir: &Path) -> io::Result<()> {
        tree::write(&self.tools, dir)
    }
}

/// A section of a system prompt, in Markdown: what the executor is, rules, `tools` as stubs (their names and summaries
/// if they are many), and an example that calls some of them. `allowed_imports` are the modules beside the tools'.
#[must_use]
pub fn prompt(tools: &[&ToolCard], allowed_imports: &BTreeSet<String>) -> String {
    prompt::section(tools, allowed_imports)
}

/// Stubs of all `tools` in one text that Python can parse.
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
            example_arguments: stubs::example_arguments(registered),
            returns: signature.returns.clone(),
        }
    }
}

/// The first sentence.
fn summary(description: &str) -> String {
    let paragraph = description.split("\n\n").next().unwrap_or_default();
    let line = text::line(paragraph, usize::MAX);
    let ends = |&(place, _): &(usize, &str)| {
        line.get(place + 2..).is_some_and(|rest| !rest.starts_with(char::is_lowercase))
    };
    let sentence = line.match_indices(". ").find(ends).map_or(line.as_str(), |(place, _)| &line[..=place]);
    text::clean(sentence, SUMMARY_CHARS_MAX)
}

/// A schema with its texts cleaned, the names of properties among them.
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
