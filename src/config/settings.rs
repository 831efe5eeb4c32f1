//! The table of all settings. The flags, their help and the output of `config` come from it.

use clap::Arg;
use clap::builder::OsStringValueParser;

/// A setting: an environment variable and a flag.
pub(super) struct Setting {
    /// The environment variable.
    pub(super) name: &'static str,
    /// The default value; empty if there is none.
    pub(super) default: &'static str,
    value_name: &'static str,
    help: &'static str,
    /// A short name of the flag; empty for none.
    alias: &'static str,
}

/// Settings under the headings of `--help`.
#[rustfmt::skip]
const GROUPS: [(&str, &[Setting]); 10] = [
    ("Limits of an execution", &[
        setting("EXECUTION_TIMEOUT", "30", "SECONDS", "Wall-clock time; also as 500ms, 5s or 2m").alias("timeout"),
        setting("MAX_CPU_PERCENT", "50", "PERCENT", "CPU time as a share of the timeout, clamped to 10 to 100; at least 1 s"),
        setting("MAX_MEMORY_MB", "128", "MIB", "Linear memory, interpreter included; also as 64MiB or 1GiB").alias("memory"),
        setting("MAX_OUTPUT_BYTES", "1048576", "BYTES", "Standard output and standard error, each; the rest is dropped and flagged"),
        setting("MAX_RESULT_BYTES", "1048576", "BYTES", "Return value, as JSON"),
    ]),
    ("Admission", &[
        setting("MAX_CONCURRENT_EXECUTIONS", "2", "N", "Executions that run at once"),
        setting("MAX_QUEUED_EXECUTIONS", "64", "N", "Requests that may wait for a slot; one more gets 429"),
    ]),
    ("Programs and their context", &[
        setting("MAX_CODE_BYTES", "10000", "BYTES", "Largest program"),
        setting("MAX_AST_NODES", "5000", "N", "Largest program, in nodes of its syntax tree"),
        setting("MAX_CONTEXT_BYTES", "1048576", "BYTES", "Largest `context`, as JSON"),
        setting("MAX_CONTEXT_DEPTH", "4", "N", "Nesting of `context` values"),
        setting("POLICY", "strict", "POLICY", "What programs are refused: `strict`, other modules and names that reach into the interpreter; `open`, nothing"),
        setting("ALLOWED_IMPORTS", "", "NAMES", "Modules that programs may import under the policy `strict`: `json,re` replaces the standard list, `+pickle,-secrets` changes it"),
        setting("PACKAGES", "", "DIR", "Packages that programs may import: a directory made by `pip install --target`"),
    ]),
    ("HTTP", &[
        setting("HOST", "127.0.0.1", "ADDRESS", "Address to listen on"),
        setting("SERVICE_PORT", "8030", "PORT", "Port to listen on; 0 takes a free one"),
        setting("ALLOWED_HOSTS", "", "HOSTS", "Accepted `Host` names of requests, comma-separated, in addition to loopback names and HOST; set it if other machines can reach HOST"),
        setting("ALLOWED_ORIGINS", "http://localhost:8030", "ORIGINS", "Web origins whose pages may call the service, comma-separated, as `scheme://host[:port]`, in addition to its own"),
        setting("SHUTDOWN_GRACE", "30", "SECONDS", "Time that running executions have to finish after SIGTERM"),
        setting("ENVIRONMENT", "", "NAME", "`production` or `prod`: the service does not start without a strong token of at least 16 bytes"),
    ]),
    ("Secrets", &[
        setting(TOKEN, DEFAULT_TOKEN, "TOKEN", "Token that callers send as `X-Executor-Token`; if it is empty, no caller is accepted"),
        setting(TOKEN_FILE, "", "FILE", "File to read the token from"),
        setting(APPROVER_TOKEN, "", "TOKEN", "Token of whoever may approve tool calls; it may not run programs. Without it, nobody may approve"),
        setting(APPROVER_TOKEN_FILE, "", "FILE", "File to read that token from"),
        setting(STORE_KEY, "", "KEY", "Key that encrypts the store: at least 32 random bytes in any encoding [default: made at the first start and kept in STORE]"),
        setting(STORE_KEY_FILE, "", "FILE", "File to read that key from"),
        setting(STORE_KEY_PREVIOUS, "", "KEY", "The key before STORE_KEY: what it has encrypted can still be read"),
        setting(STORE_KEY_PREVIOUS_FILE, "", "FILE", "File to read that key from"),
    ]),
    ("The process", &[
        setting("HARDENING", "on", "MODE", "How far the process is restricted before it serves: `on`, as far as the kernel supports it; `require`, completely, or it does not start; `off`, not at all"),
    ]),
    ("Storage", &[
        setting("CACHE_DIR", "", "DIR", "Directory for compiled images [default: $XDG_CACHE_HOME/ai-code-executor]"),
        setting("STORE", "", "DIR", "Directory for states and executions that wait [default: $XDG_STATE_HOME/ai-code-executor]"),
        setting("STORE_MB", "256", "MIB", "Size of the store, which is taken at the first start; a third of it holds entries"),
    ]),
    ("Executions that wait, and states", &[
        setting("PARK_AFTER", "2", "SECONDS", "Time that an execution that waits keeps its memory and its slot, unless another one needs the slot"),
        setting("WAIT_MAX", "86400", "SECONDS", "Time to wait for somebody's answer; then the execution is cancelled"),
        setting("RESULT_TTL", "3600", "SECONDS", "Time to keep the answer of an execution that has waited or was `async`"),
        setting("MAX_WAITING_EXECUTIONS", "1000", "N", "Executions that may wait or run without a connection"),
        setting("MAX_PARKS", "10000", "N", "How often one execution may be written to the store"),
        setting("STATE_TTL", "86400", "SECONDS", "Time to keep a state after its last use"),
        setting("MAX_STATE_MB", "16", "MIB", "Largest state, and largest execution in the store, compressed"),
        setting("MAX_STATES", "1000", "N", "States that may be kept"),
    ]),
    ("Logs, on standard error", &[
        setting("LOG_LEVEL", "INFO", "LEVEL", "DEBUG, INFO, WARNING or ERROR"),
        setting("LOG_FORMAT", "text", "FORMAT", "text or json"),
        setting("LOG_CODE", "false", "BOOL", "Also log programs; contexts and values are never logged"),
    ]),
    ("Tools", &[
        setting("ENABLE_MCP_NETWORK_TOOLS", "false", "BOOL", "Let programs call the tools of network services"),
        setting("TOOLS_CONFIG", "", "FILE", "Tool registry, see docs/tools.md [default: the tools of HomeIQ]"),
        setting("DATA_API_URL", "http://data-api:8006", "URL", "Base URL of the service behind HomeIQ's module `data`"),
        setting("AI_AUTOMATION_URL", "http://ai-automation-service:8024", "URL", "The same for the module `automation`"),
        setting("DEVICE_INTELLIGENCE_URL", "http://device-intelligence-service:8028", "URL", "The same for the module `device`"),
        setting(SIGNING_KEY, "", "KEY", "Key that signs requests to services: at least 32 bytes, or an Ed25519 key in PEM format"),
        setting(SIGNING_KEY_FILE, "", "FILE", "File to read the key from"),
        setting(SIGNING_KEY_ID, "ai-code-executor", "NAME", "Name by which services know the key"),
        setting("MCP_WORKSPACE_DIR", "/tmp/mcp_workspace", "DIR", "Directory for the stub files that describe the tools"),
        setting("TOOL_TIMEOUT", "10", "SECONDS", "Time for one call"),
        setting("MAX_TOOL_CALLS", "1000", "N", "Calls per execution"),
        setting("MAX_TOOL_CALLS_IN_FLIGHT", "32", "N", "Calls per execution that run at once; further ones wait"),
        setting("MAX_TOOL_REPLY_BYTES", "8388608", "BYTES", "Largest reply, as JSON"),
    ]),
];

/// The settings that are secrets. No message and no listing shows their values.
pub(super) const TOKEN: &str = "EXECUTOR_API_TOKEN";
pub(super) const SIGNING_KEY: &str = "TOOL_SIGNING_KEY";

pub(super) const TOKEN_FILE: &str = "EXECUTOR_API_TOKEN_FILE";
pub(super) const APPROVER_TOKEN: &str = "APPROVER_TOKEN";
pub(super) const APPROVER_TOKEN_FILE: &str = "APPROVER_TOKEN_FILE";
pub(super) const STORE_KEY: &str = "STORE_KEY";
pub(super) const STORE_KEY_FILE: &str = "STORE_KEY_FILE";
pub(super) const STORE_KEY_PREVIOUS: &str = "STORE_KEY_PREVIOUS";
pub(super) const STORE_KEY_PREVIOUS_FILE: &str = "STORE_KEY_PREVIOUS_FILE";
pub(super) const SIGNING_KEY_FILE: &str = "TOOL_SIGNING_KEY_FILE";

pub(super) const SIGNING_KEY_ID: &str = "TOOL_SIGNING_KEY_ID";

/// The token until one is set.
const DEFAULT_TOKEN: &str = "local-dev-token";

const fn setting(
    name: &'static str,
    default: &'static str,
    value_name: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, default, value_name, help, alias: "" }
}

impl Setting {
    const fn alias(self, alias: &'static str) -> Self {
        Self { alias, ..self }
    }

    /// Returns the flag's name: `execution-timeout` for `EXECUTION_TIMEOUT`.
    pub(super) fn flag(&self) -> String {
        self.name.to_lowercase().replace('_', "-")
    }

    /// Returns the flag. It accepts any text: [`super::Config::read`] reports all problems together.
    fn arg(&self) -> Arg {
        let arg = Arg::new(self.name)
            .long(self.flag())
            .env(self.name)
            .hide_env_values(true)
            .global(true)
            .value_parser(OsStringValueParser::new())
            .value_name(self.value_name)
            .help(self.help);
        let arg = if self.alias.is_empty() { arg } else { arg.visible_alias(self.alias) };
        if self.default.is_empty() { arg } else { arg.default_value(self.default) }
    }
}

/// Returns all settings, in the order of the groups.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|(_, settings)| *settings)
}

/// Returns the flags, under their headings.
pub(super) fn args() -> impl Iterator<Item = Arg> {
    let args_of = |&(heading, settings): &'static (&str, &[Setting])| {
        settings.iter().map(move |setting| setting.arg().help_heading(heading))
    };
    GROUPS.iter().flat_map(args_of)
}
