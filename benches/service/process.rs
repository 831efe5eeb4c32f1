//! `ai-code-executor serve`, as built for release.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::client::TOKEN;

/// Between two looks at whether it is ready.
const PAUSE: Duration = Duration::from_micros(200);

/// Killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// A file, as under a service manager; it is the terminal's readers that are slow.
    _log: NamedTempFile,
    pub(crate) address: SocketAddr,
    /// From its start until `/ready` said so.
    pub(crate) start: Duration,
}

/// Memory of a process, in bytes.
pub(crate) struct Memory {
    /// Resident, shared and not.
    pub(crate) resident: u64,
    /// The part of it that is files, and that the kernel may drop and read again.
    pub(crate) resident_file: u64,
    /// Its share of what is resident, and its page tables.
    pub(crate) own: u64,
}

impl Process {
    /// Ready, with default settings but for `settings`.
    pub(crate) fn start(images: &Path, settings: &[(&str, &str)]) -> Self {
        let log = NamedTempFile::new().expect("a temporary file");
        let stderr = log.reopen().expect("the temporary file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ai-code-executor"));
        command.env_clear().env("CACHE_DIR", images).env("EXECUTOR_API_TOKEN", TOKEN);
        command.env("SERVICE_PORT", "0").envs(settings.iter().copied()).stderr(stderr);
        let started = Instant::now();
        let child = command.spawn().expect("the executor starts");
        let address = wait(|| address_in(&fs::read_to_string(log.path()).ok()?));
        wait(|| get(address, "/ready").starts_with("HTTP/1.1 200").then_some(()));
        Self { child, _log: log, address, start: started.elapsed() }
    }

    /// The whole answer.
    pub(crate) fn get(&self, path: &str) -> String {
        get(self.address, path)
    }

    pub(crate) fn memory(&self) -> Memory {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the process runs")
        };
        let (status, rollup) = (read("status"), read("smaps_rollup"));
        Memory {
            resident: bytes(&status, "VmRSS:"),
            resident_file: bytes(&status, "RssFile:"),
            own: bytes(&rollup, "Pss:") + bytes(&status, "VmPTE:"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // If it has ended already, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        match look() {
            Some(seen) => return seen,
            None => std::thread::sleep(PAUSE),
        }
    }
}

fn address_in(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("listening address=")?;
    rest.split_once('\n')?.0.trim().parse().ok()
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the service listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("the service reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the service answers");
    answer
}

/// A line such as `VmRSS:   1234 kB`.
fn bytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel says it");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number");
    kilobytes * 1024
}
