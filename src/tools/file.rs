//! Parses registry files: TOML to services and tools as plain data, or a list of all problems.

#[cfg(feature = "mcp-tools")]
mod mcp_server;
mod service;
mod table;
mod tool;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use toml::de::DeTable;

use super::http::{BaseUrl, HttpTool, Service};
#[cfg(feature = "mcp-tools")]
use super::mcp::{self, Launch, Reach, Server, ServerCommand};
use super::{Registry, ToolError};
use crate::error::Error;
use table::{Problems, Table};

/// The registry of HomeIQ's tools.
const HOMEIQ: &str = include_str!("homeiq.toml");

/// Access to the variables and files that a registry file refers to.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Surroundings<'a> {
    /// Returns the value of a `${NAME}`. The tools of HomeIQ use `DATA_API_URL`, `AI_AUTOMATION_URL` and
    /// `DEVICE_INTELLIGENCE_URL`.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Returns the content of a `ca_file`.
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

/// All problems of a registry file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
#[non_exhaustive]
pub struct ToolFileError {
    /// One line each: `file:line: key: the problem and what is accepted`. Values from outside the file are never shown. There
    /// is at least one.
    pub problems: Vec<String>,
}

/// The tools of a registry file, not yet connected to their services. See `docs/tools.md` for the format.
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
#[derive(Clone, Default)]
pub struct ToolFile {
    pub(super) tools: Vec<HttpTool>,
    #[cfg(feature = "mcp-tools")]
    pub(super) servers: Vec<Arc<Server>>,
    #[cfg(feature = "mcp-tools")]
    pub(super) launch: Option<Arc<dyn Launch>>,
}

impl fmt::Debug for ToolFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ToolFile");
        shown.field("tools", &self.tools);
        #[cfg(feature = "mcp-tools")]
        shown.field("servers", &self.servers);
        shown.finish_non_exhaustive()
    }
}

impl ToolFile {
    /// Parses the `text` of a registry file. `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// All problems of the file.
    pub fn parse(file: &str, text: &str, surroundings: Surroundings<'_>) -> Result<Self, ToolFileError> {
        let problems = Problems::new(file, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            problems.add(error.span().map_or(0, |span| span.start), error.message().to_owned());
        }
        // After a syntax error the parsed content is a guess; do not report problems in it.
        let file = if errors.is_empty() {
            read(&Table::root(table.get_ref(), &problems), surroundings)
        } else {
            Self::default()
        };
        if problems.is_empty() { Ok(file) } else { Err(ToolFileError { problems: problems.into_lines() }) }
    }

    /// Returns the tools of HomeIQ.
    ///
    /// # Errors
    ///
    /// A problem for each URL variable that is not set or is no URL.
    pub fn homeiq(surroundings: Surroundings<'_>) -> Result<Self, ToolFileError> {
        Self::parse("homeiq.toml", HOMEIQ, surroundings)
    }

    /// Returns the TCP ports of the services, and whether any of their hosts is a name that must be resolved. A process
    /// that restricts its own network access must keep these.
    #[must_use]
    pub fn destinations(&self) -> (BTreeSet<u16>, bool) {
        let urls = || {
            self.tools.iter().map(|tool| &tool.service).chain(self.mcp_services()).map(|service| &service.url)
        };
        (urls().map(BaseUrl::port).collect(), urls().any(BaseUrl::has_name))
    }

    #[cfg(feature = "mcp-tools")]
    fn mcp_services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.servers.iter().filter_map(|server| match &server.reach {
            Reach::Http { service, .. } => Some(service),
            Reach::Command(_) => None,
        })
    }

    #[cfg(not(feature = "mcp-tools"))]
    #[expect(clippy::unused_self, reason = "with MCP, it reads the servers")]
    fn mcp_services(&self) -> impl Iterator<Item = &Arc<Service>> {
        std::iter::empty()
    }

    /// Returns the commands of MCP servers, which [`connect`](Self::connect) starts.
    #[cfg(feature = "mcp-tools")]
    #[must_use]
    pub fn commands(&self) -> Vec<ServerCommand> {
        mcp::commands(&self.servers)
    }

    /// Sets what starts the commands of MCP servers. Default: they become children of this process, with a clean
    /// environment, and end when the last of the tools is dropped.
    #[cfg(feature = "mcp-tools")]
    #[must_use]
    pub fn launch_with(mut self, launch: Arc<dyn Launch>) -> Self {
        self.launch = Some(launch);
        self
    }

    /// Returns the names of the modules that programs import.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if two tools have the same name, or if a name or schema cannot be used.
    pub fn modules(&self) -> Result<BTreeSet<String>, Error> {
        let unconnected = |tool: &HttpTool| tool.with(async |_| Err(ToolError::failed("not connected")));
        let tools = self.tools.iter().map(unconnected);
        #[cfg(feature = "mcp-tools")]
        let tools = tools.chain(self.servers.iter().map(|server| mcp::unconnected(server)));
        let registry = Registry::new(tools.collect())?;
        Ok(registry.modules().into_iter().map(str::to_owned).collect())
    }
}

const KEYS: &[&str] = if cfg!(feature = "mcp-tools") {
    &["homeiq", "services", "tools", "mcp"]
} else {
    &["homeiq", "services", "tools"]
};

fn read(root: &Table<'_>, surroundings: Surroundings<'_>) -> ToolFile {
    root.check_keys(KEYS);
    let mut services = BTreeMap::new();
    for (name, table) in root.table("services").iter().flat_map(Table::tables) {
        // A broken service counts as defined, so that its tools are not reported as well.
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
                table.problem_here("is already defined by homeiq = true; choose another name");
            }
            tools.extend(tool::read(module, name, &table, &services));
        }
    }
    ToolFile {
        #[cfg(feature = "mcp-tools")]
        servers: mcp_server::read_all(root, &tools, surroundings),
        #[cfg(feature = "mcp-tools")]
        launch: None,
        tools,
    }
}

#[cfg(test)]
mod tests;
