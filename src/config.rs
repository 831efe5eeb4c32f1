//! Reads environment variables and flags into a typed [`Config`]. No other part of the service reads settings from the
//! environment.

mod reader;
mod settings;
mod terminal;
mod token;
mod tools;
mod values;
mod waits;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgMatches};
use secrecy::{ExposeSecret, SecretString};

use ai_code_executor::limits::{self, Limits};
use ai_code_executor::validator::{CODE_BYTES_CEILING, Policy, PolicyKind};
use ai_code_executor::{Packages, WaitLimits};
use reader::{MASKED, Reader};
use settings::{APPROVER_TOKEN, APPROVER_TOKEN_FILE, TOKEN, TOKEN_FILE};
use token::weakness;
use values::{
    address, bytes, hosts, imports, mebibytes, number, one_of, origins, packages, percent, seconds, switch,
    token,
};

pub(crate) use terminal::is_plain;
pub(crate) use tools::NetworkTools;
pub(crate) use waits::StoreSettings;

/// The largest limit, in bytes, for a context, output, result or reply that the host buffers for each execution.
const BUFFER_BYTES_CEILING: usize = 256 << 20;

/// The settings of the service.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The operator's ceilings.
    pub(crate) ceilings: Limits,
    /// The most executions that run at once.
    pub(crate) concurrency: u32,
    /// The most requests that may wait for a slot.
    pub(crate) queue: usize,
    /// The rules for programs and their contexts.
    pub(crate) policy: Policy,
    /// Packages that programs may import, in addition to the policy's modules.
    pub(crate) packages: Packages,
    /// The address on which the service listens.
    pub(crate) address: SocketAddr,
    /// Accepted `Host` names of requests, in addition to the loopback names and `address`.
    pub(crate) allowed_hosts: Vec<String>,
    /// Web origins whose pages may call the service, in addition to its own, in the form that browsers send.
    pub(crate) allowed_origins: Vec<String>,
    /// The time that running executions have to finish after SIGTERM.
    pub(crate) shutdown_grace: Duration,
    /// Whether `ENVIRONMENT` is production.
    pub(crate) production: bool,
    /// The token that callers send as `X-Executor-Token`. If it is empty, no caller is accepted.
    pub(crate) token: SecretString,
    /// The token of whoever may approve tool calls. If it is empty, nobody may.
    pub(crate) approver_token: SecretString,
    /// Where states and executions that wait are kept.
    pub(crate) store: StoreSettings,
    /// Limits for them.
    pub(crate) wait_limits: WaitLimits,
    /// How far the process is restricted before it serves.
    pub(crate) hardening: HardeningMode,
    /// The directory for compiled images. `None` if it is not set and the user has no home directory.
    pub(crate) cache_dir: Option<PathBuf>,
    /// The lowest level that is logged.
    pub(crate) log_level: LogLevel,
    /// The format of the log.
    pub(crate) log_format: LogFormat,
    /// Whether programs are logged. Contexts and values never are.
    pub(crate) log_code: bool,
    /// The tools of network services.
    pub(crate) network_tools: NetworkTools,
    /// The directory for the stubs that describe the tools.
    pub(crate) workspace_dir: PathBuf,
}

/// How far the process is restricted before it serves; see [`hardening`](ai_code_executor::hardening).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HardeningMode {
    /// As far as the kernel supports it.
    #[default]
    On,
    /// Completely: the service does not start if the kernel lacks something.
    Require,
    /// Not at all.
    Off,
}

/// The level of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// Everything, for developers of the service.
    Debug,
    /// Start, stop and executions.
    #[default]
    Info,
    /// Events that an operator should look at.
    Warning,
    /// Events that an operator must look at.
    Error,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// A setting with its effective value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effective {
    /// The environment variable.
    pub(crate) name: &'static str,
    /// Its value. Secrets are masked.
    pub(crate) value: String,
    /// The source of the value.
    pub(crate) source: Source,
}

/// The source of a setting's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Source {
    /// The built-in default.
    #[default]
    Default,
    /// An environment variable.
    Environment,
    /// A file that another setting names.
    File,
    /// A flag on the command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Default => "default",
            Self::Environment => "environment",
            Self::File => "file",
            Self::Flag => "flag",
        })
    }
}

/// Returns the flags of all settings, for the [`clap::Command`] whose matches [`Config::read`] takes.
pub(crate) fn args() -> impl Iterator<Item = Arg> {
    settings::args()
}

impl Config {
    /// Reads all settings. Also returns their effective values, in the order of `--help`.
    ///
    /// If `listens` is true, a weak token is a problem in production and on addresses that other machines can reach.
    ///
    /// # Errors
    ///
    /// Returns all problems, one line each: the variable, its flag, its value unless it is secret, and what is
    /// accepted.
    pub(crate) fn read(matches: &ArgMatches, listens: bool) -> Result<(Self, Vec<Effective>), Vec<String>> {
        let mut reader = Reader::new(matches);
        let config = read_all(&mut reader);
        if listens {
            check_token(&config, &mut reader);
        }
        if reader.problems.is_empty() { Ok((config, reader.effective)) } else { Err(reader.problems) }
    }

    /// Returns the size limit for request bodies, in bytes: twice that of their parts, to allow for JSON escapes.
    #[must_use]
    pub(crate) fn body_bytes_max(&self) -> usize {
        2 * (self.policy.code_bytes_max + self.policy.context_bytes_max)
    }
}

/// Reads the settings in the order of the table. A setting with a problem gets a default value: the caller discards the
/// result then.
fn read_all(reader: &mut Reader<'_>) -> Config {
    let limits = read_limits(reader);
    let concurrency = reader.value("MAX_CONCURRENT_EXECUTIONS", number(1..=10_000)).unwrap_or_default();
    let queue = reader.value("MAX_QUEUED_EXECUTIONS", number(0..=1_000_000)).unwrap_or_default();
    let mut policy = read_policy(reader);
    let packages = reader.value("PACKAGES", packages).unwrap_or_default();
    policy.allowed_imports.extend(packages.modules().map(str::to_owned));
    let host = reader.value("HOST", address).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = reader.value("SERVICE_PORT", number(0..=u16::MAX)).unwrap_or_default();
    let allowed_hosts = reader.value("ALLOWED_HOSTS", hosts).unwrap_or_default();
    let allowed_origins = reader.value("ALLOWED_ORIGINS", origins).unwrap_or_default();
    let shutdown_grace = reader.value("SHUTDOWN_GRACE", seconds(0.0..=86_400.0)).unwrap_or_default();
    let is_production =
        |text: &str| Ok(["production", "prod"].iter().any(|name| name.eq_ignore_ascii_case(text)));
    let production = reader.value("ENVIRONMENT", is_production).unwrap_or_default();
    let token = reader.secret(TOKEN, TOKEN_FILE, token);
    let approver_token = reader.secret(APPROVER_TOKEN, APPROVER_TOKEN_FILE, values::token);
    let keys = waits::read_keys(reader);
    let hardening = reader.value("HARDENING", one_of(&HARDENING_MODES)).unwrap_or_default();
    let cache_dir = read_cache_dir(reader);
    let store = waits::read_store(reader, keys);
    let wait_limits = waits::read_limits(reader);
    let log_level = reader.value("LOG_LEVEL", one_of(&LOG_LEVELS)).unwrap_or_default();
    let log_format = reader.value("LOG_FORMAT", one_of(&LOG_FORMATS)).unwrap_or_default();
    let log_code = reader.value("LOG_CODE", switch).unwrap_or_default();
    let network_tools = tools::read(reader);
    if !network_tools.enabled {
        policy.disabled_imports = tools::modules(&network_tools.file, reader);
    }
    let workspace_dir = reader.value("MCP_WORKSPACE_DIR", |text| Ok(PathBuf::from(text))).unwrap_or_default();
    let ceilings = read_tool_limits(reader, limits);
    Config {
        ceilings,
        concurrency,
        queue,
        policy,
        packages,
        address: SocketAddr::new(host, port),
        allowed_hosts,
        allowed_origins,
        shutdown_grace,
        production,
        token,
        approver_token,
        store,
        wait_limits,
        hardening,
        cache_dir,
        log_level,
        log_format,
        log_code,
        network_tools,
        workspace_dir,
    }
}

const HARDENING_MODES: [(&str, HardeningMode); 3] =
    [("on", HardeningMode::On), ("require", HardeningMode::Require), ("off", HardeningMode::Off)];

const POLICY_KINDS: [(&str, PolicyKind); 2] =
    [(PolicyKind::Strict.name(), PolicyKind::Strict), (PolicyKind::Open.name(), PolicyKind::Open)];

const LOG_LEVELS: [(&str, LogLevel); 4] = [
    ("DEBUG", LogLevel::Debug),
    ("INFO", LogLevel::Info),
    ("WARNING", LogLevel::Warning),
    ("ERROR", LogLevel::Error),
];

const LOG_FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

fn read_limits(reader: &mut Reader<'_>) -> Limits {
    let wall_time = reader.value("EXECUTION_TIMEOUT", seconds(0.1..=86_400.0)).unwrap_or_default();
    let percent = reader.value("MAX_CPU_PERCENT", percent).unwrap_or_default();
    let memory_bytes_max = reader.value("MAX_MEMORY_MB", mebibytes(48..=4096)).unwrap_or_default();
    Limits::default()
        .wall_time(wall_time)
        .cpu_time(limits::cpu_time_of(wall_time, percent))
        .memory_bytes_max(memory_bytes_max)
        .output_bytes_max(read_buffer_bytes(reader, "MAX_OUTPUT_BYTES"))
        .result_bytes_max(read_buffer_bytes(reader, "MAX_RESULT_BYTES"))
}

fn read_policy(reader: &mut Reader<'_>) -> Policy {
    let code_bytes_max = reader.value("MAX_CODE_BYTES", bytes(1..=CODE_BYTES_CEILING)).unwrap_or_default();
    let ast_nodes_max = reader.value("MAX_AST_NODES", number(1..=1_000_000)).unwrap_or_default();
    let context_bytes_max = read_buffer_bytes(reader, "MAX_CONTEXT_BYTES");
    let context_depth_max = reader.value("MAX_CONTEXT_DEPTH", number(0..=100)).unwrap_or_default();
    let kind = reader.value("POLICY", one_of(&POLICY_KINDS)).unwrap_or_default();
    let allowed_imports = reader.value("ALLOWED_IMPORTS", imports).unwrap_or_default();
    reader.came_to(allowed_imports.iter().map(String::as_str).collect::<Vec<_>>().join(","));
    Policy::default()
        .kind(kind)
        .code_bytes_max(code_bytes_max)
        .ast_nodes_max(ast_nodes_max)
        .allowed_imports(allowed_imports)
        .context_bytes_max(context_bytes_max)
        .context_depth_max(context_depth_max)
}

fn read_tool_limits(reader: &mut Reader<'_>, limits: Limits) -> Limits {
    limits
        .tool_time(reader.value("TOOL_TIMEOUT", seconds(0.1..=86_400.0)).unwrap_or_default())
        .tool_calls_max(reader.value("MAX_TOOL_CALLS", number(0..=1_000_000)).unwrap_or_default())
        .tool_calls_in_flight_max(
            reader.value("MAX_TOOL_CALLS_IN_FLIGHT", number(1..=10_000)).unwrap_or_default(),
        )
        .tool_reply_bytes_max(read_buffer_bytes(reader, "MAX_TOOL_REPLY_BYTES"))
}

fn read_buffer_bytes(reader: &mut Reader<'_>, name: &'static str) -> usize {
    reader.value(name, bytes(0..=BUFFER_BYTES_CEILING)).unwrap_or_default()
}

/// Returns the configured directory, or else the one in the user's cache directory.
fn read_cache_dir(reader: &mut Reader<'_>) -> Option<PathBuf> {
    let configured = reader.value("CACHE_DIR", |text| Ok(PathBuf::from(text))).unwrap_or_default();
    if !configured.as_os_str().is_empty() {
        return Some(configured);
    }
    let dir = user_dir("XDG_CACHE_HOME", ".cache")?;
    reader.came_to(dir.display().to_string());
    Some(dir)
}

/// Returns the service's directory below the one that `variable` names, or else below `default` in the user's home.
fn user_dir(variable: &str, default: &str) -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(default)))?;
    Some(base.join("ai-code-executor"))
}

/// Refuses a weak token in production, and on addresses that other machines can reach. On a loopback address, it is
/// fine for a trial.
fn check_token(config: &Config, reader: &mut Reader<'_>) {
    if reader.problems.iter().any(|problem| problem.starts_with(TOKEN) || problem.starts_with(APPROVER_TOKEN))
    {
        return;
    }
    let (token, approver) = (config.token.expose_secret(), config.approver_token.expose_secret());
    check_strength(TOKEN, token, config, reader);
    if approver.is_empty() {
        return;
    }
    check_strength(APPROVER_TOKEN, approver, config, reader);
    if approver == token {
        let why =
            format!("the same as {TOKEN}: whoever runs programs could approve their calls; choose another");
        reader.problem(APPROVER_TOKEN, MASKED, &why);
    }
}

fn check_strength(name: &str, token: &str, config: &Config, reader: &mut Reader<'_>) {
    let Some(is) = weakness(token) else { return };
    let takes = "which requires a strong token; make one with `openssl rand -hex 32`";
    if config.production {
        reader.problem(name, &is, &format!("ENVIRONMENT is production, {takes}"));
    } else if !token.is_empty() && !config.address.ip().to_canonical().is_loopback() {
        reader.problem(name, &is, &format!("HOST is open to other machines, {takes}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<(Config, Vec<Effective>), Vec<String>> {
        let command = clap::Command::new("test").args(args().map(|arg| arg.env(None::<&str>)));
        let arguments = ["test"].iter().chain(arguments);
        Config::read(&command.try_get_matches_from(arguments).unwrap(), true)
    }

    #[test]
    fn all_settings_are_read_in_the_order_of_the_table() {
        let (config, effective) = read(&[]).unwrap();
        let read: Vec<_> = effective.iter().map(|setting| setting.name).collect();
        assert_eq!(read, settings::all().map(|setting| setting.name).collect::<Vec<_>>());
        assert_eq!(config.ceilings, Limits::default());
        assert_eq!(config.policy.clone().disabled_imports([""; 0]), Policy::default());
        let disabled: Vec<_> = config.policy.disabled_imports.iter().map(String::as_str).collect();
        assert_eq!(disabled, ["automation", "data", "device", "tools"]);
        assert_eq!(config.body_bytes_max(), 2 * (10_000 + (1 << 20)));
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let secret = "s3cret0123456789s3cret0123456789";
        let (config, _) = read(&["--executor-api-token", secret, "--tool-signing-key", secret]).unwrap();
        assert!(config.network_tools.signer.is_some());
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn weak_tokens_are_accepted_on_loopback_addresses_only() {
        let open = "HOST is open";
        let production = "ENVIRONMENT is production";
        let strong = "9fK2mQx7Lw4RtB1z";
        let cases: [(&[&str], &str); 15] = [
            (&[], ""),
            (&["--executor-api-token", "5f3e"], ""),
            (
                &["--executor-api-token", "5f3e", "--host", "0.0.0.0"],
                "is shorter than 16 bytes: HOST is open",
            ),
            (
                &["--executor-api-token", "5f3e", "--environment", "production"],
                "bytes: ENVIRONMENT is production",
            ),
            (
                &["--executor-api-token", "Change-Me-In-Production", "--host", "::"],
                "is a well-known one: HOST",
            ),
            (&["--executor-api-token", strong, "--host", "0.0.0.0"], ""),
            (&["--executor-api-token", ""], ""),
            (&["--executor-api-token", "", "--host", "0.0.0.0"], ""),
            (&["--host", "0.0.0.0"], open),
            (&["--host", "::"], open),
            (&["--host", "::ffff:127.0.0.1"], ""),
            (&["--executor-api-token", "change-me", "--host", "192.0.2.1"], open),
            (&["--environment", "Prod"], production),
            (&["--environment", "production", "--executor-api-token", ""], production),
            (&["--environment", "production", "--executor-api-token", strong, "--host", "0.0.0.0"], ""),
        ];
        for (arguments, why) in cases {
            match read(arguments) {
                Ok(_) => assert_eq!(why, "", "{arguments:?}"),
                Err(problems) => {
                    assert!(problems.len() == 1 && !why.is_empty(), "{arguments:?}: {problems:?}");
                    assert!(problems[0].contains(why), "{problems:?}");
                }
            }
        }
    }
}
