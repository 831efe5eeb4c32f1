//! `run`: runs one program on the terminal. Its output passes through while it runs.

mod approval;
mod files;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use ai_code_executor::{
    Error, Event, EventSink, Events, Execution, GuestError, Metrics, OnWait, Outcome, Report, Sandbox, events,
};
use serde_json::value::RawValue;

use super::output::{complain, flush};
use super::{Done, REJECTED, USAGE, findings, read_text, runtime, sandbox};
use crate::config::Config;

const RAISED: u8 = 1;
const LIMIT_HIT: u8 = 4;

/// Exit status if nobody reads standard output any more: the status that shells report for a process ended by
/// `SIGPIPE`.
const READER_GONE: u8 = 128 + 13;

/// What to run, and how to show its end.
#[derive(clap::Args)]
pub(crate) struct RunArgs {
    /// The program; `-` reads standard input
    file: String,
    /// Print the return value as JSON on the last line
    #[arg(long)]
    json: bool,
    /// A JSON object: each of its values becomes a variable of the program
    #[arg(long, value_name = "FILE")]
    context: Option<String>,
    #[command(flatten)]
    files: files::FileArgs,
}

/// Reasons why there is no report.
enum End {
    Failed(Error),
    Output(io::Error),
}

pub(crate) fn run(config: &Config, arguments: &RunArgs) -> Done {
    let RunArgs { file, json, context, files } = arguments;
    let (Some(code), Some(context)) = (read_text(file), read_context(context.as_deref())) else {
        return Ok(ExitCode::from(USAGE));
    };
    // Before the image is made, which can take seconds.
    let Some(mut execution) = files.add_to(Execution::new(code.clone()).context(context)) else {
        return Ok(ExitCode::from(USAGE));
    };
    let sandbox = sandbox(config, Metrics::default())?;
    if sandbox.catalogue().tools().iter().any(|tool| tool.needs_approval) {
        // The time that a person takes to answer is not the program's.
        execution = execution.on_wait(OnWait::Return);
    }
    match runtime()?.block_on(streamed(&sandbox, execution)) {
        Ok(report) => {
            files.write(&report)?;
            shown(show(&report, *json), status(report.outcome))
        }
        Err(End::Output(error)) => shown(Err(error), READER_GONE),
        Err(End::Failed(Error::Rejected(found))) => {
            complain(&findings::for_standard_error(file, &code, &found));
            Ok(ExitCode::from(REJECTED))
        }
        Err(End::Failed(error)) => Err(error.into()),
    }
}

/// Returns the exit status, or an error of writing the output. A closed pipe is not an error: nobody is left to
/// report it to.
fn shown(written: io::Result<()>, status: u8) -> Done {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("writing the output: {error}").into())
        }
        _ => Ok(ExitCode::from(status)),
    }
}

/// Reads the context from `file`. Complains and returns `None` if it is unusable.
fn read_context(file: Option<&str>) -> Option<BTreeMap<String, Box<RawValue>>> {
    let Some(file) = file else { return Some(BTreeMap::new()) };
    let context = serde_json::from_str(&read_text(file)?);
    context
        .inspect_err(|error| complain(&format!("ai-code-executor: {file}: not a JSON object: {error}")))
        .ok()
}

/// Runs a program and passes its output through. Asks about calls that need approval. Ends the program if nobody reads
/// the output any more.
async fn streamed(sandbox: &Sandbox, execution: Execution) -> Result<Report, End> {
    let mut report = with_output(|sink| sandbox.run(execution.events(sink))).await?;
    while let Some(waiting) = &report.waiting {
        // Blocks, but nothing else happens on this thread: programs run on the sandbox's own.
        let answers = approval::answers(&waiting.calls);
        let goes_on = |sink| sandbox.resume(report.id, waiting.epoch, answers, Some(sink));
        report = with_output(goes_on).await?;
    }
    Ok(report)
}

/// Passes output through until the report is there.
async fn with_output<R>(run: impl FnOnce(EventSink) -> R) -> Result<Report, End>
where
    R: Future<Output = Result<Report, Error>>,
{
    let (sink, events) = events();
    let run = async { run(sink).await.map_err(End::Failed) };
    let output = async { pass_through(events).await.map_err(End::Output) };
    tokio::try_join!(run, output).map(|(report, ())| report)
}

async fn pass_through(mut events: Events) -> io::Result<()> {
    while let Some(event) = events.next().await {
        match event {
            Event::Stdout(text) => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())?;
            }
            // Without a reader of standard error, there is no place to complain.
            Event::Stderr(text) => drop(io::stderr().write_all(text.as_bytes())),
            _ => {}
        }
    }
    Ok(())
}

/// Prints the end of a report: dropped output, and the error or the value.
fn show(report: &Report, json: bool) -> io::Result<()> {
    for (name, output) in [("stdout", &report.stdout), ("stderr", &report.stderr)] {
        if output.truncated {
            complain(&format!("ai-code-executor: the rest of {name} was dropped (MAX_OUTPUT_BYTES)"));
        }
    }
    if let Some(error) = &report.error {
        complain(&told(error));
    } else if json {
        let value = report.value.as_ref().map_or("null", |value| value.get());
        let is_line_open = !report.stdout.text.is_empty() && !report.stdout.text.ends_with('\n');
        writeln!(io::stdout(), "{}{value}", if is_line_open { "\n" } else { "" })?;
    }
    flush()
}

/// Formats an error. A traceback already ends with the exception; a limit that was reached has no traceback.
fn told(error: &GuestError) -> String {
    let mut lines = Vec::new();
    if !error.traceback.is_empty() {
        lines.push(error.traceback.clone());
    }
    if error.traceback.is_empty() || error.kind.is_empty() {
        lines.push(error.to_string());
    }
    lines.extend(error.hint.as_ref().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

fn status(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Completed => 0,
        Outcome::Timeout | Outcome::CpuLimit | Outcome::MemoryLimit => LIMIT_HIT,
        // `Failure`, `Cancelled`, and outcomes that later versions of the library may add.
        _ => RAISED,
    }
}
