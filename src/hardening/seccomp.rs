//! Restricts the system calls, with seccomp: see seccomp(2).
//!
//! A call that is not on the list fails with ENOSYS, as in a kernel that lacks it. Libraries handle that error. Ending
//! the process instead would cause an outage whenever a future libc uses a call that is missing here.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::process;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Is, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter, apply_filter_all_threads,
};

use super::Needs;
use crate::memory::PAGEMAP_SCAN;

/// Calls that may have any arguments.
#[rustfmt::skip]
const CALLS: &[c_long] = &[
    // Memory.
    libc::SYS_brk, libc::SYS_madvise, libc::SYS_membarrier, libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_mremap,
    libc::SYS_munmap,
    // Threads and time.
    libc::SYS_clock_getres, libc::SYS_clock_gettime, libc::SYS_clock_nanosleep, libc::SYS_exit, libc::SYS_exit_group,
    libc::SYS_futex, libc::SYS_getpid, libc::SYS_getrusage, libc::SYS_gettid, libc::SYS_gettimeofday,
    libc::SYS_nanosleep, libc::SYS_restart_syscall, libc::SYS_rseq, libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn, libc::SYS_sched_getaffinity, libc::SYS_sched_yield, libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    // Properties of the process and the machine.
    libc::SYS_getegid, libc::SYS_geteuid, libc::SYS_getgid, libc::SYS_getrandom, libc::SYS_getuid, libc::SYS_sysinfo,
    libc::SYS_uname,
    // Files. Landlock restricts which.
    libc::SYS_close, libc::SYS_faccessat, libc::SYS_fallocate, libc::SYS_fchmod, libc::SYS_fcntl, libc::SYS_fdatasync, libc::SYS_flock,
    libc::SYS_fstat, libc::SYS_fstatfs, libc::SYS_fsync, libc::SYS_ftruncate, libc::SYS_getcwd, libc::SYS_getdents64,
    libc::SYS_lseek, libc::SYS_memfd_create, libc::SYS_mkdirat, libc::SYS_newfstatat, libc::SYS_openat,
    libc::SYS_pread64, libc::SYS_pwrite64, libc::SYS_read, libc::SYS_readlinkat, libc::SYS_readv, libc::SYS_renameat,
    libc::SYS_renameat2, libc::SYS_statx, libc::SYS_unlinkat, libc::SYS_write, libc::SYS_writev,
    // Events, and existing connections.
    libc::SYS_accept4, libc::SYS_epoll_create1, libc::SYS_epoll_ctl, libc::SYS_epoll_pwait, libc::SYS_eventfd2,
    libc::SYS_getpeername, libc::SYS_getsockname, libc::SYS_getsockopt, libc::SYS_ppoll, libc::SYS_recvfrom,
    libc::SYS_recvmsg, libc::SYS_setsockopt, libc::SYS_shutdown,
];

/// Older forms of some calls, which libc still uses where they exist.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLD_CALLS: &[c_long] = &[
    libc::SYS_access, libc::SYS_epoll_wait, libc::SYS_lstat, libc::SYS_mkdir, libc::SYS_open, libc::SYS_poll,
    libc::SYS_readlink, libc::SYS_rename, libc::SYS_rmdir, libc::SYS_stat, libc::SYS_time, libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_CALLS: &[c_long] = &[];

/// Those of the older calls that can change files.
#[cfg(target_arch = "x86_64")]
const OLD_WRITES: &[c_long] =
    &[libc::SYS_mkdir, libc::SYS_open, libc::SYS_rename, libc::SYS_rmdir, libc::SYS_unlink];
#[cfg(not(target_arch = "x86_64"))]
const OLD_WRITES: &[c_long] = &[];

/// The bits of `clone` that are checked: `CLONE_THREAD` must be set, which makes a thread instead of a process, and the
/// namespaces must not be.
const CLONE_BITS: c_int = libc::CLONE_THREAD
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

/// The bits of a socket's type that are not flags.
const SOCKET_TYPE: u64 = 0xf;

/// `TCGETS`, `FIONREAD`, `FIONBIO` and `FIOCLEX` from <asm-generic/ioctls.h>, and the request that finds the pages that
/// guests have written to.
const IOCTLS: [u32; 5] = [0x5401, 0x541b, 0x5421, 0x5451, PAGEMAP_SCAN];

/// A condition on one argument: its index, its width, the comparison and the value.
type Condition = (u8, Width, Is, u64);

/// System calls. Each has alternative rules for its arguments; without a rule, any arguments match.
type Calls = BTreeMap<c_long, Vec<SeccompRule>>;

/// Restricts this thread, and the threads that it starts, to the calls that are needed.
///
/// # Errors
///
/// Fails with the reason if there is no filter for this machine, or if the kernel refuses it.
pub(super) fn restrict(needs: &Needs) -> Result<(), String> {
    let rules = allowed(needs).map_err(|error| error.to_string())?;
    let program = program(rules, SeccompAction::Errno(errno(libc::ENOSYS)), SeccompAction::Allow)?;
    apply_filter(&program).map_err(|error| error.to_string())
}

/// Forbids all threads the calls that only making an image needs.
///
/// # Errors
///
/// As [`restrict`].
pub(super) fn seal() -> Result<(), String> {
    let rules = sealed().map_err(|error| error.to_string())?;
    let program = program(rules, SeccompAction::Allow, SeccompAction::Errno(errno(libc::EPERM)))?;
    apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

fn program(rules: Calls, others: SeccompAction, these: SeccompAction) -> Result<BpfProgram, String> {
    let arch = TargetArch::try_from(ARCH).map_err(|_| format!("no filter for the architecture {ARCH}"))?;
    let filter = SeccompFilter::new(rules, others, these, arch).and_then(BpfProgram::try_from);
    filter.map_err(|error| error.to_string())
}

fn allowed(needs: &Needs) -> Result<Calls, seccompiler::BackendError> {
    let mut calls: Calls = CALLS.iter().chain(OLD_CALLS).map(|call| (*call, Vec::new())).collect();
    let mut allow = |call, conditions: &[Condition]| -> Result<(), seccompiler::BackendError> {
        calls.entry(call).or_default().push(rule(conditions)?);
        Ok(())
    };
    // Threads, not processes. A filter cannot inspect the arguments of clone3(2). That call fails, and libc uses clone.
    allow(libc::SYS_clone, &[masked(0, bits(CLONE_BITS), bits(libc::CLONE_THREAD))])?;
    // Signals to this process only, for abort(3).
    allow(libc::SYS_tgkill, &[is(0, u64::from(process::id()))])?;
    // Reading limits, not setting them.
    allow(libc::SYS_prlimit64, &[is(0, 0), (2, Width::Qword, Is::Eq, 0)])?;
    // Names of threads and of memory, and what sealing needs.
    for option in [libc::PR_SET_NAME, libc::PR_SET_VMA, libc::PR_SET_NO_NEW_PRIVS] {
        allow(libc::SYS_prctl, &[is(0, bits(option))])?;
    }
    allow(libc::SYS_seccomp, &[is(0, u64::from(libc::SECCOMP_SET_MODE_FILTER))])?;
    for request in IOCTLS {
        allow(libc::SYS_ioctl, &[is(1, request.into())])?;
    }
    // Connected pairs of sockets, through which tokio's signal handler wakes the runtime.
    let stream = masked(1, SOCKET_TYPE, bits(libc::SOCK_STREAM));
    allow(libc::SYS_socketpair, &[is(0, bits(libc::AF_UNIX)), stream])?;
    // With MSG_FASTOPEN, a send connects, and Landlock would not check the port.
    let no_connect = |argument| masked(argument, bits(libc::MSG_FASTOPEN), 0);
    allow(libc::SYS_sendto, &[no_connect(3)])?;
    allow(libc::SYS_sendmsg, &[no_connect(2)])?;
    allow(libc::SYS_sendmmsg, &[no_connect(3)])?;
    let tcp = (libc::SOCK_STREAM, libc::IPPROTO_TCP);
    let udp = needs.names.then_some((libc::SOCK_DGRAM, libc::IPPROTO_UDP));
    if needs.names || !needs.ports.is_empty() {
        calls.insert(libc::SYS_connect, Vec::new());
        for family in [libc::AF_INET, libc::AF_INET6] {
            for (kind, protocol) in [tcp].into_iter().chain(udp) {
                // No other protocols of the same type: Landlock does not restrict MPTCP, for example.
                for protocol in [0, protocol] {
                    let socket =
                        [is(0, bits(family)), masked(1, SOCKET_TYPE, bits(kind)), is(2, bits(protocol))];
                    calls.entry(libc::SYS_socket).or_default().push(rule(&socket)?);
                }
            }
        }
    }
    Ok(calls)
}

fn sealed() -> Result<Calls, seccompiler::BackendError> {
    #[rustfmt::skip]
    let refused = [
        libc::SYS_fallocate, libc::SYS_fchmod, libc::SYS_flock, libc::SYS_ftruncate, libc::SYS_memfd_create, libc::SYS_mkdirat,
        libc::SYS_renameat, libc::SYS_renameat2, libc::SYS_seccomp, libc::SYS_unlinkat,
    ];
    let mut calls: Calls = refused.iter().chain(OLD_WRITES).map(|call| (*call, Vec::new())).collect();
    let any_of = |argument, set: &[c_int]| -> Result<Vec<_>, _> {
        set.iter().map(|bit| rule(&[masked(argument, bits(*bit), bits(*bit))])).collect()
    };
    calls.insert(libc::SYS_mmap, any_of(2, &[libc::PROT_EXEC])?);
    calls.insert(libc::SYS_mprotect, any_of(2, &[libc::PROT_EXEC])?);
    let writes = [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC];
    calls.insert(libc::SYS_openat, any_of(2, &writes)?);
    Ok(calls)
}

fn rule(conditions: &[Condition]) -> Result<SeccompRule, seccompiler::BackendError> {
    let conditions = conditions.iter().cloned();
    let conditions =
        conditions.map(|(argument, width, is, value)| SeccompCondition::new(argument, width, is, value));
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}

fn is(argument: u8, value: u64) -> Condition {
    (argument, Width::Dword, Is::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Condition {
    (argument, Width::Dword, Is::MaskedEq(mask), value)
}

/// Converts flags and numbers to the 32-bit value that the kernel sees.
fn bits(value: c_int) -> u64 {
    value.cast_unsigned().into()
}

fn errno(value: c_int) -> u32 {
    value.cast_unsigned()
}
