//! Starts the commands of MCP servers, also for a process that is hardened and cannot.
//!
//! A second process of this executable, the launcher, is started before the service hardens. It starts each command when
//! asked and passes its pipes on. It knows nothing but the commands, and ends, with all of them, when the service does.

mod files;
mod process;
mod started;

use std::io::{self, ErrorKind, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ai_code_executor::tools::{Launch, ServerCommand, ServerPipes};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags, SocketType,
    recvmsg, send, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Effective, HardeningMode};
pub(crate) use process::launcher;
pub(crate) use started::launch_server;

/// This executable. The path works while the process runs, even if the file was replaced.
const EXECUTABLE: &str = "/proc/self/exe";

/// The hidden commands of this executable.
const LAUNCHER: &str = "launcher";
const LAUNCH_SERVER: &str = "launch-server";

/// Longest time that the launcher may take to start a command.
const START_TIME_MAX: Duration = Duration::from_secs(10);

/// Files that the launcher passes on: the pipes of one command.
const PIPES: usize = 3;

const MESSAGE_BYTES_MAX: usize = 1024;

/// What the launcher knows.
#[derive(Serialize, Deserialize)]
struct Plan {
    commands: Vec<Started>,
}

/// A command, and what it may not do.
#[derive(Clone, Serialize, Deserialize)]
struct Started {
    command: Vec<String>,
    env: Vec<(String, String)>,
    cwd: Option<PathBuf>,
    /// Files and directories that it cannot reach.
    denied: Vec<PathBuf>,
    /// Whether it is not started if that cannot be had.
    is_strict: bool,
}

/// The launcher, seen from the service.
struct Launcher {
    modules: Vec<String>,
    /// `None` after an answer that did not come: the next one could be to an earlier question.
    socket: Mutex<Option<OwnedFd>>,
}

/// Starts the launcher, if there are commands to start. Call it before the process is hardened and before it starts
/// threads.
pub(crate) fn start(config: &Config, effective: &[Effective]) -> Result<Option<Arc<dyn Launch>>, String> {
    let commands =
        if config.network_tools.enabled { config.network_tools.file.commands() } else { Vec::new() };
    if commands.is_empty() {
        return Ok(None);
    }
    let modules = commands.iter().map(|command| command.module.clone()).collect();
    let denied = denied(config, effective);
    let is_strict = config.hardening == HardeningMode::Require;
    let started = |ServerCommand { command, env, cwd, .. }| Started {
        command,
        env,
        cwd,
        denied: denied.clone(),
        is_strict,
    };
    let plan = Plan { commands: commands.into_iter().map(started).collect() };
    let socket =
        begin(&plan).map_err(|error| format!("cannot start the launcher of MCP servers: {error}"))?;
    Ok(Some(Arc::new(Launcher { modules, socket: Mutex::new(Some(socket)) })))
}

fn begin(plan: &Plan) -> io::Result<OwnedFd> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&ours, Timeout::Recv, Some(START_TIME_MAX))?;
    let mut launcher = Command::new(EXECUTABLE);
    launcher.arg(LAUNCHER).env_clear().stdin(Stdio::piped()).stdout(theirs);
    let mut launcher = launcher.spawn()?;
    let plan = serde_json::to_vec(plan)?;
    // Closed when it is dropped, which is the end of the plan.
    launcher.stdin.take().ok_or(ErrorKind::BrokenPipe)?.write_all(&plan)?;
    Ok(ours)
}

/// Returns what no server may reach: machine code that the service runs, states and their key, and secrets.
fn denied(config: &Config, effective: &[Effective]) -> Vec<PathBuf> {
    let is_secret = |setting: &&Effective| setting.name.ends_with("_FILE");
    let secrets = effective.iter().filter(is_secret).map(|setting| PathBuf::from(&setting.value));
    let dirs = config.cache_dir.iter().chain(&config.store.dir).cloned();
    dirs.chain(secrets.filter(|path| !path.as_os_str().is_empty())).collect()
}

impl Launch for Launcher {
    fn launch(&self, module: &str) -> io::Result<ServerPipes> {
        let index = self.modules.iter().position(|other| other == module);
        let index = index.and_then(|index| u16::try_from(index).ok()).ok_or(ErrorKind::NotFound)?;
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = socket.take().ok_or_else(|| io::Error::other("the launcher has ended"))?;
        send(&asked, &index.to_le_bytes(), SendFlags::NOSIGNAL)?;
        let (said, pipes) = receive(&asked)?;
        *socket = Some(asked);
        match <[OwnedFd; PIPES]>::try_from(pipes) {
            Ok([stdin, stdout, stderr]) => Ok(ServerPipes::new(stdin, stdout, stderr)),
            Err(_) => Err(io::Error::other(said)),
        }
    }
}

/// Receives the launcher's answer: pipes, or words about why there are none.
fn receive(socket: &OwnedFd) -> io::Result<(String, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PIPES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut message = [0; MESSAGE_BYTES_MAX];
    let mut parts = [IoSliceMut::new(&mut message)];
    let received = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Err(io::Error::other("the launcher has ended"));
    }
    let mut pipes = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(files) = part {
            pipes.extend(files);
        }
    }
    Ok((String::from_utf8_lossy(&message[..received.bytes]).into_owned(), pipes))
}
