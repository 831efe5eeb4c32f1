//! Environment variables and flags → typed [`Config`]. Nothing below reads the environment again.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use crate::limits::{self, Limits};
use crate::validator::{CODE_BYTES_CEILING, Policy};

/// How the service runs. Every field is an environment variable and a flag.
#[derive(Args, Clone, Debug)]
pub struct Config {
    /// Wall-clock seconds per execution
    #[arg(long, env, global = true, default_value_t = 30.0, value_parser = seconds, value_name = "SECONDS")]
    pub execution_timeout: f64,
    /// Linear memory per execution, interpreter included
    #[arg(long, env, global = true, default_value_t = 128, value_parser = RangedU64ValueParser::<u64>::new().range(32..=4096), value_name = "MIB")]
    pub max_memory_mb: u64,
    /// CPU time per execution as a share of the wall-clock limit, from 10 to 100
    #[arg(long, env, global = true, default_value_t = 50.0, value_parser = percent, value_name = "PERCENT")]
    pub max_cpu_percent: f64,
    /// Executions at once
    #[arg(long, env, global = true, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000), value_name = "N")]
    pub max_concurrent_executions: u32,
    /// Requests that may wait for a slot
    #[arg(long, env, global = true, default_value_t = 64, value_name = "N")]
    pub max_queued_executions: usize,
    /// Largest program
    #[arg(long, env, global = true, default_value_t = 10_000, value_parser = RangedU64ValueParser::<usize>::new().range(1..=CODE_BYTES_CEILING as u64), value_name = "BYTES")]
    pub max_code_bytes: usize,
    /// Largest `context`, as JSON
    #[arg(long, env, global = true, default_value_t = 1 << 20, value_name = "BYTES")]
    pub max_context_bytes: usize,
    /// Standard output and standard error each; the rest is dropped and flagged
    #[arg(long, env, global = true, default_value_t = 1 << 20, value_name = "BYTES")]
    pub max_output_bytes: usize,
    /// Largest return value, as JSON
    #[arg(long, env, global = true, default_value_t = 1 << 20, value_name = "BYTES")]
    pub max_result_bytes: usize,
    /// Shared secret that callers send as `X-Executor-Token`
    #[arg(
        long,
        env,
        global = true,
        default_value = "local-dev-token",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub executor_api_token: String,
    /// Address to listen on
    #[arg(long, env, global = true, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub host: IpAddr,
    /// Port to listen on
    #[arg(long, env, global = true, default_value_t = 8030, value_name = "PORT")]
    pub service_port: u16,
    /// Seconds that running executions may take to finish after SIGTERM
    #[arg(long, env, global = true, default_value_t = 30.0, value_parser = grace, value_name = "SECONDS")]
    pub shutdown_grace: f64,
    /// Where compiled images are kept [default: $XDG_CACHE_HOME/ai-code-executor]
    #[arg(long, env, global = true, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// How much to log, on standard error
    #[arg(long, env, global = true, default_value = "INFO", ignore_case = true, value_name = "LEVEL")]
    pub log_level: LogLevel,
}

/// How much to log.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[value(rename_all = "UPPER")]
pub enum LogLevel {
    /// Everything, for developers of the service.
    Debug,
    /// Start, stop and executions.
    Info,
    /// What an operator should look at.
    Warning,
    /// What an operator must look at.
    Error,
}

impl Config {
    /// The operator's ceilings.
    #[must_use]
    pub fn ceilings(&self) -> Limits {
        let wall_time = Duration::from_secs_f64(self.execution_timeout);
        Limits {
            wall_time,
            cpu_time: limits::cpu_time_of(wall_time, self.max_cpu_percent),
            memory_bytes_max: self.max_memory_mb << 20,
            output_bytes_max: self.max_output_bytes,
            result_bytes_max: self.max_result_bytes,
            ..Limits::default()
        }
    }

    /// What the validator demands.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy { code_bytes_max: self.max_code_bytes, ..Policy::default() }
    }

    /// Where the service listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.service_port)
    }

    /// The configured cache directory, else the user's; `None` for a user without a home.
    #[must_use]
    pub fn cache_dir(&self) -> Option<PathBuf> {
        let of_user = || {
            let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
            let base =
                absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
            Some(base.join("ai-code-executor"))
        };
        self.cache_dir.clone().or_else(of_user)
    }

    /// The largest request body, in bytes: twice what its parts may be, for JSON's escapes.
    #[must_use]
    pub fn body_bytes_max(&self) -> usize {
        self.max_code_bytes.saturating_add(self.max_context_bytes).saturating_mul(2)
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    number(text, 0.1..=86_400.0)
}

fn grace(text: &str) -> Result<f64, String> {
    number(text, 0.0..=86_400.0)
}

/// Any number: what lies outside of 10 to 100 is clamped where it is used.
fn percent(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|percent: &f64| percent.is_finite()).ok_or_else(|| "not a number".into())
}

fn number(text: &str, range: RangeInclusive<f64>) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not a number from {} to {}", range.start(), range.end()))
}
