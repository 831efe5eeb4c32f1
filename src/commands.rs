//! The commands.

mod check;
mod failure;
mod findings;
mod harden;
mod health;
mod launcher;
mod malloc;
mod manual;
mod mcp;
mod output;
mod run;
mod store;
mod tools;

use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::{self, SocketAddr};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::task::Poll;
use std::time::Duration;

use ai_code_executor::hardening::Hardening;
use ai_code_executor::server::{Service, Settings, Token};
use ai_code_executor::{Catalogue, Distribution, Error, Metrics, Sandbox, SandboxBuilder, Tool};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{Backlog, listen};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::config::{Config, Effective, NetworkTools};
use crate::log;
pub(crate) use check::{Format, check};
pub(crate) use failure::Failure;
pub(crate) use health::health;
pub(crate) use launcher::{launch_server, launcher, start as start_launcher};
pub(crate) use manual::{completions, manual, version};
pub(crate) use mcp::mcp;
pub(crate) use output::complain;
use output::print;
pub(crate) use run::{RunArgs, run};
pub(crate) use tools::{ToolsFormat, tools};

/// Stack of the threads that begin programs. The validator needs it for the largest programs. Most of it is only
/// address space.
const THREAD_STACK_BYTES: usize = 32 << 20;

/// Exit status if the executor failed, not the program.
const HOST_FAILURE: u8 = 70;

/// Exit status after wrong usage or wrong settings.
pub(crate) const USAGE: u8 = 2;

/// Connections beyond those whose executions run or wait: for callers that are refused, and for health checks and
/// metrics.
const SPARE_CONNECTIONS: usize = 256;

/// Connections that the kernel queues until they are accepted.
const BACKLOG: i32 = 1024;

/// How much larger than a reply the body may be that brings it.
const BESIDE_REPLY_BYTES: usize = 1 << 20;

/// Longest form of one byte of output in JSON, in bytes.
const LONGEST_ESCAPE: usize = 6;

/// Tasks between two checks for new events. Each task may begin a program and take a millisecond.
const EVENT_INTERVAL: u32 = 4;

/// Delay before freed memory is returned to the kernel. Other requests may free theirs soon, or need the memory
/// again.
const RELIEF_PAUSE: Duration = Duration::from_millis(500);

const NO_PACKAGES: &str = "There are no packages: PACKAGES names a directory made by `pip install --target`.";

const REJECTED: u8 = 3;

pub(crate) type Done = Result<ExitCode, Failure>;

pub(crate) fn prepare(config: &Config) -> Done {
    if config.cache_dir.is_none() {
        let message = "no directory for the image: set CACHE_DIR".into();
        return Err(Failure { message, status: USAGE });
    }
    sandbox(config, Metrics::default())?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn packages(config: &Config) -> Done {
    let named = config.packages.distributions().iter();
    let lines: Vec<_> = named.map(|Distribution { name, version, .. }| format!("{name} {version}")).collect();
    print(if lines.is_empty() { NO_PACKAGES.into() } else { lines.join("\n") }.as_str())?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn config(effective: &[Effective]) -> Done {
    let width = effective.iter().map(|setting| setting.name.len()).max().unwrap_or_default();
    let line = |Effective { name, value, source }: &Effective| format!("{name:width$}  {source:11}  {value}");
    let lines: Vec<_> = effective.iter().map(|setting| line(setting).trim_end().to_owned()).collect();
    print(&lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn serve(mut config: Config) -> Done {
    malloc::tune();
    // From here on, only the token's digest is needed.
    let token = Token::new(mem::take(&mut config.token).expose_secret());
    let approver = Token::new(mem::take(&mut config.approver_token).expose_secret());
    // Bind the listener first, because a hardened process cannot. Create the runtimes last, so that their threads
    // inherit the restrictions.
    let listener = bind(config.address)?;
    allow_open_files(connections_max(&config));
    let ignores_hangup = ignores_hangup();
    let hardening = harden::harden(&config)?;
    let _log = log::detach();
    let service = service(&config, token, approver, hardening);
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let runtimes = (0..cores).map(|_| runtime()).collect::<Result<Vec<_>, _>>()?;
    let handles = runtimes.iter().map(|runtime| runtime.handle().clone()).collect();
    // Signals and new connections have their own thread, so that they never wait for a program.
    let main = runtime()?;
    let served = main.block_on(serve_until_signal(&config, handles, listener, &service, ignores_hangup));
    // All answers are sent. Waiting for other work of these threads might never end.
    runtimes.into_iter().chain([main]).for_each(Runtime::shutdown_background);
    served
}

/// Reads `file`, or standard input for `-`. Complains and returns `None` if it cannot be read.
fn read_text(file: &str) -> Option<String> {
    let read = if file == "-" { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(file) };
    read.inspect_err(|error| complain(&format!("ai-code-executor: {file}: {error}"))).ok()
}

fn bind(address: SocketAddr) -> Result<net::TcpListener, String> {
    let bound = || {
        let listener = net::TcpListener::bind(address)?;
        listen(&listener, Backlog::new(BACKLOG)?)?;
        listener.set_nonblocking(true).map(|()| listener)
    };
    bound().map_err(|error: io::Error| format!("cannot listen on {address} (SERVICE_PORT, HOST): {error}"))
}

fn connections_max(config: &Config) -> usize {
    let executions = config.concurrency as usize + config.queue;
    Settings::default().connections_max.max(executions + SPARE_CONNECTIONS)
}

/// Twice the largest body must fit in a third of the memory, the same and its parsed form in two thirds, and the
/// largest answer in a third.
fn memory_bytes_max(config: &Config) -> usize {
    let limits = &config.ceilings;
    let answer = LONGEST_ESCAPE * 2 * limits.output_bytes_max + limits.result_bytes_max;
    let body = config.body_bytes_max().max(limits.tool_reply_bytes_max + BESIDE_REPLY_BYTES);
    Settings::default().memory_bytes_max.max(3 * answer).max(6 * body)
}

/// Raises the limit of open files, since each connection is one. Shells allow 1,024 unless a process asks for more.
fn allow_open_files(connections_max: usize) {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most).map(|()| most));
    match raised {
        Ok(most) if most >= connections_max as u64 => {}
        Ok(most) => warn!(
            "the hard limit of open files (ulimit -Hn, LimitNOFILE=) is {most}, but up to {connections_max} \
             connections may be open: raise it, or lower MAX_CONCURRENT_EXECUTIONS or MAX_QUEUED_EXECUTIONS"
        ),
        Err(error) => warn!("the limit of open files cannot be raised: {error}"),
    }
}

fn service(config: &Config, token: Token, approver: Token, hardening: Hardening) -> Service {
    Service::new(
        Settings::default()
            .token(token)
            .approver_token(approver)
            .ceilings(config.ceilings)
            .body_bytes_max(config.body_bytes_max())
            .connections_max(connections_max(config))
            .memory_bytes_max(memory_bytes_max(config))
            .allowed_hosts(config.allowed_hosts.clone())
            .allowed_origins(config.allowed_origins.clone())
            .hardening(hardening),
    )
}

async fn serve_until_signal(
    config: &Config,
    runtimes: Vec<Handle>,
    listener: net::TcpListener,
    service: &Service,
    ignores_hangup: bool,
) -> Done {
    let listener = TcpListener::from_std(listener).map_err(|error| format!("cannot listen: {error}"))?;
    let address = listener.local_addr().map_err(|error| format!("cannot read the address: {error}"))?;
    let (stop, stopping) = oneshot::channel::<()>();
    let serving = service.clone();
    let mut server = tokio::spawn(async move {
        // A dropped sender and a message both mean: stop.
        let stop = async { drop(stopping.await) };
        serving.serve_across(&runtimes, listener, stop).await;
    });
    tokio::spawn(give_memory_back(service.clone()));
    let mut signalled = std::pin::pin!(termination(ignores_hangup)?);
    info!(%address, "listening");
    tokio::select! {
        ready = make_ready(config, service) => ready?,
        () = &mut signalled => return Ok(ExitCode::SUCCESS),
    }
    info!(%address, "ready");
    tokio::select! {
        () = &mut signalled => {}
        ended = &mut server => return Err(format!("the server stopped unexpectedly: {ended:?}").into()),
    }
    info!("stopping: no new executions, running ones may finish");
    tokio::select! {
        () = drain(config, service, stop, server) => info!("stopped"),
        () = termination(ignores_hangup)? => info!("stopped at once, by a second signal"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns memory to the kernel each time that peers have freed much of it. Runs until the process ends.
async fn give_memory_back(service: Service) {
    loop {
        service.relieved().await;
        sleep(RELIEF_PAUSE).await;
        malloc::give_back();
    }
}

/// Makes the sandbox and tests it, then makes the service ready. Making an image blocks for seconds and cannot be
/// cancelled, so it gets a thread of its own that is not joined at exit.
async fn make_ready(config: &Config, service: &Service) -> Result<(), Failure> {
    let (done, made) = oneshot::channel();
    let (builder_config, metrics) = (config.clone(), service.settings().metrics.clone());
    std::thread::spawn(move || {
        let sandbox = sandbox_with_store(&builder_config, metrics);
        if let Ok(sandbox) = &sandbox {
            write_stubs(&sandbox.catalogue(), &builder_config.workspace_dir);
        }
        done.send(sandbox)
    });
    let sandbox = made.await.map_err(|_| "making the image panicked".to_owned())??;
    sandbox.self_test().await?;
    harden::seal(service.settings().hardening)?;
    service.ready(sandbox);
    Ok(())
}

/// Writes the stubs of the tools for editors and models. Executions do not need them, so a failure is only a warning.
fn write_stubs(catalogue: &Catalogue, dir: &Path) {
    if catalogue.tools().is_empty() {
        return;
    }
    match catalogue.write_tree(dir) {
        Ok(()) => info!(dir = %dir.display(), tools = catalogue.tools().len(), "stubs of the tools written"),
        Err(error) => warn!(dir = %dir.display(), %error, "no stubs of the tools (MCP_WORKSPACE_DIR)"),
    }
}

/// Gives running executions the grace period, then slow clients one more second to take their answers. New requests
/// meanwhile are told that the service stops.
async fn drain(
    config: &Config,
    service: &Service,
    stop: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<()>,
) {
    if let Some(sandbox) = service.sandbox() {
        sandbox.shutdown(config.shutdown_grace).await;
    }
    drop(stop);
    if tokio::time::timeout(Duration::from_secs(1), server).await.is_err() {
        info!("closing connections that clients left open");
    }
}

/// Returns a future that completes at the first signal to terminate.
fn termination(ignores_hangup: bool) -> Result<impl Future<Output = ()>, String> {
    let hangup = (!ignores_hangup).then(SignalKind::hangup);
    let kinds = [SignalKind::terminate(), SignalKind::interrupt()].into_iter().chain(hangup);
    let signals: Result<Vec<_>, _> = kinds.map(signal).collect();
    let mut signals = signals.map_err(|error| format!("cannot listen for signals: {error}"))?;
    Ok(poll_fn(move |context| {
        let came = signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if came { Poll::Ready(()) } else { Poll::Pending }
    }))
}

/// Returns whether the process was started to outlive its terminal, as by `nohup`. A hardened process cannot find
/// out.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored =
        ignored.and_then(|signals| u64::from_str_radix(signals.trim(), 16).ok()).unwrap_or_default();
    ignored >> (SignalKind::hangup().as_raw_value() - 1) & 1 == 1
}

/// Returns the tools that programs can import with these settings.
fn tools_of(config: &Config) -> Result<Vec<Tool>, Error> {
    let NetworkTools { enabled, file, signer } = &config.network_tools;
    if *enabled { file.connect(signer.as_ref()) } else { Ok(Vec::new()) }
}

fn sandbox(config: &Config, metrics: Metrics) -> Result<Sandbox, Error> {
    let builder = builder(config, metrics)?;
    malloc::thrifty(|| builder.build())
}

/// Returns the sandbox of the service. Without a store it runs programs, but keeps nothing.
fn sandbox_with_store(config: &Config, metrics: Metrics) -> Result<Sandbox, Error> {
    let builder = builder(config, metrics)?;
    let builder = match store::open(&config.store) {
        Ok((store, sealer)) => builder.store(store, sealer),
        Err(why) => {
            warn!(why, "no store (STORE): states and executions that wait are refused");
            builder.no_store()
        }
    };
    malloc::thrifty(|| builder.build())
}

fn builder(config: &Config, metrics: Metrics) -> Result<SandboxBuilder, Error> {
    let mut builder = Sandbox::builder()
        .ceilings(config.ceilings)
        .policy(config.policy.clone())
        .packages(config.packages.clone())
        .concurrency(config.concurrency)
        .queue(config.queue)
        .metrics(metrics)
        .log_code(config.log_code)
        .wait_limits(config.wait_limits);
    let NetworkTools { enabled, file, signer } = &config.network_tools;
    if *enabled {
        builder = builder.follow(file.source(signer.as_ref())?);
    }
    if let Some(dir) = &config.cache_dir {
        builder = builder.cache_dir(dir);
    }
    Ok(builder)
}

/// Creates a runtime of one thread, which does all work of a request itself. Waking another thread takes as long as a
/// small program.
fn runtime() -> Result<Runtime, String> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(1)
        .thread_stack_size(THREAD_STACK_BYTES)
        .event_interval(EVENT_INTERVAL)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))
}
