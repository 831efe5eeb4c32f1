//! Landlock: which files, ports and processes can be reached, see landlock(7).

use std::mem;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, make_bitflags, path_beneath_rules,
};

use super::Needs;

/// The newest version that this was tested with; what a kernel lacks of it is left out.
const VERSION: ABI = ABI::V6;

const WRITABLE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir
});
const READABLE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// How many threads make sense, and where this executable's functions are.
const OF_PROCESS: [&str; 4] =
    ["/proc/self/cgroup", "/proc/self/mountinfo", "/proc/self/maps", "/proc/self/exe"];
const CGROUPS: &str = "/sys/fs/cgroup";

/// What libc reads to find the address of a name. Modules of nsswitch.conf that libc does not have inside are not loaded.
const NAMES: [&str; 5] = ["/etc/nsswitch.conf", "/etc/host.conf", "/etc/hosts", "/etc/gai.conf", RESOLV_CONF];
const RESOLV_CONF: &str = "/etc/resolv.conf";
const DNS_PORT: u16 = 53;

/// What the kernel's version of Landlock restricts beside files.
pub(super) struct Covers {
    pub(super) network: bool,
    pub(super) scopes: bool,
}

impl Covers {
    pub(super) fn gaps(&self) -> impl Iterator<Item = &'static str> {
        let network =
            (!self.network).then_some("Landlock: no rules for TCP ports (they came with Linux 6.7)");
        let scopes = (!self.scopes).then_some("Landlock: no rules for signals (they came with Linux 6.12)");
        network.into_iter().chain(scopes)
    }
}

/// Restricts this thread, and those that it starts.
pub(super) fn restrict(needs: &Needs) -> Result<Covers, String> {
    let status = enforce(needs).map_err(|error| error.to_string())?;
    match status {
        LandlockStatus::Available { effective_abi, .. } => {
            Ok(Covers { network: effective_abi >= ABI::V4, scopes: effective_abi >= ABI::V6 })
        }
        LandlockStatus::NotEnabled => {
            Err("switched off in this kernel (see `lsm=` of its command line)".into())
        }
        LandlockStatus::NotImplemented => Err("not in this kernel (it came with Linux 5.13)".into()),
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

/// A rule holds for the file that is there now, and the kernel may make files below /proc anew: not while they are open.
fn kept(path: &str) -> Option<Result<PathBeneath<PathFd>, RulesetError>> {
    mem::forget(PathFd::new(path).ok()?);
    PathFd::new(path).ok().map(|file| Ok(PathBeneath::new(file, AccessFs::ReadFile)))
}

/// The files of [`NAMES`]. Where resolv.conf is a link to below /run, as those who replace it while the machine runs have it,
/// its folder there too: a new file is not the one that a rule was made for.
fn name_servers() -> Vec<PathBuf> {
    let target = Path::new(RESOLV_CONF).canonicalize().unwrap_or_default();
    let folder = target.parent().filter(|folder| folder.starts_with("/run") && *folder != Path::new("/run"));
    NAMES.iter().map(PathBuf::from).chain(folder.map(PathBuf::from)).collect()
}
