//! A process that becomes the command of an MCP server.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::super::output::complain;
use super::{Started, files};

/// Programs that load packages, and the directories in the user's home that they load them to.
const RUNNERS: [(&str, &[&str]); 2] = [("npx", &[".npm"]), ("uvx", &[".cache/uv", ".local/share/uv"])];

/// More than any command and its variables have.
const PLAN_BYTES_MAX: usize = 16 << 20;

/// Exit statuses as shells have them: the command cannot be run, and it was not found.
const NOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Gives up what the command must not have, and becomes the command.
pub(crate) fn launch_server() -> ExitCode {
    let Ok(started) = read() else {
        complain("ai-code-executor: this command is for the executor's own use");
        return ExitCode::from(super::super::USAGE);
    };
    let error = match become_command(&started) {
        Ok(error) => error,
        Err(why) => {
            complain(&format!("ai-code-executor: the MCP server is not started: {why}"));
            return ExitCode::from(NOT_RUN);
        }
    };
    let name = started.command.first().map(String::as_str).unwrap_or_default();
    complain(&format!("ai-code-executor: the MCP server's command {name:?} cannot be started: {error}"));
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN })
}

/// Writes a command to the standard input of the process that becomes it. Not as an argument or a variable: other processes
/// can read those.
pub(super) fn write(started: &Started, mut stdin: impl Write) -> io::Result<()> {
    let plan = serde_json::to_vec(started)?;
    let length = u32::try_from(plan.len()).map_err(io::Error::other)?;
    stdin.write_all(&length.to_le_bytes()).and_then(|()| stdin.write_all(&plan))
}

/// Reads the command, and not a byte more: the rest is for the command.
fn read() -> io::Result<Started> {
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut length = [0; 4];
    stdin.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
    if length > PLAN_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut plan = vec![0; length];
    stdin.read_exact(&mut plan)?;
    Ok(serde_json::from_slice(&plan)?)
}

/// Makes the directories that a package runner would make at its first use. With files denied, it could not: they are in
/// directories above the executor's own.
fn make_caches(program: &str, started: &Started) {
    let name = Path::new(program).file_name().unwrap_or_default();
    let home = started.env.iter().find(|(name, _)| name == "HOME").map(|(_, home)| Path::new(home));
    let Some(home) = home.filter(|home| home.is_dir()) else { return };
    let caches = RUNNERS.iter().filter(|(runner, _)| name == *runner).flat_map(|(_, caches)| *caches);
    for cache in caches {
        // If it cannot be made, the runner says so.
        let _ = fs::create_dir_all(home.join(cache));
    }
}

/// Returns only if the command cannot be started: with the error.
fn become_command(started: &Started) -> Result<io::Error, String> {
    // The signal stays through what follows. If the launcher has ended before, nobody would send it.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;
    if getppid().is_none_or(Pid::is_init) {
        return Err("the launcher has ended".into());
    }
    let (program, arguments) = started.command.split_first().ok_or("there is no command")?;
    make_caches(program, started);
    if let Err(why) = files::deny(&started.denied) {
        let gap = format!("the executor's cache, store and secrets cannot be kept from it: Landlock: {why}");
        if started.is_strict {
            return Err(format!("{gap}; HARDENING is require"));
        }
        complain(&format!("ai-code-executor: {gap}"));
    }
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(started.env.iter().map(|(name, value)| (name, value)));
    if let Some(dir) = &started.cwd {
        command.current_dir(dir);
    }
    Ok(command.exec())
}
