//! MCP servers as plain data.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::tools::Approval;
use crate::tools::http::{Secrets, Service};

/// An MCP server whose tools are the functions of one module.
#[derive(Debug)]
pub(crate) struct Server {
    /// The module, as the registry file names it.
    pub(crate) module: String,
    pub(crate) reach: Reach,
    /// The names of the tools that programs may see; `None` for all.
    pub(crate) allow: Option<BTreeSet<String>>,
    /// The names of tools that programs do not see.
    pub(crate) deny: BTreeSet<String>,
    pub(crate) approval: Approval,
    /// For connecting, and for each call.
    pub(crate) time_max: Option<Duration>,
    /// Whether the server's own words about its tools count, such as that a tool is read-only.
    pub(crate) trust_annotations: bool,
}

/// Variables of this process that every command gets. They are no secrets.
pub(crate) const COMMON_VARIABLES: [&str; 7] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// How a server is reached.
#[derive(Debug)]
pub(crate) enum Reach {
    /// By streamable HTTP, at this URL. The service holds its headers and certificates.
    Http { uri: Arc<str>, service: Arc<Service> },
    /// By its standard input and output.
    Command(ServerCommand),
}

/// The command of an MCP server that is reached by its standard input and output.
#[derive(Clone)]
#[non_exhaustive]
pub struct ServerCommand {
    /// The module that programs import, as the registry file names it. No other command has the same.
    pub module: String,
    /// The program and its arguments. There is at least one.
    pub command: Vec<String>,
    /// All of its environment. Values may be secrets.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub cwd: Option<PathBuf>,
}

/// Leaves out the values of variables, which may be secrets.
impl fmt::Debug for ServerCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ServerCommand")
            .field("module", &self.module)
            .field("command", &self.command)
            .field("env", &env)
            .field("cwd", &self.cwd)
            .finish()
    }
}

impl Server {
    /// Returns whether programs may see the tool of this name.
    pub(super) fn admits(&self, tool: &str) -> bool {
        self.allow.as_ref().is_none_or(|names| names.contains(tool)) && !self.deny.contains(tool)
    }

    /// Returns what programs must not see if the server repeats it in an error.
    pub(super) fn secrets(&self) -> Secrets {
        match &self.reach {
            Reach::Http { service, .. } => Secrets::of_service(&service.url, &service.headers),
            Reach::Command(command) => {
                let own = command.env.iter().filter(|(name, _)| !COMMON_VARIABLES.contains(&name.as_str()));
                Secrets::of_values(own.map(|(_, value)| value.as_str()))
            }
        }
    }

    /// Returns where calls go, for digests.
    pub(super) fn place(&self) -> String {
        match &self.reach {
            Reach::Http { uri, .. } => format!("mcp {uri}"),
            Reach::Command(command) => format!("mcp {:?} {:?}", command.command, command.cwd),
        }
    }
}
