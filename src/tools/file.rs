//! Registry files: TOML → services and their tools as plain data, or everything that is wrong with it.

mod service;
mod table;
mod tool;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use super::http::{BaseUrl, HttpTool};
use super::{Registry, ToolError};
use crate::error::Error;
use table::{Problems, Table};

/// Where the tools of HomeIQ are.
const HOMEIQ: &str = include_str!("homeiq.toml");

/// What a registry file refers to and does not hold itself.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Surroundings<'a> {
    /// The value of a `${NAME}`. The tools of HomeIQ ask for `DATA_API_URL`, `AI_AUTOMATION_URL` and
    /// `DEVICE_INTELLIGENCE_URL`.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a `ca_file`.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

impl<'a> Surroundings<'a> {
    /// Reads variables with `variable` and files with `read`.
    #[must_use]
    pub fn new(
        variable: &'a dyn Fn(&str) -> Option<String>,
        read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Self {
        Self { variable, read }
    }
}

/// Everything that is wrong with a registry file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
#[non_exhaustive]
pub struct ToolFileError {
    /// A line each: `file:line: key: what is wrong and what is accepted`. A value that came from outside of the file is not
    /// shown. There is at least one.
    pub problems: Vec<String>,
}

/// The tools of a registry file, not yet connected to anything. See `docs/tools.md` for the format.
///
/// ```
/// use ai_code_executor::Sandbox;
/// use ai_code_executor::tools::{Surroundings, ToolFile};
///
/// let text = r#"
///     services.weather = { url = "https://weather.example", signed = false }
///     [tools.weather.now]
///     method = "GET"
///     path = "/now/{city}"
///     parameters = { properties.city.type = "string", required = ["city"] }
/// "#;
/// let variable = |name: &str| std::env::var(name).ok();
/// let surroundings = Surroundings::new(&variable, &|path| std::fs::read(path));
/// let file = ToolFile::parse("tools.toml", text, surroundings)?;
/// let builder = Sandbox::builder().tools(file.connect(None)?);
/// # let _ = builder;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ToolFile {
    pub(super) tools: Vec<HttpTool>,
}

impl ToolFile {
    /// Reads the file's `text`; `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file.
    pub fn parse(file: &str, text: &str, surroundings: Surroundings<'_>) -> Result<Self, ToolFileError> {
        let problems = Problems::new(file, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            problems.add(error.span().map_or(0, |span| span.start), error.message().to_owned());
        }
        // What a file with broken syntax says is a guess.
        let tools = if errors.is_empty() {
            read(&Table::root(table.get_ref(), &problems), surroundings)
        } else {
            Vec::new()
        };
        if problems.is_empty() {
            Ok(Self { tools })
        } else {
            Err(ToolFileError { problems: problems.into_lines() })
        }
    }

    /// The tools of HomeIQ.
    ///
    /// # Errors
    ///
    /// Which of the variables for their URLs is not set, or is no URL.
    pub fn homeiq(surroundings: Surroundings<'_>) -> Result<Self, ToolFileError> {
        Self::parse("homeiq.toml", HOMEIQ, surroundings)
    }

    /// The TCP ports of the services, and whether there are names among their hosts: what a process that calls the tools
    /// needs of its network.
    #[must_use]
    pub fn destinations(&self) -> (BTreeSet<u16>, bool) {
        let urls = || self.tools.iter().map(|tool| &tool.service.url);
        (urls().map(BaseUrl::port).collect(), urls().any(BaseUrl::has_name))
    }

    /// The names of the modules that programs import.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when two tools have one name, or a name or a schema cannot be used.
    pub fn modules(&self) -> Result<BTreeSet<String>, Error> {
        let unconnected = |tool: &HttpTool| tool.with(async |_| Err(ToolError::failed("not connected")));
        let registry = Registry::new(self.tools.iter().map(unconnected).collect())?;
        Ok(registry.modules().into_iter().map(str::to_owned).collect())
    }
}

fn read(root: &Table<'_>, surroundings: Surroundings<'_>) -> Vec<HttpTool> {
    root.check_keys(&["homeiq", "services", "tools"]);
    let mut services = BTreeMap::new();
    for (name, table) in root.table("services").iter().flat_map(Table::tables) {
        // A broken one counts as there: its tools are not to blame.
        services.insert(name, service::read(name, &table, surroundings).map(Arc::new));
    }
    let mut tools = Vec::new();
    if root.switch("homeiq").unwrap_or_default() {
        match ToolFile::homeiq(surroundings) {
            Ok(homeiq) => tools = homeiq.tools,
            Err(error) => error.problems.iter().for_each(|problem| root.problem("homeiq", problem)),
        }
    }
    for (module, table) in root.table("tools").iter().flat_map(Table::tables) {
        for (name, table) in table.tables() {
            if tools.iter().any(|tool: &HttpTool| tool.module == module && tool.name == name) {
                table.problem_here("is one of the tools that homeiq = true adds; take another name");
            }
            tools.extend(tool::read(module, name, &table, &services));
        }
    }
    tools
}

#[cfg(test)]
mod tests;
