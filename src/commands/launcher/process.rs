//! The launcher's own process.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, send, sendmsg};
use rustix::process::{Pid, Signal, kill_process_group};

use super::super::output::complain;
use super::{EXECUTABLE, LAUNCH_SERVER, MESSAGE_BYTES_MAX, PIPES, Plan, Started, started};

/// Least time between two starts of one command, whatever the service asks for.
const PAUSE: Duration = Duration::from_millis(500);

/// This side's ends of a command's pipes.
struct Pipes {
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
}

/// A command, and its process if it was started.
struct Slot {
    started: Started,
    running: Option<(Child, Instant)>,
}

/// Starts commands when it is asked to, until nobody can ask any more. The plan comes on standard input; questions and
/// answers go through the socket that is standard output.
pub(crate) fn launcher() -> ExitCode {
    let mut text = String::new();
    let plan = io::stdin().read_to_string(&mut text).and_then(|_| Ok(serde_json::from_str::<Plan>(&text)?));
    let Ok(Plan { commands }) = plan else {
        complain("ai-code-executor: this command is for the executor's own use");
        return ExitCode::from(super::super::USAGE);
    };
    let mut slots: Vec<Slot> = commands.into_iter().map(|started| Slot { started, running: None }).collect();
    let socket = io::stdout();
    loop {
        let mut question = [0; 2];
        match recv(&socket, &mut question, RecvFlags::empty()) {
            Ok((_, 2)) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // The service has ended.
            _ => break,
        }
        let slot = slots.get_mut(usize::from(u16::from_le_bytes(question)));
        let answered = match slot.ok_or(ErrorKind::NotFound.into()).and_then(Slot::start) {
            Ok(pipes) => pass(&socket, &pipes),
            Err(error) => {
                let mut why = error.to_string().into_bytes();
                why.truncate(MESSAGE_BYTES_MAX);
                send(&socket, &why, SendFlags::NOSIGNAL).map(drop).map_err(io::Error::from)
            }
        };
        if answered.is_err() {
            break;
        }
    }
    slots.iter_mut().for_each(Slot::end);
    ExitCode::SUCCESS
}

/// Passes the ends of pipes on.
fn pass(socket: &impl AsFd, pipes: &Pipes) -> io::Result<()> {
    let Pipes { stdin, stdout, stderr } = pipes;
    let files = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(PIPES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&files));
    sendmsg(socket, &[IoSlice::new(b"started")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

impl Slot {
    /// Starts the command again. Returns the ends of its pipes.
    fn start(&mut self) -> io::Result<Pipes> {
        if self.running.as_ref().is_some_and(|(_, since)| since.elapsed() < PAUSE) {
            return Err(io::Error::other("it was started a moment ago"));
        }
        self.end();
        let mut command = Command::new(EXECUTABLE);
        command.arg(LAUNCH_SERVER).env_clear();
        // A group of its own, so that what it starts ends with it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        self.running = Some((child, Instant::now()));
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        started::write(&self.started, &stdin)?;
        Ok(Pipes { stdin, stdout, stderr })
    }

    /// Ends the command with all that it started.
    fn end(&mut self) {
        let Some((mut child, _)) = self.running.take() else { return };
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // Fails if all of the group have ended.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait();
    }
}
