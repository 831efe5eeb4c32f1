//! Restricts the process before it serves, so that code that escapes from WebAssembly can do little.
//!
//! The restrictions are permanent. Threads inherit them from the thread that starts them, so the process must be
//! restricted before it starts the first one. `landlock` (files and ports) comes first, because `seccomp` (system
//! calls) then forbids the system calls of Landlock.

mod landlock;
mod resident;
mod seccomp;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::PathBuf;

use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::sys::resource::{Resource, setrlimit};

use crate::error::Error;
use crate::memory;
pub(crate) use resident::resident_bytes;

/// What a process still needs after it is [restricted](restrict).
///
/// In addition, it may read the limits of its cgroup, and its own executable for backtraces.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Needs {
    /// Existing directories in which it reads, writes and removes files until it is [sealed](seal).
    pub writable: Vec<PathBuf>,
    /// Files that it reads, and directories of which it reads everything.
    pub readable: Vec<PathBuf>,
    /// TCP ports that it connects to, on any machine.
    pub ports: BTreeSet<u16>,
    /// Whether it resolves host names. It may then read `/etc/hosts` and the like, and ask name servers over UDP and
    /// TCP.
    pub names: bool,
}

impl Needs {
    /// Sets [`Needs::writable`](field@Needs::writable).
    #[must_use]
    pub fn writable(mut self, writable: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.writable = writable.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Needs::readable`](field@Needs::readable).
    #[must_use]
    pub fn readable(mut self, readable: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.readable = readable.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Needs::ports`](field@Needs::ports).
    #[must_use]
    pub fn ports(mut self, ports: impl IntoIterator<Item = impl Into<u16>>) -> Self {
        self.ports = ports.into_iter().map(Into::into).collect();
        self
    }

    /// Sets [`Needs::names`](field@Needs::names).
    #[must_use]
    pub fn names(mut self, names: bool) -> Self {
        self.names = names;
        self
    }
}

/// The restrictions that are in force, in all threads.
#[expect(clippy::struct_excessive_bools, reason = "the flags are independent of each other")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hardening {
    /// A program that the process executes cannot gain privileges.
    pub no_new_privileges: bool,
    /// The process writes no core file, and other processes of its user cannot read its memory.
    pub no_dumps: bool,
    /// Landlock: access only to the files that the process needs.
    pub filesystem: bool,
    /// Landlock: TCP connections only to the ports that the process needs; it can bind to none.
    pub network: bool,
    /// Landlock: no signals to other processes, and no connections to their abstract Unix sockets.
    pub scopes: bool,
    /// seccomp: only a fixed list of system calls.
    pub seccomp: bool,
}

impl Hardening {
    /// Returns whether all restrictions are in force.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Self { no_new_privileges, no_dumps, filesystem, network, scopes, seccomp } = *self;
        no_new_privileges && no_dumps && filesystem && network && scopes && seccomp
    }
}

/// Restricts the process to `needs`, as far as the kernel supports it.
///
/// Returns the restrictions that are in force, and the gaps: one line for each that is not, with the reason.
///
/// Call it before any thread is started, so not below `#[tokio::main]`. Call it after everything that takes more than
/// `needs` allows, such as binding listeners and reading files with secrets.
///
/// ```no_run
/// use ai_code_executor::hardening::{self, Needs};
/// use ai_code_executor::Sandbox;
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:8030")?;
/// let needs = Needs::default().writable(["/var/cache/mine"]).ports([443_u16]).names(true);
/// let (hardening, gaps) = hardening::restrict(&needs)?;
/// assert!(hardening.seccomp, "{gaps:?}");
/// let runtime = tokio::runtime::Runtime::new()?;
/// let sandbox = Sandbox::builder().cache_dir("/var/cache/mine").build()?;
/// hardening::seal()?;
/// # drop((listener, runtime, sandbox));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Config`] if the process has other threads already, which would stay unrestricted.
pub fn restrict(needs: &Needs) -> Result<(Hardening, Vec<String>), Error> {
    // Without /proc, the number of threads is unknown.
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        let why =
            format!("{threads} threads run already and would stay unrestricted; harden the process first");
        return Err(Error::config(why));
    }
    memory::open_before_hardening();
    resident::open_before_hardening();
    let (mut hardening, mut gaps) = (Hardening::default(), Vec::new());
    hardening.no_new_privileges = noted(&mut gaps, "no new privileges", set_no_new_privs()).is_some();
    hardening.no_dumps = noted(&mut gaps, "no dumps", forbid_dumps()).is_some();
    if let Some(covers) = noted(&mut gaps, "Landlock", landlock::restrict(needs)) {
        hardening =
            Hardening { filesystem: true, network: covers.network, scopes: covers.scopes, ..hardening };
        gaps.extend(covers.gaps().map(str::to_owned));
    }
    hardening.seccomp = noted(&mut gaps, "seccomp", seccomp::restrict(needs)).is_some();
    Ok((hardening, gaps))
}

/// Restricts all threads further: no new executable memory, and no writing of files. Only making an image needs these.
///
/// Call it once the sandbox is built, in a process with [`seccomp`](Hardening::seccomp) in force.
///
/// # Errors
///
/// [`Error::Config`] if the kernel refuses.
pub fn seal() -> Result<(), Error> {
    seccomp::seal().map_err(|error| Error::config("sealing the process").caused_by(error))
}

fn noted<T, E: Display>(gaps: &mut Vec<String>, what: &str, result: Result<T, E>) -> Option<T> {
    result.map_err(|error| gaps.push(format!("{what}: {error}"))).ok()
}

/// Disables core files in two ways. The second also keeps other processes from reading the memory, and is tried even if
/// a seccomp filter from outside forbids the first.
fn forbid_dumps() -> nix::Result<()> {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    set_dumpable(false)
}
