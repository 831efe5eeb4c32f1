//! What the process gives up before it serves, so that whoever gets out of WebAssembly finds little to do.
//!
//! Nothing of it can be taken back, and all of it holds in every thread that is started later: so it comes before the first
//! one. The order within: `landlock` (which files, which ports), then `seccomp` (which system calls), among which those of
//! Landlock are not.

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

/// What a process still needs when it is [restricted](restrict). Beyond it, it may read its cgroup's limits and its own
/// executable, for backtraces.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Folders that exist, whose files it reads, writes and removes until it is [sealed](seal).
    pub writable: Vec<PathBuf>,
    /// Files, and folders with all that is in them, that it reads.
    pub readable: Vec<PathBuf>,
    /// TCP ports that it connects to, on any machine.
    pub ports: BTreeSet<u16>,
    /// Whether it looks up names: `/etc/hosts` and the like are read, and name servers asked, by UDP and TCP.
    pub names: bool,
}

/// What is in force, in all threads.
// Six facts, each with or without the others.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hardening {
    /// No program that it starts could have more rights than it has.
    pub no_new_privileges: bool,
    /// Its memory is not written to a core file, and cannot be read by other processes of its user.
    pub no_dumps: bool,
    /// Landlock: the files that it needs, and no others.
    pub filesystem: bool,
    /// Landlock: TCP connections to the ports that it needs, and no others; it binds to none.
    pub network: bool,
    /// Landlock: no signals and no abstract Unix sockets to other processes.
    pub scopes: bool,
    /// A list of system calls, and no others.
    pub seccomp: bool,
}

impl Hardening {
    /// Whether all of it is in force.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Self { no_new_privileges, no_dumps, filesystem, network, scopes, seccomp } = *self;
        no_new_privileges && no_dumps && filesystem && network && scopes && seccomp
    }
}

/// Gives up all that the process does not need, as far as the kernel lets it. Also says what the kernel does not, a line
/// each.
///
/// Call it before any thread is started, so not below `#[tokio::main]`; and after everything that takes more than is kept:
/// listeners are bound, files with secrets are read.
///
/// ```no_run
/// use ai_code_executor::hardening::{self, Needs};
/// use ai_code_executor::Sandbox;
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:8030")?;
/// let needs = Needs { writable: vec!["/var/cache/mine".into()], ports: [443].into(), names: true, ..Needs::default() };
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
/// [`Error::Config`] when there are other threads already, which would stay as they are.
pub fn restrict(needs: &Needs) -> Result<(Hardening, Vec<String>), Error> {
    // Without /proc nobody can tell.
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        let why =
            format!("{threads} threads run already, and would stay as they are: harden the process before");
        return Err(Error::Config(why));
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

/// Gives up, in all threads, what only making an image takes: memory that becomes executable, and files that are written.
/// For a process whose [`seccomp`](Hardening::seccomp) is in force, once its sandbox is built.
///
/// # Errors
///
/// [`Error::Config`] when the kernel refuses.
pub fn seal() -> Result<(), Error> {
    seccomp::seal().map_err(|error| Error::Config(format!("sealing the process: {error}")))
}

fn noted<T, E: Display>(gaps: &mut Vec<String>, what: &str, result: Result<T, E>) -> Option<T> {
    result.map_err(|error| gaps.push(format!("{what}: {error}"))).ok()
}

/// Two ways to have no core files. The second closes the memory to others too, and is tried where a filter of system calls
/// forbids the first.
fn forbid_dumps() -> nix::Result<()> {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    set_dumpable(false)
}
