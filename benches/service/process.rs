//! A process of `ai-code-executor serve`, in a release build.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::client::TOKEN;

/// The pause between two checks whether the service is ready.
const PAUSE: Duration = Duration::from_micros(200);

/// The process. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    /// The log goes to a file, because a terminal would slow the service down.
    _log: NamedTempFile,
    pub(crate) address: SocketAddr,
    /// The time from the start of the process until `/ready` answered 200.
    pub(crate) start: Duration,
}

/// Memory of a process, in bytes.
pub(crate) struct Memory {
    /// All resident memory, shared memory included.
    pub(crate) resident: u64,
    /// The resident memory that is mapped from files. The kernel may drop it and read it again.
    pub(crate) resident_file: u64,
    /// The proportional share of resident memory, and the page tables.
    pub(crate) own: u64,
}

impl Process {
    /// Starts the service with `settings`, and waits until it is ready.
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

    /// Returns the whole response to a GET request.
    pub(crate) fn get(&self, path: &str) -> String {
        get(self.address, path)
    }

    /// Returns the memory that the process has now.
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
        // Killing fails if the process has ended already.
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

/// Returns the bytes of the line with `name`, such as `VmRSS:   1234 kB`.
fn bytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel reports the value");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("the value is a number");
    kilobytes * 1024
}
