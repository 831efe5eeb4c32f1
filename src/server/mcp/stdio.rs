//! The protocol on standard input and standard output, for clients that start the executor as their own process.

use std::io;

use rmcp::service::{ServerInitializeError, serve_server};
use rmcp::transport::stdio_pipes;

use super::Agents;
use crate::limits::Limits;
use crate::sandbox::Sandbox;
use crate::server::auth::Roles;

/// Serves one client of the Model Context Protocol on standard input and standard output, until its input ends.
/// `ceilings` are the limits of each program. With `approves`, the client's user is asked about calls that need
/// approval; otherwise these calls wait for somebody else.
///
/// Nothing else may use standard output meanwhile. Dropping the future may leave a thread that waits for input.
///
/// # Errors
///
/// If the handshake fails.
///
/// # Panics
///
/// Outside of a Tokio runtime with I/O enabled.
pub async fn serve_stdio(sandbox: Sandbox, ceilings: Limits, approves: bool) -> io::Result<()> {
    let agents =
        Agents::new(sandbox, ceilings, Roles { executes: true, approves }).map_err(io::Error::other)?;
    let running = match Box::pin(serve_server(agents, stdio_pipes())).await {
        Ok(running) => running,
        Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(io::Error::other(error)),
    };
    running.waiting().await.map(drop).map_err(io::Error::other)
}
