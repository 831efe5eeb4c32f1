//! A tool that tries what a program outside its sandbox would, and reports the results.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::{CommandExt, parent_id};
use std::process::Command;
use std::sync::Arc;

use ai_code_executor::{Tool, ToolCall};
use libc::{c_int, c_long};

use crate::support::cache_dir;

/// The files and ports around the intruder.
pub(super) struct Surroundings {
    /// `open` is a port of a tool's service, `closed` another port. Both have listeners.
    pub(super) open: SocketAddr,
    closed: SocketAddr,
    /// A directory that the service may read.
    pub(super) folder: String,
    /// Keeps the listeners and the directory alive.
    _owned: Option<([TcpListener; 2], tempfile::TempDir)>,
}

const NAMES: [&str; 3] = ["INTRUDER_OPEN", "INTRUDER_CLOSED", "INTRUDER_FOLDER"];

impl Surroundings {
    pub(super) fn new() -> Self {
        let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [open, closed] = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        fs::write(format!("{path}/needed"), "x").unwrap();
        Self { open, closed, folder: path, _owned: Some((listeners, folder)) }
    }

    pub(super) fn tell(&self, command: &mut Command) {
        let values = [self.open.to_string(), self.closed.to_string(), self.folder.clone()];
        command.envs(NAMES.iter().zip(values));
    }

    pub(super) fn told() -> Self {
        let [open, closed, folder] = NAMES.map(|name| std::env::var(name).unwrap());
        Self { open: open.parse().unwrap(), closed: closed.parse().unwrap(), folder, _owned: None }
    }
}

/// One attempt.
pub(super) struct Attempt {
    pub(super) name: &'static str,
    run: fn(&Surroundings) -> io::Result<()>,
    /// Whether it succeeds for any user in an unhardened process. If not, it fails there with another error.
    pub(super) can_be_done: bool,
    /// The result in a hardened and sealed process.
    pub(super) hardened: &'static str,
    /// The result in a hardened process before it is sealed.
    pub(super) unsealed: &'static str,
}

pub(super) const DONE: &str = "done";

/// Errors of the seccomp filter, of the filter of a sealed process, and of Landlock.
const NO_SUCH_CALL: &str = "ENOSYS";
const SEALED: &str = "EPERM";
const LANDLOCK: &str = "EACCES";

type Run = fn(&Surroundings) -> io::Result<()>;

const fn can(name: &'static str, run: Run, hardened: &'static str) -> Attempt {
    Attempt { name, run, can_be_done: true, hardened, unsealed: hardened }
}

/// An attempt that sealing stops: before that, making an image needs it, or Landlock refuses it.
const fn sealed(name: &'static str, run: Run, unsealed: &'static str) -> Attempt {
    Attempt { name, run, can_be_done: true, hardened: SEALED, unsealed }
}

/// A call that fails in an unhardened process too, for its arguments or for lack of privileges, but not with `ENOSYS`.
const fn call(name: &'static str, run: Run) -> Attempt {
    Attempt { can_be_done: false, ..can(name, run, NO_SUCH_CALL) }
}

pub(super) const ATTEMPTS: &[Attempt] = &[
    can("read what is needed", |around| fs::read(format!("{}/needed", around.folder)).map(drop), DONE),
    can("read /etc/passwd", |_| File::open("/etc/passwd").map(drop), LANDLOCK),
    can("read its environment", |_| File::open("/proc/self/environ").map(drop), LANDLOCK),
    sealed("write its memory", |_| OpenOptions::new().write(true).open("/proc/self/mem").map(drop), LANDLOCK),
    can("list the root folder", |_| fs::read_dir("/").map(drop), LANDLOCK),
    sealed("create a file", |around| fs::write(format!("{}/file", around.folder), "x"), LANDLOCK),
    sealed("create a folder", |around| fs::create_dir(format!("{}/folder", around.folder)), LANDLOCK),
    sealed("create an image", |_| fs::write(cache_dir().join("an-intruders.tmp"), "x"), DONE),
    sealed("remove an image", |_| fs::remove_file(cache_dir().join("an-intruders.tmp")), DONE),
    can("connect to a tool's port", |around| TcpStream::connect(around.open).map(drop), DONE),
    can("connect to another port", |around| TcpStream::connect(around.closed).map(drop), LANDLOCK),
    can("connect while sending", fast_open, NO_SUCH_CALL),
    can("listen", |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop), NO_SUCH_CALL),
    can("send datagrams", |_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop), NO_SUCH_CALL),
    can("Unix socket", |_| UnixDatagram::unbound().map(drop), NO_SUCH_CALL),
    can("pair of Unix sockets that can be reconnected", |_| UnixDatagram::pair().map(drop), NO_SUCH_CALL),
    can("netlink socket", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, 0), NO_SUCH_CALL),
    call("raw socket", |_| socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
    call("packet socket", |_| socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
    call("virtual machine socket", |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0)),
    call("multipath TCP", |_| socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP)),
    can("start a program", |_| Command::new("/bin/true").status().map(drop), NO_SUCH_CALL),
    call("become a program", |_| Err(Command::new("/no/such/program").exec())),
    can("signal its parent", |_| raw(libc::SYS_kill, [parent_id().into(), 0, 0]), NO_SUCH_CALL),
    can(
        "signal another's thread",
        |_| raw(libc::SYS_tgkill, [parent_id().into(), parent_id().into(), 0]),
        NO_SUCH_CALL,
    ),
    can(
        "set its user",
        |_| raw(libc::SYS_setuid, [rustix::process::getuid().as_raw().into(), 0, 0]),
        NO_SUCH_CALL,
    ),
    can("allow dumps", |_| prctl(libc::PR_SET_DUMPABLE, 1), NO_SUCH_CALL),
    can("set a limit", set_limit, NO_SUCH_CALL),
    sealed("map executable memory", |_| map(libc::PROT_READ | libc::PROT_EXEC), DONE),
    sealed("make memory executable", |_| protect(libc::PROT_READ | libc::PROT_EXEC), DONE),
    can("map memory", |_| map(libc::PROT_READ | libc::PROT_WRITE), DONE),
    can("capture a backtrace", backtrace, DONE),
    can("start a thread", |_| std::thread::Builder::new().spawn(|| ()).map(drop), DONE),
    call("new namespaces", |_| raw(libc::SYS_unshare, [c_long::from(libc::CLONE_NEWUSER), 0, 0])),
    call("process in a namespace", |_| {
        raw(libc::SYS_clone, [c_long::from(libc::CLONE_NEWUSER | libc::CLONE_FS), 0, 0])
    }),
    call("thread of unknown kind", |_| raw(libc::SYS_clone3, [0, 0, 0])),
    call("trace", |_| raw(libc::SYS_ptrace, [c_long::from(libc::PTRACE_ATTACH), c_long::MAX >> 33, 0])),
    call("read another's memory", |_| raw(libc::SYS_process_vm_readv, [c_long::MAX >> 33, 0, 0])),
    call("write another's memory", |_| raw(libc::SYS_process_vm_writev, [c_long::MAX >> 33, 0, 0])),
    call("mount", |_| raw(libc::SYS_mount, [0, 0, 0])),
    call("unmount", |_| raw(libc::SYS_umount2, [0, 0, 0])),
    call("change the root", |_| raw(libc::SYS_chroot, [0, 0, 0])),
    call("pivot the root", |_| raw(libc::SYS_pivot_root, [0, 0, 0])),
    call("program the kernel", |_| raw(libc::SYS_bpf, [-1, 0, 0])),
    call("keys", |_| raw(libc::SYS_keyctl, [-1, 0, 0])),
    call("set the clock", |_| raw(libc::SYS_clock_settime, [0, 0, 0])),
    call("reboot", |_| raw(libc::SYS_reboot, [0, 0, 0])),
    call("watch events", |_| raw(libc::SYS_perf_event_open, [0, 0, -1])),
    call("ring of calls", |_| raw(libc::SYS_io_uring_setup, [0, 0, 0])),
    call("take page faults", |_| raw(libc::SYS_userfaultfd, [-1, 0, 0])),
    call("another's files", |_| raw(libc::SYS_pidfd_getfd, [-1, 0, 0])),
    call("file by handle", |_| raw(libc::SYS_open_by_handle_at, [-1, 0, 0])),
    call("device", |_| raw(libc::SYS_mknodat, [-1, 0, 0])),
    call("truncate by name", |_| raw(libc::SYS_truncate, [0, 0, 0])),
    can("personality", |_| raw(libc::SYS_personality, [0xffff_ffff, 0, 0]), NO_SUCH_CALL),
    Attempt {
        hardened: SEALED,
        unsealed: "EFAULT",
        ..call("filter of its own", |_| raw(libc::SYS_seccomp, [1, 0, 0]))
    },
    call("push terminal input", |_| raw(libc::SYS_ioctl, [0, 0x5412, 0])),
];

/// The tool `intruder.attempt()`, which returns the result of each attempt.
pub(super) fn tool(surroundings: Surroundings) -> Tool {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Nothing {}

    let surroundings = Arc::new(surroundings);
    Tool::typed("intruder", "attempt", move |_: ToolCall<Nothing>| {
        let surroundings = surroundings.clone();
        async move {
            let results =
                ATTEMPTS.iter().map(|attempt| (attempt.name, outcome((attempt.run)(&surroundings))));
            Ok(results.collect::<BTreeMap<_, _>>())
        }
    })
}

/// Returns `done`, or the name of the error.
fn outcome(result: io::Result<()>) -> String {
    match result {
        Ok(()) => DONE.to_owned(),
        Err(error) => {
            let known = [
                (libc::ENOSYS, NO_SUCH_CALL),
                (libc::EPERM, SEALED),
                (libc::EACCES, LANDLOCK),
                (libc::EFAULT, "EFAULT"),
            ];
            let name = known.iter().find(|(number, _)| error.raw_os_error() == Some(*number));
            name.map_or_else(|| error.to_string(), |(_, name)| (*name).to_owned())
        }
    }
}

fn raw(number: c_long, [a, b, c]: [c_long; 3]) -> io::Result<()> {
    // SAFETY: no attempt passes an address that the kernel could write to.
    checked(unsafe { libc::syscall(number, a, b, c, 0, 0, 0) })
}

fn checked(result: c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn socket(family: c_int, kind: c_int, protocol: c_int) -> io::Result<()> {
    // The descriptor is leaked, which does no harm here.
    raw(libc::SYS_socket, [family, kind, protocol].map(c_long::from))
}

fn prctl(option: c_int, value: c_long) -> io::Result<()> {
    raw(libc::SYS_prctl, [option.into(), value, 0])
}

fn set_limit(_: &Surroundings) -> io::Result<()> {
    let core = rustix::process::Resource::Core;
    rustix::process::setrlimit(core, rustix::process::getrlimit(core)).map_err(Into::into)
}

/// Captures a backtrace, as a panic may.
fn backtrace(_: &Surroundings) -> io::Result<()> {
    let shown = std::backtrace::Backtrace::force_capture().to_string();
    if shown.contains("intruder::backtrace") { Ok(()) } else { Err(io::Error::other(shown)) }
}

/// TCP Fast Open connects and sends in one call.
fn fast_open(around: &Surroundings) -> io::Result<()> {
    let SocketAddr::V4(address) = around.closed else { unreachable!("it listens on 127.0.0.1") };
    let address = libc::sockaddr_in {
        sin_family: libc::sa_family_t::try_from(libc::AF_INET).unwrap(),
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    };
    let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap();
    // SAFETY: both pointers are valid for the given lengths.
    let sent = unsafe {
        let (data, to) = ([0_u8; 1], std::ptr::from_ref(&address).cast());
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
        libc::sendto(socket, data.as_ptr().cast(), 1, libc::MSG_FASTOPEN, to, length)
    };
    checked(c_long::try_from(sent).unwrap())
}

const PAGE_BYTES: usize = 4096;

fn new_page(protection: c_int) -> io::Result<*mut libc::c_void> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping replaces no other one.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE_BYTES, protection, flags, -1, 0) };
    if page == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(page) }
}

fn map(protection: c_int) -> io::Result<()> {
    new_page(protection).map(drop)
}

fn protect(protection: c_int) -> io::Result<()> {
    let page = new_page(libc::PROT_READ)?;
    // SAFETY: nothing else uses the page.
    checked(unsafe { libc::mprotect(page, PAGE_BYTES, protection) }.into())
}
