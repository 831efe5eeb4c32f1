//! Tools that change while they are used.

use std::fmt;

use http_signing::Signer;

use super::mcp::{self, Servers};
use super::{Tool, ToolFile};
use crate::error::Error;

/// The tools of a registry file, connected. Those of servers of the Model Context Protocol may change.
///
/// A sandbox [follows](crate::SandboxBuilder::follow) them. Connections to the servers last until this and all of its tools
/// are dropped.
pub struct ToolSource {
    of_services: Vec<Tool>,
    servers: Option<Servers>,
}

impl ToolFile {
    /// Connects, as [`ToolFile::connect`] does, to tools that may change.
    ///
    /// # Errors
    ///
    /// As for [`ToolFile::connect`].
    pub fn source(&self, signer: Option<&Signer>) -> Result<ToolSource, Error> {
        let mut of_services = self.http_tools(signer)?;
        if cfg!(fuzzing) {
            // Nobody has chosen these addresses, let alone these commands.
            of_services.extend(self.servers.iter().map(|server| mcp::unconnected(server)));
            return Ok(ToolSource { of_services, servers: None });
        }
        Ok(ToolSource { of_services, servers: Servers::connect(&self.servers, self.launch.as_ref())? })
    }
}

impl ToolSource {
    /// Returns the tools as they are now.
    #[must_use]
    pub fn tools(&self) -> Vec<Tool> {
        let of_servers = self.servers.iter().flat_map(Servers::tools);
        self.of_services.iter().cloned().chain(of_servers).collect()
    }

    /// Waits until the tools are others than when this was last called, or than at the beginning. It is safe to drop the
    /// future.
    pub async fn changed(&mut self) {
        match &mut self.servers {
            Some(servers) => servers.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for ToolSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolSource").finish_non_exhaustive()
    }
}
