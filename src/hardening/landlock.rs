//! Restricts the files, ports and processes that can be reached, with Landlock: see landlock(7).

use std::mem;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, make_bitflags, path_beneath_rules,
};

use super::Needs;

/// The newest Landlock version that was tested. Rules that a kernel does not support are left out.
const VERSION: ABI = ABI::V6;

const WRITABLE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir
});
const READABLE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// Files that give the useful number of threads, and the functions of this executable (for backtraces).
const OF_PROCESS: [&str; 4] =
    ["/proc/self/cgroup", "/proc/self/mountinfo", "/proc/self/maps", "/proc/self/exe"];
const CGROUPS: &str = "/sys/fs/cgroup";

/// The files that libc reads to resolve a name. Modules in nsswitch.conf that are not part of libc cannot be loaded.
const NAMES: [&str; 5] = ["/etc/nsswitch.conf", "/etc/host.conf", "/etc/hosts", "/etc/gai.conf", RESOLV_CONF];
const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;

/// What the kernel's version of Landlock restricts in addition to files.
pub(super) struct Covers {
    pub(super) network: bool,
    pub(super) scopes: bool,
}

impl Covers {
    /// Returns the restrictions that are missing, one line each.
    pub(super) fn gaps(&self) -> impl Iterator<Item = &'static str> {
        let network =
            (!self.network).then_some("Landlock: no rules for TCP ports (Linux 6.7 and later have them)");
        let scopes =
            (!self.scopes).then_some("Landlock: no rules for signals (Linux 6.12 and later have them)");
        network.into_iter().chain(scopes)
    }
}

/// Restricts this thread, and the threads that it starts.
///
/// # Errors
///
/// Fails with the reason if the kernel has no Landlock, has it disabled, or refuses the rules.
pub(super) fn restrict(needs: &Needs) -> Result<Covers, String> {
    let status = enforce(needs).map_err(|error| error.to_string())?;
    match status {
        LandlockStatus::Available { effective_abi, .. } => {
            Ok(Covers { network: effective_abi >= ABI::V4, scopes: effective_abi >= ABI::V6 })
        }
        LandlockStatus::NotEnabled => Err("disabled in this kernel (see `lsm=` on its command line)".into()),
        LandlockStatus::NotImplemented => Err("not in this kernel (Linux 5.13 and later have it)".into()),
    }
}

fn enforce(needs: &Needs) -> Result<LandlockStatus, RulesetError> {
    let name_servers = if needs.names { name_servers() } else { Vec::new() };
    let readable = needs.readable.iter().chain(&name_servers).map(PathBuf::as_path);
    let dns = needs.names.then_some(DNS_PORT);
    let ports =
        needs.ports.iter().copied().chain(dns).map(|port| Ok(NetPort::new(port, AccessNet::ConnectTcp)));
    let restricted = Ruleset::default()
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(AccessNet::from_all(VERSION))?
        .scope(Scope::from_all(VERSION))?
        .create()?
        .add_rules(path_beneath_rules(&needs.writable, WRITABLE))?
        .add_rules(path_beneath_rules(readable.chain([Path::new(CGROUPS)]), READABLE))?
        .add_rules(OF_PROCESS.iter().filter_map(|path| kept(path)))?
        .add_rules(ports.collect::<Vec<Result<_, RulesetError>>>())?
        .restrict_self()?;
    Ok(restricted.landlock)
}

/// Returns a rule for a file below /proc, and keeps that file open.
///
/// A rule applies to the inode that exists now. The kernel may replace inodes below /proc, but not while they are open.
fn kept(path: &str) -> Option<Result<PathBeneath<PathFd>, RulesetError>> {
    mem::forget(PathFd::new(path).ok()?);
    PathFd::new(path).ok().map(|file| Ok(PathBeneath::new(file, AccessFs::ReadFile)))
}

/// Returns the files of [`NAMES`], and the directory of resolv.conf if it is a link to a file in a directory of /run.
///
/// Programs that replace resolv.conf at run time keep it there. A rule for the file would not apply to a new file.
fn name_servers() -> Vec<PathBuf> {
    let target = Path::new(RESOLV_CONF).canonicalize().unwrap_or_default();
    let folder = target.parent().filter(|folder| folder.starts_with("/run") && *folder != Path::new("/run"));
    NAMES.iter().map(PathBuf::from).chain(folder.map(PathBuf::from)).collect()
}
