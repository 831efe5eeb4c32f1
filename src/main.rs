//! The command line.

mod commands;
mod config;
mod log;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use config::{Config, LogFormat, LogLevel};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Runs AI-written Python in a fresh, real CPython inside WebAssembly
///
/// Each setting is an environment variable and a flag; the flag wins. An empty value is as good as none.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the HTTP service (the default)
    Serve,
    /// Run one program on the terminal
    ///
    /// Exit status: 0 success, 1 the program raised, 2 usage, 3 rejected before it ran, 4 a limit was hit, 70 the
    /// executor failed.
    Run {
        /// The program; `-` reads standard input
        file: String,
        /// Print the return value as JSON on the last line
        #[arg(long)]
        json: bool,
    },
    /// Say what keeps programs from being run, without running them
    ///
    /// Exit status: 0 nothing, 2 usage or a file that cannot be read, 3 findings.
    Check {
        /// The programs; `-` reads standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        #[arg(long, value_enum, default_value_t)]
        format: commands::Format,
    },
    /// Show the tools that programs can import
    Tools {
        /// Words that say what to look for; without any, all tools
        #[arg(default_value = "", hide_default_value = true)]
        query: String,
        #[arg(long, value_enum, default_value_t)]
        format: commands::ToolsFormat,
    },
    /// Make and cache the interpreter image now, then exit
    Prepare,
    /// Print the settings as they take effect, and where each comes from
    Config,
    /// Ask the service that runs with these settings whether it is ready
    ///
    /// Exit status: 0 ready, 1 not.
    Health,
}

fn main() -> ExitCode {
    let matches = Cli::command().args(config::args()).get_matches();
    let command = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli.command.unwrap_or(Command::Serve),
        Err(error) => error.exit(),
    };
    let listens = matches!(command, Command::Serve | Command::Config);
    let (config, effective) = match Config::read(&matches, listens) {
        Ok(read) => read,
        Err(problems) => {
            eprintln!("ai-code-executor: these settings cannot work:\n  {}", problems.join("\n  "));
            return ExitCode::from(commands::USAGE);
        }
    };
    log_to_stderr(&config, matches!(command, Command::Run { .. }));
    let done = match command {
        Command::Serve => commands::serve(config),
        Command::Run { file, json } => commands::run(&config, &file, json),
        Command::Check { files, format } => commands::check(&config, &files, format),
        Command::Tools { query, format } => commands::tools(&config, &query, format),
        Command::Prepare => commands::prepare(&config),
        Command::Config => commands::config(&effective),
        Command::Health => Ok(commands::health(config.address)),
    };
    done.unwrap_or_else(|message| {
        eprintln!("ai-code-executor: {message}");
        ExitCode::from(commands::HOST_FAILURE)
    })
}

/// A program's own output is what `run` is for, so it logs no more than a first start's progress.
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
        .with_target(ai_code_executor::PROGRESS, LevelFilter::INFO)
        // Each event names its execution.
        .with_target(ai_code_executor::SPANS, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(log::StandardError).with_target(false);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(targets).with(lines).init();
}
