//! The command line.

mod commands;
mod config;
mod log;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use commands::Done;
use config::{Config, LogFormat, LogLevel};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Runs AI-written Python in a fresh, real CPython inside WebAssembly
///
/// Each setting is an environment variable and a flag; the flag wins. An empty value means unset.
#[derive(Parser)]
#[command(name = "ai-code-executor", version = commands::version())]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Work(Work),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff: `ai-code-executor man | man -l -`
    Man,
    /// Start commands of MCP servers for the service
    #[command(hide = true)]
    Launcher,
    /// Become the command of an MCP server
    #[command(hide = true)]
    LaunchServer,
}

/// What needs the settings.
#[derive(Subcommand)]
enum Work {
    /// Run the HTTP service (the default)
    Serve,
    /// Run one program on the terminal and print its output while it runs
    ///
    /// Exit status: 0 success, 1 the program raised, 2 usage, 3 rejected before it ran, 4 a limit was reached, 70 the
    /// executor failed, 141 standard output was closed.
    Run(commands::RunArgs),
    /// Validate programs without running them
    ///
    /// Exit status: 0 no findings, 2 usage or an unreadable file, 3 findings.
    Check {
        /// The programs; `-` reads standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        #[arg(long, value_enum, default_value_t)]
        format: commands::Format,
    },
    /// Show the tools that programs can import
    Tools {
        /// Words to search for; if omitted, all tools are listed
        #[arg(default_value = "", hide_default_value = true)]
        query: String,
        #[arg(long, value_enum, default_value_t)]
        format: commands::ToolsFormat,
    },
    /// Show the packages that programs can import
    Packages,
    /// Serve a client of the Model Context Protocol on standard input and output
    ///
    /// For clients that start the executor themselves. Others use the path /mcp of the HTTP service.
    Mcp {
        /// Ask the client's user about calls that need approval
        #[arg(long)]
        approve: bool,
    },
    /// Make and cache the interpreter image now, then exit
    Prepare,
    /// Print the settings in effect and where each comes from
    Config,
    /// Check whether the configured service is ready
    ///
    /// Exit status: 0 ready, 1 not.
    Health,
}

fn main() -> ExitCode {
    let command_line = Cli::command().args(config::args());
    let matches = command_line.clone().get_matches();
    let command = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli.command.unwrap_or(Command::Work(Work::Serve)),
        Err(error) => error.exit(),
    };
    let done = match command {
        Command::Completions { shell } => commands::completions(command_line, shell),
        Command::Man => commands::manual(command_line),
        Command::Launcher => Ok(commands::launcher()),
        Command::LaunchServer => Ok(commands::launch_server()),
        Command::Work(work) => with_settings(work, &matches),
    };
    done.unwrap_or_else(|failure| {
        commands::complain(&format!("ai-code-executor: {}", failure.message));
        ExitCode::from(failure.status)
    })
}

fn with_settings(work: Work, matches: &ArgMatches) -> Done {
    let listens = matches!(work, Work::Serve | Work::Config);
    let (mut config, effective) = match Config::read(matches, listens) {
        Ok(read) => read,
        Err(problems) => {
            let problems = problems.join("\n  ");
            commands::complain(&format!("ai-code-executor: these settings cannot work:\n  {problems}"));
            return Ok(ExitCode::from(commands::USAGE));
        }
    };
    log_to_stderr(&config, matches!(work, Work::Run { .. } | Work::Mcp { .. }));
    if !matches!(work, Work::Config | Work::Health)
        && let Some(launcher) = commands::start_launcher(&config, &effective)?
    {
        let tools = &mut config.network_tools;
        tools.file = std::mem::take(&mut tools.file).launch_with(launcher);
    }
    match work {
        Work::Serve => commands::serve(config),
        Work::Run(arguments) => commands::run(&config, &arguments),
        Work::Check { files, format } => commands::check(&config, &files, format),
        Work::Tools { query, format } => commands::tools(&config, &query, format),
        Work::Packages => commands::packages(&config),
        Work::Mcp { approve } => commands::mcp(&config, approve),
        Work::Prepare => commands::prepare(&config),
        Work::Config => commands::config(&effective),
        Work::Health => Ok(commands::health(config.address)),
    }
}

/// Starts the log. With `quiet`, which `run` and `mcp` set, the level INFO shows only the progress of a first start:
/// users of `run` want the output of their program, and clients of `mcp` show this log to theirs.
fn log_to_stderr(config: &Config, quiet: bool) {
    let level = match config.log_level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info if quiet => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("ai_code_executor", level)
        // It warns about what clients do wrong, and they are told. Of servers, it logs whole messages, which are untrusted
        // and have any length.
        .with_target("rmcp", LevelFilter::OFF)
        .with_target(ai_code_executor::PROGRESS, LevelFilter::INFO)
        // Spans would repeat the execution's id, which each event has already.
        .with_target(ai_code_executor::SPANS, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(log::StandardError).with_target(false);
    // Reporting a failed write would write to the same closed stream, and panic.
    let lines = lines.log_internal_errors(false);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(targets).with(lines).init();
}
