//! Every setting as data: the flags, their help and the output of `config` come from this table.

use clap::Arg;
use clap::builder::OsStringValueParser;

/// One environment variable, which is a flag too.
pub(super) struct Setting {
    /// The environment variable.
    pub(super) name: &'static str,
    /// What stands for it when nothing is given; empty for none.
    pub(super) default: &'static str,
    value_name: &'static str,
    help: &'static str,
    /// A short name of the flag; empty for none.
    alias: &'static str,
}

/// Settings under the headings of `--help`.
#[rustfmt::skip]
const GROUPS: [(&str, &[Setting]); 9] = [
    ("Limits of an execution", &[
        setting("EXECUTION_TIMEOUT", "30", "SECONDS", "Wall-clock time; also as 500ms, 5s or 2m").alias("timeout"),
        setting("MAX_CPU_PERCENT", "50", "PERCENT", "CPU time as a share of the timeout, clamped to 10 to 100; at least 1 s"),
        setting("MAX_MEMORY_MB", "128", "MIB", "Linear memory, interpreter included; also as 64MiB or 1GiB").alias("memory"),
        setting("MAX_OUTPUT_BYTES", "1048576", "BYTES", "Standard output and standard error each; the rest is dropped and flagged"),
        setting("MAX_RESULT_BYTES", "1048576", "BYTES", "Return value, as JSON"),
    ]),
    ("Admission", &[
        setting("MAX_CONCURRENT_EXECUTIONS", "2", "N", "Executions at once"),
        setting("MAX_QUEUED_EXECUTIONS", "64", "N", "Requests that may wait for a slot; one more gets 429"),
    ]),
    ("Programs and their context", &[
        setting("MAX_CODE_BYTES", "10000", "BYTES", "Largest program"),
        setting("MAX_AST_NODES", "5000", "N", "Largest program, in nodes of its syntax tree"),
        setting("MAX_CONTEXT_BYTES", "1048576", "BYTES", "Largest `context`, as JSON"),
        setting("MAX_CONTEXT_DEPTH", "4", "N", "Nesting of `context` values"),
        setting("ALLOWED_IMPORTS", "", "NAMES", "What programs may import: `json,re` replaces the standard list, `+tomllib,-secrets` changes it"),
    ]),
    ("HTTP", &[
        setting("HOST", "127.0.0.1", "ADDRESS", "Address to listen on"),
        setting("SERVICE_PORT", "8030", "PORT", "Port to listen on; 0 takes a free one"),
        setting("ALLOWED_HOSTS", "", "HOSTS", "What the `Host` of requests may be, separated by commas, beside names of the loopback interface and HOST; needed where other machines reach HOST"),
        setting("ALLOWED_ORIGINS", "http://localhost:8030", "ORIGINS", "Web origins whose pages may call the service, beside its own, as `scheme://host[:port]`, separated by commas"),
        setting("SHUTDOWN_GRACE", "30", "SECONDS", "What running executions get to finish after SIGTERM"),
        setting("ENVIRONMENT", "", "NAME", "`production` or `prod`: no start without a token of your own, of at least 16 bytes"),
    ]),
    ("Secrets", &[
        setting(TOKEN, DEFAULT_TOKEN, "TOKEN", "What callers send as `X-Executor-Token`; empty lets nobody in"),
        setting(TOKEN_FILE, "", "FILE", "Where the token is read from instead"),
    ]),
    ("The process", &[
        setting("HARDENING", "on", "MODE", "What the service gives up before it serves: `on`, all that the kernel lets it; `require`, no start without all of it; or `off`"),
    ]),
    ("Storage", &[
        setting("CACHE_DIR", "", "DIR", "Where compiled images are kept [default: $XDG_CACHE_HOME/ai-code-executor]"),
    ]),
    ("Logs, on standard error", &[
        setting("LOG_LEVEL", "INFO", "LEVEL", "DEBUG, INFO, WARNING or ERROR"),
        setting("LOG_FORMAT", "text", "FORMAT", "text or json"),
        setting("LOG_CODE", "false", "BOOL", "Log programs too, never their context or values"),
    ]),
    ("Tools", &[
        setting("ENABLE_MCP_NETWORK_TOOLS", "false", "BOOL", "Let programs call the tools of network services"),
        setting("TOOLS_CONFIG", "", "FILE", "Registry of tools, as docs/tools.md describes it [default: the tools of HomeIQ]"),
        setting("DATA_API_URL", "http://data-api:8006", "URL", "Where HomeIQ's module `data` sends its requests"),
        setting("AI_AUTOMATION_URL", "http://ai-automation-service:8024", "URL", "The same for its module `automation`"),
        setting("DEVICE_INTELLIGENCE_URL", "http://device-intelligence-service:8028", "URL", "The same for its module `device`"),
        setting(SIGNING_KEY, "", "KEY", "What requests to services are signed with: at least 32 bytes, or an Ed25519 key as PEM"),
        setting(SIGNING_KEY_FILE, "", "FILE", "Where the key is read from instead"),
        setting(SIGNING_KEY_ID, "ai-code-executor", "NAME", "What services know the key by"),
        setting("MCP_WORKSPACE_DIR", "/tmp/mcp_workspace", "DIR", "Where the tools are described as files"),
        setting("TOOL_TIMEOUT", "10", "SECONDS", "One call"),
        setting("MAX_TOOL_CALLS", "1000", "N", "Calls per execution"),
        setting("MAX_TOOL_CALLS_IN_FLIGHT", "32", "N", "Calls per execution at once; further ones wait"),
        setting("MAX_TOOL_REPLY_BYTES", "8388608", "BYTES", "One reply, as JSON"),
    ]),
];

/// The secrets among the settings: no message and no listing shows their values.
pub(super) const TOKEN: &str = "EXECUTOR_API_TOKEN";
pub(super) const SIGNING_KEY: &str = "TOOL_SIGNING_KEY";

pub(super) const TOKEN_FILE: &str = "EXECUTOR_API_TOKEN_FILE";
pub(super) const SIGNING_KEY_FILE: &str = "TOOL_SIGNING_KEY_FILE";

pub(super) const SIGNING_KEY_ID: &str = "TOOL_SIGNING_KEY_ID";

/// What stands for a token until somebody sets one.
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

    /// `EXECUTION_TIMEOUT` is `execution-timeout`.
    pub(super) fn flag(&self) -> String {
        self.name.to_lowercase().replace('_', "-")
    }

    /// Takes any text: what is wrong with it is said together with what is wrong with the others.
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

/// All settings, in the order of the groups.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|(_, settings)| *settings)
}

/// The flags, under their headings.
pub(super) fn args() -> impl Iterator<Item = Arg> {
    let args_of = |&(heading, settings): &'static (&str, &[Setting])| {
        settings.iter().map(move |setting| setting.arg().help_heading(heading))
    };
    GROUPS.iter().flat_map(args_of)
}
