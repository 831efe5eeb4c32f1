//! Starts the commands of servers.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

use super::server::ServerCommand;

/// The pipes of a started command: this process's ends.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServerPipes {
    /// What is written here, the command reads.
    pub stdin: OwnedFd,
    /// What the command writes: its messages.
    pub stdout: OwnedFd,
    /// What the command writes: its log.
    pub stderr: OwnedFd,
}

impl ServerPipes {
    /// Returns the pipes of a command. All three must be pipes: no sockets, no files.
    #[must_use]
    pub fn new(stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd) -> Self {
        Self { stdin, stdout, stderr }
    }
}

/// Starts commands of MCP servers.
///
/// Implement it if this process must not start others, such as one that `hardening::restrict` has restricted: a process
/// that was started before then starts them.
pub trait Launch: Send + Sync {
    /// Starts the command of the module that the registry file calls `module`, and ends the one that was started for it
    /// before. May block for a moment.
    ///
    /// # Errors
    ///
    /// If it cannot be started. The message goes to the log.
    fn launch(&self, module: &str) -> io::Result<ServerPipes>;
}

/// Starts commands as children of this process, with a clean environment. They end when this is dropped.
pub(super) struct Children {
    commands: Vec<ServerCommand>,
    running: Mutex<BTreeMap<String, Child>>,
}

impl Children {
    pub(super) fn new(commands: Vec<ServerCommand>) -> Self {
        Self { commands, running: Mutex::default() }
    }
}

impl Launch for Children {
    fn launch(&self, module: &str) -> io::Result<ServerPipes> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(child) = running.remove(module) {
            end(child);
        }
        let command = self.commands.iter().find(|command| command.module == module);
        let (program, arguments) =
            command.and_then(|command| command.command.split_first()).ok_or(io::ErrorKind::NotFound)?;
        let mut started = Command::new(program);
        started.args(arguments).env_clear();
        if let Some(command) = command {
            started.envs(command.env.iter().map(|(name, value)| (name, value)));
            if let Some(dir) = &command.cwd {
                started.current_dir(dir);
            }
        }
        // A group of its own, so that what it starts ends with it.
        started.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = started.spawn()?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        running.insert(module.to_owned(), child);
        Ok(ServerPipes::new(stdin.into(), stdout.into(), stderr.into()))
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        let running = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(running).into_values().for_each(end);
    }
}

/// Ends a child with all that it started.
fn end(mut child: Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Fails if all of the group have ended.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}
