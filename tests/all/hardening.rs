//! What a program could do in the process if it escaped from WebAssembly. A tool, the intruder, stands in for it: it
//! runs on the guests' threads and tries what such a program would.

#![allow(unsafe_code)]

mod intruder;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ai_code_executor::Sandbox;
use ai_code_executor::hardening::{self, Hardening, Needs};
use ai_code_executor::server::{Service as Server, Settings, Token};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};
use serde_json::{Value, json};

use crate::support::{Service, TOKEN, cache_dir, executor};
use intruder::{ATTEMPTS, DONE, Surroundings};

/// The variable that selects how far the intruder's service is hardened.
const STAGE: &str = "INTRUDERS_STAGE";
const OPEN: &str = "open";
const UNSEALED: &str = "unsealed";
const SEALED: &str = "sealed";

const FIELDS: [&str; 6] = ["no_new_privileges", "no_dumps", "filesystem", "network", "scopes", "seccomp"];

/// Returns the version of Landlock's ABI; 0 without Landlock.
pub(crate) fn landlock_version() -> i64 {
    let get_version: libc::c_ulong = 1;
    // SAFETY: the call only queries the version; it is given no memory to read or write.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0_usize, 0_usize, get_version) }.max(0)
}

/// Returns the state of hardening that `/health` must report on this machine.
fn all_in_force() -> Value {
    let version = landlock_version();
    let mut fields = json!({"filesystem": version >= 1, "network": version >= 4, "scopes": version >= 6});
    for field in ["no_new_privileges", "no_dumps", "seccomp"] {
        fields[field] = json!(true);
    }
    fields
}

fn nothing_in_force() -> Value {
    FIELDS.iter().map(|field| ((*field).to_owned(), json!(false))).collect()
}

#[test]
fn health_reports_what_is_in_force_in_every_thread() {
    let fields_of = |service: &Service| {
        // A program that is not short moves to the guests' threads.
        assert_eq!(service.execute(&json!({"code": "sum(range(10 ** 6))"})).0, 200);
        let pid = service.child.id();
        let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|thread| thread.unwrap().path());
        let status: Vec<_> =
            threads.map(|thread| fs::read_to_string(thread.join("status")).unwrap()).collect();
        assert!(status.len() > 3, "{status:?}");
        let of_thread = |status: &String| {
            ["NoNewPrivs", "Seccomp", "Seccomp_filters"].map(|name| {
                let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":"));
                line.unwrap_or_default().trim().to_owned()
            })
        };
        status.iter().map(of_thread).collect::<BTreeSet<_>>()
    };
    let filtered = |filters: &str| BTreeSet::from([["1", "2", filters].map(str::to_owned)]);
    for mode in ["", "on"] {
        let service = Service::start(&[("HARDENING", mode)]);
        // Of a file that it opened before.
        service.await_metric("\nprocess_resident_memory_bytes ");
        let (status, health) = service.get("/health");
        assert_eq!((status, &health["hardening"]), (200, &all_in_force()));
        let is_whole = all_in_force().as_object().unwrap().values().all(|in_force| in_force == true);
        assert_eq!(health["status"], if is_whole { "healthy" } else { "degraded" });
        // The second filter is installed once the image is made.
        assert_eq!(fields_of(&service), filtered("2"));
    }
    let service = Service::start(&[("HARDENING", "off")]);
    let health = service.get("/health").1;
    assert_eq!((&health["hardening"], &health["status"]), (&nothing_in_force(), &json!("healthy")));
    assert_eq!(fields_of(&service).len(), 1);
    assert_ne!(fields_of(&service), filtered("2"));
}

#[test]
fn an_intruder_can_do_almost_nothing() {
    let tried = |stage: &str| {
        let surroundings = Surroundings::new();
        let service = start_with_intruder(&surroundings, stage);
        let (_, answer) = service.execute(&json!({"code": "import intruder\nawait intruder.attempt()"}));
        let results = answer["return_value"].as_object().unwrap_or_else(|| panic!("{answer}")).clone();
        assert_eq!(results.len(), ATTEMPTS.len());
        results
    };
    let (open, unsealed, hardened) = (tried(OPEN), tried(UNSEALED), tried(SEALED));
    let mut wrong = Vec::new();
    for attempt in ATTEMPTS {
        let [open, unsealed, hardened] =
            [&open, &unsealed, &hardened].map(|results| results[attempt.name].as_str().unwrap());
        // Unhardened, the attempt must succeed, or fail in another way; otherwise it proves nothing.
        let is_open = if attempt.can_be_done { open == DONE } else { open != attempt.hardened };
        if !is_open || (unsealed, hardened) != (attempt.unsealed, attempt.hardened) {
            wrong.push(format!("{}: {open}, unsealed {unsealed}, sealed {hardened}", attempt.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Starts this test binary again, as a service with the intruder as a tool.
fn start_with_intruder(surroundings: &Surroundings, stage: &str) -> Service {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "hardening::serve_an_intruder", "--ignored", "--nocapture"]);
    surroundings.tell(command.env(STAGE, stage));
    Service::spawn(command).until_ready()
}

#[test]
#[ignore = "the service process of another test"]
fn serve_an_intruder() {
    let Ok(stage) = std::env::var(STAGE) else { return };
    // Tests run on threads, and hardening requires a process without other threads. SAFETY: the child does not need the
    // thread that waits for the test to end, which fork does not copy; this thread waits for the child.
    match unsafe { libc::fork() } {
        0 => serve_at(&stage),
        // SAFETY: without a place for the status, none is written.
        child => assert_eq!(unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) }, child),
    }
}

fn serve_at(stage: &str) {
    // SAFETY: the arguments are numbers only.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    let surroundings = Surroundings::told();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let needs = Needs::default()
        .writable(vec![cache_dir()])
        .readable([&surroundings.folder])
        .ports([surroundings.open.port()]);
    let in_force = if stage == OPEN { Hardening::default() } else { hardening::restrict(&needs).unwrap().0 };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let server = Server::new(Settings::default().token(Token::new(TOKEN)).hardening(in_force));
        let tool = intruder::tool(surroundings);
        let sandbox = Sandbox::builder().cache_dir(cache_dir()).tool(tool).build().unwrap();
        if stage == SEALED {
            hardening::seal().unwrap();
        }
        server.ready(sandbox);
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        eprintln!("listening address={}", listener.local_addr().unwrap());
        server.serve(listener, std::future::pending()).await;
    });
}

#[test]
fn hardening_allows_calls_by_name_and_stub_files() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        lines.map_while(Result::ok).find(String::is_empty);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n42").unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let [tools, stubs] = ["tools.toml", "stubs"].map(|name| folder.path().join(name));
    let service = format!("services.weather = {{ url = 'http://localhost:{port}', signed = false }}");
    fs::write(&tools, format!("{service}\n[tools.weather.now]\nmethod = 'GET'\npath = '/now'\n")).unwrap();
    let service = Service::start(&[
        ("ENABLE_MCP_NETWORK_TOOLS", "true"),
        ("TOOL_SIGNING_KEY", "a key of the tests that has at least 32 bytes"),
        ("TOOLS_CONFIG", tools.to_str().unwrap()),
        ("MCP_WORKSPACE_DIR", stubs.to_str().unwrap()),
    ]);
    assert_eq!(service.get("/health").1["hardening"], all_in_force());
    let (_, answer) = service.execute(&json!({"code": "import weather\nawait weather.now()"}));
    assert_eq!(answer["return_value"], 42, "{answer}");
    assert!(stubs.join("servers/weather/now.pyi").is_file());
}

#[test]
fn a_process_with_threads_is_not_hardened() {
    // Besides this thread there is at least the test's own.
    std::thread::scope(|scope| {
        let refused = scope.spawn(|| hardening::restrict(&Needs::default())).join().unwrap().unwrap_err();
        assert!(refused.to_string().contains("threads run already"), "{refused}");
    });
}

/// Returns `command` as on a kernel without some system calls: Landlock, or Landlock and seccomp.
fn on_an_old_kernel(command: Command, missing: &[libc::c_long]) -> Command {
    let calls = missing.iter().map(|call| (*call, Vec::new()));
    on_a_kernel_without(command, calls.collect(), libc::ENOSYS)
}

/// Returns `command` as on a kernel that answers some calls with `error`.
fn on_a_kernel_without(
    mut command: Command,
    calls: BTreeMap<libc::c_long, Vec<SeccompRule>>,
    error: libc::c_int,
) -> Command {
    let not_there = SeccompAction::Errno(error.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, not_there, arch).unwrap();
    let program = BpfProgram::try_from(filter).unwrap();
    // SAFETY: between fork and exec, the closure makes only system calls.
    unsafe { command.pre_exec(move || apply_filter(&program).map_err(|_| std::io::ErrorKind::Other.into())) };
    command
}

fn service_on_an_old_kernel(mode: &str, missing: &[libc::c_long]) -> Command {
    let mut command = on_an_old_kernel(executor(), missing);
    command.env("EXECUTOR_API_TOKEN", TOKEN).env("SERVICE_PORT", "0").env("HARDENING", mode);
    command
}

#[test]
fn old_kernels_are_degraded_or_refused_if_hardening_is_required() {
    let landlock = [libc::SYS_landlock_create_ruleset];
    let both = [libc::SYS_landlock_create_ruleset, libc::SYS_seccomp];
    let cases = [(&landlock[..], true, "Landlock: not in this kernel"), (&both, false, "seccomp: ")];
    for (missing, seccomp, named) in cases {
        let mut service = Service::spawn(service_on_an_old_kernel("on", missing)).until_ready();
        let (status, health) = service.get("/health");
        assert_eq!((status, &health["status"]), (200, &json!("degraded")));
        let in_force = &health["hardening"];
        let fields = ["no_new_privileges", "no_dumps", "filesystem", "seccomp"].map(|field| &in_force[field]);
        assert_eq!(fields, [&json!(true), &json!(true), &json!(false), &json!(seccomp)]);
        assert!(service.is_honest());
        let refused = service_on_an_old_kernel("require", missing).output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!((refused.status.code(), said.lines().count()), (Some(70), 1), "{said}");
        assert!(said.contains("HARDENING is require") && said.contains(named), "{said}");
    }
}

/// Debian 12 has kernel 6.1. Some kernels have no huge pages.
#[test]
fn a_kernel_before_6_4_without_huge_pages_works() {
    const PR_GET_AUXV: u64 = 0x4155_5856;
    const PAGEMAP_SCAN: u64 = 0xc060_6610;
    let when = |argument, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value);
        vec![SeccompRule::new(vec![condition.unwrap()]).unwrap()]
    };
    let calls = BTreeMap::from([
        (libc::SYS_prctl, when(0, PR_GET_AUXV)),
        (libc::SYS_ioctl, when(1, PAGEMAP_SCAN)),
        (libc::SYS_madvise, when(2, u64::try_from(libc::MADV_NOHUGEPAGE).unwrap())),
    ]);
    let mut command = on_a_kernel_without(executor(), calls, libc::EINVAL);
    command.env("EXECUTOR_API_TOKEN", TOKEN).env("SERVICE_PORT", "0");
    let mut service = Service::spawn(command).until_ready();
    let secret = json!({"code": "kept = 'a-secret-of-this-execution' * 10_000\nlen(kept)"});
    assert_eq!(service.execute(&secret).1["return_value"], 260_000);
    assert_eq!(service.execute(&json!({"code": "kept"})).1["outcome"], "failure");
    assert!(service.is_honest());
}

#[test]
fn hardening_can_be_required() {
    if landlock_version() < 6 {
        println!("skipped: this kernel's Landlock is too old");
        return;
    }
    assert!(Service::start(&[("HARDENING", "require")]).is_honest());
}
