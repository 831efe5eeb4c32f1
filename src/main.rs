//! The command line: `serve`, `run`, `prepare`.

mod commands;

use std::io::IsTerminal;
use std::process::ExitCode;

use ai_code_executor::config::{Config, LogLevel};
use clap::{Parser, Subcommand};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Runs AI-written Python in a fresh, real CPython inside WebAssembly
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    config: Config,
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
    /// Make and cache the interpreter image now, then exit
    Prepare,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Serve);
    log_to_stderr(cli.config.log_level, matches!(command, Command::Run { .. }));
    let done = match command {
        Command::Serve => commands::serve(&cli.config),
        Command::Run { file, json } => commands::run(&cli.config, &file, json),
        Command::Prepare => commands::prepare(&cli.config),
    };
    done.unwrap_or_else(|message| {
        eprintln!("ai-code-executor: {message}");
        ExitCode::from(commands::HOST_FAILURE)
    })
}

/// A program's own output is what `run` is for, so it logs no more than a first start's progress.
fn log_to_stderr(level: LogLevel, quiet: bool) {
    let level = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info if quiet => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("ai_code_executor", level)
        .with_target(ai_code_executor::PROGRESS, LevelFilter::INFO);
    let format = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(targets).with(format).init();
}
